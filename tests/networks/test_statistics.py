"""Statistics taken anew: what else is in a network is as it will be when they are used."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archdial.networks.statistics import recalibrate


def test_dropout_draws_no_numbers() -> None:
    network = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(3))
    batch, before = torch.randn(20, 3), torch.get_rng_state()
    recalibrate(network, network, [batch])
    assert torch.get_rng_state().equal(before)
    torch.testing.assert_close(network[1].running_mean, batch.mean(0))
    assert {module.training for module in network.modules()} == {False}


def test_layers_with_running_statistics_of_another_kind_keep_them() -> None:
    other = nn.InstanceNorm2d(3, track_running_stats=True)
    network = nn.Sequential(other, nn.BatchNorm2d(3))
    recalibrate(network, network, [torch.randn(2, 3, 4, 4) + 5])
    assert other.running_mean is not None and not other.running_mean.any()


def test_a_network_without_them_is_not_run() -> None:
    def fail(batch: Tensor) -> None:
        raise AssertionError

    recalibrate(nn.Linear(2, 2), fail, [torch.randn(5, 2)])
