"""Beside giotto-tda 0.6.2, with the old numpy and scikit-learn that it pins: its arrays come in, ours go out."""

from __future__ import annotations

import math
from importlib.metadata import version

import numpy as np
import pytest
from gtda.diagrams import Amplitude, BettiCurve, PersistenceEntropy
from gtda.homology import VietorisRipsPersistence

import topo_interp as ti

# giotto-tda calls names that its own pins deprecate; those warnings are its own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def cloud() -> np.ndarray:
    rng = np.random.default_rng(0)
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return np.c_[np.cos(angles), np.sin(angles)] + rng.normal(scale=0.05, size=(60, 2))


@pytest.fixture(scope="module")
def theirs(cloud: np.ndarray) -> np.ndarray:
    # Their distances are float64, ours are stored as float32: given ours, the bars have to be equal.
    square = ti.DistanceMatrix.from_points(cloud).square()
    return VietorisRipsPersistence(metric="precomputed", homology_dimensions=(0, 1)).fit_transform(square[np.newaxis])


def test_this_is_the_old_stack():
    assert version("giotto-tda") == "0.6.2"
    assert int(np.__version__.split(".")[0]) == 1


def test_our_bars_are_theirs(cloud, theirs):
    ours = ti.Rips(max_dim=1)(cloud)
    assert len(ours[1]) > 0
    assert ti.same_bars(ours, ti.Diagrams.from_giotto(theirs))


def test_the_comparison_can_fail(cloud, theirs):
    ours = ti.Rips(max_dim=1)(cloud * 1.01)
    assert not ti.same_bars(ours, ti.Diagrams.from_giotto(theirs))


def test_round_trip(cloud):
    ours = ti.Rips(max_dim=1)(cloud)
    assert ti.same_bars(ti.Diagrams.from_giotto(ours.to_giotto()), ours)


def test_their_transformers_take_our_arrays(cloud):
    array = ti.Rips(max_dim=1)(cloud).to_giotto()
    longest = max(death - birth for birth, death in array[0][array[0][:, 2] == 1][:, :2])
    amplitude = Amplitude(metric="bottleneck", order=None).fit_transform(array)
    assert math.isclose(amplitude[0, 1], longest / 2, rel_tol=1e-9)
    assert PersistenceEntropy().fit_transform(array).shape == (1, 2)
    assert BettiCurve(n_bins=10).fit_transform(array).shape == (1, 2, 10)


@pytest.mark.parametrize("engine", ["ripser", "gudhi", "giotto-ph"])
def test_engines_on_the_old_stack(cloud, engine):
    assert ti.same_bars(ti.Rips(max_dim=1)(cloud, engine=engine), ti.Rips(max_dim=1)(cloud, engine="ripser"))


def test_summaries_on_the_old_stack(cloud):
    assert ti.max_persistence(dim=1)(ti.Rips(max_dim=1)(cloud)) > 1.0
