"""A gate against plain autograd of keep · output + drop · instead."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from archdial.networks.graph.choices.mixing import gate

WEIGHTS = ((1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (0.25, 0.75), (0.9, 0.1), (1e-9, 1 - 1e-9))


class Watch(torch.autograd.Function):
    """Passes its input on, and notes where a gradient came by."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, seen: list[str], name: str) -> Tensor:
        ctx.set_materialize_grads(False)
        ctx.seen, ctx.name = seen, name
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None, None]:
        if gradients[0] is not None:
            ctx.seen.append(ctx.name)
        return gradients[0], None, None


def case(weights: tuple[float, float], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Output, what takes its place, weights, and the gradient that comes from above."""
    generator = torch.Generator().manual_seed(0)
    output, instead, above = torch.randn(3, 2, 3, 2, 2, generator=generator, dtype=dtype)
    pair = torch.tensor(weights, dtype=dtype)
    return output.requires_grad_(), instead.requires_grad_(), pair.requires_grad_(), above


def plainly(output: Tensor, instead: Tensor, weights: Tensor) -> Tensor:
    return weights[0] * output + weights[1] * instead


@pytest.mark.parametrize("weights", WEIGHTS)
def test_values_and_gradients_are_those_of_plain_autograd(weights: tuple[float, float]) -> None:
    *leaves, above = case(weights)
    given, expected = gate(*leaves), plainly(*leaves)
    torch.testing.assert_close(given, expected, rtol=1e-12, atol=1e-12)
    own = torch.autograd.grad(given, leaves, above, allow_unused=True)
    for found, wanted, leaf in zip(own, torch.autograd.grad(expected, leaves, above), leaves, strict=True):
        found = torch.zeros_like(leaf) if found is None else found
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_gradients_are_those_of_finite_differences(weights: tuple[float, float]) -> None:
    output, instead, pair, _ = case(weights)
    assert torch.autograd.gradcheck(lambda o, i: gate(o, i, pair.detach()), (output, instead))
    # Weights sum to 1: what is checked is how the gate follows one that does.
    leaf = pair.detach()[:1].clone().requires_grad_()
    followed = lambda k: gate(output.detach(), instead.detach(), torch.cat((k, 1 - k)))  # noqa: E731
    if 0.0 < weights[0] < 1.0:
        assert torch.autograd.gradcheck(followed, (leaf,))
    (slope,) = torch.autograd.grad(followed(leaf).sum(), leaf)
    torch.testing.assert_close(slope[0], (output - instead).sum().detach())


@pytest.mark.parametrize(("weights", "reached"), [((1.0, 0.0), ["output"]), ((0.0, 1.0), ["instead"])])
def test_no_gradient_enters_what_has_no_weight(weights: tuple[float, float], reached: list[str]) -> None:
    output, instead, pair, above = case(weights)
    seen: list[str] = []
    gate(Watch.apply(output, seen, "output"), Watch.apply(instead, seen, "instead"), pair).backward(above)
    assert seen == reached
    for name, leaf in (("output", output), ("instead", instead)):
        assert (leaf.grad is not None and leaf.grad.equal(above)) if name in reached else leaf.grad is None
    assert pair.grad is not None
    torch.testing.assert_close(pair.grad, torch.stack([(above * output).sum(), (above * instead).sum()]).detach())


def test_gradient_enters_both_where_both_have_weight() -> None:
    output, instead, pair, above = case((0.25, 0.75))
    seen: list[str] = []
    gate(Watch.apply(output, seen, "output"), Watch.apply(instead, seen, "instead"), pair).backward(above)
    assert sorted(seen) == ["instead", "output"]
    assert output.grad is not None and instead.grad is not None
    torch.testing.assert_close(output.grad / 0.25, instead.grad / 0.75)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0)])
def test_one_hot_gates_compute_nothing(weights: tuple[float, float]) -> None:
    output, instead, pair, _ = case(weights)
    taken, other = (output, instead) if weights[0] else (instead, output)
    with torch.no_grad():
        other.fill_(torch.nan)
    result = gate(output, instead, pair)
    assert result.equal(taken) and result.data_ptr() == taken.data_ptr()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_may_have_another_type(dtype: torch.dtype) -> None:
    output, instead, _, above = case((0.5, 0.5), dtype)
    pair = torch.tensor([0.5, 0.5], dtype=torch.float64, requires_grad=True)
    result = gate(output, instead, pair)
    result.backward(above)
    assert result.dtype == dtype and pair.grad is not None and pair.grad.dtype == torch.float64
    torch.testing.assert_close(result, (output + instead) / 2)


def test_output_and_what_takes_its_place_may_differ_in_type() -> None:
    output, instead, pair, _ = case((0.5, 0.5), torch.float32)
    result = gate(output.bfloat16(), instead, pair)
    torch.testing.assert_close(result.float(), (output + instead) / 2, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_only_gradients_that_are_asked_for(wanted: tuple[bool, bool, bool]) -> None:
    *leaves, above = case((0.25, 0.75))
    leaves = [leaf.detach().requires_grad_(wish) for leaf, wish in zip(leaves, wanted, strict=True)]
    gate(*leaves).backward(above)
    assert tuple(leaf.grad is not None for leaf in leaves) == wanted
