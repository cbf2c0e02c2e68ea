"""archdial report: the measured members as a page and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from archdial.cli.app import app
from archdial.cli.following import pick_next
from archdial.cli.options import Json, RunArgument
from archdial.cli.output import show
from archdial.cli.results import check_drawing, check_results


@app.command(epilog="Example: archdial report runs/digits")
def report(run: RunArgument, json: Json = False) -> None:
    """Write a report page and a plot of the members.

    Creates report.html, which works offline, and front.png in the run folder. Results of `archdial compare` and
    `archdial experiments` for the same device are included.
    """
    from archdial.common.errors import UsageError
    from archdial.runs.folder import MEMBERS

    if run.is_dir() and not (run / MEMBERS).exists():
        raise UsageError(f"no measured members in {run}: run `archdial evaluate {run}` first")
    check_drawing("archdial report", page=True)
    check_results(run)
    members = _read(run / MEMBERS, "members file", "archdial evaluate")
    paths = write_report(run, members)
    then = pick_next(run, members.get("range"), members.get("on"))
    show(paths, *(f"{name}: {path}" for name, path in paths.items()), as_json=json, then=then)


def write_report(folder: Path, members_json: dict[str, Any]) -> dict[str, str]:
    """Write page and picture of a members file into `folder`; return their paths.

    The page shows a comparison and experiments too, where `folder` has their files.
    """
    from archdial.report.page import write_page
    from archdial.report.picture import write_front_picture
    from archdial.runs.folder import COMPARISON, EXPERIMENTS, PAGE, PICTURE

    device = members_json.get("on")
    comparison = _read_if_there(folder / COMPARISON, "comparison file", "archdial compare", device)
    experiments = _read_if_there(folder / EXPERIMENTS, "experiments file", "archdial experiments", device)
    page = write_page(folder / PAGE, members_json, comparison, experiments)
    return {"page": str(page), "picture": str(write_front_picture(folder / PICTURE, members_json))}


def _read_if_there(path: Path, what: str, command: str, device: str | None) -> dict[str, Any] | None:
    """Return what `path` holds, unless it is for another of several devices than the members are."""
    value = _read(path, what, command) if path.exists() else None
    return None if value is None or value.get("on") != device else value


def _read(path: Path, what: str, command: str) -> dict[str, Any]:
    """Return what `path` holds, as `command` wrote it."""
    from archdial.common.documents import check_seal, read_json

    value = read_json(path, what)
    check_seal(value, path, f"run `{command}` again")
    return value
