"""What is kept from call to call is bounded, and keeps no array or function of the user's alive for good.

What comes in: many calls, each with an array and functions of its own. What goes out: nothing of them lives on. The one
idea: weak references tell who is still alive, and the sizes of the caches are looked at after more calls than they
hold.
"""

import gc
import weakref

import numpy as np
import pytest

import wengert as wg
from wengert.frontends import python_ast, trace
from wengert.frontends.reach import _REACHED
from wengert.graph import ArrayType, types
from wengert.primitives import custom, matrices


def calls_itself(big):
    def f(x, k):
        return x * big[0] if k == 0 else f(x, k - 1)
    wg.grad(f)(2.0, 3)


def opaque(big):
    wg.grad(wg.opaque(lambda x: x * big[0], derivative=lambda x: big[0]))(2.0)


def custom_rule(big):
    @wg.custom_jvp
    def f(x):
        return np.sum(x * big)
    f.defjvp(lambda p, t: (f(*p), np.sum(t[0] * big)))
    wg.grad(f)(2.0)


def staged(big):
    def f(x):
        for i in range(3):
            x = x * big[i]
        return x
    wg.grad(wg.jit(f))(2.0)


PROGRAMS = [calls_itself, opaque, custom_rule, staged, lambda big: wg.grad(lambda x: np.sum(x * big))(2.0),
            lambda big: wg.hessian(lambda x: x * x * big[0])(2.0), lambda big: wg.vmap(lambda x: x * big)(np.ones(2)),
            lambda big: wg.grad(lambda x: np.sum(x * x))(big), lambda big: wg.jit(lambda x: np.sum(x))(big)]


@pytest.mark.parametrize("program", PROGRAMS)
def test_arrays_and_functions_of_many_calls_do_not_live_on(program, monkeypatch):
    monkeypatch.setattr(trace, "_LIMIT", 500)
    refs = []
    for _ in range(30):
        big = np.ones(100_000)
        refs.append(weakref.ref(big))
        program(big)
    del big
    gc.collect()
    assert sum(r() is not None for r in refs) <= 12
    assert trace._LOCAL.build.size <= 500 + 2 * trace._LOCAL.build.largest


def test_a_function_whose_closure_holds_itself_is_not_kept():
    before = len(_REACHED)
    for _ in range(20):
        calls_itself(np.ones(2))
    gc.collect()
    assert len(_REACHED) <= before + 1


def test_the_graphs_of_many_shapes_are_bounded(monkeypatch):
    monkeypatch.setattr(trace, "_LIMIT", 500)
    monkeypatch.setattr(types, "_MOST", 100)
    gc.collect()
    before = sum(t.shape != () for t in ArrayType._interned.values())  # of what other tests keep
    for n in range(1, 400):
        wg.grad(lambda x: np.sum(np.sin(x) * x))(np.ones(n))
    gc.collect()
    assert trace._LOCAL.build.size < 1000
    assert len(ArrayType._recent) <= 100
    assert sum(t.shape != () for t in ArrayType._interned.values()) < before + 350
    kept = ArrayType((12345,), float)
    for n in range(300):
        ArrayType((n, 7, 7), float)
    assert ArrayType((12345,), float) is kept


def test_a_program_larger_than_the_bound_is_still_found_again(monkeypatch):
    monkeypatch.setattr(trace, "_LIMIT", 50)

    def f(x):
        for k in range(100):
            x = np.sin(x) * float(k)
        return x
    wg.grad(f)(1.0)
    build = trace._LOCAL.build
    for _ in range(5):
        wg.grad(f)(1.0)
    assert trace._LOCAL.build is build


def test_jit_keeps_a_bounded_number_of_signatures_and_no_argument(monkeypatch):
    from wengert import staging
    monkeypatch.setattr(staging, "_MOST", 10)
    f = wg.jit(lambda x: np.sum(x * x))
    refs = []
    for n in range(40):
        x = np.ones(n + 1)
        refs.append(weakref.ref(x))
        assert f(x) == n + 1
    del x
    gc.collect()
    assert len(f.found) <= 10
    assert all(r() is None for r in refs)


def test_caches_of_modules_are_bounded(monkeypatch):
    assert not hasattr(custom, "_JACOBIANS")
    assert matrices._triangle(300, 300, 0) == matrices._triangle(300, 300, 0)
    assert matrices._kept_triangle.cache_info().maxsize == matrices._kept_eye.cache_info().maxsize == 256
    for n in range(30):
        wg.grad(lambda x: np.sum(np.tril(x * np.ones((200, 200)), n)))(2.0)
    assert all(matrices._kept_triangle(k, k, 0).value.size <= 10_000 for k in (2, 3))
    monkeypatch.setattr(python_ast, "_MOST_FILES", 3)
    python_ast._FILES.clear()
    for k in range(10):
        python_ast._file(f"<cell {k}>")
    assert len(python_ast._FILES) <= 3
