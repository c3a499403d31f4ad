"""Numbers and paths that a caller gives, checked once for all: none is cast in silence, and the error names the argument."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from topo_interp._errors import InputError

__all__ = ["checked_subsamples", "file_path", "is_whole", "real_number", "whole_number"]

# Fewer values have no ends at 5 % and 95 %.
_FEWEST_SUBSAMPLES = 10


def is_whole(value: Any) -> bool:
    """Whether it is an integer of Python or numpy; True is none.

    >>> is_whole(np.int64(2)), is_whole(True), is_whole(2.0)
    (True, False, False)
    """
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def whole_number(value: Any, name: str, least: int, most: int | None = None, why: str = "") -> int:
    """An integer within bounds, or an error that says what they are (and why).

    >>> whole_number(np.int64(2), "draws", 1)
    2
    >>> whole_number(1.5, "draws", 1)
    Traceback (most recent call last):
    topo_interp._errors.InputError: draws is 1.5; a whole number >= 1 is needed
    """
    if not is_whole(value) or value < least or (most is not None and value > most):
        bounds = f">= {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} is {value!r}; a whole number {bounds} is needed{f' ({why})' if why else ''}")
    return int(value)


def real_number(value: Any, name: str, least: float = 0.0, *, above: bool = False, why: str = "") -> float:
    """A finite number that is large enough; with ``above``, ``least`` itself is too small.

    >>> real_number(np.float32(0.5), "radius", 0, above=True)
    0.5
    """
    number = is_whole(value) or isinstance(value, (float, np.floating))
    if not number or not least <= value < math.inf or (above and value == least):
        needed = f"a finite number {'>' if above else '>='} {least:g} is needed"
        raise InputError(f"{name} is {value!r}; {needed}{f' ({why})' if why else ''}")
    return float(value)


def checked_subsamples(subsamples: Any, without: str = "no interval") -> int:
    """A number of subsamples that an interval can be read from, or 0.

    >>> checked_subsamples(0), checked_subsamples(20)
    (0, 20)
    """
    if not is_whole(subsamples) or (subsamples != 0 and subsamples < _FEWEST_SUBSAMPLES):
        raise InputError(f"subsamples is {subsamples!r}; give 0 ({without}) or a whole number of at least {_FEWEST_SUBSAMPLES}")
    return int(subsamples)


def file_path(path: Any, what: str = "path") -> Path:
    """A path that a caller gave, as a Path.

    >>> file_path(None)
    Traceback (most recent call last):
    topo_interp._errors.InputError: path is None; give the name of a file or folder
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(f"{what} is {path!r}; give the name of a file or folder")
    return Path(path)
