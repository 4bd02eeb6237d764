"""Control flow: branches and loops that hold graphs.

What comes in: operands, and graphs for the arms or the body. What goes out: what the plain program would have computed, one
iteration after the other. The one idea: four primitives are closed under every transform. A loop of known length saves what
its body gives besides the carries in arrays, one of unknown length in stacks, and the same `scan` runs over either, forward or
backward.

Operands of a loop are constants (the same in each iteration), carries, and for `scan` slices (an array or a stack of which
each iteration sees one entry). The body takes them in this order and gives the new carries, then what is saved.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from wengert.graph import ArrayType, Equation, Graph, Primitive, Stack, StackType, Type
from wengert.primitives import control_rules as rules

__all__ = ["call", "cond", "may_raise", "prepare_with", "python_integer", "ready_graph", "saved_type", "scan",
           "truncate", "while_loop"]


class Prepared(Protocol):
    """Graphs of which one runs, ready to run."""

    @property
    def programs(self) -> Sequence[Callable[..., Sequence[Any]]]: ...

    @property
    def consumed(self) -> frozenset[int]:
        """Inputs that they may overwrite."""

    @property
    def loose(self) -> frozenset[int]:
        """Outputs that may share memory with something else."""


Prepare = Callable[[tuple[Graph, ...], frozenset[int]], Prepared]
_PREPARE: list[Prepare] = []


def prepare_with(prepare: Prepare) -> None:
    """Set what runs inner graphs: ``prepare(graphs, donated)``, where `donated` inputs may be overwritten."""
    _PREPARE[:] = [prepare]


def _ready(graphs: tuple[Graph, ...], donated: Sequence[int] = ()) -> Prepared:
    return _PREPARE[0](graphs, frozenset(donated))


def ready_graph(graph: Graph) -> Callable[..., Sequence[Any]]:
    """A graph as a function of arrays, which it does not overwrite."""
    return _ready((graph,)).programs[0]


def _owned(values: Sequence[Any], consumed: frozenset[int], given: frozenset[int], first: int) -> list[Any]:
    """The values, with an array of its own where the graph may overwrite it and the caller gave none away.

    `consumed` counts inputs of the graph, `given` operands of the equation; operand `first` is input 0.
    """
    return [np.array(x) if k in consumed and (k + first not in given or not isinstance(x, np.ndarray)) else x
            for k, x in enumerate(values)]


def _carrier(ready: Prepared, constants: int, carries: int) -> Callable[[Sequence[Any]], list[Any]]:
    """What brings the carries from one iteration to the next: copied where the next may overwrite what others see."""
    copied = [k for k in range(carries) if k + constants in ready.consumed and k in ready.loose]

    def carry(out: Sequence[Any]) -> list[Any]:
        new = list(out[:carries])
        for k in copied:
            new[k] = np.array(new[k])
        return new
    return carry


_NEVER = {"argmax", "argmin", "argsort", "broadcast", "concatenate", "contract", "convert", "cummax", "cummin", "cumprod",
          "cumsum", "flip", "logsumexp", "masked_sum", "pad", "reduce_all", "reduce_any", "reduce_max", "reduce_min",
          "reduce_prod", "reduce_sum", "reshape", "softmax", "sort", "transpose"}

# Python's numbers raise errors that arrays do not: 1.0 / 0.0, math.log(0.0), math.exp(1e9)
_TOTAL = {"absolute", "add", "arctan", "cos", "equal", "greater", "greater_equal", "less", "less_equal", "logical_and",
          "logical_not", "logical_or", "maximum", "minimum", "multiply", "negative", "not_equal", "select", "sign", "sin",
          "subtract", "tanh"}


def may_raise(e: Equation) -> bool:
    """Whether an equation that has been recorded may raise an error when it runs; where that is not known, it may."""
    data = {"index": 1, "index_set": 2, "index_add": 2}.get(e.primitive.name)
    if data is not None:
        return len(e.operands) > data  # an index that is known was tried when it was recorded
    if e.primitive.elementwise:
        return e.results[0].type.shape == () and e.primitive.name not in _TOTAL
    return e.primitive.name not in _NEVER


# ---------------------------------------------------------------- call: `checkpoint` marks one that keeps its operands alone

KNOWN = threading.local()  # `value`: (graph, its results), of the equation that is about to be recorded


def _call_type(*types: Type, graph: Graph, name: str, checkpoint: bool = False) -> tuple[Type, ...]:
    return tuple(o.type for o in graph.outputs)


def _call(*operands: Any, graph: Graph, name: str, checkpoint: bool = False,
          given: frozenset[int] = frozenset()) -> Sequence[Any]:
    known = getattr(KNOWN, "value", None)
    if known is not None and known[0] is graph:
        return known[1]  # type: ignore[no-any-return]
    ready = _ready((graph,), range(len(operands)))
    return ready.programs[0](*_owned(operands, ready.consumed, given, 0))


# ---------------------------------------------------------------- cond

def _cond_type(predicate: Type, *types: Type, branches: tuple[Graph, Graph]) -> tuple[Type, ...]:
    yes, no = ([o.type for o in g.outputs] for g in branches)
    if yes != no:
        raise TypeError(f"the arms of a branch give different types: {yes} and {no}")
    return tuple(yes)


def _cond(predicate: Any, *operands: Any, branches: tuple[Graph, Graph], given: frozenset[int] = frozenset()) -> Sequence[Any]:
    ready = _ready(branches, range(len(operands)))
    return ready.programs[0 if predicate else 1](*_owned(operands, ready.consumed, given, 1))


# ---------------------------------------------------------------- loops

def _while_type(*types: Type, test: Graph, body: Graph, constants: int, checkpoints: int | None = None) -> tuple[Type, ...]:
    carries = types[constants:]
    new = tuple(o.type for o in body.outputs[:len(carries)])
    if new != carries:
        raise TypeError(f"a loop changes the types of what it carries: {carries} become {new}")
    return (ArrayType((), np.int64), *carries, *[StackType(o.type) for o in body.outputs[len(carries):]])


def _while_loop(*operands: Any, test: Graph, body: Graph, constants: int, checkpoints: int | None = None,
                given: frozenset[int] = frozenset()) -> Sequence[Any]:
    n, count = len(operands) - constants, 0
    ready = _ready((body,), range(constants, len(operands)))
    go_on, step, carry_on = _ready((test,)).programs[0], ready.programs[0], _carrier(ready, constants, n)
    fixed, carry = operands[:constants], _owned(operands, ready.consumed, given, 0)[constants:]
    stacks = [Stack(StackType(o.type)) for o in body.outputs[n:]]
    while go_on(*fixed, *carry)[0]:
        out = step(*fixed, *carry)
        carry = carry_on(out)
        for stack, y in zip(stacks, out[n:], strict=True):
            stack.append(y)
        count += 1
    return (np.int64(count), *carry, *stacks)


def _scan_type(length: Type, *types: Type, body: Graph, constants: int, carries: int, reverse: bool,
               size: int | None, checkpoints: int | None = None) -> tuple[Type, ...]:
    carried = types[constants:constants + carries]
    new = tuple(o.type for o in body.outputs[:carries])
    if new != carried:
        raise TypeError(f"a loop changes the types of what it carries: {carried} become {new}")
    return (*carried, *[saved_type(o.type, size) for o in body.outputs[carries:]])


def saved_type(element: Type, size: int | None) -> Type:
    """The type of `size` saved elements; None: not known before the loop has run."""
    if size is None or isinstance(element, StackType):
        return StackType(element)
    return ArrayType((size, *element.shape), element.dtype)


def _scan(length: Any, *operands: Any, body: Graph, constants: int, carries: int, reverse: bool, size: int | None,
          checkpoints: int | None = None, given: frozenset[int] = frozenset()) -> Sequence[Any]:
    n, end = int(length), constants + carries
    ready = _ready((body,), range(constants, end))
    step, carry_on = ready.programs[0], _carrier(ready, constants, carries)
    fixed, slices = operands[:constants], operands[end:]
    carry = _owned(operands[:end], ready.consumed, given, 1)[constants:]
    kinds = [saved_type(o.type, size) for o in body.outputs[carries:]]
    saved: list[Any] = [np.empty(t.shape, t.dtype) if isinstance(t, ArrayType) else Stack(t, [None] * n) for t in kinds]
    for i in range(n - 1, -1, -1) if reverse else range(n):
        out = step(*fixed, *carry, *[x[i] for x in slices])
        carry = carry_on(out)
        for y, v in zip(saved, out[carries:], strict=True):
            y[i] = v
        out = v = None  # type: ignore[assignment]  # what is saved is a copy
    return (*carry, *saved)


# ---------------------------------------------------------------- Python's integers

_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "floor_divide": operator.floordiv,
    "remainder": operator.mod, "power": operator.pow}


def _python_integer(a: Any, b: Any, *, operation: str) -> Any:
    """Arithmetic that does not wrap around: a result beyond 64 bits is an error."""
    out = _OPERATIONS[operation](int(a), int(b))
    if type(out) is not int:
        raise TypeError(f"{int(a)} ** {int(b)} is not an integer; a staged loop cannot carry it")
    if not -1 << 63 <= out < 1 << 63:
        raise OverflowError(f"a Python integer grows beyond 64 bits in a staged loop ({operation} gives {out})")
    return np.int64(out)


python_integer = Primitive(
    "python_integer", type=lambda a, b, *, operation: ArrayType((), np.int64), evaluate=_python_integer, differentiable=False,
    sample=lambda rng: [((np.int64(7), np.int64(2)), {"operation": name}) for name in _OPERATIONS])

truncate = Primitive(
    "truncate", type=lambda x: ArrayType((), np.int64), evaluate=lambda x: _python_integer(int(x), 0, operation="add"),
    differentiable=False, sample=lambda rng: [((np.float64(-2.7),), {})])


# ---------------------------------------------------------------- records

def _graph(f: Any, *types: ArrayType) -> Graph:
    from wengert.graph import build_graph
    return build_graph(f, *types)


_X, _N = ArrayType((2,), np.float64), ArrayType((), np.int64)


def _cond_sample(rng: np.random.Generator) -> Any:
    branches = (_graph(lambda x: x * x, _X), _graph(lambda x: -x, _X))
    return [((np.bool_(p), rng.normal(size=2)), {"branches": branches}) for p in (True, False)]


def _while_sample(rng: np.random.Generator) -> Any:
    test = _graph(lambda a, k, x: k < 3, _X, _N, _X)
    body = _graph(lambda a, k, x: (k + 1, x * a), _X, _N, _X)
    return [((rng.normal(size=2), np.int64(0), rng.normal(size=2)), {"test": test, "body": body, "constants": 1})]


def _scan_sample(rng: np.random.Generator) -> Any:
    body = _graph(lambda a, x, s: (x * a + s, x * s), _X, _X, _X)
    params = {"body": body, "constants": 1, "carries": 1, "size": 3}
    operands = (np.int64(3), rng.normal(size=2), rng.normal(size=2), rng.normal(size=(3, 2)))
    return [(operands, {**params, "reverse": r}) for r in (False, True)]


def _call_sample(rng: np.random.Generator) -> Any:
    params = {"graph": _graph(lambda x: x * x, _X), "name": "square"}
    return [((rng.normal(size=2),), params), ((rng.normal(size=2),), {**params, "checkpoint": True})]


cond = Primitive("cond", type=_cond_type, evaluate=_cond, multiple=True, holds_graphs=True, record=rules.record_cond,
                 adjoint=rules.adjoint_cond, forward=rules.forward_cond, batch=rules.batch_lanes("cond"), sample=_cond_sample)
while_loop = Primitive("while_loop", type=_while_type, evaluate=_while_loop, multiple=True, holds_graphs=True,
                       record=rules.record_loop, forward=rules.forward_loop, batch=rules.batch_lanes("while_loop"),
                       sample=_while_sample)
scan = Primitive("scan", type=_scan_type, evaluate=_scan, multiple=True, holds_graphs=True, record=rules.record_loop,
                 adjoint=rules.adjoint_scan, forward=rules.forward_loop, batch=rules.batch_lanes("scan"), sample=_scan_sample)
call = Primitive("call", type=_call_type, evaluate=_call, multiple=True, holds_graphs=True, record=rules.record_call,
                 adjoint=rules.adjoint_call, forward=rules.forward_call, batch=rules.batch_lanes("call"), sample=_call_sample)


# ---------------------------------------------------------------- the linear part of a loop that keeps checkpoints

def _tangent_type(length: Type, *types: Type, body: Graph, tangents: tuple[int, int, int], **params: Any) -> tuple[Type, ...]:
    return _scan_type(length, *types[:len(body.inputs)], body=body, **params)


def _tangent_loop(length: Any, *operands: Any, body: Graph, tangents: tuple[int, int, int], **params: Any) -> Sequence[Any]:
    return _scan(length, *operands[:len(body.inputs)], body=body, **params)


def _tangent_sample(rng: np.random.Generator) -> Any:
    body = _graph(lambda a, x, s: (x * a + s, x * a), _X, _X, _X)
    params = {"body": body, "constants": 1, "carries": 1, "size": 3, "tangents": (0, 1, 1), "checkpoints": 2}
    operands = (np.int64(3), rng.normal(size=2), rng.normal(size=2), rng.normal(size=(3, 2)), np.int64(0), *[np.arange(3)] * 2)
    return [(operands, {**params, "reverse": r}) for r in (False, True)]


tangent_loop = Primitive("tangent_loop", type=_tangent_type, evaluate=_tangent_loop, multiple=True, holds_graphs=True,
                         record=rules.record_tangent_loop, adjoint=rules.adjoint_tangent_loop,
                         forward=rules.forward_tangent_loop, batch=rules.batch_lanes("tangent_loop"), sample=_tangent_sample)


# ---------------------------------------------------------------- stacks

def _add_stacks(a: Any, b: Any) -> Any:
    if not len(a) or not len(b):
        return a if len(a) else b
    return Stack(a.type, [_add_stacks(x, y) if isinstance(x, Stack) else np.add(x, y) for x, y in zip(a, b, strict=True)])


_STACK = StackType(_X)

empty_stack = Primitive("empty_stack", type=lambda *, element: StackType(element), differentiable=False,
                        evaluate=lambda *, element: Stack(StackType(element)), sample=lambda rng: [((), {"element": _X})])

stack_add = Primitive("stack_add", type=lambda a, b: a, evaluate=_add_stacks, linear="jointly", structural=True,
                      transpose=lambda ct, i, ops: ct, absent=lambda tangents, type: next(t for t in tangents if t is not None))
