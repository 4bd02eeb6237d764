"""Parameters in safetensors files.

What comes in: a tree of arrays, such as a model, and a path. What goes out: a file that every framework reads, and back. The
one idea: a leaf's name in the file is its place in the tree, written as PyTorch writes it: ``layers.0.weight``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from wengert.errors import DataError, InputError
from wengert.flatten import flatten
from wengert.frontends.tracer import Tracer

from .arrays import shared

__all__ = ["load_safetensors", "save_safetensors"]


def _library() -> Any:
    try:
        from safetensors import numpy
    except ImportError as error:
        raise ImportError("safetensors is not installed; pip install safetensors") from error
    return numpy


def _named(tree: Any) -> dict[str, tuple[int, Any]]:
    """The arrays of a tree by name, with their place among its leaves; numbers, functions and None are not saved."""
    leaves, spec = flatten(tree)
    paths = [("value",)] if spec.tree is None else spec.tree.paths()
    found: dict[str, tuple[int, Any]] = {}
    for k, (x, path) in enumerate(zip(leaves, paths, strict=True)):
        name = ".".join([str(part) for part in path])
        if isinstance(x, Tracer):
            raise InputError(f"safetensors: {name} is traced, and has no numbers to write; write what the function returns")
        x = shared(x, name, "safetensors")
        if isinstance(x, (float, complex, np.ndarray, np.generic)):
            if name in found or name == "__metadata__":
                why = "two leaves are called" if name in found else "the format keeps for itself the name"
                raise InputError(f"safetensors: {why} {name!r}")
            found[name] = k, x
    return found


def _native(name: str, x: Any) -> Any:
    """An array as the format has it: in rows, in the byte order of this machine, in one of its dtypes."""
    dtype = np.asarray(x).dtype.newbyteorder("=")
    if not (dtype.isbuiltin == 2 or dtype.kind in "biu" or dtype in (np.float16, np.float32, np.float64, np.complex64)):
        raise InputError(f"safetensors: {name} is {dtype}, which the format has not" + (
            "; write real and imaginary parts apart" if dtype == np.complex128 else "; convert it: x.astype(float)"))
    return np.array(x, dtype, order="C")


def save_safetensors(tree: Any, path: str | os.PathLike[str], metadata: dict[str, str] | None = None) -> None:
    """Write the arrays of a tree to a safetensors file.

    Parameters
    ----------
    tree : tree of arrays
        A model, or anything else. Arrays, tensors and floats are written; ints, strings, functions and None belong to the
        structure.
    path : str or Path
        An existing file is replaced, at once and whole.
    metadata : dict of str, optional
        Written into the file's header.

    Raises
    ------
    InputError
        Two leaves of one name; a dtype that the format has not (complex128, long doubles); traced arrays.

    Examples
    --------
    >>> import numpy as np, tempfile, os
    >>> import wengert as wg
    >>> model = {"layers": [{"weight": np.eye(2), "bias": np.zeros(2)}]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.safetensors")
    ...     wg.interop.save_safetensors(model, path)
    ...     sorted(wg.interop.load_safetensors(path))
    ['layers.0.bias', 'layers.0.weight']
    """
    tensors = {name: _native(name, x) for name, (_, x) in _named(tree).items()}
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _library().save_file(tensors, beside, metadata)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def load_safetensors(path: str | os.PathLike[str], like: Any = None) -> Any:
    """Read a safetensors file.

    Parameters
    ----------
    path : str or Path
    like : tree, optional
        Where the arrays belong: names, shapes and dtypes have to agree.

    Returns
    -------
    tree
        A tree like `like` with the file's arrays; without it, a dict from names to arrays.

    Raises
    ------
    InputError
        A name is missing in the file, or has no place in `like`; another shape or dtype.
    DataError
        The file is damaged, or none of this format.
    """
    library = _library()
    try:
        tensors = dict(library.load_file(path))
    except OSError:
        raise
    except Exception as error:  # the library raises many kinds of error for bytes that are no such file
        raise DataError(f"load_safetensors: {path} is no safetensors file, or a damaged one, or has a dtype that NumPy has not "
                        f"({error})") from error
    if like is None:
        return tensors
    leaves, spec = flatten(like)
    leaves = list(leaves)
    named = _named(like)
    missing, unknown = sorted(set(named) - set(tensors)), sorted(set(tensors) - set(named))
    if missing or unknown:
        said = [f"{what}: {', '.join(names)}"
                for what, names in (("not in the file", missing), ("only in the file", unknown)) if names]
        raise InputError(f"load_safetensors: {path} does not fit the tree; {'; '.join(said)}")
    for name, (k, old) in named.items():
        new, dtype = tensors[name], np.asarray(old).dtype
        if new.shape != np.shape(old) or new.dtype != dtype.newbyteorder("="):
            raise InputError(f"load_safetensors: {name} is {new.dtype}{list(new.shape)} in {path} and "
                             f"{dtype}{list(np.shape(old))} in the tree")
        leaves[k] = new if isinstance(old, np.ndarray) else new.item() if isinstance(old, (float, complex)) else new[()]
    return spec.unflatten(leaves)
