"""Explicit control flow: `cond`, `while_loop`, `fori_loop`, `scan`, alone and under every transform, staged and not."""

from __future__ import annotations

import math
import signal
import time
import warnings
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError, StructureError
from wengert.graph.parse import parse
from wengert.graph.walk import subgraphs
from wengert.staging import StagingWarning

X = np.array([0.3, 0.7, 1.1, 0.2])


@pytest.fixture(autouse=True)
def _staged():
    """Running unstaged is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", StagingWarning)
        yield


def plain(f):
    return f


def names_in(graph):
    return {n for e in graph.equations for n in (e.primitive.name, *(m for g in subgraphs(e) for m in names_in(g)))}


# ---------------------------------------------------------------- values and derivatives in every way


def by_while(x):
    """The square root of the sum, by Newton's method."""
    a = np.sum(x)
    return wg.while_loop(lambda s: abs(s * s - a) > 1e-13, lambda s: 0.5 * (s + a / s), a)


def by_while_tree(x):
    def body(s):
        return {"n": s["n"] + 1, "v": (s["v"][0] * x, s["v"][1] + s["v"][0])}

    out = wg.while_loop(lambda s: s["n"] < 5, body, {"n": 0, "v": (x, np.zeros(4))})
    return np.sum(out["v"][1]) * out["n"]


def by_fori(x):
    return wg.fori_loop(1, 4, lambda i, v: v * x[i] + i * np.sin(v), x[0])


def by_scan(x):
    def step(c, x):
        return {"s": c["s"] + x, "p": c["p"] * math.sin(x)}, (c["s"] * x, None)

    c, (ys, nothing) = wg.scan(step, {"s": 0.0, "p": 1.0}, x)
    if nothing is not None:
        raise TypeError
    return c["s"] * c["p"] + np.sum(ys**2)


def by_scan_reverse(x):
    c, ys = wg.scan(lambda c, r: (c * r[0] + r[1], [c * c]), 1.0, (x, x**2), reverse=True)
    return c + np.sum(ys[0] * np.arange(4.0))


def by_scan_length(x):
    c, ys = wg.scan(lambda c, _: (np.sin(c) * x, c[::-1]), x, None, length=3)
    return np.sum(c) + np.sum(ys[1] ** 2)


def by_cond(x):
    big = wg.cond(x[2] > 1.0, lambda a, b: {"a": a * b, "b": b}, lambda a, b: {"a": a, "b": a / b}, x[0], x[1])
    small = wg.cond(x[0] > 1.0, lambda v: v**2, lambda v: -v, x)
    return big["a"] * big["b"] + np.sum(small**3)


def by_all(x):
    """One in the other."""

    def outer(c, r):
        inner = wg.while_loop(
            lambda v: v < 3.0 + x[1], lambda v: wg.cond(v > 2.0, lambda u: u * (1 + x[0]), lambda u: u + r, v), c
        )
        return inner * 0.5, wg.scan(lambda a, b: (a * b, a + b), inner, x)

    c, (a, ys) = wg.scan(outer, x[0], x[:3] * 2)
    return c + np.sum(a * ys[:, 0]) + wg.fori_loop(0, 3, lambda i, v: v + ys[i, 1] * x[i], 0.0)


PROGRAMS = [by_while, by_while_tree, by_fori, by_scan, by_scan_reverse, by_scan_length, by_cond, by_all]


def reference(f):
    """The same program, written in Python."""
    return {
        by_while: lambda x: math.sqrt(np.sum(x)),
        by_while_tree: lambda x: 5 * np.sum(sum(x ** (k + 1) for k in range(5))),
        by_fori: lambda x: _fori(x),
        by_scan: lambda x: np.sum(x) * np.prod(np.sin(x)) + np.sum((np.concatenate([[0], np.cumsum(x)[:-1]]) * x) ** 2),
        by_scan_reverse: lambda x: _reverse(x),
        by_scan_length: lambda x: np.sum(np.sin(np.sin(np.sin(x) * x) * x) * x) + np.sum((np.sin(x) * x) ** 2),
        by_cond: lambda x: x[0] * x[1] * x[1] + np.sum((-x) ** 3),
    }.get(f)


