"""The traps that automatic differentiation tools are known to fall into, one test each.

What comes in: small programs at the points where other tools give NaN, zero or another function's derivative. What
goes out: the derivative, or a refusal, in forward and in reverse mode. The one idea: never wrong in silence.
"""

import math

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ConversionError, MutationError, WengertError


def both(f, x):
    """The derivative of a function of one number, by reverse and by forward mode (which have to agree)."""
    reverse = wg.grad(f)(x)
    forward = wg.jvp(f, (x,), (np.ones_like(x),))[1]
    np.testing.assert_array_equal(reverse, forward)
    return reverse


quiet = pytest.mark.filterwarnings("ignore::RuntimeWarning")


# ---------------------------------------------------------------- 1. where, with an infinite dead side

@quiet
def test_where_dead_side_is_infinite():
    assert both(lambda x: np.where(x > 0, np.sqrt(x), 0.0), 0.0) == 0.0
    assert both(lambda x: np.where(x > 0, np.log(x), x), -1.0) == 1.0
    assert both(lambda x: np.where(x > 0, 1.0 / x, x * x), 0.0) == 0.0


@quiet
def test_a_computed_zero_is_no_mask():
    assert math.isnan(wg.grad(lambda x: np.sqrt(x) ** 2)(0.0))
    assert math.isnan(wg.jvp(lambda x: np.sqrt(x) ** 2, (0.0,), (1.0,))[1])
    assert wg.grad(wg.grad(lambda x: 0.5 * np.sin(x) ** 2))(0.0) == 1.0


@quiet
def test_where_dead_side_at_second_order():
    f = lambda x: np.where(x > 0, x ** 1.5, 0.0)
    assert wg.grad(wg.grad(f))(0.0) == 0.0
    assert wg.hessian(lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)))(np.zeros(2)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@quiet
def test_dead_sides_behind_sums_gathers_and_products():
    x = np.array([0.0, 4.0])
    masked_sum = lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0))
    gathered = lambda x: np.sum(np.sqrt(x)[x > 0])
    sliced = lambda x: np.sum(np.sqrt(x)[1:])
    product = lambda x: np.where(x > 0, np.sqrt(x), 0.0) @ np.array([1.0, 1.0])
    for f in (masked_sum, gathered, sliced, product):
        np.testing.assert_array_equal(wg.grad(f)(x), [0.0, 0.25])
        np.testing.assert_array_equal(wg.jacfwd(f)(x), [0.0, 0.25])


@quiet
def test_overwritten_values_are_dead():
    def f(x):
        y = np.sqrt(x)
        y[0] = 3.0
        return np.sum(y)
    np.testing.assert_array_equal(wg.grad(f)(np.array([0.0, 4.0])), [0.0, 0.25])


# ---------------------------------------------------------------- 2. norm, sqrt, std at 0

@quiet
def test_norms_at_zero():
    zero = np.zeros(3)
    for f in (np.linalg.norm, np.std, lambda x: np.linalg.norm(x, 2), lambda x: np.linalg.norm(x.reshape(1, 3))):
        np.testing.assert_array_equal(wg.grad(f)(zero), zero)
    assert wg.grad(np.sqrt)(0.0) == np.inf
    assert both(np.abs, 0.0) == 0.0
    assert wg.grad(lambda x: np.hypot(x, 0.0))(0.0) == 0.0


# ---------------------------------------------------------------- 3. arctan2(0, 0), acos outside its domain

@quiet
def test_arctan2_at_the_origin_is_finite_and_acos_outside_is_nan():
    assert all(np.isfinite(wg.grad(np.arctan2, (0, 1))(0.0, 0.0)))
    assert math.isnan(wg.grad(np.arccos)(2.0))
    assert wg.grad(lambda x: np.where(np.abs(x) < 1, np.arccos(x), 0.0))(2.0) == 0.0


# ---------------------------------------------------------------- 4. sinc at 0, elu at large x

def test_sinc_at_zero():
    assert both(np.sinc, 0.0) == 0.0
    assert wg.grad(wg.grad(np.sinc))(0.0) == pytest.approx(-math.pi ** 2 / 3, rel=1e-15)
    assert wg.grad(np.sinc)(1e-4) == pytest.approx(-math.pi ** 2 / 3 * 1e-4, rel=1e-7)


@quiet
def test_elu_at_large_x():
    assert both(lambda x: np.where(x > 0, x, np.expm1(x)), 1e4) == 1.0


