"""Arrays that a branch or a loop gives two names, and elements picked by a mask: staged, exactly as NumPy has them."""

import numpy as np
import pytest

import wengert as wg


def one_of_two(x):
    u, v = x * 2, x * 3
    if x[0] > 0:
        y = u
    else:
        y = v
    y[0] = 7.0 * x[1]
    return np.sum(u * u) + 2 * np.sum(v * v) + np.sum(y)


def itself_or_a_copy(x):
    u = x * 2
    if x[0] > 0:
        y = u
    else:
        y = u.copy()
    y[1] += x[0]
    u[1] *= 2
    return np.sum(u * u) + np.sum(y * x)


def a_copy_or_itself(x):
    u = x * 2
    if x[0] > 0:
        y = u.copy()
    else:
        y = u
    y[1] += x[0]
    u[1] *= 2
    return np.sum(u * u) + np.sum(y * x)


def overlapping_slices(x):
    u = x * 2
    if x[0] > 0:
        y = u[1:]
    else:
        y = u[:-1]
    y *= 3.0
    u[1] -= 1
    return np.sum(u * u) + np.sum(y**3)


def choices_of_choices(x):
    u, v = x * 2, x * 3.0
    keep = [u, v]
    for i in range(4):
        if x[0] > i - 1.5:
            if x[1] < 0:
                y = u
            else:
                y = u[::-1]
        else:
            y = v
        y[1] += i
        if y[1] > 8:
            z = y
        else:
            z = u[::-1]
        z[0] *= 1.1
    return np.sum(keep[0] * u) + np.sum(v * v * v)


def row_of_an_index_found_in_the_arm(x):
    a = np.outer(x, x + 1)
    if x[0] > 0:
        row = a[np.argmax(x)]
    else:
        row = a[0]
    row[1] = 5.0 * x[2]
    return np.sum(a * a) + np.sum(row)


def returned(a, c):
    if c > 0:
        return a[::-1]
    return a


def views_returned_by_a_function(x):
    u = x * 2
    returned(u, x[0])[0] = 3.0 * x[1]
    w = returned(u, x[1])
    w[1] *= 2.0
    return np.sum(u**3) + np.sum(w)


def ping_pong(x):
    u, n = x * 1.0, np.zeros(3)
    for _ in range(5):
        n[1:-1] = 0.5 * (u[2:] + u[:-2])
        n[0], n[-1] = u[0], u[-1] * x[1]
        u, n = n, u
    return np.sum(u * u)


def rebound_in_a_loop(x):
    u, v = x * 1.0, x + 1
    p = u
    for _ in range(3):
        p[0] += x[1]
        p = v
    p[2] *= 2.0
    return np.sum(u * u * p) + np.sum(v)


def rebound_in_a_loop_that_may_not_run(x):
    u = x * 1.0
    y = u
    while y[0] > 10.0 * x[1]:
        y = y - 1.0
    y[1] = 4.0 * x[0]
    return np.sum(u * u) + np.sum(y)


def rows_of_a_matrix(x):
    a = np.outer(x, x + 1)
    for row in a[::-1]:
        row *= 0.9
        last = row
    last[0] += x[1]
    return np.sum(a * a * x)


def through_flat(x):
    y = np.zeros(3)
    for i in range(3):
        if x[i] > 0.2:
            y.flat[i] = x[i]
    return np.sum(y**2)


def masks(x):
    y = x * 2
    y[y < 0] *= 0.5
    y[np.abs(y) > 0.8] -= 0.5
    return np.sum(y**3)


def sums_of_what_a_mask_picks(x):
    return np.sum(np.log(x[x > 0])) + np.mean(x[x < 0.4]) + np.sqrt(x[x > 0]).sum() + x[x > 0].size


def written_through_the_same_mask(x):
    y, m = np.zeros(3), x > 0
    y[m] = np.sqrt(x[m]) * x[m]
    v = x[m]
    u = v
    v *= 3.0
    y[m] += u
    return np.sum(y * y)


def places_that_nonzero_found(x):
    y = x * 2
    k = np.nonzero(x > 0)[0]
    y[k] *= x[1]
    z, m = np.outer(x, y), np.flatnonzero(y)
    z[np.nonzero(z > 0.1)] -= 0.25
    y[m] = np.cos(y[m])
    x = x * 1.0
    x[np.where(x > 0.4)] = 0.125
    return np.sum(y**3) + np.sum(z * z) + np.sum(x[k]) + k.size


