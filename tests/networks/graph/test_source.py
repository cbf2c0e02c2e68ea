"""Weights from a file: what is no state dict of this network is told by a sentence, and nothing is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archdial.common.errors import UsageError
from archdial.networks.graph.source import load_weights, save_weights


def model() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"0.weight": torch.rand(2, 3).to_sparse()}, "0.weight is sparse, quantised or without values"),
        ({"0.weight": torch.rand(2, 3, device="meta")}, "0.weight is sparse, quantised or without values"),
        ({"0.weight": torch.rand(2, 3).to(torch.complex64)}, "0.weight is of torch.complex64, expected torch.float32"),
        ({"0.weight": torch.ones(2, 3, dtype=torch.int64)}, "0.weight is of torch.int64, expected torch.float32"),
        ({"0.weight": torch.rand(3, 2)}, r"0.weight has shape \(3, 2\), expected \(2, 3\)"),
        ({"0.bias": torch.tensor([1.0, float("nan")])}, "0.bias holds NaN or infinity"),
        ({"0.bias": torch.tensor([1.0, 1e300], dtype=torch.float64)}, "0.bias holds NaN or infinity"),
        ({"0.bias": torch.tensor([1.0, float("nan")]).to(torch.float8_e4m3fn)}, "0.bias holds NaN or infinity"),
        ({"0.bias": 1.0}, "hold no state dict"),
        ({"x": 0, 3: torch.rand(2)}, "hold no state dict"),
        ({"more": torch.rand(2)}, "unknown more"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else next(iter(value)),
)
def test_weights_that_are_none_of_this_model(tmp_path: Path, change: dict[Any, Any], match: str) -> None:
    own = model()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    path = tmp_path / "weights.pt"
    torch.save({**model().state_dict(), **change}, path)
    with pytest.raises(UsageError, match=match):
        load_weights(own, path)
    assert all(value.equal(before[name]) for name, value in own.state_dict().items())


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors", "nested.pt"])
def test_weights_come_back(tmp_path: Path, name: str) -> None:
    given, path = model(), tmp_path / name
    if path.suffix == ".safetensors":
        save_weights(given, path)
    else:
        state = given.half().state_dict()
        torch.save({"state_dict": state} if name == "nested.pt" else state, path)
    loaded = load_weights(model(), path).state_dict()
    assert all(loaded[key].equal(value.to(loaded[key].dtype)) for key, value in given.state_dict().items())
