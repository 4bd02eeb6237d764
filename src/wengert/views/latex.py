"""A derivation as LaTeX: the program, the forward pass and the backward pass, each an aligned display.

What comes in: a `Derivation`. What goes out: displays for `amsmath`. The one idea: a display is a list of rows, a left side and
what it equals; `rows` gives them one by one, so that each can be rendered alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.views.derivation import Contribution, Derivation, Node
from wengert.views.fold import FEW, fold
from wengert.views.notation import latex_name
from wengert.views.numbers import short

__all__ = ["latex_number", "rows", "to_latex", "words"]

Row = tuple[str, ...]  # a left side, and what it is equal to
_SPECIAL = {"\\": "/", "^": "'", "~": "-", **{c: f"\\{c}" for c in "#$%&_{}"}}  # in words, which have no such signs


def to_latex(d: Derivation, limit: int = FEW, only: Collection[int] | None = None, opened: Iterable[int] = ()) -> str:
    """Displays for `amsmath`; the arguments are those of `fold`."""
    blocks = zip(("values", "tangents", "adjoints"), rows(d, limit, only, opened), strict=True)
    parts = [f"% {title}\n{_display(block)}" for title, block in blocks if block]
    return "\n\n".join(parts) + "\n"


def rows(d: Derivation, limit: int = FEW, only: Collection[int] | None = None,
         opened: Iterable[int] = ()) -> tuple[list[Row], list[Row], list[Row]]:
    """The rows of the three displays: values, tangents, adjoints."""
    items = fold(d, limit, only, opened)
    shown = {i.node.id for i in items if i.node is not None}
    values: list[Row] = []
    for item in items:
        if item.node is None:
            values.append((_name(item.out), words(item.label), latex_number(item.out.value)))
        elif item.node.kind != "operation":
            values.append((_name(item.node), latex_number(item.node.value)))
        else:
            values.append((_name(item.node), item.node.latex, latex_number(item.node.value)))
    adjoints = [_adjoint(d, d.nodes[k]) for k in d.backward if k in shown]
    return values, _tangents(d, [d.nodes[k] for k in sorted(shown)]), adjoints


def _display(block: Sequence[Row]) -> str:
    lines = ["  " + row[0] + " &= " + " = ".join(row[1:]) for row in block]
    return "\\[\n\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}\n\\]"


# ---------------------------------------------------------------- rows

def _tangents(d: Derivation, nodes: Sequence[Node]) -> list[Row]:
    """What moves: in letters where all local derivatives are factors, and a number for each pass."""
    factors: dict[int, list[tuple[Node, Contribution]]] = {}
    for n in d.nodes:
        for c in n.contributions:
            factors.setdefault(c.source, []).append((n, c))
    found: list[Row] = []
    for n in nodes:
        if all(t is None for t in n.tangents):
            continue
        numbers = ",\\; ".join([latex_number(t) for t in n.tangents])
        sides = [f"\\left({numbers}\\right)" if len(n.tangents) > 1 else numbers]
        known = factors.get(n.id, [])
        if known and all(c.is_factor for _, c in known):
            terms = [_product(c.latex, _accented("dot", operand)) for operand, c in known]
            sides.insert(0, " + ".join(terms).replace("+ -", "- "))
        found.append((_accented("dot", n), *sides))
    return found


def _adjoint(d: Derivation, n: Node) -> Row:
    terms = [] if n.seed is None else [latex_number(n.seed)]
    terms += [_term(c, _accented("bar", d.nodes[c.source])) for c in n.contributions]
    said = " + ".join(terms).replace("+ -", "- ")
    number = latex_number(n.adjoint)
    return (_accented("bar", n), said) if said == number else (_accented("bar", n), said, number)


def _term(c: Contribution, bar: str) -> str:
    """One term of an adjoint; the product with a matrix stands on its side of it."""
    if c.is_factor:
        return _product(c.latex, bar)
    product = re.fullmatch(r"(?P<left>\S+?)(?P<turned>ᵀ?) ·|(?:· |times )(?P<right>\S+?)(?P<turned_right>ᵀ?)", c.word)
    if product is None:
        return rf"\text{{{_escaped(c.word)}:}}\;{bar}"
    turned = r"^{\top}" if product["turned"] or product["turned_right"] else ""
    if product["left"]:
        return rf"{{{latex_name(product['left'])}}}{turned} \, {bar}"
    return rf"{bar} \, {{{latex_name(product['right'])}}}{turned}"


def _product(factor: str, other: str) -> str:
    return factor.removesuffix("1") + other if factor in ("1", "-1") else rf"{factor} \cdot {other}"


def _name(n: Node) -> str:
    return latex_name(n.name)


def _accented(accent: str, n: Node) -> str:
    """``\\bar{v}_{2}``: over the letter, not over its index."""
    name = _name(n)
    found = None if name.startswith(r"\mathrm") else re.fullmatch(r"(\\?[^\W\d_]+)(.*)", name, re.DOTALL)
    return rf"\{accent}{{{found[1]}}}{found[2]}" if found else rf"\{accent}{{{name}}}"


def _escaped(said: str) -> str:
    return "".join([_SPECIAL.get(c, c) for c in said])


def words(said: str) -> str:
    """Words in a formula."""
    return rf"\text{{{_escaped(said)}}}"


def latex_number(x: Any, digits: int = 6) -> str:
    """A number or a short array; what is larger, in words.

    Examples
    --------
    >>> latex_number(1.5e-8), latex_number(float("-inf")), latex_number(np.array([1.0, 2.0]))
    ('1.5 \\\\cdot 10^{-8}', '-\\\\infty', '\\\\left[1, 2\\\\right]')
    """
    text = short(x, digits)
    array = np.zeros(()) if x is None else np.asarray(x)
    if array.dtype.kind not in "fiuc" or (array.ndim and re.search("[×a-hj-z]{2}|×|…", text.replace("nan", ""))):
        return words(text)
    text = re.sub(r"(-?[\d.]+)e([+-]\d+)", lambda m: rf"{m[1]} \cdot 10^{{{int(m[2])}}}", text)
    text = text.replace("inf", r"\infty").replace("nan", r"\mathrm{NaN}")
    return text.replace("[", r"\left[").replace("]", r"\right]").replace("i", r"\mathrm{i}") if array.dtype.kind == "c" else \
        text.replace("[", r"\left[").replace("]", r"\right]")
