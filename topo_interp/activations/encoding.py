"""How captured rows become stored numbers and points again: float32, float64, or 16 bits around an offset.

Sixteen bits can not hold a row as it is: a coordinate near 1000 has a spacing of 4 in bfloat16, and a cloud becomes a
lattice. So a 16-bit site stores the deviation from one fixed float32 vector, its *offset* (the mean of the first batch),
and ``points = float32(stored) + offset``, rounded once to float32.
"""

from __future__ import annotations

import numpy as np

from topo_interp._errors import InputError

__all__ = ["DTYPES", "centered_encode", "check_dtype", "decode", "storage_dtype"]

DTYPES = ("float32", "float64", "float16", "bfloat16")
# bfloat16 is kept as its bits, because numpy has no such type and a reader should need nothing but numpy.
_STORAGE = {"float32": "<f4", "float64": "<f8", "float16": "<f2", "bfloat16": "<u2"}


def check_dtype(dtype: str) -> str:
    """The dtype's name, or an error that lists the four."""
    if dtype not in DTYPES:
        raise InputError(f"dtype is {dtype!r}; use one of {', '.join(DTYPES)}")
    return dtype


def storage_dtype(dtype: str) -> np.dtype:
    """The numpy dtype of the stored array."""
    return np.dtype(_STORAGE[dtype])


def centered_encode(points: np.ndarray, dtype: str, offset: np.ndarray | None) -> np.ndarray:
    """``points - offset`` rounded to the nearest value of the dtype, ties to even; an overflow stays an infinity."""
    if offset is not None:
        points = points.astype(np.float32, copy=False) - offset
    if dtype == "bfloat16":
        bits = np.ascontiguousarray(points, dtype=np.float32).view(np.uint32)
        return ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16).astype("<u2")
    with np.errstate(over="ignore"):
        return points.astype(_STORAGE[dtype], copy=False)


def decode(stored: np.ndarray, dtype: str, offset: np.ndarray | None) -> np.ndarray:
    """The points: the stored array itself for 32 and 64 bits, ``float32(stored) + offset`` for 16 bits."""
    if dtype in ("float32", "float64"):
        return stored
    if dtype == "bfloat16":
        points = (stored.astype(np.uint32) << 16).view(np.float32)
    else:
        points = stored.astype(np.float32)
    return points if offset is None else points + offset
