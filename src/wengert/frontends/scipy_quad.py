"""Quadrature of functions, from ``scipy.integrate``, on tracers.

What comes in: ``quad(f, a, b, ...)`` and relatives, where a limit, an argument or anything that f uses is traced. What
goes out: SciPy's result, with a traced value. The one idea: f becomes a graph, and the call one ``integral`` equation of
the limits and of all that f depends on; a double integral is one inside the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.frontends import flow
from wengert.frontends.inner import Inner, is_traced, plain
from wengert.frontends.numpy_api.structure import as_array
from wengert.frontends.reach import call as reach_call
from wengert.frontends.scipy_api import scipy_function
from wengert.frontends.trace import active_frame, active_trace, user_line
from wengert.frontends.tracer import FUNCTIONS, Tracer
from wengert.graph import ArrayType
from wengert.primitives.integral import integral

__all__: list[str] = []

_FLOAT = np.dtype(np.float64)


def _limit(x: Any, name: str) -> Any:
    out = as_array(x)
    if out.dtype.kind == "c" or out.shape not in ((), (1,)):
        raise UnsupportedError(f"{name}: a limit is one real number (at {user_line()})")
    out = out.astype(_FLOAT).reshape(())
    return out.frozen() if is_traced(out) else np.float64(out.cell if isinstance(out, Tracer) else out)


def _integrated(name: str, f: Any, a: Any, b: Any, args: Any, rule: str, options: dict[str, Any],
                finish: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The value, or None if nothing is traced; then also the function, as SciPy may call it."""
    limits = [_limit(x, name) for x in (a, b)]
    inner = Inner(name, [ArrayType((), _FLOAT)], args if isinstance(args, tuple) else (args,))
    inner.stage(f, lambda how, lead, rest: how(*lead, *rest), finish)
    if not inner.traced and not any(is_traced(x) for x in limits):
        return None, inner.untraced(f)
    (graph,) = inner.graphs()
    given = tuple(sorted((k, _literal(plain(v, k))) for k, v in options.items() if v is not None))
    return integral(*limits, inner.parameters, *inner.extras, integrand=graph, rule=rule, options=given, source=None), f


def _literal(v: Any) -> Any:
    return tuple(np.asarray(v, float).tolist()) if np.ndim(v) else v


def _number(out: Any) -> Any:
    out = as_array(out)
    if out.dtype.kind == "c":
        raise UnsupportedError(f"quad: the integrand is complex (at {user_line()}); integrate real and imaginary parts")
    return out.astype(_FLOAT).reshape(())


def _array(out: Any) -> Any:
    out = as_array(out)
    if out.dtype.kind == "c":
        raise UnsupportedError(f"quad_vec: the integrand is complex (at {user_line()}); integrate real and imaginary parts")
    return out.astype(_FLOAT)


@scipy_function("scipy.integrate.quad")
def quad(func: Any, a: Any, b: Any, args: Any = (), full_output: int = 0, epsabs: Any = 1.49e-8, epsrel: Any = 1.49e-8,
         limit: int = 50, points: Any = None, weight: Any = None, **others: Any) -> Any:
    """``scipy.integrate.quad``, differentiated by Leibniz's rule in the limits and in all that the integrand depends on."""
    import scipy.integrate
    options = {"epsabs": epsabs, "epsrel": epsrel, "limit": limit, "points": points}
    value = None
    if weight is None and not others:
        value, func = _integrated("scipy.integrate.quad", func, a, b, args, "quad", options, _number)
    elif active_trace() is not None:
        inner = _staged(func, args)
        if not (is_traced(a) or is_traced(b) or inner.traced):
            func = inner.untraced(func)
            return scipy.integrate.quad(func, a, b, args, full_output, epsabs, epsrel, limit, points, weight, **others)
        raise UnsupportedError(f"scipy.integrate.quad is differentiated without weight and complex_func (at "
                               f"{user_line()}); write the weight into the integrand")
    if value is None:
        return scipy.integrate.quad(func, a, b, args, full_output, epsabs, epsrel, limit, points, weight, **others)
    return (value, np.nan, {}) if full_output else (value, np.nan)  # the error and the nodes are not known beforehand


def _staged(func: Any, args: Any) -> Inner:
    inner = Inner("scipy.integrate.quad", [ArrayType((), _FLOAT)], args if isinstance(args, tuple) else (args,))
    inner.stage(func, lambda how, lead, rest: how(*lead, *rest), as_array)
    return inner


@scipy_function("scipy.integrate.quad_vec")
def quad_vec(f: Any, a: Any, b: Any, epsabs: Any = 1e-200, epsrel: Any = 1e-8, norm: str = "2", cache_size: Any = 100e6,
             limit: int = 10000, workers: Any = 1, points: Any = None, quadrature: Any = None, full_output: bool = False, *,
             args: Any = ()) -> Any:
    """``scipy.integrate.quad_vec``, likewise."""
    import scipy.integrate
    options = {"epsabs": epsabs, "epsrel": epsrel, "norm": norm, "limit": limit, "points": points, "quadrature": quadrature}
    value = None
    if not full_output:
        value, f = _integrated("scipy.integrate.quad_vec", f, a, b, args, "quad_vec", options, _array)
    if value is None:
        return scipy.integrate.quad_vec(f, a, b, epsabs, epsrel, norm, cache_size, limit, workers, points, quadrature,
                                        full_output, args=args)
    return value, np.nan


@scipy_function("scipy.integrate.fixed_quad")
def fixed_quad(func: Any, a: Any, b: Any, args: Any = (), n: int = 5) -> Any:
    """``scipy.integrate.fixed_quad``: a weighted sum of values, differentiated as it stands."""
    from scipy.special import roots_legendre
    nodes, weights = roots_legendre(n)
    x = (b - a) * (nodes + 1.0) / 2.0 + a
    values = (flow.call if active_frame() is not None else reach_call)(func, x, *args)
    return (b - a) / 2.0 * FUNCTIONS[np.sum](weights * as_array(values), axis=-1), None


@scipy_function("scipy.integrate.dblquad")
def dblquad(func: Any, a: Any, b: Any, gfun: Any, hfun: Any, args: Any = (), epsabs: Any = 1.49e-8,
            epsrel: Any = 1.49e-8) -> Any:
    """``scipy.integrate.dblquad``: an integral of integrals, whose limits may be functions."""
    if active_trace() is None:
        import scipy.integrate
        return scipy.integrate.dblquad(func, a, b, gfun, hfun, args, epsabs, epsrel)
    how = flow.call if active_frame() is not None else reach_call

    def outer(x: Any, *rest: Any) -> Any:
        lower, upper = (how(g, x) if callable(g) else g for g in (gfun, hfun))
        return quad(lambda y, x, *more: how(func, y, x, *more), lower, upper, (x, *rest), epsabs=epsabs, epsrel=epsrel)[0]
    return quad(outer, a, b, args, epsabs=epsabs, epsrel=epsrel)
