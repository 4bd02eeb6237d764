"""Compiled programs that share, swap, shift and overwrite arrays in loops and branches, against the interpreter.

Each runs with its values in registers, in memory, in vector loops (see SETTINGS of guarded.py), between guard pages.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent.parent / "programs"))

from compiled_campaign import loop_cases, program_cases, staged
from guarded import SETTINGS, check, compiled_with

import wengert as wg
from wengert.backends.compiled import kernel

pytestmark = pytest.mark.filterwarnings("ignore")
X, Y, Z = np.sin(np.arange(100.0)), np.cos(np.arange(60.0)).reshape(3, 20), 0.7
FEW = (0, 1, 2)


def same(f, *args, settings=FEW):
    found = staged(f, args)
    assert found is not None, "it is not staged"
    for number in settings:
        assert check(*found, number=number)


def gradient(f):
    return lambda *args: wg.grad(lambda *a: sum(np.sum(np.sin(o)) for o in f(*a)), argnums=tuple(range(len(args))))(*args)


# ---------------------------------------------------------------- programs

def swap(x, z):
    a, b = x.copy(), np.sin(x)
    for _ in range(5):
        a, b = b, a
    return a, b


def rotate(x, z):
    a, b, c = x.copy(), np.sin(x), x * z
    for _ in range(4):
        a, b, c = b, c, a * 0.5
    return a, b, c


def used_after_it_is_overwritten(x, z):
    a, b = x.copy(), np.zeros(100)
    for i in range(4):
        b = b + a
        a[i] = b[i + 1] * z
        b[3] = a[3] + a[i]
    return a, b


def shifts(x, z):
    a = x.copy()
    for _ in range(5):
        a[1:] = a[:-1]
        a[:-2] = a[2:] * z
        a[::-1] = a
        a[3:40] += a[:37]
    return (a,)


def recurrence(x, z):
    a = x.copy()
    for i in range(1, 100):
        a[i] = a[i - 1] * z + a[i]
    return (a,)


def writes_in_both_arms(x, z):
    a, b = x.copy(), x * 2.0
    for i in range(6):
        if a[i] > 0.2:
            a[i + 1] = b[i] * z
            b[:50] = a[50:]
        else:
            a = b * 0.5
            b[2 * i] = z
    return a, b


def two_results_of_a_branch(x, z):
    s = z
    for _ in range(5):
        if s > 0.5:
            t, x = np.cos(x), np.sin(x)
        else:
            t, x = x * 3.0, x * 2.0
        s = s * 0.9 + 0.01 * np.sum(t[1:])
    return x, s


def two_branches_in_turn(x, z):
    x = x.copy()
    for i in range(4):
        y = x[::-1].copy()
        if z > 0.1 * i:
            x = np.sin(x)
        x = x * z
        if z > 0.2 * i:
            x[3] = z
        w = x[::-1] * 0.5
        x = w + y
        x[0], x[5] = y[5], x[0]
    return (x,)


def memory_of_a_branch_is_still_read(x, z):
    for _ in range(3):
        r = x
        if z > 0.5:
            r = x.copy()
            r[3:] = z
        w = np.sin(z) * np.ones(100)
        w[7:] = r[:93]
        x = w
        x[::-1] += r
    return (x,)


def nested(x, z):
    a, b = x.copy(), np.zeros(100)
    for i in range(3):
        for j in range(4):
            a[j] = a[i + j] + z
            if a[j] > 1.0:
                b[:] = a * 0.5
                for k in range(i):
                    b[k] = a[k + 1]
                    a[k] = b[k]
        b[i:] += a[:100 - i]
    return a, b


def returned_twice(x, z):
    a = x * z
    b = a
    for _ in range(3):
        b = b + a
    return a, a, b, b, x


def returned_and_carried(x, z):
    a = x * z
    first = a
    for i in range(3):
        a = np.sin(a)
        a[i] = first[i]
    return first, a


def zero_trips(x, z):
    a, b = x * 2.0, np.sin(x)
    for _ in range(0):
        a, b = b, a * 2.0
    k = 5
    while k < 5:
        a, b = b, a
        a[0] = z
        k += 1
    return a, b


def while_in_for(x, z):
    a, total = x.copy(), z
    for i in range(5):
        k = 0
        while k < i and total < 3.0:
            a[k] = np.sin(a[k + 1]) * total
            total = total + 0.1 * a[k] + 0.2
            j = 0
            while j < k:
                a[j + 10] = a[j] * z
                j += 1
            k += 1
        total = total * 0.5
    return a, total


def gathers(x, z):
    at = np.array([3, -1, 3, 50, -100, 99, 3, 0, 0])
    a = x.copy()
    np.add.at(a, at, z)
    b = a[at] * x[at[::-1]]
    a[at[:4]] = b[:4]
    np.add.at(a, at, b)
    return a, b


def constants_at_computed_places(x, z):
    table = np.arange(100.0) * 0.1
    a = table[np.argsort(np.sin(x))] * z
    return a, np.sin(table)[np.argsort(a)], table[::-1][np.argsort(x * z)[::-1]]


def masks(x, z):
    a = x.copy()
    a[a > 0.3] = z
    a[(a < 0.0) & (x > -0.5)] *= 2.0
    return a, np.where(np.isnan(a), 0.0, a)


def pieces(x, z):
    a = np.concatenate([x[:1], x[3:4], x[10:27], x[::-1][:9], np.full(3, z), x[50:]])
    b = np.stack([x, a[:100] if a.shape[0] >= 100 else np.pad(a, (0, 100 - a.shape[0])), x[::-1]], axis=1)
    return a, b, np.pad(b, ((2, 9), (1, 0))), np.flip(b)


def reshapes(x, z):
    a = np.sin(x).reshape(4, 25)
    b = a.T.reshape(10, 10)
    c = b.reshape(2, 5, 10)[:, ::-1].transpose(2, 0, 1).reshape(20, 5)
    return a + z, b.ravel(), c.reshape(-1)[::3], c.T.copy()


def an_alias_of_a_carry(x, z):
    x = np.sort(x.reshape(20, 5))
    y = x.reshape(100)
    for row in y:
        x = x * 0.5 + row * z
    return (x,)


PROGRAMS = [swap, rotate, used_after_it_is_overwritten, shifts, recurrence, writes_in_both_arms, two_results_of_a_branch,
            two_branches_in_turn, memory_of_a_branch_is_still_read, nested, returned_twice, returned_and_carried, zero_trips,
            while_in_for, gathers, constants_at_computed_places, masks, pieces, reshapes, an_alias_of_a_carry]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_a_program_and_its_gradient(f):
    same(f, X, Z, settings=range(len(SETTINGS)))
    same(gradient(f), X, Z)


def test_second_and_third_derivatives_through_loops_of_unknown_length():
    def f(z):
        a = np.arange(20.0) * z
        for i in range(3):
            while a[i] < 1.1:
                a = np.sin(a) + 0.8 * z
                a[i] = a[i] + 0.4
        return np.sum(a * a)

    same(lambda z: wg.grad(wg.grad(f))(z), Z)
    same(lambda z: wg.grad(wg.grad(wg.grad(f)))(z), Z, settings=(0, 2))


# ---------------------------------------------------------------- arrays of all kinds

@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128, np.int64, np.int32], ids=str)
def test_reductions_over_every_subset_of_axes(dtype):
    x = (np.sin(np.arange(3 * 100 * 5)) * 9).astype(dtype).reshape(3, 100, 5)

    def f(x):
        out = []
        for axes in [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]:
            out.append(np.sum(x, axis=axes))
            if x.dtype.kind == "f":
                out.append(np.max(x, axis=axes))
                out.append(np.prod(x * 0.12, axis=axes))
            out.append(np.any(x > 0 if x.dtype.kind != "c" else x == x[0], axis=axes))
        return tuple(out)
    same(f, x)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex64, np.int32, np.uint8, np.bool_], ids=str)
def test_strides(dtype):
    x = (np.sin(np.arange(7 * 33 * 2)) * 9).astype(dtype).reshape(7, 33, 2)

    def f(x):
        out = []
        for axes in [(1, 0, 2), (2, 1, 0), (1, 2, 0)]:
            y = x.transpose(axes)
            out += [y, y[::-1, ::2], np.concatenate([y, y[::-1]], axis=1)[1:, -3:]]
        at = np.array([0, -1, 3, 3], np.int32)
        return *out, x[:, at], x[at][:, ::-3, 1], x[at, at]
    same(f, x)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, -0.0])
def test_special_values(special):
    x = X.copy()
    x[[0, 7, 8, 63, 99]] = special

    def f(x, z):
        return (np.sum(x), np.max(x), np.min(x.reshape(20, 5), axis=0), np.maximum(x, z) + np.minimum(x, 0.0),
                np.where(x > 0.0, x, -x), np.sort(x), np.sign(x) * np.copysign(1.0, x), np.cumsum(x), x * 0.0, 1.0 / x)
    same(f, x, Z)
    same(f, x.astype(np.float32), np.float32(Z))


# ---------------------------------------------------------------- indices, memory, threads

@pytest.mark.parametrize("at", [100, -101, 10**12])
def test_an_index_out_of_bounds_raises_as_numpy(at):
    def f(x, at):
        a = x.copy()
        np.add.at(a, at, 1.0)
        return a, x[at]
    places = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8])
    graph, values = staged(f, (X, places))
    compiled = kernel.compile_graph(graph)
    np.testing.assert_array_equal(compiled(*values)[1], X[places])
    places[5] = at
    with pytest.raises(IndexError, match="out of bounds"):
        compiled(X, places)


def test_writes_into_numbers():
    def f(x, z):
        a = np.array(z)
        a[...] = x[0]
        a += z
        return a, np.sum(x) * a
    same(f, X, Z)


def test_parts_that_declare_the_same_functions():
    """A product of matrices and a masked load; a stack and Python's integers."""
    def f(x, z):
        y = x[:63].reshape(9, 7)
        n, k = 1, 0
        while k < 3:
            n, k = n * 3, k + 1
            z = np.sin(z) * n
        return y @ y.T, np.sin(x[:35]) * z, y.T @ np.ones(9)
    same(f, X, Z)
    same(lambda x, z: wg.value_and_grad(lambda x, z: np.sum(f(x, z)[1]))(x, z), X, Z)


