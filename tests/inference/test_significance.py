"""The p-values of the rotation null are uniform where it is right, find what is there, and refuse what would be wrong."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas
import pytest
from scipy.stats import kstest

import topo_interp as ti
from topo_interp import InputError, PointCloud
from topo_interp.inference.nulls import (
    Draw,
    Null,
    draw_rng,
    matched_gaussian,
    permuted_labels,
    permuted_pairing,
)
from topo_interp.inference.significance import Significance, significance, significance_table

RIPS = ti.Rips(max_dim=1)
LONGEST = ti.max_persistence(dim=1)  # worker processes can not import a function of a test module


def longest_loop(diagrams) -> float:
    pairs = diagrams.finite(1)
    return float((pairs[:, 1] - pairs[:, 0]).max()) if len(pairs) else 0.0


def points_of(cloud) -> np.ndarray:
    return np.asarray(cloud, dtype=np.float64)


def largest_distance(points) -> float:
    """A statistic that is not a function of the covariance, in well under a millisecond."""
    gram = points @ points.T
    squares = np.diagonal(gram)
    return float((squares[:, None] + squares - 2 * gram).max())


def circle(n: int, d: int, noise: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    angles = rng.uniform(0, 2 * np.pi, n)
    x = noise * rng.normal(size=(n, d))
    x[:, 0] += np.cos(angles)
    x[:, 1] += np.sin(angles)
    return x


def crossed_design(seed: int, a: int = 10, b: int = 10, d: int = 50) -> tuple[PointCloud, pandas.DataFrame]:
    """A product of two random point sets with a little noise: no loop was put in."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(a, 1, d)) + rng.normal(size=(1, b, d)) + 0.1 * rng.normal(size=(a, b, d))
    i, j = np.divmod(np.arange(a * b), b)
    table = pandas.DataFrame({"template": i, "word": j})
    return PointCloud(x.reshape(a * b, d), groups=("template", "word")), table


def spread(p: np.ndarray, draws: int) -> np.ndarray:
    """Discrete p-values made continuous: exactly uniform if the discrete ones are exactly so on their grid."""
    return p - np.random.default_rng(99).uniform(0, 1 / (1 + draws), len(p))


def p_values(null, n: int, d: int, runs: int, draws: int = 9) -> np.ndarray:
    """Data from (n, d, run), draws from (run): the seeds of ``benchmarks/calibrate.py uniform``, of which these are the first."""
    clouds = (np.random.default_rng([n, d, run]).normal(size=(n, d)) for run in range(runs))
    tests = (significance(x, points_of, largest_distance, null=null, draws=draws, seed=k) for k, x in enumerate(clouds))
    return np.array([test.p_value for test in tests])


@dataclasses.dataclass(frozen=True)
class SampledGaussian(Null, kind="sampled_gaussian_of_the_tests"):
    """The wrong null: new Gaussian rows with the sample covariance, which has fitted the noise."""

    def prepare(self, n, rng, rows_table=None):
        weights = rng.normal(size=(n, n)) / np.sqrt(n - 1)

        class Sampled(Draw):
            def points(self, points, *, site="", member=0):
                return points.mean(axis=0) + weights @ (points - points.mean(axis=0))

        return Sampled()


# ------------------------------------------------------------------------------------------------ calibration, power


@pytest.mark.slow  # uniformity needs many tests, each with its draws
@pytest.mark.parametrize(("n", "d", "runs", "draws"), [(100, 10, 200, 9), (100, 384, 150, 9), (500, 768, 40, 3)])
def test_p_values_of_the_rotation_null_are_uniform(n, d, runs, draws):
    """Several thousand runs are in benchmarks/RESULTS.md; the seeds of this part were fixed before it was first run."""
    p = spread(p_values(matched_gaussian(), n, d, runs, draws), draws)
    for side in ("less", "greater"):
        assert kstest(p, "uniform", alternative=side).pvalue > 0.01


