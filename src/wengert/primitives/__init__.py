"""The primitives, one file per family; importing this registers them all."""

from wengert.primitives import (
    bessel,
    contract,
    control,
    correlate,
    custom,
    decompose,
    effects,
    eigen,
    elementary,
    elementwise,
    fourier,
    gauge,
    incomplete,
    index,
    inverse,
    matrix_functions,
    random,
    reduce,
    softmax,
    solve,
    sort,
    special,
    structure,
    window,
)

__all__ = [
    "bessel", "contract", "control", "correlate", "custom", "decompose", "effects", "eigen", "elementary",
    "elementwise", "fourier", "gauge", "incomplete", "index", "inverse", "matrix_functions", "random", "reduce",
    "softmax", "solve", "sort", "special", "structure", "window",
]
