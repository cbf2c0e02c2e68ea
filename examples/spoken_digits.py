"""Recordings of spoken digits → the digit: python examples/spoken_digits.py FOLDER [EPOCHS EVALUATIONS]"""

import sys

import numpy
import pyarrow.parquet as pq
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import archdial as ad

source, epochs, evaluations = sys.argv[1], *map(int, sys.argv[2:] or (20, 200))


# An ordinary training script: one second at 8 kHz, as a log spectrogram (65 frequencies, 251 frames).
def spectrogram(recording):
    # 44 bytes of header, then 16-bit numbers.
    sound = numpy.frombuffer(recording[44:16044], numpy.int16).astype(numpy.float32) / 2**15
    padded = nn.functional.pad(torch.tensor(sound), (0, 8000 - len(sound)))
    return torch.log1p(100 * torch.stft(padded, 128, window=torch.hann_window(128), return_complex=True).abs())


def tensors(split):
    table = pq.read_table(f"{source}/{split}.parquet")
    sounds = [spectrogram(one["bytes"]) for one in table["audio"].to_pylist()]
    return TensorDataset(torch.stack(sounds), torch.tensor(table["label"].to_pylist()))


class Block(nn.Sequential):
    def forward(self, sound):
        return sound + super().forward(sound)


def half(channels=64):
    return nn.Conv1d(channels, channels, 3, padding=1), nn.BatchNorm1d(channels)


torch.manual_seed(0)
parts = torch.utils.data.random_split(tensors("train"), [0.85, 0.15], torch.Generator().manual_seed(0))
learn, validation = DataLoader(parts[0], 64, shuffle=True), DataLoader(parts[1], 256)
blocks = [Block(*half(), nn.ReLU(), *half()) for _ in range(6)]
model = nn.Sequential(nn.Conv1d(65, 64, 5, 2), *blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(64, 10))
optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
for sound, digits in (batch for _ in range(epochs) for batch in learn):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(sound), digits).backward()
    optimizer.step()

# archdial.
net = ad.gates(model.eval(), sound)
search = ad.SearchSettings(evaluations=evaluations, sample=evaluations * 2 // 5)
task, data = ad.Classification(classes=10), {"train": learn, "validation": validation}
family = ad.search(net, data, ad.profile(net), task=task, settings=search)
whole = family.member(net.whole)
fast = family.within(latency_ms=whole.latency_ms / 2)
tuned = fast.finetune(learn, ad.TrainSettings(epochs=5), teacher=net.untouched())
for name, member, module in (("whole", whole, whole.build()), ("half the time", fast, tuned)):
    print(f"{name}: {ad.score(module, tensors('test'), task):.4f} of the test split, {member.latency_ms:.3f} ms")
