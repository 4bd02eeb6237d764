"""The graph: types, variables, equations, the primitive record, building, checking, printing."""

from wengert.graph.build import Build, Handle, build_graph, params_key
from wengert.graph.graph import Atom, Const, Equation, Graph, Var, has_no_effect
from wengert.graph.primitive import REGISTRY, Missing, Primitive
from wengert.graph.types import ArrayType, Stack, StackType, Type, type_of

__all__ = ["REGISTRY", "ArrayType", "Atom", "Build", "Const", "Equation", "Graph", "Handle", "Missing",
           "Primitive", "Stack", "StackType", "Type", "Var", "build_graph", "has_no_effect", "params_key", "type_of"]
