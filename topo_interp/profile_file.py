"""A profile as one file: a zip of ``profile.json`` and one npz of diagrams for each site and recipe; nothing is pickled."""

from __future__ import annotations

import json
import math
import os
import tempfile
import zipfile
from pathlib import Path
from types import MappingProxyType
from typing import Any

from topo_interp._errors import InputError, SealError
from topo_interp.cautions import Caution
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.rips import Rips
from topo_interp.profile import Profile, SiteResult
from topo_interp.tests_file import tests_from, tests_to

__all__ = ["read_profile", "write_profile"]

_FORMAT = "topo_interp.profile/1"


def write_profile(profile: Profile, path: Path) -> Path:
    """Write everything; the file has its name only when it is whole."""
    if not path.parent.is_dir():
        raise InputError(
            f"there is no folder {str(path.parent)!r} to write {path.name!r} into; make it first"
        )
    index: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        part = Path(folder) / "part.zip"
        with zipfile.ZipFile(part, "w") as archive:
            for number, result in enumerate(profile.results):
                member = f"diagrams/{number:05d}.npz"
                if result.diagrams is not None:
                    result.diagrams.save(Path(folder) / "diagrams.npz")
                    archive.write(Path(folder) / "diagrams.npz", member)
                index.append(
                    {
                        **{
                            name: getattr(result, name)
                            for name in ("site", "recipe", "n", "d", "groups", "error")
                        },
                        "baselines": {key: _text(value) for key, value in result.baselines.items()},
                        "cautions": [[caution.kind, caution.text] for caution in result.cautions],
                        "diagrams": None if result.diagrams is None else member,
                    }
                )
            document = {
                "format": _FORMAT,
                "about": dict(profile.about),
                "recipes": [[name, recipe.to_dict()] for name, recipe in profile.recipes.items()],
                "results": index,
            }
            if profile.tests is not None:
                document["tests"], planes = tests_to(profile.tests)
                archive.writestr("planes.npz", planes)
            archive.writestr("profile.json", json.dumps(document, indent=1, allow_nan=False))
        os.replace(part, path)  # a cut-off write never has the final name
    return path


def read_profile(path: Path) -> Profile:
    """The profile behind :func:`write_profile`."""
    if not path.is_file():
        raise InputError(f"there is no profile at {str(path)!r}; Profile.save(path) writes one")
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            document = json.loads(archive.read("profile.json"))
            if document.get("format") != _FORMAT:
                raise InputError(
                    f"{str(path)!r} has the format {document.get('format')!r}; this version reads {_FORMAT!r}"
                )
            results = []
            for entry in document["results"]:
                member = entry.pop("diagrams")
                found = None
                if member is not None:
                    (Path(folder) / "diagrams.npz").write_bytes(archive.read(member))
                    found = Diagrams.load(Path(folder) / "diagrams.npz")
                entry["groups"] = tuple(entry["groups"])
                entry["cautions"] = tuple(Caution(kind, text) for kind, text in entry["cautions"])
                entry["baselines"] = {key: float(value) for key, value in entry["baselines"].items()}
                results.append(SiteResult(**entry, diagrams=found))
            tests = tests_from(document["tests"], archive.read("planes.npz")) if "tests" in document else None
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise SealError(
            f"{str(path)!r} is not a whole profile ({error}); write it again with Profile.save(path)"
        ) from error
    recipes = {name: Rips.from_json(json.dumps(plain)) for name, plain in document["recipes"]}
    return Profile(tuple(results), MappingProxyType(recipes), MappingProxyType(document["about"]), tests)


def _text(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)  # JSON has no infinity; float() reads the text back
