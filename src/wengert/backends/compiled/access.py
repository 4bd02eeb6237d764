"""Access: which elements of its operands an element of a result is made of.

What comes in: an equation, and the index of one element of a result. What goes out: an `Expression` over elements of
operands. The one idea: an index is affine in the loops around it, so that slices, transposes, broadcasts, pads and
concatenations cost nothing: they are read off when the element is asked for, and no array is made.

An index (`Index`) has one `Ix` for each axis: a constant plus terms, each a loop or a `Gathered` element of an index array,
with a coefficient.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wengert.graph import Const, Equation, Var
from wengert.primitives.contract import split_spec
from wengert.primitives.index import index_shape

__all__ = ["Apply", "Expression", "Fold", "Gathered", "Index", "Ix", "Pick", "Products", "Update", "constant", "element_of",
           "expand", "fixed", "loop", "places", "resolve", "settle", "span", "view_strides", "window_strides"]

Atom = Var | Const


class Ix(NamedTuple):
    """``const + sum(coefficient * term)``; a term is the number of a loop or a `Gathered`."""

    const: int = 0
    terms: tuple[tuple[Any, int], ...] = ()

    def __add__(self, other: Ix | int) -> Ix:  # type: ignore[override]
        if isinstance(other, int):
            return Ix(self.const + other, self.terms) if other else self
        if not other.terms:
            return Ix(self.const + other.const, self.terms)
        if not self.terms:
            return Ix(self.const + other.const, other.terms)
        terms: dict[Any, int] = dict(self.terms)
        for t, c in other.terms:
            terms[t] = terms.get(t, 0) + c
        return Ix(self.const + other.const, tuple([(t, c) for t, c in terms.items() if c]))

    def __mul__(self, factor: int) -> Ix:  # type: ignore[override]
        if factor == 1:
            return self
        return Ix(self.const * factor, tuple([(t, c * factor) for t, c in self.terms]) if factor else ())


Index = tuple[Ix, ...]


class Gathered(NamedTuple):
    """An element of an index array, counted from the end where it is negative; `size` is the length of the axis."""

    atom: Any
    place: Index
    size: int


def constant(n: int) -> Ix:
    return Ix(n)


def loop(axis: int) -> Ix:
    return Ix(0, ((axis, 1),))


def fixed(index: Index) -> bool:
    """Whether an index is one of constants."""
    return all(not ix.terms for ix in index)


def span(ix: Ix, ranges: Mapping[int, tuple[int, int]]) -> tuple[int, int]:
    """The least and the largest value of an index, where loop k runs over ``ranges[k]``."""
    low = high = ix.const
    for term, c in ix.terms:
        a, b = (0, term.size) if isinstance(term, Gathered) else ranges[term]
        low, high = low + min(c * a, c * (b - 1)), high + max(c * a, c * (b - 1))
    return low, high


# ---------------------------------------------------------------- expressions

Element = tuple[Any, Index]  # a variable or constant, and the index
Guard = tuple[tuple[Ix, int], ...]  # all of: 0 <= ix < n


class Apply(NamedTuple):
    """An elementwise primitive, applied to elements."""

    operands: tuple[Element, ...]


class Pick(NamedTuple):
    """The first piece whose guard holds; zero if none does."""

    pieces: tuple[tuple[Guard, Element], ...]


class Update(NamedTuple):
    """An element, to which another is added where the guard holds."""

    guard: Guard
    base: Element
    value: Element


class Fold(NamedTuple):
    """Elements, combined one after the other by an elementwise primitive of two operands."""

    name: str
    elements: tuple[Element, ...]


class Products(NamedTuple):
    """A sum of products."""

    pairs: tuple[tuple[Element, Element], ...]


Expression = Apply | Pick | Update | Fold | Products


def resolve(guard: Guard, ranges: Mapping[int, tuple[int, int]]) -> Guard | None:
    """The conditions that are not known to hold; None if one cannot hold."""
    out = []
    for ix, n in guard:
        low, high = span(ix, ranges)
        if high < 0 or low >= n:
            return None
        if low < 0 or high >= n:
            out.append((ix, n))
    return tuple(out)


def settle(expression: Any, ranges: Mapping[int, tuple[int, int]], under: Guard = ()) -> Any:
    """The expression without the pieces that cannot hold, and without conditions that do."""
    if isinstance(expression, Pick):
        pieces = []
        for guard, part in expression.pieces:
            rest = resolve(guard, ranges)
            if rest is None:
                continue
            rest = tuple([c for c in rest if c not in under])
            pieces.append((rest, part))
            if not rest:
                break
        return Pick(tuple(pieces))
    if isinstance(expression, Update):
        rest = resolve(expression.guard, ranges)
        if rest is None:
            return Pick((((), expression.base),))
        return Update(tuple([c for c in rest if c not in under]), expression.base, expression.value)
    return expression


def element_of(shape: tuple[int, ...], wide: tuple[int, ...], index: Index) -> Index:
    """The index into an operand of this shape that is broadcast to the shape `wide`."""
    skip = len(wide) - len(shape)
    return tuple([Ix() if n == 1 and wide[k + skip] != 1 else index[k + skip] for k, n in enumerate(shape)])


def _elementwise(e: Equation, index: Index) -> Expression:
    wide = e.results[0].type.shape
    return Apply(tuple([(o, element_of(o.type.shape, wide, index)) for o in e.operands]))


def _copy(*element: Any) -> Pick:
    return Pick((((), element),))


def _broadcast(e: Equation, index: Index) -> Expression:
    x = e.operands[0]
    return _copy(x, element_of(x.type.shape, e.results[0].type.shape, index))


def _transpose(e: Equation, index: Index) -> Expression:
    axes = e.params["axes"]
    return _copy(e.operands[0], tuple([index[axes.index(a)] for a in range(len(axes))]))


def _window(e: Equation, index: Index) -> Expression:
    x, out = e.operands[0], list(index[:e.operands[0].type.ndim])
    for (axis, _, stride, dilation), inside in zip(e.params["windows"], index[x.type.ndim:], strict=True):
        out[axis] = out[axis] * stride + inside * dilation
    return _copy(x, tuple(out))


def window_strides(strides: Sequence[int], windows: Sequence[tuple[int, int, int, int]]) -> tuple[int, ...]:
    """The strides of the windows of an array with these strides."""
    out, inner = list(strides), []
    for axis, _, stride, dilation in windows:
        inner.append(out[axis] * dilation)
        out[axis] *= stride
    return (*out, *inner)


def view_strides(e: Equation, strides: Sequence[int]) -> tuple[int, ...] | None:
    """The strides of a result that is a view of its operand, which has these; None for what is none here."""
    if e.primitive.name == "transpose":
        return tuple([strides[a] for a in e.params["axes"]])
    return window_strides(strides, e.params["windows"]) if e.primitive.name == "window" else None


def _flip(e: Equation, index: Index) -> Expression:
    shape = e.results[0].type.shape
    return _copy(
        e.operands[0], tuple([ix * -1 + (shape[a] - 1) if a in e.params["axes"] else ix for a, ix in enumerate(index)])
    )


def _flat(shape: tuple[int, ...], index: Index) -> Ix:
    total = Ix()
    for n, ix in zip(shape, index, strict=True):
        total = total * n + ix
    return total


def groups(before: tuple[int, ...], after: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """Axes of two shapes of one size in groups of equal product, those of length 1 apart."""
    out, i, j = [], 0, 0
    while i < len(before) or j < len(after):
        a: list[int] = []
        b: list[int] = []
        p = q = 1
        while True:
            if p == q and (a or b) and p > 1:
                break
            if p <= q and i < len(before):
                a.append(i)
                p *= before[i]
                i += 1
            elif j < len(after):
                b.append(j)
                q *= after[j]
                j += 1
            elif i < len(before):
                a.append(i)
                p *= before[i]
                i += 1
            else:
                break
        out.append((a, b))
    return out


def _reshape(e: Equation, index: Index) -> Expression | None:
    """Axes that are merged read an affine index; an axis that is split can be read only where its index is a constant."""
    x, shape = e.operands[0], e.results[0].type.shape
    inner = x.type.shape
    out: list[Ix] = [Ix()] * len(inner)
    if 0 in inner:
        return _copy(x, tuple(out))
    for a, b in groups(inner, shape):
        flat = _flat(tuple([shape[k] for k in b]), tuple([index[k] for k in b]))
        wide = [k for k in a if inner[k] != 1]
        if len(wide) <= 1:
            for k in wide:
                out[k] = flat
        elif not flat.terms:
            rest = flat.const
            for k in reversed(wide):
                rest, here = divmod(rest, inner[k])
                out[k] = Ix(here)
        else:
            return None
    return _copy(x, tuple(out))


def _pad(e: Equation, index: Index) -> Expression:
    x = e.operands[0]
    shifted = tuple([ix + -low for ix, (low, _) in zip(index, e.params["widths"], strict=True)])
    guard = tuple([(ix, n) for ix, n, w in zip(shifted, x.type.shape, e.params["widths"], strict=True) if w != (0, 0)])
    return Pick(((guard, (x, shifted)),))


def _concatenate(e: Equation, index: Index) -> Expression:
    axis, start, pieces = e.params["axis"], 0, []
    for x in e.operands:
        n = x.type.shape[axis]
        at = index[axis] + -start
        if n:
            pieces.append((((at, n),), (x, (*index[:axis], at, *index[axis + 1:]))))
        start += n
    return Pick(tuple(pieces))


# ---------------------------------------------------------------- indexing

def places(shape: tuple[int, ...], spec: Any, arrays: Sequence[Atom], index: Index) -> Index:
    """Where in an array of this shape the element `index` of ``x[...]`` lies."""
    shapes = tuple([a.type.shape for a in arrays])
    wide = _joint(shapes)
    at = [k for k, entry in enumerate(spec) if entry[0] in "ai"]
    place = 0
    if arrays and at[-1] - at[0] + 1 == len(at):
        place = sum(entry[0] in "sn" for entry in spec[:at[0]])
    ours = index[place:place + len(wide)] if arrays else ()
    rest = iter(index[:place] + index[place + len(wide):] if arrays else index)
    found, out, axis = iter(zip(arrays, shapes, strict=True)), [], 0
    for entry in spec:
        if entry[0] == "n":
            next(rest)
            continue
        n = shape[axis]
        axis += 1
        if entry[0] == "s":
            start, _, step = slice(*entry[1:]).indices(n)
            out.append(next(rest) * step + start)
        elif entry[0] == "i":
            out.append(Ix(entry[1] % n))
        else:
            array, inner = next(found)
            out.append(Ix(0, ((Gathered(array, element_of(inner, wide, ours), n), 1),)))
    return (*out, *rest)


@functools.cache
def _joint(shapes: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    return np.broadcast_shapes(*shapes)


def _index(e: Equation, index: Index) -> Expression:
    x = e.operands[0]
    return _copy(x, places(x.type.shape, e.params["spec"], e.operands[1:], index))


def region(e: Equation) -> list[tuple[int, int]] | None:
    """Start and length along each axis of what a write with slices of step 1 and integers writes to; None for other writes."""
    if len(e.operands) > 2:
        return None
    shape, out = e.operands[0].type.shape, []
    entries = [entry for entry in e.params["spec"] if entry[0] != "n"]
    if len(entries) != len(e.params["spec"]):
        return None
    for k, n in enumerate(shape):
        entry = entries[k] if k < len(entries) else ("s", None, None, None)
        if entry[0] == "i":
            out.append((entry[1] % n, -1))
            continue
        start, stop, step = slice(*entry[1:]).indices(n)
        if step != 1 and len(range(start, stop, step)) > 1:
            return None
        out.append((start, len(range(start, stop, step))))
    return out


def _write(e: Equation, index: Index) -> Expression | None:
    where = region(e)
    if where is None:
        return None
    x, v = e.operands[:2]
    guard, inner = [], []
    for ix, (start, n), whole in zip(index, where, x.type.shape, strict=True):
        if n == -1:
            guard.append((ix + -start, 1))
            continue
        inner.append(ix + -start)
        if n != whole:
            guard.append((ix + -start, n))
    shape = tuple([n for _, n in where if n != -1])
    value = (v, element_of(v.type.shape, shape, tuple(inner)))
    if e.primitive.name == "index_set":
        return Pick(((tuple(guard), value), ((), (x, index))))
    return Update(tuple(guard), (x, index), value)


# ---------------------------------------------------------------- sums over few elements

_FOLDS = {"reduce_sum": "add", "reduce_prod": "multiply", "reduce_max": "maximum", "reduce_min": "minimum",
          "reduce_any": "logical_or", "reduce_all": "logical_and"}
UNROLL = 8  # the most elements that a sum inside an expression has


def reduced(e: Equation) -> tuple[str, tuple[int, ...]] | None:
    """The elementwise primitive and the axes of a reduction."""
    name = _FOLDS.get(e.primitive.name)
    return None if name is None else (name, tuple(e.params["axes"]))


def _reduce(e: Equation, index: Index) -> Expression | None:
    name, axes = reduced(e) or ("", ())
    x = e.operands[0]
    shape = x.type.shape
    if math.prod([shape[a] for a in axes]) == 0:
        return None
    elements = []
    for at in itertools.product(*[range(shape[a]) for a in axes]):
        rest = iter(index)
        elements.append((x, tuple([Ix(at[axes.index(a)]) if a in axes else next(rest) for a in range(len(shape))])))
    return Fold(name, tuple(elements))


def _contract(e: Equation, index: Index) -> Expression | None:
    a, b, out = split_spec(e.params["spec"])
    x, y = e.operands
    sizes = dict(zip([*a, *b], [*x.type.shape, *y.type.shape], strict=True))
    summed = [k for k in a if k not in out]
    if math.prod([sizes[k] for k in summed]) == 0:
        return None
    pairs = []
    for at in itertools.product(*[range(sizes[k]) for k in summed]):
        where = {**dict(zip(out, index, strict=True)), **{k: Ix(n) for k, n in zip(summed, at, strict=True)}}
        pairs.append(((x, tuple([where[k] for k in a])), (y, tuple([where[k] for k in b]))))
    return Products(tuple(pairs))


_RULES: dict[str, Callable[[Equation, Index], Expression | None]] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "broadcast": _broadcast,
    "flip": _flip,
    "window": _window,
    "pad": _pad,
    "concatenate": _concatenate,
    "index": _index,
    "index_set": _write,
    "index_add": _write,
    "contract": _contract,
    "convert": _elementwise,
    "python_integer": _elementwise,
    "truncate": _elementwise,
    **dict.fromkeys(_FOLDS, _reduce),
}


def expand(e: Equation, index: Index) -> Expression | None:
    """What an element of the (first) result is made of; None if it cannot be read off."""
    rule = _RULES.get(e.primitive.name, _elementwise if e.primitive.elementwise else None)
    return None if rule is None else rule(e, index)


def shape_of_write(e: Equation) -> tuple[int, ...]:
    """The shape of ``x[...]`` for a write into it."""
    return index_shape(e.operands[0].type.shape, e.params["spec"], tuple([a.type.shape for a in e.operands[2:]]))
