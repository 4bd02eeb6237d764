"""Why a function would not differentiate or not stage, found without running it.

What comes in: a function of a file, as a `Scope`. What goes out: findings, each with its line, what it blocks, why, and
what to write instead. The one idea: constructs are judged by the rewriting itself and calls by the tables that real
calls go through; only which names are traced is guessed here, so a finding that hangs on the kind of a value says
"may".
"""

from __future__ import annotations

import ast
import copy
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from wengert.frontends import known
from wengert.frontends.findings import BOTH, DERIVATIVE, JIT, Finding, aliased, at, branches, is_argument, is_container
from wengert.frontends.known import shown
from wengert.frontends.names import Scope, base_name
from wengert.frontends.python_flow import FRAME_READERS, NotRewrittenError, known_while_traced, lower

__all__ = ["diagnose"]

_SUPPORTED = "use functions of the table of supported functions, or wrap it: wg.opaque(f, derivative=...)"
_OUTSIDE = "call it before, and pass what it gives as an argument"


def diagnose(scope: Scope, owner: str | None = None) -> list[Finding]:
    """All findings of one function, in the order of its lines.

    Parameters
    ----------
    scope : Scope
    owner : str, optional
        The class around it.
    """
    found: dict[Any, Finding] = {}
    for part, s in ((DERIVATIVE, scope), (JIT, scope.under_jit())):
        for key, f in _judged(s, part).items():
            found[key] = replace(f, blocks=(*(found[key].blocks if key in found else ()), part))
    for key in _judged(scope.under_jit(given=False), JIT):
        if key in found:
            found[key] = replace(found[key], always=True)
    return sorted([*_rewriting(scope, owner), *found.values()], key=lambda f: (f.line, f.column))


def _judged(scope: Scope, part: str) -> dict[Any, Finding]:
    """What blocks derivatives, or what blocks jit."""
    rules = (_decorators(scope), _nodes(scope), branches(scope))
    return {(f.line, f.column, f.what, f.why, f.sure): f for rule in rules for f in rule if part in f.blocks}


def _rewriting(scope: Scope, owner: str | None) -> Iterator[Finding]:
    """What the rewriting of control flow refuses."""
    try:
        lower(copy.deepcopy(scope.node), owner)
    except NotRewrittenError as error:
        for r in error.refusals:
            yield Finding(
                r.line,
                r.column,
                r.what,
                "it cannot be part of a graph",
                r.remedy,
                always=True,
                outside="outside" in r.what,
            )


def _decorators(scope: Scope) -> Iterator[Finding]:
    for d in getattr(scope.node, "decorator_list", []):
        path = scope.path(d.func if isinstance(d, ast.Call) else d)
        if path in ("functools.lru_cache", "functools.cache"):
            yield at(
                d,
                f"@{path}",
                "it keeps what it was called with, and a traced value kept would lose its derivative",
                "leave the decorator out",
                BOTH,
            )
        elif (
            path
            and not scope.file.is_own(path)
            and known.impurity(None, path.rpartition(".")[0], path)
            and not path.startswith(("contextlib.", "abc."))
        ):
            yield at(
                d,
                f"@{path}",
                "what it makes of the function is not in this file",
                "leave the decorator out",
                BOTH,
                sure=False,
            )


