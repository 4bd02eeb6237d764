"""Gradients from random directions: two evaluations for an estimate that is right on average.

What comes in: a real function of an array or a tree of arrays, a point, and a source of randomness. What goes out: an
estimate of the gradient, and its standard error for whoever asks. The one idea: for any pair of random vectors with
``E[w vᵀ] = I`` the mean of ``w · (vᵀ∇f)`` is the gradient, and ``vᵀ∇f`` is one difference quotient, whatever the number
of inputs. What is saved in evaluations is paid in variance, which grows with that number.

Yu. Nesterov and V. Spokoiny, Random gradient-free minimization of convex functions, Found. Comput. Math. 17 (2017),
527-566; J. C. Spall, Multivariate stochastic approximation using a simultaneous perturbation gradient approximation, IEEE
Trans. Automat. Control 37 (1992), 332-341.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .probe import Estimate
from .trees import ravel

__all__ = ["DISTRIBUTIONS", "PERTURBATIONS", "random_gradient", "random_gradient_estimate", "spsa", "spsa_estimate"]

Function = Callable[[Any], Any]
Array = NDArray[Any]
Draw = Callable[[np.random.Generator, int], tuple[Array, Array]]


# ---------------------------------------------------------------- directions v, and w with E[w vᵀ] = I

def _sphere(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    v = rng.standard_normal(n)
    v /= np.sqrt(v @ v)
    return v, n * v


def _gaussian(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    v = rng.standard_normal(n)
    return v, v


def _rademacher(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    v = 2.0 * rng.integers(0, 2, n) - 1.0
    return v, v


def _coordinate(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    v = np.zeros(n)
    v[rng.integers(n)] = 1.0
    return v, n * v


def _segmented(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    v = rng.uniform(0.5, 1.5, n) * _rademacher(rng, n)[0]
    return v, 1.0 / v


DISTRIBUTIONS: dict[str, Draw] = {
    "sphere": _sphere, "gaussian": _gaussian, "rademacher": _rademacher, "coordinate": _coordinate,
}
# Simultaneous perturbation divides by v, so v needs finite inverse moments: ±1 (where 1/v is v), or away from 0.
PERTURBATIONS: dict[str, Draw] = {"rademacher": _rademacher, "segmented": _segmented}


# ---------------------------------------------------------------- estimates

def random_gradient(
    f: Function, x: Any, *, seed: int | np.random.Generator, directions: int = 1, distribution: str = "sphere",
    step: float | None = None,
) -> Any:
    """An unbiased estimate of a gradient, ``G = s (f(x + εv) − f(x − εv)) / 2ε · v``, averaged over random directions v.

    Its mean is the gradient up to O(ε²), exactly so for quadratic f. Its relative standard deviation is about √(d/k) for d
    inputs and k directions: half the digits of one digit take 100·d evaluations.

    Parameters
    ----------
    f : callable
        Takes what x is, returns a real number.
    x : float, ndarray of float, or tree of these, with d numbers in all
        Where.
    seed : int or numpy.random.Generator
        The randomness. A generator goes on from call to call, a number gives the same directions each time.
    directions : int
        k, how many directions are averaged; two evaluations each.
    distribution : {"sphere", "gaussian", "rademacher", "coordinate"}
        Of v: uniform on the unit sphere (s = d), standard normal (s = 1), independent signs (s = 1), or one coordinate
        picked at random (s = d).
    step : float, optional
        ε. By default what moves no number by more than ``eps^(1/3) max(1, |x|∞)``, eps that of the coarsest dtype in x.

    Returns
    -------
    The structure, shapes and dtypes of x.

    Raises
    ------
    TypeError
        No float in x, a complex one, or an f that does not return a real number.
    ValueError
        An unknown distribution, or k or ε not positive.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([1.0, -2.0, 3.0])
    >>> np.round(random_gradient(lambda x: np.sum(x ** 2), x, seed=0, directions=10_000), 1)
    array([ 2. , -4. ,  6.1])
    """
    estimate = _estimate("random_gradient", f, x, seed, directions, _drawn(DISTRIBUTIONS, "distribution", distribution), step)
    return estimate.value


def random_gradient_estimate(
    f: Function, x: Any, *, seed: int | np.random.Generator, directions: int = 100, distribution: str = "sphere",
    step: float | None = None,
) -> Estimate:
    """What `random_gradient` returns, with the standard error of the average. Arguments as there.

    Returns
    -------
    Estimate
        `value` and `error` have the structure of x; `error` is one standard deviation of the average (infinite for one
        direction), which does not see the O(ε²) of the step.

    Examples
    --------
    >>> import numpy as np
    >>> e = random_gradient_estimate(lambda x: np.sum(np.exp(x)), np.zeros(4), seed=1, directions=400)
    >>> np.all(abs(e.value - 1.0) <= 4 * e.error), e.evaluations
    (np.True_, 800)
    """
    draw = _drawn(DISTRIBUTIONS, "distribution", distribution)
    return _estimate("random_gradient_estimate", f, x, seed, directions, draw, step)


def spsa(
    f: Function, x: Any, *, seed: int | np.random.Generator, directions: int = 1, perturbation: str = "rademacher",
    step: float | None = None,
) -> Any:
    """Simultaneous perturbation, ``Gᵢ = (f(x + εΔ) − f(x − εΔ)) / 2εΔᵢ``, averaged over random Δ.

    Parameters
    ----------
    f, x, seed, directions, step
        As for `random_gradient`.
    perturbation : {"rademacher", "segmented"}
        Of Δ: signs, for which this is `random_gradient` with signs; or uniform on ±[½, 3/2].

    Returns
    -------
    The structure, shapes and dtypes of x.

    Raises
    ------
    TypeError, ValueError
        As for `random_gradient`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> np.round(spsa(lambda x: np.sum(x ** 2), np.array([1.0, -2.0]), seed=rng, directions=10_000), 1)
    array([ 2.1, -4. ])
    """
    return _estimate("spsa", f, x, seed, directions, _drawn(PERTURBATIONS, "perturbation", perturbation), step).value


def spsa_estimate(
    f: Function, x: Any, *, seed: int | np.random.Generator, directions: int = 100, perturbation: str = "rademacher",
    step: float | None = None,
) -> Estimate:
    """What `spsa` returns, with the standard error of the average, as in `random_gradient_estimate`.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> spsa_estimate(lambda x: x["a"] ** 2 * x["b"], {"a": 3.0, "b": 2.0}, seed=0, directions=50).evaluations
    100
    """
    return _estimate("spsa_estimate", f, x, seed, directions, _drawn(PERTURBATIONS, "perturbation", perturbation), step)


def _drawn(table: dict[str, Draw], what: str, name: str) -> Draw:
    if name not in table:
        raise ValueError(f"unknown {what} {name!r}; there are {', '.join(map(repr, table))}")
    return table[name]


def _estimate(
    name: str, f: Function, x: Any, seed: int | np.random.Generator, directions: int, draw: Draw, step: float | None
) -> Estimate:
    if not isinstance(directions, int | np.integer) or directions < 1:
        raise ValueError(f"{name}: directions must be a whole number from 1 up, not {directions!r}")
    if step is not None and not (np.isfinite(step) and step > 0):
        raise ValueError(f"{name}: step must be positive and finite, not {step!r}")
    rng = np.random.default_rng(seed)
    point, unravel, eps = ravel(x, name)
    reach = eps ** (1 / 3) * max(1.0, float(np.max(np.abs(point))))  # balances truncation, O(ε²), and rounding, O(eps/ε)
    total, spread = np.zeros(point.size), np.zeros(point.size)
    used = 0.0
    for k in range(directions):
        v, dual = draw(rng, point.size)
        epsilon = reach / float(np.max(np.abs(v))) if step is None else float(step)
        rise = _number(name, f(unravel(point + epsilon * v))) - _number(name, f(unravel(point - epsilon * v)))
        sample = (rise / (2 * epsilon)) * dual
        apart = sample - total  # Welford 1962: mean and variance in one pass
        total = total + apart / (k + 1)
        spread = spread + apart * (sample - total)
        used = used + (epsilon - used) / (k + 1)
    deviation = np.sqrt(spread / (directions - 1) / directions) if directions > 1 else np.full(point.size, np.inf)
    return Estimate(unravel(total), unravel(deviation), used, 2 * directions)


def _number(name: str, value: Any) -> float:
    found = np.asarray(value)
    if found.shape != () or found.dtype.kind not in "fiub":
        kind = f"an array of shape {found.shape}" if found.shape else f"{found.dtype}"
        raise TypeError(f"{name}: f must return a real number, not {kind}")
    return float(found)
