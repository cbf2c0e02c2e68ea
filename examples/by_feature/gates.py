"""Operations dropped from a trained network: python examples/by_feature/gates.py [EPOCHS EVALUATIONS]"""

import sys

import torch
from torch import nn

import archdial as ad
from archdial.data import Normalize, load, split

epochs, evaluations = map(int, sys.argv[1:] or (8, 100))
data = load("digits", channels=1)
seen = split(data, weights=0.8, seed=0)
normalize = Normalize(seen.mean, seen.std)


class Block(nn.Module):
    def __init__(self, channels=16):
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, inputs):
        return inputs + self.norm(self.second(self.first(inputs).relu()))


torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), *(Block() for _ in range(6)), nn.Flatten(), nn.Linear(1024, 10))
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
for epoch in range(epochs):
    for images, labels in seen.weights.shuffled(64, torch.Generator().manual_seed(epoch)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(normalize(images)), labels).backward()
        optimizer.step()

net = ad.gates(model.eval(), torch.zeros(1, 1, 8, 8))
settings = ad.SearchSettings(evaluations=evaluations, sample=evaluations * 2 // 5, dial_steps=200, rounds=2)
family = ad.search(net, seen, ad.profile(net), settings=settings)
whole = family.member(net.whole)
half = family.within(latency_ms=whole.latency_ms / 2)
tuned = half.finetune(seen.weights, ad.TrainSettings.finetuning(epochs))
for name, member, module in (("whole", whole, whole.build()), ("half the time", half, tuned)):
    print(f"{name}: {ad.score(module, data.test, family.task):.1%} of the test images, {member.latency_ms:.3f} ms")
