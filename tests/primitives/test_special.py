"""Special functions: values, edges, tails, and the derivatives in parameters, against arbitrary precision.

What comes in: functions of ``scipy.special``. What goes out: agreement with mpmath. The one idea: the law tests take care of
generic points; here are the edges of the domain, the tails, and the conventions.
"""

import math

import mpmath
import numpy as np
import pytest
import scipy.special as sp

import wengert as wg
from wengert.errors import MissingRuleError, UnsupportedError

quiet = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def exact(f, x, n=1):
    """The n-th derivative of a function of mpmath at x."""
    with mpmath.workdps(50):
        return float(mpmath.diff(f, mpmath.mpf(x), n))


def both(f, x):
    """The derivative by reverse and by forward mode, which have to agree."""
    reverse = wg.grad(f)(x)
    assert wg.jvp(f, (x,), (1.0,))[1] == pytest.approx(reverse, rel=1e-14, abs=0.0, nan_ok=True)
    return reverse


# ---------------------------------------------------------------- one argument, first and second derivative

ONE = {
    "erf": (mpmath.erf, [-2.0, 0.0, 0.3, 5.0]),
    "erfc": (mpmath.erfc, [-2.0, 0.0, 0.3, 5.0, 20.0]),
    "erfi": (mpmath.erfi, [-2.0, 0.0, 0.3, 3.0]),
    "erfcx": (lambda x: mpmath.exp(x * x) * mpmath.erfc(x), [-3.0, 0.0, 0.9, 1.1, 7.0, 30.0]),
    "dawsn": (lambda x: mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(-x * x) * mpmath.erfi(x), [0.0, 0.5, 2.0, 7.9, 8.1, -20.0]),
    "erfinv": (mpmath.erfinv, [-0.9, 0.0, 0.3, 0.99]),
    "gamma": (mpmath.gamma, [-2.5, 0.1, 3.0, 20.0]),
    "gammaln": (lambda x: mpmath.log(abs(mpmath.gamma(x))), [-2.5, 0.1, 3.0, 1e3]),
    "loggamma": (mpmath.loggamma, [0.1, 3.0, 1e3]),
    "psi": (mpmath.digamma, [-3.7, 0.1, 3.0, 50.0]),
    "rgamma": (mpmath.rgamma, [-2.0, -1.0, 0.0, 0.3, 0.5, 4.0]),
    "expit": (lambda x: 1 / (1 + mpmath.exp(-x)), [-40.0, -1.0, 0.0, 3.0, 40.0]),
    "logit": (lambda p: mpmath.log(p / (1 - p)), [1e-10, 0.3, 0.9]),
    "log_expit": (lambda x: -mpmath.log(1 + mpmath.exp(-x)), [-40.0, 0.0, 3.0, 40.0]),
    "ndtr": (mpmath.ncdf, [-10.0, 0.0, 3.0]),
    "log_ndtr": (lambda x: mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2)) / 2), [-200.0, -10.0, 0.0, 5.0]),
    "entr": (lambda x: -x * mpmath.log(x), [0.1, 2.0]),
    "exprel": (lambda x: mpmath.expm1(x) / x if x else mpmath.mpf(1), [-15.0, -0.1, 0.2, 15.0]),
    "cosm1": (lambda x: mpmath.cos(x) - 1, [0.0, 1e-5, 2.0]),
    "exp10": (lambda x: mpmath.mpf(10) ** x, [-1.0, 2.0]),
    "j0": (lambda x: mpmath.besselj(0, x), [-1.0, 0.0, 20.0]),
    "j1": (lambda x: mpmath.besselj(1, x), [-1.0, 0.0, 20.0]),
    "y0": (lambda x: mpmath.bessely(0, x), [0.5, 20.0]),
    "y1": (lambda x: mpmath.bessely(1, x), [0.5, 20.0]),
    "i0": (lambda x: mpmath.besseli(0, x), [-1.0, 0.0, 10.0]),
    "i1": (lambda x: mpmath.besseli(1, x), [-1.0, 0.0, 10.0]),
    "k0": (lambda x: mpmath.besselk(0, x), [0.5, 10.0]),
    "k1": (lambda x: mpmath.besselk(1, x), [0.5, 10.0]),
    "i0e": (lambda x: mpmath.besseli(0, x) * mpmath.exp(-abs(x)), [-1.0, 0.5, 10.0]),
    "i1e": (lambda x: mpmath.besseli(1, x) * mpmath.exp(-abs(x)), [-1.0, 0.5, 10.0]),
    "k0e": (lambda x: mpmath.besselk(0, x) * mpmath.exp(x), [0.5, 10.0]),
    "k1e": (lambda x: mpmath.besselk(1, x) * mpmath.exp(x), [0.5, 10.0]),
    "ellipk": (mpmath.ellipk, [-3.0, 0.0, 0.5, 0.99]),
    "ellipe": (mpmath.ellipe, [-3.0, 0.0, 0.5, 0.99]),
    "expi": (mpmath.ei, [-2.0, 0.5, 10.0]),
    "exp1": (mpmath.e1, [0.5, 10.0]),
    "spence": (lambda z: mpmath.polylog(2, 1 - z), [0.2, 0.999, 1.5, 6.0]),
}


