"""A program at a point, written out, ready to be evaluated around it.

What comes in: a function and its arguments. What goes out: a `Point`: straight-line code with the value of every variable, the
branches not taken, the loops that a condition ends, the draws; and values, tangents and adjoints of all of it, at the point and
beside it. The one idea: random directions through the point, scaled like the inputs, meet whatever is there to be met.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.adjoints import Partials, evaluated, pulled_back
from wengert.backends.interpret import Program
from wengert.errors import InputError, UnsupportedError
from wengert.flatten import flatten
from wengert.formulas import Formula
from wengert.frontends.trace import fresh_build
from wengert.graph import Atom, Build, Const, Equation, Graph, Handle, Var
from wengert.lines import by_part, short_place, source_line
from wengert.run import Run
from wengert.staging import jit
from wengert.transforms.unroll import Unroller

__all__ = ["Branch", "Loop", "Point", "is_float", "point_at"]

DIRECTIONS = 2
_ZERO = 1e-6
Offset = tuple[int, float]  # which direction, and how far along it


def is_float(atom: Atom) -> bool:
    """Whether it is a number or an array of floats, real or complex."""
    return getattr(atom.type, "inexact", False)


@dataclass(frozen=True)
class Branch:
    """A ``cond`` that was met: its test, and the values of both arms; of the other none, if it cannot be run."""

    place: frozenset[str]
    test: Atom
    taken: tuple[Atom, ...]
    other: tuple[Atom, ...]


@dataclass(frozen=True)
class Loop:
    """A loop that a condition ended: its results, the first of them the number of turns, and the others after one turn more
    (none if it cannot be run); the branches met in it.
    """

    place: frozenset[str]
    tests: tuple[Atom, ...]
    turns: int
    results: tuple[Atom, ...]
    beyond: tuple[Atom, ...]
    inner: tuple[Branch, ...]


class _Writer(Unroller):
    """The unroller, which also notes what it decides. With `draws` given, they are drawn again."""

    def __init__(self, draws: Sequence[tuple[Any, ...]] | None = None):
        super().__init__()
        self.replay = None if draws is None else iter(draws)
        self.branches: list[Branch] = []
        self.loops: list[Loop] = []
        self.choices: list[bool] = []
        self.forced: Iterator[bool] | None = None
        self.drawn: list[tuple[Any, ...]] = []
        self.draws: list[tuple[frozenset[str], str, tuple[Atom, ...]]] = []
        self.around: tuple[tuple[str, int], ...] = ()  # loops, by their lines, and their turns
        self.turns: dict[Var, tuple[tuple[str, int], ...]] = {}

    def plain(self, e: Equation, atoms: tuple[Atom, ...]) -> Sequence[Atom]:
        results = super().plain(e, atoms)
        if self.around:
            self.turns.update({r: self.around for r in results if isinstance(r, Var) and r not in self.turns})
        return results

    def turn(self, k: int, body: Graph, items: Sequence[Any]) -> list[Any]:
        before = self.around
        self.around = (*before, (min(self.build.at, default=""), k))
        try:
            return super().turn(k, body, items)
        finally:
            self.around = before

    def equation(self, e: Equation, items: list[Any]) -> Sequence[Any]:
        if not e.pure and not e.primitive.holds_graphs:
            if e.results:
                return self.draw(e, items)
            if getattr(e.params.get("action"), "name", "") == "seed":  # prints and the like took place when it was recorded
                e.primitive.evaluate(*[self.value(i) for i in items], **e.params)
        if e.primitive.name != "cond" or self.replay is not None:
            return super().equation(e, items)
        if self.forced is not None:
            return self.graph(e.params["branches"][0 if next(self.forced) else 1], items[1:])
        self.choices.append(bool(self.value(items[0])))
        place, taken = self.build.at, super().equation(e, items)
        other: Sequence[Any] = ()
        if isinstance(items[0], Var) and all(is_float(r) or r.type.dtype.kind in "biu" for r in e.results):
            other = self.aside(e.params["branches"][1 if self.value(items[0]) else 0], items[1:])
        if isinstance(items[0], Var):
            taken = [self.apart(a) for a in taken]
            self.branches.append(Branch(place, items[0], tuple(taken), tuple(other)))
        return taken

    def apart(self, a: Any) -> Any:
        """A constant that a branch gives, as a variable of its own, to follow what depends on the branch."""
        if not isinstance(a, Const):
            return a
        found = self.build.input(a.type).atom
        self.values[found] = a.value[()]
        return found

    def aside(self, graph: Graph, items: Sequence[Any]) -> Sequence[Any]:
        """A graph that was not run here, written out all the same; nothing if it cannot run."""
        if any(not e.pure for e in graph.equations) or any(isinstance(i, list) for i in items):
            return ()
        kept = self.branches, self.loops, self.choices
        self.branches, self.loops, self.choices = [], [], []
        try:
            return self.graph(graph, items)
        except (ArithmeticError, ValueError, IndexError, np.linalg.LinAlgError, UnsupportedError):
            return ()
        finally:
            self.branches, self.loops, self.choices = kept

    def while_loop(self, items: list[Any], *, test: Graph, body: Graph, constants: int,
                   checkpoints: int | None = None) -> list[Any]:
        if self.replay is not None:
            return super().while_loop(items, test=test, body=body, constants=constants)
        place, met = self.build.at, len(self.branches)
        fixed, carry = items[:constants], items[constants:]
        before, tests, marks = carry, [], [len(self.choices)]
        while True:
            decided = self.graph(test, [*fixed, *carry])[0]
            tests.append(decided)
            if not self.value(decided):
                break
            marks.append(len(self.choices))
            before, carry = carry, self.turn(len(tests) - 1, body, [*fixed, *carry])[:len(carry)]
        turns, inner = len(marks) - 1, tuple(self.branches[met:])
        beyond = self.one_more(body, fixed, before, carry, self.choices[marks[-2]:marks[-1]]) if turns > 1 else ()
        results: list[Any] = [Const(np.int64(turns)), *carry]
        if any(isinstance(t, Var) for t in tests) or inner:
            results = [self.apart(a) for a in results]
        self.loops.append(Loop(place, tuple(tests), turns, tuple(results), tuple(beyond), inner))
        return results

    def scan(self, items: list[Any], **params: Any) -> list[Any]:
        results = super().scan(items, **params)
        if self.replay is None and isinstance(items[0], Var):  # how often it runs is decided by a value
            results = [self.apart(a) for a in results]
            self.branches.append(Branch(self.build.at, items[0], tuple(a for a in results if isinstance(a, Var)), ()))
        return results

    def one_more(self, body: Graph, fixed: Sequence[Any], before: Sequence[Any], carry: Sequence[Any],
                 choices: Sequence[bool]) -> Sequence[Any]:
        """What the loop would carry after one turn more, which chooses as the last turn but one did, so that a break does not
        stop it; nothing if it cannot run."""
        given = [a if a.type.dtype.kind == "b" else b for a, b in zip(before, carry, strict=True)]
        self.forced = iter(choices)
        try:
            return self.aside(body, [*fixed, *given])[:len(carry)]
        except StopIteration:
            return ()
        finally:
            self.forced = None

    def draw(self, e: Equation, items: Sequence[Any]) -> Sequence[Any]:
        values = next(self.replay) if self.replay is not None else e.primitive.evaluate(
            *[self.value(i) for i in items], **e.params)
        self.drawn.append(values)
        results = tuple([self.build.input(r.type).atom for r in e.results])  # an input, to follow what depends on it
        self.values.update(zip(results, values, strict=True))
        self.draws.append((self.build.at, getattr(e.params.get("action"), "name", e.primitive.name), results))
        return results


@dataclass
class Point:
    """The straight-line code of a program at a point; see the fields.

    `outputs` are those of the program; `graph` holds everything that was written out, with the variables that are examined
    among its outputs. Evaluated again, it goes the way that the program went at the point; `value_at` lets it decide anew.
    """

    title: str
    place: str
    staged: Graph | None
    graph: Graph
    env: dict[Any, Any]
    active: tuple[Var, ...]  # the inputs that are differentiated
    names: tuple[str, ...]
    branches: list[Branch]
    loops: list[Loop]
    draws: list[tuple[frozenset[str], str, tuple[Atom, ...]]]
    drawn: list[tuple[Any, ...]]
    given: list[Any]  # values of the inputs of the staged graph
    spots: list[int]  # which of those are active
    again: Callable[[list[Any]], list[Any] | None]  # the function itself, called with other values of the active inputs
    notes: list[str] = field(default_factory=list)
    settled: list[Loop] = field(default_factory=list)
    turns: dict[Var, tuple[tuple[str, int], ...]] = field(default_factory=dict)  # of loops around what made a variable

    # ------------------------------------------------------------ structure

    @functools.cached_property
    def makers(self) -> dict[Any, Equation]:
        return {r: e for e in self.graph.equations for r in e.results}

    @functools.cached_property
    def users(self) -> dict[Any, list[Equation]]:
        found: dict[Any, list[Equation]] = {}
        for e in self.graph.equations:
            for o in dict.fromkeys(e.operands):
                found.setdefault(o, []).append(e)
        return found

    @functools.cached_property
    def moving(self) -> set[Any]:
        """Variables that depend on an active input, in whatever way."""
        return self.reached_from(self.active)

    @functools.cached_property
    def decided(self) -> set[Any]:
        """Variables that depend on an active input, be it by a branch that was taken."""
        found: set[Any] = set()
        taken: set[Any] = set(self.active)
        while not taken <= found:
            found = self.reached_from(found | taken)
            taken = {r for b in self.branches if b.test in found for r in b.taken}
        return found

    def reached_from(self, roots: Iterable[Var], differentiably: bool = False) -> set[Any]:
        found: set[Any] = set(roots)
        for e in self.graph.equations:
            if any(o in found for o in e.operands) and not (differentiably and not e.primitive.differentiable):
                found.update(r for r in e.results if not differentiably or is_float(r))
        return found

    @functools.cached_property
    def used(self) -> set[Any]:
        """Variables that an output is computed from, tests of branches and loops on the way included."""
        ends = [(loop, self.behind(loop.tests)) for loop in self.settled]  # what only says how long a loop runs
        quiet = [b for loop, tests in ends for b in loop.inner if b.test in tests]
        decided = [(set(b.taken), b.test) for b in self.branches if b not in quiet]
        decided += [(set(loop.results), t) for loop in self.loops if loop not in self.settled for t in loop.tests]
        return self.behind([*self.outputs], decided)

    def settle(self, loops: Sequence[Loop]) -> None:
        """Loops that converge: what ends them is not among what the outputs are computed from."""
        self.settled = list(loops)

    def behind(self, roots: Iterable[Atom], decided: Sequence[tuple[set[Any], Atom]] = ()) -> set[Any]:
        found: set[Any] = set(roots)
        while True:
            before = len(found)
            for e in reversed(self.graph.equations):
                if any(r in found for r in e.results):
                    found.update(o for o in e.operands if isinstance(o, Var))
            found.update(test for results, test in decided if isinstance(test, Var) and results & found)
            if len(found) == before:
                return found

    @functools.cached_property
    def outputs(self) -> tuple[Atom, ...]:
        return self.graph.outputs

    def turn(self, e: Equation) -> str:
        """The turns of the loops that an equation is in, in parentheses; "" outside of loops."""
        around = self.turns.get(e.results[0], ()) if e.results else ()
        said = ", ".join(f"turn {k} of the loop" + (f" at {short_place(place)}" if place else "") for place, k in around)
        return f" ({said})" if said else ""

    def at(self, e: Equation) -> str:
        return min(self.graph.lines.get(e, frozenset()), default="")

    def value(self, a: Atom, env: dict[Any, Any] | None = None) -> Any:
        return a.value[()] if isinstance(a, Const) else (self.env if env is None else env)[a]

    # ------------------------------------------------------------ beside the point

    @functools.cached_property
    def scales(self) -> list[Any]:
        """How large each entry of the inputs is; what is zero beside the others counts as large as they are."""
        found = []
        for v in self.active:
            size = np.abs(self.env[v])
            top = float(np.max(size, initial=0.0)) or 1.0
            found.append(np.where(size > _ZERO * top, size, top))
        return found

    @functools.cached_property
    def directions(self) -> list[list[Any]]:
        rng = np.random.default_rng(20)
        found = []
        for _ in range(DIRECTIONS):
            rows = []
            for v, s in zip(self.active, self.scales, strict=True):
                d = rng.uniform(0.5, 1.5, v.type.shape) * rng.choice([-1.0, 1.0], v.type.shape)
                rows.append(np.asarray(s * d).astype(v.type.dtype)[()])
            found.append(rows)
        for k in range(len(self.active)):  # one input alone
            found.append([d if j == k else d * 0 for j, d in enumerate(found[0])])
        return found

    def alone(self, k: int) -> int:
        """The direction along which only the k-th input moves."""
        return DIRECTIONS + k

    def inputs_at(self, offset: Offset) -> dict[Any, Any]:
        k, t = offset
        moved = zip(self.active, self.directions[k], strict=True)
        return {**{v: self.env[v] for v in self.graph.inputs},
                **{v: (self.env[v] + v.type.dtype.type(t) * d).astype(v.type.dtype)[()] for v, d in moved}}

    def beside(self, offset: Offset) -> dict[Any, Any]:
        """The value of every variable somewhere else, along the way of the point; see `directions`."""
        known = self.__dict__.setdefault("_beside", {})
        if offset not in known:
            known[offset] = self.inputs_at(offset)
            fixed = {r: self.env[r] for e in self.still for r in e.results}
            known[offset].update(fixed)
            for e in self.movers:
                try:
                    evaluated((e,), known[offset])
                except (ArithmeticError, ValueError, IndexError, np.linalg.LinAlgError):
                    known[offset].update({r: self.env[r] for r in e.results})
        return known[offset]

    @functools.cached_property
    def movers(self) -> list[Equation]:
        return [e for e in self.graph.equations if any(r in self.moving for r in e.results)]

    @functools.cached_property
    def still(self) -> list[Equation]:
        return [e for e in self.graph.equations if not any(r in self.moving for r in e.results)]

    def tracker(self, atom: Atom) -> Callable[[float, int], Any]:
        """The value of one variable along a direction, as the way of the point gives it."""
        wanted = self.behind([atom])
        equations = tuple([e for e in self.graph.equations if any(r in wanted for r in e.results)])
        program = Program(Graph(self.graph.inputs, equations, (atom,)))

        def at(t: float, k: int) -> Any:
            given = self.inputs_at((k, t))
            with np.errstate(all="ignore"):
                return program(*[np.array(given[v])[()] for v in self.graph.inputs])[0]
        return at

    def result_at(self, offset: Offset) -> list[Any] | None:
        """The result of the program somewhere else, deciding anew; None if it raises there."""
        given = self.inputs_at(offset)
        try:
            if self.staged is None and self.repeats:
                return self.again([given[v] for v in self.active])
            if self.staged is None:
                return [np.asarray(self.value(o, self.beside(offset))) for o in self.outputs]
            values = list(self.given)
            for spot, v in zip(self.spots, self.active, strict=True):
                values[spot] = given[v]
            if self.program is not None:
                with np.errstate(all="ignore"):
                    return [np.asarray(x) for x in self.program(*[np.array(x)[()] for x in values])]
            walk, outputs = _walked(self.staged, values, self.drawn)
            return [np.asarray(walk.value(o)) for o in outputs]
        except (ArithmeticError, ValueError, IndexError, np.linalg.LinAlgError, StopIteration):
            return None

    @functools.cached_property
    def draws_anew(self) -> bool:
        """Whether a second call draws other numbers; a generator that is seeded in the function does not."""
        if not self.drawn or self.staged is None:
            return False
        again = _walked(self.staged, self.given)[0].drawn
        return not all(np.array_equal(x, y) for a, b in zip(self.drawn, again, strict=True) for x, y in zip(a, b, strict=True))

    @functools.cached_property
    def repeats(self) -> bool:
        """Whether the function itself, called again, gives the same."""
        found = self.again([self.env[v] for v in self.active])
        return found is not None and all(a.shape == b.shape and np.allclose(a, b, 1e-9, 0.0, equal_nan=True)
                                         for a, b in zip(found, self.result, strict=True))

    @functools.cached_property
    def program(self) -> Program | None:
        """The staged program as it is; None if it draws, or has another effect: what was drawn then is drawn again."""
        pure = self.staged is not None and all(e.pure for e in self.staged.equations)
        return Program(self.staged) if pure and self.staged is not None else None

    @functools.cached_property
    def result(self) -> list[Any]:
        return [np.asarray(self.value(o)) for o in self.outputs]

    @functools.cached_property
    def extent(self) -> float:
        """How large the result is here, and where the inputs have changed by a tenth of their size."""
        found = [self.result, *[out for k in range(DIRECTIONS) for t in (0.1, -0.1) if (out := self.result_at((k, t)))]]
        largest = [float(np.max(np.abs(y), initial=0.0)) for out in found for y in out if y.dtype.kind in "fc"]
        return max([x for x in largest if np.isfinite(x)], default=0.0)

    @property
    def is_finite(self) -> bool:
        return all(bool(np.all(np.isfinite(y))) for y in self.result if y.dtype.kind in "fc")

    # ------------------------------------------------------------ derivatives

    @functools.cached_property
    def pulled(self) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Adjoints of all variables, and gradients of the inputs, for random weights of the outputs."""
        rng = np.random.default_rng(21)
        outputs = [o for o in self.outputs if isinstance(o, Var) and o in self.moving and is_float(o)]
        wanted = self.behind(outputs)
        equations = tuple([e for e in self.graph.equations if any(r in wanted for r in e.results)])
        # what does not move is given, so that only the active inputs carry derivatives
        free = [o for e in equations for o in (*e.operands,) if isinstance(o, Var) and o not in self.moving]
        constants = {v: Const(self.env[v]) for v in dict.fromkeys([*free, *[o for o in outputs if o not in self.moving]])}
        kept = tuple([_with_constants(e, constants) for e in equations if any(r in self.moving for r in e.results)])
        graph = Graph(self.active, kept, tuple(outputs))
        weights = [np.asarray(rng.uniform(0.5, 1.5, o.type.shape)).astype(o.type.dtype)[()] for o in outputs]
        with np.errstate(all="ignore"):
            terms, gradients = pulled_back(graph, dict(self.env), weights)
        adjoints: dict[Any, Any] = dict(zip(outputs, weights, strict=True))
        for term in terms:
            adjoints[term.operand] = adjoints[term.operand] + term.amount if term.operand in adjoints else term.amount
        return adjoints, gradients

    @property
    def adjoints(self) -> dict[Any, Any]:
        return self.pulled[0]

    @property
    def gradients(self) -> dict[Any, Any]:
        return self.pulled[1]

    @functools.cached_property
    def partials(self) -> Partials:
        return Partials(self.env)

    def pieces(self, sites: Sequence[tuple[Equation, Callable[..., Any]]]) -> Callable[[dict[Any, Any]], list[Any]]:
        """What tells the pieces of these equations apart, as a function of the values of the variables."""
        build = Build()
        env: dict[Any, Any] = {}

        def handle(a: Atom) -> Handle:
            if isinstance(a, Const):
                return Handle(build, a)
            if a not in env:
                env[a] = build.input(a.type)
            return env[a]  # type: ignore[no-any-return]
        found = [piece(*map(handle, (*e.results, *e.operands)), **e.params) for e, piece in sites]
        program = Program(build.graph(found))

        def at(values: dict[Any, Any]) -> list[Any]:
            with np.errstate(all="ignore"):
                return list(program(*[np.array(values[a])[()] for a in env]))
        return at


