"""Sums, products, extremes, means, variances and cumulative functions of NumPy, with all their arguments."""

import warnings

import numpy as np
import pytest
from against_numpy import check, same

import wengert as wg
from wengert.errors import UnsupportedError

REDUCTIONS = (np.sum, np.prod, np.mean, np.var, np.std, np.max, np.min)
NAN_REDUCTIONS = (np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin)
SHAPES = [(5,), (2, 3, 4), (7, 129)]
DTYPES = [np.float64, np.float32, np.complex64]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def array(shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape)
    if np.dtype(dtype).kind == "c":
        x = x + 1j * rng.normal(size=shape)
    return x.astype(dtype)


def mask_of(shape):
    """A mask that leaves at least two elements in every lane."""
    mask = np.random.default_rng(3).random(shape) < 0.7
    for axis in range(len(shape)):
        np.moveaxis(mask, axis, 0)[[0, -1]] = True
    return mask


def axes_for(shape):
    return [None, 0, -1, (0,), tuple(range(len(shape))), (-1, 0) if len(shape) > 1 else 0, ()]


@each_shape
@pytest.mark.parametrize("dtype", DTYPES)
def test_values(shape, dtype):
    x, mask = array(shape, dtype), mask_of(shape)
    for f in REDUCTIONS:
        for axis in axes_for(shape):
            if axis != () or f not in (np.var, np.std):
                same(lambda x: f(x, axis=axis, keepdims=True), x)
                same(lambda x: f(x, axis), x)
                same(lambda x: getattr(x, f.__name__.removeprefix("a"))(axis), x)
            start = {"initial": -1.0} if f in (np.max, np.min) else {}
            if axis != ():
                same(lambda x: f(x, axis=axis, where=mask, **start), x)
            if f in (np.sum, np.prod, np.max, np.min) and not (f is np.prod and axis == (-1, 0) and len(shape) == 3):
                same(lambda x: f(x, axis=axis, initial=0.7), x)


@each_shape
@pytest.mark.parametrize("dtype", DTYPES)
def test_values_of_places_and_truth(shape, dtype):
    x, mask = array(shape, dtype), mask_of(shape)
    for axis in axes_for(shape):
        for f in (np.any, np.all):
            same(lambda x: f(x > 0.3, axis=axis, keepdims=True), x)
            same(lambda x: f(x, axis=axis, where=mask), x)
        if not isinstance(axis, tuple):
            for f in (np.argmax, np.argmin):
                same(lambda x: f(x, axis), x)
                same(lambda x: f(x, axis=axis, keepdims=True), x)
            for f in (np.cumsum, np.cumprod):
                same(lambda x: f(x, axis=axis), x)
        same(lambda x: np.ptp(x, axis=axis, keepdims=True), x.real)


@each_shape
def test_dtypes(shape):
    x = array(shape, np.float32)
    for axis in axes_for(shape)[:-1]:
        for f in (np.sum, np.prod, np.mean, np.var, np.std):
            same(lambda x: f(x, axis=axis, dtype=np.float64), x)
            same(lambda x: f(x > 0, axis=axis), x)
            same(lambda x: f(np.sign(x).astype(np.int16), axis=axis), x)
        same(lambda x: np.var(x, axis=axis, ddof=0.5), x)
        same(lambda x: np.std(x, axis=axis, correction=1), x)
        same(lambda x: np.var(x, axis=axis, mean=np.mean(x, axis=axis, keepdims=True)), x)


@each_shape
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_without_nan(shape, dtype):
    x = array(shape, dtype)
    x[~mask_of(shape)] = np.nan
    for axis in axes_for(shape)[:-1]:
        for f in NAN_REDUCTIONS:
            same(lambda x: f(x, axis=axis), x)
            same(lambda x: f(x, axis=axis, keepdims=True), x)
        if not isinstance(axis, tuple):
            for f in (np.nancumsum, np.nancumprod, np.nanargmax, np.nanargmin):
                same(lambda x: f(x, axis=axis), x)


