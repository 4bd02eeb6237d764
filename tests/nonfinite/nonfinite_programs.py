"""Programs with a planted origin of NaN or infinity, as data.

What comes in: nothing. What goes out: `PLANTED`, programs whose value or gradient is not finite, with what is to be found; and
`SOUND`, programs with infinities inside that reach no result. The one idea: the line at fault says so itself, in a comment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

import wengert as wg


@dataclass(frozen=True)
class Planted:
    """A scalar function, its arguments, and where its value or gradient goes wrong."""

    f: Callable[..., Any]
    args: tuple[Any, ...]
    passed: str
    entry: tuple[int, ...] | None = None
    operands: tuple[float, ...] | None = None
    turns: tuple[int, ...] = ()
    inside: str = ""  # what else is said to be around it


# ---------------------------------------------------------------- without loops

def log_of_negative(x: Any) -> Any:
    y = x - 2.0
    z = np.log(y)  # here
    return np.sum(z * z)


def root_at_zero(x: Any) -> Any:
    y = np.sqrt(x)  # here
    return np.sum(3.0 * y)


def norm_at_zero(x: Any) -> Any:
    d = x - 1.0
    return np.sqrt(np.sum(d * d))  # here


def overflow(x: Any) -> Any:
    e = np.exp(x)  # here
    return np.sum(e / np.sum(e))


def one_row_of_two(x: Any) -> Any:
    a = np.log(x - 3.0)
    b = np.sqrt(x - 2.0)  # here
    return np.sum(np.stack([a, b]), axis=1)[1]


def zero_by_zero(x: Any) -> Any:
    total = np.sum(np.maximum(x, 0.0))
    weights = np.maximum(x, 0.0) / total  # here
    return np.sum(weights * x)


def arccos_at_one(x: Any) -> Any:
    unit = x / 2.0
    return np.sum(np.arccos(unit))  # here


def power_at_zero(x: Any) -> Any:
    return np.sum(x ** 0.5)  # here


def unsafe_where(x: Any) -> Any:
    safe = np.maximum(x, 0.0) * 0.0 + x
    ratio = np.sin(safe) / safe  # here
    return np.sum(np.where(x == 0.0, ratio, x))


def spread_of_constants(x: Any) -> Any:
    d = x - np.mean(x)
    return np.sqrt(np.mean(d * d)) + np.sum(x)  # here


def masked_out(x: Any) -> Any:
    scores = np.where(x > 10.0, x, -np.inf)
    top = np.max(scores)
    weights = np.exp(scores - top)  # here
    return np.sum(weights)


def in_single_precision(x: Any) -> Any:
    y = x * x
    return np.sum(y * y)  # here


def arctanh_at_one(x: Any) -> Any:
    y = special.expit(x)
    return np.sum(np.arctanh(y))  # here


def reciprocal_of_subnormal(x: Any) -> Any:
    small = x * 1e-300
    return np.sum(1.0 / small)  # here


def a_rule_of_its_own(x: Any) -> Any:
    return np.sum(_root(x) * 2.0)


def a_jvp_rule_of_its_own(x: Any) -> Any:
    return np.sum(_ramp(x))


@wg.custom_jvp
def _ramp(x: Any) -> Any:
    return np.maximum(x, 0.0)


@_ramp.defjvp
def _(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    slope = 1.0 / x  # here: a_jvp_rule_of_its_own
    return np.maximum(x, 0.0), slope * t


@wg.custom_vjp
def _root(x: Any) -> Any:
    return np.sqrt(x)


def _root_forward(x: Any) -> Any:
    y = np.sqrt(x)
    return y, y


def _root_backward(y: Any, ct: Any) -> Any:
    slope = 0.5 / y  # here: a_rule_of_its_own
    return (ct * slope,)


_root.defvjp(_root_forward, _root_backward)


def a_checkpoint(x: Any) -> Any:
    def part(t: Any) -> Any:
        u = t * t
        return np.sqrt(u)  # here
    return np.sum(wg.checkpoint(part)(x))


# ---------------------------------------------------------------- with loops

def third_turn(x: Any) -> Any:
    total = np.sum(x) * 0.0
    for _ in range(6):
        x = x - 1.0
        total = total + np.sum(np.log(x))  # here
    return total


def nested(x: Any) -> Any:
    total = 0.0
    for i in range(3):
        for j in range(4):
            total = total + np.sqrt(x - i * j)  # here
    return total


def growing(x: Any) -> Any:
    for _ in range(8):
        x = x * x  # here
    return np.sum(x)


def unknown_length(x: Any) -> Any:
    total = x * 0.0
    while x < 100.0:
        total = total + 1.0 / (x - 23.0)  # here
        x = 2.0 * x + 1.0
    return total


def backward_in_a_while(x: Any) -> Any:
    total = x * 0.0
    while x < 100.0:
        total = total + np.sqrt(x - 11.0 + abs(x - 11.0))  # here
        x = 2.0 * x + 1.0
    return total


def last_turn(x: Any) -> Any:
    for k in range(4):
        x = np.sqrt(x * (3.0 - k))  # here
    return np.sum(x)


def left_early(x: Any) -> Any:
    total = 0.0
    for k in range(6):
        if x - k < 0.5:
            break
        total = total + np.sqrt(x - k - 1.0)  # here
    return total


def one_arm(x: Any) -> Any:
    total = 0.0
    for k in range(5):
        if x > k:
            total = total + 0.25 * x
        else:
            total = total + np.log(x - k)  # here
    return total


def unrolled(x: Any) -> Any:
    parts = []
    for weight in [1.0, 2.0, 4.0]:
        parts.append(np.log(x - weight))  # here
    return np.sum(parts[0]) + np.sum(parts[1]) + np.sum(parts[2])


def difference_of_infinities(x: Any) -> Any:
    total = 0.0
    for _ in range(6):
        e = np.exp(x)  # here
        total = total + (e - 0.5 * e)
        x = 3.0 * x
    return total - total


def a_scan(x: Any) -> Any:
    def step(carry: Any, t: Any) -> Any:
        new = np.sqrt(carry - t)  # here
        return new + 0.5, new
    last, _ = wg.scan(step, x, np.ones(7))
    return last


def recurrent(w: Any, x: Any) -> Any:
    h = np.zeros(2)
    for t in range(4):
        h = np.tanh(w @ h + x[t])
        h = h / np.sqrt(np.sum(h * h))  # here
    return np.sum(h)


def one_of_a_row(x: Any) -> Any:
    total = 0.0
    for k in range(5):
        total = total + np.log(x[k])  # here
    return total


def newton(a: Any) -> Any:
    x = a
    for _ in range(5):
        slope = 2.0 * x
        x = x - (x * x - a) / slope  # here
    return x


def draws(x: Any) -> Any:
    rng = np.random.default_rng(7)
    total = np.sum(x) * 0.0
    for _ in range(6):
        total = total + np.sum(np.log(x + rng.standard_normal(3)))  # here
    return total


def _first_negative() -> tuple[tuple[int, ...], int]:
    """The entry and the turn of `draws` at which the logarithm first meets a negative number, at x = 0.6."""
    rng = np.random.default_rng(7)
    for turn in range(6):
        bad = np.flatnonzero(0.6 + rng.standard_normal(3) < 0)
        if len(bad):
            return (int(bad[0]),), turn
    raise AssertionError


_ENTRY, _TURN = _first_negative()
PLANTED = {p.f.__name__: p for p in (
    Planted(log_of_negative, (np.array([3.0, 0.5, 1.0]),), "forward", (1,), (-1.5,)),
    Planted(root_at_zero, (np.array([1.0, 4.0, 0.0]),), "backward", (2,)),
    Planted(norm_at_zero, (np.ones(3),), "backward", ()),
    Planted(overflow, (np.array([1.0, 800.0]),), "forward", (1,), (800.0,)),
    Planted(zero_by_zero, (np.array([-1.0, -2.0]),), "forward", (0,), (0.0, 0.0)),
    Planted(one_row_of_two, (np.array([5.0, 1.0]),), "forward", (1,), (-1.0,)),
    Planted(arccos_at_one, (np.array([0.5, 2.0]),), "backward", (1,)),
    Planted(power_at_zero, (np.array([1.0, 0.0]),), "backward", (1,)),
    Planted(unsafe_where, (np.array([1.0, 0.0]),), "forward", (1,), (0.0, 0.0)),
    Planted(spread_of_constants, (np.full(3, 2.0),), "backward", ()),
    Planted(masked_out, (np.array([1.0, 2.0]),), "forward", (0,)),
    Planted(in_single_precision, (np.array([1.0, 1e12], np.float32),), "forward", (1,)),
    Planted(arctanh_at_one, (np.array([0.0, 50.0]),), "forward", (1,), (1.0,)),
    Planted(reciprocal_of_subnormal, (np.array([1.0, 1e-20]),), "forward", (1,)),
    Planted(a_rule_of_its_own, (np.array([1.0, 0.0]),), "backward", (1,), (0.5, 0.0)),
    Planted(a_jvp_rule_of_its_own, (np.array([1.0, 0.0]),), "backward", (1,), (1.0, 0.0)),
    Planted(a_checkpoint, (np.array([1.0, 0.0]),), "backward", (1,)),
    Planted(third_turn, (np.array([9.0, 3.5]),), "forward", (1,), (-0.5,), (3,)),
    Planted(nested, (6.0,), "backward", (), None, (2, 3)),
    Planted(growing, (np.array([2.0, 1e10]),), "forward", (1,), (1e160, 1e160), (4,)),
    Planted(unknown_length, (2.0,), "forward", (), (1.0, 0.0), (3,)),
    Planted(backward_in_a_while, (2.0,), "backward", (), None, (2,)),
    Planted(last_turn, (np.array([2.0]),), "backward", (0,), None, (3,)),
    Planted(left_early, (3.0,), "backward", (), None, (2,), "past the jump"),
    Planted(one_arm, (2.5,), "forward", (), (-0.5,), (3,), "the arm of the branch for False"),
    Planted(unrolled, (np.array([5.0, 1.5]),), "forward", (1,), (-0.5,), (1,)),
    Planted(difference_of_infinities, (10.0,), "forward", (), (810.0,), (4,)),
    Planted(a_scan, (2.0,), "forward", (), None, (3,)),
    Planted(recurrent, (np.zeros((2, 2)), np.array([[1.0, 2.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])), "forward", (0,),
            (0.0, 0.0), (2,)),
    Planted(one_of_a_row, (np.array([1.0, 2.0, -3.0, 0.0, 1.0]),), "forward", (), (-3.0,), (2,)),
    Planted(newton, (0.0,), "forward", (), (0.0, 0.0), (0,)),
    Planted(draws, (np.full(3, 0.6),), "forward", _ENTRY, None, (_TURN,)),
)}


# ---------------------------------------------------------------- infinities that do no harm

def best_so_far(x: Any) -> Any:
    best = np.inf
    for k in range(4):
        best = min(best, (x - k) ** 2)
    return best


def attention(x: Any) -> Any:
    scores = np.where(np.array([True, False, True]), x, -np.inf)
    weights = np.exp(scores - np.max(scores))
    return np.sum(weights / np.sum(weights) * x)


def dead_logarithm(x: Any) -> Any:
    return np.sum(np.where(x > 0.0, np.log(x), 0.0))


def dead_quotient(x: Any) -> Any:
    return np.sum(np.where(x == 0.0, 1.0, np.sin(x) / x))


def vanishing(x: Any) -> Any:
    return np.sum(x) + np.sum(1.0 / (1.0 + wg.stop_gradient(np.exp(x))))


def distance_to_infinity(x: Any) -> Any:
    return np.minimum(np.sum(x), np.inf) + np.arctan(np.inf)


def untaken_arm(x: Any) -> Any:
    return np.sum(x) if np.sum(x) > 0 else np.sum(np.log(x))


def infinite_bounds(x: Any) -> Any:
    return np.sum(np.clip(x, -np.inf, np.inf) ** 2)


def unused(x: Any) -> Any:
    lost = np.log(x - x)
    return np.sum(x * x) + 0.0 * np.sum(np.isinf(lost))


def sum_of_exponentials(x: Any) -> Any:
    return special.logsumexp(np.where(np.array([True, True, False]), x, -np.inf))


def spread(x: Any) -> Any:
    return np.std(x) + np.linalg.norm(x - 2.0)


def carried_along(x: Any) -> Any:
    peak, total = -np.inf, 0.0
    while total < 10.0:
        peak = max(peak, x)
        total = total + x
    return peak * total


SOUND: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {f.__name__: (f, (x,)) for f, x in (
    (best_so_far, 2.3), (attention, np.array([1.0, 2.0, -3.0])), (dead_logarithm, np.array([1.0, 0.0, -1.0])),
    (dead_quotient, np.array([0.0, 1.0])), (vanishing, np.array([800.0, 1.0])), (distance_to_infinity, np.ones(2)),
    (untaken_arm, np.array([-1.0, 2.0])), (infinite_bounds, np.array([1.0, -2.0])), (unused, np.ones(3)),
    (spread, np.full(3, 2.0)), (sum_of_exponentials, np.array([1.0, 2.0, 3.0])), (carried_along, 1.5))}
