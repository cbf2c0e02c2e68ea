"""Runs of the demo, which the next one replaces."""

from __future__ import annotations

import shutil
from pathlib import Path

from archdial.common.leftovers import clear_leftovers
from archdial.families.storage import ARCHITECTURE
from archdial.families.weights_file import WEIGHTS
from archdial.runs.folder import CONFIG, MEMBER, NAMES, REFINED, UNREFINED, read_run


def forget_demo(folder: Path) -> None:
    """Remove an earlier run of the demo from `folder`; anything else is left alone."""
    if not (folder / CONFIG).is_file() or not read_run(folder).demo:
        return
    inner = [folder / MEMBER / name for name in (ARCHITECTURE, WEIGHTS)]
    for name in (REFINED, UNREFINED):
        shutil.rmtree(folder / name, ignore_errors=True)
    # config.json last: until it goes, a second attempt knows whose files these are.
    names = [name for name in NAMES if name != CONFIG] + [CONFIG]
    for path in [*inner, *folder.glob("events.out.tfevents.*"), *(folder / name for name in names)]:
        path.unlink(missing_ok=True)
    clear_leftovers(folder, NAMES)
    clear_leftovers(folder / MEMBER, (ARCHITECTURE, WEIGHTS))
