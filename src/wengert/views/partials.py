"""Local derivatives in letters: ``∂(a b)/∂a = b``; for what is no product of numbers, how a derivative travels back.

What comes in: an equation and one of its operands. What goes out: a formula, or a few words. The one idea: an elementwise
primitive states its partial derivatives as formulas in handles, which are rendered like any other; the words of linear maps are
one table, by primitive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.graph import REGISTRY, Build, Const, Equation, Handle, Missing, Var
from wengert.views.notation import Style, Term, constant, latex_name, term_of

__all__ = ["local_derivative"]

Names = Callable[[Var], str]
_LONGEST = {"text": 40, "latex": 120, "numpy": 40}  # letters of a formula


def local_derivative(e: Equation, operand: Var, names: Names, style: Style = "text") -> Term | str:
    """What multiplies the adjoint of the result, as a term; or, as a string, what is done to it."""
    if operand not in e.operands:
        return "the kink in between is passed by"
    places = [i for i, o in enumerate(e.operands) if o is operand]
    if e.primitive.elementwise and len(e.results) == 1:
        term = _formula(e, places, names, style)
        if term is not None:
            return term if len(term.text) <= _LONGEST[style] else _name(e, operand, names, style)
    said = _WORDS.get(e.primitive.name)
    return said(e, places[0], names) if said is not None else f"by the transpose of {e.primitive.name}"


def _name(e: Equation, operand: Var, names: Names, style: Style) -> Term:
    """``∂v2/∂v1``, where the formula is longer than it says: it may know edges of the domain, and cases."""
    y, x = names(e.results[0]), names(operand)
    if style == "latex":
        return Term(rf"\frac{{\partial {latex_name(y)}}}{{\partial {latex_name(x)}}}")
    return Term(f"∂{y}/∂{x}")


# ---------------------------------------------------------------- formulas

def _formula(e: Equation, places: list[int], names: Names, style: Style) -> Term | None:
    build = Build()
    operands = [Handle(build, o) for o in e.operands]
    result = Handle(build, e.results[0])
    parts = []
    for i in places:
        part = _part(e, i, operands, result)
        if part is None:
            return None
        parts.append(part)
    try:
        total = parts[0]
        if len(parts) > 1 and len({getattr(part, "atom", None) for part in parts}) == 1:
            total = float(len(parts)) * total
        else:
            for part in parts[1:]:
                total = total + part
    except TypeError:
        return None
    if isinstance(total, Const) or isinstance(getattr(total, "atom", None), Const):
        return constant(total if isinstance(total, Const) else total.atom, style)
    if not isinstance(total, Handle):
        return constant(total, style)
    known: dict[Any, Term] = {}

    def term(a: Any) -> Term:
        if isinstance(a, Const):
            return constant(a, style)
        return known.get(a) or Term(latex_name(names(a)) if style == "latex" else names(a))
    for q in build.graph([total]).equations if build.equations else ():
        known[q.results[0]] = term_of(q, [term(a) for a in q.operands], style)
    return term(total.atom)


def _part(e: Equation, i: int, operands: list[Handle], result: Handle) -> Any:
    """The partial derivative with regard to operand i, as a handle or a constant."""
    p, one = e.primitive, Const(np.ones((), e.results[0].type.dtype))
    if p.name in _READABLE:
        return _READABLE[p.name](result, operands, i, e)
    if p.partials is not None and p.partials[i] is not None:
        if isinstance(p.partials[i], Missing):
            return None
        return p.partials[i](result, *operands, **e.params)
    if p.name == "multiply":
        return operands[1 - i]
    if p.name == "divide":
        return 1.0 / operands[1]
    if p.name == "subtract":
        return one if i == 0 else Const(-one.value)
    if p.name == "negative":
        return Const(-one.value)
    return one if p.name in ("add", "convert", "real") else None


def _power(y: Handle, operands: list[Handle], i: int, e: Equation) -> Any:
    """As a reader writes them; the rules also know the edges of the domain."""
    n = e.params["n"] if "n" in e.params else operands[1].atom
    if i == 1:
        return y * REGISTRY["log"](operands[0])
    if isinstance(n, Const) and n.type.shape == ():
        n = n.value[()].item()
    if isinstance(n, (Const, Var)):
        return operands[1] * operands[0] ** (operands[1] - 1.0)
    return 2.0 * operands[0] if n == 2 else float(n) * operands[0] ** float(n - 1)


_READABLE: dict[str, Callable[[Handle, list[Handle], int, Equation], Any]] = {
    "sqrt": lambda y, x, i, e: 1.0 / (2.0 * y),
    "square": lambda y, x, i, e: 2.0 * x[0],
    "absolute": lambda y, x, i, e: REGISTRY["sign"](x[0]) if x[0].dtype.kind == "f" else None,
    "logaddexp": lambda y, x, i, e: REGISTRY["expit"](x[i] - x[1 - i]),
    "expit": lambda y, x, i, e: y * (1.0 - y),
    **dict.fromkeys(("power", "float_power", "scalar_power", "integer_power"), _power),
}


# ---------------------------------------------------------------- words

def _axes(e: Equation) -> str:
    axes = e.params.get("axes", ())
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {', '.join(map(str, axes))}"


def _contract(e: Equation, i: int, names: Names) -> str:
    """The products of matrices and vectors as such; others by their labels."""
    inputs, out = e.params["spec"].split("->")
    a, b = inputs.split(",") if "," in inputs else (inputs, "")
    other = e.operands[1 - i] if b else None
    name = names(other) if isinstance(other, Var) else "the constant"
    shared = set(a) & set(b)
    if b and len(shared) == 1 and len(out) == len(a) + len(b) - 2 and len(set(a)) == len(a) and len(set(b)) == len(b):
        if not out:
            return f"times {name}"
        if i == 1 and len(a) == 2:
            return f"{name}ᵀ ·" if a[1] in shared else f"{name} ·"
        if i == 0 and len(b) == 2:
            return f"· {name}ᵀ" if b[0] in shared else f"· {name}"
        if len(b) == 1 or len(a) == 1:
            return f"· {name}ᵀ" if i == 0 else f"{name} ·"
    return f"contracted with {name} ({e.params['spec']})" if other is not None else f"spread back ({e.params['spec']})"


def _select(e: Equation, i: int, names: Names) -> str:
    condition = e.operands[0]
    name = names(condition) if isinstance(condition, Var) else "the mask"
    return f"where {name}" if i == 1 else f"where not {name}"


def _cond(e: Equation, i: int, names: Names) -> str:
    return "back through the arm that was taken"


_WORDS: dict[str, Callable[[Equation, int, Names], Term | str]] = {
    "reduce_sum": lambda e, i, names: f"spread over {_axes(e)}" if e.params["axes"] else Term("1"),
    "reduce_max": lambda e, i, names: f"to the largest along {_axes(e)}",
    "reduce_min": lambda e, i, names: f"to the smallest along {_axes(e)}",
    **dict.fromkeys(("maximum", "fmax"), lambda e, i, names: "to the larger of the two"),
    **dict.fromkeys(("minimum", "fmin"), lambda e, i, names: "to the smaller of the two"),
    **dict.fromkeys(("clip", "clip_low", "clip_high"), lambda e, i, names: "where the bounds are not reached"),
    "convert": lambda e, i, names: Term("1"),
    "pad": lambda e, i, names: "the part inside",
    "permute": lambda e, i, names: "put back in the old order",
    "make_complex": lambda e, i, names: "the real part" if i == 0 else "the imaginary part",
    "broadcast": lambda e, i, names: "summed over the axes that it was spread over",
    "reshape": lambda e, i, names: "reshaped back",
    "transpose": lambda e, i, names: "transposed back",
    "flip": lambda e, i, names: "flipped back",
    "index": lambda e, i, names: "put back in its place, 0 elsewhere",
    "index_set": lambda e, i, names: "all but the places written to" if i == 0 else "from the places written to",
    "index_add": lambda e, i, names: Term("1") if i == 0 else "from the places added to",
    "concatenate": lambda e, i, names: "the part of it",
    "stack": lambda e, i, names: "the part of it",
    "contract": _contract,
    "select": _select,
    "cond": _cond,
    "scan": lambda e, i, names: "back through the loop, last turn first",
    "while_loop": lambda e, i, names: "back through the loop, last turn first",
    "call": lambda e, i, names: "back through the call",
    "cumsum": lambda e, i, names: "summed from the end",
    "sort": lambda e, i, names: "put back in the old order",
    "solve": lambda e, i, names: "a solve with the transpose",
}
