"""Row selectors: which observations a site's output gives. They are values, so a store can say how its rows were chosen.

A token selector turns what is known of a batch's tokens into a boolean array (items, positions); the rows are the chosen
positions in order, or for :func:`mean_pool` their mean. So left and right padding, special tokens and missing masks are
settled here once, before any tensor is touched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from topo_interp._arguments import is_whole
from topo_interp._errors import InputError
from topo_interp._value import Value

__all__ = [
    "EveryRow",
    "RowSelector",
    "SpatialMean",
    "Token",
    "TokenSelector",
    "Tokens",
    "every_row",
    "every_token",
    "first_token",
    "last_token",
    "mean_pool",
    "spatial_mean",
    "token_at",
]


@dataclasses.dataclass(frozen=True)
class Token:
    """What a predicate of :func:`token_at` sees of one token.

    Attributes:
        text: the token as it reads ("" when no tokenizer is known).
        id: its number in the vocabulary (-1 when unknown).
        position: how many tokens of the sequence stand before it, padding not counted.
        item: which item of the input.
        labels: the item's labels.
    """

    text: str
    id: int
    position: int
    item: int
    labels: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of one batch.

    Attributes:
        real: bool (items, positions), False where there is padding.
        special: bool of that shape, True at the tokenizer's special tokens.
        first_item: running number of the batch's first item.
        ids: integers of that shape, or None.
        text: the text of a token number.
        labels: the labels of an item.
    """

    real: np.ndarray
    special: np.ndarray
    first_item: int = 0
    ids: np.ndarray | None = None
    text: Callable[[int], str] = lambda _: ""
    labels: Callable[[int], Mapping[str, Any]] = lambda _: {}

    @property
    def positions(self) -> np.ndarray:
        """Position of each token in its sequence, padding not counted, so that the side of the padding does not matter."""
        return np.cumsum(self.real, axis=1) - 1

    def at(self, row: int, column: int) -> Token:
        """One token."""
        number = -1 if self.ids is None else int(self.ids[row, column])
        item = self.first_item + row
        text = "" if self.ids is None else self.text(number)
        return Token(text, number, int(self.positions[row, column]), item, self.labels(item))


@dataclasses.dataclass(frozen=True)
class RowSelector(Value):
    """Base of the row selectors."""


@dataclasses.dataclass(frozen=True)
class EveryRow(RowSelector, kind="every_row"):
    """See :func:`every_row`."""


@dataclasses.dataclass(frozen=True)
class SpatialMean(RowSelector, kind="spatial_mean"):
    """See :func:`spatial_mean`."""

    channel_axis: int = 1

    def __post_init__(self) -> None:
        if not is_whole(self.channel_axis) or self.channel_axis == 0:
            raise InputError(
                f"channel_axis is {self.channel_axis!r}; it is 1 for (batch, channels, ...) or -1 for channels last; 0 is the batch"
            )


@dataclasses.dataclass(frozen=True)
class TokenSelector(RowSelector):
    """Base of the selectors of tokens."""

    special_tokens: bool = False

    def chosen(self, tokens: Tokens) -> np.ndarray:
        """Bool (items, positions): the chosen tokens.

        Raises:
            InputError: an item has no token to choose.
        """
        allowed = tokens.real if self.special_tokens else tokens.real & ~tokens.special
        return self._among(allowed, tokens)

    def _among(self, allowed: np.ndarray, tokens: Tokens) -> np.ndarray:
        raise NotImplementedError

    def _require(self, found: Any, tokens: Tokens, hint: str) -> None:
        if not found.all():
            item = tokens.first_item + int(np.flatnonzero(~found)[0])
            raise InputError(f"{self.kind}() finds no token in item {item}; {hint}")


_EMPTY = "leave the item out, or say special_tokens=True if it has special tokens only"


@dataclasses.dataclass(frozen=True)
class MeanPool(TokenSelector, kind="mean_pool"):
    """See :func:`mean_pool`."""

    def _among(self, allowed: np.ndarray, tokens: Tokens) -> np.ndarray:
        self._require(allowed.any(axis=1), tokens, _EMPTY)
        return allowed


@dataclasses.dataclass(frozen=True)
class LastToken(TokenSelector, kind="last_token"):
    """See :func:`last_token`."""

    def _among(self, allowed: np.ndarray, tokens: Tokens) -> np.ndarray:
        self._require(allowed.any(axis=1), tokens, _EMPTY)
        after = np.cumsum(allowed[:, ::-1], axis=1)[:, ::-1]
        return allowed & (after == 1)


@dataclasses.dataclass(frozen=True)
class FirstToken(TokenSelector, kind="first_token"):
    """See :func:`first_token`."""

    def _among(self, allowed: np.ndarray, tokens: Tokens) -> np.ndarray:
        self._require(allowed.any(axis=1), tokens, _EMPTY)
        return allowed & (np.cumsum(allowed, axis=1) == 1)


@dataclasses.dataclass(frozen=True)
class EveryToken(TokenSelector, kind="every_token"):
    """See :func:`every_token`."""

    max_rows: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_rows is not None and not (is_whole(self.max_rows) and self.max_rows >= 1):
            raise InputError(f"max_rows is {self.max_rows!r}; give a number of rows >= 1, or None for all")
        if not (is_whole(self.seed) and self.seed >= 0):
            raise InputError(f"seed is {self.seed!r}; give an integer >= 0")

    def _among(self, allowed: np.ndarray, tokens: Tokens) -> np.ndarray:
        return allowed


