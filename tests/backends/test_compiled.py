"""Compiled equals interpreted: every primitive of the registry on its samples, to the rounding of its numbers."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest

import wengert.primitives
from wengert.backends.compiled import kernel
from wengert.backends.interpret import Program
from wengert.graph import REGISTRY, Const, Equation, Graph, Stack, Var, type_of

for _module in pkgutil.iter_modules(wengert.primitives.__path__):
    importlib.import_module(f"wengert.primitives.{_module.name}")

NAMES = sorted(n for n, p in REGISTRY.items() if p.sample is not None and n not in ("effect", "python_call"))


def cases(name):
    p, rng = REGISTRY[name], np.random.default_rng(3)
    for operands, params in p.sample(rng):
        if p.follows is not None:
            operands = p.follows(*operands, **params)
        if any(isinstance(o, Stack) for o in operands):
            continue
        yield p, [np.asarray(o) for o in operands], params


def graph_of(p, operands, params):
    inputs = [Var(type_of(o)) for o in operands]
    types = p.type(*[v.type for v in inputs], **params)
    results = [Var(t) for t in (types if p.multiple else (types,))]
    kept = [r for r in results if type(r.type).__name__ == "ArrayType"]
    return Graph(tuple(inputs), (Equation(p, inputs, params, results),), tuple(kept))


def assert_same(got, want, rtol=1e-12):
    for a, b in zip(got, want, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape
        if a.dtype.kind in "fc":
            single = a.dtype.itemsize // (2 if a.dtype.kind == "c" else 1) == 4
            scale = np.max(np.abs(b[np.isfinite(b)]), initial=0.0)
            np.testing.assert_allclose(a, b, rtol=1e-5 if single else rtol, atol=(1e-6 if single else 1e-13) * scale)
        else:
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_a_primitive_compiled_is_the_primitive(name):
    for p, operands, params in cases(name):
        graph = graph_of(p, operands, params)
        if not graph.outputs:
            continue
        compiled = kernel.compile_graph(graph)
        assert compiled is not None
        with np.errstate(all="ignore"):
            want = Program(graph)(*operands)
            assert_same(compiled(*operands), want)


@pytest.mark.parametrize("name", [n for n in NAMES if REGISTRY[n].elementwise])
def test_long_arrays_go_through_vectors(name):
    for p, operands, params in cases(name):
        if not operands or any(o.size == 0 for o in operands):
            continue
        shape = np.broadcast_shapes(*[o.shape for o in operands])
        long = [np.resize(np.broadcast_to(o, shape), 37).astype(o.dtype) for o in operands]
        graph = graph_of(p, long, params)
        compiled = kernel.compile_graph(graph)
        with np.errstate(all="ignore"):
            assert_same(compiled(*long), Program(graph)(*long))


@pytest.mark.parametrize("name", ["reduce_max", "reduce_min", "reduce_prod", "reduce_sum", "reduce_all", "reduce_any"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reductions_of_any_length(name, dtype):
    """Over axes of no whole number of vectors, of elements that all lie on one side of 0."""
    p, rng = REGISTRY[name], np.random.default_rng(4)
    for n in (5, 37, 67):
        for sign in (1.0, -1.0):
            x = (sign * rng.uniform(0.9, 1.1, (n, n))).astype(dtype)
            x = x > 0.0 if name in ("reduce_all", "reduce_any") else x
            for axes in ((0,), (1,), (0, 1)):
                graph = graph_of(p, [x], {"axes": axes})
                assert_same(kernel.compile_graph(graph)(x), Program(graph)(x))


@pytest.mark.parametrize("k", [1, 2])
def test_powers_times_logarithms_of_zero(k):
    x, y = np.zeros(9), np.linspace(-2.0, 2.0, 9)
    graph = graph_of(REGISTRY["power_log"], [x, y], {"k": k})
    with np.errstate(all="ignore"):
        assert_same(kernel.compile_graph(graph)(x, y), Program(graph)(x, y))


@pytest.mark.parametrize("n", [3, 9, 20])
def test_complex_products_of_any_size(n):
    rng = np.random.default_rng(5)
    a, b, c = [rng.normal(size=shape) + 1j * rng.normal(size=shape) for shape in ((n, n + 1), (n + 1, n + 2), (n + 1,))]
    for operands, spec in (((a, b), "ab,bc->ac"), ((a, c), "ab,b->a"), ((c, c), "a,a->"), ((a, a), "ab,cb->ac")):
        graph = graph_of(REGISTRY["contract"], operands, {"spec": spec})
        assert_same(kernel.compile_graph(graph)(*operands), Program(graph)(*operands))


def test_constants_small_and_large():
    x = Var(type_of(np.zeros(300)))
    big = Const(np.arange(300.0))
    out = Var(x.type)
    graph = Graph((x,), (Equation(REGISTRY["add"], (x, big), {}, (out,)),), (out,))
    np.testing.assert_array_equal(kernel.compile_graph(graph)(np.ones(300))[0], np.arange(300.0) + 1)


# What some sample of leaves to Python, at some microseconds a call; a name that comes or goes is worth noticing.
CALLS_PYTHON = {
    "adjugate", "adjugate_tangent", "argpartition", "banded_factor", "beta_density", "betainc_derivative", "corotation",
    "custom_jvp", "custom_vjp", "custom_vjp_linear", "dawsn_derivative", "dct", "discrete_lyapunov", "dst",
    "eig_rotation", "eig_rotation_adjoint", "erfcx_derivative", "event_time", "exprel_derivative", "foreign",
    "foreign_linear", "frechet", "free_rotation", "free_rotation_adjoint", "function_of_matrix", "gamma_density",
    "gammainc_derivative", "implicit", "independent", "integral", "iv", "ivp", "ivp_adjoint", "ivp_curvature",
    "ivp_tangent", "largest_entries", "lfilter", "linear_solve", "log_ndtr_derivative", "logsumexp", "logsumexp_sign",
    "lstsq", "over_values", "partition", "phase", "pinv", "polar_factor", "polygamma", "psi_rise", "python_integer",
    "reduce_sum", "regular", "rotation", "rotation_adjoint", "scaled_derivative", "sinc_derivative", "solution",
    "solve_banded_factored", "sparse_solve", "spherical_in", "spherical_jn", "spherical_kn", "spherical_yn", "sqrtm",
    "sylvester", "transversal", "unwrap", "well_conditioned",
}


def test_what_machine_code_leaves_to_python():
    found = set()
    for name in NAMES:
        for p, operands, params in cases(name):
            graph = graph_of(p, operands, params)
            if graph.outputs and kernel.compile_graph(graph).called:
                found.add(name)
    assert found == CALLS_PYTHON
