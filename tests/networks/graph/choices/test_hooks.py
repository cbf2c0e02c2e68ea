"""Hooks of the user's modules: they are called while their module is kept, and go with it."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archdial as ad
from archdial.common.errors import Notice

INPUTS = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))


class Hooked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.mid, self.head = nn.Sequential(nn.Linear(8, 8), nn.ReLU()), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.mid(inputs + self.inner(inputs)))


def without(net: Any, name: str) -> Any:
    """Return the architecture that drops `name` alone."""
    return net.space.parse({choice.name: "drop" if choice.name == name else "keep" for choice in net.space.choices})


def test_hooks_on_what_is_kept_are_called_and_those_on_what_is_dropped_are_not() -> None:
    model, seen = Hooked().eval(), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        nn.utils.weight_norm(model.mid).weight_g.data.mul_(2)
    model.mid.register_forward_hook(lambda *_: seen.append(1))
    with warnings.catch_warnings():
        # The one computes weights, the other changes nothing.
        warnings.simplefilter("error", Notice)
        net = ad.gates(model, INPUTS)
    for architecture, calls in ((net.whole, 1), (without(net, "inner.1"), 1), (without(net, "mid"), 0)):
        seen.clear()
        net(INPUTS, net.space.one_hot(architecture))
        assert len(seen) == calls
        net.build(architecture)(INPUTS)
        assert len(seen) == 2 * calls


@pytest.mark.parametrize("before", [False, True])
def test_dropping_a_hook_that_changes_what_comes_out_is_told(before: bool) -> None:
    model = Hooked().eval()
    if before:
        model.mid.register_forward_pre_hook(lambda module, args: (2 * args[0],))
    else:
        model.mid.register_forward_hook(lambda module, args, output: 2 * output)
    with pytest.warns(Notice, match=r"hooks on mid change its output.*pass exclude=\['mid'\]"):
        net = ad.gates(model, INPUTS)
    assert torch.allclose(net.build(net.whole)(INPUTS), model(INPUTS), atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        ad.gates(model, INPUTS, exclude=["mid"])


def test_hooks_on_what_holds_other_modules_are_in_the_graph() -> None:
    model, seen = Hooked().eval(), []
    model.inner.register_forward_hook(lambda module, args, output: (seen.append(1), 2 * output)[1])
    net = ad.gates(model, INPUTS)
    member = net.build(net.whole)
    expected, calls = model(INPUTS), len(seen)
    assert torch.allclose(member(INPUTS), expected, atol=1e-6) and len(seen) == calls
