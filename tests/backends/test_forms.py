"""Calls of jitted functions that are not positional arrays of one signature: each goes to machine code, and stays what it was.

What comes in: functions under `jit`, and kernels written by hand that give their inputs back, so that a test sees which of the
two ran. What goes out: results. The one idea: whatever changes the trace in Python's eyes changes the entry that a call fits.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import gc
import operator
import pickle
import sys
import threading
import warnings
import weakref
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
from kernels import array, copies, made

import wengert as wg
from wengert.backends.compiled import native, python
from wengert.backends.compiled.entry import Input, Output

pytestmark = pytest.mark.skipif(not python.supported(), reason="a Python whose objects are laid out otherwise")
X, Y = np.array([1.0, 2.0]), np.array([1.0, 2.0, 4.0])
W = np.array([3.0, 3.0])


@dataclasses.dataclass
class Net:
    w: object
    b: object


Pair = namedtuple("Pair", "a b")


def enter(j, *args, status=0, **kwargs):
    """Have calls like this one enter a kernel that gives the first arrays back."""
    j(*args, **kwargs)
    leaves, key, _ = j._signature(args, kwargs)
    staged = j.found[key]
    sizes = [t.type.size * t.type.dtype.itemsize for t in staged.graph.outputs]
    compiled = SimpleNamespace(text=copies(sizes, status), symbols={}, hosts=0, constants=0, workspace=0)
    assert j._link(staged, args, kwargs, compiled)
    return j


def same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert [*a] == [*b]
        same([*a.values()], [*b.values()])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, Net):
        same((a.w, a.b), (b.w, b.b))
    else:
        assert a == b


# ---------------------------------------------------------------- several signatures


def test_each_signature_has_its_entry():
    j = wg.jit(lambda x: x * 3.0)
    for x in (X, Y, np.float64(2.0), 2.0, X.astype(np.float32)):
        enter(j, x)
    for _ in range(3):
        for x in (X, Y, np.float64(2.0), 2.0, X.astype(np.float32)):
            same(j(x), x)
    same(j(np.ones(5)), 3 * np.ones(5))


def test_the_oldest_of_many_goes_and_comes_back(monkeypatch):
    monkeypatch.setattr(native, "_MOST", 3)
    j = wg.jit(lambda x: x * 3.0)
    for n in range(1, 5):
        enter(j, np.ones(n))
    assert len(j._keeper.rows) == 3
    same(j(np.ones(4)), np.ones(4))
    same(j(np.ones(1)), 3 * np.ones(1))  # by Python, which has it entered again
    same(j(np.ones(1)), np.ones(1))


def test_a_changed_value_drops_its_entry_and_no_other():
    scale = 3.0
    j = wg.jit(lambda x: x * scale)
    enter(j, X)
    scale = 4.0
    enter(j, Y)
    same(j(X), 4 * X)
    same(j(Y), Y)
    assert len(j._keeper.rows) == 1


def test_machine_code_does_not_run_where_the_interpreter_is_asked_for():
    j = enter(wg.jit(lambda x: x * 3.0), X)
    same(j(X), X)
    with wg.config.set(backend="interpreted"):
        same(j(X), 3 * X)
    same(j(X), X)


# ---------------------------------------------------------------- trees, keywords, static arguments


def tree(p):
    return p["a"] * 3.0


CALLS = {
    "dict": (tree, ({"a": X},), {}, X, 3 * X),
    "nested": (lambda t: (t[0][0] * 3.0, [t[1] * 3.0]), (([X], 2.0),), {}, (X, [2.0]), (3 * X, [6.0])),
    "dataclass": (lambda p, x: Net(p.w * 3.0, x * 3.0), (Net(X, None), Y), {}, Net(X, Y), Net(3 * X, 3 * Y)),
    "named tuple": (lambda p: Pair(p.a * 3.0, None), (Pair(X, "x"),), {}, Pair(X, None), Pair(3 * X, None)),
    "keyword": (lambda x, *, k: x * 3.0 + 0.0 * k, (X,), {"k": 2.0}, X, 3 * X),
    "result": (lambda x: {"b": x * 3.0, "a": 1}, (X,), {}, {"b": X, "a": 1}, {"b": 3 * X, "a": 1}),
    "constants": (lambda x: (x * 3.0, None, "s", 7), (X,), {}, (X, None, "s", 7), (3 * X, None, "s", 7)),
    "static": (lambda x, n, s: x * n if s == "times" else x, (X, 3, "times"), {}, X, 3 * X),
    "large int": (lambda x, n: x * 3.0 + (n - n), (X, 10**30), {}, X, 3 * X),
    "function": (lambda x, f: f(x, 3.0), (X, operator.mul), {}, X, 3 * X),
}


@pytest.mark.parametrize("case", CALLS)
def test_calls_of_every_form(case):
    f, args, kwargs, through, expected = CALLS[case]
    j = wg.jit(f)
    same(j(*args, **kwargs), expected)
    enter(j, *args, **kwargs)
    for _ in range(3):
        same(j(*args, **kwargs), through)
    twin = pickle.loads(pickle.dumps(args)) if case not in ("dataclass",) else copy.deepcopy(args)
    same(j(*twin, **kwargs), through)  # equal is enough for numbers and texts


def test_pickles_and_copies_have_no_entries():
    j = enter(wg.jit(tree), {"a": X})
    for twin in (pickle.loads(pickle.dumps(j)), copy.copy(j), copy.deepcopy(j)):
        assert twin.f is tree and not twin.forms.found
        same(twin({"a": X}), 3 * X)
    same(j({"a": X}), X)


def test_another_structure_is_another_call():
    j = enter(wg.jit(lambda p: sum(p.values()) if isinstance(p, dict) else p[0] * 3.0), {"a": X})
    same(j({"a": X}), X)
    same(j({"b": X}), X + 0)  # traced: 0 + x
    same(j([X]), 3 * X)
    same(j((X,)), 3 * X)
    same(j({"a": X, "b": X}), 2 * X)
    same(j({"a": Y}), Y)
    j = enter(wg.jit(lambda a, b=2.0: a * b), X, 5.0)
    same(j(X, b=3.0), 3 * X)
    same(j(X), 2 * X)
    same(j((X,)[0], 3.0), X)


def test_static_values_are_compared_with_their_types():
    def f(x, n):
        return x * 3.0 if n is True else x * 5.0 if type(n) is int else x * 7.0
    j = enter(wg.jit(f), X, 1)
    same(j(X, 1), X)
    same(j(X, True), 3 * X)
    same(j(X, 2), 5 * X)
    same(j(X, 1.0), 7 * X)
    same(j(X, "1"), 7 * X)
    j = wg.jit(lambda x, z: x * np.copysign(1.0, z), static_argnums=1)
    enter(j, X, 0.0)
    same(j(X, -0.0), -X)
    same(j(X, np.float64(-0.0)), -X)


def test_static_containers_are_looked_at_each_time():
    j = wg.jit(lambda x, p: x * p[0], static_argnums=1)
    p = [3.0]
    j(X, p)
    for _ in range(6):
        same(j(X, p), p[0] * X)
    p[0] = 5.0
    same(j(X, p), 5 * X)
    j, p = wg.jit(lambda x, p: x * p[0], static_argnums=1), [3]
    enter(j, X, p)
    same(j(X, p), X)
    p[0] = 4
    same(j(X, p), 4 * X)
    j, w = wg.jit(lambda x, p: x * p, static_argnums=1), np.ones(2)
    for _ in range(6):
        j(X, w)
    w[:] = 2.0
    same(j(X, w), 2 * X)


def test_other_memory_orders_are_copied():
    c = np.arange(6.0).reshape(2, 3)
    orders = [c, np.asfortranarray(c), np.ones((4, 6))[::2, ::2].copy(order="F"), np.arange(24.0).reshape(4, 6)[::2, ::2]]
    for f in (lambda a: a * 3.0, lambda a: {"r": a * 3.0}):
        j = wg.jit(f)
        enter(j, orders[1])
        same(j(c), f(c))  # another trace
        same(j(orders[3]), f(orders[3]))
        for a in orders[1:3]:
            same(j(a), {"r": a} if type(f(c)) is dict else a)
        enter(j, c)
        enter(j, orders[3])
        for a in orders:
            same(j(a), {"r": a} if type(f(c)) is dict else a)
    j = enter(wg.jit(lambda x: x * 3.0), X)
    same(j(np.arange(4.0)[::2]), np.array([0.0, 2.0]))
    same(j(X[::-1]), X[::-1])
    same(j(np.frombuffer(b"." + X.tobytes(), np.uint8)[1:].view(float)), X)
    same(j(np.array([1.0, 2.0], ">f8")), 3 * X)
    same(j(np.ma.array([1.0, 2.0])[:1].data), 3 * X[:1])


def test_what_writes_into_its_argument_is_given_the_argument():
    def f(x):
        x[0] = 7.0 if len(x) == 3 else x[0]
        return x * 3.0
    j, x = wg.jit(lambda x: f(x) if len(x) == 3 else x * 3.0), np.ones(6)
    enter(j, X)
    with pytest.warns(wg.StagingWarning):
        j(x[::2])
    assert x[0] == 7.0
    same(j(x[:2][::-1]), x[:2][::-1])


def test_a_status_runs_the_interpreter():
    j = enter(wg.jit(lambda p, *, k: {"r": p["a"] * 3.0 * k}), {"a": X}, k=1.0, status=4)
    same(j({"a": X}, k=1.0), {"r": 3 * X})
    same(j({"a": X}, k=2.0), {"r": 6 * X})


def test_under_a_transform_python_decides():
    j = enter(wg.jit(lambda p: np.sum(p["a"] * 3.0)), {"a": X})
    same(wg.grad(j)({"a": X}), {"a": np.full(2, 3.0)})
    seen = []

    def f(x):
        seen.append(j({"a": X}))
        return np.sum(x)
    wg.grad(f)(X)
    assert seen == [9.0]
    same(wg.jit(lambda x: j({"a": x}) + j({"a": X}))(X), np.float64(18.0))


def test_nothing_is_kept_alive():
    def make():
        j = enter(wg.jit(tree), {"a": X})
        j({"a": X})
        (form,) = j.forms.found.values()
        return weakref.ref(j), weakref.ref(native.installed(form).library)
    refs = make()
    gc.collect()
    assert [r() for r in refs] == [None, None]


def test_references():
    given, text = object(), "a text that nobody else holds".upper()
    f = made(copies([16]), [Input(kind="same", given=given), Input(array(2)), Input(kind="equal", given=text)],
             [Output(kind="same", given=given), Output(array(2)), Output(kind="same", given=None)], "tuple")
    j = enter(wg.jit(lambda p, n: {"r": p["a"] * 3.0, "n": text}), {"a": X}, text)
    equal = "".join(text)
    assert f(given, X, equal[:3] + equal[3:])[0] is given and f(given, X, text)[2] is None
    assert f(object(), X, text)[0] == "slow" and f(given, X, "other")[0] == "slow" and f(given, X, 7)[0] == "slow"
    (form,) = j.forms.found.values()
    watched = [given, text, X, None, j, form, form._keeper, f._keeper]
    before = [sys.getrefcount(x) for x in watched]
    for _ in range(1000):
        f(given, X, text)
        f(given, X, "other")
        j({"a": X}, text)
    after = [sys.getrefcount(x) for x in watched]
    assert all(abs(a - b) < 100 for a, b in zip(after, before, strict=True)), (before, after)


@pytest.mark.filterwarnings("ignore::wengert.staging.StagingWarning")  # it changes while another thread traces
def test_threads_that_call_what_one_changes():
    scale = 3.0
    j, wrong = wg.jit(lambda p: {"r": p["a"] * scale}), []
    stale = (AssertionError, KeyError)  # another thread, which has seen the value before, was slower

    def work(k):
        nonlocal scale
        for n in range(400):
            x = np.full(1 + n % 3, float(k))
            if j({"a": x})["r"].tolist() not in (x.tolist(), (3 * x).tolist(), (4 * x).tolist()):
                wrong.append((k, n))
            if n % 100 == 50 and k == 0:
                scale = 7.0 - scale
            if n % 40 == 0 and k == 0:
                with contextlib.suppress(*stale):
                    enter(j, {"a": np.ones(1 + n % 2)})
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


# ---------------------------------------------------------------- what is captured


def changes(make, *edits):
    """After each edit of what it captured a jitted function gives what the function gives, and enters machine code again."""
    f = make()
    j = wg.jit(f)
    enter(j, X)
    same(j(X), X)
    for edit in edits:
        edit()
        same(j(X), f(X))
        enter(j, X)
        same(j(X), X)


def test_arrays_change_in_place():
    w, late = np.array([3.0, 3.0]), np.array([[1.0, 2.0], [3.0, 4.0]])
    other = np.asfortranarray(late)
    changes(lambda: lambda x: x * w, lambda: w.__setitem__(1, 5.0), lambda: w.fill(np.nan), lambda: w.fill(-0.0),
            lambda: w.fill(0.0))
    changes(lambda: lambda x: late @ x + other @ x, lambda: late.__setitem__((0, 1), 5.0),
            lambda: other.__setitem__((0, 1), 5.0))

    def shape(*new):
        with warnings.catch_warnings():  # NumPy 2.5 wants it no more
            warnings.simplefilter("ignore", DeprecationWarning)
            late.shape = new
    changes(lambda: lambda x: x * late.ravel()[:2], lambda: (shape(4), shape(2, 2)), lambda: shape(4),
            lambda: late.resize(2, refcheck=False))
    strided = np.arange(4.0)
    view = strided[::2]
    j = wg.jit(lambda x: x * view)
    for _ in range(6):
        j(X)
    strided[2] = 9.0
    same(j(X), X * view)


def test_arrays_are_rebound():
    class Model:
        def __init__(self):
            self.w = np.array([3.0, 3.0])

    model = Model()
    changes(lambda: lambda x: x * model.w, lambda: setattr(model, "w", np.array([4.0, 4.0])),
            lambda: setattr(model, "w", model.w.copy()), lambda: model.w.fill(2.0))


def test_lists_and_dicts_change():
    parts = [np.ones(2), [2.0, np.ones((2, 2))], {"k": np.ones(2), "n": 3}]
    changes(lambda: lambda x: x * parts[0] + parts[1][0] * parts[1][1] @ x + parts[2]["k"] * parts[2]["n"],
            lambda: parts[0].fill(2.0), lambda: parts.__setitem__(0, np.full(2, 4.0)), lambda: parts[1].__setitem__(0, 3.0),
            lambda: parts[1][1].fill(5.0), lambda: parts[2].update(n=4), lambda: parts[2]["k"].fill(7.0),
            lambda: parts.append(1), lambda: parts.__delitem__(3))
    sizes = {"a": 2.0, "b": 3.0}

    def turned():
        sizes["a"] = sizes.pop("a")

    def f(x):
        values = list(sizes.values())
        return x * values[0]
    changes(lambda: f, turned, lambda: sizes.clear() or sizes.update(c=9.0))


def test_what_no_entry_can_look_at_is_looked_at_by_python():
    chosen, get = {1.0, 2.0}, {"k": 3.0}
    look = get.get
    j, k = wg.jit(lambda x: x * len(chosen)), wg.jit(lambda x: x * look("k"))
    for _ in range(6):
        j(X), k(X)
    chosen.add(3.0)
    get["k"] = 5.0
    same(j(X), 3 * X)
    same(k(X), 5 * X)


def test_a_global_array_is_compared_where_it_lies(monkeypatch):
    j = enter(wg.jit(lambda x: x * W), X)
    same(j(X), X)
    monkeypatch.setitem(globals(), "W", W.copy())
    same(j(X), 3 * X)  # an equal array: by Python, which enters again
    same(j(X), X)
    W[0] = 5.0
    try:
        same(j(X), X * W)
    finally:
        W[0] = 3.0


def test_dicts_and_keywords_in_another_order():
    def values(d):
        return [x * 1.0 for x in d.values()]

    def named(**words):
        return [x * 1.0 for x in words.values()]

    jitted, keywords = wg.jit(values), wg.jit(named)
    for _ in range(6):
        assert (jitted({"a": 1.0, "b": 2.0}), jitted({"b": 2.0, "a": 1.0})) == ([1.0, 2.0], [2.0, 1.0])
        assert (keywords(a=1.0, b=2.0), keywords(b=2.0, a=1.0)) == ([1.0, 2.0], [2.0, 1.0])
    assert list(wg.jit(lambda d: d)({"b": 2.0, "a": 1.0})) == ["b", "a"]
