"""What `jit` returns, entered by Python straight in machine code: it stays the function that it was.

What comes in: functions under `jit`, and kernels written by hand that give something else, so that a test sees which of the two
ran. What goes out: results. The one idea: whatever the Python path looks at before it uses a graph again, machine code looks
at too.
"""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import sys
import threading
import weakref
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace

import numpy as np
import pytest
from kernels import copies

import wengert as wg
from wengert.backends.compiled import native, python

pytestmark = pytest.mark.skipif(not python.supported(), reason="a Python whose objects are laid out otherwise")
X = np.array([1.0, 2.0])
scale = 3.0
unused = 1


def times(x):
    """Its documentation."""
    return np.multiply(x, scale)


@wg.jit
def decorated(x):
    return x * 2.0


def entered(f, *args, status=0, **options):
    """`f` under jit, entered for such arguments by a kernel that gives them back."""
    j = wg.jit(f)
    j(*args)
    (staged,) = j.found.values()
    compiled = SimpleNamespace(
        text=copies([np.asarray(x).nbytes for x in args], status), symbols={}, hosts=0, constants=0, workspace=0
    )
    assert j._link(staged, args, {}, compiled, **options)
    return j


def test_the_kernel_runs():
    j = entered(times, X)
    assert j(X).tolist() == X.tolist()
    assert j(np.zeros(3)).tolist() == [0, 0, 0]  # traced and interpreted
    assert j(np.ones(3)).tolist() == [3, 3, 3]
    assert j(X).tolist() == X.tolist()
    assert j(x=X).tolist() == (3 * X).tolist()
    assert j([1.0, 2.0]) is not None


def test_it_is_the_function_that_it_was():
    j = entered(times, X)
    assert j.__wrapped__ is times and j.__name__ == "times" and j.__doc__ == "Its documentation."
    assert inspect.signature(j) == inspect.signature(times) and callable(j)
    assert weakref.ref(j)() is j
    j.note = 1
    assert j.note == 1

    class C:
        method = j
    assert C.method is j
    assert j in {j} and j == j
    assert j(X).tolist() == X.tolist()


def test_copies_and_pickles():
    j = entered(times, X)
    for twin in (pickle.loads(pickle.dumps(j)), copy.copy(j), copy.deepcopy(j)):
        assert twin.f is times and twin(X).tolist() == (3 * X).tolist()
    assert pickle.loads(pickle.dumps(decorated)) is decorated is copy.deepcopy(decorated)
    j = wg.jit(times, static_argnums=1, static_argnames=("a",))
    twin = pickle.loads(pickle.dumps(j))
    assert twin.static_argnums == (1,) and twin.static_argnames == ("a",)


def test_process_pool():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(decorated, X).result(60).tolist() == [2, 4]


def test_a_change_around_it_leaves_machine_code(monkeypatch):
    j = entered(times, X)
    monkeypatch.setitem(globals(), "unused", 2)
    assert j(X).tolist() == X.tolist()
    monkeypatch.setitem(globals(), "scale", 4.0)
    assert j(X).tolist() == (4 * X).tolist()
    assert j(X).tolist() == (4 * X).tolist()
    monkeypatch.setitem(globals(), "scale", float("3"))  # equal, another object: traced again, for the key is the same
    assert j(X).tolist() == (3 * X).tolist()


def test_an_equal_object_comes_back():
    a = 1e3

    def f(x):
        return x * a
    j = entered(f, X)
    assert j(X).tolist() == X.tolist()
    a = float("1e3")
    assert j(X).tolist() == (1e3 * X).tolist()  # by Python, which finds nothing changed, and enters again
    assert j(X).tolist() == X.tolist()
    a = 2.0
    assert j(X).tolist() == (2 * X).tolist()


def test_functions_that_change():
    def g(x, k=2.0, *, m=1.0):
        return x * k * m

    def f(x):
        return g(x)
    j = entered(f, X)
    assert j(X).tolist() == X.tolist()
    g.__defaults__ = (3.0,)
    assert j(X).tolist() == (3 * X).tolist()
    j = entered(f, X)
    g.__kwdefaults__["m"] = 2.0
    assert j(X).tolist() == (6 * X).tolist()


def test_arrays_and_attributes_around_it():
    class Model:
        def __init__(self):
            self.k, self.w = 2.0, np.ones(2)

    model = Model()
    j = entered(lambda x: x * model.k, X)
    assert j(X).tolist() == X.tolist()
    model.k = 5.0
    assert j(X).tolist() == (5 * X).tolist()
    w = np.ones(2)
    for f in (lambda x: x * w, lambda x: x * model.w):  # machine code looks at what may change in place
        j = entered(f, X)
        assert j(X).tolist() == X.tolist()
        w[0] = model.w[0] = 7.0
        assert j(X).tolist() == [7, 2]
        w[0] = model.w[0] = 1.0


