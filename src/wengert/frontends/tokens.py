"""Text to tokens.

What comes in: the text of a formula. What goes out: a list of tokens, each with its place in the text, ended
by one of kind "end". The one idea: everything typographic is settled here (− and -, ** and ^, w₁ and w1), and
a character that no formula has is refused with a word about what to write instead.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from wengert.errors import FormulaError

__all__ = ["Token", "normalized_name", "tokenize"]

MAX_LENGTH = 100_000

_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_OTHER_BASE = re.compile(r"0[xXbBoO][0-9a-fA-F]")
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-"))
_SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"

_OPERATORS = {
    "+": "+", "-": "-", "−": "-", "–": "-", "*": "*", "·": "*", "⋅": "*", "∙": "*", "×": "*", "∗": "*",
    "/": "/", "÷": "/", "∕": "/", "⁄": "/", "^": "^", "**": "^",
}
_SINGLE = {
    "(": "open", "{": "open", ")": "close", "}": "close", ",": "comma", "|": "bar", "√": "root", "∛": "root",
}

# What to write instead of a sign that formulas do not have; the longer sign is tried first.
_REFUSED = {
    "==": "a formula has no equality sign: leave out one side, or write equal(a, b)",
    "<=": "a comparison is written less_equal(a, b)", ">=": "a comparison is written greater_equal(a, b)",
    "!=": "a comparison is written not_equal(a, b)", "//": "write floor(a/b) for the whole part",
    "=": "a formula is one side of an equation: leave out the '=' and what is on its left",
    "<": "a comparison is written less(a, b)", ">": "a comparison is written greater(a, b)",
    "≤": "a comparison is written less_equal(a, b)", "≥": "a comparison is written greater_equal(a, b)",
    "≠": "a comparison is written not_equal(a, b)",
    "%": "write mod(a, b) for a remainder, x/100 for a percentage",
    "!": "write gamma(x + 1) for a factorial", ";": "write one formula at a time, without ';'",
    "[": "write round parentheses (...)", "]": "write round parentheses (...)",
    "\\": "LaTeX commands are not read: write sin(x), sqrt(x), pi, a/b",
    "'": "a prime for a derivative is not read: give the function, its derivative is computed",
    "′": "a prime for a derivative is not read: give the function, its derivative is computed",
    "∂": "a derivative sign is not read: give the function, its derivative is computed",
    "@": "write a product of numbers with '*'", "&": "conditions are written where(condition, a, b)",
    "?": "conditions are written where(condition, a, b)", "∞": "write inf", "°": "write deg2rad(x)",
    "$": "leave out the '$'", '"': "write the formula without quotation marks",
    "∑": "write the terms of a sum with '+'", "∏": "write the factors of a product with '*'",
    "∫": "integrals are not read", ".": "a '.' belongs in a number: 0.5",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a formula: ``text[start:end]``, of a kind, with what it means in ``value``.

    Kinds: number, name, operator, open, close, comma, bar, root, superscript, end. ``glued`` says that no
    space stands before it.
    """

    kind: str
    value: str
    start: int
    end: int
    glued: bool


def _in_name(c: str) -> bool:
    if c.isascii():
        return c.isalnum() or c == "_"
    if c in _SUBSCRIPTS:
        return True
    letter = c.isalpha() or c.isdecimal() or unicodedata.category(c).startswith("M")
    return letter and not unicodedata.decomposition(c).startswith("<super>")  # xⁿ is a power, not a name


def _starts_name(c: str) -> bool:
    return c == "_" or (c.isalpha() and _in_name(c))


def normalized_name(text: str) -> str | None:
    """A variable name in the one spelling that trees use, or None if it is no name.

    Examples
    --------
    >>> normalized_name("w₁"), normalized_name("w_1"), normalized_name("2x")
    ('w1', 'w_1', None)
    """
    if not text or not _starts_name(text[0]) or not all(map(_in_name, text)):
        return None
    name = unicodedata.normalize("NFKC", text)
    # A ligature may fall apart into something that is no name any more.
    if not _starts_name(name[0]) or not all(map(_in_name, name)):
        return None
    return name


def _number_end(text: str, start: int, found: re.Match[str]) -> int:
    end = found.end()
    if _OTHER_BASE.match(text, start):
        raise FormulaError("numbers are decimal: write 31, not 0x1f", text, start + 1)
    if text.startswith("_", end):
        raise FormulaError("write digits without '_' between them", text, end + 1)
    value = float(found.group())
    if math.isinf(value) or (value == 0 and re.search("[1-9]", re.split("[eE]", found.group())[0])):
        size = "large" if value else "small"
        raise FormulaError(f"this number is too {size} for a 64-bit float", text, start + 1)
    return end


def _run_end(text: str, start: int, member: Callable[[str], bool]) -> int:
    end = start
    while end < len(text) and member(text[end]):
        end += 1
    return end


def _superscript(text: str, start: int) -> tuple[str, str, int]:
    end = _run_end(text, start, _SUPERSCRIPTS.__contains__)
    value = "".join(_SUPERSCRIPTS[c] for c in text[start:end])
    if not re.fullmatch("[+-]?[0-9]{1,18}", value):
        raise FormulaError("a raised exponent is a whole number: write ^(...) for others", text, start + 1)
    return "superscript", value, end


def _next(text: str, start: int) -> tuple[str, str, int]:
    """Kind, value and end of the token that begins at `start`."""
    c = text[start]
    number = _NUMBER.match(text, start)
    if number:
        return "number", number.group(), _number_end(text, start, number)
    if _starts_name(c):
        end = _run_end(text, start, _in_name)
        name = normalized_name(text[start:end])
        if name is None:
            raise FormulaError(f"{text[start:end]!r} is not a name", text, start + 1)
        return "name", name, end
    if c in _SUPERSCRIPTS:
        return _superscript(text, start)
    pair = text[start:start + 2]
    for sign in (pair, c):
        if sign in _OPERATORS:
            if pair == "//":
                break
            return "operator", _OPERATORS[sign], start + len(sign)
    if c in _SINGLE:
        return _SINGLE[c], c, start + 1
    for sign in (pair, c):
        if sign in _REFUSED:
            raise FormulaError(f"unexpected {sign!r}: {_REFUSED[sign]}", text, start + 1)
    if unicodedata.decomposition(c).startswith("<super>"):
        raise FormulaError(f"unexpected {c!r}: write the exponent after '^'", text, start + 1)
    named = unicodedata.name(c, f"U+{ord(c):04X}")
    raise FormulaError(f"unexpected {c!r} ({named})", text, start + 1)


def tokenize(text: str) -> list[Token]:
    """Split a formula into tokens.

    Examples
    --------
    >>> [(token.kind, token.value) for token in tokenize("2 x₁²")]
    [('number', '2'), ('name', 'x1'), ('superscript', '2'), ('end', '')]
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"the formula is longer than {MAX_LENGTH:,} characters", text, MAX_LENGTH + 1)
    tokens: list[Token] = []
    place, glued, last = 0, False, len(text.rstrip())
    while place < last:
        if text[place].isspace():
            if text[place] in _LINE_ENDS and tokens:
                raise FormulaError("a formula is one line: join the lines with a space", text, place + 1)
            place, glued = place + 1, False
            continue
        kind, value, end = _next(text, place)
        tokens.append(Token(kind, value, place, end, glued))
        place, glued = end, True
    tokens.append(Token("end", "", last, last, False))
    return tokens