def test_results_are_fresh_and_inputs_stay():
    def f(x, y):
        a = x.reshape(10, 10)
        return x, x, a, a.T, y[::1], y + 0.0
    for number in FEW:
        graph, values = staged(f, (X, Y))
        found = compiled_with(graph, number)(*values)
        arrays = [*values, *found]
        assert not any(np.shares_memory(a, b) for k, a in enumerate(arrays) for b in arrays[:k])


def test_threads_and_repeated_calls():
    graph, values = staged(gradient(nested), (X, Z))
    compiled = compiled_with(graph, 1)
    want = [compiled(X * s, np.float64(Z)) for s in (0.5, 1.0, 1.5)]
    wrong = []

    def work(k):
        for _ in range(50):
            got = compiled(X * (0.5 + 0.5 * k), np.float64(Z))
            if not all(np.array_equal(a, b) for a, b in zip(got, want[k])):
                wrong.append(k)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


# ---------------------------------------------------------------- random programs

@pytest.mark.parametrize("seed", range(16))
def test_random_programs_with_long_arrays(seed):
    for k, (_, graph, values) in enumerate(loop_cases(seed)):
        if k < 2:
            check(graph, values, number=[0, 1, 0, 2, 5][seed % 5])


@pytest.mark.parametrize("seed", range(7, 14))
def test_random_programs(seed):
    for _, graph, values in program_cases(seed):
        check(graph, values, number=seed % len(SETTINGS))
