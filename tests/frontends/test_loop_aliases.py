"""Traps of views and aliases in loops, as they stand and staged: programs at which some tool was wrong in silence.

The numbers are those of the list of traps in `tests/test_traps.py`. Every program is differentiated forward and in reverse and
compared with finite differences whose error is estimated, second derivatives with differences of the gradient; under
`jit`, without a warning, with the same run unstaged, in every composition (`both_ways.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from both_ways import X

import wengert as wg

# ---------------------------------------------------------------- 26. views and aliases, in loops


def test_view_taken_before_the_loop_sees_its_writes(check: Any) -> None:
    def f(x: Any) -> Any:
        a = x * x
        tail, backward = a[1:], a[::-1]
        for i in range(3):
            a[i] = a[i] + tail[i] * backward[i]
            backward[0] *= x[i]
        return np.sum(tail * backward[:3])

    check(f)


def test_view_bound_anew_in_every_iteration(check: Any) -> None:
    def f(x: Any) -> Any:
        a = np.outer(x, x)
        row = a[0]
        for i in range(1, 4):
            row *= x[i]
            row[i:] += a[i, : 4 - i]
            row = a[i]
        return np.sum(a * np.arange(16.0).reshape(4, 4))

    check(f)


def test_two_names_exchanged_in_every_iteration(check: Any) -> None:
    def f(x: Any) -> Any:
        old, new = x.copy(), np.empty(4)
        for _ in range(5):
            new[0], new[-1] = old[0], old[-1]
            new[1:-1] = 0.5 * (old[:-2] + old[2:]) * x[1:-1]
            old, new = new, old
        return np.sum(old * old) + new[2]

    check(f)


def test_names_of_one_array_and_of_a_copy(check: Any) -> None:
    def f(x: Any) -> Any:
        a = b = x * 1.0
        c = a.copy()
        for i in range(4):
            b[i] = b[i] * a[i - 1]
            c = c + a
            c[i] = a[i]
        a += c
        a = a * 2.0
        return np.sum(a * b * c)

    check(f)


def test_alias_chosen_by_a_branch(check: Any) -> None:
    def f(x: Any) -> Any:
        a, b = x * 1.0, x * 2.0
        for i in range(4):
            chosen = a if x[i] > 0.5 else b
            chosen[i] *= x[i - 1]
            chosen += 0.1
        return np.sum(a * b)

    check(f)


def test_array_in_a_container_is_an_alias(check: Any) -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        box = {"all": a, "parts": [a[:2], a[2:]]}
        for part in box["parts"]:
            part[0] = part[1] * a[3]
            box["all"] *= 1.5
        return np.sum(a * box["parts"][0][1])

    check(f)


def test_array_changed_by_a_function_that_returns_nothing(check: Any) -> None:
    def scale(a: Any, i: int, by: Any) -> None:
        a[i] *= by
        a[::2] += by

    def f(x: Any) -> Any:
        a = x * 1.0
        for i in range(4):
            scale(a[::-1], i, x[i])
            scale(a, i, a[0])
        return np.sum(a)

    check(f)


def test_rows_of_an_iterated_array_are_views(check: Any) -> None:
    def f(x: Any) -> Any:
        a = np.outer(x, x)
        for k, row in enumerate(a):
            row[:] = row[::-1] * (k + 1.0)
            for j in range(3):
                row[j + 1] += row[j]
        return np.sum(a * a.T)

    check(f)


@pytest.mark.parametrize("order", ["C", "F"])
def test_triangular_solve_in_place_in_either_order(check: Any, order: Any) -> None:
    def f(a: Any) -> Any:
        a = a.copy(order)
        for i in range(3):
            a[i] /= a[i, i]
            for j in range(i + 1, 3):
                a[j, i:] -= a[j, i] * a[i, i:]
        return np.sum(a * np.arange(9.0).reshape(3, 3))

    a = np.array([[2.0, 1.0, -0.5], [0.3, 1.5, 0.2], [-0.7, 0.4, 3.0]])
    for point in (a, np.asfortranarray(a), np.repeat(a, 2, axis=1)[:, ::2], a[::-1, ::-1]):
        check(f, point)


def test_ravel_is_a_view_or_a_copy_as_in_numpy(check: Any) -> None:
    def f(x: Any) -> Any:
        a = np.outer(x[:2], x[2:]).copy()  # in C order; that of the product itself is not known, and refused
        for k in range(2):
            view, copy = a.ravel(), a.T.ravel()
            view[k] = copy[k + 1] * x[k]
            copy[:] = 100.0
        return np.sum(a**2)

    check(f)


def test_diagonal_stencil_with_negative_strides(check: Any) -> None:
    def f(x: Any) -> Any:
        a = np.outer(x, x)
        for k in range(2):
            a[1:, 1:][::-1, ::-1] += a[:-1, :-1] * 0.5
            a[::2, ::-1][:, k] = a[1::2, k]
            a[2:0:-1, k] -= a[3:1:-1, k + 1]
        return np.sum(a[::-1].T[1:, ::2])

    check(f)


def test_index_arrays_as_pointers(check: Any) -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        order = np.arange(4)
        for k in range(3):
            for i in range(3 - k):
                if a[order[i]] > a[order[i + 1]]:
                    order[i], order[i + 1] = order[i + 1], order[i]
            a[order[0]] += a[order[3 - k]] ** 2
        return np.sum(a[order] * np.arange(1.0, 5.0))

    check(f)


def test_sorting_in_place(check: Any) -> None:
    def f(x: Any) -> Any:
        a = x * x
        for i in range(1, 4):
            entry, j = a[i], i
            while j > 0 and a[j - 1] > entry:
                a[j] = a[j - 1]
                j -= 1
            a[j] = entry
        return np.sum(a * np.arange(4.0))

    by_hand = np.zeros(4)
    by_hand[np.argsort(X**2)] = np.arange(4.0)
    np.testing.assert_allclose(check(f), by_hand * 2.0 * X, rtol=1e-15)


def test_a_view_that_a_loop_without_iterations_did_not_make() -> None:
    def turned(z: Any) -> Any:
        if z[-1] < 0:
            return z[::-1]
        return z

    def f(x: Any, y: Any) -> Any:
        a, c, t = x.copy(), x, x[1]
        g, h = np.arange(8.0) + y[0], y.flatten()
        if y[1] > 2:
            pass
        else:
            a = a ** 2
        if 3 * t == 0:
            pass
        elif t <= t:
            a = np.where(c > -0.2, a, c[::-1])
        while not np.any(h > 0.9):
            a = turned(g.reshape(2, 4)[1])
            h = h + 1.0
        return np.sum(a * x)

    x = np.array([-0.2, -0.9, 0.1, 0.4])
    for y in (np.full(4, 0.5), np.full(4, 1.5)):
        assert float(wg.jit(f)(x, y)) == pytest.approx(f(x, y), rel=1e-15)
        np.testing.assert_allclose(wg.jit(wg.grad(f))(x, y), wg.grad(f)(x, y), rtol=1e-14)


@pytest.mark.parametrize("whole", [False, True])
def test_a_name_of_the_written_array_is_bound_to_its_copy(check: Any, whole: bool) -> None:
    def f(x: Any) -> Any:
        p = q = np.zeros((4, 3))
        for k in range(4):
            if whole:
                p[k, 1] = x[k] * x[k]
            else:
                row = p[k]
                row[1] = x[k] * x[k]
            q = q.copy()
        return np.sum(q)

    np.testing.assert_array_equal(check(f), [2.0 * X[0], 0.0, 0.0, 0.0])


def test_a_loop_over_rows_of_an_array_whose_name_is_bound_to_its_copy(check: Any) -> None:
    def f(x: Any) -> Any:
        q = np.zeros((4, 3))
        for v, row in zip(x, q, strict=True):
            row[1] = v * v
            q = q.copy()
        return np.sum(q)

    np.testing.assert_array_equal(check(f), [2.0 * X[0], 0.0, 0.0, 0.0])


def test_an_array_is_copied_into_the_one_that_its_name_was(check: Any) -> None:
    def f(x: Any) -> Any:
        p = q = np.zeros(4)
        for k in range(3):
            p[:] = q
            q = x * x * (k + 1.0)
        return np.sum(p) + 10.0 * np.sum(q)

    np.testing.assert_allclose(check(f), 64.0 * X, rtol=1e-15)