@pytest.mark.parametrize("f", REDUCTIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_derivatives(f, dtype):
    if np.dtype(dtype).kind == "c" and f in (np.max, np.min):
        return
    x, mask = array((2, 3, 2), dtype), mask_of((2, 3, 2))
    start = {"initial": -0.4} if f in (np.max, np.min) else {}
    check(f, x, exact=False)
    check(lambda x: f(x, axis=(0, 1), keepdims=True), x)
    check(lambda x: f(x, axis=1, where=mask, **start), x)
    if f in (np.sum, np.prod, np.max, np.min):
        check(lambda x, y: f(x * y, axis=1, initial=y), x, np.asarray(dtype(0.3)), exact=False)


@pytest.mark.parametrize("f", [np.cumsum, np.cumprod])
def test_cumulative_derivatives(f):
    for dtype in (np.float64, np.complex128):
        check(f, array((2, 3), dtype))
        check(lambda x: f(x, axis=0), array((5, 2), dtype))
    name = f.__name__.replace("cum", "cumulative_")
    check(lambda x: getattr(np, name)(x, axis=1, include_initial=True), array((2, 3)))


@pytest.mark.parametrize("f", NAN_REDUCTIONS)
def test_nan_contributes_exactly_nothing(f):
    x = array((3, 4))
    x[0, 1] = x[2, :2] = np.nan
    there = ~np.isnan(x)

    def filled(y):
        z = np.zeros((3, 4)) * np.nan
        z[there] = y
        return f(z, axis=1)
    check(filled, x[there], exact=False)
    gradient = wg.grad(lambda x: np.sum(f(x, axis=1) ** 2))(x)
    assert np.all(gradient[~there] == 0.0)
    lanes = np.stack([x, x[::-1], array((3, 4))])
    np.testing.assert_allclose(wg.vmap(lambda x: f(x, axis=1))(lanes), [f(lane, axis=1) for lane in lanes], rtol=1e-14)
    with np.errstate(invalid="ignore", divide="ignore"):  # an infinite factor behind the NaN stays there
        assert wg.grad(lambda x: f(np.sqrt(x)))(np.array([-1.0, 4.0, 9.0, 2.0]))[0] == 0.0
        assert wg.grad(lambda x: f(np.log(x - 1.0)))(np.array([0.0, 4.0, 9.0, 2.5]))[0] == 0.0


def test_lanes_of_nan():
    x = np.array([[1.0, np.nan], [2.0, np.nan]])
    for f in (np.nanmax, np.nanmin, np.nanmean, np.nanvar, np.nanstd):
        with pytest.warns(RuntimeWarning):
            value, back = wg.vjp(lambda x: f(x, axis=0), x)
        assert not np.isnan(value[0]) and np.isnan(value[1])
        with np.errstate(invalid="ignore"):
            assert np.all(back(np.array([1.0, 0.0]))[0][:, 1] == 0.0)
    for f in (np.nanargmax, np.nanargmin):
        with pytest.raises(ValueError, match="All-NaN"):
            wg.vjp(lambda x: f(x, axis=0), x)


def test_spread_of_equal_elements():
    """The derivative of a standard deviation at its kink is 0, in every mode and order."""
    for f in (np.std, np.nanstd, lambda x: np.std(x, ddof=1), lambda x: np.sqrt(2.0) * np.std(3.0 * x)):
        x = np.full(4, 2.0)
        assert np.array_equal(wg.grad(f)(x), np.zeros(4))
        assert wg.jvp(f, (x,), (np.arange(4.0),))[1] == 0.0
        assert np.array_equal(wg.hessian(f)(x), np.zeros((4, 4)))
        assert np.array_equal(wg.vmap(wg.grad(f))(np.stack([x, x])), np.zeros((2, 4)))
    x = np.array([[1.0, 1.0], [1.0, 3.0]])
    assert np.array_equal(wg.grad(lambda x: np.sum(np.std(x, axis=1)))(x), [[0.0, 0.0], [-0.5, 0.5]])


def test_where_contributes_exactly_nothing():
    x = np.array([0.0, 2.0])
    with np.errstate(divide="ignore"):
        for f in (np.sum, np.prod, np.mean, lambda x, where: np.max(x, where=where, initial=0.0)):
            gradient = wg.grad(lambda x: f(1.0 / x, where=x != 0.0))(x)
            assert np.array_equal(gradient, [0.0, -0.25])


def test_out():
    def f(x):
        y = np.zeros(3)
        np.sum(x, axis=0, out=y)
        z = np.zeros((2, 3))
        np.cumsum(x, axis=1, out=z)
        return np.sum(y ** 2) + np.max(z, axis=1, out=np.zeros(2))[0]
    check(f, array((2, 3)))


def test_average():
    x, rng = array((3, 4)), np.random.default_rng(0)
    check(lambda x, w: np.average(x, weights=w, axis=1, returned=True), x, rng.uniform(1, 2, (3, 4)))
    check(lambda x, w: np.average(x, weights=w, axis=1), x, rng.uniform(1, 2, 4))
    check(lambda x, w: np.average(x, weights=w, axis=(1, 0), keepdims=True), x, rng.uniform(1, 2, (4, 3)))
    same(lambda x: np.average(x, axis=0, returned=True), x)
    same(lambda x: np.average([1, 2, 3], weights=x[:, 0] ** 2), x)
    with pytest.raises(ZeroDivisionError):
        wg.grad(lambda x: np.average(x, weights=x))(np.array([1.0, -1.0]))


# ---------------------------------------------------------------- methods of ufuncs

@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.minimum, np.fmax, np.logical_or, np.logical_and,
                                   np.subtract, np.divide, np.logaddexp, np.hypot, np.logical_xor])
