"""Making a failing program small.

What comes in: a source, and a test whether a source still fails. What goes out: a shorter source that fails too. The
one idea: delete statements, put the body of a compound statement in its place, replace expressions by parts of
themselves, and begin again until nothing can go.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["shrink"]

_BODIES = ("body", "orelse")


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for name in _BODIES:
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield block


def _without(tree: ast.Module) -> Iterator[ast.Module]:
    """The trees with one statement less, the last first; runs of statements before single ones."""
    for b, block in enumerate(list(_blocks(tree))):
        size = max(len(block) // 2, 1)
        while size:
            for start in range(len(block) - size, -1, -size):
                new = copy.deepcopy(tree)
                changed = list(_blocks(new))[b]
                del changed[start:start + size]
                if not changed and (b == 0 or not any(changed is n.orelse for n in ast.walk(new) if hasattr(n, "orelse"))):
                    changed.append(ast.Pass())
                yield new
            size //= 2


def _unwrapped(tree: ast.Module) -> Iterator[ast.Module]:
    for b, block in enumerate(list(_blocks(tree))):
        for k, statement in enumerate(block):
            for name in _BODIES:
                inner = getattr(statement, name, None)
                if isinstance(inner, list) and inner and not isinstance(statement, ast.FunctionDef):
                    new = copy.deepcopy(tree)
                    changed = list(_blocks(new))[b]
                    changed[k:k + 1] = getattr(changed[k], name)
                    yield new


def _simpler(tree: ast.Module) -> Iterator[ast.Module]:
    """The trees with one expression replaced by a part of it."""
    places = [(n, field, i) for n, node in enumerate(ast.walk(tree)) for field, value in ast.iter_fields(node)
              for i in (range(len(value)) if isinstance(value, list) else (None,))
              if isinstance(value if i is None else value[i], (ast.BinOp, ast.Call, ast.IfExp, ast.BoolOp, ast.Subscript,
                                                            ast.UnaryOp))]
    for n, field, i in places:
        old = getattr(list(ast.walk(tree))[n], field)
        old = old if i is None else old[i]
        if isinstance(getattr(old, "ctx", None), ast.Store):
            continue
        for part in [c for c in ast.iter_child_nodes(old) if isinstance(c, ast.expr) and not isinstance(c, ast.Attribute)]:
            new = copy.deepcopy(tree)
            node = list(ast.walk(new))[n]
            if i is None:
                setattr(node, field, copy.deepcopy(part))
            else:
                getattr(node, field)[i] = copy.deepcopy(part)
            yield new


def _smaller(tree: ast.Module, ways: Any, fails: Callable[[str], bool], tries: list[int]) -> ast.Module | None:
    for way in ways:
        for new in way(tree):
            tries[0] -= 1
            if tries[0] < 0:
                return None
            try:
                text = ast.unparse(ast.fix_missing_locations(new))
                if text != ast.unparse(tree) and fails(text):
                    return ast.parse(text)
            except (SyntaxError, ValueError):
                continue
    return None


def shrink(source: str, fails: Callable[[str], bool], limit: int = 1500) -> str:
    """The smallest source found, with at most `limit` attempts, for which `fails` holds."""
    tree, tries = ast.parse(source), [limit]
    while True:
        smaller = _smaller(tree, (_without, _unwrapped, _simpler), fails, tries)
        if smaller is None:
            return ast.unparse(tree) + "\n"
        tree = smaller
