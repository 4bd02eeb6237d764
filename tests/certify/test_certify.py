"""Certificates: what is wrong is found, what is sound or merely rough causes no false alarm.

What comes in: functions made to deceive, with derivatives known from paper. What goes out: a failure for a verdict that is not
the one that paper gives.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

import wengert as wg
from wengert.cli import main
from wengert.errors import InputError

LINE = np.linspace(1.0, 2.0, 5)


def ruled(f: Any, rule: Any) -> Any:
    """f with a slope of one's own."""
    found = wg.custom_jvp(f)
    found.defjvp(lambda primals, tangents: (f(*primals), rule(*primals) * tangents[0]))
    return found


def one_of(n: int, j: int, factor: float) -> Any:
    """A sum of cubes, whose slope is wrong in one input."""
    weights = np.ones(n)
    weights[j] = factor
    cube = ruled(lambda x: x**3, lambda x: 3.0 * weights * x**2)
    return lambda x: np.sum(cube(x))


def bad_transpose() -> Any:
    f = wg.custom_vjp(lambda x: np.sum(x**2))
    f.defvjp(lambda x: (np.sum(x**2), x), lambda x, ct: (np.concatenate([2.0 * x[:-1] * ct, 4.0 * x[-1:] * ct]),))
    return f


def bisected(a: Any) -> Any:
    low, high = 0.0, 4.0
    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        if middle * middle > a:
            high = middle
        else:
            low = middle
    return 0.5 * (low + high)


# ---------------------------------------------------------------- what is wrong

