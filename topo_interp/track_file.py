"""A track as one file: a zip of ``track.json``, the profile of each step, and the metrics as parquet; nothing is pickled."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from pathlib import Path
from types import MappingProxyType

import numpy as np

from topo_interp._errors import InputError, SealError
from topo_interp.profile_file import read_profile, write_profile
from topo_interp.track import PairResult, Track

__all__ = ["read_track", "write_track"]

_FORMAT = "topo_interp.track/1"


def write_track(track: Track, path: Path) -> Path:
    """Write everything; the file has its name only when it is whole."""
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {str(path.parent)!r} to write {path.name!r} into; make it first")
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        part = Path(folder) / "part.zip"
        with zipfile.ZipFile(part, "w") as archive:
            for step, profile in track.profiles.items():
                archive.write(write_profile(profile, Path(folder) / "step.profile"), f"profiles/{step}.profile")
            if track.metrics is not None:
                buffer = io.BytesIO()
                track.metrics.to_parquet(buffer, index=False)
                archive.writestr("metrics.parquet", buffer.getvalue())
            document = {
                "format": _FORMAT,
                "about": dict(track.about),
                "steps": list(track.steps),
                "failed": [[step, message] for step, message in track.failed.items()],
                "lengths": [[*key, value.tolist()] for key, value in track.lengths.items()],
                "pairs": [
                    [*pair[:4], {key: repr(float(value)) for key, value in pair.values.items()}, list(pair.notes)]
                    for pair in track.pairs
                ],
            }
            archive.writestr("track.json", json.dumps(document, allow_nan=False))
        os.replace(part, path)  # a cut-off write never has the final name
    return path


def read_track(path: Path) -> Track:
    """The track behind :func:`write_track`."""
    import pandas as pd

    if not path.is_file():
        raise InputError(f"there is no track at {str(path)!r}; Track.save(path) writes one")
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            document = json.loads(archive.read("track.json"))
            if document.get("format") != _FORMAT:
                raise InputError(
                    f"{str(path)!r} has the format {document.get('format')!r}; this version reads {_FORMAT!r}"
                )
            profiles = {}
            for step in document["steps"]:
                (Path(folder) / "step.profile").write_bytes(archive.read(f"profiles/{step}.profile"))
                profiles[step] = read_profile(Path(folder) / "step.profile")
            metrics = None
            if "metrics.parquet" in archive.namelist():
                metrics = pd.read_parquet(io.BytesIO(archive.read("metrics.parquet")))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise SealError(
            f"{str(path)!r} is not a whole track ({error}); write it again with Track.save(path)"
        ) from error
    lengths = {(step, site, name): np.array(value) for step, site, name, value in document["lengths"]}
    pairs = tuple(
        PairResult(*head, {key: float(value) for key, value in values.items()}, tuple(notes))
        for *head, values, notes in document["pairs"]
    )
    return Track(
        MappingProxyType(profiles),
        MappingProxyType(dict(document["failed"])),
        MappingProxyType(lengths),
        pairs,
        metrics,
        MappingProxyType(document["about"]),
    )
