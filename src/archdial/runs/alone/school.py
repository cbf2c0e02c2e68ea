"""Training one member of a run, in any process: from the run's data to the member's files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from archdial.common.progress import NoBar, Part
from archdial.comparing.measured import score
from archdial.cost.measuring.timing import threads
from archdial.networks.pretrained import Pretrained
from archdial.runs.alone.kept import checkpoint_of, is_kept, keep
from archdial.runs.alone.plan import Plan
from archdial.runs.run_data import FinishedRun
from archdial.space import Architecture
from archdial.training.checkpoint import remove_checkpoint
from archdial.training.plain_network import restart, train

Told = Callable[[int], None]
"""Is told how many more steps are done."""


@dataclass(frozen=True)
class School:
    """A run with its data, and how its members are trained alone.

    Attributes:
        folder: of the run.
        finished: the run's data: training images are trained on, validation images judge, no test image is seen.
    """

    folder: Path
    finished: FinishedRun
    plan: Plan

    @property
    def steps(self) -> int:
        """How many steps the training of one member has."""
        settings = self.plan.schooling.settings
        return settings.epochs * self.finished.data.seen.weights.count(settings.batch_size)

    def left(self) -> list[int]:
        """Return which members of the plan are not yet trained."""
        name = self.plan.schooling.name
        return [n for n, member in enumerate(self.plan.members) if not is_kept(self.folder, name(member))]

    def train(self, number: int, told: Told) -> None:
        """Train one member of the plan and write its files; on one thread, so that it is the same in any company.

        Raises:
            RunError: the loss is not finite, or the training was interrupted: its checkpoint is kept.
        """
        architecture = self.plan.members[number]
        checkpoint = checkpoint_of(self.folder, self.plan.schooling.name(architecture))
        with threads(1):
            self._train(architecture, checkpoint, told)
        remove_checkpoint(checkpoint)

    def _train(self, architecture: Architecture, checkpoint: Path, told: Told) -> None:
        family, seen, how = self.finished.family, self.finished.data.seen, self.plan.schooling
        member = family.member(architecture)
        module = member.build(merge=False)
        trained = train(
            restart(module, how.seed) if how.scratch else module,
            seen.weights,
            family.task,
            how.settings,
            seed=how.seed,
            device=self.plan.device,
            teacher=self._teacher(),
            checkpoint=checkpoint,
            resume=True,
            bar=_Counting(told),
        )
        found = score(trained, seen.validation, family.task)
        told_too: dict[str, Any] = {"device": self.plan.device, "config": self.finished.run.recipe.to_json()}
        keep(self.folder, member, how, trained, found, told_too)

    def _teacher(self) -> nn.Module | None:
        """Return the network as it came, which teaches members of it as `archdial finetune` lets it."""
        network = self.finished.family.network
        return network.untouched() if isinstance(network, Pretrained) else None


class _Counting(NoBar):
    """Tells of steps, and shows nothing."""

    def __init__(self, told: Told) -> None:
        self._told = told

    def part(self, name: str, total: int, done: int = 0) -> Part:
        """Begin a part of which `done` steps were done before."""
        self._told(done)
        return _Counted(self._told)


class _Counted(Part):
    def __init__(self, told: Told) -> None:
        self._told = told

    def advance(self, note: str = "") -> None:
        self._told(1)
