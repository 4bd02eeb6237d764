"""``wengert compilation``: what the compiler makes of a function.

What comes in: a formula or a function, and its values. What goes out: every pass on one screen, or one of them in full. The one
idea: it is `wg.explain_compilation`, printed.
"""

from __future__ import annotations

import argparse

from wengert.cli.command import add_target, bound, fail

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Show what the compiler makes of a function at these values, pass by pass: equations, fused loop nests, memory, machine
code, and the time of each pass. Values are given as for `wengert diff`.
"""
EXAMPLES = """\
examples:
  wengert compilation examples/rosenbrock.py:f x=[-1.5,0.25]
  wengert compilation examples/rosenbrock.py:f x=[-1.5,0.25] --grad
  wengert compilation examples/rosenbrock.py:f x=[-1.5,0.25] --grad --show plan

exit status: 0 if it is compiled, 1 if it runs interpreted or unstaged, 2 for wrong input.
"""

_PASSES = ("recorded", "simplify", "hoist", "plan", "llvm", "assembly")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser, "what is compiled", wrt="as for `wengert diff`: what --grad differentiates with regard to", nan=False)
    parser.add_argument("--grad", action="store_true", help="the gradient, in the place of the function")
    parser.add_argument("--show", metavar="PASS", choices=_PASSES, help=f"one pass in full: {', '.join(_PASSES)}")


def run(options: argparse.Namespace, words: list[str]) -> int:
    """0 if it is compiled."""
    import wengert as wg
    target = bound(options, words, allow_nan=True)
    f = wg.grad(target.function, tuple(target.places)) if options.grad else target.function
    with target.running():
        explained = wg.explain_compilation(f, *target.args, **target.kwargs)
    if not explained.counts and options.show not in (None, "recorded", "simplify"):
        fail(explained.reason)
    print(getattr(explained, options.show) if options.show else explained)
    return 0 if explained.counts else 1
