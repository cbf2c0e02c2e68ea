"""The run: phases of epochs of steps, a checkpoint after each epoch, and the family at the end."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from archdial.common.errors import RunError, UsageError
from archdial.common.progress import Bar, NoBar, Part
from archdial.searching import checkpoint
from archdial.searching.checkpoint import Place
from archdial.searching.interrupt import Interrupt
from archdial.searching.log import RunLog
from archdial.searching.state import SearchState, fold
from archdial.searching.steps import Figures, Phase, make_plan


class Interrupted(RunError):
    """The run was asked to stop; what was done is saved."""

    exit_status = 130


@dataclass
class Loop:
    """Runs the plan of a search from where it stands.

    Attributes:
        folder: where checkpoints and metrics go; None keeps nothing.
    """

    state: SearchState
    folder: Path | None = None
    bar: Bar | NoBar | None = None

    def run(self, *, resume: bool = False) -> SearchState:
        """Take all the steps that are left; return the state after the last one.

        Raises:
            RunError: the loss is not finite, or the run was interrupted; both say how to go on.
        """
        file = None if self.folder is None else self.folder / checkpoint.NAME
        place = checkpoint.load(file, self.state) if resume and file is not None and file.exists() else Place()
        plan = make_plan(self.state)
        _check_place(place, plan, file)
        with RunLog(self.folder, place, self.bar or NoBar()) as log, Interrupt() as interrupt:
            for number in range(place.phase, len(plan)):
                self._phase(plan[number], place, log, interrupt)
                place = Place(number + 1)
        return self.state

    def _phase(self, phase: Phase, place: Place, log: RunLog, interrupt: Interrupt) -> None:
        part: Part | None = None
        for epoch in range(place.epoch, phase.epochs):
            started, sums = time.perf_counter(), _Means()
            start = place.batch if epoch == place.epoch else 0
            order = fold(self.state.seed, place.phase, epoch)
            batches = phase.step.batches(self.state, order, start)
            count = phase.step.count(self.state)
            part = part or log.bar.part(phase.step.name, count * phase.epochs, count * epoch + start)
            for index, batch in enumerate(batches, start):
                here = Place(place.phase, epoch, index)
                if interrupt.asked:
                    self._stop(here)
                figures = phase.step(self.state, batch, (epoch + index / count) / phase.epochs)
                self._check(figures, here)
                sums.add(figures)
                part.advance(f"loss {figures['loss']:.3f}")
            closing = phase.step.close(self.state, (epoch + 1) / phase.epochs)
            seconds = time.perf_counter() - started
            here = Place(place.phase, epoch)
            log.epoch(phase.step.name, here, (epoch + 1) * count, {**sums.means(), **closing}, seconds)
            last = epoch + 1 == phase.epochs
            self._save(Place(place.phase + 1) if last else Place(place.phase, epoch + 1))

    def _save(self, place: Place) -> None:
        if self.folder is not None:
            checkpoint.save(self.folder / checkpoint.NAME, self.state, place)

    def _stop(self, place: Place) -> None:
        self._save(place)
        if self.folder is None:
            raise KeyboardInterrupt
        raise Interrupted(
            f"interrupted before step {place.batch} of epoch {place.epoch + 1}; everything so far is in {self.folder}: "
            f"go on with the same command and --resume"
        )

    def _check(self, figures: Figures, place: Place) -> None:
        if math.isfinite(figures["loss"]):
            return
        if self.state.frozen:
            raise RunError(
                f"the loss became {figures['loss']} at step {place.batch} of epoch {place.epoch + 1}, and no weight is "
                "trained here: look for NaN or infinity in the network's weights and in the images"
            )
        kept = "no checkpoint" if self.folder is None else f"the last good checkpoint, {self.folder / checkpoint.NAME}"
        raise RunError(
            f"the loss became {figures['loss']} at step {place.batch} of epoch {place.epoch + 1}; kept is {kept}: "
            "try a lower search.learning_rate or search.clip, or 32-true as search.precision"
        )


def _check_place(place: Place, plan: Sequence[Phase], file: Path | None) -> None:
    """Raise UsageError unless the plan has the `place` that `file` names."""
    epochs = plan[place.phase].epochs if place.phase < len(plan) else 1
    if place.phase > len(plan) or place.epoch >= epochs:
        raise UsageError(f"the checkpoint {file} stands at a place that this search has not: begin the run again")


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
