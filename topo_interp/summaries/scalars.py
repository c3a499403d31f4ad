"""Diagrams to one number."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from topo_interp._arguments import real_number
from topo_interp._errors import InputError
from topo_interp.homology.diagrams import Diagrams
from topo_interp.summaries._base import Summary

__all__ = ["amplitude", "count_bars", "max_persistence", "persistence_entropy", "total_persistence"]


@dataclasses.dataclass(frozen=True, repr=False)
class _CountBars(Summary, kind="count_bars"):
    threshold: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "threshold", real_number(self.threshold, "threshold"))

    def _constant(self) -> tuple[None, str]:
        return None, "the count jumps when a bar's persistence crosses the threshold"

    @property
    def open_bars(self) -> str:
        undecided = "does not count" if self.censored == "close" else "is an error"
        return (
            "essential bars count; a censored bar counts once its length up to the cut exceeds the threshold, and "
            f"{undecided} before that"
        )

    def _value(self, diagrams: Diagrams) -> float:
        cut = diagrams.censored(self.dim)
        births, deaths = diagrams[self.dim].T
        known = np.where(cut, diagrams.censored_at if cut.any() else 0.0, deaths) - births
        limit = self.threshold * (self._unit(diagrams) if len(births) and self.threshold else 1.0)
        undecided = cut & (known <= limit)
        if undecided.any() and self.censored == "refuse":
            self._refuse(diagrams, int(undecided.sum()))
        return float(np.count_nonzero(known > limit))


@dataclasses.dataclass(frozen=True, repr=False)
class _MaxPersistence(Summary, kind="max_persistence"):
    def _constant(self) -> tuple[float, str]:
        return 2.0, "both ends of the longest bar can move by the bottleneck distance"

    def _value(self, diagrams: Diagrams) -> float:
        return np.max(_lengths(self._bars(diagrams)), initial=0.0)


@dataclasses.dataclass(frozen=True, repr=False)
class _TotalPersistence(Summary, kind="total_persistence"):
    p: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "p", real_number(self.p, "p", above=True))

    def _constant(self) -> tuple[None, str]:
        return None, "any number of short bars may appear within one bottleneck distance"

    def _value(self, diagrams: Diagrams) -> float:
        return math.fsum(_lengths(self._bars(diagrams)) ** self.p)


@dataclasses.dataclass(frozen=True, repr=False)
class _PersistenceEntropy(Summary, kind="persistence_entropy"):
    def _constant(self) -> tuple[None, str]:
        return None, "any number of short bars may appear within one bottleneck distance and carry most of the entropy"

    def _value(self, diagrams: Diagrams) -> float:
        bars = self._bars(diagrams)
        if len(bars) == 0:
            return 0.0
        from gudhi.representations import Entropy

        # Only shares enter: dividing by the longest keeps the sum of lengths from overflowing or vanishing.
        scaled = np.column_stack((np.zeros(len(bars)), _lengths(bars) / _lengths(bars).max()))
        scaled = scaled[scaled[:, 1] > 0]
        return max(0.0, float(Entropy(mode="scalar").fit_transform([scaled])[0, 0]))


@dataclasses.dataclass(frozen=True, repr=False)
class _Amplitude(Summary, kind="amplitude"):
    distance: str = "bottleneck"
    order: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.distance not in ("bottleneck", "wasserstein", "landscape"):
            raise InputError(f"distance is {self.distance!r}; it is 'bottleneck', 'wasserstein' or 'landscape'")
        object.__setattr__(self, "order", real_number(self.order, "order", above=True))
        if self.order < 1:
            raise InputError(f"order is {self.order}; a norm needs order >= 1")

    def _constant(self) -> tuple[float | None, str]:
        if self.distance == "bottleneck":
            return 1.0, "the triangle inequality of the bottleneck distance"
        return None, "any number of short bars may appear within one bottleneck distance, and a sum over bars sees them all"

    def _value(self, diagrams: Diagrams) -> float:
        heights = _lengths(self._bars(diagrams)) / 2
        largest = np.max(heights, initial=0.0)
        if self.distance == "bottleneck" or largest == 0:
            return largest
        shares, p = heights / largest, self.order
        if self.distance == "wasserstein":
            return largest * math.fsum(shares**p) ** (1 / p)
        # The layers sort the tents at every t, so the p-th powers of all layers and of all tents have the same sum.
        return largest ** (1 + 1 / p) * math.fsum(2 * shares ** (p + 1) / (p + 1)) ** (1 / p)


def _lengths(bars: np.ndarray) -> np.ndarray:
    return bars[:, 1] - bars[:, 0]


def count_bars(dim: int, threshold: float = 0.0, *, relative: bool = False, censored: str = "refuse") -> Summary:
    """Number of bars with a persistence above the threshold.

    >>> from topo_interp import Diagrams
    >>> d = Diagrams.from_bars([[(0, 0.2), (0, 3), (0, math.inf)]])
    >>> count_bars(0, threshold=1.0)(d)
    2.0

    Args:
        dim: degree of homology.
        threshold: in units of the filtration, or of the median distance.
        relative: whether bars are divided by the median distance, so that clouds can be compared.
        censored: "refuse" diagrams with bars that a threshold cut, or "close" these bars at the threshold.

    Raises:
        InputError: a parameter out of range; when it is called, bars that were cut, or no median distance to be
            relative to.
    """
    return _CountBars(dim, threshold, relative=relative, censored=censored)


def max_persistence(dim: int, *, relative: bool = False, censored: str = "refuse") -> Summary:
    """Persistence of the longest finite bar, 0 when there is none.

    >>> from topo_interp import Diagrams
    >>> max_persistence(1)(Diagrams.from_bars([[], [(1, 2), (1, 4)]]))
    3.0

    Args:
        dim: degree of homology.
        relative: whether bars are divided by the median distance, so that clouds can be compared.
        censored: "refuse" diagrams with bars that a threshold cut, or "close" these bars at the threshold.

    Raises:
        InputError: a parameter out of range; when it is called, bars that were cut, or no median distance to be
            relative to.
    """
    return _MaxPersistence(dim, relative=relative, censored=censored)


def total_persistence(dim: int, p: float = 1.0, *, relative: bool = False, censored: str = "refuse") -> Summary:
    """Sum of the p-th powers of the persistences of the finite bars.

    >>> from topo_interp import Diagrams
    >>> total_persistence(1, p=2)(Diagrams.from_bars([[], [(1, 2), (1, 4)]]))
    10.0

    Args:
        dim: degree of homology.
        p: power > 0.
        relative: whether bars are divided by the median distance, so that clouds can be compared.
        censored: "refuse" diagrams with bars that a threshold cut, or "close" these bars at the threshold.

    Raises:
        InputError: a parameter out of range; when it is called, bars that were cut, or no median distance to be
            relative to.
    """
    return _TotalPersistence(dim, p, relative=relative, censored=censored)


def persistence_entropy(dim: int, *, censored: str = "refuse") -> Summary:
    """Shannon entropy, in nats, of the shares of the finite bars in the total persistence; 0 for at most one bar.

    >>> from topo_interp import Diagrams
    >>> persistence_entropy(1)(Diagrams.from_bars([[], [(1, 2), (3, 4)]])) == math.log(2)
    True

    It has no unit, hence no relative form. Source: Atienza, Gonzalez-Diaz, Soriano-Trigueros (2020); gudhi's code.

    Args:
        dim: degree of homology.
        censored: "refuse" diagrams with bars that a threshold cut, or "close" these bars at the threshold.

    Raises:
        InputError: a parameter out of range; when it is called, bars that were cut, or no median distance to be
            relative to.
    """
    return _PersistenceEntropy(dim, censored=censored)


def amplitude(
    dim: int, distance: str = "bottleneck", order: float = 2.0, *, relative: bool = False, censored: str = "refuse"
) -> Summary:
    """Distance to the diagram without finite bars.

    >>> from topo_interp import Diagrams
    >>> amplitude(1)(Diagrams.from_bars([[], [(1, 2), (1, 4)]]))
    1.5

    Args:
        dim: degree of homology.
        distance: "bottleneck" (half of the longest persistence), "wasserstein" (the order-norm of half the persistences:
            ground metric max(|db|, |dd|)) or "landscape" (the L^order norm of the whole landscape, integrated exactly).
        order: p >= 1 of "wasserstein" and "landscape".
        relative: whether bars are divided by the median distance.
        censored: "refuse" or "close".

    Raises:
        InputError: a parameter out of range; when it is called, bars that were cut, or no median distance to be
            relative to.
    """
    return _Amplitude(dim, distance, order, relative=relative, censored=censored)
