"""What the linter says.

What comes in: findings. What goes out: a `LintReport`, printed as the doctor prints, or as JSON. The one idea: a finding has a
code that does not change, and the comment ``# wg: ignore[CODE]`` at its line silences it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from wengert.frontends.findings import told
from wengert.lines import place_key, short_place, source_line

__all__ = ["TITLES", "LintFinding", "LintReport", "merged", "report"]

TITLES = {
    "WG101": "kink at or near the point",
    "WG102": "jump within reach",
    "WG103": "input that never reaches the output",
    "WG104": "input cut off",
    "WG105": "gradient that is zero over a region",
    "WG106": "infinite slope behind a mask",
    "WG107": "cancellation",
    "WG108": "loop whose derivative lags its value",
    "WG109": "random draw",
    "WG110": "tie",
    "WG111": "uninitialized memory",
}
_TURN = re.compile(r" \(turn \d+ of the loop[^()]*\)$")
_IGNORE = re.compile(r"#\s*wg:\s*ignore(?:\[([A-Z0-9,\s]*)\])?")


@dataclass(frozen=True)
class LintFinding:
    """One thing that the linter saw.

    Attributes
    ----------
    code : str
        "WG101"; see docs/lint.md.
    place : str
        "/home/me/file.py:12"; of a formula the part; "" if there is no line.
    what : str
        What was seen, in a few words.
    why : str
        What it does to the derivative, with the numbers at this point.
    remedy : str
        What to write instead.
    """

    code: str
    place: str
    what: str
    why: str
    remedy: str

    @property
    def line(self) -> int:
        """The number of the line; 0 if there is none."""
        return place_key(self.place)[1]

    @property
    def source(self) -> str:
        """The text of the line."""
        return source_line(self.place)

    def __str__(self) -> str:
        headline = f"{short_place(self.place)}: {self.code} {self.what}"
        return "\n".join([*told(f"{headline}   {self.source}".rstrip(), self.why, self.remedy)])


@dataclass(frozen=True)
class LintReport:
    """What `lint` gives; print it.

    Attributes
    ----------
    findings : tuple of LintFinding
        In the order of their lines.
    silenced : tuple of LintFinding
        Those at lines with a comment ``# wg: ignore[CODE]``.
    notes : tuple of str
        What could not be looked at, and why.
    """

    findings: tuple[LintFinding, ...]
    silenced: tuple[LintFinding, ...] = ()
    notes: tuple[str, ...] = ()
    name: str = field(default="f", repr=False)

    def json(self) -> dict[str, Any]:
        """Numbers, lists and strings only."""
        return {"function": self.name, "notes": list(self.notes), "silenced": len(self.silenced), "findings": [
            {"code": f.code, "title": TITLES[f.code], "line": f.line, **asdict(f)} for f in self.findings]}

    def __str__(self) -> str:
        n = len(self.findings)
        count = f"{self.name}: {n} finding{'s' * (n != 1)}" if n else f"{self.name}: nothing found"
        if self.silenced:
            count += f" ({len(self.silenced)} silenced)"
        return "\n\n".join([*map(str, self.findings), *[f"note: {note}" for note in self.notes], count])


def merged(found: Sequence[LintFinding]) -> list[LintFinding]:
    """One finding for each code and line: the first, which says in how many more turns of a loop there are others."""
    groups: dict[tuple[str, str], list[LintFinding]] = {}
    for f in found:
        groups.setdefault((f.code, f.place), []).append(f)
    out = []
    for first, *rest in groups.values():
        turns = {turn[0] for f in (first, *rest) if (turn := _TURN.search(f.why))}
        counts = len(turns) > 1 and _TURN.search(first.why) is not None
        out.append(replace(first, why=f"{first.why[:-1]}, and {len(turns) - 1:,} more)") if counts else first)
    return out


def report(name: str, found: Sequence[LintFinding], notes: Sequence[str]) -> LintReport:
    """The findings in order, those that the program silences apart."""
    ordered = sorted(dict.fromkeys(found), key=lambda f: (*place_key(f.place), f.code))
    quiet = [f for f in ordered if _is_silenced(f)]
    return LintReport(tuple([f for f in ordered if f not in quiet]), tuple(quiet), tuple(notes), name)


def _is_silenced(f: LintFinding) -> bool:
    comment = _IGNORE.search(f.source)
    return comment is not None and (comment[1] is None or f.code in re.findall(r"\w+", comment[1]))
