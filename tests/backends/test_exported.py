"""Jitted functions that leave Python: C programs, and SciPy's integrators.

What comes in: functions with loops, constants, trees of arguments. What goes out: what C programs and shared libraries compute
with them, against Python; and the reasons of what is refused.
"""

from __future__ import annotations

import ctypes
import runpy
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError, UnsupportedError

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "export"
needs_c = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")
MATRIX = np.random.default_rng(0).normal(size=(40, 40))


def gcc(*words, folder):
    subprocess.run(["gcc", "-O1", "-Wall", "-Werror", *map(str, words)], cwd=folder, check=True, timeout=100)


def linked(folder, name):
    """An exported function, linked into a library of its own as its header says."""
    line = next(x for x in (folder / f"{name}.h").read_text().splitlines() if "Link with" in x)
    gcc("-shared", "-o", f"lib{name}.so", *line.split("Link with ")[1].removesuffix(" */").split(), folder=folder)
    f = ctypes.CDLL(str(folder / f"lib{name}.so"))[name]
    f.restype = ctypes.c_int64
    return f


def called(f, inputs, *outputs):
    arrays = [np.ascontiguousarray(x, float) for x in inputs]
    status = f(*[ctypes.c_void_p(a.ctypes.data) for a in (*arrays, *outputs)])
    assert status == 0
    return outputs


@needs_c
def test_the_example(tmp_path, capsys):
    example = runpy.run_path(str(EXAMPLE / "pendulum.py"))
    example["main"](str(tmp_path))
    assert capsys.readouterr().out.split() == ["miss.h", "miss.o", "miss_gradient.h", "miss_gradient.o"]
    gcc(EXAMPLE / "descend.c", f"-I{tmp_path}", "miss.o", "miss_gradient.o", "-lmvec", "-lm", "-o", "descend", folder=tmp_path)
    done = subprocess.run([tmp_path / "descend"], capture_output=True, text=True, check=True, timeout=60)
    a, b, value, *gradient = map(float, done.stdout.split())
    push, slope = np.array([0.0, 1.0]), wg.jit(wg.grad(example["miss"]))
    for _ in range(300):
        push = push - 0.3 * slope(push)
    np.testing.assert_allclose([a, b], push, rtol=1e-9)
    assert value < 1e-20 and np.abs(gradient).max() < 1e-10
    if shutil.which("nm"):
        names = subprocess.run(["nm", "-u", "miss_gradient.o"], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert "Py" not in names.stdout


def newton(a):
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


@needs_c
def test_a_loop_of_unknown_length(tmp_path):
    header, _ = wg.jit(wg.grad(newton)).export("root_slope", 2.0, folder=tmp_path)
    assert "int64_t root_slope(const double *a /* [1] */, double *y0 /* [1] */);" in header.read_text()
    (y,) = called(linked(tmp_path, "root_slope"), [2.0], np.empty(1))
    assert y[0] == pytest.approx(0.5 / np.sqrt(2.0), rel=1e-6)


@needs_c
def test_constants_and_products_and_trees(tmp_path):
    def f(double, p):
        """The first name is a word of C's."""
        return np.sum(np.tanh(MATRIX @ double + p["shift"]) * np.exp(p["scale"]))
    x = np.linspace(-1.0, 1.0, 40)
    p = {"shift": x * x, "scale": x[::-1].copy()}
    fast = wg.jit(wg.value_and_grad(f, (0, 1)))
    header, _ = fast.export("f", x, p, folder=tmp_path)
    text = header.read_text()
    assert "const double *double_ /* [40] */" in text or "const double *args_0" in text
    outputs = [np.empty(1), *[np.empty(40) for _ in range(3)]]
    value, dx, dshift, dscale = called(linked(tmp_path, "f"), [x, p["shift"], p["scale"]], *outputs)
    want, (gx, gp) = fast.f(x, p)
    for got, exact in ((value[0], want), (dx, gx), (dscale, gp["scale"]), (dshift, gp["shift"])):
        np.testing.assert_allclose(got, exact, rtol=1e-11, atol=1e-12)


def test_names_of_parameters(tmp_path):
    def f(x, for_, int, p):
        return x * for_ + int * p[0] + p[1]
    header, _ = wg.jit(f).export("f", 1.0, 2.0, 3.0, (4.0, 5.0), folder=tmp_path)
    assert "*x /*" in header.read_text() and "*int_ /*" in header.read_text() and "*p_1 /*" in header.read_text()


def test_what_is_refused(tmp_path):
    a, b = np.eye(30), np.ones(30)
    with pytest.raises(UnsupportedError, match="what a C program does not have: dg"):
        wg.jit(np.linalg.solve).export("f", a, b, folder=tmp_path)

    def printed(x):
        print(x)
        return x * x
    with pytest.raises(UnsupportedError, match="calls Python, for print"):
        wg.jit(printed).export("f", 2.0, folder=tmp_path)

    def unstaged(x):
        return float(f"{x}") * x
    with pytest.raises(UnsupportedError, match="export: .*unstaged runs unstaged: "):
        wg.jit(unstaged).export("f", 2.0, folder=tmp_path)
    for name in ("2 f", "f; int g", "../f", "é", "while"):
        with pytest.raises(InputError, match="no name of a C function"):
            wg.jit(newton).export(name, 2.0, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_quad():
    from scipy.integrate import quad
    slope = wg.jit(wg.grad(newton)).low_level_callable()
    assert quad(slope, 1.0, 4.0)[0] == pytest.approx(1.0, rel=1e-6)

    def integrand(x, a, b=2.0):
        return np.exp(-a * x) * b
    f = wg.jit(integrand).low_level_callable()
    assert quad(f, 0.0, 1.0, args=(2.0,))[0] == pytest.approx(1.0 - np.exp(-2.0), rel=1e-12)
    f = wg.jit(integrand).low_level_callable(3)
    assert quad(f, 0.0, 1.0, args=(2.0, 4.0))[0] == pytest.approx(2.0 * (1.0 - np.exp(-2.0)), rel=1e-12)
    with pytest.raises(InputError, match="any number of arguments"):
        wg.jit(lambda *x: x[0]).low_level_callable()
    with pytest.raises(InputError, match="numbers"):
        wg.jit(lambda x: (x, x)).low_level_callable()


def test_a_low_level_callable_with_a_table():
    from scipy.integrate import quad
    table = np.cos(np.arange(500.0))

    def f(x):
        return np.sum(table * x) * x
    assert quad(wg.jit(f).low_level_callable(), 0.0, 1.0)[0] == pytest.approx(np.sum(table) / 3.0, rel=1e-10)
