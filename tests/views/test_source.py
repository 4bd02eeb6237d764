"""Printed source runs without wengert and computes what the graph computes: of primitives, programs, random graphs."""

import ast
import math
import sys
import warnings
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import numpy as np
import optree
import pytest
from test_notation import NAMES, cases, close

import wengert as wg
from wengert.backends.interpret import evaluate
from wengert.errors import InputError, UnsupportedError
from wengert.sources import graph_source

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "laws"), str(HERE.parent / "programs")]
from generator import program  # noqa: E402
from harness import load, points  # noqa: E402
from random_graphs import from_rng, random_graph  # noqa: E402

OPAQUE = {"python_call", "effect", "stack_add", "empty_stack", "solution", "implicit", "regular", "linear_solve", "ivp",
          "ivp_tangent", "ivp_adjoint", "ivp_curvature", "event_time", "transversal", "integral",
          "sparse_solve", "foreign", "foreign_linear", "assured"}


def runs(text, *args):
    """What the printed function gives; it may import NumPy, SciPy and the standard library only."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            assert all(n.partition(".")[0] in {"numpy", "scipy", *sys.stdlib_module_names} for n in names), names
    with np.errstate(all="ignore"):
        return text.function()(*args)


def same(got, wanted, rtol=1e-11):
    for a, b in zip(optree.tree_leaves(got), optree.tree_leaves(wanted), strict=True):
        scale = np.max(np.abs(b), initial=0.0, where=np.isfinite(b))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in OPAQUE])
def test_every_primitive(name):
    for graph, operands, _ in cases(name):
        if name == "custom_vjp_linear" and graph.equations[0].params["tangent"] is None:
            continue
        text = graph_source(graph, "f", [f"x{k}" for k in range(len(operands))])
        with np.errstate(all="ignore"):
            wanted = evaluate(graph, operands)
        got = runs(text, *operands)
        for a, b in zip(got if len(graph.outputs) > 1 else [got], wanted, strict=True):
            close(a, b)


FOLDER = HERE.parent.parent / "examples" / "programs"


def derived(name):
    sys.path.insert(0, str(HERE.parent))
    import test_programs
    return test_programs.flat(name)


@pytest.mark.parametrize("name", sorted(p.stem for p in FOLDER.glob("*.py")))
def test_gradients_of_the_example_programs(name):
    f, at = derived(name)
    both = wg.value_and_grad(f)
    text = wg.source(both, at)
    same(runs(text, at), both(at), 1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed):
    graph, values = random_graph(from_rng(np.random.default_rng(seed)))
    with np.errstate(all="ignore"):
        wanted = evaluate(graph, values)[0]
    same(runs(graph_source(graph, "f", [f"x{k}" for k in range(len(values))]), *values), wanted)


@pytest.mark.parametrize("block", range(2))
def test_random_programs(block):
    written = 0
    for seed in range(block * 10, block * 10 + 10):
        f = load(program(seed))
        at = points(seed)[0]
        gradient = wg.value_and_grad(f, argnums=(0, 1, 2))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                text = wg.source(gradient, *at)
            except UnsupportedError as error:
                assert "cannot be staged" in str(error) or "has an effect" in str(error), (seed, error)
                continue
            same(runs(text, *at), gradient(*at), 1e-8)
        written += 1
    assert written >= 3


# ---------------------------------------------------------------- how it reads, and what it refuses

def test_a_program_with_a_loop_a_branch_and_writes():
    def f(x, scale):
        y = np.zeros(4)
        for i in range(4):
            if x[i] > 0.5:
                y[i] = x[i] * scale
            else:
                y[i] = np.sin(x[i])
        y[1:] += y[:-1]
        return np.sum(y ** 2)

    gradient = wg.grad(f, argnums=(0, 1))
    at = np.array([0.1, 0.9, 0.4, 0.7]), 1.5
    text = wg.source(gradient, *at)
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    assert any(line.startswith("for i in range(4):") for line in lines)
    assert any(line.startswith("if ") for line in lines) and "else:" in lines
    assert "test_source.py:" in text and "wengert" not in text
    for x in (at[0], at[0][::-1]):  # both arms are there, whatever the point it was written for
        same(runs(text, x, 2.0), gradient(x, 2.0))


def test_arguments_keep_their_names_and_trees_their_paths():
    def f(params, v1, *, np_):
        return {"out": [params["w"] @ v1, params["b"][0] * np_], "n": 3}

    p = {"w": np.array([[1.0, 2.0], [3.0, 4.0]]), "b": (0.5,)}
    text = wg.source(f, p, np.array([1.0, -1.0]), np_=2.0)
    assert text.splitlines()[3] == "def f(params, v1, np_):"
    got = runs(text, p, np.array([2.0, 1.0]), 3.0)
    same(got, f(p, np.array([2.0, 1.0]), np_=3.0))
    assert got["n"] == 3


def test_nothing_of_the_caller_is_overwritten():
    def f(x):
        y = x.copy()
        y[0] = 5.0
        z = y
        z[1] += y[0]
        return y, z, x

    x = np.arange(3.0)
    runs(wg.source(f, x), x)
    np.testing.assert_array_equal(x, np.arange(3.0))
    loop = wg.source(wg.jit(lambda x: wg.fori_loop(0, 3, lambda i, c: _set(c, i), x)), x)
    same(runs(loop, x), np.array([0.0, 2.0, 4.0]))
    np.testing.assert_array_equal(x, np.arange(3.0))


def _set(c, i):
    c = c.copy()
    c[i] = 2.0 * c[i]
    return c


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtypes_are_kept(dtype):
    x = np.linspace(0.5, 1.5, 3).astype(dtype)
    f = lambda x: np.exp(x) * 2.0 + 1.0 / x
    got = runs(wg.source(f, x), x)
    assert got.dtype == dtype
    same(got, f(x), 100 * np.finfo(dtype).eps)


def test_numbers_are_numpys_not_pythons():
    def f(x):
        return (1.0 / x, x ** 0.5, np.logical_not(x > 1.0))

    got = runs(wg.source(f, 2.0), -0.0)
    assert got[0] == -np.inf and got[2]
    assert np.isnan(runs(wg.source(f, 2.0), -1.0)[1])


def test_whole_numbers_and_conditions_are_numpys_too():
    def f(x):
        n, total = int(3.0 * x[0]), 0.0
        if not n == 0:  # noqa: SIM201  (the negation is what is tested)
            total = np.sum(x) * n
        k = 0
        while total < 10.0:
            total, k = 2.0 * total + 1.0, k + 1
        return total if not k == 2 else total * 0.5  # noqa: SIM201

    text = wg.source(wg.grad(f), np.ones(3))
    for x in (np.array([0.1, 2.0, 3.0]), np.array([0.9, 0.2, 0.3]), np.array([2.0, 2.0, 2.0])):
        same(runs(text, x), wg.grad(f)(x))


def test_other_shapes_are_refused_when_it_runs():
    text = wg.source(lambda x: np.mean(x), np.ones(3))
    with pytest.raises(AssertionError):
        text.function()(np.ones(4))


def test_comparisons_of_comparisons_are_no_chains():
    def f(x, y):
        return np.where((x > 0) == (y > 0), 1.0, 2.0) + np.where((x > y) != (y < 0), 10.0, 20.0)
    for point in [(1.0, 2.0), (-1.0, -2.0), (1.0, -2.0), (np.array([1.0, -1.0]), np.array([-2.0, -2.0]))]:
        same(wg.source(f, *point).function()(*point), f(*point))


def test_other_static_arguments_and_floats_for_integers_are_refused_when_it_runs():
    power = wg.source(lambda x, n: x**n, 2.0, 3).function()
    assert power(3.0, 3) == 27.0
    for n in (2, None, "3"):
        with pytest.raises(AssertionError):
            power(3.0, n)
    for given, other in [(np.int64(3), 2.5), (np.array([3, 4]), np.array([3.0, 4.5]))]:
        times = wg.source(lambda x, n: x * n, 2.0, given).function()
        same(times(2.0, given), 2.0 * given)
        with pytest.raises(AssertionError):
            times(2.0, other)


def test_names_that_source_needs_itself():
    def f(np, range):
        return wg.scan(lambda c, _: (c * range, None), np, None, length=3)[0]
    text = wg.source(f, 2.0, 5.0)
    assert "def f(np_, range_):" in text
    assert text.function()(2.0, 5.0) == 250.0

    def first(x1, *rest):
        return x1 * rest[0] - rest[1]
    assert wg.source(first, 2.0, 5.0, 1.0).function()(2.0, 5.0, 1.0) == 9.0
    assert wg.formula("special sin(np)").source("np").function()(2.0, 1.0) == 2.0 * np.sin(1.0)

    def np_(x):
        return np.sin(x)
    np_.__name__ = "np"
    assert wg.source(np_, 2.0).function()(2.0) == np.sin(2.0)
    with pytest.raises(UnsupportedError, match="'np' cannot be the name of a parameter"):
        wg.source(lambda **given: given["np"] * 2.0, np=1.0)


def test_names_of_files_stay_in_their_comments(tmp_path):
    file = tmp_path / "a'b\nraise SystemExit\n.py"
    file.write_text("import numpy as np\ndef g(x):\n    a = np.exp(x)\n    return a * a\n")
    loader = SourceFileLoader("oddly_named", str(file))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    text = wg.source(module.g, 2.0)
    assert "# a'b raise SystemExit .py:3" in text
    assert text.function()(2.0) == module.g(2.0)


def test_results_that_no_argument_decides():
    x, nan, inf, text, zero = wg.source(lambda x: (x, math.nan, complex(0, -math.inf), "a'b\n", -0.0), 1.0).function()(2.0)
    assert x == 2.0 and math.isnan(nan) and inf == complex(0, -math.inf) and text == "a'b\n"
    assert math.copysign(1.0, zero) == -1.0


def test_what_has_no_source():
    data = np.arange(3000.0)
    with pytest.raises(UnsupportedError, match="cannot be staged"):
        wg.source(wg.grad(lambda x: float(str(float(x)))), 1.0)
    with pytest.raises(UnsupportedError, match="too large"):
        wg.source(lambda x: np.sum(x * data), np.ones(3000))
    with pytest.raises(UnsupportedError, match="opaque"):
        wg.source(_opaque(), 1.0)
    with pytest.raises(UnsupportedError, match="effect"):
        wg.source(_noisy, 1.0)
    with pytest.raises(InputError, match="first argument is a function"):
        wg.source(3.0)


def _opaque():
    return wg.opaque(lambda x: np.asarray(x * 2.0), derivative=lambda x: (np.asarray(2.0),))


def _noisy(x):
    print(x)
    return x * 2.0
