"""Activations of a model at named sites, as rows of one shared table."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from topo_interp._errors import InputError
from topo_interp.activations.encoding import check_dtype
from topo_interp.activations.files import StoreFolder
from topo_interp.activations.labels import Labels
from topo_interp.activations.row_choice import group_names
from topo_interp.activations.selectors import RowSelector
from topo_interp.activations.sites import resolve_sites
from topo_interp.activations.store import ActivationStore
from topo_interp.activations.vocabulary import Vocabulary
from topo_interp.progress import progress as progress_line

if TYPE_CHECKING:
    import torch

__all__ = ["capture"]


def capture(
    model: torch.nn.Module,
    inputs: Any,
    sites: str | Sequence[str],
    *,
    rows: RowSelector,
    dtype: str = "float32",
    out: str | os.PathLike[str] | None = None,
    labels: Any = None,
    groups: Sequence[str] = (),
    calls: str = "last",
    mask: Callable[[Any], Any] | None = None,
    forward: Callable[[torch.nn.Module, Any], Any] | None = None,
    tokenizer: Any = None,
    batch_axis: int | None = None,
    progress: bool = True,
) -> ActivationStore:
    """Run a model on inputs and keep what its modules gave.

    >>> import torch
    >>> import topo_interp as ti
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(inplace=True), torch.nn.Linear(4, 2))
    >>> store = ti.capture(model, torch.eye(3), "*", rows=ti.every_row(), labels=["x", "y", "z"])
    >>> store
    ActivationStore(3 sites, 3 rows; rows: item, label)
    >>> store["0"]
    PointCloud(3 x 4 float32, site='0')

    The model runs in evaluation mode without gradients, on the device where it is; its modes, hooks and parameters are
    afterwards as before, also after an error or Ctrl-C. From the second batch on the forward pass stops after the last
    needed site, unless a site ran several times in the first. Models on a GPU, or spread over devices, are written for and
    tested where there is one; these tests have not been run.

    Args:
        model: any ``torch.nn.Module``.
        inputs: a DataLoader or an iterable of batches; or one batch: a tensor, a tuple (positional arguments) or a mapping
            (named arguments). Batches are moved to the model's device.
        sites: patterns of module paths (see ``topo_interp.activations.sites``): ``"encoder.layer.*"``, ``"**.attention"``,
            ``"encoder.layer.3:input"``, ``"rnn:output[1][0]"``, ``"!**.dropout"``.
        rows: which rows: :func:`every_row`, :func:`spatial_mean`, :func:`mean_pool`, :func:`last_token`,
            :func:`first_token`, :func:`every_token`, :func:`token_at`.
        dtype: "float32", "float64", or "float16" and "bfloat16", which keep the deviation from the mean of the first batch
            (see :meth:`ActivationStore.stored`).
        out: a folder to be made: rows go there batch by batch. None keeps them in memory.
        labels: of the items: a list (column "label"), a mapping or DataFrame of columns, or a function of a batch.
        groups: label columns of the design; rows that share a value in one are not independent.
        calls: "last" keeps the last run of a module that runs several times in a forward pass; "all" keeps each, with a
            column ``call``.
        mask: a function of a batch that gives bool (items, positions), True at the real tokens; needed only when the
            batch has no ``attention_mask`` or ``src_key_padding_mask``.
        forward: how to run a batch, when not as ``model(*batch)`` or ``model(**batch)``.
        tokenizer: a transformers tokenizer: gives the tokens' texts, and says which are special.
        batch_axis: 1 for a model whose inputs are (positions, items, ...); found by itself for torch's own modules.
        progress: show a progress bar.

    Returns:
        The store; open on ``out`` when that is given.

    Raises:
        InputError: no module matches; a site named in full never ran or gives no rows; the model can not be captured.

    Cost: one forward pass per batch; with ``out`` the memory of one batch.
    """
    from topo_interp.activations.driver import Run
    from topo_interp.activations.hooks import quiet
    from topo_interp.activations.inputs import as_batches
    from topo_interp.activations.model_checks import aliases, checked_model

    if not isinstance(rows, RowSelector):
        raise InputError(f"rows is {rows!r}; give a row selector such as ti.every_row() or ti.mean_pool()")
    if calls not in ("last", "all"):
        raise InputError(f"calls is {calls!r}; use 'last' or 'all'")
    if batch_axis not in (None, 0, 1):
        raise InputError(f"batch_axis is {batch_axis!r}; use 0, 1, or None to find it")
    for name, function in (("mask", mask), ("forward", forward)):
        if function is not None and not callable(function):
            raise InputError(f"{name} is {function!r}; a function is needed, or None")
    check_dtype(dtype)
    groups = group_names(groups)
    columns = Labels(labels)
    columns.require(groups)
    model = checked_model(model)
    paths = [path for path, _ in model.named_modules(remove_duplicate=False)]
    found, left_out = resolve_sites(sites, paths, aliases(model))
    batches, total = as_batches(inputs)
    with contextlib.ExitStack() as stack:
        folder = None if out is None else stack.enter_context(StoreFolder(out))
        run = Run(
            model,
            found,
            left_out,
            selector=rows,
            dtype=dtype,
            calls=calls,
            folder=folder,
            labels=columns,
            mask=mask,
            forward=forward,
            vocabulary=Vocabulary(tokenizer),
            batch_axis=batch_axis,
        )
        with quiet(model), progress_line(total, "capture", progress) as line:
            for batch in batches:
                run.take(batch)
                line.advance()
        return run.store(groups, None if out is None else Path(out))
