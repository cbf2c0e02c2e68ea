"""Grids of 256 numbers: 0 is on them, the ends are, and nothing within is further off than half a step."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archdial.networks.eight_bits.fake import FakeQuantize, Rounding, rounded, rounded_weight
from archdial.networks.eight_bits.grid import scale_and_zero, weight_scales

ENDS = st.floats(-1e4, 1e4, width=32)


def observed(tensor: torch.Tensor) -> FakeQuantize:
    made = FakeQuantize().eval()
    made.observing = True
    assert made(tensor) is tensor
    made.observing = False
    return made


@given(low=ENDS, high=ENDS)
def test_zero_is_exact_and_nothing_is_off_by_more_than_half_a_step(low: float, high: float) -> None:
    tensor = torch.linspace(min(low, high), max(low, high), 1001)
    step, zero = scale_and_zero(tensor.min(), tensor.max())
    assert 0 <= int(zero) <= 255 and float(step) > 0
    given = rounded(torch.cat([tensor, torch.zeros(1)]))
    assert given[-1] == 0
    # The zero point is rounded too, so that one end may lie half a step outside.
    assert float((given[:-1] - tensor).abs().max()) <= float(step) * 1.01


def test_a_range_is_that_of_all_that_was_seen() -> None:
    made = observed(torch.tensor([1.0, 2.0]))
    made.observing = True
    made(torch.tensor([-3.0, 0.5]))
    made.observing = False
    assert (float(made.low), float(made.high)) == (-3.0, 2.0)
    assert set(made.state_dict()) == {"low", "high"}
    outside = made(torch.tensor([-9.0, 9.0]))
    assert abs(float(outside[0]) + 3.0) < 0.02 and abs(float(outside[1]) - 2.0) < 0.02


def test_in_training_a_range_follows_the_batches() -> None:
    made = observed(torch.tensor([-1.0, 1.0])).train()
    for _ in range(200):
        made(torch.tensor([-2.0, 4.0]))
    assert abs(float(made.low) + 2.0) < 0.01 and abs(float(made.high) - 4.0) < 0.01
    made.reset_parameters()
    assert made.grid.scale == pytest.approx(1 / 255)
    made(torch.tensor([0.5, 3.0]))
    assert (float(made.low), float(made.high)) == (0.0, 3.0)
    made.eval()(torch.tensor([-9.0, 9.0]))
    assert (float(made.low), float(made.high)) == (0.0, 3.0)


def test_what_is_all_zeros_has_a_scale() -> None:
    assert observed(torch.zeros(3)).grid.scale == pytest.approx(1 / 255)
    assert weight_scales(torch.zeros(2, 3)).tolist() == pytest.approx([1 / 127] * 2)
    assert rounded_weight(torch.zeros(2, 3)).eq(0).all()


def test_weights_are_rounded_by_channel() -> None:
    weight = torch.tensor([[1.0, 0.5], [100.0, 50.0]])
    close = rounded_weight(weight)
    assert float((close - weight).abs()[0].max()) <= 1 / 254 + 1e-6
    assert close[1, 0] == 100


def test_gradients_pass_within_the_range_and_not_beyond() -> None:
    made, tensor = observed(torch.tensor([-1.0, 1.0])), torch.tensor([-2.0, 0.3, 2.0], requires_grad=True)
    made(tensor).sum().backward()
    assert tensor.grad is not None and tensor.grad.tolist() == [0.0, 1.0, 0.0]
    weight = torch.randn(2, 3, requires_grad=True)
    rounded_weight(weight).sum().backward()
    assert weight.grad is not None and weight.grad.eq(1).all()


@given(seed=st.integers(0, 99))
def test_a_constant_grid_rounds_to_the_same_numbers(seed: int) -> None:
    tensor = torch.randn(500, generator=torch.Generator().manual_seed(seed)) * (seed + 1)
    made = observed(tensor)
    assert torch.allclose(Rounding(made.grid)(tensor), made(tensor), atol=1e-6 * (seed + 1))
