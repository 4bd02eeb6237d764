"""wengert beside other systems: JAX, PyTorch, safetensors, and whatever speaks DLPack.

What comes in: functions, or trees of arrays. What goes out: the same function, or the same numbers, in the other system. The
one idea: a function crosses with its derivatives of every order, because either side's derivative is a function that crosses.
"""

from .arrays import as_arrays
from .files import load_safetensors, save_safetensors
from .with_jax import from_jax, to_jax
from .with_torch import from_torch, parameters_of, to_torch

__all__ = ["as_arrays", "from_jax", "from_torch", "load_safetensors", "parameters_of", "save_safetensors", "to_jax", "to_torch"]
