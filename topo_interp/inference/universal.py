"""The universal null of Bobrowski and Skraba: p-values of bars without any simulation."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp._words import counted
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.rips import Rips
from topo_interp.metrics import get_metric
from topo_interp.metrics import table as metric_table

if TYPE_CHECKING:
    import pandas

__all__ = ["UniversalPValues", "universal_pvalues"]

_EULER = 0.5772156649015329
_FEW = 20
# The one constant of the law that depends on the filtration: 1 for Rips (it is 1/2 for Cech and alpha complexes).
_A_RIPS = 1.0
_DISCRETE = ("hamming",)


@dataclasses.dataclass(frozen=True, eq=False)
class UniversalPValues:
    """The result of :func:`universal_pvalues`; entry i belongs to bar i of ``diagrams[dim]``.

    Attributes:
        dim: degree of homology.
        bars: float64 (bars, 2): births and deaths, a death ``inf`` where the bar was cut.
        p_values: float64 (bars,), each bar by itself; upper bounds for bars that were cut.
        adjusted: float64 (bars,), Bonferroni over the bars of this degree.
        censored: bool (bars,): whether the bar was cut.
        location: B, the location of the law fitted to these bars.
        notes: sentences that belong beside the p-values.
    """

    dim: int
    bars: np.ndarray
    p_values: np.ndarray
    adjusted: np.ndarray
    censored: np.ndarray
    location: float
    notes: tuple[str, ...]

    def significant(self, alpha: float = 0.05) -> np.ndarray:
        """Boolean mask (bars,): adjusted p-value below alpha. Cut bars that are in it are significant wherever they end."""
        return self.adjusted < alpha

    def threshold_to_decide(self, alpha: float = 0.05) -> float | None:
        """The threshold at which every bar that was cut and is undecided would be decided; None when all are decided.

        A bar still alive at ``birth * pi`` is significant, with pi the ratio death / birth at which the adjusted p-value
        is alpha.
        """
        undecided = self.censored & ~self.significant(alpha)
        if not undecided.any():
            return None
        critical = np.exp(np.exp((np.log(np.log(len(self.bars) / alpha)) - self.location) / _A_RIPS))
        return float(self.bars[undecided, 0].max() * critical)

    def to_frame(self) -> pandas.DataFrame:
        """One row per bar."""
        import pandas

        columns = {"birth": self.bars[:, 0], "death": self.bars[:, 1], "censored": self.censored}
        return pandas.DataFrame({**columns, "p_value": self.p_values, "p_adjusted": self.adjusted})

    def explain(self, alpha: float = 0.05) -> str:
        """One sentence (and the notes)."""
        found = int(self.significant(alpha).sum())
        head = (
            f"{found} of {len(self.bars)} bars of degree {self.dim} have p < {alpha:g} by the universal null (Bonferroni over "
            "these bars), which takes the rows as an independent sample."
        )
        return " ".join((head, *self.notes))


def universal_pvalues(diagrams: Diagrams, dim: int) -> UniversalPValues:
    """P-values of the bars of one degree from the ratios death / birth, without simulation.

    For independent points the values ``log log(death / birth) + B`` of noise bars follow one law whatever the points'
    distribution (the left-skewed Gumbel law); B is fitted by their mean. The law is a limit: with a few hundred points in
    many dimensions the test is conservative, and with 60 bars the error of B alone makes a level of 0.05 one of 0.07. Bars that the threshold cut count as long as they were seen, which makes
    their p-value an upper bound, and enter the mean with the expectation that the law gives them beyond the cut.

    >>> import topo_interp as ti
    >>> p = universal_pvalues(ti.Diagrams.from_bars([[], [(1.0, 2.0)]], metric="euclidean"), dim=1)
    >>> p.p_values.round(4), p.notes[0][:14]
    (array([0.5704]), 'Only 1 bar: wi')

    Args:
        diagrams: of a Rips filtration of independent rows under a metric without ties.
        dim: degree of at least 1.

    Raises:
        InputError: degree 0, a graph metric or an unknown one, a discrete or tied metric, landmarks, weights, grouped rows.

    Source: Bobrowski and Skraba, A universal null-distribution for topological data analysis, Scientific Reports 13 (2023).
    """
    if not isinstance(diagrams, Diagrams):
        raise InputError(f"diagrams is a {type(diagrams).__name__}; ti.Diagrams are needed: ti.Rips()(points)")
    bars = diagrams[dim]
    if dim < 1:
        raise InputError(f"the universal null is about degrees of at least 1 (bars of degree 0 are born at 0); dim is {dim}")
    _check_origin(diagrams)
    _check_ties(bars)
    if not len(bars):
        empty = np.empty(0)
        return UniversalPValues(dim, bars, empty, empty, np.empty(0, dtype=bool), np.nan, ("There is no bar to test.",))
    cut = np.isinf(bars[:, 1])
    if cut.any() and diagrams.censored_at is None:
        raise InputError(f"a bar of degree {dim} never ends, which no Rips filtration of points has; compute with ti.Rips")
    ends = np.where(cut, diagrams.censored_at if cut.any() else 0.0, bars[:, 1])
    if not (bars[:, 0] > 0).all():
        raise InputError(f"a bar of degree {dim} is born at 0, where death / birth has no meaning; drop duplicate points")
    # A bar that was born at the cut itself has been seen for no length: ratio 1, p-value 1.
    ratio = np.maximum(np.log(ends) - np.log(bars[:, 0]), np.finfo(np.float64).tiny)
    location = _location(ratio, cut)
    p = np.exp(-np.exp(_A_RIPS * np.log(ratio) + location))
    notes = []
    if len(bars) < _FEW:
        notes.append(f"Only {counted(len(bars), 'bar')}: with fewer than {_FEW} the universal null has no power, whatever it says.")
    if cut.any():
        count = int(cut.sum())
        notes.append(f"{counted(count, 'bar')} {'was' if count == 1 else 'were'} cut by the threshold: such p-values are upper bounds.")
    return UniversalPValues(dim, bars, p, np.minimum(1.0, p * len(p)), cut, location, tuple(notes))


def _location(log_ratio: np.ndarray, cut: np.ndarray) -> float:
    """B with mean(A log log pi) + B = -Euler; a cut bar enters with its expectation beyond the cut, by iteration.

    Under the law, ``exp(B) log pi`` is a standard exponential variable E, and E[log E | E > c] = log c + e^c E_1(c).
    """
    from scipy.special import exp1

    x = _A_RIPS * np.log(log_ratio)
    if cut.all():
        raise InputError("all bars of this degree were cut by the threshold; compute with a larger threshold")
    location = -_EULER - x[~cut].mean()
    if not cut.any():
        return float(location)
    for _ in range(1000):
        c = np.minimum(np.exp(x[cut] + location), 600.0)  # beyond 600, e^c E_1(c) is 1 / c to all digits that matter
        expected = x.copy()
        expected[cut] += np.exp(c) * exp1(c)
        before, location = location, -_EULER - expected.mean()
        if abs(before - location) < 1e-12:
            break
    return float(location)


def _check_origin(diagrams: Diagrams) -> None:
    instead = "use ti.significance(..., null=ti.nulls.matched_gaussian()), which draws its null"
    if diagrams.groups:
        names = ", ".join(map(repr, diagrams.groups))
        raise InputError(
            f"rows that share a value of {names} are not independent, and the universal null takes them as independent: use "
            f"ti.significance(..., null=ti.nulls.matched_gaussian(within=[{names}])), or take one row per group"
        )
    metric = _metric_of(diagrams)
    if getattr(metric, "is_graph_metric", False):
        raise InputError(f"the universal null makes far too many false claims for graph metrics, and {metric} is one; {instead}")
    if metric is None:
        what = f"the metric {diagrams.metric!r}" if diagrams.metric else "an unknown metric"
        raise InputError(f"the universal null makes far too many false claims for graph metrics, and {what} may be one; {instead}")
    if diagrams.metric in _DISCRETE:
        raise InputError(f"{diagrams.metric!r} takes few values, so that bars are tied; {instead}")
    for term in diagrams.certificate.terms:
        if "landmark" in term.source:
            raise InputError(
                "landmarks were chosen to cover, which is no random sample; compute the diagrams of a random subset of the "
                "rows (rng.choice(n, m, replace=False)) for p-values"
            )
    if diagrams.certificate.recipe and Rips.from_json(diagrams.certificate.recipe).weights is not None:
        raise InputError(f"the universal null is about unweighted Rips filtrations; {instead}")


def _metric_of(diagrams: Diagrams) -> Any:
    """The metric behind the diagrams, from their recipe where they have one; None where nothing is known of it."""
    if diagrams.certificate.recipe and diagrams.metric != "precomputed":
        metric = Rips.from_json(diagrams.certificate.recipe).metric
        if not isinstance(metric, str):
            return metric
    return get_metric(diagrams.metric) if diagrams.metric in set(metric_table()["name"]) else None


def _check_ties(bars: np.ndarray) -> None:
    if len(bars) > 1 and len(np.unique(bars[:, 0])) < 0.9 * len(bars):
        raise InputError(
            "more than a tenth of the births are equal: the distances are tied (a lattice, rounded data, duplicate rows), and "
            "the law does not hold; use ti.significance(..., null=ti.nulls.matched_gaussian())"
        )
