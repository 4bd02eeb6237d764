"""What the names of a source file stand for, and which of them may hold traced values; nothing is run.

What comes in: the syntax tree of a file. What goes out: the library function behind ``np.linalg.svd`` (through the
file's imports), the functions of the file, and for each function the names that may depend on its arguments. The one
idea: a name is traced if anything that is ever assigned to it is, or if a traced condition decides whether it is
assigned.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
from collections.abc import Iterator
from typing import Any

from wengert.frontends.known import SHAPE_ONLY

__all__ = ["SCOPES", "File", "Scope", "walk"]

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
# Modules that are imported to look their functions up; of others the name alone is known.
_LOOKED_INTO = {
    "numpy",
    "scipy",
    "math",
    "cmath",
    "builtins",
    "operator",
    "functools",
    "itertools",
    "random",
    "statistics",
    "copy",
    "collections",
    "fractions",
    "decimal",
    "time",
    "datetime",
    "os",
    "json",
    "struct",
    "array",
    "pathlib",
}
_STATIC_TYPES = {"int", "str", "bool", "bytes", "Callable", "None", "Generator", "RandomState", "type"}
_STATIC_CALLS = {
    "builtins.len",
    "builtins.isinstance",
    "builtins.type",
    "builtins.callable",
    "builtins.hasattr",
    "builtins.id",
    "builtins.range",
    "numpy.shape",
    "numpy.ndim",
    "numpy.size",
    "numpy.zeros_like",
    "numpy.ones_like",
    "numpy.empty_like",
    "wengert.stop_gradient",
}
# What these are given is a size, a seed or a file, and no traced number.
_PLAIN = {
    "builtins.range",
    "builtins.open",
    "numpy.zeros",
    "numpy.ones",
    "numpy.empty",
    "numpy.eye",
    "numpy.identity",
    "numpy.random.default_rng",
    "numpy.random.RandomState",
    "numpy.random.seed",
    "pathlib.Path",
}
_INTEGERS = {
    "builtins.int",
    "builtins.round",
    "numpy.argmax",
    "numpy.argmin",
    "numpy.argsort",
    "numpy.searchsorted",
    "numpy.count_nonzero",
    "builtins.bool",
    "math.floor",
    "math.ceil",
}
_GENERATORS = {"numpy.random.default_rng", "numpy.random.RandomState"}
_NO_DRAWS = {"default_rng", "RandomState", "Generator", "seed", "shuffle", "SeedSequence", "get_state", "set_state"}
_MAKERS = {f"numpy.{f}" for f in ("ones", "zeros", "empty", "full", "array", "asarray", "arange")}
_INTEGER_TYPES = {"int", "bool", "np.int64", "np.int32", "np.bool_", "int64", "int32"}


def walk(nodes: Any) -> Iterator[ast.AST]:
    """The nodes of one scope: nested functions and classes are seen, not entered."""
    for n in nodes:
        yield n
        if not isinstance(n, SCOPES):
            yield from walk(ast.iter_child_nodes(n))


def body_of(node: Function) -> list[Any]:
    return [node.body] if isinstance(node, ast.Lambda) else node.body


def base_name(e: ast.AST) -> str:
    """The name at the root of ``a.b[c].d``, or ""."""
    while isinstance(e, (ast.Attribute, ast.Subscript, ast.Starred)):
        e = e.value
    return e.id if isinstance(e, ast.Name) else ""


def parameters(node: Function) -> list[ast.arg]:
    a = node.args
    rest = [p for p in (a.vararg, a.kwarg) if p is not None]
    return [*a.posonlyargs, *a.args, *a.kwonlyargs, *rest]


# ---------------------------------------------------------------- the file


def _imports(nodes: Any) -> dict[str, str]:
    """Local name -> dotted path."""
    out: dict[str, str] = {}
    for n in nodes:
        if isinstance(n, ast.Import):
            for a in n.names:
                out[a.asname or a.name.split(".")[0]] = a.name if a.asname else a.name.split(".")[0]
        elif isinstance(n, ast.ImportFrom):
            module = "." * n.level + (n.module or "")
            out.update({a.asname or a.name: f"{module}.{a.name}" for a in n.names})
    return out


class File:
    """The names of a file.

    Parameters
    ----------
    tree : ast.Module
    neighbors : set of str
        Names of modules that lie beside the file: they are the user's own.
    """

    def __init__(self, tree: ast.Module, neighbors: frozenset[str] = frozenset()):
        self.tree, self.neighbors = tree, neighbors
        self.imports = _imports(walk(tree.body))
        self.values: dict[str, ast.expr] = {}  # what is assigned to the names of the module
        self.functions: dict[str, Any] = {}
        # A lambda that is assigned goes by the name that it is given.
        self.lambdas: dict[ast.AST, str] = {
            n.value: n.targets[0].id
            for n in ast.walk(tree)
            if isinstance(n, ast.Assign) and isinstance(n.value, ast.Lambda) and isinstance(n.targets[0], ast.Name)
        }
        for n in walk(tree.body):
            if isinstance(n, SCOPES) and not isinstance(n, ast.Lambda):
                self.functions[n.name] = n
            elif isinstance(n, (ast.Assign, ast.AnnAssign)) and n.value is not None:
                for t, value in _pairs(n) if isinstance(n, ast.Assign) else [(n.target, n.value)]:
                    self.values.update({e.id: value for e in ast.walk(t) if isinstance(e, ast.Name)})

    def is_own(self, path: str) -> bool:
        """Whether a dotted name belongs to the user's files, this one or its neighbors."""
        return path.startswith(".") or path.split(".")[0] in self.neighbors

    def known(self, path: str) -> Any:
        """The object of a library that the dotted name stands for, or None."""
        parts = path.split(".")
        if parts[0] not in _LOOKED_INTO or self.is_own(path):
            return None
        found: Any = importlib.import_module(parts[0])
        for k in range(1, len(parts)):
            if not hasattr(found, parts[k]):
                name = ".".join(parts[: k + 1])
                try:
                    importlib.import_module(name)
                except ImportError:
                    return None
                if name not in sys.modules:
                    return None
            found = getattr(found, parts[k], None)
        return found


