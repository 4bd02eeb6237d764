"""Formulas as functions.

What comes in: a line of mathematics, `cos(x) e^{x²}`. What goes out: a `Formula`, a function of its variables
that takes numbers and arrays and that every derivative here accepts. The one idea: the evaluation tree is
walked with NumPy's and SciPy's own functions, so a formula is traced, derived and batched like any other
program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.errors import InputError, kind_of

if TYPE_CHECKING:
    from inspect import Signature

    from wengert.frontends.expression import Expression
    from wengert.frontends.trees import Node
    from wengert.graph import Graph

__all__ = ["Formula", "formula"]


def formula(text: str, variables: Iterable[str] | str | None = None) -> Formula:
    """A formula as a function.

    Parameters
    ----------
    text : str
        The formula: ``+ - * / ^``, products without a sign where they have one reading (``2x``, ``x y``),
        ``|x|``, ``√``, ``x²``, Greek letters, constants ``pi``, ``e``, ``tau``, the functions of NumPy and
        SciPy's special functions under their usual names. It is never run as Python. ``sinc`` is NumPy's,
        sin(πx)/(πx); ``relu`` has the derivative 0 at 0; comparisons (``greater(x, y)``) are 1 or 0. Variables may
        be arrays: ``sum((x - y)^2)``, ``dot(w, x)``, ``mean``, ``logsumexp``, ``softmax``.
    variables : str or iterable of str, optional
        The names that are variables, ``"x, y"``, in the order in which they are passed; any other name is
        then refused. By default every name that is no function and no constant, in order of first appearance.

    Returns
    -------
    Formula

    Raises
    ------
    FormulaError
        If the text is not a formula, with the column and what was expected there.

    Examples
    --------
    >>> import wengert as wg
    >>> f = wg.formula("x^2 y + 3")
    >>> f(2.0, 5.0), f(y=5.0, x=2.0)
    (np.float64(23.0), np.float64(23.0))
    >>> wg.grad(f, argnums=(0, 1))(2.0, 5.0)
    (np.float64(20.0), np.float64(4.0))
    """
    from wengert.frontends.expression import parse
    if not isinstance(text, str):
        raise InputError(f"formula: a formula is text, not {kind_of(text)}")
    return Formula(parse(text, variables))


class Formula:
    """A function that was written as mathematics; made by `formula`.

    Called with the values of its variables, by position or by name. Whole numbers are taken as floats: a
    formula is about real (or complex) numbers. Arrays broadcast, float32 stays float32.

    Attributes
    ----------
    text : str
        The formula as it was written.
    tree : Node
        The evaluation tree; ``print(f.tree.text())`` draws it.
    variables : tuple of str
        The names of its arguments, in order.

    Examples
    --------
    >>> f = formula("a*b + sin(a)")
    >>> f
    formula('a*b + sin(a)')
    >>> f.variables
    ('a', 'b')
    >>> print(f.tree.text())
    +
    ├── *
    │   ├── a
    │   └── b
    └── sin
        └── a
    """

    def __init__(self, expression: Expression):
        self.expression = expression
        self.__name__ = str(expression)

    @property
    def text(self) -> str:
        return self.expression.text

    @property
    def tree(self) -> Node:
        return self.expression.tree

    @property
    def variables(self) -> tuple[str, ...]:
        return self.expression.variables

    def __str__(self) -> str:
        return str(self.expression)

    def __repr__(self) -> str:
        return f"formula({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and self.expression == other.expression

    def __hash__(self) -> int:
        return hash(self.expression)

    def __reduce__(self) -> tuple[Any, ...]:
        return Formula, (self.expression,)

    @property
    def __signature__(self) -> Signature:
        from inspect import Parameter, Signature
        kind = Parameter.POSITIONAL_OR_KEYWORD
        try:
            return Signature([Parameter(name, kind) for name in self.variables])
        except ValueError:  # a variable may be called `lambda`
            raise AttributeError("__signature__") from None

    def __call__(self, *args: Any, **values: Any) -> Any:
        return self._at(None, args, values)

    def by_part(self, *args: Any, **values: Any) -> Any:
        """The value; what is recorded of it has the text of its part of the formula in the place of a line."""
        from wengert.frontends.trace import APPLIED

        def at(node: Node) -> None:
            APPLIED.lines = frozenset((self.text[slice(*node.span)],))
        before = getattr(APPLIED, "lines", None)
        try:
            return self._at(at, args, values)
        finally:
            APPLIED.lines = before

    def _at(self, at: Callable[[Node], object] | None, args: tuple[Any, ...], values: dict[str, Any]) -> Any:
        given = self._bound(args, values)
        out = self._evaluated.evaluate(_TABLE, {name: _as_number(name, x) for name, x in given.items()}, at)
        if isinstance(out, np.ndarray) and out.ndim == 0:
            return out[()]
        return np.asarray(out)[()] if type(out) in (float, complex) else out

    def _bound(self, args: tuple[Any, ...], values: dict[str, Any], complete: bool = True) -> dict[str, Any]:
        """The value of each variable, or an error that says which are missing, unknown or given twice."""
        import difflib

        from wengert.frontends.tokens import normalized_name
        names = self.variables
        takes = ", ".join(names) or "no variables"
        if len(args) > len(names):
            raise InputError(f"the formula {self} takes {takes}; it was given {len(args)} values")
        given = dict(zip(names, args, strict=False))
        for written, value in values.items():
            name = normalized_name(written) or written
            if name not in names:
                close = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"it takes {takes}"
                raise InputError(f"the formula {self} has no variable {written!r}: {hint}")
            if name in given:
                raise InputError(f"the formula {self} was given two values for {name!r}")
            given[name] = value
        missing = [name for name in names if name not in given]
        if missing and complete:
            raise InputError(f"the formula {self} needs a value for {', '.join(missing)}: "
                             f"f({missing[0]}=...)")
        return given

    @cached_property
    def _evaluated(self) -> Expression:
        """The same formula with e^x computed as exp(x): e is no floating-point number."""
        from wengert.frontends.expression import Expression
        from wengert.frontends.trees import Call, Number

        def combine(node: Node, below: list[Any]) -> Node:
            if not isinstance(node, Call):
                return node
            if node.function == "power" and isinstance(below[0], Number) and below[0].symbol == "e":
                return Call("exp", (below[1],), node.span)
            return Call(node.function, tuple(below), node.span, node.written)
        return Expression(self.text, self.tree.fold(combine), self.variables)

    def graph(self, *args: Any, **values: Any) -> Graph:
        """The graph of the formula for values of these types; float64 scalars where none is given.

        Examples
        --------
        >>> [e.primitive.name for e in formula("x y + x").graph().equations]
        ['multiply', 'add']
        """
        from wengert.api import make_graph
        known = dict.fromkeys(self.variables, 1.0) | self._bound(args, values, complete=False)
        with np.errstate(all="ignore"):
            return make_graph(self, *[_as_number(name, x) for name, x in known.items()])

    def equivalents(self, limit: int = 100, *, commute: bool = False) -> list[Formula]:
        """Formulas with other evaluation trees and the same meaning, at most `limit`; each can be called.

        They agree in exact arithmetic, and may round differently. With `commute`, terms and factors change
        places too. `count_equivalents` says how many there are.

        Examples
        --------
        >>> [str(g) for g in formula("a*b*c").equivalents()]
        ['a*b*c', 'a*(b*c)']
        """
        from wengert.frontends.equivalent import equivalent_trees
        from wengert.frontends.expression import Expression
        trees = equivalent_trees(self.expression, limit, commute=commute)
        return [Formula(Expression(str(tree), tree, self.variables)) for tree in trees]

    def count_equivalents(self, *, commute: bool = False) -> int:
        """How many evaluation trees mean the same; computed, not enumerated.

        Examples
        --------
        >>> formula("a b c d").count_equivalents()
        5
        """
        from wengert.frontends.equivalent import count_trees
        return count_trees(self.expression, commute=commute)


def _as_number(name: str, x: Any) -> Any:
    """A value of a variable: a number, an array or a traced value; integers become floats."""
    from wengert.frontends.tracer import Tracer, as_traced
    if isinstance(x, (list, tuple)):
        x = as_traced(x)
        x = x if isinstance(x, Tracer) else np.asarray(x)
    if isinstance(x, Tracer):
        return x if x.type.inexact else x.astype(float)
    if type(x) in (float, complex):
        return x
    if isinstance(x, (bool, int)):
        return float(x)
    if not isinstance(x, (np.ndarray, np.generic)) or x.dtype.kind not in "fciub":
        raise InputError(f"the value of {name!r} is {kind_of(x)}, not a number or an array of them")
    return x if x.dtype.kind in "fc" else x.astype(float)


# ---------------------------------------------------------------- what the functions of a formula do

_WEAK = (int, float, complex)


def _weakly(function: Callable[..., Any]) -> Callable[..., Any]:
    """Constants stay Python numbers, whose dtype gives way: ``2 pi x`` of a float32 x is float32."""
    def applied(*args: Any) -> Any:
        out = function(*args)
        if isinstance(out, (np.generic, np.ndarray)) and all(type(a) in _WEAK for a in args):
            return out.item()
        return out
    return applied


def _indicator(compare: Callable[..., Any]) -> Callable[..., Any]:
    """A comparison as a number, 1 or 0: NumPy adds booleans by "or"."""
    def indicator(*args: Any) -> Any:
        known = [a.dtype for a in args if hasattr(a, "dtype")]
        single = bool(known) and all(d in (np.float32, np.complex64) for d in known)
        return compare(*args).astype(np.float32 if single else np.float64)
    return indicator


def _relu(x: Any) -> Any:
    return np.where(np.less_equal(x, 0.0), 0.0, x)  # NaN is no number below 0, and stays


def _where(condition: Any, a: Any, b: Any) -> Any:
    return np.where(np.not_equal(condition, 0.0), a, b)


def _special(name: str) -> Callable[..., Any]:
    """A function of SciPy that is no ufunc, which traced values do not reach by NumPy's protocols."""
    def function(*args: Any) -> Any:
        from scipy import special

        from wengert.frontends.tracer import Tracer, function_of
        plain = getattr(special, name)
        traced = function_of(plain) if any(isinstance(a, Tracer) for a in args) else None
        return (traced or plain)(*args)
    return function


