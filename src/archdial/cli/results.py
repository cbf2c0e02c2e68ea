"""Folders that commands write results to: checked before they start."""

from __future__ import annotations

from pathlib import Path


def check_drawing(what: str, *, page: bool) -> None:
    """Raise UsageError unless the libraries are there with which `what` draws pictures, and a page where asked for."""
    from archdial.common.libraries import check_installed

    check_installed(what, ("plotly", "matplotlib") if page else ("matplotlib",), "report")


def check_results(folder: Path) -> None:
    """Clear what killed commands left in the folder of a run.

    Raises:
        UsageError: there is no such folder, or it may not be written to.
    """
    from archdial.common.errors import UsageError
    from archdial.common.leftovers import clear_leftovers
    from archdial.runs.folder import NAMES, check_writable

    if not folder.is_dir():
        raise UsageError(f"no run at {folder}: pass a folder written by `archdial search --out`")
    check_writable(folder, "fix its permissions, or copy the run to a writable location")
    clear_leftovers(folder, NAMES)
