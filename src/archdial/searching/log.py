"""What a run tells while it goes on: a bar, a line an epoch in metrics.jsonl, and TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from archdial.files import write_text
from archdial.progress import Bar, NoBar
from archdial.searching.checkpoint import Place
from archdial.searching.steps import Figures

METRICS = "metrics.jsonl"


class RunLog:
    """Writes to the folder of a run, if there is one, and to the bar."""

    def __init__(self, folder: Path | None, place: Place, bar: Bar | NoBar) -> None:
        self.folder, self.bar = folder, bar
        self._board: Any = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            _forget_after(folder / METRICS, place)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self._board is not None:
            self._board.close()

    def epoch(self, phase: str, place: Place, step: int, figures: Figures, seconds: float) -> None:
        """Note the means of an epoch that is over."""
        if self.folder is None:
            return
        line = {
            "phase": phase,
            "place": [place.phase, place.epoch],
            "step": step,
            "seconds": round(seconds, 3),
        }
        with (self.folder / METRICS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({**line, **figures}) + "\n")
        for name, value in figures.items():
            self.board.add_scalar(f"{phase}/{name}", value, step)

    @property
    def board(self) -> Any:
        """The TensorBoard writer, made when first used: importing it takes a second."""
        if self._board is None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.folder))
        return self._board


def _forget_after(path: Path, place: Place) -> None:
    """Drop the lines of epochs that a resumed run will repeat."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            # The line on which the run was killed.
            continue
        if tuple(value["place"]) < (place.phase, place.epoch):
            kept.append(line + "\n")
    write_text(path, "".join(kept))
