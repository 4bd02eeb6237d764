"""The primitives, one file per family; importing this registers them all."""

from wengert.primitives import (
    add_contract,
    banded,
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
    filters,
    fourier,
    gauge,
    guard,
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
    spherical,
    structure,
    window,
)

__all__ = [
    "add_contract", "banded", "bessel", "contract", "control", "correlate", "custom", "decompose", "effects", "eigen",
    "elementary", "elementwise", "filters", "fourier", "gauge", "guard", "incomplete", "index", "inverse",
    "matrix_functions", "random", "reduce", "softmax", "solve", "sort", "special", "spherical", "structure", "window",
]
