"""Reaching the graph: what NumPy's protocols do not carry.

What comes in: the user's function. What goes out: one that behaves the same and whose calls go through wengert.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["reach"]


def reach(f: Callable[..., Any]) -> Callable[..., Any]:
    return f
