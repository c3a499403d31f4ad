"""The same loop from layer to layer or step to step: which bars of degree 1 are one loop, settled on the rows that carry them."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from topo_interp._arguments import file_path, real_number
from topo_interp._errors import InputError
from topo_interp._rows import same_rows
from topo_interp._value import value_from_json
from topo_interp._words import counted
from topo_interp._writing import replaced
from topo_interp.geometry.landmarks import Landmarks
from topo_interp.homology.diagrams import Diagrams
from topo_interp.homology.landmark_rips import diagrams_on
from topo_interp.homology.rips import Rips
from topo_interp.homology.same_loop import Loops, Verdict, agreement, loops_recipe
from topo_interp.inference.trial_log import note_looks

if TYPE_CHECKING:
    import networkx
    import pandas as pd

__all__ = ["CycleMatches", "LoopBar", "LoopMatch", "match_cycles"]

_FORMAT = "topo_interp.cycle_matches.1"


class LoopBar(NamedTuple):
    """A bar of degree 1 at one step; birth and death in median distances, ``rows`` those on its cycle, ascending."""

    step: Hashable
    bar: int
    birth: float
    death: float
    certified: bool
    rows: tuple[int, ...]


class LoopMatch(NamedTuple):
    """Two bars of neighboring steps (places in ``bars``) that are one loop ("same") or may be ("ambiguous").

    ``level`` and ``until`` say from which to which share of their deaths the two cocycles agree on all common cycles.
    """

    earlier: int
    later: int
    verdict: str
    level: float
    until: float


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CycleMatches:
    """What :func:`match_cycles` found.

    Attributes:
        steps: the steps (or layers), in order.
        bars: the bars of all steps.
        matches: pairs of bars of neighboring steps that are, or may be, one loop; all other pairs are different loops.
        n: number of rows.
        recipe: of the diagrams.
        min_persistence: bars that are not longer (in median distances) were left out.
    """

    steps: tuple[Hashable, ...]
    bars: tuple[LoopBar, ...]
    matches: tuple[LoopMatch, ...]
    n: int
    recipe: Rips
    min_persistence: float

    def to_frame(self) -> pd.DataFrame:
        """One row per feature: a loop followed as long as it stays one loop.

        A feature goes on from a step to the next where a bar has one partner whose only partner it is. Where a loop splits or
        several merge, features end and new ones begin; where the certificate does not settle a partner, too.

        Columns: feature (number), birth_step (first step that has it), death_step (first step that no longer has it; None for one
        that the last step has), steps (how many have it), origin ("first step", "born", "split", "merge", "ambiguous"), fate ("last
        step", "dies", "splits", "merges", "ambiguous"), before and after (tuples of the features that it comes from and turns into,
        ambiguous ones included), persistence (the largest, in median distances), rows (on its cycle at the birth step), bars (their
        numbers in the diagrams of its steps).
        """
        import pandas as pd

        chains, feature_of = self._features()
        rows = []
        for number, chain in enumerate(chains):
            first, last = self.bars[chain[0]], self.bars[chain[-1]]
            before = [match for match in self.matches if match.later == chain[0]]
            after = [match for match in self.matches if match.earlier == chain[-1]]
            end = self.steps.index(last.step) + 1
            rows.append(
                {
                    "feature": number,
                    "birth_step": first.step,
                    "death_step": self.steps[end] if end < len(self.steps) else None,
                    "steps": len(chain),
                    "origin": self._turn(before, first.step == self.steps[0], forward=False),
                    "fate": self._turn(after, last.step == self.steps[-1], forward=True),
                    "before": tuple(sorted({feature_of[match.earlier] for match in before})),
                    "after": tuple(sorted({feature_of[match.later] for match in after})),
                    "persistence": max(self.bars[k].death - self.bars[k].birth for k in chain),
                    "rows": first.rows,
                    "bars": tuple(self.bars[k].bar for k in chain),
                }
            )
        columns = ["feature", "birth_step", "death_step", "steps", "origin", "fate", "before", "after", "persistence", "rows", "bars"]
        frame = pd.DataFrame(rows, columns=columns).astype({"feature": "int64", "steps": "int64", "persistence": "float64"})
        # Steps may be numbers: None must stay None beside them.
        ends = pd.Series([row["death_step"] for row in rows], dtype=object)
        return frame.assign(death_step=ends)

    def to_networkx(self) -> networkx.DiGraph:
        """Nodes (step, bar) with birth, death, certified, rows and feature; an edge per match, from the earlier step to the later."""
        import networkx

        graph = networkx.DiGraph()
        _, feature_of = self._features()
        names = [(bar.step, bar.bar) for bar in self.bars]
        for k, bar in enumerate(self.bars):
            graph.add_node(
                names[k], birth=bar.birth, death=bar.death, certified=bar.certified, rows=bar.rows, feature=feature_of[k]
            )
        for match in self.matches:
            graph.add_edge(
                names[match.earlier], names[match.later], verdict=match.verdict, level=match.level, until=match.until
            )
        return graph

    def _features(self) -> tuple[list[list[int]], dict[int, int]]:
        """Bars of each feature in the order of the steps, and the feature of each bar."""
        partners: dict[tuple[int, bool], list[int]] = {}
        for match in self.matches:
            if match.verdict == Verdict.SAME.value:
                partners.setdefault((match.earlier, True), []).append(match.later)
                partners.setdefault((match.later, False), []).append(match.earlier)
        only = {key: found[0] for key, found in partners.items() if len(found) == 1}
        following = {a: b for (a, forward), b in only.items() if forward and only.get((b, False)) == a}
        chains = []
        for k in range(len(self.bars)):
            if k in following.values():
                continue
            chain = [k]
            while chain[-1] in following:
                chain.append(following[chain[-1]])
            chains.append(chain)
        return chains, {bar: number for number, chain in enumerate(chains) for bar in chain}

    def _turn(self, matches: list[LoopMatch], at_border: bool, *, forward: bool) -> str:
        if at_border:
            return "last step" if forward else "first step"
        same = [match for match in matches if match.verdict == Verdict.SAME.value]
        if not same:
            return "ambiguous" if matches else ("dies" if forward else "born")
        if len(same) > 1:
            return "splits" if forward else "merge"
        return "merges" if forward else "split"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes one JSON file; returns its path. Steps must be strings or whole numbers."""
        bad = [step for step in self.steps if not isinstance(step, str) and (not isinstance(step, int) or isinstance(step, bool))]
        if bad:
            raise InputError(f"the step {bad[0]!r} is a {type(bad[0]).__name__}; JSON keeps steps that are strings or whole numbers")
        plain = {
            "format": _FORMAT,
            "steps": self.steps,
            # A bar without an end has none in JSON either.
            "bars": [bar._replace(death=bar.death if math.isfinite(bar.death) else None) for bar in self.bars],  # type: ignore[arg-type]
            "matches": self.matches,
            "n": self.n,
            "recipe": self.recipe.to_json(),
            "min_persistence": self.min_persistence,
        }
        path = file_path(path)
        with replaced(path) as part:
            part.write_text(json.dumps(plain, allow_nan=False), encoding="utf-8")
        return path

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> CycleMatches:
        """The matches written by :meth:`save`."""
        path = file_path(path)
        if not path.is_file():
            raise InputError(f"there are no matches at {str(path)!r}; CycleMatches.save(path) writes them")
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            if plain["format"] != _FORMAT:
                raise InputError(f"{path} has the format {plain['format']!r}; this version reads {_FORMAT!r}")
            bars = tuple(
                LoopBar(step, bar, birth, math.inf if death is None else death, certified, tuple(rows))
                for step, bar, birth, death, certified, rows in plain["bars"]
            )
            recipe = value_from_json(plain["recipe"])
            assert isinstance(recipe, Rips)
            return cls(
                tuple(plain["steps"]), bars, tuple(LoopMatch(*m) for m in plain["matches"]), plain["n"], recipe, plain["min_persistence"]
            )
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} does not hold matches written by CycleMatches.save: {error!r}") from error

    def __repr__(self) -> str:
        same = sum(match.verdict == Verdict.SAME.value for match in self.matches)
        return f"CycleMatches({counted(len(self.steps), 'step')}, {counted(len(self.bars), 'bar')}, {same} same, {len(self.matches) - same} ambiguous)"


