"""The verdict on two bars against elimination over Z/p on all common complexes."""

from __future__ import annotations

import numpy as np
import pytest
from oracle_same_loop import Functional, common_loop

import topo_interp as ti
from topo_interp.homology.landmark_rips import diagrams_on
from topo_interp.homology.same_loop import Loops, Verdict, agreement


def matrix_of(points: np.ndarray) -> ti.DistanceMatrix:
    return ti.DistanceMatrix.from_points(points)


def pair_of_matrices(rng: np.random.Generator, trial: int) -> list[ti.DistanceMatrix]:
    """Moved points of the plane, or two dissimilarities, which have more loops that tangle."""
    if trial % 2:
        points = rng.normal(size=(15, 2))
        return [matrix_of(points), matrix_of(points + 0.1 * rng.normal(size=points.shape))]
    lengths = rng.uniform(1, 2, 55).astype(np.float32)
    moved = (lengths + rng.uniform(0, 0.3, 55)).astype(np.float32)
    return [ti.DistanceMatrix(condensed, 11) for condensed in (lengths, moved)]


@pytest.mark.parametrize("field", [2, 3])
def test_verdict_level_and_end_are_those_of_the_oracle(field):
    rng = np.random.default_rng(8)
    found = {verdict: 0 for verdict in Verdict}
    ended = 0
    for trial in range(8):
        matrices = pair_of_matrices(rng, trial)
        loops = [Loops(ti.Rips("precomputed", field=field)(matrix)) for matrix in matrices]
        squares = [matrix.square().astype(float).tolist() for matrix in matrices]
        bars = [list(map(tuple, side.diagrams[1].tolist())) for side in loops]
        for a in range(len(bars[0])):
            for b in range(len(bars[1])):
                result = agreement(loops[0], a, loops[1], b)
                same, level, until = common_loop(*squares, bars[0], a, bars[1], b, field)
                assert result.verdict is (Verdict.SAME if same else Verdict.DIFFERENT), (trial, a, b)
                assert (result.level, result.until) == pytest.approx((level, until), rel=1e-12)
                back = agreement(loops[1], b, loops[0], a)
                assert back == result
                found[result.verdict] += 1
                ended += same and until < 1
    assert found[Verdict.SAME] > 8 and found[Verdict.DIFFERENT] > 8 and ended > 0, (found, ended)


def test_clear_verdicts_stand_when_lengths_move_by_the_bound():
    """Dissimilarities moved by as much as they are known to: a hard case, with loops that share most of their pairs.

    No theorem says that none may turn (see the module), so that a few in a thousand are let through.
    """
    rng = np.random.default_rng(0)
    bound, n = 0.02, 11
    turned = {True: 0, False: 0}
    counted = ambiguous = 0

    def loops(lengths: np.ndarray, rounding: float) -> Loops:
        return Loops(ti.Rips("precomputed")(ti.DistanceMatrix(lengths.astype(np.float32), n, "precomputed", rounding)))

    def partner(before: Loops, bar: int, after: Loops) -> int | None:
        """The one bar near enough, where no other could be meant."""

        def near(side: Loops, width: float) -> np.ndarray:
            off = np.maximum(np.abs(side.births - before.births[bar]), np.abs(side.ends - before.ends[bar]))
            return np.flatnonzero(off <= width)

        found = near(after, bound)
        return int(found[0]) if len(found) == len(near(before, 2 * bound)) == 1 and before.certified(bar) else None

    for _ in range(40):
        first = rng.uniform(1, 2, n * (n - 1) // 2)
        clouds = [first, first + rng.uniform(0, 0.3, len(first))]
        vague, sure = ([loops(cloud, rounding) for cloud in clouds] for rounding in (bound, 0.0))
        moved = [loops(cloud + rng.uniform(-bound, bound, len(cloud)), 0.0) for cloud in clouds]
        partners = [[(bar, partner(side, bar, after)) for bar in range(len(side.births))] for side, after in zip(vague, moved, strict=True)]
        for a, c in partners[0]:
            for b, d in partners[1]:
                if c is None or d is None:
                    continue
                after = agreement(moved[0], c, moved[1], d).verdict
                said = agreement(vague[0], a, vague[1], b).verdict
                counted += 1
                ambiguous += said is Verdict.AMBIGUOUS
                turned[True] += said is not Verdict.AMBIGUOUS and said is not after
                turned[False] += agreement(sure[0], a, sure[1], b).verdict is not after
    assert counted > 200 and ambiguous < 0.3 * counted, (counted, turned, ambiguous)
    assert turned[True] <= 0.003 * counted < turned[False], (counted, turned, ambiguous)


def test_the_oracle_sees_a_loop_once():
    square = matrix_of(ti.shapes.circle(8) + 1e-3 * np.random.default_rng(0).normal(size=(8, 2))).square().astype(float).tolist()
    bars = [tuple(bar) for bar in ti.Rips("precomputed")(ti.DistanceMatrix.from_dense(np.array(square)))[1].tolist()]
    around = {(i, i + 1): 1 for i in range(7)} | {(0, 7): 2}
    assert len(bars) == 1 and Functional(square, bars, 0, 3)(around) in (1, 2)
    assert Functional(square, bars, 0, 3)({(0, 1): 1, (1, 2): 1, (0, 2): 2}) == 0


def test_a_loop_is_the_same_on_a_part_of_its_rows():
    points = np.array(ti.shapes.noisy_circle(40, 0.05, seed=2))
    whole = Loops(ti.Rips()(points))
    rows = np.arange(0, 40, 2)
    part = Loops(ti.Rips()(points[rows]))
    bar, other = (int(np.argmax(side.ends - side.births)) for side in (whole, part))
    assert agreement(whole.on(rows), bar, part, other).verdict is Verdict.SAME
    with pytest.raises(ti.InputError, match="not ascending"):
        whole.on(rows[::-1])


@pytest.mark.parametrize("as_matrix", [False, True])
def test_landmarks_of_another_cloud_are_certified_by_the_distortion_of_their_map(as_matrix):
    rng = np.random.default_rng(3)
    points = rng.normal(size=(50, 3))
    clouds = [points, points + 0.3 * rng.normal(size=points.shape)]
    given = [ti.DistanceMatrix.from_points(cloud) for cloud in clouds] if as_matrix else clouds
    recipe = ti.Rips(landmarks=20)
    own, marks = diagrams_on(recipe, given[0], None, engine="links")
    alone = recipe(given[0])
    assert ti.same_bars(own, alone) and own.certificate.terms == alone.certificate.terms
    again, _ = diagrams_on(recipe, given[0], marks, engine="links")
    assert again.certificate.bottleneck_bound == pytest.approx(own.certificate.bottleneck_bound, rel=1e-4)
    other, _ = diagrams_on(recipe, given[1], marks, engine="links")
    square = np.linalg.norm(clouds[1][:, None] - clouds[1], axis=-1)
    to = marks.indices[marks.nearest]
    shift = max(square[np.arange(50), to].max(), (square[to][:, to] - square).max(), (square[:, to] - square).max())
    assert other.certificate.bottleneck_bound == pytest.approx(shift, rel=1e-4)
    assert set(other.rows(1, 0)) <= set(marks.indices.tolist())
