"""A track as one file: its document, the profile of each step, and the metrics as parquet."""

from __future__ import annotations

import io
from pathlib import Path
from types import MappingProxyType

import numpy as np

from topo_interp._archive import plain_number, read_archive, read_document, write_archive, write_document
from topo_interp.profile_file import read_profile, write_profile
from topo_interp.track import PairResult, Track

__all__ = ["read_track", "write_track"]

_FORMAT = "topo_interp.track/1"


def write_track(track: Track, path: Path) -> Path:
    """Write everything; the file has its name only when it is whole."""
    with write_archive(path) as (archive, folder):
        for step, profile in track.profiles.items():
            archive.write(write_profile(profile, folder / "step.profile"), f"profiles/{step}.profile")
        if track.metrics is not None:
            buffer = io.BytesIO()
            track.metrics.to_parquet(buffer, index=False)
            archive.writestr("metrics.parquet", buffer.getvalue())
        fields = {
            "about": dict(track.about),
            "steps": list(track.steps),
            "failed": [[step, message] for step, message in track.failed.items()],
            "lengths": [[*key, value.tolist()] for key, value in track.lengths.items()],
            "pairs": [
                [*pair[:4], {key: plain_number(value) for key, value in pair.values.items()}, list(pair.notes)]
                for pair in track.pairs
            ],
        }
        write_document(archive, _FORMAT, fields)
    return path


def read_track(path: Path) -> Track:
    """The track behind :func:`write_track`."""
    import pandas as pd

    with read_archive(path, "Track") as (archive, folder):
        document = read_document(archive, _FORMAT)
        profiles = {}
        for step in document["steps"]:
            (folder / "step.profile").write_bytes(archive.read(f"profiles/{step}.profile"))
            profiles[step] = read_profile(folder / "step.profile")
        metrics = None
        if "metrics.parquet" in archive.namelist():
            metrics = pd.read_parquet(io.BytesIO(archive.read("metrics.parquet")))
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
