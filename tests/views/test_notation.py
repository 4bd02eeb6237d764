"""Every primitive in the reader's notation and as LaTeX that renders (as NumPy, in test_source); parentheses, constants."""

import warnings

import numpy as np
import pytest

import wengert  # noqa: F401  (fills the registry)
from wengert.graph import REGISTRY, ArrayType, Build, build_graph, type_of
from wengert.graph.text import from_text
from wengert.primitives import elementary, index
from wengert.views import notation

X = ArrayType((), np.float64)
NAMES = sorted(n for n, p in REGISTRY.items() if p.sample is not None)


def cases(name):
    """The samples of a primitive as one-equation graphs, with their values; also with the operands as constants."""
    primitive = REGISTRY[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        drawn = primitive.sample(np.random.default_rng(0))
    for operands, params in drawn:
        if primitive.follows is not None:
            operands = primitive.follows(*operands, **params)
        build = Build()
        ins = [build.input(type_of(o)) for o in operands]
        results = build.emit(primitive, tuple(h.atom for h in ins), params)
        yield build.graph([build.equations[-1].results[k] for k in range(len(results))]), operands, params


def close(a, b):
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype and a.shape == b.shape, (a.dtype, b.dtype, a.shape, b.shape)
    if a.dtype.kind in "fc" and a.size:
        eps = np.finfo(a.dtype).eps
        scale = np.max(np.abs(b[np.isfinite(b)]), initial=0.0)
        np.testing.assert_allclose(a, b, rtol=100 * eps, atol=100 * eps * scale)
    else:
        np.testing.assert_array_equal(a, b)


def named(graph):
    return {v: f"x{k}" for k, v in enumerate(graph.inputs)}.get


@pytest.mark.parametrize("name", NAMES)
def test_latex_renders(name):
    parser = pytest.importorskip("matplotlib.mathtext").MathTextParser("path")
    for graph, _, _ in cases(name):
        (equation,) = graph.equations
        assert notation.render(equation, named(graph), "text")
        parser.parse(f"${notation.render(equation, named(graph), 'latex')}$")


def shown(f, *styles, n=1):
    graph = build_graph(f, *[X] * n)
    names = dict(zip(graph.inputs, "abc")).get
    full = lambda v: names(v) or "v"
    return [notation.expressions(graph, full, s, inline=lambda e: True)[1][0] for s in styles or ("text", "latex")]


def test_parentheses_follow_from_precedence():
    assert shown(lambda a, b: (a + b) * a - (a - (b - a)), n=2)[0] == "(a + b) * a - (a - (b - a))"
    assert shown(lambda a, b: -(a * b) / (a / b), n=2)[0] == "-a * b / (a / b)"
    assert shown(lambda a, b: (-a) ** (b + 1.0), n=2) == ["(-a)**(b + 1)", r"{\left(-a\right)}^{b + 1}"]
    assert shown(lambda a, b: a + -b, n=2)[0] == "a - b"
    assert shown(lambda a: elementary.integer_power(a * a, n=-2), "text", "numpy") == ["(a * a)**-2", "(a * a)**-2"]
    assert shown(lambda a: (a ** 2.0) ** 3.0)[0] == "(a**2)**3"
    assert shown(lambda a: a * -2.0, "text", "latex") == ["a * -2", r"a \cdot -2"]


def test_text_latex_and_numpy_of_a_formula():
    f = lambda a, b: elementary.sin(a) / elementary.sqrt(b) + elementary.exp(-a) * 0.5
    assert shown(f, "text", "latex", "numpy", n=2) == [
        "sin(a) / sqrt(b) + exp(-a) * 0.5", r"\frac{\sin\left(a\right)}{\sqrt{b}} + e^{-a} \cdot 0.5",
        "np.sin(a) / np.sqrt(b) + np.exp(-a) * 0.5"]


@pytest.mark.parametrize("value", [0.1, -0.0, np.float32(0.1), 3, True, 1e300, np.inf, -np.inf, 2.5 - 1j, complex(0.0, -0.0),
                                   np.int32(-4), np.arange(3), np.zeros((2, 3)), np.full((2, 2), np.float32(7)),
                                   np.array([True, False, True]), np.zeros((0, 2)), np.array([[1 + 2j]])])
def test_constants_read_back(value):
    back = np.asarray(eval(notation.constant(value, "numpy").text, {"np": np}))
    assert back.dtype == np.asarray(value).dtype and back.tobytes() == np.asarray(value).tobytes()


def test_constants_of_both_operands_do_not_become_python_numbers():
    graph = from_text("graph() {\n %0: float64[] = divide(1.0, 0.0)\n return %0\n}")
    text = notation.render(graph.equations[0], lambda v: "v", "numpy")
    with np.errstate(all="ignore"):
        assert eval(text, {"np": np}) == np.inf


def test_indices_and_writes():
    a, b = ArrayType((4, 3), np.float64), ArrayType((3,), np.float64)
    graph = build_graph(lambda x, v: (index.basic_index(x, (slice(1, None, 2), -1)),
                                      index.index_set(x, v, spec=(("i", 0),))), a, b)
    names = dict(zip(graph.inputs, "xv")).get
    assert [notation.render(e, names) for e in graph.equations] == ["x[1::2, -1]", "x with [0] = v"]