def _walked(graph: Graph, values: Sequence[Any], draws: Sequence[Any] | None = None) -> tuple[_Writer, Sequence[Any]]:
    """The graph, run at these values, with these draws; and its outputs."""
    walk = _Writer(draws)
    inputs = [walk.build.input(v.type).atom for v in graph.inputs]
    walk.values.update(zip(inputs, values, strict=True))
    with np.errstate(all="ignore"):
        return walk, walk.graph(graph, inputs)


def _with_constants(e: Equation, constants: dict[Any, Const]) -> Equation:
    if not any(o in constants for o in e.operands):
        return e
    return Equation(e.primitive, tuple([constants.get(o, o) for o in e.operands]), e.params, e.results)


# ---------------------------------------------------------------- from a function to a point

def point_at(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Sequence[int]) -> Point:
    notes: list[str] = []
    form = by_part(f)
    staged = None if isinstance(f, Formula) else _staged(form, args, kwargs, argnums, notes)
    if staged is not None:
        graph, values, spots, names, leaves = staged
        given: list[bool] = []
    else:
        with fresh_build():
            run = Run("lint", form, args, kwargs, tuple(argnums))
        graph = run.graph()
        values = [run.trace.values[v] for v in graph.inputs]
        spots, names = list(range(len(run.inputs))), _leaf_names(f, args, argnums)
        given, leaves = [isinstance(x, Var) for x in run.out_leaves], run.out_leaves
    if not spots:
        raise InputError("lint: no argument to differentiate with regard to holds a float; write 3.0 for 3, x.astype(float) "
                         "for an array of integers")
    if not any(map(_is_number, leaves)) and not any(is_float(o) for o in graph.outputs):
        raise InputError("lint: the function gives no float; nothing of it has a derivative")
    again = functools.partial(_called, f, args, kwargs, argnums, given)
    return _point(f, graph, values, spots, names, notes, staged is not None, again)


