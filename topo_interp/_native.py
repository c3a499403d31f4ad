"""The one door to the compiled extension: every other module takes the kernels from here."""

from __future__ import annotations

from pathlib import Path

try:
    from topo_interp import _cpu as cpu
except ImportError as error:  # the bare source folder, or a broken build
    raise ImportError(
        "the extension is not built: run make dev (or pip install .), and do not import topo_interp from its "
        f"source folder {Path(__file__).resolve().parent}"
    ) from error

__all__ = ["cpu", "default_threads"]


def default_threads() -> int:
    """Cores this process may use: its affinity, not the machine's count."""
    import os

    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)
