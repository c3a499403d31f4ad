"""The estimate before a run: memory held against what a process really takes, time against a real run, budgets refused."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

import topo_interp as ti


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cost-cache"))


def test_phases_add_up():
    cost = ti.cost(ti.Rips(max_dim=1), 3000, 20)
    frame = cost.to_frame()
    assert list(frame["phase"]) == ["distances", "persistence"]
    assert frame["bytes"].sum() == cost.bytes and frame["seconds"].sum() == pytest.approx(cost.seconds)
    assert cost.engine == "links" and "3000 x 20" in str(cost)


@pytest.mark.alone
def test_time_is_of_the_right_order():
    recipe = ti.Rips(max_dim=1)
    points = np.random.default_rng(0).normal(size=(1500, 20)).astype(np.float32)
    predicted = ti.cost(recipe, *points.shape).seconds
    began = time.perf_counter()
    recipe(points)
    measured = time.perf_counter() - began
    assert measured / 8 < predicted < measured * 8


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak is read from /proc")
def test_memory_is_of_the_right_order():
    code = """if True:
        import re
        import numpy as np
        import topo_interp as ti
        # Not getrusage: its peak is inherited from the process that forked this one.
        kilobytes = lambda field: int(re.search(field + r":\\s+(\\d+)", open("/proc/self/status").read())[1])
        points = np.random.default_rng(0).normal(size=(4000, 8)).astype(np.float32)
        ti.Rips(max_dim=1)(points[:300])
        before = kilobytes("VmRSS")
        ti.Rips(max_dim=1)(points)
        print((kilobytes("VmHWM") - before) * 1024)
    """
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    predicted = ti.cost(ti.Rips(max_dim=1), 4000, 8).bytes
    assert predicted / 3 < int(run.stdout) < predicted * 1.5


def test_calibration_is_cached():
    recipe = ti.Rips(max_dim=1, field=5)
    first = ti.cost(recipe, 2000, 7)
    assert ti.cost(recipe, 2000, 7) == first


def test_cost_grows_with_n():
    small, large = (ti.cost(ti.Rips(max_dim=1), n, 20) for n in (5000, 20000))
    assert large.bytes > 15 * small.bytes and large.seconds > 15 * small.seconds


def test_over_budget_says_what_fits():
    points = np.zeros((2000, 2), dtype=np.float32) + np.arange(2000, dtype=np.float32)[:, None]
    with pytest.raises(ti.BudgetError, match=r"2000 points need .* take about (\d+) of the rows") as caught:
        ti.Rips(max_dim=1)(points, memory="1MB")
    fits = int(str(caught.value).split("take about ")[1].split()[0])
    assert len(ti.Rips(max_dim=1)(points[:fits], memory="1MB")) > 0  # the number named does fit


@pytest.mark.parametrize(("n", "d"), [(0, 3), (3, 0), (2.5, 3), (True, 3)])
def test_sizes_are_checked(n, d):
    with pytest.raises(ti.InputError, match="is needed"):
        ti.cost(ti.Rips(), n, d)
