"""The suite that every hypernetwork passes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.hypernet import HYPERNETS, Hypernetwork, make_hypernet
from archdial.space import Architecture, Choice, Space

SPACE = Space(
    tuple(
        Choice(f"c{row}", tuple(f"o{column}" for column in range(size)), ("kind",) * size)
        for row, size in enumerate((3, 1, 4, 2))
    )
)
# Those that take fewer than any number of features.
FEATURES = {"piecewise_linear": (1,), "piecewise_constant": (1,)}
CASES = [(kind, features) for kind in HYPERNETS for features in FEATURES.get(kind, (1, 3))]

parametrize_cases = pytest.mark.parametrize(("kind", "features"), CASES)


def make(kind: str, features: int, seed: int = 0) -> Hypernetwork:
    torch.manual_seed(seed)
    return make_hypernet(kind, SPACE, features)


def positions(features: int, count: int = 7) -> Tensor:
    return torch.rand(count, features, generator=torch.Generator().manual_seed(1))


@parametrize_cases
@pytest.mark.parametrize("count", [0, 1, 5])
def test_shape_dtype_and_masked_logits(kind: str, features: int, count: int) -> None:
    logits = make(kind, features)(positions(features, count))
    assert logits.shape == (count, *SPACE.shape)
    assert logits.dtype == torch.float32
    assert (logits == -torch.inf).equal((~SPACE.mask).expand_as(logits))
    assert logits[:, SPACE.mask].isfinite().all()


@parametrize_cases
def test_double_precision_follows_the_parameters(kind: str, features: int) -> None:
    logits = make(kind, features).double()(positions(features))
    assert logits.dtype == torch.float64


@parametrize_cases
def test_rows_do_not_depend_on_each_other(kind: str, features: int) -> None:
    net, inputs = make(kind, features), positions(features)
    alone = torch.cat([net(row[None]) for row in inputs])
    torch.testing.assert_close(net(inputs), alone)


@parametrize_cases
def test_every_parameter_gets_a_finite_gradient(kind: str, features: int) -> None:
    net = make(kind, features)
    weights = net(positions(features)).softmax(-1)
    (weights * torch.rand(SPACE.shape)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@parametrize_cases
def test_a_favoured_architecture_is_raised_everywhere_on_the_dial_and_no_other(kind: str, features: int) -> None:
    net, inputs, favoured = make(kind, features), positions(features), Architecture((2, 0, 3, 1))
    before = net(inputs)
    net.favour(favoured, 3.0)
    raised = 3.0 * SPACE.one_hot(favoured).expand_as(before)
    torch.testing.assert_close((net(inputs) - before)[:, SPACE.mask], raised[:, SPACE.mask])
    assert [SPACE.argmax(row) for row in net(inputs)] == [favoured] * len(inputs)


@parametrize_cases
def test_state_dict_round_trip(kind: str, features: int) -> None:
    net, other, inputs = make(kind, features), make(kind, features, seed=1), positions(features)
    assert not net(inputs).equal(other(inputs))
    other.load_state_dict(net.state_dict())
    assert net(inputs).equal(other(inputs))


@parametrize_cases
def test_json_round_trip(kind: str, features: int) -> None:
    net = make(kind, features)
    value = json.loads(json.dumps(net.to_json()))
    assert value["kind"] == kind
    torch.manual_seed(0)
    other = make_hypernet(space=SPACE, features=features, **value)
    assert other.to_json() == net.to_json()
    other.load_state_dict(net.state_dict())
    assert net(positions(features)).equal(other(positions(features)))


@parametrize_cases
def test_deterministic(kind: str, features: int) -> None:
    net, inputs = make(kind, features), positions(features)
    assert net(inputs).equal(net(inputs))
    assert net(inputs).equal(make(kind, features)(inputs))
    assert net(inputs).equal(copy.deepcopy(net)(inputs))


@parametrize_cases
def test_options_start_near_uniform(kind: str, features: int) -> None:
    corners = torch.cat([positions(features), torch.zeros(1, features), torch.ones(1, features)])
    probabilities = make(kind, features)(corners).softmax(-1)
    uniform = SPACE.mask / SPACE.mask.sum(-1, keepdim=True)
    torch.testing.assert_close(probabilities, uniform.expand_as(probabilities), atol=0.01, rtol=0)


@parametrize_cases
def test_masked_options_never_win(kind: str, features: int) -> None:
    net = make(kind, features)
    for parameter in net.parameters():
        torch.nn.init.uniform_(parameter, -100.0, -50.0)
    best = net(positions(features)).argmax(-1)
    assert (best < SPACE.mask.sum(-1)).all()


@parametrize_cases
@pytest.mark.parametrize("shape", [lambda f: (f,), lambda f: (2, f + 1), lambda f: (1, 2, f)])
def test_wrong_features_are_named(kind: str, features: int, shape: Callable[[int], tuple[int, ...]]) -> None:
    with pytest.raises(UsageError, match=rf"expected \(n, {features}\)"):
        make(kind, features)(torch.zeros(shape(features)))


@pytest.mark.parametrize("kind", HYPERNETS)
def test_no_features_and_unknown_settings_are_usage_errors(kind: str) -> None:
    with pytest.raises(UsageError, match="feature"):
        make_hypernet(kind, SPACE, 0)
    with pytest.raises(UsageError, match=f"setting of hypernetwork '{kind}' 'no_such'"):
        make_hypernet(kind, SPACE, 1, no_such=3)


@pytest.mark.parametrize("kind", [kind for kind in HYPERNETS if kind != "constant"])
def test_learns_to_turn_with_the_dial(kind: str) -> None:
    """Option 0 costs z and option 1 costs 1 - z: the best one changes in the middle."""
    space = Space((Choice("c", ("a", "b"), ("a", "b")),))
    torch.manual_seed(0)
    net = make_hypernet(kind, space, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.03)
    for _ in range(200):
        dial = torch.rand(16, 1)
        cost = torch.stack([dial, 1 - dial], -1)
        loss = (net(dial).softmax(-1) * cost).sum(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert net(torch.tensor([[0.0], [0.3], [0.7], [1.0]])).argmax(-1).flatten().tolist() == [0, 0, 1, 1]
