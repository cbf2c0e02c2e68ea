"""A small search as its own process, so that tests can kill it."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from archdial import Scalar, cells
from archdial.common.errors import RunError
from archdial.cost.making.profiling import profile
from archdial.cost.table.table import CostTable
from archdial.data import Images, SearchData
from archdial.families.searched import search
from archdial.families.storage import save_family
from archdial.searching import dialling
from archdial.searching.predictor import ErrorPredictor
from archdial.searching.settings import SearchSettings
from archdial.searching.state import SearchState


def small_data() -> SearchData:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(96) % 3
    noise = torch.randint(0, 60, (96, 1, 8, 8), generator=generator)
    pixels = (noise + 60 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    part = Images(pixels[:64], labels[:64]), Images(pixels[64:], labels[64:])
    return SearchData("noise", ("a", "b", "c"), *part, mean=(0.4,), std=(0.2,))


def small_network():
    return cells(1, 3, cells=3, nodes=2, channels=4, image_size=8)


def small_settings(method: str) -> SearchSettings:
    return SearchSettings(
        method=method,  # type: ignore[arg-type]
        epochs=3,
        warmup_epochs=1,
        dial_epochs=2,
        batch_size=16,
        dial_steps=60,
        evaluations=14,
        sample=6,
        rounds=2,
        evaluation_images=32,
        calibration_images=32,
        relaxation="straight_through",
    )


def table_in(folder: Path) -> CostTable:
    """Profile once: times differ from one measurement to the next, and a run must go on with the table it has."""
    path = folder / "table.json"
    if not path.exists():
        profile(small_network(), repeats=2, networks=0).save(path)
    return CostTable.load(path)


def main(folder: Path, method: str, *, resume: bool, slow: bool) -> int:
    torch.set_num_threads(1)
    if slow:
        inputs = SearchState.inputs
        SearchState.inputs = lambda *a, **k: (time.sleep(0.05), inputs(*a, **k))[1]  # type: ignore[method-assign]
    table = table_in(folder.parent)
    folder.mkdir(exist_ok=True)
    try:
        family = search(
            small_network(), small_data(), table, Scalar(), small_settings(method), seed=3, folder=folder, resume=resume
        )
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    save_family(family, folder)
    return 0


def in_a_process(folder: Path, method: str, options: Sequence[str], errors: Path) -> None:
    """Run the job in this process, which ends with its status; what it says goes to the file `errors`."""
    with errors.open("w") as stream:
        os.dup2(stream.fileno(), 2)
    briefly()
    sys.exit(main(folder, method, resume="--resume" in options, slow="--slow" in options))


def briefly() -> None:
    """Let predictors learn in few steps, and dials at few positions: whether it goes on is asked, not how well."""
    ErrorPredictor.fit.__defaults__ = (60,)  # type: ignore[attr-defined]
    dialling.LESSON, dialling.LIKELY = 32, 1
