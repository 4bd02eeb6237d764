"""The command line: `python -m conformance run|table|references|show`.

What comes in: arguments. What goes out: verdicts on the terminal, result files, the table of the docs. See README.md here.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from conformance import references, table
from conformance.case import load
from conformance.judge import VERDICTS
from conformance.run import run

RESULTS = Path(__file__).with_name("results")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance", description="Conformance of AD libraries on NumPy programs.")
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="run the cases with a library and print the verdicts")
    runs.add_argument(
        "--library", required=True, help="wengert, wengert_jit, jax, torch, autograd, casadi, or a module of yours"
    )
    runs.add_argument("--python", default=sys.executable, help="the interpreter in which the library is installed")
    runs.add_argument("--json", type=Path, help="write the record to this file")
    runs.add_argument("cases", nargs="*", help="names of cases; all without")
    tables = commands.add_parser("table", help="docs/conformance.md from result files")
    tables.add_argument("files", nargs="*", type=Path, help="result files; those in conformance/results without")
    tables.add_argument("--out", type=Path, default=table.PAGE)
    commands.add_parser("references", help="compute references.json anew, with mpmath")
    shows = commands.add_parser("show", help="print a case: its program, points and references")
    shows.add_argument("case")
    given = parser.parse_args()
    if given.command == "run":
        return run_command(given)
    if given.command == "table":
        return table_command(given)
    return references_command() if given.command == "references" else show_command(given.case)


def run_command(given: argparse.Namespace) -> int:
    """Verdicts of one library; the exit status is 1 if a result is wrong or a case crashed."""
    total, seen = len(given.cases or load()), 0

    def report(name: str) -> None:
        nonlocal seen
        seen += 1
        if sys.stderr.isatty():
            print(f"\r\033[K{seen}/{total} {name}"[:100], end="", file=sys.stderr, flush=True)

    record = run(given.library, given.python, given.cases, report)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    for name, found in record["cases"].items():
        if found["verdict"] != "exact":
            print(line_of(name, found))
    counts = Counter(found["verdict"] for found in record["cases"].values())
    print(f"{given.library}: " + ", ".join(f"{counts[v]} {v}" for v in VERDICTS if counts[v]))
    if given.json:
        given.json.write_text(text_of(record), encoding="utf-8")
    return int(counts["wrong"] + counts["crash"] > 0)


def text_of(record: dict[str, Any]) -> str:
    """A record as JSON, one line for each case."""
    head = json.dumps({key: value for key, value in record.items() if key != "cases"})
    cases = ",\n".join(f" {json.dumps(name)}: {json.dumps(found)}" for name, found in record["cases"].items())
    return f'{head[:-1]}, "cases": {{\n{cases}\n}}}}\n'


def line_of(name: str, found: dict[str, Any]) -> str:
    """One line for a case that is not exact: the verdict, the worst part and why."""
    worst = max(found["found"], key=lambda part: VERDICTS.index(part["verdict"]))
    where = f"{worst['part']} at point {worst['point']}: " if "part" in worst else ""
    digits = f" ({worst['digits']} digits)" if "digits" in worst else ""
    idiom = f"; in its own words {found['idiom']['verdict']}" if "idiom" in found else ""
    return f"{found['verdict']:<16}{name}: {where}{worst['why'][:150]}{digits}{idiom}"


def table_command(given: argparse.Namespace) -> int:
    records = [json.loads(p.read_text(encoding="utf-8")) for p in given.files or sorted(RESULTS.glob("*.json"))]
    given.out.write_text(table.page(records), encoding="utf-8")
    open_gaps = [f"{r['library']}: {name}" for r in records for name in table.unexplained(r)]
    print(f"{given.out}: {len(records)} libraries" + "".join(f"\nnot explained: {gap}" for gap in open_gaps))
    return int(bool(open_gaps))


def references_command() -> int:
    found = {}
    for k, (name, case) in enumerate(load().items()):
        if sys.stderr.isatty():
            print(f"\r\033[K{k + 1} {name}"[:100], end="", file=sys.stderr, flush=True)
        found[name] = references.compute(case)
    references.write(found)
    print(f"\n{references.FILE}: {len(found)} cases")
    return 0


def show_command(name: str) -> int:
    case = load()[name]
    print(f"{case.group}: {case.name}\n\n{inspect.getsource(case.function)}")
    for remark in filter(None, (case.note, case.refusal and f"an error is right: {case.refusal}")):
        print(remark)
    for point, stored in zip(case.points, references.read()[name] or [{}] * len(case.points)):
        print(f"at {point!r}")
        for part, values in stored.items():
            print(f"  {part}: {values}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
