"""The primitives, one file per family; importing this registers them all."""

from wengert.primitives import elementwise, index, structure

__all__ = ["elementwise", "index", "structure"]
