"""A budget that is kept, by a margin or by the clock: python examples/by_feature/promise.py [EPOCHS EVALUATIONS]"""

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


family = ad.search(net, seen, ad.profile(net), ad.Scalar(), settings)
budget = family.costs["latency_ms"].highest / 2  # half of what the slowest network of the space takes
print(f"budget: {budget:.3f} ms")
for confidence in (0.5, 0.8, 0.95):
    # 0.5 keeps no margin: about half of such members take longer.
    member = family.within(latency_ms=budget, confidence=confidence)
    promised, predicted = member.promised_ms, member.promise.predicted_ms
    # None: the table, from a busy machine perhaps, is too far off for any promise.
    sure = "no promise" if member.confidence is None else f"{confidence:.0%} confident"
    print(f"{sure}: at most {promised:.3f} ms, expected {predicted:.3f} ms, {member.accuracy:.1%}")
# Candidates are built and timed on this machine; one that meets the budget twice is the answer.
member = family.within(latency_ms=budget, measured=True)
print(f"measured: {member.measured_ms:.3f} ms, {member.accuracy:.1%}")
