"""``python -m tests.third_order``: compute references, measure, write the page.

What comes in: the functions. What goes out: `references.json`, docs/accuracy.md, or lines on the terminal. The one idea: the
page and the bounds are written by what was measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import Any

from tests.third_order import reference, table


def progress(names: Iterable[str]) -> Iterable[str]:
    names = list(names)
    for k, name in enumerate(names, 1):
        if sys.stderr.isatty():
            print(f"\r\033[K{k}/{len(names)} {name}"[:100], end="", file=sys.stderr, flush=True)
        yield name
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


def compute(names: Iterable[str]) -> None:
    stored = table.references()
    functions = table.functions()
    for k, name in enumerate(progress(names)):
        f, found = functions[name], {}
        for x in table.points(f):
            found[table.key(x)] = reference.derivatives(f.exact, x, f.far)
        stored[name] = found
        if k % 10 == 9:
            table.write_references(stored)
    table.write_references({name: stored[name] for name in functions if name in stored})


def show(names: Iterable[str], all_of_them: bool) -> None:
    for name in progress(names):
        for row in table.rows(name):
            if all_of_them or row.error > table.ORDINARY_BOUND:
                print(f"{name:<34} {row.order} {row.mode:<8} at {table.key(row.point):<30} {row.error:9.3g} ({row.raw:.3g})"
                      f" ulps: {row.got!r} for {row.text}")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.third_order", description=__doc__)
    parser.add_argument("--only", default="", help="functions whose names contain this word")
    parser.add_argument("--references", action="store_true", help="compute the references anew (minutes)")
    parser.add_argument("--missing", action="store_true", help="compute references that are not there")
    parser.add_argument("--write", action="store_true", help="write the page and the bounds")
    parser.add_argument("--all", action="store_true", help="print every number, not only those beyond the bound")
    given = parser.parse_args(arguments)
    words: Any = given.only.split(",")
    names = [n for n in table.functions() if any(w in n for w in words)]
    if given.references or given.missing:
        compute([name for name in names if given.references or not table.complete(name)])
    elif given.write:
        table.write(progress)
    else:
        show(names, given.all)
    return 0


if __name__ == "__main__":
    sys.exit(main())
