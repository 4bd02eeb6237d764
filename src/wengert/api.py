"""The friendly layer: derivatives of Python functions.

What comes in: a function of arrays (or trees of arrays) and a point. What goes out: values and derivatives, as
ordinary arrays. The one idea: run the function once to get its graph and all values, derive the graph (kept, and
found again by its structure), and evaluate the derivative at those values; inside another trace the derived
graph is applied to that trace's values, so derivatives nest without limit.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from wengert.budget import within_budget
from wengert.errors import InputError, not_a_function
from wengert.finite import DEBUG, VALUES, look, look_behind
from wengert.flatten import flatten
from wengert.frontends.scipy_api import LATER
from wengert.frontends.trace import fresh_build, user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import Graph
from wengert.modes import blocks, require_mode
from wengert.run import Run, matched, matched_leaf, own

__all__ = ["flat_tangents", "grad", "hessian", "jacfwd", "jacobian", "jacrev", "jvp", "linearize", "make_graph", "pulled",
           "pushed", "run_all", "stop_gradient", "value_and_grad", "vjp", "vmap"]

LATER.append(lambda: import_module("wengert.linear_systems"))  # and, with it, the solvers of scipy.optimize

Argnums = int | Sequence[int]
Function = Callable[..., Any]


def _transformed(f: Function, prefix: str, transform: Function, *rest: Any) -> Callable[[Function], Function]:
    """Finish ``transform(f, *rest)``: it has the name and signature of f (without requiring that f has any).

    Its `recipe` says how to make it again. Of a function under `jit` it is under `jit`, too.
    """
    def wrap(derived: Any) -> Function:
        again = getattr(type(f), "again", None)
        if again is not None:
            return again(f, transform, rest)  # type: ignore[no-any-return]

        def called(*args: Any, **kwargs: Any) -> Any:
            return derived(*args, **kwargs) if DEBUG.get() is None else look(called.__name__, derived, *args, **kwargs)
        called.__dict__.update(derived.__dict__)
        with contextlib.suppress(AttributeError):
            functools.update_wrapper(called, f, updated=())
        derived.__name__ = called.__name__ = f"{prefix}({getattr(f, '__name__', 'f')})"
        derived.recipe = called.recipe = (transform, (f, *rest))  # type: ignore[attr-defined]
        return called
    return wrap


def _require_callable(f: Any, name: str) -> None:
    if not callable(f):
        raise InputError(f"{name}: {not_a_function(f)}; "
                         f"write wg.{name}(f)(x), not wg.{name}(f(x))")


def value_and_grad(f: Function, argnums: Argnums = 0, has_aux: bool = False, memory: Any = None) -> Function:
    """The value and the gradient of a scalar function, ``x -> (f(x), ∇f(x))``.

    Parameters
    ----------
    f : callable
        Returns one real number; its arguments are numbers, arrays, or trees of them (tuples, lists, dicts,
        dataclasses). With `has_aux`, it returns ``(number, extra)``.
    argnums : int or tuple of int
        Which positional arguments are differentiated. An int gives one gradient, a tuple a tuple of them.
    has_aux : bool
        Whether f returns an extra result beside the number.
    memory : str or int, optional
        The most memory that a call may allocate, its results included and its arguments not: "500 MB", or bytes. What does not
        fit is computed again. The function is staged as by `jit`, and ``plan(*args)`` of the result says what a call takes.

    Returns
    -------
    callable
        Takes what f takes; gives ``(value, gradient)``, or ``((value, extra), gradient)``. The gradient has the
        structure, shapes and dtypes of the arguments. For a complex argument it is ∂f/∂Re + i ∂f/∂Im, the
        direction of steepest ascent.

    Raises
    ------
    InputError
        For integer inputs or wrong `argnums`.
    NonDifferentiableError
        If the output is not one real number.
    BudgetError
        If `memory` is not enough; it names the least that is.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.value_and_grad(lambda x: np.sum(x * x))(np.array([1.0, 3.0]))
    (np.float64(10.0), array([2., 6.]))
    """
    both = _value_and_grad(f, argnums, has_aux, "value_and_grad", memory)
    return _transformed(f, "value_and_grad", value_and_grad, argnums, has_aux, *([] if memory is None else [memory]))(both)


def _value_and_grad(f: Function, argnums: Argnums, has_aux: bool, name: str, memory: Any) -> Function:
    _require_callable(f, name)
    if memory is not None:
        return within_budget(name, f, argnums, has_aux, memory)

    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        run = Run(name, f, args, kwargs, argnums, has_aux)
        run.require_scalar()
        gradient = run.arrange(run.pull_back([np.ones((), v.type.dtype)[()] for v in run.out_vars]))
        value = run.result()
        return ((value, run.aux) if has_aux else value), gradient
    return value_and_gradient


def grad(f: Function, argnums: Argnums = 0, has_aux: bool = False, memory: Any = None) -> Function:
    """The gradient of a scalar function, ``x -> ∇f(x)``, by reverse mode.

    Parameters
    ----------
    f, argnums, has_aux, memory
        As for `value_and_grad`.

    Returns
    -------
    callable
        Takes what f takes; gives the gradient, or ``(gradient, extra)`` with `has_aux`.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def rosenbrock(x):
    ...     return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
    >>> wg.grad(rosenbrock)(np.array([1.2, 1.0]))
    array([211.6, -88. ])
    """
    both = _value_and_grad(f, argnums, has_aux, "grad", memory)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        dropped = VALUES.get()
        if dropped is not None:
            VALUES.set(None)  # what is called within drops values that are no result
        value, derivative = both(*args, **kwargs)
        if dropped is not None:
            dropped.append(value[0] if has_aux else value)
        return (derivative, value[1]) if has_aux else derivative
    if memory is not None:
        gradient.plan = both.plan  # type: ignore[attr-defined]
    return _transformed(f, "grad", grad, argnums, has_aux, *([] if memory is None else [memory]))(gradient)


# ---------------------------------------------------------------- products with the Jacobian

def jvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """Value and directional derivative, ``(f(x), f'(x) v)``, by forward mode.

    Parameters
    ----------
    f : callable
    primals : tuple
        The arguments of f, all differentiated.
    tangents : tuple
        The direction: same structure, shapes and dtypes as `primals`.
    has_aux : bool
        Whether f returns ``(value, extra)``.

    Returns
    -------
    tuple
        ``(value, tangent)`` or ``(value, tangent, extra)``.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))
    """
    _require_callable(f, "jvp")
    return look("jvp", pushed, "jvp", f, primals, tangents, has_aux)


def pushed(name: str, f: Function, primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """`jvp`, under the name of the function that the user called."""
    run = run_all(name, f, primals, has_aux)
    given = flat_tangents(name, run, primals, tangents)
    out = _results(run, run.push_forward(given))
    return (run.result(), out, run.aux) if has_aux else (run.result(), out)


def run_all(name: str, f: Function, primals: Any, has_aux: bool = False) -> Run:
    if not isinstance(primals, (tuple, list)):
        raise InputError(f"{name}: primals is a tuple of the arguments: (x,) (at {user_line()})")
    return Run(name, f, tuple(primals), {}, tuple(range(len(primals))), has_aux)


def flat_tangents(name: str, run: Run, primals: Any, tangents: Any) -> list[Any]:
    if not isinstance(tangents, (tuple, list)) or len(tangents) != len(primals):
        raise InputError(f"{name}: tangents is a tuple with one tangent for each of the {len(primals)} primals (at "
                         f"{user_line()})")
    flat, k = [], 0
    types = iter([v.type for v in run.inputs])
    likes = [next(types) if a else None for a in run.active]
    for t, (spec, n) in zip(tangents, run.specs, strict=True):
        flat.extend(matched(name, "tangent", t, likes[k:k + n], spec))
        k += n
    return [x for x, a in zip(flat, run.active, strict=True) if a]


def _results(run: Run, leaves: Sequence[Any]) -> Any:
    seen: set[int] = set()
    return run.out_spec.unflatten([x if x is None else own(x, seen) for x in leaves])


def linearize(f: Function, *primals: Any, has_aux: bool = False) -> Any:
    """Value, and the derivative at that point as a function, ``(f(x), v -> f'(x) v)``.

    f runs once; the linear function costs only its linear part.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> y, derivative = wg.linearize(np.exp, 0.0)
    >>> derivative(3.0)
    np.float64(3.0)
    """
    _require_callable(f, "linearize")
    return look("linearize", _linearized, f, primals, has_aux)


def _linearized(f: Function, primals: Any, has_aux: bool) -> Any:
    run = run_all("linearize", f, primals, has_aux)
    residuals = run.residuals()

    def linear(*tangents: Any) -> Any:
        given = flat_tangents("linearize", run, primals, tangents)
        return _results(run, run.push_forward(given, residuals))

    def pushforward(*tangents: Any) -> Any:
        return linear(*tangents) if DEBUG.get() is None else look_behind(
            "linearize", linear, tangents, pushed, ("linearize", f, run.point(), tangents))
    value = run.result(residuals)
    return (value, pushforward, run.extra(residuals)) if has_aux else (value, pushforward)


def vjp(f: Function, *primals: Any, has_aux: bool = False) -> Any:
    """Value, and the transposed derivative as a function, ``(f(x), w -> f'(x)ᵀ w)``, by reverse mode.

    Parameters
    ----------
    f : callable
    *primals
        The arguments of f, all differentiated.
    has_aux : bool
        Whether f returns ``(value, extra)``.

    Returns
    -------
    tuple
        ``(value, pullback)`` or ``(value, pullback, extra)``; the pullback takes a cotangent with the structure
        of the value and gives a tuple with one cotangent for each argument. It is the adjoint under the real
        inner product Re⟨a, b⟩.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> y, pullback = wg.vjp(lambda x, y: x * y, 2.0, 3.0)
    >>> pullback(1.0)
    (np.float64(3.0), np.float64(2.0))
    """
    _require_callable(f, "vjp")
    return look("vjp", pulled, "vjp", f, primals, has_aux)


def pulled(name: str, f: Function, primals: Any, has_aux: bool = False) -> Any:
    """`vjp`, likewise."""
    run = run_all(name, f, primals, has_aux)
    residuals = run.residuals()
    likes = [x.type if hasattr(x, "type") else None for x in run.out_leaves]

    def linear(cotangent: Any) -> Any:
        leaves, spec = flatten(cotangent)
        if len(leaves) != len(likes) or (spec != run.out_spec and spec.tree is not None):
            raise InputError(f"{name}: the cotangent has structure {spec!r}, the value {run.out_spec!r} "
                             f"(* is a number or an array); give one of the same structure (at {user_line()})")
        given = [matched_leaf(name, "cotangent", x, like) if like is not None else None
                 for x, like in zip(leaves, likes, strict=True)]
        by_var = [c for c, x in zip(given, run.out_leaves, strict=True) if any(x is v for v in run.out_vars)]
        return run.arrange(run.pull_back(by_var, residuals))

    def pullback(cotangent: Any) -> Any:
        return linear(cotangent) if DEBUG.get() is None else look_behind(
            name, linear, (cotangent,), _pulled_at, (name, f, run.point(), cotangent))
    value = run.result(residuals)
    return (value, pullback, run.extra(residuals)) if has_aux else (value, pullback)


def _pulled_at(name: str, f: Function, primals: Any, cotangent: Any) -> Any:
    return pulled(name, f, primals)[1](cotangent)


# ---------------------------------------------------------------- whole derivatives

def jacfwd(f: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> Function:
    """The Jacobian by forward mode: one tangent for each input element, all in one batched pass.

    Parameters and results are those of `jacobian`. Cheaper than `jacrev` for few inputs and many outputs.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.jacfwd(lambda x: np.array([x[0] * x[1], x[0]]))(np.array([2.0, 3.0]))
    array([[3., 2.],
           [1., 0.]])
    """
    return _jacobian(f, argnums, has_aux, holomorphic, "jacfwd", "forward")


def jacrev(f: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False) -> Function:
    """The Jacobian by reverse mode: one cotangent for each output element, all in one batched pass.

    Parameters and results are those of `jacobian`. Cheaper than `jacfwd` for many inputs and few outputs.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.jacrev(lambda x: x ** 2)(np.array([2.0, 3.0]))
    array([[4., 0.],
           [0., 6.]])
    """
    return _jacobian(f, argnums, has_aux, holomorphic, "jacrev", "reverse")


def jacobian(f: Function, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False, *,
             mode: str = "auto", sparsity: Any = None, coloring: str | None = None) -> Function:
    """The Jacobian, ``x -> ∂f_i/∂x_j``, in the mode that takes the least work.

    Parameters
    ----------
    f : callable
        Returns an array or a tree of arrays.
    argnums : int or tuple of int
        Which positional arguments are differentiated.
    has_aux : bool
        Whether f returns ``(value, extra)``.
    holomorphic : bool
        Say True for a holomorphic function of a complex argument; the Jacobian is then the complex derivative.
    mode : "auto", "forward", "reverse", "colored", "mixed"
        How the derivatives are accumulated; the result is the same but for rounding, if all is finite. "forward" carries one
        direction for each input element, "reverse" one for each output element, "colored" one for each group of columns (or
        rows) that share no nonzero row (column). "mixed" multiplies derivatives in any order: array programs are cut where
        few numbers pass, scalar programs are eliminated number by number, and it never takes more multiplications than the
        better of forward and reverse mode. "auto" counts and takes the cheapest, once for each structure of the program;
        `wengert.plan` shows the counts.
    sparsity : "detect", "local", sparse or boolean matrix, optional
        Give one `scipy.sparse.csr_array` instead, from few products: see `wengert.sparse.SparseDerivative`. "detect" finds the
        entries that may be nonzero at any point, "local" those at the point of the call.
    coloring : "column", "row", "two-sided", optional
        With `sparsity`: from which products. The default is what needs fewest.

    Returns
    -------
    callable
        Takes what f takes; gives arrays of shape ``output.shape + input.shape`` in the structure of the output,
        each leaf in the structure of the arguments. Where input and output differ in dtype, a block has the dtype of
        the input (as from `jacrev`; `jacfwd` gives that of the output).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.jacobian(lambda x: np.cumsum(x))(np.array([1.0, 2.0]))
    array([[1., 0.],
           [1., 1.]])
    """
    if sparsity is not None or coloring is not None:
        _require_callable(f, "jacobian")
        if mode != "auto":
            raise InputError(f"jacobian: mode={mode!r} is for dense results; with sparsity, coloring says from which products")
        return _sparse("jacobian", f, f, argnums, has_aux, sparsity, holomorphic, coloring)
    return _jacobian(f, argnums, has_aux, holomorphic, "jacobian", mode)


def _sparse(name: str, f: Function, derived: Function, argnums: Argnums, has_aux: bool, sparsity: Any, *rest: Any) -> Function:
    if has_aux or sparsity is None:
        raise InputError(f"{name}: " + ("has_aux has no sparse form; return the value alone" if has_aux else
                                        "coloring goes with sparsity; write sparsity='detect'"))
    from wengert.sparse import SparseDerivative
    return SparseDerivative(name, f, derived, argnums, sparsity, *rest)


def _jacobian(f: Function, argnums: Argnums, has_aux: bool, holomorphic: bool, name: str, mode: str) -> Function:
    _require_callable(f, name)
    require_mode(name, mode)
    @_transformed(f, name, _jacobian, argnums, has_aux, holomorphic, name, mode)
    def jac(*args: Any, **kwargs: Any) -> Any:
        run = Run(name, f, args, kwargs, argnums, has_aux)
        run.require_inexact()
        run.require_real_or_holomorphic(holomorphic)
        columns = blocks(run, mode, holomorphic)
        if name == "jacobian":  # the mode must not decide the dtype
            columns = [[b if b.dtype == v.type.dtype else b.astype(v.type.dtype)
                        for b, v in zip(row, run.inputs, strict=True)] for row in columns]
        seen: set[int] = set()
        leaves = [None if x is None else run.arrange([own(b, seen) for b in row])
                  for x, row in zip(run.out_leaves, columns, strict=True)]
        out = run.out_spec.unflatten(leaves)
        return (out, run.aux) if has_aux else out
    return jac


def hessian(f: Function, argnums: Argnums = 0, has_aux: bool = False, *, sparsity: Any = None,
            coloring: str | None = None) -> Function:
    """The Hessian, ``x -> ∂²f/∂x_i∂x_j``: forward mode over reverse mode.

    Parameters
    ----------
    f, argnums, has_aux
        As for `grad`; f may also return an array.
    sparsity : "detect", "local", sparse or boolean matrix, optional
        Give one `scipy.sparse.csr_array` instead, as `jacobian` does. f returns one number.
    coloring : "star", "acyclic", "column", optional
        With `sparsity`: how entries share products. "star" is the default; "acyclic" takes fewer, and substitutes.

    Returns
    -------
    callable
        Takes what f takes; for an array argument gives an array of shape ``output.shape + x.shape + x.shape``.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    _require_callable(f, "hessian")
    if sparsity is not None or coloring is not None:
        return _sparse("hessian", f, grad(f, argnums), argnums, has_aux, sparsity, False, coloring)
    return jacfwd(jacrev(f, argnums, has_aux), argnums, has_aux)


# ---------------------------------------------------------------- vmap

def vmap(f: Function, in_axes: Any = 0, out_axes: Any = 0) -> Function:
    """Map a function over an axis of its arguments, as one program on arrays.

    Parameters
    ----------
    f : callable
        Written for one example. If it asks for a value (a branch, a loop on a condition, the text of a number) or draws a
        random number, it is run lane by lane, in order; else once, for all lanes together.
    in_axes : int, None, or a tuple with one of these for each positional argument
        The axis to map; None for an argument that all lanes share. In a tree, all leaves have the same one.
    out_axes : int
        Where the mapped axis of the results goes.

    Returns
    -------
    callable

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.vmap(np.dot, in_axes=(0, None))(np.eye(2), np.array([3.0, 4.0]))
    array([3., 4.])
    """
    _require_callable(f, "vmap")
    @_transformed(f, "vmap", vmap, in_axes, out_axes)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        from wengert.mapping import run_mapped
        return run_mapped(f, args, kwargs, in_axes, out_axes)
    return mapped


# ---------------------------------------------------------------- the rest

def stop_gradient(x: Any) -> Any:
    """The value of `x`, as a constant: its derivative is zero.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.grad(lambda x: x * wg.stop_gradient(x))(3.0)
    np.float64(3.0)
    """
    from wengert.graph import REGISTRY
    leaves, spec = flatten(x)
    return spec.unflatten([REGISTRY["stop_gradient"](leaf) if isinstance(leaf, Tracer) else leaf for leaf in leaves])


def make_graph(f: Function, *args: Any, **kwargs: Any) -> Graph:
    """The graph of a function at these arguments; ``print`` it.

    Positional arguments that are floats or float arrays (or trees of them) become inputs; everything else is part
    of the program.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> graph = wg.make_graph(lambda x: np.sin(x) * 2.0, 1.0)
    >>> [e.primitive.name for e in graph.equations]
    ['sin', 'multiply']
    """
    _require_callable(f, "make_graph")
    argnums = tuple(k for k, a in enumerate(args) if _has_inexact_leaf(a))
    with fresh_build():
        run = Run("make_graph", f, args, kwargs, argnums)
    return run.closed_graph()


def _has_inexact_leaf(tree: Any) -> bool:
    for leaf in flatten(tree)[0]:
        if isinstance(leaf, (float, complex, Tracer)) or (
                isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "fc"):
            return True
    return False


