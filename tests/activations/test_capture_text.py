"""A real sentence encoder on real sentences, against its own hidden states."""

from __future__ import annotations

import numpy as np
import pytest

import topo_interp as ti

torch = pytest.importorskip("torch")

TEXTS = [
    "In March the days grow longer.",
    "May is warm",
    "It was a cold and unbelievably snowy December morning.",
    "We met in march.",
]
MONTHS = ["march", "may", "december", "march"]
LAYERS = [f"encoder.layer.{i}" for i in range(6)]


def capture(minilm, texts=TEXTS, sites="encoder.layer.*", **options):
    return ti.capture_text(*minilm, texts, sites, **({"rows": ti.mean_pool(), "progress": False} | options))


@pytest.fixture(scope="module")
def alone(minilm):
    """For each text by itself: token ids, which are special, and the hidden state after each layer."""
    model, tokenizer = minilm
    out = []
    with torch.no_grad():
        for text in TEXTS:
            encoded = tokenizer(text, return_tensors="pt")
            states = model(**encoded, output_hidden_states=True).hidden_states[1:]
            ids = encoded["input_ids"][0]
            out.append(
                (ids.tolist(), [i in (101, 102) for i in ids.tolist()], [s[0].numpy() for s in states])
            )
    return out


@pytest.mark.parametrize("size", [1, 3, 32])
def test_mean_pool(minilm, alone, size):
    store = capture(minilm, batch_size=size)
    assert store.sites == tuple(LAYERS)
    for layer, site in enumerate(LAYERS):
        expected = [states[layer][~np.array(special)].astype(float).mean(0) for _, special, states in alone]
        np.testing.assert_allclose(store[site].points, expected, atol=1e-5)
    assert store.info["model"].endswith("BertModel") and store.info["rows"] == ti.mean_pool().to_dict()


def test_with_special_tokens_it_is_the_sentence_embedding(minilm, alone):
    store = capture(minilm, rows=ti.mean_pool(special_tokens=True))
    expected = [states[5].astype(float).mean(0) for _, _, states in alone]
    np.testing.assert_allclose(store[LAYERS[5]].points, expected, atol=1e-5)


def test_every_token_knows_its_text(minilm, alone):
    store = capture(minilm, rows=ti.every_token(), labels={"month": MONTHS}, groups=["month"])
    np.testing.assert_allclose(
        store[LAYERS[3]].points,
        np.concatenate([states[3][~np.array(special)] for _, special, states in alone]),
        atol=1e-5,
    )
    assert list(store.rows["token_id"]) == [
        i for ids, special, _ in alone for i, s in zip(ids, special) if not s
    ]
    assert list(store.rows["token"])[:7] == ["in", "march", "the", "days", "grow", "longer", "."]
    assert list(store.rows["position"])[:7] == [1, 2, 3, 4, 5, 6, 7]  # [CLS] is at 0
    assert store.groups == ("sequence", "month")
    assert set(store.select("token == 'march'").rows["item"]) == {0, 3}


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        (ti.last_token(), -2),
        (ti.last_token(special_tokens=True), -1),
        (ti.first_token(), 1),
        (ti.first_token(special_tokens=True), 0),
    ],
)
def test_one_token(minilm, alone, rows, place):
    store = capture(minilm, rows=rows)
    np.testing.assert_allclose(
        store[LAYERS[2]].points, [states[2][place] for _, _, states in alone], atol=1e-5
    )
    assert list(store.rows["token_id"]) == [ids[place] for ids, _, _ in alone]


def test_the_token_that_a_label_names(minilm, alone):
    at_month = ti.token_at(lambda token: token.text == token.labels["month"])
    for rows in (at_month, ti.token_at(["march", "may", "december"])):
        store = capture(minilm, sites=["embeddings", *LAYERS], rows=rows, labels={"month": MONTHS})
        assert list(store.rows["token"]) == MONTHS == list(store.rows["month"])
        expected = [
            states[4][ids.index(minilm[1].convert_tokens_to_ids(month))]
            for month, (ids, _, states) in zip(MONTHS, alone)
        ]
        np.testing.assert_allclose(store[LAYERS[4]].points, expected, atol=1e-5)
    with pytest.raises(
        ti.InputError,
        match=r"token_at\(\) finds no token in item 1; its tokens begin \['may', 'is', 'warm'\]",
    ):
        capture(minilm, rows=ti.token_at("march"))
    assert list(capture(minilm, rows=ti.token_at("march", missing="skip")).rows["item"]) == [0, 3]


