"""A dial that turns against kinds of operations: python examples/by_feature/simplex_dial.py [EPOCHS EVALUATIONS]"""

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
family = ad.search(net, seen, table, ad.OperationSimplex(), settings)
kinds = net.space.kinds
for number, kind in enumerate(kinds):
    # All of the penalty on one kind: the member is to do without it.
    member = family.at([float(other == number) for other in range(len(kinds))])
    used = net.space.counts(member.architecture)[kind]
    print(f"few of {kind}: {used} of {len(member.architecture.options)} choices use it, {member.accuracy:.1%}")
