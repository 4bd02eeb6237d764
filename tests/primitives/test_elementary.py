"""Elementary functions: edges of the domain, kinks, branch cuts, and NumPy's own calling forms.

What comes in: NumPy's elementwise functions, called as users call them. What goes out: values equal to NumPy's to the bit and
derivatives that are right at the edge. The one idea: the law tests take care of generic points; here are the special ones.
"""

import math

import mpmath
import numpy as np
import pytest

import wengert as wg
from wengert.errors import WengertError

quiet = pytest.mark.filterwarnings("ignore::RuntimeWarning")
X = np.array([-1.7, -0.6, 0.0, 0.4, 1.3, 2.5])


def grads(f, *args):
    return wg.grad(f, tuple(range(len(args))))(*args)


def second(f, x):
    return wg.grad(wg.grad(f))(x)


def same(got, wanted):
    """Equal in dtype, shape and to the bit, the sign of zero included."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)
    if got.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(got), np.signbit(wanted))


# ---------------------------------------------------------------- powers

@quiet
def test_power_zero_has_derivative_zero_everywhere():
    for x in (0.0, 1e-310, -2.0, 3.0):
        for f in (lambda x: x ** 0, lambda x: x ** 0.0, lambda x: np.power(x, 0.0), lambda x: np.float_power(x, 0.0)):
            assert wg.grad(f)(x) == 0.0
            assert second(f, x) == 0.0


@quiet
def test_power_in_the_exponent():
    for y in (0.5, 1.0, 2.0):
        assert wg.grad(lambda y: np.power(0.0, y))(y) == 0.0
        assert wg.grad(lambda y: 0.0 ** y)(y) == 0.0
        assert second(lambda y: np.power(0.0, y), y) == 0.0
    assert wg.grad(lambda y: np.power(0.0, y))(0.0) == -np.inf
    assert grads(np.power, 0.0, 0.0)[0] == 0.0
    assert wg.grad(lambda y: 3.0 ** y)(2.0) == pytest.approx(9.0 * math.log(3.0))


@quiet
def test_power_of_negative_bases():
    assert wg.grad(np.power)(-2.0, 3.0) == 12.0
    dx, dy = grads(np.power, -2.0, 3.0)
    assert dx == 12.0 and math.isnan(dy)
    assert second(lambda x: np.power(x, 3.0), -2.0) == -12.0


@quiet
def test_small_powers_at_zero():
    for f in (lambda x: np.power(x, 2.0), lambda x: x ** 2, lambda x: x ** 2.0, lambda x: np.float_power(x, 2.0)):
        assert (wg.grad(f)(0.0), second(f, 0.0), wg.grad(lambda x: second(f, x))(0.0)) == (0.0, 2.0, 0.0)
    for f in (lambda x: np.power(x, 1.0), lambda x: x ** 1):
        assert (wg.grad(f)(0.0), second(f, 0.0)) == (1.0, 0.0)
    assert wg.grad(lambda x: x ** 0.5)(0.0) == np.inf
    assert second(lambda x: x ** 2.5, 0.0) == 0.0
    assert wg.grad(lambda x: x ** -1)(-2.0) == -0.25


def test_mixed_derivative_of_a_power_at_exponent_zero():
    assert wg.grad(lambda y: wg.grad(np.power, 0)(2.0, y))(0.0) == 0.5
    assert wg.grad(lambda x: wg.grad(np.power, 1)(x, 0.0))(2.0) == 0.5


def test_powers_to_the_bit():
    rng = np.random.default_rng(0)
    x = rng.uniform(0.1, 5.0, 200)
    for n in (-3, -2, -1, 0, 1, 2, 3, 5, 13, 0.5, 2.5, -1.5):
        same(wg.vjp(lambda x: x ** n, x)[0], x ** n)
        for v in x[:40].tolist():
            assert wg.vjp(lambda x: x ** n, v)[0] == v ** n
            assert n <= 0 or wg.vjp(lambda x: n ** x, v)[0] == n ** v
            assert wg.vjp(lambda x: x ** n, np.float32(v))[0] == np.float32(v) ** n


def test_integers_are_evaluated():
    k = np.arange(1, 4)
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(x * np.power(k, 2) * np.gcd(k, 6) * (k << 1)))(np.ones(3)),
                                  k ** 2 * np.gcd(k, 6) * 2 * k)

    def f(x):
        rank = np.argsort(x)
        return np.sum(x * ((rank & 1) + np.lcm(rank + 1, 2) + ~rank + np.bitwise_count(rank)))
    y = np.array([0.3, 0.1, 0.2])
    rank = np.argsort(y)
    np.testing.assert_array_equal(wg.grad(f)(y), (rank & 1) + np.lcm(rank + 1, 2) + ~rank + np.bitwise_count(rank))


# ---------------------------------------------------------------- edges and kinks

@quiet
def test_kinks():
    assert wg.grad(np.sqrt)(0.0) == np.inf
    assert wg.grad(np.cbrt)(0.0) == np.inf
    assert wg.grad(np.abs)(0.0) == wg.grad(np.fabs)(0.0) == 0.0
    assert grads(np.hypot, 0.0, 0.0) == grads(np.arctan2, 0.0, 0.0) == (0.0, 0.0)
    assert second(lambda x: np.hypot(x, 0.0), 0.0) == 0.0
    assert grads(np.hypot, 3e200, 4e200) == pytest.approx((0.6, 0.8), rel=1e-15)
    assert grads(np.arctan2, 3e200, 4e200) == pytest.approx((1.6e-201, -1.2e-201))
    assert math.isnan(wg.grad(np.arccos)(2.0)) and math.isnan(wg.grad(np.arcsin)(-2.0))
    assert wg.grad(np.exp)(1000.0) == np.inf
    assert wg.grad(np.tanh)(1e3) == 0.0
    assert wg.grad(np.copysign, (0, 1))(-2.0, 3.0) == (-1.0, 0.0)
    assert wg.grad(np.heaviside, (0, 1))(0.0, 0.5) == (0.0, 1.0)
    assert wg.grad(np.heaviside, (0, 1))(1.0, 0.5) == (0.0, 0.0)


def test_accurate_partials():
    for f, g, points in [
            (np.log1p, mpmath.log1p, [1e-18, 1e300]), (np.expm1, mpmath.expm1, [-50.0, 1e-18]),
            (np.arctanh, mpmath.atanh, [1.0 - 1e-15]), (np.arccosh, mpmath.acosh, [1.0 + 1e-15]),
            (np.arcsinh, mpmath.asinh, [1e200]), (np.arcsin, mpmath.asin, [1.0 - 1e-15]), (np.arctan, mpmath.atan, [1e100])]:
        for x in points:
            with mpmath.workdps(60):
                wanted = float(mpmath.diff(g, mpmath.mpf(x), h=mpmath.mpf(x) * mpmath.mpf(10) ** -25))
            assert wg.grad(f)(x) == pytest.approx(wanted, rel=1e-14)


@quiet
def test_logaddexp():
    for f in (np.logaddexp, np.logaddexp2):
        assert grads(f, -np.inf, -np.inf) == grads(f, np.inf, np.inf) == (0.5, 0.5)
        assert grads(f, -np.inf, 1.0) == (0.0, 1.0)
    f = lambda x: np.logaddexp(x, 0.0)
    assert [second(f, x) for x in (-800.0, 0.0, 800.0)] == [0.0, 0.25, 0.0]
    assert second(f, -40.0) == pytest.approx(math.exp(-40.0), rel=1e-15)


def test_sinc_near_zero():
    assert (wg.grad(np.sinc)(0.0), second(np.sinc, 0.0)) == (0.0, pytest.approx(-math.pi ** 2 / 3, rel=1e-15))
    assert second(lambda x: second(np.sinc, x), 0.0) == pytest.approx(math.pi ** 4 / 5, rel=1e-15)
    sinc = lambda x: mpmath.sin(mpmath.pi * x) / (mpmath.pi * x)
    for x in (1e-8, 1e-3, 0.34, 0.36, 1.0, 7.3):
        with mpmath.workdps(40):
            wanted = [float(mpmath.diff(sinc, mpmath.mpf(x), n)) for n in (1, 2)]
        assert wg.grad(np.sinc)(x) == pytest.approx(wanted[0], rel=1e-13)
        assert second(np.sinc, x) == pytest.approx(wanted[1], rel=1e-12, abs=1e-13)


def test_remainders():
    assert grads(np.remainder, -7.5, 2.0) == (1.0, 4.0)
    assert grads(lambda a, b: a % b, 7.5, -2.0) == (1.0, 4.0)
    assert grads(np.fmod, -7.5, 2.0) == (1.0, 3.0)
    assert grads(lambda a, b: np.divmod(a, b)[1], -7.5, 2.0) == (1.0, 4.0)
    assert grads(lambda a, b: divmod(a, b)[0] * 1.0, -7.5, 2.0) == (0.0, 0.0)
    same(wg.vjp(lambda x: np.modf(x)[0], -X)[0], np.modf(-X)[0])
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(np.modf(x)[0]))(X), np.ones(6))
    mantissa = lambda x: np.sum(np.frexp(x)[0] * np.frexp(x)[1])
    np.testing.assert_array_equal(wg.grad(mantissa)(np.array([3.0, 10.0])), [0.5, 0.25])
    assert wg.grad(lambda x: np.ldexp(x, 3))(1.5) == 8.0


def test_nan_handling_of_fmax_and_fmin():
    a, b = np.array([1.0, np.nan, 2.0, np.nan]), np.array([np.nan, 3.0, 2.0, np.nan])
    for f in (np.fmax, np.fmin):
        same(wg.vjp(f, a, b)[0], f(a, b))
        da, db = wg.grad(lambda a, b: np.sum(f(a, b)[:3]), (0, 1))(a, b)
        np.testing.assert_array_equal(da, [1.0, 0.0, 0.5, 0.0])
        np.testing.assert_array_equal(db, [0.0, 1.0, 0.5, 0.0])


# ---------------------------------------------------------------- complex numbers

@pytest.mark.parametrize("z", [complex(2, 0.0), complex(2, -0.0), complex(-2, 0.0), complex(-2, -0.0), complex(0.0, 2),
                               complex(-0.0, 2), complex(0.0, -2), complex(-0.0, -2), 0.3 - 0.4j], ids=str)
@pytest.mark.parametrize("f", [np.arcsin, np.arccos, np.arctan, np.arcsinh, np.arccosh, np.arctanh, np.sqrt, np.log])
def test_branch_cuts(f, z):
    """On a cut the derivative is the one of the side on which NumPy's value lies."""
    z = np.complex128(z)
    h = 1e-4
    # a step along the cut keeps the zero part, and with it the side
    along = (lambda t: complex(z.real + t, z.imag)) if z.imag == 0 or z.real else (lambda t: complex(z.real, z.imag + t))
    unit = 1.0 if z.imag == 0 or z.real else 1j
    value = lambda t: f(np.complex128(along(t)))
    wanted = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h * unit)
    got = wg.jacobian(f, holomorphic=True)(z)
    assert abs(got - wanted) < 1e-9


