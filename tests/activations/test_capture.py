"""Captures of plain networks, against hooks written by hand and direct computation."""

from __future__ import annotations

import signal
import tracemalloc

import numpy as np
import pytest

import topo_interp as ti

torch = pytest.importorskip("torch")
nn = torch.nn


@pytest.fixture
def mlp():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, 8), nn.ReLU(inplace=True), nn.Linear(8, 6), nn.ReLU(inplace=True), nn.Linear(6, 3)
    )


@pytest.fixture
def x():
    return torch.randn(23, 5, generator=torch.Generator().manual_seed(1))


def capture(model, inputs, sites="*", **options):
    return ti.capture(model, inputs, sites, **({"rows": ti.every_row(), "progress": False} | options))


def array(tensor):
    return tensor.detach().numpy()


# What is captured


def test_an_mlp_with_inplace_relu(mlp, x):
    store = capture(mlp, x)
    assert store.sites == ("0", "1", "2", "3", "4")
    (w0, b0), (w2, b2), (w4, b4) = ((mlp[i].weight, mlp[i].bias) for i in (0, 2, 4))
    first = x @ w0.T + b0
    second = first.clamp(min=0) @ w2.T + b2
    last = second.clamp(min=0) @ w4.T + b4
    expected = {"0": first, "1": first.clamp(min=0), "2": second, "3": second.clamp(min=0), "4": last}
    for site, tensor in expected.items():
        np.testing.assert_allclose(store[site].points, array(tensor), atol=1e-6)
    assert (store["0"].points < 0).any()  # not what the ReLU made of it
    assert store["0"].points.dtype == np.float32
    assert list(store.rows["item"]) == list(range(23)) and store.groups == ()


@pytest.mark.parametrize("size", [1, 4, 23, 50])
def test_batches_of_every_kind_give_the_same_rows(mlp, x, size):
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x), batch_size=size)
    whole = capture(mlp, x)
    for inputs in (
        loader,
        list(x.split(size)),
        (t for t in x.split(size)),
        [{"input": t} for t in x.split(size)],
        (x,),
        x.numpy(),
    ):
        store = capture(mlp, inputs)
        for site in whole:
            np.testing.assert_allclose(store[site].points, whole[site].points, atol=1e-6)
        assert store.rows.equals(whole.rows)


def test_inputs_of_modules(mlp, x):
    store = capture(mlp, x, ["2:input", "0:input", "1"])
    np.testing.assert_array_equal(store["0:input"].points, array(x))
    # what went into layer 2, although the ReLU before it works in place
    np.testing.assert_array_equal(store["2:input"].points, store["1"].points)
    assert store.sites == ("0:input", "1", "2:input")  # in the order of the forward pass


class Arguments(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Adder()

    def forward(self, a, b):
        return self.inner(a, other=b, scale=2.0)


class Adder(nn.Module):
    def forward(self, value, scale=1.0, *, other):
        out = value * scale + other
        value.zero_()  # what a careless module may do to its input
        return out


def test_arguments_by_position_and_by_name(x):
    a, b = x.clone(), x.flip(0)
    store = capture(
        Arguments(),
        [(a.clone(), b)],
        ["inner:input", "inner:input[0]", "inner:input[other]", "inner", ":input[1]"],
    )
    np.testing.assert_array_equal(store["inner:input"].points, array(a))
    np.testing.assert_array_equal(store["inner:input[0]"].points, array(a))
    np.testing.assert_array_equal(store["inner:input[other]"].points, array(b))
    np.testing.assert_array_equal(store[":input[1]"].points, array(b))
    np.testing.assert_allclose(store["inner"].points, array(2 * a + b), rtol=1e-6)
    with pytest.raises(ti.InputError, match=r"'inner:input\[7\]': it has no entry \[7\]"):
        capture(Arguments(), [(a, b)], "inner:input[7]")


def test_a_cnn():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 9, 10)
    )
    images = torch.randn(6, 1, 8, 8)
    conv = nn.functional.conv2d(images, model[0].weight, model[0].bias)
    flat = capture(model, images)
    np.testing.assert_allclose(flat["0"].points, array(conv).reshape(6, -1), atol=1e-6)
    mean = capture(model, images, rows=ti.spatial_mean())
    np.testing.assert_allclose(mean["0"].points, array(conv).astype(float).mean(axis=(2, 3)), atol=1e-6)
    np.testing.assert_array_equal(mean["4"].points, flat["4"].points)
    last = capture(model, images, "0", rows=ti.spatial_mean(-1))
    np.testing.assert_allclose(last["0"].points, array(conv).astype(float).mean(axis=(1, 2)), atol=1e-6)
    with pytest.raises(
        ti.InputError, match=r"'0': it gives shape \(6, 4, 6, 6\); mean_pool\(\) needs .*ti.spatial_mean\(\)"
    ):
        capture(model, images, "0", rows=ti.mean_pool())


class Several(nn.Module):
    """Gives what its ``form`` says."""

    def __init__(self, form):
        super().__init__()
        self.inner = Former(form)

    def forward(self, x):
        self.inner(x)
        return x


