"""Writes: in-place semantics of views, swaps, overlaps, masks and aliases, as in NumPy or refused.

Random programs of views and writes run on plain NumPy and on tracers: the values are the same to the last bit, the
gradient is that of the complex step. A refusal is allowed, and counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from programs import Overflow, Program

from wengert import api as wg
from wengert.errors import ConversionError, MutationError, UnsupportedError
from wengert.run import Run

REFUSALS = (ConversionError, MutationError, UnsupportedError)


def cell(array: Any) -> Any:
    """An array that the function makes: rewritten code has made a cell of it already."""
    return array


def grown(seed: int, **how: Any) -> Program | None:
    try:
        return Program(seed, **how)
    except Overflow:
        return None


def same(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def check_values(program: Program) -> bool:
    """Whether the program ran (True) or was refused; its values must be those of NumPy."""
    with np.errstate(all="ignore"):
        expected = program.run([x.copy() for x in program.inputs], lambda a: a)
        try:
            got = Run("grad", lambda *xs: tuple(program.run(xs, cell)), tuple(program.inputs), {}, (0, 1)).result()
        except REFUSALS:
            return False
    for name, a, b in zip(["x", "y", *program.names], got, expected, strict=False):
        assert same(a, b), (name, program.names, a, b)
    return True


def check_gradient(program: Program) -> None:
    rng = np.random.default_rng(1)
    shapes = [np.shape(v) for v in program.env]
    weights = [rng.normal(size=s) for s in shapes]

    def total(values: Any) -> Any:
        out = 0.0
        for w, v in zip(weights, values, strict=True):
            out = out + np.sum(v * w)
        return out

    with np.errstate(all="ignore"):
        got = wg.grad(lambda *xs: total(program.run(xs, cell)), argnums=(0, 1))(*program.inputs)
        directions = [rng.normal(size=x.shape) for x in program.inputs]
        moved = [x + 1e-30j * d for x, d in zip(program.inputs, directions, strict=True)]
        step = total(program.run(moved, lambda a: a.astype(complex))).imag / 1e-30
    scale = sum(np.sum(np.abs(g * d)) for g, d in zip(got, directions, strict=True))
    slope = sum(np.sum(g * d) for g, d in zip(got, directions, strict=True))
    assert abs(slope - step) <= 1e-11 * (scale + abs(step)) + 1e-12, (program.names, slope, step)


@pytest.mark.parametrize("block", range(10))
def test_random_programs_are_those_of_numpy(block: int) -> None:
    ran = refused = 0
    for seed in range(block * 40, block * 40 + 40):
        program = grown(seed)
        if program is None:
            continue
        if check_values(program):
            ran += 1
            check_gradient(program)
        else:
            refused += 1
    assert ran > 20
    assert refused < 0.2 * (ran + refused)


def test_random_programs_of_mixed_dtypes() -> None:
    ran = refused = 0
    for seed in range(10_000, 10_150):
        program = grown(seed, dtypes=(np.float64, np.float32, np.int64, np.complex128))
        if program is not None:
            ran, refused = (ran + 1, refused) if check_values(program) else (ran, refused + 1)
    assert ran > 60, (ran, refused)  # more refusals: floats into integers
