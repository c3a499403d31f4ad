"""The one door to the compiled extension: every other module takes the kernels from here."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError, MissingEngineError

try:
    from topo_interp import _cpu as cpu
except ImportError as error:  # the bare source folder, or a broken build
    raise ImportError(
        "the extension is not built: run make dev (or pip install .), and do not import topo_interp from its "
        f"source folder {Path(__file__).resolve().parent}"
    ) from error

__all__ = ["build_info", "cpu", "cuda_device", "cuda_module", "default_threads", "device_number", "threads_or_default"]

_MOST_THREADS = 2**15  # no result depends on their number, and the kernels take fewer still


class _NotBuiltError(MissingEngineError):
    """This build has no CUDA module, which is no fault of it."""


def default_threads() -> int:
    """Cores this process may use: its affinity, not the machine's count."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def threads_or_default(threads: int | None) -> int:
    """``threads`` as given, or every core of this process.

    >>> threads_or_default(3)
    3
    """
    if threads is None:
        return default_threads()
    return min(whole_number(threads, "threads", 1, why="None for all cores"), _MOST_THREADS)


def build_info() -> dict[str, str]:
    """What the compiled part is: compiler, instruction set in use, hash of the C++ sources, and whether CUDA is there.

    >>> sorted(build_info())
    ['compiler', 'cuda', 'instruction_set', 'source_hash']
    """
    return {**cpu.build_info(), "cuda": _cuda_line()}


def cuda_module() -> ModuleType:
    """The kernels for the device; TOPO_INTERP_CUDA_EMULATION=1 in the environment asks for the same code run by the CPU,
    slowly, for tests.

    Raises:
        MissingEngineError: this build has no such module, or the module is of other sources than the rest.
    """
    emulated = os.environ.get("TOPO_INTERP_CUDA_EMULATION", "") not in ("", "0")
    name = "_cuda_host" if emulated else "_cuda"
    try:
        module = importlib.import_module(f"topo_interp.{name}")
    except ImportError as error:
        if not isinstance(error, ModuleNotFoundError):  # it is there
            raise MissingEngineError(f"the CUDA module of this build does not load: {error}; rebuild it with make cuda") from error
        wanted = "emulation (TOPO_INTERP_CUDA_EMULATION is set)" if emulated else "CUDA module"
        raise _NotBuiltError(
            f"this build has no {wanted}: where nvcc is installed, build it with make cuda, or with "
            "TOPO_INTERP_CUDA=ON pip install .; or compute with device='cpu'"
        ) from None
    if module.build_info()["source_hash"] != cpu.build_info()["source_hash"]:
        raise MissingEngineError("the CUDA module was built from other sources than the rest; build both again: make cuda")
    return module


def cuda_device(number: int = 0) -> ModuleType:
    """The kernels for the device, when device ``number`` is there to run them.

    Raises:
        MissingEngineError: no such module, driver or device.
    """
    module = cuda_module()
    count = module.device_count()
    if count == 0:
        raise MissingEngineError(
            f"no CUDA device: {module.why_no_device()}; run this on a machine with one, or compute with device='cpu'"
        )
    if number >= count:
        raise MissingEngineError(f"no CUDA device {number}: this process sees {count}, numbered from 0; say device='cuda:0'")
    return module


def device_number(device: str) -> int:
    """The number of the CUDA device that "cuda" or "cuda:1" names.

    >>> device_number("cuda"), device_number("cuda:1")
    (0, 1)
    """
    name, _, number = str(device).partition(":")
    if name != "cuda" or not (number.isdecimal() or device == "cuda"):
        raise InputError(f"device is {device!r}; 'cpu', 'cuda' or a numbered device such as 'cuda:1' is needed")
    return int(number or 0)


def _cuda_line() -> str:
    try:
        module = cuda_module()
    except _NotBuiltError as error:
        return f"not built: {error}"
    except MissingEngineError as error:
        return str(error)
    line = f"built for {module.build_info()['architectures']}"
    if module.device_count() == 0:
        return f"{line}; no CUDA device: {module.why_no_device()}"
    return f"{line}; {module.device_count()} device(s), the first is {module.device_info(0)['name']}"
