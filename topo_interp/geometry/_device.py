"""Points for the kernels of a CUDA device: where they are, on which stream, and what the errors of a device say."""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from topo_interp._errors import BudgetError, InputError
from topo_interp._memory import readable
from topo_interp._native import cuda_device, device_number
from topo_interp.arrays import as_given_and_halves, as_matrix, refuse_not_finite, require_finite
from topo_interp.point_cloud import PointCloud, blocks_digest, stored_rows

__all__ = ["DevicePoints", "budget_errors", "device_digest", "device_points", "lies_on_device", "on_host", "some_rows"]

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_BLOCK = 2**22  # entries of rows that are looked at together


@dataclasses.dataclass(frozen=True)
class DevicePoints:
    """Checked points (n, d) for the kernels of one device.

    Attributes:
        kernels: the extension's module.
        device: as it was asked for, "cuda" or "cuda:1".
        number: of the device.
        stream: address of the stream that work is ordered on; 0 for the default one.
        array: a numpy array (or a 16-bit tensor of the host), or a tensor or CuPy array that lies on the device.
        library: torch or cupy, when the array is theirs and lies on the device; else None.
        dtype: of the distances.
        largest: the largest absolute value.
        flags: what is known of the rows (the extension's ``check_rows``); None for float32 and float64 of the host.
        halves: what the kernels take in the place of 16-bit rows of the host: these (of bfloat16 the bits), or a pair of them and
            the offset that a store subtracted. They are widened on the device.
    """

    kernels: ModuleType
    device: str
    number: int
    stream: int
    array: Any
    library: ModuleType | None
    dtype: np.dtype
    largest: float
    flags: np.ndarray | None
    halves: Any = None

    def __len__(self) -> int:
        return int(self.array.shape[0])

    def empty(self, shape: tuple[int, int]) -> Any:
        """A new array of distances: in the library and on the device of the points."""
        if self.library is None:
            return np.empty(shape, dtype=self.dtype)
        if self.library.__name__ == "torch":
            return self.library.empty(shape, dtype=getattr(self.library, self.dtype.name), device=self.array.device)
        with self.library.cuda.Device(self.number):
            return self.library.empty(shape, dtype=self.dtype)

    def rows_without_direction(self, metric: str) -> np.ndarray | None:
        """Of points with flags, a mask of the zero rows, or for correlation of the constant ones."""
        if self.flags is None:
            return None
        return (self.flags & (4 if metric == "correlation" else 2)) == 0


def device_points(x: Any, device: str, *, name: str) -> DevicePoints:
    """The rows of ``x`` for the kernels of ``device``: arrays of the host are checked there, CUDA arrays where they are.

    Raises:
        InputError: bad points, or points on another device.
        MissingEngineError: no CUDA module, driver or device.
    """
    number = device_number(device)
    kernels = cuda_device(number)
    stored = stored_rows(x) if isinstance(x, PointCloud) else None
    array = x.points if isinstance(x, PointCloud) else x
    library = _library_of(array)
    if library is None:
        array, halves = as_given_and_halves(array, name=name)
        if halves is not None and not stored:
            flags, largest = _checked_halves(halves, name)
            return DevicePoints(kernels, device, number, 0, array, None, np.dtype(np.float32), largest, flags, halves)
        points = as_matrix(array, name=name)
        largest = require_finite(points, name=name)
        return DevicePoints(kernels, device, number, 0, points, None, points.dtype, largest, None, stored and _pair(*stored))
    points, stream = (_of_torch if library.__name__ == "torch" else _of_cupy)(array, library, number, name)
    flags, largest = kernels.check_rows(points, device=number, stream=stream)
    if (flags & 1).any():
        refuse_not_finite((flags & 1) != 0, name=name)
    dtype = np.dtype(np.float64 if str(points.dtype).endswith("float64") else np.float32)
    return DevicePoints(kernels, device, number, stream, points, library, dtype, largest, flags)


def lies_on_device(x: Any) -> bool:
    """Whether it is a tensor or a CuPy array on a device."""
    return _library_of(x) is not None


def on_host(x: Any) -> Any:
    """What lies on a device as an array of the host; anything else as it is."""
    library = _library_of(x)
    if library is None:
        return x
    return x.detach().cpu() if library.__name__ == "torch" else x.get()


def some_rows(x: Any, index: np.ndarray) -> Any:
    """Rows of points, where they lie and as they are stored."""
    if not lies_on_device(x):
        x = as_given_and_halves(x, name="x")[0]
    return x[index.tolist()]


