"""One dimension of a tensor as places, each of which is fixed or belongs to a unit of a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

_REMEMBERED = 256
"""Counts of which an axis remembers what stays."""


@dataclass(frozen=True)
class Axis:
    """What stands along one dimension of a tensor.

    Attributes:
        groups: of each place the number of its group, -1 where it is fixed.
        units: of each place its unit within that group.
    """

    groups: tuple[int, ...]
    units: tuple[int, ...]

    @cached_property
    def touches(self) -> frozenset[int]:
        """The groups in it."""
        return frozenset(self.groups) - {-1}

    def kept(self, counts: Sequence[int]) -> slice | Tensor:
        """Return which places stay where of group g the first counts[g] units do.

        Returns:
            `slice(0, n)` where those are the first ones, else their numbers (n,), rising.
        """
        key = tuple(counts[group] for group in self._touched)
        found = self._remembered.get(key)
        if found is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            found = self._remembered[key] = self._kept(counts)
        return found

    def size(self, counts: Sequence[int]) -> int:
        """Return how many places stay."""
        kept = self.kept(counts)
        return int(kept.stop) if isinstance(kept, slice) else len(kept)

    def before(self, place: int, counts: Sequence[int]) -> int:
        """Return how many of the places before `place` stay."""
        kept = self.kept(counts)
        if isinstance(kept, slice):
            return min(place, int(kept.stop))
        return int(torch.searchsorted(kept, place))

    def spread(self, masks: Sequence[Tensor]) -> Tensor:
        """Return of each place (n,) the mask of its unit, out of `masks[g]` (units,); 1 where it is fixed."""
        own = [masks[group] for group in self._touched]
        joined = torch.cat((torch.ones_like(own[0][:1]), *own))
        lengths = tuple(map(len, own))
        return joined.index_select(0, self._joined(lengths).to(joined.device))

    def _joined(self, lengths: tuple[int, ...]) -> Tensor:
        """Return of each place where it stands among a 1 and the masks of all groups in it, of these lengths."""
        if lengths not in self._places_joined:
            groups, units = self._places
            starts = torch.zeros(max(self._touched) + 1, dtype=torch.long)
            starts[list(self._touched)] = 1 + torch.tensor((0, *lengths[:-1])).cumsum(0)
            places = torch.where(groups < 0, 0, starts[groups.clamp_min(0)] + units)
            self._places_joined[lengths] = places
        return self._places_joined[lengths]

    def _kept(self, counts: Sequence[int]) -> slice | Tensor:
        groups, units = self._places
        limits = torch.tensor([*counts, 1])
        # Number -1 is the last.
        places = torch.nonzero((units < limits[groups]) | (groups < 0)).flatten()
        count = len(places)
        return slice(0, count) if not count or int(places[-1]) == count - 1 else places

    @cached_property
    def _places(self) -> tuple[Tensor, Tensor]:
        return torch.tensor(self.groups), torch.tensor(self.units)

    @cached_property
    def _touched(self) -> tuple[int, ...]:
        return tuple(sorted(self.touches))

    @cached_property
    def _places_joined(self) -> dict[tuple[int, ...], Tensor]:
        return {}

    @cached_property
    def _remembered(self) -> dict[tuple[int, ...], slice | Tensor]:
        return {}


Axes = tuple[Axis | None, ...]
"""One for each dimension of a tensor, None where it belongs to no group."""
