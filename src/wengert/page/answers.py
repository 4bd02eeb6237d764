"""Answers to the questions of the page.

What comes in: a request: what is asked, the text, the point. What goes out: plain dictionaries, made by the library's
own `explain`, `symbolic`, `compare` and `numeric`. The one idea: nothing is derived here, and every mistake becomes an
answer that says what happened, at which column or line.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg
from wengert.doctor import examine
from wengert.errors import FormulaError, InputError, UnsupportedError, WengertError
from wengert.formulas import Formula
from wengert.page.program import FILE, Failed, Program, line_of, program, running
from wengert.page.worker import failure
from wengert.views.derivation import plain
from wengert.views.fold import fold
from wengert.views.layout import layered

__all__ = ["answer"]

MOST_DIRECTIONS = 40  # inputs of more numbers are moved as a whole
MOST_NODES = 20_000
MOST_BOXES = 2_000
LONGEST_FORMULA = 4_000
_MARGIN = 12.0


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request, or what is wrong with it."""
    question = _QUESTIONS.get(str(request.get("ask")))
    if question is None:
        return failure("request", "there is no such question")
    reply = _answered(question, request)
    return {**_asked(request), **reply} if "error" in reply else reply


def _asked(request: dict[str, Any]) -> dict[str, Any]:
    """The point of a program that failed, so that another one can be given."""
    try:
        p = program(request)
        values = p.values(request.get("point"))
    except Exception:  # told already
        return {}
    return _point(p, values)


def _point(p: Program, values: dict[str, Any]) -> dict[str, Any]:
    return {
        "point": {name: _listed(x) for name, x in values.items()}, "function": p.name, "functions": p.functions,
        "parameters": [{"name": q.name, "whole": q.whole, "known": q.default is not None} for q in p.parameters],
    }


