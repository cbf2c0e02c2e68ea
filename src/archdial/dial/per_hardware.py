"""One dial for several devices: positions include the device, whose code the hypernetwork reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.cost.pricing.expected import Cost
from archdial.dial.dial import Dial, Tradeoff, make_dial


@dataclass(frozen=True)
class PerDevice(Dial):
    """Positions (n, d + 1): on a device's own dial, and last the number of the device.

    A search makes it of the user's dial; users meet the dials of single devices only. Each has a range of its own, as
    each device has its own costs.

    Attributes:
        dials: (devices,) dials of one kind.
        codes: (devices, code) numbers that tell the devices apart; see `Fingerprint`.
    """

    dials: tuple[Dial, ...]
    codes: tuple[tuple[float, ...], ...]
    kind: ClassVar[str] = "per_device"

    @classmethod
    def of(cls, dial: Dial, codes: Sequence[tuple[float, ...]]) -> Self:
        """Return `dial` for as many devices as there are codes."""
        return cls((dial,) * len(codes), tuple(codes))

    @property
    def features(self) -> int:
        """Those of the dial, and the code of the device."""
        return self.dials[0].features + len(self.codes[0])

    def fitted(self, kinds: tuple[str, ...], trade: Tradeoff | None = None) -> Self:
        """Return the dial with what each device's leaves open found; costs of `trade` are (n, devices)."""
        trades = [trade and trade.on(number) for number in range(len(self.dials))]
        return replace(self, dials=tuple(d.fitted(kinds, t) for d, t in zip(self.dials, trades, strict=True)))

    def opened(self) -> Self:
        """Return the dial with every device's range left open."""
        return replace(self, dials=tuple(dial.opened() for dial in self.dials))

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return positions (count, d + 1), each device equally likely."""
        device = torch.randint(len(self.dials), (count,), generator=generator)
        every = torch.stack([dial.sample(count, generator) for dial in self.dials])
        return _with(every[device, torch.arange(count)], device)

    def grid(self, count: int) -> Tensor:
        """Return about `count` positions, device by device; at least two of each."""
        share = max(2, -(-count // len(self.dials)))
        grids = [dial.grid(share) for dial in self.dials]
        return torch.cat([_with(grid, torch.full((len(grid),), number)) for number, grid in enumerate(grids)])

    def encode(self, positions: Tensor) -> Tensor:
        """Return the dial's codes and the device's (n, features)."""
        device = self._device(positions)
        codes = torch.zeros(len(positions), self.dials[0].features)
        for number, dial in enumerate(self.dials):
            rows = device == number
            codes[rows] = dial.encode(positions[rows, :-1])
        return torch.cat((codes, torch.tensor(self.codes)[device]), 1)

    def penalty(self, positions: Tensor, weights: Tensor, cost: Cost) -> Tensor:
        """Return each row's penalty (n,) by its own device's dial and cost."""
        return self._by_device(positions, weights, cost, lambda dial, *row: dial.penalty(*row))

    def join(self, task: Tensor, penalty: Tensor) -> Tensor:
        """Return the objective as the dials have it, which are of one kind."""
        return self.dials[0].join(task, penalty)

    @property
    def constrained(self) -> bool:
        """Whether the dials are."""
        return self.dials[0].constrained

    def excess(self, positions: Tensor, weights: Tensor, cost: Cost) -> Tensor:
        """Return each row's excess (n,) by its own device's dial and cost."""
        return self._by_device(positions, weights, cost, lambda dial, *row: dial.excess(*row))

    def _by_device(
        self,
        positions: Tensor,
        weights: Tensor,
        cost: Cost,
        value: Callable[[Dial, Tensor, Tensor, Cost], Tensor],
    ) -> Tensor:
        device = self._device(positions)
        parts = []
        for number, (dial, own) in enumerate(zip(self.dials, cost.each, strict=True)):
            rows = (device == number).nonzero().squeeze(1)
            if len(rows):
                part = value(dial, positions[rows, :-1], weights[rows], own)
                parts.append(part.new_zeros(len(positions)).index_put((rows,), part))
        return torch.stack(parts).sum(0)

    def check(self, position: Tensor) -> None:
        """Raise UsageError unless `position` (d + 1,) names a device and lies on its dial."""
        number = float(position[-1])
        if number not in range(len(self.dials)):
            raise UsageError(f"device number {number:g}: expected one of {len(self.dials)}, from 0")
        self.dials[int(number)].check(position[:-1])

    def settings(self) -> dict[str, Any]:
        """Return dials and codes."""
        return {"dials": [dial.to_json() for dial in self.dials], "codes": [list(code) for code in self.codes]}

    def restored(self, value: Mapping[str, Any]) -> Self:
        """Return the dial that `to_json` wrote of one for the same devices."""
        return replace(self, dials=tuple(make_dial(dial) for dial in value["dials"]))

    def _device(self, positions: Tensor) -> Tensor:
        return positions[:, -1].round().long()


def _with(positions: Tensor, device: Tensor) -> Tensor:
    return torch.cat((positions, device.to(positions).unsqueeze(1)), 1)
