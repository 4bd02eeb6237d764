"""Updates of parameters, one step at a time.

What comes in: a gradient, what the optimizer remembers, and parameters, trees of one structure. What goes out: new parameters
and what is to be remembered. The one idea: each optimizer states what it does to one array; `Optimizer` walks the trees.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.errors import InputError, kind_of
from wengert.flatten import Spec, flatten, leaf_names, trainable
from wengert.structured import is_traced

from .clipping import dtype_of, real_dtype
from .schedules import rate_at

__all__ = ["AdaGrad", "Adam", "AdamW", "Lion", "Optimizer", "OptimizerState", "RMSProp", "SGD"]

Slots = dict[str, Any]


@dataclass(frozen=True)
class OptimizerState:
    """What an optimizer remembers: a tree of arrays.

    Attributes
    ----------
    count : int64
        How many updates were made.
    slots : dict
        By name a tree like the parameters, with None where nothing is trained: ``state.slots["mean"]``.
    """

    count: Any
    slots: Slots


@dataclass(frozen=True)
class Optimizer:
    """What optimizers have in common: `init` and `update`.

    A subclass, a frozen dataclass too, says what it remembers (`_slots`), what it computes once per update (`_scalars`), and
    how it moves one array (`_move`).
    """

    learning_rate: Any

    def __post_init__(self) -> None:
        who = type(self).__name__
        betas = getattr(self, "betas", (0.0, 0.0))
        if not isinstance(betas, tuple) or len(betas) != 2:
            raise InputError(f"{who}: betas is {betas!r}; it is a pair of numbers: betas=(0.9, 0.99)")
        for name, value in self.__dict__.items():
            for part in value if name == "betas" else (value,):
                if name != "learning_rate" and (callable(part) or isinstance(part, (str, complex, tuple, list, type(None)))):
                    raise InputError(f"{who}: {name} is {kind_of(part)}; it is a number")
                if not isinstance(part, (int, float, np.integer, np.floating)):
                    continue
                if not 0 <= part < np.inf:
                    raise InputError(f"{who}: {name} is {value}; it has to be finite and not negative")
                if name in ("betas", "decay") and part >= 1:
                    raise InputError(f"{who}: {name} is {value}; it has to lie below 1")
        rate = self.learning_rate
        if not callable(rate) and (isinstance(rate, (str, bool, complex)) or rate is None or np.ndim(rate) != 0):
            raise InputError(f"{type(self).__name__}: the learning rate is {kind_of(rate)}; it is a number, or a schedule, a "
                             "function of the number of updates such as wg.optim.CosineDecay(0.1, steps=1000)")

    def init(self, params: Any) -> OptimizerState:
        """What is remembered before the first update of parameters like these.

        Parameters
        ----------
        params : tree of arrays

        Returns
        -------
        OptimizerState
        """
        leaves, spec = flatten(params)
        moving = trainable(params)
        if not any(moving):
            raise InputError(f"{type(self).__name__}: params hold nothing to train: no float that is not below Frozen; write "
                             "3.0 for 3, or convert it: x.astype(float)")
        rate_at(self.learning_rate, np.int64(0))  # a schedule that begins with no rate is told before the first update
        eps = getattr(self, "eps", 0.0)
        for leaf, name, moves in zip(leaves, leaf_names(spec, "params"), moving, strict=True):
            if moves and isinstance(eps, (int, float)) and eps > 0 and not real_dtype(dtype_of(leaf)).type(eps):
                raise InputError(f"{type(self).__name__}: eps={eps} is 0 in {dtype_of(leaf)}, the dtype of {name}, and an "
                                 "entry whose gradients are 0 would become NaN; take a greater one, or train in float32")
        trees = {name: [_zeros(leaf, real) if moves else None for leaf, moves in zip(leaves, moving, strict=True)]
                 for name, real in self._slots().items()}
        return OptimizerState(np.int64(0), {name: spec.unflatten(tree) for name, tree in trees.items()})

    def update(self, gradient: Any, state: OptimizerState, params: Any) -> tuple[Any, OptimizerState]:
        """One step against the gradient.

        Parameters
        ----------
        gradient : tree
            Of the structure and shapes of params; None where there is none.
        state : OptimizerState
            What `init` or the last `update` gave.
        params : tree of arrays

        Returns
        -------
        params : tree
            New parameters, of the structure, shapes and dtypes of the old. What is no float or lies below `Frozen`, and what
            has the gradient None, is handed on as it is.
        state : OptimizerState

        Raises
        ------
        InputError
            Trees of different structure, a gradient of another shape, one that is complex where the parameter is real.
        """
        who = type(self).__name__
        self._require_own(state)
        leaves, spec = flatten(params)
        gradients = _leaves_like(who, "the gradient", gradient, spec)
        slots = {name: _leaves_like(who, f"the state's {name}", tree, spec) for name, tree in state.slots.items()}
        scalars = self._scalars(rate_at(self.learning_rate, state.count), state.count + 1)
        out = list(leaves)
        for k, moves in enumerate(trainable(params)):
            if not moves or gradients[k] is None:
                continue
            dtype = dtype_of(leaves[k])
            g = _cast(_checked(who, "the gradient", gradients[k], spec, k, leaves[k]), dtype)
            real = real_dtype(dtype)
            mine = {name: _checked(who, f"the state's {name}", tree[k], spec, k, leaves[k]) for name, tree in slots.items()}
            p, mine = self._move(leaves[k], g, mine, {n: _cast(s, real) for n, s in scalars.items()})
            out[k] = _cast(p, dtype)
            for name, tree in slots.items():
                tree[k] = mine[name]
        return spec.unflatten(out), OptimizerState(state.count + 1, {n: spec.unflatten(tree) for n, tree in slots.items()})

    def _require_own(self, state: Any) -> None:
        """The state is one of this optimizer."""
        who = type(self).__name__
        if not isinstance(state, OptimizerState):
            raise InputError(f"{who}: the state is {kind_of(state)}; begin with state = optimizer.init(params), and write "
                             "params, state = optimizer.update(gradient, state, params)")
        if set(state.slots) != set(self._slots()) and not any(map(is_traced, flatten(self)[0])):  # a traced 0.0 is not known
            raise InputError(f"{who}: the state holds {sorted(state.slots)}, and this optimizer remembers "
                             f"{sorted(self._slots())}; it is another one's")

    def _slots(self) -> dict[str, bool]:
        """The names of what is remembered of each parameter, and whether it is real where the parameter is complex."""
        return {}

    def _scalars(self, rate: Any, t: Any) -> Slots:
        """What depends on the learning rate and the number t of the update, 1 for the first, and on no array."""
        return {"rate": rate}

    def _move(self, p: Any, g: Any, slots: Slots, scalars: Slots) -> tuple[Any, Slots]:
        raise NotImplementedError


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, ``x ← x − η g``; with momentum ``m ← μ m + g``, ``x ← x − η m``.

    Parameters
    ----------
    learning_rate : float or schedule
        η.
    momentum : float
        μ, from 0 up, below 1.
    nesterov : bool
        ``x ← x − η (g + μ m)`` in its place.
    weight_decay : float
        λ: the gradient is ``g + λ x``.

    References
    ----------
    H. Robbins, S. Monro, A stochastic approximation method, Ann. Math. Statist. 22 (1951). B. T. Polyak, Some methods of
    speeding up the convergence of iteration methods, USSR Comput. Math. Math. Phys. 4 (1964). I. Sutskever, J. Martens,
    G. Dahl, G. Hinton, On the importance of initialization and momentum in deep learning, ICML (2013).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> optimizer = wg.optim.SGD(0.1, momentum=0.5)
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> state = optimizer.init(params)
    >>> for _ in range(2):
    ...     params, state = optimizer.update({"w": np.array([1.0, 1.0])}, state, params)
    >>> params["w"], int(state.count)
    (array([0.75, 1.75]), 2)
    """

    momentum: float = 0.0
    nesterov: bool = field(default=False, metadata={"static": True})
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and isinstance(self.momentum, (int, float)) and self.momentum == 0:
            raise InputError("SGD: nesterov needs a momentum: wg.optim.SGD(0.1, momentum=0.9, nesterov=True)")

    def _slots(self) -> dict[str, bool]:
        return {"momentum": False} if _present(self.momentum) else {}

    def _move(self, p: Any, g: Any, slots: Slots, scalars: Slots) -> tuple[Any, Slots]:
        g = _decayed(g, p, self.weight_decay)
        if "momentum" not in slots:
            return p - scalars["rate"] * g, slots
        m = self.momentum * slots["momentum"] + g
        return p - scalars["rate"] * (g + self.momentum * m if self.nesterov else m), {"momentum": m}


