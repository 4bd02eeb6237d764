"""Unroll: a graph at a point as straight-line code.

What comes in: a graph and the values of its inputs. What goes out: a graph without loops, branches and calls that does what
the first did at this point, and the value of each of its variables. The one idea: with values at hand, the arm that is taken
and the number of iterations are known, so control flow is emitted as it happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.graph import REGISTRY, ArrayType, Atom, Build, Const, Equation, Graph, Var
from wengert.primitives.revolve import plain_tangent_loop

__all__ = ["Unrolled", "Unroller", "unroll"]

Item = Any  # an atom, or the list of the items of a stack


@dataclass(frozen=True)
class Unrolled:
    """Straight-line code, and the values of its variables."""

    graph: Graph
    values: dict[Var, Any]

    def value(self, atom: Atom) -> Any:
        return self.values[atom] if isinstance(atom, Var) else atom.value[()]


def unroll(graph: Graph, values: Sequence[Any]) -> Unrolled:
    """The graph at these values, without control flow; functions with derivatives of their own are opened, too.

    Examples
    --------
    >>> from wengert.graph import build_graph
    >>> square = build_graph(lambda x: x * x, ArrayType((), float))
    >>> outer = build_graph(lambda x: REGISTRY["call"](x, graph=square, name="square")[0] + x, ArrayType((), float))
    >>> flat = unroll(outer, [np.float64(3.0)])
    >>> [e.primitive.name for e in flat.graph.equations], flat.value(flat.graph.outputs[0])
    (['multiply', 'add'], np.float64(12.0))
    """
    walk = Unroller()
    inputs = [walk.build.input(v.type).atom for v in graph.inputs]
    walk.values.update(zip(inputs, values, strict=True))
    with np.errstate(all="ignore"):
        outputs = walk.graph(graph, inputs)
    return Unrolled(walk.build.graph(outputs), walk.values)


class Unroller:
    """Straight-line code so far, with values."""

    def __init__(self) -> None:
        self.build = Build()
        self.values: dict[Any, Any] = {}

    def value(self, item: Item) -> Any:
        return item.value[()] if isinstance(item, Const) else self.values[item]

    def graph(self, graph: Graph, items: Sequence[Item]) -> list[Item]:
        env: dict[Any, Item] = dict(zip(graph.inputs, items, strict=True))
        before = self.build.at
        for e in graph.equations:
            self.build.at = graph.lines.get(e, before)
            results = self.equation(e, [env[o] if isinstance(o, Var) else o for o in e.operands])
            env.update(zip(e.results, results, strict=True))
        self.build.at = before
        return [env[o] if isinstance(o, Var) else o for o in graph.outputs]

    def equation(self, e: Equation, items: list[Item]) -> Sequence[Item]:
        name, params = e.primitive.name, e.params
        if name == "call":
            return self.graph(params["graph"], items)
        if name in ("custom_jvp", "custom_vjp"):
            return self.graph(params["body"], items)
        if name == "cond":
            return self.graph(params["branches"][0 if self.value(items[0]) else 1], items[1:])
        if name == "while_loop":
            return self.while_loop(items, **params)
        if name == "tangent_loop":
            return self.equation(plain_tangent_loop(e), items[:1 + len(params["body"].inputs)])
        if name == "scan":
            return self.scan(items, **params)
        if name == "empty_stack":
            return [[]]
        if not e.pure and not e.results:
            return []  # it took place when the program was recorded
        if not e.pure or any(isinstance(i, list) for i in items):
            where = f" (at {', '.join(sorted(self.build.at))})" if self.build.at else ""
            raise UnsupportedError(f"{name} cannot be written as straight-line code{where}")
        return self.plain(e, tuple(items))

    def plain(self, e: Equation, atoms: tuple[Atom, ...]) -> Sequence[Atom]:
        values = [self.value(a) for a in atoms]
        counted = all(isinstance(a, Const) for a in atoms) and not any(r.type.inexact for r in e.results)
        if not counted:
            results = self.build.emit(e.primitive, atoms, e.params)
            if all(r in self.values for r in results):
                return results
        out = e.primitive.evaluate(*values, **e.params)
        out = tuple(out) if e.primitive.multiple else (out,)
        if counted:  # loop counters, and what they decide
            return [Const(v) for v in out]
        self.values.update(zip(results, out, strict=True))
        return results

    def while_loop(self, items: list[Item], *, test: Graph, body: Graph, constants: int,
                   checkpoints: int | None = None) -> list[Item]:
        fixed, carry = items[:constants], items[constants:]
        rows: list[list[Item]] = []
        while self.value(self.graph(test, [*fixed, *carry])[0]):
            out = self.turn(len(rows), body, [*fixed, *carry])
            carry = out[:len(carry)]
            rows.append(out[len(carry):])
        stacks = [[row[k] for row in rows] for k in range(len(body.outputs) - len(carry))]
        return [Const(np.int64(len(rows))), *carry, *stacks]

    def scan(self, items: list[Item], *, body: Graph, constants: int, carries: int, reverse: bool,
             size: int | None, checkpoints: int | None = None) -> list[Item]:
        n, given, end = int(self.value(items[0])), items[1:], constants + carries
        fixed, carry, slices = given[:constants], given[constants:end], given[end:]
        rows: list[Any] = [None] * n
        for i in reversed(range(n)) if reverse else range(n):
            out = self.turn(i, body, [*fixed, *carry, *[self.entry(s, i) for s in slices]])
            carry, rows[i] = out[:carries], out[carries:]
        saved = [self.saved([row[k] for row in rows], o.type, size) for k, o in enumerate(body.outputs[carries:])]
        return [*carry, *saved]

    def turn(self, k: int, body: Graph, items: Sequence[Item]) -> list[Item]:
        """The k-th turn of a loop."""
        return self.graph(body, items)

    def entry(self, item: Item, i: int) -> Item:
        """One entry of what a loop runs over."""
        return item[i] if isinstance(item, list) else self.apply("index", item, spec=(("i", i),))

    def saved(self, entries: list[Item], kind: Any, size: int | None) -> Item:
        """What a loop gives in each iteration, as an array or a stack."""
        if size is None or not isinstance(kind, ArrayType):
            return entries
        if not entries:
            return Const(np.empty((0, *kind.shape), kind.dtype))
        rows = [self.apply("reshape", x, shape=(1, *kind.shape)) for x in entries]
        return self.apply("concatenate", *rows, axis=0)

    def apply(self, name: str, *atoms: Atom, **params: Any) -> Atom:
        primitive = REGISTRY[name]
        like = Var(primitive.type(*[a.type for a in atoms], **params))
        return self.plain(Equation(primitive, atoms, params, (like,)), atoms)[0]
