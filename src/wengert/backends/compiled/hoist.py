"""Hoist: what loops of known length do over and over is done once, before or after them.

What comes in: a graph. What goes out: a graph of the same function, to rounding. The one idea: the iterations of a `scan` are one more
axis. A row that the loop's counter picks is a slice; a product of slices with a constant is one larger product before the loop; a
sum of products that it accumulates (the gradient of a weight) is one product after it, over what the loop has saved; and what is
cheap to compute from other saved values is computed again, not saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.backends.compiled.elementwise import cost
from wengert.graph import REGISTRY, ArrayType, Const, Equation, Graph, Var
from wengert.primitives.contract import make_spec, split_spec

__all__ = ["hoisted"]

MOST = 1 << 24     # elements that a loop may save in place of a sum
LARGE = 256        # elements of a sum or factor that is worth it
CHEAP = 0.12       # nanoseconds an element: what costs less is not saved
Atom = Var | Const


@dataclass
class _Loop:
    """A `scan` of known length, taken apart: pairs of an inner variable and an outer value."""

    size: int
    reverse: bool
    constants: list[tuple[Var, Atom]]
    carries: list[tuple[Var, Atom, Atom, Var]]  # inner, start, next, result
    slices: list[tuple[Var, Atom]]
    saved: list[tuple[Atom, Var]]
    equations: list[Equation]
    before: list[Equation] = field(default_factory=list)
    after: list[Equation] = field(default_factory=list)
    lines: dict[Equation, Any] = field(default_factory=dict)

    def uses(self) -> dict[Any, int]:
        count: dict[Any, int] = {}
        for e in self.equations:
            for o in e.operands:
                count[o] = count.get(o, 0) + 1
        for o in (*[c[2] for c in self.carries], *[s[0] for s in self.saved]):
            count[o] = count.get(o, 0) + 1
        return count

    def replace(self, old: Var, new: Atom) -> None:
        """Inside the loop, read another value."""
        for k, e in enumerate(self.equations):
            if old in e.operands:
                again = Equation(e.primitive, [new if o is old else o for o in e.operands], e.params, e.results)
                if e in self.lines:
                    self.lines[again] = self.lines[e]
                self.equations[k] = again
        self.carries = [(v, a, new if o is old else o, r) for v, a, o, r in self.carries]
        self.saved = [(new if o is old else o, r) for o, r in self.saved]


def emit(into: list[Equation], name: str, operands: Sequence[Atom], **params: Any) -> Var:
    p = REGISTRY[name]
    result = Var(p.type(*[o.type for o in operands], **params))
    into.append(Equation(p, operands, params, (result,)))
    return result


def hoisted(graph: Graph) -> Graph:
    """See the head of this file."""
    if not any(e.primitive.holds_graphs for e in graph.equations):
        return graph
    env: dict[Any, Any] = {}
    equations: list[Equation] = []
    lines: dict[Equation, Any] = {}
    for e in graph.equations:
        params = {k: _inner(v) for k, v in e.params.items()} if e.primitive.holds_graphs else e.params
        new = Equation(e.primitive, [env.get(o, o) for o in e.operands], params, e.results)
        if e in graph.lines:
            lines[new] = graph.lines[e]
        if e.primitive.name == "scan" and isinstance(params["size"], int) and params["size"] > 1:
            made = _scan(new, equations, env)
            equations += made
            lines.update({m: graph.lines[e] for m in made if e in graph.lines})
        else:
            equations.append(new)
    outputs = tuple([env.get(o, o) for o in graph.outputs])
    flat = Graph(graph.inputs, tuple(equations), outputs, lines)
    return _without_unused(_computed_again(flat))


def _inner(value: Any) -> Any:
    if isinstance(value, Graph):
        return hoisted(value)
    return tuple(hoisted(x) if isinstance(x, Graph) else x for x in value) if isinstance(value, tuple) else value


# ---------------------------------------------------------------- a loop, apart and together

def _apart(e: Equation) -> _Loop:
    p, body = e.params, e.params["body"]
    c, k = p["constants"], p["carries"]
    given, inner = e.operands[1:], body.inputs
    return _Loop(
        p["size"], p["reverse"], list(zip(inner[:c], given[:c], strict=True)),
        list(zip(inner[c:c + k], given[c:c + k], body.outputs[:k], e.results[:k], strict=True)),
        list(zip(inner[c + k:], given[c + k:], strict=True)),
        list(zip(body.outputs[k:], e.results[k:], strict=True)), list(body.equations), lines=dict(body.lines))


def _together(loop: _Loop, length: Atom) -> Equation:
    body = Graph((*[v for v, _ in loop.constants], *[c[0] for c in loop.carries], *[v for v, _ in loop.slices]),
                 tuple(loop.equations), (*[c[2] for c in loop.carries], *[o for o, _ in loop.saved]),
                 {e: loop.lines[e] for e in loop.equations if e in loop.lines})
    operands = (length, *[x for _, x in loop.constants], *[c[1] for c in loop.carries], *[x for _, x in loop.slices])
    params = {"body": body, "constants": len(loop.constants), "carries": len(loop.carries), "reverse": loop.reverse, "size": loop.size}
    return Equation(REGISTRY["scan"], operands, params, (*[c[3] for c in loop.carries], *[r for _, r in loop.saved]))


def _scan(e: Equation, outer: list[Equation], env: dict[Any, Any]) -> list[Equation]:
    """The equations that take the place of a loop."""
    loop = _apart(e)
    _steady(loop, env)
    _rows(loop)
    _known_stacks(loop, env)
    _factors_first(loop)
    _sums_last(loop, env)
    _known_stacks(loop, env)
    return [*loop.before, _together(loop, e.operands[0]), *loop.after]


# ---------------------------------------------------------------- rows

def _counters(loop: _Loop) -> dict[Var, int]:
    """Carries that count the iterations, and where they begin."""
    made = {r: e for e in loop.equations for r in e.results}
    out: dict[Var, int] = {}
    for v, start, following, _ in loop.carries:
        e = made.get(following)  # type: ignore[arg-type]
        if isinstance(start, Const) and e is not None and v.type.shape == () and v.type.dtype.kind == "i" and _adds_one(e, v):
            out[v] = int(start.value)
    return {} if loop.reverse else out


def _adds_one(e: Equation, v: Var) -> bool:
    if e.primitive.name != "add" and not (e.primitive.name == "python_integer" and e.params["operation"] == "add"):
        return False
    a, b = e.operands
    one = b if a is v else a if b is v else None
    return isinstance(one, Const) and one.value.shape == () and int(one.value) == 1


def _steady(loop: _Loop, env: dict[Any, Any]) -> None:
    """A carry that begins as a constant of the loop and is set to it again is that constant."""
    constants, kept = dict(loop.constants), []
    for v, start, following, result in loop.carries:
        outer = following if isinstance(following, Const) else constants.get(following)
        if outer is not None and (outer is start or (isinstance(start, Const) and outer == start)):
            loop.replace(v, following)
            env[result] = start
        else:
            kept.append((v, start, following, result))
    loop.carries = [c for c in loop.carries if any(c[0] is k[0] for k in kept)]


def _rows(loop: _Loop) -> None:
    """``x[i]`` with the counter i is a slice of x."""
    counters, constants = _counters(loop), dict(loop.constants)
    for e in list(loop.equations):
        if e.primitive.name != "index" or len(e.operands) != 2 or e.operands[1] not in counters or e.operands[0] not in constants:
            continue
        x, first = constants[e.operands[0]], counters[e.operands[1]]  # type: ignore[index]
        whole = e.params["spec"][0] == ("a",) and all(s == ("s", None, None, None) for s in e.params["spec"][1:])
        if not whole or first < 0 or first + loop.size > x.type.shape[0]:
            continue
        if (first, loop.size) != (0, x.type.shape[0]):
            x = emit(loop.before, "index", (x,), spec=(("s", first, first + loop.size, None),))
        row = Var(e.results[0].type)
        loop.slices.append((row, x))
        loop.equations.remove(e)
        loop.replace(e.results[0], row)


def _known_stacks(loop: _Loop, env: dict[Any, Any]) -> None:
    """What is saved of slices, counters and constants is there already."""
    slices, counters = dict(loop.slices), _counters(loop)
    kept = []
    for o, r in loop.saved:
        if o in slices and isinstance(r.type, ArrayType):
            env[r] = slices[o]  # type: ignore[index]
        elif o in counters and isinstance(r.type, ArrayType):
            env[r] = Const(np.arange(counters[o], counters[o] + loop.size, dtype=r.type.dtype))  # type: ignore[index]
        else:
            kept.append((o, r))
    loop.saved = kept


# ---------------------------------------------------------------- products

def _labelled(own: str, used: str) -> str:
    """A label for the iterations."""
    return next(c for c in "zyxwvutsrqponmlkjihgfedcba" if c not in own + used)


def _factors_first(loop: _Loop) -> None:
    """A product of a slice with a large constant is a slice of one product."""
    slices, constants = dict(loop.slices), dict(loop.constants)
    for e in list(loop.equations):
        if e.primitive.name != "contract" or e.results[0].type.size * loop.size > MOST:
            continue
        a, b, out = split_spec(e.params["spec"])
        x, y = e.operands
        turned = y in slices
        s, w = (y, x) if turned else (x, y)
        outer = w if isinstance(w, Const) else constants.get(w)
        if s not in slices or outer is None or outer.type.size < LARGE:
            continue
        t = _labelled(a, b + out)
        first, second = ([*a], [t, *b]) if turned else ([t, *a], [*b])
        operands = (outer, slices[s]) if turned else (slices[s], outer)  # type: ignore[index]
        whole = emit(loop.before, "contract", operands, spec=make_spec(first, second, [t, *out]))
        row = Var(e.results[0].type)
        loop.slices.append((row, whole))
        loop.equations.remove(e)
        loop.replace(e.results[0], row)


def _sums_last(loop: _Loop, env: dict[Any, Any]) -> None:
    """A carry that only adds up large products becomes one product after the loop; one that adds into rows, one addition."""
    made = {r: e for e in loop.equations for r in e.results}
    count, kept = loop.uses(), []
    for carry in loop.carries:
        v, start, following, result = carry
        e = made.get(following)  # type: ignore[arg-type]
        if e is None or count.get(v) != 1 or count.get(following) != 1 or v not in e.operands:
            kept.append(carry)
            continue
        total = None
        if e.primitive.name == "add" and len(e.operands) == 2:
            term = e.operands[1] if e.operands[0] is v else e.operands[0]
            total = _whole_product(loop, made.get(term), term, count, v.type)  # type: ignore[arg-type]
        elif e.primitive.name == "index_add" and e.operands[0] is v:
            env[result] = found = _whole_rows(loop, e, start)
            if found is None:
                del env[result]
                kept.append(carry)
                continue
            loop.equations.remove(e)
            continue
        if total is None:
            kept.append(carry)
            continue
        env[result] = emit(loop.after, "add", (start, total))
        loop.equations.remove(e)
    loop.carries = kept


def _whole_product(loop: _Loop, e: Equation | None, term: Any, count: dict[Any, int], t: Any) -> Var | None:
    if e is None or e.primitive.name != "contract" or count.get(term) != 1 or t.size < LARGE or e.results[0].type != t:
        return None
    if sum(o.type.size for o in e.operands) * loop.size > MOST:
        return None
    a, b, out = split_spec(e.params["spec"])
    label = _labelled(a, b + out)
    stacks = [_stack_of(loop, o) for o in e.operands]
    loop.equations.remove(e)
    return emit(loop.after, "contract", stacks, spec=make_spec([label, *a], [label, *b], [*out]))


def _stack_of(loop: _Loop, o: Atom) -> Atom:
    """All values that a variable of the loop takes, one row per iteration."""
    found = dict(loop.slices).get(o)  # type: ignore[arg-type]
    if found is not None:
        return found
    for other, r in loop.saved:
        if other is o and isinstance(r.type, ArrayType):
            return r
    outer = o if isinstance(o, Const) else dict(loop.constants).get(o)
    shape = (loop.size, *o.type.shape)
    if outer is not None:
        row = emit(loop.before, "reshape", (outer,), shape=(1, *o.type.shape))
        return emit(loop.before, "broadcast", (row,), shape=shape)
    r = Var(ArrayType(shape, o.type.dtype))
    loop.saved.append((o, r))
    return r


def _whole_rows(loop: _Loop, e: Equation, start: Atom) -> Var | None:
    """``x[i] += v`` for rows that are all known, and different."""
    if len(e.operands) != 3 or e.params["spec"][0] != ("a",) or any(s != ("s", None, None, None) for s in e.params["spec"][1:]):
        return None
    at = dict(loop.slices).get(e.operands[2])  # type: ignore[arg-type]
    v, t = e.operands[1], e.operands[0].type
    if not isinstance(at, Const) or v.type.shape != t.shape[1:] or v.type.size * loop.size > MOST:
        return None
    rows = at.value.tolist()
    if rows != list(range(rows[0], rows[0] + len(rows))) or rows[0] < 0 or rows[-1] >= t.shape[0]:
        return None
    spec = (("s", rows[0], rows[0] + len(rows), None),)
    return emit(loop.after, "index_add", (start, _stack_of(loop, v)), spec=spec)


# ---------------------------------------------------------------- computed again

def _computed_again(graph: Graph) -> Graph:
    """Cheap saved values of one loop, which another reads row by row, are computed again in that one."""
    loops = {r: e for e in graph.equations if e.primitive.name == "scan" for r in e.results[e.params["carries"]:]}
    if not loops:
        return graph
    equations = []
    for e in graph.equations:
        if e.primitive.name == "scan" and isinstance(e.params["size"], int):
            equations.append(_with_own(e, loops))
        else:
            equations.append(e)
    return Graph(graph.inputs, tuple(equations), graph.outputs, graph.lines)


def _with_own(e: Equation, loops: dict[Any, Equation]) -> Equation:
    loop = _apart(e)
    for v, x in list(loop.slices):
        source = loops.get(x)
        if source is None or source.params["size"] != loop.size:
            continue
        maker = _apart(source)
        inner = next(o for o, r in maker.saved if r is x)
        made = {r: q for q in maker.equations for r in q.results}
        known: dict[Any, Atom] = {o: w for o, r in maker.saved for w, y in loop.slices if y is r and w is not v}
        known.update({o: w for o, y in maker.slices for w, z in loop.slices if z is y})
        known.update({o: w for o, y in maker.constants for w, z in loop.constants if z is y})
        q = made.get(inner)  # type: ignore[arg-type]
        if q is None or not q.primitive.elementwise or q.primitive.multiple or not q.pure or \
                cost(q.primitive.name, q.params, v.type.dtype) > CHEAP or not all(isinstance(o, Const) or o in known for o in q.operands):
            continue
        loop.slices.remove((v, x))
        again = Equation(q.primitive, [o if isinstance(o, Const) else known[o] for o in q.operands], q.params, (v,))
        loop.equations = _in_order(loop, again)
    return e if len(loop.slices) == len(_apart(e).slices) else Equation(
        e.primitive, *_parts(_together(loop, e.operands[0])), e.results)


def _parts(e: Equation) -> tuple[Any, Any]:
    return e.operands, e.params


def _in_order(loop: _Loop, again: Equation) -> list[Equation]:
    """An equation goes behind those that make its operands; they stand at the head of the loop."""
    last = max([k for k, e in enumerate(loop.equations) if any(r in again.operands for r in e.results)], default=-1)
    first = min([k for k, e in enumerate(loop.equations) if again.results[0] in e.operands], default=len(loop.equations))
    if last < first:
        return [*loop.equations[:last + 1], again, *loop.equations[last + 1:]]
    moved = loop.equations[first:last + 1]
    rest = [e for e in moved if e is not again]
    return _sorted([*loop.equations[:first], *rest, again, *loop.equations[last + 1:]])


def _sorted(equations: list[Equation]) -> list[Equation]:
    """In order of evaluation."""
    made = {r: e for e in equations for r in e.results}
    out: dict[Equation, None] = {}
    for root in equations:
        todo = [root]
        while todo:
            e = todo[-1]
            missing = [made[o] for o in e.operands if o in made and made[o] not in out]  # type: ignore[index]
            if missing and e not in out:
                todo += missing
                continue
            out[e] = None
            todo.pop()
    return list(out)


def _without_unused(graph: Graph) -> Graph:
    from wengert.transforms.simplify import simplify
    return simplify(graph)


