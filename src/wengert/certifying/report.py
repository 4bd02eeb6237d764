"""What a certificate says.

What comes in: elements with their verdicts, ways, Taylor remainders, findings of the linter. What goes out: a `Certificate`,
printed on one screen however many inputs there are, as JSON, as a picture. The one idea: what is worst comes first.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from textwrap import shorten
from typing import Any

from wengert.certifying.ways import Way
from wengert.check import TaylorResult
from wengert.lines import short_place
from wengert.linting import LintFinding

__all__ = ["LEAST_DIGITS", "ORDER", "Certificate", "Element"]

ORDER = ("not reproducible", "changes its argument", "no derivative", "not finite", "wrong", "cut off", "jump", "kink",
         "inexact", "unreliable", "ill-conditioned", "border", "too small", "agrees", "exact zero")  # the worst first
ACCEPTED = ("agrees", "exact zero", "too small", "border")
LEAST_DIGITS = 2.0  # that a derivative must agree in
SHOWN = 10  # elements in the table
MOST = 2_000  # elements in the JSON


@dataclass(frozen=True)
class Element:
    """A derivative, and what is known of it.

    Attributes
    ----------
    input, output : str
        ``params['w'][3]``; the output is "" if there is but one number. Of complex inputs the real and the imaginary part are
        apart. A "random direction" moves all inputs.
    value : float
        What reverse mode gives.
    reference : float
        What the best of the independent ways gives.
    error : float
        How far the value may be off: the difference of both, or the reference's own error if that is larger.
    digits : float
        In how many digits they agree; infinite for an exact zero, NaN where nothing can be said.
    verdict : str
        "agrees", "exact zero", "too small" (beside the value of the function), "border" (of the domain), "ill-conditioned",
        "unreliable" (differences cannot tell), "inexact", "kink", "jump", "cut off", "wrong", "not finite".
    limited_by : str
        The way that `error` is the error of.
    why : str
        More about it, in words.
    """

    input: str
    output: str
    value: float
    reference: float
    error: float
    digits: float
    verdict: str
    limited_by: str
    why: str = ""

    @property
    def ok(self) -> bool:
        return self.verdict in ACCEPTED or (self.verdict == "ill-conditioned" and self.digits >= LEAST_DIGITS)

    @property
    def name(self) -> str:
        return f"{self.output} in {self.input}" if self.output else self.input

    @property
    def rank(self) -> tuple[int, float]:
        """The worst first."""
        return ORDER.index(self.verdict), self.digits if math.isfinite(self.digits) else 99.0


@dataclass(frozen=True)
class Certificate:
    """What `certify` gives; print it.

    Attributes
    ----------
    ok : bool
        Whether the derivative is certified.
    verdict : str
        In a line of words.
    elements : tuple of Element
        By input (and output): all if they are few, else a sample.
    directions : tuple of Element
        Along random directions, in which every input moves; at the point, near it, of the second order.
    ways : tuple of Way
        How the derivative was found: ``name``, ``verdict``, ``reason``, ``difference``.
    taylor : tuple of TaylorResult
        Taylor remainders at the point and at points near it, with their rates.
    findings : tuple of LintFinding
        What `wg.lint` says of the point.
    condition : float
        How much relative errors of the inputs are amplified in the value (Σ|∂f/∂x x| / |f|); NaN where it was not needed.
    notes : tuple of str
        What could not be looked at, and what is odd but no mistake.
    """

    name: str
    ok: bool
    verdict: str
    elements: tuple[Element, ...]
    directions: tuple[Element, ...]
    ways: tuple[Way, ...]
    taylor: tuple[TaylorResult, ...]
    findings: tuple[LintFinding, ...]
    condition: float
    notes: tuple[str, ...]
    inputs: int
    outputs: int
    curve: Any = field(default=None, repr=False)

    # ------------------------------------------------------------ text

    def __str__(self) -> str:
        count = f"{self.inputs:,} input{'s' * (self.inputs != 1)}, {self.outputs:,} output{'s' * (self.outputs != 1)}"
        parts = [f"{self.name}, {count}: {self.verdict}"]
        if self.elements:
            parts.append(_table(sorted(self.elements, key=lambda e: e.rank), self._counts()))
        odd = [e for e in self.directions if not e.ok]
        if odd:
            parts.append("\n".join([f"{e.input}: {e.verdict}{': ' * bool(e.why)}{e.why}" for e in odd]))
        if self.ways:
            parts.append("\n".join([_way(w) for w in self.ways]))
        if self.taylor:
            parts.append(_taylor(self.taylor))
        if self.findings:
            parts.append("\n".join([f"{short_place(f.place)}: {f.code} {f.what}   {f.source}".rstrip() for f in self.findings]))
        parts += [f"note: {shorten(note, 300, placeholder=' ...')}" for note in self.notes]
        return "\n\n".join(parts)

    def _counts(self) -> str:
        """How many elements have which verdict."""
        found = Counter(e.verdict for e in self.elements)
        text = ", ".join([f"{found[v]:,} {v}" for v in ORDER if found[v]])
        checked = len({e.input for e in self.elements})
        if checked == self.inputs:
            return text
        return f"{text}; {checked:,} of {self.inputs:,} inputs one by one, all along random directions"

    # ------------------------------------------------------------ JSON, picture

    def json(self) -> dict[str, Any]:
        """Numbers, lists and strings only; NaN and infinities are None."""
        return {
            "function": self.name, "ok": self.ok, "verdict": self.verdict, "inputs": self.inputs, "outputs": self.outputs,
            "condition": _number(self.condition), "notes": list(self.notes),
            "elements": [_element(e) for e in sorted(self.elements, key=lambda e: e.rank)[:MOST]],
            "directions": [_element(e) for e in self.directions],
            "ways": [{"name": w.name, "verdict": w.verdict, "reason": w.reason, "compared": w.compared,
                      "difference": _number(w.difference), "error": _number(w.error)} for w in self.ways],
            "taylor": [{"rates": [_number(r) for r in t.rates], "ok": bool(t.ok)} for t in self.taylor],
            "findings": [asdict(f) for f in self.findings],
        }

    def plot(self, file: Any) -> None:
        """Draw Taylor remainders, and the error of differences against their step, into a file; Matplotlib is needed."""
        from wengert.certifying.picture import draw
        draw(self, file)


def _number(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None


def _element(e: Element) -> dict[str, Any]:
    return {key: _number(x) if isinstance(x, float) else x for key, x in asdict(e).items()}


def _table(elements: Sequence[Element], counts: str) -> str:
    rows = [("derivative", "value", "±", "digits", "verdict")]
    for e in elements[:SHOWN]:
        digits = "" if not math.isfinite(e.digits) else f"{int(e.digits)}"
        error = "" if not math.isfinite(e.error) else f"{e.error:.0e}"
        why = f": {e.why}" if e.why else f" ({e.limited_by})" if e.verdict == "agrees" else ""
        rows.append((e.name, f"{e.value:.10g}", error, digits, f"{e.verdict}{why}"))
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    lines = ["  ".join([row[0].ljust(widths[0]), *[row[k].rjust(widths[k]) for k in (1, 2, 3)], row[4]]) for row in rows]
    if len(elements) > SHOWN:
        lines.append(f"... {len(elements) - SHOWN:,} more, each no worse")
    return "\n".join([*lines, counts])


def _way(w: Way) -> str:
    if w.verdict == "does not apply":
        return f"{w.name}: does not apply: {shorten(w.reason, 120, placeholder=' ...')}"
    within = "" if w.verdict != "agrees" else f" within {w.difference:.0e}" if w.difference else " in every digit"
    reason = f": {w.reason}" if w.reason else ""
    return f"{w.name}: {w.verdict}{within}{reason}"


def _taylor(tests: Sequence[TaylorResult]) -> str:
    lines = []
    for k, t in enumerate(tests):
        rates = ", ".join(["exact" if math.isinf(r) else "too rough" if math.isnan(r) else f"{r:.2f}" for r in t.rates[1:]])
        expected = ", ".join([f"{j + 2}" for j in range(len(t.rates) - 1)])
        where = "at the point" if k == 0 else "near it"
        lines.append(f"Taylor remainders {where}: rates {rates} (expected {expected})")
    return "\n".join(lines)
