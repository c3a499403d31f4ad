"""What the package asks of CuPy, over arrays of the host, for the emulated device."""

from __future__ import annotations

import contextlib
import sys
import types
from typing import ClassVar

import numpy as np
import pytest


class Array(np.ndarray):
    device = types.SimpleNamespace(id=0)
    fetched: ClassVar[list[int]] = []  # rows of each copy to the host

    def get(self) -> np.ndarray:
        Array.fetched.append(len(self))
        return np.array(self)


def installed(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The module, in the place of ``cupy``."""
    module = types.ModuleType("cupy")
    module.ndarray, module.float64 = Array, np.float64
    module.ascontiguousarray = lambda x: np.ascontiguousarray(x).view(Array)
    module.empty = lambda shape, dtype: np.empty(shape, dtype).view(Array)
    stream = types.SimpleNamespace(ptr=0)
    module.cuda = types.SimpleNamespace(get_current_stream=lambda: stream, Device=lambda number: contextlib.nullcontext())
    monkeypatch.setitem(sys.modules, "cupy", module)
    Array.fetched.clear()
    return module
