"""The architectures that a family evaluated, as stored in its file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archdial.common.errors import UsageError
from archdial.families.family_file import FamilyFile
from archdial.networks.supernet import Supernet
from archdial.searching.evaluation import Evaluated
from archdial.space import Architecture
from archdial.tasks.measure import Measure


def archive_json(archive: Sequence[Evaluated]) -> dict[str, Any]:
    """Return a row for each, and the scores that they are compared by, where these are others than those measured."""
    rows = {"archive": [item.row() for item in archive]}
    judged = [item.believed for item in archive]
    return {**rows, "judged": judged} if any(item.judged is not None for item in archive) else rows


def stored_archive(file: FamilyFile, network: Supernet, measure: Measure) -> tuple[Evaluated, ...]:
    """Return what `file` says was evaluated.

    Raises:
        UsageError: an architecture is of another space, or a score none of the measure.
    """
    judged = (None,) * len(file.archive) if file.judged is None else tuple(map(measure.checked, file.judged))
    if len(judged) != len(file.archive):
        raise UsageError(f"judged has {len(judged)} scores for {len(file.archive)} architectures: restore a copy")
    rows = zip(file.archive, judged, strict=True)
    return tuple(_evaluated(network, measure, *row, believed) for row, believed in rows)


def _evaluated(
    network: Supernet, measure: Measure, options: tuple[int, ...], score: float, loss: float, judged: float | None
) -> Evaluated:
    architecture = Architecture(options)
    network.space.check(architecture)
    return Evaluated(architecture, measure.checked(score), loss, measure, judged)
