"""A number with its noun, for sentences that are read."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, noun: str) -> str:
    """The number with the noun, whose plural ends in s.

    >>> counted(1, "row"), counted(2, "row"), counted(0, "row")
    ('1 row', '2 rows', '0 rows')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"
