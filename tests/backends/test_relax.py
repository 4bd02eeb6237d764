"""Products without the masks of strong zeros: the same results, infinities and NaN included.

What comes in: programs whose residuals are infinite, or NaN, where a choice left out what they meet. What goes out: the results
of the interpreter, and counts that say that no mask is computed. The one idea: the interpreter keeps the masks.
"""

import numpy as np
import pytest

import wengert as wg

RNG = np.random.default_rng(0)
INF, NAN = np.inf, np.nan


def layer(w, x):
    """Rows that are chosen, times a matrix."""
    return np.sum(np.where(x[:, :1] > 0, np.sin(x @ w), 0.0) ** 2)


def pooled(w, x):
    return np.sum(np.max(np.maximum(x @ w, 0.0).reshape(-1, 4, 5), axis=1) ** 2)


def stepped(w, x):
    return w - 0.1 * wg.grad(layer)(w, x)


def skipped(w, x):
    """A step that is left out where the gradient is not finite."""
    g = wg.grad(layer)(w, x)
    return np.where(np.isfinite(g).all(), w - 0.1 * g, w)


def signs(w, x):
    return np.sign(wg.grad(layer)(w, x)), np.maximum(wg.grad(layer)(w, x), 0.1)


def hidden(w, x):
    """What gives the other operand where one is NaN."""
    return np.fmax(wg.grad(layer)(w, x), 0.1), np.fmin(wg.grad(layer)(w, x), 0.1)


def looped(w, x):
    g = wg.grad(layer)(w, x)
    for _ in range(30):
        g = np.sqrt(np.abs(g) + 1.0)
    return g


def shapes(w, x):
    """What is doubtful goes through moves, sums and writes."""
    g = wg.grad(layer)(w, x)
    y = np.zeros((8, 6))
    y[:6] = g.T[:6, :6]
    return np.concatenate([y, y])[::-1].sum(axis=0), np.exp(np.tanh(g[2:] / 3.0))


PROGRAMS = [wg.grad(layer), wg.grad(layer, 1), wg.value_and_grad(layer, (0, 1)), wg.grad(pooled, (0, 1)), stepped, skipped,
            signs, hidden, looped, shapes]


def arguments(bad):
    x = RNG.normal(size=(40, 20))
    x[:, 0] = np.where(np.arange(40) % 3 == 0, -1.0, 1.0)
    if bad is not None:
        x[3, 5] = bad
    return RNG.normal(size=(20, 10)) / 4, x


def compiled(f, args):
    """The result of the fifth call, which runs in machine code."""
    f = wg.jit(f)
    with np.errstate(all="ignore"):
        for _ in range(4):
            f(*args)
    return f(*args)


def leaves(x):
    return [leaf for part in x for leaf in leaves(part)] if isinstance(x, tuple) else [x]


@pytest.mark.parametrize("bad", [None, INF, NAN])
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: getattr(f, "__name__", "grad"))
def test_results_are_the_interpreters(f, bad):
    args = arguments(bad)
    with np.errstate(all="ignore"), wg.config.set(backend="interpreted"):
        expected = wg.jit(f)(*args)
    for a, b in zip(leaves(compiled(f, args)), leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_what_was_left_out_is_zero():
    """Row 3 is not chosen, and infinite: its gradient, and the others', are finite."""
    w, x = arguments(INF)
    by_w, by_x = compiled(wg.grad(layer, (0, 1)), (w, x))
    assert np.isfinite(by_w).all() and not by_x[3].any()


def test_no_mask_is_computed():
    w, x = arguments(None)
    found = wg.explain_compilation(wg.grad(layer), w, x)
    assert "select(" in str(found.simplify) and "strong=True" in str(found.simplify)
    assert "strong" not in str(found.hoist) and "reduce_sum" not in str(found.hoist)
    assert found.counts["library_calls"] == 2 and "check of 1 condition" in str(found.plan)


def test_products_in_loops_keep_their_masks():
    def f(w, x):
        total = 0.0
        for row in x:
            w = w + np.where(row > 0, np.sin(w @ w), 0.0)
            total = total + np.sum(w)
        return total
    w, x = RNG.normal(size=(20, 20)) / 30, RNG.normal(size=(50, 20))
    with wg.config.set(backend="interpreted"):
        expected = wg.grad(f)(w, x)
    np.testing.assert_allclose(wg.jit(wg.grad(f))(w, x), expected, rtol=1e-10)
    assert "strong" not in str(wg.explain_compilation(wg.grad(f), w, x).hoist)


def test_programs_with_effects_keep_their_masks(capsys):
    def f(w, x):
        print("once")
        return wg.grad(layer)(w, x)
    w, x = arguments(INF)
    found = compiled(f, (w, x))
    assert np.isfinite(found).all() and capsys.readouterr().out.count("once") == 5


def test_second_derivatives():
    w, x = arguments(None)
    direction = RNG.normal(size=w.shape)

    def slope(w, x):
        return np.sum(wg.grad(layer)(w, x) * direction)
    h = 1e-5
    differences = (wg.grad(layer)(w + h * direction, x) - wg.grad(layer)(w - h * direction, x)) / (2 * h)
    np.testing.assert_allclose(wg.jit(wg.grad(slope))(w, x), differences, rtol=1e-6, atol=1e-7)
