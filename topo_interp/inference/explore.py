"""Explore on one half of the rows, confirm on the other, which is opened once; everything that was tried is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._arguments import whole_number
from topo_interp._errors import InputError
from topo_interp._value import Value
from topo_interp._words import counted
from topo_interp.inference.estimate import Estimate
from topo_interp.inference.nulls import Null
from topo_interp.inference.significance import significance
from topo_interp.inference.trial_log import log_entry

if TYPE_CHECKING:
    import pandas

    from topo_interp.activations.split import Split
    from topo_interp.point_cloud import PointCloud

__all__ = ["Claim", "Confirmation", "confirm", "explore"]


@dataclasses.dataclass(frozen=True)
class Claim(Value, kind="claim"):
    """What is to be tested, written down before the sealed rows are looked at: a site, a recipe, a statistic, a null.

    For :func:`confirm`, the factory of a null ``ti.nulls.reinitialized`` must return the points of the site, or a store that has it, at the rows of the sealed
    half, which are those of the store that are not in ``split.rows``, in their order; for :func:`explore`, at the rows of ``split.rows``.

    >>> import topo_interp as ti
    >>> claim = ti.Claim("encoder.layer.3", ti.Rips(), ti.max_persistence(dim=1), ti.nulls.matched_gaussian())
    >>> ti.Claim.from_json(claim.to_json()) == claim
    True

    Raises:
        InputError: no site, a recipe or a statistic that is no value of the package, no null, or draws or a seed out of range.
    """

    site: str
    recipe: Value
    summary: Value
    null: Null
    draws: int = 99
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.site, str) or not self.site:
            raise InputError(f"site is {self.site!r}; give the name of one site of the store")
        for name, example in (("recipe", "ti.Rips(max_dim=1)"), ("summary", "ti.max_persistence(dim=1)")):
            given = getattr(self, name)
            if not isinstance(given, Value) or not callable(given):
                raise InputError(f"{name} is {given!r}; a claim is written down, so give a value such as {example}")
        if not isinstance(self.null, Null):
            raise InputError(f"null is {self.null!r}; give a null, such as ti.nulls.matched_gaussian()")
        whole_number(self.draws, "draws", 1)
        whole_number(self.seed, "seed", 0)


@dataclasses.dataclass(frozen=True)
class Confirmation:
    """The result of :func:`confirm`.

    Attributes:
        claims: what was tested on the sealed rows.
        estimates: one per claim.
        p_holm: p-values adjusted for the claims (Holm), which may be dependent in any way.
        explored: how many tests had been run on the explored half before.
        log: the file that remembers the opening, "" where the log lives in memory.
    """

    claims: tuple[Claim, ...]
    estimates: tuple[Estimate, ...]
    p_holm: tuple[float, ...]
    explored: int
    log: str = ""

    def explain(self) -> str:
        """One sentence, and a second where nothing on disk says that the rows were opened once."""
        p = ", ".join(f"{value:.3g}" for value in self.p_holm)
        return (
            f"{counted(len(self.claims), 'claim')} tested once on rows that had been sealed while {counted(self.explored, 'test')} "
            f"ran on the others: p = {p} (Holm)."
            + ("" if self.log else " The log is in memory: of an earlier opening, or of tests outside this session, it would not know.")
        )


def explore(claim: Claim, split: Split, *, n_jobs: int = 1) -> Estimate:
    """Tests a claim on the explored half and writes it into the log.

    >>> import topo_interp as ti
    >>> store = ti.store_from_arrays({"ring": ti.shapes.circle(40)})
    >>> halves = store.split(seed=0)
    >>> claim = ti.Claim("ring", ti.Rips(), ti.max_persistence(dim=1), ti.nulls.matched_gaussian(), draws=19)
    >>> ti.explore(claim, halves).p_value
    0.05
    >>> halves
    Split(20 rows to explore, 20 sealed; 1 test tried)

    Args:
        claim: what to test.
        split: made by ``store.split()``.
        n_jobs: parallel jobs; the result does not depend on it.

    Raises:
        InputError: an unknown site; and what :func:`significance` raises.

    Cost: ``claim.draws + 1`` runs of the recipe.
    """
    if not isinstance(claim, Claim):
        raise InputError(f"claim is {claim!r}; give ti.Claim(site, recipe, summary, null)")
    _check_split(split)
    return _test(claim, split[claim.site], split.rows, n_jobs)


def confirm(claims: Claim | Sequence[Claim], split: Split, *, n_jobs: int = 1) -> Confirmation:
    """Opens the sealed half, once, and tests the claims there.

    Every claim is first rehearsed, with one draw, on explored rows in the place of the sealed ones, so that what can not be tested is
    refused before the seal is broken.

    >>> import topo_interp as ti
    >>> store = ti.store_from_arrays({"ring": ti.shapes.circle(40)})
    >>> halves = store.split(seed=0)
    >>> claim = ti.Claim("ring", ti.Rips(), ti.max_persistence(dim=1), ti.nulls.matched_gaussian(), draws=19)
    >>> ti.confirm(claim, halves).p_holm
    (0.05,)
    >>> halves.opened
    True

    Args:
        claims: one claim, or all claims that are to be confirmed, together.
        split: made by ``store.split()``.

    Raises:
        SealError: the sealed half has been opened before.
        InputError: no claim, or one that can not be tested, in which case the sealed half stays closed; a claim that fails on the
            sealed rows alone, after the others have been tested and written into the log.

    Source: Holm 1979 for the adjustment. Cost: ``draws + 3`` runs of the recipe per claim.
    """
    claims = (claims,) if isinstance(claims, Claim) else tuple(claims) if isinstance(claims, Iterable) else ()
    if not claims or not all(isinstance(claim, Claim) for claim in claims):
        raise InputError("claims holds no claim; give ti.Claim(site, recipe, summary, null)")
    _check_split(split)
    if not split.opened:  # else open_sealed says so, at no cost
        for claim in claims:
            _test(dataclasses.replace(claim, draws=1), *split.stand_in(claim.site), n_jobs)
    explored = split.explored
    sealed = split.open_sealed([claim.to_dict() for claim in claims])
    estimates, failed = [], None
    for claim in claims:
        try:
            estimates.append(_test(claim, sealed[claim.site], sealed.rows, n_jobs))
        except InputError as error:
            failed = failed or error
            split.note(_entry(claim, None))
        else:
            split.note(_entry(claim, estimates[-1].p_value))
    if failed:
        raise InputError(f"a claim failed on the sealed rows, which are open now; the others are in split.tried(): {failed}") from failed
    return Confirmation(claims, tuple(estimates), _holm([estimate.p_value for estimate in estimates]), explored, split.log)


def _check_split(split: Any) -> None:
    if not hasattr(split, "open_sealed"):
        raise InputError(f"split is a {type(split).__name__}, of which no half is sealed; give what store.split(seed=0) returns")


def _test(claim: Claim, cloud: PointCloud, table: pandas.DataFrame, n_jobs: int) -> Estimate:
    options = {"draws": claim.draws, "seed": claim.seed, "rows_table": table, "n_jobs": n_jobs}
    return significance(cloud, claim.recipe, claim.summary, null=claim.null, **options)  # type: ignore[arg-type]


def _entry(claim: Claim, p_value: float | None) -> dict[str, Any]:
    return log_entry("sealed", claim.site, claim.recipe, claim.summary, claim.null, claim.draws, claim.seed, p_value)


def _holm(p_values: Sequence[float]) -> tuple[float, ...]:
    p = np.asarray(p_values)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return tuple(adjusted.tolist())
