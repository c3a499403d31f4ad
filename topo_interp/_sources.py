"""Which state of the package computes: digests of sources, because a version alone would keep what an older state computed."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from topo_interp._native import build_info

__all__ = ["package_digest", "sources_digest"]


@functools.lru_cache(maxsize=1)
def package_digest() -> str:
    """SHA-256 of the package's Python files and of the sources of its extension, read once.

    >>> len(package_digest())
    64
    """
    parts = sources_digest(Path(__file__).parent), build_info()["source_hash"]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def sources_digest(path: Path) -> str:
    """SHA-256 of a Python file, or of all that lie in a folder, by their names in it."""
    state = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
        content = file.read_bytes()
        state.update(f"{file.relative_to(path).as_posix()} {len(content)} ".encode() + content)
    return state.hexdigest()
