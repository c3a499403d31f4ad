"""The store on disk: one safetensors file (shard) for each site, a parquet row table, and a JSON manifest that seals them.

A store is written under a hidden temporary name beside its place, the manifest last, and then renamed: a write that was
cut off has no manifest, or not the name. The manifest holds the SHA-256 of each file and of itself. The files are plain
safetensors (``points``, and ``offset`` for 16 bits), so other programs can read them; nothing here needs torch or pickle.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, final

import numpy as np

from topo_interp._errors import InputError, SealError
from topo_interp.activations.encoding import storage_dtype

__all__ = [
    "MANIFEST",
    "ShardWriter",
    "StoreFolder",
    "check_file",
    "file_sha256",
    "read_manifest",
    "read_shard",
    "shard_sha256",
]

MANIFEST = "manifest.json"
_FORMAT, _VERSION = "topo-interp activations", 1
_CODES = {"float32": "F32", "float64": "F64", "float16": "F16", "bfloat16": "BF16"}
_CHUNK = 1 << 20


def _header(site: str, dtype: str, shape: tuple[int, int], offset: bool) -> bytes:
    """Length and JSON of a safetensors file; its size depends on all but the number of rows, so rows can be appended."""

    def text(rows: int) -> bytes:
        start = 4 * shape[1] if offset else 0
        end = start + rows * shape[1] * storage_dtype(dtype).itemsize
        tensors: dict[str, Any] = {"__metadata__": {"site": site}}
        if offset:
            tensors["offset"] = {"dtype": "F32", "shape": [shape[1]], "data_offsets": [0, start]}
        tensors["points"] = {"dtype": _CODES[dtype], "shape": [rows, shape[1]], "data_offsets": [start, end]}
        return json.dumps(tensors, separators=(",", ":")).encode()

    # Padded so that the data begin at a multiple of 64 bytes whatever the number of rows turns out to be.
    size = 64 * math.ceil((8 + len(text(10**15))) / 64)
    return (size - 8).to_bytes(8, "little") + text(shape[0]).ljust(size - 8)


class ShardWriter:
    """Appends rows of one site to a safetensors file whose header is filled in at the end."""

    def __init__(self, path: Path, site: str, dtype: str, width: int, offset: np.ndarray | None) -> None:
        self.path, self.site, self.dtype, self.width, self.offset, self.rows = (
            path,
            site,
            dtype,
            width,
            offset,
            0,
        )
        with open(path, "xb") as file:
            self._start = file.write(_header(site, dtype, (0, width), offset is not None))
            if offset is not None:
                self._start += file.write(np.ascontiguousarray(offset, dtype="<f4").tobytes())

    def append(self, stored: np.ndarray) -> None:
        """Write further rows; the file is opened for this only, as a process may not hold thousands of open files."""
        with open(self.path, "ab") as file:
            file.write(np.ascontiguousarray(stored, dtype=storage_dtype(self.dtype)).data)
        self.rows += len(stored)

    def keep(self, index: np.ndarray) -> None:
        """Rewrite the file with the chosen rows, in increasing order."""
        stored = self._stored()
        rest = ShardWriter(self.path.with_suffix(".thinned"), self.site, self.dtype, self.width, self.offset)
        step = max(1, _CHUNK // max(1, stored.strides[0]))
        for first in range(0, len(index), step):
            rest.append(stored[index[first : first + step]])
        del stored
        os.replace(rest.path, self.path)
        self.rows = rest.rows

    def finish(self) -> dict[str, Any]:
        """Fill in the header; the manifest's entry of this shard."""
        with open(self.path, "r+b") as file:
            file.write(_header(self.site, self.dtype, (self.rows, self.width), self.offset is not None))
            file.flush()
            os.fsync(file.fileno())
        return {
            "file": self.path.name,
            "sha256": file_sha256(self.path),
            "bytes": self.path.stat().st_size,
            "dtype": self.dtype,
            "shape": [self.rows, self.width],
            "offset": self.offset is not None,
        }

    def _stored(self) -> np.ndarray:
        return _map(self.path, storage_dtype(self.dtype), (self.rows, self.width), self._start)


