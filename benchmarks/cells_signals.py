"""Cells on signals: spoken digits by members along the dial, against plain 1-D CNNs of the same measured time.

    python benchmarks/cells_signals.py FOLDER [--epochs 20] [--search-epochs 30] [--positions 3] [--seed 0]

FOLDER has train.parquet and test.parquet of `spoken_digits`. Inputs are logarithms of spectrograms, 65 channels of 251
moments. A seventh of the training recordings is validation: dial, depths and ways of training are chosen on it, and of
what was chosen the test split is reported.

A member is trained on from inherited weights, and anew; a plain network is residual, of 1, 2 or 4 blocks, each time the
widest that takes no longer than the member, trained anew by the same settings. Times are of one recording on one
thread, all networks measured in the same rounds.
"""

from __future__ import annotations

import argparse
import functools
import time
import warnings
from pathlib import Path

import numpy
import pyarrow.parquet as pq
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import archdial as ad
from archdial.cost.making.profiling import measure_many
from archdial.training.plain_network import train

DEPTHS, WIDTHS = (1, 2, 4), (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192)
STRIDE = 4
OPERATIONS = ("identity", "max_pool_3", "sep_conv_3", "sep_conv_7")


def spectrogram(recording: bytes) -> Tensor:
    # 44 bytes of header, then 16-bit numbers; one second at 8 kHz.
    sound = numpy.frombuffer(recording[44:16044], numpy.int16).astype(numpy.float32) / 2**15
    padded = nn.functional.pad(torch.tensor(sound), (0, 8000 - len(sound)))
    return torch.log1p(100 * torch.stft(padded, 128, window=torch.hann_window(128), return_complex=True).abs())


def recordings(folder: Path, split: str) -> TensorDataset:
    table = pq.read_table(folder / f"{split}.parquet")
    sounds = [spectrogram(one["bytes"]) for one in table["audio"].to_pylist()]
    return TensorDataset(torch.stack(sounds), torch.tensor(table["label"].to_pylist()))


class Block(nn.Sequential):
    """Two convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        first = nn.Conv1d(width, width, 3, padding=1, bias=False), nn.BatchNorm1d(width), nn.ReLU()
        super().__init__(*first, nn.Conv1d(width, width, 3, padding=1, bias=False), nn.BatchNorm1d(width))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(inputs + super().forward(inputs))


def plain(depth: int, width: int) -> nn.Module:
    torch.manual_seed(0)
    stem = nn.Conv1d(65, width, 5, STRIDE, padding=2, bias=False), nn.BatchNorm1d(width), nn.ReLU()
    blocks = [Block(width) for _ in range(depth)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(width, 10))


class Comparison:
    """Data, settings, and the search; says what it does."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.task = options, ad.Classification(classes=10)
        whole = recordings(options.folder, "train")
        self.test = recordings(options.folder, "test")
        sizes = [6 / 7, 1 / 7]
        self.learn, self.validation = random_split(whole, sizes, torch.Generator().manual_seed(options.seed))
        self.settings = ad.TrainSettings(epochs=options.epochs)
        self.trained = functools.cache(self._trained)
        print(f"{len(self.learn)} to learn, {len(self.validation)} validation, {len(self.test)} test", flush=True)

    def judged(self, module: nn.Module) -> tuple[float, float]:
        """Return validation and test accuracy."""
        return ad.score(module, self.validation, self.task), ad.score(module, self.test, self.task)

    def searched(self) -> ad.Family:
        torch.manual_seed(self.options.seed)
        network = ad.cells(
            example=self.test[:2][0], classes=10, nodes=2, operations=OPERATIONS, channels=16, stem_stride=STRIDE
        )
        began = time.perf_counter()
        table = ad.profile(network)
        profiled = time.perf_counter()
        data = {"train": DataLoader(self.learn, 64, shuffle=True), "validation": self.validation}
        settings = ad.SearchSettings(epochs=self.options.search_epochs)
        family = ad.search(network, data, table, task=self.task, settings=settings, seed=self.options.seed)
        minutes = (profiled - began) / 60, (time.perf_counter() - profiled) / 60
        print(f"profiled in {minutes[0]:.1f} min, searched in {minutes[1]:.1f} min", flush=True)
        return family

    def run(self) -> None:
        family = self.searched()
        front = family.front()
        members = [front[round(place)] for place in numpy.linspace(0, len(front) - 1, self.options.positions)]
        every = [(depth, width) for depth in DEPTHS for width in WIDTHS]
        modules = [*(member.build() for member in members), *(plain(*one).eval() for one in every)]
        times = [found.median_ms for found in measure_many([(module, self.test[:1][0]) for module in modules])]
        allowed = dict(zip(every, times[len(members) :], strict=True))
        for member, latency in zip(members, times, strict=False):
            self.line(member, latency, allowed)

    def line(self, member: ad.Member, latency: float, times: dict[tuple[int, int], float]) -> None:
        ways = {
            "fine-tuned": self.judged(member.finetune(self.learn, seed=self.options.seed)),
            "retrained": self.judged(member.retrain(self.learn, self.settings, seed=self.options.seed)),
        }
        inherited, (way, (validation, test)) = self.judged(member.build()), best(ways)
        shown = ", ".join(f"{name} {pair[1]:.4f}" for name, pair in ways.items())
        print(
            f"λ {member.dial:.3g}: {latency:.3f} ms ({member.latency_ms:.3f} by the table), {member.parameters:,} "
            f"parameters; inherited {inherited[1]:.4f}, {shown}; chosen {way}: validation {validation:.4f}, "
            f"test {test:.4f}",
            flush=True,
        )
        fitting = {depth: [w for d, w in times if d == depth and times[d, w] <= latency] for depth in DEPTHS}
        plains = {
            f"{depth} blocks of {max(widths)}, {times[depth, max(widths)]:.3f} ms": self.trained(depth, max(widths))
            for depth, widths in fitting.items()
            if widths
        }
        for name, (_, own) in plains.items():
            print(f"    plain, {name}: test {own:.4f}", flush=True)
        if plains:
            name, (validation, test) = best(plains)
            print(f"    chosen {name}: validation {validation:.4f}, test {test:.4f}", flush=True)

    def _trained(self, depth: int, width: int) -> tuple[float, float]:
        module = train(plain(depth, width), self.learn, self.task, self.settings, seed=self.options.seed)
        return self.judged(module)


def best(found: dict[str, tuple[float, float]]) -> tuple[str, tuple[float, float]]:
    """Return what is best on validation data; of equals the first."""
    return max(found.items(), key=lambda item: item[1][0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--search-epochs", type=int, default=30)
    parser.add_argument("--positions", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    Comparison(parser.parse_args()).run()


if __name__ == "__main__":
    main()
