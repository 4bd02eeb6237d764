"""``wengert plan``: what a derivative costs in each way.

What comes in: a formula or a function, and its values. What goes out: the table of `wg.plan`, or JSON. The one idea: everything
is the library's; this only finds the function and prints.
"""

from __future__ import annotations

import argparse
import json

from wengert.cli.command import add_target, bound

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Count what the Jacobian of a function (of one number: its gradient) takes by forward, reverse, colored and mixed accumulation,
predict time and memory, and say which mode is taken. Values are given as for `wengert diff`.
"""
EXAMPLES = """\
examples:
  wengert plan examples/rosenbrock.py:f x=[-1.5,0.25]
  wengert plan examples/rosenbrock.py:f x=[-1.5,0.25] --hessian --jit
  wengert plan examples/modes.py:flux 'states=[1,0.2,0.1,0,2.5,0.9,0.1,0.3,0.1,2.2]' --json

exit status: 0, or 2 for wrong input.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser, "what is differentiated", wrt="as for `wengert diff`; these become floats")
    parser.add_argument("--hessian", action="store_true", help="the Hessian, in the place of the Jacobian")
    parser.add_argument("--jit", action="store_true", help="the costs of compiled code")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, words: list[str]) -> int:
    import wengert as wg
    target = bound(options, words)
    derivative = wg.hessian if options.hessian else wg.jacobian
    f = derivative(target.function, tuple(target.places))
    with target.running():
        found = wg.plan(wg.jit(f) if options.jit else f, *target.args, **target.kwargs)
    print(json.dumps(found.json(), indent=1) if options.json else found)
    return 0
