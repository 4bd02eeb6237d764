"""Attributes and items that a staged block changes: they are carried like variables.

What comes in: the variables of a block, and the stores that its trace made into objects, lists and dicts from around it. What
goes out: `Places`, which reads and sets both alike. The one idea: a place that a block was seen to change is one variable more,
and the block is traced again with it; the object itself is changed only when the block has become an equation.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

from wengert.errors import UnstageableError, kind_of
from wengert.frontends.block import Block
from wengert.frontends.trace import active_frame, user_line

__all__ = ["AttributePlace", "ItemPlace", "Places", "attribute_place", "change", "item_place", "refuse_change"]

_MISSING = object()


class AttributePlace:
    """An attribute that is kept in the object itself."""

    __slots__ = ("holder", "name")

    def __init__(self, holder: Any, name: str):
        self.holder, self.name = holder, name

    def __str__(self) -> str:
        return f"{type(self.holder).__name__}.{self.name}"

    def read(self) -> Any:
        try:
            return self.holder.__dict__[self.name]
        except (AttributeError, KeyError):
            slot = inspect.getattr_static(type(self.holder), self.name, None)
            return getattr(self.holder, self.name, _MISSING) if isinstance(slot, types.MemberDescriptorType) else _MISSING

    def write(self, value: Any) -> None:
        object.__setattr__(self.holder, self.name, value)


class ItemPlace:
    """An item of a list or dict."""

    __slots__ = ("holder", "name")

    def __init__(self, holder: Any, name: Any):
        self.holder, self.name = holder, name

    def __str__(self) -> str:
        return f"{type(self.holder).__name__}[{self.name!r}]"

    def read(self) -> Any:
        try:
            return self.holder[self.name]
        except (KeyError, IndexError):
            return _MISSING

    def write(self, value: Any) -> None:
        self.holder[self.name] = value


Place = AttributePlace | ItemPlace


def attribute_place(holder: Any, name: str) -> Place | None:
    """The place of a plain attribute; None if code of the class decides where it is kept."""
    kind = type(holder)
    if isinstance(holder, (type, types.ModuleType, types.FunctionType)) or kind.__setattr__ is not object.__setattr__:
        return None
    found = inspect.getattr_static(kind, name, None)
    if hasattr(type(found), "__set__") and not isinstance(found, types.MemberDescriptorType):
        return None
    return AttributePlace(holder, name)


def item_place(holder: Any, key: Any) -> Place | None:
    """The place of an item of a list, by a whole number, or of a dict, by a name or number."""
    if type(holder) is list and type(key) is int and -len(holder) <= key < len(holder):
        return ItemPlace(holder, key % len(holder))
    return ItemPlace(holder, key) if type(holder) is dict and type(key) in (str, int, tuple) else None


def refuse_change(holder: Any, what: str) -> None:
    raise UnstageableError(f"{what} at {user_line()} changes {kind_of(holder)} that was made outside the staged "
                          f"block. Return the new value, or change a copy that is made inside")


def change(place: Place, what: str) -> None:
    """Note that the innermost block changes a place of something made around it; refused if no block made it."""
    frame: Any = active_frame()
    holder, innermost = place.holder, frame
    while frame.made.get(id(holder)) is not holder:
        frame = frame.outer
        if frame is None:  # it was not made in the function: its caller would see the change
            refuse_change(holder, what)
    if frame is innermost or (id(holder), place.name) in innermost.carried_places:
        return
    before = place.read()
    if before is _MISSING:
        raise UnstageableError(f"{what} at {user_line()} adds {place} to what was made before the block; give it a value there")
    innermost.stored.setdefault((id(holder), place.name), (place, before))


class Places:
    """The variables of a block, and behind them the places that it was seen to change."""

    def __init__(self, get: Callable[[], list[Any]], put: Callable[[list[Any]], None], names: Sequence[str]):
        self._get, self._put, self._names = get, put, names
        self.places: dict[Any, Place] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return (*self._names, *map(str, self.places.values()))

    def get(self) -> list[Any]:
        return [*self._get(), *[place.read() for place in self.places.values()]]

    def put(self, values: list[Any]) -> None:
        """Bind all of them, as if the program had not."""
        own = len(values) - len(self.places)
        self._put(values[:own])
        for place, value in zip(self.places.values(), values[own:], strict=True):
            place.write(value)

    def bind(self, values: list[Any]) -> None:
        """Bind all of them to what the block left: for the block around it, these are stores."""
        for place, value in zip(self.places.values(), values[len(values) - len(self.places):], strict=True):
            if value is not place.read():
                change(place, "a store")
        self.put(values)

    def begin(self) -> Block:
        """Tell the innermost block which places are carried already."""
        block: Any = active_frame()
        block.carried_places = set(self.places)
        return block

    def learn(self, *blocks: Block) -> bool:
        """Whether blocks have changed places that were not known yet; they are, from now on."""
        found = {key: place for block in blocks for key, place in block.changed.items() if key not in self.places}
        self.places.update(found)
        return bool(found)
