"""Integrals of a function over an interval, as a primitive.

What comes in: the limits a and b, all parameters as one vector p, further arrays, and the graph of the integrand f(x, p).
What goes out: the integral, by SciPy's quadrature with the tolerances that the program named. The one idea: Leibniz's
rule, ``d∫f dx = f(b) db - f(a) da + (∫ f_p dx)·dp``, where the last integral is this very primitive, of ``f_p``; so
derivatives of all orders are integrals, each under error control of its own.

The rule holds for integrands that are continuous in (x, p), with a kink perhaps; one that jumps where p moves the jump is
found by looking at its comparisons, and refused (`source` is the integrand whose derivative is integrated). So is a
derivative whose quadrature does not converge.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import ConvergenceError
from wengert.graph import ArrayType, Build, Graph, Handle, Primitive
from wengert.primitives.contract import contract
from wengert.primitives.jumps import require_no_jump
from wengert.primitives.stiffness import user_level
from wengert.primitives.trajectory import system_of

__all__ = ["integral"]

_FLOAT = np.dtype(np.float64)
_FEW = 64  # components that are integrated one by one, from kept values; more go together


def _type(a: Any, b: Any, p: Any, *extras: Any, integrand: Graph, **params: Any) -> ArrayType:
    return integrand.outputs[0].type  # type: ignore[no-any-return]


def _integral(a: Any, b: Any, p: Any, *extras: Any, integrand: Graph, rule: str, options: Any, source: Graph | None) -> Any:
    shape = integrand.outputs[0].type.shape
    run = system_of(integrand).value

    def f(x: Any) -> Any:
        return run(np.float64(x), p, *extras)[0]
    derived = source is not None
    if source is not None:
        _require_no_jump(source, float(a), float(b), p, extras)
    if rule == "quad" and int(np.prod(shape)) <= _FEW:
        return _one_by_one(f, float(a), float(b), shape, dict(options), derived)
    return _together(f, float(a), float(b), shape, _of_quad_vec(dict(options)), derived)


def _one_by_one(f: Callable[[float], Any], a: float, b: float, shape: tuple[int, ...], options: dict[str, Any],
                derived: bool) -> Any:
    """QUADPACK for each component; the values at its nodes are kept."""
    if not shape:
        return np.float64(_over_pieces(f, a, b, options, derived))
    kept: dict[float, Any] = {}

    def component(k: int) -> Callable[[float], float]:
        def g(x: float) -> float:
            found = kept.get(x)
            if found is None:
                found = kept[x] = f(x).ravel()
            return float(found[k])
        return g
    out = np.empty(int(np.prod(shape)))
    for k in range(out.size):
        out[k] = _over_pieces(component(k), a, b, options, derived)
    return out.reshape(shape)


def _over_pieces(g: Callable[[float], float], a: float, b: float, options: dict[str, Any], derived: bool) -> float:
    """One integral; of a derivative, one between each two of the named points: divergent sides may cancel in the sum."""
    from scipy.integrate import IntegrationWarning, quad
    ends = [a, b]
    if derived and options.get("points") is not None:
        options = dict(options)
        ends[1:1] = sorted([x for x in options.pop("points") if min(a, b) < x < max(a, b)], reverse=b < a)
    total = 0.0
    for left, right in itertools.pairwise(ends):
        value, trouble = _caught(functools.partial(quad, g, left, right, **options), IntegrationWarning)
        _converged(trouble, derived, a, b)
        total += value[0]
    return total


def _caught(run: Callable[[], Any], kind: Any) -> tuple[Any, Any]:
    """A result and the warning of this kind that came with it; other warnings go on."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        value = run()
    trouble = None
    for w in found:
        if issubclass(w.category, kind):
            trouble = w.message
        else:
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
    return value, trouble


def _converged(trouble: Any, derived: bool, a: float, b: float) -> None:
    if trouble is None:
        return
    if not derived:
        warnings.warn(trouble, stacklevel=user_level())
        return
    raise ConvergenceError(f"the integral from {a:g} to {b:g} that gives the derivative did not converge ("
                           f"{' '.join(str(trouble).split())}); name the difficult points (points=[...]), raise limit, or "
                           f"split "
                           f"the interval")


