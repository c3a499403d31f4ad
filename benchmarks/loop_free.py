"""Data without a loop, each kind with the null that it is tested against: three sites of 150 rows.

The random numbers of a run are fixed by the name of its kind and the number of the run; no other kind changes them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

import topo_interp as ti

ROWS = 150
Store = dict[str, np.ndarray]
Data = tuple[Store, Any]  # points of every site, and the row table or None


def mixed(x: np.ndarray, rng: np.random.Generator) -> Store:
    """Three sites that resemble each other, as the layers of a network do."""
    d = x.shape[1]
    second = x @ (np.eye(d) + 0.5 * rng.normal(size=(d, d)) / np.sqrt(d))
    return {"first": x, "second": second, "third": second @ rng.normal(size=(d, d)) / np.sqrt(d)}


def gaussian(rng: np.random.Generator) -> Data:
    return mixed(rng.normal(size=(ROWS, 50)), rng), None


def spectrum(rng: np.random.Generator) -> Data:
    return mixed(rng.normal(size=(ROWS, 100)) / np.arange(1, 101), rng), None


def crossed(rng: np.random.Generator) -> Data:
    import pandas

    template, word = np.divmod(np.arange(ROWS), 10)
    x = rng.normal(size=(15, 50))[template] + rng.normal(size=(10, 50))[word] + 0.3 * rng.normal(size=(ROWS, 50))
    return mixed(x, rng), pandas.DataFrame({"template": template, "word": word})


def clustered(rng: np.random.Generator) -> Data:
    import pandas

    cluster = np.arange(ROWS) // 10
    x = 2 * rng.normal(size=(15, 50))[cluster] + rng.normal(size=(ROWS, 50))
    return mixed(x, rng), pandas.DataFrame({"cluster": cluster})


_INPUTS: dict[str, np.ndarray] = {}


def fresh_mlp(seed: int) -> Store:
    """Three hidden layers of a freshly initialized network of rectified units, on the inputs of this run."""
    rng, x, store = np.random.default_rng(seed), _INPUTS["mlp"], {}
    for layer in range(3):
        x = np.maximum(0.0, x @ rng.normal(size=(x.shape[1], 64)) * np.sqrt(2 / x.shape[1]))
        store[f"layer {layer}"] = x
    return store


def random_mlp(rng: np.random.Generator) -> Data:
    _INPUTS["mlp"] = rng.normal(size=(ROWS, 20))
    return fresh_mlp(int(rng.integers(2**31))), None


def random_minilm_distinct_words(rng: np.random.Generator) -> Data:
    """Three layers of a freshly initialized sentence encoder of the size of MiniLM-L6, mean over 8 words, no word in two rows."""
    words = 1 + rng.permutation(ROWS * 8).reshape(ROWS, 8)  # word 0 is padding, whose vector is 0
    return fresh_minilm(words, 1 + ROWS * 8, int(rng.integers(2**31)))


def random_minilm(rng: np.random.Generator) -> Data:
    """The same on words drawn with replacement from 29522: some 24 pairs of rows share one, and are not independent."""
    seed = int(rng.integers(2**31))
    return fresh_minilm(rng.integers(1000, 30522, size=(ROWS, 8)), 30522, seed)


def fresh_minilm(words: np.ndarray, vocabulary: int, seed: int) -> Data:
    import torch
    from transformers import BertConfig, BertModel

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
    model = BertModel(BertConfig(vocab_size=vocabulary, **sizes), add_pooling_layer=False).eval()
    with torch.inference_mode():
        states = model(torch.from_numpy(words), output_hidden_states=True).hidden_states
    return {f"layer {layer}": states[layer].mean(dim=1).numpy() for layer in (1, 3, 6)}, None


# Against other initializations: rectified rows are far from Gaussian, and the limits below show what that does.
PROMISED: dict[str, tuple[Callable[[np.random.Generator], Data], Any]] = {
    "gaussian": (gaussian, ti.nulls.matched_gaussian()),
    "spectrum": (spectrum, ti.nulls.matched_gaussian()),
    "crossed": (crossed, ti.nulls.matched_gaussian(within=["template", "word"])),
    "clustered": (clustered, ti.nulls.matched_gaussian(within=["cluster"])),
    "random_mlp": (random_mlp, ti.nulls.reinitialized("loop_free:fresh_mlp")),
    "random_minilm_distinct_words": (random_minilm_distinct_words, ti.nulls.matched_gaussian()),
}
# Nulls where no promise rests on them: the rotation null on rows of a bent surface and on rows that share words, and the null of the
# data's own nearness.
LIMITS: dict[str, tuple[Callable[[np.random.Generator], Data], Any]] = {
    "random_mlp_against_gaussian": (random_mlp, ti.nulls.matched_gaussian()),
    "random_minilm": (random_minilm, ti.nulls.matched_gaussian()),
    "gaussian_against_neighbors": (gaussian, ti.nulls.matched_neighbors()),
    "spectrum_against_neighbors": (spectrum, ti.nulls.matched_neighbors()),
    "random_mlp_against_neighbors": (random_mlp, ti.nulls.matched_neighbors()),
    "random_minilm_against_neighbors": (random_minilm, ti.nulls.matched_neighbors()),
}
KINDS = PROMISED | LIMITS


def data(kind: str, run: int) -> tuple[Store, Any, Any]:
    """Store, row table and null of one run."""
    make, null = KINDS[kind]
    store, table = make(np.random.default_rng([zlib.crc32(kind.encode()), run]))
    return store, table, null
