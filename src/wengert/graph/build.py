"""Building graphs: emit equations, infer types, share equal ones.

What comes in: primitives applied to handles. What goes out: a `Graph`. The one idea: equal equations are
emitted once (`seen` maps primitive, operands and parameters to results), so graphs stay small whoever
builds them; equations with an effect are never shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.errors import GraphError
from wengert.graph.graph import Atom, Const, Equation, Graph, Var, has_no_effect
from wengert.graph.primitive import REGISTRY, Primitive
from wengert.graph.types import ArrayType, Stack

__all__ = ["Build", "Handle", "build_graph", "params_key"]


def params_key(params: Mapping[str, Any]) -> Any:
    """A hashable stand-in for parameters (all parameter values are hashable by contract)."""
    return tuple(sorted(params.items())) if params else ()


class Build:
    """Collects equations; equal ones are shared.

    Parameters
    ----------
    known : mapping, optional
        Equations of an enclosing graph, ``key -> results``: emitting one of them gives its results as
        free variables instead of a new equation.
    """

    def __init__(self, known: Mapping[Any, tuple[Var, ...]] | None = None):
        self.inputs: list[Var] = []
        self.equations: list[Equation] = []
        self.seen: dict[Any, tuple[Var, ...]] = dict(known) if known else {}
        self.lines: dict[Equation, frozenset[str]] = {}
        self.at: frozenset[str] = frozenset()

    def input(self, type: Any) -> Handle:
        """A new input variable."""
        var = Var(type)
        self.inputs.append(var)
        return Handle(self, var)

    def emit(self, primitive: Primitive, operands: tuple[Atom, ...], params: Mapping[str, Any]) -> tuple[Var, ...]:
        """The results of ``primitive(*operands, **params)``: those of an equal equation if there is one."""
        key = (primitive, operands, params_key(params))
        pure = has_no_effect(primitive, params)
        if pure:
            found = self.seen.get(key)
            if found is not None:
                return found
        results = self.added(primitive, operands, params).results
        if pure:
            self.seen[key] = results
        return results

    def added(self, primitive: Primitive, operands: tuple[Atom, ...], params: Mapping[str, Any]) -> Equation:
        """A new equation, which is not shared yet."""
        types = primitive.type(*[a.type for a in operands], **params)
        results = tuple(Var(t) for t in types) if primitive.multiple else (Var(types),)
        equation = Equation(primitive, operands, params, results)
        if self.at:
            self.lines[equation] = self.at
        self.equations.append(equation)
        return equation

    def atom(self, value: Any) -> Atom:
        """The atom of a handle of this build, or a constant."""
        if isinstance(value, Handle):
            if value.build is not self:
                raise GraphError("a handle of another graph was used; pass it as an input instead")
            return value.atom
        if isinstance(value, Stack):  # an empty one, which stands for zeros, is the only stack known beforehand
            assert not value
            return self.emit(REGISTRY["empty_stack"], (), {"element": value.type.element})[0]
        return value if isinstance(value, (Var, Const)) else Const(value)

    def inline(self, graph: Graph, operands: Sequence[Any]) -> list[Handle]:
        """Apply a graph: emit its equations here, with `operands` for its inputs."""
        return self.inline_env(graph, dict(zip(graph.inputs, [self.atom(o) for o in operands], strict=True)))[0]

    def inline_env(self, graph: Graph, env: dict[Var, Atom]) -> tuple[list[Handle], dict[Var, Atom]]:
        """As `inline`, from a map of the graph's inputs; also gives the map of all its variables."""
        before = self.at
        for e in graph.equations:
            if graph.lines:
                self.at = before | graph.lines.get(e, frozenset())
            operands = tuple([env[a] if isinstance(a, Var) else a for a in e.operands])
            env.update(zip(e.results, self.emit(e.primitive, operands, e.params), strict=True))
        self.at = before
        return [Handle(self, env[a] if isinstance(a, Var) else a) for a in graph.outputs], env

    def graph(self, outputs: Iterable[Any], inputs: Sequence[Var] | None = None) -> Graph:
        """The graph of these outputs; equations that they do not need are left out, effects kept.

        The inputs may be any variables of this build; what computes them is left out, too.
        """
        atoms = tuple(self.atom(o) for o in outputs)
        needed: set[Atom] = set(atoms)
        given = frozenset(inputs or ())
        kept: list[Equation] = []
        for e in reversed(self.equations):
            if not e.pure or any(r in needed and r not in given for r in e.results):
                kept.append(e)
                needed.update(e.operands)
        kept.reverse()
        lines = {e: self.lines[e] for e in kept if e in self.lines}
        return Graph(tuple(self.inputs if inputs is None else inputs), tuple(kept), atoms, lines)


class Handle:
    """A value of a graph under construction, with operators, so that rules read as formulas.

    Python numbers that meet a handle take its dtype.
    """

    __slots__ = ("atom", "build")
    level = 0
    __array_ufunc__: Any = None

    def __init__(self, build: Any, atom: Atom):
        self.build, self.atom = build, atom

    @property
    def type(self) -> ArrayType:
        return self.atom.type

    @property
    def shape(self) -> tuple[int, ...]:
        return self.atom.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.atom.type.dtype

    @property
    def ndim(self) -> int:
        return len(self.atom.type.shape)

    def apply(self, primitive: Primitive, operands: Sequence[Any], params: Mapping[str, Any]) -> Any:
        build = self.build
        atoms = tuple([o.atom if type(o) is Handle and o.build is build else self._atom(o) for o in operands])
        results = build.emit(primitive, atoms, params)
        if primitive.multiple:
            return tuple([Handle(build, r) for r in results])
        return Handle(build, results[0])

    def _atom(self, value: Any) -> Atom:
        if isinstance(value, (bool, int, float, complex)):
            return Const(np.asarray(value, self.dtype))
        atom: Atom = self.build.atom(value)
        return atom

    def __add__(self, other: Any) -> Any:
        return REGISTRY["add"](self, other)

    def __radd__(self, other: Any) -> Any:
        return REGISTRY["add"](other, self)

    def __sub__(self, other: Any) -> Any:
        return REGISTRY["subtract"](self, other)

    def __rsub__(self, other: Any) -> Any:
        return REGISTRY["subtract"](other, self)

    def __mul__(self, other: Any) -> Any:
        return REGISTRY["multiply"](self, other)

    def __rmul__(self, other: Any) -> Any:
        return REGISTRY["multiply"](other, self)

    def __truediv__(self, other: Any) -> Any:
        return REGISTRY["divide"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return REGISTRY["divide"](other, self)

    def __pow__(self, other: Any) -> Any:
        return REGISTRY["power"](self, other)

    def __neg__(self) -> Any:
        return REGISTRY["negative"](self)

    def __lt__(self, other: Any) -> Any:
        return REGISTRY["less"](self, other)

    def __le__(self, other: Any) -> Any:
        return REGISTRY["less_equal"](self, other)

    def __gt__(self, other: Any) -> Any:
        return REGISTRY["greater"](self, other)

    def __ge__(self, other: Any) -> Any:
        return REGISTRY["greater_equal"](self, other)

    def __repr__(self) -> str:
        return f"Handle({self.type})"


def build_graph(function: Callable[..., Any], *types: ArrayType) -> Graph:
    """The graph of a function of handles: ``build_graph(lambda x: x * x, ArrayType((), float))``."""
    build = Build()
    results = function(*[build.input(t) for t in types])
    return build.graph(results if isinstance(results, (tuple, list)) else (results,))
