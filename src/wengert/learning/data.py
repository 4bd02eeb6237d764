"""Data, batch by batch.

What comes in: arrays (in memory, or mapped from a file), or a function that makes a generator of batches for each epoch.
What goes out: the batches of an epoch, and which rows they are. The one idea: an epoch's order depends on the seed and the
epoch alone, so that a run can go on in the middle of one.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from wengert.errors import DataError, InputError, kind_of
from wengert.flatten import Spec, flatten, leaf_names

__all__ = ["SHOWN", "Batch", "Rows", "Stream", "minibatches", "order_of", "source_of", "whole"]

Array = np.ndarray

SHOWN = 8  # rows in a message


class Batch:
    """A batch: its tree, its leaves, and which rows of the data it is (None if that is not known)."""

    __slots__ = ("leaves", "rows", "size", "spec")

    def __init__(self, leaves: list[Array], spec: Spec, rows: Array | range | None):
        self.leaves, self.spec, self.rows = leaves, spec, rows
        self.size = leaves[0].shape[0] if leaves[0].ndim else 1

    @property
    def tree(self) -> Any:
        return self.spec.unflatten(self.leaves)

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments of the loss: a tuple is several, anything else one."""
        tree = self.tree
        return tuple(tree) if type(tree) in (tuple, list) else (tree,)

    def parts(self, count: int) -> list[Batch]:
        """The batch in up to `count` parts of nearly one size."""
        cuts = np.linspace(0, self.size, min(count, self.size) + 1).astype(int)
        return [Batch([x[a:b] for x in self.leaves], self.spec, None if self.rows is None else self.rows[a:b])
                for a, b in itertools.pairwise(cuts)]

    def where(self) -> str:
        """Which rows it is, for a message."""
        if self.rows is None:
            return f"{self.size:,} rows of a stream"
        if isinstance(self.rows, range):
            return f"rows {self.rows.start} to {self.rows.stop - 1} of the data"
        shown = ", ".join(str(int(row)) for row in self.rows[:SHOWN])
        return f"rows {shown}{', ...' if len(self.rows) > SHOWN else ''} of the data"

    def shapes(self) -> str:
        return ", ".join(f"{name} {x.dtype.name}{list(x.shape)}"
                         for name, x in zip(leaf_names(self.spec, "batch"), self.leaves, strict=True))


def _leaves_of(name: str, tree: Any, caller: str = "fit") -> tuple[list[Array], Spec]:
    """Arrays of numbers with a leading axis in common; a memory map stays on the disk."""
    leaves, spec = flatten(tree)
    names = leaf_names(spec, name)
    if not leaves:
        raise DataError(f"{caller}: {name} is an empty {type(tree).__name__}; it holds arrays with one row for each example")
    out = []
    for leaf, called in zip(leaves, names, strict=True):
        if not isinstance(leaf, np.ndarray) or type(leaf) not in (np.ndarray, np.memmap):
            raise InputError(f"{caller}: {called} is {kind_of(leaf)}; data are arrays (np.asarray makes one), trees of them, "
                             "or a function that makes a generator of batches")
        if leaf.dtype.kind not in "fciub":
            raise InputError(f"{caller}: {called} has dtype {leaf.dtype}, which is not one of numbers")
        view = np.asarray(leaf).view()
        view.flags.writeable = False  # a loss that changes its batch in place would change the caller's data
        out.append(view)
    return out, spec


