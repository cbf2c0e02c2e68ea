"""Each relaxation against its formula or distribution."""

from __future__ import annotations

import pytest
import torch

from archdial.common.errors import UsageError
from archdial.relaxation import (
    Dirichlet,
    GumbelSoftmax,
    ReinMax,
    Relaxation,
    Sigmoid,
    Softmax,
    StraightThrough,
    TwoPaths,
    make_relaxation,
)
from archdial.relaxation.gumbel_softmax import gumbel_like
from archdial.space import Choice, Space

SPACE = Space((Choice("a", ("x", "y", "z"), ("k",) * 3), Choice("b", ("x", "y"), ("k",) * 2)))
LOGITS = torch.tensor([[1.0, 0.0, -1.5], [0.3, -0.4, 99.0]])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_softmax_is_its_formula_and_draws_nothing() -> None:
    generator = seeded()
    before = generator.get_state()
    weights = Softmax(SPACE).sample(LOGITS, 0.5, generator)
    assert generator.get_state().equal(before)
    torch.testing.assert_close(weights[0], (LOGITS[0] / 0.5).softmax(-1))
    torch.testing.assert_close(weights[1, :2], (LOGITS[1, :2] / 0.5).softmax(-1))


@pytest.mark.parametrize("name", ["gumbel_softmax", "straight_through", "reinmax"])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_largest_weight_falls_as_softmax_says(name: str, temperature: float) -> None:
    draws = 20_000
    weights = make_relaxation(name, SPACE).sample(LOGITS.expand(draws, -1, -1), temperature, seeded())
    taken = torch.nn.functional.one_hot(weights.argmax(-1), 3).sum(0)[SPACE.mask]
    expected = draws * LOGITS.masked_fill(~SPACE.mask, -torch.inf).softmax(-1)[SPACE.mask]
    # Three degrees of freedom; 25 is passed by chance once in fifty thousand.
    assert float(((taken - expected) ** 2 / expected).sum()) < 25.0


def test_gumbel_noise_has_its_mean_and_variance() -> None:
    noise = gumbel_like(torch.empty(200_000), seeded())
    assert noise.isfinite().all()
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.02)
    assert float(noise.var()) == pytest.approx(torch.pi**2 / 6, abs=0.05)


def test_straight_through_is_hard_forward_and_gumbel_backward() -> None:
    factor = torch.rand(SPACE.shape, generator=seeded(1))
    gradients, weights = [], []
    for variant in (GumbelSoftmax(SPACE), StraightThrough(SPACE)):
        logits = LOGITS.clone().requires_grad_()
        weights.append(variant.sample(logits, 0.5, seeded()))
        (weights[-1] * factor).sum().backward()
        gradients.append(logits.grad)
    soft, hard = weights
    assert gradients[0] is not None and gradients[1] is not None
    assert gradients[0].equal(gradients[1])
    assert hard.argmax(-1).equal(soft.argmax(-1))
    assert hard.unique().tolist() == [0.0, 1.0]


def test_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown relaxation 'gumbel': did you mean 'gumbel_softmax'"):
        make_relaxation("gumbel", SPACE)


def bias(variant: type[Relaxation], power: int) -> float:
    """How far the mean gradient of (Σ w_j c_j)^power is from that of its expectation, relatively."""
    space = Space((Choice("a", ("x", "y", "z"), ("k",) * 3),))
    values, start = torch.tensor([0.9, -0.4, 0.3]), torch.tensor([[0.8, -0.5, 0.1]])
    exact = start.clone().requires_grad_()
    (exact.softmax(-1) * values**power).sum().backward()
    logits = start.expand(200_000, -1, -1).clone().requires_grad_()
    ((variant(space).sample(logits, 1.0, seeded()) * values).sum(-1) ** power).sum().backward()
    assert exact.grad is not None and logits.grad is not None
    return float((logits.grad.mean(0) - exact.grad).norm() / exact.grad.norm())


@pytest.mark.slow
def test_reinmax_is_right_to_second_order_and_straight_through_to_first() -> None:
    # The noise of the mean is below 0.01.
    assert bias(ReinMax, 1) < 0.02 and bias(ReinMax, 2) < 0.02
    assert bias(StraightThrough, 2) > 0.1


