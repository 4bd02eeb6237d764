"""What a user's function captures, in every public function that takes one.

A function that uses a traced value from around it has the derivative that differences show, or is refused. Code of the library
that calls it as it finds it would freeze what it captures, in silence: under `grad` the derivative would be lost, under `jit`
the value of the first call would stay.

A new public function is found by its signature: it needs an entry here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import WengertError

V = np.array([0.5, 1.5])
pytestmark = pytest.mark.filterwarnings("ignore::wengert.StagingWarning")


def _sum(f):
    return lambda v: np.sum(f(v))


def _custom_jvp(f):
    out = wg.custom_jvp(f)
    out.defjvp(lambda p, t: wg.jvp(f, p, t))
    return out


def _custom_vjp(f):
    out = wg.custom_vjp(f)
    out.defvjp(lambda v: (f(v), v), lambda v, ct: wg.vjp(f, v)[1](ct))
    return out


def _target(f):
    return lambda v: np.sum((v - f(V)) ** 2)


# A number made with f, a function of a vector that works element by element.
EXACT: dict[str, Callable[[Any], Any]] = {
    "checkpoint": lambda f: np.sum(wg.checkpoint(f)(V)),
    "cond": lambda f: np.sum(wg.cond(True, f, lambda v: v, V)),
    "custom_jvp": lambda f: np.sum(_custom_jvp(f)(V)),
    "custom_vjp": lambda f: np.sum(_custom_vjp(f)(V)),
    "fori_loop": lambda f: np.sum(wg.fori_loop(0, 3, lambda i, v: f(v), V)),
    "for_scipy": lambda f: wg.for_scipy(_sum(f), V).fun(V),
    "gauss_newton_product": lambda f: np.sum(wg.gauss_newton_product(f, V, V)),
    "grad": lambda f: np.sum(wg.grad(_sum(f))(V)),
    "hessian": lambda f: np.sum(wg.hessian(_sum(f))(V)),
    "hvp": lambda f: np.sum(wg.hvp(_sum(f), V, V)),
    "implicit.fixed_point": lambda f: np.sum(wg.implicit.fixed_point(lambda v: 1.0 + 0.1 * f(v), V)),
    "implicit.least_squares": lambda f: np.sum(wg.implicit.least_squares(lambda v: v - 2.0 + 0.1 * f(v), V)),
    "implicit.minimize": lambda f: np.sum(wg.implicit.minimize(lambda v: np.sum((v - 2.0) ** 2 + 0.1 * f(v)), V)),
    "implicit.root": lambda f: np.sum(wg.implicit.root(lambda v: v - 0.1 * f(v) - 1.0, V)),
    "jacfwd": lambda f: np.sum(wg.jacfwd(f)(V)),
    "jacobian": lambda f: np.sum(wg.jacobian(f)(V)),
    "jacrev": lambda f: np.sum(wg.jacrev(f)(V)),
    "jit": lambda f: np.sum(wg.jit(f)(V)),
    "jvp": lambda f: np.sum(wg.jvp(f, (V,), (V,))[1]),
    "linearize": lambda f: np.sum(wg.linearize(f, V)[1](V)),
    "ode.solve_ivp": lambda f: np.sum(wg.ode.solve_ivp(lambda t, y: -f(y), (0.0, 1.0), V, rtol=1e-9, atol=1e-12).y[:, -1]),
    "opaque": lambda f: np.sum(wg.opaque(f)(V)),
    "scan": lambda f: np.sum(wg.scan(lambda a, v: (a + np.sum(f(v * V)), a), 0.0, V)[0]),
    "taylor": lambda f: np.sum(wg.taylor(_sum(f), V, V, 2)[2]),
    "value_and_grad": lambda f: np.sum(wg.value_and_grad(_sum(f))(V)[1]),
    "vjp": lambda f: np.sum(wg.vjp(f, V)[1](V)[0]),
    "vmap": lambda f: np.sum(wg.vmap(f)(V)),
    "while_loop": lambda f: np.sum(wg.while_loop(lambda v: np.sum(v * v) < 30.0, lambda v: v + np.abs(f(v)), V)),
}

# These give no derivative of what is captured, and say so. They do not freeze it either.
REFUSED: dict[str, Callable[[Any], Any]] = {
    "optim.conjugate_gradient": lambda f: np.sum(wg.optim.conjugate_gradient(_target(f), V).x),
    "optim.gauss_newton": lambda f: np.sum(wg.optim.gauss_newton(lambda v: v - f(V), V).x),
    "optim.gradient_descent": lambda f: np.sum(wg.optim.gradient_descent(_target(f), V).x),
    "optim.lbfgs": lambda f: np.sum(wg.optim.lbfgs(_target(f), V).x),
    "optim.levenberg_marquardt": lambda f: np.sum(wg.optim.levenberg_marquardt(lambda v: v - f(V), V).x),
    "propagate": lambda f: wg.propagate(_sum(f), V, np.eye(2)).std,
    "scipy.curve_fit": lambda f: np.sum(wg.scipy.curve_fit(lambda t, a: a * f(t), V, V, p0=[1.0])[0]),
    "scipy.least_squares": lambda f: np.sum(wg.scipy.least_squares(lambda v: v - f(V), V).x),
    "scipy.minimize": lambda f: np.sum(wg.scipy.minimize(_target(f), V).x),
    "scipy.root": lambda f: np.sum(wg.scipy.root(lambda v: v - f(V), V).x),
    "scipy.solve_ivp": lambda f: np.sum(wg.scipy.solve_ivp(lambda t, y: -f(y), (0.0, 1.0), V).y),
    "stochastic.diagonal": lambda f: np.sum(wg.stochastic.diagonal(lambda v: f(V) * v, seed=0, size=2).value),
    "stochastic.hessian_operator": lambda f: np.sum(wg.stochastic.hessian_operator(_sum(f), V) @ V),
    "stochastic.trace": lambda f: wg.stochastic.trace(lambda v: f(V) * v, seed=0, size=2).value,
    **{f"numeric.{name}": lambda f, name=name: np.sum(getattr(wg.numeric, name)(_sum(f), V))
       for name in ("gradient", "jacobian", "hessian")},
    "numeric.derivative": lambda f: wg.numeric.derivative(lambda t: np.sum(f(t * V)), 0.5),
}

# What looks at a function from outside, and gives a report, a graph or a wrapper of the above.
OUTSIDE = set("""
certify check_grads compare count_operations explain explain_compilation fit formula lint make_graph plan profile rounding_error
source taylor_test scipy.for_scipy stochastic.propagate stochastic.trace_of_function scipy.Adapter
""".split())

_NAMES = {"f", "fun", "func", "function", "residual", "residuals", "body_fun", "cond_fun", "true_fun", "g"}


def _public() -> Iterator[tuple[str, Any]]:
    for name in wg.__all__:
        yield name, getattr(wg, name)
    for module in ("implicit", "ode", "optim", "scipy", "stochastic"):
        for name in getattr(wg, module).__all__:
            yield f"{module}.{name}", getattr(getattr(wg, module), name)


def _takes_a_function(x: Any) -> bool:
    if not callable(x) or (isinstance(x, type) and issubclass(x, (Warning, tuple))):
        return False
    return bool(_NAMES.intersection(inspect.signature(x).parameters))


def test_every_public_function_that_takes_a_function_has_an_entry():
    found = {name for name, x in _public() if _takes_a_function(x)}
    assert found - OUTSIDE == {n for n in (*EXACT, *REFUSED) if not n.startswith("numeric.")
                               and n not in ("stochastic.diagonal", "stochastic.trace")}  # which take operators, too


@pytest.mark.parametrize("name", EXACT)
def test_a_captured_value_is_differentiated(name):
    def total(c):
        return EXACT[name](lambda v: np.sin(c * v) * c + v * v)

    h = 1e-3
    outer, inner = (total(0.7 + k * h) - total(0.7 - k * h) for k in (2, 1))
    expected = (8.0 * inner - outer) / (12.0 * h)
    for derived in (wg.grad(total), wg.jit(wg.grad(total)), lambda c: wg.jvp(total, (c,), (1.0,))[1]):
        np.testing.assert_allclose(derived(0.7), expected, rtol=1e-6)


@pytest.mark.parametrize("name", REFUSED)
def test_a_captured_value_is_refused_where_its_derivative_would_be_lost(name):
    with pytest.raises(WengertError):
        wg.grad(lambda c: REFUSED[name](lambda v: np.sin(c * v) * c + v * v))(0.7)


class _Setting:
    c = 0.7


@pytest.mark.parametrize("name", [*EXACT, *REFUSED])
def test_a_captured_value_may_change_under_jit(name):
    program, held = {**EXACT, **REFUSED}[name], _Setting()

    def total(x):
        return x * program(lambda v: np.sin(held.c * v) * held.c + v * v)

    jitted = wg.jit(total)
    for c in (0.7, 0.8):
        held.c = c
        np.testing.assert_allclose(jitted(1.0), total(1.0), rtol=1e-6)
