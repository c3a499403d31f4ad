"""Amounts of memory as people write them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from topo_interp._arguments import is_whole
from topo_interp._errors import InputError

__all__ = ["free_bytes", "parse_bytes", "readable"]

_UNITS = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}

_NO_LIMIT = 2**62


def parse_bytes(amount: Any) -> int:
    """Bytes from an integer or from text such as "4GB" or "512 MiB".

    >>> parse_bytes("1.5 GB"), parse_bytes(4096)
    (1500000000, 4096)
    """
    if is_whole(amount) and amount > 0:
        return int(amount)
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b)\s*", str(amount).lower())
    if not isinstance(amount, str) or found is None or found[2] not in _UNITS:
        raise InputError(f"{amount!r} is no amount of memory; write bytes as an integer, or text such as '4GB' or '512MiB'")
    return int(float(found[1]) * _UNITS[found[2]])


def readable(amount: int) -> str:
    """Bytes for a reader, in decimal units.

    >>> readable(1_500_000_000)
    '1.5 GB'
    """
    for unit in ("TB", "GB", "MB", "kB"):
        size = _UNITS[unit.lower()]
        if amount >= size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount} bytes"


def free_bytes() -> int:
    """Memory that this process could still have without swapping: what the system estimates, within a container's limit."""
    return min(_free_of_system(), _free_of_container())


def _free_of_system() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # not Linux
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):  # nothing is known: refuse nothing
        return _NO_LIMIT


def _free_of_container(folder: str = "/sys/fs/cgroup") -> int:
    # A process over its group's limit is killed, whatever the machine still has; pages of files in the cache can be given up.
    try:
        limit, used = (Path(folder, name).read_text(encoding="ascii").strip() for name in ("memory.max", "memory.current"))
        cached = dict(line.split() for line in Path(folder, "memory.stat").read_text(encoding="ascii").splitlines())
        return _NO_LIMIT if limit == "max" else max(0, int(limit) - int(used) + int(cached.get("inactive_file", 0)))
    except (OSError, ValueError):  # no such group, or an older form of it
        return _NO_LIMIT
