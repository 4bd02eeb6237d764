"""A long campaign: ``python -m tests.fuzz.campaign --seconds 600 [--only NAME] [--seed S]``.

What comes in: how long, which targets, a seed. What goes out: a table of what became of how many inputs, every input that
broke a law, made small, and exit status 1 if there is one. The one idea: the targets take turns of a few seconds, each going on
where it left off; ``--seed`` and the number of the turn give the same inputs again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.fuzz import commands, files, formulas, graphs, requests, shown
from tests.fuzz.target import Outcome, Target, run

__all__ = ["TARGETS", "main"]

TARGETS: list[Target] = [*formulas.TARGETS, *graphs.TARGETS, *commands.TARGETS, *files.TARGETS, *requests.TARGETS,
                         *shown.TARGETS]
TURN = 8.0  # seconds
MOST = 5  # inputs that break a law, of one target, before it is left alone


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.campaign", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--only", metavar="NAME", help="targets whose name has this in it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chosen = [t for t in TARGETS if not options.only or options.only in t.name]
    if not chosen:
        parser.error(f"no target is called {options.only!r}: {', '.join(t.name for t in TARGETS)}")
    outcomes = campaign(chosen, options.seconds, options.seed)
    show(outcomes)
    return int(any(o.broken for o in outcomes.values()))


def campaign(targets: list[Target], seconds: float, seed: int) -> dict[str, Outcome]:
    """All targets in turns until the time is over."""
    begun = time.monotonic()
    outcomes = {t.name: Outcome() for t in targets}
    bars = (TextColumn("{task.description:<16}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeRemainingColumn())
    with Progress(*bars, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=seconds, said="")
        turn = 0
        while time.monotonic() - begun < seconds:
            for target in targets:
                known = outcomes[target.name]
                end = min(time.monotonic() + min(TURN, seconds / len(targets)), begun + seconds)
                if len(known.broken) >= MOST or time.monotonic() >= end:
                    continue
                made = sum(sum(o.counts.values()) for o in outcomes.values())
                progress.update(bar, completed=time.monotonic() - begun, description=target.name, said=f"{made:,} inputs")
                found = run(target, seed * 1_000_000 + turn, lambda k, o, end=end: time.monotonic() > end or bool(o.broken))
                known.counts += found.counts
                known.broken += found.broken
            turn += 1
    return outcomes


def show(outcomes: dict[str, Outcome]) -> None:
    out = Console()
    table = Table("target", "inputs", "what became of them", "broken")
    for name, o in outcomes.items():
        words = Counter({w: n for w, n in o.counts.items() if w != "broken"})
        said = ", ".join(f"{w} {n:,}" for w, n in words.most_common(14))
        table.add_row(name, f"{sum(o.counts.values()):,}", said, f"[red]{len(o.broken)}" if o.broken else "0")
    out.print(table)
    for name, o in outcomes.items():
        for x, said in o.broken:
            out.print(f"\n{name}: {said}", markup=False)
            out.print(f"  {x!r}"[:2000], markup=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
