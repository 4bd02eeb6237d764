"""Rounding error, line by line, from one backward pass.

What comes in: a function and a point. What goes out: a `RoundingError`: how large the accumulated rounding error of the result
can be, how large it is likely to be, and which lines it comes from. The one idea (Linnainmaa's): each elementary operation
commits a small error, v(1 + δ); the derivative of the result with regard to that error says what becomes of it, and reverse
mode knows all these derivatives at the cost of one. So a perturbation is added to each intermediate value, and the graph is
differentiated with regard to all of them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.backends.interpret import Program
from wengert.errors import InputError, NonDifferentiableError, UnsupportedError, kind_of, not_a_function
from wengert.flatten import flatten, leaf_names
from wengert.frontends.trace import fresh_build
from wengert.frontends.tracer import Tracer
from wengert.graph import REGISTRY, ArrayType, Build, Equation, Graph, Handle, Var
from wengert.lines import by_part, short_place, source_line
from wengert.progress import Progress
from wengert.rounding_model import effect, exact, is_backward, is_modeled, norm
from wengert.run import Run, matched_leaf
from wengert.transforms.linearize import Linear, linearize
from wengert.transforms.transpose import transpose
from wengert.transforms.unroll import Unrolled, unroll

__all__ = ["RoundingError", "RoundingLine", "float_arguments", "rounding_error"]

_MOST = 64  # elements of a result whose errors are told apart: each takes a backward pass
_SHOWN = 12  # lines in the table


@dataclass(frozen=True)
class RoundingLine:
    """What one line of the program contributes."""

    place: str  # "file.py:12"; "" for what has no line
    source: str
    share: float  # of the variance
    estimate: float
    bound: float


@dataclass(frozen=True)
class RoundingError:
    """What `rounding_error` gives; print it.

    Attributes
    ----------
    value : number or array
        The result, as it is computed.
    estimate : number or array
        The standard deviation of its rounding error, if the errors of the operations are independent.
    bound : number or array
        The largest rounding error, to first order.
    lines : tuple of RoundingLine
        What each line contributes, the most first. Of an array, to the root of the sum of squares of the elements.
    inputs : dict
        Argument -> how much a relative error of each of its elements is amplified: Σ|∂f/∂x x| / |f|.
    reference : number or array or None
        The result of the same operations in higher precision, if it was asked for.
    """

    value: Any
    estimate: Any
    bound: Any
    lines: tuple[RoundingLine, ...]
    inputs: dict[str, float]
    reference: Any = None
    name: str = field(default="f", repr=False)

    @property
    def error(self) -> Any:
        """The rounding error itself, ``value - reference``; None without a reference."""
        return None if self.reference is None else self.value - self.reference

    @property
    def digits(self) -> float:
        """Decimal digits of the result that can be trusted: those that the error, at twice its estimate, leaves alone."""
        return _digits(2.0 * np.asarray(self.estimate), self.value)

    def json(self) -> dict[str, Any]:
        """Numbers, lists and strings only; NaN and infinities are strings."""
        from dataclasses import asdict
        numbers = {key: _plain(getattr(self, key)) for key in ("value", "estimate", "bound", "reference", "error", "digits")}
        return {"function": self.name, **numbers, "inputs": _plain(self.inputs),
                "lines": [_plain(asdict(line)) for line in self.lines]}

    def __str__(self) -> str:
        return _report(self)


def rounding_error(f: Callable[..., Any], *args: Any, cotangent: Any = None, reference: bool = False, **kwargs: Any,
                   ) -> RoundingError:
    """The accumulated rounding error of ``f(*args)``, to first order, and the lines that it comes from.

    Every operation is ``v (1 + δ)`` with ``|δ| <= u``, so ``f`` errs by ``Σ v̄ v δ``, where v̄ is the derivative of the result
    with regard to v. The bound is ``Σ |v̄ v| u``; the estimate takes each error as uniform in its interval and all as
    independent, ``sqrt(Σ (v̄ v u)² / 3)``. (In the place of ``|v| u`` stands half the unit in the last place of v, of a function
    such as sin a few units, of a sum or a product of matrices the bound of its algorithm; LAPACK is modeled by its backward
    error.) Operations on constants alone are no part of the graph and count as exact, and so do the arguments: what errors of
    theirs would do is said by `RoundingError.inputs`. Branches that rounding could turn are not followed.

    Parameters
    ----------
    f : callable
        Takes numbers and arrays (or trees of them), gives a number or an array. Loops and functions under `jit` are followed
        operation by operation.
    *args, **kwargs
        Its arguments.
    cotangent : array, optional
        For an array with more than 64 elements: the error of ``sum(cotangent * f(*args))`` is looked at.
    reference : bool
        Also run the same operations in higher precision (float32 in float64, float64 in `numpy.longdouble`).

    Returns
    -------
    RoundingError

    Raises
    ------
    UnsupportedError
        For an operation that has no model of its rounding, or, with `reference`, none in higher precision.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> found = wg.rounding_error(lambda x: (1 - np.cos(x)) / x**2, 1e-4)
    >>> print(f"{found.value:.10f} ± {found.estimate:.0e}, {int(found.digits)} digits")
    0.4999999970 ± 4e-09, 7 digits
    >>> int(wg.rounding_error(lambda x: 2 * (np.sin(x / 2) / x) ** 2, 1e-4).digits)
    15

    Notes
    -----
    S. Linnainmaa, Taylor expansion of the accumulated rounding error (BIT 16, 1976); N. J. Higham, Accuracy and Stability of
    Numerical Algorithms (2002); H. Menon et al., ADAPT: algorithmic differentiation applied to floating-point precision
    tuning (SC 2018).
    """
    if not callable(f):
        raise InputError(f"rounding_error: {not_a_function(f)}")
    with Progress() as progress:
        progress("recording the program")
        with fresh_build():
            run = Run("rounding_error", by_part(f), args, kwargs, float_arguments("rounding_error", args))
        progress("following errors")
        return _measured(run, f, args, cotangent, reference)


def _measured(run: Run, f: Callable[..., Any], args: Sequence[Any], cotangent: Any, reference: bool) -> RoundingError:
    flat = _straight(run)
    value = flat.value(flat.graph.outputs[0])
    adjoints = _Adjoints(flat, len(run.inputs))
    shape = np.shape(value)
    if cotangent is not None:
        like = ArrayType(shape, np.asarray(value).dtype)
        weights = [np.asarray(matched_leaf("rounding_error", "cotangent", cotangent, like))]
    elif np.size(value) > _MOST:
        raise InputError(f"rounding_error: the function returned {np.size(value)} numbers; say which weighted sum of them "
                         f"counts (cotangent=...), or return it")
    else:
        weights = [np.reshape(row, shape) for row in np.eye(np.size(value), dtype=np.asarray(value).dtype)]
    measured = [adjoints.measured(w) for w in weights]
    found = [m.total() for m in measured]
    arranged: Any = (lambda xs: xs[0]) if cotangent is not None or shape == () else (lambda xs: np.reshape(xs, shape))
    high = _in_higher_precision(flat) if reference else None
    if cotangent is not None:
        value, high = [None if x is None else np.sum((np.conj(weights[0]) * x).real) for x in (value, high)]
    inputs = _conditions(run, f, args, measured, value)
    return RoundingError(value, arranged([d for _, d in found]), arranged([b for b, _ in found]),
                         _lines(flat, measured), inputs, high, getattr(f, "__name__", "f"))


def float_arguments(name: str, args: Sequence[Any]) -> tuple[int, ...]:
    """The arguments that hold floats; the others are part of the program."""
    def holds(x: Any) -> bool:
        return isinstance(x, (float, complex)) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc")
    found = tuple(k for k, a in enumerate(args) if any(holds(x) or isinstance(x, Tracer) for x in flatten(a)[0]))
    if not found:
        raise InputError(f"{name}: no argument holds a float; write 3.0 for 3, x.astype(float) for an array of integers")
    return found


def _straight(run: Run) -> Unrolled:
    """The function at its point as straight-line code."""
    if not run.plain:
        raise InputError("rounding_error: it looks at numbers, so it cannot be part of a program that is itself traced")
    if len(run.out_leaves) != 1 or run.out_spec.tree is not None:
        raise NonDifferentiableError(f"rounding_error: the function returned {len(run.out_leaves)} values in a container; "
                                     f"return one number or array")
    out = run.out_leaves[0]
    if not isinstance(out, Var) or not out.type.inexact:
        raise NonDifferentiableError(f"rounding_error: the function returned {_what(out)}; nothing that depends on the "
                                     f"arguments is rounded in it")
    return unroll(run.graph(), [run.trace.values[v] for v in (*run.inputs, *run.trace.lifted)])


def _what(x: Any) -> str:
    return f"an array of {x.type.dtype}" if isinstance(x, Var) else kind_of(x)


# ---------------------------------------------------------------- all adjoints in one pass

@dataclass(frozen=True)
class _Place:
    """Where a perturbation was added: to a result of an equation, or to one of its operands."""

    equation: Equation
    atom: Any


class _Adjoints:
    """The straight-line code with a perturbation of each value, differentiated with regard to all of them."""

    def __init__(self, flat: Unrolled, inputs: int):
        self.flat, self.inputs = flat, inputs
        self.places: list[_Place] = []
        self.origin: dict[Any, Any] = {}  # of the perturbed code -> of the plain code; a perturbation is 0, so values are equal
        graph = self._perturbed(flat.graph)
        active = [k < inputs or k >= len(flat.graph.inputs) for k in range(len(graph.inputs))]
        self.linear: Linear = linearize(graph, active)
        self.transposed = transpose(self.linear)
        self.program = Program(self.transposed.graph)
        self.residuals = [flat.value(self.origin[v]) for v in self.linear.residuals]

    def _perturbed(self, graph: Graph) -> Graph:
        build, env = Build(), dict[Any, Any]()

        def noted(new: Any, old: Any) -> None:
            env[old] = new
            self.origin[new] = old

        def moved(e: Equation, atom: Any, old: Any) -> Any:
            self.places.append(_Place(e, old))
            new = REGISTRY["add"](Handle(build, atom), build.input(atom.type)).atom
            self.origin[new] = old
            return new

        for v in graph.inputs:
            noted(build.input(v.type).atom, v)
        for e in graph.equations:
            build.at = graph.lines.get(e, frozenset())
            operands = [env[o] if isinstance(o, Var) else o for o in e.operands]
            rounds = not exact(e)
            if rounds and not is_modeled(e):
                raise UnsupportedError(f"rounding_error: how {e.primitive.name} rounds is not modeled{_at(build.at)}")
            backward = rounds and is_backward(e)
            if backward:
                operands[0] = moved(e, operands[0], e.operands[0])
            results = build.emit(e.primitive, tuple(operands), e.params)
            for new, old in zip(results, e.results, strict=True):
                self.origin[new] = old
                noted(moved(e, new, old) if rounds and not backward and old.type.inexact else new, old)
        return build.graph([env[o] if isinstance(o, Var) else o for o in graph.outputs])

    def measured(self, weight: Any) -> _Measured:
        """The effect of each equation on ``Re<weight, result>``."""
        given = [weight] if self.linear.nonzero[0] else []
        with np.errstate(all="ignore"):
            out = iter(self.program(*given, *self.residuals))
        adjoints = [next(out) if nonzero else None for nonzero in self.transposed.nonzero]
        effects: dict[Equation, tuple[float, float]] = {}
        for place, adjoint in zip(self.places, adjoints[self.inputs:], strict=True):
            if adjoint is None:
                continue
            e = place.equation
            operands = [self.flat.value(o) for o in e.operands]
            bound, deviation = effect(e, operands, self.flat.value(place.atom), adjoint)
            before = effects.get(e, (0.0, 0.0))
            effects[e] = (before[0] + bound, math.hypot(before[1], deviation))
        return _Measured(effects, adjoints[:self.inputs])


@dataclass(frozen=True)
class _Measured:
    """Bound and standard deviation of the effect of each equation, and the gradient."""

    effects: dict[Equation, tuple[float, float]]
    gradient: list[Any]

    def total(self) -> tuple[float, float]:
        return sum(b for b, _ in self.effects.values()), math.hypot(*[d for _, d in self.effects.values()])


def _at(lines: frozenset[str]) -> str:
    return f" (at {', '.join(sorted(lines))})" if lines else ""


def _lines(flat: Unrolled, measured: Sequence[_Measured]) -> tuple[RoundingLine, ...]:
    """By line; an equation that stands for several lines is shared among them."""
    bounds: dict[str, float] = {}
    deviations: dict[str, float] = {}
    for m in measured:
        for e, (bound, deviation) in m.effects.items():
            places = flat.graph.lines.get(e, frozenset({""}))
            for place in places:
                bounds[place] = bounds.get(place, 0.0) + bound / len(places)
                deviations[place] = math.hypot(deviations.get(place, 0.0), deviation / math.sqrt(len(places)))
    whole = math.hypot(*deviations.values())
    rows = [RoundingLine(place, source_line(place), (d / whole) ** 2 if whole else 0.0, d, bounds[place])
            for place, d in deviations.items()]
    return tuple(sorted(rows, key=lambda row: (-row.estimate, -row.bound, row.place)))


def _conditions(run: Run, f: Callable[..., Any], args: Sequence[Any], measured: Sequence[_Measured], value: Any,
                ) -> dict[str, float]:
    """``Σ|x̄ x| / |f|`` of each leaf of the arguments; of an array f, in the Euclidean norm."""
    try:
        known = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        known = []
    names = [n for p in run.positions for n in leaf_names(flatten(args[p])[1], known[p] if p < len(known) else f"argument {p}")]
    names = [n for n, active in zip(names, run.active, strict=True) if active]
    size = float(norm(value))
    out = {}
    for k, (name, v) in enumerate(zip(names, run.inputs, strict=True)):
        x = run.trace.values[v]
        with np.errstate(all="ignore"):
            moved = [0.0 if m.gradient[k] is None else float(np.sum(np.abs(m.gradient[k] * x))) for m in measured]
        out[name] = math.hypot(*moved) / size if size else math.inf if any(moved) else 0.0
    return out


# ---------------------------------------------------------------- the same in higher precision

_HIGHER = {"f": np.float64, "d": np.longdouble, "F": np.complex128, "D": np.clongdouble}


def _in_higher_precision(flat: Unrolled) -> Any:
    """The same operations on wider numbers; integers and choices are those of the run."""
    env: dict[Any, Any] = {}
    if any(a.type.dtype.char in "dD" for e in flat.graph.equations for a in e.results) and \
            np.finfo(np.longdouble).eps >= np.finfo(np.float64).eps:
        raise UnsupportedError("rounding_error: numpy.longdouble is no wider than float64 on this machine; without "
                               "reference=True, or with float32 arguments, nothing wider is needed")

    def wide(atom: Any) -> Any:
        if isinstance(atom, Var) and atom in env:
            return env[atom]
        value = flat.value(atom)
        return np.asarray(value).astype(_HIGHER[atom.type.dtype.char])[()] if atom.type.inexact else value

    for e in flat.graph.equations:
        if not any(r.type.inexact for r in e.results):
            continue
        with np.errstate(all="ignore"):
            env.update(zip(e.results, _widely(e, [wide(o) for o in e.operands], flat), strict=True))
    return wide(flat.graph.outputs[0])


def _widely(e: Equation, operands: list[Any], flat: Unrolled) -> tuple[Any, ...]:
    wanted = [np.dtype(_HIGHER[r.type.dtype.char]) if r.type.inexact else r.type.dtype for r in e.results]
    params = {**e.params, "dtype": wanted[0]} if e.primitive.name == "convert" else e.params
    try:
        out = e.primitive.evaluate(*operands, **params)
    except (TypeError, ValueError):
        out = None
    results = () if out is None else tuple(out) if e.primitive.multiple else (out,)
    if not results or any(np.asarray(x).dtype != w for x, w in zip(results, wanted, strict=True)):
        raise UnsupportedError(f"rounding_error: {e.primitive.name} has no higher precision than {e.results[0].type.dtype}"
                               f"{_at(flat.graph.lines.get(e, frozenset()))}; leave out reference=True, or pass float32, which "
                               f"is run in float64")
    return results  # integers among them (pivots) belong to these floats


# ---------------------------------------------------------------- in words

def _digits(error: Any, value: Any) -> float:
    """Decimal digits of the worst element, between none and all that its format has."""
    error, size = np.max(np.asarray(error, float)), float(norm(value))
    info = np.finfo(np.asarray(value).dtype)
    most = -math.log10(float(info.eps))
    if not math.isfinite(float(error)) or not math.isfinite(size):
        return 0.0
    if error == 0.0:
        return most
    return min(max(-math.log10(float(error) / size), 0.0), most) if size else 0.0


def _plain(x: Any) -> Any:
    if x is None or isinstance(x, str):
        return x
    if isinstance(x, dict):
        return {key: _plain(v) for key, v in x.items()}
    if np.ndim(x):
        return [_plain(v) for v in x]
    if np.asarray(x).dtype.kind == "c":
        return {"re": _plain(x.real), "im": _plain(x.imag)}
    return float(x) if math.isfinite(x) else str(float(x))


def _number(x: Any) -> str:
    return f"{x:.2g}" if np.ndim(x) == 0 else f"up to {np.max(x):.2g}"


def _report(r: RoundingError) -> str:
    value = np.array2string(np.asarray(r.value), precision=16, threshold=8) if np.ndim(r.value) else f"{r.value:.16g}"
    if not np.all(np.isfinite(r.value)):
        return f"{r.name} = {value}\nit is not finite, so no digits are left to round; wg.explain shows where that arises"
    head = [f"{r.name} = {value}",
            f"rounding error: likely {_number(r.estimate)} (standard deviation), at most {_number(r.bound)} (to first order)",
            f"digits to trust: {r.digits:.1f} ({_digits(r.bound, r.value):.1f} in the worst case)"]
    if r.reference is not None:
        head.append(f"against higher precision: {_number(np.abs(r.error))}")
    shown = r.lines[:_SHOWN]
    width = max([len(short_place(line.place)) for line in shown], default=0)
    rows = [f"{100 * line.share:5.1f} %  {line.estimate:8.1e}  {line.bound:8.1e}  "
            f"{short_place(line.place):<{width}}  {line.source}".rstrip() for line in shown]
    if len(r.lines) > _SHOWN:
        rows.append(f"... and {len(r.lines) - _SHOWN} more lines")
    end = [f"{name}: relative errors are amplified {x:.2g} times" for name, x in r.inputs.items()]
    return "\n".join([*head, "", "  share    likely   at most  line", *rows, "", *end])
