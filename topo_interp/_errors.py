"""The package's errors. Each message says what came, what was needed, and what to type next."""

from __future__ import annotations

__all__ = ["BudgetError", "InputError", "MissingEngineError", "SealError", "TopoInterpError"]


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
