"""Blocks: what is staged at one time, and the values that may leave it.

What comes in: a Python function that runs the arm of a branch or the body of a loop. What goes out: a `Block`, a frame that has
recorded it, with everything that it changed undone. The one idea: a value may leave a block if a graph can carry it, a number,
an array or a tuple of them; anything else is a placeholder that explains itself when it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from traceback import walk_tb
from typing import Any

import numpy as np

from wengert.errors import BudgetError, StructureError, UnstageableError, WengertError
from wengert.frontends.registry import NeedsValueError
from wengert.frontends.trace import Frame, active_frame, is_library, user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import ArrayType, Const, Graph, Var, type_of
from wengert.primitives.elementwise import not_equal
from wengert.primitives.structure import convert, reshape

__all__ = [
    "MIXED",
    "NOTHING",
    "UNBOUND",
    "Block",
    "Carried",
    "Unbound",
    "attempt",
    "carried",
    "guard",
    "guard_of",
    "innermost",
    "is_array",
    "is_abstract",
    "is_sole",
    "join",
    "leaf_type",
    "raised",
    "same_value",
    "truth_value",
]

MIXED = "a number that is a Python number on one way and a NumPy number on another meets single precision"


class Unbound:
    """Stands for a variable that has no single value here; it explains itself when it is used."""

    def __init__(self, name: str, why: str):
        self.__dict__.update(name=name, why=why)

    def _fail(self, *args: Any, **kwargs: Any) -> Any:
        d = self.__dict__
        if args and isinstance(args[0], str) and args[0].startswith("__"):  # Python's own questions about an object
            raise AttributeError(args[0])
        raise UnstageableError(f"{d['name']} {d['why']} (used at {user_line()})")

    def refuse(self) -> None:
        """The function that is staged returns it."""
        raise UnstageableError(f"{self.__dict__['name']} {self.__dict__['why']}")

    __getattr__ = __setattr__ = __bool__ = __call__ = __iter__ = __getitem__ = __setitem__ = __len__ = _fail
    __float__ = __int__ = __index__ = __array_ufunc__ = __array_function__ = __array__ = __neg__ = __contains__ = _fail
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __pow__ = __rpow__ = _fail
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __mod__ = __floordiv__ = __matmul__ = __str__ = __format__ = _fail
    __hash__ = object.__hash__


UNBOUND = Unbound("a variable", "is unbound")
NOTHING = object()  # None, returned early; while nothing is returned, the value is None


def is_abstract(x: Any) -> bool:
    """Whether a value is known only when the program runs."""
    return isinstance(x, Tracer) and x.value is None


def truth_value(x: Tracer) -> Any:
    """``bool(x)`` of a traced value, traced."""
    if x.type.size != 1:
        raise ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()")
    if x.shape:
        x = reshape(x, shape=())
    return x if x.dtype.kind == "b" else not_equal(x, np.zeros((), x.dtype)[()])


# ---------------------------------------------------------------- what can be carried


class Carried:
    """A value that an equation can carry: leaves, and how they make the value again."""

    __slots__ = ("kinds", "leaves", "rebuild")

    def __init__(self, leaves: list[Any], kinds: list[str], rebuild: Callable[[Sequence[Any]], Any]):
        self.leaves, self.kinds, self.rebuild = leaves, kinds, rebuild


def carried(x: Any) -> Carried | None:
    """A number, an array, or a tuple of them; None for anything else."""
    if type(x) is tuple:
        parts = [carried(e) for e in x]
        if any(p is None for p in parts):
            return None
        whole = [p for p in parts if p is not None]
        ends = np.cumsum([0, *[len(p.leaves) for p in whole]])

        def rebuild(leaves: Sequence[Any]) -> Any:
            return tuple(p.rebuild(leaves[a:b]) for p, a, b in zip(whole, ends[:-1], ends[1:], strict=True))

        return Carried([e for p in whole for e in p.leaves], [k for p in whole for k in p.kinds], rebuild)
    if isinstance(x, Tracer):
        return Carried([x], [x.kind if x.kind in ("scalar", "box") else ""], lambda leaves: leaves[0])
    if isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic):
        if type(x) is int and not -1 << 63 <= x < 1 << 63:
            return None
        return Carried([x], ["scalar"], lambda leaves: leaves[0])
    if isinstance(x, np.generic) and x.dtype.kind in "fciub":
        return Carried([x], [""], lambda leaves: leaves[0])
    return None


def is_array(x: Any) -> bool:
    """Whether a value is an array, not a number; a view is not asked for its value, which may be of a closed block."""
    if not isinstance(x, Tracer):
        return False
    return x.lens is not None or bool(x.shape)


def leaf_type(x: Any) -> ArrayType:
    return x.type if isinstance(x, Tracer) else type_of(x)


def join(a: tuple[ArrayType, str], b: tuple[ArrayType, str]) -> tuple[ArrayType, str] | None:
    """The type and kind of a value that is one or the other."""
    (s, k), (t, m) = a, b
    if s.shape != t.shape or "box" in (k, m):
        return (s, k) if a == b and k != "box" else None
    if k != m:
        innermost().root().mixed = True
    kind = k if k == m else ""
    if s.dtype == t.dtype:
        return s, kind
    dtype = np.result_type(s.dtype, t.dtype)
    if "b" in (s.dtype.kind, t.dtype.kind) or s.shape or dtype.kind not in "fc" or "scalar" not in (k, m):
        return None
    return ArrayType(s.shape, dtype), kind


def innermost() -> Any:
    frame = active_frame()
    assert frame is not None
    return frame


class Block(Frame):
    """A frame with the helpers of this file.

    Attributes
    ----------
    parent : Block or None
    frozen_values : dict
        Identity of an array that a variable holds at the end of the block -> its value there.
    mixed, single : bool
        Of the outermost block: see `MIXED`.
    carried_places : set
        Keys of attributes and items that the block carries like variables.
    stored, changed : dict
        Others that it was seen to change: key -> the place and what it held before, while the block is open; key -> the place
        when it has closed, and they hold again what they held before.
    """

    __slots__ = ("carried_places", "changed", "frozen_values", "mixed", "parent", "single", "stored")

    def __init__(self, name: str):
        super().__init__(name)
        self.parent = active_frame()
        self.mixed = self.single = False
        self.frozen_values: dict[int, Any] = {}
        self.carried_places: set[Any] = set()
        self.stored: dict[Any, tuple[Any, Any]] = {}
        self.changed: dict[Any, Any] = {}

    def _closes(self) -> None:
        super()._closes()
        for key, (place, before) in self.stored.items():
            place.write(before)
            self.changed[key] = place
        self.stored.clear()  # what it held may not count as an alias any more

    def type_of(self, x: Any) -> ArrayType:
        """The type of a value that a variable holds at the end of the block."""
        return leaf_type(self.frozen_values.get(id(x), x))

    def freeze(self, values: list[Any]) -> list[Any]:
        """The values, with what their arrays hold now remembered: writes are undone when the block closes."""
        for x in values:
            found = carried(x)
            for leaf in found.leaves if found is not None else ():
                if isinstance(leaf, Tracer):
                    self.frozen_values[id(leaf)] = leaf.frozen()
        return values

    def root(self) -> Any:
        block = self
        while isinstance(block.parent, Block):
            block = block.parent
        return block

    def emit(self, primitive: Any, atoms: Any, params: Any) -> Any:
        results = super().emit(primitive, atoms, params)
        if any(r.type.dtype.char in "feF" for r in results):
            self.root().single = True
        return results

    def atom(self, x: Any, wanted: ArrayType) -> Any:
        """The atom of a value in this block, in the type that is wanted; the block is open again."""
        if not isinstance(x, Tracer):
            return Const(np.asarray(x, wanted.dtype))
        x = self.frozen_values.get(id(x), x)

        def inside() -> Any:
            if x.build is None:
                out: Any = Tracer(self, Const(x.cell))
            elif x.build is self:
                out = x
            else:
                out = Tracer(self, self.capture(x))
            if out.type is not wanted:
                out = convert(out, dtype=wanted.dtype)
            return out.atom
        return inside() if active_frame() is self else self.run(inside)

    def state_atom(self, cell: Any, wanted: ArrayType) -> Any:
        """The atom that a cell has at the end of this block."""
        state = self.final.get(id(cell), (cell, cell.state()))[1]
        value = Tracer(state[0], state[1], state[2])
        self.frozen_values.pop(id(value), None)
        return self.atom(value, wanted)

    def graph(self, inputs: Sequence[Var], outputs: Sequence[Any]) -> Graph:
        return self.build.extract(inputs, outputs, self.effects)


def attempt(run: Callable[[], Any], undo: Callable[[], None]) -> tuple[Block, Any]:
    """Run a block in a frame of its own; what it wrote and bound is undone."""
    block = Block("jit")
    try:
        out = block.run(run)
    except (NeedsValueError, UnstageableError, StructureError, BudgetError):
        raise
    except RecursionError as error:
        raise UnstageableError(f"{raised(error)}: recursion to no end, or to one that a traced value decides") from error
    except WengertError as error:
        raise UnstageableError(str(error)) from error
    except Exception as error:  # the block may never run: its errors are not the program's
        raise UnstageableError(f"a block raises {raised(error)} while it is traced") from error
    finally:
        undo()
    return block, out


def raised(error: BaseException) -> str:
    """An error with the user's line that it rose at."""
    lines = [f"{frame.f_code.co_filename}:{line}" for frame, line in walk_tb(error.__traceback__)
             if not is_library(frame.f_code.co_filename)]
    return f"{type(error).__name__}{' at ' + lines[-1] if lines else ''} ({error})"


