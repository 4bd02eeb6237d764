"""Formulas: text to an evaluation tree.

What comes in: a line of mathematics, `2x sin(x)^2 + w₁`. What goes out: an `Expression`, its evaluation tree
and its variables; evaluating it on tracers instead of numbers yields a graph. The one idea: precedence
climbing, the pending operators kept on a list of their own, so that depth is a number to check and never
Python's stack; and a formula with two readings is refused with a message that names both.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from wengert.errors import FormulaError
from wengert.frontends.functions import ALSO_VARIABLES, CONSTANTS, FUNCTIONS, FormulaFunction
from wengert.frontends.tokens import Token, normalized_name, tokenize
from wengert.frontends.trees import Call, Name, Node, Number

__all__ = ["Expression", "parse"]

MAX_DEPTH = 200

# How tightly an operator holds its operands.
_SUM, _PRODUCT, _PREFIX, _POWER, _ROOT = range(1, 6)
_BINARY = {
    "+": ("add", _SUM), "-": ("subtract", _SUM), "*": ("multiply", _PRODUCT), "/": ("divide", _PRODUCT),
    "^": ("power", _POWER),
}
_ROOTS = {"√": ("sqrt", "sqrt"), "∛": ("cbrt", "cbrt")}
_CLOSING = {"(": ")", "{": "}", "|": "|"}
# A name such as `sinx` is a forgotten parenthesis more often than a variable.
_RUN_TOGETHER = re.compile("(arcsin|arccos|arctan|sin|cos|tan|sinh|cosh|tanh|exp|log|ln|sqrt|abs)([xyzθφ])")
# Words of Python, and bases of logarithms, are no factors of a product either.
_NO_FACTORS = dict.fromkeys(("if", "else", "and", "or", "not"), "where(condition, a, b)") | {
    "log_2": "log2(x)", "log_10": "log10(x)", "log_e": "log(x)"}


@dataclass(frozen=True)
class Expression:
    """A parsed formula.

    Attributes
    ----------
    text : str
        The formula as it was written. ``str(expression)`` is its tree as a formula, in one spelling.
    tree : Node
        The evaluation tree.
    variables : tuple of str
        The declared variables in their order, used or not; without a declaration those of the formula, in
        order of first appearance.

    Examples
    --------
    >>> f = parse("cos(x) e^{x²}")
    >>> print(f)
    cos(x)*e^x^2
    >>> f.variables
    ('x',)
    """

    text: str = field(compare=False)
    tree: Node
    variables: tuple[str, ...]

    def __str__(self) -> str:
        return str(self.tree)

    def evaluate(self, functions: Mapping[str, Callable[..., Any]], values: Mapping[str, Any],
                 at: Callable[[Call], object] | None = None) -> Any:
        """The value of the formula, operands from left to right.

        A formula is about real numbers, so a whole number is handed on as a float (``10^20`` does not
        overflow), except where the kind matters: as an exponent, ``x^2``, and as the order of a function,
        any argument but the last: ``besselj(2, x)``.

        Parameters
        ----------
        functions : mapping of str to callable
            What each function of the tree does, under NumPy's name of it; operators are "add", "subtract",
            "multiply", "divide", "power" and "negative".
        values : mapping of str to anything
            The value of each variable: numbers, arrays, or whatever the functions accept.
        at : callable, optional
            Called with each node just before its function is.

        Raises
        ------
        FormulaError
            If a function or a value is missing.

        Examples
        --------
        >>> import numpy as np
        >>> parse("w₁ log(w₂)").evaluate({"multiply": np.multiply, "log": np.log}, {"w1": 3.0, "w2": np.e})
        np.float64(3.0)
        """
        named = {normalized_name(name) or name: value for name, value in values.items()}

        def combine(node: Node, below: list[Any]) -> Any:
            if isinstance(node, Number):
                return node.value
            if not isinstance(node, Call):
                if node.label not in named:
                    raise FormulaError(f"no value is given for {node.label!r}", self.text, node.column)
                return named[node.label]
            function = functions.get(node.function)
            if function is None:
                raise FormulaError(f"{node.label!r} cannot be evaluated here", self.text, node.column)
            if at is not None:
                at(node)
            return function(*(_operand(node, place, value) for place, value in enumerate(below)))

        value = self.tree.fold(combine)
        return float(value) if isinstance(self.tree, Number) else value


def _operand(call: Call, place: int, value: Any) -> Any:
    if not isinstance(call.arguments[place], Number):
        return value
    if call.function == "power":
        return value if place == 1 else float(value)
    arithmetic = call.function in ("add", "subtract", "multiply", "divide")
    return float(value) if arithmetic or place == len(call.arguments) - 1 else value


@dataclass(slots=True)
class _Pending:
    """An operator or an opening bracket whose right operand or whose end is still to come."""

    kind: str  # "binary", "prefix" or "open"
    token: Token
    function: str = ""
    strength: int = 0
    called: Token | None = None
    arguments: list[Node] = field(default_factory=list)

    @property
    def deepens(self) -> bool:
        return self.kind != "binary" or self.strength == _POWER


@dataclass(frozen=True, slots=True)
class _Operand:
    """A finished operand and its place, brackets around it included."""

    node: Node
    start: int
    end: int


class _Parser:
    def __init__(
        self, text: str, variables: tuple[str, ...] | None, functions: Mapping[str, FormulaFunction]
    ) -> None:
        self.text, self.declared, self.functions = text, variables, functions
        self.names = frozenset(variables or ())
        self.tokens = tokenize(text)
        self.place = 0
        self.operands: list[_Operand] = []
        self.pending: list[_Pending] = []
        self.depth = 0
        self.wanted = True  # whether an operand must come next, or an operator
        self.seen: dict[str, None] = {}
        self.called: dict[str, Token] = {}

    def parse(self) -> Node:
        if self.tokens[0].kind == "end":
            raise FormulaError("the formula is empty", self.text, 1)
        while self.place < len(self.tokens):
            token = self.tokens[self.place]
            self.place += 1
            if self.wanted:
                self.operand(token)
            else:
                self.operator(token)
        return self.operands[0].node

    @property
    def before(self) -> Token:
        """The token before the one at hand."""
        return self.tokens[self.place - 2]

    def fail(self, message: str, token: Token) -> NoReturn:
        raise FormulaError(message, self.text, token.start + 1)

    # What may stand where an operand is wanted.

    def operand(self, token: Token) -> None:
        if token.kind == "number":
            self.push(_literal(token), token.start, token.end)
        elif token.kind == "name":
            self.name(token)
        elif token.kind == "open":
            if token.value == "{" and (self.place < 2 or self.before.value != "^"):
                self.fail("braces belong to an exponent, e^{x}: write (...) here", token)
            self.suspend(_Pending("open", token))
        elif token.kind == "bar":
            self.suspend(_Pending("open", token))
        elif token.kind == "root":
            self.suspend(_Pending("prefix", token, _ROOTS[token.value][0], _ROOT))
        elif token.kind == "operator" and token.value in "+-":
            self.suspend(_Pending("prefix", token, "negative" if token.value == "-" else "", _PREFIX))
        else:
            self.missing(token)

    def missing(self, token: Token) -> NoReturn:
        before = self.tokens[max(self.place - 2, 0)]
        shown = self.text[before.start:before.end]
        if before.kind in ("operator", "root") and token.kind == "end":
            self.fail(f"the formula ends after {shown!r}: a number, a name or '(' is expected", before)
        if token.kind == "end":
            self.unclosed()
        if token.kind == "close" and before.kind == "open":
            self.close(token, empty=True)
        found = self.text[token.start:token.end]
        where = f" after {shown!r}" if before is not token else ""
        self.fail(f"a number, a name or '(' is expected{where}, not {found!r}", token)

    def suspend(self, pending: _Pending) -> None:
        """Put off an operator or a bracket until its right operand or its end has come."""
        self.depth += pending.deepens
        if self.depth > MAX_DEPTH:
            self.fail(f"the formula is nested deeper than {MAX_DEPTH}", pending.token)
        self.pending.append(pending)
        self.wanted = True

    def push(self, node: Node, start: int, end: int) -> None:
        self.operands.append(_Operand(node, start, end))
        self.wanted = False

    def name(self, token: Token) -> None:
        name, follower = token.value, self.tokens[self.place]
        declared = name in self.names
        if follower.value == "(":
            if declared or name not in self.functions:
                self.not_called(token, declared)
            self.called.setdefault(name, token)
            if name in self.seen:
                self.twofold(name, token)
            self.place += 1
            self.suspend(_Pending("open", follower, called=token))
            return
        if name in CONSTANTS and not declared:
            symbol, value = CONSTANTS[name]
            self.push(Number(value, symbol, (token.start, token.end)), token.start, token.end)
            return
        if not declared and self.applies(name, follower):
            self.apply(token, follower)
            return
        if not declared:
            self.check_variable(token, follower)
        self.seen.setdefault(name)
        if name in self.called:
            self.twofold(name, token)
        self.push(Name(name, (token.start, token.end)), token.start, token.end)

    def applies(self, name: str, follower: Token) -> bool:
        """Whether ``sin x`` has one reading: nothing behind x could belong to it, too."""
        if name not in self.functions or name in ALSO_VARIABLES or follower.kind not in ("number", "name"):
            return False
        beyond = self.tokens[min(self.place + 1, len(self.tokens) - 1)]
        applied = beyond.kind == "name" and beyond.value in self.functions and beyond.value not in ALSO_VARIABLES
        return follower.value not in self.functions and (
            applied or beyond.kind in ("end", "close", "comma") or (beyond.kind == "operator" and beyond.value in "+-"))

    def apply(self, token: Token, follower: Token) -> None:
        """``sin x``, ``log 2``."""
        self.called.setdefault(token.value, token)
        if token.value in self.seen:
            self.twofold(token.value, token)
        self.place += 1
        self.operand(follower)
        argument = self.operands.pop()
        self.push(self.call(token, [argument.node], argument.end), token.start, argument.end)

    def twofold(self, name: str, token: Token) -> NoReturn:
        self.fail(f"{name!r} is both a function and a variable here: give the variable another name", token)

    def not_called(self, token: Token, declared: bool) -> NoReturn:
        """Refuse `x(y + 1)`: the name in front of the parenthesis is no function."""
        name, product = token.value, f"{token.value}*{self.group(self.place)}"
        if declared and name in self.functions:
            self.fail(f"{name!r} is declared as a variable: for a product write {product}", token)
        close = [] if declared or name in CONSTANTS else _closest(name, self.functions)
        if close:
            meant = f"did you mean {close[0]}(...)? A product is written {product}"
            self.fail(f"unknown function {name!r}: {meant}", token)
        self.fail(f"{name!r} is not a function: for a product write {product}", token)

    def group(self, place: int) -> str:
        """The bracketed text that begins with the token at `place`, if it is short."""
        level = 0
        for token in self.tokens[place:place + 40]:
            level += (token.kind == "open") - (token.kind == "close")
            if level == 0:
                shown = self.text[self.tokens[place].start:token.end]
                return shown if len(shown) <= 30 else "(...)"
        return "(...)"

    def check_variable(self, token: Token, follower: Token) -> None:
        """Refuse a name that is no variable, or that was meant as a function."""
        name = token.value
        if name in self.functions and (self.declared is not None or name not in ALSO_VARIABLES):
            if follower.kind == "superscript" or follower.value == "^":
                self.fail(f"{name!r} is a function: write {name}(x)^2 for a power of its value", token)
            self.fail(f"{name!r} is a function: write {name}(...)", token)
        if "π" in name and self.declared is None:
            self.fail(f"{name!r} is one name: write a space or '*' around π", token)
        together = _RUN_TOGETHER.fullmatch(name)
        if together and together[1] in self.functions and self.declared is None:
            self.fail(f"write {together[1]}({together[2]}), or declare {name!r} as a variable", token)
        if name in _NO_FACTORS and self.declared is None:
            self.fail(f"write {_NO_FACTORS[name]}, or declare {name!r} as a variable", token)
        if self.declared is None:
            return
        if len(name) > 1 and self.names.issuperset(name):
            self.fail(f"unknown variable {name!r}: write {'*'.join(name)} for a product", token)
        close = _closest(name, [*self.declared, *CONSTANTS])
        among = f"the variables are {', '.join(self.declared[:10])}" if self.declared else "only numbers can stand here"
        hint = f"did you mean {close[0]!r}?" if close else among
        self.fail(f"unknown variable {name!r}: {hint}", token)

    # What may stand where an operator is wanted.

    def operator(self, token: Token) -> None:
        if token.kind == "operator":
            function, strength = _BINARY[token.value]
            self.check_bare(token)
            if strength == _POWER and self.before.kind == "superscript":
                self.fail("a power of a power: write (x^2)^3 or x^(2^3)", token)
            self.reduce(strength, inclusive=strength != _POWER)
            self.suspend(_Pending("binary", token, function, strength))
        elif token.kind == "superscript":
            self.superscript(token)
        elif token.kind == "close" or (token.kind == "bar" and self.innermost() == "|"):
            self.close(token)
        elif token.kind == "comma":
            self.comma(token)
        elif token.kind == "end":
            self.reduce(0)
            if self.pending:
                self.unclosed()
        else:
            self.juxtaposed(token)

    def innermost(self) -> str:
        for pending in reversed(self.pending):
            if pending.kind == "open":
                return pending.token.value
        return ""

    def check_bare(self, token: Token) -> None:
        """Refuse `√x^2`: whether the root or the power comes first is anyone's guess."""
        if token.value == "^" or token.kind == "superscript":
            root = self.pending[-1] if self.pending else None
            if root and root.strength == _ROOT and self.before.kind in ("name", "number"):
                sign, bare = root.token.value, self.before.value
                self.fail(f"two readings: write {sign}({bare})^2 or {sign}({bare}^2)", token)

    def superscript(self, token: Token) -> None:
        self.check_bare(token)
        self.reduce(_ROOT, inclusive=True)
        if self.depth >= MAX_DEPTH:
            self.fail(f"the formula is nested deeper than {MAX_DEPTH}", token)
        base = self.operands.pop()
        exponent = Number(int(token.value), None, (token.start, token.end))
        span = (base.start, token.end)
        self.push(Call("power", (base.node, exponent), span), *span)

    def juxtaposed(self, token: Token) -> None:
        """An operand follows an operand: a product, if that is the only reading."""
        before, shown = self.before, self.shown(token)
        if token.kind == "number":
            self.fail(f"an operator is missing: write '*' before {token.value}", token)
        if token.value == "{":
            self.fail("braces belong to an exponent, e^{x}: write (...) here", token)
        if token.kind == "open" and before.kind == "name":
            self.fail(f"{before.value!r} is not a function: for a product write {before.value}*(...)", token)
        if before.kind == "bar":
            self.fail(f"write '*' between '|' and {shown}", token)
        if token.glued and before.kind in ("name", "number"):
            self.check_glued(token, before, shown)
        self.reduce(_PRODUCT)
        if self.pending and self.pending[-1].function == "divide":
            above, below = self.quote(self.operands[-2]), self.quote(self.operands[-1])
            self.fail(f"two readings: write ({above}/{below})*{shown} or {above}/({below}*{shown})", token)
        self.reduce(_PRODUCT, inclusive=True)
        sign = Token("operator", "*", token.start, token.start, token.glued)
        self.suspend(_Pending("binary", sign, "multiply", _PRODUCT))
        self.operand(token)

    def check_glued(self, token: Token, before: Token, shown: str) -> None:
        """Refuse `e^2x` and `√2x`: a space or parentheses say how far the exponent reaches."""
        bare = before.value
        for pending in reversed(self.pending):
            if pending.strength < _PREFIX:
                return
            if pending.strength == _ROOT:
                sign = pending.token.value
                self.fail(f"two readings: write {sign}({bare})*{shown} or {sign}({bare}*{shown})", token)
            if pending.strength == _POWER and token.value != "(":
                self.fail(f"two readings: write ^{bare}*{shown} or ^({bare}*{shown})", token)

    def shown(self, token: Token) -> str:
        if token.kind == "name" and self.tokens[self.place].value == "(":
            return f"{token.value}(...)"
        return {"open": "(...)", "bar": "|...|", "root": f"{token.value}(...)"}.get(token.kind, token.value)

    def quote(self, operand: _Operand) -> str:
        quoted = self.text[operand.start:operand.end]
        return quoted if len(quoted) <= 20 else "(...)"

    # Operators whose operands are complete, and brackets.

    def reduce(self, strength: int, inclusive: bool = False) -> None:
        """Apply the pending operators that hold more tightly than `strength` (or as tightly)."""
        while self.pending:
            top = self.pending[-1]
            if top.kind == "open" or top.strength < strength or (top.strength == strength and not inclusive):
                return
            self.pending.pop()
            self.depth -= top.deepens
            right = self.operands.pop()
            if top.kind == "prefix":
                start = top.token.start
                self.push(_prefixed(top, right.node, (start, right.end)), start, right.end)
            else:
                left = self.operands.pop()
                span = (left.start, right.end)
                self.push(Call(top.function, (left.node, right.node), span), *span)

    def unclosed(self) -> NoReturn:
        opened = next(item for item in reversed(self.pending) if item.kind == "open")
        sign = opened.token.value
        self.fail(f"this {sign!r} is never closed: {_CLOSING[sign]!r} is missing", opened.token)

    def close(self, token: Token, empty: bool = False) -> None:
        if not empty:
            self.reduce(0)
        opened = self.pending[-1] if self.pending else None
        if opened is None:
            self.fail(f"this {token.value!r} closes nothing: no bracket is open", token)
        sign = opened.token.value
        if _CLOSING[sign] != token.value:
            where = f"the {sign!r} at column {opened.token.start + 1}"
            self.fail(f"{where} is closed by {token.value!r}: {_CLOSING[sign]!r} is expected", token)
        if empty and opened.called is None:
            self.fail("nothing stands between these parentheses", opened.token)
        self.pending.pop()
        self.depth -= opened.deepens
        arguments = opened.arguments if empty else [*opened.arguments, self.operands.pop().node]
        start = (opened.called or opened.token).start
        node = arguments[0] if arguments else None
        if opened.called is not None:
            node = self.call(opened.called, arguments, token.end)
        elif sign == "|":
            node = Call("absolute", tuple(arguments), (start, token.end), "abs")
        assert node is not None
        self.push(node, start, token.end)

    def comma(self, token: Token) -> None:
        self.reduce(0)
        opened = self.pending[-1] if self.pending else None
        if opened is None or opened.called is None:
            self.fail("a comma separates the arguments of a function; decimals are written 1.5", token)
        opened.arguments.append(self.operands.pop().node)
        self.wanted = True

    def call(self, name: Token, arguments: list[Node], end: int) -> Node:
        function = self.functions[name.value]
        least, most, count = function.least, function.most, len(arguments)
        if count < least or (most is not None and count > most):
            takes = f"{least}" if most == least else f"{least} to {most}" if most else f"{least} or more"
            plural = "" if takes == "1" else "s"
            self.fail(f"{name.value} takes {takes} argument{plural}, not {count}", name)
        span = (name.start, end)
        if function.form == "reciprocal":
            one = Number(1, None, (name.start, name.end))
            return Call("divide", (one, Call(function.target, tuple(arguments), span)), span)
        if function.form == "fold":
            folded = arguments[0]
            for argument in arguments[1:]:
                reach = (name.start, end if argument is arguments[-1] else argument.span[1])
                folded = Call(function.target, (folded, argument), reach, name.value)
            return folded
        return Call(function.target, tuple(arguments), span, name.value)


