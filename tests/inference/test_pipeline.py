"""How the jobs of a pipeline run, beside the tests of what goes through it."""

from __future__ import annotations

import warnings

import joblib
import numpy as np
import pytest

import topo_interp as ti
from topo_interp.inference import pipeline
from topo_interp.inference.pipeline import run_jobs


def test_the_warning_filters_are_the_callers_between_two_results():
    jobs = [(abs, (-k,)) for k in range(4)]
    with warnings.catch_warnings():
        before = list(warnings.filters)
        results = run_jobs(jobs, 2)
        assert next(results) == 0 and warnings.filters == before
        warnings.filterwarnings("error", message="the caller's own")
        kept = list(warnings.filters)
        assert list(results) == [1, 2, 3] and warnings.filters == kept


# loky's own thread can still look for a job that it has just been told to drop (a KeyError there, which changes nothing).
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_processes_are_told_to_end_when_nobody_waits_for_more(monkeypatch):
    results, real = [], joblib.Parallel

    def kept(**how):  # as a traceback keeps it
        return lambda calls: results.append(real(**how)(calls)) or results[0]

    monkeypatch.setattr(joblib, "Parallel", kept)
    monkeypatch.setattr(pipeline, "job_count", lambda n_jobs: n_jobs)
    some = run_jobs([(abs, (-k,)) for k in range(6)], 2)
    assert next(some) == 0
    some.close()
    assert results[0].gi_frame is None


@pytest.mark.parametrize(
    ("error", "words"), [(0.25, "by at most 0.25."), (np.float32(0.5), "by at most 0.5."), ("none", "is not known"), (True, "is not known"), (None, "is not known")]
)
def test_what_a_recipe_of_the_user_calls_an_error_need_be_no_number(error, words):
    class Found:
        certificate = "mine"

        def __init__(self):
            self.error = error

    x = np.random.default_rng(0).normal(size=(9, 2))
    found = ti.significance(x, lambda x: Found(), lambda _: 1.0, null=ti.nulls.matched_gaussian(), draws=2, seed=0)
    assert words in found.certificate.explain()
