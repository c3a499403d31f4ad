"""Numbers in sentences that are read."""

from __future__ import annotations

from decimal import ROUND_CEILING, Context

__all__ = ["counted", "upper"]


def counted(count: int, noun: str) -> str:
    """The number with the noun, whose plural ends in s.

    >>> counted(1, "row"), counted(2, "row"), counted(0, "row")
    ('1 row', '2 rows', '0 rows')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def upper(bound: float, digits: int = 3) -> str:
    """A bound with so many digits, rounded up: what is printed is a bound too.

    >>> upper(0.14, 1), upper(1e-7), upper(2.0041), upper(float("inf"))
    ('0.2', '1e-07', '2.01', 'inf')
    """
    return f"{float(Context(prec=digits, rounding=ROUND_CEILING).create_decimal(repr(float(bound)))):.{digits}g}"
