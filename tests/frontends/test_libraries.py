"""Functions of NumPy and SciPy that no protocol reaches: values as theirs, gradients against differences."""

import statistics
import warnings

import numpy as np
import pytest
import scipy.integrate
import scipy.sparse.linalg
import scipy.stats
from scipy.stats import expon, norm

import wengert as wg
from wengert.errors import UnsupportedError

X = np.array([0.3, 0.8, 1.4, 2.2, 3.1, 4.0])
M = np.random.default_rng(3).normal(size=(3, 6))


def check(f, x, rtol=1e-12):
    """Value, dtype and shape; the gradient of a weighted sum against central differences."""
    value, pullback = wg.vjp(f, x)
    wanted = f(x)
    np.testing.assert_allclose(value, wanted, rtol=rtol, atol=1e-14)
    assert np.shape(value) == np.shape(wanted) and np.asarray(value).dtype == np.asarray(wanted).dtype
    rng = np.random.default_rng(0)
    w = rng.normal(size=np.shape(wanted))
    got, = pullback(np.asarray(w)[()] if not np.ndim(wanted) else w)
    d = rng.normal(size=np.shape(x))
    h = 1e-5
    estimate = (8 * (np.sum(w * f(x + h * d)) - np.sum(w * f(x - h * d)))
                - (np.sum(w * f(x + 2 * h * d)) - np.sum(w * f(x - 2 * h * d)))) / (12 * h)
    np.testing.assert_allclose(np.sum(got * d), estimate, rtol=2e-7, atol=1e-8)


@pytest.mark.parametrize("f", [
    lambda x: np.r_[x, 1.0, x[0]], lambda x: np.r_[0:3, x], lambda x: np.r_[x[1], 2, [x[2], 3.0]],
    lambda x: np.c_[x, x[::-1], X], lambda x: np.r_["-1", x, X], lambda x: np.c_[0:6, x],
    lambda x: np.r_["0,2,0", x, X], lambda x: np.r_["0,2", x, X], lambda x: np.r_["1,3,1", x, x],
    lambda x: np.c_[x.reshape(2, 3), x.reshape(2, 3)], lambda x: np.r_[1:2:3j, x], lambda x: np.r_[x],
    lambda x: np.r_[np.float32(2.0), np.ones(2, np.float32), x[0]]])
def test_concatenators(f):
    check(f, X)
    np.testing.assert_array_equal(wg.jit(f)(X), f(X))  # a warning that it runs unstaged would be an error


def test_concatenators_keep_single_precision_and_refuse_matrices():
    x = np.ones(2, np.float32)
    assert wg.vjp(lambda x: np.r_[x, 1.0, 2], x)[0].dtype == np.r_[x, 1.0, 2].dtype == np.float32
    with pytest.raises(UnsupportedError, match="matrix"):
        wg.vjp(lambda x: np.r_["c", x], x)

    class Mine:
        r_ = (2.0, 3.0)
    assert wg.grad(lambda x: x * Mine().r_[0])(1.0) == 2.0


@pytest.mark.parametrize("deg, w, cov", [(1, None, False), (2, None, False), (2, np.arange(1.0, 7.0), False),
                                         (1, None, True),
                                         (1, np.ones(6), "unscaled")])
def test_polyfit(deg, w, cov):
    first = lambda c: c[0].ravel() if cov else c
    both = lambda c: np.concatenate([c[0].ravel(), c[1].ravel()]) if cov else c
    check(lambda y: both(np.polyfit(X, y, deg, w=w, cov=cov)), np.sin(X), 1e-9)
    check(lambda x: both(np.polyfit(x, np.sin(X), deg, w=w, cov=cov)), X, 1e-9)
    check(lambda y: first(np.polyfit(X, y, deg, w=w, cov=cov)), np.stack([np.sin(X), X ** 2], 1), 1e-9)
    if w is not None:
        check(lambda w: first(np.polyfit(X, np.sin(X), deg, w=w, cov=cov)), w, 1e-9)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