def _fori(x):
    v = x[0]
    for i in range(1, 4):
        v = v * x[i] + i * np.sin(v)
    return v


def _reverse(x):
    c, total = 1.0, 0.0
    for i in (3, 2, 1, 0):
        total += c * c * i
        c = c * x[i] + x[i] ** 2
    return c + total


@pytest.mark.parametrize("f", PROGRAMS)
def test_value(f):
    wanted = f(X)
    if reference(f) is not None:
        assert wanted == pytest.approx(reference(f)(X), rel=1e-12)
    assert wg.jit(f)(X) == wanted
    assert wg.value_and_grad(f)(X)[0] == wanted


@pytest.mark.parametrize("f", PROGRAMS)
def test_derivatives(f):
    """Each way against finite differences with error estimates, to second order."""
    wg.check_grads(f, (X,))
    wg.check_grads(wg.jit(f), (X,))
    gradient, curvature = wg.grad(f)(X), wg.hessian(f)(X)
    if reference(f) is not None:
        assert gradient == pytest.approx(wg.grad(reference(f))(X), rel=1e-9)
        assert curvature == pytest.approx(wg.hessian(reference(f))(X), rel=1e-7, abs=1e-7)
    for way in (wg.jit(wg.grad(f)), wg.grad(wg.jit(f)), wg.jacfwd(f), wg.jit(wg.jacfwd(f))):
        assert way(X) == pytest.approx(gradient, rel=1e-12)
    for way in (wg.jit(wg.hessian(f)), wg.hessian(wg.jit(f)), wg.jit(wg.jacrev(wg.jacrev(f)))):
        assert way(X) == pytest.approx(curvature, rel=1e-10, abs=1e-12)
    v = np.array([1.0, -2.0, 0.5, 3.0])
    assert wg.jit(lambda x: wg.jvp(f, (x,), (v,))[1])(X) == pytest.approx(gradient @ v, rel=1e-10)


@pytest.mark.parametrize("f", PROGRAMS)
def test_lanes(f):
    """Each lane with its own number of turns and its own arms."""
    lanes = np.stack([X, 1.5 * X, 0.9 * X[::-1]])
    wanted = np.array([f(x) for x in lanes])
    for way in (wg.vmap(f), wg.vmap(wg.jit(f)), wg.jit(wg.vmap(f))):
        assert way(lanes) == pytest.approx(wanted, rel=1e-13)
    gradients = np.array([wg.grad(f)(x) for x in lanes])
    for way in (wg.vmap(wg.grad(f)), wg.jit(wg.vmap(wg.grad(f))), wg.vmap(wg.jit(wg.grad(f)))):
        assert way(lanes) == pytest.approx(gradients, rel=1e-12)
    assert wg.grad(lambda x: np.sum(wg.vmap(f)(x)))(lanes) == pytest.approx(gradients, rel=1e-12)


@pytest.mark.parametrize(("f", "names"), [
    (by_while, {"while_loop"}), (by_fori, {"scan"}), (by_scan, {"scan"}), (by_scan_reverse, {"scan"}), (by_cond, {"cond"}),
    (by_all, {"while_loop", "scan", "cond"}),
])
def test_make_graph_shows_the_staged_program(f, names):
    graph = wg.make_graph(wg.jit(f), X)
    assert names_in(graph) >= names
    text = str(graph)
    assert str(parse(text)) == text
    assert not names_in(wg.make_graph(f, X)) & {"while_loop", "scan", "cond"}


def test_graph_does_not_grow_with_the_length():
    sizes = [len(str(wg.make_graph(wg.jit(by_scan), np.linspace(0.1, 1.0, n))).splitlines()) for n in (10, 1000)]
    assert sizes[0] == sizes[1]


def test_make_graph_shows_a_staged_program_with_effects():
    def f(x):
        if x <= 0:
            raise ValueError("not positive")
        return x * x

    assert names_in(wg.make_graph(wg.jit(f), 2.0)) >= {"call", "cond", "effect", "less_equal"}


