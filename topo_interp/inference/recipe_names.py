"""Names for recipes: what a table and a report call them where the caller gave none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from topo_interp._errors import InputError
from topo_interp.inference.pipeline import name_of

__all__ = ["recipes_by_name"]


def recipes_by_name(recipes: Any) -> dict[str, Any]:
    """Recipes by name: as a mapping says, or by their steps and metric, with a number where two have the same.

    >>> import topo_interp as ti
    >>> list(recipes_by_name([ti.Rips(), ti.Rips("chordal", steps=(ti.centered(),)), ti.Rips(max_dim=2)]))
    ['euclidean', 'centered, chordal', 'euclidean #2']

    Args:
        recipes: a recipe, a sequence of them, or a mapping from names to recipes.

    Raises:
        InputError: there is none, or a name is no text.
    """
    out: dict[str, Any] = dict(recipes) if isinstance(recipes, Mapping) else {}
    if not isinstance(recipes, Mapping):
        several = isinstance(recipes, Iterable) and not isinstance(recipes, str)
        for recipe in recipes if several else (recipes,):
            name = _name(recipe)
            if name in out:  # two recipes that differ in less than the name tells
                name = f"{name} #{sum(other.split(' #')[0] == name for other in out) + 1}"
            out[name] = recipe
    if not out:
        raise InputError("no recipe was given; give one, such as ti.Rips('chordal', steps=(ti.centered(),))")
    for name in out:
        if not isinstance(name, str):
            raise InputError(f"the name of a recipe is {name!r}; a text is needed: {{'euclidean': ti.Rips()}}")
    return out


def _name(recipe: Any) -> str:
    metric = getattr(recipe, "metric", None)
    if metric is None:
        return getattr(recipe, "kind", "") or name_of(recipe)
    metric = metric if isinstance(metric, str) else getattr(metric, "kind", name_of(metric))
    return ", ".join((*(repr(step).replace("()", "") for step in getattr(recipe, "steps", ())), metric))
