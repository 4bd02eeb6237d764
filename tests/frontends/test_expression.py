"""The formula parser: what it reads, what it refuses and where it points, and the trees of one expression.

Trees are compared with Python's own reading of an equivalent text; printing is checked by parsing back; the
count of equivalent trees is checked against an enumeration by rewriting, which shares no code with it.
"""

from __future__ import annotations

import copy
import math
import operator
import pickle

import numpy as np
import pytest
import scipy.special
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wengert.errors import FormulaError
from wengert.frontends.equivalent import count_trees, equivalent_trees
from wengert.frontends.expression import MAX_DEPTH, parse
from wengert.frontends.functions import CONSTANTS, FUNCTIONS, FormulaFunction
from wengert.frontends.trees import Call, Name, Node, Number

OPERATORS = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "power": np.power, "negative": np.negative,
}


class _Functions(dict):
    """NumPy's and SciPy's functions by name."""

    def get(self, name, default=None):
        if name == "relu":
            return lambda x: np.maximum(x, 0.0)
        if name == "sinc" or name == "where":
            return getattr(np, name)
        return OPERATORS.get(name) or getattr(np, name, None) or getattr(scipy.special, name, default)


def value(text, **values):
    with np.errstate(all="ignore"):
        return parse(text).evaluate(_Functions(), values)


def formula(text, **options):
    return str(parse(text, **options))


def refusal(text, **options) -> FormulaError:
    with pytest.raises(FormulaError) as caught:
        parse(text, **options)
    return caught.value


@pytest.mark.parametrize("text, printed", [
    ("a+b*c", "a + b*c"),
    ("(a+b)*c", "(a + b)*c"),
    ("a-b-c", "a - b - c"),
    ("a-(b-c)", "a - (b - c)"),
    ("a/b/c", "a/b/c"),
    ("a/(b*c)", "a/(b*c)"),
    ("a^b^c", "a^b^c"),
    ("(a**b)**c", "(a^b)^c"),
    ("-x^2", "-x^2"),
    ("(-x)^2", "(-x)^2"),
    ("2^-x", "2^-x"),
    ("2^-x*y", "2^-x*y"),
    ("-x*y", "-x*y"),
    ("-(x*y)", "-(x*y)"),
    ("- -x", "--x"),
    ("+x - +y", "x - y"),
    ("a - -2", "a - -2"),
    ("(-2)^2", "(-2)^2"),
    ("-2^2", "-2^2"),
    ("-0.0", "-0.0"),
    ("2x", "2*x"),
    ("2(x+1)", "2*(x + 1)"),
    ("(x+1)(x-1)", "(x + 1)*(x - 1)"),
    ("(x+1)^2(x-1)", "(x + 1)^2*(x - 1)"),
    ("2 sin(x)", "2*sin(x)"),
    ("sin(x)cos(x)", "sin(x)*cos(x)"),
    ("x y", "x*y"),
    ("3x^2", "3*x^2"),
    ("3x²y", "3*x^2*y"),
    ("-2x²", "-2*x^2"),
    ("2x/3", "2*x/3"),
    ("a/b*c d", "a/b*c*d"),
    ("x²(y+1)", "x^2*(y + 1)"),
    ("x⁻¹", "x^-1"),
    ("e^{x²}sin(x)", "e^x^2*sin(x)"),
    ("e^{-x²/2}", "e^(-x^2/2)"),
    ("w₁ + w_1 + w1", "w1 + w_1 + w1"),
    ("2·x × y − z ÷ 2", "2*x*y - z/2"),
    ("√x", "sqrt(x)"),
    ("√(x+1)²", "sqrt(x + 1)^2"),
    ("√2 x", "sqrt(2)*x"),
    ("2√√x", "2*sqrt(sqrt(x))"),
    ("∛8", "cbrt(8)"),
    ("|x| + |y|", "abs(x) + abs(y)"),
    ("2|x - |y||", "2*abs(x - abs(y))"),
    ("ln(x) + log(x)", "ln(x) + log(x)"),
    ("σ(y) + (x-μ)/σ₂", "σ(y) + (x - μ)/σ2"),
    ("max(a, b, c)", "max(max(a, b), c)"),
    ("sec(x)", "1/cos(x)"),
    ("cot(x)^2", "(1/tan(x))^2"),
    ("y0*y1 + gamma beta", "y0*y1 + gamma*beta"),
    ("2π r + 2e", "2*pi*r + 2*e"),
    (".5 + 1. + 1e-3 + 2.5E+4", "0.5 + 1.0 + 0.001 + 25000.0"),
    ("µ", "μ"),
    ("  x\n", "x"),
])
def test_reading_and_printing(text, printed):
    assert formula(text) == printed
    assert parse(printed).tree == parse(text).tree


