"""Modes: the ways in which a Jacobian can be accumulated, and which of them is taken.

What comes in: a run of a function. What goes out: the blocks of its Jacobian. The one idea: each mode is a graph from the
residuals to the same blocks, so modes are compared by counting, and chosen once for each structure of a program.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.backends.cost import COMPILED, INTERPRETED, multiplications, operations, total, work
from wengert.errors import InputError, UnsupportedError
from wengert.finite import BACKWARD, TANGENT
from wengert.frontends.trace import active_frame, user_line
from wengert.graph import Graph, Var
from wengert.run import Run
from wengert.transforms.accumulate import Matrix, accumulated, compressed
from wengert.transforms.elimination import Elimination, eliminated
from wengert.transforms.segments import segmented, waist

__all__ = ["MODES", "Way", "blocks", "choice", "require_mode", "way"]

MODES = ("auto", "forward", "reverse", "colored", "mixed")
EQUATION = 500.0  # elements that cost as much as interpreting one more equation
UNKNOWN = 100.0  # iterations of a loop of unknown length
NUMBERS = 3_000  # operations of a linear graph that may be written out in numbers
FEW = 400  # likewise where nobody asked for it
CLEAR = 4  # so many times more directions decide without counting
WORTH = {True: 1e-3, False: 5e-5}  # seconds below which nothing dear is tried, where a graph is interpreted and compiled
DENSE = 10  # operations for each entry, below which a dense matrix is cheap enough
GAIN = 0.9  # of the time of the better of forward and reverse mode, that another mode may take


@dataclass(frozen=True)
class Way:
    """One way to the matrix.

    Attributes
    ----------
    name : str
        The mode.
    matrix : Matrix
    directions : int
        That are carried at once; 0 where there is no one number.
    how : str
        What was done, in words.
    adjoint : bool
        Whether the graph gives the adjoint, with complex numbers conjugated.
    elimination : Elimination, optional
        What was tried, where numbers were eliminated.
    """

    name: str
    matrix: Matrix
    directions: int
    how: str
    adjoint: bool = False
    elimination: Elimination | None = None

    @property
    def graph(self) -> Graph:
        return self.matrix.graph

    def count(self, of: Callable[[Any], float] = operations) -> float:
        """Operations (or multiplications) of the graph."""
        return total(self.graph, of, UNKNOWN)

    def seconds(self, price: float) -> float:
        """The usual time, which decides; whatever the machine, the same mode is taken."""
        return work(self.graph).seconds(INTERPRETED if price else COMPILED)


def require_mode(name: str, mode: Any) -> None:
    if mode not in MODES:
        raise InputError(f"{name}: mode is one of {', '.join(map(repr, MODES))}, not {mode!r} (at {user_line()})")


def blocks(run: Run, mode: str, holomorphic: bool) -> list[list[Any]]:
    """The Jacobian's blocks [output leaf][input leaf], of shape ``output + input``."""
    found = way(run, choice(run)[0] if mode == "auto" else mode)
    results = iter(run.call(found.graph, run.residuals(), BACKWARD if found.adjoint else TANGENT))
    values = [[next(results) if p else None for p in row] for row in found.matrix.present]
    if holomorphic and found.adjoint:
        values = [[None if b is None else np.conjugate(b) for b in row] for row in values]
    alive = [v for v, nonzero in zip(run.out_vars, run.linear().nonzero, strict=True) if nonzero]
    by_var = dict(zip(alive, values, strict=True))
    out = []
    for x in run.out_leaves:
        row = by_var.get(x) if isinstance(x, Var) else None
        shape, dtype = _leaf_shape(x)
        out.append([b if (b := None if row is None else row[k]) is not None else
                    np.zeros((*shape, *v.type.shape), v.type.dtype if found.adjoint else dtype)
                    for k, v in enumerate(run.inputs)])
    return out


# ---------------------------------------------------------------- the ways

def _price() -> float:
    return EQUATION if active_frame() is None else 0.0


def way(run: Run, mode: str, price: float | None = None) -> Way:
    """The graph of the blocks by a mode, kept with the interned graph."""
    price = _price() if price is None else price
    key: Any = ("way", mode, price, tuple(run.inputs), tuple(run.out_vars))
    if mode == "colored":
        from wengert.sparse import pattern_key
        key = (*key, pattern_key(run))
    derived = run.trace.build.derived
    found = derived.get(key)
    if found is None:
        found = derived[key] = _MAKE[mode](run, price)
    return found  # type: ignore[no-any-return]


def _sizes(run: Run) -> tuple[int, int]:
    """Elements of the inputs, and of the outputs that depend on them."""
    return sum(v.type.size for v in run.inputs), sum(o.type.size for o in run.linear().graph.outputs)


def _forward(run: Run, price: float) -> Way:
    found = accumulated(run.forward(), run.linear().count, False, price)
    return Way("forward", found, _sizes(run)[0], "one direction for each input element")


def _reverse(run: Run, price: float) -> Way:
    adjoint, linear = run.adjoint(), run.linear()
    found = accumulated(adjoint.graph, sum(linear.nonzero), True, price)
    return Way("reverse", found.widened(adjoint.nonzero), _sizes(run)[1], "one direction for each output element", True)


