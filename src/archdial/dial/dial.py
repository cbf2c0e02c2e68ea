"""The interface of dials: positions, their encoding for the hypernetwork, and a penalty."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from archdial.common.errors import UsageError, unknown
from archdial.common.own_code import check_free
from archdial.common.validation import conforming
from archdial.cost.pricing.expected import Cost


@dataclass(frozen=True)
class Tradeoff:
    """Task losses and costs of n architectures.

    Attributes:
        losses: task losses (n,).
        costs: costs (n,), as fractions of the cost range; with several devices (n, devices).
        ratio: the highest cost over the lowest, () or (devices,); 10 if unknown.
    """

    losses: Tensor
    costs: Tensor
    ratio: Tensor = field(default_factory=lambda: torch.tensor(10.0))

    @classmethod
    def among(cls, losses: Tensor, weights: Tensor, cost: Cost) -> Tradeoff:
        """Return the trade-off among architectures of one-hot `weights` (n, m, k) with these `losses` (n,)."""
        return cls(losses, cost.fraction(weights), cost.ratio)

    def on(self, number: int) -> Tradeoff:
        """Return the trade-off on device `number`, of several."""
        ratio = self.ratio[number] if self.ratio.ndim else self.ratio
        return Tradeoff(self.losses, self.costs[:, number], ratio)


class Dial(ABC):
    """The dial that the user turns, and the distribution from which its positions are drawn during a search.

    Positions are tensors (n, d). A dial is a value: `fitted` returns another one.

    Attributes:
        kind: its name in recipes and files.
    """

    kind: ClassVar[str]

    @property
    def constrained(self) -> bool:
        """Whether `excess` moves the hypernetwork towards cheap architectures, and not the gradient of the penalty."""
        return False

    @property
    @abstractmethod
    def features(self) -> int:
        """Width of the code that the hypernetwork reads."""

    @abstractmethod
    def fitted(self, kinds: tuple[str, ...], trade: Tradeoff | None = None) -> Self:
        """Return the dial with its open settings found from the space's kinds and from evaluated architectures."""

    @abstractmethod
    def opened(self) -> Self:
        """Return the dial with the settings that `fitted` finds open again, for the costs of another device."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return positions (count, d) drawn from the dial's distribution."""

    @abstractmethod
    def grid(self, count: int) -> Tensor:
        """Return about `count` positions (n, d) that cover the dial, from accurate to cheap if it has that order."""

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
        """Check that `position` (d,) is on the dial.

        Raises:
            UsageError: it is not.
        """

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the arguments that create an equal dial, as JSON."""

    def nearest(self, position: Tensor) -> Tensor:
        """Return the position (d,) on the dial that is nearest to `position`; by default `position` itself."""
        return position

    def position(self, value: float | list[float] | tuple[float, ...] | Tensor) -> Tensor:
        """Return a user's `value` as a position (d,).

        Raises:
            UsageError: it is not on the dial.
        """
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
        """Return the dial that `to_json` wrote for this one after fitting."""
        return make_dial(value)


DIALS: dict[str, Callable[..., Dial]] = {}
"""All registered dials, by kind."""


def register_dial(cls: type[Dial]) -> type[Dial]:
    """Register a dial by its kind, so that recipes and families can name it.

    Args:
        cls: the class of the dial, with a `kind` of its own; the decorator returns it. The same class may come again,
            as when a module is reloaded.

    Raises:
        UsageError: another class has this kind.
    """
    check_free("the kind of dial", cls.kind, cls, DIALS)
    DIALS[cls.kind] = cls
    return cls


def make_dial(value: Mapping[str, Any]) -> Dial:
    """Return the dial that `to_json` or a recipe describes.

    Args:
        value: `kind`, "scalar" by default, and arguments of that kind.

    Raises:
        UsageError: the kind or an argument is unknown.
    """
    settings = dict(value)
    kind = str(settings.pop("kind", "scalar"))
    if kind not in DIALS:
        raise UsageError(f"{unknown('dial', kind, DIALS)}; if it is your own, import the module that registers it")
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
