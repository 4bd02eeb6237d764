"""NumPy's functions on tracers, made of primitives: one file per family; importing this registers them all."""

from wengert.frontends.numpy_api import (
    arithmetic,
    convolution,
    creation,
    einsum,
    fourier,
    padding,
    products,
    reductions,
    signal,
    stacking,
    structure,
    taking,
    ufunc_like,
)

__all__ = ["arithmetic", "convolution", "creation", "einsum", "fourier", "padding", "products", "reductions",
           "signal", "stacking", "structure", "taking", "ufunc_like"]
