"""The linter: where a derivative means little, or where the value itself loses digits.

What comes in: a function and a point. What goes out: a `LintReport`: findings with their line, reason, remedy and code. The one
idea: the program is written out at the point, so that every operation has its operands at hand, and is evaluated again a little
way from the point; what a finding says was seen to happen.
"""

from wengert.linting.report import LintFinding, LintReport
from wengert.linting.rules import lint

__all__ = ["LintFinding", "LintReport", "lint"]
