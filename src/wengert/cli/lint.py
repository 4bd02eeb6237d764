"""`wengert lint`: where a derivative means little, and where digits are lost, by line.

What comes in: a target and values, as for `wengert diff`. What goes out: the findings of `wg.lint`, or JSON. The one idea:
everything is the library's; this only finds the function and prints.
"""

from __future__ import annotations

import argparse
import json

from wengert.cli.command import add_target, bound

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Look for what makes a derivative meaningless or fragile at a point (kinks, jumps, inputs that are cut off, slopes that are zero,
loops that end too early), and for digits that the value loses. Each finding has the line, the reason, what to write instead,
and a code; a comment `# wg: ignore[WG101]` at the line silences it. Values are given as for `wengert diff`.
"""
EXAMPLES = """\
examples:
  wengert lint 'sqrt(x^2) + log(1 + y)' x=0 y=1e-9
  wengert lint examples/rosenbrock.py:f x=[-1.5,0.25]
  wengert lint program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote --json

exit status: 0 if nothing is found, 1 if something is, 2 for wrong input.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser, "what is looked at")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, words: list[str]) -> int:
    """1 if something is found."""
    import wengert as wg
    target = bound(options, words)
    with target.running():
        found = wg.lint(target.function, *target.args, argnums=target.places, **target.kwargs)
    print(json.dumps(found.json(), indent=1) if options.json else found)
    return int(bool(found.findings))
