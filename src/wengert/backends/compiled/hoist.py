"""Hoist: what loops of known length do over and over is done once, before or after them.

What comes in: a graph. What goes out: a graph of the same function, to rounding. The one idea: the iterations of a `scan` are
one more axis. A row that the loop's counter picks is a slice; a product of slices with a constant is one larger product
before the loop; a sum of products that it accumulates (the gradient of a weight) is one product after it, over what the loop
has saved; and what is cheap to compute from other saved values is computed again, not saved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.backends.compiled import small
from wengert.backends.compiled.elementwise import cost
from wengert.graph import REGISTRY, ArrayType, Const, Equation, Graph, Var
from wengert.graph.walk import with_subgraphs
from wengert.primitives.contract import make_spec, split_spec

__all__ = ["hoisted"]

MOST = 1 << 24     # elements that a loop may save in place of a sum
LARGE = 256        # elements of a sum or factor that is worth it
CHEAP = 0.12       # nanoseconds an element: what costs less is not saved
READ = 0.05        # to read an element of another array
PRODUCT = 0.06     # of a product in registers, or another operation there
SMALL = 64         # elements of what may be in registers
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
        found = _signs_out(graph.equations)
        if len(found) == len(graph.equations):
            return graph
        return _without_unused(Graph(graph.inputs, tuple(found), graph.outputs, graph.lines))
    env: dict[Any, Any] = {}
    equations: list[Equation] = []
    lines: dict[Equation, Any] = {}
    for e in graph.equations:
        params = {k: with_subgraphs(v, hoisted) for k, v in e.params.items()} if e.primitive.holds_graphs else e.params
        new = Equation(e.primitive, [env.get(o, o) for o in e.operands], params, e.results)
        if e in graph.lines:
            lines[new] = graph.lines[e]
        if e.primitive.name == "scan" and isinstance(params["size"], int) and params["size"] > 1 and params.get(
                "checkpoints") is None:  # memory is what such a loop is about
            made = _scan(new, equations, env)
            equations += made
            lines.update({m: graph.lines[e] for m in made if e in graph.lines})
        else:
            equations.append(new)
    outputs = tuple([env.get(o, o) for o in graph.outputs])
    flat = Graph(graph.inputs, tuple(_signs_out(equations)), outputs, lines)
    return _without_unused(_computed_again(flat))


def _signs_out(equations: Sequence[Equation]) -> list[Equation]:
    """A solve for -b beside one for b is minus that one."""
    turned = {e.results[0]: e.operands[0] for e in equations if e.primitive.name == "negative"}
    solves = {(e.operands, e.params["trans"]) for e in equations if e.primitive.name == "solve_factored"}
    out = []
    for e in equations:
        b = turned.get(e.operands[3]) if e.primitive.name == "solve_factored" else None  # type: ignore[arg-type]
        if b is not None and ((*e.operands[:3], b), e.params["trans"]) in solves:
            x = Var(e.results[0].type)
            out.append(Equation(e.primitive, (*e.operands[:3], b), e.params, (x,)))
            out.append(Equation(REGISTRY["negative"], (x,), {}, e.results))
        else:
            out.append(e)
    return out


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
    params = {"body": body, "constants": len(loop.constants), "carries": len(loop.carries), "reverse": loop.reverse,
              "size": loop.size}
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
    """Carries that count the iterations and do not wrap around, and where they begin."""
    made = {r: e for e in loop.equations for r in e.results}
    out: dict[Var, int] = {}
    for v, start, following, _ in loop.carries:
        e = made.get(following)  # type: ignore[arg-type]
        if isinstance(start, Const) and e is not None and v.type.shape == () and v.type.dtype.kind == "i" and (
                _adds_one(e, v) and int(start.value) + loop.size <= np.iinfo(v.type.dtype).max):
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
    zeros = _zeros(loop)
    for v, start, following, result in loop.carries:
        outer = following if isinstance(following, Const) else constants.get(following)
        if v in zeros or (outer is not None and (outer is start or (isinstance(start, Const) and outer == start))):
            loop.replace(v, start if v in zeros else following)
            env[result] = start
        else:
            kept.append((v, start, following, result))
    loop.carries = [c for c in loop.carries if any(c[0] is k[0] for k in kept)]


def _zeros(loop: _Loop) -> set[Any]:
    """The carries that are 0 throughout, if all of them are: the largest such set."""
    found = {c[0] for c in loop.carries if _is_zero(c[1])}
    while found:
        zero = set(found)
        for e in loop.equations:
            if e.primitive.name in _KEEP_ZERO and all(o in zero or _is_zero(o) for o in e.operands):
                zero.update(e.results)
        lost = {c[0] for c in loop.carries if c[0] in found and not (c[2] in zero or _is_zero(c[2]))}
        if not lost:
            break
        found -= lost
    return found


def _is_zero(o: Any) -> bool:
    """Whether a constant is +0.0 everywhere."""
    return isinstance(o, Const) and o.type.dtype.kind == "f" and not np.any(o.value) and not np.any(np.signbit(o.value))


_KEEP_ZERO = ("add", "transpose", "reshape", "broadcast", "flip", "pad", "concatenate", "reduce_sum")


def _rows(loop: _Loop) -> None:
    """``x[i]`` with the counter i is a slice of x."""
    counters, constants = _counters(loop), dict(loop.constants)
    for e in list(loop.equations):
        if e.primitive.name != "index" or len(e.operands) != 2:
            continue
        if e.operands[1] not in counters or e.operands[0] not in constants:
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
    loop, changed = _apart(e), False
    for source in dict.fromkeys([loops[x] for _, x in loop.slices if x in loops]):
        if source.params["size"] == loop.size:
            changed |= _Again(loop, _apart(source)).run()
    return Equation(e.primitive, *_parts(_together(loop, e.operands[0])), e.results) if changed else e


def _parts(e: Equation) -> tuple[Any, Any]:
    return e.operands, e.params


class _Again:
    """What one loop has saved and another reads: what is cheap is computed again, from what is constant, or saved anyway."""

    def __init__(self, reader: _Loop, maker: _Loop):
        self.reader, self.maker = reader, maker
        self.made = {r: e for e in maker.equations for r in e.results}
        self.constants = dict(maker.constants)
        self.slices = {v: x for v, x in maker.slices if isinstance(v.type, ArrayType)}
        self.new: list[Equation] = []
        self.pinned: set[Atom] = set()  # variables that others are views of
        saved: dict[Any, Atom] = {r: o for o, r in maker.saved}
        # variable of the reader -> of the maker
        self.read = {v: saved[x] for v, x in reader.slices if x in saved and isinstance(v.type, ArrayType)}
        self.known: dict[Any, Atom] = {}  # variable of the maker -> of the reader
        for v, o in self.read.items():
            self.known.setdefault(o, v)

    def run(self) -> bool:
        place = {r: k for k, e in enumerate(self.maker.equations) for r in e.results}
        first = list(self.read)
        for v in sorted(first, key=lambda v: place.get(self.read[v], -1)):  # type: ignore[arg-type]
            if v not in self.pinned:
                self._one(v, self.read[v])
        self.reader.equations[:0] = self.new
        return bool(self.new) or any(v not in {w for w, _ in self.reader.slices} for v in first)

    def _one(self, v: Var, o: Atom) -> None:
        """Take a variable of the reader from elsewhere, if that costs less than to save it."""
        if self.known[o] is v:
            del self.known[o]
        if o in self.known or self._price(o) <= CHEAP * v.type.size:
            self.reader.slices = [s for s in self.reader.slices if s[0] is not v]
            self._become(v, self._give(o))
        else:
            self.known[o] = v

    def _become(self, v: Var, new: Atom) -> None:
        self.reader.replace(v, new)
        self.known = {o: new if w is v else w for o, w in self.known.items()}
        self.new = [Equation(e.primitive, [new if x is v else x for x in e.operands], e.params, e.results) for e in self.new]

    def _price(self, o: Any, depth: int = 3) -> float:
        """Nanoseconds to compute a value of the maker in the reader."""
        if isinstance(o, Const) or o in self.known or o in self.constants or self._twin(o) is not None:
            return 0.0
        if o in self.slices:
            return READ * o.type.size
        e = self.made.get(o)
        if e is None or not depth:
            return math.inf
        own = _price_of(e)
        return own + sum(self._price(x, depth - 1) for x in e.operands) if own < math.inf else own

    def _give(self, o: Any) -> Atom:
        """The variable of the reader that has a value of the maker."""
        if isinstance(o, Const) or o in self.known:
            return self.known.get(o, o)
        if o in self.constants:
            self.known[o] = self._input(self.reader.constants, o, self.constants[o])
        elif o in self.slices:
            self.known[o] = self._input(self.reader.slices, o, self.slices[o])
        elif (twin := self._twin(o)) is not None:
            self.pinned.add(twin)
            self.known[o] = emit(self.new, "reshape", (twin,), shape=o.type.shape)
        else:
            e = self.made[o]
            operands = [self._give(x) for x in e.operands]
            results = [Var(r.type) for r in e.results]
            self.new.append(Equation(e.primitive, operands, e.params, results))
            for r, w in zip(e.results, results, strict=True):
                self.known.setdefault(r, w)
        return self.known[o]

    def _root(self, o: Any) -> Any:
        """What a value is a reshape of."""
        while o in self.made and self.made[o].primitive.name == "reshape":
            o = self.made[o].operands[0]
        return o

    def _twin(self, o: Any) -> Atom | None:
        """Something that the reader has, with the elements of a reshaped value in the same order."""
        root = self._root(o)
        return next((w for x, w in self.known.items() if self._root(x) is root), None)

    def _input(self, inputs: list[tuple[Var, Atom]], o: Var, outer: Atom) -> Atom:
        if isinstance(outer, Const) and inputs is self.reader.constants:
            return outer
        for w, x in inputs:
            if x is outer:
                return w
        inputs.append((Var(o.type), outer))
        return inputs[-1][0]


def _price_of(e: Equation) -> float:
    """Nanoseconds that an equation costs in the loop that reads its result; infinity if it is not to be there twice."""
    p, size = e.primitive, sum(r.type.size for r in e.results)
    if not e.pure or p.holds_graphs or any(not isinstance(v.type, ArrayType) for v in (*e.operands, *e.results)):
        return math.inf
    if p.name in _VIEWS and len(e.operands) == 1:
        return 0.0
    if p.elementwise and not p.multiple:
        return cost(p.name, e.params, e.results[0].type.dtype) * size
    if any(v.type.size > SMALL for v in (*e.operands, *e.results)):
        return math.inf
    if p.name == "contract":
        a, _, out = split_spec(e.params["spec"])
        return PRODUCT * size * math.prod([n for k, n in zip(a, e.operands[0].type.shape, strict=True) if k not in out])
    return PRODUCT * small.operations(e) if small.supported(e) else math.inf


_VIEWS = ("transpose", "reshape", "broadcast", "index", "flip")


def _without_unused(graph: Graph) -> Graph:
    from wengert.transforms.simplify import simplify
    return simplify(graph)


