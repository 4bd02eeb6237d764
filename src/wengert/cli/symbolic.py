"""``wengert symbolic``: derivatives as formulas.

What comes in: a formula, or a function in a file with values that say its shapes. What goes out: each derivative as a formula,
or as LaTeX, NumPy source, an evaluation tree; or how many nodes they have. The one idea: one line, or one block, for each.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

from wengert.cli.command import add_target, bound, order

__all__ = ["ABOUT", "EXAMPLES", "add_arguments", "run"]

ABOUT = """\
Print the derivatives of a formula, or of a function in a Python file, as formulas: symbolic differentiation.
A function needs values, which say the shapes of its arguments; elements of arrays become variables, loops of
known length are written out.
"""
EXAMPLES = """\
examples:
  wengert symbolic 'cos(x) e^{x^2}' --order 2
  wengert symbolic 'x y + sin(x)'
  wengert symbolic 'x y + sin(x)' --wrt x --latex
  wengert symbolic 'exp(-x^2/2)' --source
  wengert symbolic 'x^2 y' --differential
  wengert symbolic examples/rosenbrock.py:f x=[1,1]
  wengert symbolic '(x+1)*(x+1)*(x+1)' --order 4 --swell

exit status: 0, or 2 for wrong input and for what has no formula.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_target(parser, "what to differentiate; quote a formula", wrt="differentiate in these variables, x,y (default: all)",
               nan=False)
    parser.add_argument("--order", metavar="N", type=order, default=1, help="all derivatives up to order N (default 1)")
    parser.add_argument("--unsimplified", action="store_true", help="what the rules make, with every 0 and 1")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--latex", action="store_true", help="as LaTeX")
    how.add_argument("--source", action="store_true", help="as Python functions that need NumPy and SciPy only")
    how.add_argument("--tree", action="store_true", help="as evaluation trees")
    how.add_argument("--json", action="store_true", help="as one JSON object")
    how.add_argument("--differential", action="store_true", help="the total differential, one formula")
    how.add_argument("--swell", action="store_true", help="how many nodes they have, as trees and as graphs")
    parser.add_argument("--plot", metavar="FILE", help="with --swell: draw it into a file (needs matplotlib)")


def run(options: argparse.Namespace, words: list[str]) -> int:
    from wengert.progress import Progress
    with Progress() as progress:
        progress("differentiating")
        text = _text(options, words)
    print(text)
    return 0


def _text(options: argparse.Namespace, words: Sequence[str]) -> str:
    """What the command prints."""
    import wengert as wg
    from wengert.errors import InputError
    if options.plot and not options.swell:
        raise InputError("--plot draws what --swell counts: give both")
    f, point, running = _found(options, words)
    formula = f if not point else None
    if options.swell:
        with running:
            swell = wg.symbolic.swell(f, *point, order=options.order, wrt=options.wrt.split(",") if options.wrt else None)
        if options.plot:
            swell.plot(options.plot)
        return str(swell)
    with running:
        formula = wg.symbolic.formula_of(f, *point) if formula is None else formula
    if options.differential:
        return f"dF = {formula.differential()}"
    wrt = [n.strip() for n in options.wrt.split(",")] if options.wrt else list(formula.variables)
    found = list(_derivatives(formula, wrt, options.order, not options.unsimplified))
    if options.json:
        names = {",".join(variables): str(g) for variables, g in found}
        return json.dumps({"function": str(formula), "variables": list(formula.variables), "derivatives": names}, indent=1,
                          ensure_ascii=False)
    if options.source:
        return "\n\n".join([g.source("_".join(["d", *variables])) for variables, g in found]).rstrip("\n")
    many = len(formula.variables) > 1
    heads = ["f", *[_head(variables, many) for variables, _ in found]]
    formulas = [formula, *[g for _, g in found]]
    if options.tree:
        return "\n\n".join([f"{head}\n{g.tree.text()}" for head, g in zip(heads, formulas)])
    if options.latex:
        latex = ["f", *[_latex_head(variables, many) for variables, _ in found]]
        return "\n".join([f"{head} = {g.latex()}" for head, g in zip(latex, formulas)])
    width = max(map(len, heads))
    return "\n".join([f"{head:<{width}} = {g}" for head, g in zip(heads, formulas)])


def _found(options: argparse.Namespace, words: Sequence[str]) -> tuple[Any, tuple[Any, ...], Any]:
    """A formula, or a function and its arguments, and the context in which a function may be called."""
    from wengert.cli.target import find
    from wengert.errors import InputError
    unbound = find(options.target)
    if unbound.is_formula:
        if words:
            raise InputError(f"a symbolic derivative needs no values: leave out {words[0]} (`wengert diff` evaluates)")
        return unbound.function, (), contextlib.nullcontext()
    target = bound(argparse.Namespace(target=options.target, wrt=None), words, allow_nan=True)
    function = functools.partial(target.function, **target.kwargs) if target.kwargs else target.function
    return function, tuple(target.args), target.running()


def _derivatives(formula: Any, wrt: Sequence[str], order: int, simplify: bool) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All derivatives up to an order, each from one of the order below."""
    known: dict[tuple[str, ...], Any] = {(): formula}
    for n in range(1, order + 1):
        for variables in itertools.combinations_with_replacement(wrt, n):
            known[variables] = known[variables[:-1]].diff(variables[-1], simplify=simplify)
            yield variables, known[variables]


def _head(variables: Sequence[str], many: bool) -> str:
    """``df/dx``, ``∂²f/∂x∂y``."""
    d, n = "∂" if many else "d", len(variables)
    raised = "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(c)] for c in str(n)) if n > 1 else ""
    below = []
    for v in dict.fromkeys(variables):
        k = variables.count(v)
        below.append(f"{d}{v}" + ("⁰¹²³⁴⁵⁶⁷⁸⁹"[k] if k > 1 else ""))
    return f"{d}{raised}f/{''.join(below)}"


def _latex_head(variables: Sequence[str], many: bool) -> str:
    from wengert.views.notation import latex_name
    d, n = r"\partial " if many else r"\mathrm{d}", len(variables)
    power = [f"{d}{latex_name(v)}" + (f"^{{{k}}}" if (k := variables.count(v)) > 1 else "") for v in dict.fromkeys(variables)]
    return rf"\frac{{{d}{f'^{{{n}}}' if n > 1 else ''}f}}{{{' '.join(power)}}}"
