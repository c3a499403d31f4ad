"""Where in a sequence of steps a long bar appears or vanishes, by more than certificates and the choice of rows allow."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from topo_interp._errors import InputError
from topo_interp.comparison._subsamples import SHARE
from topo_interp.geometry.distance_matrix import DistanceMatrix
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.rips import Rips

__all__ = ["Change", "Lengths", "changes", "longest_bars", "resampled_lengths"]

_JACKKNIFE = SHARE / (1 - SHARE)  # from the variance over subsamples to that of the whole
_WINDOW = 3  # steps after a change that speak for it


def longest_bars(diagrams: Diagrams, dim: int, count: int) -> np.ndarray:
    """Lengths of the ``count`` longest bars of one degree in median distances, longest first, 0 where there are fewer.

    The bar of degree 0 that never dies is left out; a bar that a threshold cut counts up to the cut.

    >>> longest_bars(Diagrams.from_bars([[(0, 4), (0, math.inf)]], scale=2.0), 0, 2)
    array([2., 0.])
    """
    out = np.zeros(count)
    if not diagrams.scale:  # all points coincide: there is no length, and no unit to measure it in
        return out
    bars = diagrams[dim][~diagrams.essential(dim)]
    ends = np.where(np.isinf(bars[:, 1]), diagrams.censored_at or 0.0, bars[:, 1])
    lengths = -np.sort(bars[:, 0] - ends)[:count] / diagrams.scale
    out[: len(lengths)] = lengths
    return out


def resampled_lengths(
    matrix: DistanceMatrix, recipe: Rips, rows: np.ndarray, count: int, threads: int | None = None
) -> np.ndarray:
    """``longest_bars`` of each subsample and degree: (subsamples, max_dim + 1, count).

    ``matrix`` holds the distances after the recipe's steps, which are therefore fitted once, on all rows.
    """
    bare = dataclasses.replace(recipe, steps=())
    out = np.empty((len(rows), recipe.max_dim + 1, count))
    for s, index in enumerate(rows):
        found = bare(matrix.take(index), threads=threads)
        out[s] = [longest_bars(found, dim, count) for dim in range(recipe.max_dim + 1)]
    return out


@dataclasses.dataclass(frozen=True)
class Lengths:
    """The k-th longest bar along the steps.

    Attributes:
        whole: (steps,) of all rows, in median distances.
        resampled: (steps, subsamples), each column is one choice of rows for all steps.
        bound: (steps,) how far rounding and approximation can have moved ``whole`` (twice the bottleneck bound, since both
            ends of a bar can move).
    """

    whole: np.ndarray
    resampled: np.ndarray
    bound: np.ndarray


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of a length between two steps (positions in the sequence).

    Attributes:
        at: first step at which the length is off its former level.
        until: last step of the same rise or fall.
        before: former level, the mean since the change before (or the start).
        after: the new level, the mean of three steps from ``until`` on (fewer at the end).
        noise: standard error of the change at ``at``.
        bound: what the certificates allow at ``at``.
        p_value: of the change at ``at``, after Bonferroni over all tests.
    """

    at: int
    until: int
    before: float
    after: float
    noise: float
    bound: float
    p_value: float


def changes(lengths: Lengths, *, tests: int, level: float = 0.05) -> list[Change]:
    """Steps at which the length leaves its former level by more than the noise and the certificates allow.

    At each step the mean of it and the next two is compared with the mean of the steps since the last change (or the start).
    The noise of that difference is its delete-d jackknife standard error, ``sd * sqrt(m / (n - m))`` over subsamples of
    m = 0.8 n rows: every subsample is one choice of rows for all steps, so that what a choice of rows does to both sides
    cancels. The error is never taken smaller than what the mean square over all neighboring steps of the sequence gives for
    independent steps: 20 subsamples measure one error badly, and a bar that the subsamples spare looks quieter than it is.
    What both certificates' bounds leave of the difference, over the error, is held against Student's t with
    ``subsamples - 1`` degrees of freedom, two-sided, at ``level / tests``. Where neighbors pass, the largest difference
    is the change. Changes in one direction whose windows touch are one change.

    The jackknife of a longest bar has no theorem behind it (the bar is an extreme, not a mean); that false alarms stay
    rare and a planted loop is found is therefore held by the tests.

    Source: Shao and Wu, A general theory for jackknife variance estimation (1989).
    """
    steps, count = lengths.resampled.shape
    if count < 3 or lengths.whole.shape != (steps,) or lengths.bound.shape != (steps,):
        raise InputError(f"{count} subsamples of {steps} steps were given; at least 3 subsamples are needed")
    least = float(np.mean(_JACKKNIFE * np.var(np.diff(lengths.resampled, axis=0), axis=1, ddof=1))) if steps > 1 else 0.0
    found: list[Change] = []
    start, at = 0, 1
    while at < steps:
        best = _change(lengths, start, at, least, tests)
        if best.p_value > level:
            at += 1
            continue
        near = [_change(lengths, start, k, least, tests) for k in range(at, min(at + _WINDOW, steps))]
        best = max((c for c in near if c.p_value <= level), key=lambda c: abs(c.after - c.before))
        last = found[-1] if found else None
        if last is not None and best.at < last.until + _WINDOW and (best.after > best.before) == (last.after > last.before):
            found[-1] = dataclasses.replace(last, until=best.at, after=best.after)
        else:
            found.append(best)
        start, at = best.at, best.at + 1
    return found


def _change(lengths: Lengths, start: int, at: int, least: float, tests: int) -> Change:
    from scipy.stats import t as student

    sides = slice(start, at), slice(at, at + _WINDOW)
    before, after = (float(lengths.whole[side].mean()) for side in sides)
    counts = [len(lengths.whole[side]) for side in sides]
    earlier, later = (lengths.resampled[side].mean(axis=0) for side in sides)
    own = _JACKKNIFE * float(np.var(later - earlier, ddof=1))
    noise = math.sqrt(max(own, least / 2 * sum(1 / k for k in counts)))
    bound = sum(float(lengths.bound[side].max()) for side in sides)
    left = max(0.0, abs(after - before) - bound)
    score = left / noise if noise else (math.inf if left else 0.0)
    p_value = min(1.0, tests * 2.0 * float(student.sf(score, lengths.resampled.shape[1] - 1)))
    return Change(at, at, before, after, noise, bound, p_value)
