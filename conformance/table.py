"""The page of the docs: one table of verdicts for each group, and every gap with its cause.

What comes in: records of libraries, and the causes in `causes.json`, which a person wrote after looking at each. What goes out:
Markdown. The one idea: a gap without a cause is reported by the command, so the page cannot keep silent about one.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from conformance.case import load
from conformance.judge import VERDICTS

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "conformance.md"
CAUSES = HERE / "causes.json"
GOOD = ("exact", "refused rightly")
ORDER = ("wengert", "wengert_jit", "jax", "torch", "autograd", "casadi")
SHOWN = {"wengert_jit": "wengert, `jit`", "jax": "JAX", "torch": "PyTorch", "casadi": "CasADi"}
HEAD = """# Conformance: derivatives of NumPy programs, library by library

`conformance/` runs {cases} programs at {points} points with each library and holds value, gradient (reverse mode), jvp (forward
mode) and, where it exists, Hessian against references of forty digits. Each library gets `np` as it offers it: NumPy itself
where the library works on NumPy's functions, its own namespace otherwise.

- **exact**: within 64 units of rounding, times one plus the condition number of that derivative at that point.
- **refused rightly**: an error where the case says that there is no derivative.
- **refused**: an error. Nobody is misled. **unsupported**: the library has no function of this name.
- **dtype**: the numbers are right, the dtype is not that of the argument.
- **inexact**: digits are lost, at least three are right; the table says how many. **wrong**: finite and off; a value that is
  not NumPy's counts too.
- **nan**: NaN or infinity where the derivative is finite. **crash**: the process died or hung.
- **warns**: the library said so by a warning (`jit` of wengert: that the program runs unstaged).
- **→ exact**: not the program as it stands, but the same written in the library's own words.

Made by `python -m conformance table` from the files in `conformance/results`; `python -m conformance run --library NAME` makes
those. How to run another library: [conformance/README.md](../conformance/README.md).
"""


def named(library: str) -> str:
    return SHOWN.get(library, library)


def sort(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(records, key=lambda r: ORDER.index(r["library"]) if r["library"] in ORDER else len(ORDER))


def cell(found: dict[str, Any] | None) -> str:
    """The verdict in a word or two; what is good is quiet, what misleads is bold."""
    if found is None:
        return ""
    shown = found["verdict"]
    if shown in ("wrong", "nan", "crash"):
        shown = f"**{shown}**"
    elif shown == "inexact":
        shown = f"{min(f.get('digits', 17) for f in found['found'])} digits"
    parts = {f["part"] for f in found["found"] if "part" in f}
    if found["verdict"] not in GOOD and parts and parts <= {"jvp", "hessian"}:  # value and gradient are right
        shown += f" ({', '.join(sorted(parts, reverse=True))})"
    if "warned" in found:
        shown += ", warns"
    if found["verdict"] not in GOOD and found.get("idiom", {}).get("verdict") == "exact":
        shown += " → exact"
    return shown


def page(records: list[dict[str, Any]]) -> str:
    """The whole page."""
    records, cases = sort(records), load()
    text = [HEAD.format(cases=len(cases), points=sum(len(c.points) for c in cases.values()))]
    text += ["## Summary\n", *summary(records), "\n## Gaps, and their causes\n", *gaps(records), "\n## All cases\n"]
    head = "| case | " + " | ".join(named(r["library"]) for r in records) + " |"
    for group in dict.fromkeys(case.group for case in cases.values()):
        text += [f"### {group.capitalize()}\n", head, "| --- |" + " --- |" * len(records)]
        text += [
            f"| {c.name} | " + " | ".join(cell(r["cases"].get(c.name)) for r in records) + " |"
            for c in cases.values()
            if c.group == group
        ]
        text.append("")
    return "\n".join(text).rstrip() + "\n"


def summary(records: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| library | version | " + " | ".join(VERDICTS) + " | with |",
        "| --- | --- |" + " ---: |" * len(VERDICTS) + " --- |",
    ]
    for r in records:
        counts = Counter(found["verdict"] for found in r["cases"].values())
        version, *others = r["versions"].items()
        figures = " | ".join(str(counts[v]) for v in VERDICTS)
        lines.append(f"| {named(r['library'])} | {version[1]} | {figures} | {', '.join(f'{k} {v}' for k, v in others)} |")
    return lines


def causes(library: str) -> dict[str, list[str]]:
    """Sentences, each with the cases that it explains."""
    return json.loads(CAUSES.read_text(encoding="utf-8")).get(library, {})  # type: ignore[no-any-return]


def unexplained(record: dict[str, Any]) -> list[str]:
    explained = {name for names in causes(record["library"]).values() for name in names}
    return [name for name, found in record["cases"].items() if found["verdict"] not in GOOD and name not in explained]


def gaps(records: list[dict[str, Any]]) -> list[str]:
    """For each library its causes, and the cases that each explains and that are still gaps."""
    text = []
    for r in records:
        bad = {name: found["verdict"] for name, found in r["cases"].items() if found["verdict"] not in GOOD}
        text.append(f"**{named(r['library'])}** ({len(bad)} of {len(r['cases'])})\n")
        for sentence, names in causes(r["library"]).items():
            open_names = [name for name in names if name in bad]
            if open_names:
                kinds = ", ".join(v for v in VERDICTS if v in {bad[name] for name in open_names})
                text.append(f"- *{kinds}*: {sentence} ({'; '.join(open_names)})")
        text += [f"- *{bad[name]}*: {name}: not explained yet" for name in unexplained(r)]
        text.append("" if bad else "No gaps.\n")
    return text
