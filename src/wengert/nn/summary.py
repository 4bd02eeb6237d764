"""What a model is made of: shapes, parameters, memory, operations.

What comes in: a model and an input. What goes out: a `Summary`, a table of rows. The one idea: the model is called once, with
each part that can be called standing behind one that takes notes, so that models of one's own are seen like those of here.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import wengert as wg
from wengert.errors import InputError, kind_of
from wengert.flatten import Frozen, flatten, is_inexact, trainable
from wengert.structured import call
from wengert.units import bytes_text, count_text

__all__ = ["Summary", "SummaryRow", "count_parameters", "summary"]


@dataclass(frozen=True)
class SummaryRow:
    """A part of a model.

    Attributes
    ----------
    place : str
        How it is reached, ``.layers[0]``; "" for the model itself.
    name : str
        Of its class or function.
    depth : int
        In how many parts it lies.
    inputs, outputs : tuple of tuple of int
        Shapes of the arrays of its first call.
    calls : int
        How often it was called.
    parameters, frozen : int
        Numbers that are trained, and other numbers that it holds.
    memory : int
        Bytes of both.
    activations : int
        Bytes of the arrays that its calls gave.
    operations : float
        Of all its calls, as `wengert.count_operations` counts: a multiplication and an addition are two.
    """

    place: str
    name: str
    depth: int
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    calls: int
    parameters: int
    frozen: int
    memory: int
    activations: int
    operations: float


@dataclass(frozen=True)
class Summary:
    """What `summary` gives; print it, or let a notebook show it.

    Attributes
    ----------
    rows : tuple of SummaryRow
        In the order of first calls; the first is the model itself, with the totals.
    """

    rows: tuple[SummaryRow, ...]

    HEAD = ("part", "input", "output", "parameters", "memory", "activations", "operations")

    def __getitem__(self, place: str) -> SummaryRow:
        """The row of a part, by its place."""
        for row in self.rows:
            if row.place == place:
                return row
        raise KeyError(place)

    def __repr__(self) -> str:
        return f"<summary of {self.rows[0].name}: {self.rows[0].parameters:,} parameters; print it>"

    def __str__(self) -> str:
        table = [list(self.HEAD), *self._cells()]
        widths = [max(len(line[k]) for line in table) for k in range(len(self.HEAD))]
        lines = []
        for line in table:
            left = [cell.ljust(w) for cell, w in zip(line[:3], widths, strict=False)]
            lines.append("  ".join([*left, *[cell.rjust(w) for cell, w in zip(line[3:], widths[3:], strict=True)]]).rstrip())
        lines.insert(1, "-" * max(map(len, lines)))
        return "\n".join([*lines, self._total()])

    def _repr_html_(self) -> str:
        def line(cells: list[str], tag: str) -> str:
            sides = ["left"] * 3 + ["right"] * 4
            return "".join(f'<{tag} style="text-align:{side};white-space:pre;padding:0 0.7em">{html.escape(cell)}</{tag}>'
                           for cell, side in zip(cells, sides, strict=True))
        body = "".join(f"<tr>{line(cells, 'td')}</tr>" for cells in self._cells())
        caption = "caption-side:bottom;text-align:left;white-space:pre;padding:0.5em 0.7em"
        return (f'<table><caption style="{caption}">{html.escape(self._total())}</caption>'
                f"<thead><tr>{line(list(self.HEAD), 'th')}</tr></thead><tbody>{body}</tbody></table>")

    def _cells(self) -> Iterator[list[str]]:
        for row in self.rows:
            name = f"{'  ' * row.depth}{row.place.rpartition('.')[2]} {row.name}".rstrip() if row.place else row.name
            yield [name + (f" ×{row.calls}" if row.calls > 1 else ""), _shapes(row.inputs), _shapes(row.outputs),
                   f"{row.parameters:,}" + (f" + {row.frozen:,}" if row.frozen else ""), bytes_text(row.memory),
                   bytes_text(row.activations), count_text(row.operations)]

    def _total(self) -> str:
        whole = self.rows[0]
        inner = sum(row.activations for row in self.rows if row.depth and not self._holds_others(row))
        frozen = f", {whole.frozen:,} numbers that are not" if whole.frozen else ""
        return (f"{whole.parameters:,} parameters are trained{frozen}: {bytes_text(whole.memory)}; "
                f"activations {bytes_text(inner or whole.activations)}; {count_text(whole.operations)} operations a call")

    def _holds_others(self, row: SummaryRow) -> bool:
        inside = (f"{row.place}.", f"{row.place}[")
        return any(other.place.startswith(inside) for other in self.rows)


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return ", ".join(str(shape) for shape in shapes)


def count_parameters(model: Any) -> int:
    """How many numbers of a model are trained: floats and complex numbers that are not `Frozen`.

    Parameters
    ----------
    model : tree

    Returns
    -------
    int

    Examples
    --------
    >>> import wengert as wg
    >>> count_parameters(wg.nn.Linear.init(wg.random.key(0), 3, 4))
    16
    """
    return _numbers(model)[0]


def _numbers(model: Any) -> tuple[int, int, int]:
    """Numbers that are trained, others, and the bytes of all."""
    trained = others = size = 0
    for leaf, moves in zip(flatten(model)[0], trainable(model), strict=True):
        if isinstance(leaf, (np.ndarray, np.generic, float, complex)):
            array = np.asarray(leaf)
            trained, others, size = trained + moves * array.size, others + (not moves) * array.size, size + array.nbytes
    return trained, others, size


def summary(model: Callable[..., Any], *args: Any, **kwargs: Any) -> Summary:
    """A table of a model's parts: shapes in and out, parameters, memory, operations.

    Parameters
    ----------
    model : callable tree
        A layer, or a dataclass of one's own that holds layers.
    *args, **kwargs
        What it is called with; the model is called once, and each part again to count its operations.

    Returns
    -------
    Summary

    Raises
    ------
    InputError
        A model that cannot be called; shapes that do not fit, with the part and its place.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> first, second = wg.random.split(wg.random.key(0))
    >>> model = wg.nn.Sequential((wg.nn.Linear.init(first, 64, 32), wg.nn.relu, wg.nn.Linear.init(second, 32, 10)))
    >>> print(wg.nn.summary(model, np.ones((100, 64))))
    part                input      output     parameters   memory  activations  operations
    --------------------------------------------------------------------------------------
    Sequential          (100, 64)  (100, 10)       2,410  19.3 KB      8,000 B       484 k
      layers[0] Linear  (100, 64)  (100, 32)       2,080  16.6 KB      25.6 KB       413 k
      layers[1] relu    (100, 32)  (100, 32)           0      0 B      25.6 KB       6.4 k
      layers[2] Linear  (100, 32)  (100, 10)         330  2,640 B      8,000 B        65 k
    2,410 parameters are trained: 19.3 KB; activations 59.2 KB; 484 k operations a call
    """
    if not callable(model):
        raise InputError(f"summary: a model is called, and {kind_of(model)} cannot be")
    notes: dict[str, _Note] = {}
    _watched(model, notes)(*args, **kwargs)
    return Summary(tuple(note.row() for note in notes.values()))


class _Note:
    """What was seen of one part."""

    def __init__(self, part: Any, place: str, depth: int, frozen: bool, args: Any, kwargs: Any):
        self.part, self.place, self.depth, self.frozen = part, place, depth, frozen
        self.calls, self.given, self.operations = 0, 0, 0.0
        self.inputs = _shapes_of((args, kwargs))
        self.outputs: tuple[tuple[int, ...], ...] = ()

    def add(self, args: Any, kwargs: Any, result: Any) -> None:
        self.operations += _operations(self.part, args, kwargs)
        if not self.calls:
            self.outputs = _shapes_of(result)
        self.calls += 1
        self.given += sum(math.prod(np.shape(leaf)) * leaf.dtype.itemsize for leaf in _arrays(result))

    def row(self) -> SummaryRow:
        name = getattr(self.part, "__name__", type(self.part).__name__)
        trained, others, size = _numbers(self.part)
        if self.frozen:
            trained, others = 0, trained + others
        return SummaryRow(self.place, name, self.depth, self.inputs, self.outputs, self.calls, trained, others, size,
                          self.given, self.operations)


class _Watched:
    """A function that tells of its calls; in all else it is the function."""

    def __init__(self, inner: Any, notes: dict[str, _Note], *what: Any):
        self.__wrapped__ = inner
        self.__call = _noted(inner, notes, *what)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)


def _noted(function: Any, notes: dict[str, _Note], part: Any, place: str, depth: int, frozen: bool, *, bound: int = 0) -> Any:
    """The function, telling of its calls; the first `bound` arguments are not the user's."""
    @functools.wraps(function, updated=())
    def noted(*args: Any, **kwargs: Any) -> Any:
        note = notes.setdefault(place, _Note(part, place, depth, frozen, args[bound:], kwargs))
        result = call(function, *args, **kwargs)
        note.add(args[bound:], kwargs, result)
        return result
    return noted


