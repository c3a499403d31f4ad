"""One progress bar for every long call: a line on the terminal or in a notebook with ipywidgets, silent everywhere else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

__all__ = ["ProgressLine", "progress"]

_lock = threading.Lock()
_shown: Any = None  # the rich.progress.Progress on the screen: rich draws only one at a time, nested calls join it


class ProgressLine:
    """One line of progress; every method may be called from any thread, and does nothing when the line is silent."""

    def __init__(self, display: Any = None, task: Any = None) -> None:
        self._display = display
        self._task = task

    def advance(self, k: int = 1) -> None:
        """``k`` more steps are done."""
        if self._display is not None:
            self._display.update(self._task, advance=k)

    def update(self, *, done: int | None = None, total: int | None = None, description: str | None = None) -> None:
        """Set the steps done, the number of steps, or the words before the bar; None leaves a thing as it is."""
        if self._display is not None:
            self._display.update(self._task, completed=done, total=total, description=_plain(description))


@contextmanager
def progress(total: int | None, description: str, enabled: bool = True) -> Iterator[ProgressLine]:
    """A progress line for the ``with`` block; ``total`` None for an unknown number of steps.

    >>> with progress(2, "layers", enabled=False) as line:
    ...     for layer in ("a", "b"):
    ...         line.advance()
    """
    global _shown
    if not enabled:
        yield ProgressLine()
        return
    from rich.console import Console

    console = Console(stderr=True)  # standard output belongs to results
    # In a notebook rich draws with ipywidgets, and warns where they are missing.
    can_draw = find_spec("ipywidgets") is not None if console.is_jupyter else console.is_terminal
    if not can_draw:
        yield ProgressLine()
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    with _lock:
        display, mine = _shown, _shown is None
        if mine:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            display = _shown = Progress(*columns, console=console, transient=True)
            display.start()
        task = display.add_task(_plain(description), total=total)
    try:
        yield ProgressLine(display, task)
    finally:
        with _lock:
            if mine:
                _shown = None
                display.stop()
            else:
                display.remove_task(task)


def _plain(description: str | None) -> str | None:
    # Module paths such as "layer[0]" are text, not rich's markup.
    if description is None:
        return None
    from rich.markup import escape

    return escape(description)