@final
class StoreFolder:
    """A folder that appears under its name only when it is whole; leaving the ``with`` block otherwise removes it.

    Raises:
        InputError: something is already at the path.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._shards: dict[str, ShardWriter] = {}
        self._check_free()

    def _check_free(self) -> None:
        path = self.path
        if path.is_symlink() or path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise InputError(f"{path} exists already; remove it (shutil.rmtree) or choose another path")

    def __enter__(self) -> StoreFolder:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.partial-", dir=self.path.parent))
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)

    def shard(self, site: str, dtype: str, width: int, offset: np.ndarray | None = None) -> ShardWriter:
        """The writer of a new site."""
        slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", site)[:80]
        name = f"{len(self._shards):04d}-{slug}.safetensors"
        self._shards[site] = ShardWriter(self._partial / name, site, dtype, width, offset)
        return self._shards[site]

    def finish(self, rows: Any, manifest: dict[str, Any]) -> None:
        """Write the row table, the manifest last, and give the folder its name.

        Args:
            rows: the row table (DataFrame).
            manifest: further entries of the manifest; ``digest`` may be a function of the shards' entries.
        """
        shards = {site: shard.finish() for site, shard in self._shards.items()}
        table = self._partial / "rows.parquet"
        rows.to_parquet(table)
        entry = {
            "file": table.name,
            "sha256": file_sha256(table),
            "bytes": table.stat().st_size,
            "count": len(rows),
        }
        whole = {"format": _FORMAT, "version": _VERSION, "sites": shards, "rows": entry, **manifest}
        if callable(whole.get("digest")):
            whole["digest"] = whole["digest"](shards)
        whole["seal"] = _seal(whole)
        with open(self._partial / "manifest.tmp", "w", encoding="utf-8") as file:
            json.dump(whole, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(self._partial / "manifest.tmp", self._partial / MANIFEST)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(self._partial, 0o777 & ~mask)  # mkdtemp lets only the owner in
        self._check_free()
        if self.path.is_dir():
            self.path.rmdir()  # empty, as just checked; not every system renames onto it
        os.rename(self._partial, self.path)


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a whole store: its own seal and the sizes of all files are checked, their bytes are not yet.

    Raises:
        SealError: the store was cut off or changed; the message names the file.
    """
    if not path.is_dir():
        what = "it is a file, and a store is a folder" if path.exists() else "no such folder"
        raise InputError(f"{path} is not a store: {what}; ti.capture(..., out='run.acts') writes one")
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SealError(
            f"{path} has no {MANIFEST}: the writing was cut off, or this is no store; capture it again"
        ) from None
    except ValueError:
        raise SealError(
            f"{path / MANIFEST} is not JSON: it was changed or cut off; capture the store again"
        ) from None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise SealError(f"{path / MANIFEST} is not the manifest of a store of activations")
    if manifest.get("version") != _VERSION:
        version = manifest.get("version")
        raise SealError(
            f"{path} has format version {version}; this package reads {_VERSION}: upgrade topo-interp"
        )
    if manifest.get("seal") != _seal(manifest):
        raise SealError(
            f"{path / MANIFEST} does not have the bytes that were sealed; capture the store again"
        )
    for entry in (manifest["rows"], *manifest["sites"].values()):
        file = path / entry["file"]
        size = file.stat().st_size if file.exists() else None
        if size != entry["bytes"]:
            found = "is missing" if size is None else f"has {size} bytes"
            raise SealError(
                f"{file} {found}; {entry['bytes']} bytes were sealed: it was cut off or changed, capture it again"
            )
    return manifest


def check_file(path: Path, sha256: str) -> None:
    """Compare a file's bytes with its seal.

    Raises:
        SealError: they differ, or there are none.
    """
    if file_sha256(path) != sha256:
        raise SealError(
            f"{path} does not have the bytes that were sealed: it was changed; restore it or capture it again"
        )


def read_shard(
    path: Path, dtype: str, shape: tuple[int, int], offset: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """The stored array (memory-mapped, read-only) and the offset of one site."""
    start = len(_header_of(path))
    if not offset:
        return _map(path, storage_dtype(dtype), shape, start), None
    vector = np.array(_map(path, np.dtype("<f4"), (1, shape[1]), start)[0])
    return _map(path, storage_dtype(dtype), shape, start + 4 * shape[1]), vector


def shard_sha256(site: str, dtype: str, stored: np.ndarray, offset: np.ndarray | None) -> str:
    """The SHA-256 that the site's shard would have on disk."""
    state = hashlib.sha256(_header(site, dtype, stored.shape, offset is not None))  # type: ignore[arg-type]
    if offset is not None:
        state.update(np.ascontiguousarray(offset, dtype="<f4").data)
    state.update(np.ascontiguousarray(stored, dtype=storage_dtype(dtype)).data)
    return state.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    state = hashlib.sha256()
    with _sealed(path) as file:
        for piece in iter(functools.partial(file.read, _CHUNK), b""):
            state.update(piece)
    return state.hexdigest()


def _sealed(path: Path) -> BinaryIO:
    """A file that the manifest names, opened to be read."""
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise SealError(f"{path} is missing: it was sealed with the store; restore it or capture it again") from None


def _map(path: Path, dtype: np.dtype, shape: tuple[int, int], start: int) -> np.ndarray:
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=start, shape=shape))


def _header_of(path: Path) -> bytes:
    with _sealed(path) as file:
        head = file.read(8)
        return head + file.read(int.from_bytes(head, "little"))


def _seal(manifest: dict[str, Any]) -> str:
    unsealed = {key: item for key, item in manifest.items() if key != "seal"}
    return hashlib.sha256(json.dumps(unsealed, sort_keys=True).encode()).hexdigest()
