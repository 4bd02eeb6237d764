"""Tables of what was measured: for the terminal, as Markdown and as JSON.

What comes in: groups of rows, one group per variant. What goes out: lines of text, `latest.json` and `latest.md`. The one
idea: a target is judged against the figures of the same run.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.case import Target, Variant, duration
from harness.measure import Row

HEADER = ["case", "system", "import", "first call", "steady", "/ wengert", "target", "met"]
WIDTHS = [42, 18, 8, 9, 9, 9, 26, 12]


@dataclass
class Group:
    """The rows of one variant, and whether its targets are met: (target, limit in seconds, what was measured)."""

    case: str
    variant: Variant
    rows: list[Row]
    judged: list[tuple[Target, float | None, float | None]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.case}, {self.variant.name}"

    def row(self, system: str) -> Row | None:
        return next((r for r in self.rows if r.system == system), None)


def judge(group: Group) -> None:
    """Each target's limit and the figure that it limits; None where one of them was not measured."""
    own = group.row("wengert")
    for target in group.variant.targets:
        figure = None if own is None else {"steady": own.steady, "first": own.first, "import": own.imported}[target.of]
        limit = target.seconds
        if target.system is not None:
            other = group.row(target.system)
            limit = None if other is None or other.steady is None else target.factor * other.steady
        group.judged.append((target, limit, figure))


def verdict(limit: float | None, figure: float | None) -> str:
    if limit is None or figure is None:
        return "?"
    return "yes" if figure <= limit else f"no ({figure / limit:.3g}×)"


def cells(group: Group, row: Row) -> list[str]:
    """One line of the table."""
    own = group.row("wengert")
    show = lambda t: "" if t is None else duration(t)
    ratio = "" if own is None or not own.steady or not row.steady else f"{row.steady / own.steady:.3g}"
    target = met = ""
    if row.system == "wengert":
        target = "; ".join(str(t) for t, _, _ in group.judged)
        met = "; ".join(verdict(limit, figure) for _, limit, figure in group.judged)
    line = [group.name, row.system, show(row.imported), show(row.first), show(row.steady), ratio, target, met]
    if row.problem:
        line[2:5] = ["", "", "-"]
    return line


def remarks(group: Group) -> list[str]:
    """What the figures alone do not say."""
    out = [f"{r.system}: {r.problem}" for r in group.rows if r.problem]
    out += [f"{r.system}: RESULT DIFFERS by {r.differs:.1e}" for r in group.rows
            if r.differs is not None and not r.differs <= group.variant.tolerance]
    out += [f"{r.system}: first call {duration(r.again)} in a process that finds the compiled code of an earlier one"
            for r in group.rows if r.again is not None]
    return out + [f"{r.system}: {note}" for r in group.rows for note in r.notes]


def plain(parts: list[str]) -> str:
    return "  ".join(part.ljust(width) for part, width in zip(parts, WIDTHS)).rstrip()


def lines(group: Group) -> list[str]:
    out = [plain(cells(group, row)) for row in group.rows]
    return out + [f"    {remark}" for remark in remarks(group)]


def machine(options: dict[str, Any], groups: list[Group]) -> dict[str, Any]:
    """What the figures depend on."""
    import numpy
    name = platform.processor()
    if Path("/proc/cpuinfo").exists():
        found = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")]
        name = found[0].split(":")[1].strip() if found else name
    versions = sorted({r.version for g in groups for r in g.rows if r.version})
    busy = round(os.getloadavg()[1], 1)
    return {"processor": name, "cores": len(os.sched_getaffinity(0)), "load": busy, "python": platform.python_version(),
            "numpy": numpy.__version__, "systems": versions, **options}


def as_json(groups: list[Group], about: dict[str, Any]) -> str:
    cases = [{"case": g.case, "variant": g.variant.name, "threads": g.variant.threads, "rows": [r.as_dict() for r in g.rows],
              "targets": [{"target": str(t), "of": t.of, "limit": limit, "measured": figure, "met": verdict(limit, figure)}
                          for t, limit, figure in g.judged],
              "agree": not any("DIFFERS" in remark for remark in remarks(g))} for g in groups]
    return json.dumps({"about": about, "cases": cases}, indent=1)


def as_markdown(groups: list[Group], about: dict[str, Any]) -> str:
    """The table, with what it was measured on, and the remarks below it."""
    judged = [verdict(limit, figure) for g in groups for _, limit, figure in g.judged]
    out = ["# Benchmarks, the latest run", "",
           f"{about['processor']}, Python {about['python']}, NumPy {about['numpy']}, {', '.join(about['systems'])}.",
           f"Targets met: {judged.count('yes')} of {len(judged)}. Medians; `/ wengert` is a system's steady time over "
           "wengert's; what the columns mean stands in [the README](../README.md).", "",
           "| " + " | ".join(HEADER) + " |", "| --- | --- " + "| ---: " * 4 + "| --- | --- |"]
    if about["load"] > 1.5:
        out[4:4] = [f"Other programs ran meanwhile (load {about['load']} on {about['cores']} cores): times are too long, and "
                    "ratios are rough."]
    for g in groups:
        for k, row in enumerate(g.rows):
            line = cells(g, row)
            out.append("| " + " | ".join([line[0] if k == 0 else "", *line[1:]]) + " |")
    said = [f"- {g.name}: {remark}" for g in groups for remark in remarks(g)]
    return "\n".join(out + (["", "Remarks:", "", *said] if said else [])) + "\n"


def write(folder: Path, groups: list[Group], about: dict[str, Any]) -> list[str]:
    """Writes the files; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.json").write_text(as_json(groups, about) + "\n", encoding="utf-8")
    (folder / "latest.md").write_text(as_markdown(groups, about), encoding="utf-8")
    try:
        from harness.plot import plot
        plot(groups, folder / "latest.png")
    except ImportError:
        (folder / "latest.png").unlink(missing_ok=True)
        return ["latest.json", "latest.md", "no plot, for matplotlib is not installed"]
    return ["latest.json", "latest.md", "latest.png"]
