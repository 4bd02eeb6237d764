"""The notation of one operation: as text, as LaTeX, as a NumPy expression.

What comes in: an equation of a graph, and the names of its operands. What goes out: its right-hand side as a reader would write
it, ``v2 * v1``, ``sum(v3, axis=0)``, ``v1[2:]``; the same as LaTeX; or an expression of NumPy and SciPy. The one idea:
an expression is a `Term`, its text and how tightly it holds together, and a row of one table (`views/rows.py`) makes the term
of a result from those of the operands; parentheses follow from the strengths, which are Python's.

    render(equation, names, style)      the right-hand side of one equation
    expressions(graph, names, style)    a whole graph: what is used several times by name, all else inlined
    constant(value, style)              a constant

`style` is "text", "latex" or "numpy"; `names` maps a variable to its name as Python would write it (``"v1"``, ``"alpha"``), of
which LaTeX makes ``v_{1}`` and ``\\alpha``. What NumPy has no function for is a call of the primitive by its name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from wengert.graph import Atom, Const, Equation, Graph, Var

__all__ = ["ATOM", "LOOSE", "Operation", "Style", "Term", "constant", "expressions", "latex_name", "render", "term_of"]

Style = Literal["text", "latex", "numpy"]
Names = Callable[[Var], str]

LOOSE, COMPARISON, OR, XOR, AND, SHIFT, SUM, PRODUCT, UNARY, POWER, ATOM = range(11)  # how tightly a term holds
_LONGEST = 16  # constants of more elements are not written out


class Term(NamedTuple):
    """An expression: its text, and how tightly it holds together."""

    text: str
    strength: int = ATOM

    def at(self, least: int, style: Style = "text") -> str:
        """The text, in parentheses if it holds less tightly than `least`."""
        if self.strength >= least:
            return self.text
        return rf"\left({self.text}\right)" if style == "latex" else f"({self.text})"


@dataclass(frozen=True)
class Operation:
    """What a row of the table sees: an equation, with the terms of its operands.

    Attributes
    ----------
    equation : Equation
    operands : tuple of Term
    style : "text", "latex" or "numpy"
    """

    equation: Equation
    operands: tuple[Term, ...]
    style: Style

    @property
    def name(self) -> str:
        return self.equation.primitive.name

    @property
    def params(self) -> Mapping[str, Any]:
        return self.equation.params

    @property
    def type(self) -> Any:
        """The type of the (first) result."""
        return self.equation.results[0].type

    @property
    def types(self) -> tuple[Any, ...]:
        """The types of the operands."""
        return tuple([a.type for a in self.equation.operands])

    @property
    def latex(self) -> bool:
        return self.style == "latex"

    def at(self, k: int, least: int = LOOSE) -> str:
        """The text of operand k, in parentheses if it holds less tightly than `least`."""
        return self.operands[k].at(least, self.style)

    def call(self, function: str, *arguments: str, latex: str = "") -> Term:
        """``function(arguments)``; modules are named in NumPy's style only."""
        if self.latex:
            shown = latex or rf"\mathrm{{{_escaped(function.rpartition('.')[2])}}}"
            return Term(rf"{shown}\left({', '.join([_latex_argument(a) for a in arguments])}\right)")
        shown = function if self.style == "numpy" else function.rpartition(".")[2]
        return Term(f"{shown}({', '.join(arguments)})")

    def array(self, k: int) -> str:
        """Operand k as something with the methods of an array: in NumPy's style a constant number is wrapped."""
        a = self.equation.operands[k]
        if self.style == "numpy" and isinstance(a, Const) and not a.type.shape:
            return constant(a, "numpy", named=True).text
        return self.at(k, ATOM)


# ---------------------------------------------------------------- names and constants

_GREEK = frozenset(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split())
_LETTERS = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
            "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma",
            "τ": "tau", "υ": "upsilon", "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta",
            "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega"}


_SPECIAL = {"\\": r"\backslash ", "^": r"\wedge ", "~": r"\sim ", **{c: f"\\{c}" for c in "#$%&_{}"}}


def _escaped(text: str) -> str:
    return "".join([_SPECIAL.get(c, c) for c in text])


