"""The model's inputs: batches from whatever was given, and what a batch says of its items and tokens."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch

from topo_interp._errors import InputError

__all__ = ["Call", "as_batches", "item_count", "key_mask", "only_device", "prepare"]

Forward = Callable[[torch.nn.Module, Any], Any]


class Call:
    """One batch, bound to the names of the model's arguments where that is possible."""

    def __init__(self, model: torch.nn.Module, batch: Any, forward: Forward | None) -> None:
        self._model, self._batch, self._forward = model, batch, forward
        self._args: tuple[Any, ...] = ()
        self._kwargs: dict[str, Any] = {}
        if isinstance(batch, Mapping):
            self._kwargs = dict(batch)
        elif isinstance(batch, (tuple, list)) and not isinstance(batch, torch.nn.utils.rnn.PackedSequence):
            self._args = tuple(batch)
        else:
            self._args = (batch,)
        self.values = (*self._args, *self._kwargs.values())
        self.named = self._kwargs if forward is not None else self._bind()

    def __call__(self) -> None:
        try:
            if self._forward is not None:
                self._forward(self._model, self._batch)
            else:
                self._model(*self._args, **self._kwargs)
        except RuntimeError as error:  # torch's words for two types of numbers do not say which is the batch's
            given = {_words(value) for value in self.values if isinstance(value, torch.Tensor) and value.is_floating_point()}
            wanted = {_words(weights) for weights in self._model.parameters() if weights.is_floating_point()}
            if "type" not in str(error) or len(wanted) != 1 or given <= wanted:
                raise
            raise InputError(
                f"the model's parameters are {min(wanted)} and a batch holds {min(given - wanted)} ({error}); convert the batches, "
                f"such as x.astype('{min(wanted)}') of an array"
            ) from error

    def _bind(self) -> Mapping[str, Any]:
        try:
            signature = inspect.signature(self._model.forward)
        except (TypeError, ValueError):
            return self._kwargs
        try:
            return signature.bind(*self._args, **self._kwargs).arguments
        except TypeError as error:
            raise InputError(
                f"a batch of {len(self.values)} entries does not fit {type(self._model).__name__}.forward{signature} ({error}); "
                "if it is (inputs, targets), say forward=lambda model, batch: model(batch[0])"
            ) from None


def _words(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def as_batches(inputs: Any) -> tuple[Iterable[Any], int | None]:
    """The batches, and how many there are if that is known. A tensor, an array, a tuple or a mapping is one batch."""
    if isinstance(inputs, str) or (
        isinstance(inputs, (list, tuple)) and inputs and isinstance(inputs[0], str)
    ):
        raise InputError(
            "the inputs are strings; use ti.capture_text(model, tokenizer, texts, sites, rows=...)"
        )
    if isinstance(inputs, tuple) and not isinstance(inputs, torch.nn.utils.rnn.PackedSequence):
        kinds = {
            (entry.dtype, entry.shape[1:]) if isinstance(entry, torch.Tensor) else id(entry)
            for entry in inputs
        }
        if len(inputs) > 1 and len(kinds) == 1:
            raise InputError(
                f"inputs is a tuple of {len(inputs)} tensors of one kind, which may be one batch or several: say [(a, b)] for one "
                "batch with two arguments, or a list such as list(x.split(32)) for several batches"
            )
    if isinstance(inputs, (torch.Tensor, np.ndarray, tuple, Mapping)):
        return [inputs], 1
    if not isinstance(inputs, Iterable):
        raise InputError(
            f"inputs is a {type(inputs).__name__}; give a DataLoader, batches, or one batch (tensor, tuple, dict)"
        )
    try:
        return inputs, len(inputs)  # type: ignore[arg-type]
    except TypeError:  # a generator, or a loader over a stream
        return inputs, None


def prepare(batch: Any, device: torch.device | None) -> Any:
    """The batch with arrays as tensors, moved to the model's device (the model itself is never moved)."""
    if isinstance(batch, np.ndarray):
        batch = torch.from_numpy(batch)
    if isinstance(batch, (torch.Tensor, torch.nn.utils.rnn.PackedSequence)):
        return batch if device is None else batch.to(device)  # type: ignore[arg-type]
    if isinstance(batch, Mapping):
        return {name: prepare(entry, device) for name, entry in batch.items()}
    if isinstance(batch, (tuple, list)):
        entries = [prepare(entry, device) for entry in batch]
        return type(batch)(*entries) if hasattr(batch, "_fields") else type(batch)(entries)
    return batch


def only_device(model: torch.nn.Module) -> torch.device | None:
    """The one device of the model's parameters; None when there are none or the model is spread over several."""
    devices = {tensor.device for tensor in (*model.parameters(), *model.buffers())}
    return devices.pop() if len(devices) == 1 else None


def key_mask(named: Mapping[str, Any]) -> np.ndarray | None:
    """Bool (items, positions), True at real tokens, from an attention mask (transformers) or a padding mask (torch).

    Raises:
        InputError: the mask has another form.
    """
    for name in ("attention_mask", "src_key_padding_mask", "key_padding_mask"):
        mask = named.get(name)
        if mask is None:
            continue
        mask = torch.as_tensor(mask)
        if mask.ndim != 2:
            raise InputError(
                f"{name} has shape {tuple(mask.shape)}; (items, positions) is needed: say mask=lambda batch: ... with True at "
                "the real tokens"
            )
        if name == "attention_mask":
            return (mask > 0).cpu().numpy()
        # torch's padding masks are True, or minus infinity when added to the scores, where a token is to be ignored
        return ((mask >= 0) if mask.is_floating_point() else (mask == 0)).cpu().numpy()
    return None


def item_count(call: Call, batch_axis: int) -> int | None:
    """How many items the batch has, None when no entry is a tensor."""
    first = [call.named.get(name) for name in ("input_ids", "inputs_embeds", "pixel_values")]
    for value in (*first, *call.values):
        if isinstance(value, torch.nn.utils.rnn.PackedSequence):
            return int(value.batch_sizes[0])
        if isinstance(value, torch.Tensor) and value.ndim:
            nested = value.is_nested
            return value.size(0) if nested or value.ndim == 1 else value.shape[batch_axis]
    return None