class Former(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.form = form

    def forward(self, x):
        return self.form(x)


def test_tuples_lists_and_mappings(x):
    from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput

    loss = torch.tensor(1.0)
    forms = {
        "tuple": (lambda x: (x, 2 * x), "inner", 1),
        "entry": (lambda x: (x, 2 * x), "inner:output[1]", 2),
        "none first": (lambda x: (None, 3 * x), "inner", 3),
        "list": (lambda x: [x, 2 * x], "inner", 1),
        "nested": (lambda x: ((4 * x, x), x), "inner:output[0]", 4),
        "deep": (lambda x: (x, (x, {"h": 5 * x})), "inner:output[1][1][h]", 5),
        "hidden state": (lambda x: BaseModelOutput(last_hidden_state=6 * x, hidden_states=(x,)), "inner", 6),
        "logits, not loss": (lambda x: CausalLMOutput(loss=loss, logits=7 * x), "inner", 7),
        "named": (
            lambda x: BaseModelOutput(last_hidden_state=x, hidden_states=(x, 8 * x)),
            "inner:output[hidden_states][1]",
            8,
        ),
        "only one": (lambda x: {"out": 9 * x, "note": "text"}, "inner", 9),
    }
    for name, (form, site, factor) in forms.items():
        np.testing.assert_allclose(
            capture(Several(form), x, site)[site].points, factor * array(x), rtol=1e-6, err_msg=name
        )


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (lambda x: {"a": x, "b": x}, r"it gives a dict with 'a', 'b'; say which entry, as in ':output\[a\]'"),
        (lambda x: "text", "it gives a str, in which there is no tensor"),
        (lambda x: x.sum(), "it gives a single number"),
        (lambda x: x.argmax(1), r"it gives int64 \(shape \(23,\)\), not activations"),
        (lambda x: x > 0, "it gives bool"),
        (lambda x: x.to(torch.complex64), "it gives complex64"),
        (lambda x: x[:4], r"it gives shape \(4, 5\) for a batch of 23 items; if the model is sequence first"),
        (lambda x: x.to_sparse(), "it gives a sparse_coo tensor; a dense one is needed"),
        (lambda x: x / 0, "'inner' gives a NaN or an infinity in row 0 .*take it out with '!inner'"),
    ],
)
def test_what_gives_no_rows_is_an_error_when_named(x, form, words):
    with pytest.raises(ti.InputError, match=words):
        capture(Several(form), x, "inner")


def test_what_gives_no_rows_is_left_out_of_a_glob(x):
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.list = nn.ModuleList([nn.Linear(5, 5), nn.Linear(5, 5)])
            self.unused = nn.Linear(5, 5)
            self.counts = Former(lambda x: x.argmax(1))

        def forward(self, x):
            self.counts(x)
            return self.list[1](self.list[0](x))

    store = capture(Mixed(), x, "**")
    assert store.sites == ("list.0", "list.1")
    assert dict(store.left_out) == {
        "list": "it never ran",
        "unused": "it never ran",
        "counts": "it gives int64 (shape (23,)), not activations",
    }
    assert "3 modules left out" in repr(store)
    with pytest.raises(ti.InputError, match="the site 'unused': it never ran"):
        capture(Mixed(), x, ["**", "unused"])
    with pytest.raises(ti.InputError, match=r"no site gave rows for every_row\(\). 'counts': it gives int64"):
        capture(Mixed(), x, "counts*")


def test_a_single_coordinate(x):
    store = capture(Several(lambda x: x.sum(1)), x, "inner")
    np.testing.assert_allclose(store["inner"].points[:, 0], array(x.sum(1)), rtol=1e-6)
    assert store["inner"].shape == (23, 1)


# Modules that run several times


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(5, 5)
        self.act = nn.Tanh()
        self.head = nn.Linear(5, 2)
        self.same = self.cell

    def forward(self, x):
        for _ in range(3):
            x = self.act(self.cell(x))
        return self.head(x)


def loop_states(model, x):
    states = []
    for _ in range(3):
        states.append(x @ model.cell.weight.T + model.cell.bias)
        x = states[-1].tanh()
    return [array(s) for s in states]


def test_the_last_call_by_default(x):
    torch.manual_seed(0)
    model = Loop()
    store = capture(model, list(x.split(10)), "cell")
    np.testing.assert_allclose(store["cell"].points, loop_states(model, x)[-1], atol=1e-6)
    assert store.info["called_several_times"] == {"cell": 3}
    assert "call" not in store.rows


def test_all_calls_add_a_column(x):
    torch.manual_seed(0)
    model = Loop()
    store = capture(model, list(x.split(10)), ["cell", "act"], calls="all", labels=range(23))
    assert store.shape("cell") == (69, 5) and store.groups == ("item",)
    for call, state in enumerate(loop_states(model, x)):
        chosen = store.select("call == @call")
        assert list(chosen.rows["item"]) == list(range(23)) == list(chosen.rows["label"])
        np.testing.assert_allclose(chosen["cell"].points, state, atol=1e-6)
        np.testing.assert_allclose(chosen["act"].points, np.tanh(state), atol=1e-6)
    with pytest.raises(
        ti.InputError, match="run equally often; here: 'cell' 3, 'head' 1. Capture them separately"
    ):
        capture(model, x, ["cell", "head"], calls="all")


