"""Bugs that were found, each as the smallest program that showed it."""

import array
import contextlib
import copy
import json
import math
import pickle
import random
import warnings

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.ndimage
import scipy.optimize
import scipy.signal
import scipy.sparse
import scipy.sparse.linalg
import scipy.special

import wengert as wg
from wengert.cli import main
from wengert.errors import ConversionError, EscapedTracerError, FormulaError, InputError, MutationError, UnsupportedError


def factorial_power(x, n):
    return 1.0 if n == 0 else x * factorial_power(x, n - 1)


def test_recursion_of_a_module_level_function():
    assert wg.grad(factorial_power)(2.0, 3) == 12.0


def test_round_is_pythons():
    for x in (0.7, 2.7, 3.5, 2.5, -2.7):
        assert wg.value_and_grad(lambda x: x * round(x))(x) == (x * round(x), round(x))


def test_arguments_without_a_float_are_refused():
    for f in (wg.grad, wg.jacobian, wg.hessian):
        with pytest.raises(InputError, match=r"3\.0"):
            f(lambda x: x[0] ** 2)([1, 2])


def test_questions_about_the_type_get_the_plain_answer():
    f = lambda x: (
        (2.0 if np.isscalar(x) else 3.0) * (5.0 if type(x) is float else 7.0) * (1.0 if hasattr(x, "__len__") else 4.0) * x
    )
    assert wg.value_and_grad(f)(1.0) == (f(1.0), f(1.0))
    g = lambda x: np.sum((2.0 if np.isscalar(x) else 3.0) * (5.0 if type(x) is np.ndarray else 7.0) * x)
    np.testing.assert_array_equal(wg.grad(g)(np.ones(2)), [15.0, 15.0])


def test_cho_solve_takes_its_tuple():
    a = np.array([[4.0, 1.0], [1.0, 3.0]])
    b = np.array([1.0, 2.0])
    f = lambda a: np.sum(scipy.linalg.cho_solve(scipy.linalg.cho_factor(a, lower=True), b))
    expected = [[(f(a + 1e-6 * e) - f(a - 1e-6 * e)) / 2e-6 for e in row] for row in np.eye(4).reshape(2, 2, 2, 2)]
    np.testing.assert_allclose(wg.grad(f)(a), expected, atol=1e-8)


def test_conversions_inside_compiled_solvers_are_refused():
    with pytest.raises(ConversionError):
        wg.grad(lambda x: scipy.ndimage.generic_filter(np.ones(4), lambda w: w[0] * x, 3)[0])(2.0)


def test_values_kept_for_logging_say_that_they_escaped():
    history = []
    wg.grad(lambda x: history.append(x * 1.0) or x)(2.0)
    with pytest.raises(EscapedTracerError):
        float(history[0])


def test_logaddexp_has_a_second_derivative_at_equal_arguments():
    f = lambda x: np.logaddexp(x, 0.0)
    assert wg.grad(wg.grad(f))(0.0) == 0.25


def test_selection_between_shapes_with_one_active_arm():
    f = lambda x: np.sum(np.where(np.array([True, False, True]), x, np.ones((2, 3))))
    np.testing.assert_array_equal(wg.jacfwd(f)(np.ones(3)), [2.0, 0.0, 2.0])
    np.testing.assert_array_equal(wg.grad(f)(np.ones(3)), [2.0, 0.0, 2.0])


def test_functions_with_two_results():
    f = lambda x: np.sum(np.modf(x)[0] * np.array([1.0, 2.0]))
    np.testing.assert_array_equal(wg.grad(f)(np.array([0.3, 1.7])), [1.0, 2.0])


def test_printed_values_are_not_read_back():
    for f in (lambda x: float(str(x)) * x, lambda x: float(f"{x}") * x):
        with pytest.raises(ConversionError):
            wg.grad(f)(2.0)


def test_minus_of_a_python_number_takes_the_other_dtype():
    """-x and abs(x) of a Python float are Python floats: float32 stays float32."""
    def f(x):
        y = np.ones(2, np.float32)
        assert (y * -x).dtype == (y * abs(x)).dtype == (y * +x).dtype == np.float32
        return np.sum(y * -x)
    assert wg.grad(f)(1.0) == -2.0


@pytest.mark.parametrize("f", [lambda x: int(x), lambda x: 3, lambda x: x > 0, lambda x: len(str(x))])
def test_a_python_integer_has_no_derivative(f):
    """int(x) would be a gradient of zero in silence."""
    with pytest.raises(wg.errors.NonDifferentiableError, match="integer"):
        wg.grad(f)(2.5)
    assert wg.grad(lambda x: 3.0)(2.5) == 0.0


def check_against_differences(f, x):
    d = np.empty_like(x)
    d[...] = np.random.default_rng(0).normal(size=x.shape)
    up, down = f(x + 1e-6 * d), f(x - 1e-6 * d)
    value, gradient = wg.value_and_grad(f)(x)
    np.testing.assert_allclose(value, f(x), rtol=1e-13)
    np.testing.assert_allclose(np.sum(gradient * d), (up - down) / 2e-6, rtol=1e-7)


