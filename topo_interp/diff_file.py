"""A diff as one file: its document and the profiles of both stores."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from topo_interp._archive import plain_number, read_archive, read_document, write_archive, write_document
from topo_interp.comparison.moved_bars import MovedBar
from topo_interp.diff import Diff
from topo_interp.profile_file import read_profile, write_profile

__all__ = ["read_diff", "write_diff"]

_FORMAT = "topo_interp.diff/1"


def write_diff(diff: Diff, path: Path) -> Path:
    """Write everything; the file has its name only when it is whole."""
    with write_archive(path) as (archive, folder):
        for name, profile in (("a", diff.a), ("b", diff.b)):
            archive.write(write_profile(profile, folder / f"{name}.profile"), f"{name}.profile")
        fields = {
            "about": dict(diff.about),
            "paired": _plain_numbers(diff.paired),
            "unpaired": _plain_numbers(diff.unpaired),
            "moves": [[*key, [[plain_number(part) if isinstance(part, float) else part for part in bar] for bar in bars]] for key, bars in diff.moves.items()],
            "moved": [[*key, list(counts)] for key, counts in diff.moved.items()],
            "errors": [[*key, text] for key, text in diff.errors.items()],
        }
        write_document(archive, _FORMAT, fields)
    return path


def read_diff(path: Path) -> Diff:
    """The diff behind :func:`write_diff`."""
    with read_archive(path, "Diff") as (archive, folder):
        document = read_document(archive, _FORMAT)
        profiles = []
        for name in ("a", "b"):
            (folder / "one.profile").write_bytes(archive.read(f"{name}.profile"))
            profiles.append(read_profile(folder / "one.profile"))
    return Diff(
        *profiles,
        *(_numbers(document[name]) for name in ("paired", "unpaired")),
        MappingProxyType({(site, name): tuple(map(_bar, bars)) for site, name, bars in document["moves"]}),
        MappingProxyType({(site, name): tuple(counts) for site, name, counts in document["moved"]}),
        MappingProxyType({(site, name): text for site, name, text in document["errors"]}),
        MappingProxyType(document["about"]),
    )


def _plain_numbers(found: Any) -> list[Any]:
    return [[*key, {m: {k: plain_number(v) for k, v in numbers.items()} for m, numbers in of.items()}] for key, of in found.items()]


def _numbers(plain: list[Any]) -> Any:
    read = {(s, r): {m: {k: float(v) for k, v in numbers.items()} for m, numbers in of.items()} for s, r, of in plain}
    return MappingProxyType(read)


def _bar(plain: list[Any]) -> MovedBar:
    dim, kind, *numbers, rows_a, rows_b = plain
    return MovedBar(dim, kind, *map(float, numbers), tuple(rows_a), tuple(rows_b))