def test_every_module(minilm):
    store = capture(minilm, sites=["**", "**:input"], rows=ti.last_token(), batch_size=2)
    # the residual stream between modules: what a layer gives is what goes into the next
    for layer in range(5):
        np.testing.assert_array_equal(store[LAYERS[layer]].points, store[f"{LAYERS[layer + 1]}:input"].points)
    assert len(store) > 150 and "encoder.layer.0.attention.output.LayerNorm:input" in store
    assert store.left_out["encoder.layer"] == "it never ran"
    assert store.left_out["embeddings.word_embeddings:input"].startswith("it gives int64")
    assert "batch of 2 items" in store.left_out["embeddings.position_embeddings"]


def test_to_disk_and_back(minilm, tmp_path):
    memory = capture(minilm, dtype="bfloat16", labels=MONTHS)
    disk = capture(minilm, dtype="bfloat16", labels=MONTHS, out=tmp_path / "s")
    assert disk.digest() == memory.digest()
    exact = capture(minilm)
    for site in LAYERS:
        spread = np.abs(exact[site].points - exact[site].points.mean(0)).max()
        assert 0 < np.abs(disk[site].points - exact[site].points).max() < spread / 256


def test_the_model_and_the_tokenizer_stay_as_they_are(minilm):
    model, tokenizer = minilm
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    habits = (tokenizer.padding_side, tokenizer.pad_token, len(tokenizer), dict(tokenizer.init_kwargs))
    hooks = [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()]
    capture(minilm, sites=["**", "**:input"])
    assert habits == (
        tokenizer.padding_side,
        tokenizer.pad_token,
        len(tokenizer),
        dict(tokenizer.init_kwargs),
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert hooks == [
        len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()
    ]


def test_long_texts(minilm):
    long = "word " * 600
    with pytest.raises(
        ti.InputError, match=r"text 1 has 602 tokens and the tokenizer's limit is \d+; say max_length="
    ):
        capture(minilm, ["short", long])
    cut = capture(minilm, ["short", long], max_length=16, rows=ti.every_token())
    assert list(cut.rows["item"]) == [0] + [1] * 14


@pytest.mark.parametrize(
    ("texts", "options", "words"),
    [
        ([], {}, "texts is empty"),
        (["a", 3], {}, "text 1 is a int; strings are needed"),
        (["a", ""], {}, r"mean_pool\(\) finds no token in item 1"),
        (["a"], {"batch_size": 0}, "batch_size is 0"),
        (["a"], {"labels": ["x", "y"]}, "'label' has 2 entries; the inputs had 1 items"),
        (["a"], {"sites": "encoder.layers.*"}, r"matches no module; nearest: 'encoder.layer"),
    ],
)
def test_wrong_arguments(minilm, texts, options, words):
    with pytest.raises(ti.InputError, match=words):
        capture(minilm, texts, **options)


class Words:
    """A tokenizer without a padding token that pads on the left, as decoders' tokenizers often do."""

    all_special_ids = (0,)
    bos_token_id = eos_token_id = unk_token_id = 0
    pad_token_id = None
    padding_side = "left"
    model_max_length = 32

    def __call__(self, texts, **_):
        ids = [[0, *(1 + len(word) for word in text.split())] if text else [] for text in texts]
        return {"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]}

    def decode(self, ids):
        return " " + "x" * (ids[0] - 1)


def test_a_decoder_without_a_padding_token(gpt2):
    texts = ["a bbb cc", "dddd", "ee f"]
    store = ti.capture_text(gpt2, Words(), texts, "h.1", rows=ti.last_token(), progress=False)
    with torch.no_grad():
        expected = [
            gpt2(torch.tensor([ids]), output_hidden_states=True).hidden_states
            for ids in ([0, 2, 4, 3], [0, 5], [0, 3, 2])
        ]
    # the last hidden state of this model is after its final norm, so compare what goes into that
    final = [gpt2.h[1](states[1])[0, -1].detach() for states in expected]
    np.testing.assert_allclose(store["h.1"].points, np.stack(final), atol=1e-5)
    assert list(store.rows["token"]) == [" xx", " xxxx", " x"] and list(store.rows["position"]) == [3, 1, 2]
    with pytest.raises(ti.InputError, match="text 1 has no tokens"):
        ti.capture_text(gpt2, Words(), ["a", ""], "h.1", rows=ti.last_token(), progress=False)
