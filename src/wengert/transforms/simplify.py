"""Simplify: fewer equations, the same bits.

What comes in: a graph. What goes out: a graph that gives the same values, infinities and signed zeros included, NaN where
there was NaN. The one idea: each rule looks at one equation whose operands are simplified already, and gives an atom in its
place or nothing; a rule that could change a bit (``x + 0`` flips -0.0, ``x * 0`` loses NaN, ``z * 1`` of a complex z turns
inf into nan) is not here. One pass reaches the fixed point, because every rule looks only backward and leaves nothing that
another rule could take up.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.graph import REGISTRY, ArrayType, Atom, Build, Const, Equation, Graph, Var
from wengert.graph.walk import with_subgraphs
from wengert.transforms.loops import CONTROL, simpler, without_dead

__all__ = ["RULES", "simplify"]

_FOLDED = 64  # elements; a larger constant result is cheaper to compute again than to keep
_WHOLE = ("s", None, None, None)


class _Context:
    """The new graph so far: which equation made a variable."""

    def __init__(self, build: Build):
        self.build = build
        self.maker: dict[Var, Equation] = {}

    def made_by(self, atom: Atom, name: str) -> Equation | None:
        e = self.maker.get(atom) if isinstance(atom, Var) else None
        return e if e is not None and e.primitive.name == name else None

    def emit(self, primitive: Any, operands: tuple[Atom, ...], params: Any) -> tuple[Var, ...]:
        before = len(self.build.equations)
        results = self.build.emit(primitive, operands, params)
        for new in self.build.equations[before:]:
            self.maker.update(dict.fromkeys(new.results, new))
        return results

    def run(self, graph: Graph, operands: Sequence[Atom]) -> list[Atom]:
        """The outputs of a graph for these operands, simplified into the new graph."""
        env: dict[Atom, Atom] = dict(zip(graph.inputs, operands, strict=True))
        for e in graph.equations:
            self.build.at = graph.lines.get(e, frozenset())
            given = tuple([env.get(o, o) if isinstance(o, Var) else o for o in e.operands])
            env.update(zip(e.results, self.equation(e, given), strict=True))
        return [env.get(o, o) if isinstance(o, Var) else o for o in graph.outputs]

    def equation(self, e: Equation, operands: tuple[Atom, ...]) -> Sequence[Atom]:
        if e.primitive.name in CONTROL:
            inner = {name: with_subgraphs(value, simplify) for name, value in e.params.items()}
            return simpler(Equation(e.primitive, e.operands, inner, e.results), operands, self)
        found = _simpler(e, operands, self)
        return (found,) if found is not None else self.emit(e.primitive, operands, e.params)

    def again(self, name: str, *operands: Atom, **params: Any) -> Atom:
        """The result of another equation, simplified in turn."""
        primitive = REGISTRY[name]
        trial = Equation(primitive, operands, params, (Var(primitive.type(*[o.type for o in operands], **params)),))
        found = _simpler(trial, operands, self)
        return found if found is not None else self.emit(primitive, operands, params)[0]


Rule = Callable[[Equation, tuple[Atom, ...], _Context], Atom | None]
RULES: dict[str, list[Rule]] = {}


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        for name in names:
            RULES.setdefault(name, []).append(rule)
        return rule
    return register


def _is(atom: Atom, value: float) -> bool:
    """A constant with this very value everywhere: 0.0 is not -0.0, in the real or the imaginary part."""
    if not isinstance(atom, Const) or atom.type.dtype.kind not in "fciu" or not bool(np.all(atom.value == value)):
        return False
    if value != 0 or atom.type.dtype.kind in "iu":
        return True
    sign = bool(np.signbit(value))
    parts = (atom.value.real, atom.value.imag) if atom.type.dtype.kind == "c" else (atom.value,)
    return all(bool(np.all(np.signbit(p) == sign)) for p in parts)


def _real(*atoms: Atom) -> bool:
    return all(a.type.dtype.kind in "fiu" for a in atoms)


# ---------------------------------------------------------------- arithmetic

@_rule("add")
def _add(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """``x + -0.0`` is x, ``a + (-b)`` is a - b."""
    a, b = operands
    if _is(b, -0.0):
        return a
    if _is(a, -0.0):
        return b
    if (inner := c.made_by(b, "negative")) is not None:
        return c.again("subtract", a, inner.operands[0])
    if (inner := c.made_by(a, "negative")) is not None:
        return c.again("subtract", b, inner.operands[0])
    return None


@_rule("subtract")
def _subtract(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """``x - 0.0`` is x, ``a - (-b)`` is a + b."""
    a, b = operands
    if _is(b, 0.0):
        return a
    inner = c.made_by(b, "negative")
    return c.again("add", a, inner.operands[0]) if inner is not None else None


@_rule("multiply")
def _multiply(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """``x * 1`` is x, ``x * -1`` is -x (of real numbers), ``(-a) * (-b)`` is a * b."""
    a, b = operands
    for x, other in ((a, b), (b, a)):
        if _real(x, other) and _is(other, 1.0):
            return x
        if _real(x) and other.type.dtype.kind in "fi" and _is(other, -1.0) and x.type is e.results[0].type:
            return c.again("negative", x)
    first, second = c.made_by(a, "negative"), c.made_by(b, "negative")
    if first is not None and second is not None:
        return c.again("multiply", first.operands[0], second.operands[0])
    return None


@_rule("divide")
def _divide(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """``x / 1`` of a real number is x."""
    return operands[0] if _real(*operands) and _is(operands[1], 1.0) else None


@_rule("integer_power")
def _integer_power(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    return operands[0] if e.params["n"] == 1 and _real(operands[0]) else None


@_rule("positive")
def _positive(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    return operands[0]


@_rule("negative", "conjugate", "flip", "logical_not")
def _twice(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """``-(-x)``, ``conj(conj(x))``, a flip of the same flip, ``not not p``."""
    inner = c.made_by(operands[0], e.primitive.name)
    return inner.operands[0] if inner is not None and inner.params == e.params else None


@_rule("conjugate", "real")
def _of_real(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    return operands[0] if _real(operands[0]) else None


# ---------------------------------------------------------------- rearrangements

@_rule("reshape", "broadcast", "convert")
def _to_what_is_there(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    return operands[0] if operands[0].type is e.results[0].type else None


@_rule("transpose", "flip", "pad", "index", "concatenate", "reduce_sum")
def _nothing_moves(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """A transpose in order, a flip of no axis, a pad by nothing, an index that takes all, one piece concatenated."""
    x, params = operands[0], e.params
    name = e.primitive.name
    if name == "transpose":
        return x if params["axes"] == tuple(range(len(x.type.shape))) else None
    if name == "flip":
        return x if params["axes"] == () else None
    if name == "pad":
        return x if all(w == (0, 0) for w in params["widths"]) else None
    if name == "index":
        return x if len(operands) == 1 and all(s == _WHOLE for s in params["spec"]) else None
    if name == "concatenate":
        pieces = tuple(o for o in operands if o.type.shape[params["axis"]])
        return pieces[0] if len(pieces) == 1 else None
    # the sum of no axes or of one float is 0 + x, which is not x at -0.0
    ones = all(x.type.shape[a] == 1 for a in params["axes"])
    return c.again("reshape", x, shape=e.results[0].type.shape) if ones and x.type.dtype.kind in "biu" else None


@_rule("reshape", "transpose", "broadcast")
def _composed(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """Two of a kind are one."""
    name = e.primitive.name
    inner = c.made_by(operands[0], name)
    if inner is None:
        return None
    params = dict(e.params)
    if name == "transpose":
        params["axes"] = tuple(inner.params["axes"][a] for a in params["axes"])
    return c.again(name, inner.operands[0], **params)


@_rule("convert")
def _wide_and_back(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """A conversion that loses nothing, undone."""
    inner = c.made_by(operands[0], "convert")
    if inner is None or inner.operands[0].type is not e.results[0].type:
        return None
    return inner.operands[0] if _keeps(inner.operands[0].type, operands[0].type) else None


def _keeps(narrow: ArrayType, wide: ArrayType) -> bool:
    """Whether every value of the narrow type is one of the wide type."""
    a, b = narrow.dtype, wide.dtype
    same_kind = (a.kind in "fc" and b.kind in "fc") or (a.kind in "iu" and b.kind in "iu") or a.kind == "b"
    return same_kind and bool(np.can_cast(a, b, "safe"))


# ---------------------------------------------------------------- choices

def _decided(p: Atom, c: _Context) -> bool | None:
    """What a condition is everywhere, if that is known: of a constant, also broadcast, of ``q and False``, of ``q or True``."""
    if isinstance(p, Const):
        return None if not p.value.size else True if bool(p.value.all()) else None if bool(p.value.any()) else False
    if (spread := c.made_by(p, "broadcast")) is not None:
        return _decided(spread.operands[0], c)
    for name, side in (("logical_and", False), ("logical_or", True)):
        inner = c.made_by(p, name)
        if inner is not None and any(isinstance(o, Const) and _decided(o, c) is side for o in inner.operands):
            return side
    return None


@_rule("select")
def _chosen(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """A selection whose predicate is decided, whose arms are one, or whose predicate is negated."""
    p, a, b = operands
    side = _decided(p, c)
    if side is not None and (a if side else b).type is e.results[0].type:
        return a if side else b
    if a == b and a.type is e.results[0].type:
        return a
    inner = c.made_by(p, "logical_not")
    if inner is not None and inner.operands[0].type.dtype.kind == "b":
        return c.again("select", inner.operands[0], b, a)
    return None


@_rule("logical_and", "logical_or")
def _with_itself(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """``p and p``, ``p and True``, ``p or False``; ``p and False``, ``p or True``."""
    a, b = operands
    if a.type.dtype.kind != "b" or b.type.dtype.kind != "b":
        return None
    if a == b:
        return a
    neutral = e.primitive.name == "logical_and"
    for x, other in ((a, b), (b, a)):
        side = _decided(other, c)
        if side is neutral:
            return x
        if side is not None:
            return _everywhere(side, e, c)
    return None


@_rule("reshape", "transpose", "window", "index", "reduce_sum", "broadcast")
def _of_one_value(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """What rearranges a condition that is the same everywhere is that condition, too; so is "any" along an axis."""
    p = operands[0]
    if len(operands) > 1 or p.type.dtype.kind != "b" or e.results[0].type.dtype.kind != "b" or not e.results[0].type.size:
        return None
    if e.primitive.name == "broadcast" and p.type.shape == ():
        return None
    side = _decided(p, c)
    return None if side is None else _everywhere(side, e, c)


def _everywhere(side: bool, e: Equation, c: _Context) -> Atom:
    """A condition that is the same everywhere, in the place of the result of an equation."""
    value = np.asarray(side)
    shape = e.results[0].type.shape
    return c.again("broadcast", Const(value), shape=shape) if shape else Const(value)


# ---------------------------------------------------------------- constants

def _folded(e: Equation, operands: tuple[Atom, ...]) -> Atom | None:
    """An equation of constants, if its result is small and NumPy has nothing to say about it."""
    p = e.primitive
    if not operands or p.multiple or p.holds_graphs or p.name == "python_call" or e.results[0].type.size > _FOLDED:
        return None
    constants = [o for o in operands if isinstance(o, Const)]
    if len(constants) != len(operands) or sum(o.type.size for o in constants) > 64 * _FOLDED:
        return None
    try:
        with np.errstate(all="raise"), warnings.catch_warnings():
            warnings.simplefilter("error")
            value = np.asarray(p.evaluate(*[o.value[()] for o in constants], **e.params))
    except Exception:  # what raises, or warns, is left to do so when it runs
        return None
    return Const(value) if value.shape == e.results[0].type.shape and value.dtype == e.results[0].type.dtype else None


def _simpler(e: Equation, operands: tuple[Atom, ...], c: _Context) -> Atom | None:
    """An atom in the place of the single result of an equation, or None."""
    if not e.pure or e.primitive.multiple or not operands:
        return None
    for rule in RULES.get(e.primitive.name, ()):
        found = rule(e, operands, c)
        if found is not None and found.type is e.results[0].type:
            return found
    return _folded(e, operands)


def simplify(graph: Graph) -> Graph:
    """The graph with every rule applied, in one pass.

    Examples
    --------
    >>> from wengert.graph import ArrayType, build_graph
    >>> len(simplify(build_graph(lambda x: -(-(x * 1.0)), ArrayType((), float))).equations)
    0
    """
    build = Build()
    inputs = [build.input(v.type).atom for v in graph.inputs]
    return without_dead(build.graph(_Context(build).run(graph, inputs)))
