"""Staging: under `jit` a program is one graph, with its loops and branches, and gives what Python gives."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest

import wengert as wg
from wengert.graph.walk import subgraphs
from wengert.staging import StagingWarning

X = np.array([0.3, -0.5, 0.7, 0.2, 1.4, -1.1])


def staged(f):
    """The jitted function; running unstaged is an error."""
    jitted = wg.jit(f)

    def run(*args, **kwargs):
        with warnings.catch_warnings():
            warnings.simplefilter("error", StagingWarning)
            return jitted(*args, **kwargs)

    run.jitted = jitted
    return run


def size(graph):
    return sum(1 + sum(size(g) for g in subgraphs(e)) for e in graph.equations)


def graph_of(f, *args):
    run = staged(f)
    run(*args)
    return next(iter(run.jitted.found.values())).graph


def same(a, b):
    assert type(a) is type(b), (a, b)
    if isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert np.array_equal(a, b, equal_nan=True), (a, b)


# ---------------------------------------------------------------- programs


def newton(x):
    y = x[0] + 2.0
    while abs(y * y - 2.0) > 1e-12:
        y = 0.5 * (y + 2.0 / y)
    return y


def recurrence(x):
    y = np.zeros(len(x))
    y[0] = x[0]
    for i in range(1, len(x)):
        if x[i] > 0 and y[i - 1] < 3:
            y[i] = y[i - 1] + math.sin(x[i])
        else:
            y[i] = y[i - 1]
            y[i] *= 2
    return y


def early_return(x):
    for i in range(len(x)):
        if x[i] > 1.0:
            return x[i] * 2
    return 0.0 * x[0]


def jumps(x):
    a, b, k = 0.0, 1.0, 0
    while k < 50:
        a, b = b, a + b * x[0]
        k += 1
        if b > 100:
            break
        if k % 2 == 0:
            continue
        b = b + 1
    return a, b, k


def nested(x):
    total = 0.0
    for i in range(len(x)):
        for j in range(i):
            if x[j] > x[i]:
                continue
            total += x[i] * x[j]
            if total > 2:
                break
    return total


def guarded(x):
    i = 0
    while i < len(x) and x[i] < 1.0:
        i += 1
    return i


def swap(x):
    a, b = x.copy(), np.sin(x)
    for _ in range(5):
        a, b = b, a + 0.1 * b
    return a, b


def views(x):
    y = x.copy()
    v = y[1:-1][::-1]
    for i in range(3):
        v[i] += y[i] * 0.5
        y[::2] *= 0.9
    return y


def zips(x):
    total = 0.0
    for k, (a, b) in enumerate(zip(x, x[::-1])):
        total += k * a * b
    for a in reversed(x):
        total = total * 0.5 + a
    return total


def bubble_sort(x):
    y = x.copy()
    for i in range(len(y)):
        for j in range(len(y) - 1 - i):
            if y[j] > y[j + 1]:
                y[j], y[j + 1] = y[j + 1], y[j]
    return y


def chained(x):
    count = 0
    for v in x:
        if -0.6 < v <= 0.7:
            count += 1
    return count


def conditional(x):
    best = x[0]
    for v in x:
        best = v if v > best else best
    return best, max(x[0], x[1], x[2]), min(x[3], x[1])


def helper(y, i):
    y[i] = y[i] ** 2
    if y[i] > 0.3:
        return 1.0
    return 0.5


def calls(x):
    y, total = x.copy(), 0.0
    for i in range(len(y)):
        total += helper(y, i)
    return total, y


def lists(x):
    parts = []
    for i in range(3):
        parts.append(x[i] ** 2)
    return np.array(parts)


def closure(x):
    total = 0.0

    def add(v):
        nonlocal total
        if v > 0:
            total = total + v

    for v in x:
        add(v)
    return total


def triangular(x):
    A = np.outer(x, x) + 3.0 * np.eye(len(x))
    n = len(x)
    for k in range(n):
        for i in range(k + 1, n):
            A[i, k] /= A[k, k]
            for j in range(k + 1, n):
                A[i, j] -= A[i, k] * A[k, j]
    return A


def dynamic(x):
    n = int(np.sum(x > 0))
    total = 0.0
    for i in range(n):
        total += x[i]
    return total, n


def while_else(x):
    i, found = 0, -1
    while i < len(x):
        if x[i] > 5:
            found = i
            break
        i += 1
    else:
        found = 100
    return found


def integers(x):
    seed = 12345
    for v in x:
        if v > 0:
            seed = (1103515245 * seed + 12345) % 2**31
    return seed, seed // 7, -seed % 11


PROGRAMS = [
    newton,
    recurrence,
    early_return,
    jumps,
    nested,
    guarded,
    swap,
    views,
    zips,
    bubble_sort,
    chained,
    conditional,
    calls,
    lists,
    closure,
    triangular,
    dynamic,
    while_else,
    integers,
]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_programs(f):
    run = staged(f)
    for x in (X, -X, X[::-1].copy(), 0.1 * X, 2.0 * X):
        given = x.copy()
        same(run(x), f(x))
        assert np.array_equal(x, given)
    assert len(run.jitted.found) == 1


@pytest.mark.parametrize("f", [recurrence, newton, views, triangular], ids=lambda f: f.__name__)
def test_size_does_not_grow_with_the_data(f):
    assert size(graph_of(f, np.linspace(0.1, 1, 6))) == size(graph_of(f, np.linspace(0.1, 1, 60)))


def count_up(n):
    def f(x):
        s = 0.0
        for i in range(n):
            s = s + x * i
        return s

    return f


def test_size_does_not_grow_with_the_trip_count():
    graph_a, graph_b = graph_of(count_up(1_000), 0.5), graph_of(count_up(2_000), 0.5)
    assert size(graph_a) == size(graph_b) < 10


# ---------------------------------------------------------------- what is read from around

SETTING, TABLE, OPTIONS = 2.0, np.array([1.0, 2.0]), {"power": 2}


class Model:
    def __init__(self, rate):
        self.rate = rate
        self.weights = np.array([1.0, 2.0])

    def step(self, x):
        return self.rate * x

    @property
    def double(self):
        return 2 * self.rate

    def run(self, x):
        for _ in range(3):
            x = self.step(x) + self.double * self.weights[1]
        return x


def test_nothing_is_stale(monkeypatch):
    import sys

    here = sys.modules[__name__]

    def f(x):
        s = 0.0
        for _ in range(5):
            s = s + x ** OPTIONS["power"] * SETTING + TABLE[0]
        return s

    run = staged(f)
    assert run(1.5) == f(1.5)
    monkeypatch.setattr(here, "SETTING", 3.0)
    assert run(1.5) == f(1.5)
    monkeypatch.setitem(OPTIONS, "power", 3)
    assert run(1.5) == f(1.5)
    TABLE[0] = 7.0
    assert run(1.5) == f(1.5)
    TABLE[0] = 1.0
    monkeypatch.setattr(here, "TABLE", np.array([4.0, 4.0]))
    assert run(1.5) == f(1.5)


def test_attributes_are_not_stale():
    model = Model(0.5)
    run = staged(model.run)
    assert run(1.0) == model.run(1.0)
    model.rate = 0.75
    assert run(1.0) == model.run(1.0)
    model.weights[1] = -1.0
    assert run(1.0) == model.run(1.0)
    model.step = lambda x: x - 1.0
    assert run(1.0) == model.run(1.0)


def test_closure_variables_are_not_stale():
    n = 3

    def f(x):
        return x * n

    run = staged(f)
    assert run(2.0) == 6.0
    n = 4
    assert run(2.0) == 8.0


def test_signature():
    run = staged(lambda x, n, mode="a": x * n if mode == "a" else x + n)
    assert run(2.0, 3) == 6.0 and run(2.0, 4) == 8.0 and run(2.0, 3, mode="b") == 5.0
    single = run(np.float32(2.0), 3)
    assert single == 6.0 and single.dtype == np.float32
    assert type(run(2.0, 3)) is float and isinstance(run(np.ones(2), 3), np.ndarray)


# ---------------------------------------------------------------- what runs unstaged, and says so


def changes(x, log=[]):  # noqa: B006
    log.append(1)
    return x + len(log)


def other_kinds(x):
    y = "positive" if x > 0 else 3.0
    return x if y == "positive" else -x


def growing(x):
    y = np.ones(1)
    for _ in range(3):
        y = np.concatenate([y, y * x])
    return np.sum(y)


def one_arm(x):
    if x > 0:
        y = x * 2
    return y


@pytest.mark.parametrize(
    "f, args, line",
    [
        (changes, (0.5,), "append"),
        (other_kinds, (0.5,), "arms of the branch"),
        (one_arm, (0.5,), "arms of the branch"),
    ],
    ids=lambda f: getattr(f, "__name__", ""),
)
def test_runs_unstaged_with_one_warning(f, args, line):
    run = wg.jit(f)
    with pytest.warns(StagingWarning, match=line) as caught:
        run(*args)
        run(*args)
    assert len(caught) == 1


TOTAL = 0.0


def caught_by_value(x):
    try:
        y = math.log(x)
    except ValueError:
        y = -7.0
    return y


def kept_in_a_global(x):
    global TOTAL
    TOTAL = x
    return 2.0 * x


@pytest.mark.parametrize("f, line", [(caught_by_value, "caught by the try"), (kept_in_a_global, "outside")])
def test_what_a_graph_would_not_repeat_runs_unstaged(f, line):
    with pytest.warns(StagingWarning, match=line):
        assert wg.jit(f)(-1.0) == f(-1.0)
    assert type(TOTAL) is float


def test_a_nested_function_may_assign_to_variables_of_the_staged_one():
    def f(x):
        s = 0.0

        def add(v):
            nonlocal s
            s = s + v

        add(x)
        add(2.0 * x)
        return s

    assert staged(f)(1.5) == 4.5


@dataclasses.dataclass
class Pair:
    first: float
    second: float = 2.0
    rest: list = dataclasses.field(default_factory=list)


def test_a_dataclass_is_made_while_staged():
    def f(x):
        p = Pair(x)
        if x > 0:
            p = Pair(p.second, p.first)
        return p.first * 3.0 + p.second

    assert staged(lambda x: Pair(x).first * Pair(x).second)(1.5) == 3.0
    with pytest.warns(StagingWarning):
        assert wg.jit(f)(1.5) == f(1.5)


def test_growing_shapes_unroll():
    assert staged(growing)(0.5) == growing(0.5)


def test_unbound_is_pythons_error():
    with pytest.warns(StagingWarning), pytest.raises(UnboundLocalError):
        wg.jit(one_arm)(-1.0)


def test_a_write_into_an_argument_is_the_callers_to_see():
    def f(x):
        x[0] = 5.0
        return x[1]

    x = np.zeros(2)
    with pytest.warns(StagingWarning, match="copy"):
        wg.jit(f)(x)
    assert x[0] == 5.0


def test_python_integers_do_not_wrap_around():
    def f(x):
        n = 1
        for v in x:
            if v > 0:
                n = n * 10**15
        return n

    with pytest.raises(OverflowError, match="64 bits"):
        wg.jit(f)(np.ones(5))
    assert wg.jit(f)(np.array([1.0, -1, -1, -1, -1])) == 10**15


# ---------------------------------------------------------------- aliases: found by random programs


def alias_of_a_branch(x):
    a, b = x.copy(), np.zeros(6)
    if x[1] > 0.12:
        a[1] = 3.0
    else:
        a = b[::-1]
    return np.sum(a * x)


def alias_through_two_branches(x):
    a, b, c = x.copy(), x + 1, np.sin(x)
    if x[1] > -0.3:
        if x[0] > -0.13:
            a = c[::-1]
        else:
            a = np.sin(b)
    else:
        a = b
    a[-1] += b[2]
    return np.sum(a) + np.sum(c * x)


def alias_born_in_a_loop(x):
    best, y = x.copy(), x + 1
    for i in range(3):
        if x[i] > 0.5:
            best = y
        y += 1.0
    return best


def rebound_and_written(x):
    a = x.copy()
    keep = a
    for _ in range(4):
        a[0] += 1.0
        a = a * 0.5
    return a, keep


@pytest.mark.parametrize(
    "f", [alias_of_a_branch, alias_through_two_branches, alias_born_in_a_loop, rebound_and_written], ids=lambda f: f.__name__
)
def test_aliases(f):
    """Exact or unstaged, never wrong."""
    run = wg.jit(f)
    for x in (X, -X, X + 0.5):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StagingWarning)
            same(run(x), f(x))


# ---------------------------------------------------------------- effects

def walk(x, rng):
    y = x + rng.normal() * rng.normal()
    for _ in range(5):
        if y > 0:
            y = y - rng.uniform(-2.0, x, size=2)[1]
        else:
            y += rng.normal(x, 0.5)
        if rng.random() < 0.2:
            break
    return y + rng.integers(10) + np.sum(rng.standard_normal((2, 2)))


def test_draws_are_numpys_stream():
    a, b = np.random.default_rng(3), np.random.default_rng(3)
    run = staged(walk)
    for x in np.linspace(-1, 1, 20):
        assert run(float(x), a) == walk(float(x), b)
    assert a.random() == b.random()
    assert len(run.jitted.found) == 1


def legacy(x):
    return x * np.random.rand() + np.random.normal(size=3)


def test_legacy_draws():
    np.random.seed(5)
    expected = [legacy(0.5) for _ in range(3)]
    after = np.random.rand()
    np.random.seed(5)
    run = staged(legacy)
    for value in expected:
        same(run(0.5), value)
    assert np.random.rand() == after


def own_generator(x):
    rng = np.random.default_rng(7)
    total = 0.0
    for _ in range(4):
        total = total + x * rng.normal()
    return total


def test_a_generator_made_inside_starts_anew():
    run = staged(own_generator)
    assert run(0.5) == run(0.5) == own_generator(0.5)


def report(x):
    for i in range(3):
        if x > i:
            print(f"{i}: {x:.2f}", x > 0, "more")
        else:
            print(i)
    return x * 2


def test_prints_when_it_runs(capsys):
    run = staged(report)
    for x in (1.5, 0.5, 5.0):
        assert report(x) == 2 * x
        plain = capsys.readouterr().out
        assert run(x) == 2 * x
        assert capsys.readouterr().out == plain != ""


def checked(x):
    total = 0.0
    for v in x:
        if v < 0:
            raise ValueError(f"negative: {v:.1f}")
        total += np.sqrt(v)
    if total > 100:
        raise OverflowError
    return total


def test_raises_when_it_runs():
    run = staged(checked)
    assert run(np.array([1.0, 4.0])) == 3.0
    with pytest.raises(ValueError, match=r"negative: -2\.0"):
        run(np.array([1.0, -2.0]))
    with pytest.raises(OverflowError):
        run(np.array([1e6, 4.0]))
    assert run(np.array([1.0, 9.0])) == 4.0


def path(x, rng):
    y = x
    for _ in range(5):
        y = y + x * rng.normal()
        if y > 0:
            y = y * rng.random()
        while y < -0.5:
            y = y + rng.random() * x**2
    return y * y


def slope(f):
    return lambda x, rng: wg.jvp(lambda t: f(t, rng), (x,), (1.0,))


@pytest.mark.parametrize(
    "derive",
    [
        lambda f, j: (wg.grad(f), j(wg.grad(f))),
        lambda f, j: (wg.grad(f), wg.grad(j(f))),
        lambda f, j: (wg.grad(wg.grad(f)), j(wg.grad(wg.grad(f)))),
        lambda f, j: (wg.grad(wg.grad(f)), j(wg.grad(j(wg.grad(f))))),
        lambda f, j: (wg.value_and_grad(f), j(wg.value_and_grad(f))),
        lambda f, j: (slope(f), j(slope(f))),
    ],
)
def test_the_draws_of_a_value_are_those_of_its_derivative(derive):
    """Each takes place once, in program order, whatever is derived."""
    plain, other = derive(path, wg.jit)
    a, b = np.random.default_rng(11), np.random.default_rng(11)
    for x in (0.5, -0.3, 0.8, 1.1):
        np.testing.assert_allclose(other(x, b), plain(x, a), rtol=1e-12)
        assert a.bit_generator.state == b.bit_generator.state


class Scaled:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x):
        return self.scale * x * x


class Sum(Scaled):
    def __init__(self, scale, terms):
        super().__init__(scale)
        self.terms = terms

    def __call__(self, x):
        total = 0.0
        for term in self.terms:
            total += term(x)
        return self.scale * total


def test_objects_that_are_called_are_staged():
    f = Sum(3.0, [Scaled(2.0), Scaled(4.0)])
    jitted = wg.jit(f)
    assert jitted(1.5) == f(1.5)
    assert wg.jit(wg.grad(f))(1.5) == wg.grad(jitted)(1.5) == 54.0
    f.terms[0].scale = 0.0
    assert jitted(1.5) == f(1.5)


def halved(x):
    return x if x < 1.0 else halved(x / 2.0) * x


def test_recursion_that_depends_on_values_names_its_line():
    with pytest.warns(wg.StagingWarning, match=r"RecursionError at .*test_staging\.py:\d+ .*a traced value decides"):
        assert wg.jit(halved)(5.0) == halved(5.0)


# ---------------------------------------------------------------- Python numbers that become NumPy's


def summed(x):
    total = 0.0
    for row in x:
        total = total + np.sum(row * row)
    return total


def summed_within(x):
    out = 0.0
    for k in range(3):
        part = 0.0
        for j in range(4):
            part = part + x[k, j]
        out = out + part * 2.0
    return out


def stopped(x):
    total = 0.0
    for row in x:
        total = total + np.sum(row * row)
        if total > 20.0:
            break
    return total


def left_early(x):
    total = 0.0
    for row in x:
        total = total + row[0]
        if total > 1.0:
            return total
    return 2.0 * total


def shared(x):
    y, total = np.zeros(3, np.float32), 0.0
    for k in range(5):
        y[k % 3] += x[k, 0]
        total += y[k % 3]
    return total + y.sum()


@pytest.mark.parametrize("f", [summed, summed_within, stopped, left_early, shared])
def test_sums_in_single_precision_that_begin_with_a_python_number(f):
    """The first iteration makes a NumPy number of it; it runs apart, and the rest is a loop."""
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    found, plain = wg.jit(f)(x), f(x)  # a warning would be an error
    assert found == plain and type(found) is type(plain) is np.float32
    np.testing.assert_array_equal(wg.jit(wg.grad(f))(x), wg.grad(f)(x))
    sizes = [str(wg.make_graph(wg.jit(f), np.concatenate([x] * n))).count("\n") for n in (1, 5)]
    assert sizes[0] == sizes[1]  # the loop is one


# ---------------------------------------------------------------- loops that begin with an array from around

START = np.zeros(4)


def network_over_time(w, x):
    h = START
    for row in x:
        h = np.tanh(w @ h + row)
    return np.sum(h**2)


def written_to(w, x):
    h = START
    for row in x:
        h = h + w @ row
        h[0] = 1.0
    return np.sum(h**2)


def swapped(w, x):
    a, b = START, np.ones(4)
    for row in x:
        a, b = b, a * 0.5 + w @ row
    return np.sum(a * b) + START.sum()


def in_a_tuple(w, x):
    state = (START, 0.0)
    for row in x:
        h, total = state
        state = (np.tanh(w @ h + row), total + h[0])
    return np.sum(state[0]) + state[1]


@pytest.mark.parametrize("f", [network_over_time, written_to, swapped, in_a_tuple])
def test_a_loop_begins_with_an_array_from_around(f):
    rng = np.random.default_rng(0)
    w, x = rng.normal(size=(4, 4)), rng.normal(size=(30, 4))
    jitted = wg.jit(f)
    for value in (0.0, 0.3):  # it is read anew when it changes
        START[:] = value
        assert jitted(w, x) == pytest.approx(f(w, x), rel=1e-14)
        np.testing.assert_allclose(wg.jit(wg.grad(f))(w, x), wg.grad(f)(w, x), rtol=1e-12, atol=1e-14)
        assert np.all(value == START)
    sizes = [str(wg.make_graph(jitted, w, np.concatenate([x] * n))).count("\n") for n in (1, 4)]
    assert sizes[0] == sizes[1]

@pytest.mark.parametrize("bound", [-(2 ** 70), -100, 300, 2 ** 70])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_integers_are_compared_with_what_their_dtype_does_not_hold(dtype, bound):
    def compare(x):
        return x == bound, x != bound, x < bound, x <= bound, x > bound, x >= bound, bound == x, bound < x, bound >= x
    x = np.array([0, 1, 127], dtype)
    if bound == -100 and dtype is np.int8:
        x[0] = -100
    expected = compare(x)
    for f in (staged(compare), wg.vmap(compare)):
        np.testing.assert_array_equal(f(x), expected)
    with pytest.raises(OverflowError):
        wg.vmap(lambda x: x + 2 ** 70)(x)