def _watched_class(x: Any, notes: dict[str, _Note], *what: Any) -> type:
    """The class of a part with a call that tells of itself: what is made of the part (`dataclasses.replace`) tells, too."""
    kind = type(x)
    return type(kind.__name__, (kind,), {"__call__": _noted(kind.__call__, notes, *what, bound=1), "__doc__": kind.__doc__,
                                         "__module__": kind.__module__, "__qualname__": kind.__qualname__})


def _watched(x: Any, notes: dict[str, _Note], place: str = "", depth: int = 0, frozen: bool = False) -> Any:
    """The same tree with everything in it that can be called behind a `_Watched`."""
    def within(part: Any, name: str, deeper: bool = False) -> Any:
        return _watched(part, notes, place + name, depth + deeper, frozen or isinstance(x, Frozen))
    what = x, place, depth, frozen
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        inner: Any = object.__new__(_watched_class(x, notes, *what) if callable(x) else type(x))
        for f in dataclasses.fields(x):
            part = getattr(x, f.name)
            part = part if f.metadata.get("static") else within(part, f".{f.name}", callable(x))
            object.__setattr__(inner, f.name, part)
        return inner
    if isinstance(x, (tuple, list)):
        parts = [within(part, f"[{k}]") for k, part in enumerate(x)]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if isinstance(x, dict):
        return {key: within(part, f"[{key!r}]") for key, part in x.items()}
    return _Watched(x, notes, *what) if callable(x) else x


def _operations(part: Any, args: Any, kwargs: Any) -> float:
    leaves, spec = flatten((part, args, kwargs))
    leaves = [np.zeros(leaf.shape, leaf.dtype) if _is_traced(leaf) else leaf for leaf in leaves]
    moving = [k for k, leaf in enumerate(leaves) if is_inexact(leaf)]

    def run(numbers: list[Any]) -> Any:
        whole = list(leaves)
        for k, number in zip(moving, numbers, strict=True):
            whole[k] = number
        layer, positional, named = spec.unflatten(whole)
        return layer(*positional, **named)
    return wg.count_operations(run, [leaves[k] for k in moving]) if moving else 0.0


def _is_traced(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and hasattr(leaf, "shape") and not isinstance(leaf, (np.ndarray, np.generic))


def _arrays(tree: Any) -> list[Any]:
    return [leaf for leaf in flatten(tree)[0] if hasattr(leaf, "dtype") and hasattr(leaf, "shape")]


def _shapes_of(tree: Any) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(leaf.shape) for leaf in _arrays(tree) if leaf.dtype != np.uint64 or leaf.shape)  # keys are no inputs