def _answered(question: Callable[[dict[str, Any]], dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    try:
        return question(request)
    except FormulaError as error:
        return failure("formula", error.message, column=error.column, text=error.text[:2000])
    except Failed as error:
        return failure(error.kind, error.message, line=error.line)
    except WengertError as error:
        return failure("refused", _plainly(error), line=line_of(error))
    except MemoryError:
        return failure("too large", "it needs more memory than a computation of the page may have")
    except RecursionError:
        return failure("too deep", "it is nested too deeply")
    except Exception as error:  # a mistake of ours, told and not hidden
        return failure("internal", f"{type(error).__name__}: {error}. Please report it with what led to it")


def _plainly(said: object) -> str:
    """A message without the folder of what was pasted, and without places in files that the person has never seen."""
    text = re.sub(rf"[^\s()]*{re.escape(FILE)}:(\d+)", r"line \1", str(said))
    return re.sub(r" \(at (?!line )[^)]*\)", "", text)


# ---------------------------------------------------------------- the explanation

def _explain(request: dict[str, Any]) -> dict[str, Any]:
    p = program(request)
    values = p.values(request.get("point"))
    if all(isinstance(x, int) for x in values.values()):
        raise InputError("there is no variable, so there is nothing to differentiate with regard to")
    with running() as said:
        explained = _opened(wg.explain(p.function, *values.values()), request.get("open"))
    if len(explained.nodes) > MOST_NODES:
        raise InputError(f"it is a graph of {len(explained.nodes):,} operations, more than the page shows: take fewer steps")
    options = _options(explained)
    wrt = min(max(_whole(request.get("wrt")), 0), len(options) - 1)
    single = len(options) == len(explained.directions)  # it has a pass for each
    along = explained if single else explained.along(*_direction(explained, options[wrt]))
    derivation = along.to_json()
    for key in ("notes", "findings"):
        derivation[key] = [_plainly(text) for text in derivation[key]]
    derivation["notes"] += _beside(p, values, explained)
    reply = {
        "derivation": derivation, "pass": wrt if single else 0,
        "folded": [i.group.id for i in fold(along) if i.group is not None],
        **_point(p, values), "directions": [o["label"] for o in options], "wrt": wrt,
        "moving": explained.inputs[options[wrt]["input"]], "printed": said.getvalue()[:2000],
    }
    if request.get("h") is not None:
        tangents = [n.tangents[reply["pass"]] if n.tangents else None for n in along.nodes]
        reply["shifted"] = _shifted(p, values, along, tangents, options[wrt], request)
    return reply


def _beside(p: Program, values: dict[str, Any], explained: Any) -> list[str]:
    """What a pasted function does beside computing its value from its arguments."""
    if not p.source:
        return []
    found = [f"Line {f.line}: {f.what}: {f.why}. It ran here as it stands; under wg.jit it would not."
             for report in examine("\n".join(p.source), p.name) for f in report.findings if f.sure][:3]
    before = [explained.nodes[i].value for i in explained.outputs]
    with contextlib.suppress(Exception), running():
        again = p.function(*[np.copy(x) if isinstance(x, np.ndarray) else x for x in values.values()])
        if len(before) == 1 and np.shape(again) == np.shape(before[0]) and not np.allclose(again, before[0], equal_nan=True):
            found.append(f"Called again it gives {_short(again)}, not {_short(before[0])}: it draws random numbers, or keeps "
                         "something between calls; the derivative is that of the first call.")
    return found


def _short(x: Any) -> str:
    return f"{float(x):.6g}" if not np.ndim(x) else "other numbers"


def _opened(explained: Any, places: Any) -> Any:
    """With staged loops and branches written out: each place is the id of a node, and a turn."""
    for place in places if isinstance(places, list) else []:
        node, turn = place if isinstance(place, list) and len(place) == 2 else (None, None)
        if not isinstance(node, int) or not isinstance(turn, int):
            raise InputError("what is opened is a node and a turn")
        explained = explained.open(node, turn)
    return explained


def _values(request: dict[str, Any]) -> dict[str, Any]:
    """All elements of one node: its value, its adjoint, its tangent."""
    p = program(request)
    with running():
        explained = _opened(wg.explain(p.function, *p.values(request.get("point")).values()), request.get("open"))
    node = request.get("node")
    if not isinstance(node, int) or not 0 <= node < len(explained.nodes):
        raise InputError("there is no such node")
    n = explained.nodes[node]
    with np.printoptions(precision=6, suppress=False, linewidth=100, threshold=2000):
        return {"value": str(n.value), "adjoint": "0" if n.adjoint is None else str(n.adjoint)}


def _whole(x: Any) -> int:
    return x if isinstance(x, int) else 0


def _listed(x: Any) -> Any:
    return x.tolist() if isinstance(x, np.ndarray) else x


def _options(explained: Any) -> list[dict[str, Any]]:
    """What one can differentiate with regard to: each number of the inputs, or each input where they are many."""
    nodes = [explained.nodes[i] for i in explained.inputs]
    single = sum(math.prod(n.shape) for n in nodes) <= MOST_DIRECTIONS
    found = []
    for place, n in enumerate(nodes):
        if not n.shape:
            found.append({"label": n.name, "input": place, "element": ()})
        elif single:
            found += [{"label": f"{n.name}[{', '.join(map(str, index))}]", "input": place, "element": index}
                      for index in np.ndindex(n.shape)]
        else:
            found.append({"label": f"all of {n.name}", "input": place, "element": None})
    return found


def _direction(explained: Any, chosen: dict[str, Any]) -> list[Any]:
    parts = []
    for place, i in enumerate(explained.inputs):
        n = explained.nodes[i]
        part = np.zeros(n.shape, n.dtype)
        if place == chosen["input"]:
            part[... if chosen["element"] is None else chosen["element"]] = 1.0
        parts.append(part)
    return parts


# ---------------------------------------------------------------- differences

def _moved(p: Program, values: dict[str, Any], explained: Any, chosen: dict[str, Any], t: Any) -> list[Any]:
    """The arguments of the program, moved by t in the direction."""
    parts = iter(_direction(explained, chosen))
    return [x if isinstance(x, int) else x + t * next(parts) for x in values.values()]


def _shifted(p: Program, values: dict[str, Any], explained: Any, tangents: list[Any], chosen: dict[str, Any],
             request: dict[str, Any]) -> dict[str, Any]:
    """Every node at x + h, and what its difference quotient says; the same nodes, so the same picture."""
    exponent = request["h"]
    if not isinstance(exponent, (int, float)) or not -300 <= exponent <= 300:
        raise InputError("the exponent of h is a number")
    h = 10.0 ** exponent
    with running(), np.errstate(all="ignore"):
        args = _moved(p, values, explained, chosen, h)
        moved = wg.explain(p.function, *[x[()] if isinstance(x, np.ndarray) and not x.ndim else x for x in args])
        with contextlib.suppress(InputError):  # a turn that there is not at x + h: the nodes differ
            moved = _opened(moved, request.get("open"))
        if [n.text for n in moved.nodes] != [n.text for n in explained.nodes]:
            return failure("another way", "at x + h the program takes another way, so its steps cannot be compared")
        found = {}
        for n, m, tangent in zip(explained.nodes, moved.nodes, tangents, strict=True):
            if np.shape(n.value) != np.shape(m.value) or np.asarray(n.value).dtype.kind not in "fc":
                continue
            quotient = (m.value - n.value) / h
            error = np.max(np.abs(quotient - (0.0 if tangent is None else tangent)), initial=0.0)
            found[str(n.id)] = {"moved": plain(m.value), "quotient": plain(quotient), "error": plain(error)}
    return {"h": h, "nodes": found}


def _curve(request: dict[str, Any]) -> dict[str, Any]:
    p = program(request)
    values = p.values(request.get("point"))
    with running(), np.errstate(all="ignore"):
        explained = wg.explain(p.function, *values.values())
        options = _options(explained)
        chosen = options[min(max(_whole(request.get("wrt")), 0), len(options) - 1)]
        if len(explained.outputs) != 1 or explained.nodes[explained.outputs[0]].shape:
            raise InputError("the curve is for programs with one number as the result")
        exact = explained.along(*_direction(explained, chosen)).nodes[explained.outputs[0]].tangents[0]
        curve = wg.numeric.step_curve(lambda t: p.function(*_moved(p, values, explained, chosen, t)), 0.0)
    exact = 0.0 if exact is None else exact
    errors = {name: [plain(x) for x in np.abs(getattr(curve, name) - exact)] for name in ("forward", "central", "complex_step")}
    return {"steps": curve.steps.tolist(), "errors": errors, "exact": plain(exact),
            "best": {"forward": plain(curve.best_forward), "central": plain(curve.best_central)}}


# ---------------------------------------------------------------- as symbols

def _symbolic(request: dict[str, Any]) -> dict[str, Any]:
    """The derivatives as formulas, and how many nodes they have, order by order: counted, not written out."""
    p = program(request)
    args = () if isinstance(p.function, Formula) else tuple(p.values(request.get("point")).values())
    with running():
        f = p.function if isinstance(p.function, Formula) else wg.symbolic.formula_of(p.function, *args)
        if not f.variables:
            raise InputError("there is no variable, so there is nothing to differentiate with regard to")
        wrt = f.variables[min(max(_whole(request.get("wrt")), 0), len(f.variables) - 1)]
        found: dict[str, Any] = {"wrt": wrt, "rows": [vars(row) for row in wg.symbolic.swell(f, order=3, wrt=wrt).rows]}
        try:
            found["derivatives"] = [{"wrt": name, "text": str(g)[:LONGEST_FORMULA]}
                                    for name, g in wg.symbolic.partials(f).items()]
            found["differential"] = str(f.differential())[:LONGEST_FORMULA]
        except UnsupportedError as error:  # too many nodes to be written down: the count remains
            found["note"] = _plainly(error)
    return found


# ---------------------------------------------------------------- all ways, measured

def _ways(request: dict[str, Any]) -> dict[str, Any]:
    p = program(request)
    values = list(p.values(request.get("point")).values())
    floats = tuple(k for k, x in enumerate(values) if not isinstance(x, int))
    with running(), np.errstate(all="ignore"):
        found = json.loads(wg.compare(p.function, *values, argnums=floats, sizes=()).json())
    for way in found["ways"]:
        del way["value"], way["sizes"]
    del found["reference"]["value"]
    return found


# ---------------------------------------------------------------- a step of gradient descent

def _descend(request: dict[str, Any]) -> dict[str, Any]:
    """The point after one step, x - rate * gradient; what has no derivative stays."""
    p = program(request)
    values = p.values(request.get("point"))
    rate = request.get("rate")
    if not isinstance(rate, (int, float)) or not math.isfinite(rate):
        raise InputError("the size of the step is a number, such as 0.1")
    with running():
        explained = wg.explain(p.function, *values.values())
    if len(explained.outputs) != 1 or explained.nodes[explained.outputs[0]].shape:
        raise InputError("a step down is for programs with one number as the result")
    adjoints = iter([explained.nodes[i].adjoint for i in explained.inputs])
    moved = {}
    for name, x in values.items():
        step = None if isinstance(x, int) else next(adjoints)
        moved[name] = x if step is None else x - rate * step
        if not np.all(np.isfinite(moved[name])):
            raise InputError(f"the gradient with regard to {name} is not finite, so there is no step")
    return {"point": {name: _listed(np.asarray(x)[()]) for name, x in moved.items()}}


# ---------------------------------------------------------------- where the boxes go

def _layout(request: dict[str, Any]) -> dict[str, Any]:
    """The places of boxes, and the points of the edges between them."""
    try:
        sizes = {str(key): (float(width), float(height)) for key, width, height in request["items"]}
        edges = [(str(a), str(b)) for a, b in request["edges"]]
        if not all(a in sizes and b in sizes for a, b in edges):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        return failure("request", "boxes are [key, width, height], edges [key, key]")
    if len(sizes) > MOST_BOXES:
        raise InputError(f"{len(sizes):,} boxes are too many to look at: fold loops or lines, or keep only a path")
    layout = layered(sizes, edges)
    places = {key: (x + _MARGIN, y + _MARGIN) for key, (x, y) in layout.centers.items()}
    routes = []
    for (a, b), path in zip(edges, layout.paths, strict=True):
        points = [(x + _MARGIN, y + _MARGIN) for x, y in path]
        points[0] = (points[0][0], points[0][1] + sizes[a][1] / 2)
        points[-1] = (points[-1][0], points[-1][1] - sizes[b][1] / 2)
        routes.append(points)
    return {"places": places, "routes": routes, "width": layout.width + 2 * _MARGIN, "height": layout.height + 2 * _MARGIN}


_QUESTIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "explain": _explain, "values": _values, "symbolic": _symbolic, "curve": _curve, "ways": _ways, "descend": _descend,
    "layout": _layout,
}
