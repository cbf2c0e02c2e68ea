"""Progress bars on standard error, with the time left."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Bar:
    """One bar for a job of several named parts; use it as a context."""

    def __init__(self) -> None:
        console = Console(file=sys.stderr)
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

    def part(self, name: str, total: int, done: int = 0) -> Part:
        """Begin a part of `total` steps."""
        return Part(self._progress, self._progress.add_task(name, total=total, completed=done, note=""))


class Part:
    """A part of a job on its bar."""

    def __init__(self, progress: Progress | None, task: int) -> None:
        self._progress, self._task = progress, task

    def advance(self, note: str = "") -> None:
        """Tell that one more step is done."""
        if self._progress is not None:
            self._progress.update(self._task, advance=1, note=note)  # type: ignore[arg-type]

    def upto(self, done: int, total: int) -> None:
        """Tell how many steps are done, of how many."""
        if self._progress is not None:
            self._progress.update(self._task, completed=done, total=total)  # type: ignore[arg-type]


class NoBar:
    """Says nothing; for library calls and tests."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        return None

    def part(self, name: str, total: int, done: int = 0) -> Part:
        """Begin a part that nobody sees."""
        return Part(None, 0)
