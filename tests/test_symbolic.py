"""Symbolic derivatives: against SymPy, forward and reverse mode, in every printed form; what they refuse; how they swell."""

import math

import numpy as np
import pytest
from symbolic_campaign import check

import wengert as wg
from wengert.backends.interpret import evaluate
from wengert.errors import InputError, UnsupportedError
from wengert.graph import ArrayType, build_graph
from wengert.transforms import symbolic
from wengert.transforms.algebra import algebraic


@pytest.mark.parametrize("block", range(3))
def test_random_formulas_against_sympy(block):
    latex = pytest.importorskip("matplotlib.mathtext").MathTextParser("path")
    outcomes = [check(seed, latex) for seed in range(block * 10, block * 10 + 10)]
    assert outcomes.count("equal") >= 9, outcomes


def test_rules_as_they_stand():
    assert str(wg.formula("u v").diff("u", simplify=False)) == "1*v + u*0"
    assert str(wg.formula("sin(x^2)").diff(simplify=False)) == "1*(2*x)*cos(x^2)"
    assert str(wg.formula("x/y").diff("x", simplify=False)) == "1/y + 0*(-(x/y)/y)"


@pytest.mark.parametrize("text, wanted", [
    ("x^2", "2*x"), ("sin(x^2) + e^x", "2*x*cos(x^2) + exp(x)"), ("x^3/3", "x^2"), ("sqrt(x)", "0.5/sqrt(x)"),
    ("1/x", "-1/x^2"), ("2^x", "2^x*log(2)"), ("sin(2 pi x)", "2*pi*cos(2*pi*x)"), ("5", "0"), ("x", "1"),
    ("abs(x)", "sign(x)"),
    ("log(x)", "1/x"), ("besselj(2, x)", "0.5*(jv(1, x) - jv(3, x))"), ("arctan(x)", "1/(x^2 + 1)"), ("x^1", "1"), ("x^0", "0"),
    ("floor(x)", "0"), ("relu(x)", "where(less_equal(x, 0), 0, 1)"), ("atan(0*x)", "0"), ("2x + 3x", "5"), ("x x x", "3*x^2"),
    ("erfcx(x)", "2*x*erfcx(x) - 1.1283791670955126"),
])
def test_derivatives_are_what_one_would_write(text, wanted):
    assert str(wg.formula(text, "x").diff("x")) == wanted


def test_orders_and_mixed_derivatives():
    f = wg.formula("x^4 y^3 + sin(x y)")
    at = {"x": 0.7, "y": 1.3}
    third = f.diff("x", 2, "y")
    assert third == f.diff("x", "x", "y") and third.variables == ("x", "y")
    # d³/dx²dy of x⁴y³ + sin(xy)
    x, y = at.values()
    assert third(**at) == pytest.approx(36 * x**2 * y**2 - 2 * y * math.sin(x * y) - x * y**2 * math.cos(x * y), rel=1e-12)
    assert str(f.diff("x", 0)) == str(wg.formula("x^4 y^3 + sin(x y)"))


def test_high_orders_agree_with_the_series():
    """The tenth derivative of exp(x²) at 0.5: derivatives of the exponential series, summed exactly."""
    x = 0.5
    wanted = math.fsum(math.factorial(2 * k) // math.factorial(2 * k - 10) * x ** (2 * k - 10) / math.factorial(k)
                       for k in range(5, 60))
    assert wg.formula("exp(x^2)").diff("x", 10)(x) == pytest.approx(wanted, rel=1e-12)


def test_the_differential_is_one_tree():
    dF = wg.formula("x y / (1 + z^2)").differential()
    assert dF.variables == ("x", "y", "z", "dx", "dy", "dz")
    at, d = (0.3, 1.7, 0.4), (0.2, -0.5, 0.9)
    assert dF(*at, *d) == pytest.approx(wg.jvp(wg.formula("x y / (1 + z^2)"), at, d)[1], rel=1e-13)
    with pytest.raises(InputError, match="dx"):
        wg.formula("x + dx").differential()


@pytest.mark.parametrize("text, point", [
    ("abs(x)", -2.0), ("x^3", -1.5), ("x^-3", -1.5), ("x^2.5", 1.5), ("x^y", 0.4), ("√x", 2.0), ("cbrt(x)", -2.0),
    ("|x|^1.5", -0.7), ("log(|x|)", -0.7), ("x^4", 0.0), ("x|x|", 0.0)])