@pytest.mark.parametrize("name", ONE)
def test_one_argument(name):
    reference, points = ONE[name]
    f = getattr(sp, name)
    for x in points:
        assert wg.vjp(f, x)[0] == f(x)
        first, second = exact(reference, x), exact(reference, x, 2)
        assert both(f, x) == pytest.approx(first, rel=2e-12, abs=1e-300)
        assert wg.grad(wg.grad(f))(x) == pytest.approx(second, rel=1e-10, abs=1e-13 * abs(first))


@pytest.mark.parametrize("name", "erf erfcx gamma loggamma psi rgamma log_ndtr wofz dawsn expi spence".split())
def test_complex_argument(name):
    f = getattr(sp, name)
    z, h = 0.7 + 0.4j, 1e-3
    steps = np.array([1, -1, 2, -2]) * h
    around = np.array([f(z + s) for s in steps])
    wanted = (8 * (around[0] - around[1]) - (around[2] - around[3])) / (12 * h)
    got = wg.jacobian(f, holomorphic=True)(np.complex128(z))
    assert abs(got - wanted) < 1e-9 * abs(wanted)


# ---------------------------------------------------------------- derivatives in parameters

def slope(f, x, n=1):
    """Derivatives by differences in 60 digits."""
    with mpmath.workdps(60):
        x, h = mpmath.mpf(x), mpmath.mpf(10) ** -15 * mpmath.mpf(x)
        v = [f(x + k * h) for k in (-2, -1, 0, 1, 2)]
        first = (v[0] - 8 * v[1] + 8 * v[3] - v[4]) / (12 * h)
        return float(first) if n == 1 else float((-v[0] + 16 * v[1] - 30 * v[2] + 16 * v[3] - v[4]) / (12 * h * h))


@pytest.mark.parametrize("a", [1e-3, 0.3, 1.0, 4.5, 40.0, 1e3])
@pytest.mark.parametrize("ratio", [1e-4, 0.3, 0.95, 1.05, 1.5, 5.0])
def test_gammainc_in_its_parameter(a, ratio):
    x = a * ratio
    lower = lambda s: mpmath.gammainc(s, 0, mpmath.mpf(x), regularized=True)
    upper = lambda s: -mpmath.gammainc(s, mpmath.mpf(x), mpmath.inf, regularized=True)
    reference = lower if lower(a) < 0.5 else upper
    first, second = slope(reference, a), slope(reference, a, 2)
    f = lambda s: sp.gammainc(s, x)
    assert both(f, a) == pytest.approx(first, rel=1e-11, abs=1e-290)
    assert both(lambda s: sp.gammaincc(s, x), a) == pytest.approx(-first, rel=1e-11, abs=1e-290)
    assert wg.grad(wg.grad(f))(a) == pytest.approx(second, rel=1e-8, abs=1e-12 * abs(first / a))


@pytest.mark.parametrize(("a", "b"), [(0.01, 0.02), (0.5, 0.5), (2.0, 30.0), (30.0, 2.0), (200.0, 300.0), (1e-3, 50.0)])
@pytest.mark.parametrize("x", [1e-6, 0.1, 0.4, 0.7, 0.999])
def test_betainc_in_its_parameters(a, b, x):
    lower = lambda s, t: mpmath.betainc(s, t, 0, mpmath.mpf(x), regularized=True)
    upper = lambda s, t: -mpmath.betainc(s, t, mpmath.mpf(x), 1, regularized=True)
    with mpmath.workdps(30):
        reference = lower if lower(a, b) < 0.5 else upper
    in_a, in_b = slope(lambda s: reference(s, mpmath.mpf(b)), a), slope(lambda t: reference(mpmath.mpf(a), t), b)
    got = wg.grad(sp.betainc, (0, 1))(a, b, x)
    assert got[0] == pytest.approx(in_a, rel=1e-10, abs=1e-38)
    assert got[1] == pytest.approx(in_b, rel=1e-10, abs=1e-38)
    complement = wg.grad(sp.betaincc, (0, 1))(a, b, x)
    assert complement == (-got[0], -got[1])
    mixed = wg.grad(lambda s: wg.grad(sp.betainc, 1)(s, b, x))(a)
    assert wg.grad(lambda t: wg.grad(sp.betainc, 0)(a, t, x))(b) == pytest.approx(mixed, rel=1e-9, abs=1e-38)


