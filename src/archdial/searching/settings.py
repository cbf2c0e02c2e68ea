"""The settings of a search: a recipe's `search` section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from archdial.common.errors import UsageError, unknown
from archdial.common.limits import Count, Factor, Positive, Precision, Rate, Share
from archdial.common.validation import check_fields
from archdial.relaxation import RELAXATIONS, Temperature
from archdial.searching.method_settings import (
    BilevelSettings,
    PredictorSettings,
    SingleLevelSettings,
    TwoStageSettings,
)
from archdial.searching.paths import PATHS
from archdial.searching.proxies import PROXIES

Method = Literal["predictor", "two_stage", "single_level", "bilevel"]


@dataclass(frozen=True)
class SearchSettings(PredictorSettings, TwoStageSettings, SingleLevelSettings, BilevelSettings):
    """How to search; settings of a single method are in its own class, and rejected for other methods.

    Attributes:
        method: predictor (weights first, then dial and accuracy predictor alternately), two_stage (weights first, then
            the dial on validation images), single_level (both together, the papers' simplex method), bilevel
            (alternating per batch: weights on training images, dial on validation images; DARTS and DARTS-CC).
        epochs: epochs over the images for the weights.
        batch_size: images per step.
        paths: how paths are drawn while only weights are trained.
        learning_rate: initial learning rate for the weights; it falls to 0 along a cosine.
        momentum: momentum of SGD.
        weight_decay: weight decay.
        clip: largest norm of the gradient of the weights.
        optimizer: sgd, or adamw, which transformers need, at a much lower learning rate.
        augment: shift and mirror training images.
        hypernet: kind of hypernetwork, and its settings.
        relaxation: how logits become option weights.
        temperature: schedule of the temperature of the relaxation.
        cost: column of the cost table that the dial trades off against accuracy.
        entropy: weight of the entropy of the option probabilities against the dial's objective, whose spread is 1; it
            falls to 0 half-way. Without it, the steep cheap end decides the options before the accurate end can.
        evaluations: total number of architectures evaluated.
        sample: how many of these are drawn first, without the dial.
        evaluation_images: validation images that an architecture is evaluated on.
        regime: how weights of a pretrained network are treated: frozen keeps them, tuned continues training them under
            sampled paths for `epochs`.
        distillation: weight of the untouched network's softened outputs relative to the labels; tuned only.
        calibration_images: training images for the statistics of BatchNorm, kept with the family.
        precision: as in lightning-fabric, such as 32-true or bf16-mixed.
        importance: criterion for sorting the units of each width before the search, on as many training examples as
            `calibration_images`: first-order Taylor, norm of weights, activations, or none; not for gates and cells.
        readout: what the last linear layers of a member of a pretrained network have: inherited weights, or weights
            refitted, without labels, to the untouched network's outputs on as many training examples as
            `calibration_images`. Costs no latency; helps most with frozen weights.

    Raises:
        UsageError: a setting is out of range, unknown, or not read by the method.
    """

    method: Method = "predictor"
    epochs: Count = 20
    batch_size: Count = 64
    paths: str = "shares"
    learning_rate: Rate = 0.05
    momentum: Share = 0.9
    weight_decay: Factor = 3e-4
    clip: Positive = 5.0
    augment: bool = True
    hypernet: dict[str, Any] = field(default_factory=lambda: {"kind": "mlp"})
    relaxation: str = "straight_through"
    temperature: Temperature = field(default_factory=Temperature)
    cost: str = "latency_ms"
    entropy: Factor = 1.0
    evaluations: Count = 200
    sample: Count = 80
    evaluation_images: Count = 2000
    regime: Literal["frozen", "tuned"] = "frozen"
    distillation: Share = 0.5
    calibration_images: Count = 512
    precision: Precision = "32-true"
    optimizer: Literal["sgd", "adamw"] = "sgd"
    importance: Literal["taylor", "norm", "activation", "none"] = "taylor"
    readout: Literal["inherited", "refitted"] = "inherited"

    def __repr__(self) -> str:
        """Return the settings in the order that they always had: the fingerprints of runs are made of it."""
        names = (*_IN_ORDER, *(name for name, value in _USUAL.items() if getattr(self, name) != value))
        return f"SearchSettings({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON value; without those that older runs lack where they are as in older runs."""
        values = {**asdict(self), "proxies": list(self.proxies)}
        newer = {name: values.pop(name) for name in _NEWER}
        return {**values, **{name: value for name, value in newer.items() if getattr(self, name) != _USUAL[name]}}

    def __post_init__(self) -> None:
        check_fields(self, "search")
        if self.paths not in PATHS:
            raise unknown("search.paths", self.paths, PATHS)
        if self.relaxation not in RELAXATIONS:
            raise unknown("search.relaxation", self.relaxation, RELAXATIONS)
        # Whoever passes a list means the same run.
        object.__setattr__(self, "proxies", tuple(self.proxies))
        _check_proxies(self.proxies)
        if not 2 <= self.sample <= self.evaluations:
            raise UsageError(f"search.sample = {self.sample}: expected 2 to evaluations = {self.evaluations}")
        if self.turns and (self.regime, self.method) != ("tuned", "predictor"):
            raise UsageError(f"search.turns = {self.turns}: expected 0 except for method predictor with regime tuned")
        if not 0 <= self.turns < self.epochs:
            raise UsageError(
                f"search.turns = {self.turns}: expected 0 to epochs − 1 = {self.epochs - 1}, as each turn takes at "
                "least one epoch, after a first one"
            )
        if self.budgets != "even" and not self.turns:
            raise UsageError(f"search.budgets = {self.budgets} requires search.turns: set search.turns or omit it")
        together = self.method in ("single_level", "bilevel")
        if self.second_order and self.method != "bilevel":
            raise UsageError(f"search.second_order applies to method bilevel, not {self.method}: omit it")
        if self.smoothing and not together:
            raise UsageError(
                f"search.smoothing = {self.smoothing} applies to methods single_level and bilevel, not {self.method}: "
                "omit it"
            )
        _check_gradient(self)
        if together and not 0 < self.warmup_epochs < self.epochs:
            raise UsageError(
                f"search.warmup_epochs = {self.warmup_epochs}: expected 1 to epochs − 1 = {self.epochs - 1}, "
                "because the dial's range is found in between"
            )


def _check_gradient(settings: SearchSettings) -> None:
    if settings.gradient != "compared":
        return
    if settings.method != "single_level":
        raise UsageError(f"search.gradient applies to method single_level, not {settings.method}: omit it")
    if settings.smoothing:
        raise UsageError(
            f"search.smoothing = {settings.smoothing} requires search.gradient relaxed, as compared paths are "
            "architectures, not weighted options: set smoothing to 0 or omit gradient"
        )


def _check_proxies(names: Sequence[str]) -> None:
    for name in names:
        if name not in PROXIES:
            raise unknown("search.proxies", name, PROXIES)
    if len(set(names)) != len(names):
        raise UsageError(f"search.proxies = [{', '.join(names)}]: expected each name once; remove duplicates")


_USUAL: dict[str, Any] = {
    "optimizer": "sgd",
    "importance": "taylor",
    "budgets": "even",
    "proxies": (),
    "readout": "inherited",
    "gradient": "relaxed",
}
_NEWER = ("proxies", "readout", "gradient")
"""What older runs lack."""
_IN_ORDER = (
    "method",
    "epochs",
    "warmup_epochs",
    "second_order",
    "smoothing",
    "dial_epochs",
    "dial_steps",
    "batch_size",
    "paths",
    "learning_rate",
    "momentum",
    "weight_decay",
    "clip",
    "augment",
    "hypernet",
    "hypernet_rate",
    "relaxation",
    "temperature",
    "cost",
    "entropy",
    "evaluations",
    "sample",
    "rounds",
    "evaluation_images",
    "regime",
    "turns",
    "distillation",
    "calibration_images",
    "precision",
)
