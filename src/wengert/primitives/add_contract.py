"""Products added to a sum: what the compiler makes of a contraction of which only a sum is read.

What comes in: two arrays and the spec of their contraction, and what it is added to (zeros, if that is not given), or to the
windows of which it is added. What goes out: the sum. The one idea: no array of the product's own is made.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.graph import ArrayType, Primitive
from wengert.primitives.contract import contract, product_type
from wengert.primitives.elementwise import add
from wengert.primitives.window import window_sum

__all__ = ["add_contract"]

Params = dict[str, Any]


def _type(a: ArrayType, b: ArrayType, *addend: ArrayType, spec: str, windows: Any, shape: tuple[int, ...]) -> ArrayType:
    product = product_type(a, b, spec)
    out = window_sum.type(product, windows=windows, shape=shape) if windows else product
    if out.shape != shape or any(y != out for y in addend):
        raise ValueError(f"add_contract: {out} cannot be added to {shape}, {addend}")
    return out  # type: ignore[no-any-return]


def _plain(a: Any, b: Any, *addend: Any, spec: str, windows: Any, shape: tuple[int, ...]) -> Any:
    """The same by other primitives."""
    out = contract(a, b, spec=spec)
    if windows:
        out = window_sum(out, windows=windows, shape=shape)
    return add(addend[0], out) if addend else out


def _jvp(y: Any, operands: Any, tangents: Any, **params: Any) -> Any:
    (a, b, *_), (da, db, *dy) = operands, tangents
    parts = [_plain(da, b, **params)] if da is not None else []
    parts += [_plain(a, db, **params)] if db is not None else []
    parts += [t for t in dy if t is not None]
    total = None
    for part in parts:
        total = part if total is None else add(total, part)
    return total


def _batch(n: int, operands: Any, batched: Any, *, spec: str, windows: Any, shape: tuple[int, ...]) -> Any:
    if not any(batched[:2]):
        return add(operands[2], _plain(*operands[:2], spec=spec, windows=windows, shape=shape))
    out = contract.batch(n, operands[:2], batched[:2], spec=spec)  # type: ignore[misc]
    if windows:
        out = window_sum.batch(n, (out,), (True,), windows=windows, shape=shape)  # type: ignore[misc]
    return add(operands[2], out) if len(operands) > 2 else out


def _sample(rng: np.random.Generator) -> Any:
    def case(spec: str, windows: Any, *shapes: tuple[int, ...], addend: bool = True) -> Any:
        *operands, out = [rng.normal(size=s) for s in shapes]
        return (*operands, *[out] * addend), {"spec": spec, "shape": out.shape, "windows": windows}
    windows = ((1, 2, 1, 1), (2, 3, 1, 1))
    return [case("ab,bc->ac", (), (2, 3), (3, 4), (2, 4)), case("ab,b->a", (), (2, 3), (3,), (2,)),
            case("abc,adef->dbcef", windows, (4, 3, 3), (4, 2, 2, 3), (2, 4, 5)),
            case("abc,adef->dbcef", windows, (4, 3, 3), (4, 2, 2, 3), (2, 4, 5), addend=False)]


add_contract: Primitive = Primitive("add_contract", type=_type, evaluate=_plain, jvp=_jvp, batch=_batch, sample=_sample)
