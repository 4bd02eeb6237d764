"""Checkpoints: the state of a run as one file, replaced as a whole.

What comes in: arrays by name, and numbers. What goes out: a file (a zip of ``.npy`` files and one of JSON, as `np.load`
reads it), and what was in it. The one idea: a new file is complete on the disk before it takes the old one's name, so that
there is always a good one; nothing in it is code, and what is loaded has to be what was written, of such a model.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from wengert.errors import DataError

__all__ = ["clear", "read", "write"]

_FORMAT = 2
_KINDS = {"float": float, "complex": complex}


def _kind(x: Any) -> str:
    """How a value comes back: an array, a NumPy scalar, or a number of Python's; their arithmetic differs."""
    return "array" if isinstance(x, np.ndarray) else "scalar" if isinstance(x, np.generic) else type(x).__name__


def _as(kind: str, x: np.ndarray) -> Any:
    return x if kind == "array" else x[()] if kind == "scalar" else _KINDS[kind](x[()])


def write(path: Path, arrays: dict[str, tuple[Any, ...]], history: dict[str, np.ndarray], fixed: dict[str, Any],
          at: dict[str, Any]) -> None:
    """Write a checkpoint; if that fails, the file that was there stays, and nothing else."""
    kinds = {name: [_kind(x) for x in values] for name, values in arrays.items()}
    header = {"format": _FORMAT, "fixed": fixed, "at": at, "kinds": kinds}
    content = {f"{name} {k}": np.asarray(x) for name, values in arrays.items() for k, x in enumerate(values)}
    content |= {f"history {name}": x for name, x in history.items()}
    content["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    content["digest"] = _digest(content)
    made = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with made.open("wb") as file:
            np.savez(file, allow_pickle=False, **content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(made, path)
    except BaseException:
        with contextlib.suppress(OSError):
            made.unlink()
        raise
    _sync_folder(path.parent)


def _digest(content: dict[str, Any]) -> np.ndarray:
    """Of all names, types and bytes: a file that was taken apart and put together otherwise has another one."""
    found = hashlib.sha256()
    for name in sorted(set(content) - {"digest"}):
        x = np.asarray(content[name])
        found.update(f"{name} {x.dtype.str} {x.shape} ".encode())
        found.update(x.tobytes())
    return np.frombuffer(found.digest(), np.uint8)


def clear(path: Path) -> None:
    """Remove what a run that was killed left half written."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError):
            left.unlink()


def _sync_folder(folder: Path) -> None:
    """Have the new name on the disk too, where folders can be opened."""
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def read(path: Path, fixed: dict[str, Any]) -> tuple[dict[str, tuple[Any, ...]], dict[str, np.ndarray], dict[str, Any]]:
    """Arrays, history and position of a checkpoint, which has to be of such a run."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(file):
            file.seek(0)
            with np.load(file, allow_pickle=False) as content:
                found = {name: content[name] for name in content.files}
        header = dict(json.loads(found["header"].tobytes()))
        if header["format"] == _FORMAT and (missing := {"fixed", "kinds", "at"} - set(header)):
            raise KeyError(*missing)
        if header["format"] == _FORMAT and not np.array_equal(found["digest"], _digest(found)):
            raise ValueError("its content is not what was written")
    except PermissionError:
        raise
    except Exception as error:  # NumPy and zipfile raise many kinds of error for bytes that are no such file
        raise DataError(f"fit: {path} is no checkpoint, or a damaged one ({error}); remove it to begin anew") from error
    if header["format"] != _FORMAT:
        raise DataError(f"fit: {path} has the format {header['format']!r}, and this version reads {_FORMAT}")
    for what, here in fixed.items():
        _require_same(path, what, header["fixed"][what], json.loads(json.dumps(here)))
    arrays = {name: tuple([_as(kind, found[f"{name} {k}"]) for k, kind in enumerate(kinds)])
              for name, kinds in header["kinds"].items()}
    history = {name.removeprefix("history "): x for name, x in found.items() if name.startswith("history ")}
    return arrays, history, header["at"]


def _require_same(path: Path, what: str, there: dict[str, Any], here: dict[str, Any]) -> None:
    """The same names with the same values."""
    for name in dict.fromkeys([*here, *there]):
        a, b = there.get(name, "nothing"), here.get(name, "nothing")
        if a != b:
            place = name if what == "settings" else f"{what}{name}"
            raise DataError(f"fit: {path} is of another run: there {place} is {a}, and here {b}; resume with the same model, "
                            "optimizer and settings, or remove the file to begin anew")
