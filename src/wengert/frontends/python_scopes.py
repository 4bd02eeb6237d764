"""Looking at a syntax tree: what one scope assigns, declares and jumps to.

What comes in: statements of a function. What goes out: their nodes, names and jumps, without those of the functions inside it.
The one idea: a nested function is a scope of its own, so no walk enters it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["LOOPS", "SCOPES", "assigned", "declared", "ends", "has", "locate", "walk"]

SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
LOOPS = (ast.For, ast.While)


def inside(n: ast.AST) -> Iterable[ast.AST]:
    """What lies inside a node in this scope: nested functions are not entered."""
    return () if isinstance(n, SCOPES) else ast.iter_child_nodes(n)


_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")


def blocks(n: ast.AST) -> Iterable[ast.AST]:
    """The statements inside a statement of this scope."""
    return () if isinstance(n, SCOPES) else [inner for name in _BLOCKS for inner in getattr(n, name, ())]


def blocks_of_turn(n: ast.AST) -> Iterable[ast.AST]:
    """Likewise; of an inner loop only the ``else``, whose jumps are those of the loop around it."""
    return n.orelse if isinstance(n, LOOPS) else blocks(n)  # type: ignore[attr-defined]


def walk(nodes: Any, inside: Callable[[ast.AST], Iterable[ast.AST]] = inside) -> Iterator[ast.AST]:
    """Nodes of this scope."""
    stack = list(nodes)[::-1]
    while stack:
        n = stack.pop()
        yield n
        stack.extend([*inside(n)][::-1])


def assigned(nodes: Any) -> list[str]:
    out: dict[str, None] = {}
    for n in walk(nodes):
        if isinstance(n, ast.Name) and isinstance(n.ctx, (ast.Store, ast.Del)):
            out[n.id] = None
        elif isinstance(n, (ast.FunctionDef, ast.ClassDef)):
            out[n.name] = None
        elif isinstance(n, (ast.Import, ast.ImportFrom)):
            out.update(dict.fromkeys(a.asname or a.name.split(".")[0] for a in n.names))
        elif isinstance(n, ast.ExceptHandler) and n.name:
            out[n.name] = None
    return list(out)


def declared(nodes: Any, kind: Any) -> set[str]:
    return {name for n in walk(nodes, blocks) if isinstance(n, kind) for name in n.names}


def has(nodes: Any, *kinds: Any, loops: bool = True) -> bool:
    """Whether a statement of these kinds is in the blocks, those of inner loops included or not."""
    return any(isinstance(n, kinds) for n in walk(nodes, blocks if loops else blocks_of_turn))


def ends(body: list[ast.stmt]) -> bool:
    """Whether every path through the block ends in a return or raise."""
    last = body[-1] if body else None
    return isinstance(last, (ast.Return, ast.Raise)) or (isinstance(last, ast.If) and ends(last.body) and ends(last.orelse))


def locate(root: Any, operators: str) -> None:
    """Give nodes that were made the place of what is around them, as `ast.fix_missing_locations` does.

    Attributes of the name `operators` end where they begin: Python gives a call the line where its name ends.
    """
    stack: list[tuple[Any, Any]] = [(root, (root.lineno, root.col_offset, root.end_lineno, root.end_col_offset))]
    while stack:
        n, place = stack.pop()
        if "lineno" in n._attributes:
            if getattr(n, "end_lineno", None) is None:
                n.lineno, n.col_offset, n.end_lineno, n.end_col_offset = place
            else:
                place = n.lineno, n.col_offset, n.end_lineno, n.end_col_offset
        for name in n._fields:
            value = getattr(n, name, None)
            if type(value) is list:
                stack.extend([(child, place) for child in value if isinstance(child, ast.AST)])
            elif isinstance(value, ast.AST) and value._fields:
                stack.append((value, place))
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == operators:
            n.end_lineno, n.end_col_offset = n.lineno, n.col_offset