def test_quadrature_of_samples(n):
    for rule in (scipy.integrate.simpson, scipy.integrate.cumulative_trapezoid, scipy.integrate.trapezoid):
        check(lambda y: rule(y), np.cos(X[:n]))
        check(lambda y: rule(y, X[:n]), np.cos(X[:n]))
        check(lambda x: rule(np.cos(X[:n]), x), X[:n])
        check(lambda dx: rule(np.cos(X[:n]), dx=dx), 0.7)
        check(lambda y: rule(y, X[:n], axis=0), M.T[:n])
        check(lambda x: rule(M[:, :n], x), X[:n] + 0.1 * M[:, :n] ** 2)
    check(lambda y: scipy.integrate.cumulative_trapezoid(y, initial=0, axis=0), M)
    with np.errstate(all="ignore"):
        same = np.array([0.0, 0.0, 1.0, 1.0, 2.0])
        np.testing.assert_allclose(wg.vjp(lambda y: scipy.integrate.simpson(y, same), X[:5])[0],
                                   scipy.integrate.simpson(X[:5], same))


SHAPES = {"norm": (), "expon": (), "uniform": (), "gamma": (1.7,), "chi2": (3.2,), "beta": (1.3, 2.4), "t": (4.5,),
          "cauchy": (), "logistic": (), "lognorm": (0.8,)}


@pytest.mark.parametrize("method", ["pdf", "logpdf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf"])
@pytest.mark.parametrize("name", SHAPES)
def test_distributions(name, method):
    f, shapes = getattr(getattr(scipy.stats, name), method), SHAPES[name]
    x = np.array([0.1, 0.35, 0.8])
    check(lambda x: f(x, *shapes), x, 1e-11)
    check(lambda x: f(x, *shapes, 0.05, 1.5), x, 1e-11)
    check(lambda p: f(x, *shapes, p[0], scale=p[1]), np.array([0.05, 1.5]), 1e-11)
    if name != "t":
        for k in range(len(shapes)):
            check(lambda s: f(x, *shapes[:k], s, *shapes[k + 1:]), shapes[k], 1e-10)
    g = getattr(scipy.stats, name)
    check(lambda p: getattr(g(*shapes, loc=p[0], scale=p[1]), method)(x), np.array([0.05, 1.5]), 1e-11)
    frozen = g(*shapes, scale=2.0)
    check(lambda x: getattr(frozen, method)(x), x, 1e-11)
    outside = np.array([-0.5, 1.5, np.nan, 0.3])
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_allclose(wg.vjp(lambda x: f(x, *shapes), outside)[0], f(outside, *shapes), rtol=1e-10)
        np.testing.assert_array_equal(wg.vjp(lambda x: f(x, *shapes, 0.0, -1.0), x)[0], f(x, *shapes, 0.0, -1.0))
        assert np.isfinite(wg.grad(lambda x: np.sum(f(x, *shapes)[3]))(outside)).all()


def test_discrete_distributions():
    k = np.array([0, 1, 3, 7])
    for method in ("pmf", "logpmf", "cdf", "sf"):
        check(lambda mu: getattr(scipy.stats.poisson, method)(k, mu), 2.3)
        check(lambda mu: getattr(scipy.stats.poisson, method)(k, mu, loc=-1), np.array([0.5, 1.0, 2.0, 4.0]))
    check(lambda p: scipy.stats.bernoulli.logpmf([0, 1, 1], p), 0.3)
    assert wg.value_and_grad(lambda mu: scipy.stats.poisson.logpmf(2.5, mu))(1.0) == (-np.inf, 0.0)


def test_the_normal_distribution_of_vectors():
    mvn = scipy.stats.multivariate_normal
    mean, x = np.array([0.1, -0.3, 0.4]), M[:, :3]
    a = np.eye(3) + 0.3 * M[:, 3:]
    cov = a @ a.T
    for method in (mvn.logpdf, mvn.pdf):
        check(lambda x: method(x, mean, cov), x)
        check(lambda x: method(x, mean, cov), x[0])
        check(lambda m: method(x, m, cov), mean)
        check(lambda a: method(x, mean, a @ a.T), a)
        check(lambda s: method(x, mean, s), 1.3)
        check(lambda s: method(x, mean, s), np.array([1.0, 2.0, 0.5]))
    check(lambda x: mvn.logpdf(x), 0.4)
    check(lambda x: mvn.logpdf(x, 0.1, 2.0), X)


def test_names_imported_alone_and_second_derivatives():
    assert wg.hessian(lambda x: norm.logpdf(x, 0.0, 2.0))(0.5) == pytest.approx(-0.25)
    assert wg.grad(lambda x: expon.cdf(x))(0.0) == 1.0
    nll = lambda p: -np.sum(norm(p[0], np.exp(p[1])).logpdf(X))
    wg.check_grads(nll, (np.array([1.0, 0.3]),))
    np.testing.assert_allclose(wg.vmap(lambda x: norm.logpdf(x))(X), norm.logpdf(X))