def _nodes(scope: Scope) -> Iterator[Finding]:
    for n in scope.nodes:
        if isinstance(n, ast.Call):
            yield from _call(scope, n)
        elif isinstance(n, (ast.Assign, ast.AugAssign)):
            for t in n.targets if isinstance(n, ast.Assign) else [n.target]:
                for part in _parts(t):
                    yield from _store(scope, n, part)
        elif isinstance(n, ast.comprehension) and any(map(scope.is_traced, n.ifs)):
            yield at(
                n.target,
                "a comprehension with a traced condition",
                "its length depends on values",
                "keep every item and weigh it: np.where(condition, value, 0.0)",
                sure=any(map(scope.is_certain, [*n.ifs, n.iter])),
            )
        elif isinstance(n, ast.ExceptHandler) and not known_while_traced(n.type):
            why = "if what is tried computes with traced values, the graph that raises later cannot be caught"
            remedy = "test before, in place of catching: if x > 0: ... else: ..."
            yield at(n, "an except clause", why, remedy, sure=False)
        elif isinstance(n, ast.With) and not all(map(scope.enters_nothing, n.items)):
            yield at(n, "with", "a graph would not enter and leave it", "enter it around the call", always=True)
        elif isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Load):
            yield from _item(scope, n)
        elif isinstance(n, (ast.Set, ast.SetComp)) or (isinstance(n, ast.Dict) and n.keys):
            yield from _keys(scope, n)
        elif (
            isinstance(n, ast.BinOp)
            and isinstance(n.op, ast.Mod)
            and isinstance(n.left, ast.Constant)
            and isinstance(n.left.value, str)
            and scope.is_traced(n.right)
        ):
            yield at(n, "'...' % x", "the text needs the value of a traced number", "an f-string: print(f'{x:.3f}')")
        elif isinstance(n, ast.Match):
            yield from _match(scope, n)
        elif isinstance(n, ast.With):
            yield from _with(scope, n)


def _parts(t: Any) -> Iterator[Any]:
    if isinstance(t, (ast.Tuple, ast.List)):
        for e in t.elts:
            yield from _parts(e)
    elif isinstance(t, ast.Starred):
        yield from _parts(t.value)
    else:
        yield t


# ---------------------------------------------------------------- statements


def _match(scope: Scope, n: ast.Match) -> Iterator[Finding]:
    if scope.is_traced(n.subject) or any(c.guard is not None and scope.is_traced(c.guard) for c in n.cases):
        yield at(n, "match on a traced value", "the case is chosen by a value", "if ... elif ... else")


def _with(scope: Scope, n: ast.With) -> Iterator[Finding]:
    for item in n.items:
        e = item.context_expr
        root = scope.path(e.func if isinstance(e, ast.Call) else e).split(".")[0]
        if root not in ("numpy", "contextlib", "warnings", "builtins", "wengert"):
            yield at(
                n,
                "with",
                "it is entered while the program is traced, and not when the graph runs",
                "put the with statement around the call of the function",
                sure=False,
                always=True,
            )


def _keys(scope: Scope, n: Any) -> Iterator[Finding]:
    keys = (
        [k for k in n.keys if k is not None]
        if isinstance(n, ast.Dict)
        else n.elts
        if isinstance(n, ast.Set)
        else [n.elt]
    )
    if any(map(scope.is_traced, keys)):
        yield at(
            n,
            "a traced value as a key",
            "found again, it would be a number without a derivative",
            "a list of pairs, or keys that are integers or texts",
            BOTH,
            sure=False,
        )


def _item(scope: Scope, n: ast.Subscript) -> Iterator[Finding]:
    """Reading items: by a mask (the shape depends on values), or from a list by a traced position."""
    if scope.is_traced(n.value) and _is_mask(scope, n.slice):
        yield at(
            n,
            "an index that is a mask",
            "how many elements it picks depends on values; elementwise operations, sums and means of them stage",
            "np.where(mask, x, 0.0) over all elements",
            sure=False,
        )
        return
    made = scope.values.get(base_name(n.value), []) if isinstance(n.value, ast.Name) else []
    if isinstance(n.value, ast.Name) and scope.is_module_name(n.value.id):
        made = [scope.file.values[n.value.id]]
    containers = (ast.List, ast.Dict, ast.ListComp, ast.DictComp, ast.Tuple)
    if scope.is_traced(n.slice) and not _is_key_of(scope, n) and any(isinstance(v, containers) for v in made):
        yield at(
            n,
            f"{ast.unparse(n)}",
            "an item of a Python container is picked by a traced value",
            "an array in place of the container",
            sure=False,
        )


def _is_key_of(scope: Scope, n: ast.Subscript) -> bool:
    """Whether the index is what a loop over the same container gives: ``for k in table: table[k]``."""
    return any(
        isinstance(loop, (ast.For, ast.comprehension))
        and base_name(loop.iter) == base_name(n.value)
        and ast.unparse(loop.target) == ast.unparse(n.slice)
        for loop in scope.nodes
    )


