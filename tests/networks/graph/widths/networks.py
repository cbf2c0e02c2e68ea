"""Small networks in which units run in all the ways that people write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
SERIES = torch.randn(2, 12, 10, generator=torch.Generator().manual_seed(0))


def block(given: int, channels: int, kernel: int = 3, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(given, channels, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())


class Chain(nn.Sequential):
    def __init__(self) -> None:
        features = block(3, 8), nn.MaxPool2d(2), block(8, 16), nn.AvgPool2d(2), nn.Flatten()
        super().__init__(*features, nn.Linear(256, 24), nn.ReLU(), nn.Dropout(), nn.Linear(24, 5))


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = block(3, 8)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(count), block(count, 16, 1), nn.Conv2d(16, 6, 3, padding=1))
            for count in (8, 14, 20)
        )
        self.norm, self.head = nn.BatchNorm2d(26), nn.Linear(26, 4)

    def forward(self, x: Tensor) -> Tensor:
        found = [self.stem(x)]
        for layer in self.layers:
            found.append(layer(torch.cat(found, 1)))
        return self.head(self.norm(torch.cat(found, 1)).relu().mean((2, 3)))


class Excited(nn.Module):
    """Depthwise convolution, squeeze and excitation, a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.wide, self.deep = block(3, 16), block(16, 64, 1), block(64, 64, 3, 64)
        self.squeeze, self.excite = nn.Conv2d(64, 16, 1), nn.Conv2d(16, 64, 1)
        self.project, self.head = nn.Conv2d(64, 16, 1), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.deep(self.wide(x))
        y = y * self.excite(self.squeeze(F.adaptive_avg_pool2d(y, 1)).relu()).sigmoid()
        return self.head((x + self.project(y)).mean((2, 3)))


class Shuffled(nn.Module):
    """Halves of which one is worked on, then shuffled."""

    def __init__(self, *, module: bool) -> None:
        super().__init__()
        self.stem, self.head = block(3, 24), nn.Linear(24, 3)
        self.branch = nn.Sequential(block(12, 12, 1), block(12, 12, 3, 12), block(12, 12, 1))
        self.shuffle = nn.ChannelShuffle(2) if module else None

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.stem(x).chunk(2, 1)
        x = torch.cat((left, self.branch(right)), 1)
        if self.shuffle is not None:
            x = self.shuffle(x)
        else:
            n, c, h, w = x.shape
            x = x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head(x.mean((2, 3)))


class Grouped(nn.Module):
    """Grouped convolutions and normalisation by groups."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = block(3, 16)
        self.branch = nn.Sequential(block(16, 32, 1), block(32, 32, 3, 8), nn.Conv2d(32, 16, 1))
        self.norm, self.head = nn.GroupNorm(4, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.norm(x + self.branch(x)).relu().mean((2, 3)))


class Upwards(nn.Module):
    """Transposed convolution, upsampling, padding, pixel shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.act = nn.Conv2d(3, 32, 3), nn.GroupNorm(8, 32), nn.PReLU(32)
        self.up, self.own = nn.ConvTranspose2d(32, 16, 2, 2), nn.InstanceNorm2d(16, affine=True)
        self.finer, self.border = nn.Upsample(scale_factor=2), nn.ZeroPad2d(1)
        self.mix, self.pixels, self.last = nn.Conv2d(16, 16, 3), nn.PixelShuffle(2), nn.Conv2d(4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.own(self.up(self.act(self.norm(self.first(x)))))
        return self.last(self.pixels(self.mix(self.border(self.finer(x)))))


class Part(nn.Module):
    """Channels that are split unevenly, and rolled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.part, self.mix = block(3, 16), nn.Conv2d(4, 4, 3, padding=1), block(16, 12)
        self.turned, self.head = nn.Conv2d(12, 12, 1), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.stem(x).split([4, 12], 1)
        x = self.mix(torch.cat((self.part(one), other), 1))
        return self.head(self.turned(torch.roll(x, 1, 1)).flip(1).amax((2, 3)))


class Gated(nn.Module):
    """A gated linear unit in several forms."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form, self.glu = form, nn.GLU()
        self.first, self.norm, self.up = nn.Linear(10, 16), nn.LayerNorm(16), nn.Linear(16, 64)
        self.gate, self.down, self.head = nn.Linear(16, 64), nn.Linear(32, 16), nn.Linear(16, 3)

    def gated(self, x: Tensor) -> Tensor:
        both = self.up(x)
        if self.form == "chunk":
            one, other = both.chunk(2, -1)
            return one * F.silu(other)
        if self.form == "slices":
            return both[..., :32] * both[..., 32:].sigmoid()
        if self.form == "split":
            one, other = torch.split(both, [32, 32], -1)
            return one * other.tanh()
        return self.glu(both) if self.form == "module" else F.glu(both)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.head(x + self.down(self.gated(self.norm(x))))


class Attention(nn.Module):
    """Queries, keys and values of one layer, 4 heads."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form, self.qkv, self.out = form, nn.Linear(32, 96), nn.Linear(32, 32)
        self.heat = nn.Parameter(torch.rand(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, 4, c // 4).permute(2, 0, 3, 1, 4).unbind(0)
        return self.out(self.mixed(q, k, v).transpose(1, 2).reshape(n, t, c))

    def mixed(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self.form == "function":
            return F.scaled_dot_product_attention(q, k, v)
        if self.form == "einsum":
            weights = torch.einsum("bhid,bhjd->bhij", q, k).softmax(-1)
            return torch.einsum("bhij,bhjd->bhid", weights, v)
        if self.form == "heads in the batch":
            n, h, t, d = q.shape
            q, k, v = (one.reshape(n * h, t, d) for one in (q, k, v))
            return torch.bmm(torch.bmm(q, k.transpose(1, 2)).softmax(-1), v).view(n, h, t, d)
        if self.form == "linear":
            return q.softmax(-1) @ (k.softmax(-2).transpose(-2, -1) @ v)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        return ((q @ k.transpose(-2, -1)) * self.heat).softmax(-1) @ v


class Transformer(nn.Module):
    """Patches, a token for the class, two layers."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.patches, self.token = nn.Conv2d(3, 32, 4, 4), nn.Parameter(torch.randn(1, 1, 32))
        self.places, self.scale = nn.Parameter(torch.randn(1, 17, 32)), nn.Parameter(torch.rand(32))
        self.norms = nn.ModuleList(nn.LayerNorm(32) for _ in range(4))
        self.attention = nn.ModuleList(Attention(form) for _ in range(2))
        self.hidden = nn.ModuleList(nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32)) for _ in range(2))
        self.head = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + self.places
        for number in range(2):
            x = x + self.scale * self.attention[number](self.norms[2 * number](x))
            x = x + self.hidden[number](self.norms[2 * number + 1](x))
        return self.head(x[:, 0])


