"""The search methods, each a sequence of phases; a phase is one kind of step for a number of epochs."""

from __future__ import annotations

from collections.abc import Callable

from archdial.common.errors import UsageError
from archdial.networks.pretrained import Pretrained
from archdial.searching.state import SearchState
from archdial.searching.steps.bilevel import TrainBilevel
from archdial.searching.steps.compared import TrainCompared
from archdial.searching.steps.dial import TrainDial
from archdial.searching.steps.evaluate import Confirm, Members, Propose, Renew, Sample
from archdial.searching.steps.fill import Fill
from archdial.searching.steps.joint import TrainJointly
from archdial.searching.steps.tune import TuneWeights
from archdial.searching.steps.weights import TrainWeights
from archdial.training.step import Phase


def _weights(state: SearchState) -> list[Phase[SearchState]]:
    return [] if state.frozen else [Phase(TrainWeights(state), state.settings.epochs)]


LOOK = 20
"""Evaluations of each of the two rounds before a turn of the weights, besides the sample."""


def _turns(state: SearchState) -> list[Phase[SearchState]]:
    """Weights and dial in turn: what was found best is what the weights are tuned for, and the other way round.

    The weights begin, under sampled paths: before, whatever is dropped leaves little but chance to tell apart.
    """
    turns, epochs = state.settings.turns, state.settings.epochs
    share = 1 / (turns + 1)
    ends = [round(part * share * epochs) for part in range(turns + 2)]
    phases = [Phase(TrainWeights(state, share), ends[1]), Phase(Sample(errors=True), 1)]
    for turn in range(1, turns + 1):
        phases += [
            Phase(Fill(most=LOOK), 2),
            Phase(TuneWeights(state, share, turn * share), ends[turn + 1] - ends[turn]),
            Phase(Renew(errors=True), 1),
        ]
    return [*phases, *_dial(state)]


def _dial(state: SearchState) -> list[Phase[SearchState]]:
    rounds = Fill() if isinstance(state.network, Pretrained) else Propose()
    return [Phase(rounds, state.settings.rounds - 1), Phase(Confirm(), 1)]


def _predictor(state: SearchState) -> list[Phase[SearchState]]:
    if state.settings.turns and not state.frozen:
        return _turns(state)
    return [
        *_weights(state),
        Phase(Sample(errors=True), 1),
        *_dial(state),
    ]


def _two_stage(state: SearchState) -> list[Phase[SearchState]]:
    return [
        *_weights(state),
        Phase(Sample(errors=False), 1),
        Phase(TrainDial(), state.settings.dial_epochs),
        Phase(Members(), 1),
    ]


def _single_level(state: SearchState) -> list[Phase[SearchState]]:
    return _together(state, TrainCompared if state.settings.gradient == "compared" else TrainJointly)


def _bilevel(state: SearchState) -> list[Phase[SearchState]]:
    return _together(state, TrainBilevel)


def _together(state: SearchState, step: type[TrainJointly | TrainBilevel]) -> list[Phase[SearchState]]:
    """Return the plan of a method that trains weights and dial in one kind of step, once the weights are warm."""
    if state.frozen:
        raise UsageError(
            f"{state.settings.method} trains weights and dial together: to keep given weights, use predictor or "
            "two_stage"
        )
    first, both = state.settings.warmup_epochs, state.settings.epochs - state.settings.warmup_epochs
    share = first / state.settings.epochs
    return [
        Phase(TrainWeights(state, share), first),
        Phase(Sample(errors=False), 1),
        Phase(step(state, 1 - share), both),
        Phase(Members(), 1),
    ]


PLANS: dict[str, Callable[[SearchState], list[Phase[SearchState]]]] = {
    "predictor": _predictor,
    "two_stage": _two_stage,
    "single_level": _single_level,
    "bilevel": _bilevel,
}


def make_plan(state: SearchState) -> list[Phase[SearchState]]:
    """Return the phases of the method that the settings name."""
    return PLANS[state.settings.method](state)