def reshape_of_a_transposed_result(y):
    e = y.T * 0.7  # lies in memory as y.T does, so reshape copies
    h, k = e.reshape(12), e.T.ravel()
    h[1] = y[0, 0] * 3.0
    k[2] = y[1, 1] * 2.0
    return np.sum(e * e) + np.sum(h * h)


def test_the_memory_order_of_results_decides_between_view_and_copy():
    y = np.random.default_rng(1).normal(size=(3, 4))
    for point in (y, np.asfortranarray(y)):
        check_against_differences(reshape_of_a_transposed_result, point)
        wg.hvp(reshape_of_a_transposed_result, point, point)  # known in the inner of two traces, too


def traced_values_into_an_array_with_a_private_base(x):
    k = np.linspace(0.0, 1.0, 12).reshape(3, 4)
    row = k[1]
    k[1, 1] = x[0]
    row += x[1]
    return np.sum(k * k)


def test_an_array_whose_base_nobody_else_holds_can_take_traced_values():
    check_against_differences(traced_values_into_an_array_with_a_private_base, np.array([0.3, -0.4]))


def test_functions_made_in_a_loop_are_rewritten_once(monkeypatch):
    """Every lambda of a loop is a new function with the same code; the file was searched for each of them."""
    from wengert.frontends import python_ast

    searches = []
    search = python_ast._candidates
    monkeypatch.setattr(python_ast, "_candidates", lambda tree, code: searches.append(code) or search(tree, code))

    def f(x):
        for k in range(5):
            x = x + wg.grad(lambda t, k=k: x * t ** k)(2.0)
        return x
    value = f(1.0)
    assert len(searches) == 1
    assert wg.grad(f)(1.0) == value
    assert len({id(code) for code in searches}) == len(searches) == 3  # f, and the lambda as f's own rewriting compiled it


MASKED = np.ma.masked_array(np.ones(2), mask=[False, True])


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize("f", [
    lambda x: np.sum(x * MASKED), lambda x: np.sum(np.multiply(x, MASKED)), lambda x: np.sum(np.concatenate([x, MASKED])),
    lambda x: np.dot(x, MASKED), lambda x: np.sum(np.where(MASKED, x, 0.0)),
    lambda x: np.sum(np.matrix(np.eye(2)) @ x), lambda x: np.sum(x * np.matrix([1.0, 2.0])),
])
def test_arrays_that_do_not_compute_as_arrays_are_refused(f):
    """The mask of a masked array, and a matrix's product, were dropped in silence."""
    with pytest.raises(UnsupportedError, match=r"test_regressions\.py:\d+ .*np\.asarray"):
        wg.grad(f)(np.ones(2))


def test_masked_arguments_tangents_and_writes_are_refused():
    def write(x):
        y = x.copy()
        y[:] = MASKED
        return np.sum(y)
    for run in (lambda: wg.grad(lambda x: np.sum(x * x))(MASKED), lambda: wg.grad(write)(np.ones(2)),
                lambda: wg.vmap(lambda x: x * x)(MASKED), lambda: wg.jvp(lambda x: x * x, (np.ones(2),), (MASKED,))):
        with pytest.raises(UnsupportedError, match="MaskedArray"):
            run()


def test_subclasses_that_compute_as_arrays_are_welcome():
    class Labeled(np.ndarray):
        pass
    x = np.arange(2.0).view(Labeled)
    np.testing.assert_array_equal(wg.grad(lambda y: np.sum(x * y))(x), x)


def test_value_and_extra_result_share_no_memory():
    y, _, extra = wg.jvp(lambda x: (lambda s: (s, s))(np.sin(x)), (np.ones(2),), (np.ones(2),), has_aux=True)
    assert not np.shares_memory(y, extra)


def test_integer_orders_given_as_floats_are_cut_as_scipy_cuts_them():
    """The derivative was taken at the order that was not cut."""
    x, n, h = np.array([0.7, 2.0]), np.array([1.8, 2.4]), 1e-5
    for f in (scipy.special.kn, scipy.special.yn, scipy.special.expn):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # SciPy's, that it cuts
            found = wg.jvp(lambda x, f=f: f(n, x), (x,), (np.ones(2),))[1]
            np.testing.assert_allclose(found, (f(n, x + h) - f(n, x - h)) / (2 * h), rtol=1e-7)