def test_under_a_transform_python_decides():
    j = entered(times, X)
    assert wg.grad(lambda x: np.sum(j(x)))(X).tolist() == [3, 3]
    seen = []

    def f(x):
        seen.append(j(X))
        return np.sum(x)
    wg.grad(f)(X)
    assert seen[0].tolist() == (3 * X).tolist()
    assert j(X).tolist() == X.tolist()
    outer = wg.jit(lambda x: j(x) + j(X))
    assert outer(X).tolist() == (6 * X).tolist()
    assert wg.vmap(j)(np.stack([X, X])).tolist() == [[3, 6], [3, 6]]
    assert j(X).tolist() == X.tolist()


def test_errors_that_numpy_is_to_raise():
    j = entered(times, X)
    with np.errstate(all="raise"):
        assert j(X).tolist() == (3 * X).tolist()
        with pytest.raises(FloatingPointError):
            j(np.array([1e308, 1.0]))
    assert j(X).tolist() == X.tolist()
    with np.errstate(all="ignore"):  # what machine code does by itself
        assert j(X).tolist() == X.tolist()
        with np.errstate(under="call", call=print):
            assert j(X).tolist() == (3 * X).tolist()


def test_a_status_runs_the_interpreter():
    j = entered(times, X, status=4)
    assert j(X).tolist() == (3 * X).tolist()
    with pytest.warns(RuntimeWarning, match="overflow"):
        j(np.array([1e308, 1.0]))


def test_kinds_of_results():
    j = entered(lambda a, b: [a * 2, b * 2], 1.5, X)
    out = j(2.5, X)
    assert type(out) is list and type(out[0]) is float and out[0] == 2.5 and out[1].tolist() == X.tolist()
    j = entered(lambda a: (a * 2.0,), np.float64(1.5))
    assert j(np.float64(2.5)) == (2.5,) and type(j(np.float64(2.5))[0]) is np.float64
    assert j(2.5) == (5.0,) and type(j(2.5)[0]) is float


def test_threads():
    j = entered(times, X)
    wrong = []

    def work(k):
        for n in range(2000):
            x = np.array([k, n], float)
            out = j(x).tolist()
            if out not in (x.tolist(), (3 * x).tolist()):
                wrong.append(out)
            if n % 500 == 0:
                j(np.zeros(k + 3))
                wg.grad(lambda x: np.sum(x * x))(x)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and j(X).tolist() == X.tolist()


def test_a_function_that_refers_to_itself_is_collected():
    def make():
        def f(x):
            return x * (2.0 if f is not None else 1.0)
        j = f = wg.jit(f)
        j(X)
        (staged,) = j.found.values()
        assert j._link(staged, (X,), {}, SimpleNamespace(text=copies([16]), symbols={}, hosts=0, constants=0, workspace=0))
        assert native.installed(j) and j(X).tolist() == X.tolist()
        return weakref.ref(j), weakref.ref(native.installed(j).library)
    refs = make()
    gc.collect()
    assert [r() for r in refs] == [None, None]


def test_called_while_it_is_collected():
    said = []

    class Late:
        def __del__(self):
            said.append(type(self.j(X)).__name__)

    for _ in range(3):
        j, late = entered(times, X), Late()
        late.j, j.late = j, late
        del j, late
        gc.collect()
    assert said == ["ndarray"] * 3


def test_nothing_is_kept_alive():
    j = entered(times, X)
    refs = weakref.ref(j), weakref.ref(native.installed(j).library)
    j(X)
    del j
    gc.collect()
    assert refs[0]() is None and refs[1]() is None
    assert sys.getrefcount(X) < 10


def _kind(n):
    return 1.0 if isinstance(n, bool) else 2.0 if isinstance(n, int) else 3.0


def test_an_equal_setting_of_another_type_is_another_setting():
    f = wg.jit(lambda x, n: x * _kind(n), static_argnums=1)
    x = np.ones(3)
    for _ in range(2):
        for n, expected in ((1, 2.0), (True, 1.0), (1.0, 3.0)):
            for _ in range(12):  # enough to be called without Python
                assert f(x, n).tolist() == [expected] * 3
                assert f(x, int(n)).tolist() == [2.0] * 3
