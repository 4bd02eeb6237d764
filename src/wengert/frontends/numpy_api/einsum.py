"""Einstein summation on tracers.

What comes in: `np.einsum` in either of its two formats. What goes out: diagonals, sums and contractions of
two operands at a time. The one idea: every format becomes lists of labels, one for each axis (letters, or
``(..., k)`` for the k-th axis from the right under an ellipsis), and `np.einsum_path` says who meets whom.

The values are those of `np.einsum` up to rounding, since pairs are contracted by BLAS.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from wengert.frontends.lens import KINDS, ViewKind
from wengert.frontends.numpy_api.products import finished, operands
from wengert.frontends.tracer import Tracer, implements
from wengert.primitives import structure as s
from wengert.primitives.contract import contract_labels, diagonal

__all__: list[str] = []

Labels = list[Hashable]
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


# ---------------------------------------------------------------- the two formats

def _from_string(text: str, count: int) -> tuple[list[list[Any]], list[Any] | None]:
    """``"ij,...j->i..."`` as lists of letters and Ellipsis."""
    inputs, arrow, output = text.replace(" ", "").partition("->")
    terms = [_term(t) for t in inputs.split(",")]
    if len(terms) != count:
        which = "more" if count > len(terms) else "fewer"
        raise ValueError(f"{which} operands provided to einsum function than specified in the subscripts "
                         f"string")
    return terms, _term(output) if arrow else None


def _term(text: str) -> list[Any]:
    head, dots, tail = text.partition("...")
    for letter in head + tail:
        if letter not in _LETTERS:
            raise ValueError(f"invalid subscript '{letter}' in einstein sum subscripts string, subscripts "
                             f"must be letters")
    return [*head, *([Ellipsis] if dots else []), *tail]


def _from_lists(args: Sequence[Any]) -> tuple[list[Any], list[list[Any]], list[Any] | None]:
    """``(a, [0, 1], b, [1, 2], [0, 2])``: the operands and their lists."""
    arrays, terms = list(args[0:len(args) // 2 * 2:2]), [_sublist(t) for t in args[1::2]]
    return arrays, terms, _sublist(args[-1]) if len(args) % 2 else None


def _sublist(term: Any) -> list[Any]:
    out: list[Any] = []
    for k in term:
        if k is Ellipsis:
            out.append(k)
        elif isinstance(k, (int, np.integer)) and 0 <= k < len(_LETTERS):
            out.append(_LETTERS[k])
        else:
            raise ValueError(f"each subscript is an integer from 0 to 51 or an ellipsis, not {k!r}")
    return out


# ---------------------------------------------------------------- labels

def _expanded(term: list[Any], ndim: int, number: int) -> Labels:
    """One label for each axis of an operand."""
    named = len(term) - (Ellipsis in term)
    if named > ndim:
        raise ValueError(f"einstein sum subscripts string contains too many subscripts for operand {number}")
    if Ellipsis not in term:
        if named < ndim:
            raise ValueError("operand has more dimensions than subscripts given in einstein sum, but no "
                             "'...' ellipsis provided to broadcast the extra dimensions.")
        return list(term)
    at, hidden = term.index(Ellipsis), ndim - named
    return [*term[:at], *[(Ellipsis, k) for k in range(hidden - 1, -1, -1)], *term[at + 1:]]


def _result_labels(output: list[Any] | None, labels: list[Labels]) -> Labels:
    """The labels of the result; without an arrow, those that occur once, sorted."""
    every = [k for group in labels for k in group]
    depth = max([k[1] + 1 for k in every if isinstance(k, tuple)], default=0)
    hidden: Labels = [(Ellipsis, k) for k in range(depth - 1, -1, -1)]
    if output is None:
        return [*hidden, *sorted({k for k in every if isinstance(k, str) and every.count(k) == 1})]
    for k in output:
        if k is not Ellipsis and output.count(k) > 1:
            raise ValueError(f"einstein sum subscripts string includes output subscript '{k}' multiple times")
        if k is not Ellipsis and k not in every:
            raise ValueError(f"einstein sum subscripts string included output subscript '{k}' which never "
                             f"appeared in an input")
    if Ellipsis not in output:
        if depth:
            raise ValueError("output has more dimensions than subscripts given in einstein sum, but no '...' "
                             "ellipsis provided to broadcast the extra dimensions.")
        return list(output)
    at = output.index(Ellipsis)
    return [*output[:at], *hidden, *output[at + 1:]]


def _without_repeats(x: Any, labels: Labels) -> tuple[Any, Labels]:
    """Repeated labels of one operand: its diagonal."""
    labels = list(labels)
    while len(set(labels)) < len(labels):
        k = next(k for k in labels if labels.count(k) > 1)
        i = labels.index(k)
        j = labels.index(k, i + 1)
        if x.shape[i] != x.shape[j]:
            raise ValueError(f"dimensions in single operand for collapsing index {k!r} don't match "
                             f"({x.shape[i]} != {x.shape[j]})")
        x = diagonal(x, i, j)
        labels = [l for n, l in enumerate(labels) if n not in (i, j)] + [k]
    return x, labels


def _sizes(xs: list[Any], labels: list[Labels]) -> dict[Hashable, int]:
    """The length of each label; axes of length 1 broadcast."""
    sizes: dict[Hashable, int] = {}
    for x, group in zip(xs, labels, strict=True):
        for k, n in zip(group, x.shape, strict=True):
            if n != 1 and sizes.get(k, 1) not in (1, n):
                shapes = " ".join(str(y.shape) for y in xs)
                raise ValueError(f"operands could not be broadcast together in einsum: {shapes} (lengths "
                                 f"{sizes[k]} and {n} of one subscript)")
            sizes[k] = n if n != 1 else sizes.get(k, 1)
    return sizes


def _squeezed(x: Any, labels: Labels, sizes: dict[Hashable, int]) -> tuple[Any, Labels]:
    """Without the axes of length 1 that meet longer ones."""
    keep = [i for i, k in enumerate(labels) if x.shape[i] == sizes[k]]
    if len(keep) == len(labels):
        return x, labels
    return s.reshape(x, shape=tuple([x.shape[i] for i in keep])), [labels[i] for i in keep]


# ---------------------------------------------------------------- contraction

@functools.lru_cache(maxsize=1000)
def _path(spec: str, shapes: tuple[tuple[int, ...], ...], optimize: Any) -> list[tuple[int, ...]]:
    """Which operands meet: positions in a list from which they are taken, the result appended."""
    zero = np.zeros(())
    found, _ = np.einsum_path(spec, *[np.broadcast_to(zero, n) for n in shapes], optimize=optimize)
    return [tuple(step) for step in found[1:]]


def _order(xs: list[Any], labels: list[Labels], out: Labels, optimize: Any) -> list[tuple[int, ...]]:
    if isinstance(optimize, (list, tuple)) and len(optimize) and optimize[0] == "einsum_path":
        return [tuple(step) for step in optimize[1:]]
    every = list(dict.fromkeys(k for group in labels for k in group))
    if len(xs) < 3 or len(every) > len(_LETTERS):
        return [tuple(range(len(xs)))]
    names = dict(zip(every, _LETTERS))
    terms = ["".join([names[k] for k in group]) for group in (*labels, out)]
    spec = ",".join(terms[:-1]) + "->" + terms[-1]
    if optimize in (False, True, None):
        optimize = "greedy"
    return _path(spec, tuple([x.shape for x in xs]),
                 tuple(optimize) if isinstance(optimize, list) else optimize)


def _pair(a: Any, la: Labels, b: Any, lb: Labels, needed: Sequence[Hashable]) -> tuple[Any, Labels]:
    """Contract two operands, keeping the labels that are needed later."""
    keep: Labels = [k for k in dict.fromkeys([*la, *lb]) if k in needed]
    if list(needed) != keep and set(needed) == set(keep):
        keep = list(needed)
    else:  # common labels first, so that later contractions are stacks of matrices
        keep = [k for k in keep if k in la and k in lb] + [k for k in keep if (k in la) != (k in lb)]
    return contract_labels(a, la, b, lb, keep), keep


def _all(xs: list[Any], labels: list[Labels], out: Labels, optimize: Any) -> tuple[Any, Labels]:
    for step in _order(xs, labels, out, optimize):
        taken = [(xs[i], labels[i]) for i in step]
        xs = [x for i, x in enumerate(xs) if i not in step]
        labels = [group for i, group in enumerate(labels) if i not in step]
        x, group = taken[0]
        for n, (y, other) in enumerate(taken[1:], start=2):
            rest = [k for l in (*labels, *[l for _, l in taken[n:]]) for k in l]
            x, group = _pair(x, group, y, other, list(dict.fromkeys([*out, *rest])) if rest else out)
        xs.append(x)
        labels.append(group)
    return xs[0], labels[0]


def _single(x: Any, labels: Labels, out: Labels) -> Any:
    """Sum what the result lacks, and put the axes in its order."""
    axes = tuple([i for i, k in enumerate(labels) if k not in out])
    if axes:
        x, labels = s.reduce_sum(x, axes=axes), [k for k in labels if k in out]
    order = tuple([labels.index(k) for k in out])
    return x if order == tuple(range(len(order))) else s.transpose(x, axes=order)


@implements(np.einsum)
def einsum(*args: Any, out: Any = None, optimize: Any = False, dtype: Any = None, order: Any = "K",
           casting: Any = "safe") -> Any:
    """``np.einsum``."""
    if args and isinstance(args[0], str):
        terms, output = _from_string(args[0], len(args) - 1)
        arrays: list[Any] = list(args[1:])
    else:
        arrays, terms, output = _from_lists(args)
    if not arrays:
        raise ValueError("must specify the einstein sum subscripts string and at least one operand, or at "
                         "least one operand and its corresponding subscripts list")
    xs = operands(*arrays)
    if dtype is not None:
        xs = [x if x.dtype == dtype else s.convert(x, dtype=np.dtype(dtype)) for x in xs]
    labels = [_expanded(t, x.ndim, n) for n, (t, x) in enumerate(zip(terms, xs, strict=True))]
    wanted = _result_labels(output, labels)
    whole, original = xs[0], labels[0]
    pairs = [_without_repeats(x, group) for x, group in zip(xs, labels, strict=True)]
    xs, labels = [x for x, _ in pairs], [group for _, group in pairs]
    sizes = _sizes(xs, labels)
    pairs = [_squeezed(x, group, sizes) for x, group in zip(xs, labels, strict=True)]
    xs, labels = [x for x, _ in pairs], [group for _, group in pairs]
    if len(xs) == 1:
        result = _single(xs[0], labels[0], wanted)
        if len(wanted) == len(labels[0]) and isinstance(whole, Tracer) and out is None:
            return _view(whole, original, wanted, result)
        return finished(result, out)
    return finished(_single(*_all(xs, labels, wanted, optimize), wanted), out)


@implements(np.einsum_path)
def einsum_path(*args: Any, optimize: Any = "greedy", einsum_call: bool = False) -> Any:
    """``np.einsum_path``: it depends on shapes only."""
    zero = np.zeros(())
    plain = [np.broadcast_to(zero, x.shape) if isinstance(x, Tracer) else x for x in args]
    path: Any = np.einsum_path
    return path(*plain, optimize=optimize, einsum_call=einsum_call)


# ---------------------------------------------------------------- views

def _view(whole: Tracer, labels: Labels, wanted: Labels, result: Any) -> Any:
    """Where nothing is summed, one operand gives a view of its memory."""
    number = {k: n for n, k in enumerate(dict.fromkeys(labels))}
    payload = (tuple([number[k] for k in labels]), tuple([number[k] for k in wanted]))
    if len(wanted) == len(labels):
        axes = tuple([payload[0].index(n) for n in payload[1]])
        return whole.view_through("transpose", axes, s.transpose(whole, axes=axes))
    return whole.view_through("einsum", payload, result)


KINDS["einsum"] = ViewKind(lambda base, p: _single(*_without_repeats(base, list(p[0])), list(p[1])),
                           lambda array, p: np.einsum(array, list(p[0]), list(p[1])))
