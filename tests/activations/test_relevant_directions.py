"""Relevant directions: exact Fisher matrices of small models, planted circles, padding, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import topo_interp as ti


def linear(weight):
    model = torch.nn.Sequential(torch.nn.Identity(), torch.nn.Linear(*reversed(np.shape(weight)), bias=False))
    with torch.no_grad():
        model[1].weight.copy_(torch.as_tensor(np.asarray(weight), dtype=torch.float32))
    return model.double()


def test_classes_give_the_fisher_information_of_a_softmax():
    rng = np.random.default_rng(0)
    weight, x = rng.normal(size=(5, 4)), rng.normal(size=(300, 4))
    found = ti.relevant_directions(
        linear(weight), "0", torch.from_numpy(x), output="classes", positions=ti.every_row(), probes=40, seed=1
    )
    logits = x @ weight.T
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    fisher = np.mean([weight.T @ (np.diag(q) - np.outer(q, q)) @ weight for q in p], axis=0)
    assert np.abs(found.matrix - fisher).max() < 0.04 * np.trace(fisher)
    assert abs(found.trace - np.trace(fisher)) < 4 * found.trace_error < 0.3 * found.trace
    assert found.trace == pytest.approx(np.trace(found.matrix))
    assert (found.rows, found.items, found.probes) == (300, 300, 40)


def test_what_moves_all_logits_alike_is_not_read_as_classes_but_is_as_a_vector():
    weight = np.ones((3, 1)) @ [[5.0, 0.0]] + [[0.0, 1.0], [0.0, -1.0], [0.0, 0.0]]
    x = torch.randn(200, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    classes = ti.relevant_directions(linear(weight), "0", x, output="classes", positions=ti.every_row(), probes=8)
    vector = ti.relevant_directions(linear(weight), "0", x, output="vector", positions=ti.every_row(), probes=200)
    assert abs(classes.matrix[0]).max() < 1e-12 < classes.matrix[1, 1]
    np.testing.assert_allclose(vector.matrix, weight.T @ weight, atol=0.05 * np.trace(weight.T @ weight))
    assert abs(vector.directions(1)[0] @ [1, 0]) > 0.99


def planted(seed):
    """A circle of radius 1 that the readout uses, times one of radius 3 that it ignores, in R^12; 12 x 36 points."""
    rng = np.random.default_rng(seed)
    a, b = (np.add.outer(grid, np.zeros(k)) for grid, k in ((np.arange(12) / 12, 36), (np.arange(36) / 36, 12)))
    a, b, n = 2 * math.pi * a.ravel(), 2 * math.pi * b.T.ravel(), 12 * 36
    points = 0.02 * rng.normal(size=(n, 12))
    points[:, :4] += np.column_stack((np.cos(a), np.sin(a), 3 * np.cos(b), 3 * np.sin(b)))
    turn, _ = np.linalg.qr(np.random.default_rng(99).normal(size=(12, 12)))
    return points @ turn, turn


def test_planted_the_read_metric_sees_only_the_circle_that_is_used():
    points, turn = planted(seed=0)
    model = linear(3 * turn[:2])
    head = torch.nn.Linear(2, 6, bias=False).double()
    with torch.no_grad():
        angle = 2 * math.pi * torch.arange(6) / 6
        head.weight.copy_(torch.stack((angle.cos(), angle.sin()), dim=1))
    model.append(head)
    other, _ = planted(seed=1)
    m = ti.relevant_directions(model, "0", torch.from_numpy(other), output="classes", positions=ti.every_row(), probes=8)
    assert 1.5 < m.effective_rank < 2.5

    def loops(recipe):
        bars = recipe(points)[1]
        return np.sort(bars[:, 1] - bars[:, 0])[::-1][:3] / np.ptp(bars[:, 1])

    euclidean, read = loops(ti.Rips()), loops(ti.Rips(ti.read_metric(m)))
    assert euclidean[1] > 2 * euclidean[2]  # two long bars
    assert read[0] > 4 * read[1]  # one


def test_the_values_of_the_read_metric():
    rng = np.random.default_rng(0)
    points, factor = rng.normal(size=(30, 5)) + 100, rng.normal(size=(5, 3))
    metric = ti.read_metric(factor @ factor.T)
    found = metric(points)
    expected = ti.pairwise_distances((points - 100) @ factor)
    assert np.abs(found.square() - expected).max() <= found.rounding + 1e-12 < 1e-5
    assert (metric.rank, metric.dim, metric.true_metric, metric.is_graph_metric) == (3, 5, True, False)
    assert ti.read_metric(factor @ factor.T) == metric != ti.read_metric(np.eye(5))


def test_its_json_names_the_matrix_by_hash(tmp_path):
    import pickle

    metric = ti.read_metric(np.diag([1.0, 2.0]))
    recipe = ti.Rips(metric)
    again = ti.Rips.from_json(recipe.to_json())
    assert again == recipe and len(recipe.to_json()) < 300
    with pytest.raises(ti.InputError, match="names its matrix by hash only"):
        again(np.eye(2))
    assert ti.same_bars(pickle.loads(pickle.dumps(recipe))(np.eye(2)), recipe(np.eye(2)))


def test_saved_directions_make_the_same_metric(tmp_path):
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    found = ti.relevant_directions(
        linear(np.eye(2, 3)).float(), "0", x, output="vector", positions=ti.every_row(), probes=3
    )
    found.save(tmp_path / "m.npz")
    again = ti.RelevantDirections.load(tmp_path / "m.npz")
    assert ti.read_metric(again) == ti.read_metric(found) and repr(again) == repr(found)
    assert (again.matrix == found.matrix).all() and again.trace_error == found.trace_error
    with pytest.raises(ti.InputError, match=r"row 0 of the points is one of the rows that the metric was estimated on \(2 are"):
        ti.read_metric(again)(np.concatenate((x[3:5].numpy(), np.ones((4, 3)))))
    with pytest.raises(ti.InputError, match="row 1 of the points is one of the rows"):  # also where a step has changed them
        ti.Rips(ti.read_metric(again), steps=(ti.centered(),))(np.concatenate((np.ones((1, 3)), x[3:5].numpy())))


class TinyLanguageModel(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = torch.nn.Embedding(11, 6)
        self.mix = torch.nn.GRU(6, 6, batch_first=True)
        self.act = torch.nn.ReLU(inplace=True)
        self.head = torch.nn.Linear(6, 11)

    def forward(self, input_ids, attention_mask=None):
        hidden = self.mix(self.embed(input_ids))[0]
        return self.head(self.act(hidden))


def batch(n=30, pad=0):
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(1, 11, (n, 5), generator=generator)
    mask = torch.ones(n, 5, dtype=torch.long)
    if pad:
        ids = torch.cat((ids, torch.zeros(n, pad, dtype=torch.long)), dim=1)
        mask = torch.cat((mask, torch.zeros(n, pad, dtype=torch.long)), dim=1)
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("site", ["embed", "mix", "act"])
def test_padding_changes_nothing_in_expectation_and_positions_choose_rows(site):
    model = TinyLanguageModel()
    plain, padded = (
        ti.relevant_directions(
            model, site, [batch(pad=pad)], output="classes", positions=ti.last_token(), probes=60, seed=2
        )
        for pad in (0, 3)
    )
    assert plain.rows == padded.rows == 30
    assert (plain.row_hashes == padded.row_hashes).all()
    assert abs(plain.trace - padded.trace) < 4 * math.hypot(plain.trace_error, padded.trace_error) + 0.1 * plain.trace
    every = ti.relevant_directions(model, site, [batch(pad=2)], output="classes", positions=ti.every_token(), probes=1)
    assert (every.rows, every.items) == (150, 30)
    assert model.training and not model.act._forward_hooks and not model._forward_hooks


def test_the_gradients_are_those_of_autograd_by_hand():
    model = TinyLanguageModel().eval()
    inputs = batch(30)
    hidden = model.embed(inputs["input_ids"]).detach().requires_grad_()
    out = model.head(torch.relu(model.mix(hidden)[0]))[:, -1].sum()
    (expected,) = torch.autograd.grad(out, hidden)

    class Summed(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask=None):
            return self.model(input_ids)[:, -1].sum(dim=-1, keepdim=True)

    found = ti.relevant_directions(
        Summed(), "model.embed", [inputs], output="vector", positions=ti.last_token(), probes=300
    )
    by_hand = expected[:, -1].numpy()
    np.testing.assert_allclose(found.matrix, by_hand.T @ by_hand / 30, atol=0.1 * found.trace)


def test_one_seed_gives_one_answer():
    run = [
        ti.relevant_directions(
            TinyLanguageModel(), "mix", [batch(), batch(pad=1)], output="classes", positions=ti.last_token(), seed=seed
        )
        for seed in (5, 5, 6)
    ]
    assert (run[0].matrix == run[1].matrix).all() and (run[0].matrix != run[2].matrix).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"positions": ti.mean_pool()}, "a pooled row is made of many activations"),
        ({"positions": ti.spatial_mean()}, "a pooled row"),
        ({"output": "logits"}, "'classes'"),
        ({"probes": 0}, "probes is 0"),
        ({"site": "*"}, "one module is needed"),
        ({"site": "mix:input"}, "one module is needed"),
        ({"site": "nothing"}, "matches no module"),
        ({"read": lambda out: torch.zeros(30, 2)}, "does not depend"),
        ({"read": lambda out: 1.0}, "floating-point tensor"),
        ({"read": lambda out: out * 0}, "hardly reacts"),
        ({"inputs": [batch(1)]}, "hardly reacts"),
    ],
)
def test_refusals(change, message):
    arguments = {"site": "mix", "inputs": [batch()], "output": "classes", "positions": ti.last_token(), **change}
    site, inputs = arguments.pop("site"), arguments.pop("inputs")
    with pytest.raises(ti.InputError, match=message):
        ti.relevant_directions(TinyLanguageModel(), site, inputs, **arguments)


def test_read_metric_refuses_what_is_no_such_matrix():
    for bad, message in [
        (np.ones((2, 3)), "symmetric matrix"),
        ([[0.0, 1.0], [-1.0, 0.0]], "symmetric matrix"),
        (np.diag([1.0, -1.0]), "none may be below 0"),
        (np.zeros((2, 2)), "must be above it"),
    ]:
        with pytest.raises(ti.InputError, match=message):
            ti.read_metric(bad)
    with pytest.raises(ti.InputError, match="2 coordinates and the points have 3"):
        ti.read_metric(np.eye(2))(np.eye(3))