def match_cycles(
    clouds: Mapping[Hashable, Any], recipe: Rips, *, min_persistence: float = 0.1, threads: int | None = None, progress: bool = False
) -> CycleMatches:
    """Which loops of neighboring layers or steps are the same loop, settled on the rows and not on lengths or ranks.

    Two bars are one loop when their cocycles agree on the cycles that both clouds have. With d and e their deaths and A and B
    the distances of the two clouds, the common cycles at a share r < 1 of the deaths are those of the pairs with
    ``max(A / d, B / e) <= r``. Let r grow until one cocycle first gives such a cycle a value other than zero: the bars are the
    *same* where the other does, too (from there to ``until``, every common cycle around the one goes around the other and the other
    way round), and *different* where it does not, or where no common cycle is ever seen. A loop of two clouds can be the same as
    several of another: it splits or merges. A cloud with itself matches each bar with itself and nothing else. The proof of that and
    what the cocycles are stand in :mod:`topo_interp.homology.same_loop`; the definition is this package's own (cycle matching
    through images in a common complex: Reani and Bobrowski, arXiv:2101.00698).

    A verdict is *ambiguous*, and never guessed, where lengths that are off by as much as the certificates allow (rounding, a
    projection, landmarks) could turn it: cycles within that of the first one seen differ, a bar is not longer than twice its bound, or
    a bar that could trade places with one of the two sees the common cycle. What of this is proved and what is not stands in that
    module.

    >>> import numpy as np, topo_interp as ti
    >>> far, small = np.array([9.0, 0.0]), ti.shapes.circle(20)
    >>> clouds = {0: np.r_[2 * small, small + far], 1: np.r_[small, 2 * small + far]}  # the longer loop becomes the shorter
    >>> found = match_cycles(clouds, ti.Rips())
    >>> found
    CycleMatches(2 steps, 4 bars, 2 same, 0 ambiguous)
    >>> [(rows[0], bars) for rows, bars in zip(found.to_frame()["rows"], found.to_frame()["bars"])]
    [(20, (0, 1)), (0, (1, 0))]

    Args:
        clouds: step or layer -> cloud, in order: arrays, PointClouds or DistanceMatrices of the same rows. An ActivationStore is
            such a mapping of its layers; for training, ``{step: store["layer"] for step, store in stores.items()}``.
        recipe: of every cloud, without weights. A number of landmarks are chosen in the first cloud and kept in all; what the certificate
            then says is about all rows, and more is ambiguous.
        min_persistence: bars that are not longer are left out; in median distances of the cloud, which is the one place where
            the clouds' units enter. A loop that falls below dies there.
        threads: for the diagrams; None for all cores.
        progress: whether to show progress lines.

    Raises:
        InputError: fewer than two clouds, different rows, or a recipe without cycles.

    Cost: per cloud its diagrams and one pass over the pairs for each bar; per pair of bars a spanning forest of the common pairs.
    """
    recipe = loops_recipe(recipe, "match_cycles", landmarks=True)
    n = same_rows(clouds, "match_cycles")
    if n < 2:
        raise InputError("match_cycles follows loops of rows, and each cloud has one row; give the clouds of several rows")
    min_persistence = real_number(min_persistence, "min_persistence, in median distances,")
    steps = tuple(clouds)
    bars: list[LoopBar] = []
    matches: list[LoopMatch] = []
    before: Loops | None = None
    marks: Landmarks | None = None
    earlier: list[int] = []
    for step, cloud in clouds.items():  # two neighbors in memory at a time
        if recipe.landmarks is None:
            found = Loops(recipe(cloud, engine="links", threads=threads, progress=progress))
        else:
            diagrams, marks = diagrams_on(recipe, cloud, marks, engine="links", threads=threads, progress=progress)
            found = Loops(diagrams)
        later = []
        for bar in found.clear_bars(min_persistence * (found.diagrams.scale or 0.0)).tolist():
            later.append(len(bars))
            bars.append(_bar(step, found.diagrams, bar, found.certified(bar)))
        if before is not None:
            for a, b in ((a, b) for a in earlier for b in later):
                result = agreement(before, bars[a].bar, found, bars[b].bar)
                if result.verdict is not Verdict.DIFFERENT:
                    matches.append(LoopMatch(a, b, result.verdict.value, result.level, result.until))
        before, earlier = found, later
    note_looks(clouds.values(), recipe)
    return CycleMatches(steps, tuple(bars), tuple(matches), n, recipe, min_persistence)


def _bar(step: Hashable, diagrams: Diagrams, bar: int, certified: bool) -> LoopBar:
    birth, death = diagrams[1][bar]
    unit = diagrams.scale or 1.0
    rows = np.sort(diagrams.rows(1, bar, tight=True)).tolist()
    return LoopBar(step, bar, float(birth) / unit, float(death) / unit, certified, tuple(rows))