@pytest.mark.parametrize("text, meant", [
    ("x y + sin x", "x*y + sin(x)"), ("2 sin x cos y", "2*sin(x)*cos(y)"), ("e^sin x", "e^(sin(x))"),
    ("-log 2 + x", "-log(2) + x"),
    ("(x + σ(y)) tanh x", "(x + σ(y))*tanh(x)"), ("max(sin x, cos y)", "max(sin(x), cos(y))"), ("√sin pi", "sqrt(sin(pi))"),
])
def test_functions_of_one_name_or_number_need_no_parentheses(text, meant):
    assert str(parse(text)) == str(parse(meant))


def test_names_of_one_function_make_the_same_tree():
    assert parse("ln(asin(x))").tree == parse("log(arcsin(x))").tree
    assert hash(parse("ln(x)").tree) == hash(parse("log(x)").tree)
    assert parse("2").tree != parse("2.0").tree
    assert parse("x").tree != parse("y").tree
    assert parse("x").tree != "x"


def test_numbers_keep_their_kind():
    assert type(parse("2").tree.value) is int
    assert type(parse("2.").tree.value) is float
    assert type(parse("123456789012345678901234567890").tree.value) is float


def test_variables_come_in_order_of_first_appearance():
    assert parse("b*a + sin(b) + c").variables == ("b", "a", "c")
    assert parse("pi + e + inf").variables == ()


def test_declared_variables_keep_their_order_and_win_over_constants_and_functions():
    assert parse("x + y", variables="y, x, z").variables == ("y", "x", "z")
    assert parse("e + pi", variables=["e"]).variables == ("e",)
    assert isinstance(parse("e", variables=["e"]).tree, Name)
    assert isinstance(parse("e").tree, Number)
    assert parse("gamma*x", variables="gamma x").tree == parse("gamma*x").tree
    assert parse("sin + 1", variables="sin").variables == ("sin",)
    assert parse("w₁", variables=["w1"]).tree == parse("w1", variables=["w₁"]).tree


def test_every_node_knows_where_it_stands():
    text = "2(x + 1)^2 - σ(y)"
    spans = {str(node): text[slice(*node.span)] for node in parse(text).tree.walk()}
    assert spans["(x + 1)^2"] == "(x + 1)^2"
    assert spans["2*(x + 1)^2"] == "2(x + 1)^2"
    assert spans["x + 1"] == "x + 1"
    assert spans["σ(y)"] == "σ(y)"
    assert parse(text).tree.arguments[1].column == 14


def test_drawing():
    assert parse("x*x - f", functions={}).tree.text() == "-\n├── *\n│   ├── x\n│   └── x\n└── f"
    assert parse("-x").tree.text() == "negative\n└── x"
    assert parse("a+b+c").tree.text(depth=1) == "+\n├── a + b\n└── c"


# Evaluation.

@pytest.mark.parametrize("text, expected", [
    ("cos(x) e^{x²}", math.cos(0.5) * math.exp(0.25)),
    ("2x sin(x)^2", 2 * 0.5 * math.sin(0.5) ** 2),
    ("10^20", 1e20),
    ("2^-1", 0.5),
    ("x^-2", 4.0),
    ("1/3", 1 / 3),
    ("7", 7.0),
    ("max(1, 3, 2) + min(x, 1)", 3.5),
    ("besselj(2, x)", scipy.special.jv(2, 0.5)),
    ("eval_hermite(3, x)", scipy.special.eval_hermite(3, 0.5)),
    ("atan2(x, 1)", math.atan2(0.5, 1)),
    ("sec(x)", 1 / math.cos(0.5)),
    ("where(less(x, 0), 1, 2)", 2.0),
    ("|−x|", 0.5),
    ("tau - 2π", 0.0),
    ("relu(-x) + sinc(1)", np.sinc(1.0)),
])
def test_evaluation(text, expected):
    result = value(text, x=0.5)
    assert np.ndim(result) == 0 and np.asarray(result).dtype == np.float64
    assert result == pytest.approx(expected, rel=1e-15, abs=1e-300)


