"""The primitives, one file per family; importing this registers them all."""

from wengert.primitives import contract, correlate, custom, elementary, elementwise, fourier, index, reduce, sort, structure, window

__all__ = ["contract", "correlate", "custom", "elementary", "elementwise", "fourier", "index", "reduce", "sort", "structure", "window"]
