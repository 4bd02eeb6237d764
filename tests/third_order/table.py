"""The measured errors of every function, the page that lists them, and the bounds that hold them.

What comes in: functions, and references from a file. What goes out: rows (function, order, point, error), docs/accuracy.md
and `bounds.json`. The one idea: one measurement serves the page, the bounds and the test.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.third_order import measure
from tests.third_order.functions import ONE
from tests.third_order.pairs import SEVERAL
from tests.third_order.reasons import HEAD, REASONS
from tests.third_order.reference import multi_indices

HERE = Path(__file__).parent
REFERENCES, BOUNDS = HERE / "references.json", HERE / "bounds.json"
PAGE = HERE.parents[1] / "docs" / "accuracy.md"
ORDINARY_BOUND = 8.0
LOST = 2.0 ** 26  # ulps: half of the digits
MODES = ("forward", "reverse")


@dataclass(frozen=True)
class Row:
    """One number: the derivative of some order, at a point, in a mode."""

    name: str
    order: tuple[int, ...]
    mode: str
    point: tuple[float, ...]
    ordinary: bool
    got: float
    text: str
    raw: float
    error: float


def functions() -> dict[str, Any]:
    return {**ONE, **SEVERAL}


def points(f: Any) -> list[tuple[float, ...]]:
    """Each once."""
    found = [p if isinstance(p, tuple) else (p,) for p in f.points]
    return list({key(p): p for p in found}.values())


def key(x: tuple[float, ...]) -> str:
    return " ".join(map(repr, x))


@functools.cache
def references() -> dict[str, dict[str, list[str]]]:
    return json.loads(REFERENCES.read_text(encoding="utf-8")) if REFERENCES.exists() else {}  # type: ignore[no-any-return]


def complete(name: str) -> bool:
    return {key(p) for p in points(functions()[name])} == references().get(name, {}).keys()


def write_references(found: dict[str, dict[str, list[str]]]) -> None:
    lines = []
    for name, at in found.items():
        inner = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in at.items())
        lines.append(f" {json.dumps(name)}: {{\n{inner}\n }}")
    REFERENCES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def rows(name: str, modes: tuple[str, ...] = MODES) -> Iterator[Row]:
    """Everything measured for a function; but for points where NumPy's or SciPy's own value is NaN."""
    f, stored = functions()[name], references()[name]
    at = points(f)
    plain = {key(p if isinstance(p, tuple) else (p,)) for p in f.ordinary}
    xs = [np.array(column) for column in zip(*at)]
    where = {index: n for n, index in enumerate(multi_indices(len(xs), 4))}
    values = measure.measured(f.call, (0,) * len(xs), xs, "forward")
    for order in multi_indices(len(xs)):
        for mode in modes if sum(order) else modes[:1]:
            got = measure.measured(f.call, order, xs, mode) if sum(order) else values
            for p, value, plainly in zip(at, got, values):
                if np.isnan(plainly):
                    continue
                texts = stored[key(p)]
                slopes = tuple(texts[where[_raised(order, i)]] for i in range(len(p)))
                raw = measure.distance(value, texts[where[order]], p)
                error = measure.distance(value, texts[where[order]], p, slopes)
                if raw is not None and error is not None:
                    yield Row(name, order, mode if sum(order) else "value", p, key(p) in plain, float(value),
                              texts[where[order]], raw, error)


def _raised(order: tuple[int, ...], i: int) -> tuple[int, ...]:
    return tuple(n + (k == i) for k, n in enumerate(order))


@dataclass(frozen=True)
class Summary:
    """Of a function and a total order: the worst at ordinary points and at the edge, and the points that are lost."""

    ordinary: float
    edge: float
    where: str
    lost: tuple[str, ...]
    count: int


def summarize(found: Iterable[Row]) -> dict[int, Summary]:
    by_order: dict[int, list[Row]] = {}
    for row in found:
        by_order.setdefault(sum(row.order), []).append(row)
    out = {}
    for order, group in sorted(by_order.items()):
        kept = [r for r in group if r.error <= LOST]
        edge = max((r for r in kept if not r.ordinary), key=lambda r: r.error, default=None)
        out[order] = Summary(max((r.error for r in group if r.ordinary), default=0.0), edge.error if edge else 0.0,
                             key(edge.point) if edge else "",
                             tuple(dict.fromkeys(key(r.point) for r in group if r.error > LOST)),
                             len({(r.order, r.point) for r in group}))
    return out


def bounds() -> dict[str, dict[str, list[float]]]:
    return json.loads(BOUNDS.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def rounded_up(error: float) -> float:
    """With room for another machine's library of elementary functions."""
    return float(f"{1.5 * error + 0.5:.2g}")


def write(progress: Callable[[Iterable[str]], Iterable[str]]) -> None:
    found = {name: summarize(rows(name)) for name in progress(list(functions()))}
    BOUNDS.write_text("{\n" + ",\n".join(f" {json.dumps(name)}: " + json.dumps(
        {order: [rounded_up(s.ordinary), rounded_up(s.edge), len(s.lost)] for order, s in of.items()})
        for name, of in found.items()) + "\n}\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")


def page(found: dict[str, dict[int, Summary]]) -> str:
    count = sum(s.count for of in found.values() for s in of.values())
    lines = [*HEAD, "", f"{len(found)} functions, {count:,} values and derivatives.", "",
             "| function | value | first | second | third |", "| --- | --- | --- | --- | --- |"]
    for name, of in found.items():
        lines.append(f"| `{name}` | " + " | ".join(_cell(of[order]) for order in range(4)) + " |")
    lines += ["", "## Lost digits, and why", "", "| function | orders | arguments | why |", "| --- | --- | --- | --- |"]
    for name, of in found.items():
        gone = {order: s.lost for order, s in of.items() if s.lost and order}
        if gone:
            places = list(dict.fromkeys(p for lost in gone.values() for p in lost))
            shown = "; ".join(p.replace(" ", ", ") for p in places[:4])
            shown += f"; {len(places) - 4} more" if len(places) > 4 else ""
            lines.append(f"| `{name}` | {', '.join(map(str, gone))} | {shown} | {reason(name)} |")
    return "\n".join(lines) + "\n"


def _cell(s: Summary) -> str:
    return f"{_short(s.ordinary)} / {_short(s.edge)}" + (f" ({len(s.lost)})" if s.lost else "")


def _short(error: float) -> str:
    """Rounded up to a digit and a half, so that another machine writes the same."""
    return "1" if error <= 1.0 else f"{error:.0e}".replace("e+0", "e") if error >= 100 else f"{math.ceil(error)}"


def reason(name: str) -> str:
    for words, why in REASONS.items():
        if any(name.startswith(w) or w in name for w in words.split(" | ")):
            return why
    raise KeyError(f"{name} has lost digits, and no reason for it is written down")