def _whole_order(name: str) -> Callable[..., Any]:
    """A function of SciPy that takes integers as its order, and no floats."""
    def function(n: Any, x: Any) -> Any:
        from wengert.frontends.tracer import Tracer
        if isinstance(n, Tracer) or not np.all(np.equal(np.round(n), n)):
            raise InputError(f"the order of {name} is a whole number, and not differentiated")
        return _special(name)(np.asarray(n, int)[()], x)
    return function


_COMPARISONS = ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal", "signbit")
_OWN: dict[str, Callable[..., Any]] = {
    "relu": _relu, "where": _where,
    **{name: _special(name) for name in ("zeta", "logsumexp", "softmax", "log_softmax")},
    **{name: _indicator(getattr(np, name)) for name in _COMPARISONS},
    **{name: _whole_order(name) for name in ("eval_hermite", "eval_hermitenorm", "polygamma")},
}


class _Table(dict[str, Callable[..., Any]]):
    """From the name in a tree to the function; SciPy is imported when one of its functions is wanted."""

    def get(self, name: str, default: Any = None) -> Any:
        found = super().get(name)
        if found is None:
            function = _OWN.get(name) or _numpy_or_scipy(name)
            if function is None:
                return default
            found = self[name] = _weakly(function)
        return found


def _numpy_or_scipy(name: str) -> Callable[..., Any] | None:
    found = getattr(np, name, None)
    if isinstance(found, np.ufunc):
        return found
    from scipy import special
    return getattr(special, name, found)


_TABLE = _Table()
