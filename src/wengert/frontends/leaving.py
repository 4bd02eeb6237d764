"""Arrays that leave a staged block: what a variable looks at, once the block has become an equation.

What comes in: the arrays that variables hold at the end of an arm or of a loop. What goes out: for each whose memory others
hold, a plan, from the results of the equation to an array outside that looks at the same memory. The one idea: an array of
before the block is itself; a view is remade over what it looks at, with its index among the results; and what is one array
or another, depending on a branch, is a view of both.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.frontends.block import Block, guard, guard_of, is_array, is_sole
from wengert.frontends.lens import KINDS
from wengert.frontends.tracer import Tracer
from wengert.graph import Const

__all__ = ["UNKNOWN", "Leaving", "Plan", "arrays_of", "looking", "may_be_one_of", "share", "shared_arrays"]

Plan = Callable[[list[Any]], Any]  # from the results of the branch to an array


def shared_arrays(arms: tuple[Block, Block], values: tuple[list[Any], list[Any]], before: list[Any], places: list[int],
            outputs: list[Any]) -> dict[int, tuple[Plan | None, Plan | None] | None]:
    """Variables whose memory others hold in either arm, and the array that they are in each; None: it cannot be told."""
    a, b = values
    def slot(side: int, block: Block) -> Callable[[Any], int]:
        def place(x: Any) -> int:
            pair = [Const(np.zeros(x.shape, x.dtype)) for _ in range(2)]
            pair[side] = block.atom(x, x.type)
            outputs.append(tuple(pair))
            return len(outputs) - 1
        return place
    leaving = [Leaving(block, slot(k, block)) for k, block in enumerate(arms)]
    for side, held in zip(leaving, values, strict=True):
        side.adopt(held)
    found: dict[int, tuple[Plan | None, Plan | None] | None] = {}
    for k in places:
        if any(type(arm[k]) is tuple for arm in values):
            if any(arrays_of(arm[k]) for arm in values):
                found[k] = None
        elif (a[k] is None) != (b[k] is None):  # a function returns in one arm: its value is that of this arm
            arm = 0 if b[k] is None else 1
            if not _is_free(values[arm][k], a, b, before):
                plan = leaving[arm].whole(values[arm][k], sum(e is values[arm][k] for e in values[arm]))
                found[k] = None if plan is UNKNOWN or plan is None else (plan, plan)
        elif not (_is_free(a[k], a, b, before) and _is_free(b[k], a, b, before)):
            plans = [side.whole(arm[k], sum(e is arm[k] for e in arm)) for side, arm in zip(leaving, values, strict=True)]
            found[k] = None if UNKNOWN in plans or plans == [None, None] else (plans[0], plans[1])
    return found


def _is_free(x: Any, a: list[Any], b: list[Any], before: list[Any]) -> bool:
    """Whether only the variable holds an array, or would if it were bound to it."""
    if not is_array(x):
        return True
    outer = any(e is x for e in before)
    held = sum(e is x for e in a) + sum(e is x for e in b) + sum(e is x for e in before)
    return guard_of(x) is None and is_sole(x, held + outer + 1)


def share(c: Any, shared: dict[int, Any], results: list[Any], values: tuple[list[Any], list[Any]], after: list[Any],
           at: str) -> None:
    """Such a variable looks at both arrays from now on; where it cannot be told which, it may not be written to."""
    made: dict[Any, Any] = {}
    why = f"is one of two arrays, depending on the branch at {at}"
    for k, plans in shared.items():
        key = tuple([id(arm[k]) for arm in values])
        if plans is not None and key not in made:
            made[key] = _one_of_two(c, plans, results, after[k])
        if plans is not None and made[key] is not None:
            after[k] = made[key]
            continue
        for x in (values[0][k], values[1][k]):
            reason = next((r for leaf in arrays_of(x) if (r := guard_of(leaf)) is not None), why)
            guard(after[k], reason)
            guard(x, reason)


def _one_of_two(c: Any, plans: tuple[Plan | None, Plan | None], results: list[Any], result: Any) -> Any:
    """The array that is one or the other; an arm without a plan made a new one."""
    if plans[0] is plans[1] and plans[0] is not None:
        return plans[0](results)
    new = result.frozen()
    new.order = result.order
    yes, no = [new if plan is None else plan(results) for plan in plans]
    return yes.view_through("choice", (c, no), result) if may_be_one_of(yes, no) else None


_MOST = 6  # arrays that a variable may be; each write goes to all of them


def may_be_one_of(a: Any, b: Any) -> bool:
    """Whether a variable that is one of two arrays can look at both."""
    return is_array(a) and is_array(b) and a.type is b.type and len(a.roots()) + len(b.roots()) <= _MOST


def _unknown(results: list[Any]) -> Any:
    raise AssertionError("not to be called")


UNKNOWN: Plan = _unknown


class Leaving:
    """How the arrays that a block holds at its end are seen from outside.

    Arrays of before the block are themselves; what the block computed, an index or a condition of its own, becomes an output of
    it, which ``slot(x)`` gives a place among the results.
    """

    def __init__(self, block: Block, slot: Callable[[Any], int]):
        self.block, self.slot = block, slot
        self.plans: dict[int, tuple[Any, Plan]] = {}

    def adopt(self, values: list[Any]) -> None:
        """Arrays that the block made, and that variables look at and nothing else: each is one array outside, too.

        What one variable holds, and nobody looks at, needs no plan: it is the result of the block.
        """
        held = references(values)
        alone = {id(x) for x in values if is_array(x) and held[id(x)][1] == 1}
        seen_by_others: set[int] = set()
        for x, known in held.values():
            if x.born >= self.block.epoch and sys.getrefcount(x) > known + 3:  # `held`, `x`, and getrefcount's own
                seen_by_others.update(map(id, x.roots()))
        for x, _ in held.values():
            if x.lens is None and x.born >= self.block.epoch and id(x) not in seen_by_others | alone:
                self.plans[id(x)] = x, self.value(x)

    def whole(self, x: Any, held: int) -> Plan | None:
        """The plan of what a variable holds; None if the block made it and only `held` variables hold it."""
        if not is_array(x):
            return UNKNOWN
        if id(x) in self.plans:
            return self.plans[id(x)][1]
        if x.lens is None and x.born >= self.block.epoch:
            return None if held == 1 and x.guard is None and is_sole(x, held + 1) else UNKNOWN
        return self.plan(x)

    def plan(self, x: Any) -> Plan:
        if id(x) not in self.plans:
            self.plans[id(x)] = x, self.view(x)
        return self.plans[id(x)][1]

    def view(self, x: Any) -> Plan:
        if x.born < self.block.epoch:
            return lambda results: x
        if x.lens is None:  # made in the block, and held by something that is no variable, too
            return UNKNOWN
        lens = x.lens
        if lens.kind == "choice":
            which, base, other = self.value(lens.payload[0]), self.plan(lens.base), self.plan(lens.payload[1])
            return UNKNOWN if UNKNOWN in (base, other) else (
                lambda results: looking(base(results), "choice", (which(results), other(results))))
        base, payload = self.plan(lens.base), self.payload(lens.payload)
        return UNKNOWN if base is UNKNOWN else lambda results: looking(base(results), lens.kind, payload(results))

    def payload(self, x: Any) -> Plan:
        if isinstance(x, Tracer):
            return self.value(x)
        if type(x) is not tuple and type(x) is not list:
            return lambda results: x
        parts, kind = [self.payload(e) for e in x], type(x)
        return lambda results: kind([part(results) for part in parts])

    def value(self, x: Any) -> Plan:
        """What the block computed: it means nothing where the block did not run."""
        if x.born < self.block.epoch:
            return lambda results: x
        place, kind, order = self.slot(x), x.kind, x.order

        def plan(results: list[Any]) -> Any:
            results[place].kind, results[place].order = kind, order
            results[place].guard = results[place].guard or x.guard
            return results[place]
        return plan


def looking(base: Any, kind: str, payload: Any) -> Any:
    return base.view_through(kind, payload, KINDS[kind].read(base, payload))


def references(values: list[Any]) -> dict[int, tuple[Any, int]]:
    """Arrays, and how often variables and the views that these hold refer to them; what a tuple holds leaves with the tuple."""
    found: dict[int, tuple[Any, int]] = {}
    stack = [x for x in values if is_array(x)]
    while stack:
        x = stack.pop()
        count = found[id(x)][1] if id(x) in found else 0
        found[id(x)] = x, count + 1
        if count == 0 and x.lens is not None:
            stack.extend(x.lens.bases())
    return found


def arrays_of(x: Any) -> list[Any]:
    """The arrays among what a variable holds."""
    return [leaf for leaf in (x if type(x) is tuple else (x,)) if is_array(leaf)]
