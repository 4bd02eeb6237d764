"""Graphs of numbers as evaluation trees, and trees as LaTeX.

What comes in: a graph of numbers, what symbolic differentiation gives. What goes out: the tree of the same formula, which
prints, reads back and evaluates as formulas do. The one idea: a tree knows functions by NumPy's and SciPy's names, and so do
the ufuncs of primitives, so few need a word of their own; what formulas have no name for is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wengert.errors import UnsupportedError
from wengert.frontends.functions import FUNCTIONS
from wengert.frontends.trees import Call, Name, Node, Number
from wengert.graph import REGISTRY, ArrayType, Const, Equation, Graph, Var
from wengert.transforms.algebra import spelled_out
from wengert.transforms.symbolic import tree_size
from wengert.views.notation import Term, constant, latex_name, term_of

__all__ = ["LARGEST", "latex_of", "tree_of"]

LARGEST = 100_000  # nodes of a tree that is made

_SYMBOLS = {math.pi: "pi", math.e: "e", math.inf: "inf"}
_COUNTS = {f.target: (f.least, f.most) for f in FUNCTIONS.values()}
_WRITTEN = {"absolute": "abs", "maximum": "max", "minimum": "min", "expit": "sigmoid"}
_OPERATORS = {"add", "subtract", "multiply", "divide", "power", "negative"}
_COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "signbit"}


def tree_of(graph: Graph, names: Sequence[str]) -> Node:
    """The tree of a graph's output, its inputs under these names.

    Examples
    --------
    >>> from wengert.graph import build_graph
    >>> number = ArrayType((), float)
    >>> print(tree_of(build_graph(lambda x, y: x * x / (x + y), number, number), ["x", "y"]))
    x*x/(x + y)
    """
    graph = spelled_out(graph)
    size = tree_size(graph)
    if size > LARGEST:
        raise UnsupportedError(
            f"symbolic: written out, this formula has {_short(size)} nodes (at most {LARGEST:,} are written). wg.grad computes "
            f"the derivative without writing it, wg.source writes it as a program in which nothing stands twice")
    nodes: dict[Any, Node] = {v: Name(n) for v, n in zip(graph.inputs, names, strict=True)}
    for e in graph.equations:
        operands = [_number(a) if isinstance(a, Const) else nodes[a] for a in e.operands]
        nodes[e.results[0]] = _call(e, operands)
    out = graph.outputs[0]
    return _number(out) if isinstance(out, Const) else nodes[out]


def _short(n: int) -> str:
    return f"{n:,}" if n < 10**9 else f"10^{len(str(n)) - 1}"


def _number(a: Const) -> Node:
    if a.type.dtype.kind == "c":
        raise UnsupportedError("symbolic: a formula is about real numbers; this one has a complex constant")
    value = a.value.item()
    if isinstance(value, bool):
        return Number(int(value))
    if abs(value) in _SYMBOLS:
        symbol = Number(abs(value), _SYMBOLS[abs(value)])
        return symbol if value > 0 else Call("negative", (symbol,))
    if value != value:
        raise UnsupportedError("symbolic: the formula has a constant that is not a number (NaN)")
    whole = float(value).is_integer() and abs(value) < 1e15 and math.copysign(1.0, value) * value >= 0 and not (
        value == 0 and math.copysign(1.0, value) < 0)
    return Number(int(value) if whole else value)


def _call(e: Equation, operands: list[Node]) -> Node:
    p = e.primitive
    if p.name in _OPERATORS and (p.name != "add" or e.results[0].type.dtype.kind != "b"):
        return Call(p.name, tuple(operands))
    special = _TREES.get(p.name)
    if special is not None:
        return special(e, operands)
    found = p.ufunc if isinstance(p.ufunc, str) else getattr(p.ufunc, "__name__", p.name)
    least, most = _COUNTS.get(found, (-1, -1))
    if p.multiple or least < 0 or not least <= len(operands) <= (most or len(operands)) or (
            p.name not in _COMPARISONS and e.results[0].type.dtype.kind == "b"):
        raise UnsupportedError(f"symbolic: formulas have no name for {p.name!r}; wg.grad computes the derivative without one")
    return Call(found, tuple(operands), written=_WRITTEN.get(found, ""))


def _condition(make: Callable[[list[Node]], Node]) -> Callable[[Equation, list[Node]], Node]:
    """Conditions are 0 or 1: both hold where the product is 1, one of them where the larger is."""
    def made(e: Equation, operands: list[Node]) -> Node:
        if any(a.type.dtype.kind != "b" for a in e.operands):
            raise UnsupportedError(f"symbolic: formulas have no name for {e.primitive.name!r} of numbers")
        return make(operands)
    return made


_EITHER = _condition(lambda x: Call("maximum", tuple(x), written="max"))


def _converted(e: Equation, operands: list[Node]) -> Node:
    truth = e.results[0].type.dtype.kind == "b" and e.operands[0].type.dtype.kind != "b"
    return Call("not_equal", (operands[0], Number(0))) if truth else _identity(e, operands)


def _identity(e: Equation, operands: list[Node]) -> Node:
    if e.results[0].type.shape or e.results[0].type.dtype.kind not in "fb" or e.operands[0].type.dtype.kind == "c":
        raise UnsupportedError(f"symbolic: formulas have no name for {e.primitive.name!r}")
    return operands[0]


_TREES: dict[str, Callable[[Equation, list[Node]], Node]] = {
    "integer_power": lambda e, x: Call("power", (x[0], Number(e.params["n"]))),
    "scalar_power": lambda e, x: Call("power", tuple(x)), "float_power": lambda e, x: Call("power", tuple(x)),
    "root": lambda e, x: Call("sqrt", tuple(x)), "fabs": lambda e, x: Call("absolute", tuple(x), written="abs"),
    "select": lambda e, x: Call("where", tuple(x)), "logical_and": _condition(lambda x: Call("multiply", tuple(x))),
    "logical_or": _EITHER, "add": _EITHER, "logical_not": _condition(lambda x: Call("subtract", (Number(1), x[0]))),
    "polygamma": lambda e, x: Call("polygamma", (Number(e.params["n"]), x[0])),
    "riemann_zeta": lambda e, x: Call("zeta", tuple(x)), "numpy_i0": lambda e, x: Call("i0", tuple(x)),
    "sinc": lambda e, x: Call("sinc", tuple(x)),
    "convert": _converted, "broadcast": _identity, "positive": _identity, "reduce_sum": _identity, "reshape": _identity,
}


# ---------------------------------------------------------------- LaTeX

_NUMBER = ArrayType((), float)
_PRIMITIVES = {"zeta": "riemann_zeta", "sinc": "sinc", "where": "select"}
_BY_NAME = ("polygamma", "softmax", "log_softmax", "logsumexp")  # whose rows need parameters, which a tree has not


def latex_of(tree: Node) -> str:
    """A tree as LaTeX.

    Examples
    --------
    >>> from wengert.frontends.expression import parse
    >>> print(latex_of(parse("cos(2 pi x)/√(1 + α²)").tree))
    \\frac{\\cos\\left(2 \\, \\pi \\, x\\right)}{\\sqrt{1 + {\\alpha}^{2}}}
    """
    return str(tree.fold(_latex)[1].text)


def _latex(node: Node, below: list[Any]) -> tuple[Any, Term]:
    if isinstance(node, Number):
        const = Const(float(node.value))
        return const, constant(const, "latex")
    if not isinstance(node, Call):
        return Var(_NUMBER), Term(latex_name(node.label))
    atoms, terms = [a for a, _ in below], [t for _, t in below]
    primitive = REGISTRY.get(_PRIMITIVES.get(node.function, node.function)) or _by_ufunc().get(node.function)
    out = Var(_NUMBER)
    if primitive is None or primitive.name.startswith("reduce") or primitive.name in _BY_NAME:
        name = node.label.replace("_", r"\_")
        return out, Term(rf"\mathrm{{{name}}}\left({', '.join([t.text for t in terms])}\right)")
    return out, term_of(Equation(primitive, atoms, {}, [out]), terms, "latex")


def _by_ufunc() -> Mapping[str, Any]:
    return {p.ufunc: p for p in REGISTRY.values() if isinstance(p.ufunc, str)}
