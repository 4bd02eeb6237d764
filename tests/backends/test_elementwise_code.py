"""Compiled elementwise primitives against the interpreter: every one that has code, on its own samples and on special values.

The same code runs in vectors of 8 and in scalars, with libmvec and without, and in vectors that are wider and narrower than a
register. Zeros, infinities and NaN agree exactly, with their signs; other values to a few units of the last place.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from elementwise_code import Case, Suite

import wengert.primitives  # noqa: F401  (fills the registry)
from wengert.backends.compiled import elementwise, floats, mathematics, symbols
from wengert.graph import REGISTRY

NAMES = [n for n, p in REGISTRY.items() if p.elementwise or n == "convert"]
# Functions that the interpreter evaluates in Python.
WITHOUT_CODE = {"sinc_derivative", "erfcx_derivative", "dawsn_derivative", "psi_rise", "exprel_derivative", "gamma_density",
                "log_ndtr_derivative", "beta_density", "gammainc_derivative", "betainc_derivative", "spherical_jn",
                "spherical_yn", "spherical_in", "spherical_kn", "iv", "scaled_derivative"}
SPECIAL = np.array([
    0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1e-310, 1.7e308, -1.7e308, 0.5, -0.5, 1e-8, -1e-8, 1e5, -1e5,
    2, 3, -2, -3, 0.3, 1.5, -1.5, 2.5, 7, 1e15, 1e22, -1e22, 710, -745.2, -746, 2.0 ** 63, -2.0 ** 63, 3e9, -3e9, 300,
    2.0 ** 64, -129])
MILD = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 0.5, 2.5, -1.5, 1e-8, 20])  # for functions that are slow far out
PARTS = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 0.5, -2, 1e-9, 1e9])
WHOLE = (0, 1, -1, 2, 3, -3, 7, -7, 31, 32, 63, 64, 100)
MOST = 1000  # values of a grid
ROUGH = {"power_log", "xlogy", "xlog1py", "erfc"}  # products of rounded logarithms
NORMWISE = {"multiply", "divide", "square", "reciprocal", "one_minus_square", "integer_power", "power_log"}


def values_of(dtype: np.dtype[Any], mild: bool) -> Any:
    """Special values of a dtype."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([v for v in (*WHOLE, info.min, info.max, info.min + 1) if info.min <= v <= info.max
                         and not (mild and v > 3)], dtype)
    with np.errstate(all="ignore"):
        if dtype.kind == "f":
            return (MILD if mild else SPECIAL).astype(dtype)
        out = np.empty(PARTS.size ** 2, dtype)
        out.real, out.imag = np.repeat(PARTS, PARTS.size), np.tile(PARTS, PARTS.size)
        return out[np.abs(out) < 9.0] if mild else out


