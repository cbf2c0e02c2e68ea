"""Importance: who matters most comes first, and nothing else changes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

import archdial as ad
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.importance import IMPORTANCES, Example, Norm, Taylor
from archdial.networks.graph.importance.ranking import rank_units
from archdial.networks.graph.widths.sorting import sort_units
from tests.networks.graph.examples import close, inputs, output
from tests.networks.graph.slim import SLIM, slimmed, taken


def loss(outputs: Tensor) -> Tensor:
    return output(nn.Identity(), outputs).square().mean()


def examples(network: GatedNetwork) -> list[Example]:
    return [(inputs(network, 4, seed), loss) for seed in range(2)]


@pytest.mark.parametrize("kind", IMPORTANCES)
@pytest.mark.parametrize("name", SLIM)
def test_sorting_changes_no_output(name: str, kind: str) -> None:
    network = copy.deepcopy(slimmed(name)).train()
    state = copy.deepcopy(network.state_dict())
    whole, x = network.space.one_hot(network.whole), inputs(network)
    with torch.no_grad():
        before = slimmed(name).eval()(x, whole)
    orders = rank_units(network, IMPORTANCES[kind](), examples(network))
    assert network.training and orders.keys() == {group for choice in network.choices for group in choice.groups}
    with torch.no_grad():
        close(*(output(nn.Identity(), one) for one in (network.eval()(x, whole), before)))
    moved = any(order != sorted(order) for order in orders.values())
    assert moved != all(value.equal(network.state_dict()[key]) for key, value in state.items())


def chain() -> GatedNetwork:
    """Sixteen hidden units, of which the last counts most, and the others less the earlier they are."""
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    with torch.no_grad():
        model[0].weight.copy_(torch.ones(16, 4))
        model[0].bias.zero_()
        model[2].weight.copy_(torch.arange(1.0, 17.0).expand(2, 16))
    return ad.choices(model, torch.ones(2, 4), gates=False)


@pytest.mark.parametrize("kind", ["taylor", "norm"])
def test_those_that_matter_most_stay(kind: str) -> None:
    network = chain()
    given = [(torch.rand(8, 4), lambda outputs: outputs.sum())]
    (order,) = rank_units(network, IMPORTANCES[kind](), given).values()
    assert order == list(reversed(range(16)))
    half = network.build(taken(network, **{"0__width": "0.5"}))
    assert half.get_submodule("2").weight[0].tolist() == [16.0, 15.0, 14.0, 13.0, 12.0, 11.0, 10.0, 9.0]


def test_activations_count_what_is_read() -> None:
    network = chain()
    with torch.no_grad():
        network.body.get_submodule("0").weight.mul_(torch.arange(16.0)[:, None])
    (order,) = rank_units(network, IMPORTANCES["activation"](), [(torch.rand(8, 4), loss)]).values()
    assert order == list(reversed(range(16)))


def test_taylor_is_the_square_of_a_masks_gradient() -> None:
    """Against the gradient of the loss by masks, as automatic differentiation has it."""
    network = chain()
    x = torch.rand(8, 4)
    (found,) = Taylor()(network, [(x, loss)])
    mask = torch.ones(16, requires_grad=True)
    first, second = (network.body.get_submodule(name) for name in ("0", "2"))
    (slope,) = torch.autograd.grad(loss(second(first(x).relu() * mask)), mask)
    torch.testing.assert_close(found, slope.square())


def test_gradients_and_modes_are_left_as_they_were() -> None:
    network = chain().train()
    network.body.get_submodule("0").weight.requires_grad_(False)
    network.body.get_submodule("2").weight.requires_grad_(False)
    Taylor()(network, [(torch.rand(8, 4), loss)])
    assert network.training and all(parameter.grad is None for parameter in network.parameters())
    assert not network.body.get_submodule("2").weight.requires_grad


def test_the_norm_needs_no_data() -> None:
    (found,) = Norm()(chain())
    assert (found.diff() > 0).all()


def test_sorting_back_gives_the_weights_back() -> None:
    network = copy.deepcopy(slimmed("residual"))
    before = copy.deepcopy(network.state_dict())
    orders = {n: torch.randperm(group.units).tolist() for n, group in enumerate(network.widths.groups)}
    sort_units(network.body, network.widths, orders)
    assert any(not value.equal(network.state_dict()[key]) for key, value in before.items())
    back = {n: torch.argsort(torch.tensor(order)).tolist() for n, order in orders.items()}
    sort_units(network.body, network.widths, back)
    assert all(value.equal(network.state_dict()[key]) for key, value in before.items())


class Twofold(nn.Module):
    """Gives two outputs by name."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.first, self.second = nn.Linear(4, 16), nn.Linear(16, 2), nn.Linear(16, 3)

    def forward(self, values: Tensor) -> dict[str, Tensor]:
        seen = self.hidden(values).relu()
        return {"first": self.first(seen), "second": self.second(seen)}


def test_a_network_of_several_outputs_by_name_is_sorted() -> None:
    network = ad.choices(Twofold(), torch.ones(2, 4), gates=False)
    x, whole = torch.rand(3, 4), network.space.one_hot(network.whole)
    with torch.no_grad():
        before = network(x, whole)
        (order,) = rank_units(network, Norm(), []).values()
        after = network(x, whole)
    assert order != sorted(order) and before.keys() == after.keys()
    for name, value in before.items():
        close(after[name], value)
