"""What the interpreter overwrites, nobody looks at: views, operands that share memory, results that are operands."""

from __future__ import annotations

import numpy as np
import pytest

from wengert.backends.interpret import evaluate
from wengert.graph import REGISTRY as P
from wengert.graph import ArrayType, Const, build_graph

SHAPE = (2, 3)
FIRST = (("i", 0), ("i", 0))
F23, C23, B = ArrayType(SHAPE, float), ArrayType(SHAPE, complex), ArrayType((), bool)
X = np.arange(1.0, 7.0).reshape(SHAPE)


def written(x):
    """x with another first element."""
    return P["index_set"](x, Const(np.full((), 99.0, x.dtype)), spec=FIRST)


def changed(x):
    out = np.array(x)
    out[0, 0] = 99.0
    return out


VIEWS = {
    "reshape": (F23, lambda y: P["reshape"](y, shape=(3, 2))),
    "transpose": (F23, lambda y: P["transpose"](y, axes=(1, 0))),
    "flip": (F23, lambda y: P["flip"](y, axes=(0,))),
    "index": (F23, lambda y: P["index"](y, spec=(("s", 1, None, None),))),
    "positive": (F23, lambda y: P["positive"](y)),
    "convert": (F23, lambda y: P["convert"](y, dtype=np.dtype(float))),
    "conjugate": (F23, lambda y: P["conjugate"](y)),
    "stop_gradient": (F23, lambda y: P["stop_gradient"](y)),
    "real": (C23, lambda y: P["real"](y)),
    "imag": (C23, lambda y: P["imag"](y)),
    "broadcast": (F23, lambda y: P["broadcast"](y, shape=SHAPE)),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("own", [False, True])
def test_a_write_into_a_view_leaves_the_array(name, own):
    t, view = VIEWS[name]

    def f(x):
        y = x * 2.0 if own else x
        return written(view(y)), y
    x = np.array(X, t.dtype) * (1.0 if t.dtype.kind == "f" else 1.0 + 0.5j)
    new, y = evaluate(build_graph(f, t), [x])
    assert np.array_equal(x, X if t.dtype.kind == "f" else X * (1.0 + 0.5j))
    assert np.array_equal(y, x * 2.0 if own else x)
    assert np.array_equal(new, changed(evaluate(build_graph(view, t), [y])[0]))


def test_elements_that_share_a_place():
    graph = build_graph(lambda x: written(P["broadcast"](P["sin"](x), shape=(4, 3))), ArrayType((3,), float))
    assert np.array_equal(evaluate(graph, [X[0]])[0], changed(np.broadcast_to(np.sin(X[0]), (4, 3))))


def test_what_is_read_later():
    def f(x):
        y = P["sin"](x)
        z = written(y)
        return P["cos"](y), z
    cos, z = evaluate(build_graph(f, F23), [X])
    assert np.array_equal(cos, np.cos(np.sin(X))) and np.array_equal(z, changed(np.sin(X)))


def branch(arm, *operands):
    """A branch with two equal arms."""
    return P["cond"](Const(np.asarray(True)), *operands, branches=(arm, arm))


def test_operands_of_a_branch_that_share_memory():
    arm = build_graph(lambda a, b: (written(a), b * 1.0), F23, F23)

    def f(x):
        y = P["sin"](x)
        return branch(arm, y, P["flip"](y, axes=(0,)))
    new, turned = evaluate(build_graph(f, F23), [X])
    assert np.array_equal(new, changed(np.sin(X))) and np.array_equal(turned, np.sin(X)[::-1])


def test_a_branch_that_gives_an_operand_back():
    arm = build_graph(lambda a: (a,), F23)

    def f(x):
        y = P["sin"](x)
        same, = branch(arm, y)
        return written(same), y
    new, y = evaluate(build_graph(f, F23), [X])
    assert np.array_equal(new, changed(np.sin(X))) and np.array_equal(y, np.sin(X))


def test_a_loop_that_does_not_run_gives_its_start_back():
    body = build_graph(lambda a: (a * 2.0,), F23)
    none = Const(np.int64(0))

    def f(x):
        same, = P["scan"](none, x, body=body, constants=0, carries=1, reverse=False, size=0)
        return written(same), x
    x = X.copy()
    new, _ = evaluate(build_graph(f, F23), [x])
    assert np.array_equal(x, X) and np.array_equal(new, changed(X))
