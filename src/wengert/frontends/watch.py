"""Watching what a staged function read from around it.

What comes in: globals, closure variables, attributes and items as they are read while a function is staged. What goes out: a
list of reads that can be made again, each with a fingerprint of what it gave. The one idea: before a staged graph is used again
everything it was made from is read again; a rebound name, a changed setting, an array changed in place make a new trace.
"""

from __future__ import annotations

import array
import builtins
import functools
import hashlib
import inspect
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import numpy as np

from wengert.frontends.trace import HERE, active_frame, is_library, same_bits
from wengert.frontends.tracer import Tracer

__all__ = ["MISSING", "Attribute", "Item", "Watched", "fingerprint", "made", "made_here", "may_change", "note",
           "note_class", "note_function", "note_module", "note_partial", "note_state", "remembered", "same_as", "watching"]


class Attribute:
    """An attribute of an object."""

    __slots__ = ("holder", "name")

    def __init__(self, holder: Any, name: str):
        self.holder, self.name = holder, name

    def key(self) -> Any:
        return "attribute", id(self.holder), self.name

    def __call__(self) -> Any:
        return getattr(self.holder, self.name)

    def place(self) -> tuple[str, Any, Any] | None:
        """The kind of the read, the holder and the name, if no code of the user's runs where it is read."""
        kind = type(self.holder)
        if kind in _CONTAINERS:
            return "part", self.holder, self.name
        if not isinstance(self.holder, (types.FunctionType, type)):
            if kind.__getattribute__ is not object.__getattribute__ or hasattr(kind, "__getattr__"):
                return None
            found = inspect.getattr_static(kind, self.name, None)
            if hasattr(type(found), "__get__") and not isinstance(found, _PLAIN_DESCRIPTORS):
                return None
        elif kind not in (types.FunctionType, type):
            return None
        return "attribute", self.holder, self.name


class Item:
    """An item of a list or dict (a module's globals among them)."""

    __slots__ = ("holder", "name")

    def __init__(self, holder: Any, name: Any):
        self.holder, self.name = holder, name

    def key(self) -> Any:
        return "item", id(self.holder), type(self.name), str(self.name)

    def __call__(self) -> Any:
        return self.holder[self.name]

    def place(self) -> tuple[str, Any, Any] | None:
        if type(self.holder) is dict and type(self.name) is str:  # it may be missing
            return "item", self.holder, self.name
        return (type(self.holder).__name__, self.holder, None) if type(self.holder) in (list, dict) else None


class _Cell:
    """A closure variable."""

    __slots__ = ("cell",)

    def __init__(self, cell: Any):
        self.cell = cell

    def key(self) -> Any:
        return "cell", id(self.cell)

    def __call__(self) -> Any:
        return self.cell.cell_contents

    def place(self) -> tuple[str, Any, Any] | None:
        return "cell", self.cell, None


MISSING = object()
_BUFFERS = (bytearray, memoryview, array.array)
_CHANGING = (np.ndarray, list, dict, types.MappingProxyType, set, deque, np.flatiter, *_BUFFERS)
_CONTAINERS = (np.ndarray, list, dict)  # all that their attributes give is known where they have not changed
_PLAIN_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType)


def may_change(x: Any) -> bool:
    """Whether a value can be another one while it is the same object: an array, a list, a tuple with one in it."""
    if isinstance(x, functools.partial):
        return may_change((x.args, tuple(x.keywords.values())))
    if isinstance(x, (tuple, frozenset)):
        return any(may_change(e) for e in x)
    if isinstance(x, types.BuiltinMethodType):
        return isinstance(x.__self__, _CHANGING)
    return isinstance(x, _CHANGING)


def _digest(x: np.ndarray[Any, Any]) -> Any:
    return x.shape, x.dtype.str, x.strides, hashlib.blake2b(np.ascontiguousarray(x).tobytes()).digest()


class _Same:
    """An object that stands for itself. It is held: another one may not come to lie where it lay."""

    __slots__ = ("x",)

    def __init__(self, x: Any):
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.x is other.x

    def __hash__(self) -> int:
        return id(self.x)


