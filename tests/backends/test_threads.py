"""Large loops on several threads: the same bits for any number of them, and nothing is left behind.

What comes in: graphs large enough to be shared, `config.threads`, forks, signals, exits. What goes out: results that are
compared bit by bit with those of one thread, and to rounding with the interpreter's. The one idea: no time is asserted; whether
threads took part is read off the system's list of the process's threads.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert.backends.compiled import foreign, outline, pool, python
from wengert.backends.compiled.export import write_c
from wengert.backends.compiled.kernel import compile_graph
from wengert.backends.interpret import Program

pytestmark = pytest.mark.skipif(not (python.supported() and pool.available()), reason="a Python without compiled entries")
RNG = np.random.default_rng(7)
N = 60_013
X, Y = RNG.normal(size=N), RNG.normal(size=N)
A = RNG.normal(size=(311, 257))
AT = RNG.integers(-N, N, N)
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def chain(x):
    return np.sin(x) * np.exp(-x * x) + np.sqrt(np.abs(x))


def stencil(a):
    inner = a[1:-1, 1:-1] + 0.1 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] - 4 * a[1:-1, 1:-1])
    return np.sin(np.pad(inner, 1))


def convolved(w, x):
    return wg.convolve_nd(np.maximum(x, 0.0), w, padding="same")


def joined(x, y):
    return np.exp(np.concatenate([x, np.cos(y), x[:100]]))


CASES = {
    "chain": (chain, X),
    "sum": (lambda x: np.sum(np.sin(x) * x), X),
    "several": (lambda x, y: (np.sum(np.exp(-x * x) * y), np.max(np.sin(x)), np.min(x * np.cos(y)), np.tanh(x) + y), X, Y),
    "nan": (lambda x: (np.max(np.sin(x)), np.sum(np.cos(x))), np.where(np.arange(N) == 40_000, np.nan, X)),
    "any": (lambda x: (np.any(np.sin(x) > 0.999), np.all(np.cos(x) > -2)), X),
    "plane": (lambda a: np.exp(np.sin(a)) + a.T.sum(), A),
    "rows": (lambda a: np.sum(np.exp(np.sin(a)), axis=1), A),
    "columns": (lambda a: np.sum(np.exp(np.sin(a)), axis=0), A),
    "few columns": (lambda a: np.sum(np.exp(np.sin(a)), axis=0), RNG.normal(size=(30_000, 3))),
    "wide": (lambda a: np.max(np.exp(np.sin(a)), axis=0), RNG.normal(size=(3, 40_000))),
    "stencil": (stencil, A),
    "shifts": (lambda x: np.sin(x[1:]) * np.cos(x[:-1]) + np.exp(-x[1:] ** 2), X),
    "joined": (joined, X, Y),
    "gather": (lambda x, at: np.exp(np.sin(x[at])), X, AT),
    "scatter": (wg.grad(lambda x, at: np.sum(np.exp(np.sin(x[at])) * np.cos(x))), X, AT % 50),
    "float32": (lambda x: (chain(x), np.sum(np.exp(-x * x))), X.astype(np.float32)),
    "complex": (lambda z: (np.exp(z) * np.sin(z), np.sum(np.exp(1j * z))), X + 1j * Y),
    "integers": (lambda n: (n * n % 1000 + n // 7, np.sum(n * n % 1000)), AT),
    "special": (lambda x: np.arctan2(np.arcsinh(x), np.cbrt(x)), X),
    "gradient": (wg.grad(lambda x: np.sum(np.sin(x) * np.exp(-x * x))), X),
    "convolution": (convolved, RNG.normal(size=(16, 8, 3, 3)), RNG.normal(size=(9, 8, 20, 20))),
    "one image": (convolved, RNG.normal(size=(32, 16, 3, 3)), RNG.normal(size=(1, 16, 30, 30))),
    "gradients of a convolution": (wg.grad(lambda w, x: np.sum(convolved(w, x) ** 2), (0, 1)),
                                   RNG.normal(size=(16, 8, 3, 3)), RNG.normal(size=(14, 8, 20, 20))),
    "stack of products": (lambda a, b: np.sum(a @ b, axis=1), RNG.normal(size=(6, 3, 64, 64)), RNG.normal(size=(3, 64, 70))),
}

PRODUCTS = [((104, 500), (500, 100)), ((99, 500), (500, 96)), ((97, 1003), (1003, 211)), ((211, 1003), (1003, 97)),
            ((1, 3), (3, 2)), ((3, 200, 150), (150, 120))]


def bits(results):
    return [np.asarray(r).tobytes() for r in (results if isinstance(results, tuple) else (results,))]


def graph_of(f, *args):
    """The graph of a function of arrays, integers among them."""
    j = wg.jit(f)
    j(*args)
    (staged,) = j.found.values()
    return staged.graph


def compiled_of(f, *args):
    return compile_graph(graph_of(f, *args))


def tasks():
    return len(os.listdir("/proc/self/task"))


@pytest.fixture(autouse=True)
def _setting():
    with wg.config.set(threads=4):
        yield


@pytest.mark.parametrize("name", CASES)
def test_same_bits(name):
    f, *args = CASES[name]
    graph = graph_of(f, *args)
    compiled = compile_graph(graph)
    assert pool.NAME in compiled.symbols
    found = []
    for n in (1, 2, 4, 2):
        wg.config.threads = n
        found.append(bits(compiled(*args)))
    assert all(b == found[0] for b in found)
    for got, want in zip(compiled(*args), Program(graph)(*args), strict=True):
        rtol, size = (1e-4, 1e-5) if np.asarray(want).dtype.itemsize == 4 else (1e-10, 1e-12)
        np.testing.assert_allclose(got, want, rtol=rtol, atol=size * max(np.max(np.abs(want[np.isfinite(want)]), initial=0), 1))


@pytest.mark.parametrize("shapes", PRODUCTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_products(shapes, dtype):
    """Each thread has its own rows or columns: of any number of threads, to rounding."""
    a, b = (RNG.normal(size=shape).astype(dtype) for shape in shapes)
    for f in (lambda a, b: a @ b, lambda a, b: np.swapaxes(np.swapaxes(b, 0, 1) @ np.swapaxes(a, -1, -2), -1, -2)):
        compiled = compiled_of(f, a, b)
        for n in (1, 2, 3, 4, 64):
            wg.config.threads = n
            scale = np.linalg.norm(a) * np.linalg.norm(b)
            np.testing.assert_allclose(compiled(a, b)[0], f(a, b), rtol=0, atol=10 * np.finfo(dtype).eps * scale)


def test_what_is_small_stays_whole():
    for f, args in ((chain, (X[:1000],)), (lambda a: a.sum(axis=0), (A[:20, :20],))):
        compiled = compiled_of(f, *args)
        assert pool.NAME not in compiled.symbols and "@nest" not in compiled.text


@linux
def test_no_thread_for_small_work(tmp_path):
    script = """
