"""The network of a recipe: cells searched from scratch, or choices on a trained network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union

from pydantic import ConfigDict, Field
from torch import nn

from archdial.common.errors import UsageError, unknown
from archdial.common.limits import Fraction, Name, Size, Text
from archdial.networks.backbones import BACKBONES
from archdial.networks.cells import FROM_SCRATCH
from archdial.networks.cells.from_scratch import Described, FromScratch
from archdial.networks.cells.network import CellSettings
from archdial.networks.graph.choices.choice import DROPPED
from archdial.networks.graph.choices.gate import OPTIONS
from archdial.networks.graph.choices.width import MULTIPLE
from archdial.networks.graph.choosing import choices
from archdial.networks.graph.source import load_weights, make_model
from archdial.networks.supernet import Supernet
from archdial.space import Choice, Space
from archdial.tasks.calls import taken_by


@dataclass(frozen=True)
class GateSettings:
    """Choices on a trained network: gates on its operations, widths of what must agree.

    Attributes:
        model: a backbone of archdial, or `module:callable` of the user's code, called without arguments.
        width: channels of a backbone's first stage; its own where none is given.
        weights: a .safetensors file or a saved state dict; without one the model is taken as it is made.
        include, exclude, groups, outputs: see `archdial.gates`.
        gates: whether operations may be dropped.
        widths: fractions that units are kept by, as [1, 0.75, 0.5, 0.25]; without any every unit is kept.
        precision: what layers may compute in beside float32: [int8].
        multiple, streams: see `archdial.choices`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    later: ClassVar[Mapping[str, Any]] = {"precision": ()}

    kind: Literal["gates"] = "gates"
    model: Name = "resnet18"
    width: Size | None = None
    weights: Name | None = None
    include: tuple[Text, ...] = ()
    exclude: tuple[Text, ...] = ()
    groups: dict[str, tuple[Text, ...]] = field(default_factory=dict)
    outputs: tuple[Text, ...] | None = None
    gates: bool = True
    widths: tuple[Fraction, ...] | None = None
    multiple: Annotated[int, Field(ge=1, le=1024)] = MULTIPLE
    streams: bool = False
    precision: tuple[Literal["int8"], ...] = ()

    def __post_init__(self) -> None:
        if not self.gates and not self.widths and not self.precision:
            raise UsageError(
                "gates is false and there are no widths, which leaves nothing to choose: enable one of them"
            )
        if ":" not in self.model and self.model not in BACKBONES:
            raise UsageError(f"{unknown('model', self.model, BACKBONES)}; or name your own module:callable")
        if ":" in self.model and self.width is not None:
            raise UsageError(f"width = {self.width} for {self.model}: only archdial's own backbones take a width")

    def model_for(self, data: Described, *, trust: bool = False) -> nn.Module:
        """Return the model for images and classes of `data`, weights not yet loaded; `trust` as for `make_model`."""
        return make_model(**self.source(data), trust=trust)

    def source(self, data: Described) -> dict[str, Any]:
        """Return the arguments of `make_model`.

        Raises:
            UsageError: a backbone of archdial is for images, and these are none.
        """
        shape = list(data.input_shape)
        if ":" not in self.model and (len(shape) != 3 or not data.classes):
            raise UsageError(
                f"{self.model} classifies images of (channels, height, width), but the data have inputs {tuple(shape)} "
                f"and {len(data.classes)} classes: use your own model, or return the class names with the data"
            )
        return {"name": self.model, "width": self.width, "input_shape": shape, "classes": len(data.classes)}

    def make(self, data: Described, *, trust: bool = False) -> Supernet:
        """Return the gated network for inputs and classes of `data`; `trust` as for `make_model`."""
        model = self.model_for(data, trust=trust)
        if self.weights is not None:
            load_weights(model, Path(self.weights))
        example = taken_by(model, data.example)
        return choices(
            model.eval(),
            example,
            gates=self.gates,
            width=self.widths,
            precision=self.precision,
            include=self.include,
            exclude=self.exclude,
            groups=self.groups,
            multiple=self.multiple,
            streams=self.streams,
            source=self.source(data),
            outputs=self.outputs,
        )

    @property
    def stored_weights(self) -> Path | None:
        """The file of the weights."""
        return None if self.weights is None else Path(self.weights)

    def check_ready(self) -> None:
        """Raise UsageError where a search would prune a backbone that nobody trained."""
        if self.weights is None and self.model in BACKBONES:
            raise UsageError(
                f"{self.model} has no weights yet: run `archdial train` on this recipe first, then pass them with "
                "--weights or network.weights"
            )

    def with_weights(self, path: Path | None) -> GateSettings:
        """Return the settings with the weights in `path`, as an absolute path; None changes nothing else."""
        chosen = self.weights if path is None else str(path)
        return self if chosen is None else replace(self, weights=str(Path(chosen).expanduser().absolute()))

    def with_model(self, name: str | None) -> GateSettings:
        """Return the settings with another model, which has a width of its own; None changes nothing."""
        return self if name is None else replace(self, model=name, width=None)

    def example_space(self) -> Space:
        """Return a space like that of the network, which is not known before the model is captured."""
        return Space((Choice("gate", OPTIONS, ("operation", DROPPED)),))


KINDS: dict[str, type[FromScratch] | type[GateSettings]] = {
    **{kind: network.settings_type for kind, network in FROM_SCRATCH.items()},
    GateSettings.kind: GateSettings,
}

if TYPE_CHECKING:
    NetworkSettings = FromScratch | GateSettings
else:
    # For the validator, which has to be told of each kind.
    NetworkSettings = Union[tuple(KINDS.values())]  # noqa: UP007


def settings_type(value: Mapping[str, Any]) -> type[FromScratch] | type[GateSettings]:
    """Return the dataclass for the `network` section of a recipe.

    Raises:
        UsageError: its kind is unknown.
    """
    kind = str(value.get("kind", CellSettings.kind))
    if kind not in KINDS:
        raise unknown("network.kind", kind, KINDS)
    return KINDS[kind]
