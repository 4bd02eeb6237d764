"""Programs with a planted problem each: the line that has it says so, by its code. Run, not read.

What comes in: nothing. What goes out: `PROGRAMS`, functions with the point they are looked at. The one idea: what the linter
finds is exactly what the comments say.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import wengert as wg

PROGRAMS: list[tuple[Any, tuple[Any, ...]]] = []
RNG = np.random.default_rng(5)
DATA = RNG.normal(size=(6, 3))


def at(*args: Any) -> Any:
    """The program is looked at there."""
    def noted(f: Any) -> Any:
        PROGRAMS.append((f, args))
        return f
    return noted


# ---------------------------------------------------------------- WG101: kinks

@at(np.array([0.5, -2.0, 0.0]))
def lasso(w):
    fit = np.sum((w - 1.0) ** 2)
    return fit + 0.1 * np.sum(np.abs(w))  # -> WG101


@at(np.array([0.0, 1.0]), np.array([[1.0, 2.0], [3.0, -1.0], [2.0, 2.0]]))
def hinge(w, features):
    scores = features @ w
    margins = 1.0 - np.array([0.5, -1.0, 0.4]) * scores
    return np.sum(np.maximum(margins, 0.0))  # -> WG101


@at(np.zeros(3))
def length(v):
    return np.linalg.norm(v) + v[0]  # -> WG101


@at(np.array([1.0, 2.0]))
def distance(v):
    shift = v - np.array([1.0, 2.0])
    return np.hypot(shift[0], shift[1])  # -> WG101


@at(np.zeros(2))
def root_of_squares(v):
    square = np.sum(v * v)
    return np.sqrt(square)  # -> WG101


@at(2.0)
def tariff(x):
    below = 3.0 * x
    above = 6.0 + 5.0 * (x - 2.0)
    return np.where(x < 2.0, below, above)  # -> WG101


@at(1.0)
def branch(x):
    if x > 1.0:  # -> WG101
        y = 2.0 * x - 1.0
    else:
        y = x * x * x
    return y * y


@at(np.array([0.3, 1.0, 0.2]))
def clipped(x):
    y = np.clip(x, 0.0, 1.0)  # -> WG101
    return np.sum(y * np.array([1.0, 2.0, 3.0]))


@at(3.0)
def masked_by_product(x):
    active = x > 3.0  # -> WG101
    return 2.0 * x + active * (x - 3.0)


@at(np.array([1.0, 2.0, 2.0 + 1e-9]))
def near_kink(x):
    gap = x[2] - x[1]
    return x[0] + abs(gap)  # -> WG101


@at(1.0)
def in_a_loop(x):
    total = 0.0
    for k in range(4):
        total = total + abs(x - k)  # -> WG101
    return total


@at(0.5)
def sign_times(x):
    side = np.sign(x - 0.5)  # -> WG101
    return x + side * (x - 0.5)


# ---------------------------------------------------------------- WG110: ties

@at(np.array([1.0, 3.0, 3.0]))
def peak(x):
    y = 2.0 * x
    return y.max()  # -> WG110


@at(np.array([4.0, 1.0, 1.0]))
def trimmed(x):
    ranked = np.sort(x)  # -> WG110
    return ranked[0] + 2.0 * ranked[2]


@at(np.array([2.0, 2.0, 1.0]))
def highest_so_far(x):
    y = np.maximum.accumulate(x)  # -> WG110
    return y @ np.array([1.0, 2.0, 3.0])


@at(np.eye(2))
def largest_eigenvalue(a):
    values = np.linalg.eigvalsh(a)  # -> WG110
    return values[-1]


# ---------------------------------------------------------------- WG102: jumps

@at(2.3)
def staircase(x):
    return x * np.floor(x)  # -> WG102


@at(1.7)
def fee(x):
    extra = np.where(x > 2.0, 1.5, 0.0)  # -> WG102
    return 0.2 * x + extra


@at(0.9)
def step_in_branch(x):
    y = x * x
    if y > 1.0:  # -> WG102
        y = y + 1.0
    return 3.0 * y


@at(np.array([0.2, 0.7, 0.5]))
def winner(x):
    k = np.argmax(x)  # -> WG102
    return x[0] * np.array([1.0, 2.0, 4.0])[k]


@at(1.4)
def table(x):
    k = np.searchsorted(np.array([0.0, 1.0, 2.0]), x)  # -> WG102
    return x + np.array([5.0, 6.0, 8.0, 11.0])[k]


@at(10.5)
def clock(x):
    y = x % 12.0  # -> WG102
    return y * y


@at(1.7)
def halvings(x):
    y, n = x, 0
    while y > 0.3:  # -> WG102
        y = 0.5 * y
        n = n + 1
    return y + n


@at(0.4)
def relay(x):
    side = np.sign(x - 0.5)  # -> WG102
    return x * x + side


@at(0.3331234567)
def kept_to_nine_decimals(x):
    kept = np.round(x, 9)  # -> WG102
    return 2.0 * kept + x


# ---------------------------------------------------------------- WG103, WG104: inputs that do not count

@at({"w": np.array([1.0, 2.0]), "unused": np.array([3.0])})
def forgotten(p):  # -> WG103
    return np.sum(p["w"] ** 2)


@at(np.array([1.0, 2.0]))
def partly_written(x):
    y = np.empty(3)
    y[0] = x[0]  # -> WG111
    y[2] = x[1]
    return np.sum(y**2)


@at(1.0)
def always_three(x):  # -> WG103
    return 3.0


@at(np.array([1.0, 2.0]))
def overwritten(x):  # -> WG103
    y = x * 3.0
    y = np.array([1.0, 4.0])
    return np.sum(y * y)


@at(1.5)
def frozen(x):
    target = wg.stop_gradient(np.sin(x))  # -> WG104
    return target * target


@at(2.6)
def counted(x):
    y = 2.0 * x
    n = int(y)  # -> WG104
    return 1.5 * n


@at(2.6)
def repeated(x):
    total = 1.0
    for _ in range(int(x)):  # -> WG104
        total = total * 1.5
    return total


@at(np.array([1.2, 3.9]))
def binned(x):
    places = x.astype(int)  # -> WG104
    return np.sum(np.array([0.0, 1.0, 4.0, 9.0])[places])


# ---------------------------------------------------------------- WG105: slopes of zero

@at(np.array([3.0, -2.0]))
def saturated(x):
    y = np.clip(x, -1.0, 1.0)  # -> WG105
    return np.sum(y * y)


@at(np.array([-1.0, -0.5, -2.0]))
def dead_units(w):
    hidden = np.maximum(w @ np.abs(DATA.T), 0.0)  # -> WG105
    return np.sum(hidden * hidden)


@at(2.3)
def rounded(x):
    y = np.round(x)  # -> WG105
    return y * y


@at(np.array([0.2, 0.9, 0.4]))
def accuracy(w):
    right = w > np.array([0.5, 0.5, 0.5])  # -> WG105
    return np.mean(right)


# ---------------------------------------------------------------- WG106: behind a mask

@at(np.array([-1.0, 4.0]))
def half_root(x):
    safe = np.maximum(x, 0.0)
    y = np.sqrt(safe)  # -> WG106
    return np.sum(np.where(x > 0.0, y, x * x))


@at(np.array([0.0, 0.5]))
def entropy(p):
    logs = np.log(p)  # -> WG106
    return -np.sum(np.where(p > 0.0, p * logs, p))  # -> WG101


@at(np.array([0.0, 2.0]))
def ratio(x):
    y = np.expm1(x) / x  # -> WG106
    return np.sum(np.where(x == 0.0, 1.0 + 0.5 * x, y))


# ---------------------------------------------------------------- WG107: cancellation

@at(1e-10)
def growth(x):
    return np.log(1.0 + x) / x  # -> WG107


@at(1e-6)
def versine(x):
    return (1.0 - np.cos(x)) / x**2  # -> WG107


@at(1e-9)
def compounding(x):
    rise = np.exp(x) - 1.0  # -> WG107
    return rise / x


@at(np.array([800.0, 799.0]))
def partition_function(x):
    weights = np.exp(x - 100.0)
    return np.log(np.sum(weights))  # -> WG107


@at(3e-170, 4e-170)
def radius(x, y):
    squares = x * x + y * y
    return np.sqrt(squares) / 1e-170  # -> WG107


@at(1e7 + DATA[:, 0])
def spread(x):
    mean = np.mean(x)
    return np.mean(x * x) - mean**2  # -> WG107


@at(1e9)
def far_root(b):
    square = b * b - 4.0
    return (b - np.sqrt(square)) / 2.0  # -> WG107


@at(1e9)
def near_root(b):
    square = b * b - 4.0
    return (-b + np.sqrt(square)) / 2.0  # -> WG107


@at(1e-6)
def versine_turned(x):
    turned = -np.cos(x)
    return (turned + 1.0) / x**2  # -> WG107


# ---------------------------------------------------------------- WG108, WG109

@at(0.9)
def fixed_point(a):
    x = 1.0
    while abs(x - np.cos(a * x)) > 1e-3:  # -> WG108
        x = np.cos(a * x)
    return x


@at(2.0)
def slow_root(a):
    x = a
    for _ in range(100):  # -> WG108
        new = 0.9 * x + 0.1 * a / x
        if abs(new - x) < 1e-4:
            break
        x = new
    return x


@at(np.array([1.0, 2.0]))
def noisy(x):
    noise = RNG.normal(size=2)  # -> WG109
    return np.sum((x + noise) ** 2)


@at(np.array([1.0, 2.0, 3.0]))
def dropped_out(x):
    kept = RNG.uniform(size=3) < 0.5  # -> WG109
    return np.sum(x * kept)
