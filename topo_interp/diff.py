"""A diff: two stores of the same rows, site by site, with what chance pairings and other rows would give."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from topo_interp._arguments import checked_subsamples, file_path, is_whole, whole_number
from topo_interp._errors import InputError, error_message
from topo_interp._native import default_threads
from topo_interp._rows import row_difference, same_rows
from topo_interp._words import counted
from topo_interp.activations.store import open_store
from topo_interp.arrays import as_points
from topo_interp.comparison.drift import in_medians
from topo_interp.comparison.moved_bars import MovedBar
from topo_interp.diff_parts import add_chance, compared_site
from topo_interp.homology.rips import Rips
from topo_interp.inference.pipeline import job_count, parallel
from topo_interp.point_cloud import PointCloud
from topo_interp.profile import Profile, Unread, about_store, html_table, read_site
from topo_interp.profile_inputs import named_recipes
from topo_interp.profile_significance import note_tried

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Diff", "diff"]

Key = tuple[str, str]
Numbers = Mapping[str, Mapping[str, float]]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Diff:
    """What :func:`diff` found.

    >>> import numpy as np, topo_interp as ti
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> ti.diff({"layer": x}, {"layer": x}, ti.Rips(), draws=9, subsamples=0, progress=False)
    Diff(1 site x 1 recipe)

    Attributes:
        a, b: profiles of the two stores.
        paired: (site, recipe) -> measure -> value, low, high, and with draws p, p_max_t, chance_low, chance_high.
        unpaired: (site, recipe) -> distance of the diagrams, in median distances -> value, low, high.
        moves: (site, recipe) -> the bars that moved farthest.
        moved: (site, recipe) -> how many bars of each degree moved by more than the certificates allow.
        errors: (site, recipe) -> why a paired measure, its p-value or the unpaired distances are missing.
        about: draws, subsamples, seed, and how many tests the p-values are adjusted for.
    """

    a: Profile
    b: Profile
    paired: Mapping[Key, Numbers]
    unpaired: Mapping[Key, Numbers]
    moves: Mapping[Key, tuple[MovedBar, ...]]
    moved: Mapping[Key, tuple[int, ...]]
    errors: Mapping[Key, str]
    about: Mapping[str, Any]

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites of both stores, in the order of the first."""
        return self.a.sites

    @property
    def recipes(self) -> Mapping[str, Rips]:
        """The recipes by name."""
        return self.a.recipes

    def to_frame(self) -> pd.DataFrame:
        """One row per site and recipe.

        Columns: site, recipe, n; for each paired measure its value, ``_low`` and ``_high`` (central 90 % of subsamples of 80 %
        of the rows), ``_p`` (this test alone), ``_p_max_t`` (over all sites, recipes and measures), ``_chance_low`` and
        ``_chance_high`` (central 90 % of the permuted pairings; none of these four without draws); ``bottleneck_dim0``, ``wasserstein_dim0`` ... (of the diagrams
        in median distances, up to the smaller cut where a threshold cut) with ``_low`` and ``_high``, which have no p-value, since no
        pairing enters them;
        ``bottleneck_bound`` (how far certificates allow a bottleneck distance to be off) and ``moved_dim0`` ... (bars that
        moved by more than that); the baselines of both stores with ``_a`` and ``_b``; error. A small p says that the two
        clouds are more alike than with their rows paired at random: a *large* one, that the pairing carries nothing.
        """
        import pandas as pd

        rows = []
        for one in self.a.results:
            key = (one.site, one.recipe)
            other = next(r for r in self.b.results if (r.site, r.recipe) == key)
            row: dict[str, Any] = {"site": one.site, "recipe": one.recipe, "n": one.n}
            for numbers in (self.paired.get(key, {}), self.unpaired.get(key, {})):
                for measure, found in numbers.items():
                    row.update({measure if name == "value" else f"{measure}_{name}": value for name, value in found.items()})
            if one.diagrams is not None and other.diagrams is not None:
                row["bottleneck_bound"] = sum(in_medians(d).certificate.bottleneck_bound for d in (one.diagrams, other.diagrams))
            row.update({f"moved_dim{dim}": count for dim, count in enumerate(self.moved.get(key, ()))})
            for suffix, result in (("a", one), ("b", other)):
                row.update({f"{name}_{suffix}": value for name, value in result.baselines.items()})
            notes = [text for text in (one.error, other.error, self.errors.get(key, "")) if text]
            rows.append({**row, "error": " | ".join(dict.fromkeys(notes))})
        frame = pd.DataFrame(rows)
        frame = frame.astype({name: "Int64" for name in frame if name.startswith("moved_dim")})
        return frame[[*(name for name in frame if name != "error"), "error"]]

    def moved_bars(self) -> pd.DataFrame:
        """The bars that moved by more than the certificates of both stores allow, those that moved farthest first.

        One row per pair of the cheapest matching of the two diagrams (lengths in median distances) among those that leave the fewest
        bars moved by more: site, recipe, dim, kind ("moves", "vanishes" when only the first store has it, "appears" when only the
        second has), birth_a, death_a, birth_b, death_b, shift (the larger of both ends' shifts; half the length of a bar
        without partner), rows_a, rows_b (rows on the bar's cycle, see :meth:`Diagrams.rows`; of degree 0 the two whose
        joining ends it; empty where the engine does not tell). At most 50 per site, recipe and degree; :meth:`to_frame`
        counts all.

        A partner is the nearest bar on the whole, not proof of the same feature; and every bar of noise moves.

        >>> import numpy as np, topo_interp as ti
        >>> angle = 2 * np.pi * np.arange(12) / 12
        >>> ring = np.c_[np.cos(angle), np.sin(angle)]
        >>> found = ti.diff({"layer": ring}, {"layer": ring * [1, 0.1]}, ti.Rips(), draws=9, subsamples=0, progress=False)
        >>> found.moved_bars().query("dim == 1")[["kind", "rows_a"]].head(1).values.tolist()
        [['vanishes', [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]]
        """
        import pandas as pd

        rows = [(*key, *bar[:-2], *map(list, bar[-2:])) for key, bars in self.moves.items() for bar in bars]
        numbers = [name for name in MovedBar._fields if name.startswith(("birth", "death", "shift"))]
        frame = pd.DataFrame(rows, columns=["site", "recipe", *MovedBar._fields]).astype({**dict.fromkeys(numbers, "float64"), "dim": "int64"})
        return frame.sort_values("shift", ascending=False, kind="stable", ignore_index=True)

    def report(self, path: str | os.PathLike[str], *, title: str = "What changed") -> Path:
        """Write one HTML file that opens offline, and its tables beside it (``.measures.parquet``, ``.moved.parquet``)."""
        from topo_interp.report.diff_page import write_diff_report

        return write_diff_report(self, path, title=title)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything into one file (a zip of JSON and two profiles, no pickle); returns its path."""
        from topo_interp.diff_file import write_diff

        return write_diff(self, file_path(path))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Diff:
        """The diff written by :meth:`save`."""
        from topo_interp.diff_file import read_diff

        return read_diff(file_path(path))

    def __repr__(self) -> str:
        return f"Diff({counted(len(self.a.sites), 'site')} x {counted(len(self.a.recipes), 'recipe')})"

    def _repr_html_(self) -> str:
        return html_table(self, self.to_frame())


def diff(
    a: Mapping[str, Any] | str | os.PathLike[str],
    b: Mapping[str, Any] | str | os.PathLike[str],
    recipes: Rips | Sequence[Rips] | Mapping[str, Rips],
    *,
    draws: int = 99,
    subsamples: int = 20,
    seed: int = 0,
    n_jobs: int = 1,
    progress: bool = True,
) -> Diff:
    """Two stores of the same rows, site by site: how far apart they are, and how far beyond chance they agree.

    >>> import numpy as np, topo_interp as ti
    >>> x = np.random.default_rng(0).normal(size=(30, 3))
    >>> found = ti.diff({"layer": x}, {"layer": 2 * x}, ti.Rips(), draws=19, progress=False)
    >>> found.to_frame()[["rtd", "merge_order", "rtd_p_max_t"]].round(6).values.tolist()
    [[0.0, 1.0, 0.05]]

    Args:
        a, b: stores, their folders, or mappings from sites to points, with the same rows; the sites of both are compared.
        recipes: one recipe, several, or a dict of named ones.
        draws: permuted pairings, shared by all sites and measures; the smallest attainable p-value is 1 / (1 + draws). 0 for
            values without p-values, also where rows are grouped, so that they can not be permuted one by one.
        subsamples: for the intervals; 0 for none.
        seed: of the draws and the subsamples.
        n_jobs: parallel jobs of joblib; the result does not depend on it.
        progress: show a progress line on a terminal.

    Returns:
        A Diff. A site, measure or diagram that fails is named in its row; the others go on.

    Raises:
        InputError: the rows differ (the message says in what), no site is in both, or there are draws and rows are grouped.

    Cost: per site ``draws + subsamples + 1`` runs of RTD and of the other paired measures, ``2 (subsamples + 1)`` runs of the
    recipe, and ``subsamples + 2`` matchings of bars (O(k^3) for k bars).
    """
    named = named_recipes(recipes)
    subsamples, seed = checked_subsamples(subsamples, "no intervals"), whole_number(seed, "seed", 0)
    n_jobs = job_count(n_jobs)
    if not is_whole(draws) or draws < 0 or draws == 1:
        raise InputError(f"draws is {draws!r}; give 0 (values without p-values) or a whole number of at least 2, such as draws=99")
    draws, stores = int(draws), [_opened(store, name) for name, store in (("a", a), ("b", b))]
    pairs = _pairs(*stores)
    if draws:
        _check_permutable(pairs)
    keys = [(site, name) for site in pairs for name in named]
    threads = max(1, default_threads() // n_jobs)
    jobs = [(compared_site, (site, name, named[name], pairs[site], subsamples, seed, threads)) for site, name in keys]
    found = dict(zip(keys, parallel(jobs, n_jobs, progress, "diff"), strict=True))
    profiles = []
    for k, store in enumerate(stores):
        results = tuple(site.results[k] for site in found.values())
        note_tried(store, results, named, None)
        profiles.append(Profile(results, MappingProxyType(named), MappingProxyType(about_store(store))))
    compared = {key: site.paired for key, site in found.items() if site.paired}
    failed = add_chance(compared, named, pairs, draws, seed, n_jobs, progress) if draws else {}
    errors = {key: " | ".join(filter(None, (site.error, failed.get(key)))) for key, site in found.items()}
    tests = sum("p" in numbers for of_key in compared.values() for numbers in of_key.values())
    return Diff(
        *profiles,
        MappingProxyType(compared),
        MappingProxyType({key: site.unpaired for key, site in found.items()}),
        MappingProxyType({key: site.moves for key, site in found.items()}),
        MappingProxyType({key: site.moved for key, site in found.items()}),
        MappingProxyType({key: error for key, error in errors.items() if error}),
        MappingProxyType({"draws": draws, "subsamples": subsamples, "seed": seed, "tests": tests}),
    )


def _opened(store: Any, name: str) -> Mapping[str, Any]:
    if isinstance(store, (str, os.PathLike)):
        return open_store(store)
    if not isinstance(store, Mapping):
        raise InputError(f"{name} is a {type(store).__name__}; a store, its folder, or {{site: points}} is needed")
    return store


def _pairs(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The clouds of the sites that both stores have, in the place of one that can not be read why; of the same rows."""
    shared = [site for site in a if site in b]
    if not shared:
        raise InputError(f"no site is in both stores: {', '.join(map(repr, list(a)[:3]))} and {', '.join(map(repr, list(b)[:3]))}")
    tables = [getattr(store, "rows", None) for store in (a, b)]
    difference = "" if tables[0] is None or tables[1] is None else row_difference(*tables)
    if difference:
        raise InputError(f"the stores hold different rows: {difference}; capture both with one probe set")
    pairs = {site: (_read(a, site), _read(b, site)) for site in shared}
    for site, pair in pairs.items():
        if not any(isinstance(cloud, Unread) for cloud in pair):
            same_rows({f"{site} in {name}": cloud for name, cloud in zip("ab", pair, strict=True)}, "diff")
    return pairs


def _read(store: Mapping[str, Any], site: str) -> Any:
    cloud = read_site(store, site)
    if isinstance(cloud, (PointCloud, Unread)):
        return cloud
    try:
        return as_points(cloud, name="points")
    except Exception as error:  # noqa: BLE001 - told in the site's row
        return Unread(error_message(error))


def _check_permutable(pairs: Mapping[str, tuple[Any, Any]]) -> None:
    clouds = {site: cloud for site, pair in pairs.items() for cloud in pair if not isinstance(cloud, Unread)}
    groups = dict.fromkeys(name for cloud in clouds.values() for name in getattr(cloud, "groups", ()))
    if groups:
        raise InputError(
            f"rows that share a value of {', '.join(map(repr, groups))} are not independent, and the draws of diff pair them at random one "
            f"by one: give draws=0 for values without p-values, or one row per group, such as store.means({next(iter(groups))!r})"
        )
    sizes = {len(cloud): site for site, cloud in clouds.items()}
    if len(sizes) > 1:
        (n, site), (m, other) = list(sizes.items())[:2]
        raise InputError(
            f"{site!r} has {n} rows and {other!r} {m}, and the draws of diff permute the rows of all sites alike: give draws=0, or "
            "compare sites of the same rows"
        )