@dataclass(frozen=True)
class AdaGrad(Optimizer):
    """``s ← s + |g|²``, ``x ← x − η g / (√s + ε)``.

    Parameters
    ----------
    learning_rate : float or schedule
        η.
    eps : float
        ε.
    weight_decay : float
        λ: the gradient is ``g + λ x``.

    References
    ----------
    J. Duchi, E. Hazan, Y. Singer, Adaptive subgradient methods for online learning and stochastic optimization, J. Mach. Learn.
    Res. 12 (2011).

    Examples
    --------
    >>> import wengert as wg
    >>> optimizer = wg.optim.AdaGrad(0.5)
    >>> round(optimizer.update(4.0, optimizer.init(3.0), 3.0)[0], 6)
    np.float64(2.5)
    """

    learning_rate: Any = 1e-2
    eps: float = 1e-10
    weight_decay: float = 0.0

    def _slots(self) -> dict[str, bool]:
        return {"sum": True}

    def _move(self, p: Any, g: Any, slots: Slots, scalars: Slots) -> tuple[Any, Slots]:
        g = _decayed(g, p, self.weight_decay)
        s = slots["sum"] + _modulus_squared(g)
        return p - scalars["rate"] * (g / (np.sqrt(s) + self.eps)), {"sum": s}


@dataclass(frozen=True)
class RMSProp(Optimizer):
    """``s ← α s + (1 − α) |g|²``, ``x ← x − η g / (√s + ε)``.

    Parameters
    ----------
    learning_rate : float or schedule
        η.
    decay : float
        α.
    eps : float
        ε.
    momentum : float
        μ: ``m ← μ m + g / (√s + ε)``, ``x ← x − η m``.
    centered : bool
        The mean of g, taken likewise, is subtracted: ``√(s − |mean|²)`` is a deviation.
    weight_decay : float
        λ: the gradient is ``g + λ x``.

    References
    ----------
    T. Tieleman, G. Hinton, Lecture 6.5: rmsprop, Neural Networks for Machine Learning (2012). A. Graves, Generating sequences
    with recurrent neural networks, arXiv:1308.0850 (2013), of the centered form.

    Examples
    --------
    >>> import wengert as wg
    >>> optimizer = wg.optim.RMSProp(0.5, decay=0.75)
    >>> round(optimizer.update(4.0, optimizer.init(3.0), 3.0)[0], 6)
    np.float64(2.0)
    """

    learning_rate: Any = 1e-2
    decay: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    centered: bool = field(default=False, metadata={"static": True})
    weight_decay: float = 0.0

    def _slots(self) -> dict[str, bool]:
        return {"square": True, **({"mean": False} if self.centered else {}),
                **({"momentum": False} if _present(self.momentum) else {})}

    def _move(self, p: Any, g: Any, slots: Slots, scalars: Slots) -> tuple[Any, Slots]:
        g = _decayed(g, p, self.weight_decay)
        new = {"square": self.decay * slots["square"] + (1.0 - self.decay) * _modulus_squared(g)}
        spread = new["square"]
        if "mean" in slots:
            new["mean"] = self.decay * slots["mean"] + (1.0 - self.decay) * g
            spread = np.maximum(spread - _modulus_squared(new["mean"]), 0.0)  # below 0 by rounding alone
        step = g / (np.sqrt(spread) + self.eps)
        if "momentum" in slots:
            step = new["momentum"] = self.momentum * slots["momentum"] + step
        return p - scalars["rate"] * step, new


