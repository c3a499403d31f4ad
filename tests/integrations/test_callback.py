"""The training callback: what the loggers hold afterwards, that nothing else changes, one rank, the budget."""

from __future__ import annotations

import copy
import math
import pickle
import types
import warnings

import numpy as np
import pytest
import torch
from torch import nn

import topo_interp as ti
from topo_interp.integrations import TopologyCallback
from topo_interp.integrations.live import Live, Settings

X = torch.randn(48, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, :1] * X[:, 1:2] > 0).float()
PROBE = X[:30]
SITES = ["net.0", "net.1"]


class Model(nn.Module):
    """With dropout and batch normalization: what a forward pass in training mode would change."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))

    def forward(self, x, labels=None):
        out = self.net(x)
        return {"loss": nn.functional.binary_cross_entropy_with_logits(out, labels), "logits": out} if labels is not None else out


def seeded_model():
    torch.manual_seed(1)
    return Model()


def scalars(folder):
    """Every scalar of the TensorBoard event files under a folder: tag -> {step: value}."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        events = EventAccumulator(str(path)).Reload()
        for tag in events.Tags()["scalars"]:
            found.setdefault(tag, {}).update({event.step: event.value for event in events.Scalars(tag)})
    return found


def expected(model, site):
    return ti.max_persistence(1, relative=True)(ti.Rips()(ti.capture(model, PROBE, SITES, rows=ti.every_row())[site]))


def trained_by_hugging_face(folder, callbacks, **options):
    from transformers import Trainer, TrainingArguments

    model = seeded_model()
    rows = [{"x": x, "labels": y} for x, y in zip(X, Y, strict=True)]
    arguments = TrainingArguments(
        str(folder), max_steps=6, per_device_train_batch_size=8, report_to=["tensorboard"], use_cpu=True, logging_steps=3, save_strategy="no",
        disable_tqdm=True, seed=0, learning_rate=1e-2, **options,
    )  # fmt: skip
    trainer = Trainer(model, arguments, train_dataset=rows, callbacks=callbacks)
    trainer.train()
    return model, trainer


@pytest.fixture
def quiet_frameworks():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_event_file_of_the_hugging_face_trainer(tmp_path, quiet_frameworks, capsys):
    callback = TopologyCallback(PROBE, SITES, every=2, budget=1e9, out=tmp_path / "stores")
    model, trainer = trained_by_hugging_face(tmp_path / "run", [callback])
    found = scalars(tmp_path / "run")
    for site in SITES:
        values = found[f"train/topo/{site}/max_persistence_dim1_relative"]
        assert list(values) == [0, 2, 4, 6]
        assert values[0] == pytest.approx(expected(seeded_model(), site), rel=1e-6)
        assert values[6] == pytest.approx(expected(model, site), rel=1e-6) and values[6] != values[0]
        assert f"train/topo/{site}/participation_ratio" in found
    assert list(found["train/loss"]) == [3, 6]  # the Trainer's own log is neither lost nor doubled
    assert [entry["step"] for entry in trainer.state.log_history if "topo/seconds" in entry] == [0, 2, 4, 6]
    assert callback.to_frame()["step"].tolist() == [0, 2, 4, 6] and not callback.skipped
    stores = {step: tmp_path / "stores" / f"step-{step:08d}" for step in (0, 2, 4, 6)}
    assert ti.track(stores, ti.Rips(), subsamples=0, drift=False, progress=False).steps == (0, 2, 4, 6)


def test_training_is_the_same_with_and_without(tmp_path, quiet_frameworks, capsys):
    plain, _ = trained_by_hugging_face(tmp_path / "a", [])
    watched, _ = trained_by_hugging_face(tmp_path / "b", [TopologyCallback(PROBE, SITES, every=1, budget=1e9)])
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


