"""Which primitive stands for which ufunc.

What comes in: a ufunc of NumPy or SciPy. What goes out: its primitive. The one idea: a primitive names its ufunc,
so there is no table to keep; SciPy's are looked up by name, and only when one of them is met.
"""

from __future__ import annotations

import sys
from typing import Any

from wengert.graph import REGISTRY, Primitive

__all__ = ["find_primitive"]

_BY_UFUNC: dict[Any, Primitive] = {}
_BY_NAME: dict[str, Primitive] = {}


def find_primitive(ufunc: Any) -> Primitive | None:
    """The primitive of a ufunc, or None."""
    import wengert.primitives  # noqa: F401  (registers them)
    if len(_BY_UFUNC) + len(_BY_NAME) == 0:
        for p in REGISTRY.values():
            if isinstance(p.ufunc, str):
                _BY_NAME[p.ufunc] = p
            elif p.ufunc is not None:
                _BY_UFUNC[p.ufunc] = p
    found = _BY_UFUNC.get(ufunc)
    if found is None:
        special = sys.modules.get("scipy.special")
        name = getattr(ufunc, "__name__", "")
        if special is not None and getattr(special, name, None) is ufunc:
            found = _BY_NAME.get(name)
    return found