# ---------------------------------------------------------------- a function


class Scope:
    """One function: its parameters, its names, and which of them may be traced.

    Parameters
    ----------
    node : ast.FunctionDef, ast.AsyncFunctionDef or ast.Lambda
    file : File
    outer : Scope, optional
        The function around it.
    method : bool
        Whether its first parameter is the instance.
    draws : bool
        Whether what a random generator gives counts as traced, as it is under jit.
    given : bool
        Whether arguments may be traced.
    """

    def __init__(
        self,
        node: Function,
        file: File,
        outer: Scope | None = None,
        method: bool = False,
        draws: bool = False,
        given: bool = True,
    ):
        self.node, self.file, self.outer, self.method, self.draws = node, file, outer, method, draws
        self.nodes = list(walk(body_of(node)))
        self.parameters = [p.arg for p in parameters(node)]
        self.imports = _imports(self.nodes)
        self.globals = {name for n in self.nodes if isinstance(n, ast.Global) for name in n.names}
        self.values: dict[str, list[ast.expr]] = {}  # every expression that is assigned to a name as a whole
        self.functions = {n.name: n for n in self.nodes if isinstance(n, SCOPES) and not isinstance(n, ast.Lambda)}
        self.bound = self._bound()
        self.traced = self._parameters_that_may_be_traced() if given else set()
        self.deciders = self._decided()
        self._settle()

    def under_jit(self, given: bool = True) -> Scope:
        """The same function, where draws count as traced, and arguments do or do not."""
        outer = None if self.outer is None else self.outer.under_jit(given)
        return Scope(self.node, self.file, outer, self.method, draws=True, given=given)

    def _bound(self) -> set[str]:
        """Names that are assigned here; parameters only if they are assigned again."""
        out: set[str] = set(self.imports) | set(self.functions)
        for n in self.nodes:
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
                out.add(n.id)
            if isinstance(n, ast.Assign):
                for t, value in _pairs(n):
                    if isinstance(t, ast.Name):
                        self.values.setdefault(t.id, []).append(value)
            elif isinstance(n, ast.NamedExpr):
                self.values.setdefault(n.target.id, []).append(n.value)
            elif isinstance(n, ast.AnnAssign) and n.value is not None and isinstance(n.target, ast.Name):
                self.values.setdefault(n.target.id, []).append(n.value)
        return out - self.globals

    def path(self, e: ast.AST) -> str:
        """The dotted name of a library function ("numpy.linalg.svd", "builtins.len"), or "" if it is none."""
        if isinstance(e, ast.Attribute):
            holder = self.path(e.value)
            return f"{holder}.{e.attr}" if holder and not holder.startswith("builtins.") else ""
        if not isinstance(e, ast.Name):
            return ""
        scope: Scope | None = self
        while scope is not None:
            if e.id in scope.imports:
                return scope.imports[e.id]
            if e.id in scope.bound or e.id in scope.parameters:
                return ""
            scope = scope.outer
        if e.id in self.file.imports:
            return self.file.imports[e.id]
        mine = e.id in self.file.values or e.id in self.file.functions
        return "" if mine or not hasattr(builtins, e.id) else f"builtins.{e.id}"

    def is_module_name(self, name: str) -> bool:
        """Whether a name is one of the file, not of this function or those around it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bound or name in scope.parameters:
                return False
            scope = scope.outer
        return name in self.file.values

    # ------------------------------------------------------------ what may be traced

    def _parameters_that_may_be_traced(self) -> set[str]:
        a = self.node.args
        positional = [*a.posonlyargs, *a.args]
        given = dict(zip([p.arg for p in positional[len(positional) - len(a.defaults) :]], a.defaults, strict=True))
        given.update({p.arg: d for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True) if d is not None})
        out = set()
        for k, p in enumerate(parameters(self.node)):
            default = given.get(p.arg)
            fixed = isinstance(default, ast.Constant) and not isinstance(default.value, (float, complex))
            words = {n.id for n in ast.walk(p.annotation) if isinstance(n, ast.Name)} if p.annotation else set()
            words |= {n.attr for n in ast.walk(p.annotation) if isinstance(n, ast.Attribute)} if p.annotation else set()
            known_type = bool(words) and words <= _STATIC_TYPES | {
                "np",
                "numpy",
                "random",
                "typing",
                "collections",
                "abc",
            }
            if not (
                fixed
                or known_type
                or (self.method and k == 0)
                or p.arg in ("rng", "generator")
                or self._is_plain(p.arg)
            ):
                out.add(p.arg)
        return out

    def _is_plain(self, name: str) -> bool:
        """Whether a parameter is used as a size, a seed, a file, a text or a function: such are no traced numbers."""

        def is_it(e: ast.AST) -> bool:
            return isinstance(e, ast.Name) and e.id == name

        for n in self.nodes:
            if isinstance(n, ast.Call):
                if is_it(n.func) or (
                    self.path(n.func) in _PLAIN
                    and any(is_it(e) for a in n.args[:2] for e in ast.walk(a) if not self._under_shape(a))
                ):
                    return True
            elif isinstance(n, ast.Compare) and is_it(n.left) and any(_has_text(c) for c in n.comparators):
                return True
        return False

    @staticmethod
    def _under_shape(e: ast.AST) -> bool:
        return any(isinstance(n, (ast.Attribute, ast.Subscript, ast.Call)) for n in ast.walk(e))

    def _decided(self) -> dict[ast.AST, list[ast.expr]]:
        """For each statement, the conditions that decide whether it runs."""
        out: dict[ast.AST, list[ast.expr]] = {}

        def enter(statements: Any, tests: list[ast.expr]) -> None:
            for s in statements:
                inner = [*tests, s.test] if isinstance(s, (ast.If, ast.While)) else tests
                if isinstance(s, ast.Match):
                    inner = [*tests, s.subject]
                for n in walk([s]):
                    out[n] = tests
                if isinstance(s, SCOPES):
                    continue
                for part in ("body", "orelse", "finalbody"):
                    enter(getattr(s, part, []), inner)
                for h in (*getattr(s, "handlers", ()), *getattr(s, "cases", ())):
                    enter(h.body, inner)

        if not isinstance(self.node, ast.Lambda):
            enter(self.node.body, [])
        return out

    def conditional(self, node: ast.AST) -> bool:
        """Whether a traced condition decides if the statement runs."""
        return any(self.is_traced(t) for t in self.deciders.get(node, ()))

    def _settle(self) -> None:
        size = -1
        while size != len(self.traced):
            size = len(self.traced)
            for n in self.nodes:
                self._flow(n)

    def _flow(self, n: Any) -> None:
        """Let traced values flow through one assignment."""
        if isinstance(n, ast.Assign):
            pairs = _pairs(n)
        elif isinstance(n, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)) and n.value is not None:
            pairs = [(n.target, n.value)]
        elif isinstance(n, (ast.For, ast.comprehension)):
            pairs = [(n.target, n.iter)]
        elif isinstance(n, ast.withitem) and n.optional_vars is not None:
            pairs = [(n.optional_vars, n.context_expr)]
        elif isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and base_name(n.func) in self.bound:
            pairs = [(n.func.value, a) for a in n.args] if n.func.attr in ("append", "extend", "insert", "add") else []
        else:
            return
        for target, value in pairs:
            if self.is_traced(value) or (isinstance(n, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and self.conditional(n)):
                self.traced.update(_targets(target))

    def is_traced(self, e: Any) -> bool:
        """Whether an expression may hold a traced value (shapes, lengths and comparisons with text do not)."""
        if isinstance(e, ast.Name):
            if e.id in self.traced or e.id in self.bound or e.id in self.parameters:
                inner = self.functions.get(e.id)
                return e.id in self.traced or (inner is not None and self._uses_traced(inner))
            return self.outer is not None and e.id not in self.globals and self.outer.is_traced(e)
        if isinstance(e, ast.Attribute):
            return e.attr not in SHAPE_ONLY and self.is_traced(e.value)
        if isinstance(e, ast.Call):
            if self.path(e.func) in _STATIC_CALLS:
                return False
            if self.draws and self.is_draw(e.func):
                return True
            parts = [e.func, *e.args, *[k.value for k in e.keywords]]
            return any(self.is_traced(p.value if isinstance(p, ast.Starred) else p) for p in parts)
        if isinstance(e, ast.Compare):
            if all(isinstance(op, (ast.Is, ast.IsNot)) for op in e.ops) or any(
                map(_has_text, [e.left, *e.comparators])
            ):
                return False
        elif isinstance(e, ast.Lambda):
            return self._uses_traced(e)
        elif isinstance(e, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
            return self.is_traced(e.elt)
        return any(self.is_traced(c) for c in ast.iter_child_nodes(e) if isinstance(c, (ast.expr, ast.keyword)))

    def is_draw(self, function: ast.AST) -> bool:
        """Whether a function is a method of a generator of NumPy's, as far as the text shows."""
        if not isinstance(function, ast.Attribute):
            return False
        holder = function.value
        if self.path(holder) == "numpy.random":
            return function.attr not in _NO_DRAWS
        return isinstance(holder, ast.Name) and self.is_generator(holder.id)

    def is_generator(self, name: str) -> bool:
        """Whether a name stands for a generator of NumPy's, as far as the text shows."""
        if name in self.values or name in self.parameters:
            made = [v for v in self.values.get(name, []) if isinstance(v, ast.Call)]
            return any(self.path(v.func) in _GENERATORS for v in made) or (
                name in self.parameters and name in ("rng", "generator")
            )
        if self.outer is not None:
            return self.outer.is_generator(name)
        value = self.file.values.get(name)
        return isinstance(value, ast.Call) and self.path(value.func) in _GENERATORS

    def is_integer(self, e: ast.AST, depth: int = 4) -> bool:
        """Whether an expression is an integer or a truth value, as far as the text shows."""
        if isinstance(e, (ast.Compare, ast.Constant)):
            return not isinstance(getattr(e, "value", None), (float, complex))
        if isinstance(e, ast.Call):
            return self.path(e.func) in _INTEGERS or (
                isinstance(e.func, ast.Attribute) and e.func.attr.startswith("arg")
            )
        if isinstance(e, ast.Name) and e.id in self._counters():
            return True
        if isinstance(e, (ast.Name, ast.Subscript)) and depth:
            values = self.values.get(base_name(e), [])
            return bool(values) and all(self.is_integer(v, depth - 1) or self.makes_integers(v) for v in values)
        kinds = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.IfExp, ast.Tuple)
        if isinstance(e, kinds) and not isinstance(getattr(e, "op", None), ast.Div):
            test = getattr(e, "test", None)
            return all(
                self.is_integer(c, depth) for c in ast.iter_child_nodes(e) if isinstance(c, ast.expr) and c is not test
            )
        return False

    def _counters(self) -> set[str]:
        """Names that loops over ranges count with."""
        return {
            n.target.id
            for n in self.nodes
            if isinstance(n, ast.For)
            and isinstance(n.target, ast.Name)
            and isinstance(n.iter, ast.Call)
            and self.path(n.iter.func) == "builtins.range"
        }

    def makes_integers(self, e: ast.AST) -> bool:
        """Whether an expression makes an array of integers."""
        if not isinstance(e, ast.Call) or self.path(e.func) not in _MAKERS:
            return False
        dtypes = [ast.unparse(k.value).strip("'\"") for k in e.keywords if k.arg == "dtype"]
        if not dtypes and self.path(e.func) == "numpy.arange":
            return all(not isinstance(a, ast.Constant) or isinstance(a.value, int) for a in e.args)
        return any(d in _INTEGER_TYPES for d in dtypes)

    def enters_nothing(self, item: ast.withitem) -> bool:
        """Whether a context manager has no effect but on NumPy's warnings."""
        call = item.context_expr
        return isinstance(call, ast.Call) and self.path(call.func) in ("numpy.errstate", "contextlib.nullcontext")

    def is_certain(self, e: ast.AST, depth: int = 4) -> bool:
        """Whether a traced expression is made of an argument beyond doubt: names that are assigned here may be constants."""
        for n in ast.walk(e):
            if not isinstance(n, ast.Name) or not self.is_traced(n):
                continue
            values = self.values.get(n.id, [])
            if n.id in self.parameters and n.id not in self.bound:
                return True
            if values and depth and all(self.is_traced(v) and self.is_certain(v, depth - 1) for v in values):
                return True
        return False

    def _uses_traced(self, inner: Any) -> bool:
        """Whether a nested function reads traced names of this one."""
        if isinstance(inner, ast.ClassDef):
            return False
        own = {p.arg for p in parameters(inner)}
        return any(
            isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and n.id in self.traced - own
            for b in body_of(inner)
            for n in ast.walk(b)
        )


def _has_text(e: ast.AST) -> bool:
    return any(isinstance(n, ast.Constant) and isinstance(n.value, str) for n in ast.walk(e))


def _pairs(n: ast.Assign) -> list[tuple[Any, Any]]:
    """Targets with their values; of ``a, b = c, d`` one by one."""
    out: list[tuple[Any, Any]] = []
    for t in n.targets:
        both = isinstance(t, ast.Tuple) and isinstance(n.value, ast.Tuple) and len(t.elts) == len(n.value.elts)
        out += zip(t.elts, n.value.elts, strict=True) if both else [(t, n.value)]  # type: ignore[attr-defined]
    return out


def _targets(t: Any) -> Iterator[str]:
    if isinstance(t, (ast.Tuple, ast.List)):
        for e in t.elts:
            yield from _targets(e)
    elif name := base_name(t):
        yield name
