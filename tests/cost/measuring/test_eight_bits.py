"""Runtimes run in integers what is in int8 of a network, and those that have none say so."""

from __future__ import annotations

import copy
import functools
from collections import Counter
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import archdial as ad
from archdial.common.errors import UsageError
from archdial.cost.making.profiling import profile
from archdial.cost.measuring.parts import distinct
from archdial.cost.measuring.runtimes import RUNTIMES, Runtime, runtime
from archdial.networks.eight_bits.deployed import in_float
from archdial.networks.eight_bits.fake import FakeQuantize
from archdial.networks.eight_bits.layers import KINDS
from archdial.networks.eight_bits.part import IntegerPart
from archdial.networks.graph import GatedNetwork
from archdial.networks.supernet import Part
from archdial.testing.runtimes import outputs
from tests.networks.graph.examples import images, lived_in

pytestmark = pytest.mark.usefixtures("operators_once")

WITH, WITHOUT = ("onnxruntime", "openvino", "executorch"), ("eager", "compiled")
LAYERS = ("stem", "conv1", "conv2", "last", "fc")
MIXES = {
    "all": LAYERS,
    "to the end of the branch": ("stem", "conv1", "conv2"),
    "branch": ("conv1", "conv2"),
    "all but the branch": ("stem", "last", "fc"),
    "all but the last convolution": ("stem", "conv1", "conv2", "fc"),
    "ends": ("stem", "fc"),
    "all but a branch's first": ("stem", "conv2", "last", "fc"),
}
"""Which layers are in int8."""


