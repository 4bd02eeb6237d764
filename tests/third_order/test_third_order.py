"""Every elementwise and special function keeps within its bounds to the third order, and the page of them is current.

What comes in: functions, references, bounds. What goes out: a failure where a derivative is less accurate than written down, or
more of its points are lost; where a reference is not what mpmath says today; or where a function of the registry is missing.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

mpmath = pytest.importorskip("mpmath")

import wengert as wg  # noqa: E402
from tests.third_order import reference, table  # noqa: E402
from wengert.graph import REGISTRY  # noqa: E402

FUNCTIONS = table.functions()
# Elementwise and with a derivative, but not in the table, and why.
ABSENT = {
    "is linear, or moves numbers": "add subtract conjugate imag real make_complex select ldexp modf frexp nextafter",
    "is the partial derivative of another, and stands in its orders":
        "cosine dawsn_derivative erfcx_derivative exprel_derivative gap_ratio log_ndtr_derivative log_ratio logistic_density "
        "one_minus_square power_log scaled_derivative "
        "psi_rise sinc_derivative witch gamma_density beta_density gammainc_derivative betainc_derivative",
    "is another one under a name of its own":
        "float_power root numpy_i0 special_cbrt special_exp2 special_expm1 special_log1p",
    "is piecewise linear, and the law tests hold it": "clip clip_low clip_high divmod fmax fmin fmod heaviside remainder sign",
    "takes complex numbers only, or is refused in its order":
        "hankel1 hankel1e hankel2 hankel2e wofz riemann_zeta zeta_of_two",
    "is an inverse, or a scaled one, of what is here":
        "betaincc betaincinv betainccinv gammaincinv gammainccinv chdtrc stdtrit ndtri_exp inv_boxcox1p jve yve ive kve kn yn",
    "is called by an operator": "integer_power scalar_power",
}


def within(name: str) -> list[str]:
    """What is worse than its bound."""
    found = []
    for order, s in table.summarize(table.rows(name)).items():
        ordinary, edge, lost = table.bounds()[name][str(order)]
        if s.ordinary > ordinary or s.edge > edge or len(s.lost) > lost:
            found.append(f"{name}, order {order}: {s.ordinary:.3g} / {s.edge:.3g} ulps at {s.where}, lost {s.lost}; the bounds "
                         f"are {ordinary} / {edge}, and {lost} lost")
    return found


@pytest.mark.parametrize("part", range(8))
def test_derivatives_keep_within_their_bounds(part: int) -> None:
    assert not [line for name in list(FUNCTIONS)[part::8] for line in within(name)]


def test_ordinary_derivatives_are_accurate() -> None:
    """At ordinary points no bound is beyond 96 ulps, but for those that are named."""
    dear = {name for name, of in table.bounds().items() if any(of[order][0] > 96.0 for order in "123")}
    assert dear == {"scipy.special.dawsn", "scipy.special.chdtr"}


def test_every_function_of_the_registry_is_here() -> None:
    named = {word for name in FUNCTIONS for word in re.findall(r"\w+", name)}
    absent = {name for names in ABSENT.values() for name in names.split()}
    missing = {n for n, p in REGISTRY.items() if p.elementwise and p.differentiable and n not in named | absent}
    assert not missing
    assert absent <= REGISTRY.keys()


def test_every_point_has_its_reference_and_every_loss_its_reason() -> None:
    assert [name for name in FUNCTIONS if not table.complete(name)] == [], "python -m tests.third_order --missing"
    assert table.bounds().keys() == FUNCTIONS.keys(), "python -m tests.third_order --write"
    for name, of in table.bounds().items():
        if any(lost for order, (_, _, lost) in of.items() if order != "0"):
            table.reason(name)


def test_page_lists_every_function() -> None:
    text = table.PAGE.read_text(encoding="utf-8")
    assert [name for name in FUNCTIONS if f"| `{name}` |" not in text] == [], "python -m tests.third_order --write"


@pytest.mark.parametrize("seed", range(4))
def test_references_are_what_mpmath_says(seed: int) -> None:
    """A seeded sample, computed anew."""
    rng = np.random.default_rng(seed)
    for name in rng.choice(list(FUNCTIONS), 6, replace=False):
        f = FUNCTIONS[str(name)]
        point = f.ordinary[rng.integers(len(f.ordinary))]
        at: Any = point if isinstance(point, tuple) else (point,)
        now = reference.derivatives(f.exact, at, f.far, seconds=60.0)
        for a, b in zip(now, table.references()[str(name)][table.key(at)]):
            with mpmath.mp.workdps(30):
                assert a == b or abs(mpmath.mpf(a) - mpmath.mpf(b)) <= mpmath.mpf(10) ** -18 * abs(mpmath.mpf(b)), (name, at)


def test_a_mistake_is_caught() -> None:
    """A derivative that is wrong in its tenth digit is beyond every bound."""
    f = FUNCTIONS["np.sin"]
    off = table.measure.distance(np.float64(np.cos(0.4) * (1.0 + 1e-10)), table.references()["np.sin"]["0.4"][1], (0.4,))
    assert off is not None
    assert off > 1e5 > table.bounds()["np.sin"]["1"][0]
    assert wg.grad(f.call)(0.4) == pytest.approx(np.cos(0.4), rel=1e-15)
