"""Traps of loops, as they stand and staged: each a program at which some tool gave a wrong derivative in silence.

The numbers are those of the list of traps in `tests/test_traps.py`. Every program is differentiated forward and in reverse and
compared with finite differences whose error is estimated, second derivatives with differences of the gradient; under
`jit`, without a warning, with the same run unstaged, in every composition (`both_ways.py`).
"""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from both_ways import X, unstageable

import wengert as wg
from wengert.staging import StagingWarning

# ---------------------------------------------------------------- 11. the same array read and written


def test_array_read_and_written_in_turn(check: Any) -> None:
    def f(x: Any) -> Any:
        a = x.copy()
        for k in range(3):
            for i in range(len(a)):
                a[i] = a[i] * a[i - 1] + np.sin(a[(i + k) % 4])
        return a[0] * a[3]

    check(f)


def test_prefix_sums_in_place(check: Any) -> None:
    def f(x: Any) -> Any:
        a = x * x
        for i in range(1, len(a)):
            a[i] += a[i - 1]
        for i in range(len(a) - 2, -1, -1):
            a[i] *= a[i + 1]
        return np.sum(a)

    check(f)


def test_shift_by_overlapping_slices_in_a_loop(check: Any) -> None:
    def f(x: Any) -> Any:
        history = np.zeros(4)
        total = 0.0
        for i in range(7):
            history[1:] = history[:-1]
            history[0] = x[i % 4] * (1.0 + history[3])
            total += history[1] * history[2]
        return total

    check(f)


def test_ring_buffer(check: Any) -> None:
    def f(x: Any) -> Any:
        ring = np.ones(3)
        for k in range(10):
            ring[k % 3] = ring[(k + 1) % 3] * x[k % 4] + ring[k % 3]
        return ring[0] + ring[1] * ring[2]

    check(f)


# ---------------------------------------------------------------- 12. defined before, used after a loop


def test_value_defined_before_and_used_after_a_loop_of_unknown_length(check: Any) -> None:
    def f(x: Any) -> Any:
        before = x[0] * x[1]
        s = x[2]
        while s < 40.0:
            s = s * 1.7 + x[3]
        return s * before

    check(f)


def test_value_defined_before_a_loop_that_does_not_run(check: Any) -> None:
    def f(x: Any) -> Any:
        y = x[0] * x[0]
        while x[1] > 0.0:
            y = y * 0.0
        for _ in range(0):
            y = y * 0.0
        return y * x[2]

    assert np.all(check(f)[[0, 2]] != 0.0)


def test_last_value_of_the_loop_variable(check: Any) -> None:
    def f(x: Any) -> Any:
        for i in range(10):
            entry = x[i % 4] * i
            if entry > 3.0:
                break
        return entry * i * x[i % 4]

    check(f)


# ---------------------------------------------------------------- 13. an accumulator used nonlinearly after the loop


def test_accumulator_used_nonlinearly_after_the_loop(check: Any) -> None:
    def f(x: Any) -> Any:
        total = 0.0
        for i in range(4):
            total += x[i] ** 2
        return total**3 + np.sin(total) * x[0]

    check(f)


def test_accumulator_in_an_array_used_nonlinearly_in_and_after_the_loop(check: Any) -> None:
    def f(x: Any) -> Any:
        total = np.zeros(2)
        for i in range(6):
            total[i % 2] += x[i % 4] * np.cos(total[(i + 1) % 2])
        return np.exp(total[0]) * total[1] ** 2

    check(f)


def test_products_and_maxima_as_accumulators(check: Any) -> None:
    def f(x: Any) -> Any:
        product, largest = 1.0, x[0]
        for i in range(4):
            product *= x[i]
            largest = max(largest, x[i] * x[i])
            if product < -1.0:
                product = -product + largest
        return product * largest

    check(f)


# ---------------------------------------------------------------- 14. nested loops


def test_nested_loops_of_unknown_length(check: Any) -> None:
    def f(x: Any) -> Any:
        outer = total = abs(x[0])
        while outer < 20.0:
            inner = x[3] * outer
            while inner < outer:
                inner = inner * 1.5 + 0.1 * abs(x[1])
                total += inner * outer
            outer = outer * 2.0 + x[2]
        return total

    check(f)


def test_inner_bound_depends_on_the_outer_loop(check: Any) -> None:
    def f(x: Any) -> Any:
        n = len(x)
        table = np.zeros((n, n))
        for i in range(n):
            for j in range(i + 1):
                below = table[i - 1, j - 1] if i > 0 and j > 0 else 1.0
                table[i, j] = below * x[j] + x[i]
        return np.sum(table * table.T) + table[n - 1, n - 1]

    check(f)