def _is_mask(scope: Scope, e: ast.AST, depth: int = 3) -> bool:
    if isinstance(e, ast.Compare):
        return scope.is_traced(e)
    if isinstance(e, ast.BinOp) and isinstance(e.op, (ast.BitAnd, ast.BitOr, ast.BitXor)):
        return _is_mask(scope, e.left, depth) or _is_mask(scope, e.right, depth)
    if isinstance(e, ast.UnaryOp) and isinstance(e.op, ast.Invert):
        return _is_mask(scope, e.operand, depth)
    if isinstance(e, ast.Name) and depth:
        return any(_is_mask(scope, v, depth - 1) for v in scope.values.get(e.id, []))
    return False


# ---------------------------------------------------------------- stores


def _store(scope: Scope, n: Any, t: Any) -> Iterator[Finding]:
    """Writes into what the caller, or the module, can see."""
    name = base_name(t)
    if isinstance(t, ast.Name):
        if isinstance(n, ast.AugAssign):
            yield from _update(scope, n, name)
    elif isinstance(t, ast.Attribute) or _through_attribute(t):
        yield from _attribute_store(scope, n, t, name)
    elif name:
        yield from _item_store(scope, n, f"{ast.unparse(t)} = ...", name)


def _update(scope: Scope, n: ast.AugAssign, name: str) -> Iterator[Finding]:
    """``x += v``: an array is changed in place."""
    sign = _OPERATORS.get(type(n.op), "")
    both: dict[str, Any] = {"sure": False, "blocks": BOTH}
    if is_argument(scope, name) and scope.is_traced(n.target):
        why = f"if `{name}` is an array, this writes into the argument"
        yield at(n, f"{name} {sign}= ...", why, f"{name} = {name} {sign} ...", argument=name, **both)
    elif source := aliased(scope, name):
        why = f"`{name}` may be a view of the argument `{source}`"
        yield at(n, f"{name} {sign}= ...", why, _COPY.format(source), argument=source, **both)


def _item_store(scope: Scope, n: Any, what: str, name: str) -> Iterator[Finding]:
    """``y[k] = v``."""
    if is_argument(scope, name):
        blocks = BOTH if scope.is_traced(ast.Name(name, ast.Load())) else (JIT,)
        why = f"a write into the argument `{name}`: its caller would see it"
        yield at(n, what, why, _COPY.format(name), blocks=blocks, always=True, argument=name)
    elif source := aliased(scope, name):
        why = f"`{name}` may be a view of the argument `{source}`, whose caller would see the write"
        yield at(n, what, why, _COPY.format(source), blocks=BOTH, sure=False, argument=source)
    elif scope.is_module_name(name):
        why = f"`{name}` was made outside the function, and a graph would not write into it again"
        yield at(n, what, why, "make it inside the function, and return it", always=True)
    elif _is_integer_array(scope, name) and scope.is_traced(n.value) and not scope.is_integer(n.value):
        why = f"`{name}` has an integer dtype, which would cut a traced float"
        yield at(n, what, why, "make the array with a float dtype", blocks=BOTH, sure=False)
    elif scope.conditional(n) and is_container(scope, name):
        why = "a container is changed where a traced condition decides"
        yield at(n, what, why, "an array made before the loop", sure=False)


_COPY = "copy it first: {0} = {0}.copy()"
_OPERATORS = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}


def _through_attribute(t: Any) -> bool:
    while isinstance(t, ast.Subscript):
        t = t.value
    return isinstance(t, ast.Attribute)


def _attribute_store(scope: Scope, n: Any, t: Any, name: str) -> Iterator[Finding]:
    instance = scope.method and bool(scope.parameters) and name == scope.parameters[0]
    if instance and getattr(scope.node, "name", "") == "__init__":
        return
    if is_argument(scope, name) or (scope.is_module_name(name) and name not in scope.bound):
        yield at(
            n,
            f"{ast.unparse(t)} = ...",
            f"`{name}` was made outside the function, and a graph would not change it again",
            "return the new value, or a new object (dataclasses.replace)",
            sure=isinstance(t, ast.Attribute),
            always=True,
            argument=name if name in scope.parameters else "",
        )


