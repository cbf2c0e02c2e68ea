"""A loss and a score of your own, on your own data: python examples/by_feature/own_loss.py [EPOCHS EVALUATIONS]"""

import sys

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import archdial as ad

epochs, evaluations = map(int, sys.argv[1:] or (10, 100))
# A network that removes noise from waves: no labels, no images, and less error is better.
dice = torch.Generator().manual_seed(0)
pitch, phase, noise = torch.rand(1600, 2, 1, generator=dice), torch.rand(1600, 2, 1, generator=dice), 0.5
clean = torch.sin(torch.arange(64) * (0.1 + pitch / 2) + 6.28 * phase).sum(1, keepdim=True)
noisy = clean + noise * torch.randn(clean.shape, generator=dice)
parts = random_split(TensorDataset(noisy, clean), [1000, 300, 300], dice)
train, validation, test = (DataLoader(part, 50, shuffle=part is parts[0]) for part in parts)


class Block(nn.Module):
    def __init__(self, channels=16):
        super().__init__()
        self.first, self.second = (nn.Conv1d(channels, channels, 7, padding=3) for _ in range(2))

    def forward(self, x):
        return x + self.second(self.first(x).relu())


def loss(outputs, batch):
    return nn.functional.smooth_l1_loss(outputs, batch[1])


def remaining(outputs, batch):
    """Return how much noise is left, as a share of what there was."""
    return (outputs - batch[1]).pow(2).mean().sqrt() / noise


torch.manual_seed(0)
model = nn.Sequential(nn.Conv1d(1, 16, 7, padding=3), *(Block() for _ in range(4)), nn.Conv1d(16, 1, 7, padding=3))
optimizer = torch.optim.Adam(model.parameters(), 2e-3)
for _ in range(epochs):
    for batch in train:
        optimizer.zero_grad()
        loss(model(batch[0]), batch).backward()
        optimizer.step()

net = ad.choices(model.eval(), noisy[:2], width=(1, 0.5), include=["convolution", "branch"])
task = ad.Task(loss, remaining, higher_is_better=False, share=True, name="noise left")
tuning = {"regime": "tuned", "paths": "sandwich", "epochs": epochs, "optimizer": "adamw", "learning_rate": 1e-3}
settings = ad.SearchSettings(evaluations=evaluations, sample=evaluations * 2 // 5, rounds=2, **tuning)
family = ad.search(net, {"train": train, "validation": validation}, ad.profile(net), task=task, settings=settings)
whole = family.member(net.whole)
half = family.within(latency_ms=whole.latency_ms / 2)
for name, member in (("whole", whole), ("half the time", half)):
    print(f"{name}: {ad.score(member.build(), test, task):.1%} of the noise is left, {member.latency_ms:.3f} ms")
