"""Numbers and paths that a caller gives, checked once for all: none is cast in silence, and the error names the argument."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from topo_interp._errors import InputError

__all__ = ["as_numbers", "checked_subsamples", "file_path", "function", "is_whole", "real_number", "share_number", "whole_number"]

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


def share_number(value: Any, name: str, *, whole: bool = False) -> float:
    """A number above 0 and below 1, with ``whole`` also 1 itself.

    >>> share_number(0.05, "alpha")
    0.05
    """
    if not (is_whole(value) or isinstance(value, (float, np.floating))) or not 0 < value <= 1 or (value == 1 and not whole):
        raise InputError(f"{name} is {value!r}; a number above 0 and {'at most' if whole else 'below'} 1 is needed")
    return float(value)


def function(value: Any, name: str, example: str) -> Any:
    """Something that can be called, or an error with an example of it.

    >>> function(abs, "summary", "ti.max_persistence(dim=1)")
    <built-in function abs>
    """
    if not callable(value) or isinstance(value, type):
        raise InputError(f"{name} is {value!r}, which can not be called; give one such as {name}={example}")
    return value


def as_numbers(values: Any, name: str) -> np.ndarray:
    """Real numbers as a float64 array.

    >>> as_numbers([1, 2.5], "values")
    array([1. , 2.5])
    """
    try:
        array = np.asarray(values)
    except ValueError:  # lists of unequal lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} is {values!r}; an array of real numbers is needed")
    return array.astype(np.float64, copy=False)


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
