"""`explain_compilation`: one screen, each pass in full, and the reasons where there is no machine code.

What comes in: functions of every kind. What goes out: what is said about them, held against what the compiler does.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

import wengert as wg
from wengert.cli import main
from wengert.errors import InputError
from wengert.graph.text import from_text, to_text

TABLE = np.sin(np.arange(5000.0))


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def recurrent(w, xs):
    h = np.zeros(64)
    for x in xs:
        h = np.tanh(w @ h + x)
    return np.sum(h * h)


def looked_up(x):
    return np.sum(TABLE * x)


def newton(a):
    x = a
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


def branched(x):
    if x > 0.0:
        y = np.exp(x)
    else:
        y = x * x
    print("y", y)
    return y


FUNCTIONS = [
    (rosenbrock, (np.ones(1000),)), (wg.grad(rosenbrock), (np.ones(1000),)), (wg.hessian(rosenbrock), (np.ones(20),)),
    (wg.grad(recurrent), (np.eye(64), np.ones((50, 64)))), (looked_up, (2.0,)), (wg.grad(newton), (2.0,)), (branched, (1.0,)),
    (lambda p: {"a": p["x"] + 1.0}, ({"x": 1.0},)),
]


@pytest.mark.parametrize("k", range(len(FUNCTIONS)))
def test_one_screen(k, capsys):
    f, args = FUNCTIONS[k]
    explained = wg.explain_compilation(f, *args)
    text = str(explained)
    lines = text.splitlines()
    assert len(lines) <= 30 and max(map(len, lines)) <= 140
    for word in ("simplify", "hoist", "partition", "buffers", "LLVM", "machine code"):
        assert any(line.startswith(f"  {word} ") for line in lines), word
    assert "define i64 @kernel" in explained.llvm and "kernel" in explained.assembly
    assert all(graph.startswith("graph(") for graph in (explained.recorded, explained.simplify, explained.hoist))
    assert explained.plan and set(explained.seconds) == {"simplify", "hoist", "partition", "LLVM", "machine code"}
    assert capsys.readouterr().out == ""  # nothing ran
    assert "print it" in repr(explained)


def test_counts_are_the_same_twice():
    f, args = FUNCTIONS[3]
    first, second = (wg.explain_compilation(g, *args) for g in (f, wg.jit(f)))
    assert first.counts == second.counts and first.plan == second.plan and first.llvm == second.llvm


def test_large_constants_are_not_printed():
    explained = wg.explain_compilation(looked_up, 2.0)
    assert "float64[5000]{...}" in explained.simplify and len(explained.simplify) < 400
    assert len(explained.llvm) < 20_000
    assert "constant arrays: 40 KB" in str(explained) and explained.memory.constants == 40_000


def test_lines_of_derivatives_are_the_users():
    here = "test_compilation.py:"
    plan = wg.explain_compilation(wg.grad(recurrent), np.eye(64), np.ones((50, 64))).plan
    first = recurrent.__code__.co_firstlineno
    found = {int(n) for n in re.findall(here + r"(\d+)", plan)}
    assert found and found <= set(range(first, first + 5))


def test_what_has_no_machine_code():
    def unstaged(x):
        return float(f"{x}") * x
    explained = wg.explain_compilation(unstaged, 2.0)
    assert re.search(r"unstaged runs unstaged, as plain Python: \w", str(explained))
    assert explained.reason and not explained.counts and explained.memory is None and explained.simplify == ""
    with pytest.raises(InputError, match="there is no machine code of "):
        explained.plan
    if np.dtype(np.longdouble).itemsize > 8:
        explained = wg.explain_compilation(lambda x: x * 2, np.ones(2, np.longdouble))
        assert "it runs interpreted: " in str(explained) and explained.simplify
    with pytest.raises(InputError, match="first argument is a function"):
        wg.explain_compilation(3.0)


def test_calls_of_python_are_named():
    explained = wg.explain_compilation(branched, 1.0)
    assert explained.counts["python_calls"] == 1 and explained.counts["branches"] == 1
    assert "Python print: float64[] -> " in explained.plan and "(an effect)" in explained.plan


def test_how_calls_go():
    assert "straight from Python's call" in str(wg.explain_compilation(rosenbrock, np.ones(5)))
    assert "by way of Python" in str(wg.explain_compilation(lambda p: p["x"] + 1.0, {"x": 1.0}))


def test_a_short_text_is_for_reading_only():
    graph = wg.make_graph(looked_up, 2.0)
    assert "{...}" in to_text(graph, short=True)
    assert str(from_text(to_text(graph))) == to_text(graph)


PROGRAM = """
import numpy as np

def f(x, n=3):
    return np.sum(x ** n)

def unstaged(x):
    return float(f"{x}") * x
"""


def test_the_command(tmp_path, capsys):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    assert main(["compilation", f"{file}:f", "x=[1,2]", "--grad"]) == 0
    out = capsys.readouterr().out
    assert "float64[2] -> float64[2]" in out and "machine code" in out
    assert main(["compilation", f"{file}:f", "x=[1,2]", "--show", "llvm"]) == 0
    assert "define i64 @kernel" in capsys.readouterr().out
    assert main(["compilation", "x^2 + sin(x)", "x=3"]) == 0
    assert main(["compilation", f"{file}:unstaged", "x=3"]) == 1
    assert "runs unstaged" in capsys.readouterr().out
    assert main(["compilation", f"{file}:unstaged", "x=3", "--show", "plan"]) == 2
    assert main(["compilation", f"{file}:g", "x=3"]) == 2
    assert main(["compilation", f"{file}:f"]) == 2
    assert "needs a value for x" in capsys.readouterr().err
