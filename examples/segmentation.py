"""Segmenting membranes in micrographs with a U-Net: python examples/segmentation.py FOLDER [EPOCHS EVALUATIONS]"""

import io
import sys

import numpy
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import archdial as ad

# An ordinary training script, on crops of 128 × 128 pixels.
source, epochs, evaluations = sys.argv[1], *map(int, sys.argv[2:] or (30, 100))


def crops(split, first=0, last=None):
    rows = pq.read_table(f"{source}/{split}.parquet").to_pylist()[first:last]
    read = [[numpy.asarray(Image.open(io.BytesIO(row[k]["bytes"])).convert("L")) for k in row] for row in rows]
    parts = torch.from_numpy(numpy.array(read)).unfold(2, 128, 128).unfold(3, 128, 128).transpose(1, 3).flatten(0, 2)
    return TensorDataset(parts[:, :1].float() / 128 - 1, (parts[:, 1] > 127).long())


class Residual(nn.Sequential):
    def forward(self, features):
        return features + super().forward(features)


class Beside(nn.Sequential):
    def forward(self, features):
        return torch.cat((features, super().forward(features)), 1)


def stage(given, channels):
    first, *rest = (nn.Conv2d(c, channels, 3, padding=1) for c in (given, *4 * [channels]))
    return first, nn.ReLU(), *(Residual(conv, nn.BatchNorm2d(channels), nn.ReLU()) for conv in rest)


torch.manual_seed(0)
learn, validation = (DataLoader(crops("train", *part), 16, shuffle=True) for part in ((0, 20), (20, 24)))
deep = Beside(nn.MaxPool2d(2), *stage(16, 32), nn.Upsample(scale_factor=2))
model = nn.Sequential(*stage(1, 16), deep, *stage(48, 16), nn.Conv2d(16, 2, 1))
optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
for images, masks in (batch for _ in range(epochs) for batch in learn):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(images), masks).backward()
    optimizer.step()

# archdial.
net, task = ad.gates(model.eval(), images, include=["branch"]), ad.Segmentation()
tuning = {"regime": "tuned", "paths": "kept", "epochs": (epochs + 2) // 3, "learning_rate": 1e-3, "optimizer": "adamw"}
search = ad.SearchSettings(evaluations=evaluations, sample=evaluations * 2 // 5, **tuning)
family = ad.search(net, {"train": learn, "validation": validation}, ad.profile(net), task=task, settings=search)
whole, how = family.member(net.whole), ad.TrainSettings(epochs=20, learning_rate=2e-3, optimizer="adamw")
fast = family.within(latency_ms=whole.latency_ms / 2)
tuned = fast.finetune(learn, how, teacher=net.untouched())
for name, member, module in (("whole", whole, whole.build()), ("half the time", fast, tuned)):
    print(f"{name}: mean IoU {ad.score(module, crops('test'), task):.4f} of test, {member.latency_ms:.2f} ms")