def device_digest(x: Any) -> str:
    """Of rows on a device, the digest of the points that they are (``array_digest``), read in blocks of rows."""
    step = max(1, _BLOCK // max(1, math.prod(x.shape[1:])))
    blocks = (as_matrix(on_host(x[first : first + step]), name="x") for first in range(0, max(1, len(x)), step))
    first = next(blocks)
    return blocks_digest(first.dtype, tuple(x.shape), itertools.chain([first], blocks))


def _checked_halves(halves: np.ndarray, name: str) -> tuple[np.ndarray, float]:
    """What the extension's ``check_rows`` says of rows on the device, of 16-bit rows of the host."""
    bits, infinite = halves.view(np.uint16), 0x7C00 if halves.dtype == np.float16 else 0x7F80
    flags, most, step = np.empty(len(bits), np.uint8), 0, max(1, _BLOCK // bits.shape[1])
    for first in range(0, len(bits), step):
        block = bits[first : first + step]
        largest = (block & 0x7FFF).max(axis=1)
        differs = (block != block[:, :1]).any(axis=1) & (largest != 0)  # 0 and -0 do not
        flags[first : first + step] = (largest >= infinite) + 2 * (largest != 0) + 4 * differs
        most = max(most, int(largest.max()))
    if (flags & 1).any():
        refuse_not_finite((flags & 1) != 0, name=name)
    if infinite == 0x7C00:
        return flags, float(np.uint16(most).view(np.float16))
    return flags, float(np.uint32(most << 16).view(np.float32))


def _pair(stored: np.ndarray, offset: np.ndarray | None) -> Any:
    stored = np.require(stored, requirements=["C_CONTIGUOUS", "ALIGNED"])
    return stored if offset is None else (stored, np.require(offset, np.float32, ["C_CONTIGUOUS", "ALIGNED"]))


@contextmanager
def budget_errors(what: str, device: str, advice: str) -> Iterator[None]:
    """Turns what the extension throws when the device is out of memory into our error, with the cost in it."""
    try:
        yield
    except MemoryError as error:
        if isinstance(error, BudgetError) or len(error.args) not in (1, 2) or not all(isinstance(size, int) for size in error.args):
            raise
        if len(error.args) == 1:
            raise BudgetError(
                f"{what} needs {readable(error.args[0])} of the host in one piece on the way to {device!r}, which it does not have: "
                f"{advice}, or free some of its memory"
            ) from None
        needed, free = error.args
        torch = sys.modules.get("torch")
        cached = ", or torch.cuda.empty_cache(), since torch keeps what it has freed" if torch and torch.cuda.is_initialized() else ""
        raise BudgetError(
            f"{what} needs at least {readable(needed)} on {device!r}, which has {readable(free)} free: {advice}{cached}, or compute with "
            "device='cpu'"
        ) from None


def _library_of(x: Any) -> ModuleType | None:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return torch if x.device.type == "cuda" else None
    cupy = sys.modules.get("cupy")
    return cupy if cupy is not None and isinstance(x, cupy.ndarray) else None


def _of_torch(x: Any, torch: ModuleType, number: int, name: str) -> tuple[Any, int]:
    if x.device.index != number:
        raise InputError(f"{name} is a tensor on {x.device}; say device='{x.device}', or move it with {name}.to('cuda:{number}')")
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"{name} has shape {tuple(x.shape)}; two axes (rows, coordinates) with at least one entry each are needed")
    x = x.detach()
    kind = str(x.dtype).removeprefix("torch.")
    if kind not in _FLOATS:
        x = _exact_doubles(lambda: x.to(torch.float64), kind, name)
    in_rows = x.stride(1) == 1 and x.stride(0) >= x.shape[1]  # not so in windows, whose rows overlap, and in expanded rows
    return x if in_rows else x.contiguous(), torch.cuda.current_stream(x.device).cuda_stream


def _of_cupy(x: Any, cupy: ModuleType, number: int, name: str) -> tuple[Any, int]:
    if x.device.id != number:
        raise InputError(f"{name} is an array on device {x.device.id}; say device='cuda:{x.device.id}'")
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f"{name} has shape {x.shape}; two axes (rows, coordinates) with at least one entry each are needed")
    if x.dtype.name not in _FLOATS:
        x = _exact_doubles(lambda: x.astype(cupy.float64), x.dtype.name, name)
    return cupy.ascontiguousarray(x), cupy.cuda.get_current_stream().ptr


def _exact_doubles(widened: Callable[[], Any], kind: str, name: str) -> Any:
    if "complex" in kind or not (kind.startswith(("int", "uint", "bool"))):
        raise InputError(
            f"{name} has dtype {kind}; real numbers (float16, bfloat16, float32, float64, integers, booleans) are needed"
        )
    wide = widened()
    if bool((abs(wide) >= 2.0**53).any()):
        raise InputError(f"{name} of dtype {kind} holds integers from 2^53 on, which float64 can not all represent; subtract an offset")
    return wide
