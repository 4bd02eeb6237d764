"""dot, matmul and their relatives, einsum, windows and convolutions, as the user calls them."""

import itertools

import numpy as np
import pytest

import wengert as wg
from wengert.errors import MutationError, UnsupportedError
from wengert.frontends.numpy_api.convolution import convolve_nd

sliding = np.lib.stride_tricks.sliding_window_view


def difference(f, x, step=1e-4):
    """Fourth-order central differences of a number."""
    out = np.zeros_like(x)
    for k in np.ndindex(*x.shape):
        e = np.zeros_like(x)
        e[k] = step
        out[k] = (8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * step)
    return out


def check(f, *shapes, exact=True, seed=0):
    """Value, forward and reverse mode of f with regard to each argument alone, and all together, twice."""
    rng = np.random.default_rng(seed)
    xs = [rng.normal(size=n) for n in shapes]
    ts = [rng.normal(size=n) for n in shapes]
    expected = f(*xs)
    w = rng.normal(size=np.shape(expected))

    def number(*xs):
        y = f(*xs)
        return np.sum(w * (y + 0.5 * y * y))
    value, tangent = wg.jvp(f, tuple(xs), tuple(ts))
    assert np.shape(value) == np.shape(expected) and np.asarray(value).dtype == np.asarray(expected).dtype
    if exact:
        assert np.array_equal(value, expected)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-12)
    every = tuple(range(len(xs)))
    gradient = wg.grad(number, every)(*xs)
    for k, g in enumerate(gradient):
        alone = lambda x: number(*xs[:k], x, *xs[k + 1:])
        np.testing.assert_allclose(g, difference(alone, xs[k]), rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(wg.grad(alone)(xs[k]), g, rtol=1e-11, atol=1e-11)
    _, forward = wg.jvp(number, tuple(xs), tuple(ts))
    assert forward == pytest.approx(sum(np.sum(g * t) for g, t in zip(gradient, ts)), rel=1e-10, abs=1e-10)
    line = lambda s: wg.grad(number, every)(*[x + s * t for x, t in zip(xs, ts)])
    step = 1e-4
    _, second = wg.jvp(lambda *xs: wg.grad(number, every)(*xs), tuple(xs), tuple(ts))
    for s, above, below in zip(second, line(step), line(-step)):
        np.testing.assert_allclose(s, (above - below) / (2 * step), rtol=1e-5, atol=1e-5)
    lanes = [np.stack([x, x + 1.0]) for x in xs]
    mapped = wg.vmap(f)(*lanes)
    for k in range(2):
        np.testing.assert_allclose(mapped[k], f(*[x[k] for x in lanes]), rtol=1e-11, atol=1e-11)


PAIRS = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((2, 2, 3), (3, 4)),
         ((2, 3), (2, 3, 4)),
         ((3,), (2, 3, 2)), ((2, 1, 3), (2, 3, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 3))]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_dot_and_matmul(a, b):
    check(np.dot, a, b)
    check(np.matmul, a, b)
    check(lambda x, y: x @ y, a, b)
    check(lambda x, y: x.dot(y), a, b)


def test_dot_with_numbers():
    check(np.dot, (), (3,))
    check(lambda x: np.dot(2.0, x) + np.dot(x, [1.0, 2.0, 3.0]), (3,))
    check(np.inner, (3,), ())


@pytest.mark.parametrize(("a", "b"),
                         [((2, 1, 2, 3), (4, 3, 2)), ((1, 2, 3), (3,)), ((3,), (5, 3, 2)),
                          ((5, 1, 1, 3), (3, 2))])
def test_stacks_broadcast(a, b):
    check(lambda x, y: x @ y, a, b)


@pytest.mark.parametrize(("a", "b"), [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((2, 2, 3), (4, 3))])
def test_inner(a, b):
    check(np.inner, a, b)


