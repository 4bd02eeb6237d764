"""PyTorch: `np` is the module `torch` with NumPy's names and arguments where they differ, in double precision.

Gradients are `torch.autograd.grad`, jvps `torch.func.jvp` (forward mode), Hessians `torch.func.hessian`, or
`torch.autograd.functional.hessian` where a program branches on data. Where PyTorch has a function by another name, that
is translated: a case that fails fails for its derivative, not for its spelling.
"""

from __future__ import annotations

import functools
import platform
import types
from typing import Any

import numpy
import torch as lib

from conformance.trees import leaves, map_leaves

lib.set_default_dtype(lib.float64)
T = lib.as_tensor


def tensor(a: Any) -> Any:
    """A tensor of what NumPy would make an array of: numbers, arrays, and lists that may hold tensors."""
    if isinstance(a, (list, tuple)):
        return (
            lib.stack([tensor(part) for part in a]) if any(isinstance(x, lib.Tensor) for x in leaves(a)) else T(numpy.array(a))
        )
    return a if isinstance(a, lib.Tensor) else T(a)


def lifted(function: Any) -> Any:
    """A function of tensors, also of numbers, arrays and lists."""

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        return function(*[tensor(g) if isinstance(g, (numpy.ndarray, float, int, list)) else g for g in given], **named)

    return call


def reduction(whole: Any, along: Any) -> Any:
    def reduce(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return whole(tensor(a)) if axis is None else along(tensor(a), dim=axis, keepdim=keepdims)

    return reduce


def elementwise(*names: str) -> dict[str, Any]:
    return {name: lifted(getattr(lib, name)) for name in names}


def select(conditions: Any, choices: Any, default: Any = 0) -> Any:
    out = tensor(default)
    for c, v in reversed(list(zip(conditions, choices))):
        out = lib.where(tensor(c), v, out)
    return out


def swap(a: Any, one: int, other: int) -> Any:
    return lib.swapaxes(tensor(a), one, other)


NAMES: dict[str, Any] = {
    **elementwise(
        *"""sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arccosh arctanh exp exp2 expm1 log log2 log10
    log1p sqrt square reciprocal sinc abs sign floor round ceil maximum minimum hypot arctan2 logaddexp outer kron trace diff
    where argsort argmax tril triu real imag conj angle clip roll broadcast_to moveaxis ravel deg2rad atleast_1d dot
    diagonal diag reshape""".split()
    ),
    "cumsum": lambda a: lib.cumsum(a, 0),
    "cumprod": lambda a: lib.cumprod(a, 0),
    "tile": lambda a, n: lib.tile(a, (n,)),
    "concatenate": lambda arrays, axis=0: lib.cat([tensor(a) for a in arrays], dim=axis),
    "stack": lambda arrays, axis=0: lib.stack([tensor(a) for a in arrays], dim=axis),
    "power": lifted(lib.pow),
    "multiply": lifted(lib.multiply),
    "mod": lifted(lib.remainder),
    "absolute": lifted(lib.abs),
    "array": tensor,
    "asarray": tensor,
    "zeros": lib.zeros,
    "ones": lib.ones,
    "empty": lib.empty,
    "eye": lib.eye,
    "zeros_like": lib.zeros_like,
    "empty_like": lib.empty_like,
    "arange": lib.arange,
    "float32": lib.float32,
    "float64": lib.float64,
    "sum": reduction(lib.sum, lib.sum),
    "mean": reduction(lib.mean, lib.mean),
    "prod": reduction(lib.prod, lib.prod),
    "max": reduction(lib.max, lib.amax),
    "min": reduction(lib.min, lib.amin),
    "var": lambda a, ddof=0: lib.var(a, correction=ddof),
    "std": lambda a, ddof=0: lib.std(a, correction=ddof),
    "sort": lambda a: lib.sort(a).values,
    "median": lambda a: lib.quantile(a, 0.5),
    "quantile": lib.quantile,
    "flip": lambda a: lib.flip(a, (0,)),
    "repeat": lib.repeat_interleave,
    "tensordot": lambda a, b, axes: lib.tensordot(a, tensor(b), axes),
    "einsum": lambda how, *arrays: lib.einsum(how, *map(tensor, arrays)),
    "swapaxes": swap,
    "cross": lambda a, b: lib.linalg.cross(a, tensor(b)),
    "split": lambda a, n: lib.tensor_split(a, n),
    "pad": lambda a, n: lib.nn.functional.pad(a, (n, n)),
    "take_along_axis": lambda a, i, axis: lib.take_along_dim(a, tensor(i), dim=axis),
    "trapezoid": lib.trapezoid,
    "meshgrid": lambda *a: lib.meshgrid(*a, indexing="xy"),
    "select": select,
    "pi": numpy.pi,
    "inf": numpy.inf,
    "fft": types.SimpleNamespace(fft=lib.fft.fft),
    "linalg": types.SimpleNamespace(
        solve=lambda a, b: lib.linalg.solve(tensor(a), tensor(b)),
        inv=lib.linalg.inv,
        det=lib.linalg.det,
        slogdet=lib.linalg.slogdet,
        matrix_power=lib.linalg.matrix_power,
        cholesky=lib.linalg.cholesky,
        eigvalsh=lib.linalg.eigvalsh,
        eigh=lib.linalg.eigh,
        svd=lambda a, full_matrices=True, compute_uv=True: (
            lib.linalg.svd(a, full_matrices) if compute_uv else lib.linalg.svdvals(a)
        ),
        norm=lib.linalg.norm,
        qr=lib.linalg.qr,
        pinv=lib.linalg.pinv,
        eigvals=lib.linalg.eigvals,
        lstsq=lambda a, b, rcond=None: [s[:, 0] for s in lib.linalg.lstsq(a, tensor(b)[:, None])[:1]],
    ),
}
SPECIAL = {
    name: lifted(getattr(lib.special, name))
    for name in """erf erfc erfinv gammaln digamma expit logit i0 i1 ndtr
    log_ndtr xlogy gammainc erfcx entr""".split()
} | {
    "j0": lib.special.bessel_j0,
    "j1": lib.special.bessel_j1,
    "y0": lib.special.bessel_y0,
    "logsumexp": lambda a: lib.logsumexp(a, 0),
    "softmax": lambda a: lib.softmax(a, 0),
    "log_expit": lib.nn.functional.logsigmoid,
}


class Module:
    """A module with some names of its own; what is missing says so as a module does."""

    def __init__(self, name: str, names: dict[str, Any]) -> None:
        self.__dict__.update(names)
        self._name = name

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"PyTorch's counterpart of {self._name} has no attribute {name}")


