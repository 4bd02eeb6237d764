"""The first operation that makes NaN or infinity: in loops, branches, behind masks, and nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg
from wengert.nonfinite import find_nonfinite


def test_the_turn_of_a_loop_and_its_line() -> None:
    def f(x: Any) -> Any:
        total = np.sum(x) * 0.0
        for _ in range(6):
            x = x - 1.0
            total = total + np.sum(np.log(x))
        return total
    found = find_nonfinite(f, np.array([9.0, 3.5]))
    assert found is not None
    assert (found.operation, found.kind, found.passed, found.turns) == ("log", "NaN", "forward", (3,))
    assert found.source == "total = total + np.sum(np.log(x))"
    assert "log(-0.5) = nan at entry [1]" in str(found)


def test_nested_loops_and_the_turn_of_a_scan() -> None:
    def f(x: Any) -> Any:
        for _ in range(3):
            x, _ = wg.scan(lambda c, t: (np.sqrt(c - t), None), x + 4.0, np.ones(5))
        return np.sum(x)
    found = find_nonfinite(f, np.array([-1.5]))
    value, expected = -1.5, []
    for i in range(3):
        value += 4.0
        for j in range(5):
            if value < 1.0:
                expected.append((i, j))
                break
            value = np.sqrt(value - 1.0)
        if expected:
            break
    assert found is not None and found.operation == "sqrt" and found.turns == expected[0]


def test_a_loop_whose_length_is_not_known() -> None:
    def f(x: Any) -> Any:
        while np.sum(x) < 100.0:
            x = 3.0 * x / (x - 27.0)
        return np.sum(x)
    found = find_nonfinite(f, np.array([27.0]))
    assert found is not None and (found.operation, found.kind, found.turns) == ("divide", "infinity", (0,))


def test_the_arm_that_is_taken() -> None:
    def f(x: Any) -> Any:
        if x > 0:
            return 1.0 / (x - x)
        return np.log(x)
    staged = find_nonfinite(f, 1.0)
    assert staged is not None and staged.source == "return 1.0 / (x - x)" and staged.kind == "infinity"


def test_backward_in_a_loop() -> None:
    """The slope of a square root at 0, in the last turn alone."""
    def f(x: Any) -> Any:
        for k in range(4):
            x = np.sqrt(x * (3.0 - k))
        return np.sum(x)
    found = find_nonfinite(f, np.array([2.0]))
    assert found is not None and found.passed == "backward" and found.turns == (3,)
    assert found.source == "x = np.sqrt(x * (3.0 - k))"


def test_infinities_that_do_no_harm_are_not_blamed() -> None:
    mask = np.array([True, False, True])

    def f(x: Any) -> Any:
        scores = np.where(mask, x, -np.inf)
        weights = np.exp(scores - np.max(scores))
        weights = weights / np.sum(weights)
        return np.sum(weights * x) + np.sum(np.where(x > 0, np.log(x), 0.0)) + np.arccosh(np.sum(x) * 1e-3)
    found = find_nonfinite(f, np.array([1.0, 2.0, -3.0]))
    assert found is not None and found.operation == "arccosh" and found.cause is None


def test_a_nan_of_infinities_says_where_they_come_from() -> None:
    def f(x: Any) -> Any:
        e = np.exp(x)
        return np.sum(e / np.sum(e))
    found = find_nonfinite(f, np.array([800.0, 1.0]))
    assert found is not None and found.operation == "divide" and found.cause is not None
    assert found.cause.operation == "exp" and found.cause.source == "e = np.exp(x)"
    assert str(found).index("exp(800)") < str(found).index("divide")


def test_what_came_in_and_what_is_fine() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sum(x * y)
    found = find_nonfinite(f, np.ones(2), np.array([1.0, np.nan]))
    assert found is not None and (found.operation, found.input) == ("", 1)
    assert find_nonfinite(f, np.ones(2), np.ones(2)) is None


def test_a_function_that_cannot_be_staged() -> None:
    def f(x: Any) -> Any:
        seen: list[Any] = []
        for v in x:
            seen.append(v if v > 0 else np.log(v))
            if len(seen) > 2:
                break
        return sum(seen)
    found = find_nonfinite(f, np.array([1.0, -2.0, 3.0]))
    assert found is not None and found.operation == "log" and "np.log(v)" in found.source