def _literal(token: Token) -> Number:
    span = (token.start, token.end)
    if token.value.isdigit() and len(token.value) < 19:
        return Number(int(token.value), None, span)
    return Number(float(token.value), None, span)  # more digits than a 64-bit integer holds


def _prefixed(sign: _Pending, node: Node, span: tuple[int, int]) -> Node:
    if not sign.function:
        return node
    if sign.function != "negative":
        return Call(sign.function, (node,), span, _ROOTS[sign.token.value][1])
    if isinstance(node, Number) and node.symbol is None and not node.signed:
        return Number(-node.value, None, span)
    return Call("negative", (node,), span)


def _closest(name: str, known: Iterable[str]) -> list[str]:
    known = list(known)
    same = [other for other in known if other.lower() == name.lower()]
    return same or difflib.get_close_matches(name[:100], known, n=1, cutoff=0.7)


def _declared(variables: Iterable[str] | str | None) -> tuple[str, ...] | None:
    if variables is None:
        return None
    if isinstance(variables, str):
        variables = variables.replace(",", " ").split()
    names: dict[str, None] = {}
    for variable in variables:
        name = normalized_name(variable)
        if name is None:
            raise FormulaError("this is not the name of a variable", variable, 1)
        if name in names:
            raise FormulaError("this variable is declared twice", variable, 1)
        names[name] = None
    return tuple(names)


