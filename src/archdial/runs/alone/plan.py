"""Which members of a run to train, and how: written down before the first, so that all can be resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from archdial.common.digests import digest_of
from archdial.common.documents import check_seal, is_version, read_json, sealed
from archdial.common.errors import UsageError
from archdial.common.files import write_json
from archdial.common.limits import Count, Flag, Options, Seed, Text
from archdial.common.validation import validated
from archdial.families.family import Family
from archdial.families.refined import Start
from archdial.runs.folder import REFINED, difference
from archdial.space import Architecture
from archdial.training.settings import TrainSettings

PLAN, FORMAT, VERSION = "plan.json", "archdial.refinement_plan", 1
_AGAIN = "delete it, and start the refinement again"


@dataclass(frozen=True)
class Schooling:
    """How members are trained.

    Attributes:
        scratch: from new weights, else from inherited ones.
        origin: digest of data and network, and of its weights where they are inherited.
    """

    scratch: Flag
    settings: TrainSettings
    seed: Seed
    origin: Text

    @property
    def weights(self) -> Start:
        """What is said of weights that were trained so."""
        return "retrained" if self.scratch else "finetuned"

    @property
    def alike(self) -> str:
        """What is equal for trainings whose scores can be compared."""
        return digest_of([self.scratch, json.dumps(asdict(self.settings), sort_keys=True), self.seed, self.origin])

    def name(self, architecture: Architecture) -> str:
        """Return the name of the files of `architecture` trained so."""
        told = digest_of([self.alike, list(architecture.options)])[:10]
        return f"{self.weights}-{self.settings.epochs}-{told}"


@dataclass(frozen=True)
class Plan:
    """What is to be trained, in this order.

    Attributes:
        asked: how many members the call asked for; there may be fewer.
        on: the device over whose costs they are spread, of a family for several.
        device: where they are trained.
    """

    members: tuple[Architecture, ...]
    asked: int
    schooling: Schooling
    on: str | None
    device: str

    def told(self) -> dict[str, Any]:
        """Return what a call can ask for, by the names of its options."""
        how = self.schooling
        return {
            "members": self.asked,
            "epochs": how.settings.epochs,
            "scratch": how.scratch,
            "seed": how.seed,
            "on": self.on,
        }


def origin_of(family: Family, data: str, *, scratch: bool) -> str:
    """Return what trainings of members of `family` on data of digest `data` have in common."""
    network = json.dumps(family.network.to_json(), sort_keys=True)
    return digest_of([network, data, {} if scratch else family.network.state_dict()])


def plan_file(run: Path) -> Path:
    """Return where the plan of a refinement that is not over is."""
    return run / REFINED / PLAN


def write_plan(plan: Plan, run: Path) -> None:
    """Write `plan` into the folder of a run."""
    how = plan.schooling
    value = {
        "format": FORMAT,
        "version": VERSION,
        "members": [list(member.options) for member in plan.members],
        "asked": plan.asked,
        "schooling": {
            "scratch": how.scratch,
            "settings": asdict(how.settings),
            "seed": how.seed,
            "origin": how.origin,
        },
        "on": plan.on,
        "device": plan.device,
    }
    write_json(plan_file(run), sealed(value))


@dataclass(frozen=True)
class _PlanFile:
    """What plan.json holds."""

    format: Literal["archdial.refinement_plan"]
    version: Literal[1]
    members: Annotated[tuple[Options, ...], Field(min_length=1, fail_fast=True)]
    asked: Count
    schooling: Schooling
    on: Text | None
    device: Text


def read_plan(run: Path, family: Family) -> Plan:
    """Return the plan in the folder of a run.

    Raises:
        UsageError: there is none, it is damaged, or it is of another family.
    """
    path = plan_file(run)
    value = read_json(path, "plan of a refinement")
    if value.get("format") != FORMAT or not is_version(value.get("version"), VERSION):
        raise UsageError(f"{path} is not a plan of version {VERSION}: {_AGAIN}")
    check_seal(value, path, _AGAIN, needed=True)
    try:
        file = validated(_PlanFile, value)
        members = tuple(Architecture(options) for options in file.members)
        for member in members:
            family.space.check(member)
    except UsageError as error:
        raise UsageError(f"{path} does not fit the run ({error}): {_AGAIN}") from None
    return Plan(members, file.asked, file.schooling, file.on, file.device)


def check_asked(plan: Plan, asked: Mapping[str, Any], run: Path) -> None:
    """Raise UsageError where a call to go on asks for something else than `plan`; what it leaves open is None."""
    wanted = {name: value if asked.get(name) is None else asked[name] for name, value in plan.told().items()}
    if found := difference(plan.told(), wanted):
        raise UsageError(
            f"the refinement in {run / REFINED} was started with {found}: resume it with the same options, or delete "
            f"{PLAN} there to start another"
        )