class Small(nn.Module):
    """A residual block between convolutions, a maximum, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32)
        self.conv1, self.bn1 = nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.conv2, self.bn2 = nn.Conv2d(32, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32)
        self.last, self.bn3 = nn.Conv2d(32, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32)
        self.pool, self.fc = nn.MaxPool2d(2), nn.Linear(128, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        x = F.relu(self.bn(self.stem(inputs)))
        x = F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        x = F.relu(self.bn3(self.last(self.pool(x))))
        return self.fc(torch.flatten(x, 1))


@functools.cache
def network() -> GatedNetwork:
    torch.manual_seed(0)
    return ad.choices(lived_in(Small()), images(8, 2), gates=False, width=None, precision=("int8",))


def member(mix: str) -> nn.Module:
    """The network with the layers of `mix` in int8, and its ranges those of what it is then run on."""
    names = {f"{layer}.precision": "int8" if layer in MIXES[mix] else "float32" for layer in LAYERS}
    return network().build(network().space.parse(names), [images(8, 16)]).eval()


def step(module: nn.Module, outputs: Tensor) -> float:
    """One of the 255 of the outputs, as the network has them where its last layer is in int8."""
    ranges = [one for one in module.modules() if isinstance(one, FakeQuantize)]
    own = [one.grid.scale for one in ranges if one.low <= outputs.min() and one.high >= outputs.max()]
    return min([float(outputs.max() - outputs.min()) / 255, *own])


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("kind", WITH)
def test_what_runs_is_the_rounded_network(kind: str, mix: str) -> None:
    module, x = member(mix), images(8, 4)
    with torch.no_grad():
        expected, plain = module(x), in_float(copy.deepcopy(module))(x)
    found, again = outputs(runtime(kind), module, (x,))
    assert numpy.array_equal(found[0], again[0]) and found[0].dtype == numpy.float32
    given = torch.from_numpy(found[0])
    assert float((given - expected).abs().max()) <= 4 * step(module, expected)
    # Much nearer than what is not rounded, which would pass for it else. OpenVINO rounds otherwise.
    if kind != "openvino":
        assert float((given - expected).abs().mean()) < 0.35 * float((plain - expected).abs().mean())
    assert all(type(module.get_submodule(layer)) in KINDS.values() for layer in MIXES[mix]), "the member was changed"


@pytest.mark.slow
@pytest.mark.parametrize("kind", WITH)
def test_its_weights_are_sent_in_eight_bits(kind: str) -> None:
    module = member("all")
    eight = runtime(kind).convert(copy.deepcopy(module), images(8, 1))
    plain = runtime(kind).convert(in_float(copy.deepcopy(module)), images(8, 1))
    assert len(eight[0]) < 0.5 * len(plain[0])


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIXES)
def test_onnxruntime_makes_integers_of_what_is_in_int8_alone(mix: str, tmp_path: Path) -> None:
    """Weights in float between two layers in int8 it takes for forgotten ones, if nothing keeps it from that."""
    model, _ = runtime("onnxruntime").convert(member(mix), images(8, 1))
    check_what_runs(model, mix, tmp_path)


def check_what_runs(model: bytes, mix: str, folder: Path) -> None:
    """What ONNX Runtime makes of a file has the layers of `mix` in integers, and the others, whole, in float."""
    onnxruntime, onnx = pytest.importorskip("onnxruntime"), pytest.importorskip("onnx")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)
    assert found["QLinearConv"] + found["QGemm"] == len(MIXES[mix])
    assert found["Conv"] + found["FusedConv"] + found["Gemm"] + found["FusedGemm"] == len(LAYERS) - len(MIXES[mix])
    assert not found["LeakyRelu"]


@functools.cache
def integer_parts() -> dict[str, Part]:
    """One of each kind of piece in integers."""
    found: dict[str, Part] = {}
    for part in distinct(network().terms()):
        if isinstance(part.module, IntegerPart):
            found.setdefault(part.kind, part)
    return found


def test_there_are_pieces_of_each_kind() -> None:
    kinds = " ".join(integer_parts())
    for kind in ("quantize", "dequantize", "int8 Conv2d", "int8 Linear", "int8 MaxPool2d", "int8 aten.add"):
        assert kind in kinds


@pytest.mark.slow
@pytest.mark.parametrize("kind", WITH)
def test_pieces_in_integers_run_alone(kind: str) -> None:
    for name, part in integer_parts().items():
        with torch.no_grad():
            expected = part.module(*part.inputs)
        if name != "quantize":
            assert all(one.dtype == torch.uint8 for one in part.inputs)
        assert (expected.dtype == torch.uint8) == (name != "dequantize")
        found = outputs(runtime(kind), part.module, part.inputs)[0][0]
        assert found.shape == tuple(expected.shape)
        if expected.dtype == torch.uint8:
            assert found.dtype == (numpy.int8 if kind == "executorch" else numpy.uint8)
            off = 128 if kind == "executorch" else 0
            apart = numpy.abs(found.astype(int) + off - expected.numpy().astype(int))
            assert apart.max() <= 1, name
        else:
            numpy.testing.assert_allclose(found, expected.numpy(), atol=1e-5, rtol=0)
        # What it is run on is not all the same, by which anything would do.
        assert len(torch.unique(expected)) > 8


def test_who_has_eight_bits() -> None:
    assert {*WITH, *WITHOUT} == set(RUNTIMES)
    assert [kind for kind in RUNTIMES if runtime(kind).eight_bits] == [kind for kind in RUNTIMES if kind in WITH]


def test_twice_as_many_networks_are_measured_where_both_sides_of_a_border_count() -> None:
    for chosen in map(runtime, WITH):
        many = chosen.networks(10**4, mixed=True)
        assert many == (1 if chosen.name == "executorch" else 2) * chosen.networks(10**4)


@pytest.mark.parametrize("kind", WITHOUT)
def test_others_refuse_before_anything_is_measured(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(self: Runtime, *_: object) -> object:
        raise AssertionError("it was measured")

    monkeypatch.setattr(type(runtime(kind)), "convert", convert)
    with pytest.raises(UsageError, match=f"runtime '{kind}' has no int8, which this network may choose") as caught:
        profile(network(), runtime=kind, networks=0)
    assert "onnxruntime, openvino or executorch" in str(caught.value)
