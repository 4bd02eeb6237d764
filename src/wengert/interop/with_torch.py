"""PyTorch: programs of wengert as differentiable functions of tensors, and PyTorch's functions in programs of wengert.

What comes in: a function of NumPy arrays, or one of tensors. What goes out: the other. The one idea: one
``torch.autograd.Function`` whose backward, forward and map are programs of wengert again, applied by the same function, so
derivatives compose to any order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.flatten import Frozen, Spec, flatten
from wengert.graph import ArrayType, Graph
from wengert.run import reached

from .foreign import Library, imported
from .programs import Program, keyed, on_arrays

__all__ = ["from_torch", "parameters_of", "to_torch"]


@functools.cache
def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError("PyTorch is not installed; pip install torch") from error
    return torch


def _array(x: Any) -> Any:
    """A tensor as an array over the same memory."""
    torch = _torch()
    if x.device.type != "cpu":
        raise InputError(f"a tensor is on {x.device}; wengert computes on the CPU: x.cpu()")
    if x.dtype in (torch.bfloat16, torch.float16):
        raise InputError(f"a tensor has dtype {x.dtype}; convert it: x.float()")
    return x.detach().resolve_conj().resolve_neg().numpy()


# ---------------------------------------------------------------- programs of wengert in PyTorch


def _run(program: Program, tensors: Sequence[Any]) -> tuple[Any, ...]:
    out = program.run(*[_array(x) for x in tensors])
    return tuple([_torch().from_numpy(np.array(y)) for y in out])


def _inexact(x: Any) -> bool:
    return bool(x.is_floating_point() or x.is_complex())


@functools.cache
def _function() -> Any:
    """The one autograd function; its first argument is a `Program`."""
    torch = _torch()

    class Wengert(torch.autograd.Function):  # type: ignore[misc,name-defined]
        @staticmethod
        def forward(program: Program, *tensors: Any) -> Any:
            return _run(program, tensors)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.program, *tensors = inputs
            ctx.save_for_backward(*tensors)
            ctx.save_for_forward(*tensors)
            ctx.set_materialize_grads(False)
            ctx.results = [(y.shape, y.dtype, _inexact(y)) for y in output]
            ctx.mark_non_differentiable(*[y for y in output if not _inexact(y)])

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            xs = ctx.saved_tensors
            active = tuple([bool(n) and _inexact(x) for n, x in zip(ctx.needs_input_grad[1:], xs, strict=True)])
            given = [torch.zeros(shape, dtype=dtype) if c is None else c
                     for c, (shape, dtype, moves) in zip(cotangents, ctx.results, strict=True) if moves]
            found = iter(Wengert.apply(ctx.program.adjoint(active), *xs, *given))
            return None, *[next(found) if a else None for a in active]

        @staticmethod
        def jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
            xs = ctx.saved_tensors
            active = tuple([t is not None for t in tangents])
            found = iter(Wengert.apply(ctx.program.tangent(active), *xs, *[t for t in tangents if t is not None]))
            return tuple([next(found) if moves else None for _, _, moves in ctx.results])

        @staticmethod
        def vmap(info: Any, in_dims: Any, program: Program, *tensors: Any) -> Any:
            out = Wengert.apply(program.batched(tuple(in_dims[1:])), *tensors)
            return out, tuple([0] * len(out))

    return Wengert


def to_torch(f: Any) -> Callable[..., Any]:
    """A NumPy function, or a graph, as a differentiable function of tensors.

    ``backward``, ``torch.autograd.grad`` (``create_graph=True`` too), ``torch.func`` and forward mode work on it, to any order;
    the derivatives are wengert's, and its machine code reads the tensors' memory.

    Parameters
    ----------
    f : callable or Graph
        A function of (trees of) arrays, or what `wg.make_graph` gave (its results are a tuple). What is no tensor,
        array or float is part of the structure.

    Returns
    -------
    callable
        Takes and returns tensors on the CPU, in trees of the same structure.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> g = wg.interop.to_torch(lambda x: np.sum(np.sin(x) * x))
    >>> import torch                                         # doctest: +SKIP
    >>> x = torch.ones(3, requires_grad=True)                # doctest: +SKIP
    >>> g(x).backward(); x.grad                              # doctest: +SKIP
    """
    if not isinstance(f, Graph) and not callable(f):
        raise InputError(f"to_torch: a function or a graph is wanted, not {f!r}")
    found: dict[Any, tuple[Program, list[tuple[Spec, list[Any]]]]] = {}

    def called(*args: Any, **kwargs: Any) -> Any:
        torch = _torch()
        leaves, spec = flatten((args, kwargs))
        moving = [isinstance(x, (torch.Tensor, np.ndarray, np.generic, float, complex)) for x in leaves]
        given = [x for x, m in zip(leaves, moving, strict=True) if m]
        weak = tuple([isinstance(x, (float, complex)) and not isinstance(x, np.generic) for x in given])
        fixed = tuple([None if m else x for x, m in zip(leaves, moving, strict=True)])
        types = tuple([None if w else (tuple(x.shape), x.dtype) for x, w in zip(given, weak, strict=True)])
        key = keyed("to_torch", spec, fixed, tuple(moving), types)
