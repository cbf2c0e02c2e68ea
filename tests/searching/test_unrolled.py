"""Bilevel steps on the problem of DARTS, whose optimum is known, and random smoothing by its moments."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archdial.searching.smoothing import smoothed
from archdial.searching.unrolled import unrolled


def losses(w: Tensor) -> tuple:  # type: ignore[type-arg]
    """L_train = w² − 2αw + α², L_val = αw − 2α + 1: figure 2 of the paper."""
    return lambda a: (w**2 - 2 * a * w + a**2).sum(), lambda a: (a * w - 2 * a + 1).sum()


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.5])
@pytest.mark.parametrize(("weight", "option"), [(-2.0, 2.0), (1.3, 0.4)])
def test_the_gradient_is_that_of_the_formula(rate: float, weight: float, option: float) -> None:
    w = torch.tensor([weight], dtype=torch.float64, requires_grad=True)
    value, gradient = unrolled(*losses(w), [w], torch.tensor([option], dtype=torch.float64), rate)
    moved = weight - rate * (2 * weight - 2 * option)
    assert float(value) == pytest.approx(option * moved - 2 * option + 1)
    # ∂L_val/∂α at w', and −ξ · ∂²L_train/∂α∂w · ∂L_val/∂w' with ∂²L_train/∂α∂w = −2.
    assert gradient.tolist() == pytest.approx([moved - 2 + 2 * rate * option])
    assert w.tolist() == [weight], "the weights are what they were"


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "optimum"), [(0.0, 2.0), (0.5, 1.0)])
def test_the_second_order_finds_the_optimum_of_the_paper_and_the_first_does_not(rate: float, optimum: float) -> None:
    w = torch.tensor([-2.0], dtype=torch.float64, requires_grad=True)
    a = torch.tensor([2.0], dtype=torch.float64)
    for _ in range(600):
        _, gradient = unrolled(*losses(w), [w], a, rate)
        a = a - 0.05 * gradient
        (down,) = torch.autograd.grad(losses(w)[0](a), w)
        with torch.no_grad():
            w -= 0.2 * down
    assert (float(a), float(w.detach())) == pytest.approx((optimum, optimum), abs=1e-3)


def test_weights_that_fail_are_put_back() -> None:
    w = torch.tensor([1.0], requires_grad=True)

    def fails(_: Tensor) -> Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        unrolled(losses(w)[0], fails, [w], torch.tensor([2.0]), 0.5)
    assert w.tolist() == [1.0]


@pytest.mark.slow
def test_smoothing_adds_a_sixth_of_the_curvature() -> None:
    generator, weights = torch.Generator().manual_seed(0), torch.tensor([[0.2, 0.8, 0.0]])
    mask = torch.tensor([[True, True, False]])
    draws = torch.stack([smoothed(weights, mask, 0.3, generator) for _ in range(20_000)])
    assert (draws[..., 2] == 0).all()
    assert (draws - weights).abs().max() <= 0.3
    torch.testing.assert_close(draws.mean(0), weights, atol=0.005, rtol=0)
    # f(γ) = 2 γ₁² + γ₂²: the trace of its Hessian is 6.
    value = (2 * draws[..., 0] ** 2 + draws[..., 1] ** 2).mean()
    assert float(value) == pytest.approx(2 * 0.04 + 0.64 + 0.3**2 / 6 * 6, abs=0.01)


def test_no_smoothing_draws_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    weights = torch.rand(2, 3)
    assert smoothed(weights, torch.ones(2, 3, dtype=torch.bool), 0.0, generator) is weights
    assert generator.get_state().equal(before)
