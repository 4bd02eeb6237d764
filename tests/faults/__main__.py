"""Make each mistake in a copy of the repository and run the tests that should catch it.

What comes in: the catalog. What goes out: a table, and the exit status 1 if a mistake was not caught. The one idea: a copy in a
temporary folder, with its own folder for machine code, so that neither the sources nor what is kept between runs is touched.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.faults.catalog import FAULTS
from tests.faults.fault import SOURCES, Fault

ROOT = Path(__file__).parents[2]
LIMIT = 600.0  # seconds: a mistake that makes a loop endless is caught by that
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?(?:\[.*?\])?)(?: - .*)?$", re.MULTILINE)


class Outcome:
    """What became of one mistake: the first test that failed, or why none did."""

    def __init__(self, fault: Fault, caught: bool, by: str, seconds: float, text: str = ""):
        self.fault, self.caught, self.by, self.seconds, self.text = fault, caught, by, seconds, text


def copied(place: Path) -> None:
    """The files that tests need."""
    for name in ("src", "tests", "docs", "examples", "benchmarks"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, place / name)


def tried(fault: Fault, unchanged: bool = False) -> Outcome:
    """Make the mistake, run its tests, and throw the copy away."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wengert-fault-") as folder:
        place = Path(folder) / "wengert"
        place.mkdir()
        copied(place)
        if not unchanged:
            (place / SOURCES / fault.file).write_text(fault.changed(ROOT), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *fault.tests]
        command += ["-k", fault.match] if fault.match else []
        environment = {**os.environ, "PYTHONPATH": str(place / "src"), "WENGERT_CACHE_DIR": str(Path(folder) / "cache"),
                       "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            run = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return Outcome(fault, True, f"no end within {LIMIT:.0f} s", time.monotonic() - begun)
    failed = _FAILED.search(run.stdout)
    seconds = time.monotonic() - begun
    if run.returncode == 1 and failed:
        return Outcome(fault, True, failed[1], seconds, run.stdout)
    if run.returncode < 0:
        return Outcome(fault, True, f"the process died of signal {-run.returncode}", seconds, run.stdout)
    why = "every test passed" if run.returncode == 0 else f"pytest gave up with exit status {run.returncode}"
    return Outcome(fault, False, why, seconds, run.stdout + run.stderr)


def table_of(outcomes: list[Outcome], unchanged: bool) -> Table:
    table = Table("fault", "kind", "file", "tests" if unchanged else "caught by", "seconds")
    for o in outcomes:
        good = o.caught != unchanged
        table.add_row(o.fault.name, o.fault.kind, o.fault.file, f"[{'green' if good else 'bold red'}]{o.by}[/]",
                      f"{o.seconds:.1f}")
    return table


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Seeded faults: see tests/faults/__init__.py.")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="faults whose names contain this; may be repeated")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--unchanged", action="store_true", help="run the same tests on the sources as they are")
    parser.add_argument("--verbose", action="store_true", help="also print what pytest said where a fault was not caught")
    given = parser.parse_args(arguments)
    chosen = [f for f in FAULTS if not given.only or any(word in f.name for word in given.only)]
    console = Console(stderr=True)
    found: dict[str, Outcome] = {}
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress, \
            ThreadPoolExecutor(given.jobs) as pool:
        task = progress.add_task("faults", total=len(chosen))
        for done in as_completed([pool.submit(tried, f, given.unchanged) for f in chosen]):
            outcome = done.result()
            found[outcome.fault.name] = outcome
            progress.advance(task)
            progress.console.print(f"{'caught' if outcome.caught else 'passed'}  {outcome.fault.name}: {outcome.by} "
                                   f"({outcome.seconds:.1f} s)", markup=False, highlight=False, soft_wrap=True)
    outcomes = [found[f.name] for f in chosen]
    Console(width=None if sys.stdout.isatty() else 200).print(table_of(outcomes, given.unchanged))
    bad = [o for o in outcomes if o.caught == given.unchanged or (given.unchanged and o.by != "every test passed")]
    for o in bad if given.verbose else ():
        print(f"\n== {o.fault.name}\n{o.text[-3000:]}")
    word = "pass as they should" if given.unchanged else "caught"
    print(f"{len(outcomes) - len(bad)} of {len(outcomes)} {word}")
    return 1 if bad or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
