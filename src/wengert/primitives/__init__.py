"""The primitives, one file per family; importing this registers them all."""

from wengert.primitives import (
    bessel,
    contract,
    correlate,
    custom,
    elementary,
    elementwise,
    fourier,
    incomplete,
    index,
    reduce,
    softmax,
    sort,
    special,
    structure,
    window,
)

__all__ = ["bessel", "contract", "correlate", "custom", "elementary", "elementwise", "fourier",
           "incomplete", "index", "reduce", "softmax", "sort", "special", "structure", "window"]
