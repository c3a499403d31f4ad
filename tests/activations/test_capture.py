"""Captures of plain networks, against hooks written by hand and direct computation."""

from __future__ import annotations

import numpy as np
import pytest
from captures import array, capture

import topo_interp as ti

torch = pytest.importorskip("torch")
nn = torch.nn


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
