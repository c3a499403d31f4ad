"""Results that are more than one table, as one file: a zip with a JSON document that names its format; nothing is pickled."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from topo_interp._errors import InputError, SealError
from topo_interp._writing import replaced

__all__ = ["plain_number", "read_archive", "read_document", "write_archive", "write_document"]

_DOCUMENT = "document.json"


@contextmanager
def write_archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, Path]]:
    """A new zip, and a folder for its parts before they go in; see :func:`replaced`."""
    with (
        replaced(path) as part,
        zipfile.ZipFile(part, "w") as archive,
        tempfile.TemporaryDirectory(dir=part.parent) as folder,
    ):
        yield archive, Path(folder)


@contextmanager
def read_archive(path: Path, kind: str) -> Iterator[tuple[zipfile.ZipFile, Path]]:
    """The zip, and a folder for parts that are read as files; what is not whole is a SealError. ``kind``: Track, Diff ..."""
    if not path.is_file():
        raise InputError(f"there is no {kind.lower()} at {str(path)!r}; {kind}.save(path) writes one")
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            yield archive, Path(folder)
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise SealError(f"{str(path)!r} is not a whole {kind.lower()} ({error}); write it again with {kind}.save(path)") from error


def write_document(archive: zipfile.ZipFile, format_name: str, fields: dict[str, Any]) -> None:
    """The archive's JSON document."""
    archive.writestr(_DOCUMENT, json.dumps({"format": format_name, **fields}, allow_nan=False))


def read_document(archive: zipfile.ZipFile, format_name: str) -> dict[str, Any]:
    """The JSON document, if it is of this format."""
    document = json.loads(archive.read(_DOCUMENT))
    if document.get("format") != format_name:
        raise InputError(f"{archive.filename!r} has the format {document.get('format')!r}; this version reads {format_name!r}")
    return document


def plain_number(value: float) -> str:
    """A number as text that ``float`` reads back to the bit: JSON has no infinity and no NaN."""
    return repr(float(value))
