"""Structural and creation functions: values are NumPy's to the last bit, derivatives those of the complex
step.

A table of calls, each a function of a matrix `x` (3, 4), a vector `v` (4,) and a number `s`. The same
function runs on ordinary arrays (the expected value), on complex ones (the expected derivative) and on
tracers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from wengert import api as wg
from wengert.errors import ConversionError, MutationError, UnsupportedError
from wengert.flatten import flatten
from wengert.run import Run

X = np.random.default_rng(0).normal(size=(3, 4))
V = np.random.default_rng(1).normal(size=4)
S = 1.75
SMALL = [2, 0, 1]

CALLS: dict[str, Any] = {
    "reshape": lambda x, v, s: np.reshape(x, (2, -1)),
    "reshape_F": lambda x, v, s: x.reshape(4, 3, order="F"),
    "reshape_0d": lambda x, v, s: x[:1, :1].reshape(()),
    "ravel": lambda x, v, s: np.ravel(x.T),
    "flatten": lambda x, v, s: x.flatten("F"),
    "flatten_A": lambda x, v, s: x.flatten("A"),
    "transpose": lambda x, v, s: np.transpose(x),
    "T": lambda x, v, s: x.T,
    "mT": lambda x, v, s: x[None].mT,
    "matrix_transpose": lambda x, v, s: np.matrix_transpose(x),
    "permute": lambda x, v, s: x[None].transpose(2, 0, 1),
    "swapaxes": lambda x, v, s: np.swapaxes(x[None], 0, -1),
    "moveaxis": lambda x, v, s: np.moveaxis(x[None], [0, 1], [-1, 0]),
    "rollaxis": lambda x, v, s: np.rollaxis(x[None], 2, 1),
    "expand": lambda x, v, s: np.expand_dims(x, (0, -1)),
    "squeeze": lambda x, v, s: np.squeeze(x[None, :, None], 0),
    "broadcast_to": lambda x, v, s: np.broadcast_to(v, (2, 3, 4)),
    "broadcast_arrays": lambda x, v, s: np.broadcast_arrays(x, v, s),
    "atleast_1d": lambda x, v, s: np.atleast_1d(s, v),
    "atleast_2d": lambda x, v, s: np.atleast_2d(s, v, x),
    "atleast_3d": lambda x, v, s: np.atleast_3d(s, v, x),
    "concatenate": lambda x, v, s: np.concatenate([x, v[None], np.ones((1, 4))]),
    "concatenate_none": lambda x, v, s: np.concatenate((x, v), axis=None),
    "concatenate_int": lambda x, v, s: np.concatenate((np.arange(3), v)),
    "stack": lambda x, v, s: np.stack([v, x[0], [1.0, 2.0, 3.0, 4.0]], axis=-1),
    "vstack": lambda x, v, s: np.vstack([x, v]),
    "hstack": lambda x, v, s: np.hstack([v, s, x[1]]),
    "hstack2": lambda x, v, s: np.hstack([x, x[:, :1]]),
    "dstack": lambda x, v, s: np.dstack([v, v]),
    "column_stack": lambda x, v, s: np.column_stack([v, x.T, v]),
    "block": lambda x, v, s: np.block([[x, x[:, :1]], [v, s]]),
    "append": lambda x, v, s: np.append(x, v),
    "append_axis": lambda x, v, s: np.append(x, v[None], axis=0),
    "insert": lambda x, v, s: np.insert(v, [1, 3], s),
    "insert_axis": lambda x, v, s: np.insert(x, 1, v, axis=0),
    "insert_slice": lambda x, v, s: np.insert(v, slice(0, 3, 2), x[0, :2]),
    "delete": lambda x, v, s: np.delete(x, [0, 2], axis=1),
    "delete_flat": lambda x, v, s: np.delete(x, 5),
    "split": lambda x, v, s: np.split(x, 2, axis=1),
    "array_split": lambda x, v, s: np.array_split(x, 3, 1),
    "split_at": lambda x, v, s: np.array_split(v, [1, 3]),
    "hsplit": lambda x, v, s: np.hsplit(x, 2),
    "vsplit": lambda x, v, s: np.vsplit(x, 3),
    "dsplit": lambda x, v, s: np.dsplit(x[None], 2),
    "unstack": lambda x, v, s: np.unstack(x, axis=1) if hasattr(np, "unstack") else x.T,
    "flip": lambda x, v, s: np.flip(x),
    "fliplr": lambda x, v, s: np.fliplr(x),
    "flipud": lambda x, v, s: np.flipud(v),
    "roll": lambda x, v, s: np.roll(x, 5),
    "roll_axes": lambda x, v, s: np.roll(x, (1, -2), (0, 1)),
    "rot90": lambda x, v, s: [np.rot90(x, k) for k in range(-1, 4)],
    "tile": lambda x, v, s: np.tile(x, (2, 1, 3)),
    "tile_short": lambda x, v, s: np.tile(x, 2),
    "repeat": lambda x, v, s: np.repeat(x, 2, axis=1),
    "repeat_counts": lambda x, v, s: np.repeat(v, [0, 2, 1, 3]),
    "repeat_method": lambda x, v, s: x.repeat(2),
    "diag": lambda x, v, s: np.diag(v, -1),
    "diag_of": lambda x, v, s: np.diag(x, 1),
    "diagflat": lambda x, v, s: np.diagflat(x, 2),
    "diagonal": lambda x, v, s: np.diagonal(x[None], 1, 2, 1),
    "diagonal_off": lambda x, v, s: x.diagonal(-5),
    "tril": lambda x, v, s: np.tril(x, 1),
    "triu": lambda x, v, s: np.triu(np.stack([x, x])),
    "tril_v": lambda x, v, s: np.tril(v),
    "meshgrid": lambda x, v, s: np.meshgrid(v, x[0, :2]),
    "meshgrid_ij": lambda x, v, s: np.meshgrid(v, x[0], s, indexing="ij"),
    "meshgrid_sparse": lambda x, v, s: np.meshgrid(v, x[0, :2], sparse=True, copy=False),
    "resize": lambda x, v, s: np.resize(x, (2, 9)),
    "trace_indices": lambda x, v, s: x[np.tril_indices_from(x)],
    "diag_indices": lambda x, v, s: x[:, :3][np.diag_indices_from(x[:, :3])],
    "tril_indices": lambda x, v, s: x[np.tril_indices(3, m=4)],
    "vander": lambda x, v, s: np.vander(v, 3),
    "vander_up": lambda x, v, s: np.vander(v, increasing=True),
    "copy": lambda x, v, s: np.copy(x),
    "pad": lambda x, v, s: np.pad(x, ((1, 2), (0, 1))),
    "pad_pair": lambda x, v, s: np.pad(v, (1, 2)),
    "pad_values": lambda x, v, s: np.pad(x, 1, constant_values=[[1.0, s], [v[0], 2.0]]),
    "pad_value": lambda x, v, s: np.pad(x, 2, "constant", constant_values=s),
    "pad_edge": lambda x, v, s: np.pad(x, 2, "edge"),
    "pad_wrap": lambda x, v, s: np.pad(x, (7, 9), "wrap"),
    "pad_reflect": lambda x, v, s: np.pad(x, (7, 9), "reflect"),
    "pad_symmetric": lambda x, v, s: np.pad(x, (7, 9), "symmetric"),
    "pad_reflect_odd": lambda x, v, s: np.pad(x, ((9, 2), (1, 11)), "reflect", reflect_type="odd"),
    "pad_symmetric_odd": lambda x, v, s: np.pad(x, ((9, 2), (1, 11)), "symmetric", reflect_type="odd"),
    "pad_one": lambda x, v, s: np.pad(x[:1], 3, "reflect", reflect_type="odd"),
    "pad_ramp": lambda x, v, s: np.pad(
        x, ((2, 1), (0, 3)), "linear_ramp", end_values=((s, 1.0), (0.0, v[1]))
    ),
    "pad_empty_axis": lambda x, v, s: np.pad(x[:0], ((1, 0), (2, 0))),
    "array": lambda x, v, s: np.array([[s, 1], [v[0], 2.5]]),
    "array_rows": lambda x, v, s: np.array([v, x[0], [1, 2, 3, s]]),
    "array_nested": lambda x, v, s: np.array([[v, v], [x[1], [s, s, 1, 2]]]),
    "array_ndmin": lambda x, v, s: np.array(v, ndmin=3),
    "array_of": lambda x, v, s: np.array(x, copy=True, order="F"),
    "array_0d": lambda x, v, s: np.array(s),
    "asarray": lambda x, v, s: np.asarray((s, 2)),
    "ascontiguous": lambda x, v, s: np.ascontiguousarray(x.T),
    "full": lambda x, v, s: np.full((2, 4), v),
    "full_like": lambda x, v, s: np.full_like(x, s),
    "zeros_like": lambda x, v, s: np.zeros_like(x) + x,
    "ones_like": lambda x, v, s: np.ones_like(v, shape=(2,)) * s,
    "linspace": lambda x, v, s: np.linspace(s, v[0], 7),
    "linspace_open": lambda x, v, s: np.linspace(v, x, 5, endpoint=False, axis=-1),
    "linspace_step": lambda x, v, s: np.linspace(0, s, 4, retstep=True),
    "linspace_1": lambda x, v, s: np.linspace(s, v, 1),
    "linspace_same": lambda x, v, s: np.linspace(s, s, 4),
    "logspace": lambda x, v, s: np.logspace(v[0], s, 5),
    "arange": lambda x, v, s: np.arange(5.0) * s,
    "choose": lambda x, v, s: np.choose([2, 0, 1, 2], [v, x[0], s]),
    "choose_wrap": lambda x, v, s: np.choose(np.array([[5], [-1]]), (v, x[2]), mode="wrap"),
    "take": lambda x, v, s: np.take(x, [0, -1, 5]),
    "take_axis": lambda x, v, s: np.take(x, [[0, 2], [1, 1]], axis=1),
    "take_wrap": lambda x, v, s: v.take([7, -9, 2], mode="wrap"),
    "take_clip": lambda x, v, s: np.take(x, [7, -9, 2], 0, mode="clip"),
    "take_scalar": lambda x, v, s: np.take(x, 3),
    "take_along": lambda x, v, s: np.take_along_axis(x, np.array([SMALL, SMALL]).T[:, :1], 1),
    "take_along_none": lambda x, v, s: np.take_along_axis(x, np.array(SMALL), None),
    "compress": lambda x, v, s: np.compress([True, False, True], x, axis=0),
    "compress_flat": lambda x, v, s: x.compress([0, 1, 1]),
    "extract": lambda x, v, s: np.extract(np.arange(12).reshape(3, 4) % 3 == 0, x),
    "ix": lambda x, v, s: x[np.ix_([0, 2], [1, 1, 3])],
    "mask": lambda x, v, s: x[np.array([True, False, True])],
    "shape": lambda x, v, s: x * np.size(x) * np.ndim(v) * np.shape(x)[1],
    "flat": lambda x, v, s: [x.flat[3], x.flat[2:9:2], np.stack(list(x.flat))],
    "item": lambda x, v, s: x[0, 0].item() * x.item(3),
    "tolist": lambda x, v, s: np.array(x.tolist()),
    "iteration": lambda x, v, s: [row * k for k, row in enumerate(x)],
    "facts": lambda x, v, s: x * (x.nbytes // x.itemsize) * x.size * len(x),
    "empty": lambda x, v, s: np.concatenate([x[:0], x, x[3:]]),
}
WRITES: dict[str, Any] = {
    "fill": lambda a, x, v, s: a.fill(s),
    "copyto": lambda a, x, v, s: np.copyto(a, v),
    "copyto_where": lambda a, x, v, s: np.copyto(a, x, where=np.arange(4) % 2 == 0),
    "put": lambda a, x, v, s: np.put(a, [0, 5, -1], v[:2]),
    "put_method": lambda a, x, v, s: a.put([[0, 1]], s),
    "put_clip": lambda a, x, v, s: np.put(a, [99, -99], v[:2], mode="clip"),
    "putmask": lambda a, x, v, s: np.putmask(a, np.arange(12).reshape(3, 4) % 3 > 0, v[:3]),
    "place": lambda a, x, v, s: np.place(a, np.arange(12).reshape(3, 4) % 3 > 0, v[:3]),
    "put_along": lambda a, x, v, s: np.put_along_axis(a, np.array([[1], [0], [3]]), x[:, :1], 1),
    "put_along_none": lambda a, x, v, s: np.put_along_axis(a, np.array([1, 7]), v[:2], None),
    "fill_diagonal": lambda a, x, v, s: np.fill_diagonal(a, v[:2]),
    "fill_tall": lambda a, x, v, s: np.fill_diagonal(a.T, s, wrap=True),
    "add_at": lambda a, x, v, s: np.add.at(a, ([0, 0, 2], [1, 1, 3]), v[:3]),
    "add_at_row": lambda a, x, v, s: np.add.at(a, [1, 1], v),
    "subtract_at": lambda a, x, v, s: np.subtract.at(a, [0, 1, 0], v),
    "multiply_at": lambda a, x, v, s: np.multiply.at(a, [0, 1, 0], v),
    "divide_at": lambda a, x, v, s: np.divide.at(a, (slice(None), [0, 0]), s),
    "negative_at": lambda a, x, v, s: np.negative.at(a, [0, 0, 1]),
    "flat": lambda a, x, v, s: a.flat.__setitem__(slice(1, 7, 2), v[:2]),
    "flat_one": lambda a, x, v, s: a.flat.__setitem__(3, s),
    "out": lambda a, x, v, s: np.multiply(x, v, out=a),
    "take_out": lambda a, x, v, s: np.take(x, [2, 1, 0], 0, a),
    "through_T": lambda a, x, v, s: a.T.__setitem__((0, slice(None)), s),
    "ravel": lambda a, x, v, s: a.ravel().__setitem__([0, 3], v[:2]),
    "asarray": lambda a, x, v, s: np.asarray(a).__setitem__(0, v),
    "real_rows": lambda a, x, v, s: [np.copyto(r, s) for r in a],
    "expand": lambda a, x, v, s: np.expand_dims(a, 0).__setitem__((0, 1), v),
    "ellipsis": lambda a, x, v, s: a[0, 0, ...].__iadd__(s),
}


def call(name: str, x: Any, v: Any, s: Any) -> list[Any]:
    if name in CALLS:
        return flatten(CALLS[name](x, v, s))[0]
    a = x * 0.5
    WRITES[name](a, x, v, s)
    return [a]


@pytest.mark.parametrize("name", [*CALLS, *WRITES])
def test_value_is_that_of_numpy(name: str) -> None:
    got = Run("grad", lambda *a: tuple(call(name, *a)), (X, V, S), {}, (0, 1, 2)).result()
    expected = call(name, X.copy(), V.copy(), S)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


@pytest.mark.parametrize("name", [*CALLS, *WRITES])
def test_derivative_is_that_of_the_complex_step(name: str) -> None:
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=np.shape(a)) for a in call(name, X.copy(), V.copy(), S)]

    def total(x: Any, v: Any, s: Any) -> Any:
        out = 0.0
        for w, a in zip(weights, call(name, x, v, s), strict=True):
            out = out + np.sum(w * a)
        return out

    directions = [rng.normal(size=X.shape), rng.normal(size=V.shape), rng.normal()]
    moved = [p + 1e-30j * d for p, d in zip((X, V, S), directions, strict=True)]
    with np.errstate(all="ignore"):
        expected = np.imag(total(*moved)) / 1e-30
    got = wg.grad(total, argnums=(0, 1, 2))(X, V, S)
    slope = sum(np.sum(g * d) for g, d in zip(got, directions, strict=True))
    np.testing.assert_allclose(slope, expected, rtol=1e-11, atol=1e-12)
    forward = wg.jvp(total, (X, V, S), tuple(directions))[1]
    np.testing.assert_allclose(forward, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", [*CALLS, *WRITES])
def test_float32_stays_float32(name: str) -> None:
    args = (X.astype(np.float32), V.astype(np.float32), np.float32(S))
    got = Run("grad", lambda *a: tuple(call(name, *a)), args, {}, (0, 1, 2)).result()
    expected = call(name, *[np.copy(a) if a.ndim else a for a in args])
    assert [np.asarray(a).dtype for a in got] == [np.asarray(a).dtype for a in expected]
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_arange_follows_its_bounds() -> None:
    def f(a: Any, b: Any) -> Any:
        return np.arange(a, 4.0, b)

    run = Run("grad", f, (0.3, 0.7), {}, (0, 1))
    assert run.result().tobytes() == f(0.3, 0.7).tobytes()
    da, db = wg.jacfwd(f, argnums=(0, 1))(0.3, 0.7)
    np.testing.assert_allclose(da, 1.0)
    np.testing.assert_allclose(db, np.arange(len(f(0.3, 0.7))))


@pytest.mark.parametrize("ends", [(1.0, 300.0), (-2.0, -0.01)])
def test_geomspace(ends: tuple[float, float]) -> None:
    def f(a: Any, b: Any) -> Any:
        return np.geomspace(a, b, 6)

    assert Run("grad", f, ends, {}, (0, 1)).result().tobytes() == f(*ends).tobytes()
    got = wg.jacfwd(f, argnums=(0, 1))(*ends)
    for k, step in enumerate((1e-6, 1e-6)):
        up, down = list(ends), list(ends)
        up[k], down[k] = ends[k] * (1 + step), ends[k] * (1 - step)
        np.testing.assert_allclose(got[k], (f(*up) - f(*down)) / (2 * step * ends[k]), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("mode", ["maximum", "minimum", "mean"])
def test_statistics_as_padding(mode: str) -> None:
    def f(x: Any) -> Any:
        return np.pad(x, (2, 1), mode, stat_length=(2, 3))

    try:
        got = Run("grad", f, (X,), {}, 0).result()
    except UnsupportedError:
        pytest.skip("the statistics are not there yet")
    np.testing.assert_array_equal(got, f(X))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.trim_zeros(x[0]),
        lambda x: np.pad(x, 1, "empty"),
        lambda x: x.resize((2, 6)),
        lambda x: x.view(np.int64),
        lambda x: x.tobytes(),
        lambda x: x.flatten("K") if x.T.flatten("K") is None else None,
        lambda x: setattr(x, "shape", (12,)),
        lambda x: np.geomspace(1 + x[0, 0] * 1j, 2.0, 3),
    ],
)
def test_what_cannot_be_kept_exact_is_refused(f: Any) -> None:
    with pytest.raises(UnsupportedError):
        wg.grad(lambda x: np.sum(f(x)))(X)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.fill_diagonal(x, 1.0),
        lambda x: x.fill(0.0),
        lambda x: np.put(x, 0, 1.0),
        lambda x: x.T.__setitem__(0, 1.0),
        lambda x: np.add.at(x, 0, 1.0),
        lambda x: x.__iadd__(1.0),
        lambda x: np.multiply(x, 2.0, out=x),
        lambda x: x.ravel().fill(1.0),
    ],
)
def test_arguments_are_not_written(f: Any) -> None:
    with pytest.raises(MutationError, match="argument"):
        wg.grad(lambda x: [f(x), np.sum(x)][1])(X)


@pytest.mark.parametrize(
    "view", [lambda a: np.diagonal(a), lambda a: np.broadcast_to(a, (2, 3, 4)), lambda a: np.diag(a)[1:]]
)
def test_read_only_views(view: Any) -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        b = view(a)
        b[...] = 0.0
        return np.sum(a)

    with pytest.raises(ValueError, match="read-only"):
        f(X)
    with pytest.raises(ValueError, match="read-only"):
        wg.grad(f)(X)


def test_read_only_views_see_later_writes() -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        d, b = np.diagonal(a), np.broadcast_to(a[0], (2, 4))
        a[0] *= 3.0
        return np.sum(d) + np.sum(b)

    assert wg.value_and_grad(f)(X)[0] == f(X)
    np.testing.assert_array_equal(wg.grad(f)(X)[0], [9.0, 6.0, 6.0, 6.0])


def test_shares_memory_is_exact() -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        found = [
            np.shares_memory(a, a.T),
            np.shares_memory(a[0], a[1]),
            np.shares_memory(a[:, ::2], a[:, 1::2]),
            np.shares_memory(a.ravel()[3:5], a[1]),
            np.shares_memory(a.T.ravel(), a),
            np.shares_memory(a, x),
            np.may_share_memory(a, a.copy()),
            np.shares_memory(a[0, 1:], a[:, 1]),
        ]
        assert found == [True, False, False, True, False, False, False, True]
        return np.sum(a)

    f(X)
    wg.grad(f)(X)


def test_facts_about_dtypes() -> None:
    def f(x: Any) -> Any:
        assert np.result_type(x, np.float32) == np.float64
        assert np.can_cast(x.dtype, np.float64)
        assert np.isrealobj(x)
        assert not np.iscomplexobj(x)
        assert np.ndim(x) == 2
        assert np.count_nonzero(x) == 12
        assert len(np.argwhere(x > 10.0)) == 0
        assert np.flatnonzero(x).tolist() == list(range(12))
        return np.sum(x[np.nonzero(x)])

    np.testing.assert_array_equal(wg.grad(f)(X), np.ones_like(X))


def test_a_traced_float_is_not_cut_to_an_integer() -> None:
    def f(x: Any) -> Any:
        a = np.zeros(3, int)
        a[0] = x[0, 0]
        return np.sum(a)

    with pytest.raises(ConversionError, match="float dtype"):
        wg.grad(f)(X)


def test_results_of_arrays_made_inside_lie_in_memory_as_numpys_do():
    """``np.asfortranarray`` of an array that no traced value has entered: a ravel of what is computed from it is a copy."""

    def f(x):
        a = np.tanh(np.asfortranarray(np.zeros((2, 3))))
        b = np.asfortranarray(np.zeros((2, 3))) + 1.0
        a.ravel()[0] = x
        b.T.ravel()[0] = x
        return np.sum(a) + 2.0 * np.sum(b)

    assert wg.value_and_grad(f)(0.5) == (f(0.5), 2.0)
    assert f(0.5) == 11.0