def test_sampling_from_the_sample_covariance_fails_the_same_test():
    p = spread(p_values(SampledGaussian(), 100, 384, runs=40), 9)
    assert kstest(p, "uniform").pvalue < 1e-6
    assert p.mean() > 0.85  # no power at all


@pytest.fixture(scope="module")
def loop_p_values() -> np.ndarray:
    out = []
    for run in range(100):
        x = np.random.default_rng([8, run]).normal(size=(40, 10))
        out.append(significance(x, RIPS, longest_loop, null=matched_gaussian(), draws=19, seed=run).p_value)
    return np.array(out)


def test_p_values_of_the_longest_loop_are_uniform(loop_p_values):
    p = spread(loop_p_values, 19)
    for side in ("less", "greater"):
        assert kstest(p, "uniform", alternative=side).pvalue > 0.01


def test_a_dead_test_would_fail_the_same_test(loop_p_values):
    assert kstest(spread(np.ones_like(loop_p_values), 19), "uniform").pvalue < 1e-6


def test_a_planted_circle_is_found_and_its_noise_claims_nothing():
    null = matched_gaussian()
    planted = [significance(circle(60, 20, 0.1, s), RIPS, longest_loop, null=null, draws=39, seed=s) for s in range(5)]
    assert [e.p_value for e in planted] == [1 / 40] * 5
    assert [e.smallest_p for e in planted] == [1 / 40] * 5
    matched = null.draw(circle(60, 20, 0.1, 0), draw_rng(123, 0))
    assert significance(matched, RIPS, longest_loop, null=null, draws=39, seed=0).p_value > 0.05


def test_a_crossed_design_claims_a_loop_unless_its_strata_are_rotated():
    plain, within = [], []
    for seed in range(8):
        cloud, table = crossed_design(seed)
        ungrouped = dataclasses.replace(cloud, groups=())
        plain.append(significance(ungrouped, RIPS, longest_loop, null=matched_gaussian(), draws=19, seed=seed).p_value)
        null = matched_gaussian(within=["template", "word"])
        within.append(significance(cloud, RIPS, longest_loop, null=null, draws=19, seed=seed, rows_table=table).p_value)
    assert max(plain) <= 0.05  # a false claim every time
    assert sum(p <= 0.05 for p in within) <= 2  # P(more than 2 of 8 | valid) = 0.006
    assert np.mean(within) < 0.95


# --------------------------------------------------------------------------------------------------- the estimate


def test_the_estimate_holds_what_was_done():
    x = circle(40, 5, 0.2, 0)
    e = significance(x, RIPS, longest_loop, null=matched_gaussian(), draws=19, seed=3)
    diagrams = RIPS(x)
    assert e.value == longest_loop(diagrams)
    assert e.certificate == diagrams.certificate
    assert (e.draws, e.seed, e.null, e.summary) == (19, 3, matched_gaussian(), "longest_loop")
    values = [longest_loop(RIPS(matched_gaussian().draw(x, draw_rng(3, k)))) for k in range(19)]
    assert e.null_mean == pytest.approx(np.mean(values), rel=1e-9)
    assert e.null_sd == pytest.approx(np.std(values, ddof=1), rel=1e-9)
    assert e.exceeding == sum(v >= e.value for v in values)
    assert e.p_value == (1 + e.exceeding) / 20
    assert e.interval[0] <= e.exceeding / 19 <= e.interval[1]
    assert ti.Rips.from_json(e.recipe) == RIPS
    assert ti.Estimate.from_dict(e.to_dict()) == e


def test_explain_is_one_sentence_with_the_number_of_draws():
    e = significance(circle(40, 5, 0.1, 0), RIPS, longest_loop, null=matched_gaussian(), draws=19, seed=3)
    text = e.explain()
    assert text.startswith("longest_loop = ") and text.endswith("for this one test.")
    assert "19 draws of matched_gaussian() through the same pipeline" in text
    assert "reached it 0 times: p = 0.05 (the smallest that this many draws can give)" in text


