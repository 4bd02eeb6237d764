"""``wengert diff``: value and derivatives at a point, each checked by an independent method.

What comes in: a formula or a function, and its values. What goes out: a table, or JSON. The one idea: what is printed was
computed twice.
"""

from __future__ import annotations

import argparse
import sys
import warnings

from wengert.cli.command import add_target, bound, order

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Print the value and the derivatives of a formula, or of a function in a Python file: the gradient of a
number, the Jacobian of an array, with --order 2 the Hessian. Every derivative is computed exactly, by
automatic differentiation, and again by an independent method (the complex step, or Richardson
extrapolation of differences); both are printed with their difference, the estimated error (±) of the
independent method, and a verdict. At a kink, such as that of abs(x) at 0, the verdict says so.
"""
EXAMPLES = """\
values:
  x=0.5  x=pi/4  x=1+2j         a number, or a formula of constants
  x=[1,2,3]  A=[[1,2],[3,4]]    a vector, a matrix
  x=file.npy  x=file.npz:key    an array from a NumPy file
  y=file.csv:vote               one column: a vector; columns by name, or by number from 0
  X=file.csv:age,income         several columns: a matrix (age, for a matrix of one column)
  file.csv:x,y                  columns as the parameters of the same names
  mode='"sum"'                  text, True, False, None: for functions in files

examples:
  wengert diff 'cos(x) e^{x^2}' x=0.5
  wengert diff '(x + sigmoid(y)) tanh(x)' x=2 y=1 --order 2
  wengert diff 'a exp(-b t)' a=2 b=0.5 t=times.csv:t --wrt a,b
  wengert diff examples/rosenbrock.py:f x=[-1.5,0.25] --order 2
  wengert diff examples/logistic_regression.py:loss 'w=[15.04,-0.2322]' \\
      X=examples/data/o_rings.csv:temperature, y=examples/data/o_rings.csv:distress

exit status: 0 if all checks agree (or none was possible), 1 if one disagrees or a derivative is undefined,
2 for wrong input, which is explained in one line.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser, "what to differentiate; quote a formula: 'x^2 + 3x'",
               wrt="differentiate with regard to these parameters, x,y (default: all variables of a formula, the first "
                   "parameter of a function)")
    parser.add_argument("--order", metavar="N", type=order, default=1,
                        help="all derivatives up to order N (default 1; above 2 for numbers only)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, words: list[str]) -> int:
    """0 if all checks agree."""
    from wengert.cli.derive import derive
    from wengert.cli.report import print_json, print_result
    from wengert.progress import Progress
    with warnings.catch_warnings(), Progress() as progress:
        warnings.simplefilter("ignore", RuntimeWarning)  # of the points where the check evaluates
        progress("reading")
        result = derive(bound(options, words), options.order, progress)
    (print_json if options.json else print_result)(result, sys.stdout)
    return 0 if result.ok else 1
