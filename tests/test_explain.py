"""`explain`: the numbers are those of `grad` and `jvp`, the order is that of the passes, and what goes wrong is said."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import InputError, UnsupportedError

RNG = np.random.default_rng(5)
A = RNG.normal(size=(3, 3)) + 4 * np.eye(3)
V = RNG.normal(size=3)


def network(w: Any, x: Any) -> Any:
    hidden = np.tanh(w[0] @ x + w[1])
    return np.mean((w[2] @ hidden - 1.0) ** 2)


def iterated(x: Any) -> Any:
    for _ in range(4):
        x = np.sin(x) * 1.5
    while np.sum(x) < 20.0:
        x = x * 2.0 + 0.5
    if np.sum(x) > 3.0:
        x = x + 1.0
    return np.sum(x)


def writes(x: Any) -> Any:
    y = np.zeros(3)
    y[0] = x[1] ** 2
    y[1:] += x[:2] * y[0]
    return np.dot(y, x)


def scanned(x: Any) -> Any:
    out = np.zeros(4)
    for k in range(4):
        x = np.cos(x) * x
        out[k] = np.sum(x)
    return np.prod(out)


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "scalars": (lambda x, y: (x + 1 / (1 + np.exp(-y))) * np.tanh(x), (2.0, 1.0)),
    "twice the same": (lambda x: x * x + x / x, (3.0,)),
    "quadratic form": (lambda a, v: v @ a @ v, (A, V)),
    "solve": (lambda a, v: np.sum(np.linalg.solve(a, v) ** 2), (A, V)),
    "several results": (lambda a: np.sum(np.linalg.eigh(a + a.T)[1][0] * np.linalg.eigh(a + a.T)[0]), (A,)),
    "broadcast": (lambda a, v: np.sum(a * v + v[:, None]) / v[0], (A, V)),
    "chosen": (lambda v: np.sum(np.where(v > 0, np.sqrt(v), 0.0)), (np.array([0.0, -1.0, 2.0]),)),
    "norm at zero": (lambda v: np.linalg.norm(v) ** 2 + np.sum(np.abs(v) ** 2), (np.zeros(3),)),
    "even power": (lambda x: np.abs(x) ** 2, (0.0,)),
    "a container": (network, ({0: A, 1: V, 2: V * 2}, V)),
    "loops": (iterated, (np.array([0.3, 0.7]),)),
    "staged loops": (wg.jit(iterated), (np.array([0.3, 0.7]),)),
    "writes": (writes, (V,)),
    "saving in a loop": (wg.jit(scanned), (np.array([0.4, 0.5]),)),
    "softmax": (lambda v: np.log(np.sum(np.exp(v))) + np.max(v), (V,)),
    "complex": (lambda z: np.abs(np.sum(z * z)), (V + 1j,)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_sums_are_the_gradient(name: str) -> None:
    f, args = PROGRAMS[name]
    e = wg.explain(f, *args)
    with np.errstate(all="ignore"):
        expected, gradients = wg.linearize(f, *args), wg.grad(f, tuple(range(len(args))))(*args)
    leaves = [leaf for tree in gradients for leaf in (tree.values() if isinstance(tree, dict) else [tree])]
    assert len(leaves) == len(e.inputs)
    assert bool(e.findings) == (name == "chosen")
    for k, gradient in zip(e.inputs, leaves, strict=True):
        adjoint = e.nodes[k].adjoint
        np.testing.assert_allclose(np.zeros_like(gradient) if adjoint is None else adjoint, gradient, rtol=1e-13, atol=1e-300)
    ones = [np.ones_like(e.nodes[k].value) for k in e.inputs]
    along = e.along(*ones)
    trees = [{key: np.ones_like(x) for key, x in a.items()} if isinstance(a, dict) else np.ones_like(a) for a in args]
    np.testing.assert_allclose(along.nodes[e.outputs[0]].tangents[0], expected[1](*trees), rtol=1e-12)


def test_every_adjoint_is_the_sum_of_its_terms_in_the_order_of_the_pass() -> None:
    e = wg.explain(network, {0: A, 1: V, 2: V * 2}, V)
    done: set[int] = set()
    for k in e.backward:
        node = e.nodes[k]
        total = 0.0 if node.seed is None else node.seed
        for c in node.contributions:
            assert c.source in done, "a term comes from an adjoint that is complete"
            total = total + c.amount
        np.testing.assert_array_equal(total, node.adjoint)
        done.add(k)
    assert done >= set(e.inputs)
    assert [n.id for n in e.nodes] == list(range(len(e.nodes)))
    assert all(o < n.id for n in e.nodes for o in n.operands)


def test_partial_times_adjoint_is_the_amount() -> None:
    e = wg.explain("w2 log(w1) + sqrt(w2 log(w1)) + w1^3 / w2 - x^y + |w1|", w1=2.0, w2=3.0, x=1.5, y=0.5)
    checked = 0
    for node in e.nodes:
        for c in node.contributions:
            assert c.partial * e.nodes[c.source].adjoint == pytest.approx(c.amount, rel=1e-15)
            words = c.word.replace("^", "**")
            values = {n.name: float(n.value) for n in e.nodes} | {"log": math.log, "sign": np.sign}
            assert eval(words, {}, values) == pytest.approx(float(c.partial), rel=1e-14), c.word
            checked += 1
    assert checked > 12


def test_lecture_forward_for_each_input_and_backward_once() -> None:
    e = wg.explain("w2 log(w1) + sqrt(w2 log(w1))", w1=2.0, w2=3.0)
    assert [(n.name, n.text) for n in e.nodes] == [
        ("w1", "w1"), ("w2", "w2"), ("v1", "log(w1)"), ("v2", "w2 * v1"), ("v3", "sqrt(v2)"), ("v4", "v2 + v3")]
    assert e.directions == ["w1", "w2"]
    v2 = 3 * math.log(2)
    first, second = (1 + 0.5 / math.sqrt(v2)) * 1.5, (1 + 0.5 / math.sqrt(v2)) * math.log(2)
    assert [float(t) for t in e.nodes[-1].tangents] == pytest.approx([first, second])
    assert [e.nodes[k].name for k in e.backward] == ["v4", "v3", "v2", "v1", "w2", "w1"]
    assert [float(e.nodes[k].adjoint) for k in e.inputs] == pytest.approx([first, second])
    assert [(e.nodes[c.source].name, c.word) for c in e.nodes[3].contributions] == [("v4", "1"), ("v3", "1 / (2 * v3)")]


def test_loops_are_groups_with_their_turns() -> None:
    e = wg.explain(iterated, np.array([0.3, 0.7]))
    loops = {g.label: g for g in e.groups if g.kind == "loop"}
    turns = [g.turns for g in loops.values()]
    assert turns[0] == 4 and len(turns) == 2
    first = next(iter(loops.values()))
    inside = [g for g in e.groups if g.parent == first.id]
    assert [g.label for g in inside] == [f"turn {k} of 4" for k in range(4)]
    assert sum(e.nodes[k].primitive == "sin" for g in e.groups if g.parent in [i.id for i in inside] for k in g.nodes) == 4
    assert all(n.line and "x = np.sin(x) * 1.5" in e.source[n.line] for n in e.nodes if n.primitive == "sin")


def helper(x: Any) -> Any:
    return np.sin(x) * 2.0


def nested(x: Any) -> Any:
    for i in range(3):
        for _ in range(2):
            x = np.cos(x)
        if i == 1:
            continue
        x = helper(x)
    for k in range(10):
        if k == 3:
            break
        x = x * x
    return sum(x * k for k in range(1, 3))


def test_turns_are_counted_exactly() -> None:
    e = wg.explain(nested, 0.5)
    turns = [g.turns for g in e.groups if g.kind == "loop"]
    assert turns == [3, 2, 2, 2, 4, 2]
    assert [g.label for g in e.groups if g.kind == "call"] == ["helper()", "helper()"]


def on_one_line(x: Any) -> Any:
    return sum(x * (5 * k + j) for k in range(3) for j in range(4))


def comprehended(x: Any) -> Any:
    return sum([sum([x * (5 * k + j) for j in range(4)]) for k in range(3)])


def one_line_bodies(x: Any) -> Any:
    for _ in range(3): x = x * 2.0  # noqa: E701
    while x < 30.0: x = x * 2.0  # noqa: E701
    return x


def with_contexts(x: Any) -> Any:
    for _ in range(2):
        with contextlib.nullcontext():
            x = x * 2.0
    return x * 3.0


def tried(x: Any) -> Any:
    while True:
        try:
            x = x * 2.0
            if x < 20.0:
                raise ValueError
            break
        except ValueError:
            x = x + 1.0
    return x * 3.0


def continued(x: Any) -> Any:
    while x < 20.0:
        if 5.0 < x < 9.0:
            x = x + 2.0
            continue
        x = x * 2.0
    return x


def long_body(x: Any) -> Any:  # its jumps need more than a byte
    for k in range(3):
        x = x * 2.0
        _ = [k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6, k + 7, k + 8, k + 9, k + 10, k + 11, k + 12, k + 13, k + 14, k + 15,
             k + 16, k + 17, k + 18, k + 19, k + 20, k + 21, k + 22, k + 23, k + 24, k + 25, k + 26, k + 27, k + 28, k + 29,
             k + 30, k + 31, k + 32, k + 33, k + 34, k + 35, k + 36, k + 37, k + 38, k + 39, k + 40, k + 41, k + 42, k + 43,
             k + 44, k + 45, k + 46, k + 47, k + 48, k + 49, k + 50, k + 51, k + 52, k + 53, k + 54, k + 55, k + 56, k + 57]
    return x


def _turns(e: wg.Explanation, primitive: str = "multiply") -> list[str]:
    """Of each operation of a kind, the turns that it is in, from the outermost loop on."""
    found = []
    for n in e.nodes:
        labels: list[str] = []
        at = n.group
        while at is not None:
            labels += [e.groups[at].label.removeprefix("turn ")] if e.groups[at].kind == "turn" else []
            at = e.groups[at].parent
        found += [", ".join(reversed(labels))] if n.primitive == primitive else []
    return found


@pytest.mark.parametrize("f, expected", [
    (on_one_line, [f"{k} of 3, {j} of 4" for k in range(3) for j in range(4)]),
    (comprehended, [f"{k} of 3, {j} of 4" for k in range(3) for j in range(4)]),
    (one_line_bodies, ["0 of 3", "1 of 3", "2 of 3", "0 of 1"]),
    (with_contexts, ["0 of 2", "1 of 2", ""]),
    (tried, ["0 of 3", "1 of 3", "2 of 3", ""]),
    (continued, ["0 of 4", "1 of 4", "3 of 4"]),
    (long_body, ["0 of 3", "1 of 3", "2 of 3"]),
])
def test_each_operation_is_in_its_turn(f: Callable[..., Any], expected: list[str]) -> None:
    assert _turns(wg.explain(f, 2.0)) == expected


def drawn_from(x: Any) -> Any:
    def items() -> Any:
        for k in range(1, 4):
            yield x * k
    total = 0.0
    for item in items():
        total = total + item
    return total


def test_a_generator_goes_on_in_the_turn_that_asks_for_more() -> None:
    assert _turns(wg.explain(drawn_from, 2.0)) == [f"{k} of 3, {k} of 3" for k in range(3)]


def test_a_staged_loop_is_one_node_and_opens() -> None:
    f, x = wg.jit(iterated), np.array([0.3, 0.7])
    e = wg.explain(f, x)
    loops = [n for n in e.nodes if n.turns is not None]
    assert [n.turns for n in loops if n.primitive == "scan"] == [4]
    assert {n.turns for n in loops if n.primitive == "while_loop"} == {3}
    value, gradient = e.nodes[e.outputs[0]].value, e.nodes[0].adjoint
    plain = wg.explain(iterated, x)
    sines = [n for n in plain.nodes if n.primitive == "sin"]
    for k in (0, 2, -1):
        opened = e.open(loops[0].name, k)
        (sine,) = [n for n in opened.nodes if n.primitive == "sin"]
        np.testing.assert_allclose(sine.value, sines[k].value, rtol=1e-15)
        np.testing.assert_allclose(sine.adjoint, sines[k].adjoint, rtol=1e-13)
        np.testing.assert_allclose(opened.nodes[0].adjoint, gradient, rtol=1e-14)
        assert opened.nodes[opened.outputs[0]].value == value
        assert any(g.label.startswith(f"turn {k % 4} of 4 of the loop") for g in opened.groups)
    line = next(n.line for n in e.nodes if n.primitive == "cond")
    assert line is not None
    assert "cond" not in [n.primitive for n in e.open(line).nodes]
    with pytest.raises(InputError, match="4 turns; there is no turn 4"):
        e.open(loops[0].id, 4)
    with pytest.raises(InputError, match="loops and branches: .*test_explain.py"):
        e.open("nowhere.py:3")


def backward_scan(x: Any) -> Any:
    last, saved = wg.scan(lambda c, s: (c * s, c + s), x, np.arange(1.0, 5.0) * x, reverse=True)
    return saved[0] * last + np.sum(saved)


@pytest.mark.parametrize("turn", [0, 1, 3])
def test_what_a_loop_saves_is_joined(turn: int) -> None:
    f, args = PROGRAMS["saving in a loop"]
    e = wg.explain(f, *args)
    loop = next(n for n in e.nodes if n.turns is not None)
    np.testing.assert_allclose(e.open(loop.id, turn).nodes[0].adjoint, e.nodes[0].adjoint, rtol=1e-13)
    body = wg.explain(wg.jit(backward_scan), 0.5)
    loop = next(n for n in body.nodes if n.turns == 4)
    np.testing.assert_allclose(body.open(loop.id, turn).nodes[0].adjoint, body.nodes[0].adjoint, rtol=1e-13)


def test_where_the_nan_came_from() -> None:
    assert wg.explain("log(x - 2) * x", x=1.0).findings[0] == "v2 = log(v1) is nan: v1 = -1."
    said = wg.explain("sqrt(x) y", x=0.0, y=2.0).findings
    assert said == ["Backward, the adjoint of x is inf: ∂v1/∂x = 1 / (2 * v1) is inf, and the adjoint of v1 = sqrt(x) is 2."]
    (said,) = wg.explain(*PROGRAMS["chosen"][:1], *PROGRAMS["chosen"][1]).findings
    assert said.startswith("v2 = sqrt(v) is [0, nan, 1.41421] (at test_explain.py:")
    assert said.endswith("The result is finite all the same.")
    assert wg.explain("1 / x", x=0.0).findings[0] == "v1 = 1 / x is inf: x = 0."


def sinking(x: Any) -> Any:
    for k in range(20):
        x = np.sqrt(x) - 0.2 * k
    return x


def test_in_which_turn_of_a_staged_loop_a_nan_arose() -> None:
    e = wg.explain(wg.jit(sinking), 3.0)
    assert e.findings[0].endswith("It arose in turn 5: e.open('v1', 5) shows where.")
    opened = e.open("v1", 5).findings[0]
    assert "= sqrt(" in opened and "is nan" in opened
    plain = wg.explain(sinking, 3.0)
    turn = next(plain.groups[n.group] for n in plain.nodes if n.group is not None and np.isnan(n.value))
    assert plain.groups[turn.parent or 0].label == "turn 5 of 20"


def doubling(x: Any) -> Any:
    while x < 10.0:
        x = x * 1.5 + np.sin(x)
    return x


def test_derivatives_are_programs_too() -> None:
    slope, curvature = wg.grad(doubling), wg.grad(wg.grad(doubling))(1.0)
    for f in (slope, wg.jit(slope)):
        e = wg.explain(f, 1.0)
        assert float(e.nodes[0].adjoint) == pytest.approx(curvature, rel=1e-12)
        assert any(e.source.get(n.line or "", "").startswith(("x = x * 1.5", "while x < 10.0")) for n in e.nodes)
        json.dumps(e.to_json(), allow_nan=False)


@pytest.mark.parametrize("seed", [3, 8, 19, 29])
@pytest.mark.parametrize("staged", [False, True])
def test_random_programs(seed: int, staged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "programs"))
    from generator import program
    from harness import load, points
    f, at = load(program(seed)), points(seed)[0]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        f = wg.jit(f) if staged else f
        expected = wg.grad(f, (0, 1, 2))(*at)
        e = wg.explain(f, *at)
        loops = [n for n in e.nodes if n.turns]
        for one in (e, *[e.open(n.id, -1) for n in loops[:1]]):
            for k, gradient in zip(one.inputs, expected, strict=True):
                adjoint = one.nodes[k].adjoint
                scale = np.max(np.abs(gradient), initial=0.0)
                np.testing.assert_allclose(0.0 if adjoint is None else adjoint, gradient, rtol=1e-9, atol=1e-9 * scale)
            assert one.text() and one.svg()


def undefined(x: Any) -> Any:
    y = x - 2.0
    return math.log(y) * x


def test_an_exception_ends_the_explanation_and_not_the_program() -> None:
    e = wg.explain(undefined, 1.0)
    assert e.failure == "ValueError: math domain error" and [n.text for n in e.nodes] == ["x", "x - 2"]
    assert "The evaluation ended with ValueError: math domain error. The last operation" in e.findings[0]
    assert e.backward == [] and e.outputs == []


def test_what_is_to_be_known_is_said() -> None:
    space: dict[str, Any] = {}
    exec("def f(x):\n    return x * x\n", space)
    assert any("source of the function is not known" in n for n in wg.explain(space["f"], 1.0).notes)
    assert any("more than one number" in n for n in wg.explain(lambda x: x * 2.0, V).notes)
    assert wg.explain(lambda x: 3.0, 1.0).notes == ["The result does not depend on the inputs."]
    with pytest.raises(InputError, match="by name only is no input; take x by position, for instance lambda x: f"):
        wg.explain(lambda *, x: x * x, x=1.0)
    for result, what in ((None, "None"), ("text", "a str")):
        assert f"The function returned {what}, not a number" in wg.explain(lambda x, r=result: r, 1.0).notes[0]

    def printing(x: Any) -> Any:
        np.testing.assert_equal(1, 1)
        wg.opaque(print, None)
        return x
    with pytest.raises(InputError, match="write 3.0 for 3"):
        wg.explain(lambda x: x * x, 3)
    with pytest.raises(InputError, match="missing a required argument"):
        wg.explain(network, V)
    with pytest.raises(InputError, match="a function or a formula"):
        wg.explain(3.0)


def test_a_debugger_is_left_alone() -> None:
    seen: list[str] = []

    def tracer(frame: Any, event: str, arg: Any) -> Any:
        seen.append(frame.f_code.co_name)
        return None
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        e = wg.explain(iterated, np.array([0.3, 0.7]))
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert "iterated" in seen and any("loops are not folded" in n for n in e.notes)
    assert all(g.kind == "line" for g in e.groups) and e.groups
    np.testing.assert_array_equal(e.nodes[0].adjoint, wg.grad(iterated)(np.array([0.3, 0.7])))


def test_complex_adjoints() -> None:
    e = wg.explain(lambda z: np.abs(z * z) ** 2, 1.0 + 2.0j)
    assert any("conjugates" in n for n in e.notes)
    (c,) = e.nodes[0].contributions
    assert c.word == "2 * z" and c.partial == 2.0 + 4.0j
    assert c.amount == pytest.approx((2.0 - 4.0j) * e.nodes[c.source].adjoint)


def test_another_direction_and_another_cotangent() -> None:
    e = wg.explain(lambda x, y: (x * y, x + y), 2.0, 3.0)
    assert [float(e.along(1.0, 10.0).nodes[k].tangents[0]) for k in e.outputs] == [23.0, 11.0]
    assert [float(e.seeded(1.0, 0.0).nodes[k].adjoint) for k in e.inputs] == [3.0, 2.0]
    with pytest.raises(InputError, match="a part for each of x, y"):
        e.along(1.0)
    with pytest.raises(InputError, match="has shape"):
        e.seeded(np.ones(2), 1.0)


def chain(x: Any) -> Any:
    y = x
    for _ in range(2500):
        y = np.sin(y) * 1.01 + x * 0.1
    return y


def test_ten_thousand_equations() -> None:
    e = wg.explain(chain, 0.3)
    assert len(e.nodes) == 10_001 and len(e.groups) < 3 * 2500 + 2
    assert float(e.nodes[0].adjoint) == float(wg.grad(chain)(0.3))
    assert sum(len(n.contributions) for n in e.nodes) < 2 * len(e.nodes)


def test_too_many_operations_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wengert.frontends.visits.MOST", 100)
    with pytest.raises(UnsupportedError, match=r"more than 100 operations .*wg.explain\(wg.jit\(f\), ...\)"):
        wg.explain(chain, 0.3)


def test_plain_data() -> None:
    e = wg.explain(lambda x, a: np.sum(np.log(x) * a), -1.0, np.arange(40.0))
    data = json.loads(json.dumps(e.to_json(), allow_nan=False))
    assert data["nodes"][0]["value"] == -1.0 and data["nodes"][-1]["value"] == "nan"
    assert data["nodes"][1]["value"] == {
        "shape": [40], "dtype": "float64", "min": 0.0, "max": 39.0, "mean": 19.5, "nonfinite": 0}
    assert len(e.to_json(values=True)["nodes"][1]["value"]["values"]) == 40
    assert set(data) == {"title", "source", "notes", "findings", "failure", "directions", "inputs", "outputs", "backward",
                         "nodes", "groups"}
