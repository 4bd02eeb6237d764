"""What the tests of SciPy's functions by name ask of each."""

import warnings

import numpy as np

import wengert as wg
from wengert.numeric import directional_estimate

RNG = np.random.default_rng(4)


def check(f, *args, jit=False, rtol=1e-9):
    """Value against SciPy, gradient in all arguments against differences, and compiled against traced."""
    wanted = f(*args)
    found = wg.vjp(f, *args)[0]
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=1e-11)
    assert np.shape(found) == np.shape(wanted)
    w = RNG.normal(size=np.shape(wanted))

    def number(*args):
        y = f(*args)
        return np.sum(w * (y + 0.5 * y * y))
    argnums = tuple(range(len(args)))
    gradient = wg.grad(number, argnums=argnums)
    slopes = gradient(*args)
    for k, (x, slope) in enumerate(zip(args, slopes, strict=True)):
        v = RNG.normal(size=np.shape(x))
        estimate = directional_estimate(lambda x, k=k: number(*args[:k], x, *args[k + 1:]), x, v, method="richardson")
        scale = max(1.0, abs(estimate.value))
        assert abs(np.sum(slope * v) - estimate.value) <= 1e-8 * scale + 20.0 * np.max(estimate.error), f"argument {k}"
    if jit:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compiled = wg.jit(gradient)(*args)
        for slope, again in zip(slopes, compiled, strict=True):
            np.testing.assert_allclose(again, slope, rtol=1e-9, atol=1e-11)