WRONG = {
    "sign": (ruled(np.sin, lambda x: -np.cos(x)), 0.7),
    "a thousandth": (ruled(np.sin, lambda x: 1.001 * np.cos(x)), 0.7),
    "a dropped term": (ruled(lambda x: x * np.exp(x), lambda x: x * np.exp(x)), 0.7),
    "one of five": (one_of(5, 3, 1.001), LINE),
    "the last": (bad_transpose(), LINE),
    "single precision": (ruled(np.sin, lambda x: np.float32(1.01) * np.cos(x)), np.float32(0.7)),
    "a conjugate": (ruled(np.exp, lambda z: np.conj(np.exp(z))), 1.0 + 2.0j),
    "outside both slopes": (ruled(np.abs, lambda x: 3.0 + 0.0 * x), 0.0),
    "tiny": (ruled(lambda x: x * x, lambda x: 2.1 * x), 1e-150),
    "one of many outputs": (ruled(np.sin, lambda x: np.where(np.arange(50) == 33, 1.01, 1.0) * np.cos(x)),
                            np.linspace(0.1, 1.0, 50)),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rules(name):
    f, x = WRONG[name]
    found = wg.certify(f, x)
    assert not found.ok
    assert found.verdict.startswith("not certified: wrong: "), found
    assert any(e.verdict == "wrong" for e in found.elements)


def test_the_one_of_ten_thousand_is_found():
    found = wg.certify(one_of(10_000, 4321, 1.001), np.linspace(1.0, 2.0, 10_000))
    assert found.verdict.startswith("not certified: wrong: x[4321]: "), found
    assert len(str(found).splitlines()) < 50


def test_the_one_that_is_wrong_is_told():
    found = wg.certify(one_of(5, 3, 1.001), LINE)
    assert [e.verdict for e in found.elements] == ["agrees", "agrees", "agrees", "wrong", "agrees"]
    assert found.elements[3].reference == pytest.approx(3.0 * LINE[3] ** 2, rel=1e-11)
    assert {w.name for w in found.ways if w.verdict == "contradicts"} == {"Richardson differences", "complex step"}


def test_a_small_factor_is_inexact():
    found = wg.certify(ruled(np.sin, lambda x: (1.0 + 2e-6) * np.cos(x)), 0.7)
    assert (found.ok, found.elements[0].verdict, int(found.elements[0].digits)) == (False, "inexact", 5)


def test_a_small_factor_behind_a_solver_is_inexact():
    """A solver explains what its tolerance does, and no more."""
    sine = ruled(np.sin, lambda x: (1.0 + 1e-5) * np.cos(x))
    for f in (lambda a: quad(lambda t: sine(a * t), 0.0, 1.0)[0], lambda a: brentq(lambda t: sine(t) - a, 0.0, 1.5)):
        assert wg.certify(f, 0.7).verdict.startswith("not certified: inexact: ")


def test_the_one_that_matters_little_is_found():
    weights = np.where(np.arange(100) == 57, 1e-7, 1.0)
    f = ruled(lambda x: x**2, lambda x: (2.0 + (weights < 1.0)) * x)
    found = wg.certify(lambda x: np.sum(f(x) * weights), np.linspace(0.1, 1.4, 100))
    assert found.verdict.startswith("not certified: wrong: x[57]: "), found


def test_second_order_alone():
    cosine = ruled(np.cos, np.sin)  # the sign is wrong
    found = wg.certify(ruled(np.sin, cosine), 0.7)
    assert found.elements[0].verdict == "agrees"
    assert found.verdict.startswith("not certified: wrong: random direction, second order"), found
    assert found.taylor[0].rates[1] == pytest.approx(2.0, abs=0.05)
    assert found.taylor[0].rates[2] == pytest.approx(2.0, abs=0.1)


def test_wrong_only_beside_the_point():
    found = wg.certify(ruled(np.sin, lambda x: np.where(x == 0.7, 1.0, 1.5) * np.cos(x)), 0.7)
    assert found.elements[0].verdict in ("agrees", "ill-conditioned")
    assert "near the point" in found.verdict


def test_what_is_no_function():
    calls: list[int] = []

    def counting(x):
        calls.append(1)
        return x * len(calls)
    generator = np.random.default_rng(0)

    def writing(x):
        x[0] = 2.0
        return np.sum(x * x)
    assert wg.certify(counting, 1.0).verdict.startswith("not certified: not reproducible")
    assert wg.certify(lambda x: np.sum(x * generator.normal(size=2)), np.ones(2)).verdict.startswith("not certified: not repr")
    kept = np.ones(3)

    def appending(xs):
        xs.append(1.0)
        return 2.0 * xs[0]
    assert wg.certify(appending, [1.0]).verdict.startswith("not certified: changes its argument")
    assert wg.certify(writing, kept).verdict.startswith("not certified: changes its argument")
    np.testing.assert_array_equal(kept, 1.0)


# ---------------------------------------------------------------- what is odd

ODD = {
    "abs": (np.abs, 0.0, "kink", "slopes -1 on the left and 1 on the right; 0, between them, is given; WG101 kink of abs"),
    "relu": (lambda x: np.maximum(x, 0.0), 0.0, "kink", "0.5, between them"),
    "where": (lambda x: np.where(x < 2.0, 3.0 * x, 5.0 * x - 4.0), 2.0, "kink", "that on the right is given"),
    "where, at a negative argument": (lambda x: np.where(x < -2.0, 3.0 * x, 5.0 * x + 4.0), -2.0, "kink",
                                      "slopes 3 on the left and 5 on the right; that on the right is given"),
    "small": (lambda x: x + 1e-6 * np.abs(x - 1.0), 1.0, "kink", "WG101"),
    "max": (lambda x: np.max(x), np.array([3.0, 3.0]), "kink", "WG110 tie in max"),
    "norm": (np.linalg.norm, np.zeros(2), "kink", "slopes -1"),
    "floor": (lambda x: np.floor(x) + x, 2.0, "jump", "WG102 jump of floor"),
    "int": (lambda x: 1.5 * int(x), 2.6, "cut off", "conversion to integers"),
    "odd": (lambda x: x + 1e-3 * np.sign(x), 0.0, "jump", "WG102 jump of sign"),
    "stairs": (lambda x: np.round(x * 1e3) / 1e3, 0.7, "cut off", "goes in steps"),
    "stop": (lambda x: x * wg.stop_gradient(x), 2.0, "cut off", "stop_gradient"),
    "bisection": (bisected, 2.0, "cut off", "WG105"),
    "steps, with a rule": (ruled(lambda x: np.round(np.sin(x) * 1e3) / 1e3, np.cos), 0.7, "unreliable",
                           "goes in steps of 1e-03"),
    "root": (np.sqrt, 0.0, "not finite", "it is inf"),
    "cancelled": (lambda x: (1.0 - np.cos(x)) / x**2, 1e-8, "ill-conditioned", "WG107 1 - cos(u)"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_named(name):
    f, x, verdict, why = ODD[name]
    found = wg.certify(f, x)
    assert not found.ok
    assert (found.elements[0].verdict, why in found.elements[0].why or found.elements[0].why) == (verdict, True)


def test_a_value_that_is_not_finite():
    found = wg.certify(lambda x: np.log(x), -1.0)
    assert found.verdict.startswith("not certified: not finite: log(-1) = nan, in the forward pass")


# ---------------------------------------------------------------- what is sound

@dataclasses.dataclass
class Model:
    w: np.ndarray
    b: float
    power: int = 3


SOUND = {
    "tiny": (lambda x: np.sum(x**2), np.array([1e-150, 2e-150])),
    "tinier": (lambda x: np.sin(x * 1e200), 1e-200),
    "huge": (np.log, 1e300),
    "all sizes": (lambda x: np.sum(np.log(x)), np.array([1e-200, 1.0, 1e200])),
    "beside a large value": (lambda x: 1e16 + np.sin(x), 1.0),
    "steep": (lambda x: np.tanh(1e4 * (x - 1.0001)), 1.0),
    "rapid": (lambda x: np.sin(1e6 * x), 1.0),
    "high power": (lambda x: x**50, 3.0),
    "condition 1e10": (lambda a: np.sum(np.linalg.solve(a, np.ones(8))), 1.0 / (np.arange(8)[:, None] + np.arange(8) + 1.0)),
    "roots": (lambda x: np.prod(x - np.arange(1, 21)), 10.3),
    "float32": (lambda x: np.sum(np.sin(x) * x), np.linspace(0.1, 1.0, 5).astype(np.float32)),
    "float32 within": (lambda x: np.sum(np.sin(x.astype(np.float32))), np.linspace(0.1, 1.0, 4)),
    "complex": (lambda z: np.sum(np.abs(np.fft.fft(z)) ** 2), np.arange(4) + 1.0j),
    "complex values": (lambda z: np.exp(z) * z, 1.0 + 2.0j),
    "minimum": (lambda x: np.sum((x - 1.0) ** 2), np.ones(3)),
    "flat": (lambda x: np.sum(x**4), np.zeros(2)),
    "saddle": (lambda x: x**3, 0.0),
    "kinks that cancel": (lambda x: np.maximum(x, 0.0) + np.minimum(x, 0.0), 0.0),
    "bent gradient": (lambda x: x * np.abs(x), 0.0),
    "between jumps": (lambda x: np.floor(x) * x, 1.7),
    "border": (lambda x: x**2.5, 0.0),
    "near a border": (lambda x: np.sqrt(1.0 - x), 1.0 - 1e-9),
    "masked": (lambda x: np.sum(np.where(x > 0.0, np.sqrt(np.where(x > 0.0, x, 1.0)), 0.1 * x)), np.array([-1.0, 4.0])),
    "constant": (lambda x: 3.0 + 0.0 * x, 2.0),
    "empty": (np.sum, np.zeros(0)),
    "nothing": (lambda x: x[:0], np.ones(3)),
    "dataclass": (lambda p: np.sum(p.w**p.power) * p.b, Model(np.array([1.0, 2.0]), 0.5)),
    "lists": (lambda p: [p["w"] * p["b"], {"n": p["n"], "y": p["b"] ** 2}], {"w": np.ones((2, 2)), "b": 3.0, "n": 5}),
    "many outputs": (lambda x: np.outer(np.sin(x), np.cos(x)), np.linspace(0.1, 1.0, 30)),
    "many inputs": (lambda x: np.sum((x @ x.T) ** 2), np.random.default_rng(0).normal(size=(20, 20))),
    "bisection, with a rule": (ruled(bisected, lambda x: 0.5 / np.sqrt(x)), 2.0),
    "lost in fifty digits": (lambda x: np.log(np.sum(np.exp(x))), np.array([30.0, 110.0, 190.0])),
    "tolerance 1e-3": (lambda a: solve_ivp(lambda t, y: -a * np.sin(y), (0.0, 1.0), [1.0]).y[0, -1], 0.7),
}


@pytest.mark.parametrize("name", SOUND)
def test_no_false_alarm(name):
    f, x = SOUND[name]
    found = wg.certify(f, x)
    assert found.ok, found
    assert not [w for w in found.ways if w.verdict == "contradicts"], found


def test_values_and_error_bars():
    """Against the derivative from paper: the error bar covers it, and the digits are there."""
    x = np.array([0.5, 1.0, 2.0])
    found = wg.certify(lambda x: np.sum(np.exp(x) * np.sin(x)), x)
    for e, exact in zip(found.elements, np.exp(x) * (np.sin(x) + np.cos(x)), strict=True):
        assert abs(e.value - exact) <= e.error + 4e-16 * abs(exact)
        assert e.digits > 12
    assert [e.input for e in found.elements] == ["x[0]", "x[1]", "x[2]"]


def test_arguments():
    def f(p, x, n, scale=1.0):
        return scale * np.sum(p["w"] * x**n)
    found = wg.certify(f, {"w": np.ones(2)}, np.array([1.0, 2.0]), 3, argnums=(0, 1), scale=2.0)
    assert found.ok
    assert {e.input: round(e.value, 10) for e in found.elements} == {
        "p['w'][0]": 2.0, "p['w'][1]": 16.0, "x[0]": 6.0, "x[1]": 24.0}
    with pytest.raises(InputError, match="write 3.0 for 3"):
        wg.certify(lambda n: n * 2.0, {"n": 3})
    with pytest.raises(InputError, match="argnums=2"):
        wg.certify(f, {"w": np.ones(2)}, argnums=2)
    with pytest.raises(InputError, match="where"):
        wg.certify(f)


def test_many_inputs_are_sampled_and_it_is_said():
    found = wg.certify(lambda x: np.sum(np.sin(x) * x[::-1]), np.linspace(0.0, 1.0, 2_000))
    assert found.ok
    assert len(found.elements) == 16
    assert "16 of 2,000 inputs one by one, all along random directions" in str(found)
    assert len(str(found).splitlines()) < 50


# ---------------------------------------------------------------- command line, picture

@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "certified.py"
    path.write_text("import numpy as np\ndef f(x, y):\n    return np.abs(x) * y\n")
    return path


def test_command_line(program, tmp_path, capsys):
    assert main(["certify", f"{program}:f", "x=1", "y=2", "--plot", str(tmp_path / "rates.svg")]) == 0
    assert "f, 1 input, 1 output: certified to" in capsys.readouterr().out
    assert (tmp_path / "rates.svg").read_text(encoding="utf-8").count("<path") > 50
    assert main(["certify", f"{program}:f", "x=0", "y=2", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["elements"][0]["verdict"], document["findings"][0]["code"]) == (False, "kink", "WG101")
    assert main(["certify", f"{program}:g", "x=0"]) == 2
    assert "has no function" in capsys.readouterr().err
