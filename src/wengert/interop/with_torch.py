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
        if key not in found:
            found[key] = _flat(on_arrays(f, spec, fixed, moving, weak))
        program, shape = found[key]
        results = iter(_function().apply(program, *[x if isinstance(x, torch.Tensor) else torch.from_numpy(np.array(x))
                                                    for x in given]))
        out_spec, out = shape[0]
        return out_spec.unflatten([next(results) if x is _TENSOR else x for x in out])

    called.__name__ = called.__qualname__ = getattr(f, "__name__", "graph")
    called.__doc__ = getattr(f, "__doc__", None)
    return called


_TENSOR = object()


def _flat(f: Callable[..., Any]) -> tuple[Program, list[tuple[Spec, list[Any]]]]:
    """The program of a function of arrays; the list says what its results look like, noted when it is traced."""
    shape: list[tuple[Spec, list[Any]]] = []

    def flat(*arrays: Any) -> Any:
        out, spec = flatten(reached(f)(*arrays))
        results = [hasattr(x, "dtype") or isinstance(x, (float, complex)) for x in out]
        shape[:] = [(spec, [_TENSOR if r else x for x, r in zip(out, results, strict=True)])]
        return tuple([x for x, r in zip(out, results, strict=True) if r])
    flat.__qualname__ = f.__qualname__
    return Program(flat), shape


# ---------------------------------------------------------------- functions of PyTorch in programs of wengert


class _Torch(Library):
    """What PyTorch does with its functions."""

    name = "from_torch"

    def run(self, f: Any, operands: Sequence[Any]) -> Any:
        return np.array(_array(_alone(f, operands)))

    def tangent(self, f: Any, k: int) -> Any:
        torch = _torch()

        def push(s: Any, *xs: Any) -> Any:
            return torch.func.jvp(lambda x: f(*xs[:k], x, *xs[k + 1:]), (xs[k],), (s,))[1]
        return push

    def adjoint(self, f: Any, k: int) -> Any:
        torch = _torch()

        def pull(c: Any, *xs: Any) -> Any:
            return torch.func.vjp(lambda x: f(*xs[:k], x, *xs[k + 1:]), xs[k])[1](c)[0]
        return pull

    def batched(self, f: Any, flags: tuple[bool, ...]) -> Any:
        return _torch().func.vmap(f, tuple([0 if b else None for b in flags]))

    def flatten(self, out: Any) -> tuple[list[Any], Any]:
        torch = _torch()
        leaves, spec = flatten(out)
        return [x if isinstance(x, torch.Tensor) else torch.as_tensor(x) for x in leaves], spec.unflatten

    def type_of(self, x: Any) -> ArrayType:
        return ArrayType(tuple(x.shape), _dtype(x.dtype))

    def abstract(self, f: Any, types: Sequence[ArrayType], values: Any) -> None:
        torch = _torch()
        if values is not None:
            _alone(f, values)
            return
        from torch._subclasses.fake_tensor import FakeTensorMode
        with FakeTensorMode(allow_non_fake_inputs=True):
            f(*[torch.from_numpy(np.zeros(t.shape, t.dtype)) for t in types])

    def split(self, vector: Any, places: Sequence[tuple[int, ArrayType]]) -> list[Any]:
        parts = [vector[start:start + t.size].reshape(t.shape) for start, t in places]
        return [(_torch().real(x) if t.dtype.kind == "f" and x.is_complex() else x).to(_torch_dtype(t.dtype))
                for x, (_, t) in zip(parts, places, strict=True)]

    def join(self, arrays: Sequence[Any], dtype: Any) -> Any:
        torch = _torch()
        return torch.cat([torch.zeros(0, dtype=_torch_dtype(dtype)), *[x.reshape(-1).to(_torch_dtype(dtype)) for x in arrays]])