def test_products_of_two():
    check(np.outer, (3,), (2,))
    check(np.outer, (2, 2), (3,))
    check(np.linalg.outer, (2,), (3,))
    for a, b in [((3,), (2,)), ((2, 3), (1, 2)), ((), (2,)), ((2, 2), (3,)), ((2,), (2, 1, 2))]:
        check(np.kron, a, b)
    check(np.vdot, (2, 3), (6,))
    for a, b in [((3,), (3,)), ((2, 3), (3,)), ((4, 1, 3), (2, 3))]:
        check(np.vecdot, a, b)
        check(np.linalg.vecdot, a, b)
    check(lambda x, y: np.vecdot(x, y, axis=0), (3, 2), (3, 1))
    check(lambda x, y: np.matmul(x, y, axes=[(0, 1), (1, 0), (1, 0)]), (3, 2), (4, 2))


@pytest.mark.skipif(not hasattr(np, "matvec"), reason="NumPy 2.2")
def test_matvec_and_vecmat():
    check(np.matvec, (2, 3), (3,))
    check(np.matvec, (5, 2, 3), (3,))
    check(np.matvec, (2, 3), (4, 3))
    check(np.vecmat, (5, 3), (3, 2))
    check(np.vecmat, (3,), (4, 3, 2))


@pytest.mark.parametrize(("a", "b", "axes"), [
    ((2, 3), (3, 2), 0), ((2, 3, 2), (2, 3), 1), ((2, 3, 2), (3, 2), 2),
    ((2, 3, 2), (3, 2), ([0, 1], [1, 0])),
    ((2, 3, 2), (3, 2), ([1, 0], [0, 1])), ((2, 3, 2), (2, 3, 4), ([2, 1], [0, 1])), ((3, 2), (4, 3), (0, 1)),
    ((3, 2), (4, 3), (-2, -1)), ((2, 3), (3, 4), 1)])
def test_tensordot(a, b, axes):
    check(lambda x, y: np.tensordot(x, y, axes), a, b)
    check(lambda x, y: np.linalg.tensordot(x, y, axes=axes), a, b)


@pytest.mark.parametrize(("a", "b"), [((3,), (3,)), ((2, 3), (3,)), ((4, 1, 3), (2, 3))])
def test_cross(a, b):
    check(np.cross, a, b)
    check(lambda x, y: np.cross(x, y, axisc=0), a, b)


def test_cross_along_other_axes():
    check(lambda x, y: np.cross(x, y, axis=0), (3, 2), (3, 2))
    check(lambda x, y: np.cross(x, y, axisa=0), (3, 2), (2, 3))
    check(lambda x, y: np.linalg.cross(x, y, axis=0), (3, 2), (3, 2))


@pytest.mark.filterwarnings("ignore:Arrays of 2-dimensional vectors")
@pytest.mark.parametrize(("a", "b"), [((2,), (2,)), ((4, 2), (3,)), ((4, 3), (2,)), ((4, 2), (1, 2))])
def test_cross_in_the_plane(a, b):
    check(np.cross, a, b)


@pytest.mark.parametrize("shapes", [[(2, 3), (3, 2)], [(2, 3), (3, 4), (4, 2)], [(3,), (3, 4), (4, 2), (2,)],
                                    [(3,), (3, 4), (4, 2), (2, 5)], [(3, 2), (2, 3), (3, 5), (5,)],
                                    [(2, 2), (2, 2), (2, 2)]])
def test_multi_dot(shapes):
    check(lambda *xs: np.linalg.multi_dot(xs), *shapes)


def test_trace():
    check(lambda x: np.trace(x), (3, 4))
    check(lambda x: np.trace(x, 1, 2, 0), (3, 4, 2), exact=False)
    check(lambda x: np.linalg.trace(x, offset=-1), (2, 3, 2), exact=False)
    check(lambda x: x.trace(-7), (2, 3))


