"""Diagrams to vectors on fixed grids."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from topo_interp._arguments import real_number, whole_number
from topo_interp._errors import InputError
from topo_interp.homology.diagrams import Diagrams
from topo_interp.summaries._base import Vectorization, fixed_grid

__all__ = ["betti_curve", "landscape", "persistence_image", "silhouette"]


@dataclasses.dataclass(frozen=True, repr=False)
class _OnGrid(Vectorization):
    grid: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "grid", fixed_grid(self.grid, self.kind))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.kind}_{self.dim}({t:g})" for t in self.grid)

    def _tents(self, diagrams: Diagrams) -> tuple[np.ndarray, np.ndarray]:
        """Values (bars, grid) of the tent over each bar, and the lengths of the bars."""
        bars = self._bars(diagrams)
        births, deaths = bars[:, :1], bars[:, 1:]
        grid = np.array(self.grid)
        return np.maximum(np.minimum(grid - births, deaths - grid), 0.0), (deaths - births)[:, 0]


@dataclasses.dataclass(frozen=True, repr=False)
class _BettiCurve(_OnGrid, kind="betti_curve"):
    def _constant(self) -> tuple[None, str]:
        return None, "a Betti number jumps when the grid value crosses a birth or a death"

    @property
    def open_bars(self) -> str:
        beyond = "the censored bars are ended" if self.censored == "close" else "a grid value is an error"
        return f"every open bar counts from its birth on; beyond the cut {beyond}"

    def _vector(self, diagrams: Diagrams) -> np.ndarray:
        from gudhi.representations import BettiCurve

        bars, cut = diagrams[self.dim], diagrams.censored_at
        grid = np.array(self.grid) * (self._unit(diagrams) if len(bars) else 1.0)
        if cut is not None and grid[-1] > cut:
            if self.censored == "refuse":
                raise InputError(
                    f"{self.name}: the grid goes to {grid[-1]:g} and the threshold cut at {cut:g}, beyond which Betti numbers "
                    "are unknown: end the grid there, say censored='close', or compute with a larger threshold"
                )
            # Up to the cut, the cut itself included, the bars are alive.
            just_after = np.nextafter(cut, np.inf)
            bars = np.where(diagrams.censored(self.dim)[:, None] & np.isinf(bars), just_after, bars)
        return BettiCurve(predefined_grid=grid).fit_transform([np.asarray(bars)])[0]


@dataclasses.dataclass(frozen=True, repr=False)
class _Landscape(_OnGrid, kind="landscape"):
    layers: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "layers", whole_number(self.layers, "layers", 1))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"landscape_{self.dim}[{k}]({t:g})" for k in range(1, self.layers + 1) for t in self.grid)

    def _constant(self) -> tuple[float, str]:
        return 1.0, "each layer is 1-Lipschitz in the bottleneck distance (Bubenik 2015, theorem 13)"

    def _vector(self, diagrams: Diagrams) -> np.ndarray:
        tents, _ = self._tents(diagrams)
        out = np.zeros((self.layers, len(self.grid)))
        kept = min(self.layers, len(tents))
        if kept:
            out[:kept] = np.sort(np.partition(tents, len(tents) - kept, axis=0)[len(tents) - kept :], axis=0)[::-1]
        return out.ravel()


@dataclasses.dataclass(frozen=True, repr=False)
class _Silhouette(_OnGrid, kind="silhouette"):
    power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "power", real_number(self.power, "power", above=True))

    def _constant(self) -> tuple[None, str]:
        return None, "any number of short bars may appear within one bottleneck distance and take most of the weight"

    def _vector(self, diagrams: Diagrams) -> np.ndarray:
        tents, lengths = self._tents(diagrams)
        if len(tents) == 0:
            return np.zeros(len(self.grid))
        weights = (lengths / lengths.max()) ** self.power
        return weights @ tents / weights.sum()


@dataclasses.dataclass(frozen=True, repr=False)
class _PersistenceImage(Vectorization, kind="persistence_image"):
    births: tuple[float, float] = (0.0, 1.0)
    persistences: tuple[float, float] = (0.0, 1.0)
    resolution: tuple[int, int] = (20, 20)
    bandwidth: float = 0.1
    power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("births", "persistences"):
            ends = fixed_grid(getattr(self, name), name)
            if len(ends) != 2:
                raise InputError(f"{name} is {getattr(self, name)!r}; the two ends of a range are needed, such as (0, 2)")
            object.__setattr__(self, name, ends)
        if not isinstance(self.resolution, (tuple, list)) or len(self.resolution) != 2:
            raise InputError(f"resolution is {self.resolution!r}; two numbers of pixels are needed, such as (20, 20)")
        object.__setattr__(self, "resolution", tuple(whole_number(pixels, "resolution", 2) for pixels in self.resolution))
        for name in ("bandwidth", "power"):
            object.__setattr__(self, name, real_number(getattr(self, name), name, above=True))

    @property
    def names(self) -> tuple[str, ...]:
        columns, rows = np.linspace(*self.births, self.resolution[0]), np.linspace(*self.persistences, self.resolution[1])
        return tuple(f"persistence_image_{self.dim}({birth:g}, {length:g})" for length in rows for birth in columns)

    def _constant(self) -> tuple[None, str]:
        return None, "any number of short bars may appear within one bottleneck distance, and a sum over bars sees them all"

    def _vector(self, diagrams: Diagrams) -> np.ndarray:
        bars = self._bars(diagrams)
        if len(bars) == 0:
            return np.zeros(self.resolution[0] * self.resolution[1])
        from gudhi.representations import PersistenceImage

        image = PersistenceImage(
            bandwidth=self.bandwidth,
            weight=lambda point: point[1] ** self.power,
            resolution=list(self.resolution),
            im_range=[*self.births, *self.persistences],
        )
        return image.fit_transform([bars])[0]


def betti_curve(dim: int, grid: Iterable[float], *, relative: bool = False, censored: str = "refuse") -> Vectorization:
    """Number of bars alive at each grid value t: birth <= t < death. gudhi's code.

    >>> from topo_interp import Diagrams
    >>> betti_curve(1, [0, 1, 2, 3])(Diagrams.from_bars([[], [(1, 3), (2, 3)]]))
    array([0., 1., 2., 0.])

    Args:
        dim: degree of homology.
        grid: increasing filtration values, the same for all diagrams.
        relative: whether bars are divided by the median distance, so that clouds can be compared.
        censored: "refuse" diagrams with bars that a threshold cut, or "close" these bars at the threshold.

    Raises:
        InputError: a parameter out of range; when it is called, bars that were cut, or no median distance to be
            relative to.
    """
    return _BettiCurve(dim, grid, relative=relative, censored=censored)  # type: ignore[arg-type]


def landscape(
    dim: int, grid: Iterable[float], layers: int = 3, *, relative: bool = False, censored: str = "refuse"
) -> Vectorization:
    """The first layers of the persistence landscape: the k-th largest tent min(t - birth, death - t) at each t.

    gudhi's landscapes are these times sqrt(2) on uniform grids; without the factor the Lipschitz constant is 1.

    >>> from topo_interp import Diagrams
    >>> landscape(1, [1, 2, 3], layers=2)(Diagrams.from_bars([[], [(0, 4), (1, 3)]]))
    array([1., 2., 1., 0., 1., 0.])

    Args:
        dim: degree of homology.
        grid: increasing filtration values, the same for all diagrams.
        layers: how many; entries are the layers one after another.
        relative: whether bars are divided by the median distance, so that clouds can be compared.
        censored: "refuse" diagrams with bars that a threshold cut, or "close" these bars at the threshold.

    Raises:
        InputError: a parameter out of range; when it is called, bars that were cut, or no median distance to be
            relative to.

    Source: Bubenik, JMLR 16 (2015).
    """
    return _Landscape(dim, grid, layers, relative=relative, censored=censored)  # type: ignore[arg-type]


def silhouette(
    dim: int, grid: Iterable[float], power: float = 1.0, *, relative: bool = False, censored: str = "refuse"
) -> Vectorization:
    """Mean of the tents, weighted by persistence^power; 0 without bars. gudhi's is this times sqrt(2) on uniform grids.

    >>> from topo_interp import Diagrams
    >>> silhouette(1, [1, 2, 3])(Diagrams.from_bars([[], [(0, 4), (2, 4)]])).round(3)
    array([0.667, 1.333, 1.   ])

    Args:
        dim: degree of homology.
        grid: increasing filtration values, the same for all diagrams.
        power: of the weights, above 0.
        relative: whether bars are divided by the median distance, so that clouds can be compared.
        censored: "refuse" diagrams with bars that a threshold cut, or "close" these bars at the threshold.

    Raises:
        InputError: a parameter out of range; when it is called, bars that were cut, or no median distance to be
            relative to.

    Source: Chazal et al., JoCG 6 (2015).
    """
    return _Silhouette(dim, grid, power, relative=relative, censored=censored)  # type: ignore[arg-type]


def persistence_image(
    dim: int,
    births: tuple[float, float],
    persistences: tuple[float, float],
    resolution: tuple[int, int] = (20, 20),
    bandwidth: float = 0.1,
    power: float = 1.0,
    *,
    relative: bool = False,
    censored: str = "refuse",
) -> Vectorization:
    """Gaussians at (birth, persistence), weighted by persistence^power, on a fixed raster; rows of one persistence each.

    >>> from topo_interp import Diagrams
    >>> image = persistence_image(1, births=(0, 2), persistences=(0, 2), resolution=(3, 3), bandwidth=0.1)
    >>> image(Diagrams.from_bars([[], [(1, 3)]])).reshape(3, 3).argmax().item(), image.names[7]
    (7, 'persistence_image_1(1, 2)')

    Source: Adams et al., Persistence Images (2017); gudhi's code.

    Args:
        dim: degree of homology.
        births: range of the births (the first axis).
        persistences: range of the persistences (the second axis).
        resolution: pixels along births and along persistences; the ends of the ranges are pixels.
        bandwidth: standard deviation of the Gaussians.
        power: exponent of the weight; a positive one makes bars of length 0 count 0.
        relative: whether bars are divided by the median distance (the ranges and the bandwidth are then multiples of it).
        censored: "refuse" or "close".

    Raises:
        InputError: a parameter out of range; when it is called, bars that were cut, or no median distance to be
            relative to.
    """
    return _PersistenceImage(
        dim, births, persistences, resolution, bandwidth, power, relative=relative, censored=censored
    )
