"""What only a CUDA device can show: `make test-cuda`. The logic is tested without one in test_device_*.py."""

from __future__ import annotations

import os

import numpy as np
import pytest
from oracle_distances import distances, hard_cloud

import topo_interp as ti

pytestmark = pytest.mark.cuda
METRICS = ("euclidean", "sqeuclidean", "manhattan", "chebyshev", "cosine", "chordal", "angular", "correlation", "hamming")


def torch_on_the_device():
    """torch, where it can use the device; where the device was demanded, it must."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        assert not os.environ.get("TOPO_INTERP_REQUIRE_CUDA"), "torch sees no CUDA device"
        pytest.skip("no CUDA device that torch can use")
    return torch


@pytest.mark.parametrize("metric", METRICS)
def test_the_device_computes_what_the_emulation_does(monkeypatch, metric):
    x = hard_cloud(700, 70)
    found = ti.pairwise_distances(x, metric=metric, device="cuda")
    matrix = ti.DistanceMatrix.from_points(x, metric, device="cuda")
    monkeypatch.setenv("TOPO_INTERP_CUDA_EMULATION", "1")
    same = ti.pairwise_distances(x, metric=metric, device="cuda")
    if metric == "angular":  # asin and atan2 differ from the host's in the last place
        assert np.allclose(found, same, rtol=3e-7, atol=0)
    else:
        assert np.array_equal(found, same)
    assert np.array_equal(matrix.square(), found)
    small = distances(x[:150], x[:150], metric)
    assert (np.abs(found[:150, :150] - small) <= 2.2e-6 * small).all()


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64", "int32"])
def test_tensors_stay_on_the_device(kind):
    torch = torch_on_the_device()
    x = torch.randint(-20, 20, (300, 17), device="cuda").to(getattr(torch, kind))
    out = ti.pairwise_distances(x, device="cuda")
    assert isinstance(out, torch.Tensor) and out.device == x.device
    want = ti.pairwise_distances(x.to(torch.float64).cpu().numpy()).astype(str(out.dtype).removeprefix("torch."))
    assert np.array_equal(out.cpu().numpy(), want)
    assert np.array_equal(ti.knn_graph(x, 4, device="cuda").distances[:, 0], np.sort(want + np.diag([np.inf] * 300), axis=1)[:, 0])


def test_work_is_ordered_on_the_stream_of_the_caller():
    torch = torch_on_the_device()
    with torch.cuda.stream(torch.cuda.Stream()):
        x = torch.zeros((4000, 512), device="cuda")
        for _ in range(50):  # still being written when the call is made
            x += 1
        x[:2000] *= 2
        out = ti.pairwise_distances(x, device="cuda")
    assert float(out[0, -1]) == float(np.float32(50 * np.sqrt(512)))


def test_bad_rows_on_the_device_are_named():
    torch = torch_on_the_device()
    x = torch.ones((5, 3), device="cuda")
    x[2, 1] = torch.nan
    with pytest.raises(ti.InputError, match="row 2 of x has a NaN"):
        ti.pairwise_distances(x, device="cuda")
    with pytest.raises(ti.InputError, match="say device='cuda:0'"):
        ti.pairwise_distances(x)


def test_graphs_are_those_of_the_cpu():
    x = np.random.default_rng(0).integers(0, 9, size=(20_000, 8)).astype(np.float32)
    a, b = ti.knn_graph(x, 15, device="cuda"), ti.knn_graph(x, 15)
    assert np.array_equal(a.indices, b.indices) and np.array_equal(a.distances, b.distances)
    a, b = ti.radius_graph(x, 5.0, device="cuda"), ti.radius_graph(x, 5.0)
    assert np.array_equal(a.indptr, b.indptr) and np.array_equal(a.indices, b.indices) and np.array_equal(a.distances, b.distances)
    landmarks = ti.farthest_points(x, 50)
    assert ti.distortion(x, landmarks, device="cuda") == ti.distortion(x, landmarks)


def test_cupy_arrays_stay_on_the_device():
    cupy = pytest.importorskip("cupy")
    x = cupy.asarray(hard_cloud(300, 20))
    out = ti.pairwise_distances(x, device="cuda")
    assert isinstance(out, cupy.ndarray) and out.device == x.device
    assert np.array_equal(out.get(), ti.pairwise_distances(x.get(), device="cuda"))


@pytest.mark.parametrize("library", ["torch", "cupy"])
@pytest.mark.parametrize("recipe", [ti.Rips(max_dim=1), ti.Rips("manhattan", landmarks=40), ti.Rips(max_dim=0), ti.Rips(steps=(ti.centered(),))])
def test_a_recipe_reads_points_where_they_are(library, recipe):
    x = np.random.default_rng(0).integers(-9, 9, size=(300, 6)).astype(np.float32)
    there = torch_on_the_device().from_numpy(x).cuda() if library == "torch" else pytest.importorskip("cupy").asarray(x)
    found, expected = recipe(there, device="cuda"), recipe(x, device="cuda")
    assert found.to_gudhi() == expected.to_gudhi() and found.certificate == expected.certificate


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_of_the_host_is_widened_on_the_device(kind):
    torch = torch_on_the_device()
    x = torch.from_numpy(hard_cloud(700, 40)).to(getattr(torch, kind))
    found = ti.pairwise_distances(x, device="cuda")
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, ti.pairwise_distances(x.float().numpy(), device="cuda"))
