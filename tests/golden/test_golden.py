"""Printed graphs of small programs, kept as files: a change of what is recorded or derived shows as a difference.

What comes in: programs. What goes out: their graph, and the joint graph of value and gradient, compared with
``NAME.txt`` beside this file. ``pytest tests/golden --update-golden`` writes them anew; read the difference before you commit.
"""

import pathlib
import re

import numpy as np
import pytest

import wengert as wg
from wengert.graph.text import from_text, to_text
from wengert.transforms.simplify import simplify
from wengert.transforms.vjp import vjp

HERE = pathlib.Path(__file__).parent


def newton_root(a):
    x = 1.0
    for _ in range(3):
        x = 0.5 * (x + a / x)
    return x


def writes(x):
    y = x.copy()
    y[1:] *= y[:-1]
    return np.sum(y)


PROGRAMS = {
    "rosenbrock": (lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2), [np.ones(3)]),
    "logistic_loss": (lambda w, x, y: np.sum(np.logaddexp(0.0, x @ w) - y * (x @ w)),
                      [np.ones(2), np.ones((4, 2)), np.ones(4)]),
    "neuron": (lambda w, b, x: np.tanh(w @ x + b), [np.ones(3), 0.5, np.ones(3)]),
    "softmax_entropy": (lambda z: -np.sum(np.exp(z) / np.sum(np.exp(z)) * z), [np.ones(3)]),
    "where": (lambda x: np.sum(np.where(x > 0, np.sqrt(x), 0.0)), [np.ones(3)]),
    "norm": (np.linalg.norm, [np.ones(3)]),
    "solve": (lambda a, b: np.sum(np.linalg.solve(a, b)), [np.eye(2), np.ones(2)]),
    "spectrum": (lambda x: np.sum(np.abs(np.fft.rfft(x)) ** 2), [np.ones(4)]),
    "newton_root": (newton_root, [2.0]),
    "writes": (writes, [np.ones(3)]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_golden(name, update_golden):
    f, args = PROGRAMS[name]
    graph = simplify(wg.make_graph(f, *args))
    joint = vjp(graph, [True] * len(args))[0]
    text = "\n\n".join(re.sub(r" *# .*", "", to_text(g)) for g in (graph, joint)) + "\n"
    path = HERE / f"{name}.txt"
    if update_golden:
        path.write_text(text)
    assert path.read_text() == text
    assert to_text(from_text(to_text(joint))) == to_text(joint)
