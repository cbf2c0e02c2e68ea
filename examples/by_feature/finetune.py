"""A member trained further, or from scratch: python examples/by_feature/finetune.py [EPOCHS EVALUATIONS]"""

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
member = family.front()[-1]
tuned = member.finetune(data.train, ad.TrainSettings.finetuning(epochs))
retrained = member.retrain(data.train, ad.TrainSettings(epochs=epochs))
for name, module in (("inherited", member.build()), ("fine-tuned", tuned), ("from scratch", retrained)):
    print(f"{name}: {ad.score(module, data.test, family.task):.1%} of the test images")
