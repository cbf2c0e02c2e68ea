"""One architecture of a family, with its figures and their origin."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from torch import Tensor, nn

from archdial.families.promise import Promise
from archdial.space import Architecture, Space

if TYPE_CHECKING:
    from pathlib import Path

    from archdial.cost.table.table import CostTable
    from archdial.data import Normalize
    from archdial.exporting import Exported
    from archdial.exporting.built import BuiltMember
    from archdial.networks.supernet import Supernet
    from archdial.tasks.measure import Measure
    from archdial.tasks.task import Task
    from archdial.training.plain_network import TrainSettings

Origin = Literal["measured", "predicted"]
Weights = Literal["inherited", "finetuned", "retrained"]


class Parent(Protocol):
    """What a member asks of its family."""

    network: Supernet
    normalize: Normalize | None
    calibration: Tensor | tuple[Any, ...]
    classes: tuple[str, ...]
    device: str | None
    table: CostTable

    @property
    def examples(self) -> int | None:
        """How many examples scores were measured on; None where nobody knows."""

    @property
    def calibrating(self) -> Sequence[Any]:
        """Inputs of the network for BatchNorm statistics, a batch each."""

    @property
    def task(self) -> Task:
        """What its members are for."""

    @property
    def space(self) -> Space:
        """The choices of the supernet."""

    def build(self, architecture: Architecture, *, merge: bool = True) -> nn.Module:
        """Return a plain module with BatchNorm statistics of its own."""


@dataclass(frozen=True)
class AfterTraining:
    """Validation score of a member of a refined family after individual training.

    Attributes:
        score: by the measure of the family's task.
        origin: measured if it was trained, otherwise predicted.
        weights: what the training started from: new weights (retrained) or inherited ones (finetuned).
        epochs: length of the training.
        name: name of the trained member's files; None if it was not trained.
    """

    score: float
    origin: Origin
    weights: Weights
    epochs: int
    name: str | None = None

    def to_json(self, measure: Measure) -> dict[str, Any]:
        """Return it as a JSON value, the score under the name of `measure`."""
        return {
            measure.name: self.score,
            "provenance": self.origin,
            "weights": self.weights,
            "epochs": self.epochs,
            "trained": self.name,
        }


@dataclass(frozen=True)
class Member:
    """One architecture of a family.

    Attributes:
        family: the family that its weights come from.
        architecture: one option for each choice.
        dial: the dial position from which it was taken, or at which it is most likely: a number, or a list of them.
        score: by the measure of the family's task, with weights as in `weights_from`.
        score_from: measured on data, or predicted.
        score_split: the data: validation (of the search) or test.
        latency_ms: latency of one batch on the device of the cost table, in ms.
        latency_from: predicted by the table, or measured on the built module.
        parameters: number of parameters of the whole built module.
        cell_parameters: how many of them are in the choices.
        flops: FLOPs of one input; a multiply-add counts as two.
        weights_from: the search, unless the built module was trained afterwards.
        size_bytes: bytes of parameters and buffers; None with a table from an older archdial.
        peak_bytes: maximum that one operator reads and writes at once for one input; None likewise.
        promise: from `within` with a latency budget: what was promised, with what confidence, and what was measured.
        cheaper: from `within`: the cheapest evaluated member that is as good within evaluation noise.
        after_training: its score after individual training; only in refined families.
    """

    family: Parent = field(repr=False, compare=False)
    architecture: Architecture
    dial: float | list[float] | None
    score: float
    score_from: Origin
    latency_ms: float
    parameters: int
    cell_parameters: int
    flops: int
    score_split: str = "validation"
    latency_from: Origin = "predicted"
    weights_from: Weights = "inherited"
    size_bytes: int | None = None
    peak_bytes: int | None = None
    promise: Promise | None = None
    cheaper: Member | None = None
    after_training: AfterTraining | None = None

    @property
    def promised_ms(self) -> float | None:
        """Maximum latency of a batch in ms, with `confidence`; None without a latency budget."""
        return None if self.promise is None else self.promise.latency_ms

    @property
    def confidence(self) -> float | None:
        """Confidence of `promised_ms`; None if unknown."""
        return None if self.promise is None else self.promise.confidence

    @property
    def measured_ms(self) -> float | None:
        """Latency in ms measured on this machine by `within(measured=True)`."""
        return None if self.promise is None else self.promise.measured_ms

    @property
    def measure(self) -> Measure:
        """How its score is named and compared."""
        return self.family.task.measure

    @property
    def merit(self) -> float:
        """Its score such that higher is better."""
        return self.measure.merit(self.score)

    @property
    def accuracy(self) -> float:
        """The score, under the name that it has in classification."""
        return self.score

    @property
    def accuracy_from(self) -> Origin:
        """Whether the score was measured on data, or predicted."""
        return self.score_from

    @property
    def accuracy_split(self) -> str:
        """The data of the score."""
        return self.score_split

    def build(self, *, merge: bool = True) -> nn.Module:
        """Return a plain module in eval mode: inherited weights, BatchNorm statistics of this architecture.

        Inputs of images are (n, c, h, w), normalised as `family.normalize` does it; others are as in the example of the
        network.

        Args:
            merge: merge layers where the cost table says that this is faster; to continue training, keep them separate.

        Raises:
            UsageError: the family was loaded without the model of the search.
        """
        return self.family.build(self.architecture, merge=merge)

    @property
    def merging(self) -> list[tuple[str, ...]]:
        """Names of the consecutive layers that are merged into one in the built module."""
        return self.family.table.merging(self.family.space.describe(self.architecture))

    def merged(self, module: nn.Module) -> nn.Module:
        """Return `module`, built with `merge=False` and trained since, with layers merged as in `build`."""
        return self.family.network.merge(module.eval(), self.merging)

    @property
    def identity(self) -> Hashable:
        """A value that is equal for members that are the same network."""
        return self.architecture

    def timed(self) -> nn.Module:
        """Return the module for timing only: BatchNorm's statistics are not those of this architecture."""
        return self.merged(self.family.network.build(self.architecture))

    def finetune(
        self, images: object, settings: TrainSettings | None = None, seed: int = 0, teacher: nn.Module | None = None
    ) -> nn.Module:
        """Return the built module after training on `images` from inherited weights.

        Args:
            images: training data: images in memory, a Dataset, a DataLoader, or an iterable of batches.
            settings: `TrainSettings.finetuning()` by default.
            seed: seed of order and augmentation.
            teacher: a trained module to distil from, such as `family.network.untouched()` with gates.

        Raises:
            UsageError: the data or the task do not fit the module.
            RunError: the loss is not finite, or the training was interrupted.
        """
        from archdial.training.plain_network import TrainSettings, train

        module = self.build(merge=False)
        settings = settings or TrainSettings.finetuning()
        return self.merged(train(module, images, self.family.task, settings, seed=seed, teacher=teacher))

    def retrain(self, images: object, settings: TrainSettings | None = None, seed: int = 0) -> nn.Module:
        """Return the built module after training on `images` from new weights drawn with `seed`.

        Args:
            images: training data, as in `finetune`.
            settings: `TrainSettings()` by default.
            seed: seed of the weights, of order and augmentation.

        Raises:
            UsageError: as in `finetune`.
            RunError: as in `finetune`.
        """
        from archdial.training.plain_network import TrainSettings, restart, train

        module = restart(self.build(merge=False), seed)
        return self.merged(train(module, images, self.family.task, settings or TrainSettings(), seed=seed))

    def built(self, module: nn.Module | None = None) -> BuiltMember:
        """Return the built member with everything needed to run it, as `archdial.exporting.export` takes it.

        Args:
            module: the built member after fine-tuning or retraining; by default it is built with inherited weights.
        """
        from archdial.exporting.built import BuiltMember
        from archdial.networks.example import shapes_of

        family = self.family
        example = family.network.example
        figures, shape = self.to_json(), shapes_of(example)[0]
        return BuiltMember(module or self.build(), shape, family.normalize, family.classes, figures, example)

    def export(self, path: str | Path, format: str, module: nn.Module | None = None) -> Exported:
        """Write the built member to `path` in a format that needs no archdial; see `exporting.export`.

        Args:
            path: destination; an existing file is replaced.
            format: pt2, onnx, openvino or executorch.
            module: the built member after fine-tuning or retraining; by default it is built with inherited weights.

        Raises:
            UsageError: there is no such format, the path has the wrong suffix, or a library is missing.
            RunError: the format cannot represent the module, or the file does not reproduce it; nothing is written.
        """
        from archdial.exporting import export

        return export(self.built(module), path, format)

    def to_json(self) -> dict[str, Any]:
        """Return the member as the JSON object that commands print."""
        space, name = self.family.space, self.measure.name
        after = self.after_training
        return {
            "dial": self.dial,
            "device": self.family.device,
            "architecture": space.describe(self.architecture),
            name: self.score,
            "latency_ms": self.latency_ms,
            "parameters": self.parameters,
            "cell_parameters": self.cell_parameters,
            "flops": self.flops,
            "size_bytes": self.size_bytes,
            "peak_bytes": self.peak_bytes,
            "promise": None if self.promise is None else self.promise.to_json(),
            "cheaper": None if self.cheaper is None else self.cheaper.to_json(),
            "counts": space.counts(self.architecture),
            "provenance": {
                name: self.score_from,
                f"{name}_split": self.score_split,
                "weights": self.weights_from,
                "latency_ms": self.latency_from,
                "parameters": "counted",
                "flops": "counted",
            },
            **({} if after is None else {"after_training": after.to_json(self.measure)}),
        }
