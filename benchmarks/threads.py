"""Whether building is alone in the process: threads that build members beside threads that call unrelated models.

    python benchmarks/threads.py [--builds 1000] [--calls 100000]

For a family of cells and one of gates, on random weights and images: eight threads build members, and meanwhile two
threads call models that have nothing to do with them, until there are so many of both. Each built module must be, bit
for bit, the one built alone, and each output the one given alone. Before that one thread builds, and the memory of the
process is read after 200 builds and after 2,000. Prints one line of JSON a family.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, fx, nn

from archdial import Scalar, gates, profile
from archdial.data import Normalize
from archdial.families.family import Family
from archdial.hypernet import make_hypernet
from archdial.networks.backbones import resnet20
from archdial.networks.cells.network import cells
from archdial.networks.example import shape_of
from archdial.networks.supernet import Supernet
from archdial.searching.predictor import ErrorPredictor
from archdial.space import Architecture

BUILDERS, CALLERS, MEMBERS, IMAGES = 8, 2, 12, 32
EARLY, LATE = 200, 2000
OPERATIONS = ("none", "identity", "max_pool_3x3", "sep_conv_3x3")


def family_of(network: Supernet) -> Family:
    channels, height, width = shape_of(network.example)
    generator = torch.Generator().manual_seed(0)
    return Family(
        network=network.eval(),
        hypernet=make_hypernet("linear", network.space, 1),
        dial=Scalar(0.01, 10.0),
        predictor=ErrorPredictor(network.space),
        table=profile(network, repeats=1, networks=0),
        normalize=Normalize((0.5,) * channels, (0.25,) * channels),
        calibration=torch.randint(0, 256, (IMAGES, channels, height, width), dtype=torch.uint8, generator=generator),
        archive=(),
        classes=tuple("abcdefghij"),
    )


def families() -> Iterator[tuple[str, Family]]:
    torch.manual_seed(0)
    yield "cells", family_of(cells(3, 10, nodes=2, channels=4, image_size=8, operations=OPERATIONS))
    yield "gates", family_of(gates(resnet20(8), torch.zeros(1, 3, 8, 8)))


def unrelated() -> list[nn.Module]:
    torch.manual_seed(1)
    convolutions = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 4))
    dense = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.GELU(), nn.Linear(8, 4))
    return [convolutions.eval(), dense, fx.symbolic_trace(dense)]


def equal(one: nn.Module, other: nn.Module, images: Tensor) -> bool:
    own, others = one.state_dict(), other.state_dict()
    same = own.keys() == others.keys() and all(value.equal(others[name]) for name, value in own.items())
    return same and one(images).equal(other(images))


class Crowd:
    """Threads that do their work over and over until all of it has been done often enough.

    Attributes:
        done: how often each kind of work was done.
        failures: what went wrong.
    """

    def __init__(self) -> None:
        self.done = {"builds": 0, "calls": 0}
        self.failures: list[str] = []
        self._lock = threading.Lock()
        self._enough = threading.Event()

    def run(self, wanted: dict[str, int], work: list[tuple[str, Callable[[int], bool]]]) -> None:
        """Give each of `work`, a kind and what does it once by a number, a thread, until all of `wanted` is done."""
        threads = [threading.Thread(target=self._repeat, args=(wanted, n, *one)) for n, one in enumerate(work)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _repeat(self, wanted: dict[str, int], first: int, kind: str, once: Callable[[int], bool]) -> None:
        for number in itertools.count(first):
            if self._enough.is_set():
                return
            try:
                fault = "" if once(number) else f"{kind}: another result than alone"
            except Exception as error:
                fault = f"{kind}: {type(error).__name__}: {error}"
            with self._lock:
                self.done[kind] += 1
                self.failures += [fault] * bool(fault)
                if all(self.done[kind] >= count for kind, count in wanted.items()):
                    self._enough.set()


@torch.no_grad()
def crowded(family: Family, architectures: list[Architecture], wanted: dict[str, int]) -> dict[str, object]:
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(4, *shape_of(family.network.example), generator=generator)
    alone = [family.member(architecture).build() for architecture in architectures]
    models, given = unrelated(), torch.randn(2, 4, 2, 2, generator=generator)
    outputs = [model(given) for model in models]
    before = {name: value.clone() for name, value in family.network.state_dict().items()}

    @torch.no_grad()
    def build(number: int) -> bool:
        number %= len(architectures)
        return equal(family.member(architectures[number]).build(), alone[number], images)

    @torch.no_grad()
    def call(number: int) -> bool:
        number %= len(models)
        return models[number](given).equal(outputs[number])

    crowd, started = Crowd(), time.perf_counter()
    crowd.run(wanted, [("builds", build)] * BUILDERS + [("calls", call)] * CALLERS)
    state = family.network.state_dict()
    return {
        **crowd.done,
        "failures": len(crowd.failures),
        "first_failures": sorted(set(crowd.failures))[:3],
        "supernet_untouched": all(value.equal(state[name]) for name, value in before.items()),
        "seconds": round(time.perf_counter() - started, 1),
    }


def resident() -> float:
    """Return the MiB of memory that the process holds, of Linux; elsewhere 0."""
    gc.collect()
    path = Path("/proc/self/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if path.is_file() else 0.0


def remembered(family: Family, architectures: list[Architecture]) -> dict[str, float]:
    found = {}
    for number in range(1, LATE + 1):
        family.build(architectures[number % len(architectures)])
        if number in (EARLY, LATE):
            found[f"mib_after_{number}"] = round(resident(), 1)
    return {**found, "mib_more": round(found[f"mib_after_{LATE}"] - found[f"mib_after_{EARLY}"], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", type=int, default=1000)
    parser.add_argument("--calls", type=int, default=100_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name, family in families():
        generator = torch.Generator().manual_seed(1)
        architectures = [family.space.random(generator) for _ in range(MEMBERS)]
        memory = remembered(family, architectures)
        found = crowded(family, architectures, {"builds": options.builds, "calls": options.calls})
        print(json.dumps({"family": name, **found, **memory}), flush=True)


if __name__ == "__main__":
    main()
