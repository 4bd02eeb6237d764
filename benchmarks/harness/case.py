"""What a case says: its variants, their targets, and how a system is set up.

What comes in: the numbers of a case file. What goes out: `Variant`, `Target` and `Setup` records. The one idea: a target
is a number that the run itself can check, either seconds or a factor of what another system took in the same run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# The call to measure, and a function that gives its result as a list of NumPy arrays (None: nothing to compare).
Program = tuple[Callable[[], Any], Callable[[], Any]]


@dataclass(frozen=True)
class Target:
    """At most so many seconds, or at most `factor` times the median of another system of the same variant."""

    seconds: float | None = None
    system: str | None = None
    factor: float = 1.0
    of: str = "steady"  # which figure of wengert is judged: "steady", "first" or "import"

    def __str__(self) -> str:
        prefix = "" if self.of == "steady" else f"{self.of} "
        if self.seconds is not None:
            return f"{prefix}{duration(self.seconds)}"
        factor = "" if self.factor == 1.0 else f"{self.factor:g} × "
        return f"{prefix}{factor}{self.system}"


@dataclass(frozen=True)
class Variant:
    """One row group of the table: a size of the case, with its targets."""

    name: str
    params: dict[str, Any]
    targets: tuple[Target, ...] = ()
    threads: int = 1
    fresh: int = 1  # so many new processes for the first call, of which the median is taken
    tolerance: float = 1e-9
    without: tuple[str, ...] = ()  # systems for which the variant makes no sense, or takes minutes
    quick: bool = False  # takes part in `--quick`


@dataclass
class Setup:
    """What the function of a system is given: the parameters of the variant, its data, and the compiled C sources."""

    params: dict[str, Any]
    data: Any
    libraries: str
    threads: int = 1


def duration(seconds: float) -> str:
    """Three digits and a unit: 12.3 µs."""
    unit, scale = next(((u, s) for u, s in (("s", 1.0), ("ms", 1e-3)) if seconds >= s), ("µs", 1e-6))
    return f"{seconds / scale:.3g} {unit}"


def package(system: str) -> str | None:
    """The package that a system imports."""
    word = system.split()[0]
    return word if word in ("wengert", "jax", "torch", "autograd", "casadi") else None
