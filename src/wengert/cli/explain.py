"""`wengert explain`: how the derivatives of a formula or a function arise, as text, LaTeX, DOT, SVG or a page.

What comes in: the options of the command line. What goes out: the view, on standard output or in a file. The one idea: the same
targets and values as for `wengert diff`; what was opened or chosen is said by line and by name.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import IO, Any

import wengert as wg
from wengert.cli.command import add_target, bound
from wengert.cli.target import Target
from wengert.errors import InputError

__all__ = ["ABOUT", "EXAMPLES", "FORMATS", "add_arguments", "run"]

FORMATS = ("text", "latex", "dot", "svg", "html", "json")
ENDINGS = {"txt": "text", "tex": "latex", "dot": "dot", "gv": "dot", "svg": "svg", "html": "html", "htm": "html",
           "json": "json"}

ABOUT = """\
Show how the derivatives of a formula, or of a function in a Python file, arise: the evaluation tree, the forward
pass with values and tangents, the backward pass with each adjoint and the sum that formed it. Values are given as
for `wengert diff`.
"""
EXAMPLES = """\
examples:
  wengert explain 'w2 log(w1) + sqrt(w2 log(w1))' w1=2 w2=3
  wengert explain '(x + sigmoid(y)) tanh(x)' x=2 y=1 --direction 1,0
  wengert explain 'cos(x) e^{x^2}' x=0.5 --format html --output cos.html
  wengert explain examples/rosenbrock.py:f x=[-1.5,0.25] --format svg --output rosenbrock.svg
  wengert explain program.py:loss w=[0.5,-1] --jit --open program.py:12 --turn 3

A loop, a call, a line is one row where there is more than fits the screen: --lines opens it. Under --jit the loops
of the function are staged, and one operation each: --open writes one turn out.

exit status: 0, or 1 if a value or a derivative is not finite, 2 for wrong input.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser, "what is explained; quote a formula", wrt="the parameters that are inputs, x,y; see `wengert diff`")
    parser.add_argument("--format", choices=FORMATS, help="text (default), latex, dot, svg, html, json")
    parser.add_argument("--output", metavar="FILE",
                        help="write there; without --format the ending decides: .txt, .tex, .dot, .svg, .html, .json")
    parser.add_argument("--direction", metavar="NUMBERS", help="one forward pass along this direction, a number for each input")
    parser.add_argument("--jit", action="store_true", help="the staged function: loops and branches are one operation each")
    parser.add_argument("--open", metavar="LINE", action="append", default=[], dest="opened",
                        help="write out the staged loop or branch at this line, FILE.py:12, or of this name")
    parser.add_argument("--turn", metavar="K", type=int, default=0, help="which turn of the loops that --open names, from 0")
    parser.add_argument("--lines", metavar="LINE", action="append", default=[], help="show all operations of this line")
    parser.add_argument("--only", metavar="NAMES", default="", help="only what lies on the way from these inputs, x,y")


def run(options: argparse.Namespace, words: list[str]) -> int:
    """1 if a value or a derivative is not finite."""
    options.format = _format(options)
    return write(explained(bound(options, words), options), options, sys.stdout)


def _format(options: argparse.Namespace) -> str:
    """That of --format, else that of the ending of --output, else text."""
    if options.format or not options.output:
        return options.format or "text"
    ending = Path(options.output).suffix.lower().removeprefix(".")
    if ending not in ENDINGS:
        raise InputError(f"--output {options.output}: the ending says no format; write .{', .'.join(ENDINGS)}, or add --format")
    return ENDINGS[ending]


def explained(target: Target, options: Any) -> Any:
    """The explanation that the options ask for."""
    f = target.function
    if options.jit:
        f = wg.jit(f)
    with target.running():
        found = wg.explain(f, *target.args, **target.kwargs).wrt(*target.wrt)
    for where in options.opened:
        found = found.open(where, options.turn)
    if options.direction is not None:
        found = found.along(*_direction(options.direction, found))
    return found


def _direction(words: str, found: Any) -> list[Any]:
    """One number for each input; it stands for all elements of an array."""
    import numpy as np
    try:
        numbers = [float(word) for word in words.split(",")]
    except ValueError:
        raise InputError(f"--direction {words}: a number for each input, such as 1,0") from None
    if len(numbers) != len(found.inputs):
        names = ", ".join([found.nodes[k].name for k in found.inputs])
        raise InputError(f"--direction {words}: {len(numbers)} numbers for the inputs {names}")
    return [np.full(found.nodes[k].shape, x)[()] for k, x in zip(found.inputs, numbers, strict=True)]


def write(found: Any, options: Any, out: IO[str]) -> int:
    """Print or write the view; the exit status."""
    format = options.format
    if format == "json":
        import json
        view = json.dumps(found.to_json(), indent=1, allow_nan=False) + "\n"
    else:
        only = [name.strip() for name in options.only.split(",") if name.strip()]
        view = getattr(found, format)(only=only, opened=options.lines)
    if options.output:
        try:
            Path(options.output).write_text(view, encoding="utf-8")
        except OSError as error:
            raise InputError(f"--output {options.output}: {error.strerror}") from None
    elif format == "text" and out is sys.stdout and out.isatty():
        _colored(view)
    else:
        out.write(view if view.endswith("\n") else view + "\n")
    return 1 if found.findings else 0


def _colored(view: str) -> None:
    """On a terminal: headings stand out."""
    from rich.console import Console
    from rich.text import Text
    text = Text(view)
    text.highlight_regex(r"(?m)^\S.*$", "bold")
    text.highlight_regex(r"(?m)^  ─+$", "dim")
    Console(soft_wrap=True, highlight=False).print(text)