@pytest.mark.parametrize("f", [scipy.linalg.det, scipy.linalg.logm])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_functions_of_scipy_that_compute_in_double_precision(f, dtype):
    a = np.array([[4.0, 1.0], [1.0, 3.0]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # SciPy's estimate of the error of logm
        assert wg.jvp(f, (a,), (a,))[0].dtype == f(a).dtype
        assert wg.vjp(f, a)[1](f(a))[0].dtype == dtype


def test_arrays_that_calls_hand_out_but_do_not_own_are_no_cells():
    """A traced write went into a copy that the owner of the array never saw."""
    class Holder:
        def __init__(self):
            self.data = np.arange(2.0)

        def __array__(self, dtype=None, copy=None):
            return self.data
    holder = Holder()

    def through_protocol(x):
        y = np.asarray(holder)
        y[0] = x
        return np.sum(holder.data) * x

    def through_out(x):
        buffer = scipy.linalg.hilbert(2)
        y = np.add(1.0, 2.0, out=buffer)
        y[0, 0] = x
        return np.sum(buffer) * x
    for f in (through_protocol, through_out):
        with pytest.raises(MutationError):
            wg.grad(f)(3.0)


@pytest.mark.parametrize("generator", [np.random.default_rng, np.random.RandomState])
def test_shuffling_moves_rows_and_the_items_of_lists(generator):
    """Rows of traced matrices were lost, and lists of traced values stayed as they were."""
    def rows(x):
        y = x.copy()
        generator(3).shuffle(y)
        return y

    def items(x):
        y = [x[0, 0], x[1, 0], x[2, 0], x[3, 0]]
        generator(3).shuffle(y)
        return np.array(y)
    x = np.arange(8.0).reshape(4, 2)
    for f in (rows, items):
        value, tangent = wg.jvp(f, (x,), (x,))
        np.testing.assert_array_equal(value, f(x))
        np.testing.assert_array_equal(tangent, f(x))


def test_shuffling_along_another_axis():
    def columns(x):
        y = x.copy()
        np.random.default_rng(3).shuffle(y, axis=1)
        return y
    x = np.arange(8.0).reshape(2, 4)
    np.testing.assert_array_equal(wg.jvp(columns, (x,), (x,))[1], columns(x))
def test_logsumexp_takes_its_weights_as_a_list():
    a = np.array([0.3, -0.2])
    expected = np.array([1.0, 2.0]) * np.exp(a) / np.sum([1.0, 2.0] * np.exp(a))
    np.testing.assert_allclose(wg.grad(lambda a: scipy.special.logsumexp(a, b=[1.0, 2.0]))(a), expected, rtol=1e-14)


def test_a_complex_function_of_real_numbers_is_complex():
    """wofz(x) was taken for real, so its imaginary part and that part's derivative were 0."""
    f = lambda x: np.imag(scipy.special.wofz(x))
    slope = -2.0 * 0.3 * f(0.3) + 2.0 / np.sqrt(np.pi)  # w'(z) = -2 z w(z) + 2i/√π
    value, derivative = wg.value_and_grad(f)(0.3)
    assert value == f(0.3)
    np.testing.assert_allclose([derivative, wg.jvp(f, (0.3,), (1.0,))[1]], slope, rtol=1e-13)
    assert wg.vmap(lambda x: scipy.special.wofz(x).real)(np.array([0.3, 0.7])).dtype == float
    assert wg.grad(lambda x: scipy.special.wofz(x).real)(np.float32(0.3)).dtype == np.float32


def test_the_text_of_a_number_is_its_own_in_every_lane():
    """Under vmap it was "<float64[] under vmap>", 22 characters, in silence."""
    x = np.array([0.5, -0.25])
    for f in (lambda v: len(f"{v:.1f}") * v, lambda v: len(str(v)) * v):
        np.testing.assert_array_equal(wg.vmap(f)(x), [f(v) for v in x])
        np.testing.assert_array_equal(wg.vmap(wg.grad(f))(x), [wg.grad(f)(v) for v in x])


def test_every_lane_draws_its_own_random_numbers():
    """One draw was shared by all lanes."""
    for draw in (np.random.default_rng(0).normal, np.random.RandomState(0).rand, random.Random(0).random,
                 random.Random(0).gauss):
        assert len(set(wg.vmap(lambda x, draw=draw: x + draw())(np.zeros(3)))) == 3
    f = lambda x, rng: x * rng.normal()
    rng, again = np.random.default_rng(1), np.random.default_rng(1)
    np.testing.assert_array_equal(wg.vmap(wg.grad(lambda x: f(x, rng)))(np.ones(3)), again.normal(size=3))
    rng, again = np.random.default_rng(1), np.random.default_rng(1)
    assert wg.grad(lambda y: np.sum(wg.vmap(lambda x: f(x, rng))(y * np.ones(3))))(1.0) == sum(again.normal() for _ in range(3))


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_arrays_with_rules_of_their_own_are_refused():
    """The product of a matrix was taken elementwise, and a mask was forgotten."""
    class Doubling(np.ndarray):
        def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
            return 2.0 * getattr(ufunc, method)(*[np.asarray(x) for x in inputs], **kwargs)
    x, matrix = np.ones((2, 2)), np.matrix([[1.0, 2.0], [3.0, 4.0]])
    masked, doubling = np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[0, 1], [0, 0]]), np.ones((2, 2)).view(Doubling)
    for odd in (matrix, masked, doubling):
        with pytest.raises(UnsupportedError, match=type(odd).__name__):
            wg.grad(lambda a: np.sum(a * a))(odd)
        with pytest.raises(UnsupportedError, match=type(odd).__name__):
            wg.vmap(lambda a: a * a)(odd)
        for f in (lambda x, c: x * c, lambda x, c: c * x, lambda x, c: x @ c, lambda x, c: np.where(x > 0, c, x),
                  lambda x, c: np.dot(x, c)):
            with pytest.raises(TypeError):
                wg.grad(lambda x, f=f, c=odd: np.sum(f(x, c)))(x)
    mapped = np.ones((2, 2)).view(np.recarray)  # computes as an array does
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(x * mapped))(x), x)