np = Module("numpy", NAMES)
sp = Module(
    "scipy",
    {
        "special": Module("scipy.special", SPECIAL),
        "linalg": Module(
            "scipy.linalg",
            {
                "expm": lib.linalg.matrix_exp,
                "solve_triangular": lambda a, b, lower: lib.linalg.solve_triangular(a, tensor(b)[:, None], upper=not lower)[
                    :, 0
                ],
                "cho_factor": lambda a, lower: lib.linalg.cholesky(a),
                "cho_solve": lambda c, b: lib.cholesky_solve(tensor(b)[:, None], c)[:, 0],
            },
        ),
    },
)


def constant(a: numpy.ndarray) -> Any:
    """Constant arrays of the cases are tensors, as they would be in a program for PyTorch."""
    return T(a.copy())


def grad(f: Any) -> Any:
    return lambda x: lib.func.grad(f)(tensor(x))


def stop_gradient(x: Any) -> Any:
    return x.detach()


def versions() -> dict[str, str]:
    return {"torch": lib.__version__, "numpy": numpy.__version__, "python": platform.python_version()}


def ours(x: Any) -> Any:
    return map_leaves(lambda leaf: T(numpy.array(leaf)) if not isinstance(leaf, int) else lib.tensor(leaf), x)


def theirs(x: Any) -> Any:
    return map_leaves(lambda leaf: leaf.detach().resolve_conj().numpy(), x)


def value(f: Any, x: Any) -> Any:
    found = f(map_leaves(lambda leaf: leaf.requires_grad_(), ours(x)))
    return theirs(tensor(found))


def gradient(f: Any, x: Any) -> Any:
    point = map_leaves(lambda leaf: leaf.requires_grad_(), ours(x))
    rest = iter(lib.autograd.grad(tensor(f(point)), list(leaves(point)), materialize_grads=True))
    return theirs(map_leaves(lambda _: next(rest), point))


def jvp(f: Any, x: Any, v: Any) -> Any:
    if isinstance(x, lib.Tensor):  # inside a case
        return lib.func.jvp(f, (x,), (tensor(v),))[1]
    return theirs(lib.func.jvp(f, (ours(x),), (ours(v),))[1])


def hessian(f: Any, x: Any) -> Any:
    if isinstance(x, lib.Tensor):
        return lib.func.hessian(f)(x)
    try:
        return theirs(lib.func.hessian(f)(ours(x)))
    except RuntimeError:  # vmap does not branch on data; the other way does
        return theirs(lib.autograd.functional.hessian(f, ours(x)))
