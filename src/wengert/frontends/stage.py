"""Staging blocks: tracing the arms of a branch or the body of a loop into graphs of their own.

What comes in: Python functions that run a block, with functions that read and set the variables the block may change. What
goes out: one `cond`, `scan` or `while_loop` equation, and variables bound to its results. The one idea: a block is run on
stand-ins, and what it changed (variables, and arrays written to, found in the frame's notes) becomes what the equation carries;
it is run again until that set and its types are stable. Aliases need no analysis: an array is one object whoever looks at it,
and a name may only be given a result that can be written to if no one else holds what it stood for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.errors import UnstageableError, kind_of
from wengert.frontends.block import (
    NOTHING,
    Block,
    Carried,
    Unbound,
    attempt,
    carried,
    guard,
    guard_of,
    innermost,
    is_array,
    is_sole,
    join,
    leaf_type,
    same_value,
    truth_value,
)
from wengert.frontends.leaving import (
    UNKNOWN,
    Leaving,
    Plan,
    arrays_of,
    looking,
    may_be_one_of,
    share,
    shared_arrays,
)
from wengert.frontends.places import Places
from wengert.frontends.python_flow import VALUE
from wengert.frontends.registry import NeedsValueError
from wengert.frontends.trace import note_write, user_line
from wengert.frontends.tracer import Tracer
from wengert.graph import ArrayType, Const, Graph, Var
from wengert.primitives.control import call, cond, scan, while_loop
from wengert.primitives.structure import convert

__all__ = ["NothingTraced", "Settles", "branch", "loop"]


# ---------------------------------------------------------------- branches


def branch(
    c: Any,
    then: Callable[[], Any],
    orelse: Callable[[], Any],
    get: Callable[[], list[Any]],
    put: Callable[[list[Any]], None],
    names: Sequence[str],
) -> None:
    """``if c: then() else: orelse()`` on a condition that is not known yet: one `cond` equation."""
    at, c, places = user_line(), truth_value(c), Places(get, put, names)
    yes, a, no, b, before = _arms(places, then, orelse)
    names = places.names
    cells = list({key: cell for block in (yes, no) for key, (cell, _) in block.final.items()}.values())
    outputs = [(yes.state_atom(c_, c_.type), no.state_atom(c_, c_.type)) for c_ in cells]
    unbound: dict[int, Any] = {}
    rebuilt = []
    slots: dict[Any, int] = {}
    for k, name in enumerate(names):
        if a[k] is b[k] or same_value(a[k], b[k]):
            continue
        if name == VALUE and {id(a[k]), id(b[k])} == {id(None), id(NOTHING)}:
            unbound[k] = NOTHING
            continue
        plan = _merge(name, a[k], b[k], (yes, no), outputs, slots)
        if plan is None:
            unbound[k] = Unbound(
                "the returned value" if name == VALUE else f"`{name}`",
                f"differs in kind, type or shape between the arms of the branch at {at}, or has a value "
                f"in one arm only; give it a value of one type before the branch",
            )
        else:
            rebuilt.append((k, plan))
    shared = shared_arrays((yes, no), (a, b), before, [k for k, _ in rebuilt], outputs)
    results = _emit_cond(c, yes, no, outputs)
    after = [unbound.get(k, x) for k, x in enumerate(a)]
    for cell, r in zip(cells, results[: len(cells)], strict=True):
        _rewrite(cell, r)
    for k, (positions, kinds, rebuild) in rebuilt:
        for p, kind in zip(positions, kinds, strict=True):
            results[p].kind = kind
        after[k] = rebuild([results[p] for p in positions])
        _lie_alike(after[k], a[k], b[k])
    share(c, shared, results, (a, b), after, at)
    places.bind(after)


def _arms(places: Places, *arms: Callable[[], Any]) -> tuple[Any, ...]:
    """Both arms traced, each with what its variables hold at its end, and what they held before."""
    def run(arm: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: (places.begin(), arm(), innermost().freeze(places.get()))[2]

    while True:
        before = places.get()
        (yes, a), (no, b) = [attempt(run(arm), lambda: places.put(before)) for arm in arms]  # noqa: B023
        if not places.learn(yes, no):
            return yes, a, no, b, before


def _lie_alike(x: Any, a: Any, b: Any) -> None:
    """An array that is a new one in either arm lies in memory as both do."""
    if all(isinstance(e, Tracer) and is_array(e) and e.lens is None for e in (x, a, b)) and a.order == b.order:
        x.order = a.order


def _merge(name: str, a: Any, b: Any, arms: tuple[Block, Block], outputs: list[Any], slots: dict[Any, int]) -> Any:
    """Where the leaves of a variable stand among the outputs of the two arms, their kinds, and how to rebuild the value."""
    x, y = carried(a), carried(b)
    if name == VALUE and (a is None) != (b is None):  # guarded by its flag: any value will do in the arm that does not return
        x, y = (x, _zeros(x, arms[0])) if b is None else (_zeros(y, arms[1]), y)
    if x is None or y is None or len(x.leaves) != len(y.leaves):
        return None
    if type(a) is tuple and type(b) is tuple and [_shape_of(e) for e in a] != [_shape_of(e) for e in b]:
        return None
    positions, kinds = [], []
    for u, v, k, m in zip(x.leaves, y.leaves, x.kinds, y.kinds, strict=True):
        joined = join((arms[0].type_of(u), k), (arms[1].type_of(v), m))
        if joined is None:
            return None
        key = (id(u), id(v)) if isinstance(u, Tracer) and isinstance(v, Tracer) else object()
        if key not in slots:
            slots[key] = len(outputs)
            outputs.append((arms[0].atom(u, joined[0]), arms[1].atom(v, joined[0])))
        positions.append(slots[key])
        kinds.append(joined[1])
    return positions, kinds, (x if a is not None else y).rebuild


def _shape_of(x: Any) -> Any:
    return tuple(_shape_of(e) for e in x) if type(x) is tuple else None


def _zeros(x: Carried | None, block: Block) -> Carried | None:
    if x is None:
        return None
    return Carried([_zero(block.type_of(u)) for u in x.leaves], x.kinds, x.rebuild)


def _zero(t: ArrayType) -> Any:
    return np.zeros(t.shape, t.dtype)[()] if not t.shape else Tracer(None, None, np.zeros(t.shape, t.dtype))


def _captured(*blocks: Block) -> list[Any]:
    """Values from around that the blocks read: the same inputs, in the same order, for each of them."""
    found: dict[Any, Any] = {}
    for block in blocks:
        found.update({key: tracer for key, (_, tracer) in block.captured.items()})
    for block in blocks:
        for tracer in found.values():
            block.capture(tracer)
    return list(found.items())


def _emit_cond(c: Any, yes: Block, no: Block, outputs: list[Any]) -> list[Any]:
    if not outputs and not yes.effects and not no.effects:
        return []
    around = _captured(yes, no)
    graphs = tuple(
        block.graph([block.captured[key][0] for key, _ in around], [o[k] for o in outputs]) for k, block in enumerate((yes, no))
    )
    return list(c.apply(cond, (c, *[t for _, t in around]), {"branches": graphs}))


def _rewrite(cell: Any, new: Any) -> None:
    """Give a cell the value that a block left in it."""
    note_write(cell)
    order = cell.order
    cell.become(new)
    cell.order = order
    cell.version += 1


# ---------------------------------------------------------------- loops


class _Variable:
    """A variable that a loop changes."""

    __slots__ = ("kinds", "late", "rebuild", "stand", "start", "types", "vars")

    def __init__(self, types: list[ArrayType], kinds: list[str], start: list[Any] | None, rebuild: Any):
        self.types, self.kinds, self.start, self.rebuild = types, kinds, start, rebuild
        self.late = start is None  # it gets its value inside the loop, before it is read
        self.stand: Any = None
        self.vars: list[Var] = []


class _Loop:
    """The search for what a loop carries."""

    def __init__(self, get: Any, put: Any, names: Sequence[str], body: Any, test: Any, step: tuple[Any, int] | None,
                 reverse: bool, apart: bool, asked: Mapping[str, Any]):
        self.places = Places(get, put, names)
        self.get, self.put = self.places.get, self.places.put
        self.body, self.test, self.step = body, test, step
        self.reverse = reverse  # what the last iteration saves comes first
        self.apart = apart  # whoever asks can run the first iteration apart
        self.asked = asked  # parameters of the equation that the user chose; of a block that runs once its name
        self.saved: list[Any] = []
        self.at = user_line()
        self.before = get()
        self.variables: dict[int, _Variable] = {}
        self.cells: list[Any] = []

    @property
    def names(self) -> tuple[str, ...]:
        return self.places.names

    # ------------------------------------------------------------ one attempt

    def run(self) -> Any:
        """Run the body once, on stand-ins."""
        block = self.places.begin()
        values = list(self.before)
        for k, v in self.variables.items():
            v.vars = [Var(t) for t in v.types]
            if v.late:
                why = f"has no value before the loop at {self.at}, and perhaps none inside it"
                values[k] = None if self.names[k] == VALUE else Unbound(f"`{self.names[k]}`", why)
                continue
            leaves = []
            for var, kind in zip(v.vars, v.kinds, strict=True):
                leaf = Tracer(block, var, kind=kind)
                leaves.append(leaf)
            for leaf, first in zip(leaves, v.start or (), strict=True):
                if isinstance(first, Tracer):
                    leaf.guard = guard_of(first)
            v.stand = leaves
            values[k] = v.rebuild(leaves)
        self.cell_vars = [Var(c.type) for c in self.cells]
        for cell, var in zip(self.cells, self.cell_vars, strict=True):
            _rewrite(cell, Tracer(block, var))
        self.put(values)
        index = None
        if self.step is not None:
            self.index_var = Var(ArrayType((), np.int64))
            index = Tracer(block, self.index_var, kind="scalar")
        go = None
        if self.test is not None:
            go = attempt(lambda: self.test(index), lambda: None)
            if go[0].final or go[0].effects or go[0].changed:
                raise UnstageableError(f"the condition of the loop at {self.at} changes an array or object, draws or prints")
        start = self.get()
        self.saved = block.freeze(self.body(index) or [])
        following = None
        if index is not None and self.step is not None:
            following = (index + self.step[1]).atom if self.step[1] else None
        return go, start, block.freeze(self.get()), following

    def settle(self) -> None:
        """Run until the variables, the cells and their types are stable."""
        for _ in range(12):
            self.block, (self.go, start, self.after, self.following) = attempt(self.run, lambda: self.put(self.before))
            if self.places.learn(self.block):
                self.before = self.get()
            elif self.stable(start):
                return
        raise UnstageableError(f"the types of what the loop at {self.at} carries do not settle")

    def stable(self, start: list[Any]) -> bool:
        same = True
        for k, (a, b) in enumerate(zip(start, self.after, strict=True)):
            if k in self.variables:
                same = self.again(k, b) and same
            elif a is not b and not same_value(a, b):
                same = self.found(k, b) and same
        known = {id(c) for c in self.cells}
        for key, (cell, _) in self.block.final.items():
            if key not in known:
                self.cells.append(cell)
                same = False
        return same

    def found(self, k: int, b: Any) -> bool:
        """A variable that the body changed, for the first time."""
        x, old = carried(b), self.before[k]
        first = carried(_taken(old) if self.apart else old)
        late = isinstance(old, Unbound) or (old is None and self.names[k] == VALUE)
        if x is None:
            if late:
                return True
            raise NeedsValueError(
                f"`{self.names[k]}` becomes {kind_of(b)} in the loop at {self.at}; only arrays, "
                f"numbers and tuples of them are carried from one iteration to the next"
            )
        if late:
            self.variables[k] = _Variable([self.block.type_of(u) for u in x.leaves], x.kinds, None, x.rebuild)
        elif first is None or len(first.leaves) != len(x.leaves):
            raise NeedsValueError(
                f"`{self.names[k]}` is {kind_of(old)} before the loop at {self.at} and "
                f"{kind_of(b)} after one iteration"
            )
        else:
            self.variables[k] = _Variable([leaf_type(u) for u in first.leaves], first.kinds, first.leaves, first.rebuild)
        return False

    def again(self, k: int, b: Any) -> bool:
        """A variable that is carried: its type may have to grow."""
        v, x = self.variables[k], carried(b)
        if b is None and self.names[k] == VALUE:
            return True
        if x is None or len(x.leaves) != len(v.types):
            raise NeedsValueError(f"`{self.names[k]}` changes its kind in the loop at {self.at}")
        types = [self.block.type_of(u) for u in x.leaves]
        if v.late:
            stable = (types, x.kinds) == (v.types, v.kinds)
            v.types, v.kinds, v.rebuild = types, x.kinds, x.rebuild
            return stable
        if self.apart and "scalar" in v.kinds and innermost().root().single and any(
                p == "scalar" != q for p, q in zip(v.kinds, x.kinds, strict=True)):
            raise Settles
        joined = [join(p, q) for p, q in zip(zip(v.types, v.kinds, strict=True), zip(types, x.kinds, strict=True), strict=True)]
        if any(j is None for j in joined):
            raise NeedsValueError(
                f"`{self.names[k]}` has type {v.types[0]} before the loop at {self.at} and {types[0]} after one "
                f"iteration; give it its final type before the loop"
            )
        new = [j for j in joined if j is not None]
        stable = [j[0] for j in new] == v.types and [j[1] for j in new] == v.kinds
        v.types, v.kinds = [j[0] for j in new], [j[1] for j in new]
        return stable

    # ------------------------------------------------------------ aliases

    def check_aliases(self) -> None:
        """A stand-in was written to: exact only if nobody else holds the array before the loop or after an iteration."""
        after, before = self.after, self.before
        for k, v in self.variables.items():
            x = after[k]
            memory = [r for leaf in (*arrays_of(x), *arrays_of(before[k])) for r in leaf.roots()]
            if not v.late and any(r is c for r in memory for c in self.cells) and self._is_read(v):
                raise UnstageableError(
                    f"`{self.names[k]}` may share memory with an array that the loop at {self.at} writes to; copy it first"
                )
            if v.late or all(s.version == 0 for s in v.stand):
                continue
            old = before[k]
            if not (isinstance(old, Tracer) and isinstance(x, Tracer)):
                raise UnstageableError(f"an array in `{self.names[k]}` is written to in the loop at {self.at}")
            stands = sum(x is s for s in v.stand)
            x_alone = is_sole(x, sum(e is x for e in after) + 1 + stands) and sum(e is x for e in after) == 1
            if not x_alone or not is_sole(old, sum(e is old for e in before) + 2) or sum(e is old for e in before) != 1:
                raise UnstageableError(
                    f"`{self.names[k]}` is written to in the loop at {self.at}, and may share memory with "
                    f"another array; copy it first"
                )

    def _is_read(self, v: _Variable) -> bool:
        """Whether an iteration sees what the variable was before it."""
        stands = {id(s) for s in v.stand}
        left = [leaf for x in (*self.after, *self.saved) if (c := carried(x)) is not None for leaf in c.leaves]
        if any(s.version for s in v.stand) or any(id(r) in stands for x in left if isinstance(x, Tracer) for r in x.roots()):
            return True
        places = {(self.block, var) for var in v.vars}
        if self.go is not None and any(key in places for key in self.go[0].captured):
            return True
        kept = [self.block.atom(x, self.block.type_of(x)) for x in left]  # a copy is no equation
        kept += [self.block.state_atom(c, c.type) for c in self.cells]
        return any(a in v.vars for a in kept) or any(o in v.vars for e in self.block.build.equations for o in e.operands)

    # ------------------------------------------------------------ the equation

    def emit(self, length: Any, sure: bool) -> list[Any]:
        """Emit the loop and bind what it changed; gives what the iterations saved."""
        self.check_aliases()
        block, go = self.block, self.go
        extra: list[Any] = []
        plans = self.leaving(extra)
        inputs, outputs, starts = list(self.cell_vars), [block.state_atom(c, c.type) for c in self.cells], list(self.cells)
        kept = []
        for k, v in self.variables.items():
            x = carried(self.after[k])
            if x is None:
                x = Carried([_zero(t) for t in v.types], v.kinds, v.rebuild)
            inputs += v.vars
            outputs += [block.atom(u, t) for u, t in zip(x.leaves, v.types, strict=True)]
            starts += (
                [np.zeros(t.shape, t.dtype) for t in v.types]
                if v.late
                else [_start(u, t) for u, t in zip(v.start or (), v.types, strict=True)]
            )
            kept.append((k, v))
        inputs += [Var(x.type) for x in extra]
        outputs += [block.atom(x, x.type) for x in extra]
        starts += [np.zeros(x.shape, x.dtype) for x in extra]
        if self.step is not None:
            inputs, outputs, starts = (
                [self.index_var, *inputs],
                [self.following, *outputs],
                [_start(self.step[0], ArrayType((), np.dtype(np.int64))), *starts],
            )
        outputs += [block.atom(u, block.type_of(u)) for u in self.saved]
        results = self._equation(length, go, inputs, outputs, starts)
        results, saved = results[: len(inputs)], results[len(inputs) :]
        if self.step is not None:
            results = results[1:]
        for cell, r in zip(self.cells, results, strict=False):
            _rewrite(cell, r)
        ran = None if sure else self.count > 0 if go is not None else length > 0
        ran = np.bool_(ran) if type(ran) is bool else ran  # a Python bool would take the dtype of what is chosen
        self._bind(results[len(self.cells) :], kept, sure, plans, ran)
        return saved

    def _equation(self, length: Any, go: Any, inputs: list[Var], outputs: list[Any], starts: list[Any]) -> list[Any]:
        block = self.block
        own = {(block, v) for v in inputs}
        tested = {}
        if go is not None:
            tested = {key: t for key, (_, t) in go[0].captured.items() if key not in own}
        for t in tested.values():
            block.capture(t)
        around = list(block.captured.values())
        body = block.graph([*[var for var, _ in around], *inputs], outputs)
        operands = [*[t for _, t in around], *starts]
        some = next((o for o in [length, *operands] if isinstance(o, Tracer) and o.build is not None), None)
        if some is None:
            raise NothingTraced
        if "name" in self.asked:
            nothing = not body.outputs and not body.equations
            return [] if nothing else list(some.apply(call, operands, {"graph": body, **self.asked}))
        if go is None:
            size = None if isinstance(length, Tracer) else int(length)
            n = length if isinstance(length, Tracer) else np.int64(length)
            params = {"body": body, "constants": len(around), "carries": len(inputs), "reverse": self.reverse, "size": size,
                      **self.asked}
            return list(some.apply(scan, (n, *operands), params))
        test = self._test_graph(go, around, inputs)
        self.count, *results = some.apply(while_loop, operands, {"test": test, "body": body, "constants": len(around),
                                                                  **self.asked})
        return results

    def _test_graph(self, go: Any, around: list[Any], inputs: list[Var]) -> Graph:
        block, value = go
        wanted = _condition(value)

        def inside() -> Graph:
            carries = [Tracer(self.block, v) for v in inputs]
            variables = [block.capture(t) for _, t in around]
            variables += [block.capture(t) for t in carries]
            out = block.atom(wanted(block), ArrayType((), np.bool_)) if callable(wanted) else wanted  # it may be a carry itself
            return block.graph(variables, [out])  # type: ignore[no-any-return]
        return self.block.run(inside)  # type: ignore[no-any-return]

    def _bind(self, results: list[Any], kept: list[Any], sure: bool, plans: dict[int, Plan], ran: Any) -> None:
        values, place = list(self.before), 0
        for k, x in enumerate(self.after):
            if x is NOTHING and k not in self.variables:
                values[k] = x
            elif k not in self.variables and x is not self.before[k] and not same_value(x, self.before[k]):
                values[k] = Unbound(f"`{self.names[k]}`", f"is made in the loop at {self.at} and cannot leave it")
        new: dict[int, Any] = {}
        for k, v in kept:
            leaves = results[place : place + len(v.types)]
            place += len(v.types)
            for leaf, kind in zip(leaves, v.kinds, strict=True):
                leaf.kind = kind
            new[k] = v.rebuild(leaves)
        made = [new.get(k) for k in range(len(values))] + results[place:]
        shared: dict[int, Any] = {}
        for k, v in kept:
            if v.late and not sure and self.names[k] != VALUE:
                why = f"has no value if the loop at {self.at} does not run; give it one before"
                values[k] = Unbound(f"`{self.names[k]}`", why)
                continue
            values[k] = self._left(k, v, new[k], plans.get(k), made, ran, shared)
        self._guard_before()
        self.places.bind(values)

    def _guard_before(self) -> None:
        """What may be one with a stand-in after the loop may be one with the array that the variable was before."""
        for k, v in self.variables.items():
            first = carried(self.before[k])
            for stand, old in zip(v.stand or () if first else (), first.leaves if first else (), strict=True):
                if is_array(old) and stand.guard is not None and guard_of(old) is None:
                    guard(old, stand.guard)

    def leaving(self, extra: list[Any]) -> dict[int, Plan]:
        """How arrays that something else holds after the last iteration are seen from outside the loop.

        A place among the results is that of a variable, or lies behind them all.
        """
        def slot(x: Any) -> int:
            place = next((k for k, e in enumerate(self.after) if e is x and k in self.variables), None)
            if place is not None:
                return place
            extra.append(x)
            return len(self.names) + len(extra) - 1
        side = Leaving(self.block, slot)
        side.adopt(self.after)
        plans: dict[int, Plan] = {}
        for k in self.variables:
            x = self.after[k]
            held = sum(e is x for e in self.after)
            if type(x) is not tuple and is_array(x) and (held > 1 or not is_sole(x, held + 1)):
                plans[k] = side.plan(x)
        return plans

    def _left(self, k: int, v: _Variable, new: Any, plan: Plan | None, made: list[Any], ran: Any,
              shared: dict[int, Any]) -> Any:
        """What a variable is after the loop: its array may be another's too, or, if the loop may not run, the one of before."""
        why = f"may be another variable's too after the loop at {self.at}"
        x, old = self.after[k], self.before[k]
        if not arrays_of(x):
            return new
        if type(x) is tuple:
            for leaf in arrays_of(x):
                reason = guard_of(leaf) or (None if is_sole(leaf, sum(e is leaf for e in self.after) + 2) else why)
                if reason is not None:
                    guard(new, reason)
                    guard(leaf, reason)
            return new
        carried_, looks = new, plan is not None and plan is not UNKNOWN
        if plan is UNKNOWN:
            guard(new, guard_of(x) or why)
            guard(x, why)
        elif plan is not None:  # the array of the last iteration, if there was one
            new = shared.setdefault(id(x), plan(made))
        elif guard_of(x) is not None:
            guard(new, guard_of(x))
        if ran is None or v.late or not is_array(old) or (
                not looks and guard_of(old) is None and is_sole(old, sum(e is old for e in self.before) + 3)):
            return new
        if not may_be_one_of(new, old):
            for array in (carried_, x, old):
                guard(array, why)
            return carried_
        return looking(new, "choice", (ran, old))


