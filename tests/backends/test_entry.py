"""Entries of kernels: what fits runs in machine code, everything else goes to ``__call__``, and no reference is lost.

What comes in: kernels written by hand. What goes out: results, paths taken, reference counts. The one idea: the ordinary
path says that it was taken, so a test sees both which path ran and what came out.
"""

from __future__ import annotations

import copy
import ctypes
import gc
import os
import pickle
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
from kernels import GRADIENT, Callable, array, copies, gradient, made

from wengert.backends.compiled import native, python
from wengert.backends.compiled.entry import Input, Output, Signature, entry_text
from wengert.backends.compiled.native import Program, Table, installed, remove
from wengert.errors import InputError

pytestmark = pytest.mark.skipif(not python.supported(), reason="a Python whose objects are laid out otherwise")
X = np.array([1.2, 1.0])


@pytest.fixture
def g():
    return made(GRADIENT, [Input(array(2))], [Output(array(2))])


def test_what_fits_runs_in_machine_code(g):
    out = g(X)
    assert type(out) is np.ndarray and out.flags.owndata and out.flags.writeable and out.flags.c_contiguous
    np.testing.assert_allclose(out, gradient(X), rtol=1e-14)
    assert g.slow == 0
    assert [*map(g, [X, X])][1].tolist() == out.tolist() and g(*[X]).tolist() == out.tolist()
    assert g.slow == 0
    read_only = X.copy()
    read_only.flags.writeable = False
    assert g(read_only).tolist() == out.tolist() and g.slow == 0
    unpickled = pickle.loads(pickle.dumps(X))  # its dtype is a copy
    assert g(unpickled).tolist() == out.tolist() and g.slow == 0


class Sub(np.ndarray):
    pass


def unaligned():
    a = np.zeros(17, np.uint8)[1:].view(float)
    assert not a.flags.aligned
    return a


WRONG = {
    "shape": np.zeros(3), "rank": np.zeros((2, 1)), "number": np.float64(1.0), "float": 1.0, "list": [1.0, 2.0], "None": None,
    "dtype": np.zeros(2, np.float32), "same size": np.zeros(2, np.int64), "byte order": np.zeros(2, ">f8"),
    "strides": np.zeros(4)[::2], "backwards": np.zeros(2)[::-1], "unaligned": unaligned(), "subclass": np.zeros(2).view(Sub),
    "object": np.zeros(2, object), "masked": np.ma.zeros(2), "structured": np.zeros(2, [("a", "f8")]),
    "date": np.zeros(2, "M8[s]"), "long double": np.zeros(2, np.longdouble),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_takes_the_ordinary_path(g, case):
    x = WRONG[case]
    said, args, kwargs = g(x)
    assert said == "slow" and args[0] is x and kwargs == {} and g.slow == 1


def test_other_ways_to_call_take_the_ordinary_path(g):
    assert g() == ("slow", (), {})
    assert g(X, 1)[1][1] == 1
    assert g(x=X)[2] == {"x": X}
    assert g(X, y=3)[2] == {"y": 3}
    assert g(*[X, 2], a=1, b=2)[2] == {"a": 1, "b": 2}
    assert g.__call__(X)[0] == "slow"
    assert g.slow == 6


def test_order_of_matrices():
    f = made(copies([48]), [Input(array(2, 3))], [Output(array(2, 3))])
    a = np.arange(6.0).reshape(2, 3)
    assert f(a).tolist() == a.tolist() and f.slow == 0
    assert f(np.asfortranarray(a))[0] == "slow"
    assert f(a.reshape(3, 2))[0] == "slow"


CODES = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "c8", "c16"]


@pytest.mark.parametrize("code", CODES)
def test_numbers_of_every_dtype(code):
    dtype = np.dtype(code)
    x = dtype.type(-1.5 + 2j if dtype.kind == "c" else -1.5 if dtype.kind == "f" else -2 if dtype.kind == "i" else 1)
    size = dtype.itemsize
    for kind in ("array", "number", "python"):
        f = made(copies([size]), [Input(array(dtype=dtype), "number")], [Output(array(dtype=dtype), kind)])
        out = f(x)
        expected = {"array": np.asarray(x), "number": x, "python": x.item()}[kind]
        assert type(out) is type(expected) and out == expected and f.slow == 0
        assert f(np.asarray(x))[0] == "slow" and f(x.item())[0] == "slow"
    f = made(copies([size]), [Input(array(dtype=dtype))], [Output(array(dtype=dtype))])
    assert f(np.asarray(x)) == x and f.slow == 0
    if code in ("f8", "c16"):
        f = made(copies([size]), [Input(array(dtype=dtype), "python")], [Output(array(dtype=dtype), "python")])
        assert f(x.item()) == x and type(f(x.item())) is type(x.item()) and f.slow == 0
        assert f(x)[0] == "slow" and f(True)[0] == "slow"