# ---------------------------------------------------------------- 5. the nan-variants

@pytest.mark.parametrize("f", [np.nansum, np.nanmean, np.nanvar, np.nanmax, np.nanprod, np.nanmedian, np.nanstd])
def test_nan_entries_contribute_nothing(f):
    x = np.array([1.0, np.nan, 3.0, 2.5])
    g = wg.grad(f)(x)
    assert g[1] == 0.0
    kept = wg.grad(lambda y: f(y))(x[[0, 2, 3]])
    np.testing.assert_allclose(g[[0, 2, 3]], kept, rtol=1e-13)


# ---------------------------------------------------------------- 6. repeated eigenvalues and singular values

def test_repeated_singular_and_eigenvalues():
    eye = np.eye(3)
    np.testing.assert_allclose(wg.grad(lambda a: np.sum(np.linalg.svd(a, compute_uv=False)))(2.0 * eye), eye, atol=1e-14)
    np.testing.assert_allclose(wg.grad(lambda a: np.sum(np.linalg.eigvalsh(a) ** 2))(eye), 2.0 * eye, atol=1e-13)

    def dependent(a):
        return np.linalg.eigh(a)[1][0, 1]
    with pytest.raises(WengertError):
        wg.grad(dependent)(eye)


# ---------------------------------------------------------------- 7. ties

def test_ties_split_evenly():
    np.testing.assert_array_equal(wg.grad(np.max)(np.array([1.0, 3.0, 3.0])), [0.0, 0.5, 0.5])
    assert wg.grad(np.maximum, (0, 1))(2.0, 2.0) == (0.5, 0.5)
    np.testing.assert_array_equal(wg.grad(lambda x: np.sort(x)[0])(np.array([1.0, 1.0])).sum(), 1.0)


# ---------------------------------------------------------------- 8. prod with zeros

@pytest.mark.parametrize("x", [[2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [0.0, 0.0, 0.0], [1.0, 2.0, 4.0]])
def test_prod_with_zeros(x):
    x = np.array(x)
    first = [np.prod(np.delete(x, i)) for i in range(3)]
    second = [[0.0 if i == j else x[3 - i - j] for j in range(3)] for i in range(3)]
    np.testing.assert_array_equal(wg.grad(np.prod)(x), first)
    np.testing.assert_array_equal(wg.hessian(np.prod)(x), second)


# ---------------------------------------------------------------- 9. powers at the edge

@quiet
def test_powers_at_the_edge():
    assert both(lambda x: x ** 0, 0.0) == 0.0
    assert both(lambda x: x ** 1, 0.0) == 1.0
    assert both(lambda x: x ** 2, 0.0) == 0.0
    assert both(lambda x: x ** 2.0, -3.0) == -6.0
    assert both(lambda x: np.power(x, 3.0), -2.0) == 12.0
    assert both(lambda y: np.power(0.0, y), 2.0) == 0.0
    assert wg.grad(wg.grad(lambda x: x ** 2))(0.0) == 2.0
    assert wg.grad(wg.grad(lambda x: x ** 1))(0.0) == 0.0


# ---------------------------------------------------------------- 10. broadcast cotangents

@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (1, 3), (2, 3), (1, 1, 3)])
def test_broadcast_cotangent_shapes(shape):
    other = np.arange(6.0).reshape(2, 3) + 1.0
    x = np.full(shape, 2.0)
    g = wg.grad(lambda x: np.sum(x * other))(x)
    assert np.shape(g) == shape
    np.testing.assert_allclose(np.sum(g), np.sum(np.broadcast_arrays(other, x)[0]))


# ---------------------------------------------------------------- 11, 16. arrays read and written, changed inputs

def test_same_array_read_and_written():
    def f(x):
        y = x.copy()
        for i in range(1, 4):
            y[i] = y[i] * y[i - 1]
        return y[3]
    x = np.array([2.0, 3.0, 5.0, 7.0])
    np.testing.assert_allclose(wg.grad(f)(x), np.prod(x) / x)


def test_input_changed_between_forward_and_backward():
    x = np.array([1.0, 2.0])
    _, pullback = wg.vjp(lambda x: x * x, x)
    x[:] = 100.0
    np.testing.assert_array_equal(pullback(np.ones(2))[0], [2.0, 4.0])


def test_captured_array_changed_inside():
    data = np.array([3.0, 4.0])

    def f(x):
        y = data * x
        data[:] = 0.0
        return np.sum(y)
    assert wg.grad(f)(1.0) == 7.0


