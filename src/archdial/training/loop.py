"""The only training loop: phases of epochs of steps, with a checkpoint after each epoch and exact resuming."""

from __future__ import annotations

import hashlib
import math
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import torch

from archdial.common.errors import RunError, UsageError
from archdial.common.progress import Bar, NoBar, Part
from archdial.training.interrupt import Interrupt
from archdial.training.log import RunLog
from archdial.training.step import Figures, Phase, Place, S
from archdial.training.told_batches import told_batch


class Interrupted(RunError):
    """The run was asked to stop; what was done is saved."""

    exit_status = 130


class Job(ABC, Generic[S]):
    """What the loop trains: a state, the plan of its steps, and how it is kept.

    Attributes:
        state: all that steps change.
        seed: the orders of batches follow from it.
    """

    state: S
    seed: int

    @abstractmethod
    def plan(self) -> Sequence[Phase[S]]:
        """Return the phases, in order."""

    @abstractmethod
    def save(self, file: Path, place: Place) -> None:
        """Write the state to `file` in one rename."""

    @abstractmethod
    def load(self, file: Path) -> Place:
        """Put what `file` holds into the state; return where the run stands.

        Raises:
            UsageError: it is damaged, or belongs to another run.
        """

    @abstractmethod
    def advice(self, kept: Path | None) -> str:
        """Return what to do about a loss that is not finite; `kept` is the last good checkpoint."""


@dataclass
class TrainingLoop(Generic[S]):
    """Runs the plan of a job from where it stands.

    Attributes:
        file: where checkpoints go; None keeps nothing.
        folder: where metrics go; None keeps none.
    """

    job: Job[S]
    file: Path | None = None
    folder: Path | None = None
    bar: Bar | NoBar | None = None

    def run(self, *, resume: bool = False) -> S:
        """Take all the steps that are left; return the state after the last one.

        Raises:
            RunError: the loss is not finite, or the run was interrupted; both say how to go on.
        """
        place = self.job.load(self.file) if resume and self.file is not None and self.file.exists() else Place()
        plan = self.job.plan()
        _check_place(place, plan, self.file)
        with RunLog(self.folder, place, self.bar or NoBar()) as log, Interrupt() as interrupt:
            for number in range(place.phase, len(plan)):
                self._phase(plan[number], place, log, interrupt)
                place = Place(number + 1)
        return self.job.state

    def _phase(self, phase: Phase[S], place: Place, log: RunLog, interrupt: Interrupt) -> None:
        part: Part | None = None
        state = self.job.state
        for epoch in range(place.epoch, phase.epochs):
            started, sums = time.perf_counter(), _Means()
            start = place.batch if epoch == place.epoch else 0
            order = fold(self.job.seed, place.phase, epoch)
            batches = phase.step.batches(state, order, start)
            count = phase.step.count(state)
            part = part or log.bar.part(phase.step.name, count * phase.epochs, count * epoch + start)
            with _ended(batches):
                for index, batch in enumerate(batches, start):
                    here = Place(place.phase, epoch, index)
                    if interrupt.asked:
                        self._stop(here)
                    # Dropout and whatever else draws from torch's own numbers does so again in a run that is resumed.
                    torch.manual_seed(number_of(self.job.seed, place.phase, epoch, index))
                    with told_batch(batch, f"batch {index} of epoch {epoch + 1}"):
                        figures = phase.step(state, batch, (epoch + index / count) / phase.epochs)
                    self._check(figures, here)
                    sums.add(figures)
                    part.advance(f"loss {figures['loss']:.3f}")
            closing = phase.step.close(state, (epoch + 1) / phase.epochs)
            seconds = time.perf_counter() - started
            here = Place(place.phase, epoch)
            log.epoch(phase.step.name, here, (epoch + 1) * count, {**sums.means(), **closing}, seconds)
            last = epoch + 1 == phase.epochs
            self._save(Place(place.phase + 1) if last else Place(place.phase, epoch + 1))

    def _save(self, place: Place) -> None:
        if self.file is not None:
            self.job.save(self.file, place)

    def _stop(self, place: Place) -> None:
        self._save(place)
        if self.file is None:
            raise KeyboardInterrupt
        raise Interrupted(
            f"interrupted before step {place.batch} of epoch {place.epoch + 1}; progress is saved in "
            f"{self.folder or self.file}: continue with the same command and --resume"
        )

    def _check(self, figures: Figures, place: Place) -> None:
        if math.isfinite(figures["loss"]):
            return
        where = f"the loss became {figures['loss']} at step {place.batch} of epoch {place.epoch + 1}"
        raise RunError(f"{where}{self.job.advice(self.file)}")


@contextmanager
def _ended(batches: Iterator[Any]) -> Iterator[None]:
    """Close a generator of batches however the epoch ends; otherwise it lives as long as the error's traceback."""
    try:
        yield
    finally:
        if isinstance(batches, Generator):
            batches.close()


def fold(seed: int, *numbers: int) -> torch.Generator:
    """Return a generator whose seed follows from `seed` and `numbers`."""
    return torch.Generator().manual_seed(number_of(seed, *numbers))


def number_of(seed: int, *numbers: int) -> int:
    """Return a seed that follows from `seed` and `numbers`."""
    digest = hashlib.sha256(repr((seed, numbers)).encode()).digest()
    return int.from_bytes(digest[:7], "big")


def _check_place(place: Place, plan: Sequence[Phase[S]], file: Path | None) -> None:
    """Raise UsageError unless the plan has the `place` that `file` names."""
    epochs = plan[place.phase].epochs if place.phase < len(plan) else 1
    if place.phase > len(plan) or place.epoch >= epochs:
        raise UsageError(f"the checkpoint {file} is at a position that this run does not have: start the run again")


class _Means:
    """Running means of figures by name."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)
        self._count = 0

    def add(self, figures: Figures) -> None:
        self._count += 1
        for name, value in figures.items():
            self._sums[name] += value

    def means(self) -> Figures:
        return {name: value / max(self._count, 1) for name, value in self._sums.items()}