import os, time, numpy as np, wengert as wg
wg.config.threads = 4
def threads(most):
    for _ in range(500):  # the thread that LLVM worked in may still be on its way out
        if (found := len(os.listdir("/proc/self/task"))) <= most:
            break
        time.sleep(0.01)
    return found
small, large = wg.jit(lambda x: np.sin(x) * x), wg.jit(lambda x: np.exp(np.sin(x)))
for _ in range(5): small(np.ones(1000))
first = threads(1)
wg.config.threads = 1
for _ in range(5): large(np.ones(100_000))
second = threads(1)
wg.config.threads = 3
for _ in range(5): large(np.ones(100_000))
print(first, second, threads(3))
"""
    assert run(script, tmp_path)[1] == "1 1 3"


def begin(script, folder):
    """A process that runs a script from a file: functions typed at a prompt are not staged."""
    path = folder / "script.py"
    path.write_text(script)
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)


def run(script, folder):
    """Its status, and what it printed."""
    process = begin(script, folder)
    try:
        return process, process.communicate(timeout=30)[0].strip()
    finally:
        process.kill()


def test_index_error():
    f = wg.jit(lambda x, at: np.exp(np.sin(x[at])))
    want = np.exp(np.sin(X[AT]))
    for _ in range(4):
        np.testing.assert_allclose(f(X, AT), want, rtol=1e-13)
    for where in (0, N // 2, N - 1):
        bad = AT.copy()
        bad[where] = N
        with pytest.raises(IndexError):
            f(X, bad)
    np.testing.assert_allclose(f(X, AT), want, rtol=1e-13)


def looping(x):
    def body(k, carry):
        x, total = carry
        x = wg.cond(np.sum(x) > 0, lambda x: np.sin(x) * 0.5 + x * 0.5 + 0.01, np.cos, x)
        return x, total + np.max(np.exp(-x * x)) + k
    return wg.fori_loop(0, 20, body, (x, 0.0))


@pytest.mark.parametrize("f", [looping, wg.grad(lambda x: np.sum(looping(x)[0])), lambda x: wg.scan(
    lambda c, k: (np.sin(c) + k, np.sum(c * np.exp(-c * c))), x, np.arange(12.0))])
def test_within_loops_and_branches(f):
    graph = graph_of(f, X)
    compiled = compile_graph(graph)
    assert compiled.text.count("@wg_parallel") > 1
    found = []
    for n in (1, 2, 4):
        wg.config.threads = n
        found.append(bits(compiled(X)))
    assert found[1:] == found[:-1]
    for got, want in zip(compiled(X), Program(graph)(X), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_pieces_of_any_extent(seed, monkeypatch):
    """Everything is shared, down to the smallest loops; near extents share a nest."""
    monkeypatch.setattr(outline, "WORTH", 0)
    rng = np.random.default_rng(seed)
    n = int(rng.integers(65, 700))
    m = n + int(rng.integers(0, 9))
    a, x, y = rng.normal(size=(int(rng.integers(9, 40)), n)), rng.normal(size=n), rng.normal(size=m)

    def f(a, x, y):
        b = np.concatenate([a[:, 1:], a[:, :1]], axis=1) * x
        return np.exp(b), np.sum(b, axis=0), np.sum(b, axis=1), np.max(a * b), np.sin(x), np.cos(y), np.sum(y * y), a.T + 1

    graph = graph_of(f, a, x, y)
    compiled = compile_graph(graph)
    assert pool.NAME in compiled.symbols
    found = []
    for k in (1, 2, 4):
        wg.config.threads = k
        found.append(bits(compiled(a, x, y)))
    assert found[1:] == found[:-1]
    for got, want in zip(compiled(a, x, y), Program(graph)(a, x, y), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-10)


# ---------------------------------------------------------------- who calls, and when


def test_many_callers():
    f = wg.jit(lambda x: (chain(x), np.sum(np.sin(x))))
    for _ in range(4):
        f(X)
    inputs = [X + k for k in range(8)]
    want = [bits(f(x)) for x in inputs]
    wrong = []

    def work(k):
        for j in range(30):
            wg.config.threads = 1 + (j + k) % 4
            if bits(f(inputs[k])) != want[k]:
                wrong.append(k)

    callers = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    [t.start() for t in callers]
    [t.join() for t in callers]
    assert not wrong


def test_many_callers_leave_blas_its_threads():
    number = foreign._thread_setter()
    if not number:
        pytest.skip("this BLAS has no such number")
    change = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(number)
    x = np.ones((420, 420))
    f = wg.jit(lambda x: x @ x, at_once=True)
    f(x)
    before = change(2)
    try:
        for _ in range(4):
            callers = [threading.Thread(target=lambda: [f(x) for _ in range(8)]) for _ in range(4)]
            [t.start() for t in callers]
            [t.join() for t in callers]
            assert change(2) == 2
    finally:
        change(before)


def test_other_threads_run_meanwhile():
    """A kernel with a shared loop gives up the lock of the interpreter."""
    f = wg.jit(chain)
    x = np.linspace(-3, 3, 2_000_000)
    for _ in range(4):
        f(x)
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0.0005)

    other = threading.Thread(target=count)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        other.start()
        before = counted[0]
        for _ in range(5):
            f(x)
        assert counted[0] > before
    finally:
        sys.setswitchinterval(switch)
        stop.set()
        other.join()


def test_kernels_are_freed_between_calls():
    want = [bits(compiled_of(lambda x, k=k: np.sum(np.sin(x) * k), X)(X)) for k in range(6)]
    for k in range(6):
        assert bits(compiled_of(lambda x, k=k: np.sum(np.sin(x) * k), X)(X)) == want[k]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork(tmp_path):
    script = """
