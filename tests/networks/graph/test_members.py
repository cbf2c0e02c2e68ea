"""A built member is an ordinary module of torch: copied, pickled, moved and trained, it stays what it is."""

from __future__ import annotations

import copy
import io
from typing import Any

import torch
from torch import Tensor, nn

import archdial as ad

INPUTS = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))


class Positions(nn.Module):
    """Adds what no input decides: numbers from its code, and buffers that its state dict leaves out."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.inner, self.head = nn.Linear(8, 8), nn.Module(), nn.Linear(8, 3)
        self.inner.register_buffer("deep", torch.ones(8), persistent=False)
        self.register_buffer("own", torch.ones(8), persistent=False)
        self.register_buffer("kept", torch.ones(8))
        self.constants = 1.0

    def forward(self, inputs: Tensor) -> Tensor:
        found = inputs + self.mix(inputs).relu() + torch.arange(8) * self.constants
        return self.head(found + self.own + self.kept + self.inner.deep)


def unpickled(module: nn.Module) -> Any:
    stream = io.BytesIO()
    torch.save(module, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=False)


def test_copies_have_the_state_dict_of_the_member() -> None:
    model = Positions().eval()
    net = ad.gates(model, INPUTS)
    member = net.build(net.whole)
    assert set(member.state_dict()) == set(model.state_dict())
    for again in (copy.deepcopy(member), unpickled(member), copy.deepcopy(unpickled(unpickled(member)))):
        assert set(again.state_dict()) == set(model.state_dict())
        assert torch.equal(again(INPUTS), member(INPUTS))
        assert [name for name, _ in again.named_buffers()] == [name for name, _ in member.named_buffers()]
