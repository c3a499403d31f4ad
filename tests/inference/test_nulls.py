"""Each null destroys what it says and nothing else; a null is a value."""

from __future__ import annotations

import itertools

import numpy as np
import pandas
import pytest
from scipy.spatial.distance import pdist, squareform

import topo_interp as ti
from topo_interp import InputError
from topo_interp._value import value_from_json
from topo_interp.inference import nulls
from topo_interp.inference.multiple import max_t

TABLE = pandas.DataFrame({"word": list("abcd") * 3, "template": np.repeat([0, 1, 2], 4)})


def reinitialize(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(12, 3))


def reinitialize_two_sites(seed: int) -> dict[str, np.ndarray]:
    return {"early": reinitialize(seed), "late": 2 * reinitialize(seed)}


ALL = [
    nulls.matched_gaussian(),
    nulls.matched_gaussian(within=["template", "word"]),
    nulls.permuted_labels("word", within="template"),
    nulls.permuted_labels("word", unit="levels"),
    nulls.permuted_pairing(),
    nulls.matched_neighbors(),
    nulls.shuffled_columns(),
    nulls.shuffled_columns("coordinates"),
    nulls.uniform_on_sphere(),
]


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)


@pytest.mark.parametrize("null", ALL, ids=lambda null: null.to_json())
def test_a_null_is_a_value(null):
    again = value_from_json(null.to_json())
    assert again == null and hash(again) == hash(null) and type(again) is type(null)


@pytest.mark.parametrize("null", ALL, ids=lambda null: null.to_json())
def test_a_draw_is_decided_by_seed_and_index(null, points):
    first, again, other = (null.draw(points, nulls.draw_rng(7, index), TABLE) for index in (0, 0, 1))
    assert first.dtype == np.float32 and first.shape == points.shape
    np.testing.assert_array_equal(first, again)
    if null.changes_points:
        assert not np.array_equal(first, other) and not np.array_equal(first, points)


def test_one_rotation_serves_all_sites(points):
    draw = nulls.matched_gaussian().prepare(12, nulls.draw_rng(0, 0))
    both = np.column_stack((points, points @ np.ones((3, 2))))
    np.testing.assert_allclose(draw.points(both)[:, :3], draw.points(points), atol=1e-6)
    # The second site is a linear image of the first, in every draw.
    np.testing.assert_allclose(draw.points(both)[:, 3:], draw.points(points) @ np.ones((3, 2)), atol=1e-6)


def test_shuffled_columns_keep_each_column_and_tie_the_sites(points):
    draw = nulls.shuffled_columns("coordinates").prepare(12, nulls.draw_rng(0, 0))
    shuffled = draw.points(points)
    np.testing.assert_array_equal(np.sort(shuffled, axis=0), np.sort(points.astype(float), axis=0))
    assert not np.array_equal(shuffled, points)
    np.testing.assert_array_equal(draw.points(2 * points), 2 * shuffled)


def test_shuffled_principal_components_keep_their_variances(points):
    shuffled = nulls.shuffled_columns().draw(points.astype(float), nulls.draw_rng(0, 0))
    vt = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2]
    np.testing.assert_allclose((shuffled @ vt.T).var(axis=0), (points @ vt.T).var(axis=0), rtol=1e-5)


def directions(points: np.ndarray) -> np.ndarray:
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_norms_stay_and_directions_are_new_at_every_site(points):
    draw = nulls.uniform_on_sphere().prepare(12, nulls.draw_rng(0, 0))
    drawn = [draw.points(points, site=site, member=member) for site in ("early", "late") for member in (0, 1)]
    for moved in drawn:
        np.testing.assert_allclose(np.linalg.norm(moved, axis=1), np.linalg.norm(points, axis=1), rtol=1e-6)
    # Neither those of the data nor those of another site or member: a cosine near 1 in most rows would show either.
    for one, other in itertools.combinations([points, *drawn], 2):
        assert np.median(np.abs((directions(one) * directions(other)).sum(axis=1))) < 0.9
    np.testing.assert_array_equal(draw.points(points, site="late"), draw.points(points, site="late"))


def test_max_t_over_sites_of_uniform_directions_keeps_its_level():
    """Eight independent sites that are what the null says; false claims of 120 reports at 5 % (19 with directions shared by the sites)."""
    null, sites, n, draws = nulls.uniform_on_sphere(), "abcdefgh", 10, 19

    def resultant(points: np.ndarray) -> float:
        return float(np.linalg.norm(directions(points).mean(axis=0)))

    claims = 0
    for run in range(120):
        rng = np.random.default_rng([run, 5])
        data = {site: directions(rng.normal(size=(n, 3))) for site in sites}
        drawn = [null.prepare(n, nulls.draw_rng(run, k)) for k in range(draws)]
        null_values = [[resultant(draw.points(x, site=site)) for site, x in data.items()] for draw in drawn]
        claims += max_t([resultant(x) for x in data.values()], null_values).p_values.min() <= 0.05
    assert 1 <= claims <= 13  # P(more | 5 %) = 0.003, P(none) = 0.002


