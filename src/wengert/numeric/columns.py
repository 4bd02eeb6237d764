"""The plans behind the public functions: which lines through x to take, and what to make of them.

What comes in: a probed function and a checked scheme. What goes out: an `Estimate`. The one idea: every
derivative here is made of derivatives along lines. An elementwise one is a single line on which each element
moves by its own scale; a Jacobian has one line per coordinate; a mixed second derivative is the second
derivative of a combination of f along two lines, which cancels the pure ones.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .complex_step import STEP, complex_line, confirm, generic_direction, imaginary, refuse_unfit, step_error
from .probe import Estimate, Probe, Scheme, line, scale, solve
from .search import Found, Line, search
from .weights import stencil

__all__ = ["along", "elementwise", "jacobian_columns", "refuse_not_holomorphic", "second_derivatives"]

Array = NDArray[Any]


def grain_of(probe: Probe, direction: Array) -> float:
    """The rounding error of x + direction in units of the direction; infinite where x is not finite."""
    touched = direction != 0
    size = np.max(np.abs(probe.x[touched]))
    return float(probe.eps_x * size / np.max(np.abs(direction))) if np.isfinite(size) else np.inf


def scale_along(probe: Probe, v: Array, step: Any) -> float:
    """How long τ = 1 is in units of v: the given step, or what moves x by its own scale."""
    if step is not None:
        return float(step)
    return float(scale(np.max(np.abs(probe.x[v != 0]))) / np.max(np.abs(v)))


def refuse_lost_step(probe: Probe, scheme: Scheme, grain: Array | float) -> None:
    """Refuse a given step that x + step rounds away: every derivative would be zero."""
    if scheme.step is not None and scheme.method != "complex" and np.any(np.isfinite(grain) & (grain > 0.25)):
        raise ValueError(f"{probe.name}: the step {scheme.step} is lost in the rounding of x")


def in_units(found: Found, s: Any, order: int) -> Found:
    """From derivatives in τ to derivatives in t = s·τ; one division at a time, for sᵒʳᵈᵉʳ may overflow."""
    value, error, tau = found
    for _ in range(order):
        value, error = value / s, error / s
    return Found(value, error, tau * s)


def ray(probe: Probe, v: Array, scheme: Scheme) -> Found:
    """The derivative of f(x + t·v) in t at 0."""
    if not np.any(v):
        zero = np.zeros(probe.center.shape)
        return Found(zero.astype(probe.center.dtype), zero, zero)
    step = None if scheme.method == "complex" else scheme.step
    s = scale_along(probe, v, step)
    direction = s * v
    grain = grain_of(probe, direction)
    refuse_lost_step(probe, scheme, grain)
    if scheme.method == "complex":
        return in_units(by_complex_step(probe, direction, grain, scheme, s), s, scheme.order)
    return in_units(solve(line(probe, direction, grain, scheme.with_noise), scheme), s, scheme.order)


def by_complex_step(probe: Probe, direction: Array, grain: Array | float, scheme: Scheme, s: Any) -> Found:
    """The derivative in τ along `direction`: order 1 outright, more by differences of order 1."""
    if scheme.order > 1:
        return solve(complex_line(probe, direction, direction, grain), scheme, scheme.order - 1)
    step = STEP if scheme.step is None else scheme.step / s
    value, size = imaginary(probe, probe.x, direction, step)
    error = np.full(value.shape, np.inf)
    if scheme.with_error:
        error = step_error(probe, direction, value, size)
    error = np.where(np.isfinite(value), error, np.inf)
    return Found(value, error, np.full(value.shape, step))


def elementwise(probe: Probe, scheme: Scheme) -> Estimate:
    """Derivatives of an elementwise function: all elements move at once, each by its own scale."""
    x = probe.x
    shape = probe.shape
    if x.ndim and shape != x.shape:
        raise ValueError(
            f"{probe.name}: f must return one value per element: x has shape {x.shape}, f(x) has shape "
            f"{shape}; for other functions use jacobian"
        )
    given = scheme.step if scheme.step is not None and scheme.method != "complex" else None
    s = scale(x) if given is None else np.broadcast_to(given, x.shape).astype(float)
    grain: Any = np.where(np.isfinite(x), probe.eps_x * np.abs(x) / s, np.inf).reshape(-1)
    flat_s: Any = s.reshape(-1)
    if x.ndim == 0:  # one step for all elements of a curve
        grain, flat_s = float(grain[0]), float(s)
    refuse_lost_step(probe, scheme, grain)
    if probe.size == 0:
        found = Found(probe.center, np.zeros(0), np.zeros(0))
    elif scheme.method == "complex":
        refuse_unfit(probe)
        found = by_complex_step(probe, s, grain, scheme, flat_s)
        if scheme.order == 1:
            confirm(probe, s, found.value, grain)
    else:
        found = solve(line(probe, s, grain, scheme.with_noise), scheme)
        if x.dtype.kind == "c":
            refuse_not_holomorphic(probe, scale(x), grain)
    return probe.finish(*in_units(found, flat_s, scheme.order), shape, probe.result_dtype())


def along(probe: Probe, v: Array, scheme: Scheme) -> Estimate:
    """The derivative along v."""
    if scheme.method == "complex":
        refuse_unfit(probe)
    found = ray(probe, v, scheme)
    if scheme.method == "complex" and scheme.order == 1 and np.any(v):
        confirm(probe, v, found.value, grain_of(probe, v))
    return probe.finish(*found, probe.shape, probe.result_dtype())


def jacobian_columns(probe: Probe, scheme: Scheme, imaginary_too: bool = False) -> tuple[Found, Found | None]:
    """∂f/∂x, one column per coordinate, and, where asked for, the derivatives along i times those."""
    x = probe.x
    if scheme.method == "complex":
        refuse_unfit(probe)
    shape = (probe.size, x.size)
    steps = None if scheme.step is None else np.broadcast_to(scheme.step, x.shape).reshape(-1)
    parts = []
    for factor in (1.0, 1j) if imaginary_too else (1.0,):
        value = np.zeros(shape, np.result_type(probe.center.dtype, float))
        error, step = np.zeros(shape), np.zeros(shape)
        for j in range(x.size):
            unit = np.zeros(x.size, x.dtype)
            unit[j] = factor
            one = replace(scheme, step=None if steps is None else steps[j])
            value[:, j], error[:, j], step[:, j] = ray(probe, unit.reshape(x.shape), one)
        parts.append(Found(value, error, step))
    if scheme.method == "complex" and value.size:
        v = generic_direction(x)
        confirm(probe, v, value @ v.reshape(-1), grain_of(probe, v))
    return parts[0], parts[1] if imaginary_too else None


def refuse_not_holomorphic(probe: Probe, v: Array, grain: Array | float) -> None:
    """Raise ValueError where the derivative along i·v is not i times that along v (Cauchy and Riemann)."""
    formula = stencil(1, "central", 2)
    with np.errstate(all="ignore"):
        plain, turned = (search(line(probe, factor * v, grain), formula) for factor in (1.0, 1j))
        room = 10 * (plain.error + turned.error) + 1e-6 * np.abs(plain.value)
        wrong = np.abs(turned.value - 1j * plain.value) > room
    if np.any(wrong & np.isfinite(room)):
        raise ValueError(
            f"{probe.name}: f is not holomorphic at x: its derivative along i·v is not i times that along v. "
            f"Take the real and the imaginary part of x as two real arguments"
        )


# ---------------------------------------------------------------- second derivatives


def second_derivatives(probe: Probe, scheme: Scheme) -> Found:
    """The Hessian of a scalar function, by lines for the diagonal and pairs of lines beside it; symmetric."""
    x = probe.x
    if scheme.method == "complex":
        refuse_unfit(probe)
    n = x.size
    given = None if scheme.method == "complex" else scheme.step
    s: Any = np.reshape(scale(x) if given is None else np.broadcast_to(given, x.shape), -1)
    refuse_lost_step(probe, scheme, probe.eps_x * np.abs(x).reshape(-1) / s)
    value, error, step = (np.zeros((n, n)) for _ in range(3))
    for i in range(n):
        for j in range(i + 1):
            found = entry(probe, scheme, s, i, j)
            value[i, j] = value[j, i] = found.value[0] / s[i] / s[j]
            error[i, j] = error[j, i] = found.error[0] / s[i] / s[j]
            step[i, j] = step[j, i] = found.tau[0] * math.sqrt(s[i]) * math.sqrt(s[j])
    return Found(value, error, step)


def entry(probe: Probe, scheme: Scheme, s: Array, i: int, j: int) -> Found:
    """∂²f/∂uᵢ∂uⱼ for x = s·u."""
    u, w = (np.where(np.arange(s.size) == k, s, 0.0).reshape(probe.x.shape) for k in (i, j))
    grain = grain_of(probe, u + w)
    if scheme.method == "complex":
        return solve(complex_line(probe, u, w, grain), scheme, 1)
    if i == j:
        return solve(line(probe, u, grain, scheme.with_noise), scheme, 2)
    found = solve(mixed_line(probe, u, w, grain, scheme), scheme, 2)
    parts = 2.0 if scheme.method in ("forward", "backward") else 4.0
    return Found(found.value / parts, found.error / parts, found.tau)


def mixed_line(probe: Probe, u: Array, w: Array, grain: float, scheme: Scheme) -> Line:
    """A function of τ with second derivative 4uᵀHw (2uᵀHw on one side) at 0.

    f(x + τ(u+w)) − f(x + τ(u−w)) around the point; f(x + τ(u+w)) − f(x + τu) − f(x + τw) on one side of it,
    so that x never moves against u or w. What is subtracted is as large as f: it is the magnitude that is
    passed on.
    """
    one_sided = scheme.method in ("forward", "backward")
    directions = (u + w, u, w) if one_sided else (u + w, u - w)
    lines = [line(probe, direction, grain, scheme.with_noise) for direction in directions]

    def sample(tau: float) -> tuple[Array, Array]:
        values = [each.sample(tau)[0] for each in lines]
        return values[0] - sum(values[1:]), np.sum(np.abs(values), axis=0)

    center = probe.center
    start = center - sum([center] * (len(lines) - 1))
    return Line(sample, (start, len(lines) * np.abs(center)), probe.eps, grain, len(lines) * lines[0].noise)
