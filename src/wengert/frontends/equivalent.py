"""The evaluation trees of one expression.

What comes in: an expression. What goes out: the trees that mean the same because + and * are associative (and
commutative, if asked), and their number. The one idea: a maximal chain of sums, or of products, is a sequence
of terms, and every way to bracket the sequence is one tree; so the number is a product of Catalan numbers,
and the trees can be produced one by one, each from its rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, product
from math import comb, factorial, prod
from typing import Any

from wengert.frontends.expression import Expression
from wengert.frontends.trees import Call, Node, Number

__all__ = ["count_trees", "equivalent_trees"]

Term = tuple[int, Node]  # +1 or -1, and what is added or subtracted (multiplied: always +1)
_SIGNS = {"add": ("sum", 1), "subtract": ("sum", -1), "multiply": ("product", 1)}


def _chain(node: Node) -> str:
    return _SIGNS[node.function][0] if isinstance(node, Call) and node.function in _SIGNS else ""


def _terms(node: Node) -> list[Term]:
    """The terms of the longest chain that ends in this node; of another node its operands."""
    kind = _chain(node)
    if not kind:
        return [(1, child) for child in node.children]
    terms: list[Term] = []
    stack: list[Term] = [(1, node)]
    while stack:
        sign, item = stack.pop()
        if isinstance(item, Call) and _chain(item) == kind:
            left, right = item.arguments
            stack += [(sign * _SIGNS[item.function][1], right), (sign, left)]
        else:
            terms.append((sign, item))
    return terms


def _postfix(tree: Node) -> Iterator[tuple[Node, list[Term]]]:
    """Every node that is no inner link of a chain, with its terms, terms before what they are terms of."""
    order: list[tuple[Node, list[Term]]] = []
    stack = [tree]
    while stack:
        node = stack.pop()
        terms = _terms(node)
        order.append((node, terms))
        stack.extend(term for _, term in terms)
    return reversed(order)


class _Classes:
    """Numbers for trees, equal where the trees mean the same by associativity and commutativity."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[Any, ...], int] = {}

    def number(self, node: Node, signs: Sequence[int], below: Sequence[int]) -> int:
        key: tuple[Any, ...]
        if _chain(node):
            key = (_chain(node), *sorted(zip(signs, below)))
        elif isinstance(node, Call):
            key = ("call", node.function, *below)
        else:
            key = ("leaf", node.label, type(node.value) if isinstance(node, Number) else None)
        return self.numbers.setdefault(key, len(self.numbers))


def _catalan(terms: int) -> int:
    """In how many ways a chain of so many terms can be bracketed."""
    return comb(2 * (terms - 1), terms - 1) // terms


def _orders(signs: Sequence[int], below: Sequence[int]) -> int:
    """In how many different orders the terms can stand, a positive one first."""
    repeated = prod(factorial(count) for count in Counter(zip(signs, below)).values())
    return factorial(len(signs)) // repeated * sum(sign > 0 for sign in signs) // len(signs)


def count_trees(expression: Expression, *, commute: bool = False) -> int:
    """How many evaluation trees mean the same as this one; computed, not enumerated.

    See `equivalent_trees` for what counts as the same.

    Examples
    --------
    >>> from wengert.frontends.expression import parse
    >>> count_trees(parse("a b c d")), count_trees(parse("a b c d"), commute=True)
    (5, 120)
    >>> len(str(count_trees(parse(" + ".join(["x"] * 1000)))))
    597
    """
    classes = _Classes()
    counts: list[int] = []
    numbers: list[int] = []
    for node, terms in _postfix(expression.tree):
        first, signs = len(counts) - len(terms), [sign for sign, _ in terms]
        count, below = prod(counts[first:]), numbers[first:]
        if _chain(node):
            count *= _catalan(len(terms)) * (_orders(signs, below) if commute else 1)
        counts[first:] = [count]
        numbers[first:] = [classes.number(node, signs, below)] if commute else [0]
    return counts[0]


