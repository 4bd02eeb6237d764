"""NumPy's functions on tracers, made of primitives: one file per family; importing this registers them all."""

from wengert.frontends.numpy_api import (
    arithmetic,
    calculus,
    convolution,
    counting,
    creation,
    einsum,
    fourier,
    linalg,
    norms,
    nan_functions,
    padding,
    polynomials,
    products,
    quantiles,
    reductions,
    signal,
    sorting,
    stacking,
    statistics,
    structure,
    taking,
    ufunc_like,
)

__all__ = ["arithmetic", "calculus", "convolution", "counting", "creation", "einsum", "fourier", "linalg", "norms", "nan_functions", "padding",
           "polynomials", "products", "quantiles", "reductions", "signal", "sorting", "stacking",
           "statistics", "structure", "taking", "ufunc_like"]