def test_lecture_example():
    gradient_point = value("(x + σ(y)) tanh(x)", x=2.0, y=1.0)
    assert gradient_point == pytest.approx((2 + 1 / (1 + math.exp(-1))) * math.tanh(2), rel=1e-15)
    w = value("w₂ log(w₁) + √(w₂ log(w₁))", w1=3.0, w2=2.0)
    assert w == pytest.approx(2 * math.log(3) + math.sqrt(2 * math.log(3)), rel=1e-15)


def test_evaluation_of_arrays_keeps_their_type():
    assert value("2x + 1", x=np.ones(3, np.float32)).dtype == np.float32
    assert value("w₁ + 1", w1=np.arange(3.0)).tolist() == [1.0, 2.0, 3.0]
    assert value("w₁ + 1", **{"w₁": 1.0}) == 2.0


def test_evaluation_goes_from_left_to_right_with_any_operands():
    log = []

    class Recorded:
        def __init__(self, name):
            self.name = name

    def operation(name):
        def apply(*operands):
            log.append((name, *(o.name if isinstance(o, Recorded) else o for o in operands)))
            return Recorded(f"v{len(log)}")
        return apply

    functions = {name: operation(name) for name in ("add", "multiply", "power", "log")}
    parse("w2 log(w1) + 3 w2^2").evaluate(functions, {"w1": Recorded("w1"), "w2": Recorded("w2")})
    assert log == [
        ("log", "w1"), ("multiply", "w2", "v1"), ("power", "w2", 2), ("multiply", 3.0, "v3"),
        ("add", "v2", "v4"),
    ]
    assert [type(entry[2]) for entry in log[2:3]] == [int]


def test_missing_values_and_functions_are_located():
    with pytest.raises(FormulaError, match="no value is given for 'y'") as caught:
        parse("x + y").evaluate(OPERATORS, {"x": 1.0})
    assert caught.value.column == 5
    with pytest.raises(FormulaError, match="'sin' cannot be evaluated") as caught:
        parse("x + sin(x)").evaluate(OPERATORS, {"x": 1.0})
    assert caught.value.column == 5


def test_every_function_of_the_table_exists():
    functions = _Functions()
    for name, function in FUNCTIONS.items():
        assert callable(functions.get(function.target)), name
        ufunc = functions.get(function.target)
        if isinstance(ufunc, np.ufunc):
            assert ufunc.nout == 1 and ufunc.nin == function.least, name
        assert FUNCTIONS[function.target].target == function.target  # so that trees print and parse back
        assert name not in CONSTANTS
        arguments = ", ".join("abcd"[:function.least])
        tree = parse(f"{name}({arguments})").tree
        assert parse(str(tree)).tree == tree


def test_another_table_is_another_language():
    table = {"f": FormulaFunction("f", 1, 2), "sin": FormulaFunction("sin")}
    assert formula("f(x) + f(x, y)", functions=table) == "f(x) + f(x, y)"
    assert "f takes 1 to 2 arguments, not 3" in str(refusal("f(1, 2, 3)", functions=table))
    assert parse("cos", functions=table).variables == ("cos",)


# What is refused, and where the message points.

