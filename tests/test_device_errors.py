"""What is said where there is no CUDA module, no driver, or no such device."""

from __future__ import annotations

import types

import numpy as np
import pytest

import topo_interp as ti
from topo_interp import _native
from topo_interp.geometry import _device

X = np.eye(3, dtype=np.float32)


def without_module(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.delenv("TOPO_INTERP_CUDA_EMULATION", raising=False)
    monkeypatch.setattr(_native, "importlib", types.SimpleNamespace(import_module=missing))


def with_module(monkeypatch, devices, hash=None):
    fake = types.SimpleNamespace(
        build_info=lambda: {"architectures": "90-real", "source_hash": hash or _native.cpu.build_info()["source_hash"]},
        device_count=lambda: devices,
        why_no_device=lambda: "driver not found",
        device_info=lambda number: {"name": "a device"},
    )
    monkeypatch.setattr(_native, "importlib", types.SimpleNamespace(import_module=lambda name: fake))


CALLS = [
    lambda device: ti.pairwise_distances(X, device=device),
    lambda device: ti.DistanceMatrix.from_points(X, device=device),
    lambda device: ti.knn_graph(X, 1, device=device),
    lambda device: ti.radius_graph(X, 1.0, device=device),
    lambda device: ti.Rips(max_dim=1)(X, device=device),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_build_without_the_module_says_how_to_get_it(monkeypatch, call):
    without_module(monkeypatch)
    with pytest.raises(ti.MissingEngineError, match="this build has no CUDA module: .* make cuda, .* or compute with device='cpu'"):
        call("cuda")


@pytest.mark.parametrize("call", CALLS)
def test_a_machine_without_a_driver(monkeypatch, call):
    with_module(monkeypatch, 0)
    with pytest.raises(ti.MissingEngineError, match="no CUDA device: driver not found; run this on a machine with one"):
        call("cuda")


def test_a_number_that_no_device_has(monkeypatch):
    with_module(monkeypatch, 1)
    with pytest.raises(ti.MissingEngineError, match="no CUDA device 3: this process sees 1, numbered from 0"):
        ti.knn_graph(X, 1, device="cuda:3")


def test_a_module_of_other_sources(monkeypatch):
    with_module(monkeypatch, 1, hash="other")
    with pytest.raises(ti.MissingEngineError, match="built from other sources than the rest; build both again: make cuda"):
        ti.knn_graph(X, 1, device="cuda")


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:\u00b2", "mps", ""])
def test_a_name_that_is_no_device(device):
    with pytest.raises(ti.InputError, match="'cpu', 'cuda' or a numbered device such as 'cuda:1' is needed"):
        ti.pairwise_distances(X, device=device)


def test_build_info_says_what_is_there(monkeypatch):
    with_module(monkeypatch, 0)
    assert ti.build_info()["cuda"] == "built for 90-real; no CUDA device: driver not found"
    with_module(monkeypatch, 2)
    assert ti.build_info()["cuda"] == "built for 90-real; 2 device(s), the first is a device"
    without_module(monkeypatch)
    assert ti.build_info()["cuda"].startswith("not built: this build has no CUDA module")


def test_a_module_that_does_not_load_is_not_called_missing(monkeypatch):
    def broken(name):
        raise ImportError("libcuda.so has no symbol cuFoo")

    monkeypatch.delenv("TOPO_INTERP_CUDA_EMULATION", raising=False)
    monkeypatch.setattr(_native, "importlib", types.SimpleNamespace(import_module=broken))
    assert ti.build_info()["cuda"].startswith("the CUDA module of this build does not load: libcuda.so has no symbol")


@pytest.mark.parametrize("kind", ["windows", "expanded", "rows", "columns"])
def test_tensors_whose_rows_overlap_are_copied(kind):
    torch = pytest.importorskip("torch")
    line = torch.arange(12.0)
    given, copied = {
        "windows": (line.unfold(0, 4, 1), True),
        "expanded": (line[:4].expand(5, 4), True),
        "rows": (line.reshape(3, 4)[::2, :3], False),
        "columns": (line.reshape(3, 4).T, True),
    }[kind]
    stream = types.SimpleNamespace(current_stream=lambda device: types.SimpleNamespace(cuda_stream=7))
    rows, address = _device._of_torch(given, types.SimpleNamespace(cuda=stream), given.device.index, "x")
    assert torch.equal(rows, given) and address == 7
    assert rows.stride(1) == 1 and rows.stride(0) >= rows.shape[1]
    assert (rows.data_ptr() != given.data_ptr()) == copied
