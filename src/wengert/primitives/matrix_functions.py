"""Functions of matrices: exponential, logarithm, square root, sines; Sylvester and Lyapunov equations.

What comes in: stacks of square matrices. What goes out: f(A), computed by SciPy. The one idea: the Fréchet
derivative is a block of f itself, ``f([[A, E], [0, A]]) = [[f(A), L(A, E)], [0, f(A)]]`` (Higham, "Functions of
Matrices", 2008, theorem 3.6), its adjoint is ``L(Aᴴ, ·)``, and the derivative of L with regard to A is a block of
L at ``[[A, E], [0, A]]``; so all orders are closed. The square root, and the linear equations, are their own
derivatives through Sylvester's equation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import NonDifferentiableError
from wengert.graph import ArrayType, Primitive
from wengert.primitives.contract import matmul
from wengert.primitives.matrices import block, lifted, mapped, mH, rest, square_only
from wengert.primitives.solve import solve
from wengert.primitives.structure import zeros_like

__all__ = ["discrete_lyapunov", "frechet", "function_of_matrix", "polar_factor", "sqrtm", "sylvester"]


def _by_name(name: str) -> Any:
    import scipy.linalg
    return getattr(scipy.linalg, name)


def _apply(name: str, a: Any) -> Any:
    if not a.size:
        return np.array(a)
    f, dtype = _by_name(name), a.dtype
    if name == "logm":
        a = a.astype(np.result_type(dtype, np.float64))  # SciPy would warn of the rounding of single precision
    return mapped(f, (2,), a).astype(dtype, copy=False)


def _square_type(a: ArrayType, **params: Any) -> ArrayType:
    square_only(a)
    return a


def _draw(rng: np.random.Generator, *shape: int, is_complex: bool = False) -> Any:
    a = rng.uniform(-0.5, 0.5, shape)
    if is_complex:
        a = a + 1j * rng.uniform(-0.5, 0.5, shape)
    return a + 1.5 * np.eye(shape[-1])


_NAMES = ("expm", "logm", "cosm", "sinm", "coshm", "sinhm", "tanm", "tanhm")


def _function_sample(rng: np.random.Generator) -> Any:
    out = [((_draw(rng, 2, 2),), {"name": name}) for name in _NAMES if name not in ("tanm", "tanhm")]
    return [*out, ((_draw(rng, 2, 2, 2),), {"name": "expm"}), ((_draw(rng, 2, 2, is_complex=True),), {"name": "expm"}),
            ((_draw(rng, 2, 2, is_complex=True),), {"name": "logm"}), ((np.zeros((0, 2, 2)),), {"name": "expm"})]


# A function of SciPy's, with a result of the dtype of the matrix.
function_of_matrix: Primitive = Primitive(
    "function_of_matrix", type=_square_type, evaluate=lambda a, *, name: _apply(name, a),
    jvp=lambda y, ops, tangents, *, name: frechet(tangents[0], ops[0], name=name),
    batch=lambda n, ops, batched, *, name: function_of_matrix(ops[0], name=name), sample=_function_sample)


def _off_the_cut(a: Any) -> None:
    """The adjoint of L(A, ·) is L(Aᴴ, ·) only off the branch cut of the logarithm."""
    values = np.linalg.eigvals(a)
    near = float(np.finfo(a.dtype).eps) ** 0.5
    if np.any((values.real <= 0) & (np.abs(values.imag) <= near * np.abs(values))):
        raise NonDifferentiableError("scipy.linalg.logm of a matrix with an eigenvalue on the negative real axis, where "
                                     "the logarithm jumps: it has no derivative there")


def _frechet_evaluate(e: Any, a: Any, *, name: str) -> Any:
    """Of E scaled to the size of A: the function of the block matrix may lose accuracy otherwise."""
    if not a.size:
        return np.array(e)
    if name == "logm":
        _off_the_cut(a)
    n = a.shape[-1]
    size = np.max(np.abs(e), axis=(-2, -1), keepdims=True)
    unit = np.where(size > 0, size / np.maximum(np.max(np.abs(a), axis=(-2, -1), keepdims=True), 1e-3), 1)
    unit = unit.astype(a.real.dtype)
    whole = np.concatenate([np.concatenate([a, e / unit], -1), np.concatenate([np.zeros_like(a), a], -1)], -2)
    return (_apply(name, whole)[..., :n, n:] * unit).astype(a.dtype, copy=False)


def _frechet_jvp(y: Any, ops: Any, tangents: Any, *, name: str) -> Any:
    e, a = ops
    n, none = a.shape[-1], zeros_like(a)
    both = frechet(block(tangents[1], none, none, tangents[1]), block(a, e, none, a), name=name)
    return rest(both, rows=slice(0, n), columns=slice(n, None))


# The derivative of f at A in the direction of E.
frechet: Primitive = Primitive(
    "frechet", type=lambda e, a, *, name: _square_type(a), evaluate=_frechet_evaluate, linear=(0,),
    transpose=lambda ct, i, ops, *, name: frechet(ct, mH(ops[1]), name=name), jvp=_frechet_jvp,
    batch=lambda n, ops, batched, *, name: frechet(*lifted(n, ops, batched), name=name),
    sample=lambda rng: [((rng.normal(size=a.shape).astype(a.dtype), a), p) for (a,), p in _function_sample(rng)])


# ---------------------------------------------------------------- square root

sqrtm: Primitive = Primitive(
    "sqrtm", type=_square_type, evaluate=lambda a: _apply("sqrtm", a),
    jvp=lambda y, ops, tangents: sylvester(y, y, tangents[0]), batch=lambda n, ops, batched: sqrtm(ops[0]),
    sample=lambda rng: [((_draw(rng, 3, 3),), {}), ((_draw(rng, 2, 2, 2),), {}),
                        ((_draw(rng, 2, 2, is_complex=True),), {}), ((np.zeros((0, 2, 2)),), {})])


# ---------------------------------------------------------------- linear matrix equations

def _sylvester_type(a: ArrayType, b: ArrayType, q: ArrayType) -> ArrayType:
    square_only(a, b)
    if q.shape[-2:] != (a.shape[-1], b.shape[-1]):
        raise ValueError(f"Sylvester's equation with {a}, {b} and {q}")
    return q


def _sylvester_one(a: Any, b: Any, q: Any) -> Any:
    """SciPy's, which would go on with numbers of its own where there is no unique solution."""
    of_a, of_b = np.linalg.eigvals(a), np.linalg.eigvals(b)
    size = np.max(np.abs(of_a)) + np.max(np.abs(of_b))
    if not np.min(np.abs(of_a[:, None] + of_b)) > len(q) * np.finfo(q.dtype).eps * size:
        raise np.linalg.LinAlgError("A X + X B = Q is singular: eigenvalues of A and -B coincide (a square root or polar "
                                    "factor has no derivative where its matrix, or its factor, is singular)")
    return _by_name("solve_sylvester")(a, b, q)