class Rows:
    """Arrays, of which an epoch takes each row once.

    Parameters
    ----------
    name : str
        For messages.
    tree : tree of arrays
        With one leading length.
    batch_size : int or None
        None: all rows at once.
    """

    def __init__(self, name: str, tree: Any, batch_size: int | None, *, shuffle: bool, drop_last: bool, seed: int,
                 caller: str = "fit"):
        self.leaves, self.spec = _leaves_of(name, tree, caller)
        names = leaf_names(self.spec, name)
        for leaf, called in zip(self.leaves, names, strict=True):
            if not leaf.ndim:
                raise InputError(f"{caller}: {called} has no axis; its first axis is that of the examples")
        self.count = len(self.leaves[0])
        for leaf, called in zip(self.leaves, names, strict=True):
            if len(leaf) != self.count:
                raise DataError(f"{caller}: {names[0]} has {self.count:,} rows, and {called} {len(leaf):,}; they are to have "
                                "the same number, one for each example")
        if not self.count:
            raise DataError(f"{caller}: {name} is empty: {names[0]} has shape {self.leaves[0].shape}")
        if batch_size is not None and batch_size > self.count:
            raise DataError(f"{caller}: batch_size is {batch_size:,}, and {name} has {self.count:,} rows; take at most that, "
                            "or None for all of them at once")
        self.full = batch_size is None
        self.batch_size = self.count if batch_size is None else batch_size
        self.shuffle, self.seed = shuffle and not self.full, seed
        self.updates = self.count // self.batch_size if drop_last else math.ceil(self.count / self.batch_size)

    def cut(self, batch_size: int) -> None:
        """Take batches of at most so many rows."""
        self.batch_size = min(batch_size, self.count)
        self.updates = math.ceil(self.count / self.batch_size)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch (counted from 0), from the one numbered `first`."""
        order = order_of(self.count, self.seed, epoch) if self.shuffle else None
        for k in range(first, self.updates):
            start, stop = k * self.batch_size, min((k + 1) * self.batch_size, self.count)
            if order is None:
                yield Batch([x[start:stop] for x in self.leaves], self.spec, range(start, stop))
            else:
                rows = order[start:stop]
                yield Batch([_taken(x, rows) for x in self.leaves], self.spec, rows)

    def __str__(self) -> str:
        size = "all at once" if self.full else f"in batches of {self.batch_size:,}"
        return f"{self.count:,} rows {size}: {self.updates:,} update{'s' * (self.updates != 1)} per epoch"


class Stream:
    """A function that makes a generator of batches for each epoch; how many is known once one has ended."""

    updates: int | None = None

    def __init__(self, name: str, make: Callable[..., Iterable[Any]]):
        self.name, self.make = name, make
        self.modes: Any = np.geterr()
        try:
            self.by_epoch = "epoch" in inspect.signature(make).parameters
        except (TypeError, ValueError):
            self.by_epoch = False
        self.like: tuple[Spec, list[tuple[Any, tuple[int, ...]]]] | None = None

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch (counted from 0); those before `first` are read and left out."""
        made = self.make(epoch=epoch) if self.by_epoch else self.make()
        if not isinstance(made, Iterable):
            raise InputError(f"fit: {self.name}() gives {kind_of(made)}; it is to be a generator of batches")
        k = -1
        for k, tree in enumerate(_each(made, self.modes)):
            if k >= first:
                yield self._checked(tree, k, epoch)
        if k < 0:
            raise DataError(f"fit: {self.name}() gave no batch in epoch {epoch + 1}")
        if self.updates is not None and k + 1 < self.updates:
            raise DataError(f"fit: {self.name}() ended early in epoch {epoch + 1}: after {k + 1:,} batches, and an epoch "
                            f"before it had {self.updates:,}")
        self.updates = max(k + 1, self.updates or 0)

    def _checked(self, tree: Any, k: int, epoch: int) -> Batch:
        """A batch, of the structure, dtypes and shapes of the first but for its rows."""
        leaves, spec = _leaves_of(f"batch {k + 1} of {self.name}()", tree)
        found = [(x.dtype, x.shape[1:]) for x in leaves]
        if self.like is None:
            self.like = spec, found
        where = f"batch {k + 1} of epoch {epoch + 1}"
        if spec != self.like[0]:
            raise DataError(f"fit: {where} of {self.name}() has the structure {spec!r}, and the first batch {self.like[0]!r}")
        for x, (dtype, shape), name in zip(leaves, self.like[1], leaf_names(spec, "batch"), strict=True):
            if (x.dtype, x.shape[1:]) != (dtype, shape):
                like = f"{dtype.name}[any{''.join(f', {n}' for n in shape)}]"
                raise DataError(f"fit: {where} of {self.name}(): {name} is {x.dtype.name}{list(x.shape)}, and that of the "
                                f"first batch {like}")
        if not leaves[0].ndim or not len(leaves[0]) or len({x.shape[:1] for x in leaves}) > 1:
            shapes = ", ".join(str(x.shape) for x in leaves)
            raise DataError(f"fit: {where} of {self.name}() has arrays of shapes {shapes}; their first axis is that of the "
                            "examples, of one length that is not 0")
        return Batch(leaves, spec, None)

    def __str__(self) -> str:
        return "a stream" if self.updates is None else f"a stream: {self.updates:,} updates per epoch"