def test_and_reads_no_further_than_it_must(check: Any) -> None:
    def f(x: Any) -> Any:
        i, s = 0, 1.0
        while i < len(x) and x[i] > -5.0:
            s *= x[i]
            i += 1
        return s

    check(f)


# ---------------------------------------------------------------- 15. continue, break, early return


def test_continue(check: Any) -> None:
    def f(x: Any) -> Any:
        s = 0.0
        for i in range(8):
            if x[i % 4] < 0.0:
                continue
            s += x[i % 4] * i
            s *= x[(i + 1) % 4]
        return s

    check(f)


def test_break_keeps_what_was_written_before_it(check: Any) -> None:
    def f(x: Any) -> Any:
        a = x * 2.0
        for i in range(4):
            a[i] = a[i] * x[0]
            if a[i] > 1.0:
                a[0] = a[i] * a[1]
                break
            a[3] += a[i]
        return np.sum(a * x)

    check(f)


def test_early_return_from_nested_loops(check: Any) -> None:
    def f(x: Any) -> Any:
        s = 1.0
        for i in range(4):
            for j in range(i):
                s = s * x[j] + x[i]
                if s > 1.0:
                    return s * s
        return s - 5.0

    for x in (X, -X, np.array([0.1, 0.2, 0.3, 0.2])):
        check(f, x)


@unstageable("a variable gets its value in one arm of a branch only")
def test_else_of_a_loop(check: Any) -> None:
    def f(x: Any) -> Any:
        for i in range(4):
            if x[i] > 2.0:
                s = x[i] ** 2
                break
        else:
            s = x[0] * x[1]
        return s * x[3]

    check(f)
    check(f, np.minimum(X, 1.5))


@unstageable("a jump out of try")
def test_jumps_out_of_try(check: Any) -> None:
    def f(x: Any) -> Any:
        s = 0.0
        for entry in x:
            try:
                if entry < 0.0:
                    raise ValueError
                if entry > 2.0:
                    continue
                s += entry
            except ValueError:
                s += entry * entry
            finally:
                s *= 2.0
        return s * s

    check(f)


def test_continuing_where_the_next_iteration_decides(check: Any) -> None:
    def collatz(x: Any) -> Any:
        n, s = 7, x[0]
        while n != 1:
            if n % 2 == 0:
                n //= 2
                s = s * x[1]
                continue
            n = 3 * n + 1
            s = s + x[2] * x[3]
        return s

    check(collatz)


# ---------------------------------------------------------------- 16. changed between forward and backward


@unstageable("a write into an array that outlives the call")
def test_buffer_of_plain_numbers_used_again_in_every_iteration(check: Any) -> None:
    buffer = np.zeros(4)

    def f(x: Any) -> Any:
        total = 0.0
        for k in range(5):
            buffer[:] = k + np.arange(4.0)
            total += np.sum(buffer * x) ** 2
            buffer[:] = np.nan
        return total

    check(f)


def test_large_buffer_of_plain_numbers_used_again(prepare: Any) -> None:
    def f(x: Any) -> Any:
        buffer = np.ones(100_000)
        total = 0.0
        for k in range(3):
            buffer = buffer * (k + 1.0)
            total += np.sum(buffer * x[k]) ** 2
            buffer = buffer + 1.0
        return total * 1e-10

    gradient = wg.grad(prepare(f))(X)
    by_hand = [2.0 * X[0] * 1.0, 2.0 * X[1] * 16.0, 2.0 * X[2] * 225.0, 0.0]
    np.testing.assert_allclose(gradient, by_hand, rtol=1e-11)


def test_data_changed_between_forward_and_backward(prepare: Any) -> None:
    data = np.arange(1.0, 5.0)

    def f(x: Any) -> Any:
        s = 0.0
        for i in range(4):
            s += data[i] * x[i] ** 2
        return s

    f = prepare(f)
    _, pullback = wg.vjp(f, X)
    _, push = wg.linearize(f, X)
    data[:] = 100.0
    np.testing.assert_allclose(pullback(1.0)[0], 2.0 * np.arange(1.0, 5.0) * X, rtol=1e-15)
    np.testing.assert_allclose(push(np.ones(4)), np.sum(2.0 * np.arange(1.0, 5.0) * X), rtol=1e-15)
    np.testing.assert_allclose(wg.grad(f)(X), 200.0 * X, rtol=1e-15)


def test_state_of_an_object_changed_in_a_loop(check: Any) -> None:
    class Model:
        def __init__(self, weight: Any) -> None:
            self.weight = weight
            self.seen: list[Any] = []

        def feed(self, entry: Any) -> None:
            self.weight = self.weight * entry + 1.0
            self.seen.append(self.weight)

    def f(x: Any) -> Any:
        model = Model(x[0])
        for i in range(1, 4):
            model.feed(x[i])
        return sum(model.seen[k] * model.seen[k - 1] for k in range(3))

    check(f)


