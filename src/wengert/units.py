"""Times, bytes and counts as one reads them.

What comes in: a number in seconds, bytes or as it is. What goes out: a short text with its unit, three digits at the most.
"""

from __future__ import annotations

import math

__all__ = ["bytes_text", "count_text", "seconds_text"]


def seconds_text(s: float) -> str:
    """A time as one reads it.

    Examples
    --------
    >>> seconds_text(1.234e-3), seconds_text(4.56e-7), seconds_text(12.0)
    ('1.23 ms', '456 ns', '12 s')
    """
    scale, unit = (1e9, "ns") if s < 1e-6 else (1e6, "µs") if s < 1e-3 else (1e3, "ms") if s < 1.0 else (1.0, "s")
    return f"{s * scale:.3g} {unit}" if s * scale < 999.5 else f"{s * scale:.0f} {unit}"


def count_text(n: float) -> str:
    """A count as one reads it; a question mark for what could not be counted (NaN).

    Examples
    --------
    >>> count_text(12), count_text(12_345), count_text(3_000_000)
    ('12', '12.3 k', '3 M')
    """
    if math.isnan(n):
        return "?"
    scale, unit = (1, "") if n < 1_000 else (1e3, " k") if n < 999_500 else (1e6, " M") if n < 999.5e6 else (1e9, " G")
    return f"{n / scale:.3g}{unit}"


def bytes_text(n: int) -> str:
    """Bytes as one reads them.

    Examples
    --------
    >>> bytes_text(64), bytes_text(8_000), bytes_text(1_234_567)
    ('64 B', '8,000 B', '1.23 MB')
    """
    if n < 10_000:
        return f"{n:,} B"
    scale, unit = (1e3, "KB") if n < 999_500 else (1e6, "MB") if n < 999.5e6 else (1e9, "GB")
    return f"{n / scale:.3g} {unit}"
