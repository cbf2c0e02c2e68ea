"""A gated network without its code: its family answers from the stored choices; running it is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.networks.example import Inputs, example_of
from archdial.networks.graph.choices.stored import options_of
from archdial.networks.graph.conditions import Condition
from archdial.networks.graph.input_plan import inputs_of
from archdial.networks.graph.need import running
from archdial.networks.pretrained import Pretrained
from archdial.networks.supernet import TermPlan
from archdial.space import Architecture, Space


class ClosedNetwork(Pretrained):
    """What a family's files say of a network that only code of the user makes.

    Code is named by the person at the keyboard, never by a file: else a family that is handed over could call anything.

    Attributes:
        why: the sentence that says what is missing, and how to name it.
        conditions: when any operation of each choice runs; None where an older archdial did not write it down.

    Raises:
        UsageError: the choices are not those of the plan.
    """

    def __init__(
        self, plan: Mapping[str, Any], space: Space, why: str, conditions: tuple[Condition, ...] | None
    ) -> None:
        super().__init__()
        if {choice.name: choice.options for choice in space.choices} != options_of(plan):
            raise UsageError("its choices do not match its network: restore a copy of the whole folder")
        self.space, self.why, self.conditions, self._plan = space, why, conditions, dict(plan)
        self._tensors: dict[str, Tensor] = {}
        self._original: dict[str, Tensor] = {}

    def refuse(self) -> NoReturn:
        """Raise UsageError: the network is asked to run."""
        raise UsageError(self.why)

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return `architecture` with all that is kept in vain dropped, as far as that is known."""
        self.space.check(architecture)
        return architecture if self.conditions is None else running(self.conditions, self.space, architecture)

    @property
    def whole(self) -> Architecture:
        """The architecture that keeps everything."""
        return Architecture((0,) * len(self.space.choices))

    @property
    def example(self) -> Inputs:
        """One input (1, …)."""
        if "inputs" in self._plan:
            return inputs_of(self._plan)
        # As the validator read it, to which 8.0 is 8.
        return example_of(tuple(map(int, self._plan["input_shape"])))

    def to_json(self) -> dict[str, Any]:
        """Return what it was made from."""
        return self._plan

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Return the tensors that were loaded, so that the family can be saved again."""
        return dict(self._tensors)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Keep `state_dict` as it is."""
        self._tensors = dict(state_dict)

    def remember(self) -> None:
        """Refuse."""
        self.refuse()

    def changed(self) -> dict[str, Tensor]:
        """Return what `recall` was given."""
        return self._original

    def recall(self, changed: Mapping[str, Tensor]) -> None:
        """Keep `changed` as it is."""
        self._original = dict(changed)

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Refuse."""
        self.refuse()

    def build(self, architecture: Architecture, calibration: Sequence[Tensor] = ()) -> nn.Module:
        """Refuse."""
        self.refuse()

    def untouched(self) -> nn.Module:
        """Refuse."""
        self.refuse()

    def terms(self) -> list[TermPlan]:
        """Refuse."""
        self.refuse()
