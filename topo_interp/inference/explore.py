"""Explore on one half of the rows, confirm on the other, which is opened once; everything that was tried is kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError, SealError
from topo_interp._value import Value
from topo_interp.inference.estimate import Estimate
from topo_interp.inference.nulls import Null
from topo_interp.inference.pipeline import name_of
from topo_interp.inference.significance import significance

if TYPE_CHECKING:
    import pandas

    from topo_interp.activations.store import ActivationStore

__all__ = ["Claim", "Confirmation", "Split", "confirm", "explore", "split"]


@dataclasses.dataclass(frozen=True)
class Claim(Value, kind="claim"):
    """What is to be tested, written down before the sealed rows are looked at: a site, a recipe, a statistic, a null.

    >>> import topo_interp as ti
    >>> claim = ti.Claim("encoder.layer.3", ti.Rips(), ti.max_persistence(dim=1), ti.nulls.matched_gaussian())
    >>> ti.Claim.from_json(claim.to_json()) == claim
    True
    """

    site: str
    recipe: Value
    summary: Value
    null: Null
    draws: int = 99
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Confirmation:
    """The result of :func:`confirm`.

    Attributes:
        claims: what was tested on the sealed rows.
        estimates: one per claim.
        p_holm: p-values adjusted for the claims (Holm), which may be dependent in any way.
        explored: how many tests had been run on the explored half before.
    """

    claims: tuple[Claim, ...]
    estimates: tuple[Estimate, ...]
    p_holm: tuple[float, ...]
    explored: int

    def explain(self) -> str:
        """One sentence."""
        p = ", ".join(f"{value:.3g}" for value in self.p_holm)
        plural = "" if len(self.claims) == 1 else "s"
        return (
            f"{len(self.claims)} claim{plural} tested once on rows that had been sealed while {self.explored} "
            f"test{'' if self.explored == 1 else 's'} ran on the others: p = {p} (Holm)."
        )


@dataclasses.dataclass(eq=False)
class Split:
    """A store in two halves, made by :func:`split`.

    Attributes:
        explore: the half to look at.
    """

    explore: ActivationStore
    _sealed: ActivationStore
    _journal: _Journal

    def __repr__(self) -> str:
        state = "opened" if self.opened else "sealed"
        rows = len(self.explore.rows), len(self._sealed.rows)
        return f"Split({rows[0]} rows to explore, {rows[1]} {state}; {self.explored} tests tried)"

    @property
    def opened(self) -> bool:
        """Whether the sealed half has been opened."""
        return any(entry["event"] == "opened" for entry in self._journal.entries)

    @property
    def explored(self) -> int:
        """How many tests were run on the explored half."""
        return sum(entry["event"] == "explored" for entry in self._journal.entries)

    def tried(self) -> pandas.DataFrame:
        """The log: one row per test on either half, in the order in which they were run."""
        import pandas

        columns = ["half", "site", "recipe", "summary", "null", "draws", "seed", "p_value"]
        rows = [[entry.get(name) for name in columns] for entry in self._journal.entries if "p_value" in entry]
        return pandas.DataFrame(rows, columns=columns)


def split(
    store: ActivationStore, confirm: float = 0.5, *, seed: int = 0, by: str | None = None, log: str | os.PathLike[str] | None = None
) -> Split:
    """The rows of a store in two halves: one to explore, one that is sealed until :func:`confirm` opens it once.

    Which half a row belongs to is decided by a hash of its identity and the seed, so it is fixed from the capture on and no
    result can move it. Rows that share a group (an item, a sequence, a template) stay together.

    >>> import topo_interp as ti
    >>> store = ti.store_from_arrays({"ring": ti.shapes.circle(40)})
    >>> halves = ti.split(store, seed=0)
    >>> halves
    Split(20 rows to explore, 20 sealed; 0 tests tried)

    Args:
        store: an ActivationStore.
        confirm: share of the groups that are sealed.
        seed: another seed gives another split, which is a new store of tests: choose it before looking.
        by: the row-table column whose values stay together; needed when rows are grouped by several columns.
        log: file (JSON lines) that remembers what was tried and whether the sealed half was opened, also in the next
            session; without it the log lives as long as the split.

    Raises:
        InputError: rows are grouped by several columns and ``by`` is not given; a half would be empty.
        SealError: the log belongs to another store or another split.
    """
    table = store.rows
    if by is None and len(store.groups) > 1:
        names = ", ".join(map(repr, store.groups))
        raise InputError(
            f"rows share values of {names}; rows of both halves would share some: say whose values stay together, e.g. "
            f"by={store.groups[0]!r}"
        )
    if not 0 < confirm < 1:
        raise InputError(f"confirm is {confirm}; the share of the rows that are sealed lies between 0 and 1")
    column = by if by is not None else (store.groups[0] if store.groups else None)
    if column is not None and column not in table:
        raise InputError(f"by is {column!r}, which is no column of the rows; columns: {', '.join(map(str, table.columns))}")
    keys = table.index.to_numpy() if column is None else table[column].to_numpy()
    units, codes = np.unique(keys.astype(str), return_inverse=True)
    order = np.argsort([hashlib.sha256(f"{seed}\0{unit}".encode()).hexdigest() for unit in units])
    count = round(confirm * len(units))
    if not 0 < count < len(units):
        what = "rows" if column is None else f"values of {column!r}"
        raise InputError(f"{len(units)} {what} with confirm={confirm} leave one half empty; more are needed")
    sealed = np.isin(codes, order[:count])
    about = {"event": "split", "store": store.digest(), "confirm": confirm, "seed": seed, "by": column}
    journal = _Journal(None if log is None else Path(log), about)
    return Split(store.select(~sealed), store.select(sealed), journal)


def explore(claim: Claim, split: Split, *, n_jobs: int = 1) -> Estimate:
    """Tests a claim on the explored half and writes it into the log.

    >>> import topo_interp as ti
    >>> store = ti.store_from_arrays({"ring": ti.shapes.circle(40)})
    >>> halves = ti.split(store, seed=0)
    >>> claim = ti.Claim("ring", ti.Rips(), ti.max_persistence(dim=1), ti.nulls.matched_gaussian(), draws=19)
    >>> ti.explore(claim, halves).p_value
    0.05
    >>> halves
    Split(20 rows to explore, 20 sealed; 1 tests tried)

    Args:
        claim: what to test.
        split: made by :func:`split`.
        n_jobs: parallel jobs; the result does not depend on it.

    Raises:
        InputError: an unknown site; and what :func:`significance` raises.

    Cost: ``claim.draws + 1`` runs of the recipe.
    """
    estimate = _test(claim, split.explore, n_jobs)
    split._journal.add(_entry("explored", claim, estimate))
    return estimate


def confirm(claims: Claim | Sequence[Claim], split: Split, *, n_jobs: int = 1) -> Confirmation:
    """Opens the sealed half, once, and tests the claims there.

    >>> import topo_interp as ti
    >>> store = ti.store_from_arrays({"ring": ti.shapes.circle(40)})
    >>> halves = ti.split(store, seed=0)
    >>> claim = ti.Claim("ring", ti.Rips(), ti.max_persistence(dim=1), ti.nulls.matched_gaussian(), draws=19)
    >>> ti.confirm(claim, halves).p_holm
    (0.05,)
    >>> halves.opened
    True

    Args:
        claims: one claim, or all claims that are to be confirmed, together.
        split: made by :func:`split`.

    Raises:
        SealError: the sealed half has been opened before.

    Source: Holm 1979 for the adjustment. Cost: ``draws + 1`` runs of the recipe per claim.
    """
    claims = (claims,) if isinstance(claims, Claim) else tuple(claims)
    if not claims or not all(isinstance(claim, Claim) for claim in claims):
        raise InputError("claims holds no claim; give ti.Claim(site, recipe, summary, null)")
    for claim in claims:  # an unknown site must not cost the seal
        split.explore.shape(claim.site)
    if split.opened:
        raise SealError(
            "the sealed rows have been opened before; a second look is no confirmation: capture new rows, or report this "
            "result as exploratory"
        )
    explored = split.explored
    split._journal.add({"event": "opened", "claims": [claim.to_dict() for claim in claims]})
    estimates = tuple(_test(claim, split._sealed, n_jobs) for claim in claims)
    for claim, estimate in zip(claims, estimates, strict=True):
        split._journal.add(_entry("confirmed", claim, estimate))
    return Confirmation(claims, estimates, _holm([estimate.p_value for estimate in estimates]), explored)


class _Journal:
    """Entries in memory, and in a file of JSON lines when there is one; entries are only ever added."""

    def __init__(self, path: Path | None, about: dict[str, Any]) -> None:
        self.path = path
        self.entries: list[dict[str, Any]] = []
        if path is not None and path.exists():
            self.entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            if not self.entries or self.entries[0] != about:
                raise SealError(f"{path} is the log of another split; give another file name, or the same store, seed and shares")
        else:
            self.add(about)

    def add(self, entry: dict[str, Any]) -> None:
        self.entries.append(entry)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry, sort_keys=True, allow_nan=False) + "\n")
                stream.flush()
                os.fsync(stream.fileno())


def _test(claim: Claim, store: ActivationStore, n_jobs: int) -> Estimate:
    options = {"draws": claim.draws, "seed": claim.seed, "rows_table": store.rows, "n_jobs": n_jobs}
    return significance(store[claim.site], claim.recipe, claim.summary, null=claim.null, **options)  # type: ignore[arg-type]


def _entry(event: str, claim: Claim, estimate: Estimate) -> dict[str, Any]:
    return {
        "event": event,
        "half": "explored" if event == "explored" else "sealed",
        "site": claim.site,
        "recipe": claim.recipe.to_json(),
        "summary": name_of(claim.summary),
        "null": claim.null.to_json(),
        "draws": claim.draws,
        "seed": claim.seed,
        "p_value": estimate.p_value,
    }


def _holm(p_values: Sequence[float]) -> tuple[float, ...]:
    p = np.asarray(p_values)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return tuple(adjusted.tolist())