def _taken(x: Any) -> Any:
    """An ordinary array from around, as a loop that runs may begin with it: by value."""
    if type(x) is tuple:
        return tuple([_taken(e) for e in x])
    return Tracer(None, None, np.array(x)) if type(x) is np.ndarray and x.dtype.kind in "fciub" else x


class NothingTraced(Exception):
    """Nothing traced enters a loop: it is Python's."""


class Settles(Exception):
    """The first iteration makes a NumPy number of a Python number, in single precision: the rest is a loop of its own."""


def _start(u: Any, t: ArrayType) -> Any:
    """A start value in the type that is carried."""
    if isinstance(u, Tracer):
        return u if u.type is t else convert(u, dtype=t.dtype)
    return np.asarray(u, t.dtype)[()]


def _condition(value: Any) -> Any:
    """The condition of a loop as a boolean in its block."""
    if not isinstance(value, Tracer):
        return Const(np.asarray(bool(value)))

    def inside(block: Block) -> Any:
        return block.run(lambda: truth_value(value))

    return inside


def loop(get: Any, put: Any, names: Sequence[str], body: Any, test: Any = None, length: Any = None,
         step: tuple[Any, int] | None = None, reverse: bool = False, sure: bool = False, apart: bool = False,
         **asked: Any) -> list[Any]:
    """A loop as one equation: a `scan` of `length` iterations, or a `while_loop` on `test`; ``body(index)`` runs the block.

    `step` gives the first index and what is added to it in each iteration; `sure` says that the first iteration runs, `apart`
    that the caller can run it before the loop, if `Settles` is raised. What the body returns, if anything, is saved: an array
    for each value comes out, with the iterations along the first axis, the last one first if `reverse`.
    """
    found = _Loop(get, put, names, body, test, step, reverse, apart, asked)
    mixed = apart and innermost().root().mixed
    try:
        found.settle()
    except Settles:
        innermost().root().mixed = mixed
        raise
    return found.emit(length, sure)
