"""`wengert rounding`: the accumulated rounding error by line.

What comes in: a target and values, as for `wengert diff`. What goes out: the table of `wg.rounding_error`, or JSON. The one
idea: everything is the library's; this only finds the function and prints.
"""

from __future__ import annotations

import argparse
import json

from wengert.cli.command import add_target, bound

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Estimate the rounding error of a function's result, and say which lines it comes from: every operation's error, carried to the
result by its derivative, in one backward pass. Values are given as for `wengert diff`.
"""
EXAMPLES = """\
examples:
  wengert rounding '(1 - cos(x)) / x^2' x=1e-4 --reference
  wengert rounding examples/rosenbrock.py:f x=[-1.5,0.25]

exit status: 0, or 2 for wrong input.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser, "what is looked at", wrt="as for `wengert diff`; these become floats")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--reference", action="store_true", help="also compute in higher precision, to compare")


def run(options: argparse.Namespace, words: list[str]) -> int:
    import wengert as wg
    target = bound(options, words)
    with target.running():
        found = wg.rounding_error(target.function, *target.args, reference=options.reference, **target.kwargs)
    print(json.dumps(found.json(), indent=1) if options.json else found)
    return 0
