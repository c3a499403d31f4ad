"""A run on disk: folders that are stores, or checkpoint files from which stores are captured; the step stands in the name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from topo_interp._errors import InputError, error_message
from topo_interp.activations.files import MANIFEST

__all__ = ["captured_stores", "checkpoint_files", "load_checkpoint", "stores_of_run"]

_SUFFIXES = (".pt", ".pth", ".safetensors")


def stores_of_run(folder: Path) -> dict[int, Path]:
    """step -> store, for the subfolders that hold a number; also what is no whole store, so that it is named as failed."""
    found = [path for path in _listed(folder) if path.is_dir() and not path.name.startswith(".") and _step(path.name) is not None]
    if not any((path / MANIFEST).is_file() for path in found):
        raise InputError(
            f"{str(folder)!r} holds no store with a step in its name, such as step-100; for checkpoint files (*.pt, "
            "*.safetensors) give --model, --probe and --sites too"
        )
    return _by_step(found, folder)


def checkpoint_files(folder: Path) -> dict[int, Path]:
    """step -> checkpoint file."""
    found = [path for path in _listed(folder) if path.is_file() and path.suffix in _SUFFIXES and _step(path.stem) is not None]
    if not found:
        raise InputError(f"{str(folder)!r} holds no {', '.join('*' + s for s in _SUFFIXES)} with a step in its name, such as step-100.pt")
    return _by_step(found, folder)


def load_checkpoint(model: Any, path: Path) -> None:
    """Put a state dict into a model: .safetensors, or .pt read with ``weights_only`` (no code of the file runs).

    A training checkpoint that keeps it under ``model``, ``state_dict`` or ``model_state_dict`` will do.
    """
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        state: Any = load_file(path)
    else:
        import torch

        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # of the file's own making: torch's reader of pickles raises a KeyError on a text
            raise InputError(
                f"torch.load can not read it with weights_only ({error_message(error)}); write torch.save(model.state_dict(), path)"
            ) from error
        for key in ("model_state_dict", "state_dict", "model"):
            if isinstance(state, dict) and isinstance(state.get(key), dict):
                state = state[key]
                break
    model.load_state_dict(state)


def captured_stores(
    files: dict[int, Path], model: Any, capture: Callable[[Any, Path], Any], out: Path, settings: dict[str, Any]
) -> tuple[dict[int, Path], dict[int, str]]:
    """Stores captured from the files into ``out``, and what went wrong, by step.

    A store is named by the hashes of its file and of the settings; one that is there already is not captured again.
    """
    stores, failed = {}, {}
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(settings, sort_keys=True).encode()
    for step, path in files.items():
        try:
            with path.open("rb") as file:
                key = _key(file, text)
            store = out / f"step-{step}-{key}"
            if not (store / MANIFEST).is_file():
                load_checkpoint(model, path)
                capture(model, store)
            stores[step] = store
        except Exception as error:  # noqa: BLE001 - one checkpoint must not lose the others; it is named in the result
            failed[step] = f"{path.name}: {error_message(error)}"
    if not stores:
        step, message = next(iter(failed.items()))
        raise InputError(f"no checkpoint could be captured; step {step}: {message}")
    return stores, failed


def _key(file: Any, text: bytes) -> str:
    state = hashlib.sha256(text)
    while block := file.read(1 << 20):
        state.update(block)
    return state.hexdigest()[:16]


def _listed(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"there is no folder {str(folder)!r}; give the folder of the run")
    return sorted(folder.iterdir())


def _step(name: str) -> int | None:
    numbers = re.findall(r"\d+", name)
    return int(numbers[-1]) if numbers else None


def _by_step(paths: list[Path], folder: Path) -> dict[int, Path]:
    out: dict[int, Path] = {}
    for path in paths:
        step = _step(path.stem if path.is_file() else path.name)
        assert step is not None
        if step in out:
            raise InputError(f"{out[step].name!r} and {path.name!r} in {str(folder)!r} are both step {step}; keep one")
        out[step] = path
    return dict(sorted(out.items()))
