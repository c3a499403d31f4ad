"""One run of :func:`capture`: batch by batch from the hooks to the row log and the sinks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from topo_interp._errors import InputError
from topo_interp.activations.batch_rows import BatchRows, Misfit
from topo_interp.activations.encoding import centered_encode
from topo_interp.activations.files import StoreFolder
from topo_interp.activations.hooks import StopForward, hooks, sequence_first
from topo_interp.activations.inputs import Call, item_count, key_mask, only_device, prepare
from topo_interp.activations.labels import Labels
from topo_interp.activations.model_checks import generators, may_stop_early
from topo_interp.activations.row_log import Reservoir, RowLog
from topo_interp.activations.row_table import finish_store
from topo_interp.activations.selectors import EveryToken, MeanPool, RowSelector, Tokens, TokenSelector
from topo_interp.activations.sites import Site
from topo_interp.activations.sources import MemoryShard
from topo_interp.activations.store import ActivationStore, open_store
from topo_interp.activations.vocabulary import Vocabulary

__all__ = ["Run"]


class Run:
    """The state of a capture: which sites are left, the rows so far, and where they go."""

    def __init__(
        self,
        model: torch.nn.Module,
        sites: Sequence[Site],
        left_out: Mapping[str, str],
        *,
        selector: RowSelector,
        dtype: str,
        calls: str,
        folder: StoreFolder | None,
        labels: Labels,
        mask: Callable[[Any], Any] | None,
        forward: Callable[[torch.nn.Module, Any], Any] | None,
        vocabulary: Vocabulary,
        batch_axis: int | None,
    ) -> None:
        self._model, self._sites, self._left_out = model, list(sites), dict(left_out)
        self._selector, self._dtype, self._calls = selector, dtype, calls
        self._folder, self._labels, self._mask, self._forward = folder, labels, mask, forward
        self._vocabulary = vocabulary
        inner = sequence_first(model)
        self._batch_axis = (1 if "" in inner else 0) if batch_axis is None else batch_axis
        self._site_axis = {site.key: 1 if site.path in inner else self._batch_axis for site in sites}
        self._device = only_device(model)
        self._generators = generators(model)
        self._log = RowLog()
        limit = selector.max_rows if isinstance(selector, EveryToken) else None
        self._reservoir = None if limit is None else Reservoir(limit, selector.seed)  # type: ignore[attr-defined]
        self._sinks: dict[str, Any] = {}
        self._multiple: dict[str, int] = {}
        self._stop_early = False
        self._batches = self._items = 0

    def take(self, batch: Any) -> None:
        """Run the model on one batch and keep its rows."""
        call = Call(self._model, prepare(batch, self._device), self._forward)
        rows = self._batch_rows(call, batch)
        if rows.items is not None:
            self._labels.add_batch(batch, rows.items)
            counted = True
        else:
            counted = False
        caught = self._run(call, rows)
        if self._batches == 0:
            self._settle(caught)
        arrays = {site.key: self._whole(site, caught) for site in self._sites}
        assert rows.items is not None  # a site gave rows
        if not counted:
            self._labels.add_batch(batch, rows.items)
        self._keep(rows, arrays, caught)
        self._items += rows.items
        self._batches += 1

    def store(self, groups: Sequence[str], path: Path | None) -> ActivationStore:
        """What was captured.

        Raises:
            InputError: there was no batch, or no row was chosen.
        """
        if self._batches == 0:
            raise InputError("the inputs hold no batch; a generator that was used up before gives none")
        if not self._sinks:
            raise InputError(
                f"{self._selector.kind}() chose no row in {self._items} items; look at store.rows of ti.every_token()"
            )
        self._labels.check_whole()
        self._labels.require(groups)
        self._thin()
        table = self._table()
        if self._folder is not None and path is not None:
            finish_store(self._folder, table, groups, self._info())
            return open_store(path)
        sources = {site: sink.source() for site, sink in self._sinks.items()}
        return ActivationStore(sources, table, factors=groups, info=self._info(), count=len(table))

    # One batch

    def _batch_rows(self, call: Call, batch: Any) -> BatchRows:
        def blank(real: np.ndarray) -> Tokens:
            return Tokens(real, np.zeros_like(real), self._items, labels=self._labels.of)

        mask = key_mask(call.named) if self._mask is None else _bool(self._mask(batch))
        ids = call.named.get("input_ids")
        ids = ids.cpu().numpy() if isinstance(ids, torch.Tensor) and ids.ndim == 2 else None
        ids = ids.T if ids is not None and self._batch_axis == 1 else ids
        tokens = None
        if mask is not None or ids is not None:
            real = np.ones(ids.shape, dtype=bool) if mask is None else mask  # type: ignore[union-attr]
            if ids is not None and ids.shape != real.shape:
                raise InputError(
                    f"the mask has shape {real.shape} and input_ids {ids.shape}; they must be the same"
                )
            special = np.zeros_like(real) if ids is None else self._vocabulary.special(ids)
            tokens = Tokens(real, special, self._items, ids, self._vocabulary.text, self._labels.of)
        items = item_count(call, self._batch_axis)
        wide = torch.float64 if self._dtype == "float64" else torch.float32
        return BatchRows(
            self._selector, wide, len(tokens.real) if tokens is not None else items, tokens, blank
        )

    def _run(self, call: Call, rows: BatchRows) -> dict[str, list[Any]]:
        caught: dict[str, list[Any]] = {}
        errors: list[InputError] = []
        waiting = {site.key for site in self._sites} if self._stop_early else None

        def receive(site: Site, value: Any) -> None:
            try:
                got = (
                    value
                    if isinstance(value, Misfit)
                    else rows.of(site.key, value, batch_axis=self._site_axis[site.key])
                )
            except Misfit as misfit:
                got = misfit.with_traceback(None)
            except InputError as error:
                errors.append(error)
                raise StopForward from None
            runs = caught.setdefault(site.key, [])
            runs.append(got)
            if self._calls == "last" and len(runs) > 1:
                runs[-2] = None  # only its count matters
            if waiting is not None:
                waiting.discard(site.key)
                if not waiting:
                    raise StopForward

        with hooks(self._model, self._sites, receive), self._watch_generators(errors):
            try:
                call()
            except StopForward:
                pass
        if errors:
            raise errors[0]
        return caught

    @contextlib.contextmanager
    def _watch_generators(self, errors: list[InputError]) -> Iterator[None]:
        runs = dict.fromkeys(self._generators, 0)

        def watch(path: str) -> Callable[..., None]:
            def hook(module: torch.nn.Module, _args: Any) -> None:
                runs[path] += 1
                if runs[path] > 1:
                    name = type(module).__name__
                    errors.append(
                        InputError(
                            f"{name} ran more than once for one batch, as generate() does, and each step sees other tokens; "
                            "generate first, then capture the finished sequences in one forward pass"
                        )
                    )
                    raise StopForward

            return hook

        handles = [module.register_forward_pre_hook(watch(path)) for path, module in self._generators.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _settle(self, caught: Mapping[str, list[Any]]) -> None:
        """After the first batch: which sites there are, in the order in which they ran."""
        order = {key: number for number, key in enumerate(caught)}
        kept = []
        for site in self._sites:
            got = caught.get(site.key, [Misfit("it never ran")])[-1]
            if not isinstance(got, Misfit):
                kept.append(site)
            elif site.named:
                raise InputError(f"the site {site.key!r}: {got}")
            else:
                self._left_out[site.key] = str(got)
        if not kept:
            some = "; ".join(f"{key!r}: {reason}" for key, reason in list(self._left_out.items())[:5])
            raise InputError(f"no site gave rows for {self._selector.kind}(). {some}")
        self._sites = sorted(kept, key=lambda site: order[site.key])
        runs = {site.key: len(caught[site.key]) for site in kept}
        self._multiple = {key: count for key, count in runs.items() if count > 1}
        # A module that ran once may still run twice for another batch, but nothing in a fixed architecture does that.
        self._stop_early = not self._multiple and may_stop_early(self._model)

    def _whole(self, site: Site, caught: Mapping[str, list[Any]]) -> np.ndarray:
        runs = caught.get(site.key, [Misfit("it did not run")])
        runs = runs if self._calls == "all" else runs[-1:]
        for got in runs:
            if isinstance(got, Misfit):
                raise InputError(f"the site {site.key!r}, batch {self._batches}: {got}")
        return np.concatenate(runs) if len(runs) > 1 else runs[0]

    def _keep(
        self, rows: BatchRows, arrays: Mapping[str, np.ndarray], caught: Mapping[str, list[Any]]
    ) -> None:
        calls = None
        if self._calls == "all":
            counts = {site.key: len(caught[site.key]) for site in self._sites}
            if len(set(counts.values())) > 1:
                some = ", ".join(f"{key!r} {count}" for key, count in list(counts.items())[:6])
                raise InputError(
                    f"calls='all' needs sites that run equally often; here: {some}. Capture them separately"
                )
            calls = next(iter(counts.values()))
        # Pooled rows are one for each item, and so are those of a selector that is not for tokens.
        chosen = (
            rows.chosen
            if isinstance(self._selector, TokenSelector) and not isinstance(self._selector, MeanPool)
            else None
        )
        columns = self._log.of_batch(self._items, rows.items or 0, rows.known_tokens(), chosen, calls)
        count = len(columns["item"])
        for site, array in arrays.items():
            if len(array) != count:
                raise InputError(
                    f"the site {site!r} gave {len(array)} rows in batch {self._batches}; {count} were expected"
                )
        for site, sink in self._sinks.items():
            if arrays[site].shape[1] != sink.width:
                raise InputError(
                    f"the site {site!r}, batch {self._batches}: its rows have {arrays[site].shape[1]} coordinates, before "
                    f"{sink.width}; use a selector that takes the mean over the axis that varies"
                )
        if count and not self._sinks:
            self._sinks = {site: self._sink(site, array) for site, array in arrays.items()}
        admitted: Any = slice(None) if self._reservoir is None else self._reservoir.admit(count)
        self._log.append({name: column[admitted] for name, column in columns.items()})
        for site, sink in self._sinks.items():
            stored = centered_encode(arrays[site][admitted], self._dtype, sink.offset)
            if self._dtype == "float16" and not np.isfinite(stored).all():
                raise InputError(
                    f"the site {site!r} has values beyond float16 (65504); use dtype='bfloat16' or 'float32'"
                )
            sink.append(stored)
        if self._reservoir is not None and self._reservoir.overfull:
            self._thin()

    def _sink(self, site: str, array: np.ndarray) -> Any:
        offset = (
            array.mean(axis=0, dtype=np.float64).astype(np.float32) if self._dtype.endswith("16") else None
        )
        make = MemoryShard if self._folder is None else self._folder.shard
        return make(site, self._dtype, array.shape[1], offset)

    def _thin(self) -> None:
        if self._reservoir is not None:
            index = self._reservoir.survivors()
            self._log.keep(index)
            for sink in self._sinks.values():
                sink.keep(index)

    # The end

    def _table(self) -> Any:
        import pandas

        columns: dict[str, Any] = self._log.columns()
        if "token_id" in columns and self._vocabulary.known:
            columns["token"] = self._vocabulary.texts(columns["token_id"])
        columns.update(self._labels.rows(columns["item"]))
        return pandas.DataFrame(columns)

    def _info(self) -> dict[str, Any]:
        from topo_interp import __version__

        cls = type(self._model)
        try:
            selector = self._selector.to_dict()
        except InputError:  # a predicate that is a function has no JSON
            predicate = self._selector.predicate  # type: ignore[attr-defined]
            selector = {
                "kind": self._selector.kind,
                "predicate": getattr(predicate, "__qualname__", repr(predicate)),
            }
        return {
            "model": f"{cls.__module__}.{cls.__qualname__}",
            "rows": selector,
            "dtype": self._dtype,
            "items": self._items,
            "calls": self._calls,
            "called_several_times": self._multiple,
            "left_out": self._left_out,
            "topo_interp": __version__,
            "torch": str(torch.__version__),
        }


def _bool(mask: Any) -> np.ndarray:
    array = torch.as_tensor(mask).cpu().numpy()
    if array.ndim != 2:
        raise InputError(
            f"mask gave shape {array.shape}; bool (items, positions) is needed, True at the real tokens"
        )
    return array.astype(bool)
