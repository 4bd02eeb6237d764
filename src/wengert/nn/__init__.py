"""Layers, activations and losses: immutable dataclasses of arrays, and pure functions on them.

What comes in: a key and sizes, or arrays. What goes out: trees that `grad`, `jit`, `vmap` and pickle take as they are. The one
idea: a model is its parameters; calling it is an ordinary NumPy program.
"""

from wengert.flatten import Frozen

__all__ = ["Frozen"]
