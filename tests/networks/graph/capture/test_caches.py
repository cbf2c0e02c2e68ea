"""A network that has run before captures like one that has not: what it keeps of what it computed is no constant."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import archdial as ad
from archdial.common.errors import Notice, UsageError

INPUTS = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
Compute = Callable[[], Tensor]


class Caching(nn.Module):
    """Adds biases that it computes where it has none yet."""

    def __init__(self) -> None:
        super().__init__()
        self.biases, self.mix, self.head = nn.Parameter(torch.randn(4)), nn.Linear(8, 8), nn.Linear(8, 3)

    def kept(self, compute: Compute) -> Tensor:
        return compute()

    def forward(self, inputs: Tensor) -> Tensor:
        found = inputs + self.mix(inputs).relu()
        return self.head(found + self.kept(lambda: self.biases[torch.arange(8) % 4]))


class InAttribute(Caching):
    cache: Any = None

    def __init__(self) -> None:
        super().__init__()
        self.cache = None

    def kept(self, compute: Compute) -> Tensor:
        if self.cache is None:
            self.cache = compute()
        return self.cache


class InNewAttribute(Caching):
    def kept(self, compute: Compute) -> Tensor:
        if not hasattr(self, "cache"):
            self.cache = compute()
        return self.cache


class InDict(Caching):
    def __init__(self) -> None:
        super().__init__()
        self._cache: dict[str, Any] = {"of": {}}

    def kept(self, compute: Compute) -> Tensor:
        return self._cache["of"].setdefault(8, compute())


class InList(Caching):
    def __init__(self) -> None:
        super().__init__()
        self.cache: list[Tensor] = []

    def kept(self, compute: Compute) -> Tensor:
        if not self.cache:
            self.cache.append(compute())
        return self.cache[0]


class InSlots(Caching):
    def __init__(self) -> None:
        super().__init__()
        self.cache: list[Any] = [None, None]

    def kept(self, compute: Compute) -> Tensor:
        if self.cache[1] is None:
            self.cache[1] = compute()
        return self.cache[1]


class Leaf(nn.Module):
    """One operation of the user's own, which stays whole."""

    def __init__(self) -> None:
        super().__init__()
        self.biases = nn.Parameter(torch.randn(4))
        self.cache: Any = None

    def forward(self, inputs: Tensor) -> Tensor:
        if self.cache is None:
            self.cache = self.biases[torch.arange(8) % 4]
        return inputs + self.cache


class InLeaf(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bias, self.mix, self.head = Leaf(), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.bias(inputs + self.mix(inputs).relu()))


class Deciding(InDict):
    """Goes another way where values are so, which only tracing can leave whole."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Branching()

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(self.inner(inputs))


class Branching(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs if float(inputs.sum()) > -1e9 else -inputs


def state(model: nn.Module) -> str:
    return repr(
        [(name, vars(module).get("cache"), vars(module).get("_cache")) for name, module in model.named_modules()]
    )


KINDS = [InAttribute, InNewAttribute, InDict, InList, InSlots, InLeaf, Deciding]


@pytest.mark.parametrize("filled", ["not", "with a history", "without"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_caches_are_taken_for_empty(kind: type[nn.Module], filled: str) -> None:
    torch.manual_seed(0)
    model = kind().eval()
    if filled != "not":
        with torch.set_grad_enabled(filled == "with a history"):
            model(INPUTS)
    before = state(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        net = ad.gates(model, INPUTS)
    assert state(model) == before
    member = net.build(net.whole)
    assert set(member.state_dict()) == set(model.state_dict())
    assert torch.allclose(member(INPUTS), model(INPUTS), atol=1e-6)
    member = copy.deepcopy(net).build(net.whole).train()
    member(INPUTS).sum().backward()
    name = "bias.biases" if kind is InLeaf else "biases"
    assert dict(member.named_parameters())[name].grad is not None


class Constant(nn.Module):
    """Holds plain tensors that nothing computes anew."""

    def __init__(self, asks: bool) -> None:
        super().__init__()
        self.mix, self.head = nn.Linear(8, 8), nn.Linear(8, 3)
        self.scale = self.mix.bias * 2 if asks else torch.full((8,), 2.0)
        self.steps = [torch.ones(8), torch.ones(8)]

    def forward(self, inputs: Tensor) -> Tensor:
        found = inputs + self.mix(inputs).relu()
        return self.head(found * self.scale + self.steps[0] + self.steps[1])


def test_constants_stay_and_those_with_a_gradient_are_told() -> None:
    torch.manual_seed(0)
    for asks in (False, True):
        model = Constant(asks).eval()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", Notice)
            net = ad.gates(model, INPUTS)
        notices = [one for one in told if issubclass(one.category, Notice)]
        assert len(notices) == asks
        if asks:
            assert str(notices[0].message).startswith("scale requires a gradient but is not a parameter")
            assert notices[0].filename == __file__
        assert torch.allclose(net.build(net.whole)(INPUTS), model(INPUTS), atol=1e-6)


class Kept:
    def __init__(self) -> None:
        self.value: Any = None


class InObject(Caching):
    def __init__(self) -> None:
        super().__init__()
        self.holder = Kept()

    def kept(self, compute: Compute) -> Tensor:
        if self.holder.value is None:
            self.holder.value = compute()
        return self.holder.value


def test_what_nobody_may_copy_is_told() -> None:
    model = InObject().eval()
    model(INPUTS)
    with pytest.raises(UsageError, match=r"InObject cannot be copied, .* compute it under torch.no_grad\(\)"):
        ad.gates(model, INPUTS)
