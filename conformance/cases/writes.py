"""Writes in place, views and aliases, augmented assignment, `out=`, swaps: NumPy's meaning, derivatives included.

Libraries without writes are also given the program in their own words, where it has one.
"""

from __future__ import annotations

import numpy as np
from mpmath import mp

from conformance.case import case, idiom

V = np.array([0.5, -1.25, 2.0, 0.75])
M = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])


@case([V], name="fill an array element by element", gradient=lambda x: np.array([2 * (k + 1) * v for k, v in enumerate(x)]))
def fill(x):
    y = np.zeros(4)
    for k in range(4):
        y[k] = (k + 1) * x[k] ** 2
    return np.sum(y)


@idiom("fill an array element by element", "jax")
def fill_jax(x):
    y = np.zeros(4)
    for k in range(4):
        y = y.at[k].set((k + 1) * x[k] ** 2)
    return np.sum(y)


@idiom("fill an array element by element", "autograd", "casadi")
def fill_list(x):
    return np.sum(np.stack([(k + 1) * x[k] ** 2 for k in range(4)]))


@case(
    [V], name="overwrite a value that was used", gradient=lambda x: np.array([2 * x[0] + 3 * x[0] ** 2, 0, 2 * x[2], 2 * x[3]])
)
def overwrite_used(x):
    y = 1.0 * x
    before = np.sum(y**2) - y[1] ** 2
    y[1] = y[0] ** 3
    return before + y[1]


@idiom("overwrite a value that was used", "torch", "autograd", "casadi")
def overwrite_used_pure(x):
    return np.sum(x**2) - x[1] ** 2 + x[0] ** 3


@idiom("overwrite a value that was used", "jax")
def overwrite_used_jax(x):
    y = 1.0 * x
    before = np.sum(y**2) - y[1] ** 2
    y = y.at[1].set(y[0] ** 3)
    return before + y[1]


@case([V], name="exp whose result is overwritten", gradient=lambda x: np.array([mp.exp(v) for v in x]) * np.array([0, 1, 1, 1]))
def overwrite_result(x):
    y = np.exp(x)
    y[0] = 0.0
    return np.sum(y)


@idiom("exp whose result is overwritten", "torch", "autograd", "casadi")
def overwrite_result_pure(x):
    return np.sum(np.exp(x)[1:])


@idiom("exp whose result is overwritten", "jax")
def overwrite_result_jax(x):
    return np.sum(np.exp(x).at[0].set(0.0))


@case([V], name="augmented assignment of elements", gradient=lambda x: np.array([5, 2 * x[1], x[2], 1]))
def augmented_elements(x):
    y = 1.0 * x
    y[0] *= 4.0
    y[0] += x[0]
    y[1] *= x[1]
    y[2] **= 2.0
    y[2] /= 2.0
    return np.sum(y)


@case([V], name="augmented assignment of the whole array", gradient=lambda x: 3 * (2 * x + 1))
def augmented_whole(x):
    y = x * x
    y += x
    y *= 3.0
    return np.sum(y)


@case([V], name="augmented assignment through repeated indices", gradient=lambda x: np.array([2 * x[0], 1, 1, 1]))
def repeated_indices(x):
    y = 1.0 * x
    y[[0, 0]] += x[0] ** 2 - x[0]
    return np.sum(y)


@case([V], name="np.add.at", gradient=lambda x: np.array([4 * x[0] + 1, 1, 1, 1]))
def add_at(x):
    y = 1.0 * x
    np.add.at(y, [1, 1], x[0] ** 2)
    return np.sum(y)


@case([V], name="write through a view", gradient=lambda x: np.array([6 * x[0], 1, 6 * x[2], 1]))
def through_view(x):
    y = 1.0 * x
    evens = y[::2]
    evens *= 3.0 * x[::2]
    return np.sum(y)


@case([V], name="read a view after its base was written", gradient=lambda x: np.array([0, 9 * 2 * x[1], 0, 0]))
def stale_view(x):
    y = 1.0 * x
    part = y[1:3]
    y[1] = 3.0 * x[1]
    return part[0] ** 2


@case([M], name="view of a view of a transposed array", gradient=lambda x: np.array([[1, 1, 1], [1, 10 * x[1, 1], 1]]))
def view_of_view(x):
    y = 1.0 * x
    row = y.T[1]
    last = row[1:]
    last[0] = 5.0 * x[1, 1] ** 2
    return np.sum(y)


@case([M], name="write through reshape", gradient=lambda x: np.array([[1, 1, 1], [2 * x[1, 0], 1, 1]]))
def through_reshape(x):
    y = 1.0 * x
    y.reshape(-1)[3] = x[1, 0] ** 2
    return np.sum(y)