@pytest.mark.parametrize("text, column, words", [
    ("", 1, "empty"),
    ("   ", 1, "empty"),
    ("x +", 3, "ends after '\\+'"),
    ("√", 1, "ends after '√'"),
    ("x * * y", 5, "expected after '\\*', not '\\*'"),
    ("*x", 1, "not '\\*'"),
    ("(x + (y", 6, "never closed"),
    ("|x", 1, "never closed"),
    ("sin(", 4, "never closed"),
    ("x + y)", 6, "closes nothing"),
    ("(x}", 3, "'\\)' is expected"),
    ("()", 1, "nothing stands between"),
    ("sin()", 1, "sin takes 1 argument, not 0"),
    ("1 + atan2(x)", 5, "atan2 takes 2 arguments, not 1"),
    ("max(x)", 1, "max takes 2 or more arguments, not 1"),
    ("log(x, 2)", 1, "log takes 1 argument, not 2"),
    ("atan2(x,)", 9, "expected after ','"),
    ("(1, 2)", 3, "comma"),
    ("1,5", 2, "decimals are written 1.5"),
    ("sin x y", 1, "write sin\\(...\\)"), ("sin x^2", 1, "write sin"), ("sin x * y", 1, "write sin"),
    ("sin 2x", 1, "write sin\\(...\\)"),
    ("sin cos(x)", 1, "write sin\\(...\\)"),
    ("sin²(x)", 1, "write sin\\(x\\)\\^2"),
    ("sin^2(x)", 1, "write sin\\(x\\)\\^2"),
    ("1 + sin", 5, "write sin\\(...\\)"),
    ("sinx + x", 1, "write sin\\(x\\)"),
    ("sine(x)", 1, "did you mean sin"),
    ("Sin(x)", 1, "did you mean sin\\("),
    ("x(y+1)", 1, "write x\\*\\(y\\+1\\)"),
    ("pi(y+1)", 1, "write pi\\*\\(y\\+1\\)"),
    ("e^x(y+1)", 3, "write x\\*\\(y\\+1\\)"),
    ("1/2x", 4, "\\(1/2\\)\\*x or 1/\\(2\\*x\\)"),
    ("a/b c", 5, "\\(a/b\\)\\*c or a/\\(b\\*c\\)"),
    ("1/2 sin(x)", 5, "\\(1/2\\)\\*sin\\(...\\)"),
    ("1/(2)(x)", 6, "two readings"),
    ("e^2x", 4, "\\^2\\*x or \\^\\(2\\*x\\)"),
    ("e^-2x", 5, "two readings"),
    ("√2x", 3, "√\\(2\\)\\*x or √\\(2\\*x\\)"),
    ("√x^2", 3, "√\\(x\\)\\^2 or √\\(x\\^2\\)"),
    ("√x²", 3, "two readings"),
    ("x²^3", 3, "a power of a power"),
    ("|x|y|z|", 4, "write '\\*' between"),
    ("2 3", 3, "an operator is missing"),
    ("x 2", 3, "an operator is missing"),
    ("1.2.3", 4, "an operator is missing"),
    ("{x}", 1, "braces"),
    ("x{2}", 2, "braces"),
    ("y = x", 3, "one side"),
    ("y == x", 3, "equality"),
    ("x % 2", 3, "mod"),
    ("x!", 2, "gamma\\(x \\+ 1\\)"),
    ("x; y", 2, "one formula"),
    ("x // y", 3, "floor"),
    ("x < y", 3, "less\\(a, b\\)"),
    ("x[0]", 2, "round parentheses"),
    ("\\sin(x)", 1, "LaTeX"),
    ("f'(x)", 2, "derivative"),
    ("x.real", 2, "belongs in a number"),
    ("x ☃", 3, "SNOWMAN"),
    ("xⁿ", 2, "'\\^'"),
    ("x⁺", 2, "whole number"),
    ("1_000", 2, "without '_'"),
    ("0x1f", 1, "decimal"),
    ("1e999", 1, "too large"),
    ("1e-999", 1, "too small"),
    ("a\nb", 2, "one line"),
    ("y1(x) + y1", 9, "both a function and a variable"),
    ("gamma + gamma(x)", 9, "both a function and a variable"),
    ("ﷺ", 1, "is not a name"),
    ("__import__('os')", 12, "derivative"),
    ("2πr", 2, "around π"),
])
def test_refusals(text, column, words):
    error = refusal(text)
    assert error.column == column
    with pytest.raises(FormulaError, match=words):
        raise error
    assert error.text == text


@pytest.mark.parametrize("text, variables, words", [
    ("xy", "x y", "write x*y for a product"),
    ("alpa + 1", "alpha beta", "did you mean 'alpha'"),
    ("z", "x y", "the variables are x, y"),
    ("x", "", "only numbers can stand here"),
    ("gamma(x)", "gamma x", "declared as a variable"),
    ("x(2)", "x", "write x*(2)"),
    ("gamma", "x", "'gamma' is a function"),
])
def test_refusals_with_declared_variables(text, variables, words):
    assert words in str(refusal(text, variables=variables))


def test_a_declaration_must_be_names():
    assert "not the name" in str(refusal("x", variables=["x", "2"]))
    assert "twice" in str(refusal("x", variables=["w1", "w₁"]))


def test_the_message_has_a_caret_under_the_place():
    assert str(refusal("2 + x(y)")).splitlines()[1:] == ["  2 + x(y)", "      ^"]


