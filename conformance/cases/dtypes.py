"""Dtypes: single precision stays single, complex numbers, and what has no derivative (integers, booleans).

The gradient of a real function of complex numbers is the direction of steepest ascent; adapters conjugate where a library's
convention is the other.
"""

from __future__ import annotations

import numpy as np
from mpmath import mp

from conformance.case import case

F = np.array([0.5, -1.25, 2.0], dtype=np.float32)
Z = np.array([0.5 + 1.0j, -1.25 - 0.5j])


@case([F], name="float32 stays float32", gradient=lambda x: np.array([mp.cos(v) for v in x]))
def single(x):
    return np.sum(np.sin(x))


@case([F], name="float32 beside numbers of Python", gradient=lambda x: 6 * x)
def single_scaled(x):
    return np.sum(3.0 * x**2 + 1)


@case([F], name="float32 through a loop", slack=4.0)
def single_loop(x):
    y = x
    for _ in range(5):
        y = 0.5 * np.sin(y) + x
    return np.sum(y)


@case([F], name="float32 that meets float64", order=1, gradient=lambda x: np.array([1, 2, 3]))
def single_meets_double(x):
    return np.sum(x * np.array([1.0, 2.0, 3.0]))


@case([F], name="astype to float64 and back", order=1, precise=lambda x: sum(mp.exp(v) for v in x))
def astype(x):
    return np.sum(np.exp(x.astype(np.float64)).astype(np.float32))


@case([3], name="a Python integer", order=1, refusal="integers have no derivative", gradient=lambda x: 2 * x)
def python_integer(x):
    return x * x


@case(
    [np.array([1, 2, 3])], name="an array of integers", order=1, refusal="integers have no derivative", gradient=lambda x: x / 2
)
def integer_array(x):
    return np.sum(x * x) / 4.0


@case(
    [np.array([0.5, 2.5])],
    name="conversion to integers cuts off",
    order=1,
    gradient=lambda x: np.array([1, 1]),
    refusal="a conversion that loses the derivative",
    precise=lambda x: np.sum(x) + 2,
)
def cut_off(x):
    return np.sum(x + x.astype(int))


@case([0.7], name="real function through complex numbers", gradient=lambda x: -2 * mp.sin(2 * x))
def through_complex(x):
    z = np.exp(1j * x)
    return np.real(z * z)


@case([np.array([0.5, -1.0])], name="modulus of a complex exponential", gradient=lambda x: np.array([mp.exp(v) for v in x]))
def modulus(x):
    return np.sum(np.abs(np.exp(x * (1.0 + 2.0j))))


@case([Z], name="complex argument, squared modulus", order=1, gradient=lambda z: 2 * z)
def squared_modulus(z):
    return np.sum(np.real(z) ** 2 + np.imag(z) ** 2)


@case([Z], name="complex argument, modulus", order=1, gradient=lambda z: np.array([v / abs(v) for v in z]))
def complex_modulus(z):
    return np.sum(np.abs(z))


@case(
    [Z],
    name="complex argument, real part of a holomorphic function",
    order=1,
    gradient=lambda z: np.array([mp.conj(mp.cos(v)) for v in z]),
)
def holomorphic(z):
    return np.sum(np.real(np.sin(z)))


@case([Z], name="complex argument, conj and angle", order=1)
def conjugate(z):
    return np.sum(np.real(np.conj(z) * z * z) + np.angle(z))


@case([Z], name="complex argument, matrix product", order=1)
def hermitian(z):
    h = np.outer(z, np.conj(z))
    return np.real(np.sum(h @ h * np.array([[1.0, 2.0j], [-2.0j, 3.0]])))


@case(
    [np.array([0.5, -1.25, 2.0, 0.75])],
    name="Fourier transform and back",
    precise=lambda x: sum(abs(sum(v * mp.expjpi(-mp.mpf(2 * j * k) / 4) for j, v in enumerate(x))) ** 2 * k for k in range(4)),
)
def fourier(x):
    return np.sum(np.abs(np.fft.fft(x)) ** 2 * np.arange(4.0))


@case([0j], name="modulus of complex zero", order=1, accept=lambda g, z: bool(np.hypot(*g) <= 1.0))
def modulus_at_zero(z):
    return np.abs(z)


@case([np.float64(0.5)], name="a NumPy scalar", gradient=lambda x: 3 * x * x)
def numpy_scalar(x):
    return x**3