def latex_name(name: str) -> str:
    """A name in LaTeX: ``w1`` is ``w_{1}``, ``alpha`` is ``\\alpha``, ``rate`` is upright.

    Examples
    --------
    >>> [latex_name(n) for n in ("x", "v12", "alpha", "x_max", "rate", "φ1")]
    ['x', 'v_{12}', '\\\\alpha', 'x_{max}', '\\\\mathrm{rate}', '\\\\phi_{1}']
    """
    if name.startswith("d_") and len(name) > 2:  # a differential
        return rf"\mathrm{{d}}{latex_name(name[2:])}"
    found = re.fullmatch(r"([^\W\d_]+)_?(\w*)", name)
    if found is None:
        return rf"\mathrm{{{_escaped(name)}}}"
    head, below = found[1], found[2]
    head = _LETTERS.get(head, head)
    shown = rf"\{head}" if head in _GREEK else head if len(head) == 1 else rf"\mathrm{{{head}}}"
    return rf"{shown}_{{{_escaped(below)}}}" if below else shown


def _latex_argument(text: str) -> str:
    """A keyword argument in LaTeX."""
    found = re.fullmatch(r"(\w+)=(.*)", text)
    return rf"\mathrm{{{_escaped(found[1])}}}={found[2]}" if found else text


def constant(value: Const | Any, style: Style = "text", *, named: bool = False) -> Term:
    """The term of a constant. In NumPy's style it reads back to its value; `named`: to its dtype, too.

    Examples
    --------
    >>> constant(2.0), constant(2.0, "numpy"), constant(-1.5e-8, "latex").text
    (Term(text='2', strength=10), Term(text='2.0', strength=10), '-1.5 \\\\cdot 10^{-8}')
    """
    const = value if isinstance(value, Const) else Const(value)
    if not const.type.shape:
        return _number(const.value[()], style, named)
    if style == "numpy":
        return Term(_array_text(const))
    size = const.type.size
    if size > _LONGEST:
        return Term(f"<{const.type}>" if style == "text" else rf"\mathrm{{{const.type.dtype.name}}}[{size}]")
    elements = [_number(x, style, False).text for x in const.value.reshape(-1)]
    return Term(_nested(elements, const.type.shape))


def _nested(elements: Sequence[str], shape: tuple[int, ...]) -> str:
    if not shape:
        return elements[0]
    step = len(elements) // max(shape[0], 1)
    return "[" + ", ".join([_nested(elements[k * step:(k + 1) * step], shape[1:]) for k in range(shape[0])]) + "]"


def dtype_text(dtype: np.dtype[Any]) -> str:
    """A dtype as NumPy's source: ``np.float32``."""
    return f"np.{'bool_' if dtype.kind == 'b' else dtype.name}"


def _array_text(const: Const) -> str:
    x, dtype = const.value, const.type.dtype
    like = "" if dtype in (np.float64, np.int64, np.bool_, np.complex128) and x.size else f", {dtype_text(dtype)}"
    flat = x.reshape(-1)
    if x.size > 1 and const.key[1] == flat[:1].tobytes() * x.size:
        shape = const.type.shape[0] if len(const.type.shape) == 1 else const.type.shape
        first = flat[0]
        if dtype.kind == "f" and first in (0, 1) and not np.signbit(first):
            return f"np.{'ones' if first else 'zeros'}({shape}{like})"
        return f"np.full({shape}, {_number(first, 'numpy', False).text}{like})"
    return f"np.array({_nested([_number(v, 'numpy', False).text for v in flat], x.shape)}{like})"


def _number(x: Any, style: Style, named: bool) -> Term:
    """One element. NumPy's style is exact; the others drop what only a computer needs."""
    kind = x.dtype.kind
    if kind == "b":
        return Term(f"np.{x}_" if named else str(x) if style != "latex" else rf"\mathrm{{{x}}}")
    if kind == "c":
        return _complex(x, style, named)
    if style == "latex":
        return Term(_latex_number(x), UNARY if x < 0 else ATOM)
    text = str(x) if style == "numpy" else f"{x:.17g}" if float(f"{x:.6g}") != x else f"{x:.6g}"
    if style == "text":
        text = min(text, str(x).removesuffix(".0"), key=len)
    if kind == "f" and not np.isfinite(x):
        text = str(x).replace("inf", "np.inf").replace("nan", "np.nan") if style == "numpy" else str(x)
    if named or (style == "numpy" and x.dtype.char not in "dlq?"):
        return Term(f"{dtype_text(x.dtype)}({text})")
    return Term(text, UNARY if text.startswith("-") else ATOM)


def _complex(x: Any, style: Style, named: bool) -> Term:
    if style == "numpy":
        parts = [_number(np.float64(p), "numpy", False).text for p in (x.real, x.imag)]
        body = f"complex({parts[0]}, {parts[1]})"
        return Term(body if x.dtype.char == "D" and not named else f"{dtype_text(x.dtype)}({body})")
    real, imag = [_number(p, style, False).text for p in (x.real, x.imag)]
    unit = " i" if style == "latex" else "j"
    if x.imag == 0 and not np.signbit(x.imag):
        return _number(x.real, style, False)
    if x.real == 0:
        return Term(f"{imag}{unit}", UNARY)
    return Term(f"{real} {'-' if imag.startswith('-') else '+'} {imag.removeprefix('-')}{unit}", SUM)


