"""Rounds of load and abuse until time is up: ``python -m tests.load.campaign --seconds 600 [--only NAME]``.

What comes in: seconds, perhaps the name of one part. What goes out: progress, a table of what was done and how the memory of
the process grew, and the exit status 1 if something went wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.load import folder, growth, interrupts, processes, threads
from wengert.staging import StagingWarning


def _errors(seed: int) -> Counter[str]:
    """RecursionError and MemoryError in the place of interrupts."""
    done = Counter[str]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StagingWarning)  # a program that was cut off runs unstaged, and says so
        warnings.filterwarnings("ignore", "wengert could not compile", UserWarning)
        for error in (RecursionError, MemoryError):
            done[error.__name__] += interrupts.run(seed, error)["interrupts"]
    return done


PARTS: dict[str, Callable[[int], Counter[str]]] = {
    "interrupts": interrupts.run, "signals": interrupts.signals, "errors": _errors, "threads": threads.run,
    "processes": processes.run, "growth": growth.run, "folder": folder.run}


class Record:
    """What one part has done."""

    def __init__(self) -> None:
        self.rounds, self.seconds, self.done = 0, 0.0, Counter[str]()
        self.first = self.last = 0.0  # memory, after the first and the last round
        self.failures: list[str] = []


def one(part: str, seed: int, record: Record) -> None:
    begun = time.monotonic()
    try:
        found = PARTS[part](seed)
        threads_ = found.pop("threads", 0)
        record.done += found
        record.done["threads"] = max(record.done["threads"], threads_)
    except Exception as error:
        record.failures.append(f"{part}, seed {seed}: {''.join(traceback.format_exception(error))}")
    growth.settled()
    record.last = growth.resident()
    record.first = record.first or record.last
    record.rounds, record.seconds = record.rounds + 1, record.seconds + time.monotonic() - begun


def table(records: dict[str, Record]) -> Table:
    out = Table("part", "rounds", "seconds", "done", "MB after the first", "after the last", "failed")
    for name, r in records.items():
        done = ", ".join(f"{n:,} {what}" for what, n in r.done.items() if n)
        out.add_row(name, f"{r.rounds}", f"{r.seconds:.0f}", done, f"{r.first:.0f}", f"{r.last:.0f}", f"{len(r.failures)}")
    return out


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load.campaign", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--only", choices=[*PARTS], help="one part")
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    options = parser.parse_args(argv)
    names = [options.only] if options.only else [*PARTS]
    records: dict[str, Any] = {name: Record() for name in names}
    end, seed = time.monotonic() + options.seconds, options.seed
    errors = Console(stderr=True)
    with tempfile.TemporaryDirectory() as place, Progress(console=errors, disable=not errors.is_terminal) as progress:
        os.environ["WENGERT_CACHE_DIR"] = place
        task = progress.add_task("load", total=options.seconds)
        while time.monotonic() < end:
            for name in names:
                progress.update(task, description=f"{name}, round {records[name].rounds + 1}",
                                completed=options.seconds - max(0.0, end - time.monotonic()))
                one(name, seed, records[name])
                if records[name].failures or time.monotonic() >= end:
                    break
            if any(r.failures for r in records.values()):
                break
            seed += 1
    Console().print(table(records))
    for record in records.values():
        for failure in record.failures:
            print(failure, file=sys.stderr)
    return int(any(r.failures for r in records.values()))


if __name__ == "__main__":
    sys.exit(main())
