"""Patterns: which columns each row of a sparse boolean matrix touches.

What comes in: row pointers and column indices. What goes out: unions, selections and regroupings of rows. The one idea: every
rule of sparsity is one of three maps on rows (take rows, send rows to other rows, unite two patterns), each a handful of
NumPy calls on index arrays, whatever the number of entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError

__all__ = ["Pattern", "bounded"]

_MOST = 200_000_000  # entries: some 2 GB of indices
Indices = np.ndarray[Any, np.dtype[np.int64]]


class Pattern:
    """Rows of sorted column indices: row i has ``indices[indptr[i]:indptr[i + 1]]``.

    Examples
    --------
    >>> Pattern.identity(2).take(np.array([1, 1, -1])).toarray().astype(int)
    array([[0, 1],
           [0, 1],
           [0, 0]])
    """

    __slots__ = ("indices", "indptr", "width")

    def __init__(self, indptr: Indices, indices: Indices, width: int):
        self.indptr, self.indices, self.width = indptr, indices, width

    @classmethod
    def identity(cls, size: int, start: int = 0, width: int | None = None) -> Pattern:
        """Row i has the one column ``start + i``."""
        return cls(np.arange(size + 1), np.arange(start, start + size), size if width is None else width)

    @classmethod
    def empty(cls, size: int, width: int) -> Pattern:
        return cls(np.zeros(size + 1, np.int64), np.zeros(0, np.int64), width)

    @classmethod
    def of_entries(cls, rows: Indices, columns: Indices, size: int, width: int) -> Pattern:
        """The pattern of these entries, each counted once, in any order."""
        keys = rows * np.int64(width) + columns
        if keys.size > 1 and not (keys[1:] > keys[:-1]).all():
            keys = np.sort(keys, kind="stable")  # runs that are sorted already are merged
            keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])]
        rows, columns = np.divmod(keys, max(width, 1))
        return cls(np.searchsorted(rows, np.arange(size + 1)), columns, width)

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    @property
    def count(self) -> int:
        """Number of entries."""
        return len(self.indices)

    def rows(self) -> Indices:
        """The row of each entry."""
        return np.repeat(np.arange(self.size), np.diff(self.indptr))

    def toarray(self) -> np.ndarray[Any, Any]:
        out = np.zeros((self.size, self.width), bool)
        out[self.rows(), self.indices] = True
        return out

    def take(self, at: Indices) -> Pattern:
        """Row i of the result is row ``at[i]``; an empty one where that is -1."""
        at = np.asarray(at, np.int64).ravel()
        if not self.count:
            return Pattern.empty(len(at), self.width)
        counts = np.where(at >= 0, self.indptr[at + 1] - self.indptr[at], 0)
        indptr = np.zeros(len(at) + 1, np.int64)
        np.cumsum(counts, out=indptr[1:])
        bounded(int(indptr[-1]))
        flat = np.arange(indptr[-1]) + np.repeat(self.indptr[at] - indptr[:-1], counts)
        return Pattern(indptr, self.indices[flat], self.width)

    def send(self, source: Indices, target: Indices, size: int) -> Pattern:
        """Row ``target[k]`` of the result receives row ``source[k]``, for all k; rows that meet are united."""
        taken = self.take(source)
        rows = np.repeat(np.asarray(target, np.int64).ravel(), np.diff(taken.indptr))
        return Pattern.of_entries(rows, taken.indices, size, self.width)

    def keep(self, where: np.ndarray[Any, Any]) -> Pattern:
        """Rows where the mask is False made empty."""
        where = np.asarray(where, bool).ravel()
        return self if where.all() else self.take(np.where(where, np.arange(self.size), -1))

    def merged(self) -> Pattern:
        """One row: the union of all."""
        columns = np.unique(self.indices)
        return Pattern(np.array([0, len(columns)]), columns, self.width)

    def spread(self, size: int) -> Pattern:
        """`size` rows, each the union of all."""
        return self.merged().take(np.zeros(size, np.int64))

    def union(self, other: Pattern) -> Pattern:
        if self is other or not other.count or (self.count == other.count and np.array_equal(self.indices, other.indices)
                                                and np.array_equal(self.indptr, other.indptr)):
            return self
        if not self.count:
            return other
        bounded(self.count + other.count)
        return Pattern.of_entries(np.concatenate([self.rows(), other.rows()]), np.concatenate([self.indices, other.indices]),
                                  self.size, self.width)

    def same(self, other: Pattern) -> bool:
        return self.union(other) is self and other.union(self) is other and self.count == other.count

    def transposed(self) -> Pattern:
        return Pattern.of_entries(self.indices, self.rows(), self.width, self.size)

    @staticmethod
    def stacked(parts: Sequence[Pattern]) -> Pattern:
        """The rows of all, one after the other."""
        indptr = np.concatenate([[0], *[np.diff(p.indptr) for p in parts]]).cumsum()
        return Pattern(indptr, np.concatenate([p.indices for p in parts]), parts[0].width)


def bounded(count: int) -> None:
    """Refuse more entries than memory could hold."""
    if count > _MOST:
        raise UnsupportedError(f"the sparsity of this program has more than {_MOST:,} entries: the derivative is dense. "
                               f"Use products with it (wg.hvp, wg.jvp, wg.vjp)")