def fingerprint(x: Any, array: Callable[[np.ndarray[Any, Any]], Any] = _digest, seen: dict[int, int] | None = None) -> Any:
    """Equal for values that a program cannot tell apart, as far as they are data; objects stand for themselves.

    `array` gives what stands for an array; `seen` numbers the containers on the way, which may hold each other.
    """
    if x is None or isinstance(x, (bool, int, str, bytes)):
        return type(x), x
    if type(x) is float or type(x) is complex:
        return type(x), repr(x)
    if isinstance(x, np.ndarray) and x.dtype != object:
        return array(x)
    if isinstance(x, np.generic):
        return x.dtype.str, x.tobytes()
    if isinstance(x, _BUFFERS):
        return type(x), bytes(x)
    if isinstance(x, (functools.partial, tuple, frozenset, *_CHANGING)):
        seen = {} if seen is None else seen
        if isinstance(x, _CHANGING) and seen.setdefault(id(x), len(seen)) != len(seen) - 1:
            return "again", seen[id(x)]
        return _parts(x, array, seen)
    if isinstance(x, types.MethodType):
        return "method", _Same(x.__func__), _Same(x.__self__)
    if isinstance(x, types.BuiltinMethodType) and not isinstance(x.__self__, types.ModuleType):
        owner = x.__self__  # the object is a new one at each look; what it gives depends on the owner
        plain = isinstance(owner, (str, *_CHANGING))
        return "method", x.__name__, fingerprint(owner, array, seen) if plain else _Same(owner)
    return _Same(x)


def _parts(x: Any, array: Callable[[np.ndarray[Any, Any]], Any], seen: dict[int, int]) -> Any:
    """The fingerprint of what holds others."""
    def each(items: Any) -> tuple[Any, ...]:
        return tuple([fingerprint(e, array, seen) for e in items])

    if isinstance(x, np.ndarray):
        return x.shape, each(x.flat)
    if isinstance(x, np.flatiter):
        return x.index, fingerprint(x.base, array, seen)
    if isinstance(x, functools.partial):
        return type(x), each((x.func, x.args, x.keywords))
    if isinstance(x, (dict, types.MappingProxyType)):
        items = dict.items(x) if isinstance(x, dict) else x.items()
        return type(x), tuple([(fingerprint(k, array, seen), fingerprint(v, array, seen)) for k, v in items])
    return type(x), len(x), each(x)


class _Bytes:
    """An array, or what it was: a copy in the same memory order, which is faster to compare than a digest is to compute."""

    __slots__ = ("data", "strides")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: np.ndarray[Any, Any], strides: tuple[int, ...]):
        self.data, self.strides = data, strides

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bytes) and self.strides == other.strides and same_bits(self.data, other.data)

    def dense(self) -> bool:
        """Whether the elements lay in memory without gaps, so that the bytes of the copy are those of the array."""
        return self.data.strides == self.strides


def _ordinary(x: np.ndarray[Any, Any]) -> bool:
    return type(x) is np.ndarray and x.dtype.kind in "fciub"


def _kept(x: np.ndarray[Any, Any]) -> Any:
    return _Bytes(x.copy(order="K"), x.strides) if _ordinary(x) else _digest(x)


def _seen(x: np.ndarray[Any, Any]) -> Any:
    return _Bytes(x, x.strides) if _ordinary(x) else _digest(x)


def remembered(x: Any) -> Any:
    """What `same_as` compares with; arrays are copied."""
    return fingerprint(x, array=_kept)


def same_as(x: Any, was: Any) -> bool:
    """Whether something is as it was `remembered`, bit by bit: it may have changed in place."""
    return bool(fingerprint(x, array=_seen) == was)


def _contents(x: Any, was: Any) -> list[tuple[str, Any, Any, Any]] | None:
    """What shows whether a value has changed in place, as far as its fingerprint looks; None if there is nothing such."""
    if isinstance(was, _Bytes):
        return [("array", x, None, was.data)] if was.dense() else None
    if type(x) not in (tuple, list, dict):
        return None if may_change(x) else []
    if was[0] == "again":
        return []
    found = [] if type(x) is tuple else [_pinned(x)]
    parts = zip(x.values(), [w for _, w in was[1]], strict=True) if type(x) is dict else zip(x, was[2], strict=True)
    for part, w in parts:
        inner = _contents(part, w)
        if inner is None:
            return None
        found += inner
    return found


def _pinned(x: Any) -> tuple[str, Any, Any, Any]:
    """That a list or dict has the very items that it has."""
    return type(x).__name__, x, None, tuple(x) if type(x) is list else None


_ABSENT = fingerprint(MISSING)


