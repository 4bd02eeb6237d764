"""Convolution layers, over any number of spatial axes, direct or by Fourier transforms.

What comes in: (..., channels, \\*space), with any leading axes, or none. What goes out: (..., out channels, \\*positions). The
one idea: a convolution is `wengert.convolve_nd`; the transposed one is a convolution of the numbers with zeros put between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from wengert.errors import InputError
from wengert.frontends.numpy_api.convolution import _per_axis, _widths, convolve_nd
from wengert.frontends.trace import user_line

from .checks import bias_fits, features, shown, size_text
from .construction import layer_class
from .initializers import lecun_normal
from .linear import Initializer

__all__ = ["Conv", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
           "fft_convolve"]

PerAxis = int | Sequence[int]
STATIC = {"static": True}


@layer_class
class Conv:
    """A convolution (a cross-correlation, as everywhere in networks) plus a bias for each channel.

    Parameters
    ----------
    weight : array, shape (n_out, n_in / groups, \\*kernel)
    bias : array, shape (n_out,), or None
    stride, dilation : int or tuple of int
    padding : int, tuple of int or of pairs, "valid" or "same"
        Zeros around each spatial axis.
    groups : int
    method : {"direct", "fft"}
        "fft" is quicker for large kernels, and equal to rounding.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> layer = wg.nn.Conv.init(wg.random.key(0), 3, 16, (5, 5), stride=2, padding="same")
    >>> layer(np.ones((10, 3, 28, 28))).shape
    (10, 16, 14, 14)
    """

    weight: Any
    bias: Any = None
    stride: Any = field(default=1, metadata=STATIC)
    padding: Any = field(default=0, metadata=STATIC)
    dilation: Any = field(default=1, metadata=STATIC)
    groups: int = field(default=1, metadata=STATIC)
    method: str = field(default="direct", metadata=STATIC)

    axes: ClassVar[int | None] = None
    __repr__ = shown

    @classmethod
    def init(cls, key: Any, n_in: int, n_out: int, kernel: PerAxis, *, stride: PerAxis = 1, padding: Any = 0,
             dilation: PerAxis = 1, groups: int = 1, bias: bool = True, dtype: Any = float, method: str = "direct",
             initializer: Initializer = lecun_normal) -> Any:
        """A layer with random weights and a bias of zeros.

        Parameters
        ----------
        key : numpy.uint64
        n_in, n_out : int
            Channels.
        kernel : tuple of int
            One size for each spatial axis; of `Conv1d`, `Conv2d`, `Conv3d` one for all will do.
        stride, padding, dilation, groups, method
            See the class.
        bias : bool
        dtype : dtype
            Of float or complex numbers.
        initializer : callable
            ``initializer(key, shape, dtype)``, one of `wg.nn.initializers`.

        Returns
        -------
        Conv
        """
        size = _kernel(cls, kernel)
        if n_in % groups or n_out % groups:
            raise InputError(f"{cls.__name__}: {n_in} channels to {n_out} in {groups} groups; both have to be multiples of it")
        weight = initializer(key, (n_out, n_in // groups, *size), dtype)
        return cls(weight, np.zeros(n_out, dtype) if bias else None, _hashable(stride), _hashable(padding), _hashable(dilation),
                   groups, method)

    def __call__(self, x: Any) -> Any:
        """The convolution of x, (..., n_in, \\*space)."""
        shape = np.shape(self.weight)
        x, lead = _images(self, x, shape[1] * self.groups, len(shape) - 2)
        if self.method not in ("direct", "fft"):
            raise InputError(f'{type(self).__name__} at {user_line()}: method is "direct" or "fft", not {self.method!r}')
        if self.groups < 1 or shape[0] % self.groups:
            raise InputError(f"{type(self).__name__} at {user_line()}: weight is {size_text(self.weight)}; its {shape[0]} "
                             f"output channels are no multiple of {self.groups} groups")
        convolve = fft_convolve if self.method == "fft" else convolve_nd
        _fits(self, x)
        y = convolve(x, self.weight, self.stride, self.padding, self.dilation, self.groups)
        return _biased(self, y, lead)


class Conv1d(Conv):
    """`Conv` over one axis: (batch, channels, length).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.Conv1d.init(wg.random.key(0), 3, 8, 5, dilation=2)(np.ones((10, 3, 50))).shape
    (10, 8, 42)
    """

    axes = 1


class Conv2d(Conv):
    """`Conv` over two axes: (batch, channels, height, width).

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.nn.Conv2d.init(wg.random.key(0), 1, 16, 3, padding=1)(np.ones((10, 1, 8, 8))).shape
    (10, 16, 8, 8)
    """

    axes = 2


class Conv3d(Conv):
    """`Conv` over three axes."""

    axes = 3


@layer_class
class ConvTranspose:
    """The transpose of a convolution (of its linear map from images to images), plus a bias: with a stride it enlarges.

    Parameters
    ----------
    weight : array, shape (n_in, n_out / groups, \\*kernel)
    bias : array, shape (n_out,), or None
    stride, dilation, padding, output_padding : int or tuple of int
        Along each axis there are ``(n − 1) · stride − 2 · padding + dilation · (kernel − 1) + output_padding + 1`` positions.
    groups : int

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> layer = wg.nn.ConvTranspose2d.init(wg.random.key(0), 16, 3, 4, stride=2, padding=1)
    >>> layer(np.ones((10, 16, 7, 7))).shape
    (10, 3, 14, 14)

    References
    ----------
    Dumoulin and Visin, A guide to convolution arithmetic for deep learning, arXiv:1603.07285.
    """

    weight: Any
    bias: Any = None
    stride: Any = field(default=1, metadata=STATIC)
    padding: Any = field(default=0, metadata=STATIC)
    output_padding: Any = field(default=0, metadata=STATIC)
    dilation: Any = field(default=1, metadata=STATIC)
    groups: int = field(default=1, metadata=STATIC)

    axes: ClassVar[int | None] = None
    __repr__ = shown

    @classmethod
    def init(cls, key: Any, n_in: int, n_out: int, kernel: PerAxis, *, stride: PerAxis = 1, padding: PerAxis = 0,
             output_padding: PerAxis = 0, dilation: PerAxis = 1, groups: int = 1, bias: bool = True, dtype: Any = float,
             initializer: Initializer = lecun_normal) -> Any:
        """A layer with random weights, whose fan_in is that of n_in channels, and a bias of zeros; see `Conv.init`."""
        size = _kernel(cls, kernel)
        if n_in % groups or n_out % groups:
            raise InputError(f"{cls.__name__}: {n_in} channels to {n_out} in {groups} groups; both have to be multiples of it")
        weight = np.swapaxes(initializer(key, (n_out // groups, n_in, *size), dtype), 0, 1)
        return cls(weight, np.zeros(n_out, dtype) if bias else None, _hashable(stride), _hashable(padding),
                   _hashable(output_padding), _hashable(dilation), groups)

    def __call__(self, x: Any) -> Any:
        """The transposed convolution of x, (..., n_in, \\*space)."""
        n_in, per_group, *kernel = np.shape(self.weight)
        n = len(kernel)
        x, lead = _images(self, x, n_in, n)
        stride, dilation, padding, more = self._options(x, n)
        w = np.reshape(self.weight, (self.groups, n_in // self.groups, per_group, *kernel))
        w = np.flip(np.swapaxes(w, 1, 2), tuple(range(3, n + 3)))
        w = np.reshape(w, (self.groups * per_group, n_in // self.groups, *kernel))
        reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        y = convolve_nd(_spread(x, stride), w, padding=tuple(reach), dilation=dilation, groups=self.groups)
        return _biased(self, _cropped(y, padding, more), lead)

    def _options(self, x: Any, n: int) -> list[tuple[int, ...]]:
        """Stride, dilation, padding and output padding along each axis, which have to leave some positions."""
        where = f"{type(self).__name__} at {user_line()}"
        try:
            found = [_per_axis(getattr(self, name), n, name) for name in ("stride", "dilation", "padding", "output_padding")]
        except ValueError as error:
            raise InputError(f"{where}: {str(error).removeprefix('convolve_nd: ')}; options are whole numbers") from None
        if min(*found[0], *found[1]) < 1 or min(*found[2], *found[3]) < 0:
            raise InputError(f"{where}: stride {self.stride} and dilation {self.dilation} have to be positive, padding "
                             f"{self.padding} and output_padding {self.output_padding} not negative")
        for size, k, s, d, p, m in zip(np.shape(x)[2:], np.shape(self.weight)[2:], *found, strict=True):
            if (size - 1) * s - 2 * p + d * (k - 1) + m < 0:
                raise features(self, x, f"more space: padding {self.padding} leaves none")
        if self.groups < 1 or np.shape(self.weight)[0] % self.groups:
            raise InputError(f"{where}: {np.shape(self.weight)[0]} channels are no multiple of {self.groups} groups")
        return found


class ConvTranspose1d(ConvTranspose):
    """`ConvTranspose` over one axis."""

    axes = 1


class ConvTranspose2d(ConvTranspose):
    """`ConvTranspose` over two axes."""

    axes = 2


class ConvTranspose3d(ConvTranspose):
    """`ConvTranspose` over three axes."""

    axes = 3


# ---------------------------------------------------------------- parts

def _hashable(x: Any) -> Any:
    return tuple(_hashable(part) for part in x) if isinstance(x, (tuple, list)) else x


def _kernel(cls: Any, kernel: PerAxis) -> tuple[int, ...]:
    several = isinstance(kernel, (tuple, list))
    size: Any = tuple(kernel) if several else (kernel,) * (cls.axes or 0)  # type: ignore[arg-type]
    if len(size) == cls.axes or (cls.axes is None and several):
        if all(isinstance(n, (int, np.integer)) and n > 0 for n in size):
            return size  # type: ignore[no-any-return]
        raise InputError(f"{cls.__name__}: kernel is {kernel!r}; sizes are positive integers")
    wanted = "a tuple with one size for each spatial axis" if cls.axes is None else f"an int or a tuple of {cls.axes}"
    raise InputError(f"{cls.__name__}: kernel is {wanted}, not {kernel!r}")


def _images(layer: Any, x: Any, n_in: int, n: int) -> tuple[Any, tuple[int, ...]]:
    """x with one leading axis, and the leading axes that it had."""
    shape = np.shape(x)
    axes = f"{n} spatial {'axis' if n == 1 else 'axes'}"
    if len(shape) < n + 1:
        raise features(layer, x, f"shape (..., {n_in}, *space) with {axes}")
    if shape[-n - 1] != n_in:
        raise features(layer, x, f"{n_in} channels before its {axes}, and has {shape[-n - 1]}")
    lead = shape[:-n - 1]
    return x if len(lead) == 1 else np.reshape(x, (math.prod(lead), *shape[-n - 1:])), lead


def _fits(layer: Conv, x: Any) -> None:
    """That the options are as many as the axes, and that the kernel fits into the padded image."""
    space, kernel = np.shape(x)[2:], np.shape(layer.weight)[2:]
    n = len(space)
    try:
        stride, dilation = _per_axis(layer.stride, n, "stride"), _per_axis(layer.dilation, n, "dilation")
        if min(*stride, *dilation) < 1:
            raise ValueError(f"stride {layer.stride} and dilation {layer.dilation} have to be positive")
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        widths = _widths(layer.padding, space, reach, stride)
    except ValueError as error:
        text = str(error).removeprefix("convolve_nd: ")
        raise InputError(f"{type(layer).__name__} at {user_line()}: {text}") from None
    if any(size + sum(pair) < r for size, pair, r in zip(space, widths, reach, strict=True)):
        raise features(layer, x, f"space for a kernel that reaches over {tuple(reach)}")


def _biased(layer: Any, y: Any, lead: tuple[int, ...]) -> Any:
    if layer.bias is not None:
        bias_fits(layer, np.shape(y)[1])
        y = y + np.reshape(layer.bias, (-1, *(1,) * (np.ndim(y) - 2)))
    return y if len(lead) == 1 else np.reshape(y, (*lead, *np.shape(y)[1:]))


def _spread(x: Any, stride: tuple[int, ...]) -> Any:
    """x with stride − 1 zeros between neighbors."""
    for axis, step in enumerate(stride, 2):
        if step > 1:
            before, size, after = np.shape(x)[:axis], np.shape(x)[axis], np.shape(x)[axis + 1:]
            x = np.pad(np.expand_dims(x, axis + 1), [(0, 0)] * (axis + 1) + [(0, step - 1)] + [(0, 0)] * len(after))
            x = np.reshape(x, (*before, size * step, *after))
            x = x[(slice(None),) * axis + (slice(0, size * step - step + 1),)]
    return x


def _cropped(y: Any, padding: tuple[int, ...], more: tuple[int, ...]) -> Any:
    """y without `padding` positions at both ends of each spatial axis, and with `more` at its end."""
    sizes = np.shape(y)[2:]
    behind = [max(m - p, 0) for p, m in zip(padding, more, strict=True)]
    if any(behind):
        y = np.pad(y, [(0, 0), (0, 0), *[(0, b) for b in behind]])
    return y[(slice(None), slice(None), *[slice(p, size - p + m) for p, m, size in zip(padding, more, sizes, strict=True)])]


# ---------------------------------------------------------------- Fourier

def fft_convolve(x: Any, w: Any, stride: PerAxis = 1, padding: Any = 0, dilation: PerAxis = 1, groups: int = 1) -> Any:
    """`wengert.convolve_nd` by Fourier transforms: the same to rounding, in time that does not grow with the kernel.

    Parameters
    ----------
    x : array of float or complex, shape (batch, channels, \\*space)
    w : array of float or complex, shape (out channels, channels / groups, \\*kernel)
    stride, padding, dilation, groups
        As in `wengert.convolve_nd`; what a stride leaves out is computed all the same.

    Returns
    -------
    array, shape (batch, out channels, \\*positions)

    Notes
    -----
    With the discrete Fourier transform F, a correlation is ``F⁻¹(F(x) · conj(F(conj(w))))``.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> x, w = np.random.default_rng(0).normal(size=(2, 1, 1, 9))
    >>> y = fft_convolve(x[None], w[None, ..., :5], padding=2)
    >>> bool(np.allclose(y, wg.convolve_nd(x[None], w[None, ..., :5], padding=2)))
    True

    References
    ----------
    Mathieu, Henaff and LeCun, Fast training of convolutional networks through FFTs, ICLR 2014.
    """
    n = np.ndim(x) - 2
    shape, kernel = np.shape(x), np.shape(w)
    if n < 1 or len(kernel) != n + 2 or shape[1] != kernel[1] * groups or kernel[0] % groups:
        raise InputError(f"fft_convolve at {user_line()}: x is {size_text(x)} and w {size_text(w)}, in {groups} groups; they "
                         "have to be (batch, channels, *space) and (out channels, channels / groups, *kernel)")
    steps, spread = _per_axis(stride, n, "stride"), _per_axis(dilation, n, "dilation")
    reach = [(k - 1) * d + 1 for k, d in zip(kernel[2:], spread, strict=True)]
    widths = _widths(padding, shape[2:], reach, steps)
    if any(p for pair in widths for p in pair):
        x = np.pad(x, ((0, 0), (0, 0), *widths))
    full = np.shape(x)[2:]
    if any(size < r for size, r in zip(full, reach, strict=True)):
        raise InputError(f"fft_convolve at {user_line()}: x is {size_text(x)} with its padding, and w {size_text(w)}, which "
                         f"reaches over {tuple(reach)}")
    y = _correlated(x, _spread(w, spread), full, groups)
    return y[(..., *[slice(0, size - r + 1, step) for size, r, step in zip(full, reach, steps, strict=True)])]


def _correlated(x: Any, w: Any, full: tuple[int, ...], groups: int) -> Any:
    from scipy.fft import next_fast_len
    whole = np.iscomplexobj(x) or np.iscomplexobj(w)
    sizes, axes = [next_fast_len(size, not whole) for size in full], tuple(range(2, len(full) + 2))
    forward, back = (np.fft.fftn, np.fft.ifftn) if whole else (np.fft.rfftn, np.fft.irfftn)
    fx, fw = forward(x, sizes, axes), np.conj(forward(np.conj(w), sizes, axes))
    space = fx.shape[2:]
    a = np.reshape(fx, (fx.shape[0], groups, -1, math.prod(space)))
    b = np.reshape(fw, (groups, fw.shape[0] // groups, -1, math.prod(space)))
    product = np.reshape(np.einsum("bgif,goif->bgof", a, b), (fx.shape[0], fw.shape[0], *space))
    return back(product, sizes, axes)
