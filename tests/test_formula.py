"""Formulas as functions: values, derivatives digit by digit, and every way to call them wrongly.

The reference is mpmath's numerical differentiation of the formula at 50 digits. A tolerance counts
roundings of the result.
"""

from __future__ import annotations

import inspect
import pickle

import mpmath as mp
import numpy as np
import pytest

import wengert as wg
from wengert.errors import FormulaError, InputError, WengertError
from wengert.formulas import Formula
from wengert.frontends.functions import FUNCTIONS

EPS = float(np.finfo(float).eps)


def sigmoid(y):
    return 1 / (1 + mp.exp(-y))


# The formula, its reference, and points.
EXAMPLES = {
    "cos(x) e^{x²}": (lambda x: mp.cos(x) * mp.exp(x**2), [(0.5,), (-1.25,), (3.0,)]),
    "w2 log(w1) + sqrt(w2 log(w1))": (
        lambda w1, w2: w2 * mp.log(w1) + mp.sqrt(w2 * mp.log(w1)), [(3.0, 2.0), (1.5, 0.25)]),
    "(x + sigmoid(y)) tanh(x)": (lambda x, y: (x + sigmoid(y)) * mp.tanh(x), [(2.0, 1.0), (-0.5, 0.75)]),
    "(x2 - x1^2)^2 + (1-x1)^2": (
        lambda x1, x2: (x2 - x1**2) ** 2 + (1 - x1) ** 2, [(-1.0, 2.0), (-1.5, 0.25), (0.3, -0.7)]),
}
DECLARED = {"w2 log(w1) + sqrt(w2 log(w1))": "w1, w2", "(x2 - x1^2)^2 + (1-x1)^2": "x1, x2"}
CASES = [(text, point) for text, (_, points) in EXAMPLES.items() for point in points]


def partials(f, point, order):
    with mp.workdps(50):
        point = tuple(map(mp.mpf, point))
        result = np.empty((len(point),) * order, dtype=object)
        for index in np.ndindex(result.shape):
            result[index] = mp.diff(f, point, tuple(index.count(i) for i in range(len(point))))
        return result


def assert_digits(mine, reference, ulps):
    """Each number within `ulps` roundings of the largest reference; the formulas are benign there."""
    mine, reference = np.asarray(mine, float), np.asarray(reference, dtype=object)
    assert mine.shape == reference.shape
    largest = max(abs(x) for x in reference.flat)
    for a, b in zip(mine.flat, reference.flat):
        assert abs(mp.mpf(float(a)) - b) <= ulps * EPS * largest, (a, mp.nstr(b, 20))


@pytest.mark.parametrize("text, point", CASES)
def test_worked_examples(text, point):
    f, reference = wg.formula(text, DECLARED.get(text)), EXAMPLES[text][0]
    argnums = tuple(range(len(point)))
    with mp.workdps(50):
        assert_digits(f(*point), reference(*map(mp.mpf, point)), ulps=2)
        assert_digits(wg.grad(f, argnums)(*point), partials(reference, point, 1), ulps=4)
        assert_digits([wg.jvp(f, point, tuple(map(float, e)))[1] for e in np.eye(len(point))],
                      partials(reference, point, 1), ulps=4)
        assert_digits(wg.hessian(f, argnums)(*point), partials(reference, point, 2), ulps=16)


def test_lecture_digits():
    f = wg.formula("(x + σ(y)) tanh(x)")
    dx, dy = wg.grad(f, (0, 1))(2.0, 1.0)
    assert f"{dx:.3f} {dy:.3f}" == "1.157 0.190"
    assert wg.grad(wg.formula("cos(x) e^{x²}"))(0.0) == 0.0


@pytest.mark.parametrize("text", EXAMPLES)
def test_check_grads_and_taylor(text):
    f = wg.formula(text, DECLARED.get(text))
    point = EXAMPLES[text][1][0]
    wg.check_grads(f, point, order=2)
    assert wg.taylor_test(f, point).ok


