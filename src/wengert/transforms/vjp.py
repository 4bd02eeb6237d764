"""Reverse mode: linearize, then transpose.

What comes in: a graph and its active inputs. What goes out: one joint graph from values and cotangents to
values and gradients. The one idea: the backward part shares equal equations with the forward part; what
crosses between them is chosen afterwards, by `partition`.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.graph import Build, Graph
from wengert.transforms.linearize import linearize
from wengert.transforms.transpose import transpose

__all__ = ["vjp"]


def vjp(graph: Graph, active: Sequence[bool],
        needed: Sequence[bool] | None = None) -> tuple[Graph, tuple[bool, ...], tuple[bool, ...]]:
    """``(x, y_bar) -> (f(x), f'(x)^T y_bar)``, which cotangents it takes and which gradients are not zero.

    The inputs are those of `graph`, then one cotangent for each output that depends on an active input (the
    first tuple); the outputs are those of `graph`, then the gradients marked nonzero (the second tuple, one for
    each active input). Outputs that are not `needed` take no cotangent.
    """
    linear = linearize(graph, active, needed)
    adjoint = transpose(linear)
    build = Build()
    primal = [build.input(v.type) for v in graph.inputs]
    outputs, env = build.inline_env(linear.primal, dict(zip(graph.inputs, [h.atom for h in primal], strict=True)))
    cotangents = [build.input(a.type) for a in linear.graph.outputs]
    residuals = [env[v] for v in linear.residuals]
    gradients = build.inline(adjoint.graph, [*cotangents, *residuals])
    return build.graph([*outputs, *gradients]), linear.nonzero, adjoint.nonzero
