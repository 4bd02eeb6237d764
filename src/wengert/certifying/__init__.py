"""Certificates: a derivative by independent ways, and a verdict.

What comes in: a function and a point. What goes out: a `Certificate`: for each element of the derivative a value, an error bar
and a verdict in words. The one idea: a derivative is certified by what shares nothing with it, and what cannot be certified
(a kink, a jump, noise) is told apart from what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.certifying.point import Outcome, looked_at
from wengert.certifying.report import Certificate, Element
from wengert.certifying.subject import Subject, quiet
from wengert.certifying.verdicts import another_value, certificate, refused, where_not_finite
from wengert.comparison.operations import operations
from wengert.linting import LintReport, lint
from wengert.progress import Progress

__all__ = ["Certificate", "Element", "certify"]

MOST_LINTED = 200_000  # operations of a program that the linter is asked about


def certify(f: Callable[..., Any], *args: Any, argnums: int | Sequence[int] | None = None, seed: int = 0,
            **kwargs: Any) -> Certificate:
    """The derivative of ``f(*args)`` by independent ways, and whether it can be trusted, element by element.

    Forward and reverse mode, interpreted and compiled, are held against Richardson differences with error bars, the complex
    step, quotients of the function's values in fifty digits, and symbolic derivatives, where these apply; second derivatives
    against differences of gradients; Taylor remainders against their rates, at the point and near it. Of more than 16 inputs a
    sample is looked at one by one, and random directions answer for the others. Kinks, jumps, borders of the domain, rounding
    and noise are told apart from mistakes.

    Parameters
    ----------
    f : callable
        Takes and gives numbers, arrays, or trees of them, real or complex; a `formula`.
    *args, **kwargs
        Its arguments: the point.
    argnums : int or sequence of int, optional
        Which are differentiated, as for `grad`; by default the first, of a formula all.
    seed : int
        Of the random directions and points.

    Returns
    -------
    Certificate
        With ``ok``, ``verdict``, ``elements``, ``directions``, ``ways``, ``taylor``, ``findings``; print it, or ``.json()``, or
        ``.plot(file)``.

    Raises
    ------
    InputError
        No float to differentiate with regard to, or none that is returned.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> found = wg.certify(lambda x: np.sum(np.sin(x) * x), np.array([1.0, 2.0]))
    >>> found.ok, found.elements[0].verdict, found.elements[0].digits > 9
    (True, 'agrees', True)
    >>> @wg.custom_jvp
    ... def cube(x):
    ...     return x ** 3
    >>> _ = cube.defjvp(lambda primals, tangents: (cube(*primals), 2 * primals[0] ** 2 * tangents[0]))
    >>> wg.certify(cube, 2.0).elements[0].verdict
    'wrong'
    >>> wg.certify(abs, 0.0).elements[0].verdict
    'kink'

    Notes
    -----
    Error bars of differences are estimates (C. J. F. Ridders, Adv. Eng. Softw. 4 (1982), 75-76; J. J. Moré and S. M. Wild, SIAM
    J. Sci. Comput. 33 (2011), 1292-1314): no finite number of values proves a derivative. The Taylor test is as in P. E.
    Farrell et al., SIAM J. Sci. Comput. 35 (2013), C369-C393.
    """
    with Progress() as progress:
        progress("calling the function")
        s = Subject(f, args, kwargs, argnums, seed)
        with quiet():
            return _certified(s, progress)


def _certified(s: Subject, progress: Callable[[str], None]) -> Certificate:
    notes: list[str] = []
    if s.faults and not s.m:
        return refused(s, *s.faults[0], (), None)
    progress("lint")
    found = _linted(s, notes)
    for verdict, why in s.faults:
        if verdict == "not reproducible":
            return refused(s, verdict, why, (), found, notes)
    if not np.all(np.isfinite(s.point.x)):
        return refused(s, "not finite", "an argument is NaN or infinite: there is nothing to certify", (), None, notes)
    if not np.all(np.isfinite(s.out.x)):
        return refused(s, "not finite", where_not_finite(s) or "the value of the function", (), found, notes)
    if another := another_value(s):
        return refused(s, "wrong", another, (), found, notes)
    if not s.n or not s.m:
        return certificate(s, Outcome(np.zeros((s.weights.shape[0], s.n)), np.zeros((s.weights.shape[0], s.n))), found, notes)
    fine = [] if found is None else [f.what for f in (*found.findings, *found.silenced) if f.what.startswith("fine steps")]
    out = looked_at(s, progress, fine[0] if fine else "")
    if out.failure and s.faults:
        return refused(s, *s.faults[0], out.ways, found, [*notes, out.failure])
    if out.failure:
        return refused(s, "no derivative", out.failure, out.ways, found, notes)
    if not np.all(np.isfinite(out.gradient)):
        where = where_not_finite(s)
        notes += [f"not finite: {where}"] if where else []
    progress("verdicts")
    return certificate(s, out, found, notes)


def _linted(s: Subject, notes: list[str]) -> LintReport | None:
    """What the linter says of the point; None, and a note, where it says nothing."""
    try:
        if operations(s.graph) > MOST_LINTED:
            notes.append("the program is large: the linter was not asked; wg.lint looks at a smaller case")
            return None
        return lint(s.original, *s.whole, argnums=s.argnums, **s.kwargs)
    except Exception as error:  # what stands in its way stands in the way of derivatives, and is said there
        notes.append(f"the linter was not asked: {' '.join(str(error).split())}")
        return None
