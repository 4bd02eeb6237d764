"""Bugs that were found, each as the smallest program that showed it."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.special

import wengert as wg
from wengert.errors import ConversionError, EscapedTracerError, InputError, MutationError, UnsupportedError


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
        wg.grad(lambda x: scipy.optimize.brentq(lambda t: t * t - x, 0.0, 2.0))(2.0)


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