class Mixer(nn.Module):
    """Units along two dimensions of one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(10, 16), nn.Linear(16, 3)
        self.places = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 12))
        self.channels = nn.Sequential(nn.Linear(16, 48), nn.ReLU(), nn.Linear(48, 16))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = x + self.places(x.transpose(1, 2)).transpose(1, 2)
        return self.head((x + self.channels(x)).mean(1))


class Recurrent(nn.Module):
    def __init__(self, kind: Callable[..., nn.Module], **options: Any) -> None:
        super().__init__()
        ways = 2 if options.get("bidirectional") else 1
        self.first, self.layer = nn.Linear(10, 12), kind(12, 16, batch_first=True, **options)
        self.head, self.last = nn.Linear(16 * ways, 3), nn.Linear(16, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features, state = self.layer(self.first(x))
        state = state[0] if isinstance(state, tuple) else state
        return self.head(features.mean(1)), self.last(state[-1])


class OfFunctions(nn.Module):
    """Weights that are multiplied as tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.bias = nn.Parameter(torch.randn(20, 10)), nn.Parameter(torch.randn(20))
        self.second, self.head = nn.Parameter(torch.randn(20, 7)), nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((F.linear(x, self.first, self.bias).relu() @ self.second).relu())


class WholeAttention(nn.Module):
    """Layers of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(10, 32), nn.Linear(32, 3)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.first(x)).mean(1))


CASES: dict[str, tuple[Callable[[], nn.Module], Tensor, list[tuple[str, int, int]]]] = {
    "a chain": (Chain, IMAGES, [("convolution", 8, 1), ("convolution", 16, 1), ("linear", 24, 1)]),
    "concatenation": (Dense, IMAGES, [("convolution", n, 1) for n in (8, 16, 6, 16, 6, 16, 6)]),
    "squeeze and excitation": (Excited, IMAGES, [("convolution", n, 1) for n in (16, 64, 16)]),
    "a shuffle": (lambda: Shuffled(module=False), IMAGES, [("convolution", 12, 2), ("convolution", 12, 1)]),
    "groups": (Grouped, IMAGES, [("convolution", 4, 4), ("convolution", 8, 4)]),
    "upwards": (Upwards, IMAGES, [("convolution", 8, 4), ("convolution", 16, 1), ("convolution", 4, 4)]),
    "a split": (Part, IMAGES, [("convolution", n, 1) for n in (4, 12, 4, 12)]),
    **{
        f"a gated unit by {form}": ((lambda form=form: Gated(form)), SERIES, [("linear", 32, 2)])
        for form in ("chunk", "slices", "split", "module", "function")
    },
    **{
        f"attention by {form}": (
            (lambda form=form: Transformer(form)), IMAGES, [("attention", 4, 24), ("linear", 64, 1)] * 2,
        )
        for form in ("function", "einsum", "heads in the batch", "linear", "products")
    },
    "attention of torch": (WholeAttention, SERIES, [("attention", 4, 24), ("linear", 64, 1)]),
    "two dimensions": (Mixer, SERIES, [("linear", 16, 1), ("linear", 24, 1), ("linear", 48, 1)]),
    "an LSTM": (
        lambda: Recurrent(nn.LSTM, bidirectional=True, num_layers=2), SERIES, [("linear", 12, 1), ("recurrent", 16, 1)],
    ),
    "a GRU": (lambda: Recurrent(nn.GRU, num_layers=2), SERIES, [("linear", 12, 1), ("recurrent", 16, 1)]),
    "functions": (OfFunctions, SERIES, [("linear", 20, 1), ("linear", 7, 1)]),
}  # fmt: skip
