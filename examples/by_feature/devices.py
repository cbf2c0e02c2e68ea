"""Two devices in one search, a third added, another dial: python examples/by_feature/devices.py [EPOCHS EVALUATIONS]"""

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


# Three ways to run on this machine stand for three devices; ad.CostTable.load reads a table measured elsewhere.
tables = {"one image": ad.profile(net), "four images": ad.profile(net, batch_size=4)}
family = ad.search(net, seen, tables, ad.Scalar(), settings)
# The dial is trained again, in seconds; the weights stay.
family = ad.add_device(family, "sixteen images", ad.profile(net, batch_size=16))
for device in family.device_names:
    front = family.on(device).front()
    middle = family.within(latency_ms=(front[0].latency_ms + front[-1].latency_ms) / 2, device=device)
    print(f"{device}: {front[0].latency_ms:.3f} to {front[-1].latency_ms:.3f} ms, {middle.accuracy:.1%} in the middle")
# Another dial, also in seconds: budgets, here half of the range.
budgets = ad.redial(family, ad.Budget())
for device in budgets.device_names:
    member = budgets.at(0.5, device=device)
    print(f"{device}, redialled: {member.latency_ms:.3f} ms, {member.accuracy:.1%}")
