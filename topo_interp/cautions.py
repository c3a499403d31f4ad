"""What a reader must know before believing a site's numbers: found by rule, said in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from topo_interp.certificate import Status
from topo_interp.metrics import said_to_be_metric

if TYPE_CHECKING:
    from topo_interp.homology.diagrams import Diagrams

__all__ = ["KINDS", "Caution", "cautions"]

# Above this share one coordinate decides most of what the distance sees (3 / d: what few coordinates share anyway).
_TOP_SHARE = 0.3
# Spread of the distances over their middle; Gaussian noise in 50 dimensions has 0.1.
_SPREAD = 0.1
_FEW_ROWS = 30
# Metrics in which a coordinate with a large spread decides; signs and ranks do not see its size.
_COORDINATEWISE = {"euclidean", "sqeuclidean", "manhattan", "chebyshev", "cosine", "chordal", "angular"}

KINDS: dict[str, tuple[str, str]] = {
    "top_coordinate": (
        "One coordinate carries much of the distance",
        (
            "Such massive coordinates are common in language models. What the diagrams show is then mostly the shape of this one "
            "coordinate. Compare with ti.standardized() or ti.drop_top_coordinates(1) among the recipe's steps."
        ),
    ),
    "concentration": (
        "Distances concentrate",
        (
            "All pairs of rows are nearly equally far apart, as in high-dimensional noise, so births and deaths lie close together "
            "and bars can be short even where there is a shape. Fewer coordinates (ti.pca(k) among the steps) often help."
        ),
    ),
    "dependent_rows": (
        "Rows are not independent",
        (
            "Rows that share a sequence, an item or a template resemble each other for that reason, and a crossed design (templates "
            "times words) has loops by construction. Do not read the number of rows as a sample size."
        ),
    ),
    "duplicates": (
        "Rows coincide",
        (
            "Rows at distance 0 from another row add nothing to a diagram; often they are the same token in the same context, "
            "or units that are all off."
        ),
    ),
    "few_rows": (
        "Few rows",
        "With few rows the long bars of a diagram are mostly a matter of which rows were chosen.",
    ),
    "not_a_metric": (
        "The dissimilarity is not a metric",
        (
            "The triangle inequality fails, so bounds that rest on it do not hold. For cosine use the metric 'chordal' or 'angular', "
            "which order the pairs alike; for sqeuclidean use 'euclidean'."
        ),
    ),
    "censored": (
        "Bars were cut by the threshold",
        "Beyond the threshold nothing is known: a bar that is still alive there dies later, at an unknown distance.",
    ),
    "unbounded": (
        "No finite error bound",
        "A step of the computation has no proved bound, so no bar is certified.",
    ),
    "degenerate": (
        "Most rows are the same",
        "At least half of the pairs of rows are at distance 0: this site has hardly a shape at this probe, and lengths have no unit.",
    ),
}


@dataclasses.dataclass(frozen=True)
class Caution:
    """One warning: its kind (a key of KINDS, which holds the general words) and the sentence for this site."""

    kind: str
    text: str

    def __str__(self) -> str:
        return self.text


def cautions(
    shape: tuple[int, int], groups: tuple[str, ...], diagrams: Diagrams, baselines: Mapping[str, float]
) -> tuple[Caution, ...]:
    """The warnings that hold for one site: points' shape, columns that rows share, diagrams and baselines."""
    n, d = shape
    found: list[Caution] = []
    share = baselines.get("top_coordinate_share", math.nan)
    if diagrams.metric in _COORDINATEWISE and share > max(_TOP_SHARE, 3 / d):
        found.append(
            Caution(
                "top_coordinate",
                f"one coordinate carries {math.floor(100 * share)} % of the mean squared distance",
            )
        )
    spread = baselines.get("distance_concentration", math.nan)
    if spread < _SPREAD and diagrams.scale:
        found.append(
            Caution(
                "concentration", f"distances concentrate: their spread is {100 * spread:.1f} % of their mean"
            )
        )
    if groups:
        found.append(
            Caution("dependent_rows", f"rows are not independent: they share values of {', '.join(groups)}")
        )
    if n > 1 and diagrams.scale == 0:
        found.append(Caution("degenerate", "the median distance is 0"))
    bound = diagrams.certificate.bottleneck_bound
    rounding = diagrams.certificate.rounding
    late = bool(diagrams[0][:, 0].any())  # with weights a row may enter as a part of another's component
    if diagrams.n == n and diagrams.certificate.status is Status.EXACT and math.isfinite(bound) and not late:
        # Every row starts one component; those at distance 0 from another leave no bar, and those that a step's
        # arithmetic has moved apart a bar within the rounding.
        pieces = diagrams[0]
        coinciding = n - np.count_nonzero(pieces[:, 1] - pieces[:, 0] > 2 * rounding)
        if coinciding:
            found.append(
                Caution("duplicates", f"{coinciding} of {n} rows coincide with another row, up to rounding")
            )
    if n < _FEW_ROWS:
        found.append(Caution("few_rows", f"only {n} rows"))
    if _breaks_the_triangle(diagrams.metric):
        found.append(Caution("not_a_metric", f"{diagrams.metric} is not a metric"))
    certificate = diagrams.certificate
    if certificate.status is Status.CENSORED:
        found.append(
            Caution(
                "censored",
                f"bars are cut at {certificate.valid_to:.4g}; lengths of the cut bars are lower bounds",
            )
        )
    if math.isinf(certificate.bottleneck_bound):
        found.append(Caution("unbounded", "no finite bound on the error is known"))
    return tuple(found)


def _breaks_the_triangle(metric: str) -> bool:
    return said_to_be_metric(metric) is False  # of a metric with parameters or a given matrix nothing is known
