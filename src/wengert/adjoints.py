"""The numbers of both passes at a point: the tangent of every variable, and what every equation adds to an adjoint.

What comes in: a graph, and the value of each of its variables. What goes out: tangents, adjoints as sums of terms, and local
partial derivatives, one for each edge. The one idea: the library's own linearization, with a term of its own for each tangent
that enters an equation, is transposed as a whole; the cotangents of those terms are the terms of the adjoints, so what
selections leave out is zero here exactly where it is zero in `grad`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.backends.interpret import Program
from wengert.graph import ArrayType, Const, Equation, Graph, Var, params_key
from wengert.transforms.linearize import Linear, linearize
from wengert.transforms.strong_zeros import masked
from wengert.transforms.transpose import transpose

__all__ = ["Partials", "Term", "evaluated", "first_turn", "pulled_back", "pushed_forward"]

Values = dict[Any, Any]


class Term(NamedTuple):
    """What an equation adds to the adjoint of an operand."""

    equation: Equation
    operand: Var
    amount: Any


def evaluated(equations: Iterable[Equation], env: Values) -> None:
    """Compute what is not known of the results of these equations, in their order."""
    with np.errstate(all="ignore"):
        for e in equations:
            if all(r in env for r in e.results):
                continue
            out = e.primitive.evaluate(*[_value(o, env) for o in e.operands], **e.params)
            found = zip(e.results, out if e.primitive.multiple else (out,), strict=True)
            env.update({r: x for r, x in found if r not in env})


def _value(a: Any, env: Mapping[Any, Any]) -> Any:
    return a.value[()] if isinstance(a, Const) else env[a]


def _residuals(linear: Linear, env: Values) -> list[Any]:
    """The values that the linear part needs; loops that save them run again."""
    if any(v not in env for v in linear.residuals):
        evaluated(linear.primal.equations, env)
    return [env[v] for v in linear.residuals]


def _run(graph: Graph, values: Sequence[Any]) -> tuple[Any, ...]:
    with np.errstate(all="ignore"):
        return Program(graph)(*values)


def pushed_forward(graph: Graph, env: Values, directions: Sequence[Sequence[Any]]) -> list[Values]:
    """For each direction, a tangent for each input, the tangents of all variables; what is exactly zero is absent."""
    wanted = [r for e in graph.equations for r in e.results if isinstance(r.type, ArrayType) and r.type.inexact]
    whole = Graph(graph.inputs, graph.equations, tuple(wanted), graph.lines)
    linear = linearize(whole, [True] * len(graph.inputs))
    residuals = _residuals(linear, env)
    moving = masked(linear.graph, [k < linear.count for k in range(len(linear.graph.inputs))])
    names = [v for v, nonzero in zip(wanted, linear.nonzero, strict=True) if nonzero]
    program = Program(moving)
    found = []
    for direction in directions:
        with np.errstate(all="ignore"):
            out = program(*direction, *residuals)
        found.append({**dict(zip(graph.inputs, direction, strict=True)), **dict(zip(names, out, strict=True))})
    return found


def pulled_back(graph: Graph, env: Values, cotangents: Sequence[Any]) -> tuple[list[Term], dict[Var, Any]]:
    """From a cotangent for each output: the terms of all adjoints, in the order in which they are added, and the gradients."""
    edges: list[tuple[Equation, Var]] = []
    linear = linearize(graph, [True] * len(graph.inputs), edges=edges)
    given = [ct for ct, nonzero in zip(cotangents, linear.nonzero, strict=True) if nonzero]
    adjoint = transpose(linear)
    out = iter(_run(adjoint.graph, [*given, *_residuals(linear, env)]))
    found = [next(out) if nonzero else None for nonzero in adjoint.nonzero]
    n = len(graph.inputs)
    gradients = {v: x for v, x in zip(graph.inputs, found[:n], strict=True) if x is not None}
    terms = [Term(e, o, x) for (e, o), x in zip(edges, found[n:], strict=True) if x is not None]
    place = {e: k for k, e in enumerate(graph.equations)}
    return sorted(terms, key=lambda t: -place[t.equation]), gradients


def first_turn(e: Equation, env: Values, stop: Callable[[Any], bool]) -> int | None:
    """The first turn of a loop after which one of the carried values is one to stop at."""
    is_scan, body, constants = e.primitive.name == "scan", e.params["body"], e.params["constants"]
    operands = [_value(o, env) for o in e.operands]
    turns = int(operands[0] if is_scan else env[e.results[0]])
    operands = operands[int(is_scan):]
    end = constants + e.params["carries"] if is_scan else len(operands)
    fixed, carry, slices = operands[:constants], operands[constants:end], operands[end:]
    program = Program(body)
    for k in range(turns) if e.pure else ():
        at = turns - 1 - k if e.params.get("reverse") else k
        with np.errstate(all="ignore"):
            out = program(*map(_own, fixed), *map(_own, carry), *[_own(x[at]) for x in slices])
        if any(map(stop, out)):
            return k
        carry = list(out[:end - constants])
    return None


def _own(x: Any) -> Any:
    return np.array(x)[()] if isinstance(x, np.ndarray) else x


class Partials:
    """Local partial derivatives ∂v_j/∂v_i by value, element by element; programs are shared by equations of one kind."""

    def __init__(self, env: Values):
        self.env = env
        self.known: dict[Any, Any] = {}

    def of(self, e: Equation, operand: Var) -> Any:
        """The partial derivative of the result of an elementwise equation, or one from number to number; else None."""
        result, given = e.results[0].type if len(e.results) == 1 else None, operand.type
        if not isinstance(result, ArrayType) or not isinstance(given, ArrayType):
            return None
        numbers = result.shape == given.shape == ()
        if operand not in e.operands or not (numbers or e.primitive.elementwise) or e.primitive.holds_graphs:
            return None
        distinct = list(dict.fromkeys(o for o in e.operands if isinstance(o, Var)))
        key = (e.primitive, params_key(e.params), tuple([distinct.index(o) if isinstance(o, Var) else o for o in e.operands]),
               tuple([v.type for v in distinct]), distinct.index(operand))
        if key not in self.known:
            self.known[key] = self._program(e, distinct, operand)
        program, places = self.known[key]
        if program is None:
            return np.zeros(result.shape, result.dtype)[()]
        values = [*[self.env[v] for v in distinct], self.env[e.results[0]]]
        with np.errstate(all="ignore"):
            one = np.ones(given.shape, given.dtype)[()]
            found = program(one, *[values[k] for k in places])[0]
        return found if np.shape(found) == result.shape else np.broadcast_to(found, result.shape)

    def _program(self, e: Equation, distinct: list[Var], operand: Var) -> tuple[Any, list[int]]:
        linear = linearize(Graph((operand,), (e,), e.results), (True,))
        names = [*distinct, *e.results]
        if not linear.nonzero[0]:
            return None, []
        return Program(linear.graph), [names.index(v) for v in linear.residuals]
