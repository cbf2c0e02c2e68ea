"""Widths as choices: how many units a fraction is, and what becomes one choice."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import archdial as ad
from archdial.networks.graph.choices.together import MOST
from archdial.networks.graph.choices.width import FRACTIONS, Width, kept_units, width_of
from archdial.networks.graph.widths.group import Group


def group(units: int, places: int = 1, kind: str = "convolution") -> Group:
    return Group("layer", kind, units, places, ("layer.weight",))


@pytest.mark.parametrize(
    ("units", "places", "kind", "expected"),
    [
        (64, 1, "convolution", [64, 48, 32, 16]),
        (16, 1, "convolution", [16, 16, 8, 8]),
        (36, 1, "linear", [36, 24, 16, 8]),
        (8, 1, "convolution", [8, 8, 8, 8]),
        (12, 64, "attention", [12, 9, 6, 3]),
        (2, 24, "attention", [2, 2, 1, 1]),
        # Groups of four channels are kept in twos.
        (32, 4, "convolution", [32, 24, 16, 8]),
        (6, 4, "convolution", [6, 4, 4, 2]),
    ],
)
def test_fractions_are_rounded_to_what_runtimes_like(units: int, places: int, kind: str, expected: list[int]) -> None:
    assert [kept_units(group(units, places, kind), fraction) for fraction in FRACTIONS] == expected


@given(st.integers(1, 512), st.sampled_from([1, 2, 3, 4, 8, 64]), st.floats(0.01, 1), st.integers(1, 64))
def test_some_units_always_stay(units: int, places: int, fraction: float, multiple: int) -> None:
    kept = kept_units(group(units, places), fraction, multiple)
    assert 1 <= kept <= units
    assert kept == units or kept * places % multiple == 0


def test_fractions_that_round_alike_are_one_option() -> None:
    width = width_of("layer.width", {3: group(16)})
    assert width == Width("layer.width", (1.0, 0.5), {3: (16, 8)}, "convolution")
    assert width.choice.options == ("1", "0.5") and width.counts(1) == {3: 8}
    assert width_of("layer.width", {3: group(8)}) is None


def test_several_groups_are_kept_by_one_fraction() -> None:
    width = width_of("both", {0: group(64), 1: group(16)})
    assert width is not None and width.units == {0: (64, 48, 32, 16), 1: (16, 16, 8, 8)}


def test_what_is_concatenated_of_many_is_one_choice() -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.grow = nn.ModuleList(nn.Conv2d(16 * (n + 1) if n else 3, 16, 1) for n in range(6))
            self.end = nn.Conv2d(16 * 6, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            found = [self.grow[0](x)]
            for layer in self.grow[1:]:
                found.append(layer(torch.cat([*found, found[-1]], 1)[:, : layer.in_channels]))
            return self.end(torch.cat(found, 1))

    network = ad.choices(Dense(), torch.zeros(1, 3, 4, 4), gates=False)
    assert len(network.widths.groups) > len(network.choices) >= 1
    shapes = [len(plan.entries) for plan in network.terms()]
    assert max(shapes) <= MOST
