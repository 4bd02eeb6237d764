"""What makes a class a layer: a frozen dataclass of arrays that says how it is made.

What comes in: the class as written. What goes out: the dataclass, whose constructor and `init` check what they are given. The
one idea: the check stands where a user makes a layer, not where trees are put together again, which calls no constructor.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

import numpy as np

from wengert.errors import InputError, kind_of
from wengert.frontends.trace import user_line

__all__ = ["layer_class"]

_Kind = TypeVar("_Kind", bound=type)


@dataclass_transform(eq_default=False, frozen_default=True, field_specifiers=(dataclasses.field,))
def layer_class(kind: _Kind) -> _Kind:
    """The class as a frozen dataclass; sizes where it holds arrays are refused, with the way to make one from sizes."""
    dataclasses.dataclass(frozen=True, eq=False)(kind)  # the same class, with more methods
    kind.__init__ = _checked_constructor(kind.__init__)  # type: ignore[misc]
    if "init" in vars(kind):
        kind.init = classmethod(_checked_init(vars(kind)["init"].__func__))  # type: ignore[attr-defined]
    return kind


def _checked_constructor(plain: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(plain)

    @functools.wraps(plain)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            plain(self, *args, **kwargs)
        except TypeError:
            wrong = _misfit(signature, (self, *args), kwargs)
            if wrong is None:
                raise
            raise InputError(f"{_remedy(type(self))} ({wrong}, at {user_line()})") from None
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if isinstance(value, (int, np.integer, str)) and not f.metadata.get("static"):
                raise InputError(f"{_remedy(type(self))} ({f.name} is {kind_of(value)}, at {user_line()})")
    return __init__


def _checked_init(plain: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(plain)
    sizes = [p.name for p in signature.parameters.values() if p.annotation in ("int", "int | None")]

    @functools.wraps(plain)
    def init(cls: type, *args: Any, **kwargs: Any) -> Any:
        wrong = _misfit(signature, (cls, *args), kwargs)
        if wrong is not None:
            raise InputError(f"{_call(cls)} makes a layer: {wrong} (at {user_line()})")
        given = signature.bind(cls, *args, **kwargs).arguments
        for name in sizes:
            n = given.get(name)
            if n is None and signature.parameters[name].default is None:
                continue
            if name in given and (isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1):
                what = f"{n}" if isinstance(n, (int, np.integer)) else kind_of(n)
                raise InputError(f"{_call(cls)}: {name} is {what}, not a positive integer (at {user_line()})")
        return plain(cls, *args, **kwargs)
    return init


def _misfit(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """Why the arguments do not fit; None if they do."""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return str(error)
    return None


def _remedy(kind: Any) -> str:
    """What a layer holds, and how one is made."""
    name, fields = kind.__name__, dataclasses.fields(kind)
    if hasattr(kind, "init"):
        return f"{name} holds arrays; {_call(kind)} makes one"
    if len(fields) == 1 and str(fields[0].type).startswith("tuple"):
        return f"{name} takes one tuple: nn.{name}((first, second))"
    return f"{name} takes {', '.join(f.name for f in fields) or 'nothing'}"


def _call(kind: Any) -> str:
    """``nn.Linear.init(key, n_in, n_out)``: the call of `init` with what it needs."""
    own = "nn." if kind.__module__.startswith(__package__ or "") else ""
    needed = [p for p in inspect.signature(kind.init).parameters.values() if p.default is p.empty and p.kind != p.VAR_KEYWORD]
    words = [f"{p.name}=..." if p.kind == p.KEYWORD_ONLY else p.name for p in needed]
    return f"{own}{kind.__name__}.init({', '.join(words)})"
