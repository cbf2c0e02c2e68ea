"""A search in the training loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from archdial.common.progress import Bar, NoBar
from archdial.searching import checkpoint
from archdial.searching.state import SearchState
from archdial.searching.steps import make_plan
from archdial.training.loop import Job, TrainingLoop
from archdial.training.step import Phase, Place


class SearchJob(Job[SearchState]):
    """The plan of a search, and its checkpoints."""

    def __init__(self, state: SearchState) -> None:
        self.state, self.seed = state, state.seed

    def plan(self) -> Sequence[Phase[SearchState]]:
        """Return the phases of the method that the settings name."""
        return make_plan(self.state)

    def save(self, file: Path, place: Place) -> None:
        """Write the state to `file`."""
        checkpoint.save(file, self.state, place)

    def load(self, file: Path) -> Place:
        """Put what `file` holds into the state."""
        return checkpoint.load(file, self.state)

    def advice(self, kept: Path | None) -> str:
        """Return which settings to try, or where to look if no weight is trained."""
        if self.state.frozen:
            return (
                ", although no weights are trained here: check the network's weights and the images for NaN or infinity"
            )
        told = "no checkpoint" if kept is None else f"the last good checkpoint, {kept}"
        return f"; {told} is kept: try a lower search.learning_rate or search.clip, or search.precision 32-true"


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
        return TrainingLoop(SearchJob(self.state), file, self.folder, self.bar).run(resume=resume)