def test_the_result_does_not_depend_on_n_jobs():
    x = circle(40, 30, 0.3, 1).astype(np.float32)
    one, two = (significance(x, RIPS, LONGEST, null=matched_gaussian(), draws=19, seed=0, n_jobs=k) for k in (1, 2))
    assert one == two


def test_pca_is_chosen_anew_in_every_draw():
    """A plane that was chosen on the data and kept would make this p-value too small."""
    seen = []

    def recipe(points):
        plane = ti.pca(2)(points)
        seen.append(plane)
        return ti.Rips()(plane)

    x = np.random.default_rng(0).normal(size=(20, 6))
    significance(x, recipe, longest_loop, null=matched_gaussian(), draws=2, seed=0)
    assert len(seen) == 3
    # Principal components are uncorrelated in every draw.
    for plane in seen:
        assert abs(np.cov(plane.T)[0, 1]) < 1e-8


# ----------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("null", [matched_gaussian(), matched_gaussian(within="word"), ti.nulls.shuffled_columns()], ids=str)
def test_grouped_rows_are_refused_with_the_sentence_to_type(null):
    cloud, table = crossed_design(0, 3, 4, 2)
    with pytest.raises(InputError) as caught:
        significance(cloud, RIPS, longest_loop, null=null, draws=3, seed=0, rows_table=table)
    assert "null=ti.nulls.matched_gaussian(within=['template', 'word'])" in str(caught.value)
    assert "store.means('template')" in str(caught.value)


def test_the_sentence_in_the_refusal_works_when_typed():
    cloud, table = crossed_design(0, 3, 4, 2)
    null = ti.nulls.matched_gaussian(within=["template", "word"])
    assert significance(cloud, RIPS, longest_loop, null=null, draws=3, seed=0, rows_table=table).draws == 3


def test_permuted_labels_of_a_label_free_statistic_are_refused():
    cloud, table = crossed_design(0, 3, 4, 2)
    with pytest.raises(InputError, match="every draw would equal the data"):
        significance(cloud, RIPS, longest_loop, null=permuted_labels("word", within="template"), draws=3, seed=0, rows_table=table)


def test_permuted_labels_of_a_label_free_pair_are_refused():
    x, table = circle(10, 2, 0.1, 0), pandas.DataFrame({"word": list("ab") * 5})
    with pytest.raises(InputError, match=r"the points of a pair, and .*: every draw would equal the data. Use null=ti.nulls.permuted_pairing"):
        significance((x, x), points_of, total, null=permuted_labels("word"), draws=3, seed=0, rows_table=table)


def test_a_pairing_needs_a_pair():
    x = circle(10, 2, 0.1, 0)
    with pytest.raises(InputError, match="every draw would equal the data"):
        significance(x, RIPS, longest_loop, null=permuted_pairing(), draws=3, seed=0)
    with pytest.raises(InputError, match="'the first' has 10 rows and 'the second' 9"):
        significance((x, x[:9]), RIPS, longest_loop, null=permuted_pairing(), draws=3, seed=0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, "long"])
def test_a_statistic_must_be_a_finite_number(bad):
    with pytest.raises(InputError, match="gave"):
        significance(circle(10, 2, 0.1, 0), RIPS, lambda diagrams: bad, null=matched_gaussian(), draws=19, seed=0)


def test_arguments_are_checked():
    x = circle(10, 2, 0.1, 0)
    with pytest.raises(InputError, match="draws is 0"):
        significance(x, RIPS, longest_loop, null=matched_gaussian(), draws=0, seed=0)
    with pytest.raises(InputError, match="give a null"):
        significance(x, RIPS, longest_loop, null="gaussian", draws=3, seed=0)
    with pytest.raises(InputError, match="rows_table=store.rows"):
        significance(x, RIPS, longest_loop, null=matched_gaussian(within="word"), draws=3, seed=0)
    table = pandas.DataFrame({"word": list("ab") * 5}, index=np.arange(100, 110))
    with pytest.raises(InputError, match="row 0 of the cloud is not in rows_table"):
        significance(PointCloud(x), RIPS, longest_loop, null=matched_gaussian(within="word"), draws=3, seed=0, rows_table=table)


