"""What a search step over gates costs against training the untouched network: ratios from one run, interleaved.

    python benchmarks/gates_step.py [--threads 2] [--rounds 30]

ResNet-18 at a quarter of its width, batch 128, random images. The search step of the tuned regime trains one sampled
path and asks the untouched network, its teacher; the step of the two-stage dial descends on soft gates.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from archdial import Scalar, gates, profile
from archdial.common.memory import keep_freed_memory
from archdial.data import Images, SearchData
from archdial.networks.backbones import resnet18
from archdial.searching.settings import SearchSettings
from archdial.searching.state import SearchState, begin
from archdial.searching.steps.dial import TrainDial
from archdial.searching.steps.weights import TrainWeights

BATCH = 128


def images() -> Images:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (BATCH, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return Images(pixels, torch.randint(0, 10, (BATCH,), generator=generator))


def searching() -> SearchState:
    torch.manual_seed(0)
    network = gates(resnet18(16), torch.zeros(1, 3, 32, 32))
    data = SearchData("random", tuple("abcdefghij"), images(), images(), (0.5,) * 3, (0.25,) * 3)
    settings = SearchSettings(regime="tuned", paths="kept", batch_size=BATCH)
    return begin(network, data, profile(network, repeats=3), Scalar(), settings, seed=0)


def plain(state: SearchState) -> Callable[[], object]:
    """Return a step of training the untouched network, on images prepared as the search prepares them."""
    module = state.network.untouched().train()  # type: ignore[union-attr]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9, nesterov=True)
    seen = images()

    def step() -> None:
        inputs = state.images(seen.pixels, training=True)
        optimizer.zero_grad()
        functional.cross_entropy(module(inputs), seen.labels).backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimizer.step()

    return step


def steps(state: SearchState) -> dict[str, Callable[[], object]]:
    batch = (images().pixels, images().labels)
    weights, dial = TrainWeights(state), TrainDial()
    return {
        "plain": plain(state),
        "weights": lambda: weights(state, batch, 0.5),
        "dial": lambda: dial(state, batch, 0.5),
    }


def interleaved(every: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {name: [] for name in every}
    for number in range(rounds + 2):
        for name, step in every.items():
            start = time.perf_counter()
            step()
            if number > 1:
                samples[name].append(1000 * (time.perf_counter() - start))
    return samples


def peak(name: str) -> float:
    """Return the peak resident memory in MiB of a process that takes steps of one kind, less what stood before."""
    command = [sys.executable, __file__, "--peak", name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure_peak(name: str) -> None:
    step = steps(searching())[name]
    # Capturing and profiling took memory too: the mark begins anew here (Linux).
    Path("/proc/self/clear_refs").write_text("5")
    before = highest_mib()
    for _ in range(12):
        step()
    print(highest_mib() - before)


def highest_mib() -> float:
    """Return the peak resident memory of this process since the mark was set."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--peak", choices=["plain", "weights", "dial"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    if options.peak:
        measure_peak(options.peak)
        return
    samples = interleaved(steps(searching()), options.rounds)
    memory = {name: peak(name) for name in samples}
    # Paths differ in length: of the search step the mean counts, over drawn paths.
    mean = {name: statistics.fmean(values) for name, values in samples.items()}
    result = {
        "threads": options.threads,
        "torch": torch.__version__,
        **{f"{name}_ms": round(statistics.median(values), 1) for name, values in samples.items()},
        **{f"{name}/plain": mean[name] / mean["plain"] for name in ("weights", "dial")},
        **{f"{name}_mib": value for name, value in memory.items()},
        **{f"memory {name}/plain": memory[name] / memory["plain"] for name in ("weights", "dial")},
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
