"""A transformer's oil temperature one day ahead: python examples/forecasting.py ETTh1.csv [EPOCHS EVALUATIONS]"""

import sys

import numpy
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import archdial as ad

source, epochs, evaluations = sys.argv[1], *map(int, sys.argv[2:] or (10, 200))

# An ordinary training script: four days of seven series predict the last one a day ahead; 12, 4 and 4 months of data.
SEEN, AHEAD, MONTH = 96, 24, 30 * 24
values = torch.from_numpy(numpy.loadtxt(source, numpy.float32, delimiter=",", skiprows=1, usecols=range(1, 8)))
values = (values - values[: 12 * MONTH].mean(0)) / values[: 12 * MONTH].std(0)


def windows(first, last):
    # Views, so nothing is copied.
    part = values[max(0, first * MONTH - SEEN) : last * MONTH]
    return TensorDataset(part[:-AHEAD].unfold(0, SEEN, 1), part[SEEN:, 6].unfold(0, AHEAD, 1))


class Block(nn.Module):
    def __init__(self, dilation, channels=64):
        super().__init__()
        self.first = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.second, self.act = nn.Conv1d(channels, channels, 3, padding=1), nn.GELU()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, series):
        return series + self.norm(self.second(self.act(self.first(series))))


torch.manual_seed(0)
learn, validation = DataLoader(windows(0, 12), 64, shuffle=True), DataLoader(windows(12, 16), 256)
blocks = [Block(2**n) for n in range(5)]
model = nn.Sequential(nn.Conv1d(7, 64, 3, padding=1), *blocks, nn.Flatten(), nn.Linear(64 * SEEN, AHEAD))
optimizer = torch.optim.AdamW(model.parameters(), 2e-4, weight_decay=0.1)
for series, ahead in (batch for _ in range(epochs) for batch in learn):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(series), ahead).backward()
    optimizer.step()

# archdial.
net = ad.gates(model.eval(), series)
task, data = ad.Regression("MAE"), {"train": learn, "validation": validation}
search = ad.SearchSettings(evaluations=evaluations, sample=evaluations * 2 // 5)
family = ad.search(net, data, ad.profile(net), task=task, settings=search)
whole = family.member(net.whole)
half = family.within(latency_ms=whole.latency_ms / 2)
tuned = half.finetune(learn, ad.TrainSettings(epochs=3, learning_rate=1e-4, optimizer="adamw"))
for name, member, module in (("whole", whole, whole.build()), ("half the time", half, tuned)):
    print(f"{name}: MAE {ad.score(module, windows(16, 20), task):.4f} of the test split, {member.latency_ms:.3f} ms")
