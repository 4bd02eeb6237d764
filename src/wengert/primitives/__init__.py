"""The primitives, one file per family; importing this registers them all."""

from wengert.primitives import contract, custom, elementary, elementwise, fourier, index, reduce, sort, structure, window

__all__ = ["contract", "custom", "elementary", "elementwise", "fourier", "index", "reduce", "sort", "structure", "window"]
