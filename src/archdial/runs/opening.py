"""Opening the family of a finished run."""

from __future__ import annotations

from pathlib import Path

from archdial.common.errors import UsageError
from archdial.families.family import Family
from archdial.families.storage import FAMILY, load_family
from archdial.networks.graph.closed import ClosedNetwork
from archdial.networks.graph.source import called_model
from archdial.runs.folder import CONFIG


def open_family(folder: Path, model: str | None = None, *, trust: bool = False, figures: bool = False) -> Family:
    """Return the family of the run in `folder`, or say that its search is not over.

    Args:
        model: `module:callable` that makes the network, as the person at the keyboard names it.
        trust: call the code that the family's file names for it.
        figures: nothing will be built, so that a family whose code is not called will do.

    Raises:
        UsageError: there is no finished run, a file of it is damaged, or the network lacks code to run.
    """
    if (folder / CONFIG).exists() and not (folder / FAMILY).exists():
        raise UsageError(f"the search in {folder} is not finished: complete it with `archdial search … --resume` first")
    family = load_family(folder, None if model is None else called_model(model), trust=trust)
    if not figures and isinstance(family.network, ClosedNetwork):
        family.network.refuse()
    return family