# ---------------------------------------------------------------- who holds an array


def is_sole(x: Any, known: int) -> bool:
    """Whether nobody holds an array (or what it looks at) but `known` references and the caller's frame here."""
    if not is_array(x):
        return True
    if sys.getrefcount(x) > known + 2:  # the parameter, and getrefcount's own
        return False
    lens = x.lens
    while lens is not None:
        base = lens.base
        if lens.kind == "choice" or sys.getrefcount(base) > 3:  # the lens, `base`, and getrefcount's own
            return False
        lens = base.lens
    return True


def guard_of(x: Any) -> str | None:
    """Why an array may not be written to."""
    return next((root.guard for root in x.roots() if root.guard is not None), None)


def guard(x: Any, why: str | None) -> None:
    for leaf in x if type(x) is tuple else (x,):
        if is_array(leaf):
            for root in leaf.roots():
                root.guard = why


# ---------------------------------------------------------------- comparing


def same_value(a: Any, b: Any) -> bool:
    """Equal Python numbers, strings and the like, to the bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (float, complex)) and not isinstance(a, np.generic):
        return repr(a) == repr(b)
    if type(a) is tuple:
        return len(a) == len(b) and all(x is y or same_value(x, y) for x, y in zip(a, b, strict=True))
    return isinstance(a, (bool, int, str, bytes)) and bool(a == b)
