"""Functions of wengert as source that runs without it.

What comes in: a Python function that evaluates a primitive which NumPy does not have. What goes out: its definition, with those
of all that it calls and the constants that it reads. The one idea: the functions that evaluate primitives are plain NumPy, so
their own text, stripped of annotations and followed from name to name, is what a reader can paste.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError, WengertError
from wengert.graph import Primitive

__all__ = ["Helpers"]


class Helpers:
    """Definitions that a printed function needs, in an order in which they can stand.

    Attributes
    ----------
    definitions : list of str
    modules : set of str
        Import statements.
    """

    def __init__(self) -> None:
        self.definitions: list[str] = []
        self.modules: set[str] = set()
        self.names: dict[Any, str] = {}
        self.taken: set[str] = set()

    def primitive(self, primitive: Primitive) -> str:
        """Define what evaluates a primitive; gives the name to call it by."""
        if isinstance(primitive.evaluate, np.ufunc):
            self.modules.add("import numpy as np")
            return f"np.{primitive.evaluate.__name__}"
        return self.function(primitive.evaluate, primitive.name, primitive.name)

    def function(self, f: Callable[..., Any], name: str, whose: str) -> str:
        """Define a function under this name, or another one where it is taken."""
        if f in self.names:
            return self.names[f]
        chosen = self.free(name)
        self.names[f] = chosen
        node = _definition(inspect.unwrap(f), chosen, whose)
        _Plain().visit(node)
        inner = {b.asname or b.name: (s.module, b.name) for s in ast.walk(node) if isinstance(s, ast.ImportFrom)
                 and (s.module or "").startswith("wengert") for b in s.names}
        loaded = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        read = sorted(loaded - _local(node, inner))
        closed = inspect.getclosurevars(inspect.unwrap(f))
        known = {**inspect.unwrap(f).__globals__, **closed.nonlocals}
        renamed = {}
        for n in read:
            if n in inner:
                module, original = inner[n]
                renamed[n] = self.value(getattr(__import__(str(module), fromlist=[original]), original), n, whose)
            elif n in known:
                renamed[n] = self.value(known[n], n, whose)
            elif not hasattr(builtins, n):
                raise UnsupportedError(f"source: {whose!r} cannot be written without wengert (it reads {n})")
        if any(new != n and new in _local(node, {}) for n, new in renamed.items()):
            raise UnsupportedError(f"source: {whose!r} cannot be written without wengert (two names clash)")
        _Renamed(renamed).visit(node)
        self.definitions.append(ast.unparse(ast.fix_missing_locations(node)))
        return chosen

    def free(self, name: str) -> str:
        chosen, k = name, 2
        while chosen in self.taken:
            chosen, k = f"{name}_{k}", k + 1
        self.taken.add(chosen)
        return chosen

    def value(self, x: Any, name: str, whose: str) -> str:
        """The expression that a global name of a function stands for, defined if need be."""
        if isinstance(x, types.ModuleType):
            self.modules.add(f"import {x.__name__}" + (f" as {name}" if x.__name__ != name else ""))
            return name
        if isinstance(x, Primitive):
            return self.primitive(x)
        if isinstance(x, np.ufunc):
            return f"np.{x.__name__}"
        if isinstance(x, type) and issubclass(x, WengertError):
            return next(b for b in x.__mro__ if b.__module__ == "builtins").__name__
        if isinstance(x, type) and x.__module__ == "wengert.graph.types":
            raise UnsupportedError(f"source: {whose!r} cannot be written without wengert (it reads {x.__name__})")
        module = getattr(x, "__module__", "") or ""
        if callable(x) and not module.startswith("wengert"):
            root = module.partition(".")[0]
            own = str(x.__name__)
            if vars(builtins).get(name) == x:
                return name
            if root == "numpy" and vars(np).get(own) is x:
                return f"np.{own}"
            self.modules.add(f"from {module} import {own}" + (f" as {name}" if own != name else ""))
            return name
        if callable(x) and isinstance(inspect.unwrap(x), types.FunctionType):
            return self.function(x, name if x.__name__ == "<lambda>" else x.__name__, whose)
        return self.constant(x, name, whose)

    def constant(self, x: Any, name: str, whose: str) -> str:
        key = (name, id(x))
        if key not in self.names:
            text = _literal(x, self, whose)
            self.names[key] = self.free(name)
            self.definitions.append(f"{self.names[key]} = {text}")
        return self.names[key]


def _literal(x: Any, helpers: Helpers, whose: str) -> str:
    if x is None or isinstance(x, (bool, int, str, bytes)):
        return repr(x)
    if isinstance(x, (float, complex)) and not isinstance(x, np.generic):
        return repr(x) if np.isfinite(x) else f"float({str(x)!r})"
    if isinstance(x, np.ndarray):
        return f"np.array({x.tolist()!r}, np.{x.dtype.name})"
    if isinstance(x, np.generic):
        return f"np.{x.dtype.name}({x.item()!r})"
    if isinstance(x, np.dtype):
        return f"np.dtype({x.str!r})"
    if isinstance(x, (tuple, list)):
        inner = ", ".join([_literal(v, helpers, whose) for v in x])
        return f"[{inner}]" if isinstance(x, list) else f"({inner},)" if len(x) == 1 else f"({inner})"
    if isinstance(x, (set, frozenset)):
        return "{" + ", ".join(sorted([_literal(v, helpers, whose) for v in x])) + "}"
    if isinstance(x, dict):
        return "{" + ", ".join([f"{_literal(k, helpers, whose)}: {_literal(v, helpers, whose)}" for k, v in x.items()]) + "}"
    if callable(x) and not isinstance(x, type):
        return helpers.value(x, getattr(x, "__name__", "function").strip("_<>"), whose)
    if isinstance(x, type) and x.__module__ == "numpy":
        return f"np.{x.__name__}"
    raise UnsupportedError(f"source: {whose!r} cannot be written without wengert (it reads a {type(x).__name__})")


@functools.lru_cache(maxsize=100)
def _module_tree(path: str) -> ast.Module:
    with open(path, encoding="utf-8") as file:
        return ast.parse(file.read())


def _definition(f: Any, name: str, whose: str) -> ast.FunctionDef:
    """A fresh syntax tree of a function; a lambda becomes a ``def``."""
    code = getattr(f, "__code__", None)
    path = inspect.getsourcefile(f) if code is not None else None
    if code is None or path is None or "wengert" not in f.__module__:
        raise UnsupportedError(f"source: {whose!r} cannot be written without wengert (it calls {f!r})")
    arguments = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]
    found = []
    for node in ast.walk(_module_tree(path)):
        if isinstance(node, (ast.Lambda, ast.FunctionDef)):
            a = node.args
            first = min([node.lineno, *[d.lineno for d in getattr(node, "decorator_list", [])]])
            if first == code.co_firstlineno and tuple(
                    [x.arg for x in (*a.posonlyargs, *a.args, *a.kwonlyargs)]) == arguments:
                found.append(node)
    if len(found) > 1:
        found = [n for n in found if isinstance(n, ast.Lambda) and _code_of(n).co_code == code.co_code
                 and _code_of(n).co_consts == code.co_consts and _code_of(n).co_names == code.co_names]
    if not found:
        raise UnsupportedError(f"source: {whose!r} cannot be written without wengert (its source is not at hand)")
    node = ast.parse(ast.unparse(found[0])).body[0]
    if isinstance(node, ast.Expr):
        assert isinstance(node.value, ast.Lambda)
        body: list[ast.stmt] = [ast.Return(node.value.body)]
        return ast.FunctionDef(name=name, args=node.value.args, body=body, decorator_list=[], returns=None)  # type: ignore[call-overload, no-any-return]
    assert isinstance(node, ast.FunctionDef)
    node.name, node.decorator_list = name, []
    return node


def _code_of(node: ast.Lambda) -> types.CodeType:
    whole = compile(ast.fix_missing_locations(ast.Expression(ast.parse(ast.unparse(node), mode="eval").body)), "", "eval")
    return next(c for c in whole.co_consts if isinstance(c, types.CodeType))


def _local(node: ast.FunctionDef, inner: dict[str, Any]) -> set[str]:
    """Names that the function binds itself."""
    out: set[str] = set()
    for n in ast.walk(node):
        if isinstance(n, ast.arg):
            out.add(n.arg)
        elif isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load):
            out.add(n.id)
        elif isinstance(n, (ast.FunctionDef, ast.ExceptHandler)) and n is not node:
            out.add(str(n.name))
        elif isinstance(n, (ast.Import, ast.ImportFrom)):
            out.update((b.asname or b.name).partition(".")[0] for b in n.names)
    return out - set(inner)


class _Plain(ast.NodeTransformer):
    """Without annotations, and without imports of wengert."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        return ast.Assign([node.target], node.value) if node.value is not None else None


class _Renamed(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]):
        self.names = names

    def visit_Name(self, node: ast.Name) -> Any:
        new = self.names.get(node.id)
        return node if new is None else ast.parse(new, mode="eval").body

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        self.generic_visit(node)
        return node.value if node.attr == "evaluate" else node  # primitives are functions here

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        return None if (node.module or "").startswith("wengert") else node