import os, signal, threading, warnings, numpy as np, wengert as wg
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
wg.config.threads = 3
f = wg.jit(lambda x: np.sum(np.exp(np.sin(x))))
x = np.linspace(0, 1, 200_000)
want = [f(x) for _ in range(5)][-1]
stop = threading.Event()
def work():
    while not stop.is_set():
        assert f(x) == want
threads = [threading.Thread(target=work) for _ in range(2)]
[t.start() for t in threads]
for _ in range(10):
    child = os.fork()
    if not child:
        signal.alarm(10)
        good = all(f(x) == want for _ in range(20)) and f(x + 1) != want
        n = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 3
        os._exit(0 if good and n == 3 else 1)
    status = os.waitpid(child, 0)[1]
    if status:
        break
stop.set()
[t.join() for t in threads]
print(status)
"""
    assert run(script, tmp_path)[1] == "0"


ON = "threading.Thread(target=lambda: [f(x) for _ in range(10**6)], daemon=True).start()"


@pytest.mark.parametrize("end", ["pass", "sys.exit(3)", ON])
def test_exit(end, tmp_path):
    script = f"""
import sys, threading, numpy as np, wengert as wg
wg.config.threads = 4
f = wg.jit(lambda x: np.exp(np.sin(x)))
x = np.ones(100_000)
for _ in range(5): f(x)
{end}
"""
    done, out = run(script, tmp_path)
    assert (done.returncode, out) == (3 if "exit" in end else 0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_interrupt(tmp_path):
    script = """