def equivalent_trees(expression: Expression, limit: int = 100, *, commute: bool = False) -> list[Node]:
    """The different evaluation trees that mean the same, at most `limit` of them.

    Sums are chains of signed terms: ``a - b + c`` is bracketed as ``(a - b) + c`` or ``a - (b - c)``, both
    the same for all numbers. The terms keep their order unless `commute` is true; then every order is taken
    in which a positive term comes first, so that no minus sign is invented, and equal terms count once.
    A quotient or a negated sum is left as it stands, a single factor or term: ``a/b*c`` is not turned into
    ``a/(b/c)``, which divides by zero at c = 0 where the formula does not.

    The trees agree in exact arithmetic; in floating-point numbers they may round differently.

    Parameters
    ----------
    expression : Expression
    limit : int
        How many trees at most; the first is bracketed from the left throughout.
    commute : bool
        Whether terms and factors may change places.

    Returns
    -------
    list of Node

    Examples
    --------
    >>> from wengert.frontends.expression import parse
    >>> [str(tree) for tree in equivalent_trees(parse("a*b*c"))]
    ['a*b*c', 'a*(b*c)']
    >>> [str(tree) for tree in equivalent_trees(parse("a - b - c"))]
    ['a - b - c', 'a - (b + c)']
    >>> [str(tree) for tree in equivalent_trees(parse("x - 2y"), commute=True)]
    ['x - 2*y', 'x - y*2']
    """
    if limit < 1:
        return []
    classes = _Classes()
    choices: list[list[Node]] = []  # for each operand that waits, its trees
    numbers: list[int] = []
    known: dict[int, list[Node]] = {}
    for node, terms in _postfix(expression.tree):
        first, signs = len(choices) - len(terms), [sign for sign, _ in terms]
        below = numbers[first:]
        number = classes.number(node, signs, below) if commute else 0
        # Equal terms must offer the same trees in the same order, or one tree could come up twice.
        found = known.get(number) if commute else None
        if found is None:
            found = list(islice(_trees(node, signs, choices[first:], below, limit, commute), limit))
            known[number] = found
        choices[first:], numbers[first:] = [found], [number]
    return choices[0]


def _trees(
    node: Node, signs: list[int], choices: list[list[Node]], below: list[int], limit: int, commute: bool
) -> Iterator[Node]:
    if not _chain(node):
        if not isinstance(node, Call):
            yield node
            return
        for arguments in product(*choices):
            yield Call(node.function, arguments, node.span, node.written)
        return
    count = len(signs)
    catalans = _bounded_catalans(count, limit)
    for order in _arrangements(signs, below) if commute else [range(count)]:
        signed = [signs[place] for place in order]
        offered = [choices[place] for place in order]
        for rank in range(catalans[count]):
            for chosen in product(*offered):
                yield _bracketed(list(zip(signed, chosen)), rank, catalans, _chain(node))


def _bounded_catalans(count: int, bound: int) -> list[int]:
    """The number of bracketings of 0, 1, ... `count` terms, or `bound` where there are more."""
    found = [0, 1]
    while len(found) <= count:
        found.append(bound if found[-1] >= bound else min(bound, _catalan(len(found))))
    return found


def _arrangements(signs: Sequence[int], below: Sequence[int]) -> Iterator[list[int]]:
    """The different orders of the terms, a positive one first: as written, then by dictionary order."""
    kinds = sorted(set(zip(signs, below)), key=lambda kind: (-kind[0], below.index(kind[1])))
    code = {kind: place for place, kind in enumerate(kinds)}
    positive = sum(sign > 0 for sign, _ in kinds)
    written = [code[kind] for kind in zip(signs, below)]
    yield list(range(len(written)))
    word = sorted(written)
    while word[0] < positive:
        if word != written:
            places: dict[int, list[int]] = {}
            for place in reversed(range(len(written))):
                places.setdefault(written[place], []).append(place)
            yield [places[letter].pop() for letter in word]
        rising = next((i for i in reversed(range(len(word) - 1)) if word[i] < word[i + 1]), None)
        if rising is None:
            return
        other = next(i for i in reversed(range(len(word))) if word[i] > word[rising])
        word[rising], word[other] = word[other], word[rising]
        word[rising + 1:] = reversed(word[rising + 1:])


def _bracketed(terms: Sequence[Term], rank: int, catalans: Sequence[int], kind: str) -> Node:
    """The bracketing of the terms that has this rank; rank 0 is the one from the left."""
    built: list[Node] = []
    # (first, one past the last, rank) to build, or (first, where the right part begins, -1) to join.
    stack = [(0, len(terms), rank)]
    while stack:
        low, high, rank = stack.pop()
        if rank < 0:
            right, left = built.pop(), built.pop()
            # Within a subtracted part signs are turned, so only the sign against its first term counts.
            same = terms[low][0] == terms[high][0]
            function = "multiply" if kind == "product" else "add" if same else "subtract"
            span = (min(left.span[0], right.span[0]), max(left.span[1], right.span[1]))
            built.append(Call(function, (left, right), span))
            continue
        if high - low == 1:
            built.append(terms[low][1])
            continue
        middle = high - 1
        while rank >= catalans[middle - low] * catalans[high - middle]:
            rank -= catalans[middle - low] * catalans[high - middle]
            middle -= 1
        right_rank, left_rank = divmod(rank, catalans[middle - low])
        stack += [(low, middle, -1), (middle, high, right_rank), (low, middle, left_rank)]
    return built[0]