def test_modulus_sign_and_angle():
    assert wg.grad(np.abs)(3 + 4j) == pytest.approx(0.6 + 0.8j)
    assert wg.grad(np.abs)(0j) == 0
    assert wg.grad(lambda z: np.abs(z) ** 2)(3 + 4j) == pytest.approx(6 + 8j)
    assert wg.grad(lambda z: np.sign(z).real)(3 + 4j) == pytest.approx((16 / 125) - 12j / 125)
    assert wg.grad(np.angle)(3 + 4j) == pytest.approx((-4 + 3j) / 25)
    assert wg.grad(lambda z: np.angle(z, deg=True))(3 + 4j) == pytest.approx((-4 + 3j) / 25 * 180 / math.pi)
    assert wg.grad(np.angle)(0j) == 0
    assert wg.grad(lambda x: np.angle(x))(2.0) == 0.0


def test_real_and_imaginary_parts():
    def f(z):
        w = z.copy()
        w.real[0] = 2.0 * z.imag[1]
        return np.sum(w.real * w.imag)
    z = np.array([1 + 2j, 3 + 4j])
    np.testing.assert_allclose(wg.grad(f)(z), [8j, 4 + 3j + 4j])
    parts = lambda x: np.sum(x.imag + np.real(x) + np.conj(x) + x.conjugate())
    np.testing.assert_array_equal(wg.grad(parts)(X), np.full(6, 3.0))
    assert wg.grad(lambda z: np.real_if_close(z * np.conj(z)))(1 + 1j) == pytest.approx(2 + 2j)


