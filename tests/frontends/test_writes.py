"""Writes: in-place semantics of views, swaps, overlaps, masks and aliases, as in NumPy or refused.

Random programs of views and writes run on plain NumPy and on tracers: the values are the same to the last
bit, the gradient is that of the complex step. A refusal is allowed, and counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from programs import Overflow, Program

from wengert import api as wg
from wengert.errors import ConversionError, MutationError, UnsupportedError
from wengert.run import Run

REFUSALS = (ConversionError, MutationError, UnsupportedError, TypeError)  # the last: a write into a number


def grown(seed: int, **how: Any) -> Program | None:
    try:
        return Program(seed, **how)
    except Overflow:
        return None


def same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def check_values(program: Program) -> bool:
    """Whether the program ran (True) or was refused; its values must be those of NumPy."""
    with np.errstate(all="ignore"):
        expected = program.run([x.copy() for x in program.inputs], lambda a: a)
        try:
            got = Run(
                "grad", lambda *xs: tuple(program.run(xs, lambda a: a)), tuple(program.inputs), {}, (0, 1)
            ).result()
        except REFUSALS:
            return False
    for name, a, b in zip(["x", "y", *program.names], got, expected, strict=False):
        assert same(a, b), (name, program.names, a, b)
    return True


def check_gradient(program: Program) -> None:
    rng = np.random.default_rng(1)
    shapes = [np.shape(v) for v in program.env]
    weights = [rng.normal(size=s) for s in shapes]

    def total(values: Any) -> Any:
        out = 0.0
        for w, v in zip(weights, values, strict=True):
            out = out + np.sum(v * w)
        return out

    with np.errstate(all="ignore"):
        got = wg.grad(lambda *xs: total(program.run(xs, lambda a: a)), argnums=(0, 1))(*program.inputs)
        directions = [rng.normal(size=x.shape) for x in program.inputs]
        moved = [x + 1e-30j * d for x, d in zip(program.inputs, directions, strict=True)]
        step = total(program.run(moved, lambda a: a.astype(complex))).imag / 1e-30
    scale = sum(np.sum(np.abs(g * d)) for g, d in zip(got, directions, strict=True))
    slope = sum(np.sum(g * d) for g, d in zip(got, directions, strict=True))
    assert abs(slope - step) <= 1e-11 * (scale + abs(step)) + 1e-12, (program.names, slope, step)


@pytest.mark.parametrize("block", range(6))
def test_random_programs_are_those_of_numpy(block: int) -> None:
    ran = refused = 0
    for seed in range(block * 40, block * 40 + 40):
        program = grown(seed)
        if program is None:
            continue
        if check_values(program):
            ran += 1
            check_gradient(program)
        else:
            refused += 1
    assert ran > 20
    assert refused < 0.2 * (ran + refused)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
def test_random_programs_of_mixed_dtypes() -> None:
    ran = refused = 0
    for seed in range(10_000, 10_150):
        program = grown(seed, dtypes=(np.float64, np.float32, np.int64, np.complex128))
        if program is not None:
            ran, refused = (ran + 1, refused) if check_values(program) else (ran, refused + 1)
    assert ran > 60, (ran, refused)  # more refusals: floats into integers


# ---------------------------------------------------------------- one by one


def _swap(a: Any, x: Any) -> None:
    a[:, 0], a[:, 1] = a[:, 1], a[:, 0]  # both right sides are views: the second sees the first write


def _swap_copies(a: Any, x: Any) -> None:
    a[[0, 1]] = a[[1, 0]]


def _overlap(a: Any, x: Any) -> None:
    a[1:] += a[:-1]
    a[:, :-1] = a[:, 1:]
    a[::-1] -= a


def _views_of_views(a: Any, x: Any) -> None:
    b = a[::-1].T[1:, None][..., ::2]
    b *= x[0, 0]
    b[0, 0, 0] = 7.0
    a[0] += 1.0
    b += a[0, 0]


def _duplicates(a: Any, x: Any) -> None:
    a[[0, 0, 1], [1, 1, 1]] = x[:, 0]
    a[[1, 1]] += x[0]


def _box(a: Any, x: Any) -> None:
    b = a[0, 0, ...]
    b *= 3.0
    c = b
    c += x[1, 1]
    a[1, 1] = b


def _number(a: Any, x: Any) -> None:
    b = a[0, 0]
    c = b
    c += 5.0  # binds c anew
    a[1, 1] = b + 0.5 * c


def _reshaped(a: Any, x: Any) -> None:
    b, c = a.reshape(-1), a.T.reshape(-1)  # a view and a copy
    b[1] = 5.0
    c[2] = 50.0
    a[2] = b[:3] + c[:3]
    a += c.reshape(3, 3) + b.reshape(3, 3)


def _raveled(a: Any, x: Any) -> None:
    b, c, d = a.ravel(), a[:, :2].ravel(), a[1:].ravel()
    a *= 2.0
    a[0] += b[:3] + c[:3] + d[:3]
    d -= 1.0
    c -= 100.0


def _masks(a: Any, x: Any) -> None:
    a[a > 0.2] *= 2.0
    a[x < 0] = x[0, 0]
    a[np.eye(3, dtype=bool)] = x[1]
    a[:, [True, False, True]] -= 1.0


def _late_join(a: Any, x: Any) -> None:
    z = np.zeros((3, 3))
    row, column = z[1], z.T[2]  # views, taken before a traced value enters
    z[0, 2] = x[0, 0]
    z[1] = x[2]
    row *= 2.0
    a += z + row + column


def _late_copy(a: Any, x: Any) -> None:
    z = np.zeros((3, 3))
    row, corner = z[1], z[2, 2, ...]
    z[1] = x[0]
    z[2, 2] = x[1, 1]
    kept, number = row.copy(), corner.item()  # of views that have not been looked at since
    z *= 0.0
    a[0] = kept * number + np.array(row)


def _out(a: Any, x: Any) -> None:
    np.multiply(a, x, out=a)
    np.add(a[0], 1.0, out=a[1])
    np.subtract(a.T, x, out=a)


def _split(a: Any, x: Any) -> None:
    for k, part in enumerate(np.split(a, 3, axis=1)):
        part *= k + 1.0
    for row in a:
        row[::-1] += row


def _transposed_copy(a: Any, x: Any) -> None:
    b = a.T.copy()  # C order
    c = b.ravel()
    c[0] = x[1, 2]
    d = np.copy(a.T)  # F order: ravel copies
    e = d.ravel()
    e[1] = 77.0
    a += b + d


def _same_array(a: Any, x: Any) -> None:
    b, c = np.asarray(a), np.atleast_2d(a)
    b[0] = x[0]
    c += 1.0
    d = np.array(a)
    d *= 0.0
    a.astype(float, copy=False)[2] = 4.0


STORIES = [
    _swap,
    _swap_copies,
    _overlap,
    _views_of_views,
    _duplicates,
    _box,
    _number,
    _reshaped,
    _raveled,
    _masks,
    _late_join,
    _late_copy,
    _out,
    _split,
    _transposed_copy,
    _same_array,
]
POINT = np.random.default_rng(5).normal(size=(3, 3))


def told(story: Any, x: Any) -> Any:
    a = x * 1.5
    story(a, x)
    return a


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize(
    "point", [POINT, np.asfortranarray(POINT), np.repeat(POINT, 2, 1)[:, ::2]], ids=["C", "F", "strided"]
)
def test_stories_of_writes(story: Any, point: Any) -> None:
    try:
        got = Run("grad", lambda x: told(story, x), (point,), {}, 0).result()
    except MutationError as e:
        assert not point.flags.c_contiguous, e  # an order of memory that is not followed
        return
    assert same(got, told(story, point))
    rng = np.random.default_rng(1)
    w, d = rng.normal(size=(3, 3)), np.empty_like(point)
    d[...] = rng.normal(size=(3, 3))  # moved points lie in memory as the point does: reshape then copies alike
    gradient = wg.grad(lambda x: np.sum(told(story, x) * w))(point)
    up, down = [np.sum(told(story, point + h * d) * w) for h in (1e-6, -1e-6)]
    np.testing.assert_allclose(np.sum(gradient * d), (up - down) / 2e-6, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("story", [s for s in STORIES if s is not _masks])
def test_stories_under_vmap(story: Any) -> None:
    points = np.random.default_rng(6).normal(size=(4, 3, 3))
    try:
        got = wg.vmap(lambda x: told(story, x))(points)
    except MutationError:
        return  # the order of memory of a lane is not known
    np.testing.assert_array_equal(got, np.stack([told(story, x) for x in points]))


def test_second_derivatives_through_writes() -> None:
    def f(x: Any) -> Any:
        a = x * x
        b = a[::-1]
        b *= x
        a[1:] += a[:-1] * b[1:]
        return np.sum(a)

    x = np.array([0.7, -1.1, 1.3])
    hessian = wg.jacfwd(wg.grad(f))(x)
    np.testing.assert_allclose(hessian, wg.jacrev(wg.grad(f))(x), rtol=1e-13)
    for k, e in enumerate(np.eye(3)):
        column = (wg.grad(f)(x + 1e-6 * e) - wg.grad(f)(x - 1e-6 * e)) / 2e-6
        np.testing.assert_allclose(hessian[:, k], column, rtol=1e-7, atol=1e-8)


def test_writes_of_an_inner_derivative_into_an_array_of_the_outer_function() -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        row = a[1:]

        def g(y: Any) -> Any:
            b = a.copy()
            b[0] = y * y
            return np.sum(b * b[::-1]) + np.sum(row)

        slope = wg.grad(g)(x[0])
        a[2] = slope
        return np.sum(a * row[1])

    x = np.array([0.7, -1.1, 1.3])
    gradient = wg.grad(f)(x)
    for k, e in enumerate(np.eye(3)):
        np.testing.assert_allclose(gradient[k], (f(x + 1e-6 * e) - f(x - 1e-6 * e)) / 2e-6, rtol=1e-6)


def test_values_from_views_of_the_written_array_through_a_mask_are_refused() -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        a[np.array([True, True, True])] = a[::-1]  # NumPy reads what it has written already
        return np.sum(a * x)

    with pytest.raises(MutationError, match="order of the writes"):
        wg.grad(f)(np.arange(3.0))


def test_a_loop_of_element_writes_stays_linear() -> None:
    def f(x: Any) -> Any:
        a = np.zeros(40)
        a[0] = x
        for k in range(1, 40):
            a[k] = a[k - 1] * 0.9
        return a[-1]

    np.testing.assert_allclose(wg.grad(f)(2.0), 0.9**39, rtol=1e-13)


def test_shapes_that_do_not_fit_raise_what_numpy_raises() -> None:
    def f(x: Any, how: Any) -> Any:
        a = x * 1.0
        how(a, x)
        return np.sum(a)

    for how in (
        lambda a, x: a.__setitem__(slice(0, 2), x),
        lambda a, x: a.__iadd__(np.ones((2, 3))),
        lambda a, x: a.__setitem__([0, 1], x),
    ):
        with pytest.raises(ValueError):
            f(np.ones(3), how)
        with pytest.raises(ValueError):
            wg.grad(f)(np.ones(3), how)


def below_the_diagonal(x: Any) -> Any:
    y = x * 1.0
    d = np.diagonal(y, -1)
    y[1, 0] = 5.0 * x[0, 0]
    return d * 2.0


def imaginary_part(x: Any) -> Any:
    y = x * (1.0 + 2.0j)
    y.imag[0] = x[1] * 3.0
    return y


@pytest.mark.parametrize("f", [below_the_diagonal, imaginary_part])
def test_views_that_are_read_and_written_later(f: Any) -> None:
    x = np.arange(1.0, 10.0).reshape(3, 3)
    value, tangent = wg.jvp(f, (x,), (x,))  # f is linear
    np.testing.assert_array_equal(value, f(x))
    np.testing.assert_array_equal(tangent, f(x))


def test_a_view_of_a_copy_that_is_written_later_sees_the_write():
    def f(x):
        y = x.copy()
        y[0, 0] = 2.0 * y[0, 0]
        t = y.T.reshape(-1)  # a copy
        w = t[1:]
        before = np.sum(w)
        t[1] = 5.0 * x[0, 0]
        return before + 10.0 * np.sum(w)

    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert wg.value_and_grad(f)(x)[0] == f(x)
    assert wg.grad(f)(x).tolist() == [[50.0, 11.0], [1.0, 11.0]]


@pytest.mark.parametrize("dtype", [int, bool, np.int8])
def test_a_traced_float_is_not_cut_by_a_write(dtype):
    def f(x):
        y = np.zeros(2, dtype=dtype)
        y[0] = x
        return np.sum(y) * x
    with pytest.raises(ConversionError, match="would be cut to"):
        wg.grad(f)(1.5)