def test_quantiles_are_inverse_functions():
    a, p = 2.5, 0.3
    assert wg.grad(lambda a: sp.gammainc(a, sp.gammaincinv(a, p)))(a) == pytest.approx(0.0, abs=1e-14)
    assert wg.grad(lambda p: sp.gammainc(a, sp.gammaincinv(a, p)))(p) == pytest.approx(1.0, rel=1e-13)
    for i in range(3):
        f = lambda *args: sp.betainc(args[0], args[1], sp.betaincinv(*args))
        assert wg.grad(f, i)(a, 1.5, p) == pytest.approx(float(i == 2), abs=1e-13)
    assert wg.grad(sp.ndtri)(1e-300) == pytest.approx(float(1 / mpmath.npdf(mpmath.mpf(sp.ndtri(1e-300)))), rel=1e-12)


def test_student_in_its_degrees_of_freedom():
    for v, t in [(1.5, -2.0), (4.0, 0.7), (30.0, 3.0), (3.0, 0.0)]:
        cdf = lambda v: mpmath.mpf(1) / 2 + mpmath.sign(t) * mpmath.betainc(
            mpmath.mpf(1) / 2, v / 2, 0, mpmath.mpf(t) ** 2 / (v + mpmath.mpf(t) ** 2), regularized=True) / 2
        assert wg.grad(sp.stdtr)(v, t) == pytest.approx(slope(cdf, v), rel=1e-10, abs=1e-15)


def test_edges_of_the_incomplete_functions():
    for x in (0.0, np.inf):
        assert wg.grad(sp.gammainc)(2.0, x) == 0.0
    assert wg.grad(sp.gammainc, 1)(1.0, 0.0) == 1.0
    assert wg.grad(wg.grad(sp.gammainc, 1), 1)(1.0, 0.0) == -1.0
    assert wg.grad(wg.grad(sp.gammainc, 1), 1)(2.0, 0.0) == 1.0
    assert wg.grad(sp.betainc, (0, 1, 2))(2.0, 3.0, 0.0) == (0.0, 0.0, 0.0)
    assert wg.grad(wg.grad(sp.betainc, 2), 2)(2.0, 3.0, 0.0) == pytest.approx(12.0, rel=1e-14)


# ---------------------------------------------------------------- conventions and tails

@quiet
def test_xlogy_and_entropies_at_zero():
    assert wg.grad(sp.xlogy, (0, 1))(0.0, 0.0) == (-np.inf, 0.0)
    assert wg.grad(sp.xlogy, (0, 1))(0.0, 2.0) == (math.log(2.0), 0.0)
    assert wg.grad(wg.grad(sp.xlogy, 1), 0)(0.0, 2.0) == 0.5
    assert wg.grad(sp.entr)(0.0) == np.inf
    assert wg.grad(sp.rel_entr, 1)(0.0, 0.0) == 0.0
    assert wg.grad(sp.kl_div, (0, 1))(0.5, 0.5) == (0.0, 0.0)


def test_tails():
    assert wg.grad(sp.log_ndtr)(-1e5) == pytest.approx(1e5 + 1e-5, rel=1e-15)
    assert wg.grad(wg.grad(sp.log_ndtr))(-1e5) == pytest.approx(-1.0, rel=1e-9)
    assert wg.grad(sp.log_expit)(-800.0) == 1.0
    assert wg.grad(wg.grad(sp.expit))(800.0) == 0.0
    assert wg.grad(sp.erfcx)(1e8) == pytest.approx(-1e-16 / math.sqrt(math.pi), rel=1e-14)