@dataclasses.dataclass(frozen=True)
class TokenAt(TokenSelector, kind="token_at"):
    """See :func:`token_at`."""

    predicate: Any = ()
    missing: str = "error"

    def __post_init__(self) -> None:
        if self.missing not in ("error", "skip"):
            raise InputError(f"missing is {self.missing!r}; use 'error' or 'skip'")
        if not callable(self.predicate) and not (
            isinstance(self.predicate, tuple) and self.predicate and all(isinstance(text, str) for text in self.predicate)
        ):
            raise InputError(
                f"the predicate is {self.predicate!r}; give token texts, or a function of a ti.Token"
            )

    def _among(self, allowed: np.ndarray, tokens: Tokens) -> np.ndarray:
        test = self.predicate if callable(self.predicate) else self._reads
        out = np.zeros_like(allowed)
        for row, column in np.argwhere(allowed):
            out[row, column] = bool(test(tokens.at(row, column)))
        if self.missing == "error":
            found = out.any(axis=1)
            seen = ""
            if not found.all():
                row = int(np.flatnonzero(~found)[0])
                texts = [tokens.at(row, column).text for column in np.flatnonzero(allowed[row])[:12]]
                seen = (
                    f"its tokens begin {texts}; "
                    if any(texts)
                    else "its tokens have no text: pass tokenizer=; "
                )
            self._require(found, tokens, f"{seen}change the predicate, or say missing='skip'")
        return out

    def _reads(self, token: Token) -> bool:
        return token.text.strip() in self.predicate


def every_row() -> RowSelector:
    """One row for each item; further axes are flattened. For models without tokens.

    >>> import topo_interp as ti
    >>> import torch
    >>> images = torch.zeros(2, 3, 4, 4)
    >>> ti.capture(torch.nn.Sequential(torch.nn.ReLU()), images, "0", rows=ti.every_row())["0"].shape
    (2, 48)
    """
    return EveryRow()


def spatial_mean(channel_axis: int = 1) -> RowSelector:
    """One row for each item: the mean over all axes but the batch and the channels.

    >>> import topo_interp as ti
    >>> import torch
    >>> images = torch.zeros(2, 3, 4, 4)
    >>> ti.capture(torch.nn.Sequential(torch.nn.ReLU()), images, "0", rows=ti.spatial_mean())["0"].shape
    (2, 3)

    Args:
        channel_axis: 1 for (batch, channels, height, width), -1 for channels last.
    """
    return SpatialMean(channel_axis)


def mean_pool(*, special_tokens: bool = False) -> TokenSelector:
    """One row for each sequence: the mean over its tokens, summed in float64; padding never takes part.

    >>> import numpy as np
    >>> tokens = Tokens(real=np.array([[True, True, False]]), special=np.array([[True, False, False]]))
    >>> mean_pool().chosen(tokens), mean_pool(special_tokens=True).chosen(tokens)
    (array([[False,  True, False]]), array([[ True,  True, False]]))

    Args:
        special_tokens: take the tokenizer's special tokens too (sentence-transformers does).
    """
    return MeanPool(special_tokens)


def last_token(*, special_tokens: bool = False) -> TokenSelector:
    """One row for each sequence: its last token, whatever the side of the padding.

    >>> import numpy as np
    >>> left, right = np.array([[False, True, True]]), np.array([[True, True, False]])
    >>> [last_token().chosen(Tokens(real, np.zeros_like(real))).tolist() for real in (left, right)]
    [[[False, False, True]], [[False, True, False]]]

    Args:
        special_tokens: whether special tokens ([CLS], [SEP], end of text) count as tokens.
    """
    return LastToken(special_tokens)


def first_token(*, special_tokens: bool = False) -> TokenSelector:
    """One row for each sequence: its first token (with ``special_tokens=True`` a BERT's [CLS]).

    >>> import numpy as np
    >>> left = np.array([[False, True, True]])
    >>> first_token().chosen(Tokens(left, np.zeros_like(left)))
    array([[False,  True, False]])

    Args:
        special_tokens: whether special tokens ([CLS], [SEP], end of text) count as tokens.
    """
    return FirstToken(special_tokens)


def every_token(*, max_rows: int | None = None, seed: int = 0, special_tokens: bool = False) -> TokenSelector:
    """One row for each token, or a uniform sample of ``max_rows`` of them without replacement.

    The sample depends on the seed and the order of the tokens, not on how they are batched or padded. Rows of one sequence
    are not independent: the store's ``groups`` says so.

    >>> every_token(max_rows=2000, seed=1)
    EveryToken(special_tokens=False, max_rows=2000, seed=1)

    Args:
        max_rows: size of the sample; None for all tokens.
        seed: of the sample.
        special_tokens: whether special tokens ([CLS], [SEP], end of text) count as tokens.

    Raises:
        InputError: max_rows or seed is out of range.
    """
    return EveryToken(special_tokens, max_rows, seed)


def token_at(
    predicate: str | Sequence[str] | Callable[[Token], bool],
    *,
    missing: str = "error",
    special_tokens: bool = False,
) -> TokenSelector:
    """One row for each token that fits: texts to look for, or a function of a :class:`Token`.

    >>> token_at("March").predicate
    ('March',)
    >>> at_label = token_at(lambda token: token.text == token.labels["month"].lower())

    Args:
        predicate: a text or texts, compared with the token without surrounding spaces, or ``Token -> bool``.
        missing: what to do with an item in which no token fits: "error" or "skip".
        special_tokens: look at the tokenizer's special tokens too.

    Raises:
        InputError: ``missing`` is unknown; when rows are taken, a sequence without such a token and
            ``missing='error'``.
    """
    if isinstance(predicate, str):
        predicate = (predicate,)
    elif isinstance(predicate, Iterable):
        predicate = tuple(predicate)
    return TokenAt(special_tokens, predicate, missing)
