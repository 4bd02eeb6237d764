"""`lint`: all rules, one after the other, at one point.

What comes in: a function and its arguments. What goes out: a `LintReport`. The one idea: a rule sees a `Point` and gives
findings; a line that one rule has explained is not explained again by a weaker one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import InputError, WengertError, not_a_function
from wengert.linting.decisions import jumps, kinks, lines_of, masked
from wengert.linting.digits import cancellation
from wengert.linting.inputs import draws, inputs, unwritten_memory
from wengert.linting.loops import converging, loops
from wengert.linting.point import Point, point_at
from wengert.linting.report import LintReport, report
from wengert.progress import Progress

__all__ = ["lint"]


def lint(f: Callable[..., Any], *args: Any, argnums: int | Sequence[int] = 0, **kwargs: Any) -> LintReport:
    """What makes the derivative of ``f(*args)`` meaningless or fragile at this point, and digits that its value loses.

    The program is written out at the point and evaluated beside it: the kinks, jumps and slopes of zero reported were seen.
    The codes are explained in docs/lint.md. A line with a comment ``# wg: ignore[WG101]`` is silenced.

    Parameters
    ----------
    f : callable
        Takes and gives numbers, arrays, or trees of them. It is called as `grad` calls it.
    *args, **kwargs
        Its arguments: the point.
    argnums : int or tuple of int
        Which arguments are differentiated, as for `grad`.

    Returns
    -------
    LintReport
        Print it; `findings` have `code`, `place`, `what`, `why`, `remedy`.

    Raises
    ------
    InputError
        If an argument to differentiate with regard to holds no float, or the function gives none.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> found = wg.lint(lambda x: np.sum(np.abs(x)), np.array([1.0, 0.0]))
    >>> [(f.code, f.what) for f in found.findings]
    [('WG101', 'kink of abs')]
    >>> print(wg.lint(np.sin, 1.0))
    sin: nothing found
    """
    if not callable(f):
        raise InputError(f"lint: {not_a_function(f)}")
    places = (int(argnums),) if isinstance(argnums, (int, np.integer)) else tuple(argnums)
    if any(not -len(args) <= k < len(args) for k in places):
        raise InputError(f"lint: argnums={argnums!r}, but {len(args)} positional arguments were given")
    with Progress() as progress, np.errstate(all="ignore"):
        progress("writing the program out")
        p = point_at(f, args, kwargs, sorted(k % len(args) for k in places))
        progress("looking beside the point")
        return _linted(p)


def _linted(p: Point) -> LintReport:
    p.settle(converging(p))
    try:
        p.pulled  # noqa: B018  (computed once, for all rules)
    except WengertError as error:
        return report(p.title, [*draws(p), *loops(p)], [*p.notes, f"there is no derivative to look at: {error}"])
    found = [*draws(p), *unwritten_memory(p), *loops(p), *cancellation(p)]
    lossy = lines_of(found)  # a slope of 0 there is what is left of the digits
    found += [f for f in inputs(p) if f.code != "WG105" or f.place not in lossy]
    notes = list(p.notes)
    if not p.is_finite:
        notes.append("the result is not finite: kinks and jumps were not looked for")
    else:
        stepping = jumps(p, lines_of([f for f in found if f.code in ("WG104", "WG105")]))
        found += [*stepping, *[f for f in kinks(p, lines_of(stepping)) if f.place not in lossy], *masked(p)]
    return report(p.title, found, notes)
