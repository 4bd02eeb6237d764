"""Numbers from files.

What comes in: `file.npy`, `file.npz:key` or `file.csv:columns`, as written on the command line. What goes
out: arrays. The one idea: a cell that is no number, or is not finite, is an error that names its line and
column; nothing is skipped or filled in.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np

from wengert.errors import DataError

__all__ = ["is_file", "load", "load_named"]

_FILE = re.compile(r"(?P<path>.*\.(?P<kind>npy|npz|csv|tsv))(?::(?P<part>.*))?", re.IGNORECASE)
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "-"}


def is_file(text: str) -> bool:
    """Whether a word of the command line names a data file."""
    return _FILE.fullmatch(text) is not None


def load(text: str, allow_nan: bool) -> np.ndarray:
    """The one array that `text` stands for: one column gives a vector, several (or ``column,``) a matrix."""
    path, kind, part = _split(text)
    if kind == "npy":
        if part is not None:
            raise DataError(f"{text}: a .npy file holds one array: leave out ':{part}'")
        return _finite(_numbers(_npy(path), str(path)), str(path), allow_nan)
    if kind == "npz":
        arrays = _npz(path)
        key = part if part is not None else _only_key(path, arrays)
        return _chosen(path, arrays, key, allow_nan)
    table = _Table(path, kind)
    names = table.wanted(part) if part else table.names
    columns = [table.column(name, allow_nan) for name in names]
    single = len(columns) == 1 and part is not None and not part.rstrip().endswith(",")
    return columns[0] if single else np.stack(columns, axis=1)


def load_named(text: str, parameters: list[str], allow_nan: bool) -> dict[str, np.ndarray]:
    """Columns (or keys) as values of the parameters of the same names; without a choice, all that fit."""
    path, kind, part = _split(text)
    if kind == "npy":
        raise DataError(f"{text}: a .npy file has no names: write NAME={text}")
    arrays = _npz(path) if kind == "npz" else None
    table = None if arrays is not None else _Table(path, kind)
    known = list(arrays) if arrays is not None else table.names if table is not None else []
    if part:
        names = [name.strip() for name in part.split(",") if name.strip()]
        strangers = [name for name in names if name not in parameters]
        if strangers:
            takes = ", ".join(parameters)
            raise DataError(f"{text}: {strangers[0]!r} is not a parameter (they are {takes}): write "
                            f"NAME={path}:{strangers[0]}")
    else:
        names = [name for name in known if name in parameters]
        if not names:
            raise DataError(f"{path}: none of its columns ({_few(known)}) is a parameter "
                            f"({', '.join(parameters)}): write NAME={path}:COLUMN")
    if arrays is not None:
        return {name: _chosen(path, arrays, name, allow_nan) for name in names}
    assert table is not None
    return {name: table.column(table.wanted(name)[0], allow_nan) for name in names}


def _split(text: str) -> tuple[Path, str, str | None]:
    found = _FILE.fullmatch(text)
    assert found is not None
    path = Path(found["path"])
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file")
    if not path.exists():
        raise DataError(f"there is no file {path}{_similar(path)}")
    return path, found["kind"].lower(), found["part"]


def _similar(path: Path) -> str:
    if not path.parent.is_dir():
        return f": there is no folder {path.parent}"
    close = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
    return f": did you mean {path.with_name(close[0])}?" if close else f" in {path.parent.resolve()}"


def _few(names: list[str]) -> str:
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


# ---------------------------------------------------------------- NumPy's files

def _npy(path: Path) -> Any:
    return _read(path)


def _npz(path: Path) -> dict[str, Any]:
    archive = _read(path)
    if isinstance(archive, np.ndarray):
        raise DataError(f"{path} holds one array, it is a .npy file: rename it")
    if not archive.files:
        raise DataError(f"{path} holds no arrays")
    return {key: _Lazy(archive, key) for key in archive.files}


class _Lazy:
    """An array of an archive, read when it is wanted."""

    def __init__(self, archive: Any, key: str):
        self.archive, self.key = archive, key

    def read(self, path: Path) -> Any:
        try:
            found = self.archive[self.key]
        except Exception as error:
            raise DataError(f"{path}:{self.key} cannot be read: {_sentence(error)}") from error
        if not isinstance(found, np.ndarray):  # the bytes of a member of another kind
            raise DataError(f"{path}:{self.key} is no array")
        return found


def _read(path: Path) -> Any:
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty")
    try:
        with path.open("rb") as file:
            archive = file.read(2) == b"PK"
        return np.load(io.BytesIO(path.read_bytes()) if archive else path, allow_pickle=False)  # a damaged archive is left open
    except Exception as error:  # NumPy raises many kinds of error for bytes that are no array
        said = _sentence(error)
        why = "it may hold Python objects, which are not read" if "pickle" in said else said
        raise DataError(f"{path} is no NumPy file, or a damaged one: {why}") from error


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _only_key(path: Path, arrays: dict[str, Any]) -> str:
    if len(arrays) != 1:
        raise DataError(f"{path} holds {len(arrays)} arrays ({_few(list(arrays))}): write {path}:KEY")
    return next(iter(arrays))


def _item(path: Path, arrays: dict[str, Any], key: str) -> Any:
    if key not in arrays:
        close = difflib.get_close_matches(key, arrays, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it holds {_few(list(arrays))}"
        raise DataError(f"{path} has no array {key!r}: {hint}")
    return arrays[key].read(path)


def _chosen(path: Path, arrays: dict[str, Any], key: str, allow_nan: bool) -> np.ndarray:
    name = f"{path}:{key}"
    return _finite(_numbers(_item(path, arrays, key), name), name, allow_nan)


def _numbers(array: Any, name: str) -> np.ndarray:
    if array.dtype.kind not in "fciub":
        raise DataError(f"{name} holds {array.dtype}, not numbers")
    if array.size == 0:
        raise DataError(f"{name} is an empty array, of shape {array.shape}")
    return np.asarray(array)


def _finite(array: np.ndarray, name: str, allow_nan: bool) -> np.ndarray:
    if allow_nan or array.dtype.kind not in "fc" or np.all(np.isfinite(array)):
        return array
    where = np.argwhere(~np.isfinite(array))[0].tolist()
    value = array[tuple(where)]
    words = ("row {}, column {}", "element {}")[len(where) != 2].format(*where) if where else "the value"
    raise DataError(f"{name}: {words} (counted from 0) is {value}: correct the data, or pass --allow-nan to "
                    f"compute with it")


# ---------------------------------------------------------------- tables of text

class _Table:
    """A CSV file: a header (or column numbers), and cells that are looked at when their column is wanted."""

    def __init__(self, path: Path, kind: str):
        self.path = path
        rows = self._rows(kind)
        if not rows:
            raise DataError(f"{path} is empty")
        first = [cell.strip() for cell in rows[0][1]]
        headed = any(not _is_number(cell) and cell.lower() not in _MISSING for cell in first)
        self.names = first if headed else [str(k) for k in range(len(first))]
        self.rows = rows[1:] if headed else rows
        if not self.rows:
            raise DataError(f"{path} has a header and no rows of data")
        for line, row in self.rows:
            if len(row) != len(first):
                what = "the header" if headed else "the first row"
                raise DataError(f"{path}: line {line} has {len(row)} cells, {what} has {len(first)}")

    def _rows(self, kind: str) -> list[tuple[int, list[str]]]:
        """Line numbers and cells, without blank lines and lines that begin with #."""
        try:
            text = self.path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path} is not UTF-8 text (byte {error.start}); is it a CSV file?"
                            ) from error
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror}") from error
        lines = text.splitlines()
        body = next((line for line in lines if line.strip() and not line.startswith("#")), "")
        delimiter = "\t" if kind == "tsv" else max(",;\t", key=body.count)
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        try:
            return [(reader.line_num, row) for row in reader
                    if any(cell.strip() for cell in row) and not row[0].startswith("#")]
        except csv.Error as error:
            raise DataError(f"{self.path}: line {reader.line_num}: {_sentence(error)}") from error

    def wanted(self, part: str) -> list[str]:
        """The columns that ``a,b`` or ``0,2`` names."""
        found = []
        for name in (word.strip() for word in part.split(",")):
            if not name:
                continue
            if name in self.names:
                found.append(name)
            elif re.fullmatch("-?[0-9]+", name) and -len(self.names) <= int(name) < len(self.names):
                found.append(self.names[int(name)])
            else:
                close = difflib.get_close_matches(name, self.names, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"its columns are {_few(self.names)}"
                raise DataError(f"{self.path} has no column {name!r}: {hint}")
        if not found:
            raise DataError(f"{self.path}: no column is named after the ':'")
        return found

    def column(self, name: str, allow_nan: bool) -> np.ndarray:
        if (count := self.names.count(name)) > 1:
            raise DataError(f"{self.path} has {count} columns {name!r}: give them different names")
        place = self.names.index(name)
        return np.array([self._number(line, name, row[place].strip(), allow_nan) for line, row in self.rows])

    def _number(self, line: int, name: str, cell: str, allow_nan: bool) -> float:
        where = f"{self.path}: line {line}, column {name!r}"
        if cell.lower() in _MISSING:
            value = float("nan")
        else:
            try:
                value = float(cell.replace("_", "x"))
            except ValueError:
                raise DataError(f"{where}: {cell!r} is not a number") from None
        if not allow_nan and not np.isfinite(value):
            shown = f"is {cell!r}" if cell else "is empty"
            raise DataError(f"{where} {shown}: correct the data, or pass --allow-nan to compute with it")
        return value


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
