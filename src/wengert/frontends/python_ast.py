"""Rewriting a function's syntax tree, once, so that its calls go through wengert.

What comes in: a Python function with source. What goes out: the same function, with the same globals, cells, defaults
and lines, in which ``f(a)`` has become ``call(f, a)`` and a store ``y[k] = v`` first asks whether the ordinary array
y may hold a traced v. The one idea: the tree is rewritten to reach the graph, never to differentiate; and a
source that does not compile to the function's own bytecode (a file edited since) is not believed.
"""

from __future__ import annotations

import ast
import copy
import linecache
import types
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["CALL", "CAUGHT", "OWN", "SOURCE", "reach_calls", "rewrite"]

CALL, OWN = "__wengert_call__", "__wengert_own__"
CAUGHT, SOURCE = "__wengert_caught__", "__wengert_source__"
_FACTORY, _INNER = "__wengert_factory__", "__wengert_function__"
# These look at the caller's frame, so they are called as they stand.
_FRAME_READERS = {"super", "locals", "globals", "vars", "dir", "eval", "exec", "breakpoint"}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class _Calls(ast.NodeTransformer):
    """Calls and subscript stores of one function."""

    def __init__(self, locals_: set[str]):
        self.locals = [locals_]
        self.count = 0

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in _FRAME_READERS | {CALL, OWN, CAUGHT, SOURCE}:
            if node.func.id in ("eval", "exec") and node.args and not isinstance(node.args[0], ast.Starred):
                text = ast.Call(ast.Name(SOURCE, ast.Load()), [node.args[0]], [])
                node.args[0] = ast.fix_missing_locations(ast.copy_location(text, node.args[0]))
            return node
        name = ast.copy_location(ast.Name(CALL, ast.Load()), node.func)
        return ast.copy_location(ast.Call(name, [node.func, *node.args], node.keywords), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """``"%.3f" % x`` asks for ``float(x)`` out of sight."""
        self.generic_visit(node)
        if not (isinstance(node.op, ast.Mod) and isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)):
            return node
        function = ast.Attribute(node.left, "__mod__", ast.Load())
        new = ast.Call(ast.Name(CALL, ast.Load()), [function, node.right], [])
        return ast.fix_missing_locations(ast.copy_location(new, node))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """An f-string that holds the text of a traced value is one, too."""
        self.generic_visit(node)
        if len(node.values) < 2:
            return node
        parts: list[ast.expr] = [v if isinstance(v, ast.Constant) else ast.JoinedStr([v]) for v in node.values]
        join = ast.Attribute(ast.Constant(""), "join", ast.Load())
        new = ast.Call(ast.Name(CALL, ast.Load()), [join, ast.List(parts, ast.Load())], [])
        return ast.fix_missing_locations(ast.copy_location(new, node))

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:
        node.value = self.visit(node.value)  # what stands behind the colon stays an f-string, as the grammar has it
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        """A handler asks whether what it caught is the program's own error."""
        wanted = copy.deepcopy(node.type) or ast.Constant(None)
        self.generic_visit(node)
        first = ast.Expr(ast.Call(ast.Name(CAUGHT, ast.Load()), [wanted], []))
        node.body.insert(0, ast.fix_missing_locations(ast.copy_location(first, node)))
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """``np.r_[...]`` and ``np.c_[...]`` are calls in the shape of a subscript."""
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load) and getattr(node.value, "attr", getattr(node.value, "id", "")) in ("r_", "c_"):
            new = ast.Call(ast.Name(OWN, ast.Load()), [node.value, ast.Constant(None)], [])
            node.value = ast.fix_missing_locations(ast.copy_location(new, node.value))
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._scope(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._scope(node)

    def _scope(self, node: Any) -> ast.AST:
        self.locals.append(_plain_locals(node))
        self.generic_visit(node)
        self.locals.pop()
        return node  # type: ignore[no-any-return]

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.locals.append(set())
        self.generic_visit(node)
        self.locals.pop()
        return node

    def visit_Assign(self, node: ast.Assign) -> Any:
        self.generic_visit(node)
        target = node.targets[0]
        if len(node.targets) != 1 or not isinstance(target, ast.Subscript) or not isinstance(target.value, ast.Name) \
                or target.value.id not in self.locals[-1]:
            return node
        self.count += 1
        name, value = target.value.id, f"__wengert_value_{self.count}__"

        def at(new: Any) -> Any:
            return ast.fix_missing_locations(ast.copy_location(new, node))
        keep = at(ast.Assign([ast.Name(value, ast.Store())], node.value))
        own = at(ast.Assign([ast.Name(name, ast.Store())], ast.Call(
            ast.Name(OWN, ast.Load()), [ast.Name(name, ast.Load()), ast.Name(value, ast.Load())], [])))
        store = at(ast.Assign([target], ast.Name(value, ast.Load())))
        return [keep, own, store]


def _plain_locals(node: Any) -> set[str]:
    """Names assigned in this function itself and declared neither global nor nonlocal."""
    assigned = {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
    outer: set[str] = set()
    stack: list[ast.AST] = list(node.body) if isinstance(node.body, list) else [node.body]
    while stack:
        n = stack.pop()
        if isinstance(n, (ast.Global, ast.Nonlocal)):
            outer.update(n.names)
        elif isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store):
            assigned.add(n.id)
        if not isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.ListComp, ast.SetComp,
                              ast.DictComp, ast.GeneratorExp)):
            stack.extend(ast.iter_child_nodes(n))
    return assigned - outer