def _is_number(x: Any) -> bool:
    """Whether a result is a float that depends on nothing."""
    return isinstance(x, (float, complex)) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "fc")


def _called(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Sequence[int], given: Sequence[bool],
            values: list[Any]) -> list[Any] | None:
    """The results of the function itself that depend on its inputs; None if there are others now."""
    rest, full = iter(values), list(args)
    for k in argnums:
        leaves, spec = flatten(args[k])
        full[k] = spec.unflatten([np.array(next(rest))[()] if np.asarray(x).dtype.kind in "fc" else x for x in leaves])
    found = flatten(f(*full, **kwargs))[0]
    return [np.asarray(x) for x, taken in zip(found, given, strict=True) if taken] if len(found) == len(given) else None


def _staged(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], argnums: Sequence[int],
            notes: list[str]) -> tuple[Graph, list[Any], list[int], list[str], list[Any]] | None:
    """The staged graph, loops and branches in it, its values, which are active, names, results; None if it does not stage."""
    form = jit(f)
    leaves = form._signature(args, kwargs)[0]
    staged = form.explained(args, kwargs)
    graph = staged.recorded
    if graph is None:
        notes.append(f"the function does not stage ({staged.reason}); branches and loops on values were followed as they went, "
                     "and not examined")
        return None
    values = [np.asarray(x) if v.type.shape else v.type.dtype.type(x) for v, x in zip(graph.inputs, leaves, strict=True)]
    before = [len(form._signature(args[:k], {})[0]) for k in range(len(args) + 1)]
    spots = [i for k in argnums for i in range(before[k], before[k + 1]) if is_float(graph.inputs[i])]
    return graph, values, spots, _leaf_names(f, args, argnums), staged.out_leaves


