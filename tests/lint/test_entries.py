"""Every primitive whose derivative is a choice states where its pieces meet.

The choices are found without the entries: in the linearization of each primitive at its samples. The entries are held against
the values: on both sides of a change of `kinks` slopes differ, of `jumps` values do, for the operands below.
"""

from __future__ import annotations

import numpy as np
import pytest

import wengert  # noqa: F401  (registers the primitives)
from wengert.backends.interpret import Program
from wengert.errors import MissingRuleError
from wengert.graph import REGISTRY, Equation, Graph, Var, build_graph, type_of
from wengert.transforms.linearize import linearize

CHOICES = {"select", "sign", "equal", "less", "greater", "less_equal", "greater_equal", "not_equal", "argsort", "argmax",
           "argmin", "floor_divide", "rint", "floor", "ceil", "trunc", "copysign", "logical_and", "heaviside"}
# Primitives whose differential chooses, and which are smooth all the same, and why
SMOOTH = {
    "an edge of the domain, where the slope is infinite or a limit is taken":
        "beta_density betainc_derivative entr expn float_power gamma_density gammainc_derivative kl_div power power_log "
        "rel_entr rgamma scalar_power stdtrit xlog1py xlogy",
    "0 / 0, or infinite operands, kept out of a smooth formula":
        "cosine eig gap_ratio logaddexp logaddexp2 logsumexp pseudo_huber stdtr",
    "triangles, and gaps between equal values": "adjugate_tangent cholesky lu qr solve_triangular svd",
    "the slopes of both pieces agree": "huber i1e",
    "of real arguments, only where the function itself is not defined": "kn yn jve yve kve",
    "a kink at an argument of 0, for the order 0 alone": "ive",
    "chooses the way of an integration, not its result": "ivp_adjoint ivp_curvature ivp_tangent",
    "its pieces meet where its test changes, and that states them": "select",
}


def choices(primitive):
    """The choices in the linearization of a primitive at its samples."""
    found = set()
    for operands, params in primitive.sample(np.random.default_rng(0)):
        operands = operands if primitive.follows is None else primitive.follows(*operands, **params)
        types = [type_of(np.asarray(o)) for o in operands]
        inputs = [Var(t) for t in types]
        results = primitive.type(*types, **params)
        e = Equation(primitive, inputs, params, [Var(t) for t in (results if primitive.multiple else (results,))])
        try:
            linear = linearize(Graph(tuple(inputs), (e,), e.results), [t.inexact for t in types])
        except (MissingRuleError, TypeError):  # in one operand; others have samples of their own
            continue
        found |= {inner.primitive.name for inner in linear.graph.equations} & CHOICES
    return found


def test_what_chooses_states_its_pieces_or_is_known_to_be_smooth():
    smooth = {name for names in SMOOTH.values() for name in names.split()}
    silent = [name for name, p in REGISTRY.items() if p.differentiable and p.sample is not None and not p.holds_graphs
              and p.kinks is None and p.jumps is None and name not in smooth and choices(p)]
    assert not silent, f"these choose: give them kinks= or jumps=, or name them as smooth: {silent}"
    assert smooth <= set(REGISTRY)
    assert not [name for name in smooth if REGISTRY[name].kinks is not None or REGISTRY[name].jumps is not None]


def test_what_has_no_derivative_needs_no_entry():
    """Its values are its pieces."""
    assert not [name for name, p in REGISTRY.items() if not p.differentiable and (p.kinks is not None or p.jumps is not None)]


