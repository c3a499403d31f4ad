"""A capture leaves the model as it was, whatever happens, and runs no more of it than it needs."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from captures import array, capture

torch = pytest.importorskip("torch")
nn = torch.nn


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
    cell, head = nn.Linear(5, 5), Recorder()
    capture(nn.Sequential(cell, cell, head), list(x.split(4)), "0")
    assert head.runs == 6
