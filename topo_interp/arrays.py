"""Any input that holds points becomes one checked array: two axes, C order, float32 or float64, finite."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np

from topo_interp._errors import InputError
from topo_interp._native import cpu, default_threads
from topo_interp._words import counted

__all__ = ["as_points"]

# Below so many numbers, starting threads takes longer than looking at all of them.
_SMALL = 2**17


def as_points(x: Any, *, name: str = "x") -> np.ndarray:
    """Points as a C-contiguous array (n, d): float32 from 16- and 32-bit floats, float64 from everything wider.

    Takes numpy and ml_dtypes arrays, torch CPU tensors of any stride, PointClouds, data frames and lists. Integers and
    booleans become float64, exactly or not at all. An array that already fits is returned without a copy.

    >>> as_points([[0, 1], [2, 3]])
    array([[0., 1.],
           [2., 3.]])

    Args:
        x: points, rows are observations.
        name: what the errors call it.

    Raises:
        InputError: not two axes, empty, complex, text or objects, inexact integers, a NaN or an infinity (with its row).
    """
    points = as_matrix(x, name=name)
    require_finite(points, name=name)
    return points


def as_matrix(x: Any, *, name: str) -> np.ndarray:
    """Like :func:`as_points` without the look for NaN and infinity."""
    return widened(as_given(x, name=name), name=name)


def as_given(x: Any, *, name: str) -> np.ndarray:
    """The array behind the input, as it is: two axes with at least one entry each, of whatever type."""
    array = _from_torch(x, name) if _is_torch(x) else _from_numpy(x, name)
    if array.ndim != 2:
        hint = "reshape one observation with x[None, :] and one coordinate with x[:, None]"
        if array.ndim > 2:
            hint = "flatten the later axes with x.reshape(len(x), -1), or choose rows with a selector such as ti.mean_pool()"
        raise InputError(f"{name} has shape {array.shape}; two axes (rows, coordinates) are needed: {hint}")
    if 0 in array.shape:
        raise InputError(f"{name} has shape {array.shape}; at least one row and one coordinate are needed")
    return array


def as_given_and_halves(x: Any, *, name: str) -> tuple[Any, np.ndarray | None]:
    """As :func:`as_given`, but bfloat16 tensors as they are; and of 16-bit floats the rows, of bfloat16 their bits (uint16)."""
    plain = _is_torch(x) and (x.ndim, x.device.type, str(x.layout)) == (2, "cpu", "torch.strided")
    if plain and str(x.dtype) == "torch.bfloat16" and 0 not in x.shape:
        given, halves = x, x.detach().resolve_neg().view(sys.modules["torch"].int16).numpy().view(np.uint16)
    else:
        given = halves = as_given(x, name=name)
        if given.dtype.name == "bfloat16":
            halves = given.view(np.uint16)
        elif given.dtype != np.float16:
            return given, None
    return given, np.require(halves, requirements=["C_CONTIGUOUS", "ALIGNED"])


def require_finite(points: np.ndarray, *, name: str) -> float:
    """Refuses NaN and infinity, naming the first row that has one; returns the largest absolute value."""
    if points.size < _SMALL:
        largest = float(np.abs(points).max())
        if np.isfinite(largest):
            return largest
    bad, largest = cpu.scan(points, default_threads())
    if bad < 0:
        return largest
    refuse_not_finite(~np.isfinite(points).all(axis=1), name=name)


def refuse_not_finite(bad: np.ndarray, *, name: str) -> NoReturn:
    """Raises the error about the rows that the mask names."""
    raise InputError(
        f"row {int(np.flatnonzero(bad)[0])} of {name} has a NaN or an infinity ({int(bad.sum())} of {len(bad)} rows do); drop such rows with "
        f"{name}[np.isfinite({name}).all(axis=1)]"
    )


def _is_torch(x: Any) -> bool:
    torch = sys.modules.get("torch")  # a tensor can only come from a torch that is already imported
    return torch is not None and isinstance(x, torch.Tensor)


def _from_torch(x: Any, name: str) -> np.ndarray:
    if x.device.type == "meta":
        raise InputError(f"{name} is a tensor on meta, which has a shape and no numbers; give one that was computed")
    if x.device.type != "cpu":
        raise InputError(f"{name} is a tensor on {x.device}; move it with {name}.cpu(), or say device={str(x.device)!r} where that is taken")
    for unfit, kind, call in (
        (x.is_quantized, "quantized", "dequantize()"),
        (x.is_nested, "nested", "to_padded_tensor(0.0)"),
        (str(x.layout) != "torch.strided", "sparse", "to_dense()"),
    ):
        if unfit:
            raise InputError(f"{name} is a {kind} tensor; a dense one of numbers is needed: {name}.{call}")
    x = x.detach().resolve_conj().resolve_neg()
    if str(x.dtype) == "torch.bfloat16":
        out = np.empty(tuple(x.shape), dtype=np.float32)
        if x.ndim == 2:  # other shapes are refused by their number of axes
            cpu.widen_bfloat16(x, out)
        return out
    try:
        return x.numpy()
    except TypeError:  # an 8-bit float, say, that numpy does not have
        raise InputError(f"{name} is a tensor of {x.dtype}, which numpy does not have; convert it with {name}.float()") from None


def _from_numpy(x: Any, name: str) -> np.ndarray:
    if isinstance(x, np.ma.MaskedArray):
        raise InputError(f"{name} is a masked array; fill it or drop the masked rows: np.ma.compress_rows({name})")
    if hasattr(x, "tocsr"):
        raise InputError(f"{name} is a sparse matrix; a dense array is needed: {name}.toarray()")
    if isinstance(x, Mapping):
        one = f"; give one of them: {name}[{next(iter(x))!r}]" if x else ""
        raise InputError(f"{name} is a {type(x).__name__} of {counted(len(x), 'array')}{one}")
    needed = f"{name} is a {type(x).__name__}; points (rows, coordinates) are needed: an array, a tensor, a data frame or a ti.PointCloud"
    if type(x).__module__.startswith("topo_interp.") and not hasattr(x, "__array__"):
        raise InputError(needed)
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise InputError(f"{name} is no rectangular array of numbers ({error}); give rows of equal length") from None
    if array.ndim == 0 and array.dtype == object:
        raise InputError(needed)
    return array


def widened(array: np.ndarray, *, name: str) -> np.ndarray:
    """The array in C order as float32 or float64, without a copy where it is that; an error where it holds no real numbers."""
    dtype = array.dtype
    if dtype.type in (np.float32, np.float64):
        return np.require(array, dtype.type, ["C_CONTIGUOUS", "ALIGNED"])
    if dtype.type is np.float16 or _is_ml_dtypes_float(dtype):
        return np.ascontiguousarray(array.astype(np.float32))
    if dtype.kind == "b":
        return np.ascontiguousarray(array.astype(np.float64))
    if dtype.kind in "iu":
        wide = np.ascontiguousarray(array.astype(np.float64))
        large = np.abs(wide) >= 2.0**53
        if any(int(w) != int(v) for w, v in zip(wide[large], array[large])):
            raise InputError(
                f"{name} of dtype {dtype} holds integers beyond 2^53, which float64 can not represent; subtract an "
                f"offset first, or say {name}.astype(np.float64) if rounding is meant"
            )
        return wide
    hint = f"np.hstack([{name}.real, {name}.imag])" if dtype.kind == "c" else f"{name}.astype(np.float64)"
    raise InputError(
        f"{name} has dtype {dtype}; real numbers (float16, bfloat16, float32, float64, integers, booleans) are needed, e.g. {hint}"
    )


def _is_ml_dtypes_float(dtype: np.dtype) -> bool:
    return dtype.type.__module__ == "ml_dtypes" and "float" in dtype.name and dtype.itemsize <= 2
