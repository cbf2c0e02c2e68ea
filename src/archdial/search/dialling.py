"""Training the hypernetwork on predictor and cost table alone: no image is seen, and it takes about a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from archdial.cost.expected import ExpectedCost
from archdial.dial import Dial
from archdial.hypernet import Hypernetwork
from archdial.relaxation import Relaxation, Temperature
from archdial.search.evaluation import Evaluated
from archdial.search.objective import entropy, objective
from archdial.search.predictor import AccuracyPredictor
from archdial.space import Architecture, Space

POSITIONS = 64
"""Dial positions a step."""


@dataclass(frozen=True)
class Known:
    """Evaluated architectures as tensors: one-hot weights (n, m, k) and errors (n,)."""

    weights: Tensor
    errors: Tensor

    @classmethod
    def of(cls, space: Space, evaluated: Sequence[Evaluated]) -> Known:
        """Stack `evaluated`."""
        errors = torch.tensor([1.0 - item.accuracy for item in evaluated])
        return cls(space.one_hots(item.architecture for item in evaluated), errors)

    def objectives(self, dial: Dial, positions: Tensor, cost: ExpectedCost) -> Tensor:
        """Return the objective (p, n) of each known architecture at each of positions (p, d)."""
        p, n = len(positions), len(self.errors)
        every = positions.repeat_interleave(n, 0)
        weights = self.weights.repeat(p, 1, 1)
        return objective(self.errors.repeat(p), dial, every, weights, cost).reshape(p, n)

    def best(self, dial: Dial, positions: Tensor, cost: ExpectedCost) -> Tensor:
        """Return the index (p,) of the known architecture with the least objective at each of positions (p, d)."""
        return self.objectives(dial, positions, cost).argmin(1)


@dataclass
class DialTrainer:
    """What the hypernetwork is trained with, besides what is known.

    Attributes:
        entropy: weight of the entropy of the options at the start, falling to 0 half-way.
        imitation: weight of the cross-entropy towards the best known architecture of each position.
    """

    dial: Dial
    hypernet: Hypernetwork
    predictor: AccuracyPredictor
    cost: ExpectedCost
    relaxation: Relaxation
    temperature: Temperature
    entropy: float = 0.0
    imitation: float = 0.0

    def fit(self, known: Known, generator: torch.Generator, steps: int = 500, rate: float = 0.01) -> float:
        """Train for `steps` of 64 dial positions; return the mean loss of the last tenth.

        The gradient towards accuracy comes from the predictor. It saturates where the predictor sees no more gain; with
        `imitation` the dial then also reproduces the best architecture that was measured for each of its positions.
        """
        optimizer = torch.optim.Adam(self.hypernet.parameters(), lr=rate)
        positions = self.dial.grid(POSITIONS) if self.imitation else None
        losses = []
        for step in range(steps):
            progress = step / steps
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 - 0.9 * progress)
            drawn = self.dial.sample(POSITIONS, generator)
            if positions is not None and step % 2:
                drawn = positions
            loss = self._loss(known, drawn, progress, generator)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return float(torch.stack(losses[-max(steps // 10, 1) :]).mean())

    def _loss(self, known: Known, positions: Tensor, progress: float, generator: torch.Generator) -> Tensor:
        logits = self.hypernet(self.dial.encode(positions))
        weights = self.relaxation.sample(logits, self.temperature(progress), generator)
        every = known.objectives(self.dial, positions, self.cost)
        loss = objective(self.predictor(weights), self.dial, positions, weights, self.cost)
        # Divided by its spread at the position, or the cheap end, where the penalty is large, would drown the other.
        result = (loss / spread(every)).mean()
        if self.imitation:
            targets = known.weights[every.argmin(1)]
            chosen = torch.log_softmax(logits, -1).masked_fill(~self.hypernet.mask, 0.0)
            result = result - self.imitation * (targets * chosen).sum(-1).mean()
        if self.entropy and progress < 0.5:
            result = result - self.entropy * (1 - 2 * progress) * entropy(logits)
        return result


def spread(objectives: Tensor) -> Tensor:
    """Return the standard deviation (p,) of objectives (p, n), never 0."""
    return objectives.std(1, unbiased=False).clamp_min(1e-4)


def thompson(
    predictor: AccuracyPredictor,
    dial: Dial,
    cost: ExpectedCost,
    pool: Sequence[Architecture],
    positions: Tensor,
    generator: torch.Generator,
) -> list[Architecture]:
    """Return for each of positions (p, d) the best of `pool` as one network of the ensemble, drawn anew, sees it.

    Where the networks agree this exploits, where they differ it explores (Thompson sampling). None is taken twice.
    """
    space = predictor.space
    weights = space.one_hots(pool)
    with torch.no_grad():
        errors = predictor.each(weights).exp()
    taken: dict[int, None] = {}
    for position in positions:
        seer = int(torch.randint(predictor.members, (), generator=generator))
        values = objective(errors[seer], dial, position.expand(len(pool), -1), weights, cost)
        order = values.argsort().tolist()
        taken.setdefault(next((i for i in order if i not in taken), order[0]))
    return [pool[index] for index in taken]
