"""Functions of another system inside programs that wengert differentiates.

What comes in: a function of that system, and how to differentiate and map it there. What goes out: a function of trees of NumPy
arrays. The one idea: all floats that go in are one vector and all that come out are another, so the function is one equation
and each of its derivatives one more.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.flatten import Spec, flatten
from wengert.frontends.tracer import Tracer
from wengert.graph import ArrayType
from wengert.primitives.foreign import foreign

from .programs import keyed

__all__ = ["Library", "Native", "imported"]


class Library:
    """What another system does with functions of its own arrays."""

    name: str

    def run(self, f: Callable[..., Any], operands: Sequence[Any]) -> Any:
        """``f(*operands)``, from NumPy arrays to one."""
        raise NotImplementedError

    def tangent(self, f: Callable[..., Any], k: int) -> Callable[..., Any]:
        raise NotImplementedError

    def adjoint(self, f: Callable[..., Any], k: int) -> Callable[..., Any]:
        raise NotImplementedError

    def batched(self, f: Callable[..., Any], flags: tuple[bool, ...]) -> Callable[..., Any]:
        raise NotImplementedError

    def flatten(self, out: Any) -> tuple[list[Any], Any]:
        """Arrays of a result, and what puts others in their place."""
        raise NotImplementedError

    def type_of(self, x: Any) -> ArrayType:
        raise NotImplementedError

    def abstract(self, f: Callable[..., Any], types: Sequence[ArrayType], values: Sequence[Any] | None) -> None:
        """Call ``f`` once for arrays of these types, on `values` if they are known, for what it notes on the way."""
        raise NotImplementedError

    def split(self, vector: Any, places: Sequence[tuple[int, ArrayType]]) -> list[Any]:
        """The parts of a vector, each from its start on, in its shape and dtype; complex parts may have become real."""
        raise NotImplementedError

    def join(self, arrays: Sequence[Any], dtype: np.dtype[Any]) -> Any:
        raise NotImplementedError


class Native:
    """A `ForeignFunction`: a function of a library's arrays, with its derivatives as that library makes them."""

    __slots__ = ("f", "library", "made", "name")

    def __init__(self, library: Library, f: Callable[..., Any], name: str):
        self.library, self.f, self.name = library, f, name
        self.made: dict[Any, Native] = {}

    def __call__(self, *operands: Any) -> Any:
        return self.library.run(self.f, operands)

    def _kept(self, key: Any, make: Callable[[], Callable[..., Any]]) -> Native:
        if key not in self.made:
            self.made[key] = Native(self.library, make(), self.name)
        return self.made[key]

    def tangent(self, k: int) -> Native:
        return self._kept(("tangent", k), lambda: self.library.tangent(self.f, k))

    def adjoint(self, k: int) -> Native:
        return self._kept(("adjoint", k), lambda: self.library.adjoint(self.f, k))

    def batched(self, flags: tuple[bool, ...]) -> Native:
        return self._kept(("batched", flags), lambda: self.library.batched(self.f, flags))


