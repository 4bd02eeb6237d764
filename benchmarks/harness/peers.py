"""The same program text for wengert's peers.

What comes in: the functions of a case file, written with `np`. What goes out: the same functions with another `np`, calls
that wait for their results, and results as NumPy arrays. The one idea: nobody's program is a second text that could
drift.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy


def rewritten(module: dict[str, Any], **names: Any) -> types.SimpleNamespace:
    """The plain functions of a module (its `globals()`), with some global names replaced (np=jax.numpy)."""
    scope = {**module, **names}
    own = {k: v for k, v in module.items() if isinstance(v, types.FunctionType) and v.__module__ == module["__name__"]}
    for k, f in own.items():
        g = types.FunctionType(f.__code__, scope, f.__name__, f.__defaults__, f.__closure__)
        g.__kwdefaults__ = f.__kwdefaults__
        if k not in names:
            scope[k] = g
    return types.SimpleNamespace(**{k: scope[k] for k in own})


def leaves(tree: Any) -> list[numpy.ndarray]:
    """Arrays of a tree, as NumPy arrays: dicts by key, tuples and lists in order."""
    if isinstance(tree, dict):
        return [x for k in sorted(tree) for x in leaves(tree[k])]
    if isinstance(tree, (tuple, list)):
        return [x for part in tree for x in leaves(part)]
    if hasattr(tree, "detach"):
        tree = tree.detach().numpy()
    return [numpy.asarray(tree)]


def compared(call: Callable[[], Any]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """The call, and its result as NumPy arrays."""
    return call, lambda: leaves(call())


def bound(f: Callable[..., Any], *args: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    return compared(functools.partial(f, *args))


def jax_setup(double: bool = True) -> Any:
    import jax
    jax.config.update("jax_enable_x64", double)
    return jax


def jax_call(f: Callable[..., Any], *args: Any, numpy_out: bool = False) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """A jitted function on JAX's own arrays, waited for; or on NumPy arrays, in and out."""
    jax = jax_setup()
    jitted = jax.jit(f)
    if numpy_out:
        return compared(lambda: jax.tree.map(numpy.asarray, jitted(*args)))
    own = jax.tree.map(jax.numpy.asarray, args)
    return compared(lambda: jax.block_until_ready(jitted(*own)))


def torch_setup(threads: int = 1) -> Any:
    import torch
    torch.set_num_threads(threads)
    return torch


def torch_gradient(f: Callable[..., Any], count: int, *args: Any, value: bool = False,
                   threads: int = 1) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Gradients with regard to the first `count` arguments, with a new tape in each call, as torch has it."""
    torch = torch_setup(threads)
    tensors = [torch.tensor(a, requires_grad=k < count) if isinstance(a, numpy.ndarray) else a for k, a in enumerate(args)]

    def call() -> Any:
        loss = f(*tensors)
        found = torch.autograd.grad(loss, tensors[:count])
        found = found[0] if count == 1 else found
        return (loss, found) if value else found
    return compared(call)


def autograd_functions(module: dict[str, Any]) -> types.SimpleNamespace:
    import autograd.numpy as anp
    return rewritten(module, np=anp)


def jax_functions(module: dict[str, Any], **names: Any) -> types.SimpleNamespace:
    return rewritten(module, np=jax_setup().numpy, **names)


def torch_functions(module: dict[str, Any], threads: int = 1, **names: Any) -> types.SimpleNamespace:
    return rewritten(module, np=torch_setup(threads), **names)
