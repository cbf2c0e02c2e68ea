"""Members in eight bits: every runtime's quantizer, measured beside float32; and what is refused."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from archdial.common.errors import RunError, UsageError
from archdial.data import Normalize
from archdial.exporting import make_format
from archdial.exporting.built import BuiltMember
from archdial.exporting.calibration import MOST, Calibration
from archdial.exporting.eight_bits import QUANTIZERS, quantize, writing, written
from archdial.exporting.eight_bits.executorch import _keeping_integers
from archdial.exporting.file_network import FileNetwork
from archdial.exporting.signature import Signature
from tests.exporting.examples import linear, plain
from tests.exporting.test_other_inputs import Texts


@pytest.fixture(scope="module")
def built() -> BuiltMember:
    """Two convolutions with 60,000 weights, so that most of a file are weights."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 96, 3), nn.BatchNorm2d(96), nn.ReLU(), nn.Conv2d(96, 64, 3), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    # XNNPACK's passes want names that begin with a letter, as those of members do.
    module = nn.Sequential(OrderedDict((f"layer{number}", layer) for number, layer in enumerate(layers)))
    return BuiltMember(module.eval(), (3, 8, 8), Normalize((0.5,) * 3, (0.5,) * 3), tuple("abcdefghij"), {})


def images(built: BuiltMember, count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, *built.input_shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.slow
@pytest.mark.usefixtures("operators_once")
@pytest.mark.parametrize("runtime", QUANTIZERS)
def test_a_quantized_member_is_smaller_and_nearly_the_same(
    runtime: str, built: BuiltMember, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kind = QUANTIZERS[runtime]
    path = tmp_path / f"int8{kind.suffix}"
    state = {name: value.clone() for name, value in built.module.state_dict().items()}
    capfd.readouterr()
    shapes = []

    def judge(network: nn.Module) -> float:
        shapes.append(network(images(built, 3)).shape)
        return 1.0

    found = quantize(built, runtime, [images(built, 24)], path, judge=judge)
    out, err = capfd.readouterr()
    assert out == "", "results go to standard output"
    assert "Traceback" not in err
    assert shapes == [(3, 10)] * 2 and found.int8.score == 1.0

    assert 0 < found.mean_difference < 0.1 and found.largest_difference > 0
    assert found.int8.timing.median_ms > 0 and found.examples == 24
    assert found.int8.bytes < 0.5 * found.float32.bytes
    run = make_format(kind.name).load(path)
    others = images(built, 1, seed=7)
    expected = built.module(others).detach()
    assert float((run(others) - expected).abs().mean() / expected.abs().mean()) < 0.3
    assert all(value.equal(state[name]) for name, value in built.module.state_dict().items())

    record = json.loads(path.with_name(path.name + ".json").read_text())
    assert record["precision"] == "int8" and record["quantized"] == found.to_json()
    assert record["files"] == {one.name: one.stat().st_size for one in make_format(kind.name).files(path)}
    assert sum(record["files"].values()) == found.int8.bytes
    assert {one.name for one in tmp_path.iterdir()} == {*record["files"], path.name + ".json"}


@pytest.mark.slow
def test_inputs_by_name_and_outputs_by_name() -> None:
    torch.manual_seed(0)
    module = Texts().eval()
    example = {"tokens": torch.randint(0, 9, (2, 6)), "mask": torch.ones(2, 6)}
    texts = BuiltMember(module, (6,), None, (), {}, example)
    seen: list[Any] = []

    def judge(network: nn.Module) -> float:
        seen.append(network(**{**example, "labels": torch.zeros(2)}))
        return 0.0

    quantize(texts, "onnxruntime", [{**example, "more": torch.zeros(2)}], judge=judge)
    expected = module(**example)
    for given in seen:
        assert given.keys() == expected.keys()
        torch.testing.assert_close(given["kind"], expected["kind"], atol=0.1, rtol=0.1)
    torch.testing.assert_close(seen[0]["size"], expected["size"], atol=1e-4, rtol=1e-4)


class Positions(nn.Module):
    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 1 + torch.arange(2)] * 2 + 0.5


def test_positions_stay_integers_before_xnnpack_quantizes() -> None:
    tokens = torch.randn(1, 4, generator=torch.Generator().manual_seed(0))
    program = torch.export.export(Positions(), (tokens,)).module()
    assert isinstance(program, fx.GraphModule)
    targets = [node.target for node in _keeping_integers(program).graph.nodes]
    assert torch.ops.aten.add.Scalar in targets and torch.ops.aten.add.Tensor in targets
    torch.testing.assert_close(program(tokens), Positions()(tokens))


def test_calibration_takes_the_first_examples_of_each_input() -> None:
    signature = Signature({"a": torch.zeros(1, 2), "b": torch.zeros(1)}, ("out",))
    batches = [{"b": torch.full((200,), i), "a": torch.full((200, 2), 10 * i), "labels": None} for i in range(3)]
    found = Calibration(signature, batches)
    assert len(found) == MOST == 256
    first, second = list(found.batches(200))
    assert [part.shape for part in second] == [(56, 2), (56,)]
    assert second[0].unique().tolist() == [10] and first[1].unique().tolist() == [0]
    assert next(found.named(4)).keys() == {"a", "b"}
    by_place = Calibration(signature, [(torch.ones(5, 2), torch.zeros(5), torch.zeros(5))])
    assert [tensor.shape for tensor in by_place.examples] == [(5, 2), (5,)]


@pytest.mark.parametrize(
    ("batches", "part"),
    [
        ([], "no calibration data: expected batches of the network's inputs"),
        ([{"a": torch.zeros(1, 2)}], "a batch without 'b': expected the network's inputs a, b"),
        ([torch.zeros(1, 2)], "a batch of 1 tensors: expected the network's 2 inputs"),
    ],
)
def test_calibration_that_does_not_do(batches: list[Any], part: str) -> None:
    signature = Signature({"a": torch.zeros(1, 2), "b": torch.zeros(1)}, ("out",))
    with pytest.raises(UsageError, match=part):
        Calibration(signature, batches)


def test_a_file_for_one_example_is_run_one_by_one() -> None:
    module, seen = linear().eval(), []
    kept = torch.zeros(1, 3)

    def run(one: Tensor) -> Tensor:
        seen.append(len(one))
        # As runtimes do that plan their memory.
        return kept.copy_(module(one))

    network = FileNetwork(run, make_format("executorch"), Signature.of_images((1, 2, 2)), module)
    given = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(given), module(given))
    assert seen == [1, 1, 1, 1]


