"""Reductions, indexing, broadcasting, rearrangement, empty arrays and numbers without a dimension."""

from __future__ import annotations

import numpy as np
from mpmath import mp

from conformance.case import case

V = np.array([0.5, -1.25, 2.0, 0.75])
M = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])
U = np.array([-2.0, 0.0, 3.0])
B = np.array([1.0, 4.0, -1.0])
W = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])


PROGRAMS = [
    ("sum of squares", lambda x: np.sum(x**2), V, lambda x: 2 * x),
    ("sum along an axis", lambda x: np.sum(np.sum(x, axis=0) ** 2), M, None),
    ("sum with kept dimensions", lambda x: np.sum(x / np.sum(x**2, axis=1, keepdims=True)), M, None),
    ("mean and variance", lambda x: np.mean(x) + np.var(x, ddof=1), V, None),
    ("standard deviation", lambda x: np.std(x), V, None),
    ("product", lambda x: np.prod(x), V, None),
    ("product with one zero", lambda x: np.prod(x), np.array([0.5, 0.0, 2.0]), None),
    ("product with two zeros", lambda x: np.prod(x), np.array([0.0, 0.0, 2.0]), None),
    ("cumulative sum", lambda x: np.sum(np.cumsum(x) ** 3), V, None),
    ("cumulative product", lambda x: np.sum(np.cumprod(x)), V, None),
    ("cumulative product with a zero", lambda x: np.sum(np.cumprod(x)), np.array([0.5, 0.0, 2.0]), None),
    ("differences", lambda x: np.sum(np.diff(x) ** 2), V, None),
    ("dot", lambda x: np.dot(x, x[::-1]), V, lambda x: 2 * x[::-1]),
    ("matrix product", lambda x: np.sum((x @ x.T) ** 2), M, None),
    ("einsum", lambda x: np.einsum("ij,kj->", x, x * W), M, None),
    ("outer product", lambda x: np.sum(np.outer(x, x) ** 2), V, None),
    ("Kronecker product", lambda x: np.sum(np.kron(x, x) ** 2), M, None),
    ("trace", lambda x: np.trace(x @ W.T) ** 2, M, None),
    ("tensordot", lambda x: np.sum(np.tensordot(x, W, axes=([0, 1], [0, 1])) ** 2), M, None),
    ("broadcasting a row", lambda x: np.sum((M - x) ** 3), np.array([0.5, -1.0, 2.0]), None),
    ("broadcasting both ways", lambda x: np.sum(np.sin(x[:, None] * x[None, :])), V, None),
    ("broadcast_to", lambda x: np.sum(np.broadcast_to(x, (3, 4)) ** 2 * np.arange(3.0)[:, None]), V, None),
    ("reshape and transpose", lambda x: np.sum(np.reshape(x.T, (2, 3)) * W * x), M, None),
    ("slices with a step", lambda x: np.sum(x[::2] ** 2 * x[::-2]), V, None),
    ("index arrays that repeat", lambda x: np.sum(x[np.array([0, 0, 3, 1])] ** 2), V, None),
    ("boolean mask", lambda x: np.sum(x[np.array([True, False, True, True])] ** 3), V, None),
    ("boolean mask from the data", lambda x: np.sum(x[x > 0.0] ** 3), V, None),
    ("take along an axis", lambda x: np.sum(np.take_along_axis(x, np.array([[0], [2]]), axis=1) ** 2), M, None),
    ("fancy index beside a slice", lambda x: np.sum(x[:, [2, 0]] ** 2 * W[:, :2]), M, None),
    ("ellipsis and newaxis", lambda x: np.sum(x[..., None, 1] ** 2), M, None),
    ("concatenate and stack", lambda x: np.sum(np.stack([np.concatenate([x, x**2]), np.concatenate([x**3, x])]) ** 2), V, None),
    ("array of numbers", lambda x: np.sum(np.array([x[0] * x[1], x[1] ** 2, 3.0]) ** 2), V, None),
    ("split", lambda x: np.sum(np.split(x, 2)[0] * np.split(x, 2)[1]), V, None),
    ("repeat and tile", lambda x: np.sum(np.repeat(x, 2) * np.tile(x, 2)), V, None),
    ("roll and flip", lambda x: np.sum(np.roll(x, 1) * np.flip(x)), V, None),
    ("pad", lambda x: np.sum(np.pad(x, 1) ** 2 * np.arange(6.0)), V, None),
    ("triangles", lambda x: np.sum(np.tril(x @ W.T) ** 2) + np.sum(np.triu(x) ** 3), M, None),
    ("diagonal matrix", lambda x: np.sum(np.diag(x) @ np.ones(4) * x), V, None),
    ("convolution", lambda x: np.sum(np.convolve(x, np.array([1.0, -2.0, 0.5])) ** 2), V, None),
    ("interpolation in the place", lambda x: np.sum(np.interp(x, U, B) ** 2), V, None),
    ("meshgrid", lambda x: np.sum(np.meshgrid(x, x)[0] ** 2 * np.meshgrid(x, x)[1]), V, None),
    ("swapaxes and moveaxis", lambda x: np.sum(np.swapaxes(x, 0, 1) ** 2 * np.moveaxis(W, 0, 1)), M, None),
    ("cross product", lambda x: np.sum(np.cross(x, np.array([1.0, 2.0, -1.0])) ** 2), np.array([0.5, -1.0, 2.0]), None),
    ("trapezoid", lambda x: np.trapezoid(x**2, dx=0.5), V, None),
    ("one loop of a comprehension", lambda x: sum([a * a for a in x]), V, lambda x: 2 * x),
    ("unpacking an array", lambda x: (lambda a, b, c, d: a * b - c * d)(*x), V, lambda x: np.array([x[1], x[0], -x[3], -x[2]])),
]  # fmt: skip

for name, program, point, derivative in PROGRAMS:
    case([point], name, gradient=derivative)(program)


@case([np.zeros(0)], name="sum of an empty array", gradient=lambda x: x)
def empty_sum(x):
    return np.sum(x**2)


@case([np.zeros((0, 3))], name="product of empty matrices", order=1, gradient=lambda x: x, precise=lambda x: mp.zero)
def empty_matrices(x):
    return np.sum(x.T @ x)


@case([np.array(0.5)], name="an array without a dimension", gradient=lambda x: mp.cos(x.item()))
def without_dimension(x):
    return np.sin(x)


@case([np.array([1e200, 1e-200, -1e200])], name="quotients over a large range of exponents", order=1, slack=4.0)
def large_range(x):
    return x[0] * x[1] + x[2] / x[0]
