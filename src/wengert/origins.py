"""The first operation that made a value of a graph NaN or infinite.

What comes in: a graph and the values of its inputs. What goes out: a `Finding`: the operation, what it was applied to, the
user's line, the pass, the turns of the loops around it, and the lines by which it reached the result. The one idea: the graph
is evaluated equation by equation, and what is bad in the end is followed back through what is bad, to an equation that made it
of what was not; infinities that do no harm (a mask of -inf before a softmax, an arm that is not taken) are never on that way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from wengert.finite import BACKWARD, TANGENT, split_tags
from wengert.frontends.draws import generator_states, set_generators
from wengert.frontends.trace import PAST_JUMP
from wengert.graph import Const, Equation, Graph, Stack, Var
from wengert.lines import place_key, short_place, source_line
from wengert.primitives.control import ready_graph

__all__ = ["Finding", "Search", "Test", "first_test"]

Test = Callable[[Any], Any]  # which entries of an array are bad
_SHOWN = 3  # entries, and lines of a path, that are written out at either end
_USUAL = {"contract": "@ (or dot, einsum)", "reduce_sum": "sum", "reduce_prod": "prod", "reduce_max": "max",
          "reduce_min": "min", "python_call": "a call of Python"}
_SELECTING = frozenset(("reshape", "transpose", "broadcast", "concatenate", "flip", "index", "permute", "convert"))


@dataclass(frozen=True)
class Finding:
    """The first operation that made a value NaN or infinite.

    Attributes
    ----------
    kind : str
        "NaN" or "infinity".
    operation : str
        The primitive: "log", "divide"; "" if the value came in with an argument, or a constant.
    applied : str
        With its operands at the first bad entry, ``divide(1.0, 0.0) = inf``, or their types and ranges.
    place : str
        The user's line, "model.py:12"; of an operation of the backward pass the line that it is the derivative of; of a
        constant the line at which it meets a traced value.
    source : str
        Its text.
    passed : str
        "forward", "backward" (reverse mode) or "tangent" (forward mode); of nested derivatives "tangent of backward".
    turns : tuple of int
        Of the loops around it, counted from 0, the outer ones first.
    input : int or None
        Which leaf of the arguments it was, if it came in with one.
    cause : Finding or None
        Of a NaN that was made of infinities (inf - inf, 0 · inf): where they come from.
    entries : tuple of tuple of int
        Where in the array, the first few.
    count : int
        How many.
    operands : tuple
        What it was applied to at the first of them, if it works entry by entry.
    inside : tuple of str
        What is around it, in words: turns of loops, arms of branches, rules; the outer ones first.
    path : tuple of str
        The lines by which it reached the result.
    """

    kind: str
    operation: str
    applied: str
    place: str
    source: str
    passed: str
    turns: tuple[int, ...] = ()
    input: int | None = None
    cause: Finding | None = None
    entries: tuple[tuple[int, ...], ...] = ()
    count: int = 0
    operands: tuple[Any, ...] = ()
    inside: tuple[str, ...] = ()
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.operation:
            came = f"{self.kind} came in with {'a constant' if self.input is None else f'argument leaf {self.input}'}"
            came += f", at {_listed(self.entries, self.count)}" if self.entries else ""
            return f"{came}, which meets what is traced in{self._where()}" if self.place else came
        where = self._where()
        more = f" (and {self.count - 1:,} more)" if self.count > 1 and self.operands else ""
        text = f"{self.applied}{more}, in the {_pass(self.passed)}{where}"
        return text if self.cause is None else f"{self.cause}\nand of that {text}"

    def _where(self) -> str:
        inside = "".join(f", {words}" for words in self.inside)
        return f"\n    {short_place(self.place)}{inside}: {self.source}".rstrip(": ") if self.place or inside else ""


def _pass(passed: str) -> str:
    return f"{passed} pass"


class Search:
    """A graph, evaluated. What is kept: its inputs, what is not finite, and of that the positions that it was taken from.

    Parameters
    ----------
    graph : Graph
    values : sequence
        Of its inputs.
    passed : str
        The pass of what the lines do not tell.
    known : mapping, optional
        Values of variables that are known, and not computed again.
    place : str
        The line of what has none.
    """

    def __init__(self, graph: Graph, values: Sequence[Any], passed: str = "forward", known: Any = None, place: str = ""):
        self.graph, self.values, self.passed, self.known, self.place = graph, values, passed, known or {}, place
        self.env: dict[Any, Any] = dict(zip(graph.inputs, values, strict=True))
        self.before: dict[Equation, Any] = {}  # states of generators
        self.makers: dict[Any, int] = {r: k for k, e in enumerate(graph.equations) for r in e.results}
        self.pure = all(e.pure for e in graph.equations)
        self.states = {} if self.pure else generator_states()  # so that the same is drawn each time
        wanted = {o for o in graph.outputs if isinstance(o, Var)}
        found: dict[Any, Any] = {v: self.env[v] for v in wanted if v in self.env}
        for e, operands, results in self._steps():
            bad = [first_test(x) is not None for x in results]
            self.env.update({r: x for r, x, b in zip(e.results, results, bad, strict=True) if b})
            if any(bad):  # positions and predicates
                self.env.update({o: x for o, x in zip(e.operands, operands, strict=True)
                                 if isinstance(o, Var) and getattr(o.type, "dtype", np.dtype(float)).kind in "iub"})
            found.update({r: x for r, x in zip(e.results, results, strict=True) if r in wanted})
        self.outputs = [o.value[()] if isinstance(o, Const) else found[o] for o in graph.outputs]

    def _steps(self) -> Iterator[tuple[Equation, list[Any], Sequence[Any]]]:
        """Each equation with its operands and results, in order; what is not used again is dropped."""
        env: dict[Any, Any] = dict(zip(self.graph.inputs, self.values, strict=True))
        if not self.pure:
            set_generators(self.states)
        last = {o: k for k, e in enumerate(self.graph.equations) for o in (*e.operands, *e.results)}
        for k, e in enumerate(self.graph.equations):
            operands = [o.value[()] if isinstance(o, Const) else env[o] for o in e.operands]
            if e.results and all(r in self.known for r in e.results):
                results: Sequence[Any] = [self.known[r] for r in e.results]
            else:
                before = {} if e.pure else generator_states()
                out = e.primitive.evaluate(*operands, **e.params)
                self.before.update({} if e.pure else {e: before})
                results = out if e.primitive.multiple else (out,)
            yield e, operands, results
            env.update(zip(e.results, results, strict=True))
            for o in (*e.operands, *e.results):
                if last[o] == k:
                    env.pop(o, None)

    def first_bad(self, tests: Sequence[Test]) -> tuple[int, Test] | None:
        """The first output that is bad, and how."""
        for k, x in enumerate(self.outputs):
            for test in tests:
                if np.any(_entries(x, test)):
                    return k, test
        return None

    # ------------------------------------------------------------ back to where it was made

    def origin(self, atom: Any, test: Test) -> Finding:
        """Where the bad entries of a variable come from: an argument, else the first equation, else a constant."""
        via: dict[Any, int] = {}
        stack = [(atom, self._entries(atom, test))]
        seen: set[Any] = set()
        first: tuple[int, Any, Any] | None = None
        given: list[Any] = []
        while stack:
            a, wanted = stack.pop()
            if a in seen:
                continue
            seen.add(a)
            k = self.makers.get(a)
            if k is None:
                given.append(a)
                continue
            bad = list(self._bad_operands(k, a, wanted, test))
            stack += bad
            for o, _ in bad:
                via.setdefault(o, k)
            if not bad and (first is None or k < first[0]):
                first = (k, a, wanted)
        arguments = [a for a in given if isinstance(a, Var)]
        if arguments:
            found = self._came_in(self.graph.inputs.index(arguments[0]), test)
            return replace(found, path=self._path(arguments[0], via))
        if first is not None:
            k, a, wanted = first
            found = self._made(k, a, wanted, test)
            return replace(found, path=(*found.path, *self._path(a, via)))
        return next((self._met(a, via, test) for a in given if a in via), self._came_in(None, test))

    def meeting(self, test: Test) -> Finding | None:
        """The first equation, those inside equations included, that takes a bad constant beside what is traced."""
        for k, e in enumerate(self.graph.equations):
            for o in e.operands:
                if isinstance(o, Const) and np.any(self._entries(o, test)):
                    return self._met(o, {o: k}, test)
            if e.primitive.holds_graphs:
                operands, _ = self._operands(k)
                place, passed, tags = self._placed(e)
                start = sum(int(tag.split()[-1]) for tag in tags if tag.startswith("from turn"))
                around = _Around(e, operands, passed, place, start, PAST_JUMP in tags, self.before.get(e, {}))
                found = _met_inside(around, test)
                if found is not None:
                    tags = [tag for tag in tags if tag != PAST_JUMP and not tag.startswith("from turn")]
                    return replace(found, **_tagged(tags, found))
        return None

    def _met(self, a: Const, via: dict[Any, int], test: Test) -> Finding:
        """A bad constant, and the equation that takes it."""
        e = self.graph.equations[via[a]]
        place, passed, tags = self._placed(e)
        tags = [tag for tag in tags if tag != PAST_JUMP and not tag.startswith("from turn")]
        bad = _entries(a.value, test)
        entries, count = _places(bad) if np.ndim(bad) else ((), 0)
        return Finding(_kind(test), "", "", place, source_line(place), passed, entries=entries, count=count,
                       path=self._path(a, via), **_tagged(tags))

    def _entries(self, atom: Any, test: Test) -> Any:
        if isinstance(atom, Const):
            return _entries(atom.value, test)
        return _entries(self.env[atom], test) if atom in self.env else np.zeros((), bool)

    def _path(self, a: Any, via: dict[Any, int]) -> tuple[str, ...]:
        """The lines through which a value reached the one that was asked for."""
        found: list[str] = []
        while a in via:
            e = self.graph.equations[via[a]]
            found.append(split_tags(min(self.graph.lines.get(e, frozenset()), key=_place_key, default=""))[0])
            a = next((r for r in e.results if r in via), None)
        return tuple([x for k, x in enumerate(found) if x and (not k or x != found[k - 1])])

    def _bad_operands(self, k: int, result: Any, wanted: Any, test: Test) -> Iterator[tuple[Any, Any]]:
        """Operands with bad entries that the wanted entries of a result may have been computed from."""
        e = self.graph.equations[k]
        used = _operands_used(e, e.results.index(result))
        sources = self._sources(e, wanted) if e.primitive.name in _SELECTING else None
        for i, o in enumerate(e.operands):
            entries = self._entries(o, test)
            if i not in used or not np.any(entries):
                continue
            if sources is not None:
                entries = entries & sources[i]
            elif e.primitive.elementwise and entries.shape == wanted.shape:
                entries = entries & wanted
                if e.primitive.name == "select" and i:
                    taken = np.asarray(self._value(e.operands[0]))
                    entries = entries & (taken if i == 1 else ~taken)
            elif e.primitive.name == "reduce_sum" and not isinstance(wanted, list):
                entries = entries & np.expand_dims(wanted, tuple(e.params["axes"]))
            if np.any(entries):
                yield o, entries

    def _value(self, o: Any) -> Any:
        return o.value[()] if isinstance(o, Const) else self.env[o]

    def _sources(self, e: Equation, wanted: Any) -> list[Any] | None:
        """Of an equation that only moves entries, which entries of its operands the wanted ones are."""
        numbered, start = [], 1
        for o in e.operands:
            moved = getattr(o.type, "inexact", False) or e.primitive.name != "index"
            if moved and not hasattr(o.type, "size"):
                return None
            numbered.append(np.arange(start, start + o.type.size).reshape(o.type.shape) if moved else self._value(o))
            start += o.type.size if moved else 0
        if e.primitive.name == "convert":
            return [wanted for _ in e.operands]
        taken = np.asarray(e.primitive.evaluate(*numbered, **e.params))[wanted]
        return [np.isin(x, taken) for x in numbered]

    # ------------------------------------------------------------ the equation

    def _came_in(self, k: int | None, test: Test) -> Finding:
        bad = None if k is None else _entries(self.values[k], test)
        entries, count = ((), 0) if bad is None else _places(bad)
        return Finding(_kind(test), "", "", "", "", self.passed, input=k, entries=entries, count=count)

    def _operands(self, k: int) -> tuple[list[Any], Sequence[Any]]:
        """Operands and results of an equation, which are computed again."""
        wanted = self.graph.equations[k]
        return next((operands, results) for e, operands, results in self._steps() if e is wanted)

    def _made(self, k: int, result: Any, wanted: Any, test: Test) -> Finding:
        """An equation that made it, looked into if it holds graphs."""
        e = self.graph.equations[k]
        operands, results = self._operands(k)
        at = e.results.index(result)
        place, passed, tags = self._placed(e)
        start = sum(int(tag.split()[-1]) for tag in tags if tag.startswith("from turn"))
        past, tags = PAST_JUMP in tags, [tag for tag in tags if tag != PAST_JUMP and not tag.startswith("from turn")]
        found = _made_inside(_Around(e, operands, passed, place, start, past, self.before.get(e, {})), at, test)
        if found is not None:
            return self._with_cause(replace(found, **_tagged(tags, found)), e)
        cause = next((self.origin(o, np.isinf) for o in e.operands if test is np.isnan
                      and np.any(self._entries(o, np.isinf))), None)
        if cause is not None and not cause.operation and cause.input is None:
            cause = None  # a constant of the program: the user wrote it
        entries, count = _places(wanted)
        exact = e.primitive.elementwise and not isinstance(results[at], Stack)
        given = tuple([np.broadcast_to(x, np.shape(results[at]))[entries[0]] for x in operands]) if exact else ()
        return Finding(_kind(test), e.primitive.name, _applied(e, operands, results[at], given, entries, count), place,
                       source_line(place), passed, cause=cause, entries=entries, count=count, operands=given, **_tagged(tags))

    def _placed(self, e: Equation) -> tuple[str, str, list[str]]:
        """The line of an equation, its pass, and the turns that it names."""
        place, tags = split_tags(min(self.graph.lines.get(e, frozenset()), key=_place_key, default=""))
        passes = [tag for tag in reversed(tags) if tag in (BACKWARD, TANGENT)]
        return place or self.place, " of ".join(passes) or self.passed, [tag for tag in tags if tag not in passes]

    def _with_cause(self, found: Finding, e: Equation) -> Finding:
        """A finding inside an equation; if infinities came into it, where from."""
        cause = found.cause
        if cause is None or cause.operation or cause.input is None:
            return found
        operand = e.operands[cause.input] if cause.input < len(e.operands) else None
        return replace(found, cause=None if operand is None or not np.any(self._entries(operand, np.isinf))
                       else self.origin(operand, np.isinf))


# ---------------------------------------------------------------- inside loops, branches, calls

class _Part(NamedTuple):
    """A graph inside an equation, as it ran once."""

    words: str  # what it is, if it is no turn of a loop
    turn: int | None
    graph: Graph
    values: list[Any]
    outputs: Sequence[Any]
    states: Any  # of generators, before it ran


class _Around(NamedTuple):
    """An equation that is looked into: its operands, pass and line, and the generators as they were before it."""

    equation: Equation
    operands: list[Any]
    passed: str
    place: str
    start: int  # turns of a loop that ran before it
    past: bool  # whether it is no branch of the program, but what follows a jump
    states: Any


def _made_inside(around: _Around, at: int, test: Test, before: int | None = None) -> Finding | None:
    """Where inside an equation its result number `at` became bad; `before` this turn, if that matters."""
    e, operands, passed, place, start, past, _ = around
    graph = _graph_of(e, operands)
    if graph is None:
        return None
    set_generators(around.states)
    k = at - (e.primitive.name == "while_loop")
    needed = _closure(e, graph, k)[0] if k >= 0 else range(len(graph.outputs))
    for number, part in enumerate(_parts(e, operands)):
        if before is not None and number >= before:
            return None
        if part.turn is not None and start:
            part = part._replace(turn=part.turn + start)
        if past:
            part = part._replace(words=PAST_JUMP)
        bad = [o for o in needed if np.any(_entries(part.outputs[o], test))]
        if not bad:
            continue
        set_generators(part.states)
        inner = Search(part.graph, part.values, passed, place=place)
        found = inner.origin(part.graph.outputs[bad[0]], test)
        if not found.operation and not found.place:
            continue
        cause = found.cause
        if cause is not None:
            cause = _inside(cause, part, place) if cause.operation else _cause_of(around, cause, number)
        return replace(_inside(found, part, place), cause=cause)
    return None


def _met_inside(around: _Around, test: Test) -> Finding | None:
    """Where inside an equation a bad constant meets what is traced."""
    e, operands, passed, place, start, past, states = around
    if _graph_of(e, operands) is None:
        return None
    set_generators(states)
    for part in _parts(e, operands):
        if part.turn is not None and start:
            part = part._replace(turn=part.turn + start)
        set_generators(part.states)
        found = Search(part.graph, part.values, passed, place=place).meeting(test)
        if found is not None:
            return _inside(found, part._replace(words=PAST_JUMP) if past else part, place)
    return None


def _inside(found: Finding, part: _Part, place: str) -> Finding:
    """A finding, with what is around it."""
    words = part.words if part.turn is None else f"turn {part.turn} of the loop"
    words += f" at {short_place(place)}" if place and not words.startswith("lane") else ""
    return replace(found, turns=(*(() if part.turn is None else (part.turn,)), *found.turns), inside=(words, *found.inside),
                   place=found.place or place, source=found.source or source_line(place))


def _cause_of(around: _Around, cause: Finding, number: int) -> Finding:
    """Where an infinity that came into a turn of a loop is from: an earlier turn, or an operand, by its number."""
    e, operands = around.equation, around.operands
    if cause.input is None:
        return cause
    constants = e.params.get("constants", 0)
    carries = len(operands) - constants if e.primitive.name == "while_loop" else e.params.get("carries", 0)
    k = cause.input - constants
    if e.primitive.name in ("while_loop", "scan") and 0 <= k < carries:
        found = _made_inside(around, k + (e.primitive.name == "while_loop"), np.isinf, number)
        if found is not None:
            return found
    return replace(cause, input=cause.input + _first_input(e))


def _graph_of(e: Equation, operands: Sequence[Any]) -> Graph | None:
    """The graph that gives the results of an equation; None if it holds none that is known to."""
    name, params = e.primitive.name, e.params
    if name == "call":
        return params["graph"]  # type: ignore[no-any-return]
    if name in ("custom_jvp", "custom_vjp", "scan", "while_loop"):
        return params["body"]  # type: ignore[no-any-return]
    return params["branches"][0 if operands[0] else 1] if name == "cond" else None  # type: ignore[no-any-return]


def _first_input(e: Equation) -> int:
    """Which operand is the first input of the graph inside."""
    return 1 if e.primitive.name in ("cond", "scan") else 0


def _closure(e: Equation, graph: Graph, k: int) -> tuple[list[int], set[int]]:
    """Which outputs, and which inputs, of a graph inside may reach its k-th output, through earlier turns too."""
    constants = e.params.get("constants", 0)
    loop = e.primitive.name in ("while_loop", "scan")
    carries = 0 if not loop else e.params["carries"] if e.primitive.name == "scan" else len(graph.inputs) - constants
    place = {v: i for i, v in enumerate(graph.inputs)}
    makers = {r: q for q in graph.equations for r in q.results}
    outputs, inputs, stack, seen = [k], set[int](), [graph.outputs[k]], set[Any]()
    while stack:
        a = stack.pop()
        if a in seen or not isinstance(a, Var):
            continue
        seen.add(a)
        if a in makers:
            stack += makers[a].operands
        elif a in place:
            inputs.add(place[a])
            carry = place[a] - constants
            if 0 <= carry < carries and carry not in outputs:
                outputs.append(carry)
                stack.append(graph.outputs[carry])
    return outputs, inputs


def _operands_used(e: Equation, at: int) -> Sequence[int] | set[int]:
    """Which operands a result of an equation may depend on."""
    every = range(len(e.operands))
    k = at - (e.primitive.name == "while_loop")
    if e.primitive.name not in ("call", "scan", "while_loop") or k < 0:
        return every
    graph = _graph_of(e, ())
    assert graph is not None
    first = _first_input(e)
    return {i + first for i in _closure(e, graph, k)[1]}


def _parts(e: Equation, operands: list[Any]) -> Iterator[_Part]:
    """The graphs inside an equation as they run."""
    name, params = e.primitive.name, e.params
    if name == "scan":
        yield from _turns_of_scan(e, operands)
    elif name == "while_loop":
        constants, body = params["constants"], params["body"]
        fixed, carry, turn = operands[:constants], operands[constants:], 0
        test, step = ready_graph(params["test"]), ready_graph(body)
        while test(*fixed, *carry)[0]:
            values, states = [*fixed, *carry], generator_states()
            out = step(*values)
            yield _Part("", turn, body, values, out, states)
            carry, turn = list(out[:len(carry)]), turn + 1
    else:
        graph = _graph_of(e, operands)
        assert graph is not None
        words = {"cond": f"the arm of the branch for {bool(operands[0])}"} if name == "cond" else {
            "call": f"in {params.get('name') or 'a call'}"}
        values, states = list(operands[_first_input(e):]), generator_states()
        yield _Part(words.get(name, "in a function with a rule of its own"), None, graph, values, ready_graph(graph)(*values),
                    states)


def _turns_of_scan(e: Equation, operands: list[Any]) -> Iterator[_Part]:
    n, constants, body = int(operands[0]), e.params["constants"], e.params["body"]
    end = constants + e.params["carries"]
    fixed, carry, slices = operands[1:][:constants], operands[1:][constants:end], operands[1:][end:]
    step = ready_graph(body)
    for i in range(n - 1, -1, -1) if e.params["reverse"] else range(n):
        values, states = [*fixed, *carry, *[x[i] for x in slices]], generator_states()
        out = step(*values)
        yield _Part(f"lane {i}", None, body, values, out, states) if _is_lanes(e) else _Part("", i, body, values, out, states)
        carry = list(out[:len(carry)])


def _is_lanes(e: Equation) -> bool:
    """Whether a loop is none of the user's, but control flow that each lane of a batch goes through by itself."""
    body = e.params["body"]
    return not e.params["carries"] and not body.lines and len(body.equations) == 1 and body.equations[0].primitive.holds_graphs


