"""Diagrams on disk: three arrays and one JSON text, in npz or safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._writing import replaced
from topo_interp.certificate import Certificate
from topo_interp.homology.diagrams import Diagrams

__all__ = ["load_diagrams", "save_diagrams"]

_FORMAT = "topo_interp.diagrams.1"
_ARRAYS = ("birth", "death", "dim")
_PLAIN = ("max_dim", "censored_at", "scale", "n", "metric")


def save_diagrams(diagrams: Diagrams, path: Path) -> None:
    """Writes one file; the suffix chooses the format."""
    header = json.dumps(
        {
            "format": _FORMAT,
            **{name: getattr(diagrams, name) for name in _PLAIN},
            "groups": list(diagrams.groups),
            "certificate": diagrams.certificate.to_dict(),
        },
        sort_keys=True,
        allow_nan=False,
    )
    arrays = {name: getattr(diagrams, name) for name in _ARRAYS}
    suffix = _suffix(path)
    with replaced(path) as part:
        if suffix == ".npz":
            np.savez(part, header=np.array(header), **arrays)
        else:
            from safetensors.numpy import save_file

            save_file(arrays, part, metadata={"header": header})


def load_diagrams(path: Path) -> Diagrams:
    """Reads what :func:`save_diagrams` wrote."""
    _suffix(path)
    if not path.is_file():
        raise InputError(f"there are no diagrams at {str(path)!r}; Diagrams.save(path) writes them")
    try:
        header, arrays = _read(path)
    except OSError:
        raise
    except Exception as error:  # each reader has its own exceptions for a damaged file, and advice that is not ours
        raise InputError(f"{str(path)!r} does not hold diagrams written by Diagrams.save: it is damaged, or another file") from error
    try:
        plain = json.loads(header)
        if plain.get("format") != _FORMAT:
            raise InputError(f"{path} has the format {plain.get('format')!r}; this version reads {_FORMAT!r}")
        certificate = Certificate.from_dict(plain["certificate"])
        fields: dict[str, Any] = {**arrays, **{name: plain[name] for name in _PLAIN}}
        return Diagrams(**fields, groups=plain["groups"], certificate=certificate)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} does not hold diagrams written by Diagrams.save: its header is damaged ({error!r})") from error


def _read(path: Path) -> tuple[str, dict[str, np.ndarray]]:
    if _suffix(path) == ".npz":
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return str(file["header"]), {name: file[name] for name in _ARRAYS}
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return file.metadata()["header"], {name: file.get_tensor(name) for name in _ARRAYS}


def _suffix(path: Path) -> str:
    if path.suffix not in (".npz", ".safetensors"):
        raise InputError(f"{path.name} ends in {path.suffix!r}; diagrams are kept in '.npz' or '.safetensors' files")
    return path.suffix
