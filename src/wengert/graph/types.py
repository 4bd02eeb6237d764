"""Array types.

What comes in: a shape and a dtype. What goes out: an `ArrayType`. The one idea: types are interned, one
object per (shape, dtype), so that comparing two of them is comparing two pointers.
"""

from __future__ import annotations

import weakref
from typing import Any, ClassVar

import numpy as np

__all__ = ["ArrayType", "Stack", "StackType", "Type", "type_of"]


_Key = tuple[tuple[int, ...], np.dtype[Any]]
_MOST = 10_000


class ArrayType:
    """The type of an array: a static shape and a NumPy dtype.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy.dtype

    Examples
    --------
    >>> ArrayType((2, 3), np.float64)
    float64[2,3]
    >>> ArrayType((2,), float) is ArrayType((2,), float)
    True
    """

    __slots__ = ("__weakref__", "dtype", "shape")
    # every type that is in use, and the recent ones for speed
    _interned: ClassVar[weakref.WeakValueDictionary[_Key, ArrayType]] = weakref.WeakValueDictionary()
    _recent: ClassVar[dict[_Key, ArrayType]] = {}
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __new__(cls, shape: tuple[int, ...], dtype: Any) -> ArrayType:
        key = (tuple(shape), np.dtype(dtype))
        found = cls._recent.get(key)
        if found is None:
            made = object.__new__(cls)
            made.shape, made.dtype = tuple(int(n) for n in shape), key[1]
            found = cls._interned.setdefault(key, made)
            if len(cls._recent) >= _MOST:
                cls._recent.clear()
            cls._recent[key] = found
        return found

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def inexact(self) -> bool:
        """Whether values of this type can carry a derivative (floats and complex numbers)."""
        return self.dtype.kind in "fc"

    def __repr__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return ArrayType, (self.shape, self.dtype)


class StackType:
    """The type of what a loop of unknown length saves: one element per iteration.

    Parameters
    ----------
    element : ArrayType or StackType
        A stack of stacks is ragged: a loop of unknown length inside another.

    Examples
    --------
    >>> StackType(ArrayType((3,), float))
    stack[float64[3]]
    """

    __slots__ = ("element",)
    _interned: ClassVar[dict[ArrayType | StackType, StackType]] = {}
    element: ArrayType | StackType

    def __new__(cls, element: ArrayType | StackType) -> StackType:
        found = cls._interned.get(element)
        if found is None:
            found = cls._interned[element] = object.__new__(cls)
            found.element = element
        return found

    @property
    def inexact(self) -> bool:
        return self.element.inexact

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.element.dtype

    @property
    def size(self) -> int:
        """Of one entry."""
        return self.element.size

    def __repr__(self) -> str:
        return f"stack[{self.element}]"

    def __reduce__(self) -> tuple[Any, ...]:
        return StackType, (self.element,)


Type = ArrayType | StackType


class Stack(list[Any]):
    """A value of a `StackType`: one entry per iteration; never changed once a loop has given it.

    An empty stack stands for zeros: it is what a cotangent is where nothing was saved.
    """

    def __init__(self, type: StackType, items: Any = ()):
        super().__init__(items)
        self.type = type

    def __getitem__(self, k: Any) -> Any:
        if self:
            return super().__getitem__(k)
        element = self.type.element
        return Stack(element) if isinstance(element, StackType) else np.zeros(element.shape, element.dtype)[()]


def type_of(value: Any) -> ArrayType:
    """The type of an array or scalar: ``type_of(1.0)`` is ``float64[]``."""
    if isinstance(value, Stack):
        return value.type  # type: ignore[return-value]
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        return ArrayType(value.shape, dtype)
    value = np.asarray(value)
    return ArrayType(value.shape, value.dtype)