def test_conjugation():
    """For w = vdot(z, c), the cotangent under Re<a, b> of Re w is c."""
    rng = np.random.default_rng(0)
    z, c = [rng.normal(size=4) + 1j * rng.normal(size=4) for _ in range(2)]
    for f in (np.vdot, np.vecdot):
        value, pullback = wg.vjp(lambda z: f(z, c), z)
        assert value == f(z, c)
        np.testing.assert_allclose(pullback(1.0 + 0.0j)[0], c)
        np.testing.assert_allclose(wg.vjp(lambda c: f(z, c), c)[1](1.0 + 0.0j)[0], z)
    m = rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))
    np.testing.assert_allclose(wg.vjp(lambda z: m @ z, z)[1](m @ z)[0], m.conj().T @ (m @ z))
    x = rng.normal(size=4)  # a real operand of a complex product has a real cotangent
    back, = wg.vjp(lambda x: m @ x, x)[1](m @ z)
    np.testing.assert_allclose(back, (m.conj().T @ (m @ z)).real)


def test_dtypes():
    x = np.ones((2, 2), np.float32)
    assert wg.grad(lambda x: np.sum(x @ x))(x).dtype == np.float32
    row = np.arange(2, dtype=np.float32)
    assert wg.grad(lambda x: np.sum(np.einsum("ij,j", x, row)))(x).dtype == np.float32
    value, gradient = wg.value_and_grad(lambda x: np.sum(np.dot(np.arange(4).reshape(2, 2), x)))(np.ones(2))
    assert value == 6.0 and gradient.tolist() == [2.0, 4.0]
    y = wg.jvp(lambda x: np.dot(2.0, x), (x,), (x,))[0]
    assert y.dtype == np.dot(2.0, x).dtype


ERRORS = [lambda x: np.matmul(x, np.ones((2, 3))), lambda x: np.matmul(2.0, x), lambda x: x @ 2.0,
          lambda x: np.dot(x, np.ones((2, 3))), lambda x: np.vdot(x, np.ones(2)),
          lambda x: np.inner(x, np.ones(2)),
          lambda x: np.vecdot(x, np.ones(2)), lambda x: np.stack([np.stack([x, x])] * 3) @ np.ones((2, 3, 3)),
          lambda x: np.tensordot(x, np.ones((2, 3)), 1), lambda x: np.cross(x[:1], x), lambda x: np.trace(x),
          lambda x: np.einsum("ij->i", x), lambda x: np.einsum("i->k", x), lambda x: np.einsum("i->ii", x),
          lambda x: np.einsum("ij", x), lambda x: np.einsum("i,->", x), lambda x: np.einsum("...->", x),
          lambda x: np.einsum("i!", x), lambda x: np.einsum("i,i", x, np.ones(2)),
          lambda x: np.einsum("i,i", x)]


@pytest.mark.parametrize("f", ERRORS)
def test_errors_are_numpys(f):
    x = np.ones(3)
    with pytest.raises(ValueError):
        f(x)
    with pytest.raises(ValueError):
        wg.jvp(f, (x,), (x,))


# ---------------------------------------------------------------- einsum

LENGTHS = dict(i=2, j=3, k=4, l=2, m=3)
SUBSCRIPTS = ["ij,jk->ik", "ij,jk", "ij", "ji", "ii", "ii->i", "ij->", "ij->i", "ij->j", "iij->j", "iij->ji",
              "iii",
              "iiji->j", "ij,ij->", "ij,ij->ij", "i,j->ij", "i,j->ji", "i,i", "ij,jk,kl", "ij,jk,kl->li",
              "i,ij,j",
              "ij,ik,il->jkl", "ijk,jil,lk->", "ijk,lji->lk", "ij,kl", "ii,jj->ij", "i,j,k->kji", "ij,i->ij",
              "ijk,ikm->ijm", "ij,j,j->i", ",i->i", "ij,,jk", "ji , jk -> ik", "ijij->ij", "ij,ij,ij->",
              "kji->kij"]


