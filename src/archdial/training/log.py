"""What a run reports in progress: a bar, a line per epoch in metrics.jsonl, and TensorBoard."""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from archdial.common.documents import parse_json
from archdial.common.errors import UsageError
from archdial.common.files import naming, write_text
from archdial.common.held import check_held
from archdial.common.progress import Bar, NoBar
from archdial.training.board import Board
from archdial.training.step import Figures, Place

METRICS = "metrics.jsonl"
_TENSORBOARD = find_spec("tensorboard") is not None
"""Without it a search goes on all the same: metrics.jsonl has all the figures."""


class RunLog:
    """Writes to the folder of a run, if there is one, and to the bar.

    Raises:
        UsageError: something in the folder has the name of the log, and is no file.
    """

    def __init__(self, folder: Path | None, place: Place, bar: Bar | NoBar) -> None:
        self.folder, self.bar = folder, bar
        self._board: Board | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            if (path := folder / METRICS).exists():
                _forget_after(path, place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self._board is not None:
            self._board.close()

    def epoch(self, phase: str, place: Place, step: int, figures: Figures, seconds: float) -> None:
        """Note the means of an epoch that is over.

        Raises:
            RunError: another process has taken over the folder.
        """
        if self.folder is None:
            return
        line = {
            "phase": phase,
            "place": [place.phase, place.epoch],
            "step": step,
            "seconds": round(seconds, 3),
        }
        path = self.folder / METRICS
        check_held(path)
        with naming(path), path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({**line, **figures}) + "\n")
        # Made when first used: importing what it needs takes a moment.
        self._board = self._board or (Board(self.folder) if _TENSORBOARD else None)
        if self._board is not None:
            self._board.add({f"{phase}/{name}": value for name, value in figures.items()}, step)


def _forget_after(path: Path, place: Place) -> None:
    """Drop the lines of epochs that a resumed run will repeat, and those that are none: a log decides nothing."""
    if not path.is_file():
        raise UsageError(f"{path} cannot be used as a log file: delete it")
    kept = [
        line for line in path.read_bytes().splitlines() if (_place(line) or (math.inf,)) < (place.phase, place.epoch)
    ]
    write_text(path, "".join(line.decode() + "\n" for line in kept))


def _place(line: bytes) -> tuple[float, ...] | None:
    """Return phase and epoch of a line; None for one on which the run was killed, or that was damaged since."""
    try:
        found = parse_json(line, "a line")["place"]
    except (UsageError, KeyError, TypeError):
        return None
    whole = isinstance(found, list) and len(found) == 2 and all(type(number) is int for number in found)
    return tuple(found) if whole else None