@pytest.mark.parametrize("opening, closing", [
    ("(", ")"), ("sin(", ")"), ("-", ""), ("2^", ""), ("√", ""), ("e^{", "}"), ("2*(1+", ")"), ("|1+", "|"),
])
def test_depth_is_bounded(opening, closing):
    levels = MAX_DEPTH // (2 if opening == "e^{" else 1)
    assert parse(opening * levels + "x" + closing * levels)
    assert "nested deeper" in str(refusal(opening * (levels + 1) + "x" + closing * (levels + 1)))
    assert "nested deeper" in str(refusal(opening * (100_000 // len(opening))))


def test_length_is_bounded():
    assert parse("x" + " " * 99_999)
    assert "longer than 100,000" in str(refusal("x" * 100_001))


def test_a_long_sum_is_no_special_case():
    text = "+".join(["x"] * 25_000)
    expression = parse(text)
    assert expression.evaluate(OPERATORS, {"x": 1.0}) == 25_000
    assert parse(str(expression)) == expression
    assert hash(expression) == hash(parse(text))
    assert pickle.loads(pickle.dumps(expression)) == expression
    assert copy.deepcopy(expression) == expression
    assert expression.tree.text().count("\n") < 1000
    assert count_trees(expression) > 10**1000
    assert count_trees(expression, commute=True) == count_trees(expression)
    assert repr(expression.tree).startswith("<Call x + x")
    del expression


# Properties.

def _numbers():
    integers = st.integers(0, 10**18 - 1)
    floats = st.floats(0, allow_infinity=False, allow_nan=False).map(abs)
    constants = st.sampled_from([Number(v, s) for s, v in CONSTANTS.values()])
    return st.one_of(integers.map(Number), floats.map(Number), constants)


def _negative(node: Node) -> Node:
    """The negative of a node as the parser reads it: a sign before a bare number belongs to the number."""
    if isinstance(node, Number) and node.symbol is None and not node.signed:
        return Number(-node.value)
    return Call("negative", (node,))


def _extended(trees):
    binary = st.sampled_from(["add", "subtract", "multiply", "divide", "power", "arctan2", "maximum"])
    unary = st.sampled_from(["sin", "expit", "absolute"])
    return st.one_of(
        st.builds(lambda f, a, b: Call(f, (a, b)), binary, trees, trees),
        st.builds(_negative, trees),
        st.builds(lambda f, a: Call(f, (a,)), unary, trees),
        st.builds(lambda a, b, c: Call("where", (a, b, c)), trees, trees, trees),
    )


TREES = st.recursive(_numbers() | st.sampled_from(["x", "y", "w_1"]).map(Name), _extended, max_leaves=25)


@given(TREES)
@settings(deadline=None)
def test_printing_parses_back(tree):
    assert parse(str(tree)).tree == tree
    assert pickle.loads(pickle.dumps(tree)) == tree


@given(TREES)
@settings(deadline=None, max_examples=50)
def test_no_pair_of_parentheses_can_be_left_out(tree):
    text = str(tree)
    for place, character in enumerate(text):
        if character != "(" or (place and (text[place - 1].isalnum() or text[place - 1] == "_")):
            continue
        level, end = 0, place
        while True:
            level += (text[end] == "(") - (text[end] == ")")
            if level == 0:
                break
            end += 1
        bare = text[:place] + text[place + 1:end] + text[end + 1:]
        assert parse(bare).tree != tree


@given(st.text(max_size=40) | st.text("xy2.5e+-*/^()|{},²√₁σ sinlog", max_size=30))
@settings(deadline=None, max_examples=500)
@example("√")
@example("|")
@example("sin(x,")
@example("ŀ")
def test_any_text_is_read_or_refused_with_a_place(text):
    for variables in (None, "x y"):
        try:
            expression = parse(text, variables)
        except FormulaError as error:
            assert 1 <= error.column <= len(text) + 1
        else:
            assert parse(str(expression), variables) == expression
            for node in expression.tree.walk():
                assert 0 <= node.span[0] < node.span[1] <= len(text)


PYTHON = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "divide": operator.truediv,
    "power": operator.pow, "negative": operator.neg, "sin": math.sin, "exp": math.exp, "maximum": max,
    "arctan2": math.atan2, "absolute": abs,
}


@st.composite
def _texts(draw):
    """Formulas in the grammar that Python shares, as text, so that nothing depends on our trees."""
    def operand(depth):
        kind = draw(st.integers(0, 7 if depth else 2))
        if kind <= 2:
            return draw(st.sampled_from(["x", "y", "2.0", "0.5", "3.0", "1e-1"]))
        if kind == 3:
            return f"({expression(depth - 1)})"
        if kind == 4:
            return f"{draw(st.sampled_from(['sin', 'abs', 'exp']))}({expression(depth - 1)})"
        if kind == 5:
            return f"atan2({expression(depth - 1)}, {expression(depth - 1)})"
        return draw(st.sampled_from(["-", "+"])) + operand(depth - 1)

    def expression(depth):
        text = operand(depth)
        for _ in range(draw(st.integers(0, 4))):
            text += draw(st.sampled_from(["+", "-", " - ", "*", "/", "^", "**"])) + operand(depth)
        return text

    return expression(3)


def _outcome(compute):
    try:
        result = compute()
    except ArithmeticError as error:
        return type(error)
    except TypeError as error:  # an ordering or atan2 of complex numbers
        return type(error)
    except ValueError as error:
        return type(error)
    return "nan" if result != result else result


@given(_texts(), st.floats(-2, 2), st.floats(-2, 2))
@settings(deadline=None, max_examples=400)
def test_evaluation_agrees_with_python(text, x, y):
    names = {"x": x, "y": y, "sin": math.sin, "exp": math.exp, "abs": abs, "atan2": math.atan2}
    ours = _outcome(lambda: parse(text).evaluate(PYTHON, {"x": x, "y": y}))
    python = _outcome(lambda: eval(text.replace("^", "**"), {"__builtins__": {}}, names))
    assert ours == python


# The trees of one expression.

def _rewritten(tree: Node, commute: bool) -> set[Node]:
    """All trees that one step of rewriting makes of this one."""
    found: set[Node] = set()
    if not isinstance(tree, Call):
        return found
    for place, argument in enumerate(tree.arguments):
        for other in _rewritten(argument, commute):
            found.add(Call(tree.function, (*tree.arguments[:place], other, *tree.arguments[place + 1:])))
    if tree.function not in ("add", "subtract", "multiply"):
        return found
    flip = {"add": "subtract", "subtract": "add"}
    f, (a, b) = tree.function, tree.arguments
    same = ("multiply",) if f == "multiply" else ("add", "subtract")
    if isinstance(a, Call) and a.function in same:  # (p g q) f b -> p g (q h b)
        p, q = a.arguments
        inner = flip[f] if a.function == "subtract" else f
        found.add(Call(a.function, (p, Call(inner, (q, b)))))
        if commute:  # (p g q) f b -> (p f b) g q
            found.add(Call(a.function, (Call(f, (p, b)), q)))
    if isinstance(b, Call) and b.function in same:  # a f (p g q) -> (a f p) h q
        p, q = b.arguments
        outer = flip[b.function] if f == "subtract" else b.function
        found.add(Call(outer, (Call(f, (a, p)), q)))
    if commute and f in ("add", "multiply"):
        found.add(Call(f, (b, a)))
    return found


def _closure(tree: Node, commute: bool) -> set[Node]:
    found, fresh = {tree}, [tree]
    while fresh:
        for other in _rewritten(fresh.pop(), commute) - found:
            found.add(other)
            fresh.append(other)
    return found


@pytest.mark.parametrize("text", [
    "x", "a*b*c", "a*b*c*d*f", "a - b - c", "a - b + c - d", "a - (b - (c + d))", "a*b/c*d", "a/b/c",
    "-a + b + c", "-(a + b + c)", "sin(a + b + c)*d*f", "a*b*c + a*b*c", "a + b + a + b", "a*b + b*a",
    "a - a - a", "a*a*a*a",
    "2x^2 + 3x + 1", "(a - b)*(b - a)*c", "max(a + b, b + a, c)", "(a+b)(b+a)(c+d)", "2^(a+b+c)",
])
@pytest.mark.parametrize("commute", [False, True])
def test_trees_are_those_that_rewriting_reaches(text, commute):
    expression = parse(text)
    closure = _closure(expression.tree, commute)
    trees = equivalent_trees(expression, limit=10_000, commute=commute)
    assert len(trees) == len(set(trees)) == count_trees(expression, commute=commute)
    assert set(trees) == closure


def test_trees_are_bounded_and_begin_from_the_left():
    expression = parse("+".join(f"x{i}" for i in range(400)))
    trees = equivalent_trees(expression, limit=7)
    assert len(trees) == len(set(trees)) == 7
    assert trees[0] == expression.tree
    assert equivalent_trees(expression, limit=0) == []
    assert len(set(equivalent_trees(expression, limit=9, commute=True))) == 9


def test_trees_of_one_expression_have_one_value():
    expression = parse("a - b*c*d - (a + 2) + c - d/b*a")
    values = dict(zip("abcd", (1.0, 2.0, 3.0, 4.0)))
    expected = expression.evaluate(OPERATORS, values)
    for commute in (False, True):
        for tree in equivalent_trees(expression, commute=commute):
            assert parse(str(tree)).evaluate(OPERATORS, values) == expected