def test_ordinary_points_of_functions_with_kinks(text, point):
    f = wg.formula(text, "x, y" if "y" in text else "x")
    args = (point, 1.7)[:len(f.variables)]
    slope = wg.grad(f)(*args)
    derived = f.diff("x")
    assert derived(*args) == pytest.approx(slope, rel=1e-13)
    assert derived.source().function()(*args) == pytest.approx(slope, rel=1e-13)


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_happens_at_kinks_and_edges():
    assert wg.formula("abs(x)").diff()(0.0) == 0.0
    assert wg.formula("sqrt(x)").diff()(0.0) == math.inf == wg.grad(wg.formula("sqrt(x)"))(0.0)
    assert wg.formula("max(x, y)").diff("x")(1.0, 1.0) == 0.5


@pytest.mark.parametrize(("text", "point"), [
    ("(1e-10*x)^40", (1e10,)), ("(1e10*x)^40", (1e-10,)), ("where(equal(sqrt(x), 0), 5, 1 + x)", (0.0,)),
    ("where(equal(sqrt(x), 0), 0, 1 + x)", (0.0,)),
    ("where(equal(hypot(x, y), 0), 1, sin(hypot(x, y))/hypot(x, y))", (0.0, 0.0)),
    ("*".join(["1e-29"] * 5 + ["x"]), (1e145,)), ("x" + "*2*x" * 3, (3.0,))])
def test_simplified_formulas_have_the_same_values(text, point):
    f = wg.formula(text)
    with np.errstate(all="ignore"):
        assert f.simplify()(*point) == pytest.approx(f(*point), rel=1e-12)


def test_sums_of_a_thousand_doublings():
    def doubled(x):
        for _ in range(1100):
            x = x + x
        return x
    graph = algebraic(build_graph(doubled, ArrayType((), float)))
    assert evaluate(graph, [np.float64(2.0**-1074)]) == (2.0**26,)


@pytest.mark.parametrize("f", [
    lambda x: ((x > 1) + (x > 2)) * x, lambda x: np.logical_or(x, x > 2) * x, lambda x: np.logical_and(x, x > 2) * x])
def test_conditions_are_one_or_zero(f):
    x = np.float64(2.5)
    assert wg.symbolic.formula_of(f, x)(2.5) == f(x)


def test_derivatives_of_distances_are_short():
    slopes = wg.symbolic.partials(np.linalg.norm, np.array([3.0, 4.0]))
    assert [str(s) for s in slopes.values()] == ["x0/sqrt(x0^2 + x1^2)", "x1/sqrt(x0^2 + x1^2)"]
    assert str(wg.formula("hypot(x, y)").diff("y")) == "y/hypot(y, x)"
    assert str(wg.formula("arctan2(y, x)").diff("y")) == "x/hypot(y, x)^2"


def test_names_of_elements_and_arguments_do_not_meet():
    with pytest.raises(InputError, match="two variables of the formula would be called x0"):
        wg.symbolic.formula_of(lambda x, x0: x[0] * x[1] * x0, np.ones(2), 5.0)


def test_functions_become_formulas():
    def rosenbrock(x):
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    at = np.array([1.2, 1.0, 0.7])
    slopes = wg.symbolic.partials(rosenbrock, at)
    assert list(slopes) == ["x0", "x1", "x2"]
    np.testing.assert_allclose([f(*at) for f in slopes.values()], wg.grad(rosenbrock)(at), rtol=1e-12)


def test_loops_branches_writes_and_trees_become_formulas():
    def program(p, n):
        y = np.zeros(3)
        for i in range(3):
            y[i] = p["w"][i] * (y[i - 1] if i > 0 else p["b"])
        total = 0.0
        for _ in range(n):
            total = np.tanh(total + y @ y)
        return total if total > 0.5 else total ** 2

    p = {"b": 0.8, "w": np.array([0.3, 0.9, 0.4])}
    slopes = wg.symbolic.partials(program, p, 2)
    assert list(slopes) == ["p_b", "p_w0", "p_w1", "p_w2"]
    wanted = wg.grad(program)(p, 2)
    got = [f(p["b"], *p["w"]) for f in slopes.values()]
    np.testing.assert_allclose(got, [wanted["b"], *wanted["w"]], rtol=1e-11)