def _leaf_names(f: Callable[..., Any], args: tuple[Any, ...], argnums: Sequence[int]) -> list[str]:
    """``w``, ``params['b']``: what the float leaves of the arguments are called."""
    try:
        given = [p for p in inspect.signature(f).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    except (TypeError, ValueError):
        given = []
    names = []
    for k in argnums:
        leaves, spec = flatten(args[k], ordered=True)
        known = k < len(given) and given[k].kind is not inspect.Parameter.VAR_POSITIONAL
        base = given[k].name if known else f"argument {k}"
        names += [f"{base}{spec.place(i)}" for i, x in enumerate(leaves) if np.asarray(x).dtype.kind in "fc"]
    return names


def _point(f: Callable[..., Any], graph: Graph, values: list[Any], spots: list[int], names: list[str],
           notes: list[str], is_staged: bool, again: Callable[[list[Any]], list[Any] | None]) -> Point:
    walk = _Writer()
    atoms: list[Any] = [walk.build.input(v.type).atom if k in spots else Const(x)
                        for k, (v, x) in enumerate(zip(graph.inputs, values, strict=True))]
    active = tuple([atoms[k] for k in spots])
    walk.values.update({a: x for a, x in zip(atoms, values, strict=True) if isinstance(a, Var)})
    with np.errstate(all="ignore"):
        outputs = walk.graph(graph, atoms)
    equations = [e for e in walk.build.equations if all(r in walk.values for r in e.results)]  # the others raised, aside
    whole = Graph(tuple(walk.build.inputs), tuple(equations), tuple(outputs), dict(walk.build.lines))
    name = getattr(f, "__name__", str(f))
    return Point(name, _place(f), graph if is_staged else None, whole, walk.values, active, tuple(names),
                 walk.branches, walk.loops, walk.draws, walk.drawn, values, spots, again, notes, turns=walk.turns)


def _place(f: Callable[..., Any]) -> str:
    """The line of the ``def``, below the decorators."""
    code = getattr(inspect.unwrap(f), "__code__", None)
    if code is None:
        return ""
    first = code.co_firstlineno
    if code.co_name == "<lambda>":
        return f"{code.co_filename}:{first}"
    lines = (f"{code.co_filename}:{n}" for n in range(first, first + 20))
    return next((at for at in lines if source_line(at).startswith(("def ", "async def "))), f"{code.co_filename}:{first}")