def _of_quad_vec(options: dict[str, Any]) -> dict[str, Any]:
    """The options of `quad` that `quad_vec` knows, in its words."""
    return {k: v for k, v in options.items() if k in ("epsabs", "epsrel", "limit", "points", "norm", "quadrature")}


def _together(f: Callable[[float], Any], a: float, b: float, shape: tuple[int, ...], options: dict[str, Any],
              derived: bool) -> Any:
    from scipy.integrate import quad_vec
    value, _, info = quad_vec(f, a, b, full_output=True, **options)
    if not info.success and derived:
        _converged(info.message, derived, a, b)
    return np.asarray(value, float).reshape(shape)


# ---------------------------------------------------------------- jumps

_SAMPLES = 65  # points at which the comparisons of an integrand are looked at
_JUMP = ("the integrand jumps at x = {}, at a place that depends on traced values, so the derivative is not the integral "
         "of the integrand's derivative; split the integral there, each part with the branch that holds in it: quad(left, a, "
         "c) + quad(right, c, b)")


def _require_no_jump(integrand: Graph, a: float, b: float, p: Any, extras: Sequence[Any]) -> None:
    """Refuse Leibniz's rule where a comparison that depends on p makes the integrand jump."""
    system = system_of(integrand)
    look = system.decisions((0,), (1,))
    if look is not None:
        require_no_jump(look, system.value, _spread(a, b), lambda x: (np.float64(x), p, *extras), _JUMP)


def _spread(a: float, b: float) -> Any:
    """Points all over an interval, which may be infinite."""
    if np.isfinite(a) and np.isfinite(b):
        return np.linspace(a, b, _SAMPLES)
    if not np.isfinite(a) and not np.isfinite(b):
        u = np.linspace(-0.98, 0.98, _SAMPLES)
        return u / (1.0 - np.abs(u))
    u = np.linspace(0.0, 0.98, _SAMPLES)
    u = u / (1.0 - u)
    return a + np.sign(b) * u if np.isfinite(a) else b + np.sign(a) * u


# ---------------------------------------------------------------- derivatives


def _here(graph: Graph, *operands: Handle) -> Any:
    return operands[0].build.inline(graph, operands)[0]


def _times(rows: Handle, dp: Handle) -> Any:
    letters = "abcdefg"[:rows.ndim - 1]
    return contract(rows, dp, spec=f"{letters}z,z->{letters}")


def _at_limit(integrand: Graph, x: Handle, p: Handle, extras: Sequence[Handle], dx: Any, sign: int) -> Any:
    if dx is None:
        return None
    value = _here(integrand, x, p, *extras)
    letters = "abcdefg"[:value.ndim]
    term = contract(value, dx, spec=f"{letters},->{letters}") if letters else value * dx
    return term if sign > 0 else -term


def _jvp(y: Any, operands: Any, tangents: Any, *, integrand: Graph, **params: Any) -> Any:
    a, b, p, *extras = operands
    da, db, dp = tangents[:3]
    terms = [_at_limit(integrand, b, p, extras, db, 1), _at_limit(integrand, a, p, extras, da, -1)]
    if dp is not None and p.shape[0]:
        inner = system_of(integrand).partials
        rows = integral(a, b, p, *extras, integrand=inner, **{**params, "source": integrand})
        terms.append(_times(rows, dp))
    total = None
    for t in terms:
        if t is not None:
            total = t if total is None else total + t
    return total


def _batch(n: int, operands: Any, batched: Any, **params: Any) -> Any:
    from wengert.primitives.ivp import in_lanes
    return in_lanes("integral")(n, operands, batched, **params)


def _sample(rng: np.random.Generator) -> Any:
    from wengert.primitives.elementary import exp, sin
    from wengert.primitives.index import basic_index
    build = Build()
    x, p = build.input(ArrayType((), _FLOAT)), build.input(ArrayType((2,), _FLOAT))
    u, v = (basic_index(p, (k,)) for k in range(2))
    graph = build.graph([sin(u * x) * exp(v * x)])
    params = {"integrand": graph, "rule": "quad", "options": (("epsabs", 0.0), ("epsrel", 1e-13)), "source": None}
    return [((np.float64(0.2), np.float64(1.1), rng.uniform(0.5, 1.5, 2)), params)]


integral: Primitive = Primitive("integral", type=_type, evaluate=_integral, jvp=_jvp, batch=_batch, sample=_sample)
