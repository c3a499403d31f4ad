"""The dissimilarities that the package computes, and which theorems each may be asked for."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING

from topo_interp._errors import InputError
from topo_interp._value import Value

if TYPE_CHECKING:
    import pandas

__all__ = ["Metric", "get_metric", "require_true_metric", "table"]

# name: (obeys the triangle inequality, formula). In the formulas x^ is x / |x|.
_TABLE: dict[str, tuple[bool, str]] = {
    "euclidean": (True, "sqrt(sum (x_k - y_k)^2)"),
    "sqeuclidean": (False, "sum (x_k - y_k)^2"),
    "manhattan": (True, "sum |x_k - y_k|"),
    "chebyshev": (True, "max |x_k - y_k|"),
    "cosine": (False, "1 - <x^, y^> = |x^ - y^|^2 / 2"),
    "chordal": (True, "sqrt(2 (1 - <x^, y^>)) = |x^ - y^|"),
    "angular": (True, "arccos <x^, y^> in radians = 2 atan2(|x^ - y^|, |x^ + y^|)"),
    "correlation": (False, "cosine of the rows with their own mean removed"),
    "hamming": (True, "share of coordinates whose signs differ: (x_k > 0) != (y_k > 0)"),
}


@dataclasses.dataclass(frozen=True)
class Metric(Value, kind="metric"):
    """A dissimilarity by name.

    >>> Metric("chordal").true_metric, Metric("cosine").true_metric
    (True, False)
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in _TABLE:
            near = difflib.get_close_matches(self.name, _TABLE, n=1) if isinstance(self.name, str) else ()
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(f"no metric is called {self.name!r}; {hint}known: {', '.join(_TABLE)}")

    @property
    def true_metric(self) -> bool:
        """Whether the triangle inequality holds (distance 0 between different points is allowed)."""
        return _TABLE[self.name][0]

    @property
    def formula(self) -> str:
        """The definition, in one line."""
        return _TABLE[self.name][1]


def get_metric(metric: str | Metric) -> Metric:
    """The metric behind a name; a Metric comes back as it is.

    >>> get_metric("chordal").true_metric, get_metric("cosine").true_metric
    (True, False)

    Args:
        metric: a name from :func:`table`, or a Metric.

    Raises:
        InputError: no metric has this name; the nearest name is in the message.
    """
    if hasattr(metric, "distance_matrix"):
        raise InputError(f"{metric} is a metric of whole clouds; call it: {metric}(points) is a ti.DistanceMatrix")
    return metric if isinstance(metric, Metric) else Metric(metric)


# The metric whose value is a monotone function of a non-metric's, hence orders pairs alike and obeys the theorem.
_TRUE_TWIN = {
    "sqeuclidean": "'euclidean'",
    "cosine": "'chordal'",
    "correlation": "'chordal' on x - x.mean(axis=1, keepdims=True)",
}


def said_to_be_metric(name: str) -> bool | None:
    """Whether the triangle inequality holds for the metric of this name; None where the table has none."""
    return _TABLE[name][0] if name in _TABLE else None


def triangle_error(name: str, theorem: str) -> InputError:
    """The error about a dissimilarity that is no metric: what ``theorem`` would need."""
    twin = f"; use {_TRUE_TWIN[name]}, which orders the pairs in the same way" if name in _TRUE_TWIN else ""
    return InputError(f"{theorem} needs the triangle inequality, which {name!r} does not obey{twin}")


def require_true_metric(metric: str | Metric, theorem: str) -> Metric:
    """The metric, if the triangle inequality holds for it; else an error that names what ``theorem`` would need.

    >>> require_true_metric("euclidean", "the landmark bound").name
    'euclidean'

    Args:
        metric: a name or a Metric.
        theorem: the theorem that needs the triangle inequality, for the message.

    Raises:
        InputError: it is no metric.
    """
    metric = get_metric(metric)
    if not metric.true_metric:
        raise triangle_error(metric.name, theorem)
    return metric


def table() -> pandas.DataFrame:
    """All metrics, a row each: name, true_metric, formula.

    >>> frame = table()
    >>> frame[~frame["true_metric"]]["name"].tolist()
    ['sqeuclidean', 'cosine', 'correlation']
    """
    import pandas

    rows = [(name, true_metric, formula) for name, (true_metric, formula) in _TABLE.items()]
    return pandas.DataFrame(rows, columns=["name", "true_metric", "formula"])
