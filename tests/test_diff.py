"""Diffs: the measures of their parts, p-values that find a shared structure and do not invent one."""

from __future__ import annotations

import numpy as np
import pytest

import topo_interp as ti

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4))
A = {"same": X, "noisy": X, "other": RNG.normal(size=(40, 4)), "only a": X, "flat": np.ones((40, 2))}
B = {"flat": np.ones((40, 2)), "same": 3 * X @ np.linalg.qr(RNG.normal(size=(4, 4)))[0], "noisy": X + 0.2 * RNG.normal(size=(40, 4)), "other": X}


@pytest.fixture(scope="module")
def found():
    return ti.diff(ti.store_from_arrays(A), ti.store_from_arrays(B), ti.Rips(), draws=39, seed=1, progress=False)


def test_values_are_those_of_the_measures(found):
    frame = found.to_frame().set_index("site")
    assert list(frame.index) == ["same", "noisy", "other", "flat"]
    row = frame.loc["noisy"]
    for measure in (ti.rtd, ti.merge_order, ti.cka, ti.procrustes):
        one = measure(A["noisy"], B["noisy"], subsamples=20, seed=1)
        assert row[one.measure] == one.value
        assert (row[f"{one.measure}_low"], row[f"{one.measure}_high"]) == one.interval
    assert row["mean_norm_a"] == pytest.approx(np.linalg.norm(X, axis=1).mean()) and row["mean_norm_b"] != row["mean_norm_a"]
    same = frame.loc["same"]
    assert same["rtd"] == pytest.approx(0, abs=1e-4) and same["bottleneck_dim1"] == pytest.approx(0, abs=1e-5)
    assert same["cka"] == pytest.approx(1) and same["bottleneck_bound"] > 0


def test_p_values(found):
    frame = found.to_frame().set_index("site")
    names = ["rtd", "merge_order", "cka", "procrustes"]
    assert (frame.loc["same", [f"{name}_p_max_t" for name in names]] == 1 / 40).all()
    assert frame.loc["noisy", "cka_p_max_t"] == 1 / 40
    assert (frame.loc["other", [f"{name}_p_max_t" for name in names]] > 0.05).all()
    for name in names:
        assert (frame[f"{name}_p_max_t"].dropna() >= frame[f"{name}_p"].dropna()).all()
    assert found.about["tests"] == 12


def test_a_site_that_can_not_be_compared_is_a_row(found):
    row = found.to_frame().set_index("site").loc["flat"]
    assert np.isnan(row["rtd"]) and "rtd is not defined here" in row["error"]


def test_stores_that_do_not_pair():
    with pytest.raises(ti.InputError, match="no site is in both"):
        ti.diff({"a": X}, {"b": X}, ti.Rips(), progress=False)
    with pytest.raises(ti.InputError, match="different rows: 40 and 39 rows"):
        ti.diff(ti.store_from_arrays({"a": X}), ti.store_from_arrays({"a": X[:39]}), ti.Rips(), progress=False)
