"""The package's errors. Each message says what came, what was needed, and what to type next."""

from __future__ import annotations

__all__ = ["BudgetError", "InputError", "MissingEngineError", "SealError", "TopoInterpError", "error_message"]


class TopoInterpError(Exception):
    """Base of every error that the package raises on purpose."""


class InputError(TopoInterpError, ValueError):
    """The input can not be used as it is; the message names the row or the argument and what to do."""


class BudgetError(TopoInterpError, MemoryError):
    """The work does not fit the memory budget; the message names what would fit."""


class MissingEngineError(TopoInterpError, ImportError):
    """An engine or an optional package was asked for and is not installed; the message says what to install."""


class SealError(TopoInterpError, RuntimeError):
    """A store on disk is incomplete or does not have the bytes that its manifest sealed."""


def error_message(error: Exception) -> str:
    """What went wrong as one line of a table; an error that the package did not raise on purpose has its type before it.

    >>> error_message(InputError("no rows")), error_message(KeyError("a"))
    ('no rows', "KeyError: 'a'")
    """
    text = " ".join(str(error).split())
    return text if isinstance(error, TopoInterpError) else f"{type(error).__name__}: {text}"
