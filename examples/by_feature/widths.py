"""Channels of a trained network as choices: python examples/by_feature/widths.py [EPOCHS EVALUATIONS]"""

import sys

import torch
from torch import nn

import archdial as ad
from archdial.data import Normalize, load, split

epochs, evaluations = map(int, sys.argv[1:] or (8, 100))
data = load("digits", channels=1)
seen = split(data, weights=0.8, seed=0)
normalize = Normalize(seen.mean, seen.std)


def layer(inputs, outputs):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())


# Nothing can be dropped from such a chain, as no layer has the shape of its input. But each can be narrower.
torch.manual_seed(0)
layers = [layer(1, 32), layer(32, 64), nn.MaxPool2d(2), layer(64, 64), layer(64, 96)]
model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 10))
optimizer = torch.optim.Adam(model.parameters(), 3e-3)
for epoch in range(epochs):
    for images, labels in seen.weights.shuffled(64, torch.Generator().manual_seed(epoch)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(normalize(images)), labels).backward()
        optimizer.step()

net = ad.choices(model.eval(), torch.zeros(1, 1, 8, 8), gates=False)
settings = ad.SearchSettings(
    regime="tuned",
    paths="sandwich",
    epochs=epochs,
    optimizer="adamw",
    learning_rate=1e-3,
    augment=False,  # a mirrored digit is a different digit, or none
    evaluations=evaluations,
    sample=evaluations * 2 // 5,
    rounds=2,
)
table = ad.profile(net, batch_size=16)  # one image takes so little time that its size hardly matters
family = ad.search(net, seen, table, settings=settings)
whole = family.member(net.whole)
half = family.within(latency_ms=whole.latency_ms / 2)
training = ad.TrainSettings(epochs=epochs, optimizer="adamw", learning_rate=1e-3, augment=False)
tuned = half.finetune(seen.weights, training, teacher=net.untouched())
for name, width in family.space.describe(half.architecture).items():
    print(f"{name}: {float(width):.0%} of the channels")
for name, member, module in (("whole", whole, whole.build()), ("half the time", half, tuned)):
    print(f"{name}: {ad.score(module, data.test, family.task):.1%} of the test images, {member.latency_ms:.3f} ms")
