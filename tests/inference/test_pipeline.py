"""How the jobs of a pipeline run, beside the tests of what goes through it."""

from __future__ import annotations

import warnings

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