def grid(name: str, dtypes: tuple[np.dtype[Any], ...]) -> list[Any]:
    """All combinations of special values, or some of them at random."""
    mild = dtypes[-1].kind in "fc" and not elementwise._composition(name, dtypes[-1].kind) and name not in {
        "f": floats.FLOATS, "c": elementwise.COMPLEX}[dtypes[-1].kind]
    columns = [values_of(d, mild) for d in dtypes]
    if mild and (len(dtypes) > 2 or name.startswith("hyp")):
        columns = [c[np.isfinite(c)] for c in columns]
    if np.prod([c.size for c in columns]) > MOST:
        rng = np.random.default_rng(0)
        return [rng.choice(c, MOST // 2) for c in columns]
    return [m.ravel() for m in np.meshgrid(*columns, indexing="ij")]


def dtypes_of(name: str, dtypes: tuple[np.dtype[Any], ...]) -> list[tuple[np.dtype[Any], ...]]:
    """Those of a sample, and the same function of other dtypes."""
    fixed = {"select": 0, "ldexp": 1}.get(name)
    others = [tuple([d if k == fixed else np.dtype(t) for k, d in enumerate(dtypes)]) for t in "?bhiqBHIQfdFD"]
    return [dtypes] if name == "threefry" else list(dict.fromkeys([dtypes, *others]))


def valid(case: Case) -> bool:
    """Whether the interpreter takes it, with the dtypes of the rule."""
    try:
        return [np.asarray(e).dtype for e in case.expected()] == case.types()
    except (TypeError, ValueError):
        return False


@functools.cache
def cases() -> list[Case]:
    """Each primitive on its samples, and on special values of every dtype it has code for."""
    rng, found = np.random.default_rng(1), []
    for name in NAMES:
        seen = set()
        for operands, params in REGISTRY[name].sample(rng):
            arrays = [np.array(o).ravel() for o in np.broadcast_arrays(*operands)]
            if not arrays[0].size:
                continue
            found.append(Case(name, params, arrays))
            for dtypes in dtypes_of(name, tuple([o.dtype for o in arrays])):
                if (dtypes, repr(params)) not in seen and not (name == "hyp0f1" and dtypes[-1].kind == "c"):
                    seen.add((dtypes, repr(params)))
                    found.append(Case(name, params, grid(name, dtypes)))
    return [c for c in found if c.supported() and valid(c)]


def distance(y: Any, e: Any) -> float:
    """The largest difference in units of the last place; infinite where NaN, infinities, signs or whole numbers differ."""
    if y.dtype.kind == "c":
        return max(distance(y.real, e.real), distance(y.imag, e.imag))
    if y.dtype.kind != "f":
        return np.inf if (y != e).any() else 0.0
    nan = np.isnan(e)
    if (np.isnan(y) != nan).any():
        return np.inf
    y, e = y[~nan], e[~nan]
    odd = np.isinf(y) | np.isinf(e)
    if (y[odd] != e[odd]).any() or (np.signbit(y) != np.signbit(e)).any():
        return np.inf
    y, e = y[~odd], e[~odd]
    return float((np.abs(y - e) / np.spacing(np.abs(e))).max(initial=0.0))


def normwise(y: Any, e: Any) -> float:
    """The same for complex numbers as a whole: NumPy contracts products in vectors, which shows where parts cancel."""
    odd = ~np.isfinite(e)
    if (odd != ~np.isfinite(y)).any() or distance(y[odd], e[odd]) > 0:
        return np.inf
    y, e = y[~odd], e[~odd]
    return float((np.abs(y - e) / np.spacing(np.abs(e))).max(initial=0.0))


def allowed(case: Case) -> float:
    """Units of the last place."""
    if case.name.startswith("logaddexp"):
        return 1e3  # near its zeros
    return 64.0 if case.name in ROUGH else 8.0 if case.operands[0].dtype == np.float32 else 6.0


def compare(suite: Suite) -> None:
    bad = []
    with np.errstate(all="ignore"):
        for (k, case), lanes in itertools.product(enumerate(suite.cases), suite.widths):
            measure = normwise if case.name in NORMWISE and case.operands[0].dtype.kind == "c" else distance
            for y, e in zip(suite.run(k, lanes), case.expected()):
                if not (d := measure(y, np.broadcast_to(e, y.shape))) <= allowed(case):
                    bad.append(f"{case.name}{case.params} of {[str(o.dtype) for o in case.operands]}, {lanes} lanes: {d} ulp")
    assert not bad, "\n" + "\n".join(bad)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    """SciPy warns of orders that it cuts to integers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def test_every_primitive_in_vectors_and_scalars() -> None:
    compare(Suite(cases()))


def test_what_has_no_code() -> None:
    """The list is complete, and of these functions only."""
    assert set(NAMES) - {c.name for c in cases()} == WITHOUT_CODE


def of_floats() -> list[Case]:
    """Functions in the table of floats, and compositions."""
    return [c for c in cases() if c.name in floats.FLOATS and c.operands[0].dtype.kind == "f"]


def test_without_libmvec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mathematics, "USE_LIBMVEC", False)
    suite = Suite(of_floats(), (8,))
    assert not [s for s in suite.module.symbols if s.startswith("_ZGV")]
    compare(suite)


@pytest.mark.parametrize(("vector_bytes", "widths"), [(64, (16, 2)), (32, (8, 4)), (16, (4, 3))])
def test_other_widths(vector_bytes: int, widths: tuple[int, ...]) -> None:
    compare(Suite([c for c in of_floats() if c.name in ("exp", "sin", "power", "hypot", "fmod", "frexp", "tanh")], widths,
                  vector_bytes))


def test_one_lane_if_all_operands_have_one() -> None:
    from wengert.backends.compiled.code import Code, Module, Value
    code, d = Code(Module()), np.dtype(np.float64)
    x, y = Value(d, ("%x",)), Value(d, ("%y",), 8)
    assert elementwise.emit(code, "add", {}, [x, x], [d], 8)[0].lanes == 1
    assert elementwise.emit(code, "add", {}, [x, y], [d], 8)[0].lanes == 8


def test_addresses_by_name() -> None:
    assert symbols.address("exp") and symbols.address("wg_special_gammaln") and symbols.address("wg_loop_numpy_exp_D_D")
    with pytest.raises(KeyError):
        symbols.address("wg_special_no_such_function")


def test_costs_are_ordered() -> None:
    d = np.dtype(np.float64)
    costs = [elementwise.cost(n, {}, d) for n in ("add", "divide", "exp", "tanh", "gammaln")]
    assert costs == sorted(costs) and costs[0] > 0