def trained_by_lightning(folder, callbacks):
    import pytorch_lightning as lightning
    from pytorch_lightning.loggers import TensorBoardLogger

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = seeded_model().net

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch, _):
            return nn.functional.binary_cross_entropy_with_logits(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=1e-2)

    torch.manual_seed(2)
    model = Module()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, Y), batch_size=8, shuffle=True)
    trainer = lightning.Trainer(
        max_steps=6, logger=TensorBoardLogger(str(folder)), callbacks=callbacks, accelerator="cpu", devices=1, accumulate_grad_batches=2,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(model, loader)
    return model


def test_the_event_file_of_lightning(tmp_path, quiet_frameworks):
    import pytorch_lightning  # noqa: F401  # loaded before the callback is made, as its documentation asks
    callback = TopologyCallback(PROBE, SITES, every=2, budget=1e9)
    watched = trained_by_lightning(tmp_path, [callback])
    found = scalars(tmp_path)
    for site in SITES:
        values = found[f"topo/{site}/max_persistence_dim1_relative"]
        assert list(values) == [0, 2, 4, 6] and values[6] == pytest.approx(expected(watched, site), rel=1e-6)
    plain = trained_by_lightning(tmp_path / "plain", [])
    for name, value in plain.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


def test_a_hook_of_a_framework_that_came_too_late_says_what_to_do():
    with pytest.raises(AttributeError, match="import the framework that trains .* before making the callback"):
        TopologyCallback(PROBE, SITES).on_some_other_framework  # noqa: B018
    with pytest.raises(AttributeError, match="object has no attribute 'history'$"):  # no framework would have it
        TopologyCallback(PROBE, SITES).history  # noqa: B018


def test_only_rank_zero_measures():
    callback = TopologyCallback(PROBE, SITES, every=1)
    state, trainer = types.SimpleNamespace(is_world_process_zero=False, global_step=1), types.SimpleNamespace(is_global_zero=False)
    callback.on_train_begin(None, state, None, model=None)
    callback.on_step_end(None, state, None, model=None)
    callback.on_train_start(trainer, None)
    callback.on_train_batch_end(trainer, None, None, None, 0)
    assert len(callback.to_frame()) == 0 and callback.seconds == 0


class Clock:
    """A clock that a measurement moves by its cost, and a step by one second."""

    def __init__(self, costs):
        self.now, self.costs, self.calls = 0.0, costs, 0

    def __call__(self):
        self.calls += 1
        return self.now


def run_with_costs(costs, budget, steps, every=1):
    clock = Clock(costs)
    live = Live(Settings(PROBE, SITES, every=every, budget=budget), clock)
    measured = iter(costs)
    live._values = lambda found: setattr(clock, "now", clock.now + next(measured)) or iter(())
    model = seeded_model()
    live.begin(model, 0)
    for step in range(1, steps + 1):
        clock.now += 1.0
        if live.due(step):
            live.measure(model, step)
    return live, clock


def test_the_budget_is_kept():
    live, clock = run_with_costs([2.0] * 100, budget=0.1, steps=300)
    assert live.spent <= 0.1 * clock.now and live.spent > 0.08 * clock.now
    steps = [entry["step"] for entry in live.history]
    assert steps[0] == 0 and steps[1] == 38  # 4 s are a tenth of 38 steps of a second and of the first 2 s
    assert len(live.skipped) + len(steps) - 1 == 300
    growing, clock = run_with_costs([1.0 + k for k in range(100)], budget=0.1, steps=1000)
    assert growing.spent <= 0.1 * clock.now + 1.0  # each is as long as the one before, but for a second
    free, _ = run_with_costs([2.0] * 11, budget=1e9, steps=100, every=10)
    assert [entry["step"] for entry in free.history] == list(range(0, 101, 10)) and not free.skipped


def test_a_failure_is_an_error_at_the_start_and_a_warning_later():
    model = seeded_model()
    with pytest.raises(ti.InputError, match="no module"):
        Live(Settings(PROBE, "encoder.*")).begin(model, 0)
    live = Live(Settings(PROBE, SITES, every=1, budget=1e9))
    live.begin(model, 0)
    with torch.no_grad():
        model.net[0].weight.fill_(math.nan)
    with pytest.warns(RuntimeWarning, match="no topology at step 1"):
        assert live.measure(model, 1) == {}
    assert len(live.history) == 1


def test_a_run_that_goes_on_keeps_the_stores_that_are_there(tmp_path):
    model = seeded_model()
    settings = Settings(PROBE, SITES, every=2, budget=1e9, out=tmp_path)
    first = Live(settings).begin(model, 4)
    folder = tmp_path / "step-00000004"
    kept = ti.open_store(folder).digest()
    again = Live(settings).begin(model, 4)
    assert {name: value for name, value in again.items() if name != "topo/seconds"} == {name: first[name] for name in again if name != "topo/seconds"}
    with torch.no_grad():
        model.net[0].weight.mul_(2)
    with pytest.raises(ti.InputError, match="step-00000004 holds other activations"):
        Live(settings).begin(model, 4)
    assert ti.open_store(folder).digest() == kept
    (tmp_path / "step-00000006").mkdir()
    (tmp_path / "step-00000006" / "notes.txt").write_text("not a store")
    with pytest.raises(ti.InputError, match="exists already"):
        Live(settings).begin(model, 6)


def test_the_folder_of_another_run_ends_the_run_at_its_first_store_that_differs(tmp_path, quiet_frameworks, capsys):
    out, model = tmp_path / "stores", seeded_model()
    settings = Settings(PROBE, SITES, every=1, budget=1e9, out=out)
    earlier = Live(settings)
    earlier.begin(model, 0)
    for step in (1, 2):
        with torch.no_grad():
            model.net[0].weight.mul_(2)
        earlier.measure(model, step)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    # The same seed, so that step 0 is the same, and other steps.
    callback = TopologyCallback(PROBE, SITES, every=1, budget=1e9, out=out)
    with pytest.raises(ti.InputError, match="step-00000001 holds other activations than the model gives at step 1") as told:
        trained_by_hugging_face(tmp_path / "run", [callback])
    assert callback.to_frame()["step"].tolist() == [0] and str(told.value).endswith(f"such as out='{out}-2'")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    again = TopologyCallback(PROBE, SITES, every=1, budget=1e9, out=f"{out}-2")
    trained_by_hugging_face(tmp_path / "run", [again])
    assert again.to_frame()["step"].tolist() == list(range(7))


def test_settings_are_checked():
    for options, words in (({"every": 0}, "every=100"), ({"budget": 0.0}, "budget=0.05"), ({"summaries": ()}, "holds no statistic")):
        with pytest.raises(ti.InputError, match=words):
            TopologyCallback(PROBE, SITES, **options)
    with pytest.raises(ti.InputError, match="gives its batches once"):
        TopologyCallback(iter([PROBE]), SITES)


def test_a_callback_outside_a_trainer_says_what_to_do():
    callback = TopologyCallback(PROBE, SITES)
    with pytest.raises(ti.InputError, match=r"Trainer\(callbacks="):
        callback.on_train_begin(None, types.SimpleNamespace(is_world_process_zero=True, global_step=0), None, model=seeded_model())


def test_copies_and_pickles():
    callback = TopologyCallback(PROBE, SITES, every=7)
    for other in (copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))):
        assert repr(other) == repr(callback) and isinstance(other, TopologyCallback) and type(other) is type(callback)


def test_random_numbers_are_left_alone():
    from topo_interp.integrations.live import _same_random_numbers

    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    with _same_random_numbers():
        torch.rand(3), np.random.rand(3)
    assert torch.equal(torch.get_rng_state(), before[0]) and (np.random.get_state()[1] == before[1]).all()