def test_calling():
    f = wg.formula("a x + b", "x, a, b")
    assert f.variables == ("x", "a", "b")
    assert f(2.0, 3.0, 1.0) == f(2, a=3, b=1) == f(b=1.0, a=3.0, x=2.0) == 7.0
    assert type(f(2, 3, 1)) is np.float64
    np.testing.assert_array_equal(f([1, 2], 3, 1), [4.0, 7.0])
    np.testing.assert_array_equal(f(np.eye(2), np.array([1, 2]), 0), [[1.0, 0.0], [0.0, 2.0]])
    assert f(1j, 2.0, 1.0) == 1 + 2j
    assert list(inspect.signature(f).parameters) == ["x", "a", "b"]
    assert wg.formula("w₁ + w_2")(**{"w₁": 1.0, "w_2": 2.0}) == 3.0
    assert wg.formula("lambda + 1")(**{"lambda": 1.0}) == 2.0
    assert wg.formula("2 pi")() == 2 * np.pi


def test_dtypes():
    x = np.array([0.25, 0.5], np.float32)
    for text in ["2 pi x", "x/3 + e", "e^x", "sin(2 pi/3) x", "where(greater(x, 0.3), x, 0)", "relu(x)",
                 "x greater(x, 0)"]:
        f = wg.formula(text)
        assert f(x).dtype == np.float32, text
        assert wg.grad(lambda y, f=f: np.sum(f(y)))(x).dtype == np.float32, text
    assert wg.formula("x y")(np.float32(2), 3).dtype == np.float32
    assert wg.formula("x + 1")(np.arange(3)).dtype == np.float64


def test_special_targets():
    x = np.array([-1.0, 0.0, 2.0, np.nan])
    np.testing.assert_array_equal(wg.formula("relu(x)")(x), [0.0, 0.0, 2.0, np.nan])
    assert [wg.grad(wg.formula("relu(x)"))(t) for t in (-1.0, 0.0, 2.0)] == [0.0, 0.0, 1.0]
    assert wg.formula("sinc(x)")(0.5) == np.sinc(0.5)
    assert abs(wg.grad(wg.formula("sinc(x)"))(0.5) - (-4 / np.pi)) < 4 * EPS
    assert wg.formula("zeta(2)")() == pytest.approx(np.pi**2 / 6, rel=4 * EPS)
    assert wg.formula("greater(x, 0) + greater(y, 0)")(1, 2) == 2.0  # not "or"
    assert wg.formula("where(less(x, 1), x^2, sqrt(x))")(4.0) == 2.0
    assert wg.grad(wg.formula("where(greater(x, 0), sqrt(x), 0)"))(0.0) == 0.0
    assert wg.formula("eval_hermite(n, x)")(2, 0.5) == pytest.approx(-1.0, rel=4 * EPS)
    with pytest.raises(InputError, match="whole number"):
        wg.formula("eval_hermite(n, x)")(0.5, 0.5)
    z = 0.5 + 0.25j
    assert wg.formula("real(z) imag(z) + angle(z)")(z) == 0.125 + np.angle(z)


def test_reductions():
    x, y = np.array([0.5, 1.5, -0.25]), np.array([2.0, 0.3, 1.0])
    np.testing.assert_array_equal(wg.grad(wg.formula("sum((x - y)^2)"))(x, y), 2 * (x - y))
    np.testing.assert_array_equal(wg.grad(wg.formula("dot(x, y) / prod(y)"))(x, y), y / np.prod(y))
    for text in ["logsumexp(2x) + mean(x)", "dot(softmax(x), log_softmax(x))", "std(x) var(x) median(x)"]:
        wg.check_grads(wg.formula(text), (x,))
    assert wg.formula("sum x + 2 mean").variables == ("sum", "x", "mean")  # without parentheses they are variables
    wg.check_grads(lambda x: wg.formula("polygamma(2, x)")(x), (1.3,))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # SciPy truncates the order of some functions
def test_every_function_of_the_language_evaluates():
    """A name of the table that NumPy and SciPy did not know would be found out here."""
    for name, function in FUNCTIONS.items():
        names = ["a", "b", "c", "d"][:function.least]
        f = wg.formula(f"{name}({', '.join(names)})")
        with np.errstate(all="ignore"):
            value = f(*[2.0] * (len(names) - 1), 0.5)
        assert np.ndim(value) == 0, name