def nothing_is_picked(x):
    return np.sum(np.log(x[x > 100.0])) + np.sum(x)


def made_in_an_arm_with_a_view_of_it(x):
    a, b = x * 2, x + 1
    if x[0] > 0:
        a = np.sin(x)
        b = a[::-1]
    b[0] = x[1]
    a[1] *= 2.0
    return np.sum(a * a * x) + np.sum(b**3)


def made_in_an_arm_under_two_names(x):
    a, b, c = x * 2, x + 1, x * 3
    if x[0] > 0:
        a = b = np.cos(x)
        c = b[1:]
    else:
        c = a[:2]
        b = a
    c[0] += x[1]
    b[1] = 4.0 * x[2]
    a[2:] *= 0.5
    return np.sum(a * a) + np.sum(b**3) + np.sum(c)


def views_alone_of_what_an_arm_made(x):
    a, b = x[:2] * 1.0, x[1:] * 2.0
    if x[0] > 0:
        whole = x * x
        a, b = whole[:2], whole[1:]
    else:
        b, a = a, b
    a[1] = 2.0 * x[0]
    b[0] *= 3.0
    return np.sum(a * a * b)


def bound_to_each_row_that_is_written(x):
    a, y = np.outer(x, x + 1), x * 1.0
    z = y
    for row in a:
        row *= 0.9
        y = row
        row[0] += x[1]
    y[1] = 4.0 * x[0]
    a[2, 2] *= 3.0
    return np.sum(a * a * x) + np.sum(y * y) + np.sum(z)


def bound_to_rows_by_a_loop_that_may_not_run(x):
    a, y = np.outer(x, x + 1), x * 1.0
    for i in range(int(np.argmax(x))):
        a[i] *= 0.9
        y = a[i]
    y[1] = 4.0 * x[0]
    a[0, 2] *= 3.0
    return np.sum(a * a * x) + np.sum(y * y)


def new_in_either_arm_and_reshaped(x):
    if x[0] > 0:
        a = np.outer(x, x + 1)
    else:
        a = np.zeros((3, 3))
        a[1] = x
    b = a.reshape(-1)
    b[4] *= 3.0
    return np.sum(a * a * x) + b[0]


PROGRAMS = [f for f in dict(globals()).values()
            if callable(f) and getattr(f, "__module__", "") == __name__ and f is not returned]


@pytest.mark.filterwarnings("error::wengert.StagingWarning")
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("x", [[0.3, -0.41, 0.5], [-0.3, 0.42, 0.9], [0.23, 0.1, -0.7]], ids=str)
def test_staged_as_it_runs(f, x):
    x = np.array(x)
    value, gradient, hessian = f(x.copy()), wg.grad(f)(x), wg.hessian(f)(x)
    for staged in (wg.jit(f), lambda x: wg.value_and_grad(wg.jit(f))(x)[0]):
        np.testing.assert_allclose(staged(x), value, rtol=1e-14)
    for staged in (wg.jit(wg.grad(f)), wg.grad(wg.jit(f)), lambda x: wg.jacfwd(wg.jit(f))(x)):
        np.testing.assert_allclose(staged(x), gradient, rtol=1e-13, atol=1e-13)
    for staged in (wg.hessian(wg.jit(f)), wg.jit(wg.hessian(f))):
        np.testing.assert_allclose(staged(x), hessian, rtol=1e-12, atol=1e-12)
    step = 1e-6 * np.cos(np.arange(3.0))
    slope = (f(x + step) - f(x - step)) / 2
    np.testing.assert_allclose(gradient @ step, slope, rtol=1e-6, atol=1e-12)


@pytest.mark.filterwarnings("ignore::wengert.StagingWarning")
@pytest.mark.parametrize("f", [
    lambda x: len(x[x > 0]) * x[0], lambda x: np.sum(x[x > 0][:1]), lambda x: np.max(x[x > 0]), lambda x: x[x > 0] @ x[x > 0],
    lambda x: np.sum(x[x > 0] + x[x < 0.4]), lambda x: len(np.nonzero(x > 0)[0]) * x[0],
    lambda x: np.sum(np.outer(x, x)[np.nonzero(x > 0)[0]]), lambda x: np.sum(np.outer(x, x)[np.nonzero(np.outer(x, x) > 0)[0]]),
    lambda x: np.sum(np.outer(x, x)[np.nonzero(np.outer(x, x) > 0)[::-1]]), lambda x: x[np.flatnonzero(x > 0)[-1]],
    lambda x: np.sum(np.take(x, np.flatnonzero(x > 0))), lambda x: sum(x[k] for k in np.flatnonzero(x > 0)),
    lambda x: x[np.nonzero(x > 0)[0] + 0].sum()])