def test_box_and_cox_through_zero():
    assert wg.grad(lambda r: sp.boxcox(2.0, r))(0.0) == pytest.approx(0.5 * math.log(2.0) ** 2, rel=1e-14)
    inverse = lambda r: mpmath.exp(mpmath.log(1 + 2 * r) / r)
    assert wg.grad(lambda r: sp.inv_boxcox(2.0, r))(1e-7) == pytest.approx(exact(inverse, 1e-7), rel=1e-9)
    assert wg.grad(lambda x: sp.boxcox(x, 2.0))(0.0) == 0.0
    assert wg.grad(lambda x: sp.boxcox1p(x, 1.0))(0.3) == 1.0


def test_what_is_not_known_is_refused():
    for f in (lambda v: sp.jv(v, 1.0), lambda v: sp.ive(v, 1.0), lambda a: sp.hyp2f1(a, 1.0, 2.0, 0.3), sp.zeta):
        with pytest.raises(MissingRuleError):
            wg.grad(f)(2.5)
    assert wg.grad(lambda x: x * sp.zeta(wg.stop_gradient(x)))(2.0) == sp.zeta(2.0)
    with pytest.raises(UnsupportedError):
        wg.grad(lambda n: sp.polygamma(n, 1.0))(1.5)


def test_integer_orders():
    x = np.array([0.5, 1.5])
    for f, g in ((sp.kn, sp.kv), (sp.yn, sp.yv), (sp.jn, sp.jv)):
        np.testing.assert_allclose(wg.grad(lambda x: np.sum(f(2, x)))(x), wg.grad(lambda x: np.sum(g(2.0, x)))(x), rtol=1e-12)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(sp.expn(np.array([0, 3]), x)))(x),
                               [exact(lambda x: mpmath.expint(k, x), x) for k, x in ((0, 0.5), (3, 1.5))], rtol=1e-12)


def test_several_results():
    assert wg.grad(lambda x: sp.sici(x)[0])(0.0) == 1.0
    assert wg.grad(lambda x: sp.shichi(x)[0])(0.0) == 1.0
    for k in range(4):
        f = lambda x: sp.airy(x)[k]
        assert both(f, 0.4) == pytest.approx((f(0.4 + 1e-5) - f(0.4 - 1e-5)) / 2e-5, rel=1e-8)
    assert both(lambda x: sp.fresnel(x)[1] * sp.fresnel(x)[0], 0.6) == pytest.approx(
        math.sin(0.18 * math.pi) * sp.fresnel(0.6)[1] + math.cos(0.18 * math.pi) * sp.fresnel(0.6)[0], rel=1e-14)


# ---------------------------------------------------------------- Python functions

X = np.array([0.3, -0.8, 1.4, 2.2])


@quiet
def test_logsumexp():
    np.testing.assert_allclose(wg.grad(sp.logsumexp)(X), sp.softmax(X), rtol=1e-14)
    assert wg.grad(sp.logsumexp)(np.array([-np.inf, -np.inf])).tolist() == [0.0, 0.0]
    assert wg.grad(sp.logsumexp)(np.array([-np.inf, 1.0])).tolist() == [0.0, 1.0]
    assert wg.grad(sp.logsumexp)(np.array([1e4, 1e4])).tolist() == [0.5, 0.5]
    b = np.array([0.0, 1.0, 2.0, -1.5])
    f = lambda x: sp.logsumexp(x, b=b, return_sign=True)[0]
    wanted = b * np.exp(X) / np.sum(b * np.exp(X))
    np.testing.assert_allclose(wg.grad(f)(X), wanted, rtol=1e-13)
    in_b = wg.grad(lambda b: sp.logsumexp(X, b=b, return_sign=True)[0])(b)
    np.testing.assert_allclose(in_b, np.exp(X) / np.sum(b * np.exp(X)), rtol=1e-13)
    assert wg.grad(lambda x: sp.logsumexp(x, b=b))(np.array([1e4, 0.0, 1.0, -9.0]))[0] == 0.0
    assert wg.vjp(lambda x: sp.logsumexp(x.reshape(2, 2), axis=1, keepdims=True), X)[0].shape == (2, 1)
    hessian = wg.hessian(sp.logsumexp)(X)
    p = sp.softmax(X)
    np.testing.assert_allclose(hessian, np.diag(p) - np.outer(p, p), atol=1e-15)


