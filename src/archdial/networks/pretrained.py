"""A supernet over a network that was trained before: a search begins with its weights, and its whole stays itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from archdial.networks.supernet import Supernet
from archdial.space import Architecture
from archdial.tasks.task import Task


class Pretrained(Supernet):
    """What a supernet over a trained network offers in addition.

    Attributes:
        readout: whether building refits the last linear layers to the untouched network's outputs, see `readout`.
    """

    readout: bool = False

    @property
    @abstractmethod
    def whole(self) -> Architecture:
        """The architecture that is the network as it came."""

    @abstractmethod
    def remember(self) -> None:
        """Keep the weights as they are now: whatever is trained later, the whole network has these."""

    @abstractmethod
    def changed(self) -> dict[str, Tensor]:
        """Return the state of the network as it came, where its state is another now."""

    @abstractmethod
    def recall(self, changed: Mapping[str, Tensor]) -> None:
        """Remember what an equal network with the same weights gave as `changed`."""

    @abstractmethod
    def untouched(self) -> nn.Module:
        """Return the network as it came: a copy to learn from."""


def taught(task: Task, network: Supernet) -> Task:
    """Return `task`; one that imitates with the network as it came, if it was trained before."""
    return task.taught(network.untouched()) if task.imitates and isinstance(network, Pretrained) else task


def whole_of(network: Supernet) -> Architecture | None:
    """Return the architecture that is the network as it came, if it was trained before."""
    return network.whole if isinstance(network, Pretrained) else None
