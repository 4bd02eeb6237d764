"""Arrays of other libraries as NumPy's.

What comes in: a tree with leaves that speak DLPack (tensors of PyTorch, arrays of JAX, CuPy on the CPU, ...). What goes out:
the tree with NumPy arrays over the same memory. The one idea: NumPy reads the protocol itself; what it cannot read is named.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from wengert.errors import InputError
from wengert.flatten import flatten

__all__ = ["as_arrays", "shared"]


def as_arrays(tree: Any) -> Any:
    """A tree of arrays of any library as NumPy arrays that share their memory.

    Parameters
    ----------
    tree : array, or tree of these
        Leaves with ``__dlpack__`` are converted; others stay as they are. Tensors that carry a derivative are detached first: a
        conversion does not differentiate; `to_torch` and `to_jax` do.

    Returns
    -------
    tree of ndarray
        Of the same structure. An array that its library does not let others write to is read-only. The way back needs no
        function: ``torch.from_dlpack(x)`` and ``jax.numpy.from_dlpack(x)`` take NumPy arrays, which is what wengert returns.

    Raises
    ------
    InputError
        Memory of another device, or a dtype that NumPy has not (bfloat16).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> x = np.arange(3.0)
    >>> y = wg.interop.as_arrays({"x": x, "n": 3})
    >>> np.shares_memory(x, y["x"]), y["n"]
    (True, 3)
    """
    leaves, spec = flatten(tree)
    return spec.unflatten([shared(x, spec.place(k)) for k, x in enumerate(leaves)])


def shared(x: Any, place: str = "", who: str = "as_arrays") -> Any:
    """A leaf as an array over the same memory, if it speaks DLPack."""
    if isinstance(x, (np.ndarray, np.generic)) or not hasattr(x, "__dlpack__"):
        return x
    if getattr(x, "requires_grad", False):
        x = x.detach()
    for resolve in ("resolve_conj", "resolve_neg"):  # PyTorch's lazy conjugates, which the protocol does not know
        x = getattr(x, resolve, lambda same=x: same)()
    try:
        return np.from_dlpack(x)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        name = f"{place}: " if place else ""
        raise InputError(f"{who}: {name}a {type(x).__module__}.{type(x).__name__} cannot be read as a NumPy array "
                         f"({error}); bring it to the CPU, in a dtype that NumPy has") from error
