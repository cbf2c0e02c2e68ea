"""How much repeated timings of the same small network vary on this machine."""

from __future__ import annotations

import torch
from torch import nn

from archdial.cost.measuring.rounds import Timing, time_callables
from archdial.cost.measuring.timing import threads


def steadiness() -> Timing:
    """Return the median time of a forward pass of a small network on one thread, and its spread.

    The network takes about a millisecond. It is timed in rounds, as for cost tables, but without the extra attempts
    that a table gets if the spread is too wide.
    """
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
    ).eval()
    image = torch.zeros(1, 3, 32, 32)
    with threads(1), torch.inference_mode():
        (timing,) = time_callables([lambda: network(image)], retries=0)
    return timing
