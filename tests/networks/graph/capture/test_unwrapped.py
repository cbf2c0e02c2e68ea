"""What torch puts around a network is taken off, and what cannot be searched is told by its fix."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import archdial as ad
from archdial.common.errors import UsageError
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.capture.unwrapped import unwrapped

IMAGES = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def plain() -> nn.Module:
    layers = (nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(144, 2)).eval()


class Distributed(nn.parallel.DistributedDataParallel):
    """One without the processes that it is made for."""

    def __init__(self, module: nn.Module) -> None:
        nn.Module.__init__(self)
        self.module = module


WRAPPED: dict[str, Callable[[nn.Module], nn.Module]] = {
    "compiled": torch.compile,
    "parallel": nn.DataParallel,
    "distributed": Distributed,
    "both": lambda model: nn.DataParallel(torch.compile(model)),
    "twice": lambda model: torch.compile(nn.DataParallel(model)),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapped_network_is_the_one_within(name: str) -> None:
    model = plain()
    wrapped = WRAPPED[name](model)
    network = ad.gates(wrapped, IMAGES)
    assert unwrapped(wrapped) is model
    assert set(network.body.state_dict()) == set(model.state_dict())
    assert [gate.name for gate in network.gates] == [gate.name for gate in ad.gates(model, IMAGES).gates]
    torch.testing.assert_close(network.untouched()(IMAGES), model(IMAGES))
    again = GatedNetwork.from_json(network.to_json(), WRAPPED[name](model))
    assert not network.training and not again.training
    torch.testing.assert_close(again.untouched()(IMAGES), model(IMAGES))


def test_what_compile_made_in_place_is_not_run() -> None:
    model, calls = plain(), list[object]()
    model.compile(backend=lambda graph, inputs: calls.append(graph) or graph.forward)
    network = ad.gates(model, IMAGES)
    assert not calls
    assert model._compiled_call_impl is not None
    assert set(network.body.state_dict()) == set(model.state_dict())


def refuse(graph: object, inputs: object) -> None:
    pytest.fail("the network was compiled")


@pytest.mark.parametrize("path", ["", "0", "3"])
@pytest.mark.parametrize("wrap", [lambda own: torch.compile(own, backend=refuse), torch.compiler.disable])
def test_a_compiled_forward_is_the_one_within(path: str, wrap: Callable[..., Any]) -> None:
    model, calls = plain(), list[object]()
    expected = [gate.name for gate in ad.gates(model, IMAGES).gates]
    module = model.get_submodule(path)
    own = module.forward = wrap(module.forward)
    for one in model:
        one.register_forward_hook(lambda module, *_: calls.append(module))
    network = ad.gates(model, IMAGES)
    assert [gate.name for gate in network.gates] == expected
    assert set(dict(network.named_buffers())) == {f"body.{name}" for name, _ in model.named_buffers()}
    # It was copies that ran.
    assert not {*calls} & {*model}
    assert module.forward is own


class Partly(nn.Module):
    """A network of which torch.compile made a function, and that only tracing can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.head, self.act = nn.Linear(8, 8), nn.Linear(8, 2), torch.compile(torch.relu, backend=refuse)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if torch.compiler.is_exporting():
            raise ValueError
        return self.head(inputs + self.act(self.mix(inputs)))


def test_a_compiled_function_is_entered() -> None:
    network = ad.gates(Partly(), torch.rand(2, 8))
    assert [gate.name for gate in network.gates] == ["mix", "relu", "branch"]
    assert not network.opaque and torch.compiler.is_compiling() is False


def scripted() -> nn.Module:
    return torch.jit.script(plain())


def recorded() -> nn.Module:
    return torch.jit.trace(plain(), IMAGES)


def scripted_within() -> nn.Module:
    model = plain()
    model[3] = torch.jit.script(nn.Sequential(model[3]))
    return model


def quantised() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(plain(), {nn.Linear})


class Packed(torch.Tensor):
    """A tensor such as other libraries pack."""


Packed.__module__ = "torchao.dtypes"


def packed() -> nn.Module:
    model = plain()
    model[5].weight = nn.Parameter(model[5].weight.detach().as_subclass(Packed), requires_grad=False)
    return model


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "scripted": (scripted, "TorchScript.*pass the torch.nn.Module it was made from"),
    "traced": (recorded, "TorchScript.*pass the torch.nn.Module it was made from"),
    "scripted within": (scripted_within, "^3 in Sequential, a submodule is TorchScript.*put there the torch.nn.Module"),
    "meta": (lambda: plain().to("meta"), r"meta device \(0.weight\): call model.to_empty"),
    "quantised": (quantised, r"is quantised \(5 is a torch.ao.nn.quantized.*\): pass the float32 network"),
    "packed": (packed, r"is quantised \(5.weight is a torchao.dtypes.Packed\): pass the float32 network"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_searched_is_told_with_its_fix(name: str) -> None:
    make, match = REFUSED[name]
    model = make()
    with pytest.raises(UsageError, match=match):
        ad.gates(model, IMAGES)


class Fragile(nn.Module):
    """A network with an operation that the CPU has not in half precision."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        images = self.conv(inputs).relu() + inputs
        return torch.linalg.solve(torch.eye(6, dtype=images.dtype) + images[:, 0], images[:, 1])


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_works_or_is_told_with_its_fix(kind: torch.dtype) -> None:
    assert ad.gates(plain().to(kind), IMAGES.to(kind)).gates
    match = rf"has {kind} weights \(.*0.weight\).* on the CPU: pass model.float\(\) and a float32 example \("
    for wrap in (lambda model: model, nn.DataParallel):
        with pytest.raises(UsageError, match=rf"^Sequential {match}"):
            ad.gates(wrap(plain().to(kind)), IMAGES)
    with pytest.raises(UsageError, match=match.replace("0.weight", "conv.weight")):
        ad.gates(Fragile().to(kind), IMAGES.to(kind))
    assert ad.gates(Fragile(), IMAGES).gates


def test_a_network_and_an_example_without_values_are_captured() -> None:
    assert ad.gates(plain().to("meta"), IMAGES.to("meta")).gates


def test_other_networks_are_left_as_they_are() -> None:
    model = plain()
    assert unwrapped(model) is model
    inner = nn.Sequential(nn.DataParallel(copy.deepcopy(model)))
    assert unwrapped(inner) is inner