def _is_integer_array(scope: Scope, name: str) -> bool:
    return any(map(scope.makes_integers, scope.values.get(name, [])))


# ---------------------------------------------------------------- calls


def _call(scope: Scope, n: ast.Call) -> Iterator[Finding]:
    path = scope.path(n.func)
    traced = [k for k, a in enumerate(n.args) if scope.is_traced(a)]
    named = [k.arg for k in n.keywords if scope.is_traced(k.value)]
    if not path:
        if isinstance(n.func, ast.Attribute):
            yield from _method(scope, n, bool(traced or named))
        return
    if scope.file.is_own(path) or path.split(".")[0] == "wengert":
        return
    function = scope.file.known(path)
    name = path.removeprefix("builtins.")
    if name in FRAME_READERS - {"super"} and path.startswith("builtins."):
        yield at(
            n,
            f"{name}()",
            "it looks at the variables of a function that is rewritten",
            "use the variables by their names",
            sure=False,
            always=True,
        )
    elif function is None:
        yield from _unknown(n, path, bool(traced or named))
    else:
        yield from _library(scope, n, path, function, traced, named)


def _unknown(n: ast.Call, path: str, traced: bool) -> Iterator[Finding]:
    """A call of a library that is not looked into."""
    root, last = path.split(".")[0], path.rpartition(".")[2]
    standard = root in sys.stdlib_module_names
    why = "of a library that may not depend on its arguments alone"
    if not known.impurity(None, path.rpartition(".")[0] or root, last):
        return
    if traced:
        yield at(
            n, f"{path}()", f"a call {why}, with traced values, which it may convert", _SUPPORTED, BOTH, sure=False
        )
    yield at(n, f"{path}()", f"a call {why}", _OUTSIDE, sure=standard or not last[:1].isupper(), always=True)


def _library(
    scope: Scope, n: ast.Call, path: str, function: Any, traced: list[int], named: list[Any]
) -> Iterator[Finding]:
    why = known.not_staged(function, path)
    if why:
        yield at(n, f"{shown(path)}()", why, _instead(path), always=True)
    given = bool(traced or named)
    loses, sure = known.no_derivative(function, path) if given else ("", True)
    if loses:
        yield at(n, f"{shown(path)}()", loses, _remedy(path), (DERIVATIVE,) if why else BOTH, sure=sure)
    elif not why and given:
        if known.is_draw(function) and function.__name__ not in known.SCALED:
            yield at(n, f"{shown(path)}()", "a draw with traced parameters", "draw standard numbers and transform them")
        asked = known.needed_values(path, len(n.args))
        if asked is not None and set(asked).intersection(traced) and not _is_dict(scope, n.args[0]):
            why = "its result depends on values that a graph does not have while it is made"
            sure = not known.finds_places(path) and any(scope.is_certain(n.args[k]) for k in set(asked).intersection(traced))
            yield at(n, f"{shown(path)}()", why, _without_values(path), sure=sure)
    missing = known.without_rule(function)
    for k in [k for k in traced if k in missing]:
        sure = set(traced) <= set(missing) and scope.is_certain(n.args[k])
        remedy = "a number for it, or a function that is differentiated with regard to the other arguments only (argnums)"
        yield at(n, f"{shown(path)}()", missing[k], remedy, (DERIVATIVE,), sure=sure)
    if known.writes_first(path) and n.args and isinstance(n.args[0], ast.Name) and is_argument(scope, n.args[0].id):
        yield at(
            n,
            f"{shown(path)}()",
            f"a write into the argument `{n.args[0].id}`: its caller would see it",
            f"copy it first: {n.args[0].id} = {n.args[0].id}.copy()",
            BOTH,
            argument=n.args[0].id,
        )


def _is_dict(scope: Scope, e: ast.expr) -> bool:
    """Whether an expression is a dict, whose keys are known whatever its values are."""
    values = scope.values.get(e.id, []) if isinstance(e, ast.Name) else [e]
    return any(isinstance(v, (ast.Dict, ast.DictComp)) for v in values)