# ---------------------------------------------------------------- finding the source

_Codes = dict[tuple[str, int], list[types.CodeType]]
# By the id of a code object: the object itself, which keeps the id its own, and its rewritten code.
_Done = dict[tuple[int, Any], tuple[types.CodeType, types.CodeType]]
_FILES: dict[str, tuple[int, ast.Module | None, _Codes, _Done]] = {}
_MOST_FILES, _MOST_CODES = 1_000, 10_000  # every cell of a notebook is a file; one compiled again and again gives new code


def _file(filename: str) -> tuple[ast.Module | None, _Codes, _Done]:
    """The syntax tree of a file (or notebook cell), the code it compiles to, and what of that has been rewritten.

    Kept while the text is the same.
    """
    lines = linecache.getlines(filename)
    key = hash(tuple(lines))
    found = _FILES.get(filename)
    if found is None or found[0] != key:
        codes: _Codes = {}
        tree: ast.Module | None = None
        try:
            if lines:
                tree = ast.parse("".join(lines))
                _collect(compile(tree, filename, "exec", dont_inherit=True), codes)
        except (SyntaxError, ValueError):
            tree = None
        if len(_FILES) >= _MOST_FILES:
            _FILES.clear()
        found = _FILES[filename] = (key, tree, codes, {})
    return found[1:]


def _collect(outer: types.CodeType, codes: _Codes) -> None:
    stack = [outer]
    while stack:
        code = stack.pop()
        codes.setdefault((code.co_name, code.co_firstlineno), []).append(code)
        stack.extend(c for c in code.co_consts if isinstance(c, types.CodeType))


def _candidates(tree: ast.Module, code: types.CodeType) -> Iterator[tuple[FunctionNode, str | None]]:
    """Nodes that may be this function, each with the class that surrounds it."""
    stack: list[tuple[ast.AST, str | None]] = [(tree, None)]
    while stack:
        node, owner = stack.pop()
        if isinstance(node, ast.Lambda):
            if code.co_name == "<lambda>" and node.lineno == code.co_firstlineno and _encloses(node.body, code):
                yield node, owner
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *[d.lineno for d in node.decorator_list]])
            if node.name == code.co_name and first == code.co_firstlineno:
                yield node, owner
        inner = node.name if isinstance(node, ast.ClassDef) else owner
        stack.extend((child, inner) for child in ast.iter_child_nodes(node))


def _encloses(body: ast.expr, code: types.CodeType) -> bool:
    """Whether the code of a lambda lies exactly on this body (several lambdas may share a line)."""
    spans = [(line, column, end, end_column) for line, end, column, end_column in code.co_positions()
             if line is not None and column is not None and end is not None and end_column is not None
             and (line, column) != (end, end_column)]
    if not spans:
        return True
    first, last = min(s[:2] for s in spans), max(s[2:] for s in spans)
    return first == (body.lineno, body.col_offset) and last == (body.end_lineno, body.end_col_offset)


def _compile(node: FunctionNode, free: tuple[str, ...], filename: str, owner: str | None, flags: int) -> types.CodeType:
    """The code of one function node, compiled with its free variables around it."""
    node.args.defaults = []  # they belong to the scope around it, where a lambda among them could be taken for this one
    node.args.kw_defaults = [None] * len(node.args.kw_defaults)
    if isinstance(node, ast.Lambda):
        inner: ast.stmt = ast.Assign([ast.Name("__wengert_lambda__", ast.Store())], node)
    else:
        # not under its own name: a recursive call has to find the user's function, not this one
        inner = type(node)(**{**{f: getattr(node, f) for f in node._fields}, "decorator_list": [], "name": _INNER})
        ast.copy_location(inner, node)
    body: list[ast.stmt] = [inner]
    if owner is not None:  # private names are mangled with the class name; underscores keep it apart from the class itself
        body = [ast.ClassDef(f"________{owner}", [], [], body, [])]
    names = [n for n in free if n != "__class__"]
    arguments = ast.arguments([], [ast.arg(n) for n in names], None, [], [], None, [])
    factory = ast.FunctionDef(_FACTORY, arguments, body, [])
    module = ast.fix_missing_locations(ast.copy_location(ast.Module([factory], []), node))
    compiled = compile(module, filename, "exec", flags=flags, dont_inherit=True)
    if isinstance(node, ast.Lambda):
        return _find_code(compiled, "<lambda>", node)
    return _find_code(compiled, _INNER, node).replace(co_name=node.name, co_qualname=node.name)


