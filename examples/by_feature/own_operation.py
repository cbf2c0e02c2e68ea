"""An operation of your own among the cells': python examples/by_feature/own_operation.py [EPOCHS EVALUATIONS]"""

import sys

from torch import nn

import archdial as ad
from archdial.data import load, split

epochs, evaluations = map(int, sys.argv[1:] or (8, 100))
data = load("digits", channels=1)
seen = split(data, weights=0.5, seed=0)
sample = evaluations * 2 // 5
settings = ad.SearchSettings(epochs=epochs, evaluations=evaluations, sample=sample, rounds=2, dial_steps=200)


@ad.register_operation("conv_1x1")
def conv_1x1(channels, stride):
    return nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1, stride), nn.BatchNorm2d(channels))


operations = ["skip_connect", "nor_conv_3x3", "conv_1x1"]
net = ad.cells(in_channels=1, classes=10, image_size=8, cells=2, nodes=2, channels=8, operations=operations)
family = ad.search(net, seen, ad.profile(net), ad.Scalar(), settings)
member = family.front()[-1]
used, choices = member.architecture.options.count("conv_1x1"), len(member.architecture.options)
print(f"{used} of {choices} choices are conv_1x1: {member.accuracy:.1%}, {member.latency_ms:.3f} ms")