def _instead(path: str) -> str:
    root = path.split(".")[0]
    if root == "random":
        return "wg.random, or a generator of NumPy's: rng = np.random.default_rng(seed)"
    return "print(), which is printed when the graph runs" if root == "logging" else _OUTSIDE


def _remedy(path: str) -> str:
    name = path.rpartition(".")[2]
    if path.startswith(("math.", "cmath.")) and hasattr(np, name):
        return f"np.{name}, or wg.stop_gradient(x) if a constant is meant"
    return _SUPPORTED


def _without_values(path: str) -> str:
    name = path.rpartition(".")[2]
    return {
        "sorted": "np.sort(x)",
        "count_nonzero": "np.sum(mask)",
        "str": "an f-string that is printed",
        "where": "np.where(condition, a, b), with three arguments",
        "allclose": "np.all(np.abs(a - b) < tolerance)",
        "array_equal": "np.all(a == b)",
    }.get(name, "leave this function out of wg.jit, or pass these arguments as static_argnums")


def _method(scope: Scope, n: ast.Call, given: bool) -> Iterator[Finding]:
    """A call of ``holder.name(...)`` whose holder is no module."""
    assert isinstance(n.func, ast.Attribute)
    holder, name = n.func.value, n.func.attr
    what, root = f".{name}()", base_name(holder)
    if isinstance(holder, ast.Constant) and isinstance(holder.value, str):
        if name == "format" and given:
            yield at(
                n, "'...'.format(x)", "the text needs the value of a traced number", "an f-string: print(f'{x:.3f}')"
            )
        return
    if isinstance(holder, ast.Name) and scope.is_generator(holder.id):
        yield from _draw(n, name, given)
    elif scope.is_traced(holder) and known.method_without_rule(name):
        yield at(n, what, f"traced arrays have no method {name}", "np functions on the array", BOTH, sure=False)
    elif scope.is_traced(holder) and known.method_needs_values(name, len(n.args)):
        yield at(
            n,
            what,
            "its result depends on values that a graph does not have while it is made",
            "np.where with all elements",
            sure=False,
        )
    elif name == "update" and len(n.args) > 2:  # an optimizer's, which is pure; containers take one argument
        return
    elif known.changes_owner(name) and isinstance(holder, ast.Name):
        yield from _change(scope, n, root, name)


def _change(scope: Scope, n: ast.Call, root: str, name: str) -> Iterator[Finding]:
    """A method that changes its object, on an object that may have been made outside."""
    array = hasattr(np.ndarray, name)
    if is_argument(scope, root):
        blocks = BOTH if array and scope.is_traced(ast.Name(root, ast.Load())) else (JIT,)
        yield at(
            n,
            f"{root}.{name}()",
            f"it changes the argument `{root}`",
            f"copy it first: {root} = {root}.copy()",
            blocks,
            sure=False,
            always=True,
            argument=root,
        )
    elif scope.is_module_name(root):
        displays = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp)
        yield at(
            n,
            f"{root}.{name}()",
            f"`{root}` was made outside the function, and a graph would not change it again",
            "return what is to be kept",
            sure=isinstance(scope.file.values[root], displays),
            always=True,
        )
    elif scope.conditional(n) and is_container(scope, root):
        yield at(
            n,
            f"{root}.{name}()",
            "a container is changed where a traced condition decides",
            "an array of the full length, made before and written by index",
            sure=False,
        )


def _draw(n: ast.Call, name: str, given: bool) -> Iterator[Finding]:
    method = known.draw_of(name)
    if method is None:
        return
    if name in known.UNKNOWN_DRAWS:
        yield at(
            n,
            f".{name}()",
            "it changes more than the generator",
            "rng.permutation in place of rng.shuffle",
            always=True,
        )
    elif given and name not in known.SCALED:
        loses = known.no_derivative(method, f"Generator.{name}")[0]
        yield at(
            n,
            f".{name}()",
            loses or "a draw with traced parameters",
            "draw standard numbers and transform them",
            BOTH if loses else (JIT,),
        )
