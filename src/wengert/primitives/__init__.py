"""The primitives, one file per family; importing this registers them all."""

from wengert.primitives import custom, elementwise, index, structure

__all__ = ["custom", "elementwise", "index", "structure"]
