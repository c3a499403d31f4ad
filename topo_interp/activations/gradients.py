"""Gradients of a drawn log-probability (or of a random mixture of outputs) at the activations of one site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from topo_interp._errors import InputError
from topo_interp.activations.batch_rows import BatchRows, Misfit, first_tensor
from topo_interp.activations.hooks import quiet, sequence_first
from topo_interp.activations.inputs import Call, item_count, key_mask, only_device, prepare
from topo_interp.activations.selectors import EveryRow, RowSelector, Tokens
from topo_interp.activations.sites import Site
from topo_interp.activations.vocabulary import Vocabulary

__all__ = ["gradient_batches"]


def gradient_batches(
    model: torch.nn.Module,
    site: Site,
    batches: Iterable[Any],
    output: str,
    positions: RowSelector,
    probes: int,
    seed: int,
    read: Callable[[Any], Any] | None,
    forward: Callable[[torch.nn.Module, Any], Any] | None,
    mask: Callable[[Any], Any] | None,
    tokenizer: Any,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each batch: the rows (rows, d), the item of each, and the gradients (probes, rows, d)."""
    generator = torch.Generator().manual_seed(seed)
    vocabulary = Vocabulary(tokenizer)
    device = only_device(model)
    inner = sequence_first(model)
    axis = 1 if "" in inner else 0
    site_axis = 1 if site.path in inner else axis
    seen = 0
    for batch in batches:
        with quiet(model), torch.enable_grad():  # quiet() turned them off
            call = Call(model, prepare(batch, device), forward)
            tokens = _tokens(call, batch, mask, vocabulary, axis, seen)
            items = len(tokens.real) if tokens is not None else item_count(call, axis)

            def blank(real: np.ndarray, first: int = seen) -> Tokens:
                return Tokens(real, np.zeros_like(real), first)

            rows = BatchRows(positions, torch.float64, items, tokens, blank)
            leaf, result = _run(model, site, call)
            try:
                values = rows.of(site.key, leaf, batch_axis=site_axis)
                target = _read(result, output, read)
                counted = _counted(target, tokens, axis)
                drawn = []
                for k in range(probes):
                    number = _drawn(target, counted, output, generator)
                    gradient = _gradient(number, leaf, site, last=k == probes - 1)
                    drawn.append(rows.of(site.key, gradient, batch_axis=site_axis))
            except Misfit as misfit:
                raise InputError(f"the site {site.key!r}: {misfit}") from None
        chosen = None if isinstance(positions, EveryRow) else rows.chosen
        owner = np.arange(len(values)) if chosen is None else np.nonzero(chosen)[0]
        yield values, owner, np.stack(drawn)
        seen += rows.items or 0


def _tokens(
    call: Call, batch: Any, mask: Callable[[Any], Any] | None, vocabulary: Vocabulary, axis: int, first: int
) -> Tokens | None:
    real = key_mask(call.named) if mask is None else torch.as_tensor(mask(batch)).cpu().numpy().astype(bool)
    ids = call.named.get("input_ids")
    ids = ids.cpu().numpy() if isinstance(ids, torch.Tensor) and ids.ndim == 2 else None
    ids = ids.T if ids is not None and axis == 1 else ids
    if real is None and ids is None:
        return None
    real = np.ones(ids.shape, dtype=bool) if real is None else real  # type: ignore[union-attr]
    special = np.zeros_like(real) if ids is None else vocabulary.special(ids)
    return Tokens(real, special, first, ids, vocabulary.text)


