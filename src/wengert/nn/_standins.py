"""A stand-in until normalization is here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class LayerNorm:
    scale: Any
    shift: Any
    eps: float = field(default=1e-5, metadata={"static": True})

    @classmethod
    def init(cls, n: int, *, dtype: Any = float) -> LayerNorm:
        return cls(np.ones(n, dtype), np.zeros(n, dtype))

    def __call__(self, x: Any) -> Any:
        d = x - np.mean(x, axis=-1, keepdims=True)
        return d / np.sqrt(np.mean(d * d, axis=-1, keepdims=True) + self.eps) * self.scale + self.shift
