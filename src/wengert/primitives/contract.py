"""Contraction: sums of products of two arrays, as in matrix products.

What comes in: two arrays and a `spec` such as ``"ab,bc->ac"``. What goes out: the array of the labels behind
the arrow, summed over those that stand in both operands only. The one idea: every label occurs in at least
two of the three groups, so that the transpose of a contraction is again one, with the groups permuted.

Evaluation plans each spec once. It is a `np.dot` of matrices (transposed views go to BLAS as they are), a
`np.matmul` of stacks, or a broadcast product if nothing is summed. `by` names the NumPy function that the
user called, where the last bit of the result depends on it; what is derived leaves the choice open. `strong` says that
an operand which is a `select` marked so was masked for this very product: what the mask leaves out meets exact zeros only.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from wengert.graph import ArrayType, Primitive
from wengert.primitives.elementwise import conj
from wengert.primitives.index import slice_axis
from wengert.primitives.structure import reduce_sum, reshape, transpose

__all__ = ["contract", "contract_labels", "diagonal", "mT", "make_spec", "matmul", "product_type",
           "split_spec"]

Labels = Sequence[Hashable]


# ---------------------------------------------------------------- specs

def _letter(n: int) -> str:
    """The n-th label: a..z, A..Z, then Greek and whatever follows."""
    return chr(97 + n) if n < 26 else chr(65 + n - 26) if n < 52 else chr(0x3B1 + n - 52)


def make_spec(a: Labels, b: Labels, out: Labels) -> str:
    """The spec of these labels (any hashable objects), renamed in the order in which they appear."""
    names: dict[Hashable, str] = {}
    for label in (*a, *b):
        names.setdefault(label, _letter(len(names)))
    first, second, result = ["".join([names[k] for k in group]) for group in (a, b, out)]
    return f"{first},{second}->{result}"


@functools.lru_cache(maxsize=10_000)
def split_spec(spec: str) -> tuple[str, str, str]:
    """The labels of the operands and of the result; raises unless each stands in two of the three groups."""
    operands, _, out = spec.partition("->")
    a, _, b = operands.partition(",")
    for group in (a, b, out):
        if len(set(group)) != len(group):
            raise ValueError(f"contract: a label is repeated in {group!r} of {spec!r}")
    for label in {*a, *b, *out}:
        if (label in a) + (label in b) + (label in out) < 2:
            raise ValueError(f"contract: label {label!r} of {spec!r} stands in one group only")
    return a, b, out


def product_type(a: ArrayType, b: ArrayType, spec: str) -> ArrayType:
    """The type of a contraction."""
    la, lb, lo = split_spec(spec)
    if a.dtype != b.dtype:
        raise TypeError(f"operands of different dtypes: {a}, {b}")
    if a.ndim != len(la) or b.ndim != len(lb):
        raise ValueError(f"contract: {a} and {b} do not have the axes of {spec!r}")
    sizes = dict(zip(la, a.shape, strict=True))
    for label, n in zip(lb, b.shape, strict=True):
        if sizes.setdefault(label, n) != n:
            raise ValueError(f"contract: {a} and {b} differ in the length of {label!r} in {spec!r}")
    return ArrayType(tuple([sizes[label] for label in lo]), a.dtype)


# ---------------------------------------------------------------- evaluation

Run = Callable[[Any, Any], Any]
_dot: Run = np.dot
_BY_NUMPY: dict[str, Run] = {"dot": np.dot, "inner": np.inner}


def _evaluate(a: Any, b: Any, *, spec: str, by: str = "", strong: bool = False) -> Any:
    return _plan(spec, by)(a, b)


@functools.lru_cache(maxsize=10_000)
def _plan(spec: str, by: str) -> Run:
    """How a contraction is evaluated."""
    a, b, out = split_spec(spec)
    if by in _BY_NUMPY:
        return _BY_NUMPY[by]
    if by == "matmul":
        return _plan_matmul(a, b, out)
    summed = [k for k in a if k not in out]
    if not summed:
        return _plan_product(a, b, out)
    if any(k in a and k in b for k in out):
        return _plan_stacked(a, b, out, summed)
    if by != "tensordot":
        if len(a) == len(b) == 1:
            return _dot
        if max(len(a), len(b)) <= 2 and len(out) <= 2 and len(summed) == 1:
            return _plan_matrices(a, b, out, summed[0])
    return _plan_tensordot(a, b, out, summed)


def _aligned(x: str, out: str) -> Callable[[Any], Any]:
    """A view of x along the labels of `out`, with axes of length 1 for those that it lacks."""
    order = [x.index(k) for k in out if k in x]
    key = tuple([slice(None) if k in x else None for k in out])
    straight, plain = order == list(range(len(order))), None not in key
    if straight and plain:
        return lambda v: v
    if straight:
        return lambda v: np.asarray(v)[key]
    return lambda v: np.transpose(v, order)[key]


def _plan_product(a: str, b: str, out: str) -> Run:
    """Nothing is summed: a product, broadcast."""
    first, second = _aligned(a, out), _aligned(b, out)
    return lambda x, y: np.multiply(first(x), second(y))


def _plan_matrices(a: str, b: str, out: str, k: str) -> Run:
    """Matrices and vectors: `np.dot` of the operands or their transposed views."""
    if len(out) == 2 and out[0] in b:  # the transposed product, so that the result lies in its own order
        swapped = _plan_matrices(b, a, out, k)
        return lambda x, y: swapped(y, x)
    turn_a, turn_b = a[-1] != k, b[0] != k
    if turn_a and turn_b:
        return lambda x, y: np.dot(x.T, y.T)
    if turn_a:
        return lambda x, y: np.dot(x.T, y)
    if turn_b:
        return lambda x, y: np.dot(x, y.T)
    return _dot


def _as_matrix(x: str, groups: Sequence[Sequence[str]], lead: int = 0) -> Callable[[Any], Any]:
    """x along the labels of `groups`: the first `lead` have one label each, the others become one axis."""
    order = [x.index(k) for g in groups for k in g]
    straight = order == list(range(len(x)))
    lengths = [len(g) for g in groups]

    def run(v: Any) -> Any:
        v = v if straight else np.transpose(v, order)
        if lengths == [1] * len(lengths):
            return v
        shape, at = list(v.shape[:lead]), lead
        for n in lengths[lead:]:
            shape.append(math.prod(v.shape[at:at + n]))
            at += n
        return np.reshape(v, shape)
    return run


def _rearranged(have: Sequence[str], want: str) -> Callable[[Any], Any]:
    order = [have.index(k) for k in want]
    if order == list(range(len(order))):
        return lambda v: v
    return lambda v: np.transpose(v, order)


def _plan_tensordot(a: str, b: str, out: str, summed: list[str]) -> Run:
    """No common stack: what `np.tensordot` does."""
    free_a, free_b = [k for k in a if k in out], [k for k in b if k in out]
    first, second = _as_matrix(a, (free_a, summed)), _as_matrix(b, (summed, free_b))
    at_a, at_b = [a.index(k) for k in free_a], [b.index(k) for k in free_b]
    finish = _rearranged([*free_a, *free_b], out)

    def run(x: Any, y: Any) -> Any:
        shape = [x.shape[i] for i in at_a] + [y.shape[i] for i in at_b]
        return finish(np.dot(first(x), second(y)).reshape(shape))
    return run


def _ready(x: Any) -> Any:
    """A stack of matrices that BLAS can read (`np.matmul` would use slow loops for others)."""
    if x.size > 64:
        row, column = x.strides[-2:]
        n, m = x.shape[-2:]
        if not ((column == x.itemsize and (row >= m * column or n == 1))
                or (row == x.itemsize and (column >= n * row or m == 1))):
            return np.ascontiguousarray(x)
    return x


def _plan_stacked(a: str, b: str, out: str, summed: list[str]) -> Run:
    """Labels in all three groups: `np.matmul` of stacks of matrices."""
    stack = [k for k in out if k in a and k in b]
    free_a, free_b = [k for k in out if k not in b], [k for k in out if k not in a]
    lead = len(stack)
    first = _as_matrix(a, (*stack, free_a, summed), lead)
    second = _as_matrix(b, (*stack, summed, free_b), lead)
    at_a, at_b = [a.index(k) for k in free_a], [b.index(k) for k in free_b]
    finish = _rearranged([*stack, *free_a, *free_b], out)
    plain = len(free_a) == len(free_b) == 1

    def run(x: Any, y: Any) -> Any:
        z = np.matmul(_ready(first(x)), _ready(second(y)))
        if not plain:
            z = z.reshape([*z.shape[:lead], *[x.shape[i] for i in at_a], *[y.shape[i] for i in at_b]])
        return finish(z)
    return run


def _dense(x: Any) -> Any:
    """A broadcast view made an array: BLAS cannot read stride 0."""
    return np.ascontiguousarray(x) if x.size > 64 and 0 in x.strides else x


def _plan_matmul(a: str, b: str, out: str) -> Run:
    """`np.matmul` itself: stack axes that an operand lacks are put back with length 1."""
    stack = [k for k in out if k in a[:-2] or k in b[:-2]]

    def placed(x: str) -> Callable[[Any], Any]:
        own = [stack.index(k) for k in x if k in stack]
        if not own or len(x) < 2:
            return lambda v: v
        key = tuple([slice(None) if k in x else None for k in stack[own[0]:]])
        return (lambda v: v) if None not in key else (lambda v: v[key])
    first, second = placed(a), placed(b)
    return lambda x, y: np.matmul(first(_dense(x)), second(_dense(y)))


# ---------------------------------------------------------------- the primitive

def _contract_transpose(ct: Any, i: int, ops: Any, *, spec: str, by: str = "", strong: bool = False) -> Any:
    a, b, out = split_spec(spec)
    if i == 0:
        return contract(ct, conj(ops[1]), spec=make_spec(out, b, a))
    return contract(conj(ops[0]), ct, spec=make_spec(a, out, b))


def _contract_batch(n: int, ops: Any, batched: Any, *, spec: str, by: str = "", strong: bool = False) -> Any:
    a, b, out = split_spec(spec)
    first, second = [None] * batched[0] + [*a], [None] * batched[1] + [*b]
    return contract(*ops, spec=make_spec(first, second, [None, *out]))


def _contract_sample(rng: np.random.Generator) -> Any:
    def case(spec: str, a: tuple[int, ...], b: tuple[int, ...], **params: Any) -> Any:
        return (rng.normal(size=a), rng.normal(size=b)), {"spec": spec, **params}
    out = [case("a,a->", (3,), (3,)), case("ab,b->a", (2, 3), (3,)), case("ab,bc->ac", (2, 3), (3, 4)),
           case("ab,cb->ca", (2, 3), (4, 3)), case("ab,ac->cb", (3, 2), (3, 4)), case("a,b->ba", (2,), (3,)),
           case("abc,acd->abd", (2, 3, 4), (2, 4, 2)), case("abc,bd->dac", (2, 3, 2), (3, 2)),
           case("abcd,dbe->eca", (2, 3, 2, 4), (4, 3, 2)), case("abc,bac->cb", (2, 3, 4), (3, 2, 4)),
           case("ab,ab->", (2, 3), (2, 3)), case("ab,bc->ac", (2, 0), (0, 3)),
           case("ab,bc->ac", (0, 2), (2, 3)),
           case(",a->a", (), (3,)), case(",->", (), ()),
           case("abc,cd->abd", (2, 3, 4), (4, 2), by="matmul"),
           case("abc,dcf->adbf", (2, 3, 4), (5, 4, 2), by="matmul"),
           case("abc,dce->abde", (2, 3, 4), (5, 4, 2), by="dot")]
    (a, b), params = case("ab,bc->ca", (2, 3), (3, 4))
    (c, d), stacked = case("abc,acd->abd", (2, 3, 4), (2, 4, 2))
    return [*out, ((a + 1j * a ** 2, b - 1j * b ** 2), params), ((c + 1j * c ** 2, d - 1j * d ** 2), stacked)]


contract: Primitive = Primitive(
    "contract", type=lambda a, b, *, spec, by="", strong=False: product_type(a, b, spec), evaluate=_evaluate, linear=(0, 1),
    transpose=_contract_transpose, batch=_contract_batch, sample=_contract_sample)


# ---------------------------------------------------------------- formulas made of it

def contract_labels(a: Any, la: Labels, b: Any, lb: Labels, out: Labels, by: str = "") -> Any:
    """The contraction of handles with any labels; those in one operand only are summed first."""
    (a, la), (b, lb) = _own_summed(a, la, lb, out), _own_summed(b, lb, la, out)
    params = {"spec": make_spec(la, lb, out)}
    if by:
        params["by"] = by
    return contract(a, b, **params)


def _own_summed(x: Any, own: Labels, other: Labels, out: Labels) -> tuple[Any, Labels]:
    axes = tuple([i for i, k in enumerate(own) if k not in other and k not in out])
    return (reduce_sum(x, axes=axes), [k for i, k in enumerate(own) if i not in axes]) if axes else (x, own)


def matmul(a: Any, b: Any, by: str = "") -> Any:
    """``a @ b`` of handles: vectors, matrices and stacks of them, whose stack axes broadcast."""
    stack_a, stack_b = a.shape[:-2], b.shape[:-2]
    depth = len(np.broadcast_shapes(stack_a, stack_b))
    la: list[Hashable] = [depth - len(stack_a) + i for i in range(len(stack_a))]
    lb: list[Hashable] = [depth - len(stack_b) + i for i in range(len(stack_b))]
    sizes_a, sizes_b = dict(zip(la, stack_a)), dict(zip(lb, stack_b))
    # an axis of length 1 that meets a longer one is dropped: the contraction repeats it
    drop_a = [i for i, k in enumerate(la) if sizes_a[k] == 1 and sizes_b.get(k, 1) != 1]
    drop_b = [i for i, k in enumerate(lb) if sizes_b[k] == 1 and sizes_a.get(k, 1) != 1]
    a, la = _squeezed(a, la, drop_a)
    b, lb = _squeezed(b, lb, drop_b)
    rows: list[Hashable] = ["row"] if a.ndim > len(la) + 1 else []
    columns: list[Hashable] = ["column"] if b.ndim > len(lb) + 1 else []
    params = {"spec": make_spec([*la, *rows, "sum"], [*lb, "sum", *columns],
                                [*range(depth), *rows, *columns])}
    if by:
        params["by"] = by
    return contract(a, b, **params)


def _squeezed(x: Any, labels: list[Hashable], drop: list[int]) -> tuple[Any, list[Hashable]]:
    if not drop:
        return x, labels
    shape = tuple([n for i, n in enumerate(x.shape) if i not in drop])
    return reshape(x, shape=shape), [k for i, k in enumerate(labels) if i not in drop]


def mT(x: Any) -> Any:
    """The last two axes exchanged."""
    n = x.ndim
    return transpose(x, axes=(*range(n - 2), n - 1, n - 2))


def diagonal(x: Any, i: int, j: int, offset: int = 0) -> Any:
    """The diagonal of axes i and j of a handle, as the last axis: a strided slice of the two made one."""
    rows, columns = x.shape[i], x.shape[j]
    rest = [k for k in range(x.ndim) if k not in (i, j)]
    order = (*rest, i, j)
    if order != tuple(range(x.ndim)):
        x = transpose(x, axes=order)
    start = offset if offset >= 0 else -offset * columns
    length = max(min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns), 0)
    flat = reshape(x, shape=(*x.shape[:-2], rows * columns))
    stop = start + (length - 1) * (columns + 1) + 1
    return slice_axis(flat, flat.ndim - 1, start, stop, columns + 1) if length else \
        slice_axis(flat, flat.ndim - 1, 0, 0)
