"""Each hypernetwork against its formula."""

from __future__ import annotations

import pytest
import torch

from archdial.common.errors import UsageError
from archdial.hypernet import MLP, Constant, Kernel, Linear, PiecewiseConstant, PiecewiseLinear, make_hypernet
from archdial.hypernet.kernel import spread
from archdial.space import Choice, Space

SPACE = Space((Choice("a", ("x", "y", "z"), ("k",) * 3), Choice("b", ("x", "y"), ("k",) * 2)))
MASK = SPACE.mask


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_constant_ignores_the_dial() -> None:
    net = Constant(SPACE, 2)
    logits = net(torch.rand(5, 2))
    assert logits[:, MASK].equal(net.logits[MASK].expand(5, -1))


def test_linear_is_its_formula() -> None:
    net = Linear(SPACE, 2)
    torch.nn.init.normal_(net.slope)
    dial = torch.rand(4, 2)
    for row, logits in zip(dial, net(dial), strict=True):
        expected = row[0] * net.slope[0] + row[1] * net.slope[1] + net.offset
        torch.testing.assert_close(logits[MASK], expected[MASK])


def test_piecewise_linear_interpolates_and_stops_at_the_ends() -> None:
    net = PiecewiseLinear(SPACE, 1, pivots=5)
    torch.nn.init.normal_(net.logits)
    pivots = net(torch.linspace(0, 1, 5)[:, None])
    assert pivots[:, MASK].equal(net.logits[:, MASK])
    between = net(torch.tensor([[0.25 + 0.25 * 0.3]]))[0]
    torch.testing.assert_close(between[MASK], (0.7 * net.logits[1] + 0.3 * net.logits[2])[MASK])
    outside = net(torch.tensor([[-3.0], [1.5]]))
    assert outside[:, MASK].equal(net.logits[[0, -1]][:, MASK])


def test_piecewise_constant_has_one_answer_a_piece() -> None:
    net = PiecewiseConstant(SPACE, 1, pieces=4)
    torch.nn.init.normal_(net.logits)
    inside = net(torch.tensor([[0.0], [0.24], [0.26], [0.49], [0.51], [0.99], [1.0], [-2.0], [3.0]]))
    assert inside[:, MASK].equal(net.logits[[0, 0, 1, 1, 2, 3, 3, 0, 3]][:, MASK])
    net(torch.tensor([[0.3]]))[:, MASK].sum().backward()
    assert net.logits.grad is not None
    assert [bool(piece.any()) for piece in net.logits.grad] == [False, True, False, False]
    with pytest.raises(UsageError, match=r"'mlp' or 'kernel'"):
        make_hypernet("piecewise_constant", SPACE, 3)
    with pytest.raises(UsageError, match="at least 1"):
        make_hypernet("piecewise_constant", SPACE, 1, pieces=0)


def test_piecewise_linear_names_the_alternatives() -> None:
    with pytest.raises(UsageError, match=r"'mlp' or 'kernel'"):
        make_hypernet("piecewise_linear", SPACE, 3)
    with pytest.raises(UsageError, match="at least two"):
        make_hypernet("piecewise_linear", SPACE, 1, pivots=1)


def test_kernel_nearer_pivots_have_larger_shares() -> None:
    net = Kernel(SPACE, 3, pivots=6)
    dial = torch.rand(50, 3)
    shares = net.shares(dial)
    torch.testing.assert_close(shares.sum(-1), torch.ones(50))
    assert torch.cdist(dial, net.pivots).argsort(-1).equal(shares.argsort(-1, descending=True))


def test_kernel_is_its_formula() -> None:
    net = Kernel(SPACE, 1, pivots=[[0.0], [1.0]], width=0.5)
    near, far = torch.exp(torch.tensor([-(0.2**2), -(0.8**2)]) / 0.5**2)
    expected = (near * net.logits[0] + far * net.logits[1]) / (near + far)
    torch.testing.assert_close(net(torch.tensor([[0.2]]))[0][MASK], expected[MASK])


def test_kernel_logits_at_a_pivot_are_nearest_to_that_pivots() -> None:
    net = Kernel(SPACE, 2, pivots=8, width=0.1)
    torch.nn.init.normal_(net.logits)
    at_pivots = net(net.pivots)[:, MASK]
    assert torch.cdist(at_pivots, net.logits[:, MASK]).argmin(-1).tolist() == list(range(8))


def test_kernel_pivots_are_a_seeded_buffer() -> None:
    net = Kernel(SPACE, 2, pivots=4, seed=3)
    assert "pivots" in net.state_dict()
    assert "pivots" not in dict(net.named_parameters())
    assert net.pivots.equal(spread(4, 2, 3))
    assert not net.pivots.equal(spread(4, 2, 4))
    given = torch.eye(2)
    net = Kernel(SPACE, 2, pivots=given)
    given.zero_()
    assert net.pivots.equal(torch.eye(2))
    assert net.width == pytest.approx(2**0.5)


@pytest.mark.parametrize(
    "settings",
    [
        {"pivots": 0},
        {"pivots": [[0.1]]},
        {"pivots": [[0.1, 0.2], [0.3]]},
        {"pivots": [[float("nan"), 0.2]]},
        {"pivots": "three"},
        {"width": 0.0},
        {"pivots": [[0.1, 0.2]] * 2},
    ],
)
def test_kernel_settings_that_do_not_fit(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"pivots|width"):
        make_hypernet("kernel", SPACE, 2, **settings)


def test_mlp_sizes() -> None:
    sizes = [tuple(p.shape) for name, p in MLP(SPACE, 3).named_parameters() if name.endswith("weight")]
    assert sizes == [(64, 3), (64, 64), (6, 64)]
    assert MLP(SPACE, 3, hidden=[8]).to_json() == {"kind": "mlp", "hidden": [8]}


@pytest.mark.parametrize("hidden", [[], [0], 64, ["64"]])
def test_mlp_sizes_that_do_not_fit(hidden: object) -> None:
    with pytest.raises(UsageError, match="hidden"):
        make_hypernet("mlp", SPACE, 1, hidden=hidden)


def test_unknown_kind_and_setting_suggest_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown hypernetwork 'kernal': did you mean 'kernel'"):
        make_hypernet("kernal", SPACE, 1)
    with pytest.raises(UsageError, match="did you mean 'pivots'"):
        make_hypernet("kernel", SPACE, 1, pivot=3)
