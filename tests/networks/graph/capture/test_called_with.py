"""Leaves that are called with more than one tensor, and tensors that are written to in part."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from archdial.networks.graph import gates
from archdial.networks.graph.network import GatedNetwork

WORDS, LENGTH = 12, 6


class Positions(nn.Embedding):
    """As OPT and BART have it: the first argument is not what is looked up."""

    def forward(self, mask: Tensor, positions: Tensor | None = None) -> Tensor:  # type: ignore[override]
        positions = mask.cumsum(1) - 1 if positions is None else positions
        return super().forward(positions + 2)


class Scaled(nn.Linear):
    def forward(self, inputs: Tensor, factor: float = 1.0) -> Tensor:  # type: ignore[override]
        return factor * super().forward(inputs)


class Reader(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, 8), Positions(LENGTH + 2, 8)
        self.first, self.second, self.head = Scaled(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        positions = torch.arange(tokens.shape[1], device=tokens.device).flip(0)[None] * mask
        features = self.words(tokens) + self.places(mask, positions) + self.places(mask)
        features = features + self.second(input=self.first(features, 0.5).relu())
        return self.head(features)


class Shifted(Reader):
    """Tokens are moved on by one, as decoders begin."""

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        shifted = tokens.new_zeros(tokens.shape)
        shifted[:, 1:] = tokens[:, :-1].clone()
        shifted[:, 0] = 3
        shifted[:, 2:][:, 1:3] += 1
        return super().forward(shifted, mask)


def drawn(count: int, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, WORDS - 1, (count, LENGTH), generator=generator)
    return {"tokens": tokens, "mask": (torch.rand(count, LENGTH, generator=generator) > 0.3).long()}


@pytest.mark.parametrize("make", [Reader, Shifted])
def test_members_compute_what_the_network_does(make: type[Reader]) -> None:
    torch.manual_seed(0)
    model = make().eval()
    network = gates(model, drawn(2, 0))
    assert isinstance(network, GatedNetwork) and network.how == "export"
    batch = drawn(5, 1)
    with torch.no_grad():
        torch.testing.assert_close(network.build(network.whole)(**batch), model(**batch))
    dropped = network.space.random(torch.Generator().manual_seed(1))
    under = network(batch, network.space.one_hot(dropped))
    torch.testing.assert_close(network.build(dropped)(**batch), under)


def test_a_leaf_by_its_only_argument_stays_a_module() -> None:
    network = gates(Reader().eval(), drawn(2, 0))
    called = {str(node.target) for node in network.graph.nodes if node.op == "call_module"}
    assert {"words", "second", "head"} <= called and called.isdisjoint({"places", "first"})
