"""The primitives, one file per family; importing this registers them all."""

from wengert.primitives import (
    bessel,
    contract,
    correlate,
    custom,
    decompose,
    elementary,
    elementwise,
    fourier,
    incomplete,
    index,
    matrix_functions,
    reduce,
    softmax,
    solve,
    sort,
    special,
    structure,
    window,
)

__all__ = ["bessel", "contract", "correlate", "custom", "decompose", "elementary", "elementwise", "fourier",
           "incomplete", "index", "matrix_functions", "reduce", "softmax", "solve", "sort", "special", "structure", "window"]
