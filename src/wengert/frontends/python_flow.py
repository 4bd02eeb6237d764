"""Rewriting a function's control flow, so that loops and branches go through operators.

What comes in: the syntax tree of a function. What goes out: the same function in which ``for``, ``while``, ``if``, ``and``,
``or``, ``not``, conditional expressions, chained comparisons, jumps, calls and stores have become calls of operators. The one
idea: a block becomes a nested function that shares the variables of the function around it (``nonlocal``), so closures see
what they saw before; a jump becomes a flag, and what follows it is guarded.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wengert.frontends.python_scopes import LOOPS, SCOPES, assigned, declared, ends, has, locate, walk

__all__ = ["FLOW", "FRAME_READERS", "NotRewrittenError", "Refusal", "known_while_traced", "lower"]

FLOW = "__wengert_flow__"
_BREAK, _CONTINUE, _RETURN, VALUE = "__wengert_break", "__wengert_continue", "__wengert_return__", "__wengert_value__"
_ITEM = "__wengert_item__"
FRAME_READERS = {"super", "locals", "globals", "vars", "dir", "eval", "exec", "breakpoint"}
_RUNNERS = {"eval", "exec"}  # code that is a text reads names that nobody sees


# What is refused, and what to write instead.
_REMEDIES = {
    "a generator or coroutine": "return a list or an array in place of yielding; keep the coroutine outside the function",
    "':=' inside a condition": "assign in a statement of its own, before the condition",
    "a jump out of try or match": "set a variable inside, and return, break or continue after it",
    "code in a text": "write it as code, or pass what it gives as an argument",
    "del of an item or attribute": "make a new container without the item: a[:k] + a[k + 1:]",
    "an assignment to a name outside the function": "return the value in place of storing it",
}


@dataclass(frozen=True)
class Refusal:
    """A construct that cannot be staged: what, where, and what to write instead."""

    what: str
    line: int
    column: int

    @property
    def remedy(self) -> str:
        return _REMEDIES[self.what]


class NotRewrittenError(Exception):
    """A function that cannot be staged; `refusals` says why, the message says the first of them."""

    def __init__(self, refusals: Sequence[Refusal]):
        self.refusals = tuple(refusals)
        super().__init__(f"{refusals[0].what} (line {refusals[0].line})")


class _Refusals:
    """Collects what a function is refused for, so that all of it can be said at once."""

    def __init__(self) -> None:
        self.found: dict[Refusal, None] = {}

    def refuse(self, what: str, node: Any) -> None:
        self.found[Refusal(what, getattr(node, "lineno", 0), getattr(node, "col_offset", 0))] = None

    def thunk(self, e: ast.expr) -> ast.Lambda:
        """The expression, to be evaluated later or not at all."""
        for n in ast.walk(e):
            if isinstance(n, ast.NamedExpr):
                self.refuse("':=' inside a condition", n)
            if isinstance(n, (ast.Await, ast.Yield, ast.YieldFrom)):
                self.refuse("a generator or coroutine", n)
        return _thunk(e)


# ---------------------------------------------------------------- small makers of nodes


def _load(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _operator(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(_load(FLOW), name, ast.Load()), list(arguments), [])


def _seen(was: ast.expr, node: ast.expr, name: str = "seen") -> ast.expr:
    """An operand that may be an object of a class with operators of its own; not what is computed or written here."""
    if not isinstance(was, (ast.Name, ast.Attribute, ast.Subscript)):
        return node
    return ast.copy_location(_operator(name, node), was)


def _arguments(*names: str) -> ast.arguments:
    return ast.arguments([], [ast.arg(n) for n in names], None, [], [], None, [])


def _assign(name: str, value: ast.expr) -> ast.stmt:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _true(name: str) -> ast.stmt:
    return _assign(name, ast.Constant(True))


def _false(name: str) -> ast.stmt:
    return _assign(name, ast.Constant(False))


def _thunk(e: ast.expr) -> ast.Lambda:
    return ast.Lambda(_arguments(), e)


def _any(names: Sequence[str]) -> ast.expr:
    return _load(names[0]) if len(names) == 1 else ast.BoolOp(ast.Or(), [_load(n) for n in names])


# ---------------------------------------------------------------- errors that are Python's alone

_WHILE_TRACED = {"AttributeError", "ImportError", "KeyError", "ModuleNotFoundError", "NameError"}


def known_while_traced(error: ast.expr | None) -> bool:
    """Whether an except clause is for errors of Python alone: no graph raises them, nor is a refusal to stage one of them."""
    if isinstance(error, ast.Tuple):
        return all(known_while_traced(e) for e in error.elts)
    return isinstance(error, ast.Name) and error.id in _WHILE_TRACED


# ---------------------------------------------------------------- jumps

def _past(flags: list[str], rest: list[ast.stmt]) -> ast.If:
    """What follows a jump, and does not run where one of these flags is up."""
    guarded: Any = ast.If(ast.UnaryOp(ast.Not(), _any(flags)), rest, [])
    guarded.operator = "if_past"
    return guarded  # type: ignore[no-any-return]


class _Jumps:
    """``break``, ``continue`` and early ``return`` become flags; what follows a jump is guarded."""

    def __init__(self, body: list[ast.stmt], refusals: _Refusals):
        self.refusals = refusals
        jumps = (ast.Return, ast.Raise)
        self.early = has(body[:-1], *jumps) or (not isinstance(body[-1], jumps) and has(body, *jumps))
        self.loops = 0

    def block(self, statements: list[ast.stmt], loop: int) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for i, s in enumerate(statements):
            flags, rest = self.flags(s, loop), statements[i + 1 :]
            out += [ast.copy_location(n, s) for n in self.statement(s, loop)]
            if flags and rest:
                return [*out, ast.copy_location(_past(flags, self.block(rest, loop)), s)]
        return out

    def flags(self, s: ast.stmt, loop: int) -> list[str]:
        """The flags that the statement may raise."""
        out = []
        if has([s], ast.Break, loops=False):
            out.append(f"{_BREAK}{loop}__")
        if has([s], ast.Continue, loops=False):
            out.append(f"{_CONTINUE}{loop}__")
        if self.early and not isinstance(s, ast.Try) and has([s], ast.Return, ast.Raise):
            out.append(_RETURN)
        return out

    def statement(self, s: ast.stmt, loop: int) -> list[ast.stmt]:
        if isinstance(s, ast.Break):
            return [_true(f"{_BREAK}{loop}__")]
        if isinstance(s, ast.Continue):
            return [_true(f"{_CONTINUE}{loop}__")]
        if isinstance(s, ast.Return) and self.early:
            return [_assign(VALUE, _operator("result", s.value or ast.Constant(None))), _true(_RETURN)]
        if isinstance(s, ast.Raise) and self.early and s.exc is not None:
            why = self.refusals.thunk(s.cause or ast.Constant(None))
            return [ast.Expr(_operator("raise_", self.refusals.thunk(s.exc), why)), _true(_RETURN)]
        if isinstance(s, (ast.Try, ast.Match)) and has([s], ast.Return, ast.Break, ast.Continue):
            self.refusals.refuse("a jump out of try or match", s)
        if isinstance(s, ast.If):
            s.body, s.orelse = self.block(s.body, loop), self.block(s.orelse, loop)
        elif isinstance(s, ast.With):
            s.body = self.block(s.body, loop)
        elif isinstance(s, LOOPS):
            return self.loop(s, loop)
        return [s]

    def loop(self, s: Any, around: int) -> list[ast.stmt]:
        self.loops += 1
        k = self.loops
        stops = [f"{_BREAK}{k}__"] if has(s.body, ast.Break, loops=False) else []
        after = list(stops)
        if self.early and has(s.body, ast.Return, ast.Raise):
            stops.append(_RETURN)
            after.append(_RETURN)
        skips = has(s.body, ast.Continue, loops=False)
        s.stops = stops
        s.body = ([_false(f"{_CONTINUE}{k}__")] if skips else []) + self.block(s.body, k)
        orelse, s.orelse = self.block(s.orelse, around), []
        if orelse and after:
            orelse = [_past(after, orelse)]
        return [*([_false(stops[0])] if stops and stops[0] != _RETURN else []), s, *orelse]


# ---------------------------------------------------------------- statements and expressions


class _Lower(ast.NodeTransformer):
    """Control flow to calls of operators, innermost last."""

    def __init__(self, owner: str | None, refusals: _Refusals, free: frozenset[str]) -> None:
        self.owner, self.free = owner, free
        self.refuse, self.thunk, self.refusals = refusals.refuse, refusals.thunk, refusals
        self.count = 0
        self.scopes: list[tuple[set[str], set[str]]] = []  # global names; names that nested functions rebind

    # ------------------------------------------------------------ functions

    def function(self, node: Any) -> Any:
        if isinstance(node, ast.AsyncFunctionDef) or any(
                isinstance(n, (ast.Yield, ast.YieldFrom, ast.Await)) for n in walk(node.body)):
            self.refuse("a generator or coroutine", node)
        returns, jumps = ends(node.body), _Jumps(node.body, self.refusals)
        globals_ = declared(node.body, ast.Global)
        self.outside(node, globals_)
        node.body = jumps.block(node.body, 0)
        if jumps.early:
            last = _operator("returned", ast.Constant(True) if returns else _load(_RETURN), _load(VALUE))
            node.body = [_false(_RETURN), _assign(VALUE, ast.Constant(None)), *node.body, ast.Return(last)]
        outside = globals_ | declared(node.body, ast.Nonlocal)
        names = [n for n in assigned(node.body) if n not in outside]
        rebound = {
            name for n in walk(node.body) if isinstance(n, ast.FunctionDef)
            for inner in ast.walk(n) if isinstance(inner, ast.Nonlocal) for name in inner.names
        }
        self.scopes.append((globals_, rebound.intersection(names)))
        node.body = self.block(node.body)
        self.scopes.pop()
        # never run: it makes the names local to this function, not to its blocks, and shows that the function is rewritten
        never = [*[_assign(n, ast.Constant(None)) for n in names], ast.Expr(_load(FLOW))]
        node.body.insert(0, ast.If(ast.Constant(False), never, []))
        return node

    def outside(self, node: Any, globals_: set[str]) -> None:
        """Refuse assignments that the graph would not repeat: to globals, and to variables around the staged function."""
        names = globals_ | {n for n in declared(node.body, ast.Nonlocal) if not self.scopes or n in self.free}
        if not names:
            return
        for n in walk(node.body):
            if set(assigned([n] if isinstance(n, (ast.Name, *SCOPES)) else [])) & names:
                self.refuse("an assignment to a name outside the function", n)

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for s in statements:
            result = self.visit(s)
            out.extend(result if isinstance(result, list) else [result])
        return out

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        node.args = self.generic_visit(node.args)  # type: ignore[assignment]
        node.decorator_list = [self.visit(d) for d in node.decorator_list]
        return self.function(node)

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        self.generic_visit(node)
        node.body = ast.copy_location(ast.IfExp(ast.Constant(True), node.body, _load(FLOW)), node.body)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        self.refuse("a generator or coroutine", node)
        return node

    # ------------------------------------------------------------ blocks

    def closure(self, name: str, body: list[ast.stmt], names: Sequence[str], *arguments: str) -> ast.stmt:
        """A nested function over the same variables."""
        globals_ = self.scopes[-1][0]
        head: list[ast.stmt] = []
        if own := [n for n in names if n not in globals_]:
            head.append(ast.Nonlocal(own))
        if shared := [n for n in names if n in globals_]:
            head.append(ast.Global(shared))
        return ast.FunctionDef(name, _arguments(*arguments), [*head, *(body or [ast.Pass()])], [])

    def state(self, k: int, names: Sequence[str]) -> tuple[list[ast.stmt], list[ast.expr]]:
        """Functions that read and set the variables a block may change; an unbound one is read as a placeholder."""
        read = [_operator("read", ast.Constant(n), ast.Lambda(_arguments(), _load(n))) for n in names]
        get = self.closure(f"__wengert_get{k}__", [ast.Return(ast.List(list(read), ast.Load()))], [])
        put: list[ast.stmt] = []
        if names:
            put.append(ast.Assign([ast.List([ast.Name(n, ast.Store()) for n in names], ast.Store())], _load("values")))
            for n in names:
                put.append(ast.If(_operator("is_unbound", _load(n)), [ast.Delete([ast.Name(n, ast.Del())])], []))
        setter = self.closure(f"__wengert_put{k}__", put, names, "values")
        return [get, setter], [
            _load(f"__wengert_get{k}__"),
            _load(f"__wengert_put{k}__"),
            ast.Tuple([ast.Constant(n) for n in names], ast.Load()),
        ]

    def changed(self, nodes: Any) -> list[str]:
        return list(dict.fromkeys([*assigned(nodes), *sorted(self.scopes[-1][1])]))

    def at(self, nodes: list[Any], node: ast.AST) -> list[Any]:
        return [ast.copy_location(n, node) for n in nodes]  # `lower` gives what lies inside the same lines

    def visit_If(self, node: ast.If) -> Any:
        self.count += 1
        k = self.count
        names = self.changed([*node.body, *node.orelse])
        functions, state = self.state(k, names)
        test = self.visit(node.test)
        return self.at(
            [
                *functions,
                self.closure(f"__wengert_then{k}__", self.block(node.body), names),
                self.closure(f"__wengert_else{k}__", self.block(node.orelse), names),
                ast.Expr(_operator(getattr(node, "operator", "if_"), test, _load(f"__wengert_then{k}__"),
                                   _load(f"__wengert_else{k}__"), *state)),
            ],
            node,
        )

    def loop(self, node: Any, operator: str, first: ast.expr, before: list[ast.stmt], *arguments: str) -> Any:
        self.count += 1
        k = self.count
        names = self.changed([*before, *node.body])
        functions, state = self.state(k, names)
        stops = getattr(node, "stops", [])
        halt: ast.expr = self.thunk(self.visit(_any(stops))) if stops else ast.Constant(None)
        body = self.closure(f"__wengert_body{k}__", [*self.block(before), *self.block(node.body)], names, *arguments)
        return self.at(
            [*functions, body, ast.Expr(_operator(operator, first, halt, _load(f"__wengert_body{k}__"), *state))], node
        )

    def visit_While(self, node: ast.While) -> Any:
        return self.loop(node, "while_", self.thunk(self.visit(node.test)), [])

    def visit_For(self, node: ast.For) -> Any:
        item = ast.copy_location(ast.Assign([node.target], _load(_ITEM)), node)
        return self.loop(node, "for_", self.visit(node.iter), [item], _ITEM)

    def visit_Try(self, node: ast.Try) -> Any:
        """An error of the program that runs later can be caught no more: blocks that may raise one are refused."""
        node.body = self.block(node.body)
        node.orelse, node.finalbody = self.block(node.orelse), self.block(node.finalbody)
        if all(known_while_traced(h.type) for h in node.handlers):
            for handler in node.handlers:
                handler.body = self.block(handler.body)
            return node
        self.count += 1
        mark = f"__wengert_mark{self.count}__"
        seen = ast.Expr(_operator("tried", _load(mark)))
        for handler in node.handlers:
            handler.type = handler.type and self.visit(handler.type)
            handler.body = [seen, *self.block(handler.body)]
        node.orelse = [seen, *node.orelse]
        return self.at([_assign(mark, _operator("mark")), node], node)

    visit_TryStar = visit_Try  # type: ignore[assignment]

    def visit_With(self, node: ast.With) -> Any:
        for item in node.items:
            item.context_expr = ast.copy_location(_operator("context", self.visit(item.context_expr)), item.context_expr)
        node.body = self.block(node.body)
        return node

    # ------------------------------------------------------------ expressions

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        self.generic_visit(node)
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        out = node.values[-1]
        for value in reversed(node.values[:-1]):
            out = _operator(name, value, self.thunk(out))
        return ast.copy_location(out, node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Any:
        operand = node.operand
        self.generic_visit(node)
        if isinstance(node.op, ast.Not):
            return ast.copy_location(_operator("not_", node.operand), node)
        node.operand = _seen(operand, node.operand)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        left, right = node.left, node.right
        self.generic_visit(node)
        node.left, node.right = _seen(left, node.left), _seen(right, node.right)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        iterable = node.iter
        self.generic_visit(node)
        node.iter = _seen(iterable, node.iter)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        self.generic_visit(node)
        return ast.copy_location(_operator("if_else", node.test, self.thunk(node.body), self.thunk(node.orelse)), node)

    def visit_Compare(self, node: ast.Compare) -> Any:
        """``a < b < c``: the middle operand is evaluated once, the rest only if the first comparison holds."""
        operands = [node.left, *node.comparators]
        self.generic_visit(node)
        if not all(isinstance(op, (ast.In, ast.NotIn, ast.Is, ast.IsNot)) for op in node.ops):
            pairs = zip(operands, [node.left, *node.comparators], strict=True)
            node.left, *node.comparators = [_seen(was, new, "compared") for was, new in pairs]
        return self.chain(node)

    def chain(self, node: ast.Compare) -> Any:
        if len(node.ops) == 1:
            if isinstance(node.ops[0], (ast.In, ast.NotIn)):
                found = _operator("contains", node.comparators[0], node.left)
                return ast.copy_location(_operator("not_", found) if isinstance(node.ops[0], ast.NotIn) else found, node)
            if isinstance(node.ops[0], (ast.Is, ast.IsNot)):
                same = _operator("same_object", node.left, node.comparators[0])
                return ast.copy_location(_operator("not_", same) if isinstance(node.ops[0], ast.IsNot) else same, node)
            return node
        a, b = f"__wengert_a{len(node.ops)}__", f"__wengert_b{len(node.ops)}__"
        rest = self.chain(ast.Compare(_load(b), node.ops[1:], node.comparators[1:]))
        first = self.chain(ast.Compare(_load(a), node.ops[:1], [_load(b)]))
        body = _operator("and_", first, self.thunk(rest))
        return ast.copy_location(ast.Call(ast.Lambda(_arguments(a, b), body), [node.left, node.comparators[0]], []), node)

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in FRAME_READERS:
            if node.func.id in _RUNNERS:
                self.refuse("code in a text", node)
            if node.func.id not in ("vars", "dir") or not node.args:
                return node
        return ast.copy_location(
            ast.Call(ast.Attribute(_load(FLOW), "call", ast.Load()), [node.func, *node.args], node.keywords), node
        )

    def visit_List(self, node: ast.List) -> Any:
        return self.made(node) if isinstance(node.ctx, ast.Load) else self.generic_visit(node)

    def made(self, node: Any) -> Any:
        """A container made here may be changed here."""
        self.generic_visit(node)
        return ast.copy_location(_operator("made", node), node)

    def visit_Starred(self, node: ast.Starred) -> Any:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = _operator("seen", node.value)
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_Dict = visit_Set = made

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            return node
        return ast.copy_location(_operator("attribute", node.value, ast.Constant(self.mangled(node.attr))), node)

    def mangled(self, name: str) -> str:
        """A private name as the class around the function makes it."""
        private = self.owner is not None and name.startswith("__") and not name.endswith("__")
        return f"_{(self.owner or '').lstrip('_')}{name}" if private else name

    def visit_Subscript(self, node: ast.Subscript) -> Any:
        self.generic_visit(node)
        return (
            ast.copy_location(_operator("item", node.value, _index(node.slice)), node)
            if isinstance(node.ctx, ast.Load)
            else node
        )

    # ------------------------------------------------------------ stores, asserts

    def visit_Assign(self, node: ast.Assign) -> Any:
        """Stores through a subscript or attribute, also inside unpacking, become operators."""
        node.value = self.visit(node.value)
        if all(isinstance(t, ast.Name) for t in node.targets):
            return node
        if len(node.targets) == 1 and isinstance(node.targets[0], (ast.Subscript, ast.Attribute)):
            return self.at([ast.Expr(self.store(node.targets[0], node.value))], node)
        self.count += 1
        value = f"__wengert_value{self.count}__"
        out: list[ast.stmt] = [_assign(value, node.value)]
        for target in node.targets:
            out.extend(self.unpack(target, _load(value)))
        return self.at(out, node)

    def unpack(self, target: Any, value: ast.expr) -> list[ast.stmt]:
        """Assign a value to a target of any shape; parts that are stored elsewhere go through a name first."""
        if isinstance(target, (ast.Subscript, ast.Attribute)):
            return [ast.Expr(self.store(target, value))]
        if not isinstance(target, (ast.Tuple, ast.List)):
            return [ast.Assign([target], value)]
        later: list[ast.stmt] = []
        parts: list[ast.expr] = []
        for part in target.elts:
            if isinstance(part, ast.Name) or (isinstance(part, ast.Starred) and isinstance(part.value, ast.Name)):
                parts.append(part)
                continue
            self.count += 1
            name = f"__wengert_part{self.count}__"
            inner = part.value if isinstance(part, ast.Starred) else part
            stored = ast.Name(name, ast.Store())
            parts.append(ast.Starred(stored, ast.Store()) if isinstance(part, ast.Starred) else stored)
            later.extend(self.unpack(inner, _load(name)))
        return [ast.Assign([ast.Tuple(parts, ast.Store())], _operator("seen", value)), *later]

    def store(self, target: Any, value: ast.expr) -> ast.expr:
        holder = self.visit(target.value)
        if isinstance(target, ast.Attribute):
            return _operator("store_attribute", value, holder, ast.Constant(self.mangled(target.attr)))
        return _operator("store", value, holder, self.visit(_index(target.slice)))

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        node.value = self.visit(node.value)
        if isinstance(node.target, ast.Name):
            new = _operator("augmented", ast.Constant(type(node.op).__name__), _load(node.target.id), node.value)
            return self.at([_assign(node.target.id, new)], node)
        kind, value = ast.Constant(type(node.op).__name__), self.thunk(node.value)  # Python reads the item before the value
        holder = self.visit(node.target.value)
        if isinstance(node.target, ast.Attribute):
            name = ast.Constant(self.mangled(node.target.attr))
            return self.at([ast.Expr(_operator("update_attribute", holder, name, kind, value))], node)
        return self.at([ast.Expr(_operator("update", holder, self.visit(_index(node.target.slice)), kind, value))], node)

    def visit_Assert(self, node: ast.Assert) -> Any:
        if not __debug__:  # Python leaves them out, too
            return ast.copy_location(ast.Pass(), node)
        message: ast.expr = self.thunk(self.visit(node.msg)) if node.msg else ast.Constant(None)
        return self.at([ast.Expr(_operator("assert_", self.visit(node.test), message))], node)

    def visit_Delete(self, node: ast.Delete) -> Any:
        if any(not isinstance(t, ast.Name) for t in node.targets):
            self.refuse("del of an item or attribute", node)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> Any:
        """An f-string: its text is made when the program runs, if a traced value is in it."""
        self.generic_visit(node)
        parts: list[ast.expr] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                spec: ast.expr = part.format_spec or ast.Constant("")
                parts.append(ast.Tuple([part.value, ast.Constant(part.conversion), spec], ast.Load()))
            else:
                parts.append(part)
        return ast.copy_location(_operator("text", *parts), node)


def _index(node: Any) -> Any:
    """An index as an expression of its own."""
    if isinstance(node, ast.Tuple):
        return ast.Tuple([_index(e) for e in node.elts], ast.Load())
    if isinstance(node, ast.Slice):
        return ast.Call(_load("slice"), [e or ast.Constant(None) for e in (node.lower, node.upper, node.step)], [])
    return node


def lower(node: Any, owner: str | None, free: Sequence[str] = ()) -> Any:
    """The function (or lambda) of a class or of none, with its control flow rewritten; the node is changed in place.

    `free` are the variables of functions around it that it uses.
    """
    refusals = _Refusals()
    lowering = _Lower(owner, refusals, frozenset(free))
    if isinstance(node, ast.Lambda):
        node.body = lowering.visit(node.body)
    else:
        node.decorator_list = []
        node = lowering.function(node)
    if refusals.found:
        raise NotRewrittenError(sorted(refusals.found, key=lambda r: (r.line, r.column)))
    locate(node, FLOW)
    return node
