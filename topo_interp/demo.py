"""The demonstration: a small network learns handwritten digits, and every layer is looked at at every checkpoint."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._native import default_threads
from topo_interp.progress import progress as progress_line

if TYPE_CHECKING:
    import pandas as pd

    from topo_interp.profile import Profile

__all__ = ["Demo", "run_demo"]

# Training steps at which the network is kept: close together at first, where most changes.
CHECKPOINTS = (0, 1, 3, 10, 30, 100, 200, 400, 800)
QUICK_CHECKPOINTS = (0, 20, 80)
_HIDDEN = (64, 48, 48, 32, 32)
_PROBE, _QUICK_PROBE = 500, 100
_DRAWS, _QUICK_DRAWS = 39, 19
_MARK = "topo-interp-demo.json"
_MADE = ("checkpoints", "layers_by_checkpoint.parquet", "layers.html", "layers.profile", _MARK)


@dataclasses.dataclass(frozen=True, eq=False)
class Demo:
    """What a demonstration wrote.

    Attributes:
        folder: where everything lies.
        stores: the store of each checkpoint, by training step.
        table: the parquet file, one row per checkpoint, layer and degree.
        report: the HTML report of the last checkpoint.
        frame: the table.
        last: the profile of the last checkpoint, with significance.
    """

    folder: Path
    stores: dict[int, Path]
    table: Path
    report: Path
    frame: pd.DataFrame
    last: Profile

    def show(self) -> None:
        """Print a short table and the paths."""
        from rich.console import Console
        from rich.table import Table

        first, last = min(self.stores), max(self.stores)
        loops = self.frame[self.frame["dim"] == 1]
        before, after = (loops[loops["step"] == step].set_index("site") for step in (first, last))
        accuracy = {
            step: float(self.frame.loc[self.frame["step"] == step, "accuracy"].iloc[0])
            for step in (first, last)
        }
        table = Table(
            title=f"Handwritten digits, {len(self.stores)} checkpoints; accuracy on the probe images "
            f"{accuracy[first]:.0%} at step {first}, {accuracy[last]:.0%} at step {last}",
            title_justify="left",
        )
        for name in ("layer", "width", "longest loop *", "beyond chance", "TwoNN dimension", "PCA dimension 90 %"):
            table.add_column(name, justify="left" if name == "layer" else "right")
        for site in after.index:
            pair = [
                (before.loc[site, c], after.loc[site, c])
                for c in ("max_persistence_relative", "two_nn_dim", "pca_dim_90")
            ]
            formats = ("{:.2f} → {:.2f}", "{:.1f} → {:.1f}", "{:.0f} → {:.0f}")
            loop, *others = (f.format(*p) for f, p in zip(formats, pair, strict=True))
            held = [self.last.tests.significant(site, name, 1) for name in self.last.recipe_names] if self.last.tests else []
            table.add_row(site, str(after.loc[site, "d"]), loop, f"{sum(h is True for h in held)} of {len(held)}", *others)
        console = Console()
        console.print(table)
        console.print(
            "* in median distances, first → last checkpoint; noise has loops too: beyond chance counts the metrics in which it is longer than "
            "in untrained networks"
        )
        if self.last.tests is not None:
            console.print(self.last.tests.explain(), markup=False, highlight=False)
        for name, path in (
            ("report", self.report),
            ("table", self.table),
            ("stores", self.folder / "checkpoints"),
        ):
            console.print(f"{name:<7} {path}", markup=False, highlight=False, soft_wrap=True)


def run_demo(
    out: str | os.PathLike[str] = "topo-interp-demo",
    *,
    seed: int = 0,
    quick: bool = False,
    progress: bool = True,
) -> Demo:
    """Train, capture every layer at every checkpoint, compute, write; see :class:`Demo`.

    Args:
        out: folder; made when it is not there. A previous demonstration in it is replaced, anything else is refused.
        seed: of the network and of the order of the images.
        quick: fewer images, checkpoints and steps.
        progress: show a progress line on a terminal.
    """
    import pandas as pd

    import topo_interp as ti

    folder = _emptied(Path(out))
    train, probe = _digits(_QUICK_PROBE if quick else _PROBE)
    steps = QUICK_CHECKPOINTS if quick else CHECKPOINTS
    recipe = ti.Rips("euclidean", steps=(ti.centered(),), max_dim=1)
    stores: dict[int, Path] = {}
    frames = []
    # What the architecture and the images do by themselves: rows of rectified units are far from Gaussian without any loop.
    null = ti.nulls.reinitialized("topo_interp.demo:untrained_quick" if quick else "topo_interp.demo:untrained")
    chance = ti.Significance(null=null, draws=_QUICK_DRAWS if quick else _DRAWS, seed=seed)
    jobs = 1 if quick else min(2, default_threads())
    with progress_line(len(steps) + 1, "demo", progress) as line, _one_thread():
        for step, model, accuracy in _trained(train, probe, steps, seed):
            line.update(description=f"demo: layers at training step {step}")
            stores[step] = folder / "checkpoints" / f"step-{step:05d}"
            store = _captured(model, probe, out=stores[step])
            found = ti.profile(store, recipe, progress=False)
            frames.append(found.to_frame().assign(step=step, accuracy=accuracy))
            line.advance()
        line.update(description="demo: the last layers against untrained networks")
        last = ti.profile(store, ti.report_recipes(), significance=chance, n_jobs=jobs, progress=False)
        line.advance()
    frame = pd.concat(frames, ignore_index=True)
    frame = frame[["step", "accuracy", *(c for c in frame if c not in ("step", "accuracy"))]]
    frame.to_parquet(folder / "layers_by_checkpoint.parquet", index=False)
    last.save(folder / "layers.profile")
    report = last.report(folder / "layers.html", title=f"Digits network after {steps[-1]} training steps")
    return Demo(folder, stores, folder / "layers_by_checkpoint.parquet", report, frame, last)


def _emptied(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file; give a folder: topo-interp demo --out FOLDER")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise InputError(
            f"the folder {str(folder)!r} is not empty and is no previous demo; give another: topo-interp demo --out FOLDER"
        )
    for name in _MADE:  # only what a demo makes: other files that someone put there stay
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    (folder / "checkpoints").mkdir(parents=True)
    (folder / _MARK).write_text(json.dumps({"made_by": "topo-interp demo"}) + "\n", encoding="utf-8")
    return folder


Images = tuple[np.ndarray, np.ndarray]


@functools.lru_cache(maxsize=2)
def _digits(probe: int) -> tuple[Images, Images]:
    """scikit-learn's 1797 scanned digits (8 x 8 pixels): images to learn from, and held-out images to look at."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, digit = load_digits(return_X_y=True)
    pixels = (pixels / 16.0).astype(np.float32)
    # The probe set is the same for every seed: checkpoints and runs are compared on the same images.
    a, b, ya, yb = train_test_split(pixels, digit, test_size=probe, stratify=digit, random_state=0)
    return (a, ya), (b, yb)


