"""Detecting blood cells with a one-stage detector: python examples/detection.py FOLDER [EPOCHS EVALUATIONS]"""

import io
import sys

import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

import archdial as ad


# An ordinary training script: a box with logits at each of 24 × 18 places; each cell is assigned to one of them.
def cells(split, first=0, last=None, mirrored=((0, 0),)):
    some = []
    for picture, objects in map(dict.values, pq.read_table(f"{source}/{split}.parquet").to_pylist()[first:last]):
        pixels, classes = Image.open(io.BytesIO(picture["bytes"])).resize((192, 144)), torch.tensor(objects["category"])
        image = torch.frombuffer(bytearray(pixels.tobytes()), dtype=torch.uint8).view(144, 192, 3).permute(2, 0, 1)
        corners, sizes = (torch.tensor(objects["bbox"]) / torch.tensor([640, 480, 640, 480])).split(2, 1)
        for x, y in mirrored:
            boxes = torch.cat(((torch.tensor([x, y]) - corners - sizes / 2).abs(), sizes), 1)
            some.append((image.flip([2] * x + [1] * y), {"boxes": boxes, "class_labels": classes}))
    options = {"collate_fn": lambda rows: (torch.stack([a for a, _ in rows]) / 128 - 1, [b for _, b in rows])}
    return DataLoader(some, 16, shuffle=True, **options)


class Detector(nn.Sequential):
    def forward(self, features):
        for block in self:
            features = features + found if (found := block(features)).shape == features.shape else found
        classes, centres, sizes = features.flatten(2).mT.split((3, 2, 2), 2)
        return {"logits": classes - 4, "pred_boxes": torch.cat((PLACES + 0.1 * centres, 0.2 * sizes.exp()), 2)}


torch.manual_seed(0)
source, epochs, evaluations = sys.argv[1], *map(int, sys.argv[2:] or (12, 100))
learn = cells("train", 0, 244, mirrored=((0, 0), (0, 1), (1, 0), (1, 1)))
PLACES = torch.cartesian_prod((torch.arange(18) + 0.5) / 18, (torch.arange(24) + 0.5) / 24).flip(1)
steps = ((3, 16), (16, 32), (32, 48), *8 * [(48, 48)])
blocks = [nn.Sequential(nn.Conv2d(a, b, 3, 1 + (a < b), 1), nn.BatchNorm2d(b), nn.ReLU()) for a, b in steps]
model, task = Detector(*blocks, nn.Conv2d(48, 7, 1)), ad.Detection(nothing=False)
optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=epochs * len(learn))
for images, targets in (batch for _ in range(epochs) for batch in learn):
    optimizer.zero_grad()
    task.loss(model(images), (images, targets)).backward()
    optimizer.step()
    schedule.step()

# archdial.
net = ad.gates(model.eval(), images, include=["branch"], outputs=("logits", "pred_boxes"))
tuning = {"regime": "tuned", "paths": "kept", "epochs": epochs, "learning_rate": 1e-3, "optimizer": "adamw"}
how = ad.SearchSettings(evaluations=evaluations, sample=evaluations * 2 // 5, calibration_images=128, **tuning)
family = ad.search(net, {"train": learn, "validation": cells("train", 244)}, ad.profile(net), task=task, settings=how)
whole, half = family.member(net.whole), family.within(latency_ms=family.member(net.whole).latency_ms / 2)
tuned = half.finetune(learn, ad.TrainSettings(epochs=5, learning_rate=1e-3, optimizer="adamw"), teacher=net.untouched())
for name, member, module in (("whole", whole, whole.build()), ("half the time", half, tuned)):
    print(f"{name}: mAP {ad.score(module, cells('test'), task):.4f} of the test split, {member.latency_ms:.3f} ms")
