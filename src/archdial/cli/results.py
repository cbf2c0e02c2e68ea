"""Where commands write what they find out about a run: checked before they begin."""

from __future__ import annotations

from pathlib import Path


def check_results(folder: Path) -> None:
    """Clear what killed commands left in the folder of a run.

    Raises:
        UsageError: there is no such folder, or it may not be written to.
    """
    from archdial.errors import UsageError
    from archdial.leftovers import clear_leftovers
    from archdial.runs import NAMES, check_writable

    if not folder.is_dir():
        raise UsageError(f"no run at {folder}: name the folder that `archdial search --out` wrote")
    check_writable(folder, "mend its permissions, or copy the run to where you may write")
    clear_leftovers(folder, NAMES)