# ---------------------------------------------------------------- what is bad, and in words

def _entries(x: Any, test: Test) -> Any:
    """Which entries are bad; of a stack, whether one of its arrays has any."""
    if isinstance(x, Stack):
        return np.array([np.any(_entries(part, test)) for part in x], bool)
    array = np.asarray(x)
    return test(array) if array.dtype.kind in "fc" else np.zeros(array.shape, bool)


def first_test(x: Any) -> Test | None:
    """NaN if there is any, else infinity, else nothing."""
    return next((test for test in (np.isnan, np.isinf) if np.any(_entries(x, test))), None)


def _places(bad: Any) -> tuple[tuple[tuple[int, ...], ...], int]:
    """The first few bad entries, and how many there are."""
    flat = np.flatnonzero(bad)
    return tuple([tuple(int(i) for i in np.unravel_index(k, np.shape(bad))) for k in flat[:_SHOWN]]), len(flat)


def _listed(entries: Sequence[tuple[int, ...]], count: int) -> str:
    shown = ", ".join(str(list(entry)) for entry in entries)
    more = f" and {count - len(entries):,} more" if count > len(entries) else ""
    return f"entr{'y' if count == 1 else 'ies'} {shown}{more}"


def _place_key(place: str) -> tuple[str, int]:
    return place_key(split_tags(place)[0])


