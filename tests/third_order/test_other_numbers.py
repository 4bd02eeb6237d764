"""Single precision, and complex numbers on both sides of branch cuts: derivatives to the third order.

What comes in: NumPy's functions. What goes out: in single precision the bounds of double precision with room, at every point
that it can hold; for complex points agreement with differences in mpmath, beside the cut on the side that the zero's sign says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

mpmath = pytest.importorskip("mpmath")

from tests.third_order import measure, table  # noqa: E402
from tests.third_order.reference import STENCILS  # noqa: E402

mp = mpmath.mp
ROOM = 8.0  # ulps more than in double precision


def _held(p: tuple[float, ...]) -> bool:
    with np.errstate(over="ignore"):
        return all(float(np.float32(v)) == v for v in p)


SINGLE = [name for name, f in table.functions().items() if name.startswith(("np.", "x **")) and len(table.points(f)[0]) == 1
          and name not in ("np.tanh", "np.i0")]


@pytest.mark.parametrize("name", SINGLE)
def test_single_precision_keeps_the_bounds(name: str) -> None:
    f, stored = table.functions()[name], table.references()[name]
    at = [p for p in table.points(f) if _held(p)]
    xs = [np.array([p[0] for p in at], np.float32)]
    for order in range(4):
        got = measure.measured(f.call, (order,), xs, "reverse" if order % 2 else "forward")
        assert got.dtype == np.float32
        errors = [measure.distance(g, stored[table.key(p)][order], p, (stored[table.key(p)][order + 1],))
                  for g, p in zip(got, at)]
        ordinary, edge, lost = table.bounds()[name][str(order)]
        kept = [e for e in errors if e is not None and e <= 2.0 ** 12]
        assert max(kept, default=0.0) <= max(ordinary, edge) + ROOM
        assert sum(e is not None and e > 2.0 ** 12 for e in errors) <= lost + (order == 0) * 2


# The function, and the same in mpmath.
COMPLEX: dict[str, tuple[Any, Any]] = {
    "log1p": (np.log1p, lambda z: mp.log(1 + z)), "square": (np.square, lambda z: z * z),
    "reciprocal": (np.reciprocal, lambda z: 1 / z),
    **{name: (getattr(np, name), getattr(mp, name)) for name in (
        "exp", "log", "expm1", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"arc{name}": (getattr(np, f"arc{name}"), getattr(mp, f"a{name}")) for name in (
        "sin", "cos", "tan", "sinh", "cosh", "tanh")}}
PLACES = [0.3 + 0.4j, -1.2 + 0.7j, -0.5 - 0.1j, 2.5 - 1.5j, 0.1 + 3.0j, complex(2.0, 0.0), complex(2.0, -0.0),
          complex(-2.0, 0.0), complex(-2.0, -0.0), complex(0.25, 0.0), complex(0.25, -0.0)]


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_derivatives_on_both_sides_of_the_cuts(name: str) -> None:
    f, precise = COMPLEX[name]
    for order in range(1, 4):
        got = measure.measured(f, (order,), [np.array(PLACES)], "forward")
        for z, value in zip(PLACES, got):
            with mp.workdps(700):
                beside = mp.mpf(10) ** -300 * (-1 if np.signbit(z.imag) else 1) if z.imag == 0 else mp.zero
                place, h = mp.mpc(z.real, z.imag + beside), mp.mpf(10) ** -40
                wanted = complex(sum(w * precise(place + k * h) for k, w in STENCILS[order].items()) / h ** order)
            assert value == pytest.approx(wanted, rel=4e-14, abs=4e-15), (order, z)
