"""Tables with hundreds of distinct parts: how long they take, and how well a design of the parts says the rest.

    python benchmarks/many_shapes.py [--sets resnet,bert] [--runtimes eager,onnxruntime,openvino] [--networks 64]

The two networks have a choice of widths at each layer: bottleneck blocks as of a ResNet, and layers as of BERT with
hidden units, heads and feed-forward units to choose. For each and each runtime a table is made as `profile` makes it;
then all parts are measured, and those that the table has from a surface are compared. Prints one line of JSON each:
parts, measured, seconds for the table and for all parts, and the error of predicted against measured.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from archdial.common.progress import Bar
from archdial.cost.making.profiling import profile
from archdial.cost.measuring import parts
from archdial.cost.measuring.conditions import Conditions
from archdial.cost.measuring.rounds import REPEATS
from archdial.networks.supernet import Part, Supernet, TermPlan
from archdial.space import Architecture, Choice, Space

TOKENS, HEAD = 64, 32


class Attention(nn.Module):
    """Heads of 32 on what stands for queries, keys and values at once."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = channels // HEAD

    def forward(self, inputs: Tensor) -> Tensor:
        split = inputs.reshape(-1, TOKENS, self.heads, HEAD).transpose(1, 2)
        odds = (split @ split.transpose(2, 3) / HEAD**0.5).softmax(-1)
        return (odds @ split).transpose(1, 2).reshape(-1, TOKENS, self.heads * HEAD)


@dataclass(frozen=True)
class Layer:
    """A layer whose sizes are chosen.

    Attributes:
        family: of its parts.
        make: the layer for so many channels in and out.
        shape: of an input of so many channels.
        chosen: names of the choices that say its channels in and out, the same name for both where they are one.
    """

    family: str
    make: Callable[[int, int], nn.Module]
    shape: Callable[[int], tuple[int, ...]]
    chosen: tuple[str, str]

    def part(self, before: int, after: int) -> Part:
        sizes = (before,) if self.chosen[0] == self.chosen[1] else (before, after)
        key = f"{self.family}/{'x'.join(map(str, sizes))}"
        module = self.make(before, after).eval()
        return Part(key, module, self.shape(before), family=self.family, sizes=tuple(map(float, sizes)))