def _each(batches: Iterable[Any], modes: Any) -> Iterator[Any]:
    """The batches, made with NumPy's warnings as the user has set them."""
    iterator = iter(batches)
    while True:
        with np.errstate(**modes):
            try:
                batch = next(iterator)
            except StopIteration:
                return
        yield batch


def _taken(x: Array, rows: Array) -> Array:
    """Rows of an array; `take` is the quicker way, and copies the whole array first if it has another layout."""
    return x.take(rows, axis=0) if x.flags.c_contiguous and x.flags.aligned else x[rows]


def source_of(name: str, data: Any, batch_size: int | None, *, shuffle: bool = False, drop_last: bool = False,
              seed: int = 0) -> Rows | Stream:
    """Data of either kind."""
    if isinstance(data, Iterator):
        raise InputError(f"fit: {name} is {kind_of(data)}, which is used up after one epoch; pass the function that makes it: "
                         f"{name}=batches in the place of batches()")
    if type(data) is list and data and all(type(batch) in (tuple, list) for batch in data):
        raise InputError(f"fit: {name} is a list whose first item is {kind_of(data[0])}; arrays of all rows are a tuple, "
                         f"{name}=(x, y), and a list of batches is given by a function: {name}=lambda: batches")
    if not callable(data):
        return Rows(name, data, batch_size, shuffle=shuffle, drop_last=drop_last, seed=seed)
    if batch_size is not None:
        raise InputError(f"fit: {name} is a function that makes batches, so batch_size is theirs; leave it out")
    return Stream(name, data)


def order_of(count: int, seed: int, epoch: int) -> Array:
    """The order in which an epoch takes the rows."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def whole(name: str, x: Any, least: int = 1, caller: str = "fit") -> int:
    """A whole number, checked."""
    if isinstance(x, bool) or not isinstance(x, (int, np.integer)) or x < least:
        raise InputError(f"{caller}: {name} is a whole number from {least} up, not {x!r}")
    return int(x)


def minibatches(data: Any, batch_size: int | None = None, *, shuffle: bool = True, drop_last: bool = False, seed: int = 0,
                epoch: int = 0) -> Iterator[Any]:
    """The batches of an epoch, as `fit` takes them: each row once, in an order that depends on seed and epoch alone.

    Parameters
    ----------
    data : tree of arrays
        With one leading length, that of the examples. Only the rows of a batch are copied; of an `np.memmap` only they are
        read.
    batch_size : int, optional
        Rows of a batch (default: all, in their order). The last batch is smaller if it does not divide their number.
    shuffle : bool
    drop_last : bool
        Leave a smaller last batch out.
    seed, epoch : int
        From 0 up.

    Returns
    -------
    iterator
        Trees like `data`.

    Raises
    ------
    DataError
        Empty data, arrays of different lengths, a batch larger than the data.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> x = np.arange(5)
    >>> [rows.tolist() for rows in wg.minibatches(x, 2, shuffle=False)]
    [[0, 1], [2, 3], [4]]
    >>> sorted(np.concatenate(list(wg.minibatches(x, 2, seed=1))).tolist())
    [0, 1, 2, 3, 4]
    """
    name = "minibatches"
    if callable(data):
        raise InputError(f"{name}: data is a function; it takes arrays")
    size = None if batch_size is None else whole("batch_size", batch_size, 1, name)
    rows = Rows("data", data, size, shuffle=shuffle, drop_last=drop_last, seed=whole("seed", seed, 0, name), caller=name)
    return (batch.tree for batch in rows.batches(whole("epoch", epoch, 0, name)))
