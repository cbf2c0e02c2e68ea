"""The interface of dials: positions, their encoding for the hypernetwork, and a penalty."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from archdial.common.errors import UsageError, unknown
from archdial.common.validation import conforming
from archdial.cost.pricing.expected import Cost


@dataclass(frozen=True)
class Tradeoff:
    """Task losses (n,) of architectures beside their costs (n,), as fractions of the cost range.

    Of several devices costs are (n, devices).

    Attributes:
        ratio: the highest cost over the lowest, () or (devices,); where it is not told, ten.
    """

    losses: Tensor
    costs: Tensor
    ratio: Tensor = field(default_factory=lambda: torch.tensor(10.0))

    @classmethod
    def among(cls, losses: Tensor, weights: Tensor, cost: Cost) -> Tradeoff:
        """Return the trade-off among architectures of one-hot `weights` (n, m, k) with these `losses` (n,)."""
        return cls(losses, cost.fraction(weights), cost.ratio)

    def on(self, number: int) -> Tradeoff:
        """Return the trade-off on the device of that number, of several."""
        ratio = self.ratio[number] if self.ratio.ndim else self.ratio
        return Tradeoff(self.losses, self.costs[:, number], ratio)


class Dial(ABC):
    """The dial that the user turns, and the distribution its positions are drawn from while searching.

    Positions are tensors (n, d). A dial is a value: `fitted` returns another one.
    """

    kind: ClassVar[str]

    @property
    def constrained(self) -> bool:
        """Whether it is `excess` that moves the hypernetwork towards cheap ones, and no gradient of the penalty."""
        return False

    @property
    @abstractmethod
    def features(self) -> int:
        """Width of the code that the hypernetwork reads."""

    @abstractmethod
    def fitted(self, kinds: tuple[str, ...], trade: Tradeoff | None = None) -> Self:
        """Return the dial with what it leaves open found from the space's kinds and from evaluated architectures."""

    @abstractmethod
    def opened(self) -> Self:
        """Return the dial with all that `fitted` finds left open again, as another device's costs ask for."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return positions (count, d) drawn from the dial's distribution."""

    @abstractmethod
    def grid(self, count: int) -> Tensor:
        """Return about `count` positions (n, d) that cover the dial, from accurate to cheap where it has that order."""

    @abstractmethod
    def encode(self, positions: Tensor) -> Tensor:
        """Return codes (n, features) in [0, 1] of positions (n, d)."""

    @abstractmethod
    def penalty(self, positions: Tensor, weights: Tensor, cost: Cost) -> Tensor:
        """Return the penalty (n,) at positions (n, d) of option weights (n, m, k)."""

    def join(self, task: Tensor, penalty: Tensor) -> Tensor:
        """Return the objective (n,) of task loss (n,) or () and penalty (n,): by default their sum."""
        return task + penalty

    def excess(self, positions: Tensor, weights: Tensor, cost: Cost) -> Tensor:
        """Return by how much (n,) option weights (n, m, k) exceed what positions (n, d) allow: by default 0."""
        return weights.new_zeros(len(positions))

    @abstractmethod
    def check(self, position: Tensor) -> None:
        """Raise UsageError unless `position` (d,) lies on the dial."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the arguments that make an equal dial, as JSON."""

    def nearest(self, position: Tensor) -> Tensor:
        """Return the position (d,) on the dial that is next to `position`; by default that itself."""
        return position

    def position(self, value: float | list[float] | tuple[float, ...] | Tensor) -> Tensor:
        """Return a user's `value` as a checked position (d,)."""
        position = torch.as_tensor(value, dtype=torch.float32).reshape(-1)
        self.check(position)
        return position

    def value(self, position: Tensor) -> float | list[float]:
        """Return a position (d,) as JSON: a number, or a list of them."""
        return float(position) if position.numel() == 1 else [round(float(x), 6) for x in position]

    def to_json(self) -> dict[str, Any]:
        """Return the dial as a JSON value."""
        return {"kind": self.kind, **self.settings()}

    def restored(self, value: Mapping[str, Any]) -> Dial:
        """Return the dial that `to_json` wrote of this one, once it was fitted."""
        return make_dial(value)


DIALS: dict[str, Callable[..., Dial]] = {}


def register_dial(cls: type[Dial]) -> type[Dial]:
    """Register a dial by its kind, so that recipes and families can name it."""
    DIALS[cls.kind] = cls
    return cls


def make_dial(value: Mapping[str, Any]) -> Dial:
    """Return the dial that `to_json` or a recipe describes: its kind, and arguments of that kind.

    Raises:
        UsageError: the kind or an argument is unknown.
    """
    settings = dict(value)
    kind = str(settings.pop("kind", "scalar"))
    if kind not in DIALS:
        raise unknown("dial", kind, DIALS)
    made = DIALS[kind]
    known = getattr(made, "__dataclass_fields__", {})
    for name in settings:
        if name not in known:
            raise unknown(f"setting of the dial {kind}", name, known)
    checked: Dial = conforming(made, settings, "dial") if is_dataclass(made) else made(**settings)
    return checked


def one_number(kind: str, position: Tensor) -> float:
    """Return the number of a one-dimensional position, or raise UsageError."""
    if position.numel() != 1:
        raise UsageError(f"position {position.tolist()} on the dial {kind}: expected one number")
    return float(position)
