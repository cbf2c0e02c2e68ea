"""A dial of your own, here "how many times as fast": python examples/by_feature/own_dial.py [EPOCHS EVALUATIONS]"""

import sys
from dataclasses import dataclass

import torch

import archdial as ad
from archdial.data import load, split

epochs, evaluations = map(int, sys.argv[1:] or (16, 70))
data = load("digits", channels=1)
seen = split(data, weights=0.5, seed=0)
sample = evaluations * 2 // 5
settings = ad.SearchSettings(
    epochs=epochs,
    learning_rate=0.1,
    augment=False,  # a mirrored digit is a different digit, or none
    evaluations=evaluations,
    sample=sample,
    rounds=2,
)
net = ad.cells(in_channels=1, classes=10, image_size=8, cells=2, nodes=2, channels=8)


# Most is a budget's; docs/adding_a_dial.md writes a dial from nothing, with a suite that tests it.
@ad.dial.register_dial
@dataclass(frozen=True)
class Speedup(ad.Budget):
    """At position s, from 1 to 8, members are to be s times as fast as the slowest network of the space."""

    kind = "speedup"

    def sample(self, count, generator):
        return 8 ** torch.rand(count, 1, generator=generator)

    def grid(self, count):
        return 8 ** torch.linspace(0, 1, count).unsqueeze(1)

    def encode(self, positions):
        return positions.log2() / 3

    def penalty(self, positions, weights, cost):
        (device,) = cost.each
        share = device(weights) / device.highest
        return (self.strength or 20.0) * (share - 1 / positions[:, 0]).clamp_min(0)

    def check(self, position):
        if position.numel() != 1 or not 1 <= float(position) <= 8:
            raise ad.UsageError(f"speedup {position.tolist()}: expected one number from 1 to 8")


family = ad.search(net, seen, ad.profile(net), Speedup(), settings)
slowest = family.costs["latency_ms"].highest
for position in (1, 2, 4, 8):
    member = family.at(position)
    print(f"asked {position}x: {slowest / member.latency_ms:.1f}x as fast, {member.accuracy:.1%}")
