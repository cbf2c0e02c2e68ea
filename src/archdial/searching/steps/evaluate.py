"""Steps that evaluate one architecture each: a first sample, members along the dial, the predictor's proposals."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from archdial.networks.pretrained import Pretrained
from archdial.searching.candidates import at_positions, fronts, likely, mutated, one_apart, unseen
from archdial.searching.dialling import DialTrainer, Known, thompson
from archdial.searching.paths import make_paths
from archdial.searching.side_by_side import side_by_side
from archdial.searching.state import SearchState
from archdial.searching.steps.step import Figures, SearchStep
from archdial.space import Architecture

DRAWS = 40
"""Architectures drawn at each dial position, and as many neighbours of the front, to take proposals from."""


class Evaluate(SearchStep):
    """Evaluate what `propose` names at the beginning of the epoch."""

    @abstractmethod
    def propose(self, state: SearchState) -> list[Architecture]:
        """Return what this epoch evaluates."""

    def count(self, state: SearchState) -> int:
        """Return the number of architectures of this epoch, once proposed."""
        return len(state.pending)

    def batches(self, state: SearchState, order: torch.Generator, start: int) -> Iterator[Architecture]:
        """Return the architectures of this epoch; those of an interrupted one are taken up where they were left."""
        # What is pending was proposed before an interruption: proposing draws numbers, and must not happen twice.
        if not state.pending:
            state.pending = fresh(state, self.propose(state))
        return self._in_order(state, state.pending[start:])

    @staticmethod
    def _in_order(state: SearchState, architectures: list[Architecture]) -> Iterator[Architecture]:
        with side_by_side(state, architectures):
            yield from architectures

    def __call__(self, state: SearchState, batch: Architecture, progress: float) -> Figures:
        """Evaluate one architecture."""
        result = state.evaluate(batch)
        return {"loss": result.loss, result.measure.name: result.score}

    def close(self, state: SearchState, progress: float) -> Figures:
        """Fit the predictor to all that was evaluated."""
        state.pending = []
        state.weigh()
        remaining = state.predictor.fit(state.archive, state.generator)
        best = max(state.archive, key=lambda item: item.merit)
        told = {"evaluated": len(state.archive), f"best_{best.measure.name}": best.score}
        return {**told, "predictor_rms": remaining}


class Sample(Evaluate):
    """Evaluate architectures across the whole range of cost, then find what the dial left open."""

    name = "sample"

    def __init__(self, *, errors: bool) -> None:
        # The penalty competes with what the dial will be trained on: errors of the predictor, or cross-entropy.
        self.errors = errors

    def propose(self, state: SearchState) -> list[Architecture]:
        """Return the cheapest, the most expensive, one of each option throughout, and paths of shared kinds."""
        space = state.network.space
        first = [*state.cost.extremes(), *map(space.uniform, space.options), *self._near_whole(state)]
        paths = make_paths("kept" if isinstance(state.network, Pretrained) else "shares", space)
        drawn = [paths.draw(state.generator) for _ in range(2 * state.settings.sample)]
        return fresh(state, [*first, *drawn])[: state.settings.sample]

    @staticmethod
    def _near_whole(state: SearchState) -> list[Architecture]:
        """Return what drops one thing of a network that was trained before, at most half a sample of it.

        What is drawn over the whole range is broken nearly always, and does not tell which operation is expensive.
        """
        if not isinstance(state.network, Pretrained):
            return []
        found = one_apart(state.network.space, state.network.whole)
        order = torch.randperm(len(found), generator=state.generator).tolist()
        return [found[i] for i in order[: state.settings.sample // 2]]

    def close(self, state: SearchState, progress: float) -> Figures:
        """Find the range of the dial."""
        figures = super().close(state, progress)
        state.fit_range(errors=self.errors)
        return figures


class Renew(Sample):
    """Evaluate again, with the weights as they are now: the front, what is near it, and others across the range."""

    name = "renew"

    def propose(self, state: SearchState) -> list[Architecture]:
        """Return as many as the first sample had, or all of a larger front; what the old weights did is forgotten."""
        space, sample = state.network.space, state.settings.sample
        known = [item.architecture for item in fronts(state.archive, state.cost)]
        state.archive.clear()
        named = at_positions(space, state.hypernet, state.dial, state.dial.grid(24))
        neighbours = mutated(space, known, sample, state.generator)
        first = fresh(state, [*state.cost.extremes(), *known])
        near = fresh(state, [*first, *named, *neighbours])[: max(len(first), 3 * sample // 4)]
        return fresh(state, [*near, *super().propose(state)])[: max(len(first), sample)]


class Members(Evaluate):
    """Evaluate what the finished hypernetwork names along the dial, and what it considers likely nearby."""

    name = "members"

    def propose(self, state: SearchState) -> list[Architecture]:
        """Return the members on a grid of the dial, then likely architectures, as many as are still to evaluate."""
        left = max(remaining(state), 1)
        space, grid = state.network.space, state.dial.grid(24)
        named = at_positions(space, state.hypernet, state.dial, grid)
        near = likely(space, state.hypernet, state.dial, grid, DRAWS, state.generator)
        order = torch.randperm(len(near), generator=state.generator).tolist()
        return fresh(state, [*named, *(near[i] for i in order)])[:left]


class Propose(Evaluate):
    """Predictor and dial in turn: fit the dial to the predictor, evaluate what it proposes, fit the predictor again."""

    name = "propose"

    def propose(self, state: SearchState) -> list[Architecture]:
        """Return the best of likely architectures and neighbours of the front."""
        dial_trainer(state).fit(Known.of(state.network, state.archive), state.generator)
        count = self.count_of(state)
        positions = state.dial.grid(max(count, 1))
        pool = self._pool(state, positions)
        return [] if not pool or count < 1 else self.choose(state, pool, spread_out(positions, count))

    def count_of(self, state: SearchState) -> int:
        """Return how many architectures one round evaluates."""
        settings = state.settings
        share = -(-(settings.evaluations - settings.sample) // settings.rounds)
        return min(share, remaining(state))

    def choose(self, state: SearchState, pool: list[Architecture], positions: Tensor) -> list[Architecture]:
        """Return for each of positions (p, d) what predictor and penalty like best of `pool`."""
        return thompson(state.predictor, state.dial, state.cost, pool, positions, state.generator)

    @staticmethod
    def _pool(state: SearchState, positions: Tensor) -> list[Architecture]:
        space = state.network.space
        named = at_positions(space, state.hypernet, state.dial, positions)
        near = likely(space, state.hypernet, state.dial, positions, DRAWS, state.generator)
        parents = [item.architecture for item in fronts(state.archive, state.cost)]
        neighbours = mutated(space, parents, DRAWS * len(positions), state.generator)
        return fresh(state, [*named, *near, *neighbours])

    def close(self, state: SearchState, progress: float) -> Figures:
        """Fit the predictor again, and the range: with the front, where the penalty begins to matter has moved."""
        figures = super().close(state, progress)
        state.fit_range(errors=True)
        return figures


class Confirm(Propose):
    """The last round: evaluate what the dial itself would answer, and let it keep what proved best."""

    name = "confirm"

    def propose(self, state: SearchState) -> list[Architecture]:
        """Return the members along the dial that were not evaluated yet, then further proposals."""
        known = Known.of(state.network, state.archive)
        dial_trainer(state).settle(known, state.generator, unseen_too=True)
        count = remaining(state)
        positions = state.dial.grid(max(count, 1))
        named = at_positions(state.network.space, state.hypernet, state.dial, positions)
        own = fresh(state, named)[:count]
        pool = unseen(self._pool(state, positions), own)
        others = spread_out(positions, count - len(own))
        if not pool or not len(others):
            return own
        return [*own, *thompson(state.predictor, state.dial, state.cost, pool, others, state.generator)]

    def close(self, state: SearchState, progress: float) -> Figures:
        """Fit the predictor and the range again, and the dial for good: it answers with what was measured."""
        figures = super().close(state, progress)
        known = Known.of(state.network, state.archive)
        return {**figures, "dial_loss": dial_trainer(state).settle(known, state.generator)}


def fresh(state: SearchState, architectures: Iterable[Architecture]) -> list[Architecture]:
    """Return those of `architectures` that run otherwise than what was evaluated and than each other."""
    return unseen(map(state.network.canonical, architectures), state.seen())


def spread_out(positions: Tensor, count: int) -> Tensor:
    """Return at most `count` of positions (p, d), from all over them: a dial may have more than were asked for."""
    if count >= len(positions):
        return positions
    return positions[torch.linspace(0, len(positions) - 1, count).round().long()]


def remaining(state: SearchState) -> int:
    """Return how many evaluations the settings still allow."""
    return max(state.settings.evaluations - len(state.archive), 0)


def dial_trainer(state: SearchState) -> DialTrainer:
    """Return what trains the hypernetwork of `state` on predictor and cost table."""
    return DialTrainer(
        dial=state.dial,
        hypernet=state.hypernet,
        predictor=state.predictor,
        cost=state.cost,
        relaxation=state.relaxation,
        temperature=state.settings.temperature,
        entropy=state.settings.entropy,
        steps=state.settings.dial_steps,
    )
