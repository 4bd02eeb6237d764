"""Formulas as functions.

What comes in: a line of mathematics, `cos(x) e^{x²}`. What goes out: a `Formula`, a function of its variables
that takes numbers and arrays and that every derivative here accepts. The one idea: the evaluation tree is
walked with NumPy's and SciPy's own functions, so a formula is traced, derived and batched like any other
program; a symbolic derivative is a formula again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.errors import InputError, UnsupportedError, kind_of

if TYPE_CHECKING:
    from inspect import Signature

    from wengert.frontends.expression import Expression
    from wengert.frontends.trees import Node
    from wengert.graph import Graph
    from wengert.sources import Source

__all__ = ["Formula", "formula", "formula_of_graph", "from_sympy"]


def formula(text: str, variables: Iterable[str] | str | None = None) -> Formula:
    """A formula as a function.

    Parameters
    ----------
    text : str
        The formula: ``+ - * / ^``, products without a sign where they have one reading (``2x``, ``x y``), and so
        ``sin x``,
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

    # ------------------------------------------------------------ symbolic derivatives

    @cached_property
    def numbers(self) -> Graph:
        """The graph of the formula for numbers, as it is written: nothing is computed (``2 π``, ``√2``)."""
        from wengert.frontends.expression import Expression
        from wengert.frontends.trees import Call, Name, Number
        from wengert.graph import Const, Graph
        from wengert.graph.walk import substitute
        from wengert.transforms.scalars import scalar_graph
        symbols: dict[str, float] = {}

        def combine(node: Node, below: list[Any]) -> Node:
            # Numbers become variables, which are constants again afterwards; no variable of the user's has such a name.
            function = node.function if isinstance(node, Call) else ""
            for place, x in enumerate(below):
                whole = (function, place) == ("power", 1) or (function not in _ARITHMETIC and len(below) > 1)  # may have to be
                if isinstance(x, Number) and x.symbol != "inf" and (x.symbol or not whole):
                    symbols[f" {x.label}"] = x.value
                    below[place] = Name(f" {x.label}")
            if isinstance(node, Call) and node.function in _OF_ARRAYS:
                raise UnsupportedError(f"symbolic: {node.label!r} is a function of arrays, and the variables of a symbolic "
                                       f"derivative are numbers. wg.grad differentiates it")
            return Call(node.function, tuple(below), node.span, node.written) if isinstance(node, Call) else node
        tree = self._evaluated.tree.fold(combine)
        named = Formula(Expression(self.text, tree, (*self.variables, *symbols)))
        graph = named.graph()
        count = len(self.variables)
        made = scalar_graph(substitute(graph, {v: Const(float(x)) for v, x in zip(graph.inputs[count:], symbols.values())}))
        return Graph(made.inputs, made.equations, made.outputs)  # without lines: a formula has none

    def diff(self, *wrt: str | int, simplify: bool = True) -> Formula:
        """The partial derivative as a formula: symbolic differentiation.

        Parameters
        ----------
        *wrt : str or int
            Names of variables, each repeated as often as the formula is differentiated in it, or followed by that number:
            ``diff("x", "x", "y")`` is ``diff("x", 2, "y")``. Not needed if there is one variable.
        simplify : bool
            Whether to apply the rules of algebra, ``0 x = 0``, ``x + x = 2 x``. Without, what the rules of differentiation
            make is left as it is: constants have the derivative 0, variables 1, and nothing is dropped.

        Returns
        -------
        Formula
            Of the same variables. At kinks (``abs(x)`` at 0) it is what `wg.grad` takes there; where its
            formula divides 0 by 0 (``hypot`` at the origin, ``sinc`` at 0), it is undefined.

        Raises
        ------
        UnsupportedError
            If the derivative has no formula (``sum`` of arrays, the order of a Bessel function), or one of more than 100,000
            nodes.

        Examples
        --------
        >>> f = formula("sin(x^2) + e^x")
        >>> print(f.diff())
        2*x*cos(x^2) + exp(x)
        >>> print(formula("x*x").diff(simplify=False))
        1*x + x*1
        >>> print(formula("x^3 y^2").diff("x", 2, "y"))
        12*x*y
        """
        from wengert.transforms.algebra import algebraic
        from wengert.transforms.symbolic import derivative
        graph = self.numbers
        for place in self._places(wrt):
            graph = derivative(graph, place, blind=not simplify)
            graph = algebraic(graph) if simplify else graph
        return formula_of_graph(graph, self.variables)

    def _places(self, wrt: tuple[str | int, ...]) -> list[int]:
        """The variables to differentiate in, one after the other, by their places."""
        import difflib

        from wengert.frontends.tokens import normalized_name
        if not wrt or isinstance(wrt[0], int):
            if not self.variables:
                raise InputError("diff: the formula has no variable; name one, f.diff('x'), and the derivative is 0")
            if len(self.variables) != 1:
                raise InputError(f"diff: name the variable, one of {', '.join(self.variables)}: f.diff({self.variables[0]!r})")
            wrt = (self.variables[0], *wrt)
        out: list[int] = []
        for x in wrt:
            if isinstance(x, int) and not isinstance(x, bool) and x >= 0:
                out[-1:] = out[-1:] * x
                continue
            name = normalized_name(x) or x if isinstance(x, str) else x
            if name not in self.variables:
                close = difflib.get_close_matches(str(name), self.variables, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(self.variables) or 'none'}"
                raise InputError(f"diff: the formula {self} has no variable {x!r}: {hint}")
            out.append(self.variables.index(name))
        return out

    def differential(self) -> Formula:
        """The total differential ``dF = Σ ∂F/∂p dp``, one formula in the variables and their differentials.

        Examples
        --------
        >>> dF = formula("x*y + sin(x)").differential()
        >>> print(dF)
        y*dx + x*dy + dx*cos(x)
        >>> dF.variables
        ('x', 'y', 'dx', 'dy')
        """
        from wengert.transforms.algebra import algebraic
        from wengert.transforms.symbolic import total_differential
        names = (*self.variables, *[f"d{name}" for name in self.variables])
        if len(set(names)) != len(names):
            raise InputError(f"differential: {', '.join(sorted({n for n in names if names.count(n) > 1}))} is a variable of "
                             f"the formula {self} and the name of a differential; give the variable another name")
        return formula_of_graph(algebraic(total_differential(self.numbers)), names)

    def simplify(self) -> Formula:
        """The formula, simplified by the rules of algebra; values agree to rounding where both are defined.

        Examples
        --------
        >>> print(formula("0*x + 1*y + y + x^1 x").simplify())
        2*y + x^2
        """
        from wengert.transforms.algebra import algebraic
        return formula_of_graph(algebraic(self.numbers), self.variables)

    def latex(self) -> str:
        """The formula as LaTeX, for documents and for Matplotlib.

        Examples
        --------
        >>> print(formula("sin(x)/(1 + x²)").latex())
        \\frac{\\sin\\left(x\\right)}{1 + {x}^{2}}
        """
        from wengert.expressions import latex_of
        return latex_of(self.tree)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def source(self, name: str = "f") -> Source:
        """The formula as a Python function that needs NumPy (and SciPy for special functions).

        Examples
        --------
        >>> print(formula("exp(-x) sin(x)").diff().source("slope"))
        import numpy as np
        <BLANKLINE>
        <BLANKLINE>
        def slope(x):
            x = np.float64(x)
            v1 = np.exp(-x)
            return v1 * np.cos(x) - v1 * np.sin(x)
        <BLANKLINE>
        """
        from wengert.sources import graph_source
        return graph_source(self.numbers, name, self.variables)

    def to_sympy(self, symbols: Mapping[str, Any] | None = None) -> Any:
        """The formula as an expression of SymPy.

        Parameters
        ----------
        symbols : mapping of str to sympy.Symbol, optional
            The symbols to use, by name; by default plain ones.

        Examples
        --------
        >>> formula("x^2/2 + sin(x)").diff().to_sympy()
        x + cos(x)
        """
        from wengert.with_sympy import expression_of
        return expression_of(self.tree, symbols)

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