# ---------------------------------------------------------------- 17. random numbers


def test_draws_are_made_once_and_kept_for_the_backward_pass(check: Any, prepare: Any) -> None:
    def f(x: Any, rng: np.random.Generator) -> Any:
        s = x[0]
        for _ in range(5):
            s = s * np.cos(rng.normal()) + x[rng.integers(4)] * rng.random()
            if rng.random() < 0.5:
                s = s * s
        return s

    one, other = np.random.default_rng(3), np.random.default_rng(3)
    value, pullback = wg.vjp(prepare(lambda x: f(x, one)), X)
    assert value == f(X, other)
    after = one.bit_generator.state
    assert after == other.bit_generator.state
    np.testing.assert_array_equal(pullback(1.0)[0], pullback(1.0)[0])
    assert one.bit_generator.state == after
    check(lambda x: f(x, np.random.default_rng(3)))


def test_second_derivatives_draw_once_too(prepare: Any) -> None:
    def f(x: Any, rng: np.random.Generator) -> Any:
        return np.sum(x**3 * rng.normal(size=4))

    one, other = np.random.default_rng(9), np.random.default_rng(9)
    for hessian in (wg.hessian(prepare(lambda x: f(x, one))), prepare(wg.hessian(lambda x: f(x, one)))):
        for _ in range(2):
            np.testing.assert_allclose(np.diag(hessian(X)), 6.0 * X * other.normal(size=4), rtol=1e-14)
            assert one.bit_generator.state == other.bit_generator.state


# ---------------------------------------------------------------- 18. one function, differentiated in many ways


def test_one_loop_differentiated_again_and_again(prepare: Any) -> None:
    def f(x: Any) -> Any:
        s = x
        while s < 10.0:
            s = s * s + 1.0
        return s

    f = prepare(f)
    first, second = prepare(wg.grad(f)), prepare(wg.grad(prepare(wg.grad(f))))
    # From 1.3 there are three rounds, from 2.5 two and from 4.0 one: nothing may be kept from call to call.
    for x, rounds in ((1.3, 3), (4.0, 1), (2.5, 2), (1.3, 3)):
        value, d, dd = x, 1.0, 0.0
        for _ in range(rounds):
            value, d, dd = value * value + 1.0, 2.0 * value * d, 2.0 * d * d + 2.0 * value * dd
        assert f(x) == value
        assert first(x) == pytest.approx(d, rel=1e-14)
        assert second(x) == pytest.approx(dd, rel=1e-14)
        assert wg.jvp(first, (x,), (1.0,))[1] == pytest.approx(dd, rel=1e-14)
        assert wg.jvp(lambda x: wg.jvp(f, (x,), (1.0,))[1], (x,), (1.0,))[1] == pytest.approx(dd, rel=1e-14)


# ---------------------------------------------------------------- 22. writes into a slice of a large array


def test_writes_into_slices_of_a_large_array_do_not_copy_it(request: Any, mode: str, check: Any, prepare: Any) -> None:
    """Peak memory: a version of the array for each write would be 60 arrays."""
    if mode == "unstaged":
        request.applymarker(pytest.mark.xfail(reason="every write makes a new version of the whole array, and all are kept"))

    def f(x: Any, n: int) -> Any:
        a = np.zeros(n)
        a[:2] = x[:2]
        for k in range(2, 60):
            a[k] = a[k - 1] * x[2] + a[k - 2] * x[3]
        return np.sum(a[:60] ** 2)

    n, g = 200_000, wg.grad(prepare(f))
    expected = wg.grad(f)(X, 100)
    check(lambda x: f(x, 60))
    g(X, n)
    tracemalloc.start()
    try:
        gradient = g(X, n)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(gradient, expected, rtol=1e-14)
    assert peak < 12 * 8 * n, f"{peak / (8 * n):.1f} arrays"


# ---------------------------------------------------------------- 23. many scalars carried


def test_many_scalars_carried_and_exchanged(check: Any) -> None:
    def f(x: Any) -> Any:
        a, b, c, d = x
        e, g, h, i = a * b, b * c, c * d, d * a
        for k in range(6):
            a, b, c, d, e, g, h, i = i, np.sin(a), b + 0.1 * c, c, d * 0.9, e, g - 0.2 * h, h
            if k == 3:
                a, i = i, a
        return a * b + c * d + e * g + h * i

    check(f)


def test_a_list_of_carried_scalars(check: Any) -> None:
    def f(x: Any) -> Any:
        state = [x[i % 4] for i in range(40)]
        for k in range(3):
            state = [s * (1.0 - 0.01 * t) for s, t in zip(state, state[1:] + state[:1])]
            state[k], state[-1] = state[-1], state[k]
        while len(state) > 1:
            state.append(0.5 * state.pop(0) + 0.5 * state.pop(0))
        return state[0] ** 2

    check(f)