# ---------------------------------------------------------------- functions that are no ufuncs

@pytest.mark.parametrize("a", [-0.0, 0.0, np.nan, 0.3, 2.0])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, -0.0), (None, 0.0), (0.0, None), (2.0, 1.0), (np.nan, 1.0),
                                    (0.0, np.nan)])
def test_clip_to_the_bit(a, bounds):
    for x in (a, np.full(9, a)):
        same(wg.vjp(lambda x: np.clip(x, *bounds), x)[0], np.clip(x, *bounds))


def test_clip():
    x, low, high = np.array([-1.0, 0.0, 0.5, 1.0, 2.0]), np.zeros(5), np.ones(5)
    got = wg.grad(lambda *args: np.sum(np.clip(*args)), (0, 1, 2))(x, low, high)
    np.testing.assert_array_equal(got, [[0, 1, 1, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
    for f in (lambda x: x.clip(0, 1), lambda x: x.clip(min=0, max=1), lambda x: np.clip(x, min=0, max=1),
              lambda x: np.clip(x, 0, 1), lambda x: np.clip(x, np.zeros(5), 1.0)):
        np.testing.assert_array_equal(wg.grad(lambda x: np.sum(f(x)))(x), [0, 1, 1, 1, 0])
    assert wg.grad(lambda x: np.sum(np.clip(x, 0, 1)))(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(np.clip(x, None, None)))(x), np.ones(5))
    with pytest.raises(TypeError):
        wg.grad(lambda x: np.sum(np.clip(x, 0)))(x)


@quiet
def test_nan_to_num():
    x = np.array([1.0, np.nan, np.inf, -np.inf])
    for keywords in ({}, {"nan": 7.0, "posinf": 8.0, "neginf": -9.0}):
        same(wg.vjp(lambda x: np.nan_to_num(x, **keywords), x)[0], np.nan_to_num(x, **keywords))
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(np.nan_to_num(x, posinf=0.0, neginf=0.0)))(x), [1, 0, 0, 0])
    z = x + 1j
    same(wg.vjp(lambda z: np.nan_to_num(z), z)[0], np.nan_to_num(z))

    def in_place(x):
        y = x.copy()
        np.nan_to_num(y, copy=False, posinf=0.0, neginf=0.0)
        return np.sum(y * y)
    np.testing.assert_array_equal(wg.grad(in_place)(x), [2, 0, 0, 0])


