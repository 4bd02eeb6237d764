"""Random programs without end: ``python -m tests.programs.campaign --seconds 600 --first 1000``.

What comes in: how long, and the first seed. What goes out, printed: progress, counts of outcomes, refusals by reason,
and each WRONG program with its seed, made small. The exit status is 1 if there was one.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from generator import program
from harness import STAGED, Outcome, reason, run
from shrink import shrink


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=10**9, help="at most so many programs")
    parser.add_argument("--refused", action="store_true", help="make the first program of each refusal small, too")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    start = shown = time.monotonic()
    seed = options.first
    while time.monotonic() - start < options.seconds and seed < options.first + options.count:
        outcome = run(program(seed), seed)
        outcomes[outcome.kind] += 1
        new = outcome.kind in ("refused", "invalid") and reason(outcome.what) not in reasons
        if outcome.kind != "equal":
            reasons[f"{outcome.kind}: {reason(outcome.what)}" if outcome.kind == "kink" else reason(outcome.what)] += 1
        if outcome.kind == "WRONG" or (new and options.refused):
            report(seed, outcome, small=outcome.kind != "invalid")
        seed += 1
        if time.monotonic() - shown > 20:
            shown = time.monotonic()
            print(f"{seed - options.first} programs, {shown - start:.0f} s: {dict(outcomes)}", flush=True)
    print(f"seeds {options.first} to {seed - 1}: {dict(outcomes)}; {STAGED[True]} programs staged, {STAGED[False]} not")
    for text, count in reasons.most_common(25):
        print(f"{count:6d}  {text}")
    return 1 if outcomes["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
