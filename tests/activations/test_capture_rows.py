"""What a capture writes beside the points, with how many digits and where: label columns, precision, disk and memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from captures import array, capture

import topo_interp as ti

torch = pytest.importorskip("torch")
nn = torch.nn


# Columns


def test_label_columns(mlp, x):
    import pandas as pd

    columns = {"label": [f"l{i % 3}" for i in range(23)], "template": np.arange(23) // 5}
    frame = pd.DataFrame(columns, index=range(100, 123))
    for labels in (columns, frame, {name: list(column) for name, column in columns.items()}):
        store = capture(mlp, list(x.split(7)), "0", labels=labels, groups=["template"])
        assert list(store.rows.columns) == ["item", "label", "template"]
        assert list(store.rows["label"]) == columns["label"] and list(store.rows["template"]) == list(
            columns["template"]
        )
        assert store.groups == ("template",) == store["0"].groups
    assert list(capture(mlp, x, "0", labels=columns["label"]).rows["label"]) == columns["label"]


def test_labels_from_the_batches(mlp, x):
    y = torch.arange(23) % 4
    data = torch.utils.data.TensorDataset(x, y)
    loader = torch.utils.data.DataLoader(
        data, batch_size=6, shuffle=True, generator=torch.Generator().manual_seed(3)
    )
    store = capture(
        mlp,
        loader,
        "0",
        labels=lambda batch: {"digit": batch[1]},
        forward=lambda model, batch: model(batch[0]),
    )
    rows = {tuple(point): digit for point, digit in zip(store["0"].points, store.rows["digit"])}
    expected = capture(mlp, x, "0")["0"].points
    assert store.shape("0") == (23, 8) and not np.allclose(store["0"].points, expected)
    for point, digit in zip(expected, y.tolist()):
        nearest = min(rows, key=lambda other: np.abs(np.array(other) - point).max())
        assert rows[nearest] == digit


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": range(20)}, "'label' has 20 entries; the inputs have 23 items or more"),
        ({"labels": range(24)}, "'label' has 24 entries; the inputs had 23 items"),
        ({"labels": {"item": range(23)}}, "a column 'item', which the row table uses itself; rename it"),
        ({"labels": {3: range(23)}}, "a column 3; columns are named by strings"),
        ({"labels": "abc"}, "a label column is a str"),
        ({"labels": lambda batch: [1, 2]}, "labels gave 2 entries of 'label' for a batch of"),
        ({"groups": ["template"]}, "groups names 'template', which is no label column"),
        ({"labels": {"a": range(23)}, "groups": "b"}, r"groups names 'b', which is no label column \('a'\)"),
        ({"rows": "mean"}, "rows is 'mean'; give a row selector such as ti.every_row"),
        ({"dtype": "int8"}, "dtype is 'int8'; use one of float32, float64, float16, bfloat16"),
        ({"calls": "first"}, "calls is 'first'; use 'last' or 'all'"),
        ({"batch_axis": 2}, "batch_axis is 2"),
        ({"sites": "5"}, "'5' matches no module; nearest: '"),
        ({"inputs": []}, "the inputs hold no batch"),
        ({"inputs": ["text"]}, "strings; use ti.capture_text"),
        ({"inputs": 3}, "inputs is a int; give a DataLoader"),
        (
            {"inputs": (torch.ones(3, 5), torch.ones(2, 5))},
            r"may be one batch or several: say \[\(a, b\)\] for one",
        ),
    ],
)
def test_wrong_arguments(mlp, x, options, words):
    arguments = {"inputs": list(x.split(10)), "sites": "*"} | options
    with pytest.raises(ti.InputError, match=words):
        capture(mlp, arguments.pop("inputs"), arguments.pop("sites"), **arguments)


def test_pairs_of_inputs_and_targets_are_explained(mlp, x):
    with pytest.raises(
        ti.InputError,
        match=r"a batch of 2 entries does not fit Sequential.forward.*forward=lambda model, batch: model\(batch\[0\]\)",
    ):
        capture(mlp, [(x, x)])


def test_a_width_that_changes_is_named(x):
    inputs = [torch.randn(2, 1, 8), torch.randn(2, 1, 9)]
    with pytest.raises(ti.InputError, match=r"'0', batch 1: its rows have 9 coordinates, before 8"):
        capture(nn.Sequential(nn.Identity()), inputs)


# Precision


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("disk", [False, True])
def test_dtypes(dtype, disk, tmp_path):
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    x[:, 2] += 1500.0  # a massive, nearly constant coordinate
    store = capture(
        nn.Sequential(nn.Identity()), list(x.split(8)), "0", dtype=dtype, out=tmp_path / "s" if disk else None
    )
    points, (stored, name, offset) = store["0"].points, store.stored("0")
    assert name == dtype and points.dtype == (np.float64 if dtype == "float64" else np.float32)
    if dtype == "float64":
        np.testing.assert_array_equal(points, array(x))
    elif dtype == "float32":
        np.testing.assert_array_equal(points, array(x.float()))
    else:
        # the mean of the first batch is subtracted before the rounding, and points are float32(stored) + offset
        np.testing.assert_allclose(offset, array(x[:8].float().double().mean(0)), rtol=1e-6)
        half = torch.from_numpy(array(x.float()) - offset).to(getattr(torch, dtype))
        np.testing.assert_array_equal(points, half.float().numpy() + offset)
        assert stored.dtype.itemsize == 2
        if dtype == "bfloat16":
            np.testing.assert_array_equal(stored, half.view(torch.uint16).numpy())
        # rounding as it is would be useless for distances in that coordinate
        naive = x.to(getattr(torch, dtype)).double()[:, 2] - x[:, 2]
        ours = points[:, 2] - array(x[:, 2])
        assert np.abs(ours).max() < np.abs(array(naive)).max() / 20
    if disk:
        again = ti.open_store(tmp_path / "s")
        np.testing.assert_array_equal(again["0"].points, points)


def test_a_sixteen_bit_store_is_kept_by_saving_and_selecting(x, tmp_path):
    store = capture(nn.Sequential(nn.Identity()), x, "0", dtype="bfloat16")
    opened = ti.open_store(store.save(tmp_path / "s"))
    assert opened.stored("0")[1] == "bfloat16" and opened.digest() == store.digest()
    np.testing.assert_array_equal(opened["0"].points, store["0"].points)
    np.testing.assert_array_equal(opened.select("item > 20")["0"].points, store["0"].points[21:])


def test_float16_overflow_is_refused(x):
    with pytest.raises(
        ti.InputError, match="'0' has values beyond float16 .*use dtype='bfloat16' or 'float32'"
    ):
        capture(nn.Sequential(nn.Identity()), x * 1e6, "0", dtype="float16")


def test_a_half_precision_model_is_widened_exactly(x):
    model = nn.Sequential(nn.Linear(5, 8)).to(torch.bfloat16)
    half = x.to(torch.bfloat16)
    store = capture(model, half, "0")
    np.testing.assert_array_equal(store["0"].points, array(model(half).float()))


# Disk and memory


def test_another_type_of_numbers_is_told_apart_from_other_failures(mlp, x):
    with pytest.raises(ti.InputError, match=r"parameters are float32 and a batch holds float64 .*; convert .* x.astype\('float32'\)"):
        capture(mlp, x.double().numpy())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        capture(mlp, x[:, :3])
    with pytest.raises(ti.InputError, match=r"groups is 3; names of columns"):
        capture(mlp, x, groups=3)


def test_a_capture_to_disk_is_that_in_memory(mlp, x, tmp_path):
    labels = {"label": [f"ä{i}" for i in range(23)], "group": [i // 4 for i in range(23)]}
    memory = capture(mlp, list(x.split(6)), labels=labels, groups=["group"])
    disk = capture(mlp, list(x.split(6)), labels=labels, groups=["group"], out=tmp_path / "deep" / "s")
    assert disk.digest() == memory.digest() == ti.open_store(tmp_path / "deep" / "s").digest()
    assert (
        dict(disk.info) == dict(memory.info) and disk.info["model"] == "torch.nn.modules.container.Sequential"
    )
    assert memory.digest() == ti.open_store(memory.save(tmp_path / "t")).digest()
    disk.verify()
    for site in memory:
        np.testing.assert_array_equal(disk[site].points, memory[site].points)
    runs = []
    mlp[0].register_forward_hook(lambda *_: runs.append(1))
    with pytest.raises(ti.InputError, match="exists already"):
        capture(mlp, x, out=tmp_path / "t")
    assert runs == []  # refused before anything ran


def peak(function):
    """Most memory that numpy and Python held during a call."""
    tracemalloc.start()
    function()
    top = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return top


def test_memory_does_not_grow_with_the_batches(tmp_path):
    model, size = nn.Sequential(nn.Identity()), 64 * 1024 * 4

    def batches(count):
        for _ in range(count):
            yield torch.ones(64, 1024)

    few, many = (
        peak(lambda count=count: capture(model, batches(count), "0", out=tmp_path / str(count)))
        for count in (10, 60)
    )
    assert many < few + 4 * size  # 50 further batches, and less than 4 of them held
    assert peak(lambda: capture(model, batches(60), "0")) > 60 * size  # in memory, all are
