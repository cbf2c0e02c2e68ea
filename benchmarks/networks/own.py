"""Networks as people write them themselves."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from networks.common import IDS, Made, image


class Recurrent(nn.Module):
    """Tokens through a recurrent layer."""

    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.embed, self.layer = nn.Embedding(100, 64), kind(64, 64, 2, batch_first=True)
        self.mix, self.act, self.head = nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)

    def forward(self, tokens: Tensor) -> Tensor:
        features, _ = self.layer(self.embed(tokens))
        return self.head(self.act(self.mix(features[:, -1])))


class Residual(nn.Module):
    """Convolutions of any number of dimensions."""

    def __init__(self, dimensions: int, channels: int = 16) -> None:
        super().__init__()
        conv, norm = getattr(nn, f"Conv{dimensions}d"), getattr(nn, f"BatchNorm{dimensions}d")
        self.stem, self.act = conv(1, channels, 3, padding=1), nn.ReLU()
        self.blocks = nn.ModuleList(
            nn.Sequential(conv(channels, channels, 3, padding=1), norm(channels), nn.ReLU()) for _ in range(3)
        )
        self.head = nn.Linear(channels, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.act(self.stem(inputs))
        for block in self.blocks:
            features = features + block(features)
        return self.head(features.flatten(2).mean(2))


class UNet(nn.Module):
    """Two levels, joined by concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.deep = (
            self.part(1, 16),
            nn.Sequential(nn.MaxPool2d(2), *self.part(16, 32), nn.Upsample(scale_factor=2)),
        )
        self.right, self.head = self.part(48, 16), nn.Conv2d(16, 2, 1)

    @staticmethod
    def part(given: int, channels: int) -> nn.Sequential:
        pairs = ((nn.Conv2d(c, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()) for c in (given, channels))
        return nn.Sequential(*next(pairs), *next(pairs))

    def forward(self, images: Tensor) -> Tensor:
        fine = self.left(images)
        return self.head(self.right(torch.cat((fine, self.deep(fine)), 1)))


class TwoHeads(nn.Module):
    """Two tensors in, two out."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.act = nn.Linear(64, 64), nn.Linear(64, 64), nn.ReLU()
        self.mix, self.head, self.other = nn.Linear(64, 64), nn.Linear(64, 3), nn.Linear(64, 1)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        features = self.act(self.mix(self.act(self.left(left) + self.right(right))))
        return self.head(features), self.other(features)


@dataclass
class Answer:
    """What `Named` gives."""

    scores: Tensor
    state: Tensor


class Named(nn.Module):
    """A dict in, a dataclass out."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 3)

    def forward(self, values: Tensor, weights: Tensor | None = None) -> Answer:
        """Return scores and the features that they come from."""
        state = values if weights is None else values * weights
        state = state + self.second(self.first(state).relu())
        return Answer(self.head(state), state)


torch.utils._pytree.register_dataclass(Answer)

NETWORKS: dict[str, Made] = {
    "LSTM": (lambda: Recurrent(nn.LSTM), IDS, None),
    "GRU": (lambda: Recurrent(nn.GRU), IDS, None),
    "1-D convolutions": (lambda: Residual(1), torch.randn(2, 1, 256), None),
    "2-D convolutions": (lambda: Residual(2), image(32, 1), None),
    "3-D convolutions": (lambda: Residual(3), torch.randn(2, 1, 8, 8, 8), None),
    "U-Net": (UNet, image(32, 1), None),
    "two heads": (TwoHeads, (torch.randn(2, 64), torch.randn(2, 64)), None),
    "a dict in, a dataclass out": (Named, {"values": torch.randn(2, 64), "weights": torch.rand(2, 64)}, None),
}
