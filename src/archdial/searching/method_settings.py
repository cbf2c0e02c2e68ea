"""Settings read by a single search method; `SearchSettings` adds those of all methods."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

from archdial.common.limits import Count, CountOrNone, Name, Rate, Share

STEPS = 500
"""Of a fit of the hypernetwork, on 64 positions each: enough for it to settle; seconds."""


@dataclass(frozen=True)
class PredictorSettings:
    """Weights first, then dial and accuracy predictor alternately.

    Attributes:
        rounds: how often predictor and dial are refitted to the evaluations; in the last round, the dial's own members
            are evaluated.
        turns: how often, after a share of `epochs` under `paths`, weights and dial take turns: the dial is searched,
            weights are trained under the best architectures found for a share of `epochs`, and so on; tuned only.
        budgets: how the budget of each training step in a turn is drawn: even over the range of cost, or in octaves,
            with equal frequency per doubling. Small members learn slowest, and their steps take the least time.
        dial_steps: steps per fit of the hypernetwork to predictor and cost table.
        proxies: scores of untrained members that are used besides the score with inherited weights, as far as they
            agree: synflow, naswot, zen, grad_norm, jacob_cov; for networks searched from scratch.
    """

    rounds: Count = 5
    turns: CountOrNone = 0
    budgets: Literal["even", "octaves"] = "even"
    dial_steps: Count = STEPS
    proxies: tuple[Name, ...] = ()


@dataclass(frozen=True)
class OnImages:
    """The hypernetwork descends on validation images.

    Attributes:
        hypernet_rate: learning rate of Adam for the hypernetwork.
    """

    hypernet_rate: Rate = 3e-3


@dataclass(frozen=True)
class TwoStageSettings(OnImages):
    """Weights first, then the dial on validation images.

    Attributes:
        dial_epochs: epochs over the validation images for the dial.
    """

    dial_epochs: CountOrNone = 2


@dataclass(frozen=True)
class JointSettings(OnImages):
    """Weights and dial at once, the papers' simplex method.

    Attributes:
        warmup_epochs: how many of the `epochs` come before the dial is trained too.
        smoothing: final radius of the random perturbation of option weights during weight training (SDARTS: 0.3); all
            options then run.
    """

    warmup_epochs: CountOrNone = 2
    smoothing: Share = 0.0


@dataclass(frozen=True)
class SingleLevelSettings(JointSettings):
    """Weights and dial on the same batch.

    Attributes:
        gradient: how the task's loss moves the dial. relaxed: through the relaxed option weights of one path, which
            hardly sees what a layer of normalisation undoes; compared: two paths drawn from the dial run on each batch,
            and the difference of their losses says which was better (score function; the relaxation is not used).
    """

    gradient: Literal["relaxed", "compared"] = "relaxed"


@dataclass(frozen=True)
class BilevelSettings(JointSettings):
    """Alternating per batch: weights on training images, dial on validation images; DARTS and DARTS-CC.

    Attributes:
        second_order: the dial's step differentiates through one step of the weights, in about four times the time.
    """

    second_order: bool = False


SETTINGS: dict[str, type[Any]] = {
    "predictor": PredictorSettings,
    "two_stage": TwoStageSettings,
    "single_level": SingleLevelSettings,
    "bilevel": BilevelSettings,
}
"""By method what it alone is told."""

READ_BY: dict[str, tuple[str, ...]] = {
    name: tuple(method for method, kind in SETTINGS.items() if name in {one.name for one in fields(kind)})
    for name in dict.fromkeys(one.name for kind in SETTINGS.values() for one in fields(kind))
}
"""By setting the methods that read it; all methods read the others."""
