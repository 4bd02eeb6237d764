"""What a comparison says: as a table, as a picture, as JSON.

What comes in: attempts and their reference. What goes out: a `Comparison`. The one idea: a row for each way, those that do
not apply included, with the reason.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any

import numpy as np

from wengert.check import rounding_floor
from wengert.comparison.measure import Reference
from wengert.comparison.problem import Problem
from wengert.comparison.ways import Attempt
from wengert.units import bytes_text, count_text, seconds_text

__all__ = ["Comparison", "Entry"]

Array = np.ndarray
SHOWN = 3  # numbers that are written out
MOST = 10_000  # numbers that go into JSON
COARSE = 0.01  # relative error from which an approximation is wrong
BROKEN = 1e-6  # likewise for what claims to be exact
SPREAD = 5.0  # standard errors that a random estimate may be off


@dataclass(frozen=True, eq=False)
class Entry:
    """One way, measured.

    Attributes
    ----------
    name, kind : str
        Kinds are "differences", "random", "symbolic", "forward", "reverse" and "mixed".
    verdict : str
        "exact" (to rounding), "unsure" (it claims to be exact, and the reference that it agrees with is known less well),
        "approximate", "random" (right within its standard error), "inexact" (worse than its kind should be), "wrong",
        "undefined" (the derivative is not finite there), or "does not apply".
    reason : str
        Why it does not apply, or what is wrong.
    value : ndarray or None
        The derivative, of shape (outputs, inputs) or (outputs, inputs, inputs).
    error, relative_error : float
        The largest difference from the reference, and that in units of the reference's largest element.
    standard_error : float
        Of a random estimate, the root mean square over the elements; NaN for others.
    seconds, evaluations, operations, memory
        The time of a run; evaluations of the function (for ways that read the program: passes over its graph); arithmetic
        operations, NaN where they cannot be counted; the most bytes at once, None where they were not measured.
    growth : dict
        The exponents a of ``n^a`` with which evaluations, operations and seconds grow with the number of inputs n; empty
        where the function takes no other size.
    """

    name: str
    kind: str
    verdict: str
    reason: str
    value: Array | None
    error: float
    relative_error: float
    standard_error: float
    seconds: float
    evaluations: int
    operations: float
    memory: int | None
    growth: dict[str, float]
    sizes: dict[int, dict[str, float]]


class Comparison:
    """What `compare` gives; print it.

    Attributes
    ----------
    name : str
        Of the function.
    order, n, m : int
        Of the derivative; how many inputs and outputs.
    seconds, operations : float
        Of one evaluation of the function.
    entries : tuple of Entry
        The ways, in the order of the table.
    reference : ndarray
        What errors are taken from.
    method, error, note : str, float, str
        How the reference was found, how far it may be off, and why it is no better.
    """

    def __init__(self, p: Problem, attempts: Sequence[Attempt], reference: Reference):
        self.name, self.order, self.n, self.m = p.name, p.order, p.n, p.m
        self.reference, self.method, self.error, self.note = reference.value, reference.method, reference.error, reference.note
        self.seconds, self.operations = p.seconds, p.cost
        self.entries = tuple([_entry(a, p, reference) for a in attempts])

    def __getitem__(self, name: str) -> Entry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(f"{name!r} is none of {', '.join(e.name for e in self.entries)}")

    def __repr__(self) -> str:
        return f"<comparison of {len(self.entries)} ways to the derivative of {self.name}; print it>"

    # ------------------------------------------------------------ tables

    @property
    def _head(self) -> str:
        what = "Hessian" if self.order == 2 else "gradient" if self.m == 1 else f"Jacobian ({self.m:,} outputs)"
        inputs = "1 input" if self.n == 1 else f"{self.n:,} inputs"
        error = f" (± {self.error:.1g})" if self.error > 0 else ""
        what = what if self.n > 1 or self.order > 1 else "derivative"
        once = f"{seconds_text(self.seconds)}, {count_text(self.operations)} operations"
        return f"{what} of {self.name}, {inputs}; one evaluation: {once}\nerrors against: {self.method}{error}"

    def _columns(self) -> tuple[list[str], list[list[str]]]:
        """The header, and a row for each way that ran."""
        header = ["way", _label(self.n ** self.order * self.m), "error", "time", "evals", "ops", "memory"]
        growing = any(e.growth for e in self.entries)
        header += ["ops ~", "time ~"] if growing else []
        rows = []
        for e in self.entries:
            if e.value is not None:
                row = [e.name, _value(e.value), _error(e.relative_error), seconds_text(e.seconds), f"{e.evaluations:,}",
                       count_text(e.operations), _memory(e.memory)]
                row += [_power(e.growth.get("operations")), _power(e.growth.get("seconds"))] if growing else []
                rows.append([*row, e.verdict])
        return [*header, "verdict"], rows

    def _remarks(self) -> list[str]:
        """What is wrong and what does not apply, and why; and what the columns mean."""
        said = [f"{e.name} is {e.verdict}: {e.reason}" for e in self.entries if e.value is not None and e.reason]
        closed = [e for e in self.entries if e.value is None]
        for reason in dict.fromkeys(e.reason for e in closed):
            names = [e.name for e in closed if e.reason == reason]
            verb = "does" if len(names) == 1 else "do"
            said.append(f"{'; '.join(names)} {verb} not apply: {shorten(reason, 160, placeholder=' ...')}")
        said += [f"the reference: {shorten(self.note, 160, placeholder=' ...')}"] if self.note else []
        return [*said, "error: relative to the largest element; evals: evaluations of the function, or passes over its graph; "
                       "ops: arithmetic operations"]

    def table(self) -> Any:
        """A table of `rich`, for ``rich.print``."""
        from rich import box
        from rich.table import Table
        from rich.text import Text
        header, rows = self._columns()
        table = Table(title=Text(self._head), box=box.SIMPLE_HEAD, title_justify="left", padding=0, show_edge=False,
                      caption=Text("\n".join(self._remarks())), caption_justify="left", title_style="", caption_style="")
        for k, name in enumerate(header):
            longest = max((len(word) for row in rows for word in row[k].split()), default=None) if k < 2 else None
            table.add_column(name, justify="left" if k in (0, len(header) - 1) else "right", no_wrap=k > 1, overflow="fold",
                             min_width=longest)
        colors = {"exact": "green", "wrong": "bold red", "inexact": "yellow", "unsure": "yellow"}
        for row in rows:
            compact = [cell.replace(" ", "") if k > 1 else cell for k, cell in enumerate(row[:-1])]  # for narrow terminals
            table.add_row(*map(Text, compact), Text(row[-1], style=colors.get(row[-1], "")))
        return table

    def __str__(self) -> str:
        header, rows = self._columns()
        widths = [max(len(row[k]) for row in [header, *rows]) for k in range(len(header))]
        lines = [self._head, ""]
        for row in [header, *rows]:
            lines.append("  ".join([cell.ljust(w) if k in (0, len(header) - 1) else cell.rjust(w)
                                    for k, (cell, w) in enumerate(zip(row, widths, strict=True))]).rstrip())
        return "\n".join([*lines, "", *self._remarks()])

    # ------------------------------------------------------------ JSON

    def json(self) -> str:
        """All of it as JSON; NaN and infinities as null, arrays of more than 10,000 elements as null."""
        document = {
            "function": self.name, "order": self.order, "inputs": self.n, "outputs": self.m,
            "seconds": self.seconds, "operations": self.operations,
            "reference": {"method": self.method, "error": self.error, "note": self.note, "value": self.reference},
            "ways": [{"name": e.name, "kind": e.kind, "verdict": e.verdict, "reason": e.reason, "value": e.value,
                      "error": e.error, "relative_error": e.relative_error, "standard_error": e.standard_error,
                      "seconds": e.seconds, "evaluations": e.evaluations, "operations": e.operations, "memory": e.memory,
                      "growth": e.growth, "sizes": {str(n): found for n, found in e.sizes.items()}} for e in self.entries],
        }
        out = io.StringIO()
        json.dump(_plain(document), out, indent=1, allow_nan=False)
        return out.getvalue()

    # ------------------------------------------------------------ picture

    def plot(self, file: Any) -> None:
        """Draw error against time, and time against the number of inputs, into a file; Matplotlib is needed."""
        from wengert.comparison.picture import draw
        draw(self, file)


def _entry(a: Attempt, p: Problem, reference: Reference) -> Entry:
    nan = float("nan")
    if a.value is None:
        return Entry(a.way.name, a.way.kind, "does not apply", a.reason, None, nan, nan, nan, nan, 0, nan, None, {}, {})
    with np.errstate(invalid="ignore"):
        off = np.abs(a.value - reference.value)
    error = float(np.max(off, initial=0.0)) if np.all(np.isfinite(off)) else math.inf
    scale = float(np.max(np.abs(reference.value), initial=0.0)) or 1.0
    spread = nan if a.spread is None else float(np.sqrt(np.mean(np.square(a.spread))))
    sure = reference.error / scale
    if not np.all(np.isfinite(reference.value)):
        return Entry(a.way.name, a.way.kind, "undefined", "", a.value, nan, nan, spread, a.seconds, a.evaluations, a.operations,
                     a.memory, _growth(a.sizes), dict(sorted(a.sizes.items())))
    verdict, reason = _verdict(a, error / scale, sure, float(np.sqrt(np.mean(np.square(off)))), spread, p.dtype)
    return Entry(a.way.name, a.way.kind, verdict, reason, a.value, error, error / scale, spread, a.seconds, a.evaluations,
                 a.operations, a.memory, _growth(a.sizes), dict(sorted(a.sizes.items())))


def _verdict(a: Attempt, relative: float, sure: float, off: float, spread: float, dtype: Any) -> tuple[str, str]:
    if not math.isfinite(relative):
        return "wrong", "not finite"
    if a.way.claims == "random":
        likely = off <= SPREAD * spread or relative < COARSE + 4 * sure
        return ("random", "") if likely else ("wrong", "further off than its standard error explains")
    if a.way.claims == "approximate":
        return ("approximate", "") if relative <= COARSE + 4 * sure else ("wrong", "")
    if relative <= rounding_floor(dtype):
        return "exact", ""
    if relative <= rounding_floor(dtype) + 4 * sure:
        return "unsure", f"it agrees with the reference, which is only known to {sure:.0e}"
    if relative <= max(BROKEN, 100 * rounding_floor(dtype)):
        return "inexact", "more than rounding, in an ill-conditioned function perhaps"
    dropped = "it drops the imaginary part (abs, .real), or there is a kink" if a.way.name == "complex step" else ""
    return "wrong", dropped


def _growth(sizes: dict[int, dict[str, float]]) -> dict[str, float]:
    """The exponents, by least squares in logarithms."""
    if len(sizes) < 2:
        return {}
    found = {}
    n = np.log(sorted(sizes))
    for what in ("evaluations", "operations", "seconds"):
        values = np.array([sizes[k][what] for k in sorted(sizes)], float)
        if np.all(np.isfinite(values) & (values > 0)):
            found[what] = float(np.polyfit(n, np.log(values), 1)[0])
    return found


# ---------------------------------------------------------------- numbers for people

def _label(size: int) -> str:
    return "value" if size <= SHOWN else "norm"


def _value(x: Array) -> str:
    if x.size == 1:
        return f"{x.item():.10g}"
    if x.size <= SHOWN:
        return "[" + ", ".join(f"{y:.4g}" for y in x.ravel()) + "]"
    return f"{np.linalg.norm(x.ravel()):.6g}"


def _error(x: float) -> str:
    return "" if math.isnan(x) else "0" if x == 0 else "inf" if math.isinf(x) else f"{x:.0e}"


def _memory(x: int | None) -> str:
    return "" if x is None else bytes_text(x)


def _power(a: float | None) -> str:
    return "" if a is None else f"n^{a:.1f}".replace("n^-0.0", "n^0.0")


def _plain(x: Any) -> Any:
    """As JSON has it."""
    if isinstance(x, np.ndarray):
        return _plain(x.tolist()) if x.size <= MOST else None
    if isinstance(x, dict):
        return {key: _plain(value) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return [_plain(value) for value in x]
    if isinstance(x, (float, np.floating)):
        return float(x) if math.isfinite(x) else None
    return int(x) if isinstance(x, np.integer) else x