def formula_of_graph(graph: Graph, variables: Iterable[str]) -> Formula:
    """The formula of a graph of numbers, its inputs under these names."""
    from wengert.expressions import tree_of
    from wengert.frontends.expression import Expression
    names = tuple(variables)
    tree = tree_of(graph, names)
    return Formula(Expression(str(tree), tree, names))


def from_sympy(expression: Any, variables: Iterable[str] | None = None) -> Formula:
    """The formula of a SymPy expression.

    Parameters
    ----------
    expression : sympy.Expr
    variables : iterable of str, optional
        The names of its arguments, in order; by default those of its symbols, sorted.

    Examples
    --------
    >>> import sympy
    >>> import wengert as wg
    >>> x, y = sympy.symbols("x y")
    >>> f = wg.from_sympy(sympy.exp(-x**2) / (1 + y))
    >>> print(f)
    exp(-x^2)/(y + 1)
    >>> wg.grad(f)(1.0, 0.0)
    np.float64(-0.7357588823428847)
    """
    from wengert.frontends.expression import Expression
    from wengert.with_sympy import tree_of_sympy
    tree, names = tree_of_sympy(expression, variables)
    return Formula(Expression(str(tree), tree, names))


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

_ARITHMETIC = frozenset("add subtract multiply divide power".split())
_OF_ARRAYS = frozenset("sum prod mean median std var dot logsumexp softmax log_softmax".split())
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
        if isinstance(n, Tracer) or not np.all((np.round(n) == n) & (np.abs(n) < 2.0**53)):
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