# ------------------------------------------------------------------------------------------------ labels and pairs


class ClassMeans:
    columns = ("word",)

    def __call__(self, cloud, table):
        means = pandas.DataFrame(np.asarray(cloud)).groupby(table["word"].to_numpy()).mean().to_numpy()
        return ti.Rips()(means)


def test_labels_can_be_permuted_in_a_pipeline_that_reads_them():
    """Twelve classes on a circle: their means lie on it; means of mixed classes do not."""
    rng = np.random.default_rng(0)
    word = np.tile(np.arange(12), 6)
    angles = 2 * np.pi * word / 12
    x = np.column_stack((np.cos(angles), np.sin(angles))) + 0.2 * rng.normal(size=(72, 2))
    table = pandas.DataFrame({"word": word, "template": np.repeat(np.arange(6), 12)})
    cloud = PointCloud(x, groups=("template", "word"))
    null = permuted_labels("word", within="template")
    e = significance(cloud, ClassMeans(), longest_loop, null=null, draws=39, seed=0, rows_table=table)
    assert e.p_value == 1 / 40


def test_a_pairing_is_tested_by_permuting_one_side():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 4))

    def same_row(pair) -> float:
        return -float(np.linalg.norm(points_of(pair[0]) - points_of(pair[1]), axis=1).mean())

    def identity(pair):
        return pair

    paired = significance((x, x + 0.3 * rng.normal(size=x.shape)), identity, same_row, null=permuted_pairing(), draws=39, seed=0)
    assert paired.p_value == 1 / 40
    alone = significance((x, rng.normal(size=x.shape)), identity, same_row, null=permuted_pairing(), draws=39, seed=0)
    assert alone.p_value > 0.05


@dataclasses.dataclass(frozen=True)
class Spy(Null, kind="spy_of_the_tests"):
    """A null that draws the same constant at every site, to see what a draw is given."""

    def prepare(self, n, rng, rows_table=None):
        shift = rng.normal(size=n)

        class Shifted(Draw):
            def points(self, points, *, site="", member=0):
                return np.broadcast_to(shift[:, None], points.shape)

        return Shifted()


def total(points) -> float:
    return float(np.asarray(points, dtype=np.float64).sum())


def as_they_are(points):
    return points


def test_all_tests_of_a_table_share_their_draws():
    rng = np.random.default_rng(0)
    store = {"early": rng.normal(size=(8, 2)), "late": rng.normal(size=(8, 4))}
    table = significance_table(store, {"raw": as_they_are}, Significance((total,), null=Spy(), draws=19, seed=0))
    means = table.set_index("site")["null_mean"]
    assert means["late"] == pytest.approx(2 * means["early"], rel=1e-9)


def test_the_table_has_a_row_per_test_and_corrects_for_all():
    rng = np.random.default_rng(1)
    store = {"noise": rng.normal(size=(50, 10)), "circle": circle(50, 10, 0.1, 2), "more": rng.normal(size=(50, 3))}
    how = Significance((LONGEST,), null=matched_gaussian(), draws=39, seed=0)
    recipes = {"plain": ti.Rips(), "directions": ti.Rips("chordal", steps=(ti.centered(),))}
    table = significance_table(store, recipes, how)
    assert list(table["site"]) == ["noise", "noise", "circle", "circle", "more", "more"]
    assert set(table["tests"]) == {6} and set(table["draws"]) == {39}
    assert (table["p_max_t"] >= table["p_value"] - 1e-12).all()
    by = table.set_index(["site", "recipe"])["p_max_t"]
    assert by["circle", "plain"] == 1 / 40
    assert by[["noise", "more"]].min() > 0.05
    alone = significance(store["circle"], ti.Rips(), LONGEST, null=matched_gaussian(), draws=39, seed=0)
    row = table.iloc[2]
    assert (row["value"], row["p_value"]) == (alone.value, alone.p_value)
    assert row["null_mean"] == pytest.approx(alone.null_mean, rel=1e-12)
    pandas.testing.assert_frame_equal(table, significance_table(store, recipes, how, n_jobs=2))


