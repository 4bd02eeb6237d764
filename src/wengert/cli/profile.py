"""`wengert profile`: time and memory by line.

What comes in: a target and values, as for `wengert diff`. What goes out: the table of `wg.profile`, JSON, or a picture. The one
idea: everything is the library's; this only finds the function and prints.
"""

from __future__ import annotations

import argparse
import json

from wengert.cli.command import add_target, bound
from wengert.errors import InputError

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Measure a function and its derivatives line by line: time, memory and operations of the value, of the forward and backward pass
of a gradient, and of forward mode, run by the interpreter. Values are given as for `wengert diff`.
"""
EXAMPLES = """\
examples:
  wengert profile examples/rosenbrock.py:f x=[-1.5,0.25]
  wengert profile program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote --sort line
  wengert profile program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote --plot profile.png

exit status: 0, or 2 for wrong input.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser, "what is looked at", wrt="as for `wengert diff`; these become floats")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--sort", choices=("cost", "line"), default="cost", help="the order of the lines")
    parser.add_argument("--plot", metavar="FILE", help="also draw bars (.png, .svg, .pdf); needs Matplotlib")


def run(options: argparse.Namespace, words: list[str]) -> int:
    import wengert as wg
    target = bound(options, words)
    with target.running():
        found = wg.profile(target.function, *target.args, argnums=tuple(target.places), **target.kwargs)
    if options.sort == "line":
        found = found.by_line()
    if options.plot:
        try:
            found.plot().savefig(options.plot)
        except (OSError, ValueError) as error:  # no such folder, no such format
            raise InputError(f"--plot {options.plot}: {error}") from error
    print(json.dumps(found.json(), indent=1) if options.json else found)
    return 0