def _colored(run: Run, price: float) -> Way:
    from wengert.sparse import colored_groups
    linear = run.linear()
    pattern, by_column, by_row = colored_groups(run)
    counts = [int(g.max(initial=-1)) + 1 for g in (by_column, by_row)]
    entries = f"{pattern.count:,} of {pattern.size * pattern.width:,} entries may be nonzero"
    if counts[0] <= counts[1]:
        found = compressed(run.forward(), linear.count, False, price, by_column, pattern)
        return Way("colored", found, counts[0], f"{_groups(counts[0], 'column')}; {entries}")
    adjoint = run.adjoint()
    found = compressed(adjoint.graph, sum(linear.nonzero), True, price, by_row, pattern,
                       [(v.type.size, flag) for v, flag in zip(run.inputs, adjoint.nonzero, strict=True)])
    found = found.widened(adjoint.nonzero)
    return Way("colored", found, counts[1], f"{_groups(counts[1], 'row')}; {entries}", True)


def _groups(count: int, side: str) -> str:
    return f"{count} group{'s' * (count != 1)} of {side}s"


def _mixed(run: Run, price: float) -> Way:
    """The fewest multiplications of all that is known; forward and reverse mode are among it."""
    forward, reverse = way(run, "forward", price), way(run, "reverse", price)
    tried, reasons = [forward, reverse], []
    for make in (_by_segments, _by_numbers):
        try:
            tried.append(make(run, price))
        except UnsupportedError as error:
            reasons.append(str(error).partition(". ")[0].rpartition(": ")[2])
    best = min(tried, key=lambda w: (w.count(multiplications), w.count()))
    if best is forward or best is reverse:
        why = f" ({'; '.join(reasons)})" if reasons else ""
        return replace(best, name="mixed", how=f"{best.name} mode: nothing takes fewer multiplications{why}")
    return best


def _require_real(run: Run) -> None:
    linear = run.linear().graph
    types = {v.type.dtype for v in linear.inputs[:run.linear().count]} | {o.type.dtype for o in linear.outputs}
    if len(types) != 1 or next(iter(types)).kind != "f":
        raise UnsupportedError("complex values, or several dtypes, are not eliminated")


def _by_segments(run: Run, price: float) -> Way:
    linear = run.linear()
    _require_real(run)
    if run.forward() is not linear.graph:
        raise UnsupportedError("selections or writes, whose zeros are kept within one pass")
    if waist(linear.graph, linear.count) is None:
        raise UnsupportedError("no waist is narrower than inputs and outputs")
    found, text = segmented(linear.graph, linear.count, price, lambda e: total(Graph((), (e,), ()), operations, UNKNOWN))
    return Way("mixed", found, 0, text)


def _by_numbers(run: Run, price: float) -> Way:
    linear = run.linear()
    _require_real(run)
    if not total(linear.graph, operations, UNKNOWN) <= NUMBERS:
        raise UnsupportedError(f"more than {NUMBERS:,} operations are not written out in numbers")
    found = eliminated(linear.graph, linear.count)
    text = f"{len(found.network.inner())} numbers eliminated, order: {found.taken}"
    return Way("mixed", found.matrix, 0, text, elimination=found)


_MAKE: dict[str, Callable[[Run, float], Way]] = {
    "forward": _forward, "reverse": _reverse, "colored": _colored, "mixed": _mixed}


# ---------------------------------------------------------------- the choice

def choice(run: Run, price: float | None = None) -> tuple[str, str]:
    """The mode that "auto" takes, and why; kept with the interned graph."""
    price = _price() if price is None else price
    key, derived = ("choice", price, tuple(run.inputs), tuple(run.out_vars)), run.trace.build.derived
    found = derived.get(key)
    if found is None:
        found = derived[key] = _chosen(run, price)
    return found  # type: ignore[no-any-return]


def _chosen(run: Run, price: float) -> tuple[str, str]:
    n, m = _sizes(run)
    if any(v.type.dtype.kind == "c" for v in run.out_vars) and not any(v.type.dtype.kind == "c" for v in run.inputs):
        return "forward", "the output is complex and the input real"
    if n <= 1 or m <= 1:
        return ("reverse", "one output element") if m <= 1 < n else ("forward", "one input element")
    first, few = ("forward", f"{n} directions against {m}") if n < m else ("reverse", f"{m} directions against {n}")
    plain = [way(run, first, price)]
    if max(n, m) < CLEAR * min(n, m):
        plain.append(way(run, "reverse" if first == "forward" else "forward", price))
    best = min(plain, key=lambda w: w.seconds(price))
    time = best.seconds(price)
    for other in _others(run, price, best):
        if other.seconds(price) < GAIN * time:
            best, time = other, other.seconds(price)
    if len(plain) == 1 and best is plain[0]:
        return best.name, few
    return best.name, f"{best.count():,.0f} operations, against {min(w.count() for w in plain if w is not best):,.0f}"


def _others(run: Run, price: float, best: Way) -> list[Way]:
    """Modes that may be faster, where finding out is worth it."""
    linear, (n, m), time = run.linear(), _sizes(run), best.seconds(price)
    if price and time < WORTH[True]:
        return []
    out = []
    small = total(linear.graph, operations, UNKNOWN) <= FEW and not price
    if small or (run.forward() is linear.graph and waist(linear.graph, linear.count) is not None):
        out.append(way(run, "mixed", price))
    if not small and time > WORTH[price > 0.0] and best.count() > DENSE * n * m:
        with contextlib.suppress(UnsupportedError):  # a dense pattern of many entries
            out.append(way(run, "colored", price))
    return out


def _leaf_shape(x: Any) -> tuple[tuple[int, ...], Any]:
    if hasattr(x, "type"):
        return x.type.shape, x.type.dtype if x.type.inexact else np.dtype(float)
    found = np.asarray(x)
    return found.shape, found.dtype if found.dtype.kind in "fc" else np.dtype(float)
