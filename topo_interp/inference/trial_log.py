"""Lines for the log of a split store: which test was run on which rows, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from topo_interp._value import Value
from topo_interp.activations.split import split_of
from topo_interp.inference.nulls import Null
from topo_interp.inference.pipeline import name_of

__all__ = ["log_entry", "note_looks", "note_test"]


def log_entry(
    half: str,
    site: str,
    recipe: Any,
    summary: Any = None,
    null: Null | None = None,
    draws: int = 0,
    seed: int = 0,
    p_value: float | None = None,
    p_adjusted: float | None = None,
) -> dict[str, Any]:
    """One line of a split's log: what was looked at on which half, and the p-value where there was a test.

    >>> import topo_interp as ti
    >>> log_entry("explored", "layer.3", ti.Rips())["summary"]
    ''

    Args:
        half: "explored" or "sealed".
        site, recipe, summary, null, draws, seed: what was done; a summary or a recipe that is no value goes by its name.
        p_value: of this test alone.
        p_adjusted: for all tests that were made together with it.
    """
    return {
        "event": "explored" if half == "explored" else "confirmed",
        "half": half,
        "site": site,
        "recipe": recipe.to_json() if isinstance(recipe, Value) else name_of(recipe),
        "summary": name_of(summary) if summary is not None else "",
        "null": null.to_json() if null is not None else "",
        "draws": int(draws),
        "seed": int(seed),
        "p_value": p_value,
        "p_adjusted": p_adjusted,
    }


def note_test(clouds: Sequence[Any], site: str, *what: Any) -> None:
    """Write a test of these clouds into the log of the split that they come from, if they come from one."""
    splits = {id(split): split for split in map(split_of, clouds) if split is not None}
    for split in splits.values():
        split.note(log_entry("explored", site or getattr(clouds[0], "site", ""), *what))


def note_looks(clouds: Iterable[Any], recipe: Any) -> None:
    """Write what was computed of each of these clouds, without a test, into the log of the split that it comes from, if from one."""
    for cloud in clouds:
        note_test([cloud], "", recipe)
