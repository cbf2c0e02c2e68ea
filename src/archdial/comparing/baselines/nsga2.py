"""Evolutionary search with NSGA-II, from a library."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any, ClassVar

import torch

from archdial.common.libraries import imported
from archdial.comparing.baselines.baseline import Judge, Search
from archdial.comparing.baselines.random import TRIES, draws
from archdial.families.family import Family
from archdial.space import Architecture, Space


class Nsga2(Search):
    """Non-dominated sorting with crossover and mutation (Deb et al. 2002), as optuna has it, of error and cost.

    Each choice is one categorical variable, an option of it one gene. The first generation is drawn as `Random` draws,
    over the whole range of cost: optuna's own would be uniform in each choice, and a weaker start. A generation has
    2 √budget architectures; what comes a second time costs no evaluation.
    """

    name: ClassVar[str] = "nsga2"
    needs: ClassVar[str] = "optuna"

    def search(self, family: Family, judge: Judge, generator: torch.Generator) -> None:
        """Breed generations until the budget is used up, or hardly anything new comes."""
        size = max(4, round(2 * math.sqrt(judge.left)))
        study = _study(size, int(torch.randint(2**31, (), generator=generator)))
        space, cost = family.space, family.costs[family.column]
        for architecture in islice(draws(family, size, generator), size):
            study.enqueue_trial(_genes(space, architecture))
        for _ in range(TRIES * judge.left):
            trial = study.ask()
            architecture = family.network.canonical(_expressed(space, trial))
            if not judge.left:
                return
            result = judge(architecture)
            study.tell(trial, (result.error, cost.of(architecture)))


def _study(size: int, seed: int) -> Any:
    optuna = imported("optuna", "baseline 'nsga2'", "baselines")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.NSGAIISampler(population_size=size, seed=seed)
    return optuna.create_study(directions=("minimize", "minimize"), sampler=sampler)


def _genes(space: Space, architecture: Architecture) -> dict[str, str]:
    taken = zip(space.choices, architecture.options, strict=True)
    return {choice.name: choice.options[option] for choice, option in taken}


def _expressed(space: Space, trial: Any) -> Architecture:
    options = (c.options.index(trial.suggest_categorical(c.name, c.options)) for c in space.choices)
    return Architecture(tuple(options))
