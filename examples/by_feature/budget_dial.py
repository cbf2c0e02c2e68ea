"""A dial whose position is the budget itself: python examples/by_feature/budget_dial.py [EPOCHS EVALUATIONS]"""

import sys

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

table = ad.profile(net)
family = ad.search(net, seen, table, ad.Budget(), settings)
# 0 is the cheapest network of the space, 1 the most expensive one.
for position in (0.0, 0.25, 0.5, 1.0):
    member = family.at(position)
    print(f"budget {position:.2f}: {member.latency_ms:.3f} ms, {member.accuracy:.1%}")
