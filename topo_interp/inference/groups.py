"""Two groups of diagrams: do they come from one distribution? Permutation tests with a distance or a kernel."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from topo_interp._arguments import as_numbers, real_number, whole_number
from topo_interp._errors import InputError
from topo_interp.homology.bottleneck import bottleneck_of_bars
from topo_interp.homology.diagrams import Diagrams
from topo_interp.inference.estimate import monte_carlo_p, reached
from topo_interp.inference.nulls import draw_rng

__all__ = ["GroupTest", "mmd_test", "permutation_test", "scale_space_kernel"]


@dataclasses.dataclass(frozen=True)
class GroupTest:
    """The result of :func:`permutation_test` or :func:`mmd_test`.

    Attributes:
        value: the statistic.
        null_mean, null_sd: over the permutations.
        p_value, smallest_p: Monte-Carlo p-value, and the smallest that the number of draws can give.
        draws, seed: of the permutations.
        sizes: number of diagrams in each group.
        method: the statistic in words.
    """

    value: float
    null_mean: float
    null_sd: float
    p_value: float
    smallest_p: float
    draws: int
    seed: int
    sizes: tuple[int, int]
    method: str

    def explain(self) -> str:
        """One sentence."""
        return (
            f"{self.method} between {self.sizes[0]} and {self.sizes[1]} diagrams: {self.value:.4g}, against {self.null_mean:.4g} "
            f"+- {self.null_sd:.2g} under {self.draws} permutations of the group labels: p = {self.p_value:.3g}; it takes the "
            "diagrams as independent."
        )


def permutation_test(
    group_a: Sequence[Diagrams],
    group_b: Sequence[Diagrams],
    dim: int = 1,
    *,
    distance: str = "wasserstein",
    order: float = 1.0,
    q: float = 1.0,
    draws: int = 999,
    seed: int,
) -> GroupTest:
    """Whether two groups of diagrams are closer among themselves than mixed groups would be.

    The statistic is the sum over the groups of the mean of ``distance^q`` over the pairs of the group, halved; small values
    speak for a difference.

    >>> long = [Diagrams.from_bars([[], [(0, 2 + i / 10)]]) for i in range(4)]
    >>> short = [Diagrams.from_bars([[], [(0, 1 + i / 10)]]) for i in range(4)]
    >>> test = permutation_test(long, short, draws=99, seed=0)
    >>> test.p_value, round(test.value, 6)
    (0.06, 0.166667)

    Args:
        group_a, group_b: at least two diagrams each, all independent of each other.
        dim: degree of homology.
        distance: ``"wasserstein"`` (with the maximum norm between points) or ``"bottleneck"``.
        order: order of the Wasserstein distance, >= 1.
        q: exponent of the distance in the statistic, > 0.
        draws, seed: how many random permutations of the labels; the one of draw i depends on (seed, i) only.

    Raises:
        InputError: fewer than two Diagrams in a group, bars that a threshold cut, or a parameter out of range.

    Source: Robinson and Turner, Hypothesis testing for topological data analysis, JACT 1 (2017).

    Cost: one distance per pair of diagrams.
    """
    points, (n, m) = _gather(group_a, group_b, dim)
    if distance not in ("wasserstein", "bottleneck"):
        raise InputError(f"distance is {distance!r}; 'wasserstein' or 'bottleneck'")
    order, q = real_number(order, "order", 1), real_number(q, "q", above=True)
    square = np.zeros((n + m, n + m))
    for i in range(n + m):
        for j in range(i):
            square[i, j] = square[j, i] = _distance(points[i], points[j], distance, order)
    powers = square**q

    def loss(labels: np.ndarray) -> float:
        inside = (_within(powers, labels) / (n * (n - 1)), _within(powers, ~labels) / (m * (m - 1)))
        return 0.5 * sum(inside)

    return _permuted(loss, n, m, draws, seed, small=True, method=f"joint within-group {distance} loss (degree {dim})")


def mmd_test(
    group_a: Sequence[Diagrams],
    group_b: Sequence[Diagrams],
    dim: int = 1,
    *,
    sigma: float | None = None,
    draws: int = 999,
    seed: int,
) -> GroupTest:
    """The squared maximum mean discrepancy (unbiased) with the exponential of the persistence scale-space kernel.

    >>> long = [Diagrams.from_bars([[], [(0, 2 + i / 10)]]) for i in range(4)]
    >>> short = [Diagrams.from_bars([[], [(0, 1 + i / 10)]]) for i in range(4)]
    >>> test = mmd_test(long, short, draws=99, seed=0)
    >>> test.p_value, round(test.value, 6)
    (0.06, 0.899951)

    Args:
        group_a, group_b: at least two diagrams each, all independent of each other.
        dim: degree of homology.
        sigma: bandwidth of :func:`scale_space_kernel`, in squared units of the filtration; by default the square of the median
            persistence of all bars, over 8.
        draws, seed: how many random permutations of the labels; the one of draw i depends on (seed, i) only.

    Raises:
        InputError: fewer than two Diagrams in a group, bars that a threshold cut, or a parameter out of range.

    Source: Kwitt et al., Statistical topological data analysis: a kernel perspective, NeurIPS 2015 (the exponential of the
    kernel, of diagrams scaled to a kernel of at most 1, is characteristic).

    Cost: one kernel per pair of diagrams, O(k^2) for k bars each.
    """
    points, (n, m) = _gather(group_a, group_b, dim)
    lengths = np.concatenate([pairs[:, 1] - pairs[:, 0] for pairs in points])
    if sigma is None:
        sigma = float(np.median(lengths)) ** 2 / 8 if len(lengths) else 1.0
    gram = np.zeros((n + m, n + m))
    for i in range(n + m):
        for j in range(i + 1):
            gram[i, j] = gram[j, i] = scale_space_kernel(points[i], points[j], sigma)
    largest = gram.diagonal().max()
    gram = np.exp(gram / largest) if largest > 0 else np.ones_like(gram)

    def mmd(labels: np.ndarray) -> float:
        a, b = labels, ~labels
        inside = (_within(gram, a) - gram.diagonal()[a].sum()) / (n * (n - 1))
        inside += (_within(gram, b) - gram.diagonal()[b].sum()) / (m * (m - 1))
        return float(inside - 2 * gram[np.ix_(a, b)].mean())

    return _permuted(mmd, n, m, draws, seed, small=False, method=f"squared MMD (degree {dim})")


def scale_space_kernel(a: np.ndarray, b: np.ndarray, sigma: float) -> float:
    """``1/(8 pi sigma) sum over p in a, q in b of exp(-|p-q|^2 / 8 sigma) - exp(-|p-q'|^2 / 8 sigma)``, q' mirrored in the
    diagonal.

    >>> round(scale_space_kernel(np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]]), 0.125), 6)
    0.275231

    Args:
        a, b: bars (k, 2) and (l, 2), finite.
        sigma: bandwidth > 0, in squared units of the filtration.

    Raises:
        InputError: sigma is no finite number above 0.

    Source: Reininghaus et al., A stable multi-scale kernel for topological machine learning, CVPR 2015.

    Cost: O(k l).
    """
    sigma = real_number(sigma, "sigma", above=True)
    a, b = _bars(a, "a"), _bars(b, "b")
    if len(a) == 0 or len(b) == 0:
        return 0.0
    direct = ((a[:, None] - b[None]) ** 2).sum(axis=-1)
    mirrored = ((a[:, None] - b[None, :, ::-1]) ** 2).sum(axis=-1)
    return float((np.exp(-direct / (8 * sigma)) - np.exp(-mirrored / (8 * sigma))).sum() / (8 * np.pi * sigma))


def _gather(group_a: Sequence[Diagrams], group_b: Sequence[Diagrams], dim: int) -> tuple[list[np.ndarray], tuple[int, int]]:
    both = [*group_a, *group_b]
    if len(group_a) < 2 or len(group_b) < 2 or not all(isinstance(diagrams, Diagrams) for diagrams in both):
        raise InputError(f"the groups have {len(group_a)} and {len(group_b)} members; at least two Diagrams each are needed")
    for diagrams in both:
        if diagrams.censored(dim).any():
            raise InputError(f"bars of degree {dim} were cut by a threshold; compare diagrams of recipes without one")
    return [np.asarray(diagrams.finite(dim)) for diagrams in both], (len(group_a), len(group_b))


def _bars(given: Any, name: str) -> np.ndarray:
    bars = as_numbers(given, name)
    if bars.size and (bars.ndim != 2 or bars.shape[1] != 2 or not np.isfinite(bars).all()):
        raise InputError(f"{name} is {given!r}; finite bars, an array (bars, 2), are needed: diagrams.finite(1)")
    return bars.reshape(-1, 2)


def _distance(a: np.ndarray, b: np.ndarray, distance: str, order: float) -> float:
    if distance == "bottleneck":
        return bottleneck_of_bars(a, b)
    from gudhi.hera import wasserstein_distance

    return float(wasserstein_distance(a, b, order=order, internal_p=np.inf))


def _within(matrix: np.ndarray, members: np.ndarray) -> float:
    return float(matrix[np.ix_(members, members)].sum())


def _permuted(statistic, n: int, m: int, draws: int, seed: int, *, small: bool, method: str) -> GroupTest:  # type: ignore[no-untyped-def]
    draws, seed = whole_number(draws, "draws", 1), whole_number(seed, "seed", 0)
    labels = np.arange(n + m) < n
    value = statistic(labels)
    null = np.array([statistic(draw_rng(seed, index).permutation(labels)) for index in range(draws)])
    exceeding = int((reached(-value, -null) if small else reached(value, null)).sum())
    return GroupTest(
        value=float(value),
        null_mean=float(null.mean()),
        null_sd=float(null.std(ddof=1)) if draws > 1 else 0.0,
        p_value=monte_carlo_p(exceeding, draws),
        smallest_p=monte_carlo_p(0, draws),
        draws=draws,
        seed=seed,
        sizes=(n, m),
        method=method,
    )