class _Signature:
    """A function at given structures, shapes and dtypes: as one of a vector and what is not differentiated."""

    def __init__(self, library: Library, f: Callable[..., Any], name: str, spec: Spec, leaves: list[Any], types: list[Any],
                 values: Sequence[Any] | None):
        self.library, self.spec = library, spec
        self.moving = [k for k, t in enumerate(types) if t is not None and t.inexact]
        self.whole = [k for k, t in enumerate(types) if t is not None and not t.inexact]
        fixed = [x if t is None else None for x, t in zip(leaves, types, strict=True)]
        self.dtype = _common([types[k] for k in self.moving])
        places, start = [], 0
        for k in self.moving:
            places.append((start, types[k]))
            start += types[k].size

        def packed(vector: Any, *whole: Any) -> Any:
            full = list(fixed)
            for k, x in zip(self.moving, library.split(vector, places), strict=True):
                full[k] = x
            for k, x in zip(self.whole, whole, strict=True):
                full[k] = x
            args, kwargs = spec.unflatten(full)
            out, self.together = library.flatten(f(*args, **kwargs))
            self.types = [library.type_of(x) for x in out]
            for t in self.types:
                if not t.inexact:
                    raise InputError(f"{library.name}: {name} returns {t}; return floats, and integers apart")
            return library.join(out, _common(self.types))
        self.native = Native(library, packed, name)
        library.abstract(packed, [ArrayType((start,), self.dtype), *[types[k] for k in self.whole]],
                         None if values is None else [self.vector(values), *[values[k] for k in self.whole]])
        self.result = ArrayType((sum(t.size for t in self.types),), _common(self.types))

    def vector(self, leaves: Sequence[Any]) -> Any:
        parts = [np.reshape(leaves[k], (-1,)).astype(self.dtype) for k in self.moving]
        return np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else np.zeros(0)

    def __call__(self, leaves: list[Any]) -> Any:
        y = foreign(self.vector(leaves), *[leaves[k] for k in self.whole], function=self.native, result=self.result)
        out, start = [], 0
        for t in self.types:
            part = y[start:start + t.size]
            part = np.reshape(np.real(part) if t.dtype.kind == "f" and self.result.dtype.kind == "c" else part, t.shape)
            out.append(part.astype(t.dtype))
            start += t.size
        return self.together(out)


def _common(types: Sequence[ArrayType]) -> np.dtype[Any]:
    return np.result_type(*[t.dtype for t in types]) if types else np.dtype(float)


def imported(library: Library, f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of another library's arrays as one of NumPy's, with its derivatives."""
    if not callable(f):
        raise InputError(f"{library.name}: a function is wanted, not {f!r}")
    name = getattr(f, "__name__", type(f).__name__)
    found: dict[Any, _Signature] = {}

    def called(*args: Any, **kwargs: Any) -> Any:
        leaves, spec = flatten((args, kwargs))
        types = [_leaf_type(x) for x in leaves]
        key = keyed(name, spec, [x if t is None else None for x, t in zip(leaves, types, strict=True)],
                    tuple([t and (t.shape, t.dtype) for t in types]))
        traced = any(isinstance(x, Tracer) for x in leaves)
        signature = found.get(key)
        if signature is None:
            _refuse_captured(library, name, f)
            values = _values(leaves) if traced else leaves
            signature = found[key] = _Signature(library, f, name, spec, leaves, types, values)
        return signature(leaves)

    functools.update_wrapper(called, f, assigned=("__name__", "__qualname__", "__doc__", "__module__"), updated=())
    return called


def _leaf_type(x: Any) -> ArrayType | None:
    """The type of an array; None for what belongs to the structure. Ints are structure, as `jit` has them."""
    if isinstance(x, Tracer):
        return x.type
    if isinstance(x, (np.ndarray, np.generic, float, complex)):
        array = np.asarray(x)
        return ArrayType(array.shape, array.dtype)
    if hasattr(x, "__dlpack__"):
        raise InputError(f"an argument is a {type(x).__module__}.{type(x).__name__}; the function takes NumPy arrays, as "
                         "programs of wengert do: wg.interop.as_arrays(x)")
    return None


def _refuse_captured(library: Library, name: str, f: Any) -> None:
    """Another system's operations know nothing of traced values, which have to come in as arguments."""
    code = getattr(f, "__code__", None)
    for variable, cell in zip(getattr(code, "co_freevars", ()), getattr(f, "__closure__", None) or (), strict=True):
        try:
            leaves, _ = flatten(cell.cell_contents)
        except ValueError:  # not bound yet
            continue
        if any(isinstance(x, Tracer) for x in leaves):
            raise InputError(f"{library.name}: {name} reads {variable}, which is being differentiated or traced, from around "
                             f"it; hand it over as an argument: {name}(..., {variable})")


def _values(leaves: Sequence[Any]) -> list[Any] | None:
    """The values of all leaves, where each is known."""
    out = []
    for x in leaves:
        if isinstance(x, Tracer):
            x = x.value
            if x is None:
                return None
        out.append(x)
    return out

