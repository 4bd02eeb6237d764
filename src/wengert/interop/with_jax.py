"""JAX: a program of wengert as a JAX function, and a JAX function in a program of wengert.

What comes in: a function of NumPy arrays, or one of JAX's. What goes out: the other. The one idea: a graph is a primitive of
JAX whose rules are wengert's transforms (its tangent, its adjoint and its batch are graphs again), so ``jax.grad``,
``jax.jvp``, ``jax.vmap`` and ``jax.jit`` compose with it to any order.

The interfaces are those of ``jax.extend.core`` and ``jax.interpreters`` ("How JAX primitives work", JAX's documentation).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import wengert as wg
from wengert.errors import InputError
from wengert.flatten import flatten
from wengert.graph import ArrayType, Graph
from wengert.primitives.custom import apply

from .foreign import Library, imported
from .programs import Program, keyed, on_arrays

__all__ = ["from_jax", "to_jax"]


@functools.cache
def _jax() -> Any:
    try:
        import jax
    except ImportError as error:
        raise ImportError("JAX is not installed; pip install jax") from error
    return jax


# ---------------------------------------------------------------- programs of wengert in JAX


def _types(program: Program, avals: Sequence[Any]) -> tuple[ArrayType, ...]:
    """The types of the results."""
    graph, _ = program.run.program("to_jax", tuple([np.zeros(a.shape, a.dtype) for a in avals]), {})
    return graph.types[1]


@functools.cache
def _primitive() -> Any:
    """The one primitive that JAX gets; its parameter is a `Program`."""
    jax = _jax()
    from jax.extend.core import Primitive
    from jax.interpreters import ad, batching, mlir
    call = Primitive("wengert")
    call.multiple_results = True

    def shapes(avals: Sequence[Any], program: Program) -> list[Any]:
        return [jax.ShapeDtypeStruct(t.shape, jax.dtypes.canonicalize_dtype(t.dtype)) for t in _types(program, avals)]

    def evaluated(program: Program, like: Sequence[Any], *xs: Any) -> tuple[Any, ...]:
        out = program.run(*[np.asarray(x) for x in xs])
        return tuple([np.array(y, t.dtype) for y, t in zip(out, like, strict=True)])

    def called(*xs: Any, program: Program) -> Any:
        like = shapes([jax.typeof(x) for x in xs], program)
        return jax.pure_callback(functools.partial(evaluated, program, like), tuple(like), *xs)

    def abstract(*avals: Any, program: Program) -> Any:
        return [jax.core.ShapedArray(s.shape, s.dtype) for s in shapes(avals, program)]

    def jvp(primals: Any, tangents: Any, *, program: Program) -> Any:
        active = tuple([type(t) is not ad.Zero for t in tangents])
        out = call.bind(*primals, program=program)
        moving = [ad.instantiate_zeros(t) for t, a in zip(tangents, active, strict=True) if a]
        found = iter(call.bind(*primals, *moving, program=program.tangent(active)))
        return out, [next(found) if np.dtype(y.dtype).kind in "fc" else ad.Zero(jax.typeof(y).to_tangent_aval()) for y in out]

    def transpose(cts: Any, *operands: Any, program: Program) -> Any:
        if program.linear is None or not any(ad.is_undefined_primal(x) for x in operands):
            raise NotImplementedError("a wengert program is transposed in what it is not linear in")
        count, adjoint = program.linear
        like = [jax.core.ShapedArray(s.shape, s.dtype) for s in shapes([
            x.aval if ad.is_undefined_primal(x) else jax.typeof(x) for x in operands], program)]
        given = [ad.instantiate_zeros(c) if type(c) is not ad.Zero else jax.numpy.zeros(t.shape, t.dtype)
                 for c, t in zip(cts, like, strict=True)]
        first = len(operands) - count
        return [*[None] * first, *call.bind(*operands[:first], *given, program=adjoint(len(cts)))]

    def batch(operands: Any, dims: Any, *, program: Program) -> Any:
        flags = tuple([d is not None for d in dims])
        size = next(x.shape[d] for x, d, b in zip(operands, dims, flags, strict=True) if b)
        if program.linear is not None:  # the transpose of a map wants every tangent mapped
            first = len(operands) - program.linear[0]
            operands = [x if b or k < first else jax.numpy.broadcast_to(x, (size, *x.shape))
                        for k, (x, b) in enumerate(zip(operands, flags, strict=True))]
            dims = [0 if not b and k >= first else d for k, (d, b) in enumerate(zip(dims, flags, strict=True))]
            flags = (*flags[:first], *[True] * program.linear[0])
        front = [jax.numpy.moveaxis(x, d, 0) if b else x for x, d, b in zip(operands, dims, flags, strict=True)]
        out = call.bind(*front, program=program.batched(tuple([0 if b else None for b in flags])))
        return out, [0] * len(out)

    call.def_impl(called)
    call.def_abstract_eval(abstract)
    ad.primitive_jvps[call] = jvp
    ad.primitive_transposes[call] = transpose
    batching.primitive_batchers[call] = batch
    mlir.register_lowering(call, mlir.lower_fun(called, multiple_results=True))
    return call


def to_jax(f: Any) -> Callable[..., Any]:
    """A NumPy function, or a graph, as a JAX function.

    ``jax.grad``, ``jax.jvp``, ``jax.vmap``, ``jax.jit`` and what is made of them work on it, to any order: the derivatives are
    wengert's, and its machine code runs in a callback on the CPU.

    Parameters
    ----------
    f : callable or Graph
        A function of (trees of) arrays that `wg.jit` stages, or what `wg.make_graph` gave (its results are a tuple). What is
        no array or float is part of the structure, as under `wg.jit`.

    Returns
    -------
    callable
        Takes and returns JAX arrays. Dtypes are JAX's: float32 unless ``jax_enable_x64`` is set.

    Raises
    ------
    UnsupportedError
        f does not stage: its control flow needs values that JAX does not have while it traces.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def f(x):
    ...     y = np.zeros(3)
    ...     for i in range(3):
    ...         y[i] = np.sin(x) * y[i - 1] + x
    ...     return y[-1]
    >>> import jax                                       # doctest: +SKIP
    >>> jax.jit(jax.grad(jax.grad(wg.interop.to_jax(f))))(0.5)  # doctest: +SKIP
    """
    if not isinstance(f, Graph) and not callable(f):
        raise InputError(f"to_jax: a function or a graph is wanted, not {f!r}")
    found: dict[Any, _Traced] = {}

    def called(*args: Any, **kwargs: Any) -> Any:
        jax = _jax()
        leaves, spec = flatten((args, kwargs))
        moving = [hasattr(x, "dtype") or isinstance(x, (float, complex)) for x in leaves]
        given = [x for x, m in zip(leaves, moving, strict=True) if m]
        weak = tuple([bool(jax.typeof(x).weak_type) and not np.shape(x) for x in given])
        fixed = tuple([None if m else x for x, m in zip(leaves, moving, strict=True)])
        arrays = [jax.numpy.asarray(x) for x in given]
        key = keyed("to_jax", spec, fixed, tuple(moving), weak, tuple([(x.shape, x.dtype) for x in arrays]))
        if key not in found:
            found[key] = _Traced(wg.jit(on_arrays(f, spec, fixed, moving, weak)), arrays)
        program, together = found[key].now()
        return together(_primitive().bind(*arrays, program=program))

    called.__name__ = called.__qualname__ = getattr(f, "__name__", "graph")
    called.__doc__ = getattr(f, "__doc__", None)
    return called


class _Traced:
    """A signature: its program, made anew when something has changed that the function reads from around it."""

    def __init__(self, jitted: Any, arrays: Sequence[Any]):
        self.jitted, self.like = jitted, tuple([np.zeros(x.shape, x.dtype) for x in arrays])
        self.graph: Graph | None = None
        self.program: Any = None

    def now(self) -> tuple[Program, Callable[[Sequence[Any]], Any]]:
        graph, together = self.jitted.program("to_jax", self.like, {})
        if graph is not self.graph:
            self.graph, self.program = graph, Program(functools.partial(_applied, graph))
        return self.program, together


def _applied(graph: Graph, *arrays: Any) -> tuple[Any, ...]:
    return apply(graph, arrays)


# ---------------------------------------------------------------- functions of JAX in programs of wengert


class _Jax(Library):
    """What JAX does with its functions; float64 stays float64, whatever the setting."""

    name = "from_jax"

    def run(self, f: Any, operands: Sequence[Any]) -> Any:
        jax = _jax()
        with jax.enable_x64(True):
            return np.array(self.compiled(f)(*[jax.numpy.array(x) for x in operands]))

    @functools.lru_cache(maxsize=1000)  # noqa: B019 - there is one _Jax, and functions are kept by their signatures
    def compiled(self, f: Any) -> Any:
        return _jax().jit(f)

    def tangent(self, f: Any, k: int) -> Any:
        jax = _jax()

        def push(s: Any, *xs: Any) -> Any:
            return jax.jvp(lambda x: f(*xs[:k], x, *xs[k + 1:]), (xs[k],), (s,))[1]
        return push

    def adjoint(self, f: Any, k: int) -> Any:
        jax = _jax()

        def pull(c: Any, *xs: Any) -> Any:  # JAX's transpose has no conjugates
            return jax.numpy.conj(jax.vjp(lambda x: f(*xs[:k], x, *xs[k + 1:]), xs[k])[1](jax.numpy.conj(c))[0])
        return pull

    def batched(self, f: Any, flags: tuple[bool, ...]) -> Any:
        return _jax().vmap(f, tuple([0 if b else None for b in flags]))

    def flatten(self, out: Any) -> tuple[list[Any], Any]:
        jax = _jax()
        leaves, tree = jax.tree.flatten(out)
        return [jax.numpy.asarray(x) for x in leaves], tree.unflatten

    def type_of(self, x: Any) -> ArrayType:
        return ArrayType(x.shape, np.dtype(x.dtype))

    def abstract(self, f: Any, types: Sequence[ArrayType], values: Any) -> None:
        jax = _jax()
        with jax.enable_x64(True):
            jax.eval_shape(f, *[jax.ShapeDtypeStruct(t.shape, t.dtype) for t in types])

    def split(self, vector: Any, places: Sequence[tuple[int, ArrayType]]) -> list[Any]:
        parts = [vector[start:start + t.size].reshape(t.shape) for start, t in places]
        return [(x.real if t.dtype.kind == "f" else x).astype(t.dtype) for x, (_, t) in zip(parts, places, strict=True)]

    def join(self, arrays: Sequence[Any], dtype: Any) -> Any:
        jax = _jax()
        return jax.numpy.concatenate([jax.numpy.zeros(0, dtype), *[x.reshape(-1).astype(dtype) for x in arrays]])


_LIBRARY = _Jax()


def from_jax(f: Callable[..., Any]) -> Callable[..., Any]:
    """A JAX function as a function of NumPy arrays that wengert differentiates.

    JAX computes its values and derivatives, of any order and in every mode, compiled by ``jax.jit``; wengert does the rest of
    the program. All floats pass as one vector, so its derivative is one call, whatever the number of arguments.

    Parameters
    ----------
    f : callable
        Of JAX arrays; pure, as JAX wants it. It returns floats (a tree of them).

    Returns
    -------
    callable
        Takes (trees of) NumPy arrays, gives the same. float64 stays float64. Ints and strings are part of the structure.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> import jax.numpy as jnp                                                   # doctest: +SKIP
    >>> g = wg.interop.from_jax(lambda x: jnp.sin(x) ** 2)                        # doctest: +SKIP
    >>> wg.hessian(lambda x: np.sum(x * g(x)))(np.ones(2))                        # doctest: +SKIP
    """
    _jax()
    return imported(_LIBRARY, f)
