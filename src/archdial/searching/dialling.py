"""Training the hypernetwork on predictor and cost table alone: no images, in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from archdial.cost.measuring.timing import threads
from archdial.cost.pricing.expected import Cost, ExpectedCost
from archdial.cost.pricing.once import priced_once
from archdial.dial import Dial
from archdial.hypernet import Hypernetwork
from archdial.networks.pretrained import whole_of
from archdial.networks.supernet import Supernet
from archdial.relaxation import Relaxation, Temperature
from archdial.searching.candidates import at_positions, likely, unseen
from archdial.searching.evaluation import Judged, errors
from archdial.searching.method_settings import STEPS
from archdial.searching.objective import entropy, objective
from archdial.searching.predictor import ErrorPredictor
from archdial.searching.projection import project
from archdial.space import Architecture, Space

POSITIONS = 64
"""Dial positions a step."""

LESSON = 512
"""Positions of each device whose objectives are worked out beforehand."""

LIKELY = 8
"""Likely architectures drawn at each position before the dial settles, for each number of a position."""


@dataclass(frozen=True)
class Known:
    """Evaluated architectures as tensors: one-hot weights (n, m, k) and errors (n,)."""

    weights: Tensor
    errors: Tensor

    @classmethod
    def of(cls, network: Supernet, evaluated: Sequence[Judged]) -> Known:
        """Stack what was `evaluated` of `network`."""
        weights = network.space.one_hots(item.architecture for item in evaluated)
        return cls(weights, errors(evaluated, whole_of(network)))

    def joined(self, space: Space, architectures: Sequence[Architecture], predictor: ErrorPredictor) -> Known:
        """Return also `architectures` that were not evaluated, their errors as the predictor fears them."""
        if not architectures:
            return self
        weights = space.one_hots(architectures)
        return Known(torch.cat((self.weights, weights)), torch.cat((self.errors, predictor.feared(weights))))

    def objectives(self, dial: Dial, positions: Tensor, cost: Cost) -> Tensor:
        """Return the objective (p, n) of each known architecture at each of positions (p, d)."""
        p, n = len(positions), len(self.errors)
        every = positions.repeat_interleave(n, 0)
        weights = self.weights.repeat(p, 1, 1)
        return objective(self.errors.repeat(p), dial, every, weights, cost).reshape(p, n)


@dataclass(frozen=True)
class Lesson:
    """Dial positions (p, d) with what is known there: the spread (p,) of the objective, the best index (p,)."""

    positions: Tensor
    spread: Tensor
    best: Tensor

    @classmethod
    def about(cls, known: Known, dial: Dial, positions: Tensor, cost: Cost) -> Lesson:
        """Work out the objectives of all known architectures at all positions, once for all steps."""
        priced = priced_once(cost, known.weights)
        parts = [known.objectives(dial, part, priced) for part in torch.split(positions, POSITIONS)]
        every = torch.cat(parts)
        return cls(positions, spread(every), every.argmin(1))

    def drawn(self, count: int, generator: torch.Generator) -> Lesson:
        """Return `count` of the positions, drawn with replacement."""
        rows = torch.randint(len(self.positions), (count,), generator=generator)
        return Lesson(self.positions[rows], self.spread[rows], self.best[rows])


@dataclass
class DialTrainer:
    """What the hypernetwork is trained with, besides what is known.

    Attributes:
        entropy: weight of the entropy of the options at the start, falling to 0 half-way.
        steps: of each fit, of 64 dial positions.
        imitation: descend the cross-entropy towards the best known architecture of each position instead.
    """

    dial: Dial
    hypernet: Hypernetwork
    predictor: ErrorPredictor
    cost: Cost
    relaxation: Relaxation
    temperature: Temperature
    entropy: float = 0.0
    imitation: bool = False
    steps: int = STEPS

    def fit(self, known: Known, generator: torch.Generator, rate: float = 0.01) -> float:
        """Train for `steps`; return the mean loss of the last tenth.

        The gradient towards accuracy comes from the predictor. It saturates where the predictor sees no more gain; with
        `imitation` the dial learns to reproduce the best known architecture of each of its positions.
        One thread: on tensors this small a second one only waits, and on a busy machine it waits long.
        """
        with threads(1):
            return self._descend(known, generator, rate)

    def _descend(self, known: Known, generator: torch.Generator, rate: float) -> float:
        optimizer = torch.optim.Adam(self.hypernet.parameters(), lr=rate)
        # Half of them a grid: it has the corners and ends, which draws hardly ever reach.
        half = LESSON // 2 * len(self.cost.each)
        positions = torch.cat((self.dial.grid(half), self.dial.sample(half, generator)))
        lesson = Lesson.about(known, self.dial, positions, self.cost)
        losses = []
        for step in range(self.steps):
            progress = step / self.steps
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 - 0.9 * progress)
            drawn = lesson.drawn(POSITIONS, generator)
            loss = self._loss(known, drawn, progress, generator)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            project(self.dial, self.hypernet, self.cost, drawn.positions)
            losses.append(loss.detach())
        return float(torch.stack(losses[-max(self.steps // 10, 1) :]).mean())

    def settle(self, known: Known, generator: torch.Generator, *, unseen_too: bool = False) -> float:
        """Train to the end: by the predictor alone, then towards the best that is known at each position.

        For λ, this also makes the cost monotonic: the best of a set of architectures never gets more expensive with λ.

        Args:
            known: what was evaluated.
            unseen_too: let the dial keep architectures that were not evaluated. A predictor errs most where it promises
                most, so only such as beat all evaluated ones even as the predictor fears them.
        """
        self.fit(known, generator)
        target = self._joined(known, generator) if unseen_too else known
        return replace(self, imitation=True, entropy=0.0).fit(target, generator)

    def _joined(self, known: Known, generator: torch.Generator) -> Known:
        space, grid = self.hypernet.space, self.dial.grid(POSITIONS)
        found = [
            *at_positions(space, self.hypernet, self.dial, grid),
            *likely(space, self.hypernet, self.dial, grid, LIKELY * grid.shape[1], generator),
        ]
        measured = [space.argmax(weights) for weights in known.weights]
        return known.joined(space, unseen(found, measured), self.predictor)

    def _loss(self, known: Known, lesson: Lesson, progress: float, generator: torch.Generator) -> Tensor:
        logits = self.hypernet(self.dial.encode(lesson.positions))
        if self.imitation:
            chosen = torch.log_softmax(logits, -1).masked_fill(~self.hypernet.mask, 0.0)
            return -(known.weights[lesson.best] * chosen).sum(-1).mean()
        weights = self.relaxation.sample(logits, self.temperature(progress), generator)
        loss = objective(self.predictor(weights), self.dial, lesson.positions, weights, self.cost)
        # Divided by its spread at the position, or the cheap end, where the penalty is large, would drown the other.
        result = (loss / lesson.spread + self.relaxation.regulariser(logits)).mean()
        if self.entropy and progress < 0.5:
            result = result - self.entropy * (1 - 2 * progress) * entropy(logits)
        return result


def spread(objectives: Tensor) -> Tensor:
    """Return the standard deviation (p,) of objectives (p, n), never 0."""
    return objectives.std(1, unbiased=False).clamp_min(1e-4)


def thompson(
    predictor: ErrorPredictor,
    dial: Dial,
    cost: Cost,
    pool: Sequence[Architecture],
    positions: Tensor,
    generator: torch.Generator,
) -> list[Architecture]:
    """Return for each of positions (p, d) the best of `pool` as one network of the ensemble, redrawn, sees it.

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


def best_within(
    predictor: ErrorPredictor,
    cost: ExpectedCost,
    pool: Sequence[Architecture],
    limits: Sequence[float],
    generator: torch.Generator,
) -> list[Architecture]:
    """Return for each of `limits` the best of `pool` that costs no more, as one network of the ensemble sees it.

    As in `thompson`, each is seen by a network redrawn, and none is taken twice; a limit that none meets has none.
    """
    if not pool:
        return []
    weights = predictor.space.one_hots(pool)
    with torch.no_grad():
        errors = predictor.each(weights)
    costs = cost(weights.double()).tolist()
    taken: dict[int, None] = {}
    for limit in limits:
        seer = int(torch.randint(predictor.members, (), generator=generator))
        order = errors[seer].argsort().tolist()
        best = next((i for i in order if costs[i] <= limit and i not in taken), None)
        if best is not None:
            taken[best] = None
    return [pool[index] for index in taken]
