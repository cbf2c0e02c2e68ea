"""The dial of several devices: each row is its own device's, in code, in penalty and in range."""

from __future__ import annotations

import pytest
import torch

from archdial import Budget, OperationSimplex, Scalar, UsageError
from archdial.common.validation import validated
from archdial.cost.pricing.by_hardware import CostByDevice
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.pricing.fingerprint import Fingerprint
from archdial.dial import Dial, Tradeoff
from archdial.dial.per_hardware import PerDevice
from archdial.families.family_file import FingerprintFile
from tests.families.test_hardware import priced
from tests.networks.examples import counted_table, drawn, tiny

NETWORK = tiny()
SPACE = NETWORK.space
TABLE = counted_table(NETWORK)
EACH = [ExpectedCost(SPACE, table) for table in (TABLE, priced(TABLE, {"sep_conv_3x3": 9.0}), priced(TABLE, {}, 3.0))]
COST = CostByDevice(EACH)
FINGERPRINT = Fingerprint.across(SPACE, EACH)
DIALS = [Scalar(0.1, 10), Budget(3.0), OperationSimplex(strength=2.0).fitted(SPACE.kinds)]


def made(dial: Dial) -> PerDevice:
    return PerDevice.of(dial, [FINGERPRINT.of(cost) for cost in EACH])


@pytest.mark.parametrize("dial", DIALS, ids=lambda dial: dial.kind)
def test_each_row_is_its_own_devices(dial: Dial) -> None:
    several, generator = made(dial), torch.Generator().manual_seed(0)
    positions = several.sample(40, generator)
    weights = torch.softmax(torch.randn(40, *SPACE.shape, generator=generator).masked_fill(~SPACE.mask, -1e9), -1)
    penalty, codes = several.penalty(positions, weights, COST), several.encode(positions)
    assert set(positions[:, -1].tolist()) == {0.0, 1.0, 2.0} and codes.shape == (40, several.features)
    for row, (position, one) in enumerate(zip(positions, weights, strict=True)):
        number = int(position[-1])
        own = dial.penalty(position[None, :-1], one[None], EACH[number])
        assert penalty[row] == pytest.approx(float(own), rel=1e-5)
        assert codes[row, : dial.features].equal(dial.encode(position[None, :-1])[0])
        assert codes[row, dial.features :].tolist() == pytest.approx(FINGERPRINT.of(EACH[number]))


def test_the_penalty_is_differentiable() -> None:
    several = made(Scalar(0.1, 10))
    weights = torch.full((6, *SPACE.shape), 0.2, requires_grad=True)
    several.penalty(several.grid(6), weights, COST).sum().backward()
    assert weights.grad is not None and bool((weights.grad.flatten(1).abs().sum(1) > 0).all())


@pytest.mark.parametrize("count", [1, 5, 24])
def test_a_grid_has_both_ends_of_each_device(count: int) -> None:
    grid = made(Scalar(0.1, 10)).grid(count)
    for number in range(3):
        own = grid[grid[:, 1] == number, 0]
        assert (float(own[0]), float(own[-1])) == pytest.approx((0.1, 10))
    assert len(grid) == max(6, -(-count // 3) * 3)


def test_the_range_of_each_device_is_found_by_its_own_costs() -> None:
    architectures = drawn(SPACE, 30)
    weights = SPACE.one_hots(architectures)
    losses = 1 - EACH[0].fraction(weights) ** 0.3
    fitted = made(Scalar()).fitted(SPACE.kinds, Tradeoff(losses, COST.fraction(weights)))
    for dial, cost in zip(fitted.dials, EACH, strict=True):
        assert dial == Scalar().fitted(SPACE.kinds, Tradeoff(losses, cost.fraction(weights)))
    assert fitted.dials[0] != fitted.dials[1] and fitted.opened() == made(Scalar())
    assert made(Scalar()).restored(fitted.to_json()) == fitted


def test_codes_tell_devices_apart_by_proportion_and_not_by_pace() -> None:
    first, other, slower = map(FINGERPRINT.of, EACH)
    assert first == pytest.approx(slower, abs=1e-4) and first != other
    assert {round(min(pair), 6) for pair in zip(first, other, strict=True)} <= {0.0, 0.5}
    again = validated(FingerprintFile, FINGERPRINT.to_json())
    assert Fingerprint.of_file(again, SPACE) == FINGERPRINT
    far = FINGERPRINT.of(ExpectedCost(SPACE, priced(TABLE, {"sep_conv_3x3": 900.0})))
    assert all(-0.5 <= value <= 1.5 for value in far)


@pytest.mark.parametrize("position", [[1.0, 3.0], [1.0, 0.5], [-1.0, 0.0]])
def test_what_is_no_position_is_refused(position: list[float]) -> None:
    with pytest.raises(UsageError):
        made(Scalar(0.1, 10)).position(position)
