"""``wengert compare``: every way to a derivative, side by side.

What comes in: the words of the command line. What goes out: a table, JSON, a picture. The one idea: the command is
`wg.compare` with values that were read from words and files.
"""

from __future__ import annotations

import argparse
import functools
import sys
from typing import TYPE_CHECKING, TextIO

from wengert.cli.command import add_target, bound, draw
from wengert.errors import InputError

if TYPE_CHECKING:
    from wengert.comparison import Comparison

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Compute the gradient (or the Jacobian; with --order 2 the Hessian) in every way that applies: finite differences, the complex
step, random directions, symbolically, in forward and in reverse mode, compiled. Print for each its value, its error against
fifty digits where they can be had, time, evaluations, operations, memory, and how these grow with the number of inputs.
"""
EXAMPLES = """\
values are given as for `wengert diff`; examples:
  wengert compare 'cos(x) e^{x^2}' x=0.5
  wengert compare 'abs(x)^3' x=2
  wengert compare examples/rosenbrock.py:f x=[-1.5,0.25] --order 2
  wengert compare examples/logistic_regression.py:loss 'w=[15.04,-0.2322]' \\
      X=examples/data/o_rings.csv:temperature, y=examples/data/o_rings.csv:distress --plot ways.png

exit status: 0 if all that claims to be exact is, 1 if not or if the derivative is not finite, 2 for wrong input.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser, "what is differentiated", nan=False)
    parser.add_argument("--order", metavar="N", type=int, choices=(1, 2), default=1, help="1 (default), or 2: Hessians")
    parser.add_argument("--sizes", metavar="N,N,N", help="lengths to give to the longest axis, to see how costs grow")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the random directions (default 0)")
    parser.add_argument("--plot", metavar="FILE", help="draw it into this file (PNG, PDF or SVG)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, words: list[str]) -> int:
    """1 if a way that claims to be exact is wrong, or the derivative is not finite."""
    found = _compared(options, words)
    _print(found, options.json, sys.stdout)
    exact = [e for e in found.entries if e.kind in ("symbolic", "forward", "reverse", "mixed")]
    return int(any(e.verdict in ("wrong", "undefined") for e in exact))


def _compared(options: argparse.Namespace, words: list[str]) -> Comparison:
    import wengert as wg
    target = bound(options, words, allow_nan=False)
    sizes = None if options.sizes is None else _sizes(options.sizes)
    f = functools.partial(target.function, **target.kwargs) if target.kwargs else target.function
    with target.running():
        found = wg.compare(f, *target.args, argnums=target.places, order=options.order, sizes=sizes, seed=options.seed)
    draw(found, options.plot)
    return found


def _sizes(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise InputError(f"--sizes takes whole numbers, --sizes 10,20,40, not {text!r}")
    return [int(part) for part in parts]


def _print(found: Comparison, as_json: bool, file: TextIO) -> None:
    """JSON, a table where `file` is a terminal, or plain text."""
    if as_json:
        file.write(found.json() + "\n")
    elif file.isatty():
        from rich.console import Console
        Console(file=file, highlight=False).print(found.table())
    else:
        from wengert.cli.report import _write
        _write(str(found) + "\n", file)
