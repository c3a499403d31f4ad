"""Prevalence of a loop over resamples: how often a part of the rows has the same loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import real_number, share_number, whole_number
from topo_interp._errors import InputError
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.homology.rips import Rips
from topo_interp.homology.same_loop import Loops, Verdict, agreement, loops_recipe
from topo_interp.inference.bands import independent_points
from topo_interp.inference.estimate import clopper_pearson
from topo_interp.inference.nulls import draw_rng
from topo_interp.inference.trial_log import note_looks

if TYPE_CHECKING:
    import pandas

__all__ = ["Prevalence", "prevalence"]

_KEPT = 0.5  # of a bar's length, from which on a matching bar counts


@dataclasses.dataclass(frozen=True, eq=False)
class Prevalence:
    """What :func:`prevalence` found, one entry per bar.

    Attributes:
        bars: int64 array: numbers of the bars in the diagram of all rows.
        birth, death: of the bars, in median distances of all rows.
        found: int64 array: draws with a matching loop of at least half the length.
        ambiguous: int64 array: draws without one in which the certificate leaves a match open.
        affinity: mean affinity over the draws, 0 for one without a match.
        draws, size, n, seed: subsamples, rows of each, rows of all, and the seed.
        recipe: of the diagrams.
    """

    bars: np.ndarray
    birth: np.ndarray
    death: np.ndarray
    found: np.ndarray
    ambiguous: np.ndarray
    affinity: np.ndarray
    draws: int
    size: int
    n: int
    seed: int
    recipe: Rips

    def __post_init__(self) -> None:
        for name in ("bars", "birth", "death", "found", "ambiguous", "affinity"):
            array = np.asarray(getattr(self, name)).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def value(self) -> np.ndarray:
        """The prevalence of each bar: ``found / draws``."""
        return self.found / self.draws

    def to_frame(self) -> pandas.DataFrame:
        """One row per bar: bar, birth, death, found, ambiguous, prevalence, low, high (exact 95 % interval of the share over all
        subsamples of this size of these rows, which speaks of no other rows), affinity."""
        import pandas

        ends = [clopper_pearson(int(count), self.draws) for count in self.found]
        return pandas.DataFrame(
            {
                "bar": self.bars,
                "birth": self.birth,
                "death": self.death,
                "found": self.found,
                "ambiguous": self.ambiguous,
                "prevalence": self.value,
                "low": [low for low, _ in ends],
                "high": [high for _, high in ends],
                "affinity": self.affinity,
            }
        )

    def explain(self) -> str:
        """What was counted, and what it does not say."""
        return (
            f"In {self.draws} subsamples of {self.size} of {self.n} rows (seed {self.seed}), a loop counts as found where a bar of at least "
            f"{_KEPT:.0%} of its length is the same loop on the common rows. A loop that most subsamples have hangs on no few rows; "
            "whether noise has such loops, too, is asked with ti.significance."
        )


def prevalence(
    cloud: Any,
    recipe: Rips,
    bars: Sequence[int] | None = None,
    *,
    draws: int = 100,
    fraction: float = 0.8,
    min_persistence: float = 0.1,
    seed: int,
    threads: int | None = None,
) -> Prevalence:
    """How often subsamples of the rows have the same loop, for bars of degree 1.

    Each draw takes a share of the rows without replacement (duplicates, which a bootstrap makes, are a change of their own) and
    computes their diagram under the same distances: the steps of the recipe are fitted once, on all rows, and what a projection among them
    leaves out is no part of the certificate. A bar is *found*
    when a bar of the subsample is the same loop and at least half as long. "The same" is the definition of
    :func:`topo_interp.match_cycles`: on the cycles that both filtrations have, the two cocycles agree. The affinity of such a pair
    (b, d) and (b', d') is ``J((b, d), (b', d')) J((b', d'), (b', d))``, J the length of the intersection over that of the union:
    that of Reani and Bobrowski for a subsample of a cloud, with the common death of matched bars taken to be d. Their prevalence is
    the mean affinity, ``.affinity``; ``.value`` is the plain share of draws.

    >>> import topo_interp as ti
    >>> found = prevalence(ti.shapes.noisy_circle(60, 0.05), ti.Rips(), draws=20, seed=0)
    >>> found.value
    array([1.])

    Args:
        cloud: points (n, d) whose rows are independent, or a DistanceMatrix of the recipe's metric.
        recipe: of the diagrams, without landmarks and weights.
        bars: numbers of bars of the whole diagram, as in ``recipe(cloud)[1]``; None for all longer than ``min_persistence``.
        draws: number of subsamples.
        fraction: of the rows in each.
        min_persistence: in median distances.
        seed: of the subsamples.
        threads: for the diagrams; None for all cores.

    Raises:
        InputError: grouped rows, a recipe without cycles, a bar that is not there, fewer than 10 draws, or a fraction that leaves fewer
            than four rows.

    Cost: ``draws`` diagrams of the subsamples; per bar and draw a spanning forest for each bar of the subsample that is long enough.

    Sources: Reani and Bobrowski, Cycle registration in persistent homology with applications in topological bootstrap, IEEE TPAMI
    (2022; arXiv:2101.00698); Garcia-Redondo, Monod, Song, Fast topological signal identification and persistent cohomological cycle
    matching, JACT (2024; arXiv:2209.15446). They match through images in the union of two samples; the definition here is another.
    """
    bare = dataclasses.replace(loops_recipe(recipe, "prevalence"), steps=())
    if isinstance(cloud, DistanceMatrix):
        matrix = recipe.given(cloud)
    else:
        independent_points(cloud, "prevalence")
        matrix = recipe.distance_matrix(cloud, threads)
    n = matrix.n
    size = int(share_number(fraction, "fraction", whole=True) * n)
    if size < 4:
        raise InputError(f"fraction is {fraction!r} of {n} rows, which leaves {size}; at least 4 are needed")
    whole_number(draws, "draws", 10)
    whole_number(seed, "seed", 0)
    real_number(min_persistence, "min_persistence")
    whole = Loops(bare(matrix, engine="links", threads=threads))
    scale = whole.diagrams.scale or 0.0
    chosen = whole.clear_bars(min_persistence * scale) if bars is None else _numbers(bars, len(whole.births))
    found, ambiguous = np.zeros(len(chosen), dtype=np.int64), np.zeros(len(chosen), dtype=np.int64)
    affinity = np.zeros(len(chosen))
    for index in range(draws):
        rows = np.sort(draw_rng(seed, index).choice(n, size, replace=False))
        part, common = Loops(bare(matrix.take(rows), engine="links", threads=threads)), whole.on(rows)
        for k, bar in enumerate(chosen.tolist()):
            long = part.clear_bars(_KEPT * (whole.ends[bar] - whole.births[bar]) * (1 - 1e-12)).tolist()
            verdicts = [agreement(common, bar, part, other).verdict for other in long]
            same = [other for other, verdict in zip(long, verdicts, strict=True) if verdict is Verdict.SAME]
            found[k] += bool(same)
            ambiguous[k] += not same and Verdict.AMBIGUOUS in verdicts
            affinity[k] += max((_affinity(whole, bar, part, other) for other in same), default=0.0)
    unit = scale or 1.0
    note_looks([cloud], recipe)
    return Prevalence(
        bars=chosen,
        birth=whole.births[chosen] / unit,
        death=whole.diagrams[1][chosen, 1] / unit,
        found=found,
        ambiguous=ambiguous,
        affinity=affinity / draws,
        draws=draws,
        size=size,
        n=n,
        seed=seed,
        recipe=recipe,
    )


def _affinity(whole: Loops, bar: int, part: Loops, other: int) -> float:
    (birth, end), (later, last) = ((loops.births[k], loops.ends[k]) for loops, k in ((whole, bar), (part, other)))
    return _jaccard(birth, end, later, last) * _jaccard(later, last, later, end)


def _jaccard(a: float, b: float, c: float, d: float) -> float:
    """Of the intervals [a, b) and [c, d)."""
    shared = max(0.0, min(b, d) - max(a, c))
    return float(shared / (max(0.0, b - a) + max(0.0, d - c) - shared)) if shared else 0.0


def _numbers(bars: Sequence[int], count: int) -> np.ndarray:
    numbers = np.asarray(bars)
    whole = numbers.ndim == 1 and numbers.dtype.kind in "iu" and len(numbers) > 0
    if not whole or numbers.min() < 0 or numbers.max() >= count or len(np.unique(numbers)) < len(numbers):
        raise InputError(f"bars is {bars!r}; different numbers of the {count} bars of degree 1 are needed, as in recipe(cloud)[1], such as bars=[0]")
    return numbers.astype(np.int64)
