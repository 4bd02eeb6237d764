"""Functions of matrices: exponential, logarithm, square root, sine, cosine.

What comes in: a square matrix and directions. What goes out: ``f(A)``, or its k-th derivative in k directions. The one
idea: the derivative in directions E1..Ek is the corner block of f of a block triangular matrix (Mathias 1996), it is linear
in each direction, and since ``tr(X Dᵏf(A)[E1..Ek])`` is symmetric in X and all E, its adjoint is of the same kind.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import NonDifferentiableError
from wengert.graph import REGISTRY, ArrayType, Missing, Primitive
from wengert.primitives.solve import adjoint, each, stacked, well_conditioned

__all__ = ["matrix_function"]

_HIGHEST = 3  # the order of derivative that is kept; block matrices of order k are 2^k times as large


def _corner(function: str, a: Any, directions: tuple[Any, ...]) -> Any:
    import scipy.linalg

    m = a
    for e in directions:
        blocks = m.shape[-1] // e.shape[-1]
        m = np.block([[m, np.kron(np.eye(blocks), e)], [np.zeros_like(m), m]])
    n = a.shape[-1]
    out = getattr(scipy.linalg, function)(m)[:n, -n:]
    if np.iscomplexobj(out) and a.dtype.kind != "c":
        if np.any(np.abs(out.imag) > 1e-8 * np.max(np.abs(out))):
            raise NonDifferentiableError(f"{function} of a real matrix is complex here; pass a complex matrix")
        out = out.real
    return (np.ascontiguousarray(out, dtype=a.dtype),)


def _evaluate(a: Any, *directions: Any, function: str) -> Any:
    return each(lambda *ms: _corner(function, ms[0], ms[1:]), a, *directions)[0]


def _type(a: ArrayType, *directions: ArrayType, function: str) -> ArrayType:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError("expected square array_like input")
    return a


def _define(order: int) -> Primitive:
    name = f"matrix_function_{order}"

    def jvp(y: Any, operands: Any, tangents: Any, *, function: str) -> Any:
        return REGISTRY[f"matrix_function_{order + 1}"](*operands, tangents[0], function=function)

    def transpose(ct: Any, i: int, ops: Any, *, function: str) -> Any:
        directions = [ct if j == i else adjoint(ops[j]) for j in range(1, order + 1)]
        return REGISTRY[name](adjoint(ops[0]), *directions, function=function)

    def sample(rng: np.random.Generator) -> Any:
        if order > 1:
            return [((0.3 * well_conditioned(rng, n=2), *rng.normal(size=(order, 2, 2))), {"function": "expm"})]
        return [
            ((well_conditioned(rng, n=2), *rng.normal(size=(order, 2, 2))), {"function": f}) for f in ("expm", "sinm", "cosm")
        ]

    linear: dict[str, Any] = {"linear": tuple(range(1, order + 1)), "transpose": transpose} if order else {}
    rule: dict[str, Any] = (
        {"jvp": jvp}
        if order < _HIGHEST
        else {"partials": (Missing(f"derivatives of a matrix function beyond order {_HIGHEST} are not kept"), *[None] * order)}
    )
    return Primitive(
        name, type=_type, evaluate=_evaluate, **rule, batch=stacked(lambda: REGISTRY[name]), sample=sample, **linear
    )  # type: ignore[arg-type]


_ORDERS = [_define(k) for k in range(_HIGHEST + 1)]


def matrix_function(function: str, a: Any) -> Any:
    """``f(A)`` for f one of SciPy's expm, logm, sqrtm, sinm, cosm."""
    return _ORDERS[0](a, function=function)
