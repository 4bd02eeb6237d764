"""Bad input under `jit`: an error with the user's line, or what plain Python does, unstaged, with the reason given once.

Each program is run as it stands and jitted, twice: results, errors, and what was changed around the function must be
the same. What is traced must leave no trace: no store is made twice, no stand-in is left behind.
"""

from __future__ import annotations

import copy
import inspect
import re
import signal
import warnings
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import MutationError
from wengert.staging import StagingWarning

X = np.array([0.7, 1.3, -0.4, 0.2])
COUNT, TABLE, LOG = 0, np.zeros(4), []  # type: ignore[var-annotated]


class Box:
    count = 0

    def __init__(self) -> None:
        self.parts = [1.0]

    def __iadd__(self, value: float) -> Box:
        self.count += int(value)
        return self

    def __isub__(self, value: float) -> Box:
        new = Box()
        new.count = self.count - int(value)
        return new


BOX = Box()


def around() -> Any:
    return COUNT, TABLE.copy(), list(LOG), BOX.count, list(BOX.parts)


def reset() -> None:
    global COUNT
    COUNT, BOX.count, BOX.parts = 0, 0, [1.0]
    TABLE[:] = 0.0
    LOG.clear()


def twice(f: Any, x: Any) -> Any:
    """Results or errors of two calls, and what the calls left behind."""
    reset()
    x, results = x.copy(), []
    for _ in range(2):
        try:
            results.append(f(x))
        except Exception as error:
            results.append(error)
    return copy.deepcopy(results), x, around()


