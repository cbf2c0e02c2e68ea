"""The small ResNets for images of 32 pixels that the pruning papers prune."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError, unknown


class Block(nn.Module):
    """Two 3×3 convolutions and a shortcut (He et al. 2016, figure 2), a 1×1 convolution where the shape changes."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            convolution = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(channels))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, channels, ⌈h/stride⌉, ⌈w/stride⌉)."""
        branch = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(inputs)))))
        return self.relu2(branch + self.shortcut(inputs))  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """A stem of one 3×3 convolution, stages of blocks that double the width and halve the image, mean, classifier."""

    def __init__(self, depths: Sequence[int], width: int, in_channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        if width < 1:
            raise UsageError(f"width = {width}: expected a whole number of channels, at least 1")
        self.conv1 = nn.Conv2d(in_channels, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        channels = width
        self.stages = nn.ModuleList()
        for number, depth in enumerate(depths):
            out = width * 2**number
            strides = [1 if number == 0 else 2, *[1] * (depth - 1)]
            blocks = [Block(channels if place == 0 else out, out, stride) for place, stride in enumerate(strides)]
            self.stages.append(nn.Sequential(*blocks))
            channels = out
        self.head = nn.Linear(channels, classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw convolutions by He et al. 2015; blocks begin as their shortcut (Goyal et al. 2017)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, Block):
                nn.init.zeros_(module.bn2.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, c, h, w)."""
        features = self.relu(self.bn1(self.conv1(inputs)))
        for stage in self.stages:
            features = stage(features)
        return self.head(torch.flatten(features.mean((2, 3)), 1))  # type: ignore[no-any-return]


def resnet18(width: int = 64, in_channels: int = 3, classes: int = 10) -> ResNet:
    """Return ResNet-18 for small images: four stages of two blocks, no pooling in the stem."""
    return ResNet((2, 2, 2, 2), width, in_channels, classes)


def resnet20(width: int = 16, in_channels: int = 3, classes: int = 10) -> ResNet:
    """Return ResNet-20 (He et al. 2016, section 4.2), with convolutions on its shortcuts."""
    return ResNet((3, 3, 3), width, in_channels, classes)


def resnet56(width: int = 16, in_channels: int = 3, classes: int = 10) -> ResNet:
    """Return ResNet-56 (He et al. 2016, section 4.2), with convolutions on its shortcuts."""
    return ResNet((9, 9, 9), width, in_channels, classes)


BACKBONES: dict[str, Callable[..., ResNet]] = {"resnet18": resnet18, "resnet20": resnet20, "resnet56": resnet56}


def width_of(model: nn.Module) -> int:
    """Return the channels of the first stage of a backbone that `make_backbone` made."""
    return cast(ResNet, model).conv1.out_channels


def make_backbone(name: str, width: int | None, in_channels: int, classes: int) -> ResNet:
    """Return the backbone called `name`; without a width at its own.

    Raises:
        UsageError: there is no such backbone, or the width is below 1.
    """
    if name not in BACKBONES:
        raise unknown("backbone", name, BACKBONES)
    given = {} if width is None else {"width": width}
    return BACKBONES[name](in_channels=in_channels, classes=classes, **given)