def test_labels_stay_within_their_template():
    drawn = nulls.permuted_labels("word", within=["template"]).prepare(12, nulls.draw_rng(0, 3), TABLE).table(TABLE)
    assert not drawn["word"].equals(TABLE["word"])
    for _, rows in drawn.groupby("template"):
        assert sorted(rows["word"]) == list("abcd")
    free = nulls.permuted_labels("word").prepare(12, nulls.draw_rng(0, 3), TABLE).table(TABLE)
    assert any(sorted(rows["word"]) != list("abcd") for _, rows in free.groupby("template"))


def test_permuted_levels_rename_whole_classes():
    drawn = nulls.permuted_labels("word", unit="levels").prepare(12, nulls.draw_rng(0, 0), TABLE).table(TABLE)
    pairs = set(zip(TABLE["word"], drawn["word"], strict=True))
    assert len(pairs) == 4 and {new for _, new in pairs} == set("abcd") and pairs != {(w, w) for w in "abcd"}


def test_pairing_moves_the_second_cloud_only(points):
    draw = nulls.permuted_pairing().prepare(12, nulls.draw_rng(0, 0))
    np.testing.assert_array_equal(draw.points(points), points)
    moved = draw.points(points, member=1)
    assert not np.array_equal(moved, points)
    np.testing.assert_array_equal(np.sort(moved[:, 0]), np.sort(points[:, 0]))


def test_no_two_of_several_clouds_keep_their_pairing():
    draw = nulls.permuted_pairing().prepare(200, nulls.draw_rng(0, 0))
    orders = [draw.points(np.arange(200.0)[:, None], member=k)[:, 0] for k in range(4)]
    assert all(sorted(order) == list(range(200)) for order in orders)
    for one, other in itertools.combinations(orders, 2):
        assert np.count_nonzero(one == other) < 10  # one row in the mean
    np.testing.assert_array_equal(draw.points(np.arange(200.0)[:, None], member=3)[:, 0], orders[3])


def test_a_factory_is_stored_by_its_name(points):
    null = nulls.reinitialized("topo_interp.inference.pipeline:job_count")
    assert value_from_json(null.to_json()) == null
    with pytest.raises(InputError, match="module:name"):
        nulls.reinitialized(lambda seed: points)
    with pytest.raises(InputError, match="can not be imported"):
        nulls.reinitialized("topo_interp.nowhere:f")
    with pytest.raises(InputError, match="'module:name'"):
        nulls.reinitialized("nowhere")
    with pytest.raises(InputError, match=r"'.*:haar_orthogonal' can not be called with a seed \(missing .* as def haar_orthogonal\(seed\)"):
        nulls.reinitialized("topo_interp.inference.rotations:haar_orthogonal")


def test_a_reinitialized_capture_is_shared_by_the_sites(points, monkeypatch):
    import topo_interp.inference.nulls as module

    calls = []

    def factory(seed):
        calls.append(seed)
        return reinitialize_two_sites(seed)

    monkeypatch.setattr(module, "_capture_for_this_test", factory, raising=False)
    draw = nulls.reinitialized(f"{module.__name__}:_capture_for_this_test").prepare(12, nulls.draw_rng(0, 0))
    np.testing.assert_array_equal(draw.points(points, site="late"), 2 * draw.points(points, site="early"))
    assert len(calls) == 1
    with pytest.raises(InputError, match="'middle'"):
        draw.points(points, site="middle")
    for other in (points[:5], points[:, :2]):
        with pytest.raises(InputError, match=f"captured 12 rows of 3 coordinates and the cloud has {len(other)} of {other.shape[1]}"):
            draw.points(other, site="late")


def test_the_row_table_is_checked(points):
    within = nulls.matched_gaussian(within="template")
    with pytest.raises(InputError, match=r"give rows_table=store\.rows"):
        within.draw(points, nulls.draw_rng(0, 0))
    with pytest.raises(InputError, match="no column 'template'; it has 'word'"):
        within.draw(points, nulls.draw_rng(0, 0), TABLE[["word"]])
    with pytest.raises(InputError, match="5 rows and the cloud 12"):
        within.draw(points, nulls.draw_rng(0, 0), TABLE[:5])
    with pytest.raises(InputError, match="one value only"):
        nulls.permuted_labels("word").draw(points, nulls.draw_rng(0, 0), TABLE.assign(word="a"))


@pytest.mark.parametrize("missing", [None, np.nan])
@pytest.mark.parametrize("make", [nulls.permuted_labels, nulls.matched_gaussian], ids=["permuted_labels", "matched_gaussian"])
def test_rows_without_a_label_are_no_level(points, make, missing):
    table = TABLE.assign(word=["a", missing, missing, "b"] * 3)
    with pytest.raises(InputError, match="6 of 12 rows have no value in the column 'word'"):
        make("word").draw(points, nulls.draw_rng(0, 0), table)


