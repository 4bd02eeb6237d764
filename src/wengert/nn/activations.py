"""Activations: functions of one array, elementwise, in forms that neither overflow nor cancel.

What comes in: an array, traced or not. What goes out: an array of its shape and dtype. The one idea: an
arm of a choice is only computed where it is taken, so values and derivatives of every order are finite wherever they exist.

At a kink the derivative is PyTorch's: that of the arm which is constant, or for `leaky_relu` and `elu` of the arm below 0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.frontends.trace import user_line

__all__ = [
    "celu", "complex_relu", "elu", "gelu", "hard_sigmoid", "hard_swish", "hard_tanh", "leaky_relu", "log_sigmoid",
    "mish", "modulus_relu", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "swish", "tanh",
]

# ---------------------------------------------------------------- piecewise linear

def relu(x: Any) -> Any:
    """max(x, 0), with derivative 0 at 0.

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 3.])

    References
    ----------
    Nair and Hinton, Rectified linear units improve restricted Boltzmann machines, ICML 2010.
    """
    return np.where(_real(x, "relu") <= 0, 0, x)[()]


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x where it is positive, ``slope · x`` elsewhere; the derivative at 0 is `slope`.

    Parameters
    ----------
    x : array of float
    slope : float or array
        Below 0; an array may be trained (PReLU).

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> leaky_relu(np.array([-2.0, 3.0]))
    array([-0.02,  3.  ])

    References
    ----------
    Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models, ICML 2013.
    """
    return np.where(_real(x, "leaky_relu") > 0, x, slope * x)[()]


def relu6(x: Any) -> Any:
    """min(max(x, 0), 6), with derivative 0 at 0 and at 6.

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> relu6(np.array([-2.0, 3.0, 8.0]))
    array([0., 3., 6.])
    """
    return _between(_real(x, "relu6"), 0, 6)


def hard_tanh(x: Any, low: float = -1.0, high: float = 1.0) -> Any:
    """min(max(x, low), high), with derivative 0 at both.

    Parameters
    ----------
    x : array of float
    low, high : float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> hard_tanh(np.array([-2.0, 0.5, 8.0]))
    array([-1. ,  0.5,  1. ])
    """
    return _between(_real(x, "hard_tanh"), low, high)


def hard_sigmoid(x: Any) -> Any:
    """min(max(x / 6 + 1/2, 0), 1), with derivative 0 at -3 and at 3.

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> hard_sigmoid(np.array([-4.0, 0.0, 1.5]))
    array([0.  , 0.5 , 0.75])
    """
    x = _real(x, "hard_sigmoid")
    return np.where(x <= -3, 0, np.where(x >= 3, 1, x / 6 + 0.5))[()]


def hard_swish(x: Any) -> Any:
    """x · min(max(x / 6 + 1/2, 0), 1), with derivative 0 at -3 and 1 at 3.

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> hard_swish(np.array([-4.0, 1.5, 4.0]))
    array([-0.   ,  1.125,  4.   ])

    References
    ----------
    Howard et al., Searching for MobileNetV3, ICCV 2019.
    """
    return x * hard_sigmoid(x)


def _between(x: Any, low: float, high: float) -> Any:
    return np.where(x <= low, low, np.where(x >= high, high, x))[()]


# ---------------------------------------------------------------- exponential

def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where it is positive, ``α (eˣ − 1)`` elsewhere; the derivative at 0 is α.

    Parameters
    ----------
    x : array of float
    alpha : float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> elu(np.array([-1e4, 3.0]))
    array([-1.,  3.])

    References
    ----------
    Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by exponential linear units, ICLR 2016.
    """
    positive = _real(x, "elu") > 0
    return np.where(positive, x, alpha * np.expm1(np.where(positive, 0, x)))[()]


def celu(x: Any, alpha: float = 1.0) -> Any:
    """x where it is positive, ``α (e^{x/α} − 1)`` elsewhere: `elu` with a continuous derivative.

    Parameters
    ----------
    x : array of float
    alpha : float
        Positive.

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> celu(np.array([-1e4, 3.0]), alpha=2.0)
    array([-2.,  3.])

    References
    ----------
    Barron, Continuously differentiable exponential linear units, arXiv:1704.07483.
    """
    positive = _real(x, "celu") > 0
    return np.where(positive, x, alpha * np.expm1(np.where(positive, 0, x) / alpha))[()]


def selu(x: Any) -> Any:
    """λ · elu(x, α) with λ ≈ 1.0507 and α ≈ 1.6733, which keep mean 0 and variance 1; the derivative at 0 is λ α.

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> selu(np.array([-1e4, 1.0]))
    array([-1.75809934,  1.05070099])

    References
    ----------
    Klambauer et al., Self-normalizing neural networks, NeurIPS 2017.
    """
    return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717)


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^{−x}), the logistic function.

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> sigmoid(np.array([-1e4, 0.0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    from scipy.special import expit
    return expit(_real(x, "sigmoid"))


def log_sigmoid(x: Any) -> Any:
    """log(1 / (1 + e^{−x})).

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> log_sigmoid(np.array([-1e4, 1e4]))
    array([-10000.,     -0.])
    """
    return -softplus(-x)


def softplus(x: Any) -> Any:
    """log(1 + eˣ).

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> softplus(np.array([-1e4, 1e4]))
    array([    0., 10000.])

    References
    ----------
    Dugas et al., Incorporating second-order functional knowledge for better option pricing, NIPS 2000.
    """
    return np.logaddexp(_real(x, "softplus"), 0)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent, NumPy's.

    Parameters
    ----------
    x : array of float or complex

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> tanh(np.array([-1e4, 0.0]))
    array([-1.,  0.])
    """
    return np.tanh(x)