# ---------------------------------------------------------------- 24. perturbation confusion, in loops


def test_newton_step_by_an_inner_derivative_in_a_loop(check: Any) -> None:
    def f(x: Any) -> Any:
        t = 1.0
        for _ in range(8):
            g = lambda s: s**3 + x[0] ** 2 * s - x[2]
            t = t - g(t) / wg.grad(g)(t)
        return t * x[1]

    # t^3 + x0^2 t = x2, so that dt = (dx2 - 2 x0 t dx0) / (3 t^2 + x0^2)
    t = f(X) / X[1]
    bottom = 3.0 * t**2 + X[0] ** 2
    by_hand = [-2.0 * X[0] * t / bottom * X[1], t, X[1] / bottom, 0.0]
    np.testing.assert_allclose(check(f), by_hand, rtol=1e-12)


def test_inner_derivatives_of_a_carried_value(check: Any) -> None:
    def f(x: Any) -> Any:
        s = x[0]
        for i in range(3):
            s = s + wg.jvp(lambda t: s * t * t * x[i], (s,), (x[1],))[1]
            s = s * wg.grad(lambda t: np.sin(s * t))(x[i])
        return s

    def by_hand(x: Any) -> Any:
        s = x[0]
        for i in range(3):
            s = s + 2.0 * s * s * x[i] * x[1]
            s = s * (s * np.cos(s * x[i]))
        return s

    assert f(X) == pytest.approx(by_hand(X), rel=1e-14)
    np.testing.assert_allclose(check(f), wg.grad(by_hand)(X), rtol=1e-12)


# ---------------------------------------------------------------- 1. a dead side before an infinite factor


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_square_root_of_what_a_maximum_cut_off(prepare: Any) -> None:
    f = prepare(lambda v: np.sqrt(np.maximum(v, 0.0)))
    assert wg.grad(f)(-1.0) == 0.0
    assert wg.jvp(f, (-1.0,), (1.0,))[1] == 0.0


# ---------------------------------------------------------------- jumps and errors, found by random programs


def test_jump_out_of_the_else_of_an_inner_loop(check: Any) -> None:
    def f(x: Any) -> Any:
        s = x[0]
        for _ in range(3):
            for entry in x:
                s = s + entry * s
            else:
                if s > 40.0:
                    break
                continue
            s = s * 100.0
        return s * s

    check(f)


def test_break_from_the_else_of_an_inner_loop(check: Any) -> None:
    def f(x: Any) -> Any:
        s = 0.0
        for _ in range(3):
            k = 0
            while k < 4:
                s = s + 0.5 * x[k] ** 2
                k += 1
            else:
                break
        return s * s

    check(f)


@unstageable("an error that a graph raises later cannot be caught")
def test_error_caught_where_the_values_decide_whether_it_rises(check: Any) -> None:
    def f(x: Any) -> Any:
        a = np.sin(x)
        n = np.argmax(x) + 2
        try:
            a[n] = 0.5
        except IndexError:
            a[0] *= 0.9
        return np.sum(a)

    check(f)


def test_try_around_what_cannot_fail(check: Any) -> None:
    def f(x: Any) -> Any:
        s = 0.0
        for i in range(4):
            try:
                s += {"a": x[i] * s}["a"] if i == 0 else x[i] * x[i]
                missing = {}["b"]
            except KeyError:
                s *= np.sin(x[3 - i])
            finally:
                missing = 0.5
            s += missing
        return s

    check(f)


OUTSIDE = np.array([1.0, 2.0])


def test_a_constant_array_is_a_new_one_at_each_call() -> None:
    """Unless it is one that the program found: that is given back itself."""
    jacobian = wg.jit(wg.jacrev(wg.grad(lambda x: np.sum(x * x))))
    first = jacobian(X)
    first[:] = 0.0
    for _ in range(4):
        np.testing.assert_array_equal(jacobian(X), 2.0 * np.eye(4))
    for f in (lambda x: OUTSIDE, lambda x: (x, OUTSIDE), lambda x: OUTSIDE[:1]):
        with pytest.warns(StagingWarning, match="an array made outside is returned"):
            out = wg.jit(f)(X)
        assert np.shares_memory(out if isinstance(out, np.ndarray) else out[1], OUTSIDE)


@pytest.mark.xfail(reason="staged Python numbers divide as arrays do: infinity with a warning", raises=RuntimeWarning)
@pytest.mark.parametrize("f", [lambda x: 1.0 / x, lambda x: math.log(x), lambda x: math.exp(1e4 + x)])
def test_errors_of_python_numbers(f: Any) -> None:
    with pytest.raises((ArithmeticError, ValueError)):
        f(0.0)
    with pytest.raises((ArithmeticError, ValueError)):
        wg.jit(f)(0.0)
