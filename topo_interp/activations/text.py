"""Strings in: tokenize, pad, run, capture."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from topo_interp._errors import InputError
from topo_interp.activations.capture import capture
from topo_interp.activations.selectors import RowSelector
from topo_interp.activations.store import ActivationStore

if TYPE_CHECKING:
    import torch

__all__ = ["capture_text"]


def capture_text(
    model: torch.nn.Module,
    tokenizer: Any,
    texts: Sequence[str],
    sites: str | Sequence[str],
    *,
    rows: RowSelector,
    batch_size: int = 32,
    max_length: int | None = None,
    dtype: str = "float32",
    out: str | os.PathLike[str] | None = None,
    labels: Any = None,
    groups: Sequence[str] = (),
    calls: str = "last",
    forward: Callable[[torch.nn.Module, Any], Any] | None = None,
    progress: bool = True,
) -> ActivationStore:
    """Run a language model on texts and keep what its modules gave; see :func:`capture` for the other arguments.

    Each text is one item and one sequence. Special tokens give no rows unless the selector says so. Batches are padded on
    the right, whatever the tokenizer's habit: padding on the left would shift the positions that a decoder counts, and the
    mask keeps it out of the rows in either case. Neither the tokenizer nor its padding token is touched.

    >>> import torch
    >>> import topo_interp as ti
    >>> class Letters:  # stands for a transformers tokenizer
    ...     def __call__(self, texts, **options):
    ...         ids = [[ord(letter) for letter in text] for text in texts]
    ...         return {"input_ids": ids, "attention_mask": [[1] * len(row) for row in ids]}
    ...     def decode(self, ids):
    ...         return "".join(map(chr, ids))
    >>> class Model(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.embed = torch.nn.Embedding(128, 2)
    ...     def forward(self, input_ids, attention_mask):
    ...         return self.embed(input_ids)
    >>> store = ti.capture_text(Model(), Letters(), ["no", "yes"], "embed", rows=ti.every_token(), progress=False)
    >>> store
    ActivationStore(1 site, 5 rows; rows: item, sequence, position, token_id, token)
    >>> store.rows["token"].tolist()
    ['n', 'o', 'y', 'e', 's']

    Args:
        model: takes ``input_ids`` and ``attention_mask`` (any transformers model).
        tokenizer: a transformers tokenizer.
        texts: the strings.
        batch_size: texts in a forward pass.
        max_length: cut texts to this many tokens; None refuses texts longer than the tokenizer's limit.

    Raises:
        InputError: a text is too long or has no tokens; and what :func:`capture` raises.

    Cost: one forward pass per batch, up to the last site.
    """
    texts = list(texts) if not isinstance(texts, str) else [texts]
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(
                f"text {number} is a {type(text).__name__}; strings are needed (ti.capture takes batches)"
            )
    if not texts:
        raise InputError("texts is empty; give at least one string")
    if not callable(tokenizer):
        raise InputError(
            f"tokenizer is {tokenizer!r}; a transformers tokenizer is needed: AutoTokenizer.from_pretrained(name)"
        )
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise InputError(f"batch_size is {batch_size!r}; give a number of texts >= 1")
    batches = _Batches(tokenizer, texts, batch_size, max_length)
    return capture(
        model,
        batches,
        sites,
        rows=rows,
        dtype=dtype,
        out=out,
        labels=labels,
        groups=groups,
        calls=calls,
        forward=forward,
        tokenizer=tokenizer,
        progress=progress,
    )


class _Batches:
    """Tokenized and padded batches, made when they are needed."""

    def __init__(self, tokenizer: Any, texts: Sequence[str], size: int, max_length: int | None) -> None:
        self._tokenizer, self._texts, self._size, self._max_length = tokenizer, texts, size, max_length

    def __len__(self) -> int:
        return math.ceil(len(self._texts) / self._size)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for first in range(0, len(self._texts), self._size):
            yield self._padded(first, self._texts[first : first + self._size])

    def _padded(self, first: int, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        import torch

        cut = {} if self._max_length is None else {"truncation": True, "max_length": self._max_length}
        # verbose=False: the tokenizer's own warning about long texts is the error below
        encoded = dict(
            self._tokenizer(list(texts), padding=False, return_attention_mask=True, verbose=False, **cut)
        )
        lengths = [len(ids) for ids in encoded["input_ids"]]
        limit = getattr(self._tokenizer, "model_max_length", math.inf)
        for number, length in enumerate(lengths):
            if length == 0:
                raise InputError(f"text {first + number} has no tokens; leave it out")
            if self._max_length is None and length > limit:
                raise InputError(
                    f"text {first + number} has {length} tokens and the tokenizer's limit is {limit}; say "
                    f"max_length={limit} to cut it, or split it"
                )
        fill = {"input_ids": getattr(self._tokenizer, "pad_token_id", None) or 0}
        out = {}
        for name, columns in encoded.items():
            padded = np.full((len(texts), max(lengths)), fill.get(name, 0), dtype=np.int64)
            for row, entries in zip(padded, columns):
                row[: len(entries)] = entries
            out[name] = torch.from_numpy(padded)
        return out
