"""Recurrent cells, and layers that run them over time.

What comes in: sequences (..., length, features), a state, and a mask of the valid elements. What goes out: the outputs at every
time and the last state. The one idea: a cell is one step, a layer is a scan of steps, one loop when compiled.

What a step takes from its input alone is computed for all times at once, before the loop. Gates are stacked in the order that
torch has: input, forget, cell, output; and reset, update, new.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from wengert import random
from wengert.errors import InputError
from wengert.structured import call, scan, user_line

from .activations import sigmoid
from .checks import array, integers, shown, within
from .construction import layer_class
from .sequential import Dropout

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell", "length_mask"]


def length_mask(lengths: Any, length: int) -> Any:
    """Which elements of padded sequences are valid: the first `lengths` of each.

    Parameters
    ----------
    lengths : array of int, of any shape (...,)
        From 0 to `length`.
    length : int
        The length that the sequences are padded to.

    Returns
    -------
    array of bool, of shape (..., length)

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.length_mask(np.array([1, 3]), 3)
    array([[ True, False, False],
           [ True,  True,  True]])
    """
    lengths = within(integers(lengths, f"length_mask at {user_line()}: lengths"), length + 1, "length_mask", "length")
    return np.arange(length) < lengths[..., None]


# ---------------------------------------------------------------- cells


def _uniform(key: Any, n: int, shape: tuple[int, ...], dtype: Any) -> Any:
    """Uniform on [-1/sqrt(n), 1/sqrt(n)], n the size of the state, as torch draws all weights of recurrent layers."""
    limit = 1.0 / math.sqrt(n)
    return random.uniform(key, shape, minval=-limit, maxval=limit).astype(dtype)


@layer_class
class _Cell:
    """What cells have in common: two weights, a bias, and that input and state are checked."""

    weight_x: Any
    weight_h: Any
    bias: Any = None

    gates: ClassVar[int] = 1

    __repr__ = shown

    @property
    def n_hidden(self) -> int:
        return int(self.weight_h.shape[0])

    @classmethod
    def init(cls, key: Any, n_in: int, n_hidden: int, *, bias: bool = True, dtype: Any = float) -> Any:
        """A cell with weights uniform on ±1/√n_hidden, drawn from a key.

        Parameters
        ----------
        key : numpy.uint64
        n_in, n_hidden : int
            The sizes of the input and of the state.
        bias : bool
        dtype : dtype
        """
        k_x, k_h, k_b = random.split(key, 3)
        width = cls.gates * n_hidden
        return cls(_uniform(k_x, n_hidden, (n_in, width), dtype), _uniform(k_h, n_hidden, (n_hidden, width), dtype),
                   _uniform(k_b, n_hidden, (width,), dtype) if bias else None)

    def initial(self, x: Any) -> Any:
        """The state at the start, zeros, for inputs like `x` (..., n_in)."""
        x = array(x)  # zeros like it are traced if it is, so that a loop of the user's can carry them
        return np.zeros_like(x, np.result_type(x.dtype, self.weight_h.dtype), shape=(*x.shape[:-1], self.n_hidden))

    def project(self, x: Any) -> Any:
        """What a step takes from its input alone, x @ weight_x + bias, for any leading axes."""
        n_in = self.weight_x.shape[0]
        if np.ndim(x) < 1 or np.shape(x)[-1] != n_in:
            raise InputError(f"{type(self).__name__} with weight_x {self.weight_x.shape} takes inputs (..., {n_in}); "
                             f"this one has shape {np.shape(x)}")
        y = x @ self.weight_x
        return y if self.bias is None else y + self.bias

    def __call__(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """One step: the output and the new state, from an input (..., n_in) and a state; none is zeros."""
        return self.step(self.project(x), self.initial(x) if state is None else state)

    def step(self, projected: Any, state: Any) -> tuple[Any, Any]:
        raise NotImplementedError


@layer_class
class RNNCell(_Cell):
    """A step of Elman's network: h' = activation(x W_x + h W_h + b).

    Parameters
    ----------
    weight_x : array (n_in, n_hidden)
    weight_h : array (n_hidden, n_hidden)
    bias : array (n_hidden,), optional
    activation : function, static

    References
    ----------
    Elman (1990), Finding structure in time.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> cell = wg.nn.RNNCell(np.ones((1, 1)), np.ones((1, 1)))
    >>> output, state = cell(np.array([0.5]), np.array([0.5]))
    >>> output
    array([0.76159416])
    """

    activation: Callable[[Any], Any] = field(default=np.tanh, metadata={"static": True})

    __repr__ = shown

    def step(self, projected: Any, state: Any) -> tuple[Any, Any]:
        h = call(self.activation, projected + state @ self.weight_h)
        return h, h


@layer_class
class LSTMCell(_Cell):
    """A step of long short-term memory, whose state is (h, c): c' = f c + i g, h' = o tanh c'.

    The gates i, f, o = sigmoid, g = tanh of the parts of x W_x + h W_h + b, in the order i, f, g, o.

    Parameters
    ----------
    weight_x : array (n_in, 4 n_hidden)
    weight_h : array (n_hidden, 4 n_hidden)
    bias : array (4 n_hidden,), optional

    References
    ----------
    Hochreiter, Schmidhuber (1997), Long short-term memory; with the forget gate of Gers, Schmidhuber, Cummins (2000).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> cell = wg.nn.LSTMCell.init(wg.random.key(0), 3, 2)
    >>> output, (h, c) = cell(np.ones(3))
    >>> bool(np.all(output == h)), c.shape
    (True, (2,))
    """

    gates: ClassVar[int] = 4

    __repr__ = shown

    def initial(self, x: Any) -> Any:
        return super().initial(x), super().initial(x)  # two arrays: a loop that carries one twice is unrolled

    def step(self, projected: Any, state: Any) -> tuple[Any, Any]:
        h, c = state
        n = self.n_hidden
        z = projected + h @ self.weight_h
        c = sigmoid(z[..., n:2 * n]) * c + sigmoid(z[..., :n]) * np.tanh(z[..., 2 * n:3 * n])
        h = sigmoid(z[..., 3 * n:]) * np.tanh(c)
        return h, (h, c)


@layer_class
class GRUCell(_Cell):
    """A step of the gated recurrent unit: h' = (1 - z) n + z h, n = tanh(x W_xn + b_n + r (h W_hn + bias_n)).

    The gates r, z = sigmoid of their parts of x W_x + h W_h + b, in the order r, z, n.

    Parameters
    ----------
    weight_x : array (n_in, 3 n_hidden)
    weight_h : array (n_hidden, 3 n_hidden)
    bias : array (3 n_hidden,), optional
    bias_n : array (n_hidden,), optional
        The bias that the reset gate multiplies too.

    References
    ----------
    Cho et al. (2014), Learning phrase representations using RNN encoder-decoder; the reset gate after the product, as in
    cuDNN and torch.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> cell = wg.nn.GRUCell.init(wg.random.key(0), 3, 2)
    >>> cell(np.ones(3), np.zeros(2))[0].shape
    (2,)
    """

    bias_n: Any = None

    gates: ClassVar[int] = 3

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, n_in: int, n_hidden: int, *, bias: bool = True, dtype: Any = float) -> Any:
        k, k_n = random.split(key)
        plain = super().init(k, n_in, n_hidden, bias=bias, dtype=dtype)
        return cls(plain.weight_x, plain.weight_h, plain.bias, _uniform(k_n, n_hidden, (n_hidden,), dtype) if bias else None)

    def step(self, projected: Any, state: Any) -> tuple[Any, Any]:
        h, n = state, self.n_hidden
        y = h @ self.weight_h
        reset, update = sigmoid(projected[..., :n] + y[..., :n]), sigmoid(projected[..., n:2 * n] + y[..., n:2 * n])
        inner = y[..., 2 * n:] if self.bias_n is None else y[..., 2 * n:] + self.bias_n
        new = np.tanh(projected[..., 2 * n:] + reset * inner)
        h = new + update * (h - new)
        return h, h


# ---------------------------------------------------------------- layers


def _over_time(cell: Any, x: Any, state: Any, mask: Any, backward: bool) -> tuple[Any, Any]:
    """Outputs and last state of a cell that goes through x (..., length, n_in), backward if told.

    Where the mask is false the state passes unchanged and the output is zero, in either direction.
    """
    def step(state: Any, given: Any) -> tuple[Any, Any]:
        projected, valid = given
        y, new = cell.step(projected, state)
        if valid is None:
            return new, y
        return _where(valid, new, state), np.where(valid, y, 0)

    valid = None if mask is None else np.moveaxis(mask, -1, 0)[..., None]
    projected = np.moveaxis(cell.project(x), -2, 0)
    dtype = np.result_type(projected.dtype, *[part.dtype for part in _leaves(state)])
    begin = tuple([part.astype(dtype) for part in state]) if isinstance(state, tuple) else state.astype(dtype)
    last, outputs = scan(step, begin, (projected, valid), reverse=backward)
    return np.moveaxis(outputs, 0, -2), last


def _leaves(state: Any) -> tuple[Any, ...]:
    return state if isinstance(state, tuple) else (state,)


def _where(valid: Any, new: Any, old: Any) -> Any:
    if isinstance(new, tuple):
        return tuple([np.where(valid, a, b) for a, b in zip(new, old)])
    return np.where(valid, new, old)


@layer_class
class _Recurrent:
    """Layers of cells, each run over the outputs of the one below it; with two cells in a layer, in both directions."""

    cells: tuple[tuple[Any, ...], ...]
    dropout: float = field(default=0.0, metadata={"static": True})

    cell: ClassVar[type[_Cell]] = _Cell

    __repr__ = shown

    @classmethod
    def init(cls, key: Any, n_in: int, n_hidden: int, *, layers: int = 1, bidirectional: bool = False, bias: bool = True,
             dropout: float = 0.0, dtype: Any = float) -> Any:
        """A layer with weights uniform on ±1/√n_hidden, drawn from a key.

        Parameters
        ----------
        key : numpy.uint64
        n_in, n_hidden : int
            The sizes of the input and of the state.
        layers : int
        bidirectional : bool
            Outputs have 2 n_hidden features then: first those that come from the past.
        bias : bool
        dropout : float
            The rate between layers, of calls that are given a key.
        dtype : dtype
        """
        directions = 2 if bidirectional else 1
        keys = random.split(key, (layers, directions))
        cells = [tuple([cls.cell.init(k, n_in if i == 0 else directions * n_hidden, n_hidden, bias=bias, dtype=dtype)
                        for k in row]) for i, row in enumerate(keys)]
        return cls(tuple(cells), dropout)

    def __call__(self, x: Any, state: Any = None, *, mask: Any = None, key: Any = None) -> tuple[Any, Any]:
        """The outputs at all times, and the state after the last.

        Parameters
        ----------
        x : array (..., length, n_in)
        state : array (layers * directions, ..., n_hidden), optional
            Where to begin; zeros by default. For an LSTM the pair (h, c) of such arrays.
        mask : array of bool (..., length), optional
            Which elements are valid (see `length_mask`): at others the state stays as it is, and the output is 0.
        key : numpy.uint64, optional
            For dropout between layers.

        Returns
        -------
        outputs : array (..., length, directions * n_hidden)
        state : as the argument
            The last of each layer and direction.
        """
        x = array(x)
        mask = None if mask is None else array(mask)
        pair = isinstance(self.cells[0][0], LSTMCell) and isinstance(state, (tuple, list))
        state = None if state is None else tuple(map(array, state)) if pair else array(state)
        self._check(x, state, mask)
        last = []
        for i, row in enumerate(self.cells):
            if i and key is not None:
                x = Dropout(self.dropout)(x, key=random.fold_in(key, i))
            outputs = []
            for j, cell in enumerate(row):
                begin = cell.initial(x[..., 0, :]) if state is None else _part(state, len(row) * i + j)
                y, end = _over_time(cell, x, begin, mask, backward=j == 1)
                outputs.append(y)
                last.append(end)
            x = outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=-1)
        if isinstance(last[0], tuple):
            return x, tuple([np.stack(parts) for parts in zip(*last)])
        return x, np.stack(last)

    def _check(self, x: Any, state: Any, mask: Any) -> None:
        name, cell, shape = type(self).__name__, self.cells[0][0], np.shape(x)
        if len(shape) < 2 or shape[-1] != cell.weight_x.shape[0]:
            raise InputError(f"{name} with weight_x {cell.weight_x.shape} takes sequences (..., length, "
                             f"{cell.weight_x.shape[0]}); this one has shape {shape}")
        if shape[-2] == 0:
            raise InputError(f"{name} is given sequences of length 0, shape {shape}")
        if mask is not None and (np.shape(mask) != shape[:-1] or mask.dtype != bool):
            raise InputError(f"{name} takes a mask of bool of shape {shape[:-1]} for sequences {shape}; this one is "
                             f"{mask.dtype} of shape {np.shape(mask)}")
        if state is not None:
            pair = isinstance(cell, LSTMCell)
            wanted = (len(self.cells) * len(self.cells[0]), *shape[:-2], cell.n_hidden)
            found = [np.shape(part) for part in state] if isinstance(state, tuple) else [np.shape(state)]
            if found != [wanted] * (2 if pair else 1):
                raise InputError(f"{name} takes {'two states' if pair else 'a state'} of shape {wanted} for sequences {shape}; "
                                 f"given: {', '.join(map(str, found))}")


def _part(state: Any, k: int) -> Any:
    return tuple([part[k] for part in state]) if isinstance(state, tuple) else state[k]


@layer_class
class RNN(_Recurrent):
    """`RNNCell` run over time, in layers, in one direction or both; see `_Recurrent.__call__` for the call.

    Parameters
    ----------
    cells : tuple of tuples of RNNCell
        For each layer one cell, or two: forward and backward.
    dropout : float, static

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> rnn = wg.nn.RNN.init(wg.random.key(0), 3, 4, layers=2)
    >>> outputs, state = rnn(np.ones((5, 10, 3)))
    >>> outputs.shape, state.shape
    ((5, 10, 4), (2, 5, 4))
    """

    cell: ClassVar[type[_Cell]] = RNNCell

    __repr__ = shown


@layer_class
class LSTM(_Recurrent):
    """`LSTMCell` run over time, in layers, in one direction or both; the state is (h, c).

    Parameters
    ----------
    cells : tuple of tuples of LSTMCell
        For each layer one cell, or two: forward and backward.
    dropout : float, static

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> lstm = wg.nn.LSTM.init(wg.random.key(0), 3, 4, bidirectional=True)
    >>> outputs, (h, c) = lstm(np.ones((5, 10, 3)))
    >>> outputs.shape, h.shape
    ((5, 10, 8), (2, 5, 4))
    """

    cell: ClassVar[type[_Cell]] = LSTMCell

    __repr__ = shown


@layer_class
class GRU(_Recurrent):
    """`GRUCell` run over time, in layers, in one direction or both.

    Parameters
    ----------
    cells : tuple of tuples of GRUCell
        For each layer one cell, or two: forward and backward.
    dropout : float, static

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> gru = wg.nn.GRU.init(wg.random.key(0), 3, 4)
    >>> outputs, state = gru(np.ones((5, 10, 3)), mask=wg.nn.length_mask(np.array([1, 2, 3, 4, 10]), 10))
    >>> outputs.shape, state.shape
    ((5, 10, 4), (1, 5, 4))
    """

    cell: ClassVar[type[_Cell]] = GRUCell

    __repr__ = shown
