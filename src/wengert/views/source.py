"""A graph as Python source that needs NumPy and SciPy only.

What comes in: a graph, and the names of its inputs. What goes out: the text of a function that computes what the graph
computes, loops and branches as statements. The one idea: an equation whose result is used once is written where it is used, all
others get a line of their own with the user's line beside it; writes happen in place exactly where `ownership` lets the back
ends do so.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.errors import UnsupportedError
from wengert.graph import Atom, Const, Equation, Graph, StackType, Var
from wengert.graph.walk import subgraphs
from wengert.primitives.index import index_shape
from wengert.views import rows
from wengert.views.helpers import Helpers
from wengert.views.notation import ATOM, LOOSE, UNARY, Operation, Term, constant, dtype_text, term_of

__all__ = ["Ownership", "Writer"]

_WIDTH = 92  # longest line of an expression
_LARGEST = 1_000  # elements of a constant that is written out
_COLUMN = 72  # comments stand behind this column at most
_REPEATS = {"one_minus_square", "witch"}  # their notation names the operand more than once
_IGNORED = {"solve_factored": (1, 2)}  # operands that the notation leaves out

# Of graphs of which one runs, and the inputs given away: a decision with `consumed`, `loose` and, of the first graph, `given`.
Ownership = Callable[[Sequence[Graph], frozenset[int]], Any]


@dataclass
class _Block:
    """The statements of one level of indentation."""

    lines: list[tuple[int, str, str]] = field(default_factory=list)  # indentation, text, comment


class Writer:
    """Writes one function.

    Parameters
    ----------
    ownership : callable
        ``ownership(graphs, donated)``, the decision of `transforms.ownership` for graphs of which one runs.
    taken : sequence of str
        Names that are not to be used for variables.
    """

    def __init__(self, ownership: Ownership, taken: Sequence[str] = ()):
        self.ownership = ownership
        self.helpers = Helpers()
        self.used = {"np", "special", "linalg", "fft", *taken}
        self.helpers.taken |= self.used
        self.block = _Block()
        self.indent = 1
        self.count = 0
        self.terms: dict[Var, Term] = {}
        self.pending: dict[Var, tuple[Term, str]] = {}  # written nowhere yet, with the user's line
        self.filled: set[Var] = set()  # stacks that hold an entry for each iteration
        self.comment = ""

    # ------------------------------------------------------------ names and lines

    def fresh(self, prefix: str = "v") -> str:
        while True:
            self.count += 1
            name = f"{prefix}{self.count}"
            if name not in self.used:
                self.used.add(name)
                return name

    def unused(self, name: str) -> str:
        """This name, or one like it."""
        if name in self.used:
            return self.fresh(f"{name}_")
        self.used.add(name)
        return name

    def index_name(self) -> str:
        name = next((n for n in "ijklmn" if n not in self.used), None) or self.fresh("i")
        self.used.add(name)
        return name

    def line(self, text: str, comment: str | None = None) -> None:
        self.block.lines.append((self.indent, text, self.comment if comment is None else comment))

    @contextmanager
    def indented(self) -> Any:
        begun = len(self.block.lines)
        self.indent += 1
        yield
        if len(self.block.lines) == begun:
            self.line("pass", "")
        self.indent -= 1

    def term(self, a: Atom) -> Term:
        if isinstance(a, Const):
            if a.type.size > _LARGEST:
                raise UnsupportedError(f"source: the function holds a constant of type {a.type}, too large to be written down. "
                                       f"Pass it as an argument")
            return constant(a, "numpy")
        self.pending.pop(a, None)
        return self.terms[a]

    def typed(self, a: Atom) -> Term:
        """A term to be assigned: numbers are NumPy's, for Python's own behave otherwise (``~True``, ``1.0 / 0.0``)."""
        if isinstance(a, Const) and not a.type.shape:
            return constant(a, "numpy", named=True)
        term = self.term(a)
        literal = isinstance(a, Var) and re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?|True|False", term.text)
        return Term(f"{dtype_text(a.type.dtype)}({term.text})") if literal else term

    def name(self, a: Atom) -> Term:
        """The term of an atom as a name or a short constant, which may be read several times."""
        if isinstance(a, Const):
            term = self.term(a)
            return term if not a.type.shape else self.assign(term, "c")
        waiting = self.pending.pop(a, None)
        if waiting is not None:
            self.terms[a] = self.assign(waiting[0], comment=waiting[1])
        return self.terms[a]

    def assign(self, term: Term, prefix: str = "v", comment: str | None = None) -> Term:
        name = self.fresh(prefix)
        self.line(f"{name} = {term.text}", comment)
        return Term(name)

    def flush(self) -> None:
        """Write down what waits to be inlined: it may read what is about to be overwritten."""
        for v in list(self.pending):
            self.name(v)

    # ------------------------------------------------------------ a graph

    def graph(self, graph: Graph, operands: Sequence[Term], donated: frozenset[int] = frozenset()) -> list[Atom]:
        """Write the statements of a graph; its outputs are atoms whose terms are known then."""
        self.terms.update(zip(graph.inputs, operands))
        counts = _counts(graph)
        given = self.ownership((graph,), donated).given
        for e in graph.equations:
            if e.pure and not any(counts.get(r) for r in e.results):
                continue
            before = self.comment
            places = {" ".join(os.path.basename(n).split()) for n in graph.lines.get(e, ()) if n[:1] != "<"}  # in one line
            self.comment = ", ".join(sorted(places)) or before
            self.equation(e, counts, given.get(e, frozenset()))
            self.comment = before
        return list(graph.outputs)

    def equation(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        name = e.primitive.name
        if not e.pure and not e.primitive.holds_graphs:
            what = getattr(e.params.get("action"), "name", name)
            raise UnsupportedError(f"source: the function has an effect ({what}), which source cannot repeat. "
                                   f"Pass what it draws or prints as an argument")
        statement = getattr(self, f"write_{name}", None)
        if statement is not None:
            statement(e, counts, given)
        elif name in rows.STATEMENTS:
            what = getattr(e.params.get("function"), "name", name)
            raise UnsupportedError(f"source: {what} is opaque Python, which has no source here; write it with NumPy")
        else:
            self.expression(e, counts)

    def expression(self, e: Equation, counts: dict[Var, int]) -> None:
        ignored = _IGNORED.get(e.primitive.name, ())
        read = self.name if e.primitive.name in _REPEATS else self.term
        operands = [Term("None") if k in ignored else read(_as_number(e, a)) for k, a in enumerate(e.operands)]
        operation = Operation(e, tuple(operands), "numpy")
        term = term_of(e, operands, "numpy")
        if len(term.text) + 4 * self.indent > _WIDTH:  # too long for a line: what can be named is
            operands = [o if k in ignored or len(o.text) < 24 or isinstance(e.operands[k], Const) else self.assign(o)
                        for k, o in enumerate(operands)]
            operation = Operation(e, tuple(operands), "numpy")
            term = term_of(e, operands, "numpy")
        if not rows.has_numpy(operation):
            function = self.helpers.primitive(e.primitive)
            term = Term(function + term.text[len(e.primitive.name):])
        results = list(e.results)
        if len(results) > 1:
            names = [self.fresh() if counts.get(r) else "_" for r in results]
            self.line(f"{', '.join(names)} = {term.text}")
            self.terms.update({r: Term(n) for r, n in zip(results, names)})
        elif counts.get(results[0], 0) == 1 and len(term.text) < _WIDTH - 20:
            self.terms[results[0]] = term
            self.pending[results[0]] = (term, self.comment)
        else:
            self.terms[results[0]] = self.assign(term)

    # ------------------------------------------------------------ writes

    def _write(self, e: Equation, sign: str, given: frozenset[int]) -> None:
        self_operand = e.operands[0]
        key = rows.key_text(e.params["spec"], [self.name(a).text for a in e.operands[2:]])
        value = self.term(e.operands[1])
        repeated = sign == "+=" and any(a.type.shape for a in e.operands[2:])
        made = isinstance(self_operand, Const) or self.is_new(self_operand)
        if (0 in given or made) and e.results[0].type.shape:
            target = self.term(self_operand)
            if not target.text.isidentifier():
                target = self.assign(target)
        else:
            text = self.term(self_operand)
            target = self.assign(Term(f"{text.at(ATOM)}.copy()" if e.results[0].type.shape else f"np.array({text.text})"))
        self.flush()
        if repeated:
            shape = index_shape(e.results[0].type.shape, e.params["spec"], tuple([a.type.shape for a in e.operands[2:]]))
            if e.operands[1].type.shape not in ((), shape):
                value = Term(f"np.array(np.broadcast_to({value.text}, {shape}))")
            self.line(f"np.add.at({target.text}, {key if key.isidentifier() else f'np.s_[{key}]'}, {value.text})")
        else:
            self.line(f"{target.text}[{key}] {sign} {value.text}")
        self.terms[e.results[0]] = target if e.results[0].type.shape else Term(f"{target.text}[()]")

    def is_new(self, v: Var) -> bool:
        """Whether a term that is still to be written makes a new array."""
        return v in self.pending and re.match(r"np\.(zeros|ones|full)\(", self.terms[v].text) is not None

    def write_index_set(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        self._write(e, "=", given)

    def write_index_add(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        self._write(e, "+=", given)

    # ------------------------------------------------------------ calls, branches, loops

    def passed(self, e: Equation, first: int, consumed: frozenset[int], given: frozenset[int],
               carries: range = range(0)) -> list[Term]:
        """Operands of inner graphs, by name; copied where the graph overwrites what others may see.

        Those at the positions `carries` are about to be assigned to a variable, and need no name.
        """
        out = []
        for k, a in enumerate(e.operands[first:]):
            if k in carries:
                term = self.typed(a)
                made = isinstance(a, Const) or re.match(r"np\.(zeros|ones|full)\(", term.text)
                copied = k in consumed and k + first not in given and not made
                out.append(Term(f"np.array({term.text})") if copied else term)
            elif k in consumed and k + first not in given:
                out.append(self.assign(Term(f"np.array({self.term(a).text})")))
            else:
                out.append(self.name(a))
        return out

    def write_call(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        graph = e.params["graph"]
        everything = frozenset(range(len(e.operands)))
        consumed = self.ownership((graph,), everything).consumed
        outputs = self.graph(graph, self.passed(e, 0, consumed, given), everything & consumed)
        self.hand_on(e, outputs, counts)

    def write_custom_jvp(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        outputs = self.graph(e.params["body"], [self.name(a) for a in e.operands])
        self.hand_on(e, outputs, counts)

    write_custom_vjp = write_custom_jvp

    def write_solution(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        what = getattr(e.params.get("solver"), "name", None) or e.params.get("name") or e.primitive.name
        raise UnsupportedError(f"source: what a solver gives ({what}), and its derivative, cannot be written without wengert")

    write_implicit = write_regular = write_linear_solve = write_sparse_solve = write_solution
    write_ivp = write_ivp_tangent = write_ivp_adjoint = write_ivp_curvature = write_solution
    write_event_time = write_transversal = write_integral = write_solution

    def write_custom_vjp_linear(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        if e.params["tangent"] is None:
            raise UnsupportedError("source: forward mode through a custom_vjp function has no source; give it custom_jvp")
        self.hand_on(e, self.graph(e.params["tangent"], [self.name(a) for a in e.operands]), counts)

    def hand_on(self, e: Equation, outputs: Sequence[Atom], counts: dict[Var, int]) -> None:
        for r, o in zip(e.results, outputs):
            if not counts.get(r):
                continue
            if counts[r] == 1 and isinstance(o, Var) and o in self.pending and list(outputs).count(o) == 1:
                self.pending[r] = self.pending.pop(o)
                self.terms[r] = self.pending[r][0]
            else:
                self.terms[r] = self.name(o)
            if o in self.filled:
                self.filled.add(r)

    def write_cond(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        branches = e.params["branches"]
        everything = frozenset(range(len(e.operands) - 1))
        consumed = self.ownership(branches, everything).consumed
        told = [_tells(*[g.outputs[k] for g in branches]) for k in range(len(e.results))]
        predicate = self.name(e.operands[0]) if any(told) else self.term(e.operands[0])
        for r, sign in zip(e.results, told):
            if sign:
                self.terms[r] = Term(sign.strip("+") + predicate.at(UNARY), UNARY if sign == "~" else ATOM)
        wanted = [k for k, r in enumerate(e.results) if counts.get(r) and not told[k]]
        if not wanted:
            return
        if predicate.text.startswith("~") and predicate.strength == UNARY:
            predicate, branches = Term(predicate.text[1:]), branches[::-1]
        operands = self.passed(e, 1, consumed, given)
        self.flush()
        names = [self.fresh() for _ in wanted]
        self.line(f"if {predicate.text}:")
        for number, graph in enumerate(branches):
            if number:
                self.line("else:", "")
            with self.indented():
                outputs = self.graph(graph, operands, consumed)
                self.rebind(names, [outputs[k] for k in wanted])
                self.pending.clear()
        for k, n in zip(wanted, names):
            self.terms[e.results[k]] = Term(n)

    def rebind(self, names: Sequence[str], atoms: Sequence[Atom], copied: Sequence[bool] = ()) -> None:
        """Assign values to names, all at once."""
        pairs = []
        lines = {self.pending[a][1] for a in atoms if isinstance(a, Var) and a in self.pending}
        before, self.comment = self.comment, ", ".join(sorted(lines - {""})) or self.comment
        for k, (n, a) in enumerate(zip(names, atoms)):
            text = self.typed(a).text
            if copied and copied[k]:
                text = f"np.array({text})"
            if text != n:
                pairs.append((n, text))
        if len(pairs) > 1 and sum(len(n) + len(t) + 4 for n, t in pairs) + 4 * self.indent > _WIDTH:
            pairs = [(n, t if t.isidentifier() else self.assign(Term(t)).text) for n, t in pairs]
        if pairs:
            self.line(f"{', '.join([n for n, _ in pairs])} = {', '.join([t for _, t in pairs])}")
        self.comment = before

    def carries(self, first: int, count: int, operands: Sequence[Term]) -> list[str]:
        """Variables of a loop, with their first values."""
        names = [self.fresh() for _ in range(count)]
        for n, t in zip(names, operands[first:first + count]):
            self.line(f"{n} = {t.text}")
        return names

    def write_while_loop(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        test, body, constants = e.params["test"], e.params["body"], e.params["constants"]
        count = len(e.operands) - constants
        inner = self.ownership((body,), frozenset(range(constants, len(e.operands))))
        operands = self.passed(e, 0, inner.consumed, given, range(constants, len(e.operands)))
        self.flush()
        fixed = operands[:constants]
        names = self.carries(constants, count, operands)
        state = [Term(n) for n in names]
        counter = self.fresh() if counts.get(e.results[0]) else ""
        if counter:
            self.line(f"{counter} = np.int64(0)", "")
        saved = [(self.fresh() if counts.get(r) else "", o) for r, o in zip(e.results[1 + count:], body.outputs[count:])]
        for n, _ in saved:
            if n:
                self.line(f"{n} = []", "")
        self.open_while(test, [*fixed, *state])
        with self.indented():
            outputs = self.graph(body, [*fixed, *state], inner.consumed)
            for n, o in saved:
                if n:
                    self.line(f"{n}.append({self.term(o).text})", "")
            self.rebind(names, outputs[:count], self.copied(inner, constants, count))
            if counter:
                self.line(f"{counter} += 1", "")
            self.pending.clear()
        results = [counter, *names, *[n for n, _ in saved]]
        self.terms.update({r: Term(n) for r, n in zip(e.results, results)})
        self.filled.update(e.results[1 + count:])

    def open_while(self, test: Graph, operands: Sequence[Term]) -> None:
        begun = len(self.block.lines)
        self.indent += 1
        (go_on,) = self.graph(test, operands)
        condition = self.term(go_on)
        if len(self.block.lines) == begun:
            self.indent -= 1
            self.line(f"while {condition.text}:")
            return
        self.block.lines.insert(begun, (self.indent - 1, "while True:", self.comment))
        self.line(f"if not {condition.at(3)}:", "")
        with self.indented():
            self.line("break", "")
        self.indent -= 1

    def copied(self, inner: Any, constants: int, count: int) -> list[bool]:
        """Carries that the next iteration overwrites and that something else may see."""
        return [k + constants in inner.consumed and k in inner.loose for k in range(count)]

    def write_scan(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        body, constants, carries = e.params["body"], e.params["constants"], e.params["carries"]
        end = constants + carries
        inner = self.ownership((body,), frozenset(range(constants, end)))
        operands = self.passed(e, 1, inner.consumed, given, range(constants, end))
        length = self.name(e.operands[0]).text
        self.flush()
        names = self.carries(constants, carries, operands)
        saved = []
        for r, o in zip(e.results[carries:], body.outputs[carries:]):
            saved.append((self.fresh() if counts.get(r) else "", o))
            if saved[-1][0]:
                self.line(f"{saved[-1][0]} = {_store(r.type, length)}", "")
        reads = _counts(body)
        indexed = any(n for n, _ in saved) or any(reads.get(v) for v in body.inputs[end:])
        i = self.index_name() if indexed else "_"
        order = f"range({length})"
        self.line(f"for {i} in {f'reversed({order})' if e.params['reverse'] else order}:")
        with self.indented():
            state = [Term(n) for n in names]
            slices = [self.entry(a, t, i, v, reads) for a, t, v in zip(e.operands[1 + end:], operands[end:], body.inputs[end:])]
            outputs = self.graph(body, [*operands[:constants], *state, *slices], inner.consumed)
            for n, o in saved:
                if n:
                    self.line(f"{n}[{i}] = {self.term(o).text}", "")
            self.rebind(names, outputs[:carries], self.copied(inner, constants, carries))
            self.pending.clear()
        self.used.discard(i)
        self.terms.update({r: Term(n) for r, n in zip(e.results, [*names, *[n for n, _ in saved]])})
        self.filled.update(e.results[carries:])

    def entry(self, a: Atom, stored: Term, i: str, v: Var, reads: dict[Var, int]) -> Term:
        """What iteration i sees of a slice; an empty stack stands for zeros."""
        term = Term(f"{stored.text}[{i}]")
        if isinstance(a.type, StackType) and a not in self.filled and reads.get(v):
            zeros = "[]" if isinstance(v.type, StackType) else f"np.zeros({v.type.shape}, {dtype_text(v.type.dtype)})"
            term = Term(f"{term.text} if {stored.text} else {zeros}", LOOSE)
        return self.assign(term, comment="") if reads.get(v, 0) > 1 or term.strength == LOOSE else term

    def write_empty_stack(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        self.terms[e.results[0]] = self.assign(Term("[]"))

    def write_stack_add(self, e: Equation, counts: dict[Var, int], given: frozenset[int]) -> None:
        name = "add_stacks"
        if name not in self.helpers.taken:
            self.helpers.taken.add(name)
            self.helpers.definitions.append(_ADD_STACKS)
        a, b = [self.term(o).text for o in e.operands]
        self.terms[e.results[0]] = self.assign(Term(f"{name}({a}, {b})"))

    # ------------------------------------------------------------ the whole

    def text(self) -> str:
        """The statements, comments in a column."""
        shown = [(f"{'    ' * depth}{text}", comment) for depth, text, comment in self.block.lines]
        last = ""
        for k, (text, comment) in enumerate(shown):  # a comment holds until the next one
            shown[k] = (text, "" if comment == last else comment)
            last = comment or last
        column = max([len(t) for t, c in shown if c and len(t) < _COLUMN], default=0)
        return "\n".join([f"{t:<{column}}  # {c}" if c else t for t, c in shown])

    def imports(self) -> str:
        """The import statements of all that is written."""
        body = "\n".join([self.text(), *self.helpers.definitions])
        scipy = [m for m in ("fft", "linalg", "special") if re.search(rf"(?<![\w.]){m}\.", body)]
        own = sorted(m for m in self.helpers.modules if m != "import numpy as np")
        return "\n".join(["import numpy as np", *own, *([f"from scipy import {', '.join(scipy)}"] if scipy else [])])


_ADD_STACKS = '''def add_stacks(a, b):
    """Sums of what two loops saved; an empty list stands for zeros."""
    if not a or not b:
        return a or b
    return [add_stacks(x, y) if isinstance(x, list) else x + y for x, y in zip(a, b)]'''


def _as_number(e: Equation, a: Atom) -> Atom:
    """The number that all elements of a constant are, where the other operand of the equation has the shape of the result."""
    shape = e.results[0].type.shape
    if not isinstance(a, Const) or not a.type.size or not e.primitive.elementwise or a.type.shape != shape or not shape:
        return a
    if not any(isinstance(o, Var) and o.type.shape == shape for o in e.operands):
        return a
    first = a.value.reshape(-1)[:1]
    return Const(first[0]) if a.key[1] == first.tobytes() * a.type.size else a


def _tells(yes: Atom, no: Atom) -> str:
    """What a result of a branch says of its condition: "+" the same, "~" the contrary, "" neither."""
    if isinstance(yes, Const) and isinstance(no, Const) and yes.type.dtype.kind == "b" and not yes.type.shape:
        return {(True, False): "+", (False, True): "~"}.get((bool(yes.value), bool(no.value)), "")
    return ""


def _store(type: Any, length: str) -> str:
    if isinstance(type, StackType):
        return f"[None] * {length}"
    shape = type.shape[0] if len(type.shape) == 1 else type.shape
    return f"np.empty({shape})" if type.dtype == np.float64 else f"np.empty({shape}, {dtype_text(type.dtype)})"


def _counts(graph: Graph) -> dict[Var, int]:
    """How often each variable is read by what is written; what only dead equations read is not."""
    counts: dict[Var, int] = {}
    for o in graph.outputs:
        if isinstance(o, Var):
            counts[o] = counts.get(o, 0) + 1
    for e in reversed(graph.equations):
        if e.pure and not any(counts.get(r) for r in e.results):
            continue
        for k, a in enumerate(e.operands):
            if isinstance(a, Var) and k not in _IGNORED.get(e.primitive.name, ()):
                counts[a] = counts.get(a, 0) + 1
    return counts


def holds(graph: Graph, name: str) -> bool:
    """Whether a primitive occurs in a graph, or in one that it holds."""
    return any(e.primitive.name == name or any(holds(g, name) for g in subgraphs(e)) for e in graph.equations)


