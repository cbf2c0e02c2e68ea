"""A member as a file that PyTorch alone runs: python examples/by_feature/export.py [EPOCHS EVALUATIONS]"""

import subprocess
import sys
import tempfile
from pathlib import Path

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
code = """
import sys, torch

sys.modules["archdial"] = None  # an import of it would fail
print(tuple(torch.export.load(sys.argv[1]).module()(torch.zeros(3, 1, 8, 8)).shape))
"""
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "digits.pt2"
    exported = member.export(file, "pt2")
    run = subprocess.run([sys.executable, "-c", code, str(file)], check=True, capture_output=True, text=True)
print(f"{exported.bytes} bytes, outputs differ by at most {exported.largest_difference:.1e}")
print(f"without archdial: outputs of shape {run.stdout.strip()}")
