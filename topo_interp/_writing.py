"""Files that have their name only when they are whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from topo_interp._arguments import file_path
from topo_interp._errors import InputError

__all__ = ["replaced", "writable"]


def writable(path: str | os.PathLike[str]) -> Path:
    """The path of a file that can be written: its folder is there, and it is no folder itself.

    Raises:
        InputError: otherwise. Asked before long work, it spares losing the result.
    """
    path = file_path(path)
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {str(path.parent)!r} to write {path.name!r} into; make it first")
    return path


@contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Where to write the new content of a file, which takes its place in one step when the block has ended well.

    A write that is cut off leaves the old file as it was, or none; two processes may write at once.
    """
    path = writable(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        part = Path(folder) / path.name  # its own name, because some writers go by the suffix
        yield part
        os.replace(part, path)
