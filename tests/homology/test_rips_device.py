"""The recipe, the profile and the command line with a device, by the device code run on the CPU."""

from __future__ import annotations

import types

import cupy_on_host
import numpy as np
import pytest

import topo_interp as ti
from topo_interp.geometry import _device
from topo_interp.homology import landmark_rips

pytestmark = pytest.mark.usefixtures("device")


def lattice_circle(n: int) -> np.ndarray:
    """Integer points, so that the distances have the same bits on every backend."""
    angle = 2 * np.pi * np.arange(n) / n
    return np.rint(1000 * np.c_[np.cos(angle), np.sin(angle), np.sin(3 * angle) / 9]).astype(np.float32)


@pytest.mark.parametrize("recipe", [ti.Rips(landmarks=30), ti.Rips(landmarks=ti.until_certified(bars=1, max_points=60)), ti.Rips("chordal", landmarks=20)])
def test_landmarks_are_those_of_the_cpu(recipe):
    x = lattice_circle(90)
    here, there = recipe(x), recipe(x, device="cuda")
    if recipe.metric == "euclidean":
        assert here.to_gudhi() == there.to_gudhi()
    assert there.certificate.engine.endswith(" on cuda")
    for ours, theirs in zip(there.certificate.terms, here.certificate.terms, strict=True):
        assert ours.source == theirs.source and ours.up == pytest.approx(theirs.up, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("recipe", [ti.Rips(max_dim=1), ti.Rips("manhattan", max_dim=1, threshold=900.0), ti.Rips(max_dim=0)])
def test_bars_are_those_of_the_cpu(recipe):
    x = lattice_circle(90)
    here, there = recipe(x), recipe(x, device="cuda")
    for dim in range(recipe.max_dim + 1):
        assert np.array_equal(here[dim], there[dim])
    assert len(there[recipe.max_dim]) > 0


@pytest.fixture
def there(device, monkeypatch):
    """Takes rows to the device, as a CuPy array; what is read of them on the host is counted in ``Array.fetched``."""
    module = cupy_on_host.installed(monkeypatch)
    device.treat_arrays_as_on_device(True)
    return lambda x: x.view(module.ndarray)


@pytest.mark.parametrize(
    ("recipe", "engine", "fetched"),
    [
        (ti.Rips(max_dim=1), "auto", []),
        (ti.Rips("chordal", threshold=0.9), "auto", []),
        (ti.Rips(weights=ti.dtm(k=5)), "auto", []),
        (ti.Rips(landmarks=20), "auto", [90]),  # the sample
        (ti.Rips(max_dim=0), "spanning-tree", [90]),  # the sample of rows for the median distance
    ],
)
def test_points_on_the_device_stay_there(there, monkeypatch, recipe, engine, fetched):
    """But for their hash, which is taken of a few rows at a time: here of 20."""
    monkeypatch.setattr(_device, "_BLOCK", 60)
    x = lattice_circle(90)
    expected = recipe(x, engine=engine, device="cuda")
    cupy_on_host.Array.fetched.clear()
    found = recipe(there(x), engine=engine, device="cuda")
    assert cupy_on_host.Array.fetched == [20] * 4 + [10, *fetched]
    assert found.to_gudhi() == expected.to_gudhi() and found.certificate == expected.certificate
    assert found.scale == expected.scale and found.n == expected.n


@pytest.mark.parametrize("recipe", [ti.Rips(), ti.Rips(landmarks=2), ti.Rips(max_dim=0)])
def test_bad_points_on_the_device_are_refused(there, recipe):
    bad = lattice_circle(9)
    bad[4, 1] = np.nan
    for wrong, words in ((bad, "row 4 of .* has a NaN"), (bad[0], "two axes"), (bad[:0], "at least one"), (bad[:, :0], "at least one")):
        with pytest.raises(ti.InputError, match=words):
            recipe(there(wrong), device="cuda")


def test_cycles_of_points_on_the_device_are_read_there(there):
    x = lattice_circle(60)
    found, expected = ti.Rips(max_dim=1)(there(x), device="cuda"), ti.Rips(max_dim=1)(x, device="cuda")
    assert np.array_equal(found.cycle(1, 0).vertices, expected.cycle(1, 0).vertices)


def test_a_cloud_that_was_seen_by_a_device_is_read_there():
    x = lattice_circle(60)
    for recipe in (ti.Rips(), ti.Rips(landmarks=20), ti.Rips(max_dim=0)):
        found, expected = recipe(recipe.seen(x, device="cuda")), recipe(x, device="cuda")
        assert found.to_gudhi() == expected.to_gudhi() and found.certificate == expected.certificate


@pytest.mark.parametrize("recipe", [ti.Rips(), ti.Rips(landmarks=20), ti.Rips(max_dim=0)])
def test_rows_of_the_host_travel_and_are_kept_as_they_were_given(monkeypatch, recipe):
    monkeypatch.setattr(landmark_rips, "_SAMPLE", 30)  # so that the median reads some of the rows
    pd, torch = pytest.importorskip("pandas"), pytest.importorskip("torch")
    half = np.rint(lattice_circle(60) / 10).astype(np.float16)
    expected = recipe(half.astype(np.float32), device="cuda")
    tensor = torch.from_numpy(half)
    for given in (half, list(half), half.tolist(), pd.DataFrame(half), ti.PointCloud(half), tensor, tensor.bfloat16()):
        seen = recipe.seen(given, device="cuda")
        assert seen.origin is seen.rows is seen.data is given
        found = recipe(seen)
        assert found.to_gudhi() == expected.to_gudhi() and found.scale == expected.scale
        if recipe == ti.Rips():
            assert np.array_equal(found.cycle(1, 0).vertices, expected.cycle(1, 0).vertices)


def test_what_works_on_the_host_takes_a_copy(there):
    x = lattice_circle(60)
    for recipe in (ti.Rips(steps=(ti.centered(), ti.pca(2))), ti.Rips(steps=(ti.centered(),), landmarks=20)):
        found, expected = recipe(there(x), device="cuda"), recipe(x, device="cuda")
        assert found.to_gudhi() == expected.to_gudhi() and found.certificate == expected.certificate
    store = {"ring": there(x)}
    there_too, here = (ti.profile(each, ti.Rips(), device="cuda", progress=False) for each in (store, {"ring": x}))
    assert there_too.to_frame().equals(here.to_frame()) and not there_too.results[0].error


def test_a_profile_on_the_device():
    store = ti.store_from_arrays({"ring": lattice_circle(40), "line": np.c_[np.arange(40.0), np.zeros(40)]})
    here, there = (ti.profile(store, ti.Rips(max_dim=1), device=device, progress=False) for device in ("cpu", "cuda"))
    columns = ["site", "dim", "bars", "max_persistence", "status"]
    assert here.to_frame()[columns].equals(there.to_frame()[columns])


def test_a_profile_without_a_device_stops_before_the_first_site(monkeypatch):
    monkeypatch.delenv("TOPO_INTERP_CUDA_EMULATION")
    from topo_interp import _native

    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(_native, "importlib", types.SimpleNamespace(import_module=missing))
    with pytest.raises(ti.MissingEngineError, match="this build has no CUDA module"):
        ti.profile(ti.store_from_arrays({"ring": lattice_circle(8)}), ti.Rips(), device="cuda", progress=False)


def test_the_command_line_takes_a_device(tmp_path, capsys):
    from topo_interp.cli import app

    ti.store_from_arrays({"ring": lattice_circle(30)}).save(tmp_path / "ring.acts")
    arguments = ["report", str(tmp_path / "ring.acts"), "--out", str(tmp_path / "a.html"), "--metric", "euclidean", "--quiet"]
    with pytest.raises(SystemExit) as stop:
        app([*arguments, "--device", "cuda"])
    assert stop.value.code == 0 and (tmp_path / "a.html").is_file()
    with pytest.raises(SystemExit) as stop:
        app([*arguments, "--device", "gpu"])
    assert stop.value.code == 1 and "device is 'gpu'; 'cpu', 'cuda' or a numbered device" in capsys.readouterr().err
