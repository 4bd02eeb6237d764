"""Views: how one traced array looks at the memory of another.

What comes in: a base and a kind of view (a basic index, a transpose, a reshape, ...). What goes out: the
view's value read from the base's present value, and, for a write through the view, the base's new value. The
one idea: a view is a pair of functions, read and put; and where NumPy gives a view or a copy depending on
the memory (reshape, ravel), NumPy itself is asked, on a stand-in of the same shape and memory order, when a
write makes the difference visible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.errors import MutationError
from wengert.frontends.trace import user_line
from wengert.primitives import elementwise as e
from wengert.primitives import index as i
from wengert.primitives import structure as s

if TYPE_CHECKING:
    from wengert.frontends.tracer import Tracer

__all__ = ["KINDS", "Lens", "ViewKind", "in_c_order", "is_c_ordered", "order_of_elementwise", "order_of_result", "settle",
           "stand_in"]


class ViewKind:
    """One kind of view.

    Parameters
    ----------
    read : callable
        ``read(base, payload)`` gives the value of the view.
    model : callable or None
        ``model(array, payload)`` does the same to an array of bytes, as NumPy would; None: not known.
    put : callable, optional
        ``put(base, new, payload)`` gives the base after a write of `new` through the view; None: read-only.
    may_copy : bool
        Whether NumPy may give a copy instead.
    """

    __slots__ = ("may_copy", "model", "put", "read")

    def __init__(self, read: Callable[[Any, Any], Any], model: Callable[[Any, Any], Any] | None,
                 put: Callable[[Any, Any, Any], Any] | None = None, may_copy: bool = False):
        self.read, self.model, self.put, self.may_copy = read, model, put, may_copy


def _reshape(base: Any, payload: Any) -> Any:
    shape, order = payload
    if order == "C":
        return s.reshape(base, shape=shape)
    turned = s.transpose(base, axes=tuple(range(base.ndim))[::-1])
    return s.transpose(s.reshape(turned, shape=shape[::-1]), axes=tuple(range(len(shape)))[::-1])


def _diagonal(base: Any, payload: Any) -> Any:
    """The diagonal of axes `a` and `b`, as the last axis."""
    offset, a, b = payload
    rows, columns = base.shape[a] + min(offset, 0), base.shape[b] - max(offset, 0)
    k = np.arange(max(min(rows, columns), 0))
    rest = tuple(axis for axis in range(base.ndim) if axis not in (a, b))
    last = s.transpose(base, axes=(*rest, a, b))
    return i.index(last, k - min(offset, 0), k + max(offset, 0),
                   spec=(*[("s", None, None, None)] * len(rest), ("a",), ("a",)))


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(a) for a in np.argsort(axes))


def _model_index(array: Any, payload: Any) -> Any:
    spec, arrays = payload
    return array[i.numpy_key(spec, (0,) * len(arrays))]


KINDS: dict[str, ViewKind] = {
    # payload: a spec and its index operands, all of them scalars
    "index": ViewKind(
        lambda base, p: i.index(base, *p[1], spec=p[0]),
        _model_index,
        lambda base, new, p: i.index_set(base, new, *p[1], spec=p[0]),
    ),
    "transpose": ViewKind(
        lambda base, axes: s.transpose(base, axes=axes),
        np.transpose,
        lambda base, new, axes: s.transpose(new, axes=_inverse(axes)),
    ),
    # payload: shape and "C" or "F"
    "reshape": ViewKind(
        _reshape,
        lambda array, p: np.reshape(array, p[0], order=p[1]),
        lambda base, new, p: _reshape(new, (base.shape, p[1])),
        may_copy=True,
    ),
    "ravel": ViewKind(
        _reshape,
        lambda array, p: np.ravel(array, p[1]),
        lambda base, new, p: _reshape(new, (base.shape, p[1])),
        may_copy=True,
    ),
    # payload: ignored; np.ascontiguousarray and the like
    "contiguous": ViewKind(
        lambda base, p: s.reshape(base, shape=base.shape),
        lambda array, p: np.asarray(array, order=p),
        lambda base, new, p: new,
        may_copy=True,
    ),
    "broadcast": ViewKind(lambda base, shape: s.broadcast(base, shape=shape), np.broadcast_to),
    # payload: offset and two axes
    "diagonal": ViewKind(_diagonal, lambda array, p: np.diagonal(array, *p)),
    # one of two arrays: the base where the first of the payload holds, else the second
    "choice": ViewKind(lambda base, p: s.select(p[0], base, p[1]), None),
    # of a complex array
    "real": ViewKind(
        lambda base, p: e.real(base), None, lambda base, new, p: e.make_complex(new, e.imag(base))
    ),
    "imag": ViewKind(
        lambda base, p: e.imag(base), None, lambda base, new, p: e.make_complex(e.real(base), new)
    ),
}


class Lens:
    """How one view looks at its base, and which version of the root it has seen."""

    __slots__ = ("base", "kind", "may_copy", "payload", "version")

    def __init__(self, base: Tracer, kind: str, payload: Any):
        self.base, self.kind, self.payload = base, kind, payload
        self.version = self.stamp()
        self.may_copy = KINDS[kind].may_copy

    def bases(self) -> tuple[Tracer, ...]:
        """The array that it looks at, or the two of which it is one."""
        return (self.base, self.payload[1]) if self.kind == "choice" else (self.base,)

    def stamp(self) -> int:
        """A number that grows with every write into what it looks at."""
        return self.base.stamp() + self.payload[1].stamp() if self.kind == "choice" else self.base.stamp()

    def read(self) -> Any:
        return KINDS[self.kind].read(self.base, self.payload)

    def write(self, new: Any) -> None:
        """A write through the view; of two arrays, the one that it is not keeps what it has, also where they overlap."""
        if self.kind == "choice":
            (which, other), base = self.payload, self.base
            base.write(s.select(which, new, base))
            other.write(s.select(which, other, new))
        else:
            self.base.current()
            self.base.write(self.put(new))

    def put(self, new: Any) -> Any:
        put = KINDS[self.kind].put
        if put is None:
            raise MutationError(f"assignment destination is read-only: np.{self.kind} gave it (at "
                                f"{user_line()}). "
                                f"Copy it first: x = x.copy()")
        return put(self.base, new, self.payload)


# ---------------------------------------------------------------- view or copy

def settle(t: Tracer, must: bool = True) -> bool | None:
    """Whether `t`, made by a reshape or the like, is a view; a copy becomes an array of its own.

    None if the memory order of its base is not known; with `must` that is an error.
    """
    lens = t.lens
    if lens is None or not lens.may_copy:
        return lens is not None
    model, look = stand_in(lens.base), KINDS[lens.kind].model
    if model is None or look is None:
        if must:
            raise MutationError(
                f"{lens.kind} may have given a view or a copy, and at {user_line()} a write makes a "
                f"difference: the "
                f"memory order of the array is not known here. Write into the array itself, or into "
                f"{lens.kind}(...).copy(), or take it again after the write")
        return None
    seen = look(model, lens.payload)
    if seen.size == 0 or np.may_share_memory(seen, model):
        lens.may_copy = False
        return True
    t.version = t.stamp() + 1  # so that views of it see that they are out of date
    t.lens = None
    t.order = lens.payload[-1]
    return False


def stand_in(t: Tracer) -> Any:
    """An array of bytes with the shape and memory order of `t`, or None if that is unknown."""
    if t.lens is not None and settle(t, must=False) is None:
        return None
    lens = t.lens
    if lens is None:
        order = t.order or ("C" if t.ndim <= 1 and t.kind != "argument" else "")
        return np.empty(t.shape, np.uint8, order=order) if order else None  # type: ignore[call-overload]
    base, look = stand_in(lens.base), KINDS[lens.kind].model
    if lens.kind == "choice":
        other = stand_in(lens.payload[1])
        return base if base is not None and other is not None and base.strides == other.strides else None
    return None if base is None or look is None else look(base, lens.payload)


def is_c_ordered(t: Tracer) -> bool:
    """Whether an elementwise operation on it gives an array in C order (its strides do not increase)."""
    if t.ndim <= 1:
        return True
    while t.lens is not None:
        if t.lens.kind == "choice":
            return all(map(is_c_ordered, t.lens.bases()))
        if t.lens.kind not in ("index", "real", "imag") and t.lens.payload[-1] != "C":
            return False
        t = t.lens.base
    return t.order == "C" or t.ndim <= 1


def in_c_order(result: Any) -> Any:
    """A new array that NumPy gives in C order, however the operands lie in memory."""
    if hasattr(result, "lens") and result.lens is None:
        result.order = "C"
    return result


def order_of_result(shape: tuple[int, ...], operands: Sequence[Any]) -> str:
    """The order in which a ufunc's result lies in memory: "C", "F", or "" if it is neither or not known."""
    models: list[Any] = []
    for x in operands:
        if isinstance(x, np.ndarray):
            models.append(x)
        elif getattr(x, "shape", ()):
            models.append(stand_in(x) if hasattr(x, "lens") else None)
    if 0 in shape or any(m is None for m in models):
        return ""
    flags: Any = [*[["readonly"]] * len(models), ["writeonly", "allocate"]]
    out = np.nditer([*models, None], op_flags=flags, op_dtypes=[*[None] * len(models), np.dtype(np.uint8)]).operands[-1]
    return "C" if out.flags.c_contiguous else "F" if out.flags.f_contiguous else ""


def order_of_elementwise(shape: tuple[int, ...], operands: Sequence[Any]) -> str:
    """The same, for any operands of an elementwise operation; most lie in C order, and NumPy is not asked."""
    if len(shape) <= 1:
        return ""
    return "C" if all(map(_keeps_c_order, operands)) else order_of_result(shape, operands)


def _keeps_c_order(x: Any) -> bool:
    if hasattr(x, "lens"):
        return is_c_ordered(x)
    return not isinstance(x, np.ndarray) or x.ndim <= 1 or x.flags.c_contiguous
