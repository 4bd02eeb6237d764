"""Forward mode: from a graph to the graph that carries differentials alongside values.

What comes in: a graph and its active inputs. What goes out: a graph from values and tangents to values and
tangents. The one idea: the primal graph followed by its linearization, in one graph, sharing equal equations.
"""

from __future__ import annotations

from collections.abc import Sequence

from wengert.graph import Build, Graph
from wengert.transforms.linearize import linearize

__all__ = ["jvp"]


def jvp(graph: Graph, active: Sequence[bool]) -> tuple[Graph, tuple[bool, ...]]:
    """``(x, dx) -> (f(x), f'(x) dx)``, and which output tangents are not identically zero.

    The inputs are those of `graph`, then one tangent for each active input; the outputs are those of `graph`,
    then the tangents marked nonzero.
    """
    linear = linearize(graph, active)
    build = Build()
    primal = [build.input(v.type) for v in graph.inputs]
    tangents = [build.input(v.type) for v, a in zip(graph.inputs, active, strict=True) if a]
    values = dict(zip(graph.inputs, [h.atom for h in primal], strict=True))
    outputs, env = build.inline_env(graph, values)
    residuals = [env[v] for v in linear.residuals]
    return build.graph([*outputs, *build.inline(linear.graph, [*tangents, *residuals])]), linear.nonzero
