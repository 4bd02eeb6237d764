"""Integrals over several variables, Romberg's rule and running sums: values of SciPy's, derivatives by differences."""

import numpy as np
import pytest
import scipy.integrate as si
from by_name import check

import wengert as wg
from wengert.errors import UnsupportedError

RNG = np.random.default_rng(0)
Y = RNG.normal(size=(3, 9))
X = np.cumsum(RNG.uniform(0.2, 1.0, 9))


def test_romberg():
    check(lambda y, dx: si.romb(y, dx), Y, 0.3, jit=True)
    for n in (2, 3):
        check(lambda y: si.romb(y, axis=0), Y.T[:n])
    for wrong in (Y[:, :1], Y[:, :4]):
        with pytest.raises(ValueError, match="power of 2"):
            wg.grad(lambda y: np.sum(si.romb(y)))(wrong)
    with pytest.raises(UnsupportedError, match="without show"):
        wg.grad(lambda y: si.romb(y, show=True))(X)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 9])
def test_running_integrals(n):
    check(lambda y: si.cumulative_simpson(y), Y[:, :n], jit=n == 5)
    check(lambda y, x: si.cumulative_simpson(y, x=x), Y[:, :n], X[:n], jit=n == 4)
    check(lambda p: si.cumulative_simpson(p * Y[:, :n], dx=p, initial=p), 0.3)


def test_running_integrals_along_other_axes():
    check(lambda y, x: si.cumulative_simpson(y, x=x, axis=0, initial=0.0), Y.T, np.stack([X, X * 2.0, X + 1.0], 1), jit=True)
    check(lambda y, h: si.cumulative_simpson(y, dx=h, axis=0, initial=np.ones((1, 3))), Y.T, np.ones((1, 3)))
    for words in ({"x": X[::-1]}, {"x": X[:3]}, {"dx": np.ones(2)}, {"initial": np.ones(2)}):
        with pytest.raises(ValueError):
            si.cumulative_simpson(Y, **words)
        with pytest.raises(ValueError):
            wg.grad(lambda y: np.sum(si.cumulative_simpson(y, **words)))(Y)


@pytest.mark.parametrize("f", [
    lambda a: si.tplquad(lambda z, y, x: a * x * y + np.cos(a * z), 0, a, 0, lambda x: 1 - x * a, lambda x, y: x * y, 2 * a)[0],
    lambda a: si.tplquad(lambda z, y, x, b: b * x * y + b ** 2 * z, 0, 1, 0, 1, 0, 1, (a,))[0],
    lambda a: si.nquad(lambda x, y: np.exp(-a * x * y), [lambda y: (0, y * a), (0, a)])[0],
    lambda a: si.nquad(lambda x, y, b: b * x * y, [lambda y, b: (0, y * b), (0, a)], args=(a,), opts={"epsabs": 1e-9})[0],
    lambda a: si.nquad(lambda x, y: np.abs(x - 0.3) * a * y, [(0, 1), (0, a)], opts=[{"points": [0.3, 7.0]}, {}])[0],
    lambda a: si.nquad(lambda x: x * a, [(0, a)])[0],
    lambda a: a * si.nquad(lambda x, y: x * y, [(0, 1), (0, 2)])[0]])
def test_integrals_over_several_variables(f):
    check(f, 0.7, jit=True)


def test_a_volume_in_closed_form():
    """Of the simplex with corners at a: a³ / 6; and of ``x y`` over a box: a⁴ / 4."""
    def simplex(a):
        return si.nquad(lambda x, y, z: 1.0, [lambda y, z: (0, a - y - z), lambda z: (0, a - z), (0, a)])[0]
    np.testing.assert_allclose([simplex(1.3), wg.grad(simplex)(1.3), wg.grad(wg.grad(simplex))(1.3)],
                               [1.3 ** 3 / 6, 1.3 ** 2 / 2, 1.3], rtol=1e-10)
    for f in (lambda a: si.nquad(lambda x: a * x, [(0, 1)], full_output=True)[0],
              lambda a: si.nquad(lambda x, y: x, [lambda y: (0, a * y), (0, 1)], full_output=True)[0]):
        with pytest.raises(UnsupportedError, match="without full_output"):
            wg.grad(f)(1.0)
    np.testing.assert_allclose(wg.grad(lambda a: a * si.nquad(lambda x: x, [(0, 1)], full_output=True)[0])(2.0), 0.5)