def _alone(f: Callable[..., Any], operands: Sequence[Any]) -> Any:
    """A function's result, if it neither draws nor writes: it is called again for each derivative, on copies."""
    torch = _torch()
    tensors, drawn = [torch.from_numpy(np.array(x)) for x in operands], torch.get_rng_state()
    out = f(*tensors)
    if not torch.equal(drawn, torch.get_rng_state()) and _draws(f, [torch.from_numpy(np.array(x)) for x in operands]):
        raise InputError("from_torch: the function draws random numbers, others for its value than for its derivative; "
                         "module.eval() switches dropout off, and noise can be an argument")
    if not all(np.array_equal(x, _array(t), equal_nan=True) for x, t in zip(operands, tensors, strict=True)):
        raise InputError("from_torch: the function writes into its arguments, which are copies; write into x.clone(), and "
                         "module.eval() lets running statistics be")
    return out


def _draws(f: Callable[..., Any], tensors: Sequence[Any]) -> bool:
    """Whether it was this function that drew, and not another thread."""
    from torch.utils._python_dispatch import TorchDispatchMode
    torch, found = _torch(), []

    class Watch(TorchDispatchMode):  # type: ignore[misc,no-untyped-call,unused-ignore]
        def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            found.append(torch.Tag.nondeterministic_seeded in operation.tags)
            return operation(*args, **(kwargs or {}))
    with Watch():
        f(*tensors)
    return any(found)


def _torch_dtype(dtype: np.dtype[Any]) -> Any:
    return getattr(_torch(), np.dtype(dtype).name)


def _dtype(dtype: Any) -> np.dtype[Any]:
    name = str(dtype).removeprefix("torch.")
    try:
        return np.dtype(name)
    except TypeError:
        raise InputError(f"from_torch: a tensor has dtype {dtype}, which NumPy has not; convert it: x.float()") from None


_LIBRARY = _Torch()


def from_torch(f: Callable[..., Any]) -> Callable[..., Any]:
    """A PyTorch function or module as a function of NumPy arrays that wengert differentiates.

    PyTorch computes its values and derivatives (``torch.func``), of any order; wengert does the rest of the program.

    Parameters
    ----------
    f : callable or torch.nn.Module
        A function of tensors that ``torch.func`` can transform and that returns floats (a tree of them); it neither draws
        random numbers nor writes into its arguments. A module becomes a
        function ``g(parameters, *args)``; ``parameters_of(module)`` gives its parameters and buffers.

    Returns
    -------
    callable
        Takes (trees of) NumPy arrays, gives the same.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> import torch                                                           # doctest: +SKIP
    >>> g = wg.interop.from_torch(lambda x: torch.special.erfcx(x))            # doctest: +SKIP
    >>> wg.grad(lambda x: np.sum(x * g(x)))(np.ones(2))                        # doctest: +SKIP
    """
    torch = _torch()
    if isinstance(f, torch.nn.Module):
        module: Any = f

        def of_parameters(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            named = {k: x.value.detach() if isinstance(x, Frozen) else x for k, x in parameters.items()}
            return torch.func.functional_call(module, named, args, kwargs)
        of_parameters.__name__ = type(module).__name__
        return imported(_LIBRARY, of_parameters)
    return imported(_LIBRARY, f)


def parameters_of(module: Any) -> dict[str, Any]:
    """Parameters and buffers of a PyTorch module by name, as NumPy arrays of their own.

    Buffers (running statistics), and parameters that do not require a gradient, are `wg.nn.Frozen`: PyTorch gives no derivative
    with respect to them, which is zero here, and optimizers leave them as they are. Integer buffers (counts of batches) are not
    among them: the module keeps its own.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    dict of ndarray and Frozen
    """
    named = [*module.named_parameters(), *module.named_buffers()]
    arrays = [(name, x.requires_grad, np.array(_array(x))) for name, x in named if _inexact(x)]
    return {name: x if moves else Frozen(x) for name, moves, x in arrays}
