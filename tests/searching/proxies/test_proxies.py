"""Each proxy against what its paper says, worked out another way on a network small enough for that."""

from __future__ import annotations

import itertools
import math

import numpy
import pytest
import torch
from torch import Tensor, nn

from archdial.networks.cells.nas_bench_201 import NasBench201, Plan
from archdial.networks.fresh import draw_anew
from archdial.searching.proxies import PROXIES, Untrained
from archdial.searching.proxies.zen import STEP
from archdial.space import Architecture
from tests.networks.examples import inputs, tiny


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def untrained(module: nn.Module, given: Tensor) -> Untrained:
    return Untrained(module, given, lambda outputs: outputs.square().mean())


class Bypassed(nn.Module):
    """Two layers, and one beside them; BatchNorm between has statistics that are not those of a new one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.beside = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(4, eps=0.0)
        with torch.no_grad():
            self.norm.running_mean.fill_(7.0)
            self.norm.running_var.fill_(0.3)

    def forward(self, given: Tensor) -> Tensor:
        return self.second(torch.relu(self.norm(self.first(given)))) + self.beside(given)


def test_synflow_is_a_sum_over_paths_each_as_often_as_it_has_weights() -> None:
    torch.manual_seed(0)
    network = Bypassed()
    first, second, beside = (layer.weight.abs().tolist() for layer in (network.first, network.second, network.beside))
    long = sum(first[j][i] * second[o][j] for i, j, o in itertools.product(range(3), range(4), range(2)))
    short = sum(map(sum, beside))
    # BatchNorm's scale of 1 is a weight too, on the long paths.
    expected = math.log(2 * long + short + long)
    assert PROXIES["synflow"](untrained(network, torch.randn(5, 3))) == pytest.approx(expected, rel=1e-9)


def test_naswot_is_the_determinant_of_how_many_rectifiers_agree() -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    given = torch.randn(3, 3)
    before = network[0](given)
    codes = torch.cat((before > 0, network[2](before.relu()) > 0), 1).tolist()
    (a, b, c), (d, e, f), (g, h, i) = [[sum(x == y for x, y in zip(p, q, strict=True)) for q in codes] for p in codes]
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    assert determinant > 1
    assert PROXIES["naswot"](untrained(network, given)) == pytest.approx(math.log(determinant), rel=1e-9)
    assert PROXIES["naswot"](untrained(network, given[[0, 0, 1]])) == 0.0


def test_zen_is_how_far_features_move_times_what_batch_norm_divided_by() -> None:
    network = nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)
    )
    torch.manual_seed(5)
    found = PROXIES["zen"](untrained(network, torch.zeros(8, 4)))
    torch.manual_seed(5)
    first, second = torch.randn(6, 4).numpy(), torch.randn(3, 6).numpy()
    torch.randn(2, 3)
    here = torch.randn(8, 4).numpy()
    there = here + STEP * torch.randn(8, 4).numpy()
    scales = []

    def normalised(values: numpy.ndarray) -> numpy.ndarray:
        scales.append(math.sqrt(values.var(0).mean()))
        return (values - values.mean(0)) / numpy.sqrt(values.var(0) + 1e-5)

    def features(values: numpy.ndarray) -> numpy.ndarray:
        biased = values @ first.T + network[0].bias.detach().numpy()
        hidden = numpy.maximum(normalised(biased), 0)
        return normalised(hidden @ second.T + network[3].bias.detach().numpy())

    apart = numpy.linalg.norm(features(here) - features(there), axis=1).mean()
    assert found == pytest.approx(math.log(apart) + math.log(scales[0]) + math.log(scales[1]), rel=1e-3)


def test_grad_norm_is_the_norm_of_what_the_loss_pulls_at_weights_with() -> None:
    torch.manual_seed(2)
    network, given = nn.Linear(3, 2), torch.randn(4, 3)
    # L = mean of (W x + b)² over 8 numbers.
    pull = sum(2 / 8 * torch.outer(network(row), row) for row in given)
    expected = math.log(math.sqrt(float(pull.detach().square().sum())))
    assert PROXIES["grad_norm"](untrained(network, given)) == pytest.approx(expected, rel=1e-5)


def test_jacob_cov_of_two_examples_follows_from_their_one_correlation() -> None:
    torch.manual_seed(3)
    network, given = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2)), torch.randn(2, 5)
    on = (network[0](given) > 0).double()
    rows = (on * network[2].weight.sum(0).double()) @ network[0].weight.double()
    centred = (rows - rows.mean(1, keepdim=True)).detach()
    r = float(centred[0] @ centred[1] / (centred[0].norm() * centred[1].norm()))
    expected = -sum(math.log(s + 1e-5) + 1 / (s + 1e-5) for s in (1 - r, 1 + r)) / 2
    assert PROXIES["jacob_cov"](untrained(network, given)) == pytest.approx(expected, rel=1e-3)


@pytest.fixture(scope="module")
def bench() -> NasBench201:
    torch.manual_seed(0)
    return NasBench201(Plan(cells=1, channels=4, image_size=(8, 8)))


@pytest.mark.parametrize("name", PROXIES)
def test_a_network_without_a_path_has_the_least_score_and_others_more(bench: NasBench201, name: str) -> None:
    given = torch.randn(6, 3, 8, 8, generator=seeded(4))
    scores = {}
    for option in bench.space.options:
        torch.manual_seed(0)
        scores[option] = PROXIES[name](untrained(bench.build(bench.space.uniform(option)), given))
    assert scores["none"] == PROXIES[name].least
    assert all(math.isfinite(score) and score > scores["none"] for o, score in scores.items() if o != "none")


@pytest.mark.parametrize("name", PROXIES)
def test_it_changes_no_weight_and_hangs_on_no_statistics(bench: NasBench201, name: str) -> None:
    module, given = bench.build(Architecture((3, 1, 2, 4, 3, 1))), torch.randn(6, 3, 8, 8, generator=seeded(4))
    before = {key: weight.clone() for key, weight in module.named_parameters()}
    found = []
    for other in (None, *PROXIES.values()):
        if other is not None:
            other(untrained(module, given))
        torch.manual_seed(0)
        found.append(PROXIES[name](untrained(module, given)))
    assert len(set(found)) == 1
    assert all(weight.equal(before[key]) and weight.grad is None for key, weight in module.named_parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


@pytest.mark.parametrize("name", [name for name, proxy in PROXIES.items() if not proxy.perturbs])
def test_tokens(name: str) -> None:
    network = tiny(tokens=20, in_channels=4, length=12, classes=3)
    module = network.build(network.space.uniform("sep_conv_3"))
    draw_anew(module)
    least = PROXIES[name].least
    assert least < PROXIES[name](untrained(module, inputs(network, 4))) < math.inf


@pytest.mark.parametrize("name", PROXIES)
def test_signals(name: str) -> None:
    network = tiny(in_channels=2, length=16, outputs=(3,))
    module = network.build(network.space.uniform("sep_conv_3"))
    draw_anew(module)
    assert PROXIES[name].least < PROXIES[name](untrained(module, inputs(network, 4))) < math.inf


def test_synflow_of_a_hundred_layers_stays_finite() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(*(nn.Linear(64, 64) for _ in range(100)))
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(100)
    # Far beyond float32: each layer multiplies what flows by 64 · 100 · 1/16.
    assert 400 < PROXIES["synflow"](untrained(network, torch.randn(2, 64))) < 700