def test_every_elementary_function_has_a_right_derivative():
    names = """sin cos tan arcsin arccos arctan sinh cosh tanh arcsinh arctanh exp exp2 expm1 log log2
        log10 log1p sqrt cbrt square reciprocal sigmoid relu abs sec csc cot sech csch coth""".split()
    for name in names:
        wg.check_grads(wg.formula(f"{name}(x)"), (0.4,), order=2)
    for text in ["max(x, y, 0.1)", "min(x, y)", "x^y", "x/y", "atan2(x, y)", "hypot(x, y)", "log(x) - y^-2",
                 "|x - y|"]:
        wg.check_grads(wg.formula(text), (0.4, 0.7), order=2)


def test_batches_and_arrays():
    f = wg.formula("x^2 sin(y)")
    x, y = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.25, 1.0])
    np.testing.assert_array_equal(wg.vmap(f)(x, y), f(x, y))
    np.testing.assert_array_equal(np.diagonal(wg.jacobian(f)(x, y)), 2 * x * np.sin(y))


def test_e_is_not_a_float():
    """e^x is exp(x): a power of the rounded e would be off by x·5e-17, relatively."""
    assert wg.formula("e^x")(700.0) == np.exp(700.0)
    assert str(wg.formula("e^x").tree) == "e^x"
    assert wg.formula("e^x", "e, x")(2.0, 3.0) == 8.0


def test_tree_graph_equivalents():
    f = wg.formula("a*b*c")
    assert [str(g) for g in f.equivalents()] == ["a*b*c", "a*(b*c)"]
    assert f.count_equivalents(commute=True) == 12
    for g in f.equivalents(commute=True):
        assert g(2.0, 3.0, 5.0) == 30.0 and g.variables == f.variables
    names = [e.primitive.name for e in wg.formula("x y + sin(x)").graph().equations]
    assert sorted(names) == ["add", "multiply", "sin"]
    graph = wg.formula("x y").graph(x=np.ones(3))
    assert [v.type.shape for v in graph.inputs] == [(3,), ()]
    assert pickle.loads(pickle.dumps(f)) == f
    assert isinstance(f, Formula) and {f: 1}[wg.formula("a b c")] == 1


@pytest.mark.parametrize("call, message", [
    (lambda f: f(1.0), "needs a value for y"),
    (lambda f: f(1.0, 2.0, 3.0), "it was given 3 values"),
    (lambda f: f(1.0, x=2.0), "two values for 'x'"),
    (lambda f: f(1.0, z=2.0), "no variable 'z'"),
    (lambda f: f(1.0, "a"), "the value of 'y' is a str"),
    (lambda f: f(1.0, None), "the value of 'y' is None"),
    (lambda f: f(1.0, np.array(["a"])), "the value of 'y' is an ndarray"),
    (lambda f: wg.grad(f)(1, 2.0), "Pass a float"),
    (lambda f: wg.grad(f)(x=1.0, y=2.0), "passed by position"),
])
def test_wrong_calls(call, message):
    with pytest.raises(InputError, match=message):
        call(wg.formula("x y"))


@pytest.mark.parametrize("text", ["", "x +", "sn(x)", "x(y+1)", "1/2x", "__import__('os')", "sin x y"])
def test_wrong_formulas(text):
    with pytest.raises(FormulaError, match="column"):
        wg.formula(text)


def test_what_cannot_be_derived_is_refused():
    """A function without a derivative rule may refuse; it may not give zero."""
    with pytest.raises(WengertError):
        wg.grad(wg.formula("mathieu_a(1, x)"))(1.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_latex(name):
    count = FUNCTIONS[name].least
    assert wg.formula(f"{name}({', '.join('abcd'[:count])})").latex()


@pytest.mark.parametrize("order", ["inf", "1e300", "1.5"])
def test_an_order_that_is_no_whole_number_is_refused(order):
    with pytest.raises(InputError, match="is a whole number"):
        wg.formula(f"polygamma({order}, x)")(0.5)