def _find_code(outer: types.CodeType, name: str, node: FunctionNode) -> types.CodeType:
    first = node.lineno
    stack = [outer]
    while stack:
        code = stack.pop(0)
        if code.co_name == name and code.co_firstlineno == first and code is not outer:
            return code
        stack.extend(c for c in code.co_consts if isinstance(c, types.CodeType))
    raise LookupError(name)


def _same_code(a: types.CodeType, b: types.CodeType) -> bool:
    """Equal bytecode, names and constants, nested functions included, at the same lines."""
    if (a.co_code, a.co_names, a.co_varnames, a.co_freevars, a.co_cellvars) != (
            b.co_code, b.co_names, b.co_varnames, b.co_freevars, b.co_cellvars):
        return False
    if len(a.co_consts) != len(b.co_consts):
        return False
    return all(_same_code(x, y) if isinstance(x, types.CodeType) and isinstance(y, types.CodeType)
               else type(x) is type(y) and (x == y or x != x) for x, y in zip(a.co_consts, b.co_consts, strict=True))


_FUTURE = 0x1000000  # from __future__ import annotations


Transform = Callable[[FunctionNode, types.FunctionType, "str | None"], None]


def rewrite(function: types.FunctionType, cells: dict[str, Any], transform: Transform) -> types.FunctionType | None:
    """The function with its tree transformed, or None if its source is not to be had; the parameters are `rewritten_code`'s."""
    compiled = rewritten_code(function, cells, transform)
    return None if compiled is None else bound(function, compiled, cells)


def rewritten_code(function: types.FunctionType, cells: dict[str, Any], transform: Transform) -> types.CodeType | None:
    """The code of the function with its tree transformed, or None if its source is not to be had.

    The code is rewritten once, however many functions a loop makes of it.

    Parameters
    ----------
    function : function
    cells : dict
        Names that the transformed tree uses, and what they stand for.
    transform : callable
        ``transform(node, function, owner)`` changes a copy of the function's node in place; `owner` is the name of the class
        around it, or None.
    """
    code = function.__code__
    tree, codes, done = _file(code.co_filename)
    if tree is None:
        return None
    found = done.get((id(code), transform))
    if found is None:
        written = codes.get((code.co_name, code.co_firstlineno), [])
        if not any(_same_code(w, code) for w in written):
            return None  # the file is not what this function was compiled from
        nodes = list(_candidates(tree, code))
        compiled = _rewritten(function, *nodes[0], tuple(cells), transform) if len(nodes) == 1 else None
        if compiled is None:
            return None
        if len(done) >= _MOST_CODES:
            done.clear()
        if transform is reach_calls:  # functions inside it may be rewritten in another way, from the same source
            _collect(compiled, codes)
        found = done[id(code), transform] = code, compiled
    return found[1]


def _rewritten(function: types.FunctionType, node: FunctionNode, owner: str | None, names: tuple[str, ...],
               transform: Transform) -> types.CodeType | None:
    code = function.__code__
    new = _copied(node)
    transform(new, function, owner)
    try:
        return _compile(new, (*code.co_freevars, *names), code.co_filename, owner, code.co_flags & _FUTURE)
    except (SyntaxError, LookupError):
        return None


def _copied(node: Any) -> Any:
    """A syntax tree of its own; `copy.deepcopy` takes several times as long."""
    kind: Any = type(node)
    new = kind.__new__(kind)
    for name, value in node.__dict__.items():
        if type(value) is list:
            value = [_copied(v) if isinstance(v, ast.AST) else v for v in value]
        elif isinstance(value, ast.AST):
            value = _copied(value)
        setattr(new, name, value)
    return new


def bound(function: types.FunctionType, compiled: types.CodeType, cells: dict[str, Any]) -> types.FunctionType:
    """The rewritten code with everything else of the function: its closure, globals, defaults and names."""
    known = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    known.update({name: types.CellType(value) for name, value in cells.items()})
    closure = tuple([known[n] for n in compiled.co_freevars])
    out = types.FunctionType(compiled, function.__globals__, function.__name__, function.__defaults__, closure)
    out.__kwdefaults__ = function.__kwdefaults__
    out.__dict__.update(function.__dict__)
    out.__qualname__, out.__module__, out.__doc__ = function.__qualname__, function.__module__, function.__doc__
    return out


def reach_calls(node: FunctionNode, function: types.FunctionType, owner: str | None) -> None:
    """Calls and stores go through wengert."""
    visitor = _Calls(_plain_locals(node) - set(function.__code__.co_cellvars))
    if isinstance(node, ast.Lambda):
        node.body = visitor.visit(node.body)
        return
    body: list[ast.stmt] = []
    for statement in node.body:
        result = visitor.visit(statement)
        body.extend(result if isinstance(result, list) else [result])
    node.body = body
    node.decorator_list = []
