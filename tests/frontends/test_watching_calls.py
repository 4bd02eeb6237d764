"""What code that is not staged reads for a jitted function: callbacks, methods of operators, rules, files, settings."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.ndimage
import scipy.sparse.linalg
import scipy.stats

import wengert as wg

X = np.array([1.0, 2.0, 3.0])


class Setting:
    """An object whose methods look at what it holds."""

    def __init__(self) -> None:
        self.v, self.n, self.items = 1.0, 1, [1.0, 2.0]

    def times(self, t: Any) -> Any:
        return t * self.v

    def add(self, a: Any, b: Any) -> Any:
        return a + b * self.v

    def order(self, t: Any) -> Any:
        return (t * (self.n + 1)) % 3

    def __index__(self) -> int:
        return self.n

    def __iter__(self) -> Any:
        return iter(self.items)

    def change(self) -> None:
        self.v, self.n, self.items[0] = self.v + 1, self.n + 1, self.items[0] + 1


def _unpacked(k: Setting) -> Callable[..., Any]:
    def f(x):
        first, _ = k
        return np.sum(x) * first
    return f


def _vectorized(k: Setting) -> Callable[..., Any]:
    h = np.vectorize(k.times)
    return lambda x: np.sum(h(x)) + h(2.0) * x[0]


def _python_ufunc(k: Setting) -> Callable[..., Any]:
    h = np.frompyfunc(k.times, 1, 1)
    return lambda x: np.sum(x) * h(2.0)


def _custom_jvp(k: Setting) -> Callable[..., Any]:
    h = wg.custom_jvp(lambda t: t * t * k.v)
    h.defjvp(lambda p, t: (p[0] ** 2 * k.v, 2 * p[0] * t[0] * k.v))
    return lambda x: h(x[0])


def _custom_vjp(k: Setting) -> Callable[..., Any]:
    h = wg.custom_vjp(lambda t: t * t * k.v)
    h.defvjp(lambda t: (t * t * k.v, t), lambda r, g: (2 * r * g * k.v,))
    return lambda x: h(x[0])


def _sorted_by(k: Setting) -> Callable[..., Any]:
    def f(x):
        values = [1.0, 2.0, 3.0]
        values.sort(key=k.order)
        return np.sum(x) * values[0] * sorted([1.0, 2.0, 3.0], key=k.order)[1] * min([1.0, 2.0], key=k.order)
    return f


def _operator(k: Setting) -> Callable[..., Any]:
    a = scipy.sparse.linalg.LinearOperator((3, 3), matvec=k.times, dtype=float)
    return lambda x: np.sum(x) * np.sum(a.matvec(np.ones(3)))


def _outside(k: Setting) -> Callable[..., Any]:
    def times(a, b):
        return a * b * k.v
    return lambda x: np.sum(x) * functools.reduce(times, [1.0, 2.0])


CASES = {
    "a function from outside": _outside,
    "map": lambda k: lambda x: np.sum(x) * sum(map(k.times, [1.0, 2.0])),
    "map of a partial": lambda k: lambda x: np.sum(x) * sum(map(functools.partial(k.add, 1.0), [1.0, 2.0])),
    "reduce": lambda k: lambda x: np.sum(x) * functools.reduce(k.add, [1.0, 2.0]),
    "accumulate": lambda k: lambda x: np.sum(x) * list(itertools.accumulate([1.0, 2.0], k.add))[-1],
    "key": _sorted_by,
    "along an axis": lambda k: lambda x: np.sum(x) * np.apply_along_axis(k.times, 0, np.ones(3)).sum(),
    "piecewise": lambda k: lambda x: np.sum(x * np.piecewise(np.ones(3), [np.ones(3) > 0], [k.times])),
    "fromfunction": lambda k: lambda x: np.sum(x * np.fromfunction(k.times, (3,))),
    "vectorize": _vectorized,
    "frompyfunc": _python_ufunc,
    "generic_filter": lambda k: lambda x: np.sum(x) * scipy.ndimage.generic_filter(
        np.ones(3), lambda t: t.sum() * k.v, 3).sum(),
    "quad": lambda k: lambda x: np.sum(x) * scipy.integrate.quad(k.times, 0, 1)[0],
    "a linear operator": _operator,
    "an index": lambda k: lambda x: np.sum(x) * list(range(9))[k],
    "an index of an array": lambda k: lambda x: x[k % 3] if isinstance(k, int) else np.sum(x[:k]),
    "unpacking": _unpacked,
    "a starred item": lambda k: lambda x: np.sum(x) * [0.0, *k][1] + max(*k),
    "vars": lambda k: lambda x: np.sum(x) * {**vars(k)}["v"],
    "eval": lambda k: lambda x: np.sum(x) * eval("k.v", {"k": k}),
    "custom_jvp": _custom_jvp,
    "custom_vjp": _custom_vjp,
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::wengert.StagingWarning")
def test_what_a_call_reads_may_change(name):
    k = Setting()
    f = CASES[name](k)
    jitted, derived = wg.jit(f), wg.jit(wg.grad(f))
    for _ in range(3):
        np.testing.assert_allclose(jitted(X), f(X), rtol=1e-12)
        np.testing.assert_allclose(derived(X), wg.grad(f)(X), rtol=1e-12)
        k.change()


def test_arguments_of_a_partial_that_is_differentiated():
    weights = np.ones(3)
    g = wg.jit(wg.grad(functools.partial(lambda w, x: np.sum(w * x), weights)))
    assert g(X).tolist() == [1.0, 1.0, 1.0]
    weights[0] = 5.0
    assert g(X).tolist() == [5.0, 1.0, 1.0]


def test_a_method_of_an_array_that_was_kept():
    a = np.ones(2)
    total = a.sum
    f = wg.jit(lambda x: x * total())
    assert f(1.0) == 2.0
    a[0] = 5.0
    assert f(1.0) == 6.0


def test_files_are_read_anew(tmp_path: Path):
    file = tmp_path / "numbers.txt"
    file.write_text("1.0")
    f = wg.jit(lambda x: x * np.loadtxt(file))
    with pytest.warns(wg.StagingWarning, match="a file is read or written by numpy.*loadtxt"):
        assert f(2.0) == 2.0
    file.write_text("3.0")
    assert f(2.0) == 6.0


def test_settings_are_read_anew():
    f = wg.jit(lambda x: x * np.get_printoptions()["precision"])
    with np.printoptions(precision=3), pytest.warns(wg.StagingWarning, match="a setting is read"):
        assert f(1.0) == 3.0
    with np.printoptions(precision=5):
        assert f(1.0) == 5.0


_NUMBERS = np.random.default_rng(0).random((12, 2))
_SPD = np.eye(4) + 0.3
DRAWS: dict[str, Callable[[], Any]] = {
    "rvs": lambda: scipy.stats.norm.rvs(),
    "a parameter rng": lambda: scipy.sparse.linalg.eigsh(_SPD * np.arange(1.0, 5.0), k=1)[1][0, 0],
    "a method's parameter": lambda: scipy.stats.multivariate_t(np.zeros(4), _SPD, df=3).cdf([0.1, 0.2, 0.3, 0.4]),
    "how a test draws": lambda: scipy.stats.pearsonr(
        *_NUMBERS.T, method=scipy.stats.PermutationMethod(n_resamples=999)).pvalue,
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_of_scipy_are_made_anew(name):
    draw = DRAWS[name]
    f = wg.jit(lambda x: x * draw())
    with pytest.warns(wg.StagingWarning, match="random numbers are drawn"):
        first = f(1.0)
    assert len({first, *[f(1.0) for _ in range(5)]}) > 1


def test_callbacks_stay_part_of_the_graph():
    k = Setting()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f = wg.jit(lambda x: sum(map(k.times, x)) + functools.reduce(k.add, x))
        assert f(X) == 12.0