@pytest.mark.parametrize("container", ["tuple", "list"])
def test_several_results(container):
    kinds = [Output(array(3)), Output(array(), "number"), Output(array(), "python"), Output(array(2, dtype="i4"))]
    f = made(copies([24, 8, 8, 8]), [Input(array(3)), Input(array(), "python"), Input(array(), "number"),
                                     Input(array(2, dtype="i4"))], kinds, container)
    out = f(np.arange(3.0), 2.5, np.float64(3.5), np.array([1, 2], "i4"))
    assert type(out).__name__ == container and [type(x) for x in out] == [np.ndarray, np.float64, float, np.ndarray]
    assert out[0].tolist() == [0, 1, 2] and out[1:3] == type(out)([2.5, 3.5]) and out[3].tolist() == [1, 2]
    assert gc.is_tracked(out) and f.slow == 0
    assert made(copies([]), [], [], container)() == type(out)()


def test_empty_arrays():
    f = made(copies([0]), [Input(array(0, 3))], [Output(array(3, 0))])
    assert f(np.zeros((0, 3))).shape == (3, 0)


# ---------------------------------------------------------------- references


def grown(run, n=20_000):
    """Bytes that are kept after many calls, beyond those kept after some."""
    for _ in range(200):
        run()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(n // 10):
            run()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(n):
            run()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def swallowed(f, *args):
    try:
        f(*args)
    except (KeyboardInterrupt, MemoryError, ValueError):
        return
    raise AssertionError


@pytest.mark.parametrize("path", ["good", "slow", "failed", "changed"])
def test_no_reference_is_lost_or_kept(path):
    inputs = [Input(array(3)), Input(array(), "python"), Input(array(), "number")]
    outputs = [Output(array(3)), Output(array(), "python"), Output(array(), "number")]
    space = {"a": object()}
    table = Table([("item", space, "a", space["a"])])
    f = made(copies([24, 8, 8], status=7 if path == "failed" else 0), inputs, outputs, "tuple", table)
    if path == "changed":
        space["a"] = None
    args = (np.arange(3.0), 2.5, np.float64(1.0)) if path != "slow" else (np.arange(4.0), 2.5, np.float64(1.0))
    watched = [*args, f, np.dtype(float), np.ndarray, np.float64, f._keeper, None, 7]
    counts = [sys.getrefcount(x) for x in watched]
    for _ in range(1000):
        f(*args)
    after = [sys.getrefcount(x) for x in watched]
    assert all(abs(a - b) < 100 for a, b in zip(after, counts, strict=True)), (counts, after)
    assert grown(lambda: f(*args)) < 5000
    out = f(*args)
    if path == "good":
        assert [sys.getrefcount(x) for x in out] == [2 + 1] * 3  # the tuple, the list's loop variable, the argument
    else:
        assert out[0] == ("failed" if path == "failed" else "slow")


def test_a_status_goes_to_the_class():
    f = made(copies([16], status=7), [Input(array(2))], [Output(array(2))])
    assert f(X)[:2] == ("failed", 7) and f(X)[2][0] is X
    f = made(copies([16], status=-3), [Input(array(2))], [Output(array(2))])
    assert f(X)[:2] == ("failed", -3)


def test_an_error_that_is_raised_inside_comes_out():
    raise_ = ctypes.cast(ctypes.pythonapi.PyErr_SetNone, ctypes.c_void_p).value
    text = copies([16], status=-3).replace("  ret i64 -3", "  call void @set(ptr @what)\n  ret i64 -3")
    text = "declare void @set(ptr)\n@what = external global i8\n" + text
    f = made(text, [Input(array(2))], [Output(array(2))], symbols={"set": raise_, "what": id(KeyboardInterrupt)})
    with pytest.raises(KeyboardInterrupt):
        f(X)
    assert grown(lambda: swallowed(f, X), 2000) < 5000


def test_errors_of_the_ordinary_path_come_out(g, monkeypatch):
    def raises(self, *args, **kwargs):
        raise ValueError("no")
    other = type("Other", (native.Native,), {"__call__": raises})
    native.enable(other)
    f = other()
    native.install(f, installed(g))
    assert f(X).tolist() == g(X).tolist()
    with pytest.raises(ValueError, match="no"):
        f(1)


def test_no_memory_for_a_result():
    f = made(copies([]), [], [Output(array(1)), Output(array(1 << 60))], "tuple")
    for _ in range(3):
        with pytest.raises((MemoryError, ValueError)):
            f()
    assert grown(lambda: swallowed(f), 2000) < 5000


# ---------------------------------------------------------------- life


def test_objects_live_and_die():
    g = made(GRADIENT, [Input(array(2))], [Output(array(2))])
    ref, code = weakref.ref(g), weakref.ref(installed(g).library)
    assert callable(g) and isinstance(g, Callable)
    g.anything = [g]  # a cycle
    out = g(X)
    del g
    gc.collect()
    assert ref() is None and code() is None
    assert out.tolist() == gradient(X).tolist()


def test_code_outlives_the_call_that_replaces_it(g):
    class Replacing(Callable):
        def __call__(self, *args, **kwargs):
            remove(self)
            del self._keeper
            gc.collect()
            return "replaced"
    native.enable(Replacing)
    for _ in range(3):
        f = Replacing()
        other = made(GRADIENT, [Input(array(2))], [Output(array(2))])
        space = {"a": 1}
        native.install(f, installed(other), Table([("item", space, "a", 1)]))
        del other
        assert f(X).shape == (2,)
        space["a"] = 2
        assert f(X) == "replaced"


def test_not_installed_is_as_if_it_were_an_ordinary_class():
    f = Callable()
    assert f(1, a=2) == ("slow", (1,), {"a": 2})
    assert installed(f) is None
    with pytest.raises(TypeError, match="pickle"):  # a pointer cannot be copied: a class says how it is made again
        copy.copy(f)


def test_a_subclass_calls_its_own_method(g):
    class Below(Callable):
        def __call__(self, *args, **kwargs):
            return "below"
    f = Below()
    assert not native.install(f, installed(g)) or f(X).shape == (2,)  # not enabled: nothing is installed
    assert f(1) == "below"


# ---------------------------------------------------------------- what must not have changed


def test_table():
    space, cell_owner, var = {"a": 3.5, "b": "x", "c": np}, 1.5, None

    def f(x, y=2):
        return cell_owner

    class Holder:
        pass

    import contextvars
    var = contextvars.ContextVar("var", default="d")
    holder, zero, value = Holder(), ctypes.c_int64(0), var.get()
    holder.w = cell_owner
    table = Table([("item", space, k, v) for k, v in space.items()] + [
        ("cell", f.__closure__[0], None, cell_owner), ("attribute", f, "__code__", f.__code__),
        ("attribute", f, "__defaults__", f.__defaults__), ("attribute", f, "__kwdefaults__", None),
        ("attribute", holder, "w", holder.w), ("context", var, None, value), ("zero", ctypes.addressof(zero), None, None)])
    assert table.unchanged() and table.unchanged()

    def differs(change, back):
        change()
        first, second = table.unchanged(), table.unchanged()
        back()
        return not first and not second and table.unchanged() and table.unchanged()

    kept = f.__code__, f.__defaults__, space["c"]
    assert differs(lambda: space.update(a=4.5), lambda: space.update(a=table.reads[0][3]))
    assert differs(lambda: space.pop("c"), lambda: space.update(c=kept[2]))
    space["other"] = 1
    assert table.unchanged()
    other = (lambda x, y=2: [cell_owner]).__code__
    assert differs(lambda: setattr(f, "__code__", other), lambda: setattr(f, "__code__", kept[0]))
    assert differs(lambda: setattr(f, "__defaults__", (3,)), lambda: setattr(f, "__defaults__", kept[1]))
    assert differs(lambda: setattr(f, "__kwdefaults__", {"y": 3}), lambda: setattr(f, "__kwdefaults__", None))
    assert differs(lambda: setattr(holder, "w", 2), lambda: setattr(holder, "w", table.reads[7][3]))
    assert differs(lambda: delattr(holder, "w"), lambda: setattr(holder, "w", table.reads[7][3]))
    assert differs(lambda: setattr(zero, "value", 1), lambda: setattr(zero, "value", 0))
    token = var.set("other")
    assert not table.unchanged()
    var.reset(token)
    assert table.unchanged()
    before = cell_owner
    cell_owner = 2.5
    assert not table.unchanged()
    cell_owner = before
    assert table.unchanged()


def test_table_without_version_numbers(monkeypatch):
    monkeypatch.setattr(native, "_has_versions", lambda: False)
    test_table()


# ---------------------------------------------------------------- workspace, threads, fork

# out = in, through the workspace, having waited for another thread if asked to
THROUGH = """
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
declare i32 @usleep(i32)
define i64 @kernel(ptr %in, ptr %out, ptr %env) {
  %w = load ptr, ptr %env
  %n = ptrtoint ptr %w to i64
  %low = and i64 %n, 63
  %bad = icmp ne i64 %low, 0
  br i1 %bad, label %no, label %yes
no:
  ret i64 5
yes:
  %i = load ptr, ptr %in
  %o = load ptr, ptr %out
  %end = getelementptr i8, ptr %w, i64 SIZE
  call void @llvm.memcpy.p0.p0.i64(ptr %end, ptr %i, i64 16, i1 false)
  %s = call i32 @usleep(i32 WAIT)
  call void @llvm.memcpy.p0.p0.i64(ptr %o, ptr %end, i64 16, i1 false)
  ret i64 0
}
"""


@pytest.mark.parametrize("size", [64, 1 << 15, 1 << 20])
@pytest.mark.parametrize("release", [False, True])
def test_workspace_and_threads(size, release):
    text = THROUGH.replace("SIZE", str(size - 16)).replace("WAIT", "200")
    f = made(text, [Input(array(2))], [Output(array(2))], workspace=size, release=release)
    wrong = []

    def work(k):
        for j in range(30):
            x = np.array([k, j], float)
            if f(x).tolist() != x.tolist():
                wrong.append((k, j))
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and f.slow == 0
    assert grown(lambda: f(X), 300) < 5000


def test_the_lock_is_released():
    text = THROUGH.replace("SIZE", "0").replace("WAIT", "300000")
    f = made(text, [Input(array(2))], [Output(array(2))], workspace=64, release=True)
    counted = [0]
    t = threading.Thread(target=f, args=(X,))
    t.start()
    while t.is_alive():
        counted[0] += 1
    assert counted[0] > 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such signal")
def test_an_interrupt_is_noticed():
    text = """
declare i64 @llvm.dummy()
define i64 @kernel(ptr %in, ptr %out, ptr %env) {
  %p = getelementptr ptr, ptr %env, i64 2
  %poll = load ptr, ptr %p
  br label %again
again:
  %r = call i64 %poll()
  %go = icmp eq i64 %r, 0
  br i1 %go, label %again, label %leave
leave:
  ret i64 -3
}
""".replace("declare i64 @llvm.dummy()\n", "")
    import signal
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for release in (False, True):
            f = made(text, [], [Output(array(2))], release=release)
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                f()
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork():
    import warnings
    f = made(THROUGH.replace("SIZE", str(1 << 19)).replace("WAIT", "1"), [Input(array(2))], [Output(array(2))],
             workspace=1 << 20)
    f(X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            same = f(X).tolist() == X.tolist()
            other = made(GRADIENT, [Input(array(2))], [Output(array(2))])  # linked in the child
            good = np.allclose(other(X), gradient(X)) and same
            del f, other
            gc.collect()
            status = 0 if good else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert f(X).tolist() == X.tolist()


def test_calls_of_python():
    seen = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
    host = kind(lambda operands, results: seen.append(1) or 0)
    hosts = (ctypes.c_void_p * 1)(ctypes.cast(host, ctypes.c_void_p).value)
    text = """
define i64 @kernel(ptr %in, ptr %out, ptr %env) {
  %hp = getelementptr ptr, ptr %env, i64 1
  %hosts = load ptr, ptr %hp
  %h = load ptr, ptr %hosts
  %r = call i64 %h(ptr %in, ptr %out)
  ret i64 %r
}
"""
    for release in (False, True):
        f = made(text, [Input(array(2))], [Output(array(2))], hosts=True, table_of_hosts=ctypes.addressof(hosts),
                 release=release)
        assert f(X).shape == (2,)
    assert seen == [1, 1]


# ---------------------------------------------------------------- programs


def test_program():
    from types import SimpleNamespace

    p = Program(
        SimpleNamespace(text=GRADIENT, symbols={}, hosts=0, constants=0, workspace=0),
        [array(2)],
        [array(2)],
        lambda s, *a: ("failed", s),
    )
    expected = gradient(X)
    for x in (X, X.astype(">f8"), np.array([1.2, 9, 1.0])[::2], [1.2, 1.0], X.view(Sub), np.array([1.2, 1.0], "f8").copy("F")):
        (out,) = p(x)
        np.testing.assert_allclose(out, expected, rtol=1e-14)
    (out,) = p(unaligned())
    assert out.tolist() == [-2.0, 0.0]
    with pytest.raises(InputError, match="float64"):
        p(np.zeros(3))
    with pytest.raises(InputError, match="int64"):
        p(np.zeros(2, int))
    p = Program(
        SimpleNamespace(text=copies([8, 8]), symbols={}, hosts=0, constants=0, workspace=0),
        [array(), array(dtype="i8")],
        [array(), array(dtype=np.longlong)],
        lambda s, *a: ("failed", s),
    )
    assert p(np.float64(1.5), np.longlong(3)) == (1.5, 3) and type(p(1.5, np.array(3))[0]) is np.float64


def test_text_holds_no_address():
    text = entry_text(Signature((Input(array(2)), Input(array(), "number")), (Output(array(2)), Output(array(), "python")),
                                "tuple", 1 << 20, True, True))
    assert "inttoptr (i64" not in text
    assert str(id(np.ndarray)) not in text
