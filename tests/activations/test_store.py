"""Stores in memory: the mapping, the row table, and the stores made from stores. No torch."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def store(rng):
    frame = pd.DataFrame(
        {
            "label": list("abcabcabcabc"),
            "template": np.repeat([0, 1, 2, 3], 3),
            "sequence": np.arange(12) // 2,
            "order": [1, 2, 3] * 4,
        }
    )
    arrays = {"one": rng.normal(size=(12, 5)).astype(np.float32), "two:input[1]": rng.normal(size=(12, 3))}
    return ti.store_from_arrays(arrays, frame, groups=["template"])


def test_a_store_is_a_mapping_of_point_clouds(store):
    assert list(store) == ["one", "two:input[1]"] == list(store.sites) and len(store) == 2
    assert "one" in store and "three" not in store and 3 not in store
    assert isinstance(store["one"], ti.PointCloud) and store["one"].site == "one"
    assert store["one"].points.dtype == np.float32 and store["two:input[1]"].points.dtype == np.float64
    assert store.shape("one") == (12, 5)
    assert store.get("three") is None
    assert {site: cloud.shape for site, cloud in store.items()} == {"one": (12, 5), "two:input[1]": (12, 3)}
    np.testing.assert_array_equal(store["one"].rows, np.arange(12))


def test_rows_share_values_in_the_groups(store):
    assert store.groups == ("sequence", "template") == store["one"].groups
    apart = store.select("sequence in [0, 2] and label in ['a', 'c']")
    assert len(apart.rows) == 2 and apart.groups == ()
    assert ti.store_from_arrays({"x": np.eye(3)}).groups == ()


def test_a_site_that_is_not_there_is_named(store):
    with pytest.raises(KeyError, match="the store has no site 'ones'; nearest: 'one'") as caught:
        store["ones"]
    assert isinstance(caught.value, ti.InputError)
    assert str(caught.value).startswith("the store has no site")


def test_the_store_does_not_change_when_its_source_does(rng):
    array, frame = rng.normal(size=(4, 2)), pd.DataFrame({"label": list("abcd")})
    store = ti.store_from_arrays({"x": array}, frame)
    before, digest = array.copy(), store.digest()
    array[0, 0] = 99
    frame.loc[0, "label"] = "z"
    table = store.rows
    table["label"] = "q"
    np.testing.assert_array_equal(store["x"].points, before)
    assert list(store.rows["label"]) == list("abcd") and store.digest() == digest
    assert not store["x"].points.flags.writeable


def test_a_read_only_array_is_not_copied(rng):
    array = rng.normal(size=(4, 2))
    array.flags.writeable = False
    assert np.shares_memory(ti.store_from_arrays({"x": array})["x"].points, array)


@pytest.mark.parametrize("dtype", ["float16", "int32", "bool"])
def test_other_dtypes_are_converted_exactly(dtype):
    array = np.array([[0, 1], [1, 0]]).astype(dtype)
    points = ti.store_from_arrays({"x": array})["x"].points
    assert points.dtype == (np.float32 if dtype == "float16" else np.float64)
    np.testing.assert_array_equal(points, array)


def test_bfloat16_arrays_become_float32_exactly():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([[1.0, 3.140625], [-2.0, 1e30]]).astype(ml_dtypes.bfloat16)
    points = ti.store_from_arrays({"x": array})["x"].points
    assert points.dtype == np.float32
    np.testing.assert_array_equal(points, array.astype(np.float32))


@pytest.mark.parametrize(
    ("arrays", "rows", "groups", "words"),
    [
        ({}, None, (), "arrays is empty"),
        ([np.eye(2)], None, (), "no mapping"),
        ({3: np.eye(2)}, None, (), "the site 3 is a int"),
        (
            {"x": np.eye(2), "y": np.eye(3)},
            None,
            (),
            "different numbers of rows .*'x' has 2, 'y' has 3.*one store for each",
        ),
        ({"x": np.array([[0.0], [np.nan]])}, None, (), r"row 1 of arrays\['x'\] has a NaN"),
        ({"x": np.zeros(3)}, None, (), r"shape \(3,\)"),
        ({"x": np.eye(2)}, {"label": ["a"]}, (), "the column 'label' has 1 entries; there are 2 rows"),
        ({"x": np.eye(2)}, {4: ["a", "b"]}, (), "a column 4; columns are named by strings"),
        ({"x": np.eye(2)}, ["a", "b"], (), "rows is a list; give a DataFrame or a dict"),
        (
            {"x": np.eye(2)},
            {"label": ["a", "b"]},
            ("template",),
            "groups names 'template'.*columns: item, label",
        ),
    ],
)
def test_wrong_arrays(arrays, rows, groups, words):
    with pytest.raises(ti.InputError, match=words):
        ti.store_from_arrays(arrays, rows, groups=groups)


# select


def test_select_by_query(store):
    march = store.select("label == 'b' and template > 0")
    assert list(march.rows.index) == [4, 7, 10] == list(march["one"].rows)
    np.testing.assert_array_equal(march["one"].points, store["one"].points[[4, 7, 10]])
    # the rows keep the name of the observation through a second selection
    twice = march.select("template == 2")
    assert list(twice["one"].rows) == [7]
    np.testing.assert_array_equal(twice["two:input[1]"].points, store["two:input[1]"].points[[7]])
    assert store.rows.loc[twice["one"].rows[0], "template"] == 2


def test_select_sees_the_callers_variables(store):
    wanted = "c"  # noqa: F841 (the query reads it)
    assert set(store.select("label == @wanted").rows["label"]) == {"c"}


def test_select_by_mask_and_positions(store):
    mask = np.zeros(12, dtype=bool)
    mask[[3, 8]] = True
    assert list(store.select(mask)["one"].rows) == [3, 8]
    assert list(store.select([8, 3])["one"].rows) == [8, 3]
    assert list(store.select([-1])["one"].rows) == [11]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("label == 'z'", "leaves none of the 12 rows"),
        ("labels == 'a'", "can not be answered .*columns: item, label, template"),
        ("label ==", "can not be answered"),
        (np.zeros(3, dtype=bool), r"mask has shape \(3,\); the store has 12 rows"),
        ([12], "out of range"),
        ([0.5], "not by float64"),
        ([], "leaves none"),
    ],
)
def test_wrong_selections(store, rows, words):
    with pytest.raises(ti.InputError, match=words):
        store.select(rows)


# means


def test_means_are_pandas_means(store):
    means = store.means(by="label")
    frame = pd.DataFrame(store["one"].points.astype(float)).groupby(store.rows["label"].to_numpy()).mean()
    np.testing.assert_allclose(means["one"].points, frame.to_numpy(), rtol=1e-6)
    assert means["one"].points.dtype == np.float32
    # columns that say the same in all rows of a group stay
    assert means.rows.to_dict("list") == {"label": ["a", "b", "c"], "order": [1, 2, 3], "count": [4, 4, 4]}
    assert means.groups == ()


def test_means_come_in_the_order_of_the_first_rows(store):
    backwards = store.select(np.arange(12)[::-1])
    assert list(backwards.means(by="label").rows["label"]) == ["c", "b", "a"]


def test_means_by_two_columns(store):
    means = store.select("template < 2").means(by=["template", "label"])
    assert len(means.rows) == 6 and means.groups == ("sequence", "template")
    np.testing.assert_allclose(means["one"].points, store["one"].points[:6])


def test_means_are_summed_in_float64():
    big = np.full((20001, 1), 16777216.0, dtype=np.float32)
    big[1::2] = 16777218.0
    store = ti.store_from_arrays({"x": big}, {"label": ["a"] * len(big)})
    assert store.means("label")["x"].points[0, 0] == np.float32(big.astype(float).mean())
    assert store.without("label")["x"].points.std() > 0.9


# without


def test_without_one_factor_subtracts_the_group_means(store):
    left = store.without(by="template")["one"].points
    expected = store["one"].points.astype(float).copy()
    for level in range(4):
        expected[3 * level : 3 * level + 3] -= expected[3 * level : 3 * level + 3].mean(axis=0)
    np.testing.assert_allclose(left, expected, atol=1e-6)
    assert left.dtype == np.float32


def dummies(frame, columns):
    """Indicator columns of all levels, by pandas."""
    return pd.get_dummies(frame[columns].astype(str)).to_numpy(float)


@pytest.mark.parametrize(
    "query", [None, "not (label == 'a' and template == 1) and not (label == 'c' and template > 1)"]
)
def test_without_several_factors_is_the_least_squares_residual(store, query):
    store = store if query is None else store.select(query)
    columns = ["label", "template"]
    left = store.without(by=columns)
    for site in store:
        x, design = store[site].points.astype(float), dummies(store.rows, columns)
        residual = x - design @ np.linalg.lstsq(design, x, rcond=None)[0]
        np.testing.assert_allclose(left[site].points, residual, atol=1e-6)
        for column in columns:
            assert np.abs(left.means(by=column)[site].points).max() < 1e-6
    assert list(left.rows.columns) == list(store.rows.columns)
    assert left.groups == store.groups


def test_without_keeps_what_the_factors_do_not_explain(rng):
    # rows = template + class on a circle: without the template the circle is left, exactly
    angle = 2 * np.pi * np.arange(12) / 12
    circle = np.stack((np.cos(angle), np.sin(angle)), axis=1)
    shift = 1000 * rng.normal(size=(5, 2))
    points = (shift[:, None] + circle[None]).reshape(-1, 2)
    rows = {"template": np.repeat(range(5), 12), "label": np.tile(range(12), 5)}
    store = ti.store_from_arrays({"x": points}, rows).without(by="template").means(by="label")
    np.testing.assert_allclose(store["x"].points, circle, atol=1e-11)


@pytest.mark.parametrize("name", ["means", "without"])
def test_wrong_columns(store, name):
    with pytest.raises(ti.InputError, match=rf"{name}\(by='month'\): no such column; columns: item, label"):
        getattr(store, name)(by="month")
    with pytest.raises(ti.InputError, match=r"names no column"):
        getattr(store, name)(by=[])
    gap = ti.store_from_arrays({"x": np.eye(2)}, {"label": ["a", None]})
    with pytest.raises(ti.InputError, match="'label'.*missing values"):
        getattr(gap, name)(by="label")


# project


def test_project_gives_coordinates_in_the_basis(store, rng):
    basis = np.linalg.qr(rng.normal(size=(5, 2)))[0].T
    plane = store.project({"one": basis})
    assert plane.sites == ("one",)
    np.testing.assert_allclose(plane["one"].points, store["one"].points @ basis.T, atol=1e-6)
    np.testing.assert_array_equal(plane["one"].rows, store["one"].rows)


def test_one_basis_for_all_sites(rng):
    store = ti.store_from_arrays({"a": rng.normal(size=(4, 3)), "b": rng.normal(size=(4, 3))})
    plane = store.project(np.eye(3)[:2])
    np.testing.assert_array_equal(plane["b"].points, store["b"].points[:, :2])
    assert plane.shape("b") == (4, 2)


@pytest.mark.parametrize(
    ("basis", "words"),
    [
        (np.ones((2, 5)), r"'one' are not orthonormal .*np\.linalg\.qr"),
        (np.full((1, 5), np.nan), "not orthonormal"),
        (np.eye(3), r"basis for 'one' has shape \(3, 3\); \(k, 5\) is needed"),
        ({"ones": np.eye(5)}, "no site 'ones'"),
    ],
)
def test_wrong_bases(store, basis, words):
    with pytest.raises(ti.InputError, match=words):
        store.project(basis)


# derived stores


def test_derived_stores_are_lazy_values(store, rng):
    chain = (
        store.select("template != 1")
        .without(by=["template"])
        .means(by="label")
        .project({"one": np.eye(5)[1:3]})
    )
    x = store["one"].points.astype(float)[[0, 1, 2, 6, 7, 8, 9, 10, 11]].reshape(3, 3, 5)
    expected = (x - x.mean(axis=1, keepdims=True)).mean(axis=0)[:, 1:3]
    np.testing.assert_allclose(chain["one"].points, expected, atol=1e-6)
    assert chain.info["steps"] == ["select(template != 1)", "without(template)", "means(label)", "project"]
    again = pickle.loads(pickle.dumps(chain))  # workers of joblib get stores
    np.testing.assert_array_equal(again["one"].points, chain["one"].points)


def test_a_cloud_in_use_is_not_computed_twice(store):
    derived = store.without("label")
    cloud = derived["one"]
    assert derived["one"] is cloud


def test_digests_tell_stores_apart(store, rng):
    same = ti.store_from_arrays({site: store[site].points for site in store}, store.rows, groups=["template"])
    assert same.digest() == store.digest()
    changed = store["one"].points.copy()
    changed[3, 2] = np.nextafter(changed[3, 2], np.float32(9))
    other = [
        ti.store_from_arrays(
            {"one": changed, "two:input[1]": store["two:input[1]"].points}, store.rows, groups=["template"]
        ),
        ti.store_from_arrays(
            {"1": store["one"].points, "two:input[1]": store["two:input[1]"].points},
            store.rows,
            groups=["template"],
        ),
        ti.store_from_arrays(
            dict.fromkeys(store) | {s: store[s].points for s in store},
            store.rows.assign(label="a"),
            groups=["template"],
        ),
        ti.store_from_arrays({s: store[s].points for s in store}, store.rows),
        store.select(np.arange(12)[::-1]),
        store.project({"one": np.eye(5)}),
    ]
    assert len({s.digest() for s in other} | {store.digest()}) == len(other) + 1


def test_what_is_shown(store):
    assert repr(store) == "ActivationStore(2 sites, 12 rows; rows: item, label, template, sequence, order)"
    evil = ti.store_from_arrays({"<script>": np.eye(2)}, {"<b>": ["x", "y"]})
    shown = evil._repr_html_()
    assert (
        "<script>" not in shown
        and "<b>" not in shown
        and "&lt;script&gt;" in shown
        and "2 &times; 2" in shown
    )
    many = ti.store_from_arrays({str(i): np.eye(2) for i in range(50)})
    assert many._repr_html_().count("<tr>") == 41 and "and 10 more" in many._repr_html_()