class Watched:
    """What one trace read. `steady` is False if a graph made from it cannot be used again."""

    def __init__(self) -> None:
        self.reads: dict[Any, tuple[Any, Any, Any]] = {}
        self.arguments: dict[int, Any] = {}
        self.steady = True

    def ignore(self, x: Any) -> None:
        """Containers that the arguments are made of are not read from around the function."""
        if isinstance(x, (list, tuple, dict)) or hasattr(x, "__dataclass_fields__"):
            self.arguments[id(x)] = x
            parts = x.values() if isinstance(x, dict) else x if isinstance(x, (list, tuple)) else [
                getattr(x, name, None) for name in x.__dataclass_fields__]
            for part in parts:
                self.ignore(part)

    def note(self, read: Any, value: Any) -> None:
        if id(getattr(read, "holder", None)) in self.arguments:
            return
        key = read.key()
        if key not in self.reads:
            self.reads[key] = (read, fingerprint(value, array=_kept), value)
        if isinstance(value, Tracer) or (isinstance(value, (list, tuple)) and any(isinstance(e, Tracer) for e in value)):
            self.steady = False

    def unchanged(self) -> bool:
        """Whether every read gives what it gave."""
        for read, print_, value in self.reads.values():
            try:
                now = read()
            except (AttributeError, KeyError, IndexError, ValueError):
                now = MISSING
            if now is value and not may_change(now):
                continue
            if fingerprint(now, array=_seen) != print_:
                return False
        return True

    def identities(self) -> list[tuple[str, Any, Any, Any]] | None:
        """The reads as (kind, holder, name, object), if they are unchanged as long as each gives that very object.

        That is so for numbers, strings, modules, functions. What can change in place is there once more, as ("array", array,
        None, copy), ("list", list, None, its items) or ("dict", dict, None, None). None where a set or the like may change. To
        be asked where `unchanged` holds, and to be believed where it holds afterwards.
        """
        found: list[tuple[str, Any, Any, Any]] = []
        contents: dict[int, tuple[str, Any, Any, Any]] = {}
        parts = set()
        for read, was, _ in self.reads.values():
            try:
                place = read.place()
                if was == _ABSENT and place is not None and place[0] == "item" and place[2] not in place[1]:
                    found.append(("absent", place[1], place[2], None))
                    continue
                now, again = read(), read()
                inner = [] if place is None else _contents(now, was)
            except (AttributeError, KeyError, IndexError, TypeError, ValueError):
                return None
            if place is not None and place[0] == "part":
                parts.add(id(place[1]))
                continue
            if place is None or now is not again:
                return None
            if place[2] == "__kwdefaults__" and type(now) is dict:
                found += [("item", now, k, v) for k, v in now.items()]
                if any(may_change(v) for v in now.values()):
                    return None
                inner = []
            if inner is None:
                return None
            if place[2] is None and place[0] != "cell":  # an item of a list: with all others
                inner.append(_pinned(place[1]))
            else:
                found.append((*place, now))
            contents.update({id(row[1]): row for row in inner})
        return [*found, *contents.values()] if parts.issubset(contents) else None


_WATCHED: ContextVar[Watched | None] = ContextVar("watched", default=None)


@contextmanager
def watching(watched: Watched) -> Iterator[Watched]:
    """Reads are noted here while a function is staged."""
    token = _WATCHED.set(watched)
    try:
        yield watched
    finally:
        _WATCHED.reset(token)


def made(tree: Any) -> Any:
    """A tree of containers that was built for the function that is staged: what `grad` in it calls with, or what it gave. It is
    no more read from around the function than its arguments are. Gives it back."""
    watched = _WATCHED.get()
    if watched is not None:
        watched.ignore(tree)
    return tree


def made_here(x: Any) -> bool:
    """Whether a container or instance was made in the function that is being staged."""
    frame: Any = active_frame()
    while frame is not None:
        if frame.made.get(id(x)) is x:
            return True
        frame = frame.outer
    return False


def _made_inside(x: Any) -> bool:
    """Whether a value belongs to the program that is being staged: what holds it was made there too."""
    frame = active_frame()
    if frame is None or not isinstance(x, Tracer) or x.build is None:
        return False
    while frame.outer is not None:
        frame = frame.outer
    return bool(x.build.level >= frame.level)


def note(read: Any, value: Any) -> None:
    """Note a read."""
    watched = _WATCHED.get()
    if watched is not None and not _made_inside(value):
        watched.note(read, value)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            yield from _names(c)