def same(a: Any, b: Any) -> None:
    assert type(a) is type(b), (a, b)
    if isinstance(a, (tuple, list)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif isinstance(a, dict):
        same(list(a.items()), list(b.items()))
    elif isinstance(a, Exception):
        assert str(a) == str(b)
    else:
        np.testing.assert_array_equal(a, b)


def line_of(f: Any, text: str) -> str:
    """``file.py:12``: the first line of the function that holds a text."""
    lines, first = inspect.getsourcelines(f)
    return f"{inspect.getsourcefile(f)}:{first + next(k for k, line in enumerate(lines) if text in line)}"


def check(f: Any, why: str, line: str, x: Any = X) -> Any:
    """As plain Python, with one warning that gives the reason and the line."""
    expected = twice(f, x)
    with pytest.warns(StagingWarning, match=re.escape(why)) as caught:
        found = twice(wg.jit(f), x)
    same(found, expected)
    messages = [str(w.message) for w in caught]
    assert len(messages) == 1, messages
    assert not line or line_of(Box if "self" in line else f, line) in messages[0], messages[0]
    assert "__wengert" not in messages[0]
    return expected[0][0]


def fails(f: Any) -> Any:
    """The error of plain Python, and no warning, which would be an error in its place."""
    expected = twice(f, X)
    same(twice(wg.jit(f), X), expected)
    return expected[0][0]


# ---------------------------------------------------------------- loops and recursion without end


class Alarm(Exception):
    pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("derive", [wg.jit, lambda f: wg.grad(wg.jit(f)), lambda f: wg.jit(wg.grad(f))])
def test_a_loop_without_end_can_be_interrupted(derive: Any) -> None:
    def f(x: Any) -> Any:
        while x < 10.0:
            x = x * 0.5 + 0.1
        return x

    def ring(*_: Any) -> None:
        raise KeyboardInterrupt

    run, before = derive(f), signal.signal(signal.SIGALRM, ring)
    assert run(100.0) in (100.0, 1.0)  # it is traced, and works before and after
    signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)  # again, if Python collects garbage at the first
    try:
        with pytest.raises(KeyboardInterrupt):
            run(1.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert run(100.0) in (100.0, 1.0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_loop_without_end_that_nothing_traced_decides_can_be_interrupted() -> None:
    def f(x: Any) -> Any:
        while COUNT == 0:
            x = x * 0.5
        return x

    def ring(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)  # again, if Python collects garbage at the first
    try:
        with pytest.raises(KeyboardInterrupt):
            wg.jit(f)(1.0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert wg.jit(lambda x: x * 2.0)(1.5) == 3.0  # nothing is left open


def endless(x: Any) -> Any:
    return endless(x * 0.5) + 1.0


def deep(x: Any) -> Any:
    if x[0] > 1e-3:
        return deep(x * 0.5) + 1.0
    return x


def test_recursion_without_end_is_pythons_error() -> None:
    assert isinstance(fails(endless), RecursionError)


def test_recursion_that_a_value_ends_runs_unstaged() -> None:
    check(deep, "recursion to no end, or to one that a traced value decides", "")
    assert wg.jit(lambda x: sum_to(x, 5))(1.0) == sum_to(1.0, 5)


def sum_to(x: Any, n: int) -> Any:
    return 0.0 * x if n == 0 else n * x + sum_to(x, n - 1)


# ---------------------------------------------------------------- types that a block changes


def growing(x: Any) -> Any:
    y = x
    while np.sum(y) > 1.0:
        y = np.append(y * 0.5, 0.1) * 0.5
    return y


def growing_to_a_traced_length(x: Any) -> Any:
    y = x[:1]
    for _ in range(int(np.sum(x > 0.0))):
        y = np.append(y, y[-1] * 0.5)
    return np.sum(y)


def two_structures(x: Any) -> Any:
    if x[0] > 0.0:
        r = (x, x)
    else:
        r = x
    return r


def two_structures_returned(x: Any) -> Any:
    if x[0] > 0.0:
        return {"a": x}
    return [x]


def value_or_nothing(x: Any) -> Any:
    if x[0] > 0.0:
        return x
    return None


def value_or_nothing_in_a_loop(x: Any) -> Any:
    for v in x:
        if v > 1.0:
            return None
        if v < -1.0:
            return v
    return x


def procedure(a: Any, i: int) -> None:
    if a[i] > 0.5:
        a[i] *= 2.0
        return
    for j in range(4):
        if a[j] > 0.1:
            a[j] = 0.0
            return
    a[0] = 1.0


def value_of_a_procedure(x: Any) -> Any:
    if x[0] > 0.0:
        return procedure(np.sin(x), 0)
    return x


def longer(x: Any) -> Any:
    r = (x,)
    for i in range(4):
        if x[i] > 0.0:
            r = (*r, x)
    return r


@pytest.mark.parametrize("f, why, line", [
    (growing, "`y` has type float64[4] before the loop", "while"),
    (growing_to_a_traced_length, "`y` has type float64[1] before the loop", "for _"),
    (two_structures, "`r` differs in kind, type or shape between the arms", "if x"),
    (two_structures_returned, "the returned value differs in kind, type or shape between the arms", "if x"),
    (value_or_nothing, "the returned value differs in kind, type or shape between the arms", "if x"),
    (value_or_nothing_in_a_loop, "the returned value", ""),
    (value_of_a_procedure, "the returned value differs in kind, type or shape between the arms", "if x"),
    (longer, "`r` differs in kind, type or shape between the arms", "if x"),
], ids=lambda v: getattr(v, "__name__", None))
def test_types_that_a_block_changes(f: Any, why: str, line: str) -> None:
    check(f, why, line)
    check(f, why, line, -X)


# ---------------------------------------------------------------- variables without a value


def one_arm(x: Any) -> Any:
    if x[0] > 0.5:
        y = x * 2.0
    return y


def one_arm_computed_with(x: Any) -> Any:
    if x[0] > 0.5:
        y = x * 2.0
    return y + 1.0


def loop_that_may_not_run(x: Any) -> Any:
    for i in range(int(np.sum(x > 1.0))):
        y = x[i]
    return y * 2.0


def deleted(x: Any) -> Any:
    y = x * 2.0
    if x[0] > 0.5:
        del y
    return y + x


@pytest.mark.parametrize("f, why, line", [
    (one_arm, "has a value in one arm only", "if x"), (one_arm_computed_with, "has a value in one arm only", "return"),
    (loop_that_may_not_run, "`y` has no value if the loop", "return"), (deleted, "has a value in one arm only", "return"),
], ids=lambda v: getattr(v, "__name__", None))
def test_variables_without_a_value(f: Any, why: str, line: str) -> None:
    results = [check(f, why, line, x) for x in (X, -X)]
    assert sum(isinstance(r, UnboundLocalError) for r in results) == 1


def test_procedures_that_return_early_stage() -> None:
    def f(x: Any) -> Any:
        a = x * 1.0
        for i in range(4):
            procedure(a, i)
        return a, procedure(a, 0)

    with warnings.catch_warnings():
        warnings.simplefilter("error", StagingWarning)
        for x in (X, -X, X - 1.0):
            same(wg.jit(f)(x), f(x))


def test_a_variable_of_one_arm_that_nobody_reads_stages() -> None:
    def f(x: Any) -> Any:
        if x[0] > 5.0:
            y = x * 2.0  # noqa: F841
        return x * 3.0

    np.testing.assert_array_equal(wg.jit(f)(X), 3.0 * X)


# ---------------------------------------------------------------- what outlives the call


def writes(x: Any) -> Any:
    x[0] = 3.0
    return np.sum(x)


def adds(x: Any) -> Any:
    x += 3.0
    return np.sum(x)


def writes_through_a_view(x: Any) -> Any:
    v = x[1:]
    for _ in range(3):
        v[0] *= 2.0
    return np.sum(x)


def writes_out(x: Any) -> Any:
    np.sin(x, out=x)
    return np.sum(x)


def sorts(x: Any) -> Any:
    x.sort()
    return x[0] - x[3]


@pytest.mark.parametrize("f, line", [
    (writes, "x[0] ="), (adds, "x +="), (writes_through_a_view, "v[0] *="), (writes_out, "out=x"), (sorts, "sort()"),
], ids=lambda v: getattr(v, "__name__", None))
def test_a_changed_argument(f: Any, line: str) -> None:
    check(f, "a write into an argument of the staged function", line)
    with pytest.raises(MutationError, match=re.escape(line_of(f, line))):
        wg.grad(wg.jit(f))(X.copy())


def rebinds(x: Any) -> Any:
    global COUNT
    COUNT = COUNT + 1
    return x * COUNT


def rebinds_in_a_branch(x: Any) -> Any:
    global COUNT
    if x[0] > 0.0:
        COUNT += 1
    return x * COUNT


def rebinds_in_a_loop_of_an_inner_function(x: Any) -> Any:
    def inner(value: Any) -> None:
        global COUNT
        for _ in range(3):
            COUNT += 1

    inner(x[0])
    return x * COUNT


def adds_to_a_table(x: Any) -> Any:
    table = TABLE
    table += 1.0
    return np.sum(table * x)


def writes_a_table(x: Any) -> Any:
    for i in range(4):
        TABLE[i] = TABLE[i] + i
    return TABLE * x


def adds_in_a_helper(x: Any) -> Any:
    def helper(table: Any) -> Any:
        table -= 2.0
        return table[1]

    return helper(TABLE) * x


def logs(x: Any) -> Any:
    for v in (1.0, 2.0):
        LOG.append(v)
    return x * len(LOG)


def extends(x: Any) -> Any:
    log = LOG
    log += [1.0]
    return x * len(LOG)


def counts(x: Any) -> Any:
    BOX.count += 1
    return x * BOX.count


def adds_to_a_box(x: Any) -> Any:
    box = BOX
    box += 2.0
    return x * box.count


def appends_to_a_part(x: Any) -> Any:
    BOX.parts.append(2.0)
    return x * len(BOX.parts)


@pytest.mark.parametrize("f, why, line", [
    (rebinds, "an assignment to a name outside the function", "COUNT ="),
    (rebinds_in_a_branch, "an assignment to a name outside the function", "COUNT +="),
    (rebinds_in_a_loop_of_an_inner_function, "an assignment to a name outside the function", "COUNT +="),
    (adds_to_a_table, "an augmented assignment", "table +="), (writes_a_table, "a store", "TABLE[i] ="),
    (adds_in_a_helper, "an augmented assignment", "table -="), (logs, "list.append", "append"),
    (extends, "an augmented assignment", "log +="), (counts, "an attribute store", "BOX.count"),
    (adds_to_a_box, "an attribute store", "self.count +="), (appends_to_a_part, "list.append", "parts.append"),
], ids=lambda v: getattr(v, "__name__", None))
def test_what_is_written_around_the_function_is_written_once(f: Any, why: str, line: str) -> None:
    check(f, why, line)


def test_operators_in_place_that_make_something_new_stage() -> None:
    def f(x: Any) -> Any:
        box = BOX
        box -= 2.0
        return x * box.count

    reset()
    with warnings.catch_warnings():
        warnings.simplefilter("error", StagingWarning)
        np.testing.assert_array_equal(wg.jit(f)(X), -2.0 * X)


def test_a_variable_of_the_function_around_it() -> None:
    calls = 0

    def f(x: Any) -> Any:
        nonlocal calls
        calls += 1
        return x * calls

    with pytest.warns(StagingWarning, match="an assignment to a name outside the function"):
        assert [wg.jit(f)(2.0) for _ in range(3)] == [2.0, 4.0, 6.0]
    assert calls == 3


def test_a_counter_inside_the_staged_function_stages() -> None:
    def f(x: Any) -> Any:
        n, offset = 0, 1.0
        shifted = lambda: x[0] + offset

        def tick() -> int:
            nonlocal n
            n += 1
            return n

        while n < 4 + np.sum(x > 0.0):
            tick()
            offset = offset + shifted()
        return n * offset

    for x in (X, -X):
        with warnings.catch_warnings():
            warnings.simplefilter("error", StagingWarning)
            assert wg.jit(f)(x) == f(x)


# ---------------------------------------------------------------- functions without source


def test_functions_without_source_run_unstaged() -> None:
    scope: dict[str, Any] = {"np": np}
    exec("def f(x):\n    s = 0.0\n    for v in x:\n        s = s + v * v\n    return s\n", scope)
    exec(compile("def h(x):\n    return -x\n", "<stdin>", "exec"), scope)
    for f in (scope["f"], scope["h"], eval("lambda x: x * 2.0"), lambda x: scope["f"](x) * 0.5):
        staged = wg.jit(f)
        with pytest.warns(StagingWarning, match="the source of .* is not to be had") as caught:
            for _ in range(3):
                np.testing.assert_array_equal(staged(X), f(X))
        assert len(caught) == 1
    np.testing.assert_array_equal(wg.grad(staged)(X), X)


def test_compiled_functions() -> None:
    for f in (np.sin, np.linalg.norm):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", StagingWarning)
            np.testing.assert_array_equal(wg.jit(f)(X), f(X))


# ---------------------------------------------------------------- errors of the program


def wrong_shapes(x: Any) -> Any:
    return x + np.ones(7)


def wrong_shapes_in_a_branch(x: Any) -> Any:
    if x[0] > 0.0:
        return x + np.ones(7)
    return x


def wrong_unpacking(x: Any) -> Any:
    a, b = x
    return a


def unknown_name(x: Any) -> Any:
    return x * NOT_THERE  # type: ignore[name-defined]  # noqa: F821


def ambiguous(x: Any) -> Any:
    while x > 0.0:
        x = x - 1.0
    return x


@pytest.mark.parametrize("f", [wrong_shapes, wrong_shapes_in_a_branch, wrong_unpacking, unknown_name, ambiguous],
                         ids=lambda v: v.__name__)
def test_errors_that_python_raises_too(f: Any) -> None:
    assert isinstance(fails(f), Exception)


@pytest.mark.parametrize("f, why", [
    (lambda x: np.sum(np.unique(x)), r"np\.unique at .*Take it out of the function"),
    (lambda x: f"{np.sum(x):.3f}", "a text made of traced values is returned"),
    (lambda x: (x, [repr(x)]), "text at .*make the text of them outside"),
    (lambda x: f"{[x]}", "text at .*make the text of them outside"),
    (lambda x: x[x > 1.0], r"x\[mask\] is returned: how many .* np\.where\(mask, x, 0\)"),
    (lambda x: np.nonzero(x > 1.0), r"what np\.nonzero found is returned.* Return the mask"),
    (lambda x: {1, 2}, "a set is returned; a graph gives arrays"),
])
def test_what_cannot_be_returned_is_called_by_its_name(f: Any, why: str) -> None:
    with pytest.warns(StagingWarning, match=why):
        same(wg.jit(f)(X), f(X))


def past_the_end(x: Any) -> Any:
    s = 0.0
    for i in range(6):
        s += x[i]
    return s


def checked(x: Any) -> Any:
    for v in x:
        if v < 0.0:
            raise ValueError(f"negative: {v}")
    return np.sum(x)


@pytest.mark.parametrize("f, error, line", [(past_the_end, IndexError, "s += x[i]"), (checked, ValueError, "raise")])
@pytest.mark.parametrize("derive", [wg.jit, lambda f: wg.jit(wg.grad(f))])
def test_errors_of_a_graph_name_the_line(f: Any, error: Any, line: str, derive: Any) -> None:
    run = derive(f)
    for _ in range(5):  # the program is compiled on its way
        with pytest.raises(error) as caught:
            run(X)
        assert caught.value.__notes__ == [f"computed at {line_of(f, line)}"]


# ---------------------------------------------------------------- handlers do not see wengert's own refusals


def test_handlers_do_not_catch_what_staging_raises() -> None:
    def f(x: Any) -> Any:
        try:
            s = [1.0, 2.0, 3.0][int(np.sum(x > 0.0)) - 1]
        except Exception:
            s = 0.0
        return s * x[0]

    with pytest.warns(StagingWarning, match="an item of a list is picked by a traced value"):
        assert wg.jit(f)(X) == f(X) == 3.0 * X[0]


def test_errors_that_are_suppressed() -> None:
    import contextlib

    def f(x: Any) -> Any:
        a, n = np.sin(x), np.argmax(x) + 3
        with contextlib.suppress(IndexError):
            a[n] = 0.5
        return np.sum(a)

    with pytest.warns(StagingWarning, match="suppress"):
        assert wg.jit(f)(X) == f(X)


class Level:
    depth = entered = 0

    def __enter__(self) -> Level:
        self.depth, self.entered = self.depth + 1, self.entered + 1
        return self

    def __exit__(self, *exc: Any) -> None:
        self.depth -= 1


def test_context_managers() -> None:
    level = Level()

    def f(x: Any) -> Any:
        with level as inside:
            return x * inside.depth

    def floating(x: Any) -> Any:
        with np.errstate(all="raise"):
            return np.sqrt(x)

    def quiet(x: Any) -> Any:
        with np.errstate(all="warn"):
            y = x * 2.0
        return y

    staged = wg.jit(f)
    with pytest.warns(StagingWarning, match="`with` a Level"):
        assert [staged(2.0) for _ in range(3)] == [2.0] * 3
    assert level.entered == 3
    with pytest.warns(StagingWarning, match="np.errstate"), pytest.raises(FloatingPointError):
        wg.jit(floating)(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error", StagingWarning)
        np.testing.assert_array_equal(wg.jit(quiet)(X), quiet(X))
