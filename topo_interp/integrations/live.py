"""What a training callback does, whatever the framework: when to measure, what it may cost, and that nothing else changes."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import random
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from topo_interp._errors import InputError, error_message
from topo_interp.activations.capture import capture
from topo_interp.activations.files import MANIFEST
from topo_interp.activations.selectors import RowSelector, every_row
from topo_interp.activations.store import open_store
from topo_interp.homology.rips import Rips
from topo_interp.inference.pipeline import name_of
from topo_interp.profile import profile
from topo_interp.summaries.scalars import count_bars, max_persistence, total_persistence

__all__ = ["Live", "Settings"]

_SUMMARIES = (max_persistence(1, relative=True), total_persistence(1, relative=True), count_bars(1))


@dataclasses.dataclass(frozen=True, eq=False)
class Settings:
    """What is measured and how often; see :class:`topo_interp.integrations.TopologyCallback`."""

    probe: Any
    sites: str | Sequence[str]
    rows: RowSelector = dataclasses.field(default_factory=every_row)
    recipe: Rips = dataclasses.field(default_factory=Rips)
    summaries: Sequence[Callable[[Any], float]] = _SUMMARIES
    baselines: bool = True
    every: int = 100
    budget: float = 0.05
    out: str | os.PathLike[str] | None = None
    forward: Callable[[Any, Any], Any] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.every, int) or isinstance(self.every, bool) or self.every < 1:
            raise InputError(f"every is {self.every!r}; a number of steps is needed, such as every=100")
        if not self.budget > 0:
            raise InputError(f"budget is {self.budget!r}; the largest share of the run's time is needed, such as budget=0.05")
        if not self.summaries or not all(callable(summary) for summary in self.summaries):
            raise InputError("summaries holds no statistic; give some, such as summaries=(ti.max_persistence(1, relative=True),)")
        if hasattr(self.probe, "__next__"):
            raise InputError("the probe is an iterator, which gives its batches once; give a list or a DataLoader")


class _OtherStore(InputError):
    """The folder ``out`` is that of another run: the one thing that also ends a run later, or the two would be mixed in it."""


class Live:
    """The measurements of one run so far."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.perf_counter) -> None:
        self.settings = settings
        self.history: list[dict[str, float]] = []
        self.skipped: list[int] = []
        self.spent = 0.0
        self._clock = clock
        self._began: float | None = None
        self._longest = 0.0
        self._last = -1
        self._probe: Any = None

    def begin(self, model: Any, step: int) -> dict[str, float]:
        """The first measurement, before the first step, which shows at once whether sites, rows and recipe fit the model."""
        self._began, self._last = self._clock(), step
        with _same_random_numbers():
            self._probe = _kept(self.settings.probe)
        return self._measure(model, step)

    def due(self, step: int) -> bool:
        """Whether to measure at this step: it is one of every n, new, and what it will cost fits the budget."""
        if self._began is None or step % self.settings.every or step == self._last:
            return False
        self._last = step
        fits = self.spent + self._longest <= self.settings.budget * (self._clock() - self._began)
        if not fits:
            self.skipped.append(step)
        return fits

    def measure(self, model: Any, step: int) -> dict[str, float]:
        """The numbers at this step; what goes wrong is a warning, because a measurement must not end a run, but for a store of another run."""
        try:
            return self._measure(model, step)
        except _OtherStore:
            raise
        except Exception as error:  # noqa: BLE001 - said above
            warnings.warn(f"no topology at step {step}: {error_message(error)}", RuntimeWarning, stacklevel=2)
            return {}

    def _measure(self, model: Any, step: int) -> dict[str, float]:
        began = self._clock()
        asked = self.settings
        folder = None if asked.out is None else Path(asked.out) / f"step-{step:08d}"
        if folder is not None:
            folder.parent.mkdir(parents=True, exist_ok=True)
        # A run that goes on from a checkpoint comes by steps whose stores are there: they are never replaced.
        kept = open_store(folder) if folder is not None and (folder / MANIFEST).is_file() else None
        try:
            with _same_random_numbers():
                store = capture(model, self._probe, asked.sites, rows=asked.rows, out=folder if kept is None else None, forward=asked.forward, progress=False)
                if kept is not None and kept.digest() != store.digest():
                    raise _OtherStore(
                        f"{folder} holds other activations than the model gives at step {step}: the folder is that of another run, or "
                        "training went another way after its checkpoint; it is left as it is. Give this run another folder, such as "
                        f"out={f'{Path(asked.out)}-2'!r}"
                    )
                found = profile(store, asked.recipe, progress=False)
                values = dict(self._values(found))
        finally:
            took = self._clock() - began
            self.spent += took
            self._longest = max(self._longest, took)
        values["topo/seconds"] = took
        self.history.append({"step": step, **values})
        return values

    def _values(self, found: Any) -> Iterator[tuple[str, float]]:
        for result in found.results:
            if result.diagrams is None:
                raise InputError(f"{result.site}: {result.error}")
            for summary in self.settings.summaries:
                yield f"topo/{result.site}/{_tag(name_of(summary))}", float(summary(result.diagrams))
            for name, value in result.baselines.items() if self.settings.baselines else ():
                if math.isfinite(value):
                    yield f"topo/{result.site}/{name}", float(value)


def _tag(name: str) -> str:
    """A summary's name without what a logger's tag can not have.

    >>> _tag("max_persistence(dim=1, relative=True)")
    'max_persistence_dim1_relative'
    """
    return re.sub(r"[^\w.]+", "_", name.replace("=True", "").replace("=", "")).strip("_")


def _kept(probe: Any) -> Any:
    """The batches of a DataLoader, kept: every measurement sees the same ones, whatever it shuffles."""
    import torch

    if isinstance(probe, (torch.Tensor, tuple, Mapping, list)):
        return probe
    return list(probe)


@contextlib.contextmanager
def _same_random_numbers() -> Iterator[None]:
    """What the block draws does not change what the training draws afterwards."""
    import torch

    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