def test_what_has_no_formula_is_refused():
    def newton(a):
        x = a
        while abs(x * x - a) > 1e-12:
            x = 0.5 * (x + a / x)
        return x

    with pytest.raises(UnsupportedError, match=r"depends on values.*wg\.grad"):
        wg.symbolic.formula_of(newton, 2.0)
    with pytest.raises(UnsupportedError, match="det"):
        wg.symbolic.formula_of(np.linalg.det, np.eye(3))
    with pytest.raises(UnsupportedError, match="too large"):
        wg.symbolic.formula_of(np.sum, np.ones(2000))
    with pytest.raises(UnsupportedError, match="function of arrays"):
        wg.formula("sum(x^2)").diff()
    with pytest.raises(UnsupportedError, match="wg.source writes it"):
        wg.symbolic.formula_of(lambda x: _doubled(x, 40), 1.0)
    with pytest.raises(InputError, match="order is a whole number from 0 up, not -1"):
        wg.symbolic.swell("x^2", order=-1)
    with pytest.raises(InputError, match="no variable"):
        wg.formula("e").diff()
    for nothing, at in ((lambda x: None, 1.0), (np.square, 3)):
        with pytest.raises(InputError, match=r"a return missing, or an argument a whole number\? Write 3\.0 for 3"):
            wg.symbolic.formula_of(nothing, at)
    with pytest.raises(InputError, match="2 numbers"):
        wg.symbolic.formula_of(lambda x: (x, x), 1.0)
    with pytest.raises(InputError, match="did you mean 'alpha'"):
        wg.formula("alpha x").diff("alpa")
    with pytest.raises(InputError, match="name the variable"):
        wg.formula("x y").diff()


def _doubled(x, n):
    for _ in range(n):
        x = np.sin(x) * x
    return x


def test_trees_swell_and_graphs_do_not():
    f = wg.symbolic.swell(lambda x: _doubled(x, 60), 0.5, order=1)
    formula, first = f.rows
    assert formula.tree == 3 * 2**60 - 2 and formula.graph == 121
    assert first.tree > 10**18 and first.graph < 600 and first.simple_graph < 600


def test_power_by_products():
    """(x + 1)^10 as a product: the textbook rules give a tree that grows with the square, ten factors each time."""
    rows = wg.symbolic.swell("*".join(["(x+1)"] * 10), order=2).rows
    assert rows[0].tree == 39 and rows[1].tree > 200 and rows[2].tree > 1000
    assert rows[2].simple_graph < rows[2].graph < rows[2].tree


def test_sizes_are_those_of_the_trees():
    for text in ("x y + sin(x y)", "x^3 exp(x)/y"):
        f = wg.formula(text)
        for _ in range(2):
            assert symbolic.tree_size(f.numbers) == sum(1 for _ in f.tree.walk())
            f = f.diff("x")


def test_depth():
    graph = build_graph(lambda x: (x * x) * x + 1.0, ArrayType((), float))
    assert symbolic.depth(graph) == 3


def test_sympy_there_and_back():
    sympy = pytest.importorskip("sympy")
    x, y, k = sympy.symbols("x y k")
    for expression in (x**2 - 3 * y / 4, sympy.sqrt(x) / y, sympy.exp(-x) * sympy.pi, sympy.Max(x, y, 1),
                       x ** sympy.Rational(-3, 2), sympy.Piecewise((x, x > y), (y**2, True)),
                       sympy.besselj(1, x) - sympy.E, -x / (y * 2), 1.5 * x - 2):
        f = wg.from_sympy(expression, ["x", "y"])
        back = f.to_sympy({"x": x, "y": y})
        for at in ((0.7, 1.9), (2.5, 0.3)):
            wanted = float(expression.subs({x: at[0], y: at[1]}))
            assert f(*at) == pytest.approx(wanted, rel=1e-14)
            assert float(back.subs({x: at[0], y: at[1]})) == pytest.approx(wanted, rel=1e-14)
    assert wg.formula("x/2 + 0.1").to_sympy({"x": x}) == x / 2 + sympy.Float(0.1)
    with pytest.raises(UnsupportedError, match="Integral"):
        wg.from_sympy(sympy.Integral(sympy.exp(sympy.sin(x)), x))
    with pytest.raises(InputError, match="not among"):
        wg.from_sympy(x + k, ["x"])
    with pytest.raises(InputError, match="a str"):
        wg.from_sympy("x + 1")


def test_without_sympy(monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(UnsupportedError, match="pip install sympy"):
        wg.formula("x").to_sympy()


def test_names_that_python_does_not_take():
    f = wg.formula("lambda^2 + φ₁", "lambda, φ₁")
    assert f.diff("lambda").source().function()(3.0, 1.0) == 6.0
    assert f.latex() == r"{\lambda}^{2} + \phi_{1}"