def _sylvester_evaluate(a: Any, b: Any, q: Any) -> Any:
    if not q.size:
        return np.array(q)
    return mapped(_sylvester_one, (2, 2, 2), a, b, q).astype(q.dtype, copy=False)


def _sylvester_jvp(x: Any, ops: Any, tangents: Any) -> Any:
    a, b, _ = ops
    terms = []
    if tangents[0] is not None:
        terms.append(matmul(tangents[0], x))
    if tangents[1] is not None:
        terms.append(matmul(x, tangents[1]))
    return -sylvester(a, b, terms[0] if len(terms) == 1 else terms[0] + terms[1])


def _sylvester_sample(rng: np.random.Generator) -> Any:
    out: list[Any] = []
    for n, m, c in ((2, 3, False), (2, 2, True)):
        a, b = _draw(rng, n, n, is_complex=c), _draw(rng, m, m, is_complex=c)
        out.append(((a, b, rng.normal(size=(n, m)).astype(a.dtype)), {}))
    return out


# A X + X B = Q.
sylvester: Primitive = Primitive(
    "sylvester", type=_sylvester_type, evaluate=_sylvester_evaluate, linear=(2,), jvp=_sylvester_jvp,
    transpose=lambda ct, i, ops: sylvester(mH(ops[0]), mH(ops[1]), ct),
    batch=lambda n, ops, batched: sylvester(*lifted(n, ops, batched)), sample=_sylvester_sample)


def _lyapunov_evaluate(a: Any, q: Any) -> Any:
    if not q.size:
        return np.array(q)
    return mapped(_by_name("solve_discrete_lyapunov"), (2, 2), a, q).astype(q.dtype, copy=False)


def _lyapunov_jvp(x: Any, ops: Any, tangents: Any) -> Any:
    a, da = ops[0], tangents[0]
    return discrete_lyapunov(a, matmul(matmul(da, x), mH(a)) + matmul(matmul(a, x), mH(da)))


def _lyapunov_sample(rng: np.random.Generator) -> Any:
    return [((a * 0.4, rng.normal(size=a.shape).astype(a.dtype)), {})
            for a in (_draw(rng, 2, 2), _draw(rng, 3, 3), _draw(rng, 2, 2, is_complex=True))]


# A X Aᴴ - X + Q = 0.
discrete_lyapunov: Primitive = Primitive(
    "discrete_lyapunov", type=lambda a, q: _sylvester_type(a, a, q), evaluate=_lyapunov_evaluate, linear=(1,),
    transpose=lambda ct, i, ops: discrete_lyapunov(mH(ops[0]), ct), jvp=_lyapunov_jvp,
    batch=lambda n, ops, batched: discrete_lyapunov(*lifted(n, ops, batched)), sample=_lyapunov_sample)


# ---------------------------------------------------------------- the polar decomposition

def _polar_type(a: ArrayType) -> ArrayType:
    if a.ndim < 2 or a.shape[-2] < a.shape[-1]:
        raise ValueError(f"the polar factor of {a}: at least as many rows as columns")
    return a


def _polar_evaluate(a: Any) -> Any:
    if not a.size:
        return np.array(a)
    w, _, vh = np.linalg.svd(a, full_matrices=False)
    return w @ vh


def _polar_jvp(u: Any, ops: Any, tangents: Any) -> Any:
    """``dU = U W + (1 - U Uᴴ) dA P⁻¹`` with ``P W + W P = Uᴴ dA - dAᴴ U`` and ``P = Uᴴ A``."""
    a, da = ops[0], tangents[0]
    uh = mH(u)
    inner, p = matmul(uh, da), matmul(uh, a)
    p = (p + mH(p)) * 0.5
    out = matmul(u, sylvester(p, p, inner - mH(inner)))
    if a.shape[-2] == a.shape[-1]:
        return out
    return out + mH(solve(p, mH(da - matmul(u, inner))))


# U of A = U P, with orthonormal columns, for A of full rank: no singular vectors in it, so equal singular values do not matter.
polar_factor: Primitive = Primitive(
    "polar_factor", type=_polar_type, evaluate=_polar_evaluate, jvp=_polar_jvp,
    batch=lambda n, ops, batched: polar_factor(ops[0]),
    sample=lambda rng: [((_draw(rng, 3, 3),), {}), ((rng.normal(size=(2, 4, 2)),), {}), ((np.eye(2) * 1.5,), {}),
                        ((_draw(rng, 2, 2, is_complex=True),), {}),
                        ((rng.normal(size=(3, 2)) + 1j * rng.normal(size=(3, 2)),), {})])