def test_what_has_no_quantizer_or_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="runtime 'eager' has no quantizer: expected onnxruntime, openvino or executo"):
        quantize(plain(linear()), "eager", [])
    with pytest.raises(UsageError, match=r"use m\.onnx"):
        quantize(plain(linear()), "onnxruntime", [], tmp_path / "m.pt2")
    assert written(None, "openvino") == ()
    assert [path.name for path in written(Path("m.xml"), "openvino")] == ["m.xml", "m.bin", "m.xml.json"]


@pytest.mark.parametrize(("eight", "part"), [(math.nan, "not finite"), (-math.inf, None)])
def test_outputs_that_are_masked_do_and_such_that_are_no_numbers_do_not(eight: float, part: str | None) -> None:
    def side(last: float) -> Any:
        outputs = torch.tensor([[1.0, 2.0, last]])
        return writing._Written(make_format("onnx"), Path("none"), lambda images: outputs)

    examples = Calibration(Signature.of_images((1, 2, 2)), [torch.zeros(3, 1, 2, 2)])
    both = [side(-math.inf), side(eight)]
    if part is None:
        assert writing._differences(both, examples) == (0.0, 0.0)
        return
    with pytest.raises(RunError, match=part):
        writing._differences(both, examples)


def test_a_quantizer_that_refuses_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise NotImplementedError("no such operator\n and where")

    class Plain(type(make_format("onnx"))):  # type: ignore[misc]
        def write(self, *_: object) -> None:
            _[-1].write_text("float")  # type: ignore[attr-defined]

        def load(self, path: Path) -> Any:
            return lambda images: images

    monkeypatch.setattr(writing, "make_format", lambda name: Plain())
    monkeypatch.setattr(QUANTIZERS["onnxruntime"], "write", refuses)
    path = tmp_path / "m.onnx"
    path.write_text("old")
    with pytest.raises(
        RunError, match=r"onnxruntime refuses this member in int8 \(NotImplementedError: no such operat"
    ):
        quantize(plain(linear()), "onnxruntime", [torch.zeros(2, 1, 2, 2)], path)
    assert [one.name for one in tmp_path.iterdir()] == ["m.onnx"] and path.read_text() == "old"
