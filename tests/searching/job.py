"""A small search as its own process, so that tests can kill it."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from archdial import Scalar, cells, choices
from archdial.common.errors import RunError
from archdial.data import Images, SearchData
from archdial.families.searched import search
from archdial.families.storage import save_family
from archdial.networks.cells.network import CellNetwork
from archdial.networks.graph import GatedNetwork
from archdial.searching import dialling
from archdial.searching.predictor import ErrorPredictor
from archdial.searching.settings import SearchSettings
from archdial.searching.state import SearchState
from tests.networks.examples import counted_table


def small_data() -> SearchData:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(96) % 3
    noise = torch.randint(0, 60, (96, 1, 8, 8), generator=generator)
    pixels = (noise + 60 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    part = Images(pixels[:64], labels[:64]), Images(pixels[64:], labels[64:])
    return SearchData("noise", ("a", "b", "c"), *part, mean=(0.4,), std=(0.2,))


def small_network(nodes: int = 1) -> CellNetwork:
    """A normal cell and a reduction."""
    return cells(1, 3, cells=2, nodes=nodes, channels=4, image_size=8)


def slim_network() -> GatedNetwork:
    """Two convolutions, of any width, on weights that are taken for trained."""
    torch.manual_seed(0)
    first = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
    second = nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()
    model = nn.Sequential(*first, *second, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3))
    return choices(model, torch.zeros(2, 1, 8, 8), multiple=4)


def small_settings(method: str) -> SearchSettings:
    """Those of a method, or of `proxies`: the default method with several views of each architecture."""
    if method == "proxies":
        return replace(small_settings("predictor"), proxies=("synflow", "naswot", "zen"))
    return SearchSettings(
        method=method,  # type: ignore[arg-type]
        epochs=3,
        warmup_epochs=1,
        dial_epochs=2,
        batch_size=16,
        dial_steps=20,
        evaluations=14,
        sample=6,
        rounds=2,
        evaluation_images=32,
        calibration_images=32,
        relaxation="straight_through",
    )


def main(folder: Path, method: str, *, resume: bool, slow: bool) -> int:
    torch.set_num_threads(1)
    if slow:
        inputs = SearchState.inputs
        SearchState.inputs = lambda *a, **k: (time.sleep(0.05), inputs(*a, **k))[1]  # type: ignore[method-assign]
    folder.mkdir(exist_ok=True)
    network, settings = job_of(method)
    try:
        # A run must go on with the table it has, and what is counted is the same each time.
        table = counted_table(network)
        family = search(network, small_data(), table, Scalar(), settings, seed=3, folder=folder, resume=resume)
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    save_family(family, folder)
    return 0


def job_of(method: str) -> tuple[CellNetwork | GatedNetwork, SearchSettings]:
    """Return cells and settings of a method of search; of "widths" a network whose weights are tuned in turns."""
    if method != "widths":
        return small_network(), small_settings(method)
    tuned = replace(small_settings("predictor"), regime="tuned", paths="sandwich", turns=1, budgets="octaves")
    return slim_network(), tuned


def in_a_process(folder: Path, method: str, options: Sequence[str], errors: Path) -> None:
    """Run the job in this process, which ends with its status; what it says goes to the file `errors`."""
    with errors.open("w") as stream:
        os.dup2(stream.fileno(), 2)
    briefly()
    sys.exit(main(folder, method, resume="--resume" in options, slow="--slow" in options))


def briefly() -> None:
    """Let predictors learn in few steps, and dials at few positions: whether it goes on is asked, not how well."""
    ErrorPredictor.fit.__defaults__ = (20,)  # type: ignore[attr-defined]
    dialling.LESSON, dialling.LIKELY = 16, 1
