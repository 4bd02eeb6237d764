"""Whether the results of calls are looked at.

What comes in: a call of a derivative, a batch, a jitted function. What goes out: its result, looked at by whoever `DEBUG`
names: nobody, as a rule. The one idea: a context variable, so that each thread and task has its own, and while a call is looked
at the calls inside it are not: what is not finite there need not reach the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

__all__ = ["BACKWARD", "DEBUG", "TANGENT", "VALUES", "Looking", "add_tag", "look", "look_behind", "split_tags"]

BACKWARD, TANGENT = "backward", "tangent"  # passes of a derivative; what is in neither is in the forward pass


class Looking(Protocol):
    """Who looks at results."""

    def look(self, name: str, call: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any],
             replay: Callable[..., Any], again: Sequence[Any]) -> Any:
        """The result of a call; what gives it once more, from its inputs, is ``replay(*again, **kwargs)``."""


DEBUG: ContextVar[Looking | None] = ContextVar("wengert.debug", default=None)
VALUES: ContextVar[list[Any] | None] = ContextVar("wengert.values", default=None)  # where `grad` puts the value that it drops


def look(name: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """``call(*args, **kwargs)``, looked at; `name` is what the user called."""
    looking = DEBUG.get()
    return call(*args, **kwargs) if looking is None else looking.look(name, call, args, kwargs, call, args)


def look_behind(name: str, call: Callable[..., Any], args: Sequence[Any], replay: Callable[..., Any], again: Sequence[Any],
                **kwargs: Any) -> Any:
    """``call(*args, **kwargs)``, looked at; its graph is that of ``replay(*again, **kwargs)``."""
    looking = DEBUG.get()
    return call(*args, **kwargs) if looking is None else looking.look(name, call, args, kwargs, replay, again)


# ---------------------------------------------------------------- what else is known of a place

def add_tag(place: str, tag: str) -> str:
    """A place, ``file.py:12``, with something that the lines of a graph carry along: its pass, a turn of a loop.

    Examples
    --------
    >>> add_tag("file.py:12", "backward")
    'file.py:12 [backward]'
    """
    return f"{place} [{tag}]"


def split_tags(place: str) -> tuple[str, list[str]]:
    """The place, and what was added to it, in order.

    Examples
    --------
    >>> split_tags("file.py:12 [turn 3 of the loop at file.py:10] [backward]")
    ('file.py:12', ['turn 3 of the loop at file.py:10', 'backward'])
    """
    tags: list[str] = []
    while place.endswith("]") and " [" in place:
        place, _, last = place[:-1].rpartition(" [")
        tags.insert(0, last)
    return place, tags