def rectified(seed: int, n: int = 80) -> np.ndarray:
    """Rows of a freshly initialized network: a bent surface of 10 dimensions in 64, without a loop."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10))
    for _ in range(3):
        x = np.maximum(0.0, x @ rng.normal(size=(x.shape[1], 64)))
    return x


def test_tempered_draws_have_the_variance_and_the_nearness_of_neighbors_of_the_data():
    x = rectified(0)
    drawn = [nulls.matched_neighbors().draw(x, nulls.draw_rng(0, k)) for k in range(8)]
    plain = [nulls.matched_gaussian().draw(x, nulls.draw_rng(0, k)) for k in range(8)]
    assert all(np.isclose(y.var(axis=0).sum(), x.var(axis=0).sum()) and np.allclose(y.mean(axis=0), x.mean(axis=0)) for y in drawn)

    def level(points):  # by scipy, not by the Gram matrix
        distances = squareform(pdist(points))
        median = np.median(pdist(points))
        return np.log((distances + np.diag(np.full(len(points), np.inf))).min(axis=1) / median).mean()

    assert np.mean([level(y) for y in drawn]) == pytest.approx(level(x), abs=0.03)
    assert np.mean([level(y) for y in plain]) > level(x) + 0.1


def test_rows_of_a_rectified_network_are_no_loop_to_the_null_of_their_neighbors():
    loop = ti.max_persistence(dim=1, relative=True)
    claims = {"matched_gaussian": 0, "matched_neighbors": 0}
    for seed in range(12):
        for name in claims:
            found = ti.significance(rectified(seed), ti.Rips(), loop, null=getattr(nulls, name)(), draws=19, seed=seed)
            claims[name] += found.p_value <= 0.05
    assert claims["matched_gaussian"] >= 5  # the limit of the rotation null
    assert claims["matched_neighbors"] <= 3  # P(more than 3 of 12 | level 0.05) = 0.002


def test_a_cloud_with_twins_or_without_extent_is_drawn_all_the_same():
    x = rectified(1, 20)
    twins = nulls.matched_neighbors().draw(np.concatenate((x, x)), nulls.draw_rng(0, 0))
    assert np.isfinite(twins).all()
    np.testing.assert_allclose(nulls.matched_neighbors().draw(np.ones((5, 2)), nulls.draw_rng(0, 0)), 1.0)


@pytest.mark.parametrize("data_seed", [0, 3, [0, 0], [3, 0], [3, 1]], ids=str)
def test_no_draw_shares_its_random_numbers_with_data_of_the_same_seed(data_seed):
    """numpy pads seeds with zeros, so that default_rng(3) and default_rng([3, 0]) are one stream."""
    data = np.random.default_rng(data_seed).random(4)
    assert not any((nulls.draw_rng(seed, index).random(4) == data).any() for seed in (0, 3) for index in (0, 1))


def test_arguments_are_checked():
    with pytest.raises(InputError, match="different names"):
        nulls.matched_gaussian(within=["a", "a"])
    with pytest.raises(InputError, match="'rows' permutes"):
        nulls.permuted_labels("word", unit="classes")
    with pytest.raises(InputError, match="within= has no meaning"):
        nulls.permuted_labels("word", within="template", unit="levels")
    with pytest.raises(InputError, match="principal"):
        nulls.shuffled_columns("pca")
    with pytest.raises(InputError, match=">= 0"):
        nulls.draw_rng(-1, 0)


@pytest.mark.parametrize(
    ("null", "covered"),
    [
        (nulls.matched_gaussian(), False),
        (nulls.matched_gaussian(within="word"), False),
        (nulls.matched_gaussian(within=["word", "template"]), True),
        (nulls.matched_gaussian(within="word:template"), False),
        (nulls.permuted_labels("word"), False),
        (nulls.permuted_labels("word", within="template"), True),
        (nulls.permuted_labels("word", unit="levels"), True),
        (nulls.shuffled_columns(), False),
        (nulls.uniform_on_sphere(), False),
        (nulls.permuted_pairing(), False),
    ],
    ids=str,
)
def test_which_nulls_keep_the_dependence_of_grouped_rows(null, covered):
    assert null.covers(("template", "word")) is covered
    assert null.covers(())
    if not covered:
        with pytest.raises(InputError) as caught:
            null.refuse_groups(("template", "word"))
        call = null.instead(("template", "word"))
        assert f"use null={call} " in str(caught.value) if call else "takes them as independent: take one row" in str(caught.value)
        if call:  # what is said to be typed keeps the dependence, and asks the same question
            typed = eval(call, {"ti": ti})
            assert typed.covers(("template", "word")) and typed.changes_points == null.changes_points
        assert (call == "") == (null == nulls.permuted_pairing())


def test_an_unbalanced_design_says_what_was_done(points):
    null = nulls.matched_gaussian(within=["template", "word"])
    assert null.notes(12, TABLE) == ()
    assert "sequential" in null.notes(11, TABLE[:11])[0]