def test_a_shared_module_is_captured_once(x):
    model = Loop()
    store = capture(model, x, "**")
    assert store.sites == ("cell", "act", "head")
    assert dict(store.left_out) == {"same": "the same module as 'cell'"}
    both = capture(model, x, ["same", "cell"])
    np.testing.assert_array_equal(both["same"].points, both["cell"].points)


# The model stays as it is


class Recorder(nn.Module):
    """Counts its runs; raises when asked."""

    def __init__(self):
        super().__init__()
        self.runs, self.modes, self.fails = 0, [], None

    def forward(self, x):
        self.runs += 1
        self.modes.append((self.training, torch.is_grad_enabled()))
        if self.fails is not None and self.runs >= self.fails[0]:
            raise self.fails[1]
        return x


def traces(model):
    return (
        [
            (name, module.training, len(module._forward_hooks), len(module._forward_pre_hooks))
            for name, module in model.named_modules()
        ],
        {
            name: (tensor.clone(), tensor.device, tensor.dtype, tensor.data_ptr())
            for name, tensor in model.state_dict().items()
        },
        [(p.requires_grad, p.grad) for p in model.parameters()],
        torch.backends.mha.get_fastpath_enabled(),
        torch.is_grad_enabled(),
        torch.get_rng_state(),
    )


def assert_same_traces(before, after):
    assert before[0] == after[0] and before[2:5] == after[2:5]
    assert torch.equal(before[5], after[5])
    assert before[1].keys() == after[1].keys()
    for name, (tensor, *rest) in before[1].items():
        assert torch.equal(tensor, after[1][name][0]) and rest == list(after[1][name][1:])


@pytest.fixture
def stateful():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), Recorder(), nn.Linear(8, 2))
    model.train()
    model[1].eval()  # frozen, as in fine-tuning
    model[0].register_forward_hook(lambda *_: None)
    model[2].register_forward_pre_hook(lambda *_: None)
    return model


def test_nothing_of_the_model_changes(stateful, x):
    before = traces(stateful)
    store = capture(stateful, list(x.split(5)), ["*", "*:input"])
    assert_same_traces(before, traces(stateful))
    assert set(stateful[3].modes) == {(False, False)}  # evaluation mode, no gradients
    np.testing.assert_array_equal(store["2"].points, store["1"].points)  # no dropout
    stateful.train()
    with pytest.raises(AssertionError):  # the comparison can fail
        assert_same_traces(before, traces(stateful))


@pytest.mark.parametrize("error", [RuntimeError("in the model"), KeyboardInterrupt(), SystemExit()])
@pytest.mark.parametrize("disk", [False, True])
def test_after_an_exception_the_model_is_as_before(stateful, x, error, disk, tmp_path):
    stateful[3].fails = (3, error)
    before = traces(stateful)
    with pytest.raises(type(error)):
        capture(stateful, list(x.split(5)), "*", out=tmp_path / "store" if disk else None)
    assert stateful[3].runs == 3
    assert_same_traces(before, traces(stateful))
    assert list(tmp_path.iterdir()) == []  # no half store


@pytest.mark.alone
def test_an_interrupted_loader_leaves_nothing(stateful, x, tmp_path):
    def batches():
        yield x
        signal.raise_signal(signal.SIGINT)  # Ctrl-C
        yield x

    before = traces(stateful)
    with pytest.raises(KeyboardInterrupt):
        capture(stateful, batches(), out=tmp_path / "store")
    assert_same_traces(before, traces(stateful))
    assert list(tmp_path.iterdir()) == []


def test_an_overridden_train_method_is_not_called(x):
    class Merging(nn.Linear):
        def train(self, mode=True):
            raise AssertionError("train() of a module may do more than set the flag")

    model = Merging(5, 3)
    assert capture(model, x, ":output").shape(":output") == (23, 3) and model.training


# Stopping early


def test_the_forward_pass_stops_after_the_last_needed_site(x):
    tail = Recorder()
    model = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5), tail)
    store = capture(model, list(x.split(4)), ["0", "1"])
    assert tail.runs == 1  # the first of six batches shows what runs
    np.testing.assert_allclose(store["1"].points, array(model(x)), atol=1e-6)
    tail.runs = 0
    capture(model, list(x.split(4)), ["0", "2"])
    assert tail.runs == 6


def test_a_model_that_catches_exceptions_is_stopped_too(x):
    class Catching(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.tail = nn.Linear(5, 5), Recorder()

        def forward(self, x):
            try:
                x = self.inner(x)
            except Exception:  # noqa: BLE001 (a careless model)
                x = x * 0
            return self.tail(x)

    model = Catching()
    capture(model, list(x.split(4)), "inner")
    assert model.tail.runs == 1


def test_modules_that_run_several_times_are_not_cut_short(x):
    model = Loop()
    model.head = Recorder()
    capture(model, list(x.split(4)), "cell")
    assert model.head.runs == 6


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
