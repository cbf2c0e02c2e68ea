"""Progress bars on standard error with the time left; one line per minute if no bar can be shown."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

MINUTE = 60.0
"""Seconds between two lines in a file or a pipe."""


class Bar:
    """One bar for a job of several named parts; use it as a context."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        console = Console(file=sys.stderr)
        self._lines = None if console.is_terminal else _Lines(console, clock)
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            refresh_per_second=4,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def part(self, name: str, total: int, done: int = 0) -> Part:
        """Begin a part of `total` steps."""
        task = self._progress.add_task(name, total=total, completed=done, note="")
        return Part(self._progress, task, self._lines)


class Part:
    """A part of a job on its bar."""

    def __init__(self, progress: Progress | None, task: TaskID, lines: _Lines | None = None) -> None:
        self._progress, self._task, self._lines = progress, task, lines

    def advance(self, note: str = "") -> None:
        """Tell that one more step is done."""
        self._update(advance=1, note=note)

    def upto(self, done: int, total: int) -> None:
        """Tell how many steps are done, of how many."""
        self._update(completed=done, total=total)

    def _update(self, **change: Any) -> None:
        if self._progress is None:
            return
        self._progress.update(self._task, **change)
        if self._lines is not None:
            self._lines.tell(self._progress.tasks[self._task])


class _Lines:
    """What a bar would show, at most once a minute."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console, self._clock = console, clock
        self._told = clock()

    def tell(self, task: Task) -> None:
        now = self._clock()
        if now - self._told < MINUTE:
            return
        self._told = now
        left = "" if task.time_remaining is None else f", about {task.time_remaining / MINUTE:.1f} min left"
        note = task.fields["note"]
        text = f"{task.description}: {task.completed:.0f} of {task.total:.0f}{left}{note and ', '}{note}"
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class NoBar:
    """Says nothing; for library calls and tests."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        return None

    def say(self, text: str) -> None:
        """Say nothing."""

    def part(self, name: str, total: int, done: int = 0) -> Part:
        """Begin a part that nobody sees."""
        return Part(None, TaskID(0))
