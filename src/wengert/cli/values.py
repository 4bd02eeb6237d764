"""Values from words.

What comes in: the words `name=value` of the command line. What goes out: a value for each name: numbers,
lists, arrays from files. The one idea: a number may be written as a formula of constants, `pi/4`; Python is
never run.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import wengert as wg
from wengert.cli.data import is_file, load, load_named
from wengert.errors import FormulaError, InputError

__all__ = ["bindings"]

_WORDS = {"True": True, "False": False, "None": None}


def bindings(words: list[str], parameters: list[str], allow_nan: bool) -> dict[str, Any]:
    """The value of each name that the words bind."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or (is_file(word) and "." in name):
            if not is_file(word):
                raise InputError(f"{word!r} is neither NAME=VALUE nor a .csv, .tsv, .npz or .npy file")
            new = load_named(word, parameters, allow_nan)
        else:
            new = {name.strip(): _value(name.strip(), text.strip(), allow_nan)}
        for key, value in new.items():
            if key in found:
                raise InputError(f"{key!r} is given twice")
            found[key] = value
    return found


def _value(name: str, text: str, allow_nan: bool) -> Any:
    if not text:
        raise InputError(f"no value follows '{name}='")
    if is_file(text):
        return load(text, allow_nan)
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    value = _list(name, text) if text[0] in "[(" and text[-1] in ")]" and "," in text else _number(name, text)
    if not allow_nan and not np.all(np.isfinite(value)):
        raise InputError(f"the value of {name!r} is not finite: pass --allow-nan to compute with it")
    return value


def _number(name: str, text: str) -> Any:
    if re.fullmatch("[+-]?[0-9]+", text):
        if len(text) > 20 or not -2**63 <= int(text) < 2**63:
            raise InputError(f"the value of {name!r} does not fit into a 64-bit integer: write a float, 1e20")
        return int(text)
    for kind in (float, complex):
        try:
            return kind(text.replace("_", "x"))
        except ValueError:
            continue
    if text.startswith("[") and text.endswith("]") and text[1:-1].strip():
        return np.atleast_1d(_number(name, text[1:-1].strip()))
    if text.startswith("["):
        raise InputError(f"{name}={text} is not a list of numbers: write [1, 2, 3] or [[1, 2], [3, 4]]")
    try:
        return wg.formula(text, variables=())().item()
    except FormulaError as error:
        if re.fullmatch(r"[\w./\\:~-]*\.\w+", text):
            raise InputError(f"the value {text!r} of {name!r} is no number, and no .npy, .npz, .csv or .tsv "
                             f"file") from None
        raise FormulaError(f"the value of {name!r}: {error.message}", text, error.column) from None


def _list(name: str, text: str) -> np.ndarray:
    """``[1, 2, pi]``, ``[[1, 2], [3, 4]]``; whole numbers stay whole until they are differentiated."""
    try:
        return np.array(_items(name, text))
    except ValueError:
        raise InputError(f"the rows of the list {name}={text} have different lengths") from None


def _items(name: str, text: str) -> Any:
    if not text.startswith("["):
        return _number(name, text)
    if not text.endswith("]"):
        raise InputError(f"the list {name}={text} is not closed: ']' is missing")
    parts, depth, start = [], 0, 1
    for place in range(1, len(text) - 1):
        depth += (text[place] in "[(") - (text[place] in "])")
        if depth < 0:
            raise InputError(f"the list {name}={text} has a bracket too many")
        if text[place] == "," and depth == 0:
            parts.append(text[start:place].strip())
            start = place + 1
    last = text[start:-1].strip()
    parts += [last] if last else []
    if depth or not all(parts) or not parts:
        raise InputError(f"{name}={text} is not a list of numbers: write [1, 2, 3] or [[1, 2], [3, 4]]")
    return [_items(name, part) for part in parts]
