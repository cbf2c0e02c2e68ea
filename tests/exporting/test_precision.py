"""Members some layers of which compute in int8: their files, the three forms behind these, and wrong files."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archdial.common.errors import RunError
from archdial.data import Normalize
from archdial.exporting import TOLERANCE, export, make_format
from archdial.exporting.agreement import ROUNDED, differences
from archdial.exporting.built import BuiltMember
from archdial.exporting.pt2 import Pt2
from archdial.exporting.signature import Signature
from archdial.networks.eight_bits.deployed import deployed, has_eight_bits, in_float, settled
from archdial.networks.eight_bits.fake import FakeQuantize, Rounding, rounded_weight
from archdial.networks.eight_bits.grid import MOST
from archdial.networks.eight_bits.integers import Dequantize, IntegerLayer, Quantize
from archdial.networks.eight_bits.layers import KINDS
from tests.cost.measuring.test_eight_bits import LAYERS, MIXES, check_what_runs, member, network
from tests.networks.graph.examples import images

FORMATS = ("pt2", "onnx", "openvino", "executorch")
MIX = "to the end of the branch"


@functools.cache
def made() -> nn.Module:
    return member(MIX)


def mixed() -> nn.Module:
    """A member of its own for each test, in evaluation mode."""
    return copy.deepcopy(made())


def built(module: nn.Module) -> BuiltMember:
    return BuiltMember(module, (3, 8, 8), Normalize((0.5,) * 3, (0.3,) * 3), tuple("abcdefghij"), {})


def run(module: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = module(x)
    return found


def of(module: nn.Module, *kinds: type[nn.Module]) -> set[str]:
    return {name for name, one in module.named_modules() if isinstance(one, kinds)}


@pytest.mark.slow
@pytest.mark.usefixtures("operators_once")
@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_kept_and_the_member_is_left_as_it_was(format: str, tmp_path: Path) -> None:
    module = mixed()
    before = copy.deepcopy(module.state_dict())
    path = tmp_path / f"m{make_format(format).suffix}"
    told = export(built(module), path, format).record
    assert told == json.loads(path.with_name(f"{path.name}.json").read_text())
    x = images(8, 1)
    expected = run(module, x)
    found = make_format(format).load(path)(x)
    assert float((found - expected).abs().max()) <= ROUNDED * float(expected.abs().max())
    # It is the rounded member, not the one in float, that was written.
    plain = run(in_float(copy.deepcopy(module)), x)
    if format != "openvino":
        assert float((found - expected).abs().mean()) < 0.35 * float((plain - expected).abs().mean())
    state = module.state_dict()
    assert state.keys() == before.keys() and all(value.equal(before[name]) for name, value in state.items())
    assert of(module, FakeQuantize) and of(module, *KINDS.values()) == set(MIXES[MIX])


@pytest.mark.slow
@pytest.mark.parametrize("mix", ["all", "all but a branch's first", "all but the last convolution"])
def test_onnx_runtime_runs_in_int8_what_the_member_does(mix: str, tmp_path: Path) -> None:
    export(built(member(mix)), tmp_path / "m.onnx", "onnx")
    check_what_runs((tmp_path / "m.onnx").read_bytes(), mix, tmp_path)


@pytest.mark.parametrize("signed", [False, True])
def test_deployed_has_integers_where_it_rounds(signed: bool) -> None:
    module, x = mixed(), images(8, 4)
    expected, rounds = run(module, x), of(module, FakeQuantize)
    weights = {name: module.get_submodule(name).weight.detach().clone() for name in MIXES[MIX]}
    found: Any = deployed(module, signed=signed)
    assert found is module and not has_eight_bits(found)
    assert of(found, IntegerLayer) == set(MIXES[MIX])
    assert of(found, Quantize) == {f"{name}_quantize" for name in rounds}
    assert of(found, Dequantize) == {f"{name}_dequantize" for name in rounds}
    assert all(
        found.get_submodule(name).on[4] == (torch.int8 if signed else torch.uint8) for name in of(found, Quantize)
    )
    # Normalisations after what is in int8 are in the weights, the last one stays.
    assert of(found, nn.BatchNorm2d) == {"bn3"}
    for name, weight in weights.items():
        layer = found.get_submodule(name)
        assert layer.weight.dtype == torch.int8 and int(layer.weight.abs().max()) == MOST
        # Channels are only scaled by what is folded in: the whole numbers are those of the weights themselves.
        on = layer.weight.float() * layer.scales.reshape(-1, *[1] * (weight.dim() - 1))
        own = rounded_weight(weight)
        share = (on / own)[own != 0].abs()
        per_channel = (on.flatten(1).abs().amax(1) / own.flatten(1).abs().amax(1)).reshape(-1, *[1] * (own.dim() - 1))
        torch.testing.assert_close(share, per_channel.expand_as(own)[own != 0], rtol=1e-4, atol=0)
    assert float((run(found, x) - expected).abs().mean() / expected.abs().mean()) < 0.01


def test_settled_is_the_same_to_the_eye_of_an_exporter() -> None:
    module, x = mixed(), images(8, 4)
    expected, own = run(module, x), copy.deepcopy(module.state_dict())
    rounds = of(module, FakeQuantize)
    found = settled(module)
    assert not has_eight_bits(found) and not of(found, *KINDS.values()) and of(found, Rounding) == rounds
    for name in LAYERS:
        weight = found.get_submodule(name).weight
        assert isinstance(weight, nn.Parameter)
        key = f"{name}.weight"
        assert weight.equal(rounded_weight(own[key]) if name in MIXES[MIX] else own[key])
    assert float((run(found, x) - expected).abs().mean() / expected.abs().mean()) < 0.01
    program = torch.export.export(found, (x,))
    torch.testing.assert_close(run(program.module(), x), run(found, x))


def test_in_float_keeps_the_weights_and_rounds_nothing() -> None:
    module, x = mixed(), images(8, 4)
    own = {name: value for name, value in module.state_dict().items() if not name.startswith("ranges.")}
    found = in_float(module)
    state = found.state_dict()
    assert state.keys() == own.keys() and all(value.equal(own[name]) for name, value in state.items())
    assert not of(found, FakeQuantize, *KINDS.values())
    assert all(type(found.get_submodule(name)) in KINDS for name in LAYERS)
    # Built alone, it has statistics of normalisations taken anew; those here are the member's.
    whole = network().build(network().whole).eval()
    assert whole.load_state_dict(own)
    torch.testing.assert_close(run(found, x), run(whole, x))
    assert not torch.allclose(run(found, x), run(mixed(), x), atol=1e-3)


def test_the_same_forms_of_what_has_no_eight_bits_are_itself() -> None:
    plain, x = in_float(mixed()), images(8, 2)
    expected = run(plain, x)
    for form in (deployed, settled, in_float):
        given = form(copy.deepcopy(plain))
        assert run(given, x).equal(expected) and not of(given, IntegerLayer, Rounding)


def _last_weights_doubled(module: Any) -> None:
    module.fc.weight.data *= 2


def _ranges_halved(module: Any) -> None:
    for one in module.modules():
        if isinstance(one, FakeQuantize):
            one.low.mul_(0.5)
            one.high.mul_(0.5)


def _classes_in_another_order(module: Any) -> None:
    module.fc.weight.data, module.fc.bias.data = module.fc.weight.data.flip(0), module.fc.bias.data.flip(0)


def _one_branch_of_nothing(module: Any) -> None:
    module.conv2.weight.data.zero_()


def _statistics_forgotten(module: Any) -> None:
    module.bn.reset_running_stats()


WRONG: tuple[Callable[[Any], None], ...] = (
    _last_weights_doubled,
    _ranges_halved,
    _classes_in_another_order,
    _one_branch_of_nothing,
    _statistics_forgotten,
)


@pytest.mark.parametrize("spoil", WRONG)
def test_a_wrong_file_is_too_far_off(spoil: Callable[[Any], None]) -> None:
    module, wrong = mixed(), mixed()
    spoil(wrong)
    batches = [(images(8, 4),)]
    right = differences(deployed(mixed()), module, batches)
    largest = float(run(module, *batches[0]).abs().max())
    assert right[0] <= right[1] == pytest.approx(ROUNDED * largest)
    apart, allowed = differences(deployed(wrong), module, batches)
    assert apart > allowed == right[1]


def test_only_what_is_in_eight_bits_may_be_so_far_off() -> None:
    module, batches = mixed(), [(images(8, 4),)]
    plain = in_float(mixed())
    apart, allowed = differences(module, plain, batches)
    largest = float(run(plain, *batches[0]).abs().max())
    assert allowed == pytest.approx(TOLERANCE * max(1.0, largest))
    assert apart > allowed


@pytest.mark.parametrize("spoil", WRONG[:2])
def test_a_wrong_file_is_not_kept(
    spoil: Callable[[Any], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Pt2.write

    def spoilt(self: Pt2, module: nn.Module, signature: Signature, path: Path) -> None:
        spoil(module)
        write(self, module, signature, path)

    monkeypatch.setattr(Pt2, "write", spoilt)
    with pytest.raises(RunError, match=r"'pt2' does not reproduce the member: outputs are .* apart,"):
        export(built(mixed()), tmp_path / "m.pt2", "pt2")
    assert not list(tmp_path.iterdir())
