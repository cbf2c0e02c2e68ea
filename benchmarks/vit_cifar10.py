"""A small ViT on CIFAR-10: trained here, its heads, hidden units and blocks searched, its member at half the latency.

    python benchmarks/vit_cifar10.py CIFAR10 [--epochs 12] [--tuned 6] [--evaluations 90] [--finetune 5] [--seed 0]
        [--runtime onnxruntime] [--precision bf16-mixed] [--threads 1] [--folder FOLDER]

Patches of 4 pixels, 4 blocks of width 128, 4 heads, 256 hidden units. Of the members on the front the one of best
validation accuracy within half of the whole network's measured latency is trained on and tested once; its ONNX file is
read again for the sizes of its matrices. It takes over an hour of processor: with `--folder` the trained network, its
table and the search are kept there, and the same command goes on with them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnx
import torch
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from transformers import ViTConfig, ViTForImageClassification

import archdial as ad
from archdial.cost.making.profiling import measure_many
from archdial.data import Normalize, load, split
from archdial.tasks.images import ImageClassification
from archdial.training.plain_network import train

SHAPE = (3, 32, 32)


class Vit(nn.Module):
    """The transformer of Hugging Face, from images (n, 3, 32, 32) to logits (n, 10)."""

    def __init__(self) -> None:
        super().__init__()
        size = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 256}
        self.vit = ViTForImageClassification(ViTConfig(image_size=32, patch_size=4, num_labels=10, **size))

    def forward(self, images: Tensor) -> Tensor:
        return self.vit(images).logits


def trained(file: Path, train_it: Callable[[], nn.Module]) -> nn.Module:
    """Return the network with the weights in `file`, or train it and keep them there."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        save_model(train_it(), str(file))
    network = Vit()
    load_model(network, str(file))
    return network.eval()


def matrices(file: Path) -> list[list[int]]:
    """Return the sizes of the matrices in an ONNX file."""
    return [list(one.dims) for one in onnx.load(file).graph.initializer if len(one.dims) == 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--tuned", type=int, default=6)
    parser.add_argument("--evaluations", type=int, default=90)
    parser.add_argument("--finetune", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--precision", default="bf16-mixed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = load(options.data, channels=3)
    seen = split(data, weights=40_000, seed=options.seed)
    task = ImageClassification(Normalize(seen.mean, seen.std), 10)
    torch.manual_seed(options.seed)
    taught = {"batch_size": 128, "optimizer": "adamw", "weight_decay": 0.05, "precision": options.precision}
    plain = ad.TrainSettings(epochs=options.epochs, learning_rate=1e-3, **taught)
    folder = options.folder or Path(tempfile.mkdtemp())
    whole = trained(folder / "whole.safetensors", lambda: train(Vit(), seen.weights, task, plain, seed=options.seed))
    net = ad.choices(whole, torch.zeros(1, *SHAPE), include=["branch", "*.width"])
    settings = ad.SearchSettings(
        regime="tuned",
        paths="sandwich",
        epochs=options.tuned,
        turns=2,
        learning_rate=5e-4,
        evaluations=options.evaluations,
        sample=options.evaluations // 3,
        **taught,
    )
    if not (file := folder / "table.json").exists():
        ad.profile(net, runtime=options.runtime).save(file)
    table, run = ad.CostTable.load(file), folder / "search"
    family = ad.search(net, seen, table, settings=settings, seed=options.seed, folder=run, resume=True)
    front = family.front()
    subjects = [(module, SHAPE) for module in (whole, *(member.timed() for member in front))]
    timings = measure_many(subjects, batch_size=1, threads=options.threads, repeats=20, runtime=options.runtime)
    full, *times = (timing.median_ms for timing in timings)
    member, ms = max(
        ((member, ms) for member, ms in zip(front, times, strict=True) if ms <= full / 2),
        key=lambda pair: pair[0].score,
    )
    tuning = ad.TrainSettings(epochs=options.finetune, learning_rate=5e-4, **taught)
    module = member.finetune(seen.weights, tuning, options.seed, whole)
    rows = {"whole": (whole, full), "half": (member.build(), ms), "half, trained on": (module, ms)}
    for name, (one, milliseconds) in rows.items():
        size = sum(parameter.numel() for parameter in one.parameters())
        figures = {"test": ad.score(one, data.test, task), "ms": round(milliseconds, 3), "parameters": size}
        print(json.dumps({"network": name, **figures}), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        member.export(file := Path(folder) / "half.onnx", "onnx", module)
        print(json.dumps({"matrices of the ONNX file": matrices(file)}))
    print(json.dumps(family.space.describe(member.architecture)))


if __name__ == "__main__":
    main()
