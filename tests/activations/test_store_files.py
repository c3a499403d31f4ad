"""Stores on disk: whole or not there, every changed byte found, readable by others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import topo_interp as ti
from topo_interp.activations.encoding import centered_encode, decode
from topo_interp.activations.files import ShardWriter, StoreFolder


@pytest.fixture
def store():
    rng = np.random.default_rng(0)
    arrays = {
        "encoder.layer.0": rng.normal(size=(30, 7)).astype(np.float32),
        "encoder/odd:input[1]": rng.normal(size=(30, 3)),
        "ENCODER.LAYER.0": rng.normal(size=(30, 7)).astype(np.float32),
    }
    rows = {
        "label": ["März", "</script>", None] * 10,
        "template": np.arange(30) // 3,
        "weight": [0.5, np.nan, 2.0] * 10,
    }
    return ti.store_from_arrays(arrays, rows, groups=["template"])


@pytest.fixture
def folder(store, tmp_path):
    return store.save(tmp_path / "deep" / "store")


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir())


def test_a_round_trip_keeps_everything(store, folder):
    opened = ti.open_store(folder)
    assert opened.sites == store.sites and opened.groups == store.groups == ("template",)
    for site in store:
        np.testing.assert_array_equal(opened[site].points, store[site].points)
        assert opened[site].points.dtype == store[site].points.dtype
        assert opened.shape(site) == store.shape(site)
        assert opened[site].digest() == store[site].digest()
    assert opened.rows.astype(object).where(opened.rows.notna(), None).to_dict("list") == store.rows.astype(
        object
    ).where(store.rows.notna(), None).to_dict("list")
    assert opened.digest() == store.digest()
    opened.verify()
    assert str(folder) in repr(opened)


def test_a_derived_store_is_saved_as_it_is(store, tmp_path):
    derived = store.select("template > 4").without(by="template")
    opened = ti.open_store(derived.save(tmp_path / "derived"))
    np.testing.assert_array_equal(opened["encoder.layer.0"].points, derived["encoder.layer.0"].points)
    assert list(opened["encoder.layer.0"].rows) == list(range(15, 30))
    assert opened.digest() == derived.digest()
    assert opened.info["steps"] == ["select(template > 4)", "without(template)"]
    # a store that was opened can be saved again, and is the same
    again = ti.open_store(opened.save(tmp_path / "again"))
    assert again.digest() == opened.digest()


def test_the_points_are_mapped_not_read(folder):
    points = ti.open_store(folder)["encoder.layer.0"].points
    base = points
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap) and not points.flags.writeable
    assert points.ctypes.data % 64 == 0


def test_shards_are_plain_safetensors(store, folder):
    shards = [path for path in files(folder) if path.suffix == ".safetensors"]
    assert len(shards) == 3
    for path, site in zip(shards, store):
        np.testing.assert_array_equal(load_file(path)["points"], store[site].points)
        with safe_open(path, "np") as shard:
            assert shard.metadata() == {"site": site}


def test_a_store_is_read_without_torch_and_without_pickle(folder):
    code = (
        "import sys, pickle\n"
        "def refuse(*_, **__): raise SystemExit('unpickled')\n"
        "import topo_interp as ti\n"
        "pickle.loads = pickle.load = pickle.Unpickler = refuse\n"
        f"store = ti.open_store({str(folder)!r}); store.verify()\n"
        "print(store['encoder.layer.0'].points.sum() == store['encoder.layer.0'].points.sum(), len(store.rows), 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert run.stdout.split() == ["True", "30", "False"]


# Every way to be broken


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("where", [0, 9, 100, -1])
def test_a_changed_byte_in_a_shard_is_found_at_the_first_read(folder, where):
    shard = files(folder)[1]
    flip(shard, where)
    opened = ti.open_store(folder)  # sizes are right, and bytes are looked at when they are needed
    site = opened.sites[1]
    assert opened[opened.sites[0]].shape == (30, 7)
    with pytest.raises(ti.SealError, match=rf"{shard.name} does not have the bytes that were sealed"):
        opened[site]
    with pytest.raises(ti.SealError, match=rf"changed since it was sealed: {shard.name};"):
        opened.verify()


def test_a_changed_row_table_is_found(folder):
    flip(folder / "rows.parquet", 200)
    opened = ti.open_store(folder)
    with pytest.raises(ti.SealError, match="rows.parquet does not have the bytes"):
        _ = opened.rows
    with pytest.raises(ti.SealError, match="rows.parquet"):
        _ = opened["encoder.layer.0"]
    with pytest.raises(ti.SealError, match="changed since it was sealed: rows.parquet"):
        opened.verify()


def test_a_changed_manifest_is_found(folder):
    path = folder / "manifest.json"
    original = path.read_text()
    manifest = json.loads(original)
    manifest["sites"]["encoder.layer.0"]["dtype"] = "float64"
    for text in (
        json.dumps(manifest),
        original.replace("template", "template2"),
        original.replace('"count": 30', '"count": 31'),
    ):
        assert text != original
        path.write_text(text)
        with pytest.raises(ti.SealError, match="manifest.json does not have the bytes that were sealed"):
            ti.open_store(folder)
    path.write_text(original[: len(original) // 2])
    with pytest.raises(ti.SealError, match="manifest.json is not JSON: it was changed or cut off"):
        ti.open_store(folder)
    path.write_text("{}")
    with pytest.raises(ti.SealError, match="not the manifest of a store"):
        ti.open_store(folder)
    path.write_text(json.dumps({"format": "topo-interp activations", "version": 99}))
    with pytest.raises(ti.SealError, match="format version 99; this package reads 1: upgrade"):
        ti.open_store(folder)


@pytest.mark.parametrize("name", ["0000-encoder.layer.0.safetensors", "rows.parquet"])
def test_a_file_that_is_cut_off_or_missing_is_named(folder, name):
    path = folder / name
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(ti.SealError, match=rf"{name} has {len(data) - 1} bytes; {len(data)} bytes were sealed"):
        ti.open_store(folder)
    path.unlink()
    with pytest.raises(ti.SealError, match=rf"{name} is missing; {len(data)} bytes were sealed"):
        ti.open_store(folder)


def test_a_file_that_goes_away_under_an_open_store_is_named(folder):
    used, fresh = ti.open_store(folder), ti.open_store(folder)
    site = "encoder.layer.0"
    assert len(used[site]) == 30
    (folder / "0000-encoder.layer.0.safetensors").unlink()
    (folder / "rows.parquet").unlink()
    for call in (lambda: used[site], lambda: fresh[site], lambda: fresh.rows, lambda: repr(fresh)):
        with pytest.raises(ti.SealError, match="is missing: it was sealed with the store; restore it"):
            call()
    with pytest.raises(ti.SealError, match="rows.parquet is missing"):
        fresh.verify()


def test_a_folder_without_a_manifest_is_no_store(folder, tmp_path):
    (folder / "manifest.json").unlink()
    with pytest.raises(ti.SealError, match="has no manifest.json: the writing was cut off"):
        ti.open_store(folder)
    with pytest.raises(ti.InputError, match="no such folder"):
        ti.open_store(tmp_path / "nowhere")


def test_no_prefix_of_the_writing_is_a_store(store, tmp_path):
    """Look at the disk before each line of the writer: what a killed process leaves is a whole store, or refused."""
    place, snapshots, seen = tmp_path / "out", [], set()
    place.mkdir()

    def look(frame, _event, _argument):
        if frame.f_code.co_filename.endswith(os.path.join("activations", "files.py")):
            state = tuple(sorted((str(path), path.stat().st_size) for path in place.rglob("*")))
            if state not in seen:
                seen.add(state)
                snapshots.append(shutil.copytree(place, tmp_path / f"snapshot{len(snapshots)}"))
        return look

    sys.settrace(look)
    try:
        store.save(place / "s")
    finally:
        sys.settrace(None)
    snapshots.append(place)
    assert len(snapshots) > 10
    cut_off = whole = 0
    for snapshot in snapshots:
        for left in snapshot.iterdir():
            if left.name == "s" or (left / "manifest.json").exists():
                ti.open_store(left).verify()
                whole += left.name == "s"
            else:
                with pytest.raises(ti.SealError, match="has no manifest.json: the writing was cut off"):
                    ti.open_store(left)
                cut_off += 1
    assert cut_off > 8 and whole > 0


def test_an_error_leaves_nothing_behind(tmp_path):
    store = ti.store_from_arrays({"x": np.eye(2)}, {"mixed": [1, "a"]})
    with pytest.raises(ti.InputError, match=r"the column 'mixed' can not be written .*\.astype\(str\)"):
        store.save(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_path_is_refused(store, folder, tmp_path):
    with pytest.raises(ti.InputError, match=r"exists already; remove it \(shutil.rmtree\) or choose another"):
        store.save(folder)
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ti.InputError, match="exists already"):
        store.save(file)
    assert file.read_text() == "x"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert ti.open_store(store.save(empty)).sites == store.sites


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_the_folder_has_ordinary_permissions(folder, tmp_path):
    (tmp_path / "plain").mkdir()
    assert folder.stat().st_mode == (tmp_path / "plain").stat().st_mode


# Shards


def test_a_shard_grows_by_pieces(tmp_path):
    rng = np.random.default_rng(1)
    points = rng.normal(size=(1000, 5)).astype(np.float32)
    whole = ShardWriter(tmp_path / "a", "x", "float32", 5, None)
    whole.append(points)
    pieces = ShardWriter(tmp_path / "b", "x", "float32", 5, None)
    for first in range(0, 1000, 7):
        pieces.append(points[first : first + 7])
    assert whole.finish()["sha256"] == pieces.finish()["sha256"]


def test_a_shard_is_thinned(tmp_path):
    points = np.arange(60, dtype=np.float32).reshape(20, 3)
    with StoreFolder(tmp_path / "s") as store:
        shard = store.shard("x", "float32", 3)
        shard.append(points)
        shard.keep(np.array([1, 4, 19]))
        shard.append(points[:2])
        shard.finish()
        np.testing.assert_array_equal(load_file(shard.path)["points"], points[[1, 4, 19, 0, 1]])
    assert not list(tmp_path.iterdir())


# 16 bits


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bits_round_like_torch(dtype):
    import torch

    rng = np.random.default_rng(2)
    exponents = rng.integers(-20, 15, size=20000)
    x = (rng.normal(size=20000) * 2.0**exponents).astype(np.float32).reshape(-1, 4)
    x[0] = [0.0, -0.0, 1.00390625, 1.01171875]  # ties, to even
    expected = torch.from_numpy(x).to(getattr(torch, dtype)).float().numpy()
    np.testing.assert_array_equal(decode(centered_encode(x, dtype, None), dtype, None), expected)