# ---------------------------------------------------------------- traced bounds, integers, lengths


@pytest.mark.parametrize(("lower", "upper"), [(0, 5), (2, 3), (4, 1), (-2, 2)])
def test_traced_bounds(lower, upper):
    def f(x, a, b):
        return wg.fori_loop(a, b, lambda i, v: v * x + i, x)

    wanted = f(1.5, lower, upper)
    a, b = np.int64(lower), np.int64(upper)
    assert wg.jit(f)(1.5, a, b) == wanted
    assert wg.jit(wg.grad(f))(1.5, a, b) == pytest.approx(wg.grad(f)(1.5, lower, upper))
    assert wg.vmap(f, (0, None, 0))(np.array([1.5, 1.5]), a, np.array([b, b])) == pytest.approx([wanted, wanted])


def test_the_number_of_turns_is_carried():
    def halvings(x):
        return wg.while_loop(lambda s: s[0] > 1.0, lambda s: (s[0] / 2, s[1] + 1), (x, 0))

    for way in (plain, wg.jit):
        v, n = way(halvings)(40.0)
        assert (v, n) == (40.0 / 64, 6)
        assert type(n) is int
    assert wg.vmap(lambda x: halvings(x)[1])(np.array([40.0, 1.0, 3.0])).tolist() == [6, 0, 2]
    assert wg.grad(lambda x: halvings(x)[0])(40.0) == 1 / 64


@pytest.mark.parametrize("way", [plain, wg.jit])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7])
def test_scan_lengths(way, reverse, n):
    x = np.linspace(0.5, 2.0, 2 * n).reshape(n, 2)

    def f(x):
        return wg.scan(lambda c, r: (c + r[0] * r[1], {"y": r * c, "none": None, "n": 2}), 1.0, x, reverse=reverse)

    carry, ys = way(f)(x)
    products = x[:, 0] * x[:, 1]
    before = np.array([1.0 + np.sum(products[k + 1 :] if reverse else products[:k]) for k in range(n)])
    assert carry == pytest.approx(1.0 + np.sum(products))
    assert ys["none"] is None
    assert ys["n"].tolist() == [2] * n
    assert ys["n"].dtype == np.int64
    assert ys["y"].shape == (n, 2)
    assert ys["y"] == pytest.approx(x * before[:, None])


def test_scan_over_nothing_has_a_derivative():
    x = np.zeros((0, 3))
    for way in (plain, wg.jit):
        assert way(wg.grad(lambda a, x: wg.scan(lambda c, r: (c * np.sum(r), r), a * a, x)[0]))(3.0, x) == 6.0


def test_scan_over_nothing_runs_nothing():
    ran = []
    with pytest.raises(InputError, match=r"over no entries.*Use np\.where|over no entries"):
        wg.scan(lambda c, r: (c, ran.append(r)), 0.0, np.zeros(0))
    assert not ran


# ---------------------------------------------------------------- kinds of values


Point = namedtuple("Point", "x y")


@dataclass
class State:
    position: np.ndarray
    speed: float
    label: str = "a"


@pytest.mark.parametrize("way", [plain, wg.jit])
def test_dataclasses_named_tuples_and_constants(way):
    def move(x):
        def body(i, s):
            return [State(s[0].position + s[0].speed * x, s[0].speed * 2, s[0].label), Point(s[1].y, s[1].x), None]

        s, p, none = wg.fori_loop(0, 3, body, [State(np.zeros(2), 1.0), Point(x, 2 * x), None])
        if (type(s), type(p), none, s.label) != (State, Point, None, "a"):
            raise TypeError
        return np.sum(s.position) * s.speed + 3 * p.x

    assert way(move)(2.0) == 2 * 7 * 2.0 * 8 + 3 * 4.0
    assert way(wg.grad(move))(2.0) == 2 * 7 * 8 + 6