# Operands at which pieces meet, and a direction across
KINKS = {
    "absolute": ([0.0], [1.0]), "fabs": ([0.0], [1.0]), "root": ([0.0], [1.0]), "hypot": ([0.0, 0.0], [1.0, 2.0]),
    "maximum": ([1.0, 1.0], [1.0, -1.0]), "minimum": ([1.0, 1.0], [1.0, -1.0]), "fmax": ([1.0, 1.0], [1.0, -1.0]),
    "fmin": ([1.0, 1.0], [1.0, -1.0]), "clip": ([1.0, 0.0, 1.0], [1.0, 0.0, 0.0]), "clip_low": ([0.0, 0.0], [1.0, 0.0]),
    "clip_high": ([1.0, 1.0], [1.0, 0.0]), "copysign": ([0.0, 2.0], [1.0, 0.0]), "i0e": ([0.0], [1.0]),
    "reduce_max": ([np.array([1.0, 1.0])], [np.array([1.0, -1.0])]), "reduce_min": ([np.ones(2)], [np.array([1.0, -1.0])]),
    "sort": ([np.ones(2)], [np.array([1.0, -1.0])]), "partition": ([np.ones(2)], [np.array([1.0, -1.0])]),
    "eigvalsh": ([np.eye(2)], [np.diag([1.0, -1.0])]), "eigh": ([np.eye(2)], [np.diag([1.0, -1.0])]),
    "svdvals": ([np.diag([1.0, 0.0])], [np.diag([0.0, 1.0])]),
    "cummax": ([np.ones(2)], [np.array([1.0, -1.0])]), "cummin": ([np.ones(2)], [np.array([-1.0, 1.0])]),
}
JUMPS = {
    "sign": ([0.0], [1.0]), "heaviside": ([0.0, 0.5], [1.0, 0.0]), "remainder": ([3.0, 1.5], [1.0, 0.0]),
    "fmod": ([3.0, 1.5], [1.0, 0.0]), "divmod": ([3.0, 1.5], [1.0, 0.0]), "modf": ([2.0], [1.0]), "frexp": ([2.0], [1.0]),
    "copysign": ([1.0, 0.0], [0.0, 1.0]), "arctan2": ([0.0, -1.0], [1.0, 0.0]),
    "unwrap": ([np.array([0.0, 3.0])], [np.array([0.0, 1.0])]),
}
PARAMS = {"reduce_max": {"axes": (0,)}, "reduce_min": {"axes": (0,)}, "sort": {"axis": 0, "kind": "quicksort"},
          "partition": {"axis": 0, "kth": (0,)}, "cummax": {"axis": 0}, "cummin": {"axis": 0},
          "eigvalsh": {"uplo": "L"}, "eigh": {"uplo": "L"}, "unwrap": {"axis": 0, "period": 6.0, "discont": None}}


def at(name, slot, operands, direction, t):
    """Results of a primitive, and its pieces, beside some operands."""
    p, params = REGISTRY[name], PARAMS.get(name, {})

    def both(*ops):
        y = p(*ops, **params)
        results = y if p.multiple else (y,)
        return (*results, getattr(p, slot)(*results, *ops, **params))
    moved = [np.asarray(x + t * d)[()] for x, d in zip(operands, direction, strict=True)]
    with np.errstate(all="ignore"):
        *results, pieces = Program(build_graph(both, *[type_of(np.asarray(x)) for x in moved]))(*moved)
    return results, pieces


def test_the_tables_are_complete():
    assert set(KINKS) == {name for name, p in REGISTRY.items() if p.kinks is not None}
    assert set(JUMPS) == {name for name, p in REGISTRY.items() if p.jumps is not None}


@pytest.mark.parametrize("name", sorted(KINKS))
def test_kinks_are_kinks(name):
    operands, direction = KINKS[name]
    (middle, here), (one, above), (other, below) = [at(name, "kinks", operands, direction, t) for t in (0.0, 1e-6, -1e-6)]
    assert np.any(above != here) or np.any(below != here)
    with np.errstate(all="ignore"):
        bent = [(a + b - 2.0 * y) / 1e-6 for a, b, y in zip(one, other, middle, strict=True)]
    assert np.any(~(np.abs(bent[0]) < 0.5)), "slopes on both sides agree"
    assert np.all(np.abs(one[0] - middle[0]) < 2e-3), "it jumps"


@pytest.mark.parametrize("name", sorted(JUMPS))
def test_jumps_are_jumps(name):
    operands, direction = JUMPS[name]
    (one, above), (other, below) = [at(name, "jumps", operands, direction, t) for t in (1e-9, -1e-9)]
    assert np.any(above != below)
    assert any(np.any(np.abs(a - b) > 0.1) for a, b in zip(one, other, strict=True))