def test_what_a_mask_picks_runs_unstaged_where_its_length_is_asked_for(f):
    x = np.array([0.3, -0.4, 0.5])
    np.testing.assert_array_equal(wg.grad(wg.jit(f))(x), wg.grad(f)(x))


@pytest.mark.filterwarnings("ignore::wengert.StagingWarning")
def test_a_variable_that_may_be_many_arrays():
    """Each branch doubled the arrays that a write went to: a program of twenty lines took forever."""
    def f(x):
        a, b = x * 1.0, x + 1.0
        for k in range(12):
            for v in (a, b):
                if v[0] > 0.1 * k:
                    a = b
                else:
                    b = a
                b[k % 3] += 0.1
        return np.sum(a * b)

    x = np.array([0.3, -0.4, 0.5])
    assert wg.jit(f)(x) == f(x.copy())
    np.testing.assert_allclose(wg.grad(wg.jit(f))(x), wg.grad(f)(x), rtol=1e-14)


def row_left_by_loops_that_may_stop(x):
    a, y = np.outer(x, x + 1), x * 1.0
    for _ in range(int(np.argmax(x))):
        for _q in a.T:
            for row in a.T:
                y = row
                if x[0] > 5:
                    break
    y[:2] *= 0.0
    return np.sum(a * a * x)


def doubled_in_a_branch_by_a_loop_that_may_not_run(x):
    u = x * 2
    if x[0] > 0:
        y = u
        for _ in range(int(np.argmin(x))):
            y = y * 2
    else:
        y = u * 3
    y[0] = 7.0
    return np.sum(u * u) + np.sum(y * x)


def kept_by_a_loop_that_may_not_run_after_one_that_may_stop(x):
    a, y = np.outer(x, x + 1), x * 1.0
    for _ in range(int(np.argmax(x))):
        for row in a.T:
            y = row
            if x[0] > 5:
                break
    for _ in range(int(x[0] > 0.4)):
        y = y * 2
    y[:2] *= 0.0
    return np.sum(a * a * x) + np.sum(y)


def an_array_and_a_tuple_that_holds_it(x):
    a, pair = x * 2, (x * 1.0, x * 3.0)
    for i in range(3):
        a = np.sin(x + i)
        pair = (a, a * 2)
    a[0] = 5.0
    return np.sum(pair[0] * x) + np.sum(a)


def an_array_and_a_tuple_that_holds_a_view_of_it(x):
    a, pair = x * 2, (x * 1.0, x * 3.0)
    for i in range(3):
        a = np.sin(x + i)
        pair = (a[::-1], a * 2)
    a[0] = 5.0
    return np.sum(pair[0] * x) + np.sum(a)


def an_array_and_a_view_of_it_that_a_tuple_holds(x):
    a, b, pair = x * 2, x + 1, (x * 1.0, x * 3.0)
    for i in range(3):
        a = np.sin(x + i)
        b = a[::-1]
        pair = (b, a * 2)
    a[0] = 5.0
    return np.sum(pair[0] * x) + np.sum(a * b)


def made_in_an_arm_and_held_by_a_tuple(x):
    a, b, pair = x * 2, x + 1, (x * 1.0, x * 3.0)
    if x[0] > 0:
        a = np.sin(x)
        b = a[::-1]
        pair = (b, a * 2)
    a[0] = 5.0
    return np.sum(pair[0] * x) + np.sum(a * b)


def looked_at_from_before_a_loop_that_may_keep_it(x):
    a, q = np.outer(x, x + 1), np.zeros((3, 3))
    row = a[2]
    for _ in range(3):
        if x[0] > 0.4:
            a = q.T
    row *= 0.0
    return np.sum(a * x)


def swapped_by_a_loop_and_known_under_other_names(x):
    u, n = x * 1.0, np.zeros(3)
    first, second = u, n
    for _ in range(3):
        n[1:] = 0.5 * u[:-1]
        u, n = n, u
    first[2] = x[0]
    second[1] += x[1]
    return np.sum(u * u * x) + np.sum(n)