import signal, numpy as np, wengert as wg
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
wg.config.threads = 3
g = wg.jit(lambda x: np.exp(np.sin(x)))
x = np.ones(200_000)
for _ in range(5): g(x)
print("go", flush=True)
try:
    while True: g(x)
except KeyboardInterrupt:
    print("stopped", g(x)[0] == g(x)[-1], flush=True)
"""
    process = begin(script, tmp_path)
    assert process.stdout.readline() == "go\n"
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    try:
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out) == (0, "stopped True\n")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals")
def test_signals_during_calls():
    f = wg.jit(chain)
    want = [bits(f(X)) for _ in range(5)][-1]
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        for _ in range(100):
            assert bits(f(X)) == want
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen


# ---------------------------------------------------------------- the setting, and exports


def test_the_setting():
    assert wg.config.threads == 4
    for bad in (0, -1, 2.0, "2"):
        with pytest.raises(wg.errors.InputError):
            wg.config.threads = bad
    with wg.config.set(threads=2):
        assert wg.config.threads == 2
    assert wg.config.threads == 4


def test_the_text_does_not_depend_on_it():
    texts = []
    for n in (1, 7):
        wg.config.threads = n
        texts.append(compiled_of(chain, X).text)
    assert texts[0] == texts[1]
    assert not re.search(r"inttoptr|\b\d{12,}\b", texts[0])


@pytest.mark.skipif(not Path("/usr/bin/cc").exists(), reason="no C compiler")
def test_exported_objects_need_no_pool(tmp_path):
    compiled = compiled_of(lambda x: np.sqrt(np.abs(x)) * x + np.sum(x * x), X)
    graph = compiled.graph
    header, made = write_c(compiled, graph.types[0], graph.types[1], "loops", tmp_path, workspace=compiled.workspace)
    main = tmp_path / "main.c"
    main.write_text(f"""#include "loops.h"
#include <stdio.h>
static double x[{N}], y[{N}];
int main(void) {{
    for (int i = 0; i < {N}; i++) x[i] = i % 10;
    int status = (int) loops(x, y);
    printf("%d %.17g\\n", status, y[4]);
}}""")
    subprocess.run(["/usr/bin/cc", str(main), str(made), "-I", str(tmp_path), "-o", str(tmp_path / "main"), "-lm"], check=True)
    out = subprocess.run([str(tmp_path / "main")], capture_output=True, text=True, check=True).stdout.split()
    assert out[0] == "0" and float(out[1]) == pytest.approx(compiled(np.arange(N) % 10.0)[0][4], rel=1e-14)
