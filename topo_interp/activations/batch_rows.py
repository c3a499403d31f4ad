"""From what a module gave in one batch to rows: unpack the value, find its batch axis, apply the row selector."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from topo_interp._errors import InputError
from topo_interp.activations.selectors import (
    EveryRow,
    MeanPool,
    RowSelector,
    SpatialMean,
    Tokens,
    TokenSelector,
)

__all__ = ["BatchRows", "Misfit", "first_tensor"]


class Misfit(Exception):
    """A site's value gives no rows; the message goes into the error, or into the store's list of what was left out."""


@dataclasses.dataclass
class BatchRows:
    """What is known of one batch, and its rows.

    The chosen positions are settled once: by the mask or the token numbers, else by the first site that has tokens. A later
    site must have the same ones, for rows are shared.

    Attributes:
        selector: which rows.
        dtype: float32 or float64, what the rows are rounded to.
        items: number of items, None until the first site when the inputs do not say.
        tokens: what the inputs say of the tokens, or None.
        blank: makes Tokens for a model whose inputs say nothing of them, from a bool array of the real ones.
    """

    selector: RowSelector
    dtype: torch.dtype
    items: int | None
    tokens: Tokens | None
    blank: Any
    chosen: np.ndarray | None = None
    settled_by: str = "the inputs"
    settled: Tokens | None = None

    def of(self, site: str, value: Any, *, batch_axis: int) -> np.ndarray:
        """The rows (rows, coordinates) of a site's value.

        Raises:
            Misfit: it has none under this selector.
            InputError: its rows are not finite, or are other observations than those of the sites before.
        """
        tensor, real = _dense(value, batch_axis, None if self.tokens is None else self.tokens.real)
        if tensor.is_complex() or not tensor.is_floating_point():
            raise Misfit(f"it gives {_short(tensor.dtype)} (shape {tuple(tensor.shape)}), not activations")
        if tensor.ndim == 0:
            raise Misfit("it gives a single number")
        tensor = tensor.movedim(batch_axis if tensor.ndim > 2 else 0, 0)
        if self.items is None:
            self.items = len(tensor)
        if len(tensor) != self.items:
            raise Misfit(
                f"it gives shape {tuple(tensor.shape)} for a batch of {self.items} items; if the model is sequence "
                "first, say batch_axis=1"
            )
        rows = self._select(site, tensor.detach(), real).to("cpu", self.dtype).numpy()
        if not np.isfinite(rows).all():
            bad = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise InputError(
                f"the site {site!r} gives a NaN or an infinity in row {bad} of a batch; take it out with '!{site}', or look "
                "at the model's weights"
            )
        return rows

    def _select(self, site: str, tensor: torch.Tensor, real: np.ndarray | None) -> torch.Tensor:
        shape = tuple(tensor.shape)
        # The rows must not share memory with the tensor: a later module may write into it.
        if isinstance(self.selector, EveryRow):
            if self.tokens is not None and tensor.ndim > 2:
                raise Misfit(f"it gives tokens (shape {shape}); use a token selector such as ti.mean_pool()")
            return tensor.reshape(len(tensor), -1).clone()
        if isinstance(self.selector, SpatialMean):
            if tensor.ndim == 2:
                return tensor.clone()
            if tensor.ndim < 2 or not -tensor.ndim < self.selector.channel_axis < tensor.ndim:
                raise Misfit(
                    f"it gives shape {shape}, which has no channels at axis {self.selector.channel_axis}"
                )
            channels = tensor.movedim(self.selector.channel_axis, 1)
            return channels.flatten(2).mean(dim=2, dtype=_wide(tensor))
        assert isinstance(self.selector, TokenSelector)
        pooled = isinstance(self.selector, MeanPool)
        if pooled and tensor.ndim == 2:
            return tensor.clone()  # one row for each item already, such as a pooler's
        if tensor.ndim != 3:
            raise Misfit(
                f"it gives shape {shape}; {self.selector.kind}() needs (batch, tokens, coordinates): "
                "use ti.every_row() or ti.spatial_mean()"
            )
        chosen = self._choose(site, tensor.shape[1], real, pooled)
        mask = torch.from_numpy(chosen).to(tensor.device)
        if pooled:
            total = tensor.masked_fill(~mask[:, :, None], 0).sum(dim=1, dtype=_wide(tensor))
            return total / mask.sum(dim=1, keepdim=True)
        return tensor[mask]

    def _choose(self, site: str, length: int, real: np.ndarray | None, pooled: bool) -> np.ndarray:
        assert isinstance(self.selector, TokenSelector) and self.items is not None
        if self.tokens is not None:
            if self.tokens.real.shape[1] != length:
                raise Misfit(
                    f"it has {length} positions and the inputs have {self.tokens.real.shape[1]}; "
                    "say mask= for the tokens that the site has"
                )
            if self.chosen is None:
                self.chosen = self.selector.chosen(self.tokens)
            return self.chosen
        blank = self.blank(np.ones((self.items, length), dtype=bool) if real is None else real)
        chosen = self.selector.chosen(blank)
        if self.chosen is None:
            self.chosen, self.settled_by, self.settled = chosen, site, blank
        elif not pooled and not np.array_equal(self.chosen, chosen):
            raise InputError(
                f"the site {site!r} has {chosen.shape[1]} positions and {self.settled_by!r} has {self.chosen.shape[1]}, so their "
                f"rows are other observations: capture them separately, or take one out as with '!{self.settled_by}'"
            )
        return chosen

    def known_tokens(self) -> Tokens | None:
        """The tokens that the rows come from, None when neither the inputs nor a site had any."""
        return self.settled if self.tokens is None else self.tokens


def first_tensor(value: Any, keys: tuple[int | str, ...]) -> Any:
    """The tensor meant in a module's output: the entry that the keys name, else the first of a tuple, or the hidden
    state (else the logits) of a ModelOutput.

    Raises:
        Misfit: there is none, or several and no way to know which.
    """
    for key in keys:
        try:
            value = value[key] if isinstance(key, int) or isinstance(value, Mapping) else getattr(value, key)
        except (KeyError, IndexError, TypeError, AttributeError):
            raise Misfit(f"it has no entry [{key}] in {_describe(value)}") from None
    if _is_leaf(value):
        return value
    if isinstance(value, Mapping):
        for name in ("last_hidden_state", "logits"):
            if name in value:
                return first_tensor(value[name], ())
        tensors = [name for name, entry in value.items() if _is_leaf(entry)]
        if len(tensors) == 1:
            return value[tensors[0]]
        raise Misfit(
            f"it gives {_describe(value)}; say which entry, as in ':output[{next(iter(value), 'name')}]'"
        )
    if isinstance(value, (tuple, list)):
        for entry in value:
            if _is_leaf(entry):
                return entry
        if value and isinstance(value[0], (tuple, list, Mapping)):
            return first_tensor(value[0], ())
    raise Misfit(f"it gives {_describe(value)}, in which there is no tensor")


def _is_leaf(value: Any) -> bool:
    return isinstance(value, (torch.Tensor, torch.nn.utils.rnn.PackedSequence))


def _dense(value: Any, batch_axis: int, real: np.ndarray | None) -> tuple[torch.Tensor, np.ndarray | None]:
    """An ordinary floating tensor, and which of its positions are real if the value itself says so."""
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        padded, lengths = torch.nn.utils.rnn.pad_packed_sequence(value, batch_first=batch_axis == 0)
        return _aligned(padded, lengths.numpy(), real, batch_axis)
    if value.is_nested:
        own = np.array([len(sequence) for sequence in value.unbind()])
        return _aligned(torch.nn.utils.rnn.pad_sequence(value.unbind(), batch_first=True), own, real, 0)
    if value.is_quantized:
        return value.dequantize(), None
    if value.layout is not torch.strided:
        raise Misfit(f"it gives a {_short(value.layout)} tensor; a dense one is needed")
    if value.is_floating_point() and value.element_size() == 1:
        return value.float(), None  # float8 has no arithmetic
    return value, None


def _aligned(
    padded: torch.Tensor, lengths: np.ndarray, real: np.ndarray | None, batch_axis: int
) -> tuple[torch.Tensor, np.ndarray]:
    """Sequences padded on the right, brought to the positions that the mask calls real."""
    own = np.arange(padded.shape[1 - batch_axis]) < lengths[:, None]
    if real is None or real.shape == own.shape and np.array_equal(real, own):
        return padded, own
    if not np.array_equal(real.sum(axis=1), lengths):
        raise Misfit(
            f"its sequences have lengths {lengths.tolist()[:8]}, by the mask {real.sum(axis=1).tolist()[:8]}"
        )
    sequences = padded.movedim(batch_axis, 0)
    out = sequences.new_zeros((*real.shape, *sequences.shape[2:]))
    out[torch.from_numpy(real).to(out.device)] = sequences[torch.from_numpy(own).to(out.device)]
    return out.movedim(0, batch_axis), real


def _wide(tensor: torch.Tensor) -> torch.dtype:
    return torch.float32 if tensor.device.type == "mps" else torch.float64  # Apple's GPUs have no float64


def _short(name: object) -> str:
    return str(name).removeprefix("torch.")


def _describe(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with {', '.join(map(repr, value)) or 'nothing'}"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
