"""Elements picked by a mask that is known only when the program runs: ``x[mask]`` under ``jit``.

What comes in: a traced array and a mask of its shape. What goes out: a stand-in for the picked elements, on which elementwise
operations, sums and a write back through the same mask work. The one idea: how many elements there are is not known, so all
places are kept, those not picked with the value of one that is, which can do no harm, and results are taken where the mask
holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.frontends.registry import FUNCTIONS, NeedsValueError
from wengert.frontends.trace import active_frame, user_line
from wengert.frontends.tracer import Tracer, ufunc_call
from wengert.primitives.index import index
from wengert.primitives.structure import reshape, select

__all__ = ["Places", "Selected", "pick", "places_of", "put_back", "unplaced"]


class Selected(np.lib.mixins.NDArrayOperatorsMixin):
    """The elements of an array where a mask holds; `values` has all places, and is an array of its own."""

    __slots__ = ("mask", "values")
    returned = ("x[mask] is returned: how many elements it has is not known before the program runs. Return "
                "np.where(mask, x, 0), or x and the mask, and pick the elements outside")
    ndim = 1

    def __init__(self, values: Any, mask: Tracer):
        self.values, self.mask = values.copy(), mask

    @property
    def dtype(self) -> Any:
        return self.values.dtype

    @property
    def size(self) -> Any:
        """How many elements there are, traced."""
        return FUNCTIONS[np.count_nonzero](self.mask)

    def full(self, x: Any) -> Any:
        """An operand, with all places."""
        if isinstance(x, Selected):
            if not _same(x.mask, self.mask):
                raise _refused("meets elements picked by another mask")
            return x.values
        if np.ndim(x) if not isinstance(x, Tracer) else x.ndim:
            raise _refused("meets an array")
        return x

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs or ufunc.nout != 1 or ufunc.signature is not None:
            raise _refused(f"is given to np.{ufunc.__name__} with options")
        values = [self.full(x) for x in inputs]
        if out is None:
            return Selected(ufunc_call(ufunc, *values), self.mask)
        (target,) = out
        if not isinstance(target, Selected):
            raise _refused("is written into an array")
        ufunc_call(ufunc, *values, out=(self.full(target),))
        return target

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        method = _METHODS.get(function)
        if method is None or len(args) != 1 or kwargs or not isinstance(args[0], Selected):
            raise _refused(f"is given to np.{function.__name__}")
        return getattr(args[0], method)()

    def sum(self) -> Any:
        return FUNCTIONS[np.sum](self.values, where=self.mask)

    def mean(self) -> Any:
        return FUNCTIONS[np.mean](self.values, where=self.mask)

    def any(self) -> Any:
        return FUNCTIONS[np.any](self.values, where=self.mask)

    def all(self) -> Any:
        return FUNCTIONS[np.all](self.values, where=self.mask)

    def copy(self) -> Selected:
        return Selected(self.values, self.mask)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _refused(f"is asked for .{name}")

    def _no_value(self, *args: Any) -> Any:
        raise _refused("is counted, indexed or iterated over")

    __len__ = __iter__ = __getitem__ = __setitem__ = __bool__ = __float__ = __int__ = __array__ = _no_value
    __hash__ = None  # type: ignore[assignment]


class Places(np.lib.mixins.NDArrayOperatorsMixin):
    """One axis of ``np.nonzero(mask)``: as an index of an array of the mask's shape it is the mask."""

    __slots__ = ("axis", "mask")
    returned = ("what np.nonzero found is returned: how many places there are is not known before the program runs. Return the "
                "mask, and call np.nonzero outside")
    ndim = 1

    def __init__(self, mask: Tracer, axis: int):
        self.mask, self.axis = mask, axis

    @property
    def size(self) -> Any:
        """How many places there are, traced."""
        return FUNCTIONS[np.count_nonzero](self.mask)

    def _fail(self, *args: Any, **kwargs: Any) -> Any:
        raise NeedsValueError(f"places that np.nonzero found are used at {user_line()} otherwise than as the index of an array "
                              f"of the shape of what it looked at, and how many there are is known only when the program runs. "
                              f"Use np.where in place of np.nonzero")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._fail()

    __array_ufunc__ = __array_function__ = _fail
    __len__ = __iter__ = __getitem__ = __setitem__ = __bool__ = __float__ = __int__ = __array__ = _fail
    __hash__ = None  # type: ignore[assignment]


def places_of(x: Any) -> tuple[Places, ...] | None:
    """``np.nonzero(x)`` of an array without a value; None for any other."""
    if not isinstance(x, Tracer) or active_frame() is None or not x.ndim or x.value is not None:
        return None
    mask = (x if x.dtype.kind == "b" else ufunc_call(np.not_equal, x, np.zeros((), x.dtype)[()])).frozen()
    return tuple([Places(mask, axis) for axis in range(mask.ndim)])


def unplaced(x: Tracer, key: Any) -> Any:
    """A key with the mask in the place of the places that were found in it."""
    parts = key if type(key) is tuple else (key,)
    if not any(type(k) is Places for k in parts):
        return key
    first = parts[0]
    if type(first) is not Places or first.mask.shape != x.shape or [
            type(k) is Places and k.mask is first.mask and k.axis for k in parts] != [*range(x.ndim)]:
        next(k for k in parts if type(k) is Places)._fail()
    return first.mask


_METHODS = {np.sum: "sum", np.mean: "mean", np.any: "any", np.all: "all", np.copy: "copy"}


def _refused(what: str) -> NeedsValueError:
    return NeedsValueError(f"what a boolean index picked {what} at {user_line()}, and how many elements it has is known only "
                           f"when the program runs. Use np.where in place of the boolean index")


def _same(a: Tracer, b: Tracer) -> bool:
    return a is b or (a.build is b.build and a.current() is b.current())


def _is_open(x: Tracer, key: Any) -> bool:
    """Whether a key is a mask without a value."""
    return isinstance(key, Tracer) and active_frame() is not None and key.dtype.kind == "b" and key.shape == x.shape != () \
        and key.value is None


def pick(x: Tracer, key: Any) -> Selected | None:
    """``x[key]`` for a mask without a value; None for any other key."""
    if not _is_open(x, key) or not x.type.size:
        return None
    mask = key.frozen()
    flat = (x.type.size,)
    first = FUNCTIONS[np.argmax](reshape(mask, shape=flat))
    some = select(FUNCTIONS[np.any](mask), index(reshape(x, shape=flat), first, spec=(("a",),)), np.ones((), x.dtype)[()])
    return Selected(select(mask, x, some), mask)


def put_back(x: Tracer, key: Any, value: Selected) -> Any:
    """``x[key] = value`` in all places."""
    if not _is_open(x, key) or not _same(key, value.mask):
        raise _refused("is written elsewhere than through the same mask")
    return value.values
