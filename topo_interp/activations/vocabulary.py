"""What a tokenizer says of token numbers: the text, and which ones are special."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Vocabulary"]


class Vocabulary:
    """A transformers tokenizer, asked for single tokens; with None nothing is known and no token is special."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._texts: dict[int, str] = {}
        special = set(getattr(tokenizer, "all_special_ids", ()))
        # These stand for words of the text, whatever the tokenizer calls them.
        special -= {getattr(tokenizer, "unk_token_id", None), getattr(tokenizer, "mask_token_id", None)}
        # ... unless one number plays several parts, as in GPT-2.
        names = ("bos_token_id", "eos_token_id", "pad_token_id", "cls_token_id", "sep_token_id")
        special |= {getattr(tokenizer, name, None) for name in names}
        self._special = np.array(sorted(number for number in special if number is not None), dtype=np.int64)

    @property
    def known(self) -> bool:
        """Whether there is a tokenizer."""
        return self._tokenizer is not None

    def special(self, ids: np.ndarray) -> np.ndarray:
        """Bool of the shape of ``ids``: the special tokens."""
        return np.isin(ids, self._special)

    def text(self, number: int) -> str:
        """The token as it reads in a text; its raw form when it is a part of a character."""
        if not self.known:
            return ""
        if number not in self._texts:
            text = self._tokenizer.decode([number])
            if "\ufffd" in text:
                text = str(self._tokenizer.convert_ids_to_tokens(number))
            self._texts[number] = text
        return self._texts[number]

    def texts(self, ids: np.ndarray) -> np.ndarray:
        """The texts of many tokens."""
        numbers, where = np.unique(ids, return_inverse=True)
        return np.array([self.text(int(number)) for number in numbers], dtype=object)[where]