@pytest.mark.parametrize("subscripts", SUBSCRIPTS)
def test_einsum(subscripts):
    shapes = [tuple(LENGTHS[c] for c in t) for t in subscripts.replace(" ", "").split("->")[0].split(",")]
    check(lambda *xs: np.einsum(subscripts, *xs), *shapes, exact=False)
    if len(shapes) > 2:
        for optimize in (True, "optimal", ("greedy", 100)):
            value, _ = wg.jvp(lambda *xs: np.einsum(subscripts, *xs, optimize=optimize),
                              *[tuple(np.ones(n) for n in shapes)] * 2)
            np.testing.assert_allclose(value, np.einsum(subscripts, *[np.ones(n) for n in shapes]))


@pytest.mark.parametrize(("subscripts", "shapes"), [
    ("...i->...", [(2, 3, 4)]), ("i...->...", [(2, 3, 4)]), ("...ij,...jk->...ik", [(2, 3, 4), (4, 2)]),
    ("...ij,...jk->...ik", [(5, 1, 2, 3), (3, 3, 2)]), ("...ij,...jk", [(1, 2, 3), (4, 3, 2)]),
    ("i...,j...->ij...", [(2, 3), (4, 1)]), ("ij,jk", [(3, 1), (4, 5)]), ("ij,ij->ij", [(3, 1), (3, 4)]),
    ("...,...", [(2, 3), (3,)]), ("...ii->...i", [(2, 3, 3)]), ("...", [(2, 3)]), ("i...->...i", [(2, 3, 4)]),
    ("ij,ij", [(1, 3), (1, 3)]), ("ij->ij", [(1, 3)]), ("ij,jk,k->i", [(1, 3), (3, 1), (4,)]),
    ("ij,jk", [(0, 3), (3, 2)]), ("ij,jk", [(2, 0), (0, 2)]), ("bA,Ab", [(2, 3), (3, 2)])])
def test_einsum_with_ellipsis_and_broadcasting(subscripts, shapes):
    check(lambda *xs: np.einsum(subscripts, *xs), *shapes, exact=False)


def test_einsum_with_lists():
    check(lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [2, 0]), (2, 3), (3, 2), exact=False)
    check(lambda x, y: np.einsum(x, [3, 1], y, [1, 0]), (2, 3), (3, 2), exact=False)
    check(lambda x: np.einsum(x, [..., 0], [...]), (2, 3), exact=False)
    path = np.einsum_path("ij,jk,kl->il", np.ones((2, 3)), np.ones((3, 4)), np.ones((4, 5)),
                          optimize="optimal")[0]
    check(lambda *xs: np.einsum("ij,jk,kl->il", *xs, optimize=path), (2, 3), (3, 4), (4, 5), exact=False)


def test_einsum_path_of_traced_values():
    def f(x):
        path, _ = np.einsum_path("ij,jk,kl", x, x, x, optimize="optimal")
        return np.sum(np.einsum("ij,jk,kl", x, x, x, optimize=path))
    x = np.random.default_rng(0).normal(size=(3, 3))
    np.testing.assert_allclose(wg.grad(f)(x), difference(f, x), atol=1e-8)


def test_einsum_gives_views():
    def f(x):
        y = x.copy()
        view, turned = np.einsum("ii->i", y), np.einsum("ij->ji", y)
        y[0, 0] = 3.0 * x[1, 0]
        return np.sum(view * view) + np.sum(turned[0] * x[1])
    x = np.arange(4.0).reshape(2, 2)
    np.testing.assert_allclose(wg.grad(f)(x), difference(f, x), atol=1e-8)

    def g(x):
        y = x.copy()
        np.einsum("ii->i", y)[:] = 0.0
        return np.sum(y)
    with pytest.raises(MutationError):
        wg.grad(g)(x)


# ---------------------------------------------------------------- windows and convolutions

@pytest.mark.parametrize(("shape", "lengths", "axis"), [
    ((6,), 3, None), ((4, 5), (2, 3), None), ((4, 3), 2, 0), ((6, 2), (2, 3), (0, 0)),
    ((4, 5), (2, 2, 2), (1, 0, 1)),
    ((6,), 6, None), ((5, 2), (2,), (-2,))])
