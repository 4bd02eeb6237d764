"""`wengert certify`: a derivative by independent ways, with error bars and a verdict.

What comes in: a target and values, as for `wengert diff`. What goes out: the certificate of `wg.certify`, as text, JSON or a
picture. The one idea: everything is the library's; the exit status is the verdict.
"""

from __future__ import annotations

import argparse
import json

from wengert.cli.command import add_target, bound, draw

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Find a derivative by independent ways (forward, reverse, compiled, differences with error bars, complex step, fifty digits,
symbolic; Taylor remainders at the point and near it), and say of each element in how many digits they agree, or why not: kink,
jump, ill-conditioned, differences unreliable, wrong. Values are given as for `wengert diff`.
"""
EXAMPLES = """\
examples:
  wengert certify 'cos(x) e^{x^2}' x=0.5
  wengert certify examples/rosenbrock.py:f x=[-1.5,0.25] --plot rates.png
  wengert certify program.py:loss w=[0.5,-1] X=data.csv:age,income y=data.csv:vote --json

exit status: 0 if the derivative is certified, 1 if it is not, 2 for wrong input.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser, "what is certified")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the random directions and points (default 0)")
    parser.add_argument("--plot", metavar="FILE", help="draw Taylor remainders and errors into this file (PNG, PDF or SVG)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, words: list[str]) -> int:
    """1 if the derivative is not certified."""
    import wengert as wg
    target = bound(options, words)
    with target.running():
        found = wg.certify(target.function, *target.args, argnums=target.places, seed=options.seed, **target.kwargs)
    draw(found, options.plot)
    print(json.dumps(found.json(), indent=1) if options.json else found)
    return int(not found.ok)
