"""Row selectors as values, and the tokens that they choose."""

from __future__ import annotations

import numpy as np
import pytest

import topo_interp as ti
from topo_interp._value import value_from_json
from topo_interp.activations.row_log import Reservoir
from topo_interp.activations.selectors import Tokens

#                 right padding, left padding, none
REAL = np.array([[1, 1, 1, 1, 0], [0, 1, 1, 1, 1], [1, 1, 1, 1, 1]], dtype=bool)
SPECIAL = np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [1, 0, 0, 0, 1]], dtype=bool)
IDS = np.array([[9, 1, 2, 9, 0], [0, 9, 1, 2, 9], [9, 5, 1, 5, 9]])
WORDS = {1: "one", 2: " two", 5: "five"}


def tokens(**changes):
    parts = {"first_item": 10, "ids": IDS, "text": lambda i: WORDS.get(i, "")} | changes
    return Tokens(REAL, SPECIAL, **parts)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (ti.mean_pool(), [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 1, 1, 1, 0]]),
        (ti.mean_pool(special_tokens=True), REAL),
        (ti.every_token(), [[0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 1, 1, 1, 0]]),
        (ti.last_token(), [[0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 1, 0]]),
        (ti.last_token(special_tokens=True), [[0, 0, 0, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]]),
        (ti.first_token(), [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0]]),
        (ti.first_token(special_tokens=True), [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [1, 0, 0, 0, 0]]),
        (ti.token_at("one"), [[0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]]),
        (ti.token_at("two", missing="skip"), [[0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]),
        (ti.token_at(["two", "five"]), [[0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 1, 0, 1, 0]]),
        (ti.token_at(lambda t: t.position == 2), [[0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 1, 0, 0]]),
        (
            ti.token_at(lambda t: t.id == 1 and t.item > 10, missing="skip"),
            [[0] * 5, [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]],
        ),
    ],
)
def test_chosen_tokens(selector, expected):
    np.testing.assert_array_equal(selector.chosen(tokens()), np.array(expected, dtype=bool))


def test_a_predicate_sees_the_items_labels():
    selector = ti.token_at(lambda t: t.text.strip() == t.labels["word"])
    chosen = selector.chosen(tokens(labels=lambda item: {"word": ["two", "one", "five"][item - 10]}))
    assert np.argwhere(chosen).tolist() == [[0, 2], [1, 2], [2, 1], [2, 3]]


def test_positions_do_not_count_padding():
    np.testing.assert_array_equal(tokens().positions[1], [-1, 0, 1, 2, 3])


@pytest.mark.parametrize("selector", [ti.mean_pool(), ti.last_token(), ti.first_token()])
def test_an_item_without_tokens_is_named(selector):
    empty = Tokens(REAL[:2], np.array([SPECIAL[0], [1, 1, 1, 1, 1]], dtype=bool), first_item=4)
    with pytest.raises(
        ti.InputError, match=rf"{selector.kind}\(\) finds no token in item 5; .*special_tokens=True"
    ):
        selector.chosen(empty)


def test_a_token_that_is_not_there_is_named():
    with pytest.raises(
        ti.InputError,
        match=r"no token in item 12; its tokens begin \['five', 'one', 'five'\].*missing='skip'",
    ):
        ti.token_at("two").chosen(tokens())
    with pytest.raises(ti.InputError, match="pass tokenizer="):
        ti.token_at("two").chosen(tokens(ids=None))


@pytest.mark.parametrize(
    "selector",
    [
        ti.every_row(),
        ti.spatial_mean(-1),
        ti.mean_pool(special_tokens=True),
        ti.last_token(),
        ti.first_token(),
        ti.every_token(max_rows=7, seed=3),
        ti.token_at(["a", "b"], missing="skip"),
    ],
)
def test_selectors_are_values(selector):
    assert value_from_json(selector.to_json()) == selector
    assert hash(selector) == hash(value_from_json(selector.to_json()))


def test_wrong_arguments():
    with pytest.raises(ti.InputError, match="max_rows is 0"):
        ti.every_token(max_rows=0)
    with pytest.raises(ti.InputError, match="missing is 'drop'; use 'error' or 'skip'"):
        ti.token_at("a", missing="drop")
    for wrong in ([], [3]):
        with pytest.raises(ti.InputError, match="give token texts, or a function"):
            ti.token_at(wrong)


def sample(limit, seed, pieces):
    """Positions in the stream of the rows that a reservoir keeps, fed in pieces."""
    reservoir, kept, start = Reservoir(limit, seed), np.empty(0, dtype=int), 0
    for piece in pieces:
        admitted = reservoir.admit(piece)
        assert admitted.shape == (piece,)
        kept = np.concatenate((kept, start + np.flatnonzero(admitted)))
        start += piece
        if reservoir.overfull:
            kept = kept[reservoir.survivors()]
    return kept[reservoir.survivors()]


def test_a_sample_does_not_depend_on_the_batches():
    whole = sample(20, 5, [1000])
    assert len(whole) == 20 and (np.diff(whole) > 0).all()
    np.testing.assert_array_equal(sample(20, 5, [7] * 142 + [6]), whole)
    assert not np.array_equal(sample(20, 6, [1000]), whole)
    np.testing.assert_array_equal(sample(20, 5, [3, 4]), np.arange(7))


def test_a_sample_is_uniform():
    # 400 samples of 5 among 50: each position is chosen 40 times on average, with standard deviation 6.
    counts = np.bincount(np.concatenate([sample(5, seed, [13, 37]) for seed in range(400)]), minlength=50)
    assert counts.sum() == 2000
    assert np.abs(counts - 40).max() < 6 * 4
    assert abs(counts[:13].mean() - 40) < 6