def test_a_refusal_inside_a_library_names_the_users_line():
    def f(x):
        return scipy.ndimage.generic_filter(np.ones(4), lambda w: w[0] * x, 3)[0]
    g = lambda x: np.sum(scipy.signal.wiener(x))
    for function, x, inside in ((f, 2.0, "scipy.ndimage"), (g, np.ones(3), "scipy.signal")):
        with pytest.raises(ConversionError, match=rf"test_regressions\.py:\d+, inside {inside}.*wg\.opaque"):
            wg.grad(function)(x)


def test_percent_formatting_prints_the_value():
    seen = []

    def f(x):
        seen.append("%.2f, %d" % (x, 3))  # noqa: UP031
        return x * x
    assert wg.grad(f)(0.5) == 1.0
    assert seen == ["0.50, 3"]
    assert wg.grad(lambda x: len("%(x).1f" % {"x": x}) * x)(0.5) == 3.0  # noqa: UP031
    assert wg.grad(lambda x: (type("%s-%d" % ("a", 1)) is str) * x)(0.5) == 1.0  # noqa: UP031
    with pytest.raises(ConversionError):
        wg.grad(lambda x: float("%.3f" % x) * x)(0.5)  # noqa: UP031


@np.vectorize
def softened(x, limit):
    return math.exp(x) if x < limit else math.log(x)


