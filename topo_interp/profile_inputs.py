"""Which recipes and which sites a profile is about."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from topo_interp._errors import InputError
from topo_interp.geometry.graph_metrics import effective_resistance
from topo_interp.geometry.steps import centered
from topo_interp.homology.rips import Rips
from topo_interp.inference.recipe_names import recipes_by_name

__all__ = ["chosen_sites", "named_recipes", "report_recipes"]


def report_recipes(max_dim: int = 1, *, k: int = 15) -> dict[str, Rips]:
    """Three recipes whose metrics fail in different ways, for a report that says in which of them a claim holds.

    Euclidean distances see everything and drown in noise of many dimensions; chordal distances from the mean see directions
    only, so that no norm and no radius can make a shape; the corrected effective resistance of the neighbor graph forgets all
    but the neighbors, and withstands more noise than the others.

    >>> list(report_recipes())
    ['euclidean', 'chordal', 'effective resistance']

    Args:
        max_dim: highest degree of homology.
        k: neighbors of the graph; fewer than the rows.

    Source: Damrich, Berens and Kobak, Persistent homology for high-dimensional data based on spectral methods, NeurIPS 2024.
    """
    return {
        "euclidean": Rips(max_dim=max_dim),
        "chordal": Rips("chordal", steps=(centered(),), max_dim=max_dim),
        "effective resistance": Rips(effective_resistance(k=k, corrected=True), max_dim=max_dim),
    }


def named_recipes(recipes: Rips | Sequence[Rips] | Mapping[str, Rips]) -> dict[str, Rips]:
    named = recipes_by_name(recipes)
    for name, recipe in named.items():
        if not isinstance(recipe, Rips):
            which = f"the recipe {name!r}" if isinstance(recipes, Mapping) else "a recipe"
            raise InputError(f"{which} is a {type(recipe).__name__}; a ti.Rips(...) is needed")
    return named


def chosen_sites(store: Mapping[str, Any], sites: str | Sequence[str] | None) -> list[str]:
    """The sites that the patterns name, in the store's order."""
    if not isinstance(store, Mapping):
        raise InputError(
            f"the store is a {type(store).__name__}; a mapping from sites to points is needed: "
            "ti.store_from_arrays({'site': points})"
        )
    have = list(store)
    if not have:
        raise InputError(
            "the store has no sites; capture some, or give {site: points} to ti.store_from_arrays"
        )
    if sites is None:
        return have
    patterns = [sites] if isinstance(sites, str) else list(sites) if isinstance(sites, Iterable) else []
    if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise InputError(f"sites is {sites!r}; names or globs are needed, such as 'encoder.layer.*', or None for all")
    for pattern in patterns:
        if not any(_matches(pattern, site) for site in have):
            near = difflib.get_close_matches(pattern, have, n=3, cutoff=0.3) or have[:3]
            raise InputError(
                f"sites {pattern!r} matches nothing in the store; nearest: {', '.join(map(repr, near))}"
            )
    return [site for site in have if any(_matches(pattern, site) for pattern in patterns)]


def _matches(pattern: str, site: str) -> bool:
    """As in capture: * stays within one path component, ** does not, and neither takes in ":input"."""
    parts = re.split(r"(\*\*|\*)", pattern)
    return (
        re.fullmatch(
            "".join({"**": "[^:]*", "*": r"[^.:]*"}.get(part, re.escape(part)) for part in parts), site
        )
        is not None
    )
