"""The circle in 50 dimensions, in its quick form: where Euclidean distances see nothing, the neighbor graph does."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import topo_interp as ti

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "high_dimension.py"


@pytest.fixture(scope="module")
def benchmark():
    return runpy.run_path(str(SCRIPT))


def test_the_quick_form_reproduces_the_known_scores(benchmark, tmp_path, monkeypatch, capsys):
    path = tmp_path / "figures.json"
    monkeypatch.setattr(sys, "argv", ["high_dimension.py", "--quick", "--json", str(path)])
    benchmark["main"]()
    figures = json.loads(path.read_text())
    mean = {metric: figures[f"high_dimension/circle_0.25/{metric}"] for metric in benchmark["METRICS"]}
    assert mean["euclidean"] == 0
    # Three seeds of the ten: a standard error of 0.05 for most, 0.13 for k = 15.
    for metric, known in (("effective_resistance_100", 0.954), ("diffusion_15_8", 0.957), ("effective_resistance_15", 0.811)):
        assert abs(mean[metric] - known) < 0.2, metric
        assert mean[metric] > 0.5
    assert "diffusion_15_8" in capsys.readouterr().out


def test_the_score_by_hand(benchmark):
    score = benchmark["score"]

    def of(*bars):
        return ti.Diagrams.from_bars([[], list(bars)])

    assert score(of((1, 3), (1, 2)), 1) == 0.5
    assert score(of((1, 3), (1, 3), (1, 2)), 2) == 0.5
    assert score(of((1, 3)), 1) == 1
    assert score(of((1, 3)), 2) == 0  # fewer bars than features
    assert score(of((1, 1.2), (1, 1.1)), 1) == 0  # all ratios small: the whole diagram counts as noise
    assert score(of((10, 12), (1, 2)), 1) == 0.5  # one large ratio keeps all bars
    assert score(of(), 1) == 0


def test_being_off_is_measured_in_what_is_allowed(benchmark):
    off = benchmark["off"]
    assert off(np.array([0.5, 0.5]), 0.55) == pytest.approx(1)
    assert off(np.array([0.0, 1.0]), 0.0) == pytest.approx(0.5 / (2 * np.sqrt(0.5) / np.sqrt(2)))


def test_the_clouds_are_the_shapes_in_fifty_dimensions(benchmark):
    for shape, rank in (("circle", 2), ("torus", 3)):
        points = benchmark["cloud"](shape, 0.0, 3, n=400)
        assert points.shape == (400, 50) and np.linalg.matrix_rank(points, tol=1e-8) == rank
    circle = benchmark["cloud"]("circle", 0.0, 3)
    assert np.allclose(np.linalg.norm(circle, axis=1), 1) and np.allclose(circle[0], circle[-1])
    rng = np.random.default_rng(0)
    torus = benchmark["torus"](4000, rng)
    ring = np.hypot(torus[:, 0], torus[:, 1])
    assert np.allclose((ring - 2) ** 2 + torus[:, 2] ** 2, 1)
    assert abs(ring.mean() - 2.25) < 0.05  # uniform by area: E[2 + cos v] = 2 + 1/4