def test_vectorize_and_apply_along_axis_run_the_users_function():
    x = np.array([[0.5, -0.2, 2.0], [1.5, 0.1, 3.0]])
    expected = np.where(x < 1.0, np.exp(x), 1.0 / np.abs(x))
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(softened(x, 1.0)))(x), expected)
    np.testing.assert_array_equal(softened(x, 1.0), wg.value_and_grad(lambda x: (np.sum(softened(x, 1.0)), softened(x, 1.0)),
                                                                     has_aux=True)(x)[0][1])
    first = np.vectorize(lambda t: 1 if t > 0 else t * 2.5)  # the first element makes all results whole numbers
    np.testing.assert_array_equal(wg.jvp(first, (x,), (x,))[0], first(x))
    two = np.vectorize(lambda t, u: (t * u, t + u), otypes=[float, np.float32])
    for got, wanted in zip(wg.jvp(lambda x: two(x, x[0]), (x,), (x,))[0], two(x, x[0]), strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
    cube = np.arange(24.0).reshape(2, 3, 4) / 7.0
    for axis in (0, 1, 2, -1):
        for rule in (lambda r: np.sum(r**2), lambda r: np.cumsum(np.sin(r)), lambda r: np.outer(r, r[:2])):
            f = lambda a, rule=rule, axis=axis: np.apply_along_axis(rule, axis, a)
            value, tangent = wg.jvp(f, (cube,), (np.cos(cube),))
            np.testing.assert_array_equal(value, f(cube))
            step = 1e-5 * np.cos(cube)
            np.testing.assert_allclose(tangent, (f(cube + step) - f(cube - step)) / 2e-5, rtol=1e-7, atol=1e-8)


def test_fromiter_of_traced_values():
    f = lambda x: np.sum(np.fromiter((v * v for v in x), float, 2) * [1.0, 3.0])
    np.testing.assert_array_equal(wg.grad(f)(np.array([1.0, 2.0, 5.0])), [2.0, 12.0, 0.0])
    with pytest.raises(ValueError, match="too short"):
        wg.grad(lambda x: np.sum(np.fromiter(iter(x), float, 5)))(np.ones(2))


def test_permutations_and_choices_of_traced_arrays_draw_as_numpy_does():
    for shape in ((5,), (4, 3)):
        x = np.sin(np.arange(float(np.prod(shape))).reshape(shape))
        for make in (np.random.default_rng, np.random.RandomState):
            draws = [lambda rng, x: rng.permutation(x), lambda rng, x: (lambda y: rng.shuffle(y) or y)(x.copy())]
            if len(shape) == 1 or make is np.random.default_rng:
                draws += [lambda rng, x: rng.choice(x, 2, replace=False), lambda rng, x: rng.choice(x)]
            if make is np.random.default_rng:
                draws += [lambda rng, x: rng.permutation(x, axis=-1), lambda rng, x: rng.choice(x, size=(2, 2), axis=-1)]
            for draw in draws:
                plain, traced = make(3), make(3)
                expected = draw(plain, x)
                value, tangent = wg.jvp(lambda x, draw=draw, rng=traced: draw(rng, x), (x,), (3.0 * x,))
                np.testing.assert_array_equal(value, expected)
                np.testing.assert_array_equal(tangent, 3.0 * expected)
                assert plain.uniform() == traced.uniform()
    with pytest.raises(UnsupportedError, match="standard_normal"):
        wg.grad(lambda x: np.random.default_rng(0).standard_gamma(x))(1.0)


def test_enumerating_a_traced_array():
    x = np.arange(4.0).reshape(2, 2)
    np.testing.assert_array_equal(wg.grad(lambda x: sum(i * v + j * v * v for (i, j), v in np.ndenumerate(x)))(x),
                                  [[0.0, 2.0], [1.0, 7.0]])
    with pytest.raises(UnsupportedError, match=r"x\.flat"):
        wg.grad(lambda x: sum(v * v for v in np.nditer(x)))(x)


def test_a_long_chain_of_writes_under_a_selection_does_not_recur():
    def f(x):
        u = np.zeros(2)
        for _ in range(400):
            u[1] = u[0] + x
            u[0] = 0.5 * u[1]
        return np.sum(np.sqrt(np.where(u > 0, u, 1.0)))

    # u = (1 - 2^-400) (x, 2x), so that f = (1 + √2) √x
    assert abs(wg.grad(wg.grad(f))(0.25) + (1 + math.sqrt(2)) / 4 * 0.25 ** -1.5) < 1e-12


def test_the_exact_ratio_of_a_traced_value_is_refused():
    with pytest.raises(ConversionError, match="exact ratio of a traced value"):
        wg.grad(lambda x: x * x.as_integer_ratio()[0])(1.0)


def test_what_the_program_prints_is_no_part_of_the_json(tmp_path, capsys):
    (tmp_path / "p.py").write_text("def f(x):\n    print('here')\n    return x * x\n")
    assert main(["diff", f"{tmp_path / 'p.py'}:f", "x=3", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["value"] == 9.0
    assert err == "here\nhere\n"  # once for the value, once for the derivative; the check is silent


@pytest.mark.parametrize(("formula", "x", "verdicts"), [
    ("abs(x)", "0", ["kink"]),
    ("max(x, 0)", "0", ["kink"]),
    ("x abs(x)", "0", ["agrees"]),
    ("abs(x) - 2", "1e-9", ["agrees"]),
    ("abs(x)", "[0, 1]", ["kink", "agrees", "agrees", "agrees"]),
])
def test_a_kink_is_no_agreement(formula, x, verdicts, capsys):
    assert main(["diff", formula, f"x={x}"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("∂")]
    assert [row[-1] for row in rows] == verdicts


def test_a_value_outside_the_two_derivatives_at_a_kink_disagrees(tmp_path, capsys):
    (tmp_path / "p.py").write_text(
        "import wengert as wg\n\n@wg.custom_jvp\ndef f(x):\n    return abs(x)\n\n"
        "f.defjvp(lambda primals, tangents: (abs(primals[0]), 3.0 * tangents[0]))\n\ndef g(x):\n    return f(x)\n")
    assert main(["diff", f"{tmp_path / 'p.py'}:g", "x=0"]) == 1
    assert "DISAGREES" in capsys.readouterr().out


def test_a_kink_is_seen_along_directions_too(tmp_path, capsys):
    (tmp_path / "p.py").write_text("import time\ndef f(x):\n    time.sleep(2e-3)\n    return abs(x).sum()\n")
    np.save(tmp_path / "x.npy", np.zeros(1200))
    assert main(["diff", f"{tmp_path / 'p.py'}:f", f"x={tmp_path / 'x.npy'}", "--json"]) == 0
    check = json.loads(capsys.readouterr().out)["derivatives"][0]["check"]
    assert check["verdict"] == "kink"
    assert "directions" in check["method"]


def test_messages_say_an_int_and_none():
    with pytest.raises(InputError, match="is None, not a number"):
        wg.grad(lambda x: x)(None)
    with pytest.raises(InputError, match="not an ndarray"):
        wg.grad(np.ones(2))
    _, pullback = wg.vjp(lambda x: (x, x), 1.0)
    with pytest.raises(InputError, match=r"structure \*, the value \(\*, \*\) "):
        pullback(1.0)


def test_masks_of_what_a_loop_in_a_loop_saved_are_stacks_too():
    def roots(x):
        for _ in range(2):
            y = x
            while True:
                if abs(y * y - x) < 1e-12:
                    break
                y = y - (y * y - x) / (2 * y)
            x = y
        return x

    second = wg.jit(lambda x: wg.jvp(wg.grad(roots), (x,), (1.0,))[1])
    assert abs(second(2.0) + 3 / 16 * 2.0**-1.75) < 1e-9


def quadratic(x):
    return np.sum(x**2)


@pytest.mark.parametrize("f", [
    lambda x: wg.hessian(quadratic)(x),
    lambda x: wg.grad(np.sum)(x),
    lambda x: wg.vjp(lambda x: 2.0 * x, x)[1](np.ones(2))[0],
    lambda x: wg.jvp(wg.grad(quadratic), (x,), (np.ones(2),))[1],
])
def test_a_constant_derivative_is_staged_and_never_shared(f):
    x = np.array([1.0, 2.0])
    staged = wg.jit(f)
    staged(x)[...] = 7.0
    np.testing.assert_array_equal(staged(x), f(x))


def test_a_constant_derivative_can_be_written_into():
    def f(x):
        h = wg.hessian(quadratic)(x)
        h += np.outer(x, x)
        h[0, 0] = x[1]
        return np.sum(h)  # 2 + 2 x0 x1 + x1² + x1

    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(wg.grad(f)(x), [4.0, 7.0])
    np.testing.assert_array_equal(wg.jit(wg.grad(f))(x), [4.0, 7.0])


@pytest.mark.parametrize(("call", "inside"), [
    (lambda x: np.polynomial.Polynomial(x)(2.0), "numpy.polynomial"),
    (lambda x: scipy.optimize.isotonic_regression(x).x, "scipy.optimize"),
    (lambda x: scipy.ndimage.generic_filter(np.ones(4), lambda w: w[0] * x[0], 3)[0], "scipy.ndimage"),
])
def test_a_refusal_names_the_library_that_was_called(call, inside):
    with pytest.raises(ConversionError, match=rf", inside {inside}, .*wg\.opaque"):
        wg.grad(call)(np.ones(2))


def test_an_error_of_scipy_over_a_traced_value_says_so():
    with pytest.raises(ValueError, match="expected a square matrix") as caught:
        wg.grad(lambda x: np.sum(scipy.sparse.linalg.expm(x) @ x))(np.ones(3))
    assert caught.value.__notes__[0].startswith("scipy.sparse.linalg.expm was given a traced value at ")


def test_a_traced_value_is_not_pickled():
    with pytest.raises(ConversionError, match="cannot be pickled"):
        wg.grad(lambda x: pickle.loads(pickle.dumps(x)))(1.0)
    assert wg.grad(lambda x: copy.copy(x) * copy.deepcopy(x))(3.0) == 6.0


@pytest.mark.parametrize(("text", "hint"), [
    ("log_2 x", r"log2\(x\)"), ("x if y else z", r"where\(condition, a, b\)"), ("x and y", r"where\(condition, a, b\)"),
    ("log_2(x)", r"log2\(\.\.\.\)"),
])
def test_words_that_are_no_factors_of_a_product(text, hint):
    with pytest.raises(FormulaError, match=hint):
        wg.formula(text)


def test_a_formula_is_text():
    with pytest.raises(InputError, match="a formula is text, not an int"):
        wg.formula(3)


@pytest.mark.filterwarnings("ignore::wengert.StagingWarning")
def test_except_clauses_that_the_graph_could_not_run():
    def caught(x):  # the refusal to stage a read by a mask is no error of the program
        try:
            y = x[x > 0].sum()
        except Exception:
            y = 0.0 * x[0]
        return y

    def jitter(x):
        try:
            c = np.linalg.cholesky(x)
        except np.linalg.LinAlgError:
            c = np.linalg.cholesky(x + 4.0 * np.eye(2))
        return np.sum(c)

    for f, x in ((caught, np.array([1.0, 2.0])), (jitter, -np.eye(2))):
        assert wg.jit(f)(x) == f(x)
        np.testing.assert_array_equal(wg.jit(wg.grad(f))(x), wg.grad(f)(x))


def test_except_clauses_for_errors_of_python_are_staged():
    def f(x):
        try:
            scale = {"a": 2.0}["b"]
        except (KeyError, AttributeError):
            scale = 3.0
        return scale * x

    assert wg.jit(wg.grad(f))(1.0) == 3.0


def test_a_refusal_is_not_swallowed_by_an_except_clause():
    def masked(x):
        try:
            y = x[x > 0].sum()
        except Exception:
            y = 0.0 * x[0]
        return y

    def filtered(x):
        try:
            y = scipy.signal.wiener(x, 3).sum()
        except (TypeError, ValueError):
            y = 0.0 * x[0]
        return y

    def scalar_or_sum(x):  # the error of the program itself is caught as ever
        try:
            y = float(x)
        except TypeError:
            y = np.sum(x)
        return 2.0 * y

    x = np.arange(1.0, 5.0)
    np.testing.assert_array_equal(wg.vmap(masked)(np.stack([x, -x])), [10.0, 0.0])
    with pytest.raises(ConversionError, match=r"inside scipy\.signal"):
        wg.grad(filtered)(x)
    np.testing.assert_array_equal(wg.grad(scalar_or_sum)(x), np.full(4, 2.0))
    assert wg.grad(scalar_or_sum)(3.0) == 2.0
def test_the_dtype_of_a_jacobian_does_not_depend_on_the_mode_that_is_cheaper():
    """jacrev has the input's dtype and jacfwd the output's, as in JAX; jacobian is as jacrev."""
    x = np.ones(2, np.float32)
    for f, wide in ((lambda x: x.astype(np.float64), np.float64), (lambda x: np.tile(x, 5) * np.ones(10), np.float64),
                    (lambda x: np.ones(3), np.float64), (lambda x: x * 2.0, np.float32)):
        assert wg.jacobian(f)(x).dtype == wg.jacrev(f)(x).dtype == np.float32
        assert wg.jacfwd(f)(x).dtype == wide


def test_results_of_a_jacobian_that_are_no_numbers():
    x = np.ones(2)
    for derivative in (wg.jacobian, wg.jacfwd, wg.jacrev):
        block, nothing = derivative(lambda x: (x, None))(x)
        np.testing.assert_array_equal(block, np.eye(2))
        assert nothing is None
        for f, place in ((lambda x: (x, "text"), r"result\[1\] is a str"), (lambda x: None, "return missing"),
                         (lambda x: {"n": 3, "x": x}, r"result\['n'\] has dtype int64"),
                         (lambda x: x > 0, "result has dtype bool.*test_regressions.py")):
            with pytest.raises(wg.errors.NonDifferentiableError, match=place):
                derivative(f)(x)


def one_element_from_an_array(u):
    y = np.zeros(2)
    y[0] = u
    return np.sum(y)


def test_an_array_with_axes_written_into_one_element_is_as_in_numpy():
    """NumPy 2.4 refuses it, earlier ones warn."""
    def outcome(f):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                f(np.ones(1))
            except Exception as error:
                return type(error), str(error)
        return [(w.category, str(w.message)) for w in caught]
    assert outcome(one_element_from_an_array) == outcome(wg.grad(one_element_from_an_array))
    assert wg.grad(one_element_from_an_array)(1.0) == 1.0


@pytest.mark.parametrize("place, tree", [
    (r"0\[1\]", (np.ones(2), np.arange(2))), (r"0\['b'\]\[0\]\['c'\]", {"a": np.ones(2), "b": [{"c": np.arange(2)}]})])
def test_a_leaf_without_a_derivative_is_named(place, tree):
    with pytest.raises(InputError, match=f"argument {place} has dtype int64.*argnums.*test_regressions.py"):
        wg.grad(lambda p: 1.0)(tree)


@pytest.mark.parametrize("argnums", [2, "x", (0, 0), True])
def test_a_wrong_argnums_names_the_users_line(argnums):
    with pytest.raises(InputError, match=r"argnums.*test_regressions\.py:\d+"):
        wg.grad(lambda x, y: x * y, argnums)(1.0, 2.0)


@pytest.mark.parametrize("f", [lambda x: x * 2.0, lambda x: None, lambda x: "text", lambda x: 3, lambda x: (x, 1.0)])
def test_what_is_no_number_names_the_line_of_the_call(f):
    with pytest.raises(wg.errors.NonDifferentiableError, match=r"regressions\.py:\d+"):
        wg.grad(f)(np.ones(3))


class TakesTheOperator:
    """Asks NumPy's arrays to leave the operators to it."""

    __array_ufunc__ = None

    def __rmul__(self, other):
        return np.sum(other) * 5.0

    __rpow__ = __rmatmul__ = __gt__ = __rmul__


class TakesItByPriority:
    __array_priority__ = 10.0

    def __rmul__(self, other):
        return np.sum(other) * 5.0


def test_operators_are_left_to_operands_that_ask_for_them():
    for f in (lambda x: x * TakesTheOperator(), lambda x: x ** TakesTheOperator(), lambda x: x @ TakesTheOperator(),
              lambda x: x < TakesTheOperator(), lambda x: x * TakesItByPriority()):
        np.testing.assert_array_equal(wg.grad(f)(np.ones(3)), [5.0, 5.0, 5.0])
    for f in (lambda x: x - TakesTheOperator(), lambda x: np.multiply(x, TakesTheOperator()),
              lambda x: x.__imul__(TakesTheOperator())):
        for way in (f, wg.grad(f)):
            with pytest.raises(TypeError):
                way(np.ones(3))


def logarithm_of_nothing(x):
    np.geterr()
    return np.sum(np.log(x))


def test_warnings_while_a_value_is_recorded_name_the_users_line():
    wanted = f"{__file__}:{logarithm_of_nothing.__code__.co_firstlineno + 2}: divide by zero encountered in log"

    def said(f):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            f(np.zeros(2))
        return f"{caught[0].filename}:{caught[0].lineno}: {caught[0].message}"
    for f in (logarithm_of_nothing, wg.grad(logarithm_of_nothing), wg.hessian(logarithm_of_nothing)):
        assert said(f) == wanted
    assert said(wg.jit(logarithm_of_nothing)).startswith(__file__)
    with pytest.raises(RuntimeWarning):
        wg.grad(logarithm_of_nothing)(np.zeros(2))  # warnings are errors in these tests


def test_the_users_error_state_stays_the_users():
    for mode in ("ignore", "raise", "warn", "print"):
        with np.errstate(divide=mode):
            before = np.geterr()
            assert wg.grad(lambda x: x * (np.geterr() == before))(1.0) == 1.0
            assert np.geterr() == before
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        wg.grad(logarithm_of_nothing)(np.zeros(2))
    heard = []
    with np.errstate(divide="call", call=lambda *said: heard.append(said)):
        wg.grad(logarithm_of_nothing)(np.zeros(2))
    assert heard and heard[0][0] == "divide by zero"
    with np.errstate():
        wg.grad(lambda x: x * len(np.seterr(over="ignore")))(1.0)
        assert np.geterr() == {"divide": "warn", "over": "ignore", "under": "ignore", "invalid": "warn"}
        assert np.geterrcall() is None


@pytest.mark.filterwarnings("ignore::wengert.StagingWarning")
def test_suppressing_errors_does_not_suppress_a_refusal():
    def f(x):
        y = 0.0 * x[0]
        with contextlib.suppress(Exception):
            y = np.sum(x[x > 0][:1])
        return y

    def g(x):
        with contextlib.suppress(TypeError):
            return scipy.ndimage.generic_filter(np.ones(4), lambda w: w[0] * x, 3)[0]
        return 0.0 * x

    x = np.array([3.0, -1.0])
    assert wg.jit(f)(x) == wg.value_and_grad(f)(x)[0] == 3.0
    np.testing.assert_array_equal(wg.grad(wg.jit(f))(x), [1.0, 0.0])
    with pytest.raises(ConversionError):
        wg.grad(g)(2.0)


def test_handlers_of_the_user_do_not_take_a_refusal_for_an_error_of_the_program():
    """They would go another way than the plain program, in silence."""

    def f(x):
        a = np.ones(4)
        try:
            a = np.array(array.array("d", x)) * 3.0
        except Exception:
            a = a * 0.5
        return np.sum(a * x)

    def named(x):
        try:
            return np.sum(np.array(array.array("d", x)))
        except (ConversionError, ValueError):
            return np.sum(x)

    def own(x):
        try:
            return x[7]
        except IndexError:
            return x[0] * x[1]

    x = np.array([0.5, 1.5, 2.5, 3.5])
    with pytest.raises(ConversionError):
        wg.grad(f)(x)
    np.testing.assert_array_equal(wg.grad(named)(x), np.ones(4))
    np.testing.assert_array_equal(wg.grad(own)(x), [1.5, 0.5, 0.0, 0.0])


class _Length:
    """A class whose methods name the class itself, and private attributes."""

    def __init__(self, value):
        self.__value = value

    def doubled(self):
        return _Length(2.0 * math.sin(self.__value))

    def value(self):
        return self.__value


def test_methods_that_name_their_class():
    def f(x):
        return _Length(x).doubled().value()

    assert wg.grad(f)(0.5) == pytest.approx(2.0 * math.cos(0.5), rel=1e-15)
    assert wg.jit(f)(0.5) == f(0.5)
    assert wg.jit(wg.grad(f))(0.5) == wg.grad(f)(0.5)


def test_a_number_made_of_an_array_by_reshape_is_no_view_of_it():
    """A mask's element was read after the mask had been overwritten in place."""

    def f(x):
        a = np.sin(x)
        a[:] = np.array([a[1] * 0.5, a[0] * 0.25, x[2]])
        a[np.zeros(3, bool)] *= 0.5
        return np.sum(a)

    x = np.array([0.7, 1.3, -0.4])
    by_hand = [0.25 * np.cos(x[0]), 0.5 * np.cos(x[1]), 1.0]
    np.testing.assert_allclose(wg.grad(f)(x), by_hand, rtol=1e-15)
    np.testing.assert_allclose(wg.grad(wg.jit(f))(x), by_hand, rtol=1e-15)
    assert wg.jvp(f, (x,), (np.ones(3),))[1] == pytest.approx(sum(by_hand), rel=1e-15)


@pytest.mark.parametrize("dtype", [object, "U5", "M8[s]"])
def test_conversions_to_what_is_no_number_are_refused_at_their_line(dtype):
    with pytest.raises(wg.errors.UnsupportedError, match=r"cannot be converted to dtype .* \(at .*test_regressions\.py"):
        wg.grad(lambda x: np.sum(x.astype(dtype)))(np.ones(3))


def test_arrays_of_python_objects_hold_traced_numbers():
    def f(x):
        a = np.array([[x, 2.0], [x * x, x]], dtype=object)
        return np.sum(a * a) + a[0, 0] * a[1, 0]
    assert wg.grad(f)(1.5) == 4 * 1.5 + 3 * 1.5**2 + 4 * 1.5**3


def test_apply_over_axes_and_astype():
    x = np.arange(12.0).reshape(3, 4)
    f = lambda x: np.apply_over_axes(lambda a, k: np.astype(np.sum(a, axis=k), np.float32), x * x, (0, -1))
    value, slope = wg.jvp(f, (x,), (np.ones_like(x),))
    assert value.dtype == np.float32 and value.shape == (1, 1)
    assert value == f(x) and slope == 2 * np.sum(x)


@pytest.mark.parametrize("x", [np.array(["a"]), np.array(["2020-01-01"], dtype="M8[D]")])
def test_arrays_of_no_numbers_are_not_called_integers(x):
    with pytest.raises(wg.errors.InputError, match="is not one of numbers"):
        wg.grad(lambda x: np.sum(x))(x)


@pytest.mark.parametrize("change", [
    lambda a: a["list"].append(a["list"][0]), lambda a: a.update(more=1.0), lambda a: a["list"].reverse(),
    lambda a: a["list"].__setitem__(0, 2.0 * a["list"][1]), lambda a: a.pop("list")])
def test_a_container_that_is_an_argument_may_not_be_changed(change):
    """It was built anew for the trace, so the caller did not see the change."""
    def f(a):
        x = a["list"][0]
        change(a)
        return x * x

    argument = {"list": [1.5, 2.5]}
    with pytest.raises(MutationError, match="argument 0, a dict"):
        wg.grad(f)(argument)
    assert wg.grad(lambda a: f({"list": list(a["list"])}))(argument) == {"list": [3.0, 0.0]}
    assert argument == {"list": [1.5, 2.5]}


def test_draws_and_prints_of_lanes_under_jit(capsys):
    """A batch within a staged program lost what its lanes do besides computing."""
    def noisy(x):
        print("lane", float(x) if isinstance(x, float) else x)
        return x + np.random.normal()
    for way in (wg.jit(wg.vmap(noisy)), wg.vmap(wg.jit(noisy))):
        np.random.seed(3)
        got = way(np.zeros(3))
        np.random.seed(3)
        np.testing.assert_array_equal(got, [np.random.normal() for _ in range(3)])
        assert capsys.readouterr().out.count("lane") == 3
