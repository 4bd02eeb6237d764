"""The checkers: they pass what is right, and name what is wrong.

Wrong derivatives are planted by custom rules, one in each mode, order, argument, leaf and output.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from wengert.errors import CheckError, InputError


def times(factor, f=lambda x: x**3, derivative=lambda x: 3 * x**2):
    """x³ with a derivative that is wrong by a factor, in both modes."""
    @wg.custom_jvp
    def planted(x):
        return f(x)

    planted.defjvp(lambda p, t: (planted(*p), factor * derivative(p[0]) * t[0]))
    return planted


def wrong_backward(factor):
    """x³ with a wrong backward rule."""
    @wg.custom_vjp
    def planted(x):
        return x**3

    planted.defvjp(lambda x: (x**3, x), lambda x, ct: (factor * 3 * x**2 * ct,))
    return planted


def stopped(x):
    """x³ whose second derivative is lost."""
    @wg.custom_jvp
    def planted(x):
        return x**3

    planted.defjvp(lambda p, t: (planted(*p), 3 * wg.stop_gradient(p[0]) ** 2 * t[0]))
    return planted(x)


RIGHT = {
    "scalar": (lambda x: np.sin(x) * np.exp(x), (0.7,)),
    "two arguments": (lambda x, y: np.sum(x * x) / y, (np.array([1.0, 2.0]), 3.0)),
    "array output": (lambda x: np.outer(x, np.cos(x)), (np.array([0.3, -2.0, 5.0]),)),
    "tree": (lambda p: {"a": p["w"] @ p["b"], "b": p["n"] * p["w"]},
             ({"w": np.arange(6.0).reshape(2, 3), "b": np.array([1.0, -1.0, 0.5]), "n": 3},)),
    "complex": (lambda z: np.exp(z) * np.conj(z), (0.3 + 0.4j,)),
    "complex array to real": (lambda z: np.sum(np.abs(z) ** 2 * np.real(z)), (np.array([1 + 2j, -0.5j]),)),
    "real to complex": (lambda x: np.exp(1j * x), (np.array([0.1, 2.0]),)),
    "float32": (lambda x: np.sum(np.sin(x) * x), (np.array([0.1, 2.0], np.float32),)),
    "very different sizes": (lambda x: np.log(x[0]) + np.sum(x**2), (np.array([1e-6, 1e4]),)),
    "zero derivative": (lambda x: np.floor(x) + 0.0 * x, (0.5,)),
    "constant": (lambda x: 3.0, (0.5,)),
    "integer output beside": (lambda x: (x * 2.0, 3, np.argmax(x)), (np.array([1.0, 2.0]),)),
    "at zero": (lambda x: np.sum(x**2 + x), (np.zeros(3),)),
    "control flow": (lambda x: x**2 if x > 0 else -x, (0.5,)),
    "empty": (lambda x: np.sum(x), (np.zeros(0),)),
}


@pytest.mark.parametrize("case", RIGHT)
def test_right_derivatives_pass(case):
    f, args = RIGHT[case]
    wg.check_grads(f, args)
    wg.check_grads(f, args, order=1, modes="rev", seed=7)


def test_third_order():
    wg.check_grads(lambda x: np.sum(np.sin(x) ** 2), (np.array([0.4, 1.0]),), order=3)


@pytest.mark.parametrize("f, where", [
    (times(1.001), "order 1, forward mode, argument 0: jvp and finite differences"),
    (wrong_backward(1.001), "order 1, reverse mode, argument 0: vjp and finite differences"),
    (stopped, "order 2, forward mode over forward mode, argument 0"),
])
def test_wrong_derivatives_are_named(f, where):
    # Forward mode transposes the backward rule, and would be found wrong first.
    modes = ("rev",) if "order 1, reverse" in where else ("fwd", "rev")
    with pytest.raises(CheckError, match=where) as caught:
        wg.check_grads(f, (1.5,), modes=modes)
    assert isinstance(caught.value, AssertionError)
    assert "the tolerance is" in str(caught.value)


def test_small_mistakes_are_found():
    """The tolerance comes from the error of the differences, so a mistake in the ninth digit is seen."""
    wg.check_grads(times(1.0), (1.5,))
    with pytest.raises(CheckError):
        wg.check_grads(times(1 + 1e-8), (1.5,))
    wg.check_grads(times(1 + 1e-8), (1.5,), order=1, rtol=1e-6)
    with pytest.raises(CheckError):
        wg.check_grads(times(1.01), (1.5,), order=1, rtol=1e-6, eps=1e-5)


def test_modes():
    wg.check_grads(wrong_backward(1.0), (1.5,), modes=("rev",), order=1)
    with pytest.raises(CheckError, match="reverse mode"):
        wg.check_grads(times(2.0), (1.5,), modes=["rev"])


def test_argument_leaf_and_output_are_named():
    bad, good = times(2.0), times(1.0)
    with pytest.raises(CheckError, match="argument 1: "):
        wg.check_grads(lambda x, y: good(x) + bad(y), (1.0, 2.0))
    with pytest.raises(CheckError, match=r"argument 0\['b'\]\[1\]: "):
        wg.check_grads(lambda p: good(p["a"]) * bad(p["b"][1]), ({"a": 1.0, "b": (2.0, 3.0)},))
    with pytest.raises(CheckError, match=r"in 1 of 6 outputs\n  output\['u'\]\[1, 0\]: jvp gives"):
        wg.check_grads(lambda x: {"u": np.array([[x, x], [bad(x), x]]), "v": (x, x)}, (1.0,))


def test_kinks_are_not_passed_over():
    with pytest.raises(CheckError):
        wg.check_grads(lambda x: np.where(x > 0, x, 0.0), (0.0,), order=1)
    with pytest.raises(CheckError, match="cannot tell"):
        wg.check_grads(lambda x: np.floor(x) * 1.0 + x, (1.0,), order=1)


def test_a_function_that_differs_when_traced():
    def f(x):
        return x * (3.0 if getattr(x, "atom", None) is not None else 2.0)
    with pytest.raises(CheckError, match="when differentiated"):
        wg.check_grads(f, (1.0,))


@pytest.mark.parametrize("call, message", [
    (lambda: wg.check_grads(np.sin, 1.0), "args is a tuple"),
    (lambda: wg.check_grads(np.sin, (1,)), "argument 0 is an int"),
    (lambda: wg.check_grads(np.sin, (np.nan,)), "not finite"),
    (lambda: wg.check_grads(np.sin, (1.0,), order=0), "order is"),
    (lambda: wg.check_grads(np.sin, (1.0,), modes=("forward",)), "modes are"),
    (lambda: wg.check_grads(3.0, (1.0,)), "first argument is a function"),
    (lambda: wg.taylor_test(np.sin, 1), "argument 0 is an int"),
    (lambda: wg.taylor_test(np.sin, 1.0, order=3), "order is"),
    (lambda: wg.taylor_test(np.sin, np.ones(2), np.ones(3)), "dx has to have"),
])
def test_wrong_calls(call, message):
    with pytest.raises(InputError, match=message):
        call()


# ---------------------------------------------------------------- Taylor remainders


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@pytest.mark.parametrize("f, x", [
    (rosenbrock, np.array([-1.2, 1.0, 0.5])),
    (lambda x: np.exp(np.sin(x)), np.array([0.3, 1.0])),
    (lambda z: np.sum(np.abs(z) ** 4), np.array([1 + 2j, 0.5])),
    (lambda p: np.sin(p["a"]) * np.sum(np.exp(p["b"])), {"a": 1.0, "b": np.array([0.1, 0.2])}),
    (lambda x, y: np.sin(x * y), (0.5, 2.0)),
    (lambda x: 1e-8 * np.sin(x), 1.0),
    (lambda x: np.sin(x), np.float32(0.5)),
    (lambda x: 1e6 + np.exp(x), 0.5),
])
def test_taylor_rates(f, x):
    result = wg.taylor_test(f, x)
    assert result.ok, str(result)
    assert result.rates == pytest.approx((1.0, 2.0, 3.0), abs=0.06), str(result)


def test_taylor_of_polynomials():
    result = wg.taylor_test(lambda x: np.sum(x**2), np.array([1.0, 2.0]))
    assert result.ok and result.rates[2] == np.inf
    assert wg.taylor_test(lambda x: 3.0 * x, 2.0, order=1).rates[1] == np.inf
    assert wg.taylor_test(lambda x: 3.0 + 0.0 * x, 2.0).ok


def test_taylor_direction_and_order():
    result = wg.taylor_test(np.exp, 0.0, 1.0, order=1)
    assert result.remainders.shape == (2, result.steps.size) == result.used.shape
    np.testing.assert_array_equal(result.remainders[0], np.abs(np.exp(result.steps) - 1.0))
    assert len(wg.taylor_test(np.exp, 0.0, order=0).rates) == 1


def test_taylor_finds_mistakes():
    first = wg.taylor_test(times(1.01), 2.0)
    assert not first.ok and first.rates[1] == pytest.approx(1.0, abs=0.05)
    second = wg.taylor_test(stopped, 2.0)
    assert not second.ok and second.rates[1:] == pytest.approx((2.0, 2.0), abs=0.05)
    assert "NOT ok: second order" in str(second)
    assert not wg.taylor_test(lambda x: np.abs(x), 0.0).ok


def test_taylor_does_not_pass_what_it_cannot_see():
    noise = np.random.default_rng(0)

    def rough(x):
        return x + 1e-3 * noise.normal()
    assert not wg.taylor_test(rough, 1.0).ok


def test_taylor_table():
    text = str(wg.taylor_test(np.exp, 0.0, 1.0))
    lines = text.splitlines()
    assert lines[1].split() == ["h", "value", "first", "order", "second", "order"]
    assert lines[2].split()[0] == "2.50e-01"
    assert lines[-3].split() == ["rate", "1.00", "2.00", "3.00"]
    assert lines[-1] == "ok"


def test_a_rule_that_gives_another_value_is_seen_in_reverse_mode_too():
    total = wg.custom_vjp(lambda x: np.sum(x * x))
    total.defvjp(lambda x: (1.5 * np.sum(x * x), x), lambda x, ct: (2.0 * x * ct,))
    with pytest.raises(CheckError, match="21.0.* when differentiated and .*14.0.* when called"):
        wg.check_grads(total, (np.array([1.0, 2.0, 3.0]),), order=1, modes="rev")