def _run(model: torch.nn.Module, site: Site, call: Call) -> tuple[torch.Tensor, Any]:
    """The activations as the start of a new graph, and what the model returned from there."""
    leaves: list[torch.Tensor] = []
    results: list[Any] = []

    def cut(_module: torch.nn.Module, _args: Any, value: Any) -> Any:
        try:
            tensor = first_tensor(value, site.keys)
        except Misfit as misfit:
            raise InputError(f"the site {site.key!r}: {misfit}") from None
        if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point() or tensor.is_nested:
            raise InputError(f"the site {site.key!r} gives no plain floating-point tensor, so there is no gradient at it")
        leaves.append(tensor.detach().requires_grad_())
        # A copy goes on: a later module may write into it, which the start of a graph does not allow.
        return _replaced(value, tensor, leaves[-1].clone())

    def keep(_module: torch.nn.Module, _args: Any, value: Any) -> None:
        results.append(value)

    handles = [model.get_submodule(site.path).register_forward_hook(cut), model.register_forward_hook(keep)]
    try:
        call()
    finally:
        for handle in handles:
            handle.remove()
    if len(leaves) != 1:
        raise InputError(f"the site {site.key!r} ran {len(leaves)} times for one batch; a site that runs once is needed")
    return leaves[0], results[-1]


def _replaced(value: Any, old: torch.Tensor, new: torch.Tensor) -> Any:
    """The same structure with one tensor in the place of another."""
    if value is old:
        return new
    if isinstance(value, Mapping):
        entries = {key: _replaced(entry, old, new) for key, entry in value.items()}
        kind: Any = type(value)
        return kind(**entries) if hasattr(value, "to_tuple") else kind(entries)  # transformers' ModelOutput has to_tuple
    if isinstance(value, (tuple, list)):
        entries_ = [_replaced(entry, old, new) for entry in value]
        return type(value)(*entries_) if hasattr(value, "_fields") else type(value)(entries_)
    return value


def _read(result: Any, output: str, read: Callable[[Any], Any] | None) -> torch.Tensor:
    if read is not None:
        target = read(result)
    elif isinstance(result, Mapping) and output == "classes" and "logits" in result:
        target = result["logits"]
    else:
        try:
            target = first_tensor(result, ())
        except Misfit as misfit:
            raise InputError(f"the model's output: {misfit}; say read=lambda out: ...") from None
    if not isinstance(target, torch.Tensor) or target.ndim < 1 or not target.is_floating_point():
        raise InputError(f"the output is {type(target).__name__}; a floating-point tensor is needed: say read=lambda out: ...")
    return target


def _counted(target: torch.Tensor, tokens: Tokens | None, axis: int) -> torch.Tensor | None:
    """Which positions of the output count: those of real tokens, where it has a position for each token."""
    if tokens is None or target.ndim < 3:
        return None
    real = tokens.real.T if axis == 1 else tokens.real
    return torch.from_numpy(np.ascontiguousarray(real)).to(target.device) if target.shape[:2] == real.shape else None


def _drawn(target: torch.Tensor, counted: torch.Tensor | None, output: str, generator: torch.Generator) -> torch.Tensor:
    """One number whose gradient is g: the sum of the log-probabilities of drawn classes, or of outputs times normal numbers."""
    if output == "vector":
        normal = torch.randn(target.shape, generator=generator, dtype=torch.float64).to(target.device, target.dtype)
        parts = (target * normal).sum(dim=-1)
    else:
        log_p = torch.log_softmax(target.float() if target.element_size() < 4 else target, dim=-1)
        p = log_p.detach().cpu().double().exp().reshape(-1, log_p.shape[-1])
        drawn = torch.multinomial(p, 1, generator=generator).reshape(log_p.shape[:-1])
        parts = log_p.gather(-1, drawn.to(log_p.device)[..., None])[..., 0]
    return parts.sum() if counted is None else parts[counted].sum()


def _gradient(number: torch.Tensor, leaf: torch.Tensor, site: Site, *, last: bool) -> torch.Tensor:
    found = None
    if number.requires_grad:
        (found,) = torch.autograd.grad(number, leaf, retain_graph=not last, allow_unused=True)
    if found is None:
        raise InputError(f"the output does not depend on the site {site.key!r}; name a site before the output")
    return found