def test_ufunc_reduce(ufunc):
    x = np.abs(array((4, 3)))
    axes = (0, 1, -1) if ufunc.identity is None or ufunc in (np.subtract, np.divide) else (0, 1)
    for axis in axes:
        same(lambda x: ufunc.reduce(x, axis=axis, keepdims=True), x)
    same(ufunc.reduce, x)
    if ufunc in (np.add, np.multiply, np.maximum, np.logical_or):
        same(lambda x: ufunc.reduce(x, axis=None), x)
        same(lambda x: ufunc.reduce(x, (0, 1)), x)
    if ufunc.nout == 1 and not ufunc.__name__.startswith("logical"):
        check(lambda x: ufunc.reduce(x, axis=1), x)


@pytest.mark.parametrize("ufunc", [np.add, np.multiply, np.maximum, np.minimum, np.subtract, np.logaddexp])
def test_ufunc_accumulate_and_outer(ufunc):
    x = np.abs(array((4, 3)))
    check(ufunc.accumulate, x)
    check(lambda x: ufunc.accumulate(x, axis=1), x)
    check(lambda x, y: ufunc.outer(x, y), x[:2], array((3,), seed=5))
    same(lambda x: ufunc.outer(2.0, x), x)


def test_refusals():
    x = np.ones(4)
    with pytest.raises(UnsupportedError, match="reduceat"):
        wg.grad(lambda x: np.sum(np.add.reduceat(x, [0, 2])))(x)
    with pytest.raises(ValueError, match="does not have an identity"):
        wg.grad(lambda x: np.max(x, where=x > 0))(x)
    with pytest.raises(np.exceptions.AxisError):
        wg.grad(lambda x: np.sum(np.mean(x, axis=1)))(x)
    with pytest.raises(ValueError, match="duplicate"):
        wg.grad(lambda x: np.sum(x, axis=(0, 0)))(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isnan(wg.vjp(np.mean, np.zeros(0))[0])