def test_a_table_of_a_store_reads_its_rows():
    cloud, table = crossed_design(0, 4, 5, 6)
    store = ti.store_from_arrays({"layer": cloud.points}, table, groups=("template", "word"))
    how = Significance((longest_loop,), null=matched_gaussian(within=["template", "word"]), draws=19, seed=0)
    assert len(significance_table(store, ti.Rips(), how)) == 1
    with pytest.raises(InputError, match="within="):
        significance_table(store, ti.Rips(), Significance((longest_loop,), null=matched_gaussian(), draws=19, seed=0))


def test_clouds_of_different_rows_share_no_draw():
    """Their labels were read in the order of the last cloud, and a pair that is none was compared row by row."""
    x = circle(12, 2, 0.1, 0)
    table = pandas.DataFrame({"word": np.arange(12) % 4})
    one, other = PointCloud(x), PointCloud(x[::-1], rows=np.arange(12)[::-1])
    how = Significance((LONGEST,), null=permuted_labels("word"), draws=19, seed=0)
    with pytest.raises(InputError, match="place 0 is row 0 of 'a' and row 11 of 'b'"):
        significance_table({"a": one, "b": other}, {"means": ClassMeans()}, how, rows_table=table)
    with pytest.raises(InputError, match="row 0 of 'the first' and row 11 of 'the second'"):
        significance((one, other), points_of, total, null=permuted_pairing(), draws=3, seed=0)
    for store in ({"a": other, "b": x[::-1]}, {"b": x[::-1], "a": other}):  # an array takes the rows of the cloud beside it
        found = significance_table(store, {"means": ClassMeans()}, how, rows_table=table)
        assert found["value"].nunique() == found["null_mean"].nunique() == 1


def square(seed: int) -> np.ndarray:
    """Of any size: its loop is born at the side and dies at the diagonal, and the side is the median distance."""
    return np.random.default_rng(seed).uniform(1, 2) * np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def test_a_tie_that_the_float32_of_the_distances_broke_is_a_tie():
    loop, null = ti.max_persistence(dim=1, relative=True), ti.nulls.reinitialized(square)
    values = {loop(RIPS(square(seed))) for seed in range(20)}
    assert len(values) > 1 and max(abs(value - (np.sqrt(2) - 1)) for value in values) < 1e-6  # one number, but for rounding
    largest = max(range(20), key=lambda seed: loop(RIPS(square(seed))))
    found = significance(square(largest), RIPS, loop, null=null, draws=19, seed=0)
    assert found.exceeding == 19 and found.p_value == 1
    table = significance_table({"square": square(largest)}, {"rips": RIPS}, Significance(loop, null=null, draws=19))
    assert table["p_value"].tolist() == table["p_max_t"].tolist() == [1.0]


def test_the_table_is_checked():
    x = circle(10, 2, 0.1, 0)
    how = Significance((longest_loop,), null=matched_gaussian(), draws=19, seed=0)
    with pytest.raises(InputError, match="'a' has 10 rows and 'b' 9"):
        significance_table({"a": x, "b": x[:9]}, RIPS, how)
    with pytest.raises(InputError, match="no site"):
        significance_table({}, RIPS, how)
    with pytest.raises(InputError, match="no recipe"):
        significance_table({"a": x}, [], how)
    with pytest.raises(InputError, match="holds no statistic"):
        Significance(())
