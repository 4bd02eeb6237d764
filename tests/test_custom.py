"""Custom derivatives and opaque functions, in both modes and to second order."""

import math

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError, MissingRuleError, MutationError, WengertError


@wg.custom_jvp
def cube(x):
    return x * x * x


@cube.defjvp
def _(primals, tangents):
    (x,), (t,) = primals, tangents
    return cube(x), 3.0 * x * x * t


@wg.custom_vjp
def product(x, y):
    return x * y


product.defvjp(lambda x, y: (product(x, y), (x, y)), lambda r, ct: (ct * r[1], ct * r[0]))


def test_custom_jvp_in_all_modes():
    assert wg.grad(cube)(2.0) == 12.0
    assert wg.jvp(cube, (2.0,), (1.0,)) == (8.0, 12.0)
    assert wg.grad(wg.grad(cube))(2.0) == 12.0
    assert wg.grad(wg.grad(wg.grad(cube)))(2.0) == 6.0
    np.testing.assert_array_equal(wg.vmap(wg.grad(cube))(np.array([1.0, 2.0])), [3.0, 12.0])


def test_a_rule_that_differs_is_obeyed():
    @wg.custom_jvp
    def f(x):
        return x ** 2
    f.defjvp(lambda p, t: (p[0] ** 2, 100.0 * t[0]))
    assert wg.grad(f)(1.0) == 100.0
    assert f(3.0) == 9.0


def test_custom_vjp_in_all_modes():
    assert wg.grad(product, (0, 1))(2.0, 3.0) == (3.0, 2.0)
    assert wg.jvp(product, (2.0, 3.0), (1.0, 0.0)) == (6.0, 3.0)
    f = lambda z: product(z[0], z[1]) * z[0]
    np.testing.assert_array_equal(wg.hessian(f)(np.array([2.0, 3.0])), [[6.0, 4.0], [4.0, 0.0]])
    np.testing.assert_array_equal(wg.jacrev(wg.grad(f))(np.array([2.0, 3.0])), [[6.0, 4.0], [4.0, 0.0]])


def test_gradient_surgery():
    @wg.custom_vjp
    def clipped(x):
        return x
    clipped.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1.0, 1.0),))
    assert wg.grad(lambda x: 10.0 * clipped(x))(2.0) == 1.0
    with pytest.raises(WengertError, match="forward mode"):
        wg.jvp(clipped, (1.0,), (1.0,))


def test_rules_with_branches_follow_values():
    @wg.custom_jvp
    def relu(x):
        return x if x > 0 else 0.0 * x

    @relu.defjvp
    def _(primals, tangents):
        (x,), (t,) = primals, tangents
        return relu(x), t if x > 0 else 0.0 * t
    assert wg.grad(relu)(2.0) == 1.0
    assert wg.grad(relu)(-2.0) == 0.0
    assert wg.grad(relu)(3.0) == 1.0


def test_rules_see_changed_settings():
    scale = [1.0]

    @wg.custom_jvp
    def f(x):
        return x
    f.defjvp(lambda p, t: (p[0], scale[0] * t[0]))
    assert wg.grad(f)(1.0) == 1.0
    scale[0] = 5.0
    assert wg.grad(f)(1.0) == 5.0


def test_wrong_rules_are_refused():
    @wg.custom_jvp
    def no_rule(x):
        return x
    with pytest.raises(MissingRuleError, match="defjvp"):
        wg.grad(no_rule)(1.0)
    quadratic = wg.custom_jvp(lambda x: x)
    quadratic.defjvp(lambda p, t: (p[0], t[0] * t[0]))
    with pytest.raises(WengertError, match="linear"):
        wg.grad(quadratic)(1.0)
    short = wg.custom_vjp(lambda x, y: x * y)
    short.defvjp(lambda x, y: (x * y, x), lambda r, ct: (ct,))
    with pytest.raises(InputError, match="one cotangent for each argument"):
        wg.grad(short)(1.0, 2.0)
    wrong_shape = wg.custom_vjp(lambda x: np.sum(x))
    wrong_shape.defvjp(lambda x: (np.sum(x), None), lambda r, ct: (np.ones(7) * ct,))
    with pytest.raises(InputError, match="float64"):
        wg.grad(wrong_shape)(np.ones(3))


def test_opaque_functions():
    erf = wg.opaque(lambda x: math.erf(float(x)), derivative=lambda x: 2.0 / math.sqrt(math.pi) * math.exp(-x * x))
    assert wg.grad(erf)(0.3) == pytest.approx(2.0 / math.sqrt(math.pi) * math.exp(-0.09), rel=1e-15)
    assert wg.jvp(erf, (0.3,), (2.0,))[1] == pytest.approx(4.0 / math.sqrt(math.pi) * math.exp(-0.09), rel=1e-15)
    with pytest.raises(MissingRuleError, match="opaque"):
        wg.grad(wg.grad(erf))(0.3)
    table = wg.opaque(lambda x: np.sin(np.asarray(x)), "finite differences")
    x = np.array([0.5, 1.0])
    np.testing.assert_allclose(wg.jacobian(table)(x), np.diag(np.cos(x)), atol=1e-9)
    with pytest.raises(MissingRuleError, match="opaque"):
        wg.grad(wg.opaque(lambda x: float(x)))(1.0)
    with pytest.raises(InputError, match="finite differences"):
        wg.opaque(np.sin, "magic")


def test_opaque_functions_may_use_a_buffer_again():
    """The result of the second call stood in place of that of the first."""
    buffer = np.empty(2)
    doubled = wg.opaque(lambda x: np.multiply(x, 2.0, out=buffer), lambda x: 2.0 * np.eye(2))
    x = np.array([1.0, 2.0])
    value, gradient = wg.value_and_grad(lambda x: np.sum(doubled(x) * doubled(x * x)))(x)
    assert value == np.sum(4.0 * x**3)
    np.testing.assert_array_equal(gradient, 12.0 * x**2)


def test_opaque_functions_that_write_into_their_argument_are_refused():
    """The trace's own values were overwritten, and the gradient was another function's."""
    def shifted(x):
        x += 1.0
        return np.sum(x)
    f = wg.opaque(shifted, lambda x: np.ones(2))
    with pytest.raises(MutationError, match=r"shifted.*copy"):
        wg.grad(lambda x: f(x * 1.0) + np.sum(x * x))(np.ones(2))


def test_opaque_functions_run_once_for_each_call():
    """Each call ran twice, to learn its type and to be recorded, and equal calls were shared."""
    calls = []

    def counting(x):
        calls.append(1)
        return x * len(calls)
    f = wg.opaque(counting, lambda x: np.eye(3))
    x = np.arange(3.0)
    for _ in range(2):
        calls.clear()
        assert wg.value_and_grad(lambda x: np.sum(f(x) + f(x)))(x)[0] == np.sum(3.0 * x)
        assert len(calls) == 2
