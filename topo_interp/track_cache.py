"""The cache of a track: one file for each result, named by what defines it, so that an interrupted run goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from topo_interp._arguments import file_path
from topo_interp._errors import InputError, TopoInterpError, error_message
from topo_interp._sources import package_digest
from topo_interp._writing import replaced
from topo_interp.arrays import as_points
from topo_interp.comparison._subsamples import subsamples_of
from topo_interp.comparison.drift import paired_measures
from topo_interp.comparison.events import resampled_lengths
from topo_interp.homology.rips import Rips
from topo_interp.inference.pipeline import one_blas_thread
from topo_interp.point_cloud import PointCloud, array_digest
from topo_interp.profile import Profile, SiteResult, Unread, measure_with_cycles, without_cycles
from topo_interp.profile_file import read_profile, write_profile

__all__ = ["RANKS", "Cache", "Plan", "pair_result", "site_result"]

RANKS = 2  # how many of the longest bars of each degree are followed through the steps


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is computed at each site beside its diagrams: which subsamples, and whether the baselines."""

    subsamples: int
    seed: int
    baselines: bool


@dataclasses.dataclass(frozen=True)
class Cache:
    """A folder of results, or nothing (``folder`` None)."""

    folder: Path | None
    read: bool = True

    def path(self, kind: str, *parts: Any) -> Path | None:
        """Where the result lies that these parts define, together with the sources of the package and of its extension."""
        if self.folder is None:
            return None
        parts = (kind, *parts, package_digest())
        return self.folder / f"{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}.{kind}"

    def stored(self, path: Path | None) -> bool:
        """Whether the result may be read."""
        return self.read and path is not None and path.is_file()


def opened(folder: str | os.PathLike[str] | None, read: bool) -> Cache:
    """The cache in a folder, which is made when it is not there."""
    if folder is None:
        return Cache(None)
    path = file_path(folder, "cache")
    if path.exists() and not path.is_dir():
        raise InputError(f"cache {str(path)!r} is a file; give a folder, such as cache='run/track-cache'")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {str(path)!r} of the cache can not be made ({error.strerror}); give another, such as cache='run/track-cache'") from error
    return Cache(path, read)


def site_result(
    cache: Cache, plan: Plan, site: str, name: str, recipe: Rips, cloud: Any, threads: int
) -> tuple[SiteResult, np.ndarray | None, bool]:
    """One site of one step: its result, the lengths of its longest bars in the subsamples, and whether it was computed."""
    if isinstance(cloud, Unread):
        return SiteResult(site, name, error=cloud.message), None, False
    try:
        groups = tuple(getattr(cloud, "groups", ()))
        path = cache.path("site", _digest(cloud), groups, recipe.to_json(), dataclasses.astuple(plan))
        if cache.stored(path):
            try:
                kept = read_profile(path)
                resampled = np.array(kept.about["resampled"], dtype=np.float64)
                return dataclasses.replace(kept.results[0], site=site, recipe=name), resampled, False
            except (TopoInterpError, ValueError, KeyError, IndexError):
                pass  # not whole: computed again, and written over
        found, seen = measure_with_cycles(site, name, recipe, cloud, threads, plain=plan.baselines)
        if seen is None:  # never kept, so that the next run tries again
            return found, None, True
        found = without_cycles(found)
        resampled = np.empty((0, recipe.max_dim + 1, RANKS))
        if plan.subsamples:  # without them a recipe that needs no distance matrix is not made to have one
            rows = subsamples_of(found.n, plan.subsamples, plan.seed)
            resampled = resampled_lengths(seen.matrix, recipe, rows, RANKS, threads)
        if path is not None:
            write_profile(Profile((found,), MappingProxyType({name: recipe}), {"resampled": resampled.tolist()}), path)
        return found, resampled, True
    except Exception as error:  # noqa: BLE001 - one site must not lose the others; its row tells what went wrong
        return SiteResult(site, name, error=error_message(error)), None, True


def pair_result(
    cache: Cache, recipe: Rips, earlier: Any, later: Any, threads: int
) -> tuple[dict[str, float], list[str], bool]:
    """The paired measures of a site at two steps: numbers, sentences, and whether they were computed."""
    for cloud in (earlier, later):
        if isinstance(cloud, Unread):
            return {}, [cloud.message], False
    try:
        path = cache.path("pair", _digest(earlier), _digest(later), recipe.to_json())
        if cache.stored(path):
            try:
                plain = json.loads(path.read_text(encoding="utf-8"))  # type: ignore[union-attr]
                return {key: float(value) for key, value in plain["values"].items()}, list(plain["notes"]), False
            except (ValueError, KeyError, TypeError, AttributeError):
                pass
        with one_blas_thread():  # CKA is made of matrix products
            found, notes = paired_measures(earlier, later, recipe, ("rtd", "cka"), threads=threads)
        values = dict.fromkeys(("rtd", "rtd_forward", "rtd_backward", "cka"), math.nan)
        values |= {name: one.value for name, one in found.items()}
        if "rtd" in found:
            values |= {"rtd_forward": found["rtd"].forward, "rtd_backward": found["rtd"].backward}
        if path is not None and not notes:  # as with a site: what is missing is tried again by the next run
            text = json.dumps({"values": {key: repr(float(value)) for key, value in values.items()}, "notes": notes})
            with replaced(path) as part:
                part.write_text(text, encoding="utf-8")
        return values, notes, True
    except Exception as error:  # noqa: BLE001 - told in the row
        return {}, [error_message(error)], True


def _digest(cloud: Any) -> str:
    return cloud.digest() if isinstance(cloud, PointCloud) else array_digest(as_points(cloud))
