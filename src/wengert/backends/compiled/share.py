"""Sharing: the loops of a library call become a function of a number, which several threads call.

What comes in: how many parts there are, and what writes the code of one. What goes out: a function of the module, and a call of
the pool with it. The one idea: what the function reads from around it are pointers; a frame in memory holds them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from wengert.backends.compiled import pool
from wengert.backends.compiled.code import Code

__all__ = ["WORTH", "share", "worth"]

WORTH = 3e6  # multiplications that are worth another thread
MOST = 15    # pointers that a function can be given

_NAME = re.compile(r"%[\w.]+")
_DEFINED = re.compile(r"^\s*(%[\w.]+) = |^([\w.]+):", re.MULTILINE)


def worth(code: Code, work: float) -> bool:
    """Whether a call of so many multiplications may be shared."""
    return work >= WORTH and pool.available() and not code.module.standalone


def share(code: Code, parts: int | str, scratch: Callable[[int], str], body: Callable[[str], None]) -> None:
    """``body(k)`` for each part k, in any order and at the same time; it reads pointers alone from around it."""
    outer, code.lines = code.lines, []
    try:
        body("%part")
        text = "\n".join(code.lines)
    finally:
        code.lines = outer
    inside = {name or "%" + label for name, label in _DEFINED.findall(text)} | {"%part"}
    taken = [name for name in dict.fromkeys(_NAME.findall(text)) if name not in inside]
    assert len(taken) <= MOST, taken
    frame, name = scratch(8 * MOST), code.module.fresh("part")
    head = [f"define internal void @{name}(ptr %frame, i64 %part) #0 {{", "entry:"]
    for k, pointer in enumerate(taken):
        code.line(f"store ptr {pointer}, ptr {code.op(f'getelementptr ptr, ptr {frame}, i64 {k}')}")
        head += [f"  %at{k} = getelementptr ptr, ptr %frame, i64 {k}", f"  {pointer} = load ptr, ptr %at{k}"]
    code.module.functions.append("\n".join([*head, "  br label %begin", "begin:", text, "  ret void", "}"]))
    code.module.symbols[pool.NAME] = pool.address()
    code.module.declare(f"declare void @{pool.NAME}(ptr, ptr, i64, i64, i64)")
    helpers = code.op(f"sub i64 {parts}, 1")
    code.line(f"call void @{pool.NAME}(ptr @{name}, ptr {frame}, i64 {parts}, i64 {helpers}, i64 0)")
