"""All deliberate mistakes.

What comes in: the lists by part. What goes out: one list.
"""

from __future__ import annotations

from tests.faults.compiler import COMPILER
from tests.faults.outside import OUTSIDE
from tests.faults.rules import RULES
from tests.faults.transforms import TRANSFORMS
from tests.faults.trust import TRUST

__all__ = ["FAULTS"]

FAULTS = [*RULES, *TRANSFORMS, *COMPILER, *OUTSIDE, *TRUST]
