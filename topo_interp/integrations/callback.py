"""One callback that the Hugging Face Trainer and Lightning both take; neither is imported before one is made."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from topo_interp._errors import InputError, MissingEngineError
from topo_interp.activations.selectors import RowSelector
from topo_interp.homology.rips import Rips
from topo_interp.integrations.live import Live, Settings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TopologyCallback"]

_BASES = (("transformers", "TrainerCallback"), ("lightning.pytorch", "Callback"), ("pytorch_lightning", "Callback"))


class TopologyCallback:
    """Persistent homology of a model's sites while it trains, sent to the loggers of the run as ``topo/<site>/<summary>``.

    Give it to ``transformers.Trainer(callbacks=[...])`` or to Lightning's ``Trainer(callbacks=[...])``; what the run logs to
    (TensorBoard, W&B ...) gets the numbers. Hugging Face's loggers put ``train/`` before the names, as before all of their own.
    Import the framework before making the callback, so that it is made for that one.

    >>> import torch, topo_interp as ti
    >>> callback = ti.integrations.TopologyCallback(torch.eye(20), "encoder.*", every=50)
    >>> callback
    TopologyCallback(sites='encoder.*', every=50, budget=0.05)

    It only reads: the model runs in evaluation mode without gradients and is afterwards as before, and no random number of the
    training is used up, so that a run ends with the same weights with and without it. It runs on rank zero alone, on the
    model without its parallel wrapper; for models whose parameters are spread over ranks (FSDP, ZeRO-3) that does not work.

    Args:
        probe: the inputs, as :func:`topo_interp.capture` takes them; the batches of a DataLoader are read once and kept.
        sites: patterns of module paths.
        rows: which rows, such as ``ti.mean_pool()``; :func:`topo_interp.every_row` without.
        recipe: a :class:`topo_interp.Rips`.
        summaries: functions of diagrams with a name; without: longest and total length of the loops, and their number.
        baselines: also log plain numbers that often explain the topological ones.
        every: measure at step 0 and at every so many optimizer steps.
        budget: largest share of the run's time. The measurement before the first step is always made; after it none begins
            before all of them, and it (as long as the longest so far), fit. What is left out stands in ``skipped``.
        out: a folder that keeps the stores, as ``step-00000100`` ..., for ``ti.track`` or ``topo-interp track``; one that is there already is
            kept, and the first of them that is not what the model gives ends the run, since the folder is then another run's.
        forward: how to run a batch, see :func:`topo_interp.capture`.

    Raises:
        MissingEngineError: neither framework is installed.
        InputError: a setting is out of range; at the first step, what :func:`topo_interp.capture` raises; at any step, a store in
            ``out`` that differs from what the model gives: another run's, or this one's where training that went on from a
            checkpoint does not repeat to the last bit. Any other measurement that fails later is a warning.

    Cost: one capture and one :func:`topo_interp.profile` per measurement, within the budget.
    """

    def __new__(cls, *args: Any, **options: Any) -> Any:
        return object.__new__(_with_bases(_frameworks()))

    def __init__(
        self,
        probe: Any,
        sites: str | Sequence[str],
        *,
        rows: RowSelector | None = None,
        recipe: Rips | None = None,
        summaries: Sequence[Callable[[Any], float]] | None = None,
        baselines: bool = True,
        every: int = 100,
        budget: float = 0.05,
        out: str | os.PathLike[str] | None = None,
        forward: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        given = {"rows": rows, "recipe": recipe, "summaries": summaries}
        chosen = {name: value for name, value in given.items() if value is not None}
        self._live = Live(Settings(probe, sites, baselines=baselines, every=every, budget=budget, out=out, forward=forward, **chosen))
        self._handler: Any = None

    @property
    def skipped(self) -> tuple[int, ...]:
        """Steps at which nothing was measured because of the budget."""
        return tuple(self._live.skipped)

    @property
    def seconds(self) -> float:
        """Time spent so far."""
        return self._live.spent

    def to_frame(self) -> pd.DataFrame:
        """One row per measurement: step, and a column for each number that was logged."""
        import pandas as pd

        return pd.DataFrame(self._live.history)

    def __repr__(self) -> str:
        asked = self._live.settings
        return f"TopologyCallback(sites={asked.sites!r}, every={asked.every}, budget={asked.budget})"

    def __getattr__(self, name: str) -> Any:  # reached only for what no base has, such as a hook of the other framework
        if not name.startswith(("on_", "setup", "teardown")):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        bases = ", ".join(base.__module__.partition(".")[0] for base in type(self).__mro__[2:-1]) or "no framework"
        raise AttributeError(
            f"this TopologyCallback has no {name!r}; it was made for {bases}: import the framework that trains (import lightning, "
            "import transformers) before making the callback"
        )

    def __reduce__(self) -> Any:  # its class is made when it is asked for, so that pickle does not find it by name
        return _revived, (self.__dict__,)

    # Hugging Face

    def on_train_begin(self, args: Any, state: Any, control: Any, *, model: Any, **_: Any) -> None:
        """Hook of the Hugging Face Trainer."""
        if state.is_world_process_zero:
            self._handler = _calling_handler()
            self._tell_handler(args, state, control, self._live.begin(model, state.global_step))

    def on_step_end(self, args: Any, state: Any, control: Any, *, model: Any, **_: Any) -> None:
        """Hook of the Hugging Face Trainer."""
        if state.is_world_process_zero and self._live.due(state.global_step):
            self._tell_handler(args, state, control, self._live.measure(model, state.global_step))

    def _tell_handler(self, args: Any, state: Any, control: Any, values: dict[str, float]) -> None:
        if values:
            state.log_history.append({**values, "step": state.global_step})
            # A copy, because the handler takes the order to log from the one it is given, and that one is the Trainer's.
            self._handler.on_log(args, state, copy.copy(control), values)

    # Lightning

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Hook of Lightning."""
        if trainer.is_global_zero:
            self._tell_loggers(trainer, self._live.begin(pl_module, trainer.global_step))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """Hook of Lightning."""
        if trainer.is_global_zero and self._live.due(trainer.global_step):
            self._tell_loggers(trainer, self._live.measure(pl_module, trainer.global_step))

    def _tell_loggers(self, trainer: Any, values: dict[str, float]) -> None:
        for logger in trainer.loggers if values else ():
            logger.log_metrics(values, step=trainer.global_step)

    # Both have a hook of this name, with different arguments.

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Nothing is left to do."""


def _frameworks() -> tuple[tuple[str, str], ...]:
    """The frameworks that are loaded; where none is, those that are installed."""
    loaded = tuple(base for base in _BASES if base[0] in sys.modules)
    found = loaded or tuple(base for base in _BASES if find_spec(base[0].partition(".")[0]) is not None)
    if not found:
        raise MissingEngineError("a training callback needs transformers or Lightning: pip install 'topo-interp[train]' (Hugging Face) or 'topo-interp[lightning]'")
    return found


@functools.lru_cache
def _with_bases(bases: tuple[tuple[str, str], ...]) -> type[TopologyCallback]:
    classes = tuple(getattr(importlib.import_module(module), name) for module, name in bases)
    return type("TopologyCallback", (TopologyCallback, *classes), {"__doc__": TopologyCallback.__doc__, "__module__": __name__})


def _revived(fields: dict[str, Any]) -> TopologyCallback:
    callback = object.__new__(_with_bases(_frameworks()))
    callback.__dict__.update(fields)
    return callback


def _calling_handler() -> Any:
    """The Trainer's list of callbacks, its loggers among them.

    The Trainer gives a callback neither itself nor its loggers; the handler that is calling this hook has them.
    """
    from transformers.trainer_callback import CallbackHandler

    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, CallbackHandler):
            return caller
        frame = frame.f_back
    raise InputError("on_train_begin is called by the Hugging Face Trainer; give the callback to Trainer(callbacks=[...])")