@pytest.mark.parametrize("way", [plain, wg.jit])
def test_single_precision_and_complex(way):
    x = np.array([1.5, 2.5, 3.5], np.float32)
    c, ys = way(lambda x: wg.scan(lambda c, r: (c * r, c + 1), np.float32(1), x))(x)
    assert (c.dtype, ys.dtype, c) == (np.float32, np.float32, np.float32(13.125))
    z = way(lambda z: wg.fori_loop(0, 3, lambda i, v: v * z, 1 + 0j))(1 + 2j)
    assert z == (1 + 2j) ** 3


@pytest.mark.parametrize("way", [plain, wg.jit, wg.grad])
def test_a_loop_owns_what_it_carries(way):
    """A body may write into what it is given; neither the start values nor xs change."""

    def f(x):
        start, rows = np.ones(3) * x, np.ones((4, 3)) * x

        def body(c, r):
            c[0] += r[1]
            r[:] = 0.0
            return c, c

        end, ys = wg.scan(body, start, rows)
        return np.sum(start) * 100 + np.sum(rows) + np.sum(end) * 10 + np.sum(ys[1] - ys[0])

    def changed(d):
        d["n"] = d["n"] * 2.0
        return d

    value = 300 * 2.0 + 12 * 2.0 + (3 + 4) * 20.0 + 2.0
    assert way(f)(2.0) == pytest.approx(value / 2.0 if way is wg.grad else value)
    assert way(lambda x: wg.fori_loop(0, 5, lambda i, d: changed(d), {"n": x})["n"])(1.0) == 32.0
    init, xs = np.ones(2), np.ones((3, 2))
    wg.scan(lambda c, r: (np.add(c, r, out=c), r.fill(7.0)), init, xs)
    assert init.tolist() == [1, 1]
    assert xs.sum() == 6


def test_arms_and_bodies_run_as_often_as_in_python():
    calls = []

    def body(v):
        calls.append("body")
        return v + 1.0

    assert wg.while_loop(lambda v: v < 3, body, 0.0) == 3.0
    assert wg.cond(True, lambda: 1, lambda: calls.append("never")) == 1
    assert calls == ["body"] * 3


def test_draws_and_prints_in_a_loop(capsys):
    def f(x, rng):
        def step(c, r):
            print(f"{r:.1f}")
            return c + r * rng.normal(), c

        return wg.scan(step, x, np.array([1.0, 2.0, 3.0]))[0]

    a, b = np.random.default_rng(3), np.random.default_rng(3)
    assert [wg.jit(f)(1.0, a) for _ in range(2)] == [f(1.0, b) for _ in range(2)]
    assert capsys.readouterr().out == "1.0\n2.0\n3.0\n" * 4


