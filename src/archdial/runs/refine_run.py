"""Refining a finished run: members are trained individually, and the corrected family is written."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archdial.common.errors import UsageError
from archdial.common.files import beside
from archdial.common.folder_lock import locked
from archdial.common.held import check_held
from archdial.common.leftovers import clear_leftovers
from archdial.common.progress import Bar, NoBar
from archdial.cost.table import machine
from archdial.families.family import Family
from archdial.families.storage import FAMILY, save_family
from archdial.families.weights_file import WEIGHTS
from archdial.networks.pretrained import Pretrained
from archdial.refining.refit import Ranked, Trained, ranked, refined
from archdial.refining.spread import spread
from archdial.runs.alone.kept import checkpoint_of, kept_members
from archdial.runs.alone.plan import (
    PLAN,
    Plan,
    Schooling,
    check_asked,
    origin_of,
    plan_file,
    read_plan,
    write_plan,
)
from archdial.runs.alone.school import School
from archdial.runs.alone.workers import Call, Stopped, train_beside
from archdial.runs.folder import REFINED, UNREFINED
from archdial.runs.opening import open_family
from archdial.runs.run_data import FinishedRun, finished_run
from archdial.training.checkpoint import remove_checkpoint
from archdial.training.loop import Interrupted

MEMBERS = 12
"""Members that are trained unless the call says otherwise."""


@dataclass(frozen=True)
class Asked:
    """What a call asks for; what is None is left open: the default, or what a refinement was begun with.

    Attributes:
        members: to train.
        epochs: of each; by default the recipe's.
        scratch: from new weights, else from inherited ones; by default new ones for cells.
        workers: processes that train; by default as many as there are cores, on a GPU one. The result is the same.
        data, model, trust: as for `open_family` and `finished_run`.
    """

    members: int | None = None
    epochs: int | None = None
    scratch: bool | None = None
    seed: int | None = None
    on: str | None = None
    device: str | None = None
    workers: int | None = None
    data: str | None = None
    model: str | None = None
    trust: bool = False

    def told(self) -> dict[str, Any]:
        """Return what a plan fixes."""
        return {name: getattr(self, name) for name in ("members", "epochs", "scratch", "seed", "on")}


@dataclass(frozen=True, eq=False)
class Refined:
    """A refinement that is over.

    Attributes:
        before: the family as it was; `family` is the refined one.
        trained: all members that were trained alike, cheapest first: those of earlier refinements too.
    """

    before: Family
    family: Family
    trained: tuple[Trained, ...]
    ranked: Ranked
    plan: Plan


def refine_run(folder: Path, asked: Asked, *, resume: bool = False, bar: Bar | NoBar | None = None) -> Refined:
    """Train members of the run in `folder` alone, correct its ranking by them, and write the refined family there.

    The family of before is kept in its folder `unrefined`, each trained member in `refined`.

    Raises:
        UsageError: there is no finished run, data do not fit, or there is nothing to resume or something else.
        RunError: a training failed or was interrupted: what is done is kept, and `resume` goes on.
    """
    with locked(folder, "archdial refine"):
        clear_leftovers(folder, (FAMILY, WEIGHTS, UNREFINED))
        family = open_family(folder, asked.model, trust=asked.trust)
        _check_resumable(folder, resume)
        plan = read_plan(folder, family) if resume else None
        on = plan.on if plan is not None else asked.on
        finished = finished_run(folder, family, asked.data, on, trust=asked.trust)
        plan = _planned(folder, finished, asked) if plan is None else _taken_up(folder, finished, asked, plan)
        write_plan(plan, folder)
        train_members(School(folder, finished, plan), asked, bar or NoBar())
        result = _corrected(folder, finished.family, plan)
        _write(folder, family, result)
    return result


def _check_resumable(folder: Path, resume: bool) -> None:
    begun = plan_file(folder).is_file()
    if resume and not begun:
        raise UsageError(f"no refinement to resume in {folder}: omit --resume to start one there")
    if begun and not resume:
        raise UsageError(
            f"{folder} contains an interrupted refinement: continue it with --resume, or delete "
            f"{plan_file(folder)} to start another"
        )


def _planned(folder: Path, finished: FinishedRun, asked: Asked) -> Plan:
    family, recipe = finished.family, finished.run.recipe
    scratch = not isinstance(family.network, Pretrained) if asked.scratch is None else asked.scratch
    device = asked.device or "cpu"
    machine.device(device)
    schooling = Schooling(
        scratch=scratch,
        settings=recipe.training(scratch=scratch, epochs=asked.epochs),
        seed=asked.seed or 0,
        origin=origin_of(family, finished.data.seen.digest, scratch=scratch),
    )
    count = MEMBERS if asked.members is None else asked.members
    earlier = [one.architecture for one in kept_members(folder, family, schooling)]
    members = spread(family, count, without=earlier)
    if not members:
        raise UsageError(
            f"all {len(earlier)} known members of {folder} were already trained this way: use another --seed"
        )
    return Plan(tuple(members), count, schooling, asked.on, device)


def _taken_up(folder: Path, finished: FinishedRun, asked: Asked, plan: Plan) -> Plan:
    """Return `plan`, to go on with it on the device that is asked for.

    Raises:
        UsageError: something else is asked for, or data or weights are others.
    """
    check_asked(plan, asked.told(), folder)
    how, device = plan.schooling, asked.device or plan.device
    machine.device(device)
    if how.origin != origin_of(finished.family, finished.data.seen.digest, scratch=how.scratch):
        raise UsageError(
            f"the refinement in {folder / REFINED} was started with other data or weights: restore them, or delete "
            f"{PLAN} there to start another"
        )
    return replace(plan, device=device)


def train_members(school: School, asked: Asked, bar: Bar | NoBar) -> None:
    """Train what is left of a plan that is in the folder of the run, in this process or in several.

    Raises:
        Interrupted: Ctrl-C; how far each training was is kept.
        RunError: a loss is not finite, or a process that trains ended.
    """
    left, every = school.left(), len(school.plan.members)
    part = bar.part("train members", school.steps * every, school.steps * (every - len(left)))

    def told(count: int) -> None:
        for _ in range(count):
            part.advance()

    workers = asked.workers or (machine.cores() if school.plan.device == "cpu" else 1)
    try:
        if min(workers, len(left)) > 1:
            call = Call(str(school.folder), asked.data, asked.model, asked.trust)
            train_beside(call, left, workers, told)
        else:
            for number in left:
                school.train(number, told)
    except (Stopped, Interrupted, KeyboardInterrupt) as error:
        raise Interrupted(
            f"interrupted; {len(left) - len(school.left())} of {len(left)} members are trained and saved in "
            f"{school.folder / REFINED}"
        ) from error


def _corrected(folder: Path, family: Family, plan: Plan) -> Refined:
    how = plan.schooling
    trained = kept_members(folder, family, how)
    told = ranked(family, trained)
    after = refined(family, trained, how.weights, how.settings.epochs, seed=how.seed)
    return Refined(family, after, tuple(trained), told, plan)


def _write(folder: Path, before: Family, result: Refined) -> None:
    """Let the refined family be that of the run; the one of before the first refinement stays beside it."""
    if before.refinement is None:
        _keep_unrefined(folder)
    # Who asks for no device goes on to be answered for the one of before.
    save_family(result.family.on(before.device), folder)
    # Killed right after a member was kept, its checkpoint is still there.
    for member in result.plan.members:
        remove_checkpoint(checkpoint_of(folder, result.plan.schooling.name(member)))
    check_held(plan_file(folder))
    plan_file(folder).unlink(missing_ok=True)


def _keep_unrefined(folder: Path) -> None:
    target = folder / UNREFINED
    with beside(target) as temporary:
        for name in (FAMILY, WEIGHTS):
            shutil.copyfile(folder / name, temporary / name)
        check_held(target)
        shutil.rmtree(target, ignore_errors=True)
        temporary.rename(target)
