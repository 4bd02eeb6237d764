"""Products of windows without a copy of the windows: convolutions.

What comes in: a contraction of which an operand is made of overlapping windows, or whose result is added to such, as strides.
What goes out: loops over tiles in registers, or the answer that BLAS is better served with a copy. The one idea: a window is
only other strides, so a convolution, its transpose and the gradient of its kernel are one nest of loops; vectors run along the
last axis of the result, or, where that one is short or strided, along the channels, for which the kernel (or cotangent) and
the result are laid out with them last.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from wengert.backends.compiled import tiles
from wengert.backends.compiled.code import Code
from wengert.backends.compiled.loops import at, collapse, contiguous, copy, fill, loop, move, nest, plus, times
from wengert.backends.compiled.share import share, worth
from wengert.backends.compiled.tiles import Axis

__all__ = ["Array", "emit"]

# Measured on a core with 48 KB and 2 MB of cache. Bytes of what is read again and again (a kernel, the gradient of one), up to
# which these loops are faster than BLAS with a copy; where vectors run along the channels, it is written again and again, too.
STILL = 1 << 21
STILL_BY_CHANNELS = 1 << 20
SHORT = 0.4       # lanes that an axis has to fill at the least
NARROW = 0.7      # the part of the lanes that has to be used, or the channels are tried
FEW_RESULTS = 512  # sums that are made by vectors along them
CHANNELS = 4      # the fewest of them
TERMS = 1024      # summands of a tile: more are worked off part by part, so that what they read stays in the cache
FEW_TERMS = 24    # but not in parts so small
PARTS = (16, 8, 12, 10, 6, 15, 14, 9, 7, 5, 4, 3, 2)  # into how many a batch is cut, the first that divides it,
MOST_PARTS = 64   # or one by one
LINE = 128        # bytes between what two threads write


class Array(Protocol):
    """An operand or the result."""

    pointer: str
    strides: dict[str, int]
    overlaps: bool


Arrays = Sequence[Any]
Scratch = Callable[[int], str]


@dataclass(frozen=True)
class _Way:
    """How to go about it: the label that vectors run along, of the result or a sum, and the operand that is copied for it."""

    along: str
    turned: int | None = None


def emit(code: Code, dtype: np.dtype[Any], arrays: Arrays, sizes: dict[str, int], scratch: Scratch, accumulate: bool) -> bool:
    """Append the loops, or do nothing and return False."""
    lanes = tiles.lanes_of(code, dtype)
    way = _way(arrays, sizes, lanes, dtype.itemsize)
    if way is None:
        return False
    split = _split(arrays, sizes, way) if worth(code, math.prod([float(n) for n in sizes.values()])) else None
    if split is None:
        _emit(code, dtype, [(x.pointer, dict(x.strides)) for x in arrays], sizes, way, scratch, accumulate)
    else:
        _shared(code, dtype, arrays, sizes, way, split, scratch, accumulate)
    return True


def _emit(code: Code, dtype: np.dtype[Any], places: list[tuple[str, dict[str, int]]], sizes: dict[str, int], way: _Way,
          scratch: Scratch, accumulate: bool) -> None:
    """The loops, on arrays at these places."""
    target, strides = places[2]
    if way.turned is not None:
        places[way.turned] = _last(code, dtype, places[way.turned], way.along, sizes, scratch, filled=True)
        places[2] = _last(code, dtype, places[2], way.along, sizes, scratch, filled=False)
    _loops(code, dtype, places, sizes, way.along, accumulate and way.turned is None)
    if way.turned is not None:
        labels = sorted(places[2][1], key=lambda k: -strides[k])
        source, to = ([s[k] for k in labels] for s in (places[2][1], strides))
        write = tiles.add_into if accumulate else copy
        write(code, dtype, [sizes[k] for k in labels], places[2][0], source, target, to)


# ---------------------------------------------------------------- on several threads

def _split(arrays: Arrays, sizes: dict[str, int], way: _Way) -> tuple[str, int] | None:
    """The label whose range is cut into parts, and the length of a part: images, whose results lie apart or are added up."""
    a, b, c = arrays
    for k in sorted(sizes, key=lambda k: -max(a.strides.get(k, 0), b.strides.get(k, 0))):
        size = sizes[k]
        parts = next((n for n in PARTS if size % n == 0), size if size <= MOST_PARTS else 0)
        reach = sum([(sizes[j] - 1) * step for j, step in c.strides.items() if j != k])
        if k == way.along or parts < 2 or (k in c.strides and c.strides[k] <= reach):
            continue
        if k in c.strides or not c.overlaps:
            return k, size // parts
    return None


def _shared(code: Code, dtype: np.dtype[Any], arrays: Arrays, sizes: dict[str, int], way: _Way, split: tuple[str, int],
            scratch: Scratch, accumulate: bool) -> None:
    """The same, part by part; where the parts have one result, each has its own, and these are added up in order."""
    label, length = split
    c, parts, one = arrays[2], sizes[label] // length, {**sizes, label: length}
    apart = label in c.strides
    shape = [sizes[k] for k in c.strides]
    size = math.prod(shape)
    order = sorted(c.strides, key=lambda k: -c.strides[k])
    own = dict(zip(order, contiguous([sizes[k] for k in order]), strict=True))
    sums = "" if apart else scratch(parts * size * dtype.itemsize)

    def part(k: str) -> None:
        places = [(move(code, x.pointer, dtype, times(code, k, length * x.strides.get(label, 0))), dict(x.strides))
                  for x in arrays]
        if not apart:
            places[2] = move(code, sums, dtype, times(code, k, size)), own

        def mine(count: int) -> str:
            count += -count % LINE
            return at(code, scratch(parts * count), "i8", times(code, k, count))
        _emit(code, dtype, places, one, way, mine, accumulate and apart)
    share(code, parts, scratch, part)
    if not apart:
        labels = [sizes[k] for k in order]
        steps = ([own[k] for k in order], [c.strides[k] for k in order])
        if not accumulate:
            copy(code, dtype, labels, sums, steps[0], c.pointer, steps[1])
        loop(code, parts - (not accumulate), lambda k: tiles.add_into(
            code, dtype, labels, move(code, sums, dtype, times(code, plus(code, k, str(int(not accumulate))), size)), steps[0],
            c.pointer, steps[1]))


# ---------------------------------------------------------------- one thread's

def _way(arrays: Arrays, sizes: dict[str, int], lanes: int, itemsize: int) -> _Way | None:
    a, b, c = arrays
    if lanes == 1:
        return None
    single = [k for k in c.strides if sizes[k] > 1 and (k in a.strides) != (k in b.strides)]
    bytes_of = [math.prod([sizes[k] for k in x.strides]) * itemsize for x in arrays]
    straight = channels = None
    for k in single:
        own = 0 if k in a.strides else 1
        if c.strides[k] == arrays[own].strides[k] == 1 and bytes_of[1 - own] <= STILL and (
                sizes[k] >= lanes or (sizes[k] >= SHORT * lanes and bytes_of[1 - own] <= bytes_of[own])):
            straight = k if straight is None or sizes[k] > sizes[straight] else straight
        elif not c.overlaps and not arrays[own].overlaps and min(bytes_of[own], bytes_of[2]) <= STILL_BY_CHANNELS and (
                sizes[k] >= CHANNELS and (channels is None or sizes[k] > sizes[channels.along])):
            channels = _Way(k, own)
    if straight is not None and (channels is None or sizes[straight] >= NARROW * lanes * -(-sizes[straight] // lanes)):
        return _Way(straight)
    return channels or _summed(arrays, sizes, lanes)


def _summed(arrays: Arrays, sizes: dict[str, int], lanes: int) -> _Way | None:
    """Vectors along a sum: the gradient of a kernel with few channels. All that is read is read for each few elements."""
    a, b, c = arrays
    if c.overlaps or math.prod([sizes[k] for k in c.strides]) > FEW_RESULTS:
        return None
    found = [k for k in a.strides if k not in c.strides and a.strides[k] == b.strides[k] == 1 and sizes[k] >= SHORT * lanes]
    return _Way(found[0]) if found else None


def _last(code: Code, dtype: np.dtype[Any], place: tuple[str, dict[str, int]], label: str, sizes: dict[str, int],
          scratch: Scratch, filled: bool) -> tuple[str, dict[str, int]]:
    """An array of the same elements, or room for one, in which a label is the last axis."""
    pointer, strides = place
    order = [*sorted([k for k in strides if k != label], key=lambda k: -strides[k]), label]
    shape = [sizes[k] for k in order]
    new = dict(zip(order, contiguous(shape), strict=True))
    target = scratch(math.prod(shape) * dtype.itemsize)
    if filled:
        copy(code, dtype, shape, pointer, [strides[k] for k in order], target, [new[k] for k in order])
    return target, new


def _loops(code: Code, dtype: np.dtype[Any], places: Sequence[tuple[str, dict[str, int]]], sizes: dict[str, int], label: str,
           accumulate: bool) -> None:
    """Vectors run along a label of stride 1, of the result or of the sum."""
    a, b, c = [strides for _, strides in places]

    def axis(k: str) -> Axis:
        return Axis(sizes[k], a.get(k, 0), b.get(k, 0), c.get(k, 0))
    rest = sorted([k for k in c if k != label and sizes[k] > 1], key=lambda k: -c[k])
    other = b if label in a else a  # what vectors of one operand meet, element by element
    apart = sizes[label] * c.get(label, 0)  # rows of a tile that overlap would wait for one another
    single = [k for k in rest if (k in a) != (k in b) and c[k] >= apart]
    rows = max(single, key=lambda k: (label in c and k in other, min(sizes[k], 8)), default=None)
    rest = [k for k in rest if k != rows]
    sums = sorted([k for k in a if k not in c and sizes[k] > 1], key=lambda k: (k == label, -other[k], -(a[k] + b[k])))
    outer: list[str] = []
    while len(sums) > 1 and math.prod([sizes[k] for k in sums]) > TERMS and (
            math.prod([sizes[k] for k in sums[1:]]) >= FEW_TERMS):
        outer.append(sums.pop(0))
    pointers = (places[0][0], places[1][0], places[2][0])
    if outer and not accumulate:
        fill(code, dtype, math.prod([sizes[k] for k in c]), pointers[2])
    found, steps = collapse([sizes[k] for k in sums], [[s.get(k, 0) for k in sums] for s in (a, b, c)])
    inner = [Axis(n, *s) for n, *s in zip(found, *steps, strict=True)]
    lanes = tiles.lanes_of(code, dtype)
    few = -(-sizes[label] // lanes) <= 2

    def body(i: str, j: str, k: str) -> None:
        work = tiles.Work(code, dtype, pointers, (i, j, k), accumulate or bool(outer), lanes)
        first = tiles.NONE if rows is None else axis(rows)
        if label in c:
            work.tiles(first, axis(label), inner, 8 if few else 4)
        else:
            work.dots(first, inner)
    loops = [axis(k) for k in (*outer, *rest)]
    nest(code, [x.size for x in loops], [[x.a for x in loops], [x.b for x in loops], [x.c for x in loops]], body)
