"""Some members trained to correct the ranking of all: python examples/by_feature/refine.py [EPOCHS EVALUATIONS]"""

import sys

import archdial as ad
from archdial.data import load, split
from archdial.refining.refit import Trained, refined
from archdial.refining.spread import spread

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
trained = []
for number, architecture in enumerate(spread(family, 6)):
    module = family.member(architecture).retrain(seen.weights, ad.TrainSettings(epochs=epochs, augment=False))
    trained.append(Trained(architecture, ad.score(module, seen.validation, family.task), f"member-{number}"))
better = refined(family, trained, "retrained", epochs=epochs)
for member in better.front():
    after = member.after_training
    print(f"{member.latency_ms:.3f} ms: {member.accuracy:.1%} inherited, {after.score:.1%} trained ({after.origin})")
