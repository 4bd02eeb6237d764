"""Strong zeros: which elements of a tangent or cotangent were selected at all.

What comes in: the masks of operands or results of a linear equation. What goes out: those of the others, joined and resolved
lazily; `transpose` walks with them backward, `strong_zeros` forward. The one idea: the arm that a selection did not take
contributes exactly nothing, even where it meets an infinite factor, so a mask travels with each zero that a selection made.
Masks are computed only where a factor could turn such a zero into NaN; programs without selection have none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.graph import Const, Equation, Handle, Var
from wengert.primitives.contract import contract
from wengert.primitives.elementwise import logical_or
from wengert.primitives.structure import broadcast, reduce_sum, reshape, select
from wengert.primitives.structure import transpose as move

__all__ = ["Alive", "can_spoil", "either", "everywhere", "lazily", "onto", "reached"]


class Alive:
    """Which elements were selected: a list of contributions, joined when first needed."""

    __slots__ = ("mask", "parts", "shape")

    def __init__(self, shape: tuple[int, ...]):
        self.shape = shape
        self.parts: list[Callable[[Any], Any]] = []
        self.mask: Any = None

    def resolve(self) -> Any:
        """The mask as a handle; each part takes the mask so far (or None) and returns the joined one."""
        for part in self.parts:
            self.mask = part(self.mask)
        self.parts.clear()
        return self.mask


def lazily(shape: tuple[int, ...], compute: Callable[[], Any]) -> Alive:
    """A mask that is computed when it is needed."""
    out = Alive(shape)
    out.parts.append(lambda acc: either(acc, compute()))
    return out


def either(acc: Any, mask: Any) -> Any:
    """Alive in one or the other; None has nothing alive yet."""
    return mask if acc is None else logical_or(acc, mask)


def everywhere(mask: Any, shape: tuple[int, ...]) -> Any:
    """Alive everywhere if anything is: for linear maps that mix elements."""
    one = reshape(reduce_sum(mask, axes=tuple(range(mask.ndim))), shape=(1,) * len(shape))
    return broadcast(one, shape=shape)


def onto(mask: Any, labels: Sequence[str], wanted: Sequence[str], shape: tuple[int, ...]) -> Any:
    """A mask over one array of a contraction, as one over another: any over what that does not have."""
    gone = tuple(a for a, label in enumerate(labels) if label not in wanted)
    kept = [label for label in labels if label in wanted]
    if gone:
        mask = reduce_sum(mask, axes=gone)
    order = tuple(kept.index(label) for label in wanted if label in kept)
    if order != tuple(range(len(order))):
        mask = move(mask, axes=order)
    mask = reshape(mask, shape=tuple(n if label in kept else 1 for label, n in zip(wanted, shape, strict=True)))
    return broadcast(mask, shape=shape)


def reached(x: Handle, mask: Any, labels: Sequence[str], wanted: Sequence[str]) -> Handle:
    """A residual of a contraction, with zeros where it meets only elements that are not alive."""
    if isinstance(x.atom, Const) and np.all(np.isfinite(x.atom.value)):
        return x
    zero = Const(np.zeros((), x.dtype))
    return select(onto(mask, labels, wanted, x.shape), x, zero)  # type: ignore[no-any-return]


def can_spoil(e: Equation, linear: set[Var]) -> bool:
    """Whether a factor of this equation may be infinite or NaN."""
    if e.primitive.structural or e.primitive is contract:
        return False
    return any(not np.all(np.isfinite(o.value)) if isinstance(o, Const) else o not in linear
               for o in e.operands if o.type.inexact)
