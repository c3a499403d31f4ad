"""What a summary is: a frozen value that turns diagrams into a number or a vector and says what that is worth."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError
from topo_interp._value import Value, brief_call
from topo_interp._words import counted
from topo_interp.homology.diagrams import Diagrams

__all__ = ["Summary", "Vectorization"]


@dataclasses.dataclass(frozen=True, repr=False)
class _OfOneDegree(Value):
    """Fields and rules shared by everything that looks at the bars of one degree.

    Attributes:
        dim: degree of homology.
        relative: whether births and deaths are first divided by ``d.scale``, the median distance, which makes the result
            free of the unit; parameters such as a threshold or a grid are then multiples of the median distance.
        censored: what to do with bars that a threshold cut: "refuse" (an error), or "close" (end them at the cut).
    """

    dim: int
    relative: bool = dataclasses.field(default=False, kw_only=True)
    censored: str = dataclasses.field(default="refuse", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", whole_number(self.dim, "dim (the degree)", 0))
        if self.censored not in ("refuse", "close"):
            raise InputError(f"censored is {self.censored!r}; it is 'refuse' or 'close'")

    @property
    def name(self) -> str:
        """The call that makes it, without what is default: a column's name."""
        return brief_call(self, _brief)

    def __repr__(self) -> str:
        return self.name

    @property
    def lipschitz(self) -> float | None:
        """How much it can change per unit of bottleneck distance (vectors: in the maximum norm); None for no constant."""
        return None if self.relative else self._constant()[0]

    @property
    def lipschitz_reason(self) -> str:
        """Why that constant, or why there is none."""
        constant, reason = self._constant()
        if self.relative and constant is not None:
            return f"{reason}; relative: {constant:g} / d.scale between diagrams of one scale, and scales differ"
        return reason

    def _constant(self) -> tuple[float | None, str]:
        raise NotImplementedError

    @property
    def open_bars(self) -> str:
        """The rule for bars without an end, in words."""
        return f"essential bars are left out; {self._censored_rule}"

    @property
    def _censored_rule(self) -> str:
        return "censored bars are ended at the cut" if self.censored == "close" else "censored bars are an error"

    def _bars(self, diagrams: Diagrams) -> np.ndarray:
        """Finite bars (bars, 2) by the rules above, in the unit of the result."""
        pairs = diagrams[self.dim]
        cut = diagrams.censored(self.dim)
        if cut.any():
            if self.censored == "refuse":
                self._refuse(diagrams, int(cut.sum()))
            pairs = np.where(cut[:, None] & np.isinf(pairs), diagrams.censored_at, pairs)
        pairs = pairs[np.isfinite(pairs[:, 1]) & (pairs[:, 0] < pairs[:, 1])]
        return pairs / self._unit(diagrams) if len(pairs) else pairs

    def _refuse(self, diagrams: Diagrams, count: int) -> None:
        raise InputError(
            f"{self.name}: {counted(count, 'bar')} of degree {self.dim} {'was' if count == 1 else 'were'} "
            f"cut by the threshold {diagrams.censored_at:g}: say censored='close' to end such bars at the cut, or compute "
            "with a larger threshold"
        )

    def _unit(self, diagrams: Diagrams) -> float:
        if not self.relative:
            return 1.0
        if not diagrams.scale:
            trouble = "is not known" if diagrams.scale is None else "is 0: at least half of the pairs coincide"
            raise InputError(
                f"{self.name} divides by the median distance, which {trouble}; use relative=False, drop duplicate points, "
                "or set dataclasses.replace(d, scale=...)"
            )
        return diagrams.scale


@dataclasses.dataclass(frozen=True, repr=False)
class Summary(_OfOneDegree):
    """A map from diagrams to a float; see its ``name``, ``lipschitz``, ``lipschitz_reason`` and ``open_bars``.

    Made by functions such as :func:`topo_interp.max_persistence`.
    """

    def __call__(self, diagrams: Diagrams) -> float:
        """The number."""
        return float(self._value(_given(diagrams, self)))

    def rounding(self, diagrams: Diagrams, value: float) -> float:
        """How far rounding of the distances can have moved ``value``, the number of these diagrams.

        It is 0 where there is no Lipschitz constant to say it.
        """
        constant, moved = self._constant()[0], diagrams.certificate.rounding
        if constant is None or not value:
            return 0.0
        if not self.relative:
            return constant * moved
        # The median distance, by which a relative number is divided, is rounded too.
        unit = self._unit(diagrams)
        return (constant + abs(value)) * moved / (unit - moved) if moved < unit else math.inf

    def _value(self, diagrams: Diagrams) -> float:
        raise NotImplementedError


@dataclasses.dataclass(frozen=True, repr=False)
class Vectorization(_OfOneDegree):
    """A map from diagrams to a float64 vector of fixed length, whose entries are called ``names``.

    Made by functions such as :func:`topo_interp.landscape`.

    The grid belongs to the value, not to the diagrams, so that vectors of different diagrams can be compared.
    """

    def __call__(self, diagrams: Diagrams) -> np.ndarray:
        """The vector (length ``len(names)``)."""
        return np.ascontiguousarray(self._vector(_given(diagrams, self)), dtype=np.float64)

    @property
    def names(self) -> tuple[str, ...]:
        """What each entry is."""
        raise NotImplementedError

    def _vector(self, diagrams: Diagrams) -> np.ndarray:
        raise NotImplementedError


def _given(diagrams: Any, summary: _OfOneDegree) -> Diagrams:
    if not isinstance(diagrams, Diagrams):
        raise InputError(
            f"{summary.name} was given a {type(diagrams).__name__}; ti.Diagrams are needed: ti.Rips()(points), or "
            "ti.Diagrams.from_bars for bars from elsewhere"
        )
    return diagrams


def _brief(value: Any) -> str:
    if isinstance(value, tuple) and len(value) > 4:
        return f"[{value[0]:g} .. {value[-1]:g}; {len(value)}]"
    return f"{value:g}" if isinstance(value, float) else repr(value)


def fixed_grid(values: Iterable[float], name: str) -> tuple[float, ...]:
    """A grid as a tuple of floats: finite, increasing, not empty."""
    try:
        grid = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=np.float64)
    except (TypeError, ValueError):
        grid = np.empty(0)
    if grid.ndim != 1 or len(grid) == 0 or not np.isfinite(grid).all() or (np.diff(grid) <= 0).any():
        raise InputError(f"{name}: the grid must be finite, increasing filtration values, such as np.linspace(0, 2, 101)")
    return tuple(grid.tolist())
