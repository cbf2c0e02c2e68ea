"""What family.json says of the last layers of members: weights inherited, or refitted when a member is built."""

from __future__ import annotations

from typing import Any

from archdial.common.errors import UsageError
from archdial.networks.pretrained import Pretrained
from archdial.networks.supernet import Supernet

REFITTED = "refitted"


def readout_json(network: Supernet) -> dict[str, Any]:
    """Return the key of family.json; none where members inherit, as in families of an older archdial."""
    return {"readout": REFITTED} if isinstance(network, Pretrained) and network.readout else {}


def take_readout(network: Supernet, readout: str) -> None:
    """Let `network` build members with the readout that `readout_json` wrote.

    Raises:
        UsageError: it is refitted, but the network is no trained one.
    """
    if isinstance(network, Pretrained):
        network.readout = readout == REFITTED
    elif readout == REFITTED:
        raise UsageError("its readout is refitted, but cells have none to imitate: restore a copy")
