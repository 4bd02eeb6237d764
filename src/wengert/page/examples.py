"""The examples of the page.

What comes in: nothing. What goes out: a list of what can be chosen from its menu: a title, what it shows, the formula
or function, the point, and the lane to begin with. The one idea: each is a question that courses on automatic
differentiation ask, at a point where the numbers can be followed.
"""

from __future__ import annotations

from typing import Any

__all__ = ["EXAMPLES"]


def _formula(title: str, text: str, lane: str, shows: str, **point: Any) -> dict[str, Any]:
    return {"title": title, "kind": "formula", "text": text, "point": point, "lane": lane, "shows": shows}


def _function(title: str, text: str, lane: str, shows: str, **point: Any) -> dict[str, Any]:
    return {"title": title, "kind": "function", "text": text.strip("\n"), "point": point, "lane": lane, "shows": shows}


_ROSENBROCK = '''
def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)
'''
_NEWTON = '''
def square_root(a, steps=5):
    """Newton's iteration x <- (x + a / x) / 2."""
    x = 1.0
    for _ in range(steps):
        x = 0.5 * (x + a / x)
    return x
'''
_NETWORK_121 = '''
def loss(w1, w2, b1, b2, v1, v2, c):
    """One input, two hidden units, one output; the target of x is t."""
    x, t = 0.8, 1.0
    h1 = 1.0 / (1.0 + np.exp(-(w1 * x + b1)))
    h2 = 1.0 / (1.0 + np.exp(-(w2 * x + b2)))
    y = v1 * h1 + v2 * h2 + c
    return 0.5 * (y - t) ** 2
'''
_LINEAR = '''
def loss(W, b):
    """A linear layer, and the mean of its squared errors over four samples."""
    x = np.array([[0.0, 1.0], [1.0, 0.5], [2.0, -1.0], [3.0, 0.0]])
    y = np.array([[1.0], [2.5], [3.0], [5.5]])
    predicted = x @ W.T + b
    return np.mean((predicted - y) ** 2)
'''
_RELU = '''
def loss(w, b):
    """A layer of one unit with ReLU: where it is not active, nothing flows back."""
    x = np.array([-1.0, 0.5, 2.0])
    t = np.array([0.0, 1.0, 2.0])
    y = np.maximum(w * x + b, 0.0)
    return np.mean((y - t) ** 2)
'''
_BACKPROPAGATION = '''
def loss(W1, b1, W2, b2):
    """Two layers on the four points of exclusive or: press "take a step" and watch the loss."""
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    t = np.array([0.0, 1.0, 1.0, 0.0])
    hidden = np.tanh(x @ W1 + b1)
    y = hidden @ W2 + b2
    return np.mean((y - t) ** 2)
'''
_SOLVE = '''
def f(A, b):
    """The solution of A x = b, squared: its derivative solves with the transpose."""
    x = np.linalg.solve(A, b)
    return np.dot(x, x)
'''
_LARGE = '''
def f(x, y):
    """A few hundred operations: fold the loop, search, or keep only what x or y reaches."""
    for k in range(40):
        r = np.sqrt(x * x + y * y)
        x, y = x + 0.1 * np.sin(y) / (1.0 + r), y - 0.1 * np.cos(x)
    return x * y
'''

EXAMPLES: list[dict[str, Any]] = [
    _formula("x² by differences", "x^2", "differences",
             "With h = 0.01 the forward quotient at 2 is 4.01, not 4: truncation. Make h smaller: rounding.", x=2.0),
    _formula("sin(x²) + eˣ", "sin(x^2) + e^x", "symbolic",
             "The composition and the sum, as symbols: 2x cos(x²) + eˣ.", x=1.0),
    _formula("(x + 1)¹⁰", "(x + 1)^10", "symbolic", "One power, or a product of ten: 10 (x + 1)⁹.", x=0.5),
    _formula("ten factors, multiplied", "(x + 1)(x + 1)(x + 1)(x + 1)(x + 1)(x + 1)(x + 1)(x + 1)(x + 1)(x + 1)", "symbolic",
             "The same value; now the derivative as a tree is a sum of ten products: it swells.", x=0.5),
    _formula("x y + sin x", "x y + sin(x)", "reverse", "x is used twice, so its adjoint is a sum: y + cos x.", x=1.0, y=2.0),
    _formula("(x + σ(y)) tanh x", "(x + sigmoid(y)) tanh(x)", "reverse",
             "A shared input. At (2, 1): 1.157 for x, 0.190 for y, in one backward pass.", x=2.0, y=1.0),
    _formula("cos(x) e^(x²)", "cos(x) e^{x^2}", "forward", "The evaluation tree, and the tangent carried along.", x=0.5),
    _formula("w₂ log w₁ + √(w₂ log w₁)", "w₂ log(w₁) + sqrt(w₂ log(w₁))", "reverse",
             "Forward mode asks once for each input, reverse mode once for both.", w1=2.0, w2=3.0),
    _function("Rosenbrock's function", _ROSENBROCK, "reverse", "A program with slices of an array.", x=[1.2, 1.0]),
    _function("Newton's iteration", _NEWTON, "forward", "A loop: the derivative of √a arises from 5 steps.", a=2.0),
    _function("a 1/2/1 network", _NETWORK_121, "reverse", "Seven weights, one backward pass.",
              w1=0.5, w2=-1.0, b1=0.1, b2=0.2, v1=1.5, v2=-0.7, c=0.3),
    _function("a linear layer, squared error", _LINEAR, "reverse", "Arrays on the edges; \"take a step\" descends.",
              W=[[1.0, 0.5]], b=[0.0]),
    _function("ReLU", _RELU, "reverse", "Move w: samples switch on and off.", w=1.0, b=-0.25),
    _function("backpropagation", _BACKPROPAGATION, "reverse", "A small network and its gradient-descent step.",
              W1=[[0.5, -0.6, 0.9], [0.8, 0.7, -0.4]], b1=[0.0, 0.1, -0.1], W2=[1.0, -0.8, 0.6], b2=0.0),
    _function("A x = b", _SOLVE, "reverse", "A linear solve, and backward one with the transpose.",
              A=[[3.0, 1.0], [1.0, 2.0]], b=[1.0, 0.5]),
    _function("a large graph", _LARGE, "reverse", "Folded turn by turn: open one, search, or keep only the path to one input.",
              x=1.0, y=0.5),
    _formula("undefined: log of a negative number", "sqrt(x) log(x - 2) + x", "forward",
             "NaN: where it arises, and where it goes.", x=1.0),
    _formula("undefined backward: √ at 0", "sqrt(x)^2", "reverse", "The value is 0, the derivative is not a number.", x=0.0),
]
