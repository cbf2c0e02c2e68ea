"""The interface of networks with choices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.networks.calling import Calling
from archdial.networks.example import Inputs, Shapes, flat
from archdial.space import Architecture, Space, meets


@dataclass(frozen=True)
class Part:
    """A piece of a network whose cost is taken alone.

    Attributes:
        key: equal keys are equal work on equal shapes, and are measured once; its kind, a slash, and more.
        module: takes one tensor of shape (batch, *input_shape), or as many as `inputs` has.
        input_shape: shape of one input, without the batch.
        inputs: tensors (1, …) that flow into it for one input of the network, where it takes several or they matter;
            without them it is measured on random numbers.
        batch_dimensions: of each of `inputs` the dimension that grows with the batch, or None; the first by default.
        family: parts of one family are the same work on other sizes, so that where there are many of them a few say
            what the others take; empty for what stands alone.
        sizes: how large its work is, in the family's order, as channels in and channels out; none takes less as one of
            them grows.
    """

    key: str
    module: nn.Module = field(compare=False)
    input_shape: tuple[int, ...]
    inputs: tuple[Tensor, ...] = field(default=(), compare=False)
    batch_dimensions: tuple[int | None, ...] = field(default=(), compare=False)
    family: str = field(default="", compare=False)
    sizes: tuple[float, ...] = field(default=(), compare=False)

    @property
    def kind(self) -> str:
        """What it is, apart from shapes: parts of one kind are fused, and pay for launches, alike."""
        return self.key.partition("/")[0]


def part_on(key: str, module: nn.Module, inputs: Inputs | Sequence[int]) -> Part:
    """Return `module` as a part that is run on `inputs` (1, …), or on one tensor of a shape without the batch.

    Of one tensor of floating point only the shape counts: numbers are drawn. Others, as tokens and masks, are as they
    are.
    """
    if isinstance(inputs, Sequence) and all(isinstance(side, int) for side in inputs):
        return Part(key, module, tuple(side for side in inputs if isinstance(side, int)))
    tensors = flat(inputs)  # type: ignore[arg-type]
    alone = len(tensors) == 1 and tensors[0].is_floating_point()
    return Part(key, module, tuple(tensors[0].shape[1:]), () if alone else tuple(tensors))


@dataclass(frozen=True)
class Merging:
    """One part that may take the place of all parts of an entry.

    Attributes:
        layers: names of the modules that become one, in the order in which they run.
        part: which does what they do.
    """

    layers: tuple[str, ...]
    part: Part


@dataclass(frozen=True)
class TermPlan:
    """One term of a network's cost before it is measured: which parts run under which options.

    Attributes:
        choices: names of the choices that the term depends on; none for what always runs.
        entries: option names, one a choice, to the parts that then run; combinations left out cost nothing. Several
            options of a choice with | between are any of them.
        merging: what may take the place of the parts of an entry, where it is the faster.
    """

    choices: tuple[str, ...]
    entries: Mapping[tuple[str, ...], tuple[Part, ...]]
    merging: Mapping[tuple[str, ...], Merging] = field(default_factory=dict)

    def under(self, options: tuple[str, ...]) -> tuple[Part, ...]:
        """Return the parts that run under `options`, one a choice."""
        return tuple(part for asked, parts in self.entries.items() if meets(options, asked) for part in parts)


class Supernet(nn.Module, ABC):
    """The network that holds every option; the weights of the options are an argument of its forward."""

    space: Space
    calling: Calling = Calling()
    """How it is called: with one tensor by default."""
    gives_loss = False
    """Whether it takes labels too, and returns its own loss among its outputs."""
    mixed_precision = False
    """Whether some of its choices are about eight bits."""

    @abstractmethod
    def forward(self, inputs: Any, weights: Tensor) -> Any:
        """Return the outputs, as logits (batch, classes), for `inputs` under option weights (m, k).

        An option whose weight is exactly zero does not run.
        """

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the one architecture that stands for all that run the same as `architecture`."""
        return architecture

    def scaled(self, share: float) -> Supernet | None:
        """Return a network over the same space with `share` of the channels and new weights; None if impossible."""
        return None

    def at(self, shapes: Shapes) -> Supernet:
        """Return the same network, with the same weights, as it runs on inputs of other shapes, without the batch.

        Raises:
            UsageError: it does not run on other shapes, as cells do not.
        """
        raise UsageError(
            f"shapes {shapes}: cells have a fixed input size; create them with another image_size or length"
        )

    @abstractmethod
    def build(self, architecture: Architecture, calibration: Sequence[Any] = ()) -> nn.Module:
        """Return a plain module that computes what the supernet computes under `architecture`, weights copied.

        The supernet is only read, so any number of threads may build.

        Args:
            architecture: one option for each choice.
            calibration: inputs (n, …), normalised, for recomputing BatchNorm's statistics; the module is then in eval
                mode. Without any, it has the supernet's statistics and modes. A trained network from which nothing is
                dropped keeps its own.
        """

    def merge(self, module: nn.Module, rows: Sequence[Sequence[str]]) -> nn.Module:
        """Merge each of several rows of layers, by name, into one in a built `module` in eval mode; return it.

        Raises:
            UsageError: the layers are not consecutive; in cells, none are.
        """
        if rows:
            raise UsageError(f"cannot merge layers {', '.join(rows[0])}: cells have no layers to merge")
        return module

    @abstractmethod
    def terms(self) -> list[TermPlan]:
        """Return the parts of the network, by the options under which they run."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return the plan from which an equal network can be created, as a JSON value."""

    @property
    @abstractmethod
    def example(self) -> Inputs:
        """Inputs for a batch of one, (1, …) each; integers have values that the network accepts."""
