"""The user's network stays as it was, and what is built of it is as good as it: state dict, training, pickling."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import archdial as ad
from archdial.common.errors import UsageError

INPUTS = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))


class Caching(nn.Module):
    """Keeps what it computes of a parameter, in evaluation mode, as LeViT does with its biases."""

    def __init__(self) -> None:
        super().__init__()
        self.cache: dict[str, Tensor] = {}
        self.biases, self.mix, self.act, self.head = (
            nn.Parameter(torch.randn(4)),
            nn.Linear(8, 8),
            nn.ReLU(),
            nn.Linear(8, 3),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        if "wide" not in self.cache:
            self.cache["wide"] = self.biases[torch.arange(8) % 4]
        return self.head(inputs + self.act(self.mix(inputs)) + self.cache["wide"])


class Tied(nn.Module):
    """One module under two names, and one that nothing calls."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 3)
        self.alias, self.unused = self.first, nn.Linear(5, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(inputs + self.alias(inputs + self.first(inputs).relu()).relu())


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.layer, self.mix, self.head = kind(4, 8, batch_first=True), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        found = self.layer(inputs.unflatten(1, (2, 4)))[0][:, -1]
        return self.head(found + self.mix(found).relu())


class Drawing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix, self.head = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        found = inputs + self.mix(inputs).relu()
        return self.head(found + torch.randn_like(found))


class Dropping(nn.Module):
    """Draws random numbers, and of zeros makes zeros all the same."""

    def __init__(self) -> None:
        super().__init__()
        self.mix, self.head = nn.Linear(8, 8, bias=False), nn.Linear(8, 3, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(F.dropout(inputs + self.mix(inputs).relu(), 0.5))


class Viewed(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count, self.mix, self.head = count, nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head((inputs + self.mix(inputs).relu()).view(self.count, 8))


class Added(nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.places, self.mix, self.head = nn.Parameter(torch.randn(count, 8)), nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(inputs + self.mix(inputs).relu() + self.places)


WRITTEN = r"it hard-codes a batch size; use x.shape\[0\] or -1 instead, or 1 where it is the size of a param"


def test_what_the_network_keeps_is_its_own() -> None:
    model = Caching().eval()
    net = ad.gates(model, INPUTS)
    assert model.cache == {}
    member = net.build(net.whole).train()
    member(INPUTS).sum().backward()
    # Of a constant it would have none.
    assert dict(member.named_parameters())["biases"].grad is not None
    assert copy.deepcopy(net).body.cache == {}


def test_state_dicts_fit_the_users_network() -> None:
    model = Tied().eval()
    net = ad.gates(model, INPUTS)
    member = net.untouched()
    assert list(member.state_dict()) != [] and set(member.state_dict()) == set(model.state_dict())
    with torch.no_grad():
        for parameter in member.parameters():
            parameter.add_(1.0)
    model.load_state_dict(member.state_dict())
    assert torch.allclose(model(INPUTS), member(INPUTS))
    own = dict(member.named_parameters(remove_duplicate=False))
    assert own["alias.weight"] is own["first.weight"]
    # What is shipped has what it uses.
    assert not any("unused" in name for name in net.build(net.whole).state_dict())


@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm], ids=["weight", "spectral"])
def test_hooks_that_compute_weights(norm: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nn.Sequential(norm(nn.Linear(8, 8)), nn.ReLU(), norm(nn.Linear(8, 8)), nn.ReLU(), nn.Linear(8, 3))
    model(INPUTS).sum().backward()
    torch.optim.SGD(model.parameters(), 0.1).step()
    net = ad.gates(model.eval(), INPUTS)
    drawn = net.space.random(torch.Generator().manual_seed(1))
    net.train()
    net(INPUTS, net.space.one_hot(drawn)).sum().backward()
    torch.optim.SGD(net.parameters(), 0.1).step()
    net.eval()
    with torch.no_grad():
        assert torch.allclose(net.build(drawn)(INPUTS), net(INPUTS, net.space.one_hot(drawn)), atol=1e-4)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_members_with_recurrent_layers_are_pickled(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    net = ad.gates(Recurrent(kind).eval(), INPUTS)
    member, stream = net.build(net.whole), io.BytesIO()
    torch.save(member, stream)
    stream.seek(0)
    again = torch.load(stream, weights_only=False)
    more = torch.cat((INPUTS, INPUTS))
    assert torch.equal(again(more), member(more)) and torch.equal(copy.deepcopy(member)(more), member(more))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            Drawing(),
            "Drawing is not deterministic in evaluation mode: it draws random numbers or caches results. Do that only",
        ),
        (Viewed(2), rf"on the example but not on its first input alone .*, `return self.head\(.*`\): {WRITTEN}"),
        (Added(2), rf"runs on one input but not on 3 .*, `return self.head\(.*`\): {WRITTEN}"),
    ],
)
def test_what_no_graph_can_have_is_told_with_its_remedy(model: nn.Module, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        ad.gates(model.eval(), INPUTS)


@pytest.mark.parametrize("model", [Viewed(1), Added(2), Added(3), Added(4)], ids=lambda one: type(one).__name__)
def test_a_batch_size_in_the_code_is_told_of_an_example_of_one(model: nn.Module) -> None:
    with pytest.raises(UsageError, match=rf"runs on one input but not on \d .*, `return self.head\(.*`\): {WRITTEN}"):
        ad.gates(model.eval(), INPUTS[:1])


def test_a_parameter_for_any_batch_is_taken() -> None:
    assert ad.gates(Added(1), INPUTS[:1]).gates


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_example_of_equal_values_hides_nothing(value: float) -> None:
    with pytest.raises(UsageError, match="Dropping is not deterministic in evaluation mode: it draws random numbers"):
        ad.gates(Dropping(), torch.full((2, 8), value))


class Rooted(nn.Module):
    """Takes no negative numbers: it fails, or what it gives is no number."""

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.fails, self.mix, self.head = fails, nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        if self.fails and not torch.compiler.is_exporting() and inputs.min() < 0:
            raise ValueError
        found = inputs if self.fails else inputs.sqrt()
        return self.head(found + self.mix(found).relu())


@pytest.mark.parametrize("fails", [True, False])
def test_the_values_of_the_example_are_kept_where_the_network_needs_them(fails: bool) -> None:
    net = ad.gates(Rooted(fails), torch.zeros(2, 8))
    assert isinstance(net.example, Tensor) and net.example.equal(torch.zeros(1, 8))


@pytest.mark.parametrize("count", [1, 2])
def test_normalising_by_the_batch_alone_is_told(count: int) -> None:
    norm = nn.BatchNorm1d(8, track_running_stats=False)
    model = nn.Sequential(nn.Linear(8, 8), norm, nn.ReLU(), nn.Linear(8, 3)).eval()
    with pytest.raises(
        UsageError, match=r"input: 1 is a BatchNorm1d without running statistics.*track_running_stats=True"
    ):
        ad.gates(model, INPUTS[:count])


def test_normalising_by_the_batch_is_taken_where_one_image_has_several_pixels() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3, track_running_stats=False)
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), norm, nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)).eval()
    images = torch.randn(4, 3, 4, 4)
    net = ad.gates(model, images)
    assert torch.allclose(net.build(net.whole, [images])(images), model(images), atol=1e-5)
    dropped = net.space.parse({"0": "drop", "1": "keep", "2": "keep"})
    given = net(images, net.space.one_hot(dropped))
    assert torch.allclose(net.build(dropped, [images])(images), given, atol=1e-5)