def test_sliding_windows(shape, lengths, axis):
    check(lambda x: sliding(x, lengths, axis), shape)


def test_sliding_windows_are_read_only_views():
    def f(x):
        y = x.copy()
        windows = sliding(y, 2)
        y[0] = 3.0 * x[1]
        return np.sum(windows * windows)
    x = np.arange(3.0)
    np.testing.assert_allclose(wg.grad(f)(x), difference(f, x), atol=1e-7)

    def g(x):
        sliding(x.copy(), 2)[0] = 1.0
        return x[0]
    with pytest.raises(MutationError):
        wg.grad(g)(x)
    with pytest.raises(UnsupportedError, match="writeable"):
        wg.grad(lambda x: np.sum(sliding(x, 2, writeable=True)))(x)
    for bad in [lambda x: sliding(x, 4), lambda x: sliding(x, (2, 2)), lambda x: sliding(x, (1, 1), 0)]:
        with pytest.raises(ValueError):
            bad(x)
        with pytest.raises(ValueError):
            wg.jvp(bad, (x,), (x,))


def plain_convolution(x, w, stride, padding, dilation, groups):
    """By its definition, one output position and one kernel position at a time."""
    n, kernel = x.ndim - 2, w.shape[2:]
    x = np.pad(x, [(0, 0), (0, 0)] + [(p, p) for p in padding])
    out = [(x.shape[2 + i] - (kernel[i] - 1) * dilation[i] - 1) // stride[i] + 1 for i in range(n)]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    inside, outside = w.shape[1], w.shape[0] // groups
    for o in range(w.shape[0]):
        channels = slice(o // outside * inside, (o // outside + 1) * inside)
        for place in itertools.product(*map(range, out)):
            for k in itertools.product(*map(range, kernel)):
                at = tuple(place[i] * stride[i] + k[i] * dilation[i] for i in range(n))
                y[(slice(None), o, *place)] += x[(slice(None), channels, *at)] @ w[(o, slice(None), *k)]
    return y


@pytest.mark.parametrize(("n", "stride", "padding", "dilation", "groups"), [
    (1, (1,), (0,), (1,), 1), (1, (2,), (1,), (2,), 1), (2, (2, 1), (1, 2), (1, 2), 2),
    (2, (1, 1), (0, 0), (1, 1), 1),
    (3, (1, 2, 1), (1, 0, 1), (1, 1, 1), 1)])
def test_convolution(n, stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 2, *[5, 4, 3][:n])), rng.normal(size=(2, 2 // groups, *[2, 2, 2][:n]))
    f = lambda x, w: convolve_nd(x, w, stride, padding, dilation, groups)
    np.testing.assert_allclose(f(x, w), plain_convolution(x, w, stride, padding, dilation, groups),
                               atol=1e-13)
    if n < 3:
        check(f, x.shape, w.shape, exact=False)


def test_convolution_padding():
    x, w = np.arange(7.0).reshape(1, 1, 7), np.ones((1, 1, 4))
    assert convolve_nd(x, w, 2, "same").tolist() == [[[3.0, 10.0, 18.0, 11.0]]]
    assert convolve_nd(x, w, padding="valid").tolist() == [[[6.0, 10.0, 14.0, 18.0]]]
    assert convolve_nd(x, w, padding=[(0, 1)]).shape == (1, 1, 5)
    single = x.astype(np.float32), w.astype(np.float32)
    assert wg.grad(lambda w: np.sum(convolve_nd(single[0], w)))(single[1]).dtype == np.float32
    for bad in [dict(padding="full"), dict(padding=-1), dict(stride=(1, 1)), dict(groups=2), dict(stride=0),
                dict(dilation=3)]:
        with pytest.raises(ValueError):
            convolve_nd(x, w, **bad)