def test_softmax_family():
    p = sp.softmax(X)
    np.testing.assert_allclose(wg.jacobian(sp.softmax)(X), np.diag(p) - np.outer(p, p), atol=1e-15)
    np.testing.assert_allclose(wg.jacobian(sp.log_softmax)(X), np.eye(4) - p, atol=1e-15)
    assert wg.vmap(lambda x: sp.softmax(x, axis=0))(X.reshape(2, 2)) == pytest.approx(sp.softmax(X.reshape(2, 2), axis=1))
    assert wg.grad(lambda x: sp.log_softmax(x)[1])(np.array([1.0, 800.0, -np.inf])).tolist() == [0.0, 0.0, 0.0]


def test_gamma_relatives():
    assert wg.grad(lambda x: sp.polygamma(1, x))(1.3) == pytest.approx(float(mpmath.polygamma(2, 1.3)), rel=1e-14)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(sp.polygamma([0, 1, 1], x)))(np.array([1.0, 2.0, 3.0])),
                               [float(mpmath.polygamma(k, x)) for k, x in ((1, 1), (2, 2), (2, 3))], rtol=1e-13)
    assert wg.grad(lambda a: sp.multigammaln(a, 3))(4.2) == pytest.approx(sum(sp.psi(4.2 - j / 2) for j in range(3)), rel=1e-14)
    assert wg.grad(lambda n: sp.comb(n, 2))(5.0) == pytest.approx(4.5, rel=1e-14)
    assert wg.grad(sp.factorial)(3.0) == pytest.approx(6.0 * sp.psi(4.0), rel=1e-14)
    assert wg.grad(lambda q: sp.zeta(2.0, q))(3.0) == pytest.approx(-2.0 * sp.zeta(3.0, 3.0), rel=1e-14)
    assert wg.grad(lambda x: sp.lambertw(x).real)(1.0) == pytest.approx(exact(mpmath.lambertw, 1.0), rel=1e-14)
    assert wg.grad(sp.softplus)(0.5) == pytest.approx(sp.expit(0.5), rel=1e-15)


def test_betaln_of_far_apart_arguments():
    with mpmath.workdps(40):
        wanted = float(mpmath.digamma(mpmath.mpf(1e9)) - mpmath.digamma(mpmath.mpf(1e9) + 2))
    assert wg.grad(sp.betaln)(1e9, 2.0) == pytest.approx(wanted, rel=1e-14)


def test_single_precision():
    x = np.array([0.3, 0.7], np.float32)
    for f in (sp.erf, sp.gammaln, sp.expit, sp.softmax, lambda x: sp.gammainc(x, x), lambda x: sp.jv(1, x)):
        assert wg.grad(lambda x: np.sum(f(x) ** 2))(x).dtype == np.float32


def test_kl_div_has_no_nan_where_both_are_zero():
    """In y it is 0 there to the second order, for along x = 0 the function is y."""
    zero, one = np.zeros(2), np.array([0.0, 1.0])
    first, second = wg.grad(lambda y: np.sum(sp.kl_div(zero, y))), wg.grad(lambda y: np.sum(sp.kl_div(zero, y) * y))
    np.testing.assert_array_equal(first(one), [0.0, 1.0])
    np.testing.assert_array_equal(second(one), [0.0, 2.0])
    np.testing.assert_array_equal(wg.grad(lambda y: np.sum(first(y)))(one), zero)

@pytest.mark.parametrize("x", [0.99, 1.01, 24.9, 25.1])
def test_scaled_bessel_derivatives_where_the_way_of_computing_changes(x):
    """``(e^-x I_0)' = e^-x (I_1 - I_0)``, and so on to the second order, in forty digits."""
    with mpmath.workdps(40):
        i0, i1, i2 = (mpmath.besseli(k, x) for k in range(3))
        k0, k1, k2 = (mpmath.besselk(k, x) for k in range(3))
        first, second = mpmath.exp(-x) * (i1 - i0), mpmath.exp(-x) * ((i0 + i2) / 2 - 2 * i1 + i0)
        assert wg.grad(sp.i0e)(x) == pytest.approx(float(first), rel=3e-14)
        assert wg.grad(wg.grad(sp.i0e))(x) == pytest.approx(float(second), rel=2e-15)
        first, second = mpmath.exp(x) * (k0 - k1), mpmath.exp(x) * (k0 - 2 * k1 + (k0 + k2) / 2)
        assert wg.grad(sp.k0e)(x) == pytest.approx(float(first), rel=3e-14)
        assert wg.grad(wg.grad(sp.k0e))(x) == pytest.approx(float(second), rel=2e-15)
