"""Whether this machine times alike what is alike: a small network, again and again, for some seconds."""

from __future__ import annotations

import torch
from torch import nn

from archdial.cost.measuring.rounds import Timing, time_callables
from archdial.cost.measuring.timing import threads


def steadiness() -> Timing:
    """Return what a forward pass of a small network takes on one thread, and how far repetitions are apart.

    It is a convolution network of about a millisecond, measured in rounds as cost tables are, without the repetitions
    that a table gets where the spread is too wide.
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
