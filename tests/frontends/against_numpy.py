"""Checks of a function on tracers against plain NumPy.

What comes in: a function and ordinary arguments. What goes out: a failure where a value is not NumPy's to the last bit,
or where forward mode, reverse mode, second order or batching disagree with differences or with each other. The one
idea: nothing is compared with the formula that it came from.
"""

import numpy as np

import wengert as wg


def same(f, *args):
    """Values, dtype and shape to the last bit; every output of a tuple."""
    expected, found = f(*args), wg.vjp(f, *args)[0]
    if not isinstance(expected, tuple):
        expected, found = (expected,), (found,)
    assert len(expected) == len(found)
    for e, g in zip(map(np.asarray, expected), map(np.asarray, found), strict=True):
        assert (g.dtype, g.shape) == (e.dtype, e.shape)
        assert np.array_equal(g, e, equal_nan=True), f"{g} is not {e}"


def outputs(f, *args):
    """All outputs as one real vector, through np functions."""
    y = f(*args)
    parts = y if isinstance(y, tuple) else (y,)
    flat = []
    for part in parts:
        part = np.reshape(part, -1)
        flat.extend([np.real(part), np.imag(part)] if np.iscomplexobj(part) else [part])
    return np.concatenate(flat)


def differences(f, x, v, step=1e-3):
    """The derivative of f at x along v, by differences of sixth order."""
    def odd(k):
        return f(x + k * step * v) - f(x - k * step * v)
    return (45 * odd(1) - 9 * odd(2) + odd(3)) / (60 * step)


def close(found, expected, tolerance):
    scale = np.max(np.abs(expected), initial=1.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def draw(rng, x):
    v = rng.normal(size=np.shape(x))
    return v + 1j * rng.normal(size=np.shape(x)) if np.iscomplexobj(x) else v


def check(f, *args, exact=True, step=1e-3, tolerance=1e-8):
    """Value; then, for each argument: forward, reverse, second order, and the batch of a gradient."""
    if exact:
        same(f, *args)
    rng = np.random.default_rng(11)
    for k, x in enumerate(args):
        def g(x, k=k):
            return outputs(f, *args[:k], x, *args[k + 1:])

        x, v, u = np.asarray(x), draw(rng, x), draw(rng, x)
        w = rng.normal(size=np.shape(g(x)))

        def number(x, g=g, w=w):
            y = g(x)
            return np.sum(w * (y + 0.5 * y * y))

        close(wg.jvp(g, (x,), (v,))[1], differences(g, x, v, step), tolerance)
        gradient = wg.grad(number)
        inner = np.sum(np.real(np.conj(gradient(x)) * v))
        close(inner, wg.jvp(number, (x,), (v,))[1], 1e-11)
        close(wg.jvp(gradient, (x,), (u,))[1], differences(gradient, x, u, step), tolerance)
        lanes = np.stack([x, x + 0.25 * step * v])
        close(wg.vmap(gradient)(lanes), np.stack([gradient(lane) for lane in lanes]), 1e-11)