def test_what_is_not_there_names_the_remedy():
    for f in (lambda x: scipy.stats.pearson3.logpdf(x, 0.3), lambda x: scipy.stats.norm(x, 1.0).entropy(),
              lambda x: scipy.stats.skellam(x, 1.0), lambda x: scipy.stats.norm.fit([x, 1.0])):
        with pytest.raises(UnsupportedError, match=r"test_libraries.py.*scipy\.special"):
            wg.grad(f)(0.5)


def test_pythons_statistics():
    for f in (statistics.mean, statistics.fmean, statistics.variance, statistics.pvariance, statistics.stdev,
              statistics.pstdev, statistics.median):
        check(lambda x: f(list(x)), X, 1e-13)
        check(lambda x: f([x[0], 2.0, x[1]]), X, 1e-13)
    check(lambda x: statistics.fmean(list(x), weights=[1, 2, 3, 4, 5, 6]), X)
    with pytest.raises(statistics.StatisticsError):
        wg.grad(lambda x: statistics.stdev([x]))(1.0)
    for f in (lambda x: statistics.geometric_mean([x, 1.0]), lambda x: np.nditer(x)):
        with pytest.raises(wg.errors.WengertError, match="test_libraries.py"):
            wg.grad(f)(1.0)


LOCS = np.array([0.3, -1.0, 2.0])
DRAWS = {
    "normal, place": lambda rng, x: rng.normal(x),
    "normal, both": lambda rng, x: rng.normal(x, x * x),
    "normal, keywords": lambda rng, x: rng.normal(scale=x, size=3)[1],
    "normal, arrays": lambda rng, x: np.sum(rng.normal(LOCS, x) * LOCS),
    "normal, lists": lambda rng, x: np.sum(rng.normal([0.0, x], 2.0, size=(2, 2)) ** 2),
    "uniform": lambda rng, x: np.prod(rng.uniform(-x, x, size=2)),
    "exponential": lambda rng, x: rng.exponential(x) * rng.exponential(2.0 * x),
}


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
@pytest.mark.parametrize("case", DRAWS)
def test_draws_with_traced_parameters_follow_them(case, make):
    f = DRAWS[case]
    value, slope = wg.value_and_grad(lambda x: f(make(3), x))(1.5)
    assert value == f(make(3), 1.5)
    h = 1e-5
    np.testing.assert_allclose(slope, (f(make(3), 1.5 + h) - f(make(3), 1.5 - h)) / (2 * h), rtol=1e-8)
    rng, other = make(4), make(4)
    np.testing.assert_allclose(wg.grad(wg.jit(f), argnums=1)(rng, 1.5), wg.grad(f, argnums=1)(other, 1.5), rtol=1e-14)


def test_draws_that_do_not_follow_their_parameters_are_refused():
    with pytest.raises(ValueError, match="scale < 0"):
        wg.grad(lambda x: np.random.default_rng(0).normal(0.0, -x))(1.0)
    with pytest.raises(wg.errors.UnsupportedError, match="how the draw depends on it is not known"):
        wg.grad(lambda x: np.random.default_rng(0).gamma(x))(2.0)


DATA = np.array([1.0, 2.0, 3.0])


@pytest.mark.parametrize("f", [
    lambda d: np.full_like(DATA, d), lambda d: np.pad(DATA, 1, constant_values=d), lambda d: np.sum(DATA, initial=d),
    lambda d: np.select([DATA > 1], [DATA], default=d), lambda d: np.clip(DATA, d, None), lambda d: np.gradient(DATA ** 2, d),
    lambda d: np.nan_to_num(np.array([np.nan, 1.0]), nan=d), lambda d: np.diff(DATA, prepend=d),
    lambda d: np.insert(DATA, 1, d),
])
def test_traced_options_beside_plain_data(f):
    check(lambda d: f(d) * 1.0, 1.5)


def test_scipy_of_an_array_that_the_function_made():
    def f(x):
        a = np.diag(np.arange(1.0, 5.0))
        values = scipy.sparse.linalg.eigsh(a, k=1)[0]
        a[0, 0] = 7.0 * x
        return np.sum(x * values) + a[0, 0]
    assert float(wg.grad(f)(2.0)) == pytest.approx(11.0)
