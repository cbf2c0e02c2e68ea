"""An operation of your own among the cells': python examples/by_feature/own_operation.py [EPOCHS EVALUATIONS]"""

import sys

from torch import nn

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


@ad.register_operation("conv_1x1")
def conv_1x1(channels, stride):
    return nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 1, stride), nn.BatchNorm2d(channels))


operations = ["skip_connect", "nor_conv_3x3", "conv_1x1"]
net = ad.cells(in_channels=1, classes=10, image_size=8, cells=2, nodes=2, channels=8, operations=operations)
family = ad.search(net, seen, ad.profile(net), ad.Scalar(), settings)
for member in family.front():
    taken = list(family.space.describe(member.architecture).values())
    used = taken.count("conv_1x1")
    print(f"{member.latency_ms:.3f} ms: {member.accuracy:.1%}, {used} of {len(taken)} choices are conv_1x1")