def test_reinmax_is_its_algorithm() -> None:
    logits = LOGITS[0].clone().requires_grad_()
    space = Space((Choice("a", ("x", "y", "z"), ("k",) * 3),))
    weights = ReinMax(space).sample(logits[None], 0.7, seeded())
    factor = torch.tensor([0.3, -1.0, 2.0])
    (weights * factor).sum().backward()
    zero = logits.detach().softmax(-1)
    one = (weights[0].detach() + (logits.detach() / 0.7).softmax(-1)) / 2
    jacobian = [torch.diag(p) - torch.outer(p, p) for p in (zero, one)]
    torch.testing.assert_close(logits.grad, (2 * jacobian[1] - 0.5 * jacobian[0]) @ factor)


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_dirichlet_has_the_moments_of_its_formula(temperature: float) -> None:
    weights = Dirichlet(SPACE).sample(LOGITS.expand(100_000, -1, -1), temperature, seeded())
    beta = torch.nn.functional.elu(LOGITS[0]) + 1 + 1e-3
    mean, total = beta / beta.sum(), temperature * beta.sum()
    torch.testing.assert_close(weights[:, 0].mean(0), mean, atol=0.01, rtol=0)
    torch.testing.assert_close(weights[:, 0].var(0), mean * (1 - mean) / (total + 1), atol=0.01, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_the_gradient_of_dirichlet_is_that_of_its_mean(temperature: float) -> None:
    values = torch.tensor([0.9, -0.4, 0.3])
    exact = LOGITS[0].clone().requires_grad_()
    beta = torch.nn.functional.elu(exact) + 1 + 1e-3
    (beta / beta.sum() * values).sum().backward()
    logits = LOGITS.expand(200_000, -1, -1).clone().requires_grad_()
    (Dirichlet(SPACE).sample(logits, temperature, seeded())[:, 0] * values).sum().backward()
    assert exact.grad is not None and logits.grad is not None
    torch.testing.assert_close(logits.grad[:, 0].mean(0), exact.grad, atol=0.01, rtol=0)


def test_sigmoid_and_its_zero_one_loss_are_their_formulas() -> None:
    relaxation = Sigmoid(SPACE)
    weights = relaxation.sample(LOGITS, 0.5, seeded())
    torch.testing.assert_close(weights[0], (LOGITS[0] / 0.5).sigmoid())
    present = LOGITS[SPACE.mask].sigmoid()
    assert float(relaxation.regulariser(LOGITS)) == pytest.approx(-10 * float((present - 0.5).square().mean()))
    # Descended alone it sends each weight to the end that it is nearer to.
    logits = LOGITS.clone().requires_grad_()
    for _ in range(200):
        (gradient,) = torch.autograd.grad(relaxation.regulariser(logits), logits)
        logits = (logits - 5 * gradient).detach().requires_grad_()
    ends = (LOGITS > 0).float()[SPACE.mask]
    start = LOGITS[SPACE.mask] != 0
    torch.testing.assert_close(logits.sigmoid()[SPACE.mask][start], ends[start], atol=0.05, rtol=0)


def test_two_paths_run_and_one_is_heard() -> None:
    weights = TwoPaths(SPACE).sample(LOGITS.expand(2000, -1, -1), 1.0, seeded())
    assert ((weights != 0).sum(-1) == SPACE.mask.sum(-1).clamp_max(2)).all()
    assert ((weights == 1).sum(-1) == 1).all()
    assert weights.sum(-1).eq(1).all(), "what is not heard changes no sum"


def test_the_gradient_of_two_paths_is_that_of_their_mean_where_there_are_two() -> None:
    space = Space((Choice("a", ("x", "y"), ("k",) * 2),))
    values, start = torch.tensor([0.9, -0.4]), torch.tensor([[0.8, -0.5]])
    exact = start.clone().requires_grad_()
    (exact.softmax(-1) * values).sum().backward()
    logits = start.expand(100, -1, -1).clone().requires_grad_()
    (TwoPaths(space).sample(logits, 1.0, seeded()) * values).sum().backward()
    assert exact.grad is not None and logits.grad is not None
    # No noise at all: both are seen, whichever is heard.
    torch.testing.assert_close(logits.grad, exact.grad.expand(100, -1, -1))


def test_pairs_of_paths_are_drawn_as_without_replacement() -> None:
    space = Space((Choice("a", ("x", "y", "z"), ("k",) * 3),))
    logits = torch.tensor([[1.0, 0.0, -1.0]])
    weights = TwoPaths(space).sample(logits.expand(50_000, -1, -1), 1.0, seeded())
    p = logits[0].softmax(-1)
    for left in range(3):
        i, j = (k for k in range(3) if k != left)
        chance = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        assert float((weights[:, 0, left] == 0).float().mean()) == pytest.approx(float(chance), abs=0.01)
