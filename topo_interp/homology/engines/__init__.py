"""The programs that reduce a filtration to bars, by name; each is imported when it is first used."""

from __future__ import annotations

import importlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from topo_interp._errors import InputError
from topo_interp.homology.engines._base import Engine, RawBars

if TYPE_CHECKING:
    from topo_interp.homology.rips import Rips

__all__ = ["Engine", "RawBars", "choose_engine", "on_device"]

# In the order of preference of "auto": the first that can do the recipe is taken.
_MODULES = {
    "links": "topo_interp.homology.links",
    "ripser": "topo_interp.homology.engines.ripser_engine",
    "giotto-ph": "topo_interp.homology.engines.giotto_ph_engine",
    "gudhi": "topo_interp.homology.engines.gudhi_engine",
    "spanning-tree": "topo_interp.homology.engines.spanning_tree_engine",
}
_AUTO = ("links", "ripser", "gudhi")


def choose_engine(name: str, recipe: Rips, n: int) -> Engine:
    """The engine for a recipe on n points; an error says which engine can do what the named one can not."""
    if name == "auto":
        able = [engine for engine in map(_load, _AUTO) if not _refusal(engine, recipe, n)]
        if not able:
            reasons = "; ".join(cast(str, _refusal(_load(other), recipe, n)) for other in _AUTO)
            raise InputError(f"no engine can compute this recipe on {n} points: {reasons}")
        return able[0]
    if not isinstance(name, str) or name not in _MODULES:
        raise InputError(f"no engine is called {name!r}; there are 'auto', {', '.join(map(repr, _MODULES))}")
    engine = _load(name)
    reason = _refusal(engine, recipe, n)
    if reason:
        raise InputError(f"{reason}; use engine='auto'")
    return engine


def on_device(engine: Engine, device: str) -> Engine:
    """The engine as it computes on a device; one that does not know devices stays as it is."""
    return replace(engine, device=device) if device != "cpu" and hasattr(engine, "device") else engine  # type: ignore[type-var]


def _load(name: str) -> Engine:
    return cast(Engine, importlib.import_module(_MODULES[name]).ENGINE)


def _refusal(engine: Engine, recipe: Rips, n: int) -> str | None:
    if engine.max_dim is not None and recipe.max_dim > engine.max_dim:
        return f"engine {engine.name!r} computes degrees up to {engine.max_dim}, not {recipe.max_dim}"
    if recipe.field > engine.max_field:
        return f"engine {engine.name!r} computes over Z/p for p up to {engine.max_field}, not {recipe.field}"
    # Beyond the middle there are fewer simplices, and the table of the numbers still goes through the middle.
    if engine.index_bits is not None and math.comb(n, min(recipe.max_dim + 2, n // 2)) >= 2**engine.index_bits:
        return f"engine {engine.name!r} can not number the {recipe.max_dim + 1}-simplices of {n} points in {engine.index_bits} bits"
    return None