@dataclass(frozen=True)
class Adam(Optimizer):
    """``m ← β₁ m + (1 − β₁) g``, ``v ← β₂ v + (1 − β₂) |g|²``, ``x ← x − η m̂ / (√v̂ + ε)``.

    In update t, ``m̂ = m / (1 − β₁ᵗ)`` and ``v̂ = v / (1 − β₂ᵗ)`` make up for the start at 0.

    Parameters
    ----------
    learning_rate : float or schedule
        η.
    betas : (float, float)
        β₁ and β₂.
    eps : float
        ε.
    weight_decay : float
        λ: the gradient is ``g + λ x``; `AdamW` decays the parameters themselves.
    amsgrad : bool
        v̂ is the largest so far.

    References
    ----------
    D. P. Kingma, J. Ba, Adam: A method for stochastic optimization, ICLR (2015). S. J. Reddi, S. Kale, S. Kumar, On the
    convergence of Adam and beyond, ICLR (2018), of `amsgrad`.

    Examples
    --------
    A training step, compiled whole:

    >>> import numpy as np
    >>> import wengert as wg
    >>> loss = lambda p, x, y: np.mean((x @ p["w"] + p["b"] - y) ** 2)
    >>> optimizer = wg.optim.Adam(0.1)
    >>> @wg.jit
    ... def step(params, state, x, y):
    ...     value, gradient = wg.value_and_grad(loss)(params, x, y)
    ...     return value, *optimizer.update(gradient, state, params)
    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> y = x @ np.array([2.0, -1.0]) + 0.5
    >>> params = {"w": np.zeros(2), "b": 0.0}
    >>> state = optimizer.init(params)
    >>> for _ in range(500):
    ...     value, params, state = step(params, state, x, y)
    >>> np.round(params["w"], 3), round(params["b"], 3)
    (array([ 2., -1.]), np.float64(0.5))
    """

    learning_rate: Any = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = field(default=False, metadata={"static": True})

    def _slots(self) -> dict[str, bool]:
        return {"mean": False, "square": True, **({"largest": True} if self.amsgrad else {})}

    def _scalars(self, rate: Any, t: Any) -> Slots:
        first, second = self.betas
        return {"rate": rate / (1.0 - first ** t), "root": np.sqrt(1.0 - second ** t)}

    def _move(self, p: Any, g: Any, slots: Slots, scalars: Slots) -> tuple[Any, Slots]:
        return self._adapted(p, _decayed(g, p, self.weight_decay), slots, scalars)

    def _adapted(self, p: Any, g: Any, slots: Slots, scalars: Slots) -> tuple[Any, Slots]:
        first, second = self.betas
        new = {"mean": first * slots["mean"] + (1.0 - first) * g,
               "square": second * slots["square"] + (1.0 - second) * _modulus_squared(g)}
        square = new["square"]
        if "largest" in slots:
            square = new["largest"] = np.maximum(slots["largest"], square)
        return p - scalars["rate"] * (new["mean"] / (np.sqrt(square) / scalars["root"] + self.eps)), new


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: ``x ← (1 − η λ) x``, and then the step of `Adam` without decay.

    Parameters
    ----------
    learning_rate, betas, eps, amsgrad
        As of `Adam`.
    weight_decay : float
        λ.

    References
    ----------
    I. Loshchilov, F. Hutter, Decoupled weight decay regularization, ICLR (2019).

    Examples
    --------
    >>> import wengert as wg
    >>> optimizer = wg.optim.AdamW(0.5, weight_decay=0.1)
    >>> round(optimizer.update(4.0, optimizer.init(3.0), 3.0)[0], 6)
    np.float64(2.35)
    """

    weight_decay: float = 1e-2

    def _scalars(self, rate: Any, t: Any) -> Slots:
        return {**super()._scalars(rate, t), "kept": 1.0 - rate * self.weight_decay}

    def _move(self, p: Any, g: Any, slots: Slots, scalars: Slots) -> tuple[Any, Slots]:
        return self._adapted(p * scalars["kept"], g, slots, scalars)


@dataclass(frozen=True)
class Lion(Optimizer):
    """``x ← x − η (sign(β₁ m + (1 − β₁) g) + λ x)``, ``m ← β₂ m + (1 − β₂) g``.

    Parameters
    ----------
    learning_rate : float or schedule
        η, a third to a tenth of Adam's.
    betas : (float, float)
        β₁ and β₂.
    weight_decay : float
        λ, of the parameters themselves.

    References
    ----------
    X. Chen et al., Symbolic discovery of optimization algorithms, NeurIPS (2023).

    Examples
    --------
    >>> import wengert as wg
    >>> optimizer = wg.optim.Lion(0.5)
    >>> optimizer.update(4.0, optimizer.init(3.0), 3.0)[0]
    np.float64(2.5)
    """

    learning_rate: Any = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0

    def _slots(self) -> dict[str, bool]:
        return {"mean": False}

    def _move(self, p: Any, g: Any, slots: Slots, scalars: Slots) -> tuple[Any, Slots]:
        first, second = self.betas
        direction = np.sign(first * slots["mean"] + (1.0 - first) * g)
        new = {"mean": second * slots["mean"] + (1.0 - second) * g}
        return p - scalars["rate"] * _decayed(direction, p, self.weight_decay), new


# ---------------------------------------------------------------- of one array

def _present(x: Any) -> bool:
    """Whether a constant of the optimizer does anything; what is traced may."""
    return not isinstance(x, (int, float, np.number)) or x != 0


def _decayed(g: Any, p: Any, weight_decay: Any) -> Any:
    return g + weight_decay * p if _present(weight_decay) else g


def _modulus_squared(g: Any) -> Any:
    return g.real ** 2 + g.imag ** 2 if dtype_of(g).kind == "c" else g * g


def _cast(x: Any, dtype: Any) -> Any:
    """In this dtype; Python's numbers take that of what they meet."""
    return x if type(x) in (int, float) or x.dtype == dtype else x.astype(dtype)


