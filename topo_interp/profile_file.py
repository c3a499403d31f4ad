"""A profile as one file: its document, and one npz of diagrams for each site and recipe."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType

from topo_interp._archive import plain_number, read_archive, read_document, write_archive, write_document
from topo_interp.cautions import Caution
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.rips import Rips
from topo_interp.profile import Profile, SiteResult
from topo_interp.tests_file import tests_from, tests_to

__all__ = ["read_profile", "write_profile"]

_FORMAT = "topo_interp.profile/1"
_PLAIN = ("site", "recipe", "n", "d", "groups", "error")


def write_profile(profile: Profile, path: Path) -> Path:
    """Write everything; the file has its name only when it is whole."""
    with write_archive(path) as (archive, folder):
        results = []
        for number, result in enumerate(profile.results):
            entry = {name: getattr(result, name) for name in _PLAIN}
            entry["baselines"] = {key: plain_number(value) for key, value in result.baselines.items()}
            entry["cautions"] = [[caution.kind, caution.text] for caution in result.cautions]
            if result.diagrams is not None:
                entry["diagrams"] = f"diagrams/{number:05d}.npz"
                result.diagrams.save(folder / "diagrams.npz")
                archive.write(folder / "diagrams.npz", entry["diagrams"])
            results.append(entry)
        fields = {
            "about": dict(profile.about),
            "recipes": [[name, recipe.to_dict()] for name, recipe in profile.recipes.items()],
            "results": results,
        }
        if profile.tests is not None:
            fields["tests"], planes = tests_to(profile.tests)
            archive.writestr("planes.npz", planes)
        write_document(archive, _FORMAT, fields)
    return path


def read_profile(path: Path) -> Profile:
    """The profile behind :func:`write_profile`."""
    with read_archive(path, "Profile") as (archive, folder):
        document = read_document(archive, _FORMAT)
        results = []
        for entry in document["results"]:
            member = entry.pop("diagrams", None)
            found = None
            if member is not None:
                (folder / "diagrams.npz").write_bytes(archive.read(member))
                found = Diagrams.load(folder / "diagrams.npz")
            entry["groups"] = tuple(entry["groups"])
            entry["cautions"] = tuple(Caution(kind, text) for kind, text in entry["cautions"])
            entry["baselines"] = {key: float(value) for key, value in entry["baselines"].items()}
            results.append(SiteResult(**entry, diagrams=found))
        tests = tests_from(document["tests"], archive.read("planes.npz")) if "tests" in document else None
    recipes = {name: Rips.from_json(json.dumps(plain)) for name, plain in document["recipes"]}
    return Profile(tuple(results), MappingProxyType(recipes), MappingProxyType(document["about"]), tests)
