"""Members that take tokens, several inputs or no images at all: every format keeps them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archdial as ad
from archdial.exporting import export
from archdial.exporting.built import BuiltMember
from archdial.networks.graph import GatedNetwork

SUFFIXES = {"pt2": ".pt2", "onnx": ".onnx", "openvino": ".xml", "executorch": ".pte"}


class Texts(nn.Module):
    """Tokens and a mask → two outputs by name."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.head, self.size = (
            nn.Embedding(9, 8),
            nn.Linear(8, 8),
            nn.Linear(8, 3),
            nn.Linear(8, 1),
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> dict[str, Tensor]:
        seen = self.embed(tokens)
        seen = (seen + self.mix(seen).relu()) * mask[..., None]
        return {"kind": self.head(seen.mean(1)), "size": self.size(seen.mean(1))}


@pytest.fixture(scope="module")
def net() -> GatedNetwork:
    torch.manual_seed(0)
    tokens = torch.arange(10).reshape(2, 5) % 9
    return ad.gates(Texts().eval(), {"tokens": tokens, "mask": torch.ones(2, 5)}, outputs=("kind", "size"))


def built(net: GatedNetwork) -> BuiltMember:
    return BuiltMember(net.build(net.whole), (5,), None, (), {}, net.example)


@pytest.mark.parametrize("format", [pytest.param(one, marks=pytest.mark.slow) for one in SUFFIXES])
def test_tokens_and_masks_come_back(net: GatedNetwork, tmp_path: Path, format: str) -> None:
    path = tmp_path / f"texts{SUFFIXES[format]}"
    exported = export(built(net), path, format)
    assert exported.largest_difference <= 1e-4
    record = json.loads(path.with_name(f"{path.name}.json").read_text())
    batch = 1 if format == "executorch" else "batch"
    assert record["inputs"] == [
        {"name": "tokens", "shape": [batch, 5], "dtype": "int64"},
        {"name": "mask", "shape": [batch, 5], "dtype": "float32"},
    ]
    assert record["outputs"] == ["kind", "size"] and record["input"] == record["inputs"][0]
    assert "normalize" not in record


def test_tokens_that_are_tried_are_known(net: GatedNetwork) -> None:
    signature = built(net).signature
    tokens, mask = signature.drawn(4)
    assert tokens.shape == (4, 5) and tokens.dtype == torch.int64 and mask.shape == (4, 5)
    assert all(sorted(row) == sorted(signature.inputs["tokens"][0].tolist()) for row in tokens.tolist())
    assert not torch.equal(tokens[0], tokens[1])