def _zeros(leaf: Any, real: bool) -> Any:
    dtype = dtype_of(leaf)
    found = np.zeros(np.shape(leaf), real_dtype(dtype) if real else dtype)
    return found if isinstance(leaf, np.ndarray) or found.ndim else found[()]


# ---------------------------------------------------------------- trees

def _leaves_like(who: str, what: str, tree: Any, spec: Spec) -> list[Any]:
    """The leaves of a tree that has the structure of the parameters, or a refusal that names a leaf."""
    leaves, found = flatten(tree)
    if found == spec:
        return leaves
    here, there = leaf_names(found, ""), leaf_names(spec, "")
    for name in there:
        if name not in here:
            raise InputError(f"{who}: params{name} has no counterpart in {what}: "
                             f"{found!r} where params are {spec!r}")
    for name in here:
        if name not in there:
            raise InputError(f"{who}: {what} has a leaf {name or 'alone'} that params have not: {spec!r}")
    raise InputError(f"{who}: {what} has the structure {found!r}, and params {spec!r}")


def _checked(who: str, what: str, x: Any, spec: Spec, k: int, leaf: Any) -> Any:
    """Of the gradient or the state, what belongs to the k-th parameter."""
    given, dtype = x if hasattr(x, "dtype") else np.asarray(x)[()], dtype_of(leaf)
    if np.shape(given) != np.shape(leaf) or given.dtype.kind not in "fciu":
        raise InputError(f"{who}: {what} is {given.dtype}{list(np.shape(given))} where {leaf_names(spec, 'params')[k]} is "
                         f"{dtype}{list(np.shape(leaf))}")
    if given.dtype.kind == "c" and dtype.kind != "c":
        raise InputError(f"{who}: {what} is complex where {leaf_names(spec, 'params')[k]} is real")
    return given