def note_partial(f: Any) -> None:
    """Note the arguments that `functools.partial` keeps of a function that is staged."""
    while type(f) is functools.partial:
        note(Attribute(f, "args"), f.args)
        note(Attribute(f, "keywords"), f.keywords)
        f = f.func


def note_function(f: types.FunctionType) -> None:
    """Note the code, the defaults, the globals and the closure variables of a function that is staged."""
    if _WATCHED.get() is None:
        return
    for name in ("__code__", "__defaults__", "__kwdefaults__"):
        note(Attribute(f, name), getattr(f, name))
    for name in dict.fromkeys(_names(f.__code__)):
        if name in f.__globals__ or hasattr(builtins, name):  # which may be shadowed later
            note(Item(f.__globals__, name), f.__globals__.get(name, MISSING))
    for cell in f.__closure__ or ():
        with suppress(ValueError):  # it may be empty yet
            note(_Cell(cell), cell.cell_contents)


def note_class(x: Any, cls: type, name: str) -> None:
    """Note which function of its class answers for an object."""
    note(Attribute(x, "__class__"), type(x))
    note(Attribute(cls, name), getattr(cls, name))


def note_module(x: types.ModuleType, name: str, value: Any) -> None:
    """Note what was read of a module of the user's own; those of libraries stay as they are."""
    file, spec = getattr(x, "__file__", None), getattr(x, "__spec__", None)
    if is_library(file) if file else spec is not None and spec.origin in ("built-in", "frozen"):
        return
    held = vars(x)
    note(Item(held, name) if name in held else Attribute(x, name), value)


_STATELESS = (*_CHANGING, tuple, frozenset, str, bytes, int, float, complex, np.generic, np.dtype, np.ufunc, Tracer, type,
              types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinMethodType, functools.partial, range,
              type(None), slice, type(Ellipsis))


def note_state(x: Any) -> None:
    """Note all that an object holds, for code is to look at it that is not staged: methods of operators, libraries.

    Objects in it are looked into where their class is the user's.
    """
    if type(x) in _PLAIN or _WATCHED.get() is None:
        return
    stack, seen = [x], {id(x)}
    while stack:
        y = stack.pop()
        inner = list(y.values()) if type(y) is dict else list(y) if type(y) in (list, tuple, set, frozenset) else _used_by(y)
        if not isinstance(y, _STATELESS) and not made_here(y) and _may_look_at(type(y), y is x):
            for name in _kept_names(y):
                with suppress(AttributeError):
                    inner.append(value := getattr(y, name))
                    note(Attribute(y, name), value)
        fresh = [z for z in inner if id(z) not in seen and (type(z) not in _PLAIN or type(z) is types.FunctionType)]
        seen.update(map(id, fresh))
        stack += fresh


def _used_by(f: Any) -> list[Any]:
    """What a function of the user's that an object holds may look at when a library calls it."""
    if type(f) is types.MethodType:
        return [f.__func__, f.__self__]
    if type(f) is functools.partial:
        return [f.func, *f.args, *f.keywords.values()]
    if type(f) is not types.FunctionType or is_library(f.__code__.co_filename):
        return []
    note_function(f)
    found = []
    for cell in f.__closure__ or ():
        with suppress(ValueError):  # it may be empty yet
            found.append(cell.cell_contents)
    return found


_PLAIN = frozenset((float, int, bool, complex, str, np.ndarray, np.float64, np.bool_, Tracer, type(None), type, np.ufunc,
                      type(np.concatenate), types.FunctionType, types.ModuleType))


def _may_look_at(cls: type, outermost: bool) -> bool:
    """Whether instances of a class may be looked into: the user's, models, and those of a library that are used themselves."""
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None) or ""
    if file.startswith(HERE):  # trees of arrays are the user's, whoever wrote the class; a graph never changes
        return hasattr(cls, "__dataclass_fields__") and not cls.__module__.startswith("wengert.graph.")
    return (outermost or not (cls.__module__ == "builtins" or (file and is_library(file))))


def _kept_names(x: Any) -> list[str]:
    """The attributes that an object keeps itself."""
    slots = [n for c in type(x).__mro__ for n, d in vars(c).items() if isinstance(d, types.MemberDescriptorType)]
    return [*getattr(x, "__dict__", ()), *slots]