def _captured(model: Any, probe: Images, out: Path | None = None) -> Any:
    import topo_interp as ti

    batches, labels = _batches(probe), {"digit": probe[1]}
    return ti.capture(model, batches, ["hidden1:input", "*"], rows=ti.every_row(), labels=labels, out=out, progress=False)


def untrained(seed: int) -> Any:
    """The layers of a network of fresh random weights on the probe images: what the demonstration's null draws."""
    return _untrained(seed, _PROBE)


def untrained_quick(seed: int) -> Any:
    """The same on the images of ``--quick``."""
    return _untrained(seed, _QUICK_PROBE)


def _untrained(seed: int, count: int) -> Any:
    probe = _digits(count)[1]
    with _one_thread():
        return _captured(_network(probe[0].shape[1], seed).eval(), probe)


def _network(width: int, seed: int) -> Any:
    """The network before its first step."""
    from torch import nn

    with _seeded(seed):
        parts: dict[str, Any] = {}
        for number, hidden in enumerate(_HIDDEN, 1):
            parts[f"hidden{number}"] = nn.Sequential(nn.Linear(width, hidden), nn.ReLU())
            width = hidden
        parts["logits"] = nn.Linear(width, 10)
        model = nn.Sequential()
        for name, part in parts.items():
            model.add_module(name, part)
    return model


def _trained(
    train: Images, probe: Images, steps: tuple[int, ...], seed: int
) -> Iterator[tuple[int, Any, float]]:
    """The network at each of the steps, and its accuracy on the probe images."""
    import torch
    from torch import nn

    model = _network(train[0].shape[1], seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    x, y = torch.from_numpy(train[0]), torch.from_numpy(train[1]).long()
    order = np.random.default_rng(seed)
    for step in range(steps[-1] + 1):
        if step in steps:
            model.eval()
            with torch.no_grad():
                right = model(torch.from_numpy(probe[0])).argmax(1).numpy() == probe[1]
            yield step, model, float(right.mean())
            model.train()
        batch = torch.from_numpy(order.integers(0, len(x), 64))
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """These matrices are so small that torch's threads wait for each other longer than they compute."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """torch's generator seeded for the block and given back as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _batches(probe: Images) -> list[Any]:
    import torch

    return list(torch.from_numpy(probe[0]).split(128))
