"""Findings, and those that come from branches: variables whose kind, shape or existence a traced condition decides.

What comes in: a function of a file, as a `Scope`. What goes out: what a graph cannot merge where a branch ends. The one
idea: a branch on a traced value becomes a selection, and only numbers and arrays of one shape can be selected; how the
values come out is not in the text, so these findings say "may".
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from wengert.frontends.names import SCOPES, Scope, base_name

__all__ = [
    "BOTH",
    "DERIVATIVE",
    "JIT",
    "Finding",
    "aliased",
    "at",
    "branches",
    "called",
    "is_argument",
    "is_container",
    "nested",
    "passed",
    "told",
]

DERIVATIVE, JIT = "derivative", "jit"
BOTH = (DERIVATIVE, JIT)
_GROWS = {f"numpy.{f}" for f in ("append", "concatenate", "hstack", "vstack", "stack", "insert", "delete", "r_")}
_WIDTH = 100
_CASES = "numbers for the cases, and np.nan or np.inf in place of None"


@dataclass(frozen=True)
class Finding:
    """Something that blocks.

    Parameters
    ----------
    line, column : int
    what : str
        The construct or the call.
    why, remedy : str
        What goes wrong, and what to write instead.
    blocks : tuple of str
        Of "derivative" and "jit".
    sure : bool
        False if it depends on values that the text does not show.
    always : bool
        False if it blocks only where arguments are traced.
    argument : str
        The parameter that it is about: a caller is concerned only if it passes an argument of its own.
    own : bool
        Whether it concerns this function alone, and none that calls it.
    outside : bool
        Whether it is about variables around the function: the function around it is not concerned.
    """

    line: int
    column: int
    what: str
    why: str
    remedy: str
    blocks: tuple[str, ...] = (JIT,)
    sure: bool = True
    always: bool = False
    argument: str = ""
    own: bool = False
    outside: bool = False


def told(headline: str, why: str, remedy: str, indent: int = 0) -> Iterator[str]:
    """The lines of a finding: where and what, why, and what to write instead."""
    yield f"{' ' * indent}{headline}"
    inner = " " * (indent + 4)
    yield textwrap.fill(why, _WIDTH, initial_indent=inner, subsequent_indent=inner)
    yield textwrap.fill(f"write: {remedy}", _WIDTH, initial_indent=inner, subsequent_indent=f"{inner}       ",
                        break_long_words=False)


def at(node: Any, what: str, why: str, remedy: str, blocks: tuple[str, ...] = (JIT,), **more: Any) -> Finding:
    """A finding at the place of a node."""
    return Finding(node.lineno, node.col_offset, what, why, remedy, blocks, **more)


def branches(scope: Scope) -> Iterator[Finding]:
    """What a graph cannot merge."""
    yield from _returns(scope)
    for n in scope.nodes:
        if isinstance(n, ast.If) and scope.is_traced(n.test):
            yield from _one_arm(scope, n)
        elif isinstance(n, ast.Assign) and scope.conditional(n):
            for t in n.targets:
                if isinstance(t, ast.Name):
                    yield from _kinds(scope, n, t.id)
                    yield from _grows(scope, n, t.id)
        elif isinstance(n, ast.IfExp) and scope.is_traced(n.test):
            said = sorted({_literal(n.body) or "a number", _literal(n.orelse) or "a number"})
            if said != ["a number"] and not (said == ["text"] and ast.unparse(n.body) == ast.unparse(n.orelse)):
                yield at(
                    n,
                    "... if ... else ...",
                    f"a traced condition decides whether it is {' or '.join(said)}: a graph selects numbers only",
                    _CASES,
                    sure=False,
                )
        elif isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == getattr(scope.node, "name", ""):
            tests = [t.test for t in scope.nodes if isinstance(t, (ast.If, ast.IfExp))]
            if any(map(scope.is_traced, n.args)) and any(map(scope.is_traced, tests)):
                yield at(
                    n,
                    f"{n.func.id}()",
                    "how deep the recursion goes may depend on a traced value",
                    "a while loop",
                    sure=False,
                )


def _returns(scope: Scope) -> Iterator[Finding]:
    if isinstance(scope.node, ast.Lambda):
        return
    for n in scope.nodes:
        if not isinstance(n, ast.Return) or n.value is None:
            continue
        name = n.value.id if isinstance(n.value, ast.Name) else ""
        if name in scope.functions or isinstance(n.value, (ast.Lambda, ast.GeneratorExp, ast.Set, ast.SetComp)):
            yield at(
                n,
                "return",
                "the result is no number, array or tree of them",
                "return the numbers",
                sure=False,
                own=True,
            )
        for e in n.value.elts if isinstance(n.value, ast.Tuple) else [n.value]:
            base = base_name(e)
            if base and scope.is_module_name(base) and not isinstance(scope.file.values[base], ast.Constant):
                yield at(
                    n,
                    "return",
                    f"if `{ast.unparse(e)}` is an array, it was made outside the graph",
                    f"{ast.unparse(e)} * 1.0",
                    sure=False,
                    own=True,
                )
        if scope.conditional(n) and not isinstance(scope.node.body[-1], (ast.Return, ast.Raise, ast.If)):
            yield at(
                n, "return", "the function returns a value on some ways and None on others", "end it with a return"
            )


def _grows(scope: Scope, n: ast.Assign, name: str) -> Iterator[Finding]:
    """An array that grows."""
    value = n.value
    if (
        isinstance(value, ast.Call)
        and scope.path(value.func) in _GROWS
        and any(isinstance(e, ast.Name) and e.id == name for e in ast.walk(value))
    ):
        why = f"a traced condition decides how long `{name}` is"
        yield at(n, f"{name} = ...", why, "an array of the full length", sure=False)


def _one_arm(scope: Scope, n: ast.If) -> Iterator[Finding]:
    """A variable that exists only if the branch is taken, and is read later."""
    arms = [
        {e.id for s in arm for e in ast.walk(s) if isinstance(e, ast.Name) and isinstance(e.ctx, ast.Store)}
        for arm in (n.body, n.orelse)
    ]
    if any(arm and isinstance(arm[-1], (ast.Return, ast.Raise, ast.Break, ast.Continue)) for arm in (n.body, n.orelse)):
        return
    for name in sorted(arms[0] ^ arms[1]):
        stores = [
            e.lineno for e in scope.nodes if isinstance(e, ast.Name) and e.id == name and isinstance(e.ctx, ast.Store)
        ]
        loads = [
            e.lineno for e in scope.nodes if isinstance(e, ast.Name) and e.id == name and isinstance(e.ctx, ast.Load)
        ]
        last = n.end_lineno or n.lineno
        later = [k for k in loads if k > last and not any(last < s < k for s in stores)]
        if (
            name not in scope.parameters
            and name not in scope.globals
            and later
            and not any(s < n.lineno for s in stores)
        ):
            yield at(
                n,
                f"if ...: {name} = ...",
                f"`{name}` may have no value after it (read at line {min(later)})",
                f"give {name} a value in both arms, or before",
                sure=False,
            )


def _literal(e: ast.expr) -> str:
    """The kind of a value that is no number, or ""."""
    if isinstance(e, ast.Constant) and (e.value is None or isinstance(e.value, str)):
        return "None" if e.value is None else "text"
    return "a function" if isinstance(e, ast.Lambda) else ""


def _kinds(scope: Scope, n: ast.Assign, name: str) -> Iterator[Finding]:
    kinds = {_literal(v) for v in scope.values.get(name, [])}
    texts = {v.value for v in scope.values.get(name, []) if isinstance(v, ast.Constant) and isinstance(v.value, str)}
    if len(kinds) > 1 or len(texts) > 1 or "a function" in kinds:
        said = " or ".join(sorted(k or "a number" for k in kinds))
        yield at(
            n,
            f"{name} = ...",
            f"a traced condition decides whether `{name}` is {said}: a graph selects numbers only",
            _CASES,
            sure=False,
        )



def is_container(scope: Scope, name: str) -> bool:
    return any(
        isinstance(v, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp))
        or (isinstance(v, ast.Call) and scope.path(v.func) in ("builtins.list", "builtins.dict", "builtins.set"))
        for v in scope.values.get(name, [])
    )


def is_argument(scope: Scope, name: str) -> bool:
    """Whether a name is a parameter that is never assigned again."""
    return name in scope.parameters and name not in scope.values and not _rebound(scope, name)


_VIEWS = {"reshape", "ravel", "transpose", "swapaxes", "view", "squeeze", "diagonal"}

_NUMPY_VIEWS = {
    f"numpy.{f}"
    for f in (
        "asarray",
        "ravel",
        "reshape",
        "transpose",
        "atleast_1d",
        "atleast_2d",
        "squeeze",
        "swapaxes",
        "moveaxis",
        "broadcast_to",
        "diagonal",
        "expand_dims",
    )
}


def aliased(scope: Scope, name: str) -> str:
    """The argument that a name may be a view of, or ""."""
    for value in scope.values.get(name, []):
        if isinstance(value, ast.Call) and scope.path(value.func) in _NUMPY_VIEWS and value.args:
            value = value.args[0]
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in _VIEWS:
            value = value.func.value
        source = base_name(value) if isinstance(value, (ast.Name, ast.Subscript, ast.Attribute)) else ""
        if isinstance(value, ast.Attribute) and value.attr not in ("T", "real", "imag", "mT", "flat"):
            continue
        if source and is_argument(scope, source) and scope.is_traced(ast.Name(source, ast.Load())):
            return source
    return ""


def _rebound(scope: Scope, name: str) -> bool:
    augmented = {n.target for n in scope.nodes if isinstance(n, ast.AugAssign)}
    return any(
        isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) and n not in augmented
        for n in scope.nodes
    )


# ---------------------------------------------------------------- who calls whom


def called(scope: Scope) -> Iterator[tuple[ast.Call, str, bool]]:
    """Calls by a plain name, or of methods of the same instance: call, name, whether it is given traced values."""
    for n in scope.nodes:
        if not isinstance(n, ast.Call):
            continue
        given = any(map(scope.is_traced, [*n.args, *[k.value for k in n.keywords]]))
        if isinstance(n.func, ast.Name) and not scope.path(n.func):
            yield n, n.func.id, given
        elif (
            isinstance(n.func, ast.Attribute)
            and isinstance(n.func.value, ast.Name)
            and scope.method
            and scope.parameters[:1] == [n.func.value.id]
        ):
            yield n, f"self.{n.func.attr}", given


def passed(call: ast.Call, callee: Scope, caller: Scope) -> dict[str, str]:
    """For parameters of the callee that are given an argument of the caller as it is: which one."""
    names = list(callee.parameters)
    args: list[ast.expr] = list(call.args)
    if callee.method:
        args.insert(0, call.func.value if isinstance(call.func, ast.Attribute) else ast.Constant(None))
    pairs = [*zip(names, args, strict=False), *[(k.arg, k.value) for k in call.keywords if k.arg]]
    return {p: a.id for p, a in pairs if isinstance(a, ast.Name) and is_argument(caller, a.id)}


def nested(scope: Scope) -> Iterator[Any]:
    """The functions and classes that are nested in this one, defaults and decorators left out."""
    for n in scope.nodes:
        if isinstance(n, SCOPES):
            yield n