def parse(
    text: str,
    variables: Iterable[str] | str | None = None,
    functions: Mapping[str, FormulaFunction] = FUNCTIONS,
) -> Expression:
    """Read a formula.

    Products may be written without a sign where there is one reading: ``2x``, ``x y``, ``2 sin(x)``,
    ``(x+1)(x-1)``. Both ``^`` and ``**`` are powers, grouped from the right and before a minus sign on their
    left: ``-x^2`` is ``-(x^2)``. Formulas with two readings are refused: ``1/2x``, ``e^2x``, ``x(y+1)``.
    ``|x|``, ``√``, ``x²``, ``w₁`` and Greek letters are read. ``pi``, ``e``, ``tau`` and ``inf`` are
    constants unless they are declared as variables. Nothing in the text is ever run as Python.

    Parameters
    ----------
    text : str
        The formula.
    variables : str or iterable of str, optional
        The names that are variables, ``"x, y"`` or ``["x", "y"]``; any other is then refused. By default
        every name that is no function and no constant is a variable.
    functions : mapping, optional
        What may be called.

    Raises
    ------
    FormulaError
        If the text is not a formula, with the column and what was expected there.

    Examples
    --------
    >>> print(parse("(x + σ(y)) tanh(x)").tree.text())
    *
    ├── +
    │   ├── x
    │   └── σ
    │       └── y
    └── tanh
        └── x
    >>> parse("sin x y")
    Traceback (most recent call last):
        ...
    wengert.errors.FormulaError: column 1: 'sin' is a function: write sin(...)
      sin x y
      ^
    """
    declared = _declared(variables)
    parser = _Parser(text, declared, functions)
    tree = parser.parse()
    return Expression(text, tree, tuple(parser.seen) if declared is None else declared)
