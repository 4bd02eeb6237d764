"""Every function in the catalog, in every way; the table in the documentation is written from the result.

What comes in: `catalog.ENTRIES`. What goes out: a pass or a failure for each (function, way). The one idea: value
against plain NumPy, forward against differences with an error estimate, reverse against forward, second order against
differences of the gradient, batch against a loop, the pattern of the Jacobian against its entries.
``python -m tests.support.test_support`` writes docs/support.md.
"""

from __future__ import annotations

import pathlib
import warnings

import numpy as np
import pytest

import wengert as wg
from tests.support.catalog import ENTRIES, REFUSED
from wengert.numeric import directional_estimate

WAYS = ("value", "forward", "reverse", "second order", "batch", "pattern")
PAGE = pathlib.Path(__file__).parents[2] / "docs" / "support.md"


def directions(x, seed=3):
    rng = np.random.default_rng(seed)
    return rng.normal(size=np.shape(x))


def close(got, wanted, error):
    scale = np.max(np.abs(wanted), initial=1.0)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=3e-9 * scale + 20 * np.max(error, initial=0.0))


def weighted(f, x):
    """A scalar function: the real part of a fixed random combination of the outputs."""
    y = np.asarray(f(x))
    w = np.random.default_rng(5).normal(size=y.shape)
    if y.dtype.kind == "c":
        w = w + 1j * np.random.default_rng(6).normal(size=y.shape)
    return lambda x: np.real(np.sum(f(x) * w))


ROUNDED = (
    "np.einsum",
    "np.vdot",
    "np.linalg",
    "scipy.linalg",
    "np.polydiv",
    "scipy.fft.i",
    "scipy.special.ivp",
    "scipy.special.jvp",
    "scipy.special.kvp",
    "scipy.special.yvp",
    "scipy.special.log",
    "scipy.special.soft",
    "np.cov",
    "np.corrcoef",
    "np.polyfit",
    "scipy.integrate",
    "scipy.interpolate",
    "scipy.ndimage",
    "scipy.signal",
    "scipy.spatial",
    "scipy.stats",
)


def pattern(f, x):
    """How the pattern that is found without a value compares with the entries at this point: it misses none."""
    def parts(x):
        y = np.reshape(f(x), -1)
        return np.concatenate([np.real(y), np.imag(y)]) if np.iscomplexobj(y) else y
    found = wg.jacobian(parts, sparsity="detect").prepare(x).pattern.toarray()
    entries = np.reshape(wg.jacobian(parts)(x), found.shape) != 0
    assert not np.any(entries & ~found)
    return "exact" if np.array_equal(entries, found) else "dense" if found.all() else "wider"


def run(name, way, f, x):
    if way == "pattern":
        return pattern(f, x)
    v = directions(x)
    if way == "value":
        traced = wg.vjp(f, x)[0]
        if name.startswith(ROUNDED):  # another order of summation than NumPy's
            np.testing.assert_allclose(traced, f(x), rtol=1e-12, atol=1e-13)
        else:
            np.testing.assert_array_equal(traced, f(x))
        assert np.asarray(traced).dtype == np.asarray(f(x)).dtype
        return
    if way == "forward":
        estimate = directional_estimate(lambda x: np.asarray(f(x)) * 1.0, x, v)
        close(wg.jvp(f, (x,), (v,))[1], estimate.value, estimate.error)
        return
    g = weighted(f, x)
    if way == "reverse":
        forward = wg.jvp(g, (x,), (v,))[1]
        np.testing.assert_allclose(np.sum(wg.grad(g)(x) * v), forward, rtol=1e-9, atol=1e-11)
        return
    if way == "second order":
        estimate, product = directional_estimate(wg.grad(g), x, v), wg.hvp(g, x, v)
        close(product, estimate.value, estimate.error)
        np.testing.assert_allclose(wg.grad(lambda y: np.sum(wg.grad(g)(y) * v))(x), product, rtol=1e-8, atol=1e-9)
        return
    xs = np.stack([x, x * 1.01 + 0.003])
    np.testing.assert_allclose(wg.vmap(f)(xs), [f(x) for x in xs], rtol=1e-12, atol=1e-13)


# Which ways a function does not have, and why; everything else has all of them.
ABSENT = {(name, way): why for name, why in REFUSED.items() for way in WAYS if way != "batch" or "(in its" not in name}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ENTRIES)
def test_support(name):
    for way in WAYS:
        if (name, way) in ABSENT:
            with pytest.raises(wg.errors.WengertError):
                run(name, way, *ENTRIES[name])
            continue
        try:
            run(name, way, *ENTRIES[name])
        except Exception as e:
            e.add_note(f"{name}: {way}")
            raise


def table():
    """The page, written from what runs."""
    lines = [
        "# Supported functions",
        "",
        "Written by `python -m tests.support.test_support`, which runs every function below in every way: its value under",
        "tracing against plain NumPy; forward mode against finite differences; reverse mode against forward mode; second",
        "derivatives against differences of the gradient; `vmap` against a loop. A dash is a refusal, with the reason below;",
        "a function that is not here may be supported all the same, and if it is not, an error says so.",
        "Operators, methods of arrays and keyword forms follow the functions.",
        "",
        "*Pattern* is that of the Jacobian, found from the program alone (`sparsity=\"detect\"`), against the entries at one",
        "point: none is ever missing; *exact*: just these; *wider*: more, as it holds at every point (`np.maximum` may take",
        "either side); *dense*: all, though some entries are zero.",
        "",
        "| function | " + " | ".join(WAYS) + " |",
        "| --- |" + " --- |" * len(WAYS),
    ]
    for name in sorted(ENTRIES):
        marks = []
        for way in WAYS:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    marks.append(run(name, way, *ENTRIES[name]) or "yes")
            except Exception:
                marks.append("-" if (name, way) in ABSENT else "**fails**")
        lines.append(f"| `{name}` | " + " | ".join(marks) + " |")
    lines += ["", "| refused | why, and what to write |", "| --- | --- |"]
    lines += [f"| `{name}` | {why} |" for name, why in sorted(REFUSED.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(table())