@quiet
@pytest.mark.parametrize("f", [
    lambda x: np.round(x, 1), lambda x: np.around(x), lambda x: x.round(1), np.fix, np.trunc, np.rint, np.floor, np.ceil,
    np.i0, np.sinc, lambda x: np.unwrap(5.0 * x), lambda x: np.unwrap(5.0 * x, discont=4.0, period=5.0), np.real_if_close,
    np.spacing, lambda x: np.nextafter(x, 9.0), lambda x: np.select([x > 1, x < -1], [x, 2.0], 3),
    lambda x: np.piecewise(x, [x < 0], [np.sin, np.cos]),
    lambda x: np.select([x > 9], [x]), np.degrees, np.radians, np.deg2rad, np.rad2deg])
def test_values_to_the_bit(f):
    for x in (X, X.astype(np.float32), X[:0], X.reshape(2, 3)):
        same(wg.vjp(f, x)[0], f(x))
        assert wg.grad(lambda x: np.sum(f(x)))(x).dtype == x.dtype


def test_unwrap_and_piecewise_derivatives():
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(np.unwrap(5.0 * x) * np.arange(6.0)))(X), 5.0 * np.arange(6.0))
    f = lambda x, k: np.sum(
        np.piecewise(x, [x < 0, x >= 1], [lambda v, k: v ** k, 2.0, lambda v, k: np.sin(v)], k))
    np.testing.assert_allclose(wg.grad(f)(X, 2), [-3.4, -1.2, 1.0, np.cos(0.4), 0.0, 0.0])
    one = lambda x: np.piecewise(x, x < 0, [-1.0, lambda v: v * v])
    same(wg.vjp(one, X)[0], one(X))
    infinite = np.array([np.inf, 0.5])
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(np.piecewise(x, [x < 1], [lambda v: v * v])))(infinite), [0.0, 1.0])


def test_select_checks_as_numpy_does():
    with pytest.raises(TypeError):
        wg.grad(lambda x: np.sum(np.select([np.ones(6)], [x])))(X)
    with pytest.raises(ValueError):
        wg.grad(lambda x: np.sum(np.select([x > 0], [x, x])))(X)
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(np.select([x > 0, x > -1], [x, 2 * x])))(X), [0, 2, 2, 1, 1, 1])


def test_plain_answers():
    def f(x):
        assert np.allclose(x, x + 1e-12) and np.array_equal(x, x) and np.array_equiv(x, x[None])
        assert np.isclose(x, x * (1 + 1e-9)).all() and not np.iscomplex(x).any() and np.isreal(x).all()
        assert np.isfinite(x).all() and not np.isnan(x).any() and not np.isposinf(x).any() and not np.isneginf(x).any()
        return np.sum(np.where(np.isclose(x, 0.4), x, 0.0))
    np.testing.assert_array_equal(wg.grad(f)(X), [0, 0, 0, 1, 0, 0])
    np.testing.assert_array_equal(wg.vmap(lambda x: np.isclose(x, 0.4))(X), np.isclose(X, 0.4))


def test_ufuncs_with_several_results_and_out():
    def f(x):
        fraction, whole = np.zeros(6), np.zeros(6)
        np.modf(x * x, out=(fraction, whole))
        return np.sum(fraction * whole)
    np.testing.assert_allclose(wg.grad(f)(X), np.modf(X * X)[1] * 2.0 * X)


def test_keywords_that_are_refused_name_the_line():
    with pytest.raises(WengertError, match="test_elementary"):
        wg.grad(lambda x: np.sum(np.clip(x, 0, 1, casting="safe")))(X)
