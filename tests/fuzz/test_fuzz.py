"""A share of every target of `tests.fuzz.campaign`: the same inputs in every run."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import TARGETS
from tests.fuzz.target import Broken, Target, run


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.name.replace(" ", "_"))
def test_share(target):
    outcome = run(target, 0, lambda k, o: k >= target.share)
    assert not outcome.broken, "\n".join(f"{said}\n  {x!r}"[:2000] for x, said in outcome.broken)
    assert sum(outcome.counts.values()) == target.share and len(outcome.counts) >= 1


def test_what_breaks_a_law_is_found_and_made_small():
    def judge(text, place):
        if "x" in text and text.count("y") >= 2:
            raise Broken("x, y and y")
        if "z" in text:
            raise RecursionError("deep")
        return "fine"
    toy = Target("toy", lambda rng: "".join(rng.choice("abcxyz") for _ in range(40)), judge, 1)
    outcome = run(toy, 0, lambda k, o: k >= 20)
    assert {said: sorted(x) for x, said in outcome.broken} == {"x, y and y": ["x", "y", "y"]} | (
        {"RecursionError: deep": ["z"]} if any("z" in x for x, _ in outcome.broken) else {})
    assert run(toy, 0, lambda k, o: k >= 20).broken == outcome.broken  # the seed decides
