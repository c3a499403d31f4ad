"""What a run will take, before it runs: memory by formula, seconds by a short run on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError
from topo_interp._memory import readable
from topo_interp._native import build_info, default_threads, threads_or_default
from topo_interp.homology.components import needs_no_matrix
from topo_interp.homology.engines import choose_engine
from topo_interp.homology.engines.spanning_tree_engine import ENGINE as SPANNING_TREE
from topo_interp.homology.landmark_rips import MEASURED_UP_TO
from topo_interp.homology.rips import Rips

if TYPE_CHECKING:
    import pandas

__all__ = ["Cost", "cost"]

# The calibration doubles the number of points until one run takes this long; the last two sizes give the growth exponent.
_LONG_ENOUGH = 0.15
_FIRST_N = 64
# Timings below this are noise of the clock and of the first call.
_SHORTEST = 1e-4


@dataclasses.dataclass(frozen=True)
class Cost:
    """Memory and time of one call, by phase.

    Made by :func:`cost`.

    Attributes:
        bytes: peak memory beyond the points.
        seconds: estimated time; normal data were used for the calibration, and clouds differ by a factor of a few.
        phases: rows (name, bytes, seconds).
        n, d: the size it was asked for.
        engine: the engine that will run.
        calibration: what was run for it.
    """

    bytes: int
    seconds: float
    phases: tuple[tuple[str, int, float], ...]
    n: int
    d: int
    engine: str
    calibration: str

    def __str__(self) -> str:
        return (
            f"{self.n} x {self.d} points with engine {self.engine!r}: about {readable(self.bytes)} and {_duration(self.seconds)} "
            f"({self.calibration})"
        )

    def to_frame(self) -> pandas.DataFrame:
        """One row per phase: phase, bytes, seconds."""
        import pandas

        return pandas.DataFrame(list(self.phases), columns=["phase", "bytes", "seconds"])


def cost(recipe: Rips, n: int, d: int, *, engine: str = "auto", threads: int | None = None) -> Cost:
    """Memory and time that ``recipe`` will need for n points of width d, by phase.

    Bytes are counted from what the engine allocates; the simplices that an engine for degree 2 and up keeps depend on the data
    and are not in them. Seconds come from runs on normal data of growing size on this machine, at most about half a second
    altogether, extrapolated by their growth exponent and cached for the same recipe, width, engine and build.

    >>> import topo_interp as ti
    >>> estimate = ti.cost(ti.Rips(max_dim=1), 2000, 50)
    >>> estimate.bytes, [name for name, _, _ in estimate.phases]
    (31984000, ['distances', 'persistence'])

    Args:
        recipe: what will be computed.
        n, d: number of points and their width.
        engine, threads: as at the call of the recipe.

    Raises:
        InputError: a number of points or coordinates below 1, or an engine that can not run the recipe.
    """
    if not isinstance(recipe, Rips):
        raise InputError(f"recipe is a {type(recipe).__name__}; a ti.Rips is needed, such as ti.cost(ti.Rips(max_dim=1), 2000, 50)")
    n, d = whole_number(n, "n", 1, why="the number of points"), whole_number(d, "d", 1, why="the number of coordinates")
    if recipe.landmarks is not None:
        return _landmark_cost(recipe, n, d, engine, threads)
    streamed = needs_no_matrix(recipe, engine, n)
    chosen = choose_engine(SPANNING_TREE.name if streamed else engine, recipe, n)
    threads = threads_or_default(threads)
    runs = _calibrated(recipe, d, chosen.name, threads)
    # All pairs are the square of n, a metric value works on n x n matrices; what follows grows as it was seen to grow.
    named = isinstance(recipe.metric, str)
    seconds = [
        _extrapolated([(size, phases[0]) for size, phases in runs], n, steepest=2.0 if named else 3.0),
        _extrapolated([(size, phases[1]) for size, phases in runs], n, steepest=6.0),
    ]
    distances, working = 4 * n * (n - 1) // 2, recipe.working_memory(chosen, n)
    if streamed:  # all pairs are passed once, and never kept: a copy of the points stands for them
        distances = 4 * n * d
    phases = (("distances", distances, seconds[0]), ("persistence", working, seconds[1]))
    sizes = " and ".join(str(size) for size, _ in runs)
    calibration = f"from runs on {sizes} normal points of this width on this machine, {threads} threads"
    return Cost(distances + working, sum(seconds), phases, n, d, chosen.name, calibration)


def _landmark_cost(recipe: Rips, n: int, d: int, engine: str, threads: int | None) -> Cost:
    """The cost of the landmarks as a cloud of their own, and of the passes over all rows that certify them."""
    most = recipe.landmarks if isinstance(recipe.landmarks, int) else recipe.landmarks.max_points
    k = min(n, most)
    alone = cost(dataclasses.replace(recipe, landmarks=None), k, d, engine=engine, threads=threads)
    pair = alone.phases[0][2] / max(1, k * (k - 1) / 2)
    pairs = n * k + (n * (n - 1) // 2 if n <= MEASURED_UP_TO else 0)
    passes = ("landmarks", 4 * n * (d + k) + 20 * n, pair * pairs)
    return dataclasses.replace(
        alone,
        bytes=alone.bytes + passes[1],
        seconds=alone.seconds + passes[2],
        phases=(passes, *alone.phases),
        n=n,
    )


def _extrapolated(runs: list[tuple[int, float]], n: int, *, steepest: float) -> float:
    """The power law through the last two sizes, its exponent held between 2 (all pairs are looked at) and ``steepest``."""
    (small, early), (large, late) = runs[-2:]
    exponent = math.log(max(late, _SHORTEST) / max(early, _SHORTEST)) / math.log(large / small)
    exponent = min(max(exponent, 2.0), steepest) if n > large else min(max(exponent, 0.0), steepest)
    return late * (n / large) ** exponent


def _calibrated(recipe: Rips, d: int, engine: str, threads: int) -> list[tuple[int, tuple[float, float]]]:
    key = [recipe.to_json(), d, engine, threads, build_info()["source_hash"], _machine()]
    path = _cache_folder() / f"cost-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]}.json"
    try:
        found = json.loads(path.read_text())
        return [(int(size), (float(a), float(b))) for size, (a, b) in found["runs"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there, or not ours: measure
    runs = _measure(recipe, d, engine, threads)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps({"key": key, "runs": runs}))
        partial.replace(path)
    except OSError:
        pass  # a read-only home costs a calibration per call, no more
    return runs


def _measure(recipe: Rips, d: int, engine: str, threads: int) -> list[tuple[int, tuple[float, float]]]:
    rng = np.random.default_rng(0)
    precomputed = dataclasses.replace(recipe, metric="precomputed", steps=(), threshold=None, landmarks=None)
    runs: list[tuple[int, tuple[float, float]]] = []
    size = _least_points(recipe)
    warm = True
    while True:
        points = rng.normal(size=(size, d)).astype(np.float32)
        began = time.perf_counter()
        matrix = recipe.distance_matrix(points, threads=threads)
        between = time.perf_counter()
        precomputed(matrix, engine=engine, threads=threads)
        ended = time.perf_counter()
        if warm:  # the first call of all pays for imports and pages
            warm = False
            continue
        runs.append((size, (between - began, ended - between)))
        if len(runs) >= 2 and (ended - began > _LONG_ENOUGH or size >= 4096):
            return runs[-2:]
        size *= 2


def _least_points(recipe: Rips) -> int:
    """Enough points for the steps that need many (a projection on k components), few enough for high degrees."""
    wanted = max([_FIRST_N if recipe.max_dim <= 1 else 16, *(getattr(part, "k", 0) + 1 for part in (*recipe.steps, recipe.metric, recipe.weights))])
    return 2 ** math.ceil(math.log2(wanted))


def _machine() -> str:
    import platform

    return f"{platform.node()} {platform.machine()} {default_threads()}"


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "topo_interp"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.2g} min" if seconds < 5400 else f"{seconds / 3600:.2g} h"