class Chain(Supernet):
    """Layers one after another, each of widths that are chosen."""

    def __init__(self, layers: Sequence[Layer], widths: dict[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.layers, self.widths = layers, widths
        names = {name: tuple(f"w{width}" for width in each) for name, each in widths.items()}
        self.space = Space(tuple(Choice(name, each, each) for name, each in names.items()))
        self.largest = self._chain({name: each[-1] for name, each in widths.items()})

    @property
    def example(self) -> Tensor:
        first = self.layers[0]
        return torch.zeros(1, *first.shape(self.widths[first.chosen[0]][0]))

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        raise NotImplementedError("it is only measured")

    def build(self, architecture: Architecture, calibration: Sequence[Any] = ()) -> nn.Module:
        each = zip(self.widths.items(), architecture.options, strict=True)
        return self._chain({name: widths[option] for (name, widths), option in each})

    def _chain(self, width: dict[str, int]) -> nn.Module:
        return nn.Sequential(*(layer.make(*(width[name] for name in layer.chosen)) for layer in self.layers)).eval()

    def terms(self) -> list[TermPlan]:
        made: dict[tuple[str, int, int], Part] = {}
        return [self._term(layer, made) for layer in self.layers]

    def _term(self, layer: Layer, made: dict[tuple[str, int, int], Part]) -> TermPlan:
        names = tuple(dict.fromkeys(layer.chosen))
        entries = {}
        for before in self.widths[names[0]]:
            for after in self.widths[names[-1]] if len(names) > 1 else (before,):
                place = (layer.family, before, after)
                if place not in made:
                    made[place] = layer.part(before, after)
                entries[tuple(f"w{width}" for width in (before, after)[: len(names)])] = (made[place],)
        return TermPlan(names, entries)

    def to_json(self) -> dict[str, Any]:
        return {}


def convolution(kernel: int, stride: int, side: int, chosen: tuple[str, str]) -> Layer:
    def make(before: int, after: int) -> nn.Module:
        return nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False)

    family = f"Conv2d {kernel}x{kernel} stride {stride} on {side}x{side}"
    return Layer(family, make, lambda channels: (channels, side, side), chosen)


def resnet() -> Chain:
    """Bottleneck blocks on 128 pixels, two a stage, each of four widths: 0.25 to 1."""
    layers, widths = [convolution(7, 4, 128, ("image", "stem"))], {"image": (3,), "stem": _shares(32)}
    last = "stem"
    for stage, base in enumerate((32, 64, 128, 256)):
        outer = f"stage {stage}"
        widths[outer] = _shares(4 * base)
        for block in range(2):
            stride = 2 if stage and not block else 1
            side = (32 >> stage) * stride
            inner = [f"stage {stage} block {block} {letter}" for letter in "ab"]
            widths |= {name: _shares(base) for name in inner}
            layers += [convolution(1, 1, side, (last, inner[0])), *_normalised(side, inner[0])]
            layers += [convolution(3, stride, side, (inner[0], inner[1])), *_normalised(side // stride, inner[1])]
            layers += [convolution(1, 1, side // stride, (inner[1], outer)), *_normalised(side // stride, outer)]
            last = outer
    return Chain(layers, widths)


def _normalised(side: int, name: str) -> list[Layer]:
    def shape(channels: int) -> tuple[int, ...]:
        return (channels, side, side)

    return [
        Layer(f"BatchNorm2d on {side}x{side}", lambda channels, _: nn.BatchNorm2d(channels), shape, (name, name)),
        Layer(f"ReLU on {side}x{side}", lambda *_: nn.ReLU(), shape, (name, name)),
    ]


def _shares(base: int) -> tuple[int, ...]:
    return tuple(base * quarter // 4 for quarter in range(1, 5))


def bert() -> Chain:
    """Four layers on 64 tokens; hidden units, units of heads and of the feed-forward of eight widths each."""
    hidden, layers = "hidden", [_linear("embedding", "words", "hidden")]
    widths = {"words": (128,), hidden: tuple(range(64, 513, 64))}
    for number in range(4):
        heads, inner = f"layer {number} heads", f"layer {number} inner"
        widths |= {heads: tuple(range(32, 257, 32)), inner: tuple(range(256, 2049, 256))}
        layers += [_linear("qkv", hidden, heads), _flat("attention", Attention, heads), _linear("out", heads, hidden)]
        layers += [_flat("LayerNorm", nn.LayerNorm, hidden), _linear("in", hidden, inner)]
        layers += [_flat("GELU", lambda _: nn.GELU(), inner), _linear("back", inner, hidden)]
        layers += [_flat("LayerNorm", nn.LayerNorm, hidden)]
    return Chain(layers, widths)


def _tokens(channels: int) -> tuple[int, ...]:
    return (TOKENS, channels)


def _linear(name: str, before: str, after: str) -> Layer:
    return Layer(f"Linear {name}", nn.Linear, _tokens, (before, after))


def _flat(name: str, make: Callable[[int], nn.Module], chosen: str) -> Layer:
    return Layer(name, lambda channels, _: make(channels), _tokens, (chosen, chosen))


SETS = {"resnet": resnet, "bert": bert}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--runtimes", default="eager,onnxruntime,openvino")
    parser.add_argument("--networks", type=int)
    options = parser.parse_args()
    for name in options.sets.split(","):
        for runtime in options.runtimes.split(","):
            found = row(SETS[name](), runtime, options.networks)
            print(json.dumps({"set": name, "runtime": runtime, **found}), flush=True)


def row(network: Chain, runtime: str, networks: int | None) -> dict[str, Any]:
    began = time.perf_counter()
    with Bar() as bar:
        table = profile(network, runtime=runtime, networks=networks, progress=bar.part(f"{runtime} table", 1).upto)
        seconds = time.perf_counter() - began
        every = parts.distinct(network.terms())
        began = time.perf_counter()
        found = Conditions.of(runtime, 1, 1, REPEATS, "cpu").time(every, bar.part(f"{runtime} all parts", 1).upto)
    taken = {part.key: timing.median_ms for part, timing in zip(every, found, strict=True)}
    told = {key: part.latency_ms for key, part in table.parts.items() if part.predicted}
    # The second measurement may meet a slower or faster machine: what was measured twice says by how much.
    twice = [key for key in taken if key not in told]
    pace = statistics.median(taken[key] / table.parts[key].latency_ms for key in twice)
    again = [abs(taken[key] / pace / table.parts[key].latency_ms - 1.0) for key in twice]
    missed = [abs(latency / (taken[key] / pace) - 1.0) for key, latency in told.items()]
    return {
        "parts": len(every),
        "measured": len(twice),
        "networks": len(table.networks),
        "seconds": round(seconds, 1),
        "seconds_all_parts_alone": round(time.perf_counter() - began, 1),
        "noisy": len(table.runtime["noisy"]),
        "interpolated": table.runtime.get("interpolated"),
        "left_out": errors(missed),
        "measured_again": errors(again),
        "pace": round(pace, 3),
        "fit_held_out": None if table.fit is None else asdict(table.fit.held_out),
    }


def errors(missed: Sequence[float]) -> dict[str, float] | None:
    if not missed:
        return None
    return {
        "mean": round(statistics.mean(missed), 4),
        "within_10": round(sum(one <= 0.1 for one in missed) / len(missed), 4),
        "worst": round(max(missed), 4),
    }


if __name__ == "__main__":
    main()