def _tagged(tags: Sequence[str], found: Finding | None = None) -> dict[str, Any]:
    """Turns that a line names, before those of a finding."""
    turns = [int(tag.split()[1]) for tag in tags]
    return {"turns": (*turns, *(found.turns if found else ())), "inside": (*tags, *(found.inside if found else ()))}


def _kind(test: Test) -> str:
    return "NaN" if test is np.isnan else "infinity"


def _applied(e: Equation, operands: Sequence[Any], result: Any, given: Sequence[Any], entries: Any, count: int) -> str:
    """``log(-0.5) = nan``: the first bad entry of what is elementwise; of the rest types and ranges."""
    name = e.primitive.name
    if given:
        where = f" at entry {list(entries[0])}" if np.size(result) > 1 else ""
        made = np.asarray(result)[entries[0]]
        return f"{name}({', '.join(f'{x:.6g}' for x in given)}) = {made:.6g}{where}"
    text = f"{_USUAL.get(name, name)} of {', '.join(_described(o.type, x) for o, x in zip(e.operands, operands, strict=True))}"
    if isinstance(result, Stack) or not np.ndim(result):
        return text
    return f"{text}, at {_listed(entries, count)}"


def _described(type: Any, x: Any) -> str:
    """``float64[3] from 0.5 to 2``."""
    array = np.asarray(x) if not isinstance(x, (Stack, list)) else np.zeros(0, bool)
    if array.dtype.kind != "f" or not array.size or not np.all(np.isfinite(array)):
        return str(type)
    low, high = array.min(), array.max()
    return f"{type} {low:.6g}" if low == high else f"{type} from {low:.6g} to {high:.6g}"
