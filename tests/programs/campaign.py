"""Random programs without end: ``python -m tests.programs.campaign --seconds 600 --first 1000``.

What comes in: how long, and the first seed. What goes out, printed: progress, counts of outcomes, refusals by reason,
what did not stage and why, and each WRONG program with its seed, made small. The exit status is 1 if there was one.
``--tally FILE`` adds campaigns up.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
import warnings
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from generator import program
from harness import REASONS, STAGED, Outcome, reason, run
from shrink import shrink

CHUNK = 20


def same_failure(seed: int, outcome: Outcome, source: str, number: list[int]) -> bool:
    """Whether a smaller program fails in the same way."""
    number[0] += 1
    new = run(source, seed, second="second" in outcome.what, name=f"<program {seed}.{number[0]}>")
    return new.kind == outcome.kind and new.what.split(":")[:2] == outcome.what.split(":")[:2] if new.kind == "refused" else (
        new.kind == outcome.kind and ("Error" in new.what) == ("Error" in outcome.what))


def report(seed: int, outcome: Outcome, small: bool) -> None:
    source, number = program(seed), [0]
    print(f"\n== seed {seed}: {outcome.kind}: {outcome.what}", flush=True)
    if small:
        source = shrink(source, lambda text: same_failure(seed, outcome, text, number))
        print(f"{source}-- {run(source, seed, name=f'<program {seed}.small>').what}\n", flush=True)


def work(seeds: range) -> tuple[list[tuple[int, Outcome]], Counter[bool], Counter[str]]:
    """The outcomes of a few programs that are not equal in all ways, and which were staged."""
    warnings.simplefilter("ignore")
    STAGED.clear()
    REASONS.clear()
    gc.disable()  # a fourth of the time, because all that was ever traced is kept, and looked at again
    found = [(seed, run(program(seed), seed)) for seed in seeds]
    gc.collect()
    gc.freeze()
    return found, Counter(STAGED), Counter(REASONS)


class Tally:
    """What became of the programs of one campaign; with a file, also of those before it."""

    def __init__(self, first: int, path: str):
        self.first, self.path, self.count = first, path, 0
        self.counts: dict[str, Counter[str]] = {k: Counter() for k in ("outcomes", "reasons", "staged", "unstaged")}

    def add(self, found: list[tuple[int, Outcome]], staged: Counter[bool], unstaged: Counter[str]) -> None:
        self.count += len(found)
        self.counts["outcomes"].update(outcome.kind for _, outcome in found)
        self.counts["reasons"].update(
            f"{o.kind}: {reason(o.what)}" if o.kind == "kink" else reason(o.what) for _, o in found if o.kind != "equal")
        self.counts["staged"].update({"yes" if k else "no": n for k, n in staged.items()})
        self.counts["unstaged"].update(unstaged)

    def line(self) -> str:
        staged = self.counts["staged"]
        return f"{dict(self.counts['outcomes'])}; {staged['yes']} programs staged, {staged['no']} not"

    def save(self) -> str:
        """Write the file, if there is one; gives the sum over all campaigns in it."""
        if not self.path:
            return ""
        path = Path(self.path)
        runs = json.loads(path.read_text()) if path.exists() else {}
        mine = {k: dict(c.most_common()) for k, c in self.counts.items()}
        runs[str(self.first)] = {"seeds": [self.first, self.first + self.count - 1], **mine}
        path.write_text(json.dumps(runs, indent=1) + "\n")
        total: Counter[str] = sum((Counter(r["outcomes"]) for r in runs.values()), Counter())
        return f"all campaigns in {path.name}: {sum(total.values())} programs: {dict(total)}"


def chunks(first: int, count: int, stop: float) -> Iterator[range]:
    for start in range(first, first + count, CHUNK):
        if time.monotonic() > stop:
            return
        yield range(start, min(start + CHUNK, first + count))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=10**9, help="at most so many programs")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--tally", default="", help="a JSON file in which several campaigns add up")
    parser.add_argument("--refused", action="store_true", help="make the first program of each refusal small, too")
    options = parser.parse_args()
    tally, known = Tally(options.first, options.tally), set()
    start = shown = time.monotonic()
    seeds = chunks(options.first, options.count, start + options.seconds)
    with ProcessPoolExecutor(options.jobs) as pool:
        pending: deque[Any] = deque()
        while True:
            while len(pending) < 2 * options.jobs and (chunk := next(seeds, None)) is not None:
                pending.append(pool.submit(work, chunk))
            if not pending:
                break
            found, staged, unstaged = pending.popleft().result()
            tally.add(found, staged, unstaged)
            for seed, outcome in found:
                new = outcome.kind in ("refused", "invalid") and reason(outcome.what) not in known
                known.add(reason(outcome.what))
                if outcome.kind == "WRONG" or (new and options.refused):
                    report(seed, outcome, small=outcome.kind != "invalid")
            if time.monotonic() - shown > 20:
                shown = time.monotonic()
                print(f"{tally.count} programs, {shown - start:.0f} s: {tally.line()}", flush=True)
                tally.save()
    print(f"seeds {options.first} to {options.first + tally.count - 1}: {tally.line()}")
    for name in ("reasons", "unstaged"):
        for text, count in tally.counts[name].most_common(25):
            print(f"{count:6d}  {'unstaged: ' * (name == 'unstaged')}{text}")
    print(tally.save())
    return 1 if tally.counts["outcomes"]["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