@case([V], name="alias", gradient=lambda x: np.array([2 * x[0], 1, 1, 1]))
def alias(x):
    y = 1.0 * x
    z = y
    z[0] = x[0] ** 2
    return np.sum(y)


@case([V], name="copy is no alias", gradient=lambda x: np.ones(4))
def copied(x):
    y = 1.0 * x
    z = y.copy()
    z[0] = x[0] ** 2
    return np.sum(y)


@idiom("copy is no alias", "torch")
def cloned(x):
    y = 1.0 * x
    z = y.clone()
    z[0] = x[0] ** 2
    return np.sum(y)


@case([V], name="swap of elements", gradient=lambda x: np.array([3 * x[0] ** 2, 2 * x[1], 0, 0]))
def swap(x):
    y = 1.0 * x
    y[0], y[1] = y[1], y[0]
    return y[0] ** 2 + y[1] ** 3


@idiom("swap of elements", "jax", "torch", "autograd", "casadi")
def swap_pure(x):
    a, b = x[1], x[0]
    return a**2 + b**3


@case([M], name="swap of rows", gradient=lambda x: np.array([3 * x[0] ** 2, 2 * x[1]]))
def swap_rows(x):
    y = 1.0 * x
    y[[0, 1]] = y[[1, 0]]
    return np.sum(y[0] ** 2) + np.sum(y[1] ** 3)


@case([V], name="overlapping slices", gradient=lambda x: np.array([4 * x[0], 2 * x[1], 2 * x[2], 0]))
def overlapping(x):
    y = 1.0 * x
    y[1:] = y[:-1]
    return np.sum(y**2)


@case([V], name="slice with broadcasting", gradient=lambda x: np.array([12 * x[0] ** 3, 0, 0, 2 * x[3]]))
def broadcast_write(x):
    y = 1.0 * x
    y[0:3] = x[0] ** 2
    return np.sum(y**2)


@case([V], name="write by a mask", gradient=lambda x: np.array([1, 0, 1, 1]) + np.array([0, 2 * x[1], 0, 0]))
def mask_write(x):
    y = 1.0 * x
    y[y < 0.0] = y[y < 0.0] ** 2
    return np.sum(y)


@idiom("write by a mask", "jax", "torch", "autograd", "casadi")
def mask_where(x):
    return np.sum(np.where(x < 0.0, x**2, x))


@case([V], name="out= of a ufunc", gradient=lambda x: 4 * x**3)
def out_argument(x):
    y = x * x
    np.multiply(y, y, out=y)
    return np.sum(y)


@case([V], name="cumulative sum by a loop of writes")
def running_sum(x):
    y = 1.0 * x
    for k in range(1, 4):
        y[k] += y[k - 1] ** 2
    return y[3]


@case([M], name="elimination in place", slack=4.0)
def elimination(m):
    a = m @ m.T
    a[1, :] -= a[1, 0] / a[0, 0] * a[0, :]
    return a[0, 0] * a[1, 1]


@case([np.array([0.1, 0.9, 0.3, 0.5, 0.2])], name="heat equation by slices", slack=4.0)
def heat(u):
    u = u.copy()
    for _ in range(5):
        u[1:-1] += 0.2 * (u[2:] - 2.0 * u[1:-1] + u[:-2])
    return np.sum(u**2)


@idiom("heat equation by slices", "jax", "torch", "autograd", "casadi")
def heat_pure(u):
    for _ in range(5):
        u = np.concatenate([u[:1], u[1:-1] + 0.2 * (u[2:] - 2.0 * u[1:-1] + u[:-2]), u[-1:]])
    return np.sum(u**2)


@case([V], name="zeros_like and empty", gradient=lambda x: np.array([3 * v * v for v in x]))
def empty_then_filled(x):
    y = np.empty_like(x)
    z = np.zeros(4)
    y[:] = x**2
    z[...] = x
    return np.sum(y * z)


@case([V], name="np.fill_diagonal", gradient=lambda x: np.array([2 * x[0], 1, 1, 2 * x[3]]))
def fill_diagonal(x):
    y = np.reshape(1.0 * x, (2, 2)).copy()
    np.fill_diagonal(y, np.array([x[0] ** 2, x[3] ** 2]))
    return np.sum(y)


@case([V], name="sort in place", gradient=lambda x: np.array([4 * x[0], 2 * x[1], 8 * x[2], 6 * x[3]]))
def sort_in_place(x):
    y = 1.0 * x
    y.sort()
    return np.sum(y**2 * np.arange(1.0, 5.0))


@case(
    [V],
    name="a write into the argument itself",
    order=1,
    refusal="a function that changes its argument has no derivative there",
    gradient=lambda x: np.array([2 * x[0], 1, 1, 1]),
)
def write_argument(x):
    x[0] = x[0] ** 2
    return np.sum(x)
