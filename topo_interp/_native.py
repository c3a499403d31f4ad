"""The one door to the compiled extension: every other module takes the kernels from here."""

from __future__ import annotations

import os
from pathlib import Path

try:
    from topo_interp import _cpu as cpu
except ImportError as error:  # the bare source folder, or a broken build
    raise ImportError(
        "the extension is not built: run make dev (or pip install .), and do not import topo_interp from its "
        f"source folder {Path(__file__).resolve().parent}"
    ) from error

__all__ = ["build_info", "cpu", "default_threads"]


def default_threads() -> int:
    """Cores this process may use: its affinity, not the machine's count."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def build_info() -> dict[str, str]:
    """What the compiled part is: compiler, instruction set in use, hash of the C++ sources, and whether CUDA is there.

    >>> sorted(build_info())
    ['compiler', 'cuda', 'instruction_set', 'source_hash']
    """
    return {**cpu.build_info(), "cuda": "not built: this version has no CUDA module"}
