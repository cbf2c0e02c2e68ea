"""What the lists have in common: how a network of transformers is made from a configuration, and tokens for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor, nn

Made = tuple[Callable[[], nn.Module], Any, Any]
"""What makes a network, an example for it, and which of its outputs are asked for."""

LAYERS = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
TEXT = {"vocab_size": 100, **LAYERS}
VISION = {**LAYERS, "image_size": 32, "patch_size": 8}
IDS = torch.randint(5, 90, (2, 16), generator=torch.Generator().manual_seed(0))
NAMED = {"input_ids": IDS, "attention_mask": torch.ones(2, 16, dtype=torch.long)}


def image(side: int = 32, channels: int = 3) -> Tensor:
    """Return two images of random numbers."""
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(1))


def model(name: str, config: str, example: Any, outputs: Any = None, **settings: Any) -> Made:
    """Return the class `name` of transformers with random weights, by a small configuration."""
    return lambda: getattr(transformers, name)(getattr(transformers, config)(**settings)), example, outputs
