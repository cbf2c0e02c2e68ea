"""The predictor of accuracy."""

from __future__ import annotations

import pytest
import torch

from archdial.common.metrics import kendall_tau
from archdial.searching.evaluation import Evaluated
from archdial.searching.predictor import FLOOR, ErrorPredictor
from archdial.space import Architecture, Choice, Space
from archdial.tasks.measure import ACCURACY

OPTIONS = ("none", "pool", "conv")
SPACE = Space(tuple(Choice(f"c{n}", OPTIONS[: 2 + n % 2], OPTIONS[: 2 + n % 2]) for n in range(12)))
VALUES = torch.rand(SPACE.shape, generator=torch.Generator().manual_seed(1)) * SPACE.mask


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def law(architecture: Architecture) -> float:
    """Linear in the logarithm of the error, from 0.03 to 0.5."""
    worth = float((SPACE.one_hot(architecture) * VALUES).sum() / VALUES.max(1).values.sum())
    return 1 - 0.5 * 0.06**worth


def evaluated(count: int, seed: int) -> list[Evaluated]:
    generator = seeded(seed)
    found = dict.fromkeys(SPACE.random(generator) for _ in range(count))
    return [Evaluated(a, law(a), 0.0, ACCURACY) for a in found]


@pytest.fixture(scope="module")
def fitted() -> ErrorPredictor:
    torch.manual_seed(0)
    predictor = ErrorPredictor(SPACE)
    assert predictor.fit(evaluated(100, 0), seeded()) < 0.1
    return predictor


@pytest.mark.slow
def test_ranks_unseen_architectures_by_a_linear_law(fitted: ErrorPredictor) -> None:
    seen = {item.architecture for item in evaluated(100, 0)}
    fresh = [item for item in evaluated(200, 1) if item.architecture not in seen]
    with torch.no_grad():
        errors = fitted(SPACE.one_hots(item.architecture for item in fresh))
    truth = torch.tensor([item.accuracy for item in fresh])
    assert kendall_tau(1 - errors, truth) > 0.8
    assert (1 - errors - truth).abs().mean() < 0.05


def test_networks_of_the_ensemble_differ_more_where_less_is_known(fitted: ErrorPredictor) -> None:
    seen = SPACE.one_hots(item.architecture for item in evaluated(100, 0))
    corners = SPACE.one_hots([SPACE.uniform("conv"), Architecture((0,) * 12)])
    with torch.no_grad():
        known, far = fitted.each(seen).std(0).mean(), fitted.each(corners).std(0).mean()
    assert far > known > 0


def test_shapes_range_and_gradient(fitted: ErrorPredictor) -> None:
    logits = torch.randn(9, *SPACE.shape, generator=seeded()).masked_fill(~SPACE.mask, -torch.inf)
    weights = logits.softmax(-1).requires_grad_()
    errors = fitted(weights)
    assert errors.shape == (9,)
    assert fitted.each(weights).shape == (fitted.members, 9)
    assert ((errors > 0) & (errors <= 1)).all()
    errors.sum().backward()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()


def test_gradient_points_to_the_better_options(fitted: ErrorPredictor) -> None:
    weights = (SPACE.mask / SPACE.mask.sum(1, keepdim=True))[None].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(fitted(weights).sum(), weights)
    better = VALUES.masked_fill(~SPACE.mask, -1).argmax(1)
    found = (-gradient[0]).masked_fill(~SPACE.mask, -torch.inf).argmax(1)
    assert (better == found).sum() >= 10


def test_fitting_repeats_to_the_bit_and_forgets_what_was_before() -> None:
    torch.manual_seed(0)
    one, two = ErrorPredictor(SPACE), ErrorPredictor(SPACE)
    data = evaluated(20, 0)
    two.fit(evaluated(20, 5), seeded(9), steps=10)
    assert one.fit(data, seeded(3), steps=20) == two.fit(data, seeded(3), steps=20)
    for name, value in one.state_dict().items():
        assert value.equal(two.state_dict()[name]), name


@pytest.mark.parametrize("accuracies", [[0.7], [0.7, 0.7, 0.7], [1.0, 1.0], [0.0, 1.0], [0.0]])
def test_few_equal_and_extreme_accuracies(accuracies: list[float]) -> None:
    torch.manual_seed(0)
    predictor = ErrorPredictor(SPACE)
    data = [Evaluated(SPACE.random(seeded(i)), accuracy, 0.0, ACCURACY) for i, accuracy in enumerate(accuracies)]
    assert predictor.fit(data, seeded(), steps=50) >= 0
    with torch.no_grad():
        errors = predictor(SPACE.one_hots(item.architecture for item in data))
    assert errors.isfinite().all()
    if len(set(accuracies)) == 1:
        assert errors.tolist() == pytest.approx([max(1 - a, FLOOR) for a in accuracies], rel=0.05)


def test_state_dict_round_trip(fitted: ErrorPredictor) -> None:
    other = ErrorPredictor(SPACE)
    other.load_state_dict(fitted.state_dict())
    weights = SPACE.one_hots([SPACE.uniform("conv")])
    assert other(weights).equal(fitted(weights))
