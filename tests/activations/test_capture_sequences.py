"""Sequence models: padding on either side, nested and packed tensors, axes in either order, decoders."""

from __future__ import annotations

import numpy as np
import pytest
from captures import array

import topo_interp as ti

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")

LENGTHS = (5, 2, 4, 1)


def capture(model, inputs, sites="*", **options):
    return ti.capture(model, inputs, sites, **({"rows": ti.every_token(), "progress": False} | options))


def padded(sequences, side, fill=0.0):
    """(items, positions, ...) and bool (items, positions), True at real tokens."""
    longest = max(len(sequence) for sequence in sequences)
    out = torch.full((len(sequences), longest, *sequences[0].shape[1:]), fill, dtype=sequences[0].dtype)
    real = torch.zeros(len(sequences), longest, dtype=torch.bool)
    for row, flags, sequence in zip(out, real, sequences):
        place = slice(0, len(sequence)) if side == "right" else slice(longest - len(sequence), longest)
        row[place] = sequence
        flags[place] = True
    return out, real


@pytest.fixture
def sequences():
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(length, 16, generator=generator) for length in LENGTHS]


# nn.TransformerEncoder


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.1)
    return nn.TransformerEncoder(layer, 2).train()


def by_itself(encoder, sequence):
    """The outputs of each layer for one sequence, without any padding or fused path."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        encoder.eval()
        x, out = sequence[None], []
        for layer in encoder.layers:
            x = layer(x)
            out.append(array(x[0]))
        return out
    finally:
        encoder.train()
        torch.backends.mha.set_fastpath_enabled(True)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_transformer_encoder_with_a_padding_mask(encoder, sequences, side):
    x, real = padded(sequences, side, fill=1e3)  # padding that would be seen in any mean
    store = capture(encoder, {"src": x, "src_key_padding_mask": ~real}, "layers.*")
    expected = [np.concatenate(parts) for parts in zip(*(by_itself(encoder, s) for s in sequences))]
    for layer in (0, 1):
        np.testing.assert_allclose(store[f"layers.{layer}"].points, expected[layer], atol=2e-6)
    assert list(store.rows["item"]) == np.repeat(range(4), LENGTHS).tolist() == list(store.rows["sequence"])
    assert list(store.rows["position"]) == [t for length in LENGTHS for t in range(length)]
    assert store.groups == ("sequence",)
    assert encoder.training and torch.backends.mha.get_fastpath_enabled()


def test_all_modules_of_the_encoder_run(encoder, sequences):
    x, real = padded(sequences, "right")
    store = capture(encoder, {"src": x, "src_key_padding_mask": ~real}, "**", rows=ti.mean_pool())
    assert {"layers.0.linear1", "layers.1.norm2", "layers.1.dropout", "layers.0.self_attn"} <= set(
        store.sites
    )
    # out_proj is used through its weights only, the list has no forward pass
    assert set(store.left_out) == {"layers", "layers.0.self_attn.out_proj", "layers.1.self_attn.out_proj"}


def test_a_site_has_the_same_bits_beside_other_sites(encoder, sequences):
    x, real = padded(sequences, "right")
    batch = {"src": x, "src_key_padding_mask": ~real}
    nested = []
    encoder.layers[0].register_forward_hook(lambda _module, _args, out: nested.append(out.is_nested))
    alone, beside = capture(encoder, batch, "layers.1"), capture(encoder, batch, "**")
    np.testing.assert_array_equal(alone["layers.1"].points, beside["layers.1"].points)
    np.testing.assert_array_equal(
        capture(encoder, batch, ":output")[":output"].points, alone["layers.1"].points
    )
    assert nested == [False] * 3  # the fused path was off


def test_the_fused_encoder_gives_nested_tensors_that_are_unpacked(encoder, sequences, monkeypatch):
    monkeypatch.setattr(
        torch.backends.mha, "set_fastpath_enabled", lambda _: None
    )  # a torch that can not do without
    x, real = padded(sequences, "right")
    nested = []
    encoder.layers[0].register_forward_hook(lambda _module, _args, out: nested.append(out.is_nested))
    store = capture(encoder, {"src": x, "src_key_padding_mask": ~real}, ["layers.*", ":output"])
    assert nested == [True]
    monkeypatch.undo()
    for layer, parts in enumerate(zip(*(by_itself(encoder, s) for s in sequences))):
        np.testing.assert_allclose(store[f"layers.{layer}"].points, np.concatenate(parts), atol=2e-6)
    np.testing.assert_allclose(store[":output"].points, store["layers.1"].points, atol=2e-6)


def test_a_float_padding_mask(encoder, sequences):
    x, real = padded(sequences, "right")
    added = torch.zeros(real.shape).masked_fill(~real, -torch.inf)
    for mask in (~real, added):
        store = capture(encoder, (x, None, mask), "layers.1", rows=ti.mean_pool())
        expected = np.stack([by_itself(encoder, s)[1].astype(float).mean(0) for s in sequences])
        np.testing.assert_allclose(store["layers.1"].points, expected, atol=2e-6)


def test_nested_tensors(sequences):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 3), nn.ReLU())
    store = capture(model, torch.nested.nested_tensor(sequences), ["0", "1:input"])
    expected = array(torch.cat(sequences) @ model[0].weight.T + model[0].bias)
    np.testing.assert_allclose(store["0"].points, expected, atol=1e-6)
    np.testing.assert_allclose(store["1:input"].points, expected, atol=1e-6)
    assert list(store.rows["position"]) == [t for length in LENGTHS for t in range(length)]
    last = capture(model, torch.nested.nested_tensor(sequences), "0", rows=ti.last_token())
    np.testing.assert_allclose(last["0"].points, expected[np.cumsum(LENGTHS) - 1], atol=1e-6)


@pytest.mark.parametrize("side", ["right", "left"])
def test_nested_outputs_under_a_mask(sequences, side):
    """A model that works on nested tensors inside, as the fused encoder does: its rows meet those of the padded sites."""

    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(16, 3), nn.Linear(16, 4)

        def forward(self, x, attention_mask):
            self.second(x)
            real = attention_mask.bool()
            return self.first(torch.nested.nested_tensor([row[flags] for row, flags in zip(x, real)]))

    torch.manual_seed(0)
    model = Inside()
    x, real = padded(sequences, side)
    store = capture(model, [(x, real.long())], ["first", "second"])
    for site in ("first", "second"):
        layer = getattr(model, site)
        expected = torch.cat(sequences) @ layer.weight.T + layer.bias
        np.testing.assert_allclose(store[site].points, array(expected), atol=1e-6)
    wrong = real.clone()
    wrong[0, :] = True
    wrong[1, :] = True
    with pytest.raises(
        ti.InputError, match=r"its sequences have lengths \[5, 2, 4, 1\], by the mask \[5, 5, 4, 1\]"
    ):
        capture(model, [(x, real.long())], ["first"], mask=lambda batch: wrong)


# Axes


@pytest.mark.parametrize("batch_first", [True, False])
def test_an_lstm(sequences, batch_first):
    torch.manual_seed(0)
    model = nn.LSTM(16, 6, num_layers=2, batch_first=batch_first)
    x = torch.stack([sequences[0], sequences[0].flip(0), sequences[0] * 2])
    out, (h, c) = nn.LSTM.forward(model, x if batch_first else x.transpose(0, 1))
    out = out if batch_first else out.transpose(0, 1)
    batch = x if batch_first else x.transpose(0, 1)
    store = capture(model, batch, [":output", ":input"])
    np.testing.assert_allclose(store[":output"].points, array(out).reshape(15, 6), atol=1e-6)
    np.testing.assert_array_equal(store[":input"].points, array(x).reshape(15, 16))
    assert list(store.rows["item"]) == [0] * 5 + [1] * 5 + [2] * 5
    last = capture(model, batch, ":output", rows=ti.last_token())
    np.testing.assert_allclose(last[":output"].points, array(h[1]), atol=1e-6)
    # the states are (layers, items, units) in either case: one row for each item
    states = capture(model, batch, [":output[1][0]", ":output[1][1]"], rows=ti.every_row())
    for site, state in zip(states, (h, c)):
        np.testing.assert_allclose(
            states[site].points, array(state.transpose(0, 1)).reshape(3, 12), atol=1e-6
        )


def test_packed_sequences(sequences):
    torch.manual_seed(0)
    model = nn.LSTM(16, 6, batch_first=True)
    packed = nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False)
    expected = [array(model(sequence[None])[0][0]) for sequence in sequences]
    store = capture(model, [packed, packed], ":output")
    np.testing.assert_allclose(store[":output"].points, np.concatenate(expected * 2), atol=1e-6)
    assert list(store.rows["item"]) == np.repeat(range(8), LENGTHS * 2).tolist()
    last = capture(model, packed, ":output", rows=ti.last_token())
    np.testing.assert_allclose(last[":output"].points, np.stack([e[-1] for e in expected]), atol=1e-6)


def test_a_sequence_first_module_inside_a_batch_first_model(sequences):
    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(16, 8)
            self.encoder = nn.TransformerEncoder(
                nn.TransformerEncoderLayer(8, 2, 16), 1, enable_nested_tensor=False
            )

        def forward(self, x):
            return self.encoder(self.embed(x).transpose(0, 1)).transpose(0, 1)

    torch.manual_seed(0)
    model = Inside().eval()
    x = torch.stack([sequences[0], sequences[0].flip(0), sequences[0] * 2])
    store = capture(model, x, ["embed", "encoder.layers.0", "encoder.layers.0.linear2", ":output"])
    np.testing.assert_allclose(store[":output"].points, array(model(x)).reshape(15, 8), atol=1e-6)
    np.testing.assert_allclose(store["encoder.layers.0"].points, store[":output"].points, atol=1e-6)
    assert store.shape("encoder.layers.0.linear2") == (15, 8)


def test_a_sequence_first_model_is_told_by_batch_axis(sequences):
    model = nn.Sequential(nn.Linear(16, 3))
    x = torch.stack([sequences[0], sequences[0] * 2])
    store = capture(model, x.transpose(0, 1), "0", batch_axis=1, rows=ti.last_token())
    np.testing.assert_allclose(store["0"].points, array(model(x))[:, -1], atol=1e-6)


def test_token_numbers_in_a_sequence_first_model():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(9, 4)

        def forward(self, input_ids):
            return self.embed(input_ids)

    torch.manual_seed(0)
    model, ids = Model(), torch.tensor([[1, 2, 3], [4, 5, 6]])
    store = capture(model, {"input_ids": ids.T}, "embed", batch_axis=1)
    assert list(store.rows["token_id"]) == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(store["embed"].points, array(model.embed.weight[1:7]))


def test_sites_with_other_positions_are_refused(sequences):
    class Patches(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.blocks, self.pool = nn.Linear(16, 8), nn.Identity(), nn.Identity()

        def forward(self, x):
            x = self.patches(x)
            x = self.blocks(torch.cat((x[:, :1], x), dim=1))
            return self.pool(x.mean(1))

    x = torch.stack([sequences[0], sequences[0] * 2])
    with pytest.raises(ti.InputError, match=r"'blocks' has 6 positions and 'patches' has 5.*with '!patches'"):
        capture(Patches(), x)
    store = capture(Patches(), x, ["*", "!patches"])
    assert (
        store.sites == ("blocks",)
        and "every_token() needs (batch, tokens, coordinates)" in store.left_out["pool"]
    )
    # a mean is one row for each item at any length, and a pooled output is one already
    assert capture(Patches(), x, rows=ti.mean_pool()).sites == ("patches", "blocks", "pool")
    model = Patches()
    model.forward = lambda x, attention_mask: Patches.forward(model, x)
    with pytest.raises(ti.InputError, match="'blocks': it has 6 positions and the inputs have 5; say mask="):
        capture(model, {"x": x, "attention_mask": torch.ones(2, 5)}, "blocks")
    six = capture(
        model, {"x": x, "attention_mask": torch.ones(2, 5)}, "blocks", mask=lambda _: np.ones((2, 6), bool)
    )
    assert six.shape("blocks") == (12, 8)


def test_masks_of_other_forms_are_refused(encoder, sequences):
    x, real = padded(sequences, "right")
    model = nn.Linear(16, 2)
    wide = {"input": x, "attention_mask": real[:, None, None]}
    with pytest.raises(
        ti.InputError, match=r"attention_mask has shape \(4, 1, 1, 5\); .*say mask=lambda batch"
    ):
        capture(model, wide, ":output", forward=lambda model, batch: model(batch["input"]))
    with pytest.raises(ti.InputError, match=r"mask gave shape \(4,\)"):
        capture(model, x, ":output", mask=lambda _: real[:, 0])
    with pytest.raises(ti.InputError, match=r"it gives tokens .*use a token selector"):
        capture(encoder, {"src": x, "src_key_padding_mask": ~real}, "layers.0", rows=ti.every_row())


# A decoder


def tokens_of(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(1, 50, (length,), generator=generator) for length in lengths]


@pytest.mark.parametrize(
    "rows",
    [ti.last_token(), ti.first_token(), ti.mean_pool(), ti.every_token(), ti.every_token(max_rows=9, seed=1)],
)
def test_the_side_of_the_padding_does_not_matter(gpt2, rows):
    sequences = tokens_of((6, 3, 7, 1))
    stores = []
    for side in ("right", "left"):
        ids, real = padded(sequences, side, fill=0)
        positions = (real.cumsum(1) - 1).clamp(min=0)
        batch = {"input_ids": ids, "attention_mask": real.long(), "position_ids": positions}
        stores.append(capture(gpt2, batch, ["h.*", "ln_f"], rows=rows))
    right, left = stores
    assert right.sites == ("h.0", "h.1", "ln_f") and right.rows.equals(left.rows)
    for site in right:
        np.testing.assert_allclose(right[site].points, left[site].points, atol=2e-6)
    if rows == ti.last_token():
        with torch.no_grad():
            for i, ids in enumerate(sequences):
                states = gpt2(ids[None], output_hidden_states=True).hidden_states
                np.testing.assert_allclose(right["h.0"].points[i], array(states[1][0, -1]), atol=2e-6)
                np.testing.assert_allclose(right["ln_f"].points[i], array(states[2][0, -1]), atol=2e-6)
        assert list(right.rows["position"]) == [5, 2, 6, 0]


def test_rows_know_their_token(gpt2):
    sequences = tokens_of((6, 3, 7, 1))
    ids, real = padded(sequences, "left", fill=0)
    store = capture(gpt2, {"input_ids": ids, "attention_mask": real.long()}, "h.0")
    assert list(store.rows["token_id"]) == torch.cat(sequences).tolist()
    assert list(store.rows.columns) == ["item", "sequence", "position", "token_id"]


def test_items_with_the_same_tokens_are_one_sequence(gpt2):
    a, b, c = tokens_of((4, 2, 4))
    batches = []
    for pair in ([a, b], [c, a], [b, a]):
        ids, real = padded(pair, "right", fill=0)
        batches.append({"input_ids": ids, "attention_mask": real.long()})
    store = capture(gpt2, batches, "h.0", rows=ti.mean_pool())
    assert list(store.rows["sequence"]) == [0, 1, 2, 0, 1, 0] and list(store.rows["item"]) == list(range(6))
    assert store.groups == ("sequence",)
    np.testing.assert_allclose(store["h.0"].points[0], store["h.0"].points[5], atol=1e-6)


def test_a_sample_of_tokens_does_not_depend_on_the_batches(gpt2, tmp_path):
    sequences = tokens_of([2 + i % 7 for i in range(30)])
    every = capture(gpt2, [{"input_ids": s[None]} for s in sequences], "h.*")
    stores = []
    for size in (1, 4, 30):
        batches = []
        for first in range(0, 30, size):
            ids, real = padded(sequences[first : first + size], "right", fill=0)
            batches.append({"input_ids": ids, "attention_mask": real.long()})
        rows = ti.every_token(max_rows=20, seed=4)
        stores.append(capture(gpt2, batches, "h.*", rows=rows, out=tmp_path / str(size)))
        stores.append(capture(gpt2, batches, "h.*", rows=rows))
    place = {(row.item, row.position): i for i, row in enumerate(every.rows.itertuples())}
    chosen = [place[row.item, row.position] for row in stores[0].rows.itertuples()]
    assert len(chosen) == 20 and chosen == sorted(chosen) and max(chosen) > 90
    for store in stores:
        assert store.rows.equals(stores[0].rows)
        for site in ("h.0", "h.1"):
            np.testing.assert_allclose(store[site].points, every[site].points[chosen], atol=2e-6)
    other = capture(
        gpt2, [{"input_ids": s[None]} for s in sequences], "h.*", rows=ti.every_token(max_rows=20, seed=5)
    )
    assert not other.rows.equals(stores[0].rows)


def test_generating_is_refused_by_name(gpt2):
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel(gpt2.config).eval()
    ids = torch.stack(tokens_of((4, 4)))

    def generate(model, batch):
        return model.generate(
            batch, max_new_tokens=3, do_sample=False, attention_mask=torch.ones_like(batch), pad_token_id=0
        )

    with pytest.raises(
        ti.InputError, match=r"GPT2LMHeadModel ran more than once for one batch, as generate\(\) does"
    ):
        capture(model, ids, "transformer.h.*", forward=generate, rows=ti.last_token())
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())
    whole = generate(model, ids)
    store = capture(model, whole, "transformer.h.*", rows=ti.last_token())
    with torch.no_grad():
        states = model(whole, output_hidden_states=True).hidden_states
    np.testing.assert_allclose(store["transformer.h.0"].points, array(states[1][:, -1]), atol=2e-6)
