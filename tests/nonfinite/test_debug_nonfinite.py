"""`debug_nonfinite` names the planted origin, compiled or not, and is silent where results are finite."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nonfinite_programs
import numpy as np
import pytest
from nonfinite_programs import PLANTED, SOUND, Planted

import wengert as wg
from wengert.errors import InputError, NonFiniteError
from wengert.finite import DEBUG
from wengert.nonfinite import Finding
from wengert.settings import config

WAYS: dict[str, Callable[[Any], Any]] = {
    "as it is": wg.value_and_grad,
    "jit(grad)": lambda f: wg.jit(wg.value_and_grad(f), at_once=True),
    "grad(jit)": lambda f: wg.value_and_grad(wg.jit(f, at_once=True)),
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


def planted_line(p: Planted) -> int:
    """The line of a program that says "here"."""
    lines, start = inspect.getsourcelines(p.f)
    found = [start + k for k, line in enumerate(lines) if line.rstrip().endswith("# here")]
    if not found:
        text = Path(nonfinite_programs.__file__).read_text().splitlines()
        found = [k for k, line in enumerate(text, 1) if line.endswith(f"# here: {p.f.__name__}")]
    (line,) = found
    return line


def raised(f: Callable[..., Any], *args: Any) -> tuple[NonFiniteError, Finding]:
    """The error of a call, and the first of what it found."""
    with pytest.raises(NonFiniteError) as caught, wg.debug_nonfinite():
        f(*args)
    found: Any = caught.value.finding
    assert isinstance(found, Finding), str(caught.value)
    while found.cause is not None:
        found = found.cause
    return caught.value, found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PLANTED)
def test_finds_what_was_planted(name: str, way: str) -> None:
    p = PLANTED[name]
    error, found = raised(WAYS[way](p.f), *p.args)
    assert found.place == f"{nonfinite_programs.__file__}:{planted_line(p)}", str(error)
    assert found.passed == p.passed
    assert found.turns == p.turns
    assert p.inside in ", ".join(found.inside)
    if p.entry is not None and found.entries:
        assert found.entries[0] == p.entry
    if p.operands is not None:
        np.testing.assert_allclose(np.array(found.operands, float), p.operands, rtol=1e-9)
    assert f"{Path(nonfinite_programs.__file__).name}:{planted_line(p)}" in str(error)
    assert found.source.startswith("return ") or " = " in found.source or "append" in found.source


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SOUND)
def test_is_silent_where_the_result_is_finite(name: str, way: str) -> None:
    f, args = SOUND[name]
    expected = wg.value_and_grad(f)(*args)
    assert all(np.all(np.isfinite(x)) for x in expected)
    g = WAYS[way](f)
    with wg.debug_nonfinite():
        found = g(*args)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


# ---------------------------------------------------------------- every transform

def root(x: Any) -> Any:
    return np.sqrt(x) * 2.0  # root


def norm(x: Any) -> Any:
    return np.sqrt(np.sum(x * x))  # norm


def through_vjp() -> Any:
    _, pullback = wg.vjp(norm, np.zeros(2))
    return pullback(1.0)


def through_linearize() -> Any:
    _, pushforward = wg.linearize(root, 0.0)
    return pushforward(1.0)


CALLS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "grad": (lambda: wg.grad(norm)(np.zeros(2)), "backward", "norm"),
    "jit of a value": (lambda: wg.jit(lambda x: np.log(root(x) - 3.0))(1.0), "forward", ""),
    "jacobian": (lambda: wg.jacobian(root)(np.zeros(2)), "", "root"),
    "jacrev": (lambda: wg.jacrev(root)(np.zeros(2)), "backward", "root"),
    "jacfwd": (lambda: wg.jacfwd(root)(np.zeros(2)), "tangent", "root"),
    "sparse jacobian": (lambda: wg.jacobian(root, sparsity="detect")(np.zeros(3)), "tangent", "root"),
    "hessian": (lambda: wg.hessian(norm)(np.zeros(2)), "backward", "norm"),
    "hvp": (lambda: wg.hvp(norm, np.zeros(2), np.ones(2)), "backward", "norm"),
    "gauss_newton_product": (lambda: wg.gauss_newton_product(root, np.zeros(2), np.ones(2)), "", "root"),
    "jvp": (lambda: wg.jvp(root, (0.0,), (1.0,)), "tangent", "root"),
    "vjp": (through_vjp, "backward", "norm"),
    "linearize": (through_linearize, "tangent", "root"),
    "taylor": (lambda: wg.taylor(root, 0.0, 1.0, 2), "tangent", "root"),
    "vmap of grad": (lambda: wg.vmap(wg.grad(root))(np.array([1.0, 0.0])), "backward", "root"),
    "grad of vmap": (lambda: wg.grad(lambda x: np.sum(wg.vmap(root)(x)))(np.array([1.0, 0.0])), "backward", "root"),
    "keywords": (lambda: wg.grad(lambda x, shift: root(x - shift))(1.0, shift=1.0), "backward", "root"),
    "argnums": (lambda: wg.grad(lambda n, x: root(x) * n, argnums=1)(2, 0.0), "backward", "root"),
    "a tree": (lambda: wg.grad(lambda p: root(p["a"]) + p["b"][0])({"a": 0.0, "b": [1.0]}), "backward", "root"),
    "has_aux": (lambda: wg.grad(lambda x: (root(x), x), has_aux=True)(0.0), "backward", "root"),
    "memory": (lambda: wg.grad(norm, memory="1 MB")(np.zeros(2)), "", "norm"),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_transform_is_looked_at(name: str) -> None:
    call, passed, function = CALLS[name]
    error, found = raised(call)
    assert not passed or found.passed == passed
    assert not function or found.source.endswith(f"# {function}"), str(error)
    head = name.split()[-1] if name.startswith("sparse") else name.split()[0]
    if head in ("grad", "jacrev", "jacfwd", "hvp", "jvp", "vjp", "taylor", "linearize", "vmap"):
        assert str(error).startswith(head)


def test_lanes_are_entries() -> None:
    _, found = raised(wg.vmap(lambda x: np.log(x)), np.array([1.0, -2.0, 3.0, -4.0]))
    assert found.entries == ((1,), (3,)) and found.count == 2 and found.operands == (-2.0,)


def test_lanes_with_control_flow_of_their_own() -> None:
    _, found = raised(wg.vmap(lambda x: np.log(x) if x < 2.0 else x), np.array([1.0, 3.0, -2.0]))
    assert found.operands == (-2.0,) and found.turns == () and found.inside[0] == "lane 2"


def test_lanes_are_no_turns() -> None:
    def f(x: Any) -> Any:
        for k in range(4):
            if x < 5.0:
                x = x + np.sqrt(x - k)
        return x
    _, found = raised(wg.jacfwd(f), 0.5)
    assert found.turns == (2,) and "turn 2 of the loop at test_debug" in ", ".join(found.inside), found


# ---------------------------------------------------------------- what is said

def test_the_path_to_the_result() -> None:
    def f(x: Any) -> Any:
        a = np.log(x)
        b = 2.0 * a
        c = np.sum(b)
        return c + 1.0
    error, found = raised(wg.value_and_grad(f), np.array([1.0, -1.0]))
    start = f.__code__.co_firstlineno
    assert [int(place.rpartition(":")[2]) - start for place in found.path] == [2, 3, 4]
    assert str(error).endswith(f"test_debug_nonfinite.py:{start + 4}: return c + 1.0")


def test_what_came_in_with_an_argument() -> None:
    error, found = raised(wg.grad(norm), np.array([1.0, np.nan]))
    assert (found.operation, found.input, found.entries) == ("", 0, ((1,),))
    assert "NaN came in with argument leaf 0, at entry [1]" in str(error)


HELD = np.array([[1.0, np.nan], [0.0, 1.0]])


def divided(x: Any) -> Any:
    return x / 0  # here


def times_infinity(x: Any) -> Any:
    y = x * (np.float64(1.0) / 0)  # here
    return y + 1.0


def of_no_number(x: Any) -> Any:
    A = np.zeros((2, 2))
    B = A / A
    return np.sum(B @ (x * np.ones(2)))  # here


def of_a_captured_array(x: Any) -> Any:
    y = HELD @ (x * np.ones(2))  # here
    return np.sum(y)


def in_a_turn(x: Any) -> Any:
    for k in range(6):
        if k == 4:
            x = x * np.inf  # here
    return x


@pytest.mark.parametrize("f", [divided, times_infinity, of_no_number, of_a_captured_array, in_a_turn])
@pytest.mark.parametrize("way", [wg.grad, lambda f: wg.jit(wg.grad(f)), wg.jacfwd, wg.value_and_grad])
def test_a_constant_that_is_not_finite_is_named_where_it_meets_a_traced_value(f: Any, way: Any) -> None:
    error, found = raised(way(f), 2.0)
    assert found.source.endswith("# here"), str(error)
    assert found.turns == ((4,) if f is in_a_turn else ()), str(error)
    assert found.operation == ("divide" if f is divided else "") and "all is finite" not in str(error)


def normalized(h: Any) -> Any:
    d = h - np.mean(h)
    z = d / np.sqrt(np.mean(d ** 2))  # here
    return np.sum(np.maximum(z, 0.0))


@pytest.mark.parametrize("way", [wg.grad, lambda f: wg.jit(wg.grad(f)), lambda f: wg.grad(wg.jit(f, at_once=True)),
                                 lambda f: wg.grad(lambda h: (f(h), h), has_aux=True)])
def test_a_gradient_that_is_finite_of_a_value_that_is_not(way: Any) -> None:
    g = way(normalized)
    for _ in range(2):
        error, found = raised(g, np.ones(3))
        assert "the result is finite, and the value of the function is NaN" in str(error)
        assert (found.operation, found.source) == ("divide", "z = d / np.sqrt(np.mean(d ** 2))  # here")
    with wg.debug_nonfinite():
        g(np.array([1.0, 2.0, 4.0]))


def test_gradients_within_may_be_of_infinite_values() -> None:
    def f(x: Any) -> Any:
        return x * wg.grad(lambda y: y + np.inf)(2.0)
    for way in (wg.grad, lambda f: wg.jit(wg.grad(f))):
        with wg.debug_nonfinite():
            assert way(f)(3.0) == 1.0


def test_many_entries_are_counted() -> None:
    error, found = raised(wg.jit(np.log), -np.ones((3, 4)))
    assert found.count == 12 and found.entries == ((0, 0), (0, 1), (0, 2))
    assert "at entries [0, 0], [0, 1], [0, 2] and 9 more" in str(error) and "(and 11 more)" in str(error)


def test_sums_tell_the_range_of_what_they_were_given() -> None:
    error, found = raised(wg.jit(np.sum), np.array([1e308, 1.5e308]))
    assert found.kind == "infinity" and "from 1e+308 to 1.5e+308" in str(error)


def test_infinities_may_be_let_through() -> None:
    with wg.debug_nonfinite(infinities=False):
        assert wg.grad(root)(0.0) == np.inf
        with pytest.raises(NonFiniteError, match="NaN"):
            wg.grad(norm)(np.zeros(2))


# ---------------------------------------------------------------- the context

def test_it_leaves_nothing_behind() -> None:
    held = config._held[0]
    with pytest.raises(ZeroDivisionError), wg.debug_nonfinite():
        wg.grad(lambda x: x * (1 // 0))(1.0)
    with pytest.raises(NonFiniteError), wg.debug_nonfinite():
        wg.grad(root)(0.0)
    assert DEBUG.get() is None and config._held[0] == held == 0
    assert wg.grad(root)(0.0) == np.inf


def test_contexts_nest() -> None:
    with wg.debug_nonfinite():
        with wg.debug_nonfinite(infinities=False):
            assert wg.grad(root)(0.0) == np.inf
        with pytest.raises(NonFiniteError):
            wg.grad(root)(0.0)
        with wg.debug_nonfinite(False):
            assert wg.grad(root)(0.0) == np.inf
        with pytest.raises(NonFiniteError):
            wg.grad(root)(0.0)


def test_it_decorates() -> None:
    @wg.debug_nonfinite()
    def train() -> Any:
        return wg.grad(root)(0.0)
    for _ in range(2):
        with pytest.raises(NonFiniteError):
            train()


def test_without_parentheses_it_is_no_decorator() -> None:
    with pytest.raises(InputError, match=r"@wg.debug_nonfinite\(\)"):
        wg.debug_nonfinite(root)
    with pytest.raises(InputError, match="True or False, not"):
        wg.debug_nonfinite("yes")  # type: ignore[arg-type]


def test_it_belongs_to_its_thread() -> None:
    f = wg.jit(wg.grad(root), at_once=True)
    f(0.0)
    found: list[Any] = []
    with wg.debug_nonfinite():
        thread = threading.Thread(target=lambda: found.append(f(0.0)))
        thread.start()
        thread.join()
        with pytest.raises(NonFiniteError):
            f(0.0)
    assert found == [np.inf]


def test_it_belongs_to_its_task() -> None:
    async def debugged(begun: asyncio.Event, other: asyncio.Event) -> None:
        with wg.debug_nonfinite():
            begun.set()
            await other.wait()
            with pytest.raises(NonFiniteError):
                wg.grad(root)(0.0)

    async def plain(begun: asyncio.Event, other: asyncio.Event) -> Any:
        await begun.wait()
        out = wg.grad(root)(0.0)
        other.set()
        return out

    async def both() -> Any:
        begun, other = asyncio.Event(), asyncio.Event()
        return (await asyncio.gather(debugged(begun, other), plain(begun, other)))[1]
    assert asyncio.run(both()) == np.inf


def test_compiled_functions_stay_compiled() -> None:
    """Outside, calls enter machine code by themselves again; inside, the same machine code is run."""
    f = wg.jit(wg.value_and_grad(lambda x: np.sum(np.sin(x) * np.exp(x))), at_once=True)
    x = np.linspace(0.0, 1.0, 7)
    before = f(x)
    with wg.debug_nonfinite():
        inside = f(x)
    after = f(x)
    for found in (inside, after):
        assert found[0] == before[0] and found[1].tobytes() == before[1].tobytes()


def test_arguments_are_replayed_as_they_were() -> None:
    @wg.jit
    def f(x: Any) -> Any:
        y = np.log(x)
        x[0] = 5.0
        return y
    x = np.array([-1.0, 2.0])
    with pytest.warns(wg.StagingWarning):
        _, found = raised(f, x)
    assert found.operands == (-1.0,) and x[0] == 5.0


def test_a_pullback_is_that_of_its_own_point() -> None:
    x = np.zeros(2)
    _, pullback = wg.vjp(norm, x)
    x[:] = 1.0
    _, found = raised(pullback, 1.0)
    assert found.operands[-1] == 0.0


def test_what_is_drawn_is_drawn_again() -> None:
    rng = np.random.default_rng(3)

    def f(x: Any) -> Any:
        for _ in range(4):
            x = x + np.log(2.0 + rng.normal(size=3))
        return np.sum(x)
    for g in (wg.value_and_grad(f), wg.jit(f), wg.jit(wg.grad(lambda x: f(x) * f(x)))):
        for _ in range(4):
            state = rng.bit_generator.state
            ahead = np.random.default_rng()
            ahead.bit_generator.state = state
            try:
                with wg.debug_nonfinite():
                    g(np.ones(3))
            except NonFiniteError as error:
                turn, z = next((k, z) for k in range(8) if np.any((z := 2.0 + ahead.normal(size=3)) < 0))
                found: Any = error.finding
                assert found.operation == "log" and found.turns == (turn % 4,)
                np.testing.assert_allclose(found.operands[0], z[z < 0][0])


def test_nothing_is_printed_twice(capsys: pytest.CaptureFixture[str]) -> None:
    def f(x: Any) -> Any:
        print("at", x)
        return np.log(x)
    raised(wg.value_and_grad(f), -1.0)
    assert capsys.readouterr().out == "at -1.0\n"


def test_algorithms_may_meet_infinities() -> None:
    """A line search that tries points outside the domain is no fault of the program."""
    tried: list[float] = []

    def value(x: Any) -> Any:
        tried.append(float(np.sum(x - np.log(x))))
        return tried[-1]
    f = wg.opaque(value, derivative=lambda x: 1.0 - 1.0 / x, result=np.float64(0.0))
    with wg.debug_nonfinite():
        found = wg.optim.lbfgs(f, np.array([30.0, 0.5]))
    np.testing.assert_allclose(found.x, [1.0, 1.0], rtol=1e-4)
    assert np.any(np.isnan(tried))


def test_a_loop_that_cannot_be_staged() -> None:
    def f(x: Any) -> Any:
        seen: dict[str, Any] = {}
        for k in range(4):
            seen.setdefault(f"{k}", np.log(x - k))
            if float(seen[f"{k}"]) > 100.0:
                break
        return sum(seen.values())
    _, found = raised(wg.value_and_grad(f), 1.5)
    assert found.operands == (-0.5,) and found.source.startswith("seen.setdefault")


def test_a_call_that_is_not_the_same_again() -> None:
    signs = itertools.chain([-1.0], itertools.repeat(1.0))
    f = wg.opaque(lambda x: np.log(next(signs) * x), result=np.float64(0.0))
    with pytest.raises(NonFiniteError, match="replayed") as caught, wg.debug_nonfinite():
        wg.jit(lambda x: f(x))(1.0)
    assert caught.value.finding is None
