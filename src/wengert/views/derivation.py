"""How a derivative arises, as data: the one model that text, LaTeX, DOT, SVG and HTML are views of.

What comes in: nodes, edges and groups, put together by `wengert.explain`. What goes out: a `Derivation`, and its plain form
(`to_json`). The one idea: a node knows its formula, its value, its tangents and its adjoint with the sum that formed it; views
look nothing up.

The plain form is one dictionary. Numbers that are not finite are the strings "nan", "inf" and "-inf"; a complex number is
``{"re", "im"}``; an array is ``{"shape", "dtype", "min", "max", "mean", "nonfinite"}`` and, if it has few elements or they are
asked for, "values", a flat list in C order; what a loop saves is ``{"entries"}``; what is absent (a tangent or an adjoint that
is exactly zero because nothing depends) is null.

    {"title", "source": {"file:line": text}, "notes": [text], "findings": [text], "failure": text or null,
     "directions": [text],
     "inputs": [id], "outputs": [id], "backward": [id],         ids of nodes; backward: in the order in which adjoints form
     "nodes": [{"id", "name", "kind": "input", "data" or "operation", "primitive", "operands": [id], "text", "latex",
                "shape", "dtype", "value", "tangents": [one for each direction], "adjoint", "seed", "line": "file:line" or null,
                "group": id or null, "turns": int or null,
                "contributions": [{"source": id, "word", "is_factor": bool, "latex", "partial", "amount"}]}],
     "groups": [{"id", "kind": "loop", "turn", "call" or "line", "label", "line", "parent": id or null, "nodes": [id],
                 "turns": int or null}]}

``adjoint`` is `seed` (of an output; null elsewhere) plus the `amount` of each contribution, in their order. A contribution is
what the node `source`, which uses this node, sends back; `partial` is the local partial derivative ∂source/∂this where it is a
number or an array of them (element by element), `word` says it in letters if `is_factor`, and else how the derivative travels
back. A group holds the `nodes`
that are in no group inside it; `turns` is how often a loop ran.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Contribution", "Derivation", "Group", "Node", "is_finite", "plain"]

FEW = 16  # elements of an array that are listed unasked


@dataclass
class Contribution:
    """One term of an adjoint: what the node `source`, a user of this one, sends back."""

    source: int
    word: str
    is_factor: bool
    partial: Any
    amount: Any
    write_latex: Callable[[], str] = field(default=str, repr=False)

    @property
    def latex(self) -> str:
        """`word` in LaTeX."""
        return self.write_latex()


@dataclass
class Node:
    """An input, data (an input that is not differentiated), or one result of an equation, in order of evaluation."""

    id: int
    name: str
    kind: str
    primitive: str
    operands: tuple[int, ...]
    text: str
    shape: tuple[int, ...]
    dtype: str
    value: Any
    tangents: list[Any] = field(default_factory=list)
    adjoint: Any = None
    seed: Any = None
    contributions: list[Contribution] = field(default_factory=list)
    line: str | None = None
    group: int | None = None
    turns: int | None = None
    write_latex: Callable[[], str] = field(default=str, repr=False)

    @property
    def latex(self) -> str:
        """`text` in LaTeX."""
        return self.write_latex()


@dataclass
class Group:
    """Nodes that belong together: a call, a loop, one turn of it, a source line. Groups nest."""

    id: int
    kind: str
    label: str
    line: str | None
    parent: int | None
    nodes: list[int] = field(default_factory=list)
    turns: int | None = None


@dataclass
class Derivation:
    """Both passes through a program at a point; made by `wengert.explain`.

    Attributes
    ----------
    title : str
    nodes : list of Node
        Inputs first, then in order of evaluation.
    inputs, outputs : list of int
    backward : list of int
        The nodes that have an adjoint, in the order in which it is complete.
    directions : list of str
        What each forward pass differentiates with regard to.
    groups : list of Group
    source : dict
        ``"file.py:12"`` -> the text of the line.
    notes, findings : list of str
        What is to be known about the program; where a value or a derivative that is not finite arose.
    failure : str or None
        The exception that ended the evaluation, in a sentence.
    """

    title: str
    nodes: list[Node] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    backward: list[int] = field(default_factory=list)
    directions: list[str] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    source: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    failure: str | None = None

    def to_json(self, values: bool = False) -> dict[str, Any]:
        """The plain form (see the file's head); `values`: with all elements of all arrays."""
        return {
            "title": self.title, "source": dict(self.source), "notes": list(self.notes), "findings": list(self.findings),
            "failure": self.failure, "directions": list(self.directions), "inputs": list(self.inputs),
            "outputs": list(self.outputs), "backward": list(self.backward),
            "nodes": [_plain_node(n, values) for n in self.nodes],
            "groups": [dict(vars(g)) for g in self.groups],
        }

    def on_the_way(self, inputs: Sequence[int]) -> list[int]:
        """The nodes on a path from one of these inputs to an output, in order of evaluation."""
        after = set(inputs)
        for n in self.nodes:
            if any(o in after for o in n.operands):
                after.add(n.id)
        before = set(self.outputs)
        for n in reversed(self.nodes):
            if n.id in before:
                before.update(n.operands)
        return [n.id for n in self.nodes if n.id in after and n.id in before]

    def inner_groups(self, group: int | None) -> Iterator[Group]:
        """The groups directly inside one (None: the outermost)."""
        return (g for g in self.groups if g.parent == group)


def is_finite(x: Any) -> bool:
    """Whether a value has only finite elements; what has no such notion is."""
    if isinstance(x, float):  # and NumPy's, the common case
        return math.isfinite(x)
    return not isinstance(x, (np.ndarray, np.generic)) or x.dtype.kind not in "fc" or bool(np.all(np.isfinite(x)))


def _plain_node(n: Node, values: bool) -> dict[str, Any]:
    out: dict[str, Any] = {**vars(n), "latex": n.latex}
    del out["write_latex"]
    for name in ("value", "adjoint", "seed"):
        out[name] = plain(out[name], values)
    out["operands"], out["shape"] = list(n.operands), list(n.shape)
    out["tangents"] = [plain(t, values) for t in n.tangents]
    out["contributions"] = [{"source": c.source, "word": c.word, "is_factor": c.is_factor, "latex": c.latex,
                             "partial": plain(c.partial, values), "amount": plain(c.amount, values)} for c in n.contributions]
    return out


def plain(x: Any, values: bool = False) -> Any:
    """A number or an array as what JSON can hold."""
    if x is None or isinstance(x, (bool, str)):
        return x
    if isinstance(x, list):  # what a loop saved, one entry a turn
        return {"entries": len(x)}
    array = np.asarray(x)
    if array.ndim == 0:
        return _number(array[()])
    out: dict[str, Any] = {"shape": list(array.shape), "dtype": array.dtype.name, **_summary(array)}
    if values or array.size <= FEW:
        out["values"] = [_number(v) for v in array.reshape(-1)]
    return out


def _summary(array: np.ndarray) -> Mapping[str, Any]:
    if array.dtype.kind not in "fiu" or not array.size:
        return {"min": None, "max": None, "mean": None, "nonfinite": int(np.sum(~np.isfinite(array)))}
    finite = array[np.isfinite(array)]
    if not finite.size:
        return {"min": None, "max": None, "mean": None, "nonfinite": int(array.size)}
    with np.errstate(all="ignore"):
        return {"min": _number(finite.min()), "max": _number(finite.max()), "mean": _number(finite.mean()),
                "nonfinite": int(array.size - finite.size)}


def _number(x: Any) -> Any:
    if x.dtype.kind == "b":
        return bool(x)
    if x.dtype.kind in "iu":
        return int(x)
    if x.dtype.kind == "c":
        return {"re": _number(x.real), "im": _number(x.imag)}
    number = float(x)
    return number if math.isfinite(number) else "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"