def test_what_a_closure_reads_is_read_again():
    scale = 2.0
    f = wg.jit(lambda x: wg.fori_loop(0, 4, lambda i, v: v + scale * x, 0.0))
    assert f(1.0) == 8.0
    scale = 3.0
    assert f(1.0) == 12.0


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize("way", [plain, wg.jit, wg.grad])
@pytest.mark.parametrize(("loop", "message"), [
    (lambda x: wg.fori_loop(0, 4, lambda i, v: v + 0.5, 0),
     r"fori_loop: init_val is int64\[\] .* float64\[\] after it .*py:\d"),
    (lambda x: wg.while_loop(lambda v: v["n"] < x, lambda v: {"n": np.ones(3) * v["n"]}, {"n": x - 1}),
     r"while_loop: init_val\['n'\] is float64\[\] before the body and float64\[3\]"),
    (lambda x: wg.scan(lambda c, r: ((c[0], c[1] + r), r), (x, np.float32(1)), np.ones(4)),
     r"scan: init\[1\] is float32\[\] before the body and float64\[\]"),
    (lambda x: wg.fori_loop(0, 4, lambda i, v: v[0], (x, x)),
     r"init_val has the structure .*\(\*, \*\).*, and the body gives \*"),
    (lambda x: wg.fori_loop(0, 4, lambda i, v: None, x), r"init_val is float64\[\] before the body and None"),
    (lambda x: wg.fori_loop(0, 4, lambda i, v: ("b", v[1]), ("a", x)), r"init_val\[0\] is None or a Python object \('a'\)"),
    (lambda x: wg.scan(lambda c, r: c, x, np.ones(4)), r"scan: f gives a pair \(carry, y\), not a "),
    (lambda x: wg.scan(lambda c, r: (c, "text"), x, np.ones(4)), r"scan: y is a str"),
    (lambda x: wg.scan(lambda c, r: (c, "text"), x, np.ones(0)), r"scan: y is a str"),
    (lambda x: wg.scan(lambda c, r: (1, c), x, np.ones(0)), r"scan: init is float64\[\] before the body and int64\[\]"),
])
def test_what_is_carried_keeps_its_type(way, loop, message):
    with pytest.raises(StructureError, match=message) as caught:
        way(loop)(2.0)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(("arms", "message"), [
    ((lambda v: v, lambda v: (v, v)), r"cond: true_fun gives the structure \* and false_fun .*\(\*, \*\)"),
    ((lambda v: {"a": v, "b": v}, lambda v: {"a": v, "b": np.ones(2)}),
     r"the result\['b'\] is float64\[\] from true_fun and float64\[2\] from false_fun .*py:\d"),
    ((lambda v: v, lambda v: 1), r"the result is float64\[\] from true_fun and int64\[\] from false_fun"),
    ((lambda v: v, lambda v: None), r"the result is float64\[\] from true_fun and None"),
])
def test_arms_give_the_same_types(arms, message):
    def f(x):
        return wg.cond(x > 0, *arms, x)

    def lanes(f):
        return lambda x: wg.vmap(wg.jit(f))(np.array([x, x]))

    for way in (wg.jit, lambda f: wg.jit(wg.grad(f)), lambda f: wg.grad(wg.jit(f)), lanes):
        with pytest.raises(StructureError, match=message):
            way(f)(2.0)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: wg.scan(lambda c, x: (c, x), 0.0), "give the number of steps"),
    (lambda: wg.scan(lambda c, x: (c, x), 0.0, np.ones(3), length=4), "xs has 3 entries, and length says 4"),
    (lambda: wg.scan(lambda c, x: (c, x), 0.0, {"a": np.ones(3), "b": np.ones(2)}),
     r"xs\['b'\] has 2 entries, and another leaf"),
    (lambda: wg.scan(lambda c, x: (c, x), 0.0, 2.0), r"xs is float64\[\]; each leaf of xs is an array"),
    (lambda: wg.scan(lambda c, x: (c, x), 0.0, None, length=-1), "length is -1"),
    (lambda: wg.while_loop(lambda v: "yes", lambda v: v, 0.0), "the condition is a str"),
    (lambda: wg.cond(None, lambda: 1, lambda: 2), "the condition is a NoneType"),
])
def test_wrong_arguments(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_ambiguous_conditions_and_broken_bounds():
    with pytest.raises(ValueError, match="ambiguous"):
        wg.while_loop(lambda v: v > 0, lambda v: v, np.ones(2))
    with pytest.raises(TypeError, match="integer"):
        wg.fori_loop(0, 2.5, lambda i, v: v, 0.0)


# ---------------------------------------------------------------- interrupts


# An interrupt that comes while Python collects garbage is lost; the timer rings again.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here")
@pytest.mark.parametrize("way", [
    wg.jit, lambda f: wg.jit(wg.grad(f)), lambda f: wg.grad(wg.jit(f)), wg.grad, lambda f: wg.vmap(wg.jit(f)),
])
def test_ctrl_c_stops_a_loop_at_once(way):
    def endless(x, limit):
        return np.sum(wg.while_loop(lambda s: s[1] < limit, lambda s: (np.sin(s[0]), s[1] + 1.0), (x, x))[0])

    f, x = way(endless), np.ones(2) if "vmap" in way(endless).__name__ else 1.0
    wanted = f(x, x * 20)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        started = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
        with pytest.raises(KeyboardInterrupt):
            f(x, x * np.inf)
        assert time.perf_counter() - started < 5.0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert np.array_equal(f(x, x * 20), wanted)
    assert np.array_equal(way(endless)(x, x * 20), wanted)
