"""Eval mode is for the block alone, whatever becomes of it."""

from __future__ import annotations

import pytest
from torch import nn

from archdial.networks.eval_mode import in_eval_mode


def modes(network: nn.Module) -> set[bool]:
    return {module.training for module in network.modules()}


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_put_back(training: bool) -> None:
    network = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm1d(2))).train(training)
    with in_eval_mode(network):
        assert modes(network) == {False}
    assert modes(network) == {training}


def test_it_is_put_back_where_the_block_fails() -> None:
    network = nn.Sequential(nn.Dropout())
    with pytest.raises(KeyError), in_eval_mode(network):
        raise KeyError
    assert modes(network) == {True}
