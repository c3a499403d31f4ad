"""Pipelines that read labels: class means, the plane through them, and the order of the classes in that plane."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import function
from topo_interp._errors import InputError
from topo_interp._value import Value
from topo_interp.arrays import as_points
from topo_interp.geometry.steps import pca
from topo_interp.homology.diagrams import Diagrams
from topo_interp.inference._nulls.columns import table_of

if TYPE_CHECKING:
    import pandas

__all__ = ["CircularOrder", "ClassMeans", "ClassPlane", "circular_order", "class_means", "class_plane"]


@dataclasses.dataclass(frozen=True)
class ClassMeans(Value, kind="class_means"):
    """See :func:`class_means`."""

    by: str
    recipe: Value

    def __post_init__(self) -> None:
        if not isinstance(self.by, str) or not self.by:
            raise InputError(f"by is {self.by!r}; the name of one row-table column is needed")
        function(self.recipe, "recipe", "ti.Rips(steps=(ti.pca(2),))")

    @property
    def columns(self) -> tuple[str, ...]:
        """The row-table columns that are read."""
        return (self.by,)

    def __call__(self, cloud: Any, rows_table: pandas.DataFrame) -> Diagrams:
        means, _ = _means(cloud, rows_table, self.by)
        return self.recipe(means)  # type: ignore[operator]


def class_means(by: str, recipe: Value) -> ClassMeans:
    """A recipe applied to the means of the rows of each class, for :func:`significance`.

    With ``recipe=ti.Rips(steps=(ti.pca(2),))`` the loop is sought in the plane of the means, and that plane is chosen anew in
    every draw of the null.

    >>> import pandas, topo_interp as ti
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> rows = pandas.DataFrame({"season": ["spring", "summer", "autumn", "winter"] * 2})
    >>> class_means("season", ti.Rips())(np.concatenate((x - 0.1, x + 0.1)), rows)[1].round(4)
    array([[1.4142, 2.    ]])

    Args:
        by: the row-table column with the classes.
        recipe: a recipe of points.
    """
    return ClassMeans(by, recipe)


@dataclasses.dataclass(frozen=True)
class ClassPlane(Value, kind="class_plane"):
    """See :func:`class_plane`."""

    by: str
    order: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.by, str) or not self.by:
            raise InputError(f"by is {self.by!r}; the name of one row-table column is needed")
        if isinstance(self.order, str) or not isinstance(self.order, Iterable):
            raise InputError(f"order is {self.order!r}; a list of the classes is needed, in their order")
        object.__setattr__(self, "order", tuple(self.order))
        if len(set(self.order)) != len(self.order) or len(self.order) < 3:
            raise InputError(f"order is {self.order!r}; at least three different classes are needed, in their order")

    @property
    def columns(self) -> tuple[str, ...]:
        """The row-table columns that are read."""
        return (self.by,)

    def __call__(self, cloud: Any, rows_table: pandas.DataFrame) -> np.ndarray:
        means, levels = _means(cloud, rows_table, self.by)
        place = {level: k for k, level in enumerate(levels.tolist())}
        missing = [level for level in self.order if level not in place]
        if missing or len(place) != len(self.order):
            raise InputError(
                f"order names {len(self.order)} classes and the column {self.by!r} has {len(place)}"
                + (f"; {missing[0]!r} is not among them" if missing else "; name every one of them")
            )
        return pca(2)(means)[[place[level] for level in self.order]]


def class_plane(by: str, order: Sequence[Any]) -> ClassPlane:
    """The class means in the plane of their first two principal components, array ``(classes, 2)`` in the given order.

    >>> import pandas, topo_interp as ti
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> rows = pandas.DataFrame({"season": ["spring", "summer", "autumn", "winter"] * 2})
    >>> plane = class_plane("season", ["spring", "summer", "autumn", "winter"])(np.concatenate((x - 0.1, x + 0.1)), rows)
    >>> plane.shape, round(circular_order()(plane), 6)
    ((4, 2), 1.0)

    Args:
        by: the row-table column with the classes.
        order: the classes in their circular order, such as the months from January to December.

    Raises:
        InputError: fewer than three classes, one of them twice; when it is called, classes that are not those of the
            column.
    """
    return ClassPlane(by, order)  # type: ignore[arg-type]  # made a tuple there


@dataclasses.dataclass(frozen=True)
class CircularOrder(Value, kind="circular_order"):
    """See :func:`circular_order`."""

    name = "circular_order"

    def __call__(self, plane: np.ndarray) -> float:
        points = np.asarray(plane, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise InputError(f"points have shape {points.shape}; the plane of ti.class_plane(...) has two coordinates")
        points = points - points.mean(axis=0)
        angles = np.arctan2(points[:, 1], points[:, 0])
        expected = 2 * np.pi * np.arange(len(points)) / len(points)
        return float(max(abs(np.exp(1j * (angles - sense * expected)).mean()) for sense in (1, -1)))


def circular_order() -> CircularOrder:
    """How well points in a plane stand around their center in their order, between 0 and 1 (either sense of turning).

    The statistic is the resultant length of the differences between each point's angle and its place on an even circle.

    >>> square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> round(circular_order()(square), 6), round(circular_order()(square[[0, 2, 1, 3]]), 6)
    (1.0, 0.5)
    """
    return CircularOrder()


def _means(cloud: Any, table: pandas.DataFrame, by: str) -> tuple[np.ndarray, np.ndarray]:
    points = as_points(cloud, name="cloud").astype(np.float64, copy=False)
    labels = table_of(table, len(points), (by,), "a pipeline of class means")[by]
    levels, codes = np.unique(labels.to_numpy(), return_inverse=True)
    indicators = (codes == np.arange(len(levels))[:, None]).astype(np.float64)
    return indicators @ points / np.bincount(codes)[:, None], levels