def _latex_number(x: Any) -> str:
    if x.dtype.kind == "f":
        if np.isnan(x):
            return r"\mathrm{NaN}"
        if np.isinf(x):
            return r"\infty" if x > 0 else r"-\infty"
        for factor, shown in ((math.pi, r"\pi"), (math.e, "e")):
            if abs(x) == factor:
                return shown if x > 0 else f"-{shown}"
    text = f"{x:.6g}" if float(f"{x:.6g}") == float(x) else str(x)
    if "e" in text:
        digits, power = text.split("e")
        return rf"{digits} \cdot 10^{{{int(power)}}}" if digits not in ("1", "-1") else f"{digits[:-1]}10^{{{int(power)}}}"
    return text.removesuffix(".0")


# ---------------------------------------------------------------- equations and graphs

def render(equation: Equation, names: Names, style: Style = "text") -> str:
    """The right-hand side of one equation.

    Parameters
    ----------
    equation : Equation
    names : callable
        ``names(var)`` is the name of a variable.
    style : "text", "latex" or "numpy"

    Examples
    --------
    >>> from wengert.graph.text import from_text
    >>> g = from_text('''graph(%0: float64[3]) {
    ...   %1: float64[3] = multiply(%0, 2.0)
    ...   %2: float64[] = reduce_sum(%1, axes=(0,))
    ...   return %2
    ... }''')
    >>> names = {g.inputs[0]: "x", g.equations[0].results[0]: "v1"}.get
    >>> [render(e, names) for e in g.equations]
    ['x * 2', 'sum(v1)']
    >>> render(g.equations[0], names, "latex")
    'x \\\\cdot 2'
    """
    return term_of(equation, [_operand(a, names, style) for a in equation.operands], style).text


def _operand(a: Atom, names: Names, style: Style) -> Term:
    if isinstance(a, Const):
        return constant(a, style)
    return Term(latex_name(names(a)) if style == "latex" else names(a))


def term_of(equation: Equation, operands: Sequence[Term], style: Style = "text") -> Term:
    """The term of an equation's result (of all its results, if there are several), from those of its operands."""
    from wengert.views.rows import row_of
    return row_of(equation.primitive)(Operation(equation, tuple(operands), style))


def expressions(graph: Graph, names: Names | None = None, style: Style = "text",
                inline: Callable[[Equation], bool] | None = None) -> tuple[list[tuple[str, str]], list[str]]:
    """A graph as formulas: definitions ``(name, expression)`` in order, and the expressions of its outputs.

    Parameters
    ----------
    graph : Graph
    names : callable, optional
        Names of the variables; by default inputs are ``x0``, ``x1``, and definitions ``v1``, ``v2``.
    style : "text", "latex" or "numpy"
    inline : callable, optional
        Whether an equation is written where it is used. By default what is used once is.

    Examples
    --------
    >>> from wengert.graph import ArrayType, build_graph
    >>> from wengert.primitives.elementary import sin
    >>> x = ArrayType((), float)
    >>> expressions(build_graph(lambda x: sin(x * x) * sin(x * x) + 1.0, x))
    ([('v1', 'sin(x0 * x0)')], ['v1 * v1 + 1'])
    """
    from wengert.graph.walk import use_counts
    counts = use_counts(graph)
    known = dict(zip(graph.inputs, [Term(f"x{k}") for k in range(len(graph.inputs))]))
    if names is not None:
        known = {v: _operand(v, names, style) for v in graph.inputs}
    defined: list[tuple[str, str]] = []

    def term(a: Atom) -> Term:
        return constant(a, style) if isinstance(a, Const) else known[a]

    for e in graph.equations:
        made = term_of(e, [term(a) for a in e.operands], style)
        single = len(e.results) == 1
        if single and (counts[e.results[0]] <= 1 if inline is None else inline(e)):
            known[e.results[0]] = made
            continue
        named: list[str] = []
        for r in e.results:
            name = names(r) if names is not None else f"v{len(defined) + len(named) + 1}"
            known[r] = Term(latex_name(name) if style == "latex" else name)
            named.append(known[r].text)
        defined.append((", ".join(named), made.text))
    return defined, [term(a).text for a in graph.outputs]
