"""Spherical Bessel functions of a whole order.

What comes in: an argument, and the order n. What goes out: j_n, y_n, i_n, k_n. The one idea: the derivative is a combination
of the neighbors, ``(2n + 1) j_n' = n j_{n-1} - (n + 1) j_{n+1}`` (DLMF 10.51.2, 10.51.5), which divides by nothing, so it
holds at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wengert.graph import Primitive
from wengert.primitives.elementwise import elementwise
from wengert.primitives.sampling import cases

__all__ = ["spherical"]


def _family(name: str, below: float, above: float) -> Primitive:
    """``(2n + 1) f_n' = below n f_{n-1} + above (n + 1) f_{n+1}``."""
    def evaluate(x: Any, *, n: int) -> Any:
        import scipy.special
        f: Callable[..., Any] = getattr(scipy.special, name)
        return f(n, x).astype(x.dtype) if hasattr(x, "dtype") else f(n, x)

    def partial(y: Any, x: Any, *, n: int) -> Any:
        after = primitive(x, n=n + 1)
        if not n:
            return after * above
        return (primitive(x, n=n - 1) * (below * n) + after * (above * (n + 1))) * (1.0 / (2 * n + 1))
    primitive = elementwise(name, evaluate, type=lambda x, *, n: x, partials=partial, sample=cases(
        ((3,), {"n": 0}), ((2,), {"n": 2}), ((), {"n": 1}), low=0.4, high=3.0))
    return primitive


spherical: dict[str, Primitive] = {
    "spherical_jn": _family("spherical_jn", 1.0, -1.0), "spherical_yn": _family("spherical_yn", 1.0, -1.0),
    "spherical_in": _family("spherical_in", 1.0, 1.0), "spherical_kn": _family("spherical_kn", -1.0, -1.0)}