def one_of_two_in_a_loop_and_known_under_another_name(x):
    a = x * 1.0
    w, y = a, x * 2
    for _ in range(3):
        if x[0] > 0.4:
            y = (a, x)[0]
            pair = (y, y)
        else:
            pair = (a * 2, a)
        a = a if x[1] > 0 else pair[1]
    w[0] = 3.0
    return np.sum(y * y) + np.sum(a * x)


def the_row_before_is_read(x):
    a, y = np.outer(x, x + 1), x * 1.0
    for row in a:
        row += y
        y = row
        a[0] *= 0.5
    y[1] = 4.0 * x[0]
    return np.sum(a * a * x) + np.sum(y * y)


def the_row_before_is_kept(x):
    a, y, z = np.outer(x, x + 1), x * 1.0, (x * 2.0, 1.0)
    for row in a:
        z = ((y, 2.0)[0], 3.0)
        y = row
        a[:, 1] *= 0.5
    return np.sum(a * a * x) + np.sum(y * y) + np.sum(z[0])


def the_row_before_decides(x):
    a, y, n = np.outer(x, x + 1), x * 1.0, 0
    while n < 3 and y[1] < 0.9:
        y = a[n]
        a[n:] += 0.1
        n += 1
    return np.sum(a * a * x) + np.sum(y * y)


def new_in_either_arm_but_in_another_order(x):
    if x[0] > 0:
        a = np.outer(x, x + 1)
    else:
        a = np.zeros((3, 3), order="F")
        a[1] = x
    b = a.ravel()
    b[4] = 3.0
    return np.sum(a * a * x) + b[0]


def a_column_in_one_arm(x):
    if x[0] > 0:
        b = np.outer(x, x)[:, 1]
    else:
        b = x * 2
    c = b.ravel()
    c[0] = 5.0
    return np.sum(b * x) + np.sum(c)


@pytest.mark.filterwarnings("ignore::wengert.StagingWarning")
@pytest.mark.parametrize("f", [
    new_in_either_arm_but_in_another_order, a_column_in_one_arm,
    the_row_before_is_read, the_row_before_is_kept, the_row_before_decides,
    looked_at_from_before_a_loop_that_may_keep_it, swapped_by_a_loop_and_known_under_other_names,
    one_of_two_in_a_loop_and_known_under_another_name,
    an_array_and_a_tuple_that_holds_it, an_array_and_a_tuple_that_holds_a_view_of_it,
    an_array_and_a_view_of_it_that_a_tuple_holds, made_in_an_arm_and_held_by_a_tuple,
    row_left_by_loops_that_may_stop, doubled_in_a_branch_by_a_loop_that_may_not_run,
    kept_by_a_loop_that_may_not_run_after_one_that_may_stop])
@pytest.mark.parametrize("x", [[0.3, -0.4, 0.5], [0.5, 0.6, 0.2], [-0.3, 0.4, 0.1]], ids=str)
def test_what_cannot_be_told_after_a_loop_is_not_written_to_in_silence(f, x):
    x = np.array(x)
    np.testing.assert_allclose(wg.jit(f)(x), f(x), rtol=1e-14)
    np.testing.assert_allclose(wg.grad(wg.jit(f))(x), wg.grad(f)(x), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("product", [
    lambda a: a @ a.T, lambda a: np.dot(a.T, a), lambda a: np.outer(a[0], a[1]), lambda a: np.inner(a, a[::-1]),
    lambda a: np.tensordot(a, a, ([0], [0])), lambda a: np.kron(a, a[:, :1]), lambda a: np.stack([a, a]) @ a.T])
@pytest.mark.parametrize("order", ["C", "F"])
def test_products_lie_in_c_order_however_their_operands_do(product, order):
    """So a reshape of one is known to be a view, also where no value is."""
    def f(a):
        b = product(a)
        c = b.reshape(-1)
        c[1] = 3.0 * a[0, 0]
        return np.sum(b * b)

    a = np.asarray(np.arange(1.0, 7.0).reshape(2, 3) / 3, order=order)
    assert product(a).flags.c_contiguous
    staged = wg.jit(f)
    assert staged(a) == f(a)
    assert next(iter(staged.found.values())).graph is not None
    np.testing.assert_allclose(wg.grad(staged)(a), wg.grad(f)(a), rtol=1e-14)