# ---------------------------------------------------------------- 20. values are NumPy's own

@quiet
def test_no_rewriting_changes_values():
    x = np.array([1e16, 1.0, -1e16])
    f = lambda x: (x + 1.0) - x
    np.testing.assert_array_equal(wg.vjp(f, x)[0], f(x))
    assert wg.vjp(lambda x: 1.0 / (x + 0.0), np.array([-0.0, 1.0]))[0][1] == 1.0


# ---------------------------------------------------------------- 21. conversions that would lose the derivative

def test_a_silent_zero_is_impossible():
    assert wg.grad(lambda x: math.sin(x))(1.0) == math.cos(1.0)
    assert wg.grad(lambda x: float(x) ** 2)(3.0) == 6.0
    assert wg.grad(lambda x: x.item() * 2.0)(np.array(3.0)) == 2.0
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(np.array([x[0], x[1] * 2.0])))(np.ones(2)), [1.0, 2.0])


def test_conversions_in_code_without_source_are_refused():
    space = {"math": math, "np": np}
    exec("def lossy(x): return math.sin(x)\ndef store(x):\n    a = np.zeros(2)\n    a[0] = x\n    return a.sum()", space)
    with pytest.raises(ConversionError):
        wg.grad(space["lossy"])(1.0)
    with pytest.raises(MutationError):
        wg.grad(space["store"])(1.0)


def test_library_code_that_converts_is_refused():
    import statistics
    with pytest.raises((WengertError, TypeError)):
        wg.grad(lambda x: statistics.NormalDist(x, 1.0).cdf(0.0))(1.0)


def test_integer_arrays_do_not_swallow_traced_values():
    def f(x):
        a = np.zeros(2, dtype=int)
        a[0] = x
        return np.sum(a * 1.0)
    with pytest.raises(ConversionError):
        wg.grad(f)(1.5)


# ---------------------------------------------------------------- 24. perturbation confusion

def test_perturbation_confusion():
    assert wg.grad(lambda x: x * wg.grad(lambda y: x + y)(2.0))(1.0) == 1.0
    assert wg.jvp(lambda x: x * wg.jvp(lambda y: x * y, (2.0,), (1.0,))[1], (3.0,), (1.0,))[1] == 6.0
    assert wg.grad(lambda x: wg.jvp(lambda y: x * y * y, (x,), (1.0,))[1])(3.0) == 12.0


# ---------------------------------------------------------------- 25. complex conventions

def test_complex_gradient_is_the_direction_of_steepest_ascent():
    z = 1.0 + 2.0j
    assert wg.grad(lambda z: np.abs(z) ** 2)(z) == pytest.approx(2.0 * z, rel=1e-15)
    assert wg.grad(lambda z: np.real(z * (3.0 + 4.0j)))(z) == pytest.approx(3.0 - 4.0j)
    assert wg.jacobian(lambda z: z ** 2, holomorphic=True)(z) == 2.0 * z
    with pytest.raises(WengertError, match="holomorphic"):
        wg.jacobian(lambda z: z ** 2)(z)


# ---------------------------------------------------------------- 26. views, overlaps, strides, order

def test_views_overlapping_slices_and_strides():
    def f(x):
        y = x.copy()
        y[1:] += y[:-1]
        v = y[::-1]
        v[0] = v[1] * v[2]
        y.T[0] *= 2.0
        return np.sum(y * np.arange(4.0))
    x = np.array([1.0, 2.0, 3.0, 4.0])
    step = 1e-30
    expected = [f(x + 1j * step * e).imag / step for e in np.eye(4)]
    np.testing.assert_allclose(wg.grad(f)(x), expected, rtol=1e-14)


def test_fortran_order_and_non_contiguous_inputs():
    a = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    b = np.arange(12.0)[::2].reshape(2, 3)
    for x in (a, b):
        g = wg.grad(lambda x: np.sum(np.ravel(x) * np.arange(6.0)))(x)
        np.testing.assert_array_equal(g, np.arange(6.0).reshape(2, 3))


def test_writes_into_arguments_are_refused():
    def f(x):
        x[0] = 1.0
        return np.sum(x)
    with pytest.raises(MutationError, match="copy"):
        wg.grad(f)(np.ones(2))

    def through_view(x):
        v = x[1:]
        v *= 2.0
        return np.sum(x)
    with pytest.raises(MutationError, match="copy"):
        wg.grad(through_view)(np.ones(3))
