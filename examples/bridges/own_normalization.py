"""A model that brings its normalisation, such as timm's: python examples/bridges/own_normalization.py [EPOCHS …]"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from torch import nn

import archdial as ad
from archdial.data import Normalize, load, split

epochs, evaluations = map(int, sys.argv[1:] or (8, 100))


# A stand-in for timm.create_model(…), which would need torchvision: it says what it expects as timm's models do.
class Block(nn.Sequential):
    def forward(self, features):
        return features + super().forward(features)


def create_model():
    blocks = [Block(nn.Conv2d(32, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()) for _ in range(4)]
    model = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), *blocks, nn.Flatten(), nn.Linear(32 * 8 * 8, 10))
    model.pretrained_cfg = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225), "input_size": (3, 16, 16)}
    return model


torch.manual_seed(0)
model = create_model()
wanted = model.pretrained_cfg  # of a model from timm: timm.data.resolve_model_data_config(model), with the same keys
channels, *size = wanted["input_size"]
normalize = Normalize(wanted["mean"], wanted["std"])
data = load("digits", channels=channels, image_size=tuple(size))
seen = split(data, weights=0.8, seed=0, normalize=normalize)  # bytes; the search normalises them, with this
optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
for epoch in range(epochs):
    for images, labels in seen.weights.shuffled(64, torch.Generator().manual_seed(epoch)):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(normalize(images)), labels).backward()
        optimizer.step()

# archdial.
net = ad.choices(model.eval(), torch.zeros(1, *wanted["input_size"]))
settings = ad.SearchSettings(evaluations=evaluations, sample=evaluations * 2 // 5)
family = ad.search(net, seen, ad.profile(net), settings=settings)
whole = family.member(net.whole)
half = family.within(latency_ms=whole.latency_ms / 2)
how = ad.TrainSettings(epochs=epochs, learning_rate=1e-3, optimizer="adamw", augment=False)  # digits are not mirrored
tuned = half.finetune(seen.weights, how)


# The proof: by hand, on images that are normalised never, once and twice. Only once is what the family says.
def by_hand(module, prepare):
    with torch.no_grad():
        return float((module(prepare(data.test.pixels)).argmax(1) == data.test.labels).float().mean())


mean, std = (torch.tensor(wanted[name]).view(-1, 1, 1) for name in ("mean", "std"))
never, once = (lambda pixels: pixels / 255), (lambda pixels: (pixels / 255 - mean) / std)
ways = {"never": never, "once": once, "twice": lambda pixels: (once(pixels) - mean) / std}
for name, module in (("whole", whole.build()), ("half the time", tuned)):
    print(f"{name}: {ad.score(module, data.test, family.task):.1%} of the test images", end="; by hand, normalised ")
    print(*(f"{way} {by_hand(module, prepare):.1%}" for way, prepare in ways.items()), sep=", ")
with tempfile.TemporaryDirectory() as folder:
    half.export(f"{folder}/half.pt2", "pt2", module=tuned)
    file = torch.export.load(f"{folder}/half.pt2").module()
    record = json.loads(Path(folder, "half.pt2.json").read_text())["normalize"]
    told = Normalize(record["mean"], record["std"])
    print(f"file: {by_hand(file, told):.1%}, normalised as its record says: {told.mean}, {told.std}")
