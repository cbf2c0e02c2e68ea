"""A built member is an ordinary module of torch: copied, pickled, moved and trained, it stays what it is."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
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


class Making(nn.Module):
    """Makes tensors in its code, by the size of its input and on its device, and reads a buffer at fixed places."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.head = nn.Linear(8, 8), nn.Linear(8, 3)
        self.register_buffer("places", torch.arange(16))

    def forward(self, inputs: Tensor) -> Tensor:
        count, device = inputs.shape[0], inputs.device
        rows = torch.arange(count, device=device)[:, None] + self.places[:8]
        made = torch.zeros(count, 8, device=device) + torch.full((count, 8), 2.0, device=device)
        found = inputs + self.mix(inputs).relu() + torch.ones(count, 1, device=device)
        return self.head(found.to(device) + made + (rows < 0))


def test_nets_and_members_run_where_they_are_moved() -> None:
    net = ad.gates(Making().eval(), INPUTS)
    member, there = net.build(net.whole), INPUTS.to("meta")
    for module in (member, unpickled(member)):
        assert copy.deepcopy(module).to("meta")(there).is_meta
        assert set(module.state_dict()) == set(net.body.state_dict())
    again = unpickled(member)
    with torch.no_grad():
        again.places.add_(-100)
        # No constant that was computed of it when it was loaded.
        assert not torch.equal(again(INPUTS), member(INPUTS))
    weights = net.space.one_hot(net.whole)
    assert copy.deepcopy(net).to("meta")(there, weights).is_meta


def test_making_tensors_has_its_price_without_its_device() -> None:
    net = ad.gates(Making().eval(), INPUTS)
    parts = [part for term in net.terms() for parts in term.entries.values() for part in parts]
    assert any("to.dtype_layout" in part.key for part in parts) and not any("cpu" in part.key for part in parts)
    for part in parts:
        part.module(*(part.inputs or (torch.zeros(1, *part.input_shape),)))


class Recurrent(nn.Module):
    """Two recurrent layers that drop half between them; the second goes on from where the first ended."""

    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.first = kind(4, 8, num_layers=2, dropout=0.5, batch_first=True)
        self.then = kind(8, 8, num_layers=2, dropout=0.5, batch_first=True)
        self.mix, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        found, state = self.first(inputs.unflatten(1, (2, 4)))
        found, state = self.then(found, state)
        last = state[1][-1] if isinstance(state, tuple) else state[-1]
        return self.head(last + found[:, -1] + self.mix(last).relu())


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_drop_between_layers_in_training(kind: type[nn.RNNBase]) -> None:
    torch.manual_seed(0)
    model = Recurrent(kind).eval()
    net = ad.gates(model, INPUTS)
    assert net.how == "export"
    parts = [part for term in net.terms() for parts in term.entries.values() for part in parts]
    layers = [part for part in parts if part.kind == kind.__name__]
    assert [len(part.module(*part.inputs or (torch.zeros(1, *part.input_shape),))) for part in layers] == [2, 2]
    weights = net.space.one_hot(net.whole)
    member = net.build(net.whole)
    for module in (member, unpickled(member), copy.deepcopy(member)):
        assert torch.allclose(module.eval()(INPUTS), model(INPUTS), atol=1e-6)
        assert not torch.equal(module.train()(INPUTS), module(INPUTS))
        assert set(module.state_dict()) == set(model.state_dict())
        assert module.to("meta")(INPUTS.to("meta")).is_meta
    net.train()
    assert not torch.equal(net(INPUTS, weights), net(INPUTS, weights))
    torch.manual_seed(1)
    given = net(INPUTS, weights)
    torch.manual_seed(1)
    assert torch.equal(given, model.train()(INPUTS))
