"""The plan of one graph: what lies in memory, what in registers, and in which order it is computed.

What comes in: a graph. What goes out: a `Plan`: items in order (fused nests, scalars, steps such as library calls and
loops), the variables that lie in memory, and who may overwrite whom. The one idea: an element is computed where it is read;
in memory goes what a step needs, what is returned, and what would be computed too often. Small values are computed at once
and stay in registers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.backends.compiled import access, checked, elementwise, library, small
from wengert.backends.compiled.access import Apply, Element, Fold, Gathered, Index, Ix, Pick, Products, Update
from wengert.backends.compiled.loops import contiguous
from wengert.graph import ArrayType, Equation, Graph, Var
from wengert.primitives.contract import split_spec

__all__ = [
    "Item",
    "Nest",
    "all_elements",
    "elements_of",
    "gathered_in",
    "guards_of",
    "Plan",
    "Root",
    "Scalars",
    "Step",
    "is_control",
    "loop_axes",
    "parts_of",
]

FEW = 16        # elements of a value that stays in registers wherever it is
SMALL = 64      # elements of a value that stays in registers where all others are as small
MANY = 2_000    # scalar operations of a block that is kept in registers
WIDE = 8        # an axis shorter than this is unrolled where another one is at least as long
CUT = 16        # an axis no longer than this is unrolled where guards cut it, and another one is
LONG = 64       # at least so long
NEAR = 8        # extents that differ by no more share a nest
LOOK_BACK = 64  # items that a result may be moved up over, to share a nest
PARTS = 10_000_000  # elements of a value of which it is looked up what parts are read
WORTH = 0.4     # nanoseconds an element: what is computed again at a higher price is kept in memory


@dataclass(eq=False)
class Root:
    """A result of a nest: `elements` are indices in its domain (a reduction's is its operand), loops numbered in order."""

    var: Var
    equation: Equation
    kind: str  # "store", "reduce" or "write"
    extents: tuple[int, ...]
    elements: list[Index]

    def place(self, index: Index) -> Index:
        """Where the element `index` of the domain goes in the result."""
        if self.kind == "reduce":
            axes = (access.reduced(self.equation) or ("", ()))[1]
            return tuple([ix for a, ix in enumerate(index) if a not in axes])
        if self.kind == "write":
            e = self.equation
            return access.places(e.operands[0].type.shape, e.params["spec"], e.operands[2:], index)
        return index


@dataclass(eq=False)
class Item:
    """Something that is done at one place in the order; `reads` are variables of the block."""

    reads: set[Var] = field(default_factory=set)


@dataclass(eq=False)
class Nest(Item):
    """Roots whose loops have (nearly) the same extents."""

    extents: tuple[int, ...] = ()
    roots: list[Root] = field(default_factory=list)
    leaves: set[Element] = field(default_factory=set)
    inner: set[Element] = field(default_factory=set)


@dataclass(eq=False)
class Scalars(Item):
    """Values computed element by element into registers: the results of one equation."""

    vars: tuple[Var, ...] = ()


@dataclass(eq=False)
class Step(Item):
    """A library call, a loop, a branch, a call of Python."""

    equation: Equation | None = None


_CONTROL = {"cond", "while_loop", "scan"}


def is_control(e: Equation) -> bool:
    return e.primitive.name in _CONTROL


def loop_axes(shape: tuple[int, ...], cut: frozenset[int] = frozenset()) -> tuple[int, ...]:
    """The axes that are looped over; the others, among them those in `cut`, are unrolled."""
    longest = max(shape, default=1)
    if longest < WIDE and math.prod(shape) <= FEW:
        return ()
    if longest < WIDE:
        return tuple([a for a, n in enumerate(shape) if n != 1])
    out, unrolled = [], 1
    for a in reversed(range(len(shape))):
        if (shape[a] < WIDE or a in cut) and unrolled * shape[a] <= 4 * WIDE:
            unrolled *= shape[a]
        else:
            out.append(a)
    return tuple(reversed(out))


def elements_of(shape: tuple[int, ...], cut: frozenset[int] = frozenset()) -> tuple[tuple[int, ...], list[Index]]:
    """The extents of the loops over an array, and the indices of the elements that one iteration is about."""
    axes = loop_axes(shape, cut)
    free = [(Ix(0, ((axes.index(a), 1),)),) if a in axes else tuple([Ix(k) for k in range(n)]) for a, n in enumerate(shape)]
    return tuple([shape[a] for a in axes]), [tuple(i) for i in itertools.product(*free)]


def all_elements(shape: tuple[int, ...]) -> list[Index]:
    return [tuple([Ix(k) for k in at]) for at in itertools.product(*[range(n) for n in shape])]


def parts_of(expression: Any) -> Iterator[Element]:
    """The elements that an expression reads."""
    match expression:
        case Apply(operands):
            yield from operands
        case Pick(pieces):
            for _, element in pieces:
                yield element
        case Update(_, base, value):
            yield base
            yield value
        case Fold(_, elements):
            yield from elements
        case Products(pairs):
            for a, b in pairs:
                yield a
                yield b


def guards_of(expression: Any) -> list[Any]:
    """The guards of an expression."""
    if isinstance(expression, Pick):
        return [guard for guard, _ in expression.pieces if guard]
    return [expression.guard] if isinstance(expression, Update) else []


def gathered_in(index: Index) -> Iterator[Element]:
    for ix in index:
        for term, _ in ix.terms:
            if isinstance(term, Gathered):
                yield term.atom, term.place


class Plan:
    """See the head of this file.

    Attributes
    ----------
    own : dict
        Variable -> the equation that makes it.
    memory : set of Var
        Made here, and kept in memory.
    items : list of Item
    alias : dict
        A reshaped variable that looks at the memory of another.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self.overwritten: dict[tuple[Var, Any], bool] = {}  # what `control` has found out
        self.pairs: dict[Item, list[tuple[Var, Any]]] = {}
        self.own: dict[Var, Equation] = {r: e for e in graph.equations for r in e.results}
        self.alias: dict[Var, Var] = {}
        self.small = self._all_small()
        self.limit = SMALL if self.small else FEW
        self.inlined: dict[Equation, bool] = {e: self._inline(e) for e in graph.equations}
        self.memory: set[Var] = set()
        self._must_lie_in_memory()
        self.memory |= self._read_in_part()
        for _ in range(6):
            self._schedule()
            again = self._computed_too_often()
            if not again:
                break
            self.memory |= again
        else:
            self._schedule()

    # ------------------------------------------------------------ which equations are read element by element

    def _all_small(self) -> bool:
        total = 0
        for e in self.graph.equations:
            for v in (*e.results, *e.operands):
                if not isinstance(v.type, ArrayType) or v.type.size > SMALL:
                    return False
            name = e.primitive.name
            if name in ("index", "index_set", "index_add") and any(
                a.type.size for a in e.operands[(1 if name == "index" else 2) :]
            ):
                return False
            total += sum(r.type.size for r in e.results)
            if name == "contract":
                total += _terms(e) * e.results[0].type.size
            elif access.reduced(e):
                total += e.operands[0].type.size
            elif small.supported(e):
                total += small.operations(e)
        return total <= MANY

    def _inline(self, e: Equation) -> bool:
        p = e.primitive
        if not e.pure or not e.results or any(not isinstance(o.type, ArrayType) for o in (*e.operands, *e.results)):
            return False
        if p.name in checked.RULES:
            return checked.known(e)
        if p.elementwise or p.name == "convert":
            operands, results = ([x.type.dtype for x in some] for some in (e.operands, e.results))
            return elementwise.supported(p.name, e.params, operands, results)
        if len(e.results) != 1:
            return False
        if p.name == "contract":
            return self._inline_contract(e)
        found = access.reduced(e)
        if found is not None:
            shape = e.operands[0].type.shape
            terms = math.prod([shape[a] for a in found[1]])
            return 0 < terms <= (SMALL if self.small else access.UNROLL)
        if p.name in ("index_set", "index_add"):
            return self._inline_write(e)
        shape = e.results[0].type.shape
        if p.name == "index" and 0 in shape and _looks_up(e):
            return False  # indices may be out of bounds all the same
        if p.name == "index" and 0 in e.operands[0].type.shape:
            return e.results[0].type.size == 0
        if p.name == "reshape" and e.results[0].type.size <= self.limit:
            return True  # its elements are read one by one
        return access.expand(e, tuple([access.loop(k) if n != 1 else Ix() for k, n in enumerate(shape)])) is not None

    def _inline_contract(self, e: Equation) -> bool:
        x, y = (o.type for o in e.operands)
        terms, size = _terms(e), e.results[0].type.size
        if terms == 0 or e.results[0].type.dtype.kind not in "fc":
            return terms > 0 and size * terms <= SMALL and e.results[0].type.dtype.kind in "iu"
        if terms == 1:
            return True
        if self.small:
            return size * terms <= 512
        a, b, out = split_spec(e.params["spec"])
        sizes = dict(zip([*a, *b], [*x.shape, *y.shape], strict=True))
        apart = [sizes[k] for k in sizes if not (k in a and k in b and k in out)]  # all but the stack
        stack = math.prod([n for k, n in sizes.items() if k in a and k in b and k in out])
        return terms <= access.UNROLL and (
            (terms <= 4 and min(x.size, y.size) <= FEW) or (stack >= WIDE and max(apart) <= WIDE)
        )

    def _inline_write(self, e: Equation) -> bool:
        where = access.region(e)
        if where is None:
            return False
        shape = e.results[0].type.shape
        few = max(shape, default=1) >= LONG
        long = [(1 if n == -1 else n, whole) for (_, n), whole in zip(where, shape, strict=True) if not (few and whole <= CUT)]
        part, all_ = math.prod([n for n, _ in long]), math.prod([n for _, n in long])
        return self.small or 4 * part >= all_ or e.results[0].type.size <= self.limit

    # ------------------------------------------------------------ memory and registers

    def in_registers(self, v: Any) -> bool:
        """Whether a variable of the block is kept as scalars (if it is made here, or the block is given it so)."""
        return isinstance(v.type, ArrayType) and v.type.size <= self.limit and v not in self.memory and v not in self.alias

    def root(self, v: Var) -> Var:
        return self.alias.get(v, v)

    def is_reduction(self, e: Equation) -> bool:
        return access.reduced(e) is not None and e.operands[0].type.size > 0 and elementwise.supported(
            access.reduced(e)[0], {}, [e.results[0].type.dtype] * 2, [e.results[0].type.dtype]) and (  # type: ignore[index]
            e.primitive.name not in ("reduce_any", "reduce_all") or e.operands[0].type.dtype.kind == "b") and (
            e.primitive.name not in ("reduce_max", "reduce_min") or e.results[0].type.dtype.kind in "f")

    def is_write(self, e: Equation) -> bool:
        """A write into memory, in place or into a copy."""
        if e.primitive.name not in ("index_set", "index_add") or self.inlined[e] or 0 in e.operands[0].type.shape:
            return False
        return (0 not in access.shape_of_write(e) or not _looks_up(e)) and (
            e.primitive.name == "index_set"
            or elementwise.supported("add", {}, [e.results[0].type.dtype] * 2, [e.results[0].type.dtype])
        )

    def _must_lie_in_memory(self) -> None:
        keep: list[Any] = [o for o in self.graph.outputs if isinstance(o, Var) and not self.in_registers(o)]
        for e in self.graph.equations:
            if self.inlined[e]:
                continue
            x = e.operands[0] if e.operands else None
            if e.primitive.name == "reshape":
                assert isinstance(x, Var)
                self.alias[e.results[0]] = self.root(x)
                self.memory.add(self.root(x))
                continue
            if self.is_write(e):
                keep += [x, e.results[0]]
                continue
            if self.is_reduction(e):
                keep += e.results
                continue
            keep += [o for o in self.stored(e) if isinstance(o, Var) and not self.in_registers(o)]
            in_scalars = is_control(e) or small.supported(e)
            keep += [r for r in e.results if not in_scalars or not self.in_registers(r)]
        keep += [v for e in self.graph.equations for v in self._looked_up(e)]
        self.memory |= {self.root(v) for v in keep if isinstance(v, Var) and isinstance(v.type, ArrayType)}
        self.memory = {v for v in self.memory if v in self.own or v.type.size <= self.limit}

    def stored(self, e: Equation) -> list[Any]:
        """What a step reads: its operands, or the arrays that the operands of a product are views of."""
        views = library.VIEWS.get(e.primitive.name, 0)
        return [self.viewed(o)[0] if k < views else o for k, o in enumerate(e.operands)]

    def viewed(self, o: Any) -> tuple[Any, tuple[int, ...] | None]:
        """What a large array is a view of (a transpose, or windows), and its strides there; itself and None for others."""
        views: list[Equation] = []
        while isinstance(o, Var) and o in self.own and o not in self.alias and not self.in_registers(o) and (
                self.own[o].primitive.name in ("transpose", "window")):
            views.append(self.own[o])
            o = self.own[o].operands[0]
        if not views:
            return o, None
        strides = contiguous(o.type.shape)
        for e in reversed(views):
            strides = access.view_strides(e, strides) or ()
        return o, strides

    def _looked_up(self, e: Equation) -> list[Any]:
        """Arrays that are read at places known only when the program runs."""
        return [e.operands[0]] if e.primitive.name == "index" and len(e.operands) > 1 else []

    def _read_in_part(self) -> set[Var]:
        """Values made of elements that index arrays pick, and of which only a part is read.

        They are computed whole, since an index that is out of bounds is found where the element is read.
        """
        picked: set[Any] = set()
        readers: dict[Any, list[Equation]] = {}
        for e in self.graph.equations:
            for o in picked.intersection(e.operands):
                readers.setdefault(o, []).append(e)
            if self.inlined[e] and (_looks_up(e) or picked.intersection(e.operands)):
                picked.add(e.results[0])
        picked -= self.memory.union(v for v in picked if self.in_registers(v))
        return {v for v in picked if not self._read_whole(v, readers.get(v, []))}

    def _read_whole(self, v: Var, readers: Sequence[Equation]) -> bool:
        read: Any = None
        for e in readers:
            place = {"index": _basic, "index_set": access.region}.get(e.primitive.name) if self.inlined[e] else None
            found = None if place is None or e.operands[0] is not v else place(e)
            if found is None:
                if not self.inlined[e] or e.results[0].type.size:
                    return True
                continue
            if v.type.size > PARTS:
                continue
            read = np.zeros(v.type.shape, bool) if read is None else read
            if e.primitive.name == "index":
                read[found] = True
            else:
                rest = np.ones(v.type.shape, bool)
                rest[tuple([slice(start, start + abs(n)) for start, n in found])] = False
                read |= rest
        return read is not None and bool(read.all())

    # ------------------------------------------------------------ order

    def leaf(self, v: Any) -> bool:
        return not isinstance(v, Var) or v not in self.own or v in self.memory or v in self.alias or self.in_registers(v)

    def reach(self, elements: Sequence[Element], extents: tuple[int, ...] = ()) -> tuple[set[Element], set[Element]]:
        """What these elements are made of, in loops of these extents: elements to load, and elements to compute."""
        ranges = dict(enumerate((0, n) for n in extents))
        leaves: set[Element] = set()
        inner: set[Element] = set()
        todo = list(elements)
        while todo:
            x, index = element = todo.pop()
            if element in leaves or element in inner:
                continue
            todo += gathered_in(index)
            if not isinstance(x, Var):
                if x.type.size > 1:
                    leaves.add(element)
                continue
            if self.leaf(x):
                leaves.add(element)
                continue
            inner.add(element)
            todo += parts_of(access.settle(access.expand(self.own[x], index), ranges))
        return leaves, inner

    def operands_of(self, root: Root) -> list[Element]:
        """The elements of operands that a root is computed from."""
        e, out = root.equation, []
        for index in root.elements:
            if root.kind == "store":
                ranges = dict(enumerate((0, n) for n in root.extents))
                out += [*parts_of(access.settle(access.expand(e, index), ranges)), *gathered_in(index)]
            elif root.kind == "reduce":
                out.append((e.operands[0], index))
            else:
                shape = access.shape_of_write(e)
                out.append((e.operands[1], access.element_of(e.operands[1].type.shape, shape, index)))
                out += gathered_in(root.place(index))
        return out

    def _root(self, v: Var, e: Equation) -> Root:
        if self.is_write(e):
            kind, shape = "write", access.shape_of_write(e)
        elif not self.inlined[e] and access.reduced(e):
            kind, shape = "reduce", e.operands[0].type.shape
        else:
            kind, shape = "store", v.type.shape
        if kind == "store" and v.type.size <= self.limit:
            return Root(v, e, kind, (), all_elements(shape))
        root = Root(v, e, kind, *elements_of(shape))
        cut = self._cut_axes(root, shape)
        return Root(v, e, kind, *elements_of(shape, cut)) if cut else root

    def _cut_axes(self, root: Root, shape: tuple[int, ...]) -> frozenset[int]:
        """Short axes along which the elements of a root are of several kinds, as in a concatenation of columns."""
        if root.kind != "store" or max(shape, default=0) < LONG:
            return frozenset()
        axes = loop_axes(shape)
        short = {k: a for k, a in enumerate(axes) if shape[a] <= CUT}
        if not short:
            return frozenset()
        found = set()
        _, inner = self.reach(self.operands_of(root), root.extents)
        expressions = [access.expand(self.own[x], i) for x, i in inner if isinstance(x, Var)]
        for expression in [*expressions, *[access.expand(root.equation, i) for i in root.elements]]:
            for guard in guards_of(expression):
                found |= {t for ix, _ in guard for t, _ in ix.terms if t in short}
        return frozenset(short[k] for k in found)

    def _schedule(self) -> None:
        self.items: list[Item] = []
        self.made: dict[Var, Item] = {}
        for e in self.graph.equations:
            v = e.results[0] if e.results else None
            if v in self.alias:
                continue
            if v is not None and (self.inlined[e] or self.is_write(e) or self.is_reduction(e)):
                for r in e.results:
                    if r in self.memory and (r.type.size or self.is_write(e)):
                        self._place(self._root(r, e))
                small = [r for r in e.results if self.in_registers(r)]
                if small:
                    self._eager(small)
                continue
            reads = {self.root(o) for o in self.stored(e) if isinstance(o, Var)}
            self._append(Step(reads, e), e.results)
        self._check_reads()

    def _append(self, item: Item, made: Sequence[Var]) -> None:
        self.items.append(item)
        self.made.update(dict.fromkeys(made, item))

    def _eager(self, results: list[Var]) -> None:
        v = results[0]
        leaves, _ = self.reach([p for at in all_elements(v.type.shape) for p in (
            *parts_of(access.settle(access.expand(self.own[v], at), {})), *gathered_in(at))])
        self._append(Scalars({self.root(x) for x, _ in leaves if isinstance(x, Var)}, tuple(results)), results)

    def _place(self, root: Root) -> None:
        """Join a nest that is there, or begin one."""
        leaves, inner = self.reach(self.operands_of(root), root.extents)
        home: Nest | None = None
        reads = {self.root(x) for x, _ in leaves if isinstance(x, Var)}
        if root.kind != "write":
            home = self._home(root, leaves)
        elif root.equation.operands[0] in self.own:
            reads.add(self.root(root.equation.operands[0]))  # type: ignore[arg-type]
        if root.kind == "write":
            reads |= {self.root(o) for o in root.equation.operands[:1] if isinstance(o, Var)}
        if home is None:
            home = Nest(extents=root.extents)
            self.items.append(home)
        home.extents = tuple(map(max, home.extents, root.extents))
        home.roots.append(root)
        home.leaves |= leaves
        home.inner |= inner
        home.reads |= reads
        self.made[root.var] = home

    def _home(self, root: Root, leaves: set[Element]) -> Nest | None:
        for item in reversed(self.items[-LOOK_BACK:]):
            mine = [(x, i) for x, i in leaves if self.made.get(self.root(x)) is item]  # type: ignore[arg-type]
            if isinstance(item, Nest) and not any(r.kind == "write" for r in item.roots) and _near(item.extents, root.extents):
                made = {r.var: r for r in item.roots}
                if all(self._here(made.get(x), i, root) for x, i in mine):
                    return item
            if mine:
                return None
        return None

    def _here(self, maker: Root | None, index: Index, root: Root) -> bool:
        """Whether the iteration of `maker` that computes the element is the one that reads it."""
        return maker is not None and maker.kind == "store" and maker.extents == root.extents and index in maker.elements

    def _computed_too_often(self) -> set[Var]:
        count: dict[Var, int] = {}
        for item in self.items:
            if isinstance(item, Nest):
                n = math.prod(item.extents)
                for x, _ in item.inner:
                    count[x] = count.get(x, 0) + n  # type: ignore[index]
        price: dict[Var, float] = {}
        again: set[Var] = set()
        for v, e in self.own.items():
            if v not in count or v.type.size == 0:
                continue
            own = elementwise.cost(e.primitive.name, e.params, v.type.dtype) if e.primitive.elementwise else 0.02
            if access.reduced(e):
                own = 0.05 * e.operands[0].type.size / max(v.type.size, 1)
            elif e.primitive.name == "contract":
                own = 0.05 * _terms(e)
            total = own + sum(price.get(o, 0.0) for o in e.operands if isinstance(o, Var) and o not in self.memory)
            price[v] = min(total, 1e6)
            if (count[v] / v.type.size - 1.0) * price[v] > WORTH and v.type.size > 1 and own > 0.02:
                again.add(v)
                price[v] = 0.0
        return again

    # ------------------------------------------------------------ who may be overwritten

    def _check_reads(self) -> None:
        self.last: dict[Var, int] = {}
        for k, item in enumerate(self.items):
            for v in item.reads:
                self.last[v] = k
        self.position = {id(item): k for k, item in enumerate(self.items)}
        self.returned = {self.root(o) for o in self.graph.outputs if isinstance(o, Var)}

    def dies_at(self, v: Any, item: Item) -> bool:
        """Whether nobody reads the memory of a variable after this item."""
        v = self.root(v)
        return v not in self.returned and self.last.get(v, -1) <= self.position[id(item)]


def _looks_up(e: Equation) -> bool:
    """Whether an equation reads or writes at places that an index array tells."""
    first = {"index": 1, "index_set": 2, "index_add": 2}.get(e.primitive.name)
    return first is not None and any(a.type.size for a in e.operands[first:])  # type: ignore[union-attr]


def _basic(e: Equation) -> tuple[Any, ...] | None:
    """What stands between the brackets of ``x[...]``, if no array does."""
    spec = e.params["spec"]
    if any(entry[0] == "a" for entry in spec):
        return None
    return tuple([slice(*entry[1:]) if entry[0] == "s" else None if entry[0] == "n" else entry[1] for entry in spec])


def _terms(e: Equation) -> int:
    """How many products an element of a contraction is the sum of."""
    a, _, out = split_spec(e.params["spec"])
    return math.prod([n for k, n in zip(a, e.operands[0].type.shape, strict=True) if k not in out])


def _near(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == len(b) and all(p == q or (abs(p - q) <= NEAR and min(p, q) > NEAR) for p, q in zip(a, b, strict=True))
