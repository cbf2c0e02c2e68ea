"""The dial against other searches of the same supernet: python examples/by_feature/compare.py [EPOCHS EVALUATIONS]"""

import sys

import archdial as ad
from archdial.comparing import compared, search_baselines
from archdial.comparing.baselines import BASELINES
from archdial.comparing.measured import evaluator_of
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


family = ad.search(net, seen, ad.profile(net), ad.Scalar(), settings)
# Each may evaluate as many architectures as the search did, with the same weights.
baselines = {name: BASELINES[name] for name in ("random", "greedy")}
found = search_baselines(family, evaluator_of(family, seen, images=2000), baselines, budget=evaluations)
comparison = compared(family, found, data.test, "test")
print(f"whole network: {comparison.full.accuracy:.1%} of the test images, {comparison.full.latency_ms:.3f} ms")
for curve in comparison.curves:
    print(f"{curve.found.name}: {curve.area:.1%} on average over budgets, {curve.within[0.5]:.1%} in half the time")
