"""One call from network, data and cost table to a family."""

from __future__ import annotations

import platform
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from archdial.common.digests import digest_of
from archdial.common.errors import UsageError
from archdial.common.folder_lock import locked
from archdial.common.progress import Bar, NoBar
from archdial.common.versions import versions
from archdial.cost.table.several import Tables
from archdial.data import SearchData, seen_of
from archdial.data.takes import moved
from archdial.dial import Dial, Scalar
from archdial.families.evaluated import EVALUATED
from archdial.families.family import Family
from archdial.families.hardware import found
from archdial.networks.example import shapes_of
from archdial.networks.pretrained import Pretrained, taught
from archdial.networks.supernet import Supernet
from archdial.searching.evaluation import Evaluated
from archdial.searching.first_look import check_batches, first_look
from archdial.searching.loop import Loop
from archdial.searching.ranking import rank
from archdial.searching.settings import SearchSettings
from archdial.searching.state import SearchState, begin, task_of
from archdial.tasks.images import ImageClassification, normalize_of
from archdial.tasks.task import Task


def search(
    network: Supernet,
    data: object,
    table: Tables,
    dial: Dial | None = None,
    settings: SearchSettings | None = None,
    *,
    seed: int = 0,
    device: str = "cpu",
    weights_from: Family | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    bar: Bar | NoBar | None = None,
    config: dict[str, Any] | None = None,
    task: Task | None = None,
) -> Family:
    """Run a search and return the family.

    Args:
        network: cells, whose weights are reinitialised, or gates on a trained network.
        data: images for the weights and for the dial, from `split`; or {"train": …, "validation": …}, each a Dataset, a
            DataLoader or an iterable of batches. A Dataset is read in batches of `settings.batch_size`.
        table: what each option costs on the device; or several tables by device name.
        dial: Scalar() by default.
        settings: how to search; `SearchSettings()` by default.
        seed: seed of weights, paths, batches and evaluated architectures.
        device: where the network is trained: "cpu", "cuda" or "cuda:N". Latencies are those of `table`.
        weights_from: a family over an equal network; its weights are kept, and only the dial is searched.
        folder: for checkpoints and metrics; nothing is written by default.
        resume: continue the interrupted run in `folder`.
        bar: shows the progress.
        task: what the network is for; by default, images in memory are classified.
        config: what the family records about its origin, besides settings and seed.

    Raises:
        UsageError: images, table or settings do not fit the network, or another process uses `folder`.
        RunError: the loss is not finite, or the run was interrupted.
    """
    settings, folder = settings or SearchSettings(), None if folder is None else Path(folder)
    seen = seen_of(data)
    if isinstance(seen, SearchData) and task is None:
        check_images(network, seen)
    state = begin(network, seen, table, dial or Scalar(), settings, seed, device, task)
    if weights_from is not None:
        _take_weights(state, weights_from)
    check_batches(state.network, seen, state.task, state.fabric.device)
    told(first_look(state), bar)
    if weights_from is None:
        rank(state)
    with nullcontext() if folder is None else locked(folder, "a search"):
        Loop(state, folder, bar).run(resume=resume)
    return as_family(state, config or {"search": settings.to_json()})


def told(whole: Evaluated | None, bar: Bar | NoBar | None) -> None:
    """Say what the untouched network can, if there is one; on standard error where there is no bar."""
    if whole is not None:
        measure = whole.measure
        score = f"{measure.text(whole.score)} {measure.unit}".rstrip()
        line = f"untouched network: {measure.name} {score}, loss {whole.loss:.3f} on validation data"
        print(line, file=sys.stderr) if bar is None else bar.say(line)


def check_images(network: Supernet, data: SearchData) -> None:
    """Raise UsageError unless the images and labels are such as `network` takes."""
    task = task_of(data)
    given, taken = shapes_of(task.example((data.weights.pixels, data.weights.labels))), shapes_of(network.example)
    if given != taken:
        raise UsageError(
            f"images of (channels, height, width) {_told(given)} for a network that expects {_told(taken)}: "
            "set channels and image_size to those of the data"
        )


def _told(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join(map(str, shapes))


def _take_weights(state: SearchState, family: Family) -> None:
    if family.network.to_json() != state.network.to_json():
        raise UsageError("weights_from has a different network: its plan must equal that of the network to search")
    state.network.load_state_dict(family.network.state_dict())
    state.frozen = True
    state.origin = digest_of(family.network.state_dict())
    if isinstance(state.network, Pretrained) and isinstance(family.network, Pretrained):
        state.network.recall(family.network.changed())


def _inputs(state: SearchState) -> tuple[Any, ...]:
    """Return what BatchNorm's statistics are taken from, on the CPU, where the family will be."""
    return tuple(moved(batch, torch.device("cpu")) for batch in state.calibration)


def own_task(task: Task, network: Supernet) -> Task | None:
    """Return `task` if a family has to keep it, its teacher where the family is: on the CPU."""
    if isinstance(task, ImageClassification) and task.usual:
        return None
    return taught(task, network)


def _evaluated(state: SearchState) -> int | None:
    """Return how many examples the score of each architecture was measured on, if that is known."""
    examples = state.data.validation.examples_told
    return None if examples is None else min(examples, state.settings.evaluation_images)


def as_family(state: SearchState, config: dict[str, Any]) -> Family:
    """Return what `state` has found, on the CPU."""
    normalize, network = normalize_of(state.task), state.network.to("cpu").eval()
    answers = found(state.tables, state.cost, state.dial, state.hypernet)
    return Family(
        network=network,
        table=answers.table,
        dial=answers.dial,
        hypernet=answers.hypernet,
        device=answers.device,
        devices=answers.devices,
        predictor=state.predictor,
        normalize=normalize,
        calibration=_inputs(state) if normalize is None else state.calibration_pixels,
        own_task=own_task(state.task, network),
        archive=tuple(state.archive),
        classes=state.data.classes,
        column=state.settings.cost,
        info={
            "config": config,
            "seed": state.seed,
            "versions": versions(),
            "device": str(state.fabric.device),
            "machine": platform.processor() or platform.machine(),
            "threads": torch.get_num_threads(),
            "data": state.data.name,
            "images": {
                "weights": len(state.data.weights),
                "validation": len(state.data.validation),
                EVALUATED: _evaluated(state),
                "sha256": state.data.digest,
            },
        },
    )
