"""The contract that every relaxation fulfils, as tests to subclass."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.hypernet import make_hypernet
from archdial.relaxation import Relaxation, Temperature
from archdial.space import Choice, Space

SPACE = Space(
    tuple(
        Choice(f"c{row}", tuple(f"o{column}" for column in range(size)), ("kind",) * size)
        for row, size in enumerate((3, 1, 5, 2))
    )
)
LEADING: list[tuple[int, ...]] = [(), (4,), (2, 3)]


def seeded(seed: int = 0) -> torch.Generator:
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def random_logits(*leading: int, scale: float = 1.0) -> Tensor:
    """Return random logits (…, m, k), those of missing options too."""
    return scale * torch.randn(*leading, *SPACE.shape, generator=seeded(7))


class RelaxationContract:
    """What a search relies on. Subclass it and return your relaxation:

    class TestMine(archdial.testing.RelaxationContract):
        def make(self, space: Space) -> MyRelaxation:
            return MyRelaxation(space)
    """

    def make(self, space: Space) -> Relaxation:
        """Return the relaxation over `space`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make(space) that returns your relaxation")

    @pytest.fixture
    def relaxation(self) -> Relaxation:
        """The relaxation over choices of one to five options."""
        return self.make(SPACE)

    def test_has_a_name(self, relaxation: Relaxation) -> None:
        assert relaxation.name and type(relaxation).name == relaxation.name

    @pytest.mark.parametrize("leading", LEADING)
    @pytest.mark.parametrize("temperature", [0.05, 1.0, 10.0])
    def test_rows_sum_to_one_and_masked_are_exactly_zero(
        self, relaxation: Relaxation, leading: tuple[int, ...], temperature: float
    ) -> None:
        logits = random_logits(*leading)
        # A missing option weighs nothing even where its logit would win.
        logits[..., ~SPACE.mask] = 1e9
        weights = relaxation.sample(logits, temperature, seeded())
        assert weights.shape == logits.shape
        assert (weights >= 0).all()
        assert (weights[..., ~SPACE.mask] == 0.0).all()
        assert (weights <= 1).all()
        if relaxation.normalised:
            torch.testing.assert_close(weights.sum(-1), torch.ones(logits.shape[:-1]))
            assert (weights[..., 1, 0] == 1.0).all(), "a lone option has all the weight"

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
    def test_precision_is_single_or_better(self, relaxation: Relaxation, dtype: torch.dtype) -> None:
        weights = relaxation.sample(random_logits().to(dtype), 0.05, seeded())
        assert weights.dtype == torch.promote_types(dtype, torch.float32)
        assert weights.isfinite().all()

    def test_same_seed_same_sample(self, relaxation: Relaxation) -> None:
        logits = random_logits(4)
        first, again = (relaxation.sample(logits, 0.7, seeded(3)) for _ in range(2))
        assert first.equal(again)

    def test_the_global_generator_is_left_alone(self, relaxation: Relaxation) -> None:
        torch.manual_seed(0)
        before = torch.get_rng_state()
        relaxation.sample(random_logits(), 1.0, seeded())
        assert torch.get_rng_state().equal(before)

    def test_logits_are_left_alone(self, relaxation: Relaxation) -> None:
        logits = random_logits()
        before = logits.clone()
        relaxation.sample(logits, 1.0, seeded())
        assert logits.equal(before)

    def test_low_temperature_is_one_hot(self, relaxation: Relaxation) -> None:
        weights = relaxation.sample(random_logits(20), 1e-4, seeded())
        settled = torch.minimum(weights, 1 - weights)
        torch.testing.assert_close(settled, torch.zeros_like(settled), atol=1e-3, rtol=0)
        if relaxation.normalised:
            torch.testing.assert_close(weights.amax(-1), torch.ones(20, len(SPACE.choices)), atol=1e-3, rtol=0)

    def test_the_regulariser_is_finite_and_blind_to_missing_options(self, relaxation: Relaxation) -> None:
        logits = random_logits(4).masked_fill(~SPACE.mask, -torch.inf).requires_grad_()
        value = relaxation.regulariser(logits)
        assert value.shape == (4,) and value.isfinite().all()
        if value.requires_grad:
            value.sum().backward()
            assert logits.grad is not None and logits.grad.isfinite().all()
            assert (logits.grad[:, ~SPACE.mask] == 0).all()

    @pytest.mark.parametrize("temperature", [0.05, 1.0])
    @pytest.mark.parametrize("scale", [0.0, 1.0, 50.0])
    def test_gradients_are_finite(self, relaxation: Relaxation, temperature: float, scale: float) -> None:
        logits = (scale * random_logits(8).sign()).requires_grad_()
        weights = relaxation.sample(logits, temperature, seeded())
        (weights * torch.rand(SPACE.shape, generator=seeded(2))).sum().backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        assert (logits.grad[:, ~SPACE.mask] == 0).all()

    def test_gradients_reach_the_logits(self, relaxation: Relaxation) -> None:
        logits = random_logits(8).requires_grad_()
        (relaxation.sample(logits, 1.0, seeded()) * torch.arange(SPACE.shape[1])).sum().backward()
        assert logits.grad is not None
        assert (logits.grad[:, SPACE.mask.sum(-1) > 1] != 0).any(-1).all()

    def test_gradients_pass_through_a_hypernetwork_with_missing_options(self, relaxation: Relaxation) -> None:
        net = make_hypernet("mlp", SPACE, 1)
        weights = relaxation.sample(net(torch.rand(3, 1)), 0.05, seeded())
        (weights * torch.rand(SPACE.shape)).sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())

    def test_single_path_means_exact_one_hot(self, relaxation: Relaxation) -> None:
        # Untrained, sharp and cold alike: an option whose weight is not exactly zero would run.
        for scale in (0.0, 1.0, 50.0):
            weights = relaxation.sample(random_logits(200, scale=scale).requires_grad_(), 0.3, seeded())
            exact = bool(((weights == 0.0) | (weights == 1.0)).all() and (weights.sum(-1) == 1.0).all())
            if relaxation.single_path:
                assert exact
            elif scale < 50.0:
                assert not exact

    @pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
    def test_wrong_temperature(self, relaxation: Relaxation, temperature: float) -> None:
        with pytest.raises(UsageError, match="expected a positive"):
            relaxation.sample(random_logits(), temperature, seeded())

    def test_wrong_shape(self, relaxation: Relaxation) -> None:
        with pytest.raises(UsageError, match=r"expected \(…, 4, 5\)"):
            relaxation.sample(torch.zeros(5, 4), 1.0, seeded())

    @pytest.mark.parametrize("seed", range(3))
    def test_solves_a_toy_problem(self, relaxation: Relaxation, seed: int) -> None:
        # Ranks and not raw costs: no two options of a choice are too close to tell apart under noise.
        ranks = torch.rand(SPACE.shape, generator=seeded(seed)).argsort(-1).argsort(-1)
        cost = ranks / SPACE.shape[1]
        # Only the best is worth having: weights that need not sum to one take all that is, and let all else vanish.
        cost = cost - cost.masked_fill(~SPACE.mask, torch.inf).amin(-1, keepdim=True) - 0.5 / SPACE.shape[1]
        torch.manual_seed(seed)
        net, generator, schedule = make_hypernet("constant", SPACE, 1), seeded(seed), Temperature()
        optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
        for step in range(300):
            logits = net(torch.zeros(1, 1))[0]
            loss = (relaxation.sample(logits, schedule(step / 299), generator) * cost).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        best = SPACE.argmax(-cost)
        assert SPACE.argmax(net(torch.zeros(1, 1))[0]) == best
