"""Windows of ``scipy.signal`` whose shape is traced: Kaiser's, Gauss's, Tukey's and the like.

What comes in: a length, which is plain, and parameters, any of them traced. What goes out: the window. The one idea: each is a
formula in the distance from its middle; one that is periodic is a symmetric one, a sample longer, without its last.

F. J. Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", Proc. IEEE 66 (1978) 51-83.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.frontends.scipy_api import BY_NAME, scipy_function
from wengert.frontends.scipy_data import chosen, data, plain, refuse
from wengert.frontends.tracer import FUNCTIONS, Tracer, as_traced

__all__ = ["get_window"]

_i0, _where = FUNCTIONS[np.i0], FUNCTIONS[np.where]
_concatenate, _cumsum = FUNCTIONS[np.concatenate], FUNCTIONS[np.cumsum]


def _window(M: Any, sym: bool, formula: Callable[[int], Any]) -> Any:
    """``formula(n)`` gives the symmetric window of n > 1 samples."""
    m = plain(M, "the length of a window")
    if int(m) != m or m < 0:
        raise ValueError("Window length M must be a non-negative integer")
    m = int(m)
    if m <= 1:
        return np.ones(m)
    return formula(m) if sym else formula(m + 1)[:m]


def _offsets(n: int) -> Any:
    """The distances from the middle."""
    return np.arange(n) - (n - 1.0) / 2.0


@scipy_function("scipy.signal.windows.kaiser")
def kaiser(M: Any, beta: Any, sym: bool = True, *, xp: Any = None, device: Any = None) -> Any:
    """``scipy.signal.windows.kaiser``: ``I0(β √(1 - u²)) / I0(β)``."""
    beta = data(beta)
    return _window(M, sym, lambda n: _i0(beta * np.sqrt(1 - (2.0 * _offsets(n) / (n - 1)) ** 2)) / _i0(beta))


@scipy_function("scipy.signal.windows.kaiser_bessel_derived")
def kaiser_bessel_derived(M: Any, beta: Any, *, sym: bool = True, xp: Any = None, device: Any = None) -> Any:
    """``scipy.signal.windows.kaiser_bessel_derived``: roots of the sums of Kaiser's."""
    if not sym:
        raise ValueError("Kaiser-Bessel Derived windows are only defined for symmetric shapes")
    m = operator.index(plain(M, "the length of a window"))
    if m < 1:
        return np.zeros(0)
    if m % 2:
        raise ValueError("Kaiser-Bessel Derived windows are only defined for even number of points")
    sums = _cumsum(kaiser(m // 2 + 1, beta))
    half = np.sqrt(sums[:-1] / sums[-1])
    return _concatenate([half, half[::-1]])


@scipy_function("scipy.signal.windows.gaussian")
def gaussian(M: Any, std: Any, sym: bool = True, *, xp: Any = None, device: Any = None) -> Any:
    """``scipy.signal.windows.gaussian``: ``exp(-n² / 2σ²)``."""
    std = data(std)
    return _window(M, sym, lambda n: np.exp(-_offsets(n) ** 2 / (2 * std * std)))


@scipy_function("scipy.signal.windows.general_gaussian")
def general_gaussian(M: Any, p: Any, sig: Any, sym: bool = True, *, xp: Any = None, device: Any = None) -> Any:
    """``scipy.signal.windows.general_gaussian``: ``exp(-|n / σ|^{2p} / 2)``."""
    p, sig = data(p), data(sig)

    def formula(n: int) -> Any:
        at = _offsets(n)
        power = np.abs(np.where(at == 0, 1.0, at) / sig) ** (2 * p)
        return np.exp(-0.5 * _where(at == 0, 1.0 * (p == 0), power))  # 0 ** 2p has the derivative 0 in p, if p is not 0
    return _window(M, sym, formula)


@scipy_function("scipy.signal.windows.exponential")
def exponential(M: Any, center: Any = None, tau: Any = 1.0, sym: bool = True, *, xp: Any = None, device: Any = None) -> Any:
    """``scipy.signal.windows.exponential``: ``exp(-|n - c| / τ)``."""
    if sym and center is not None:
        raise ValueError("If sym==True, center must be None.")
    tau = data(tau)
    return _window(M, sym, lambda n: np.exp(-np.abs(np.arange(n) - ((n - 1) / 2 if center is None else data(center))) / tau))


@scipy_function("scipy.signal.windows.tukey")
def tukey(M: Any, alpha: Any = 0.5, sym: bool = True, *, xp: Any = None, device: Any = None) -> Any:
    """``scipy.signal.windows.tukey``: a cosine from either end, over the part α of the window."""
    alpha = data(alpha)
    part = chosen(alpha < 1, chosen(alpha > 0, alpha, 1.0), 1.0)

    def formula(n: int) -> Any:
        from_end = np.minimum(np.arange(n), np.arange(n)[::-1])
        slope = (from_end <= part * (n - 1) / 2.0) & (alpha > 0)
        return _where(slope, 0.5 * (1 + np.cos(np.pi * (-1 + 2.0 * from_end / part / (n - 1)))), 1.0)
    return _window(M, sym, formula)


@scipy_function("scipy.signal.windows.general_cosine")
def general_cosine(M: Any, a: Any, sym: bool = True) -> Any:
    """``scipy.signal.windows.general_cosine``: ``Σ a[k] cos(k t)``, t from -π to π."""
    a = data(as_traced(a))

    def formula(n: int) -> Any:
        t = np.linspace(-np.pi, np.pi, n)
        return sum((a[k] * np.cos(k * t) for k in range(a.shape[0])), np.zeros(n))
    return _window(M, sym, formula)


@scipy_function("scipy.signal.windows.general_hamming")
def general_hamming(M: Any, alpha: Any, sym: bool = True, *, xp: Any = None, device: Any = None) -> Any:
    """``scipy.signal.windows.general_hamming``: ``α + (1 - α) cos t``."""
    alpha = data(alpha)
    return general_cosine(M, FUNCTIONS[np.stack]([alpha, 1.0 - alpha]), sym)


@scipy_function("scipy.signal.windows.taylor")
def taylor(M: Any, nbar: int = 4, sll: Any = 30, norm: bool = True, sym: bool = True, *, xp: Any = None,
           device: Any = None) -> Any:
    """``scipy.signal.windows.taylor``: a cosine series whose coefficients depend on the level of the side lobes.

    W. G. Carrara, R. S. Goodman and R. M. Majewski, Spotlight Synthetic Aperture Radar (1995), appendix D.
    """
    a = np.arccosh(10.0 ** (data(sll) / 20.0)) / np.pi
    m = np.arange(1, plain(nbar, "the number of side lobes"))
    stretch = len(m) + 1.0
    zeros = (stretch ** 2 / (a * a + (stretch - 0.5) ** 2)) * (a * a + (m - 0.5) ** 2)  # squares of those that were moved
    upper = FUNCTIONS[np.prod](1.0 - m[:, None] ** 2 / zeros, axis=1)
    lower = np.array([np.prod([1.0 - (k / j) ** 2 for j in m if j != k]) for k in m])
    coefficient = (-1.0) ** (m + 1) * upper / (2.0 * lower)

    def formula(n: int) -> Any:
        def at(x: Any) -> Any:
            return 1.0 + 2.0 * FUNCTIONS[np.matmul](coefficient, np.cos(2.0 * np.pi * m[:, None] * (x - n / 2.0 + 0.5) / n))
        return at(np.arange(n)) / (at(np.array([(n - 1) / 2.0])) if norm else 1.0)
    return _window(M, sym, formula)


def _refused(name: str) -> None:
    @scipy_function(f"scipy.signal.windows.{name}")
    def window(*args: Any, **words: Any) -> None:
        refuse(f"scipy.signal.windows.{name}", "its parameters are not traced; use kaiser, gaussian or taylor")


for _name in ("chebwin", "dpss"):
    _refused(_name)


# ---------------------------------------------------------------- by name

_SHORT = {
    "kaiser": "ksr", "kaiser_bessel_derived": "kbd, kaiser bessel derived", "gaussian": "gauss, gss",
    "general_gaussian": "general gaussian, general gauss, general_gauss, ggs", "exponential": "poisson", "tukey": "tuk",
    "general_cosine": "general cosine", "general_hamming": "general hamming", "taylor": "taylorwin", "chebwin": "cheb",
    "dpss": ""}
_NAMES = {short: name for name, words in _SHORT.items() for short in (name, *filter(None, words.split(", ")))}


@scipy_function("scipy.signal.get_window", "scipy.signal.windows.get_window", as_given=True)
def get_window(window: Any, Nx: Any, fftbins: bool = True, *, xp: Any = None, device: Any = None) -> Any:
    """``scipy.signal.get_window``: a window by its name and parameters, which may be traced."""
    import scipy.signal
    n = plain(Nx, "the length of a window")
    parts = window if isinstance(window, tuple) else (window,)
    if not any(isinstance(p, Tracer) or isinstance(as_traced(p), Tracer) for p in parts if not isinstance(p, str)):
        return scipy.signal.get_window(window, n, fftbins)
    if not n > 0:
        raise ValueError(f"Parameter Nx={n} is not a positive integer")
    if not isinstance(parts[0], str):
        if isinstance(window, tuple):
            raise ValueError(f"First tuple entry of parameter {window=} is not a str!")
        return kaiser(n, window, not fftbins)
    name, sym = parts[0], not fftbins
    for ending, wanted in (("_symmetric", True), ("_periodic", False)):
        if name.endswith(ending):
            name, sym = name.removesuffix(ending), wanted
    if name not in _NAMES:
        scipy.signal.get_window((name, 1.0), n)  # which raises what is wrong with it
        refuse("scipy.signal.get_window", f"the parameters of {name!r} are not traced")
    return BY_NAME[f"scipy.signal.windows.{_NAMES[name]}"](n, *parts[1:], sym=sym)
