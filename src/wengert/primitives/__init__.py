"""The primitives, one file per family; importing this registers them all."""

from wengert.primitives import contract, custom, elementwise, index, structure

__all__ = ["contract", "custom", "elementwise", "index", "structure"]