def softsign(x: Any) -> Any:
    """x / (1 + |x|).

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> softsign(np.array([-1.0, 3.0]))
    array([-0.5 ,  0.75])
    """
    return x / (1 + np.abs(_real(x, "softsign")))


def silu(x: Any) -> Any:
    """x / (1 + e^{−x}); also called swish.

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> silu(np.array([-1e4, 0.0, 1e4]))
    array([   -0.,     0., 10000.])

    References
    ----------
    Elfwing, Uchibe and Doya, Sigmoid-weighted linear units for neural network function approximation in reinforcement
    learning, Neural Networks 107 (2018).
    """
    return x * sigmoid(x)


swish = silu


def mish(x: Any) -> Any:
    """x · tanh(log(1 + eˣ)).

    Parameters
    ----------
    x : array of float

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> mish(np.array([-1e4, 0.0, 1e4]))
    array([   -0.,     0., 10000.])

    References
    ----------
    Misra, Mish: a self regularized non-monotonic activation function, BMVC 2020.
    """
    return x * np.tanh(softplus(x))


def gelu(x: Any, approximate: bool = False) -> Any:
    """x · Φ(x), with the distribution function Φ of the standard normal.

    Parameters
    ----------
    x : array of float
    approximate : bool
        ``x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`` in its place, within 5e-4 of it.

    Returns
    -------
    array

    Examples
    --------
    >>> import numpy as np
    >>> gelu(np.array([-1e4, 1.0]))
    array([-0.        ,  0.84134475])
    >>> gelu(np.array([1.0]), approximate=True)
    array([0.84119199])

    References
    ----------
    Hendrycks and Gimpel, Gaussian error linear units, arXiv:1606.08415.
    """
    _real(x, "gelu")
    if approximate:
        z = np.clip(x, -10, 10)  # where tanh is 1 to the last bit; x³ may overflow
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * (z * z * z))))
    from scipy.special import erfc
    return 0.5 * x * erfc(-math.sqrt(0.5) * x)


# ---------------------------------------------------------------- of complex numbers

def modulus_relu(z: Any, bias: Any) -> Any:
    """modReLU: ``relu(|z| + b) · z / |z|``, which keeps the phase; 0 at 0, with derivative 0 there.

    Parameters
    ----------
    z : array of complex
    bias : float or array of float
        b, real; with b < 0 the numbers in the disk of radius −b become 0.

    Returns
    -------
    array of complex

    Examples
    --------
    >>> import numpy as np
    >>> modulus_relu(np.array([3 + 4j, 0.1j, 0]), -1.0)
    array([2.4+3.2j, 0. +0.j , 0. +0.j ])

    References
    ----------
    Arjovsky, Shah and Bengio, Unitary evolution recurrent neural networks, ICML 2016.
    """
    none = z == 0
    size = np.abs(np.where(none, 1, z))
    return np.where(none, 0, relu(size + bias) / size * z)[()]


def complex_relu(z: Any) -> Any:
    """CReLU: ``relu(Re z) + i relu(Im z)``.

    Parameters
    ----------
    z : array of complex

    Returns
    -------
    array of complex

    Examples
    --------
    >>> import numpy as np
    >>> complex_relu(np.array([3 - 4j, -1 + 2j]))
    array([3.+0.j, 0.+2.j])

    References
    ----------
    Trabelsi et al., Deep complex networks, ICLR 2018.
    """
    return relu(np.real(z)) + 1j * relu(np.imag(z))


def _real(x: Any, name: str) -> Any:
    """x, checked: comparisons of complex numbers would go by the real part, in silence."""
    if np.iscomplexobj(x):
        raise InputError(f"{name} at {user_line()} is given complex numbers, which have no order; there are modulus_relu, "
                         "complex_relu and tanh")
    return x
