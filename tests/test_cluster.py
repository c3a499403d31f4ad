"""joblib's parallel_config carries the long calls to a cluster, with the same results."""

from __future__ import annotations

import joblib
import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster

import topo_interp as ti


def made_store(step):
    rng = np.random.default_rng(step)
    return ti.store_from_arrays({site: rng.normal(size=(40, 3)) for site in ("a", "b")})


@pytest.fixture
def two_workers(tmp_path):
    """A dask cluster of two worker processes on this machine, joblib's backend for the test."""
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path))
    with cluster, Client(cluster) as client, joblib.parallel_config(backend="dask"):
        yield client


def tasks_of_joblib(dask_scheduler):
    return sum(prefix.state_counts["memory"] + prefix.state_counts["released"] for prefix in dask_scheduler.task_prefixes.values())


@pytest.mark.filterwarnings("default")  # what dask warns about is its own
def test_track_and_profile_on_a_dask_cluster(two_workers):
    recipe, options = ti.Rips(steps=(ti.centered(),)), {"subsamples": 10, "progress": False}
    stores = {step: made_store(step) for step in (0, 10, 20)}
    carried, here = ti.track(stores, recipe, n_jobs=2, **options), ti.track(stores, recipe, n_jobs=1, **options)
    assert two_workers.run_on_scheduler(tasks_of_joblib) > 0, "nothing was sent to the cluster"
    pd.testing.assert_frame_equal(carried.to_frame(), here.to_frame(), check_exact=True)
    pd.testing.assert_frame_equal(carried.drift("previous"), here.drift("previous"), check_exact=True)
    pd.testing.assert_frame_equal(carried.events(), here.events(), check_exact=True)
    profiled = ti.profile(made_store(0), recipe, n_jobs=2, progress=False)
    pd.testing.assert_frame_equal(profiled.to_frame(), ti.profile(made_store(0), recipe, progress=False).to_frame(), check_exact=True)
