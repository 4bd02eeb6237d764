"""Callables that Python calls straight in machine code.

What comes in: a class of callables, an instance of it, a compiled kernel and what must not have changed around it. What goes
out: an instance whose calls enter machine code, and fall back to the class's own ``__call__``. The one idea: an instance of
`Native` holds the pointer that Python's vectorcall follows, and rows of (entry, what must not have changed), which are tried in
turn; while the pointer is null, or where the arguments fit no row, ``__call__`` runs.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from wengert.backends.compiled.heap import HAVE_VECTORCALL, POSSIBLE, heap_type
from wengert.errors import InputError, UnsupportedError

if TYPE_CHECKING:
    from wengert.backends.compiled.entry import Signature
    from wengert.graph import ArrayType

__all__ = ["Compiled", "Linked", "Native", "Program", "Table", "enable", "enters", "install", "installed", "link",
           "remove", "watchable"]

_TP_FLAGS = 168  # where in a type object
_MOST = 64  # rows of one callable


class Compiled(Protocol):
    """What `install` needs of a compiled graph.

    Attributes
    ----------
    text : str
        The module: ``@kernel`` and what it calls.
    symbols : Mapping of str to int
        Addresses of the outer names in it that the process does not export.
    hosts : int
        The address of its table of calls of Python; 0 if it has none.
    constants : int
        The address of its table of constant arrays; 0 if it has none.
    """

    text: str
    symbols: Mapping[str, int]
    hosts: int
    constants: int
    workspace: int


class _Plain:
    """In the place of the native type where Python is another one: calls always go to ``__call__``."""

    _vectorcall = 0


def _native() -> Any:
    """The pointer, and in a slot that the garbage collector sees what keeps the rows alive."""
    if not POSSIBLE:
        return _Plain
    words = heap_type(f"{__name__}.Words", {"_vectorcall": VECTORCALL}, VECTORCALL)
    made = type("Native", (words,), {"__slots__": ("_keeper",), "__module__": __name__})
    trial, mark = made(), object()
    trial._keeper = mark
    return made if ctypes.c_size_t.from_address(id(trial) + KEEPER).value == id(mark) else _Plain


VECTORCALL, KEEPER = 16, 24  # where in a `Native`
ROWS = 16  # where in a keeper
Native: Any = _native()


def enable(cls: Any) -> Any:
    """Let Python follow the pointer of instances of a class derived from `Native` that has its own ``__call__``.

    A class defined in Python does not inherit this from its base before 3.12, nor afterwards where it defines ``__call__``.
    A null pointer means: as if this had not been done.
    """
    if Native is not _Plain:
        where = id(cls) + _TP_FLAGS
        flags = ctypes.c_ulong.from_address(where)
        if flags.value == cls.__flags__ and not cls.__flags__ & HAVE_VECTORCALL:
            flags.value |= HAVE_VECTORCALL
    return cls


# ---------------------------------------------------------------- what must not have changed


class _Row(ctypes.Structure):
    _fields_ = [("what", ctypes.c_int64), ("a", ctypes.c_void_p), ("b", ctypes.c_void_p), ("expected", ctypes.c_void_p)]


_WORD, _VERSION, _ITEM, _ATTRIBUTE, _CONTEXT, _BYTES, _MODES = range(7)
_HEADER = 16, 68  # of an array: its data, dimensions, strides, base, dtype and flags
_MA_VERSION = 24


@functools.cache
def _has_versions() -> bool:
    """Whether dicts carry a number that every change changes (until Python 3.13)."""
    if sys.version_info >= (3, 14):
        return False
    d: dict[str, int] = {"a": 1}
    number = ctypes.c_uint64.from_address(id(d) + _MA_VERSION)
    seen = [number.value]
    for change in (lambda: d.update(a=2), lambda: d.update(b=1), lambda: d.pop("b")):
        change()
        seen.append(number.value)
    return len(set(seen)) == len(seen) and max(seen) < 1 << 63


@functools.cache
def _function_words() -> dict[str, int] | None:
    """Where a function holds its code and its defaults."""
    from wengert.backends.compiled.python import offsets_of

    def f(a: int = 3, *, b: int = 4) -> None: ...

    found = {name: offsets_of(f, id(getattr(f, name)), 104) for name in ("__code__", "__defaults__", "__kwdefaults__")}
    return None if None in found.values() else found  # type: ignore[return-value]


_LOUD = 0o6666  # of NumPy's four modes, those that are not "ignore" and "warn"


@functools.cache
def _has_modes(state: Any) -> bool:
    """Whether what `np.errstate` sets lies where it is looked for: a number, to which a capsule points."""
    from wengert.backends.compiled.python import word

    trials: list[tuple[Any, ...]] = [("ignore", "warn", "raise", "call", 0o3210), ("print", "log", "ignore", "warn", 0o1054)]
    for divide, over, under, invalid, number in trials:
        with np.errstate(divide=divide, over=over, under=under, invalid=invalid):
            now = state.get()
            if type(now).__name__ != "PyCapsule" or word(word(id(now) + 16)) & 0xFFFFFFFF != number:
                return False
    return True


def watchable(reads: Iterable[tuple[str, Any, Any, Any]]) -> bool:
    """Whether a `Table` can be made of them: not of dicts in a Python that does not number their changes."""
    return _has_versions() or not any(read[0] == "dict" for read in reads)


_LOOK = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)


class Table:
    """What an entry looks at before it runs: words and objects that must be what they were.

    Parameters
    ----------
    reads : iterable of (str, holder, name, object)
        "item": the dict `holder` has `object` under `name`; "absent": it has nothing there; "cell": the closure cell `holder`
        holds it; "attribute": it is found under that name; "context": the context variable `holder` has it; "zero": the word
        at the address `holder` is zero; "modes": NumPy's state in the context variable `holder` asks neither to raise nor to
        call, or is the object.
        Objects are compared by identity. "array": the array `holder`, which another read has found, has the bytes of
        the object, a copy in the same memory order; "list": the list `holder` has the items of the object, a tuple; "dict": the
        dict `holder` has not been changed (see `watchable`). Holders that can be freed are held by other reads.
    """

    def __init__(self, reads: Iterable[tuple[str, Any, Any, Any]]):
        self.reads = list(reads)
        self.names = [sys.intern(name) if type(name) is str else name for _, _, name, _ in self.reads]
        items: dict[int, list[tuple[int, int, int, int]]] = {}
        words: list[tuple[int, int, int, int]] = []
        others: list[tuple[int, int, int, int]] = []
        arrays: list[tuple[int, int, int, int]] = []  # last: by then it is known that they are the same objects
        self.copies: list[Any] = []
        for (kind, holder, _, x), name in zip(self.reads, self.names, strict=True):
            if kind == "item":
                items.setdefault(id(holder), []).append((_ITEM, id(holder), id(name), id(x)))
            elif kind == "absent":
                items.setdefault(id(holder), []).append((_ITEM, id(holder), id(name), 0))
            elif kind == "zero":
                words.append((_WORD, holder, 0, 0))
            elif kind == "cell":
                words.append((_WORD, id(holder) + 16, 0, id(x)))
            elif kind == "context":
                others.append((_CONTEXT, id(holder), 0, id(x)))
            elif kind == "modes":
                others.append((_MODES, id(holder), 0, _LOUD) if _has_modes(holder) else (_CONTEXT, id(holder), 0, id(x)))
            elif kind == "array":
                arrays += self._array(holder, x)
            elif kind == "list":
                arrays += self._list(holder, x)
            elif kind == "dict":
                words.append((_WORD, id(holder) + _MA_VERSION, 0, ctypes.c_uint64.from_address(id(holder) + _MA_VERSION).value))
            else:
                (words if (row := _function_word(holder, name, x)) else others).append(
                    row or (_ATTRIBUTE, id(holder), id(name), id(x)))
        rows = words
        for which, group in items.items():
            if _has_versions():
                rows.append((_VERSION, which + _MA_VERSION, len(group), (1 << 64) - 1))
            rows += group
        rows += others + arrays
        self.memory = (_Row * (len(rows) + 1))()
        ctypes.c_int64.from_buffer(self.memory).value = len(rows)
        for k, row in enumerate(rows):
            self.memory[k + 1] = _Row(*row)

    def _array(self, x: np.ndarray[Any, Any], copy: np.ndarray[Any, Any]) -> list[tuple[int, int, int, int]]:
        """Where an array lies in memory, and what is there."""
        from wengert.backends.compiled.python import word

        rows = []
        begin, end = _HEADER
        for at, size in ((id(x) + begin, end - begin), (word(id(x) + 32), 8 * x.ndim), (word(id(x) + 40), 8 * x.ndim)):
            rows.append(self._bytes(at, ctypes.string_at(at, size)))
        return [*rows, (_BYTES, x.ctypes.data, x.nbytes, copy.ctypes.data)]

    def _list(self, x: list[Any], items: tuple[Any, ...]) -> list[tuple[int, int, int, int]]:
        from wengert.backends.compiled.python import word

        first, words = word(id(x) + 24), np.array([len(items), word(id(x) + 24)], np.uint64)
        return [self._bytes(id(x) + 16, words.tobytes()), self._bytes(first, np.array([*map(id, items)], np.uint64).tobytes())]

    def _bytes(self, where: int, expected: bytes) -> tuple[int, int, int, int]:
        self.copies.append(ctypes.create_string_buffer(expected, len(expected) + 1))
        return _BYTES, where, len(expected), ctypes.addressof(self.copies[-1])

    @property
    def address(self) -> int:
        return ctypes.addressof(self.memory)

    def unchanged(self) -> bool:
        """As an entry finds it."""
        from wengert.backends.compiled.python import support

        return bool(_LOOK(support().address("unchanged"))(self.address))


def _function_word(holder: Any, name: Any, x: Any) -> tuple[int, int, int, int] | None:
    words = _function_words() if type(holder) is types.FunctionType else None
    if not words or name not in words:
        return None
    return _WORD, id(holder) + words[name], 0, 0 if x is None else id(x)


# ---------------------------------------------------------------- linking, installing


class Linked:
    """A kernel and its entry, in this process: all that an entry points to, but for the table.

    Attributes
    ----------
    signature : Signature
    library : machine.Library
    """

    def __init__(self, compiled: Compiled, signature: Signature, optimize: bool):
        from wengert.backends.compiled import machine
        from wengert.backends.compiled.entry import entry_symbols, entry_text

        text = entry_text(signature)
        symbols = {**compiled.symbols, **entry_symbols(text)}
        self.signature, self.compiled = signature, compiled
        self._busy = ctypes.c_int64(0)
        self._memory: Any = None
        if signature.keeps_workspace:
            self._memory = np.empty(signature.workspace + 64, np.uint8)  # its pages are taken when they are first written to
            symbols["wg_workspace"] = (self._memory.ctypes.data + 63) & -64
            symbols["wg_busy"] = ctypes.addressof(self._busy)
        if signature.hosts:
            symbols["wg_hosts"] = compiled.hosts
        if signature.constants:
            symbols["wg_constants"] = compiled.constants
        symbols.update(signature.given())
        self.library = machine.load(compiled.text + text, symbols, optimize=optimize)


def link(compiled: Compiled, signature: Signature, *, optimize: bool = False) -> Linked | None:
    """Compile and link a kernel with an entry; None in a Python whose objects are laid out otherwise.

    Parameters
    ----------
    compiled : Compiled
        Held as long as its code.
    signature : Signature
    optimize : bool
        Run LLVM's passes.
    """
    from wengert.backends.compiled import python

    if Native is _Plain or not python.supported():
        return None
    return Linked(compiled, signature, optimize)


def _keeper_type() -> Any:
    """What entries point to, in rows of (entry, table): it is held while one of them runs."""
    words = heap_type(f"{__name__}.Address", {"address": ROWS}) if Native is not _Plain else object
    return type("_Keeper", (words,), {"__slots__": ("memory", "rows"), "__module__": __name__})


_Keeper = _keeper_type()


def _rows(callable_: Any) -> tuple[tuple[Linked, Table | None], ...]:
    keeper = getattr(callable_, "_keeper", None) if callable_._vectorcall else None  # the garbage collector may have taken it
    return () if keeper is None else keeper.rows


def _enter_by(callable_: Any, rows: Sequence[tuple[Linked, Table | None]]) -> None:
    """Make rows those of a callable. One pointer changes, so other threads find the rows as they were or as they are."""
    from wengert.backends.compiled.python import support

    words = [len(rows)]
    for linked, table in rows:
        words += [linked.library.address("entry"), 0 if table is None else table.address]
    keeper = _Keeper()
    keeper.memory, keeper.rows = (ctypes.c_int64 * len(words))(*words), tuple(rows)
    keeper.address = ctypes.addressof(keeper.memory)
    callable_._keeper = keeper
    callable_._vectorcall = support().address("enter") if rows else 0  # which looks first whether the keeper is still there


def install(callable_: Any, linked: Linked | None, table: Table | None = None) -> bool:
    """Make calls that fit a signature enter machine code; those that fit none go to ``__call__`` as before.

    Parameters
    ----------
    callable_ : Native
        What is called; its class has gone through `enable`, and has a method ``_failed(status, *args)``, which answers
        a call whose kernel gave a status that is not zero. What was installed before stays, but for the oldest of many.
    linked : Linked or None
    table : Table, optional
        What must not have changed since the kernel was made.

    Returns
    -------
    bool
        Whether it was done.
    """
    if linked is None or not type(callable_).__flags__ & HAVE_VECTORCALL:
        return False
    _enter_by(callable_, [(linked, table), *[row for row in _rows(callable_) if row[0] is not linked]][:_MOST])
    return True


def remove(callable_: Any, linked: Linked | None = None) -> None:
    """Calls go to ``__call__`` again: all, or those that fit one signature."""
    if linked is None:
        callable_._vectorcall = 0
    elif enters(callable_, linked):
        _enter_by(callable_, [row for row in _rows(callable_) if row[0] is not linked])


def installed(callable_: Any) -> Linked | None:
    """What was installed last, if calls enter machine code."""
    rows = _rows(callable_)
    return rows[0][0] if rows else None


def enters(callable_: Any, linked: Linked | None) -> bool:
    """Whether calls that fit a signature enter machine code."""
    return any(row[0] is linked for row in _rows(callable_))


def _fitting(value: Any, type: ArrayType) -> np.ndarray[Any, Any]:
    """A value as an array that an entry takes."""
    wanted = np.dtype(f"{type.dtype.kind}{type.dtype.itemsize}")
    a = np.asarray(value)
    if a.shape != type.shape or a.dtype.newbyteorder("=") != wanted:
        raise InputError(f"a compiled program takes {type!r}, not {a.dtype.name}{list(a.shape)}")
    a = np.require(a, a.dtype.newbyteorder("="), ["C", "A"])
    return a if a.dtype.num == wanted.num else a.view(wanted)


@enable
class Program(Native):
    """A compiled graph as a function of arrays: calling it gives the tuple of output values.

    It takes the place of the interpreter's program: numbers, other memory orders and byte orders are accepted, and made
    into what the kernel reads. Results of shape ``()`` are numbers of NumPy's.

    Parameters
    ----------
    compiled : Compiled
    inputs, outputs : sequence of ArrayType
    failed : callable
        ``failed(status, *values)`` answers a call whose kernel gave a status that is not zero.
    release, optimize
        As for `Signature` and `link`.
    """

    def __init__(self, compiled: Compiled, inputs: Sequence[ArrayType], outputs: Sequence[ArrayType],
                 failed: Callable[..., Any], *, release: bool = False, optimize: bool = False):
        from wengert.backends.compiled.entry import Input, Output, Signature

        self.failed, self.inputs = failed, tuple(inputs)
        signature = Signature(tuple([Input(t) for t in inputs]),
                              tuple([Output(t, "array" if t.shape else "number") for t in outputs]), "tuple",
                              compiled.workspace, bool(compiled.hosts), release, bool(compiled.constants))
        if not install(self, link(compiled, signature, optimize=optimize)):
            raise UnsupportedError("this build of Python or NumPy cannot run compiled code")

    def __call__(self, *values: Any) -> Any:
        """Called where the values are not yet what the kernel reads."""
        return self(*[_fitting(v, t) for v, t in zip(values, self.inputs, strict=True)])

    def _failed(self, status: int, *values: Any) -> Any:
        return self.failed(status, *values)
