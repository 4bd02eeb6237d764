"""Gradients of sums over data, computed by several processes or machines.

What comes in: a function, a Dask client, parameters, data in parts. What goes out: value and gradient. The one idea: each
part is the work of one task, and the results are added up in the order of the parts, so that it makes no difference who
computed what.
"""

from .parts import split, value_and_grad

__all__ = ["split", "value_and_grad"]
