"""The row table as it grows: a few integer columns for each batch, and a uniform sample where the selector has a limit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from topo_interp.activations.selectors import Tokens

__all__ = ["Reservoir", "RowLog"]


class RowLog:
    """Columns item, sequence, position, token_id and call of the rows so far, as far as they are known."""

    def __init__(self) -> None:
        self._parts: dict[str, list[np.ndarray]] = {}
        self._sequences: dict[bytes, int] = {}

    def of_batch(
        self,
        first_item: int,
        items: int,
        tokens: Tokens | None,
        chosen: np.ndarray | None,
        calls: int | None,
    ) -> dict[str, np.ndarray]:
        """The columns of one batch's rows.

        Args:
            first_item: running number of the batch's first item.
            items: number of its items.
            tokens: its tokens, None when nothing is known of them.
            chosen: the chosen tokens; None for one row an item.
            calls: how many times the sites ran, when each run gives rows.
        """
        columns = {"item": first_item + np.arange(items)}
        if tokens is not None:
            columns["sequence"] = self._sequence_numbers(first_item, tokens)
            if chosen is not None:
                rows, at = np.nonzero(chosen)
                columns = {name: column[rows] for name, column in columns.items()}
                columns["position"] = tokens.positions[rows, at]
                if tokens.ids is not None:
                    columns["token_id"] = tokens.ids[rows, at]
        if calls is not None:
            count = len(columns["item"])
            columns = {name: np.tile(column, calls) for name, column in columns.items()}
            columns["call"] = np.repeat(np.arange(calls), count)
        return {name: column.astype(np.int64) for name, column in columns.items()}

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Further rows."""
        for name, column in columns.items():
            self._parts.setdefault(name, []).append(column)

    def keep(self, index: np.ndarray) -> None:
        """Keep the chosen rows only."""
        self._parts = {name: [column[index]] for name, column in self.columns().items()}

    def columns(self) -> dict[str, np.ndarray]:
        """The columns, whole."""
        return {name: np.concatenate(parts) for name, parts in self._parts.items()}

    def _sequence_numbers(self, first_item: int, tokens: Tokens) -> np.ndarray:
        # Items with the same tokens are the same sequence, and not independent; its number is that of the first of them.
        numbers = first_item + np.arange(len(tokens.real))
        if tokens.ids is not None:
            for row, real in enumerate(tokens.real):
                key = hashlib.blake2b(tokens.ids[row, real].astype("<i8").tobytes(), digest_size=16).digest()
                numbers[row] = self._sequences.setdefault(key, int(numbers[row]))
        return numbers


class Reservoir:
    """A uniform sample without replacement from a stream of rows of unknown length.

    Each row draws a number, and the sample is the rows with the smallest ones. Rows are appended while they could still be
    of the sample, so about ``limit * (1 + log(rows / limit))`` are ever written, and :meth:`survivors` thins them in place:
    their order stays that of the stream.
    """

    def __init__(self, limit: int, seed: int) -> None:
        self._limit = limit
        self._rng = np.random.default_rng(seed)
        self._drawn = np.empty(0)

    def admit(self, count: int) -> np.ndarray:
        """Bool (count,): which of the next rows of the stream can be of the sample."""
        drawn = self._rng.random(count)
        everything = np.concatenate((self._drawn, drawn))
        admitted = self._smallest(everything)[len(self._drawn) :]
        self._drawn = np.concatenate((self._drawn, drawn[admitted]))
        return admitted

    @property
    def overfull(self) -> bool:
        """More than twice the sample has been written."""
        return len(self._drawn) > 2 * self._limit

    def survivors(self) -> np.ndarray:
        """Positions, among the rows written, of the sample so far; the others are to be dropped now."""
        index = np.flatnonzero(self._smallest(self._drawn))
        self._drawn = self._drawn[index]
        return index

    def _smallest(self, drawn: np.ndarray) -> np.ndarray:
        small = np.zeros(len(drawn), dtype=bool)
        small[np.argsort(drawn, kind="stable")[: self._limit]] = True
        return small
