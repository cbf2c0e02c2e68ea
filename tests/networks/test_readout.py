"""The last linear layer refitted to the untouched network: against least squares written another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

import archdial as ad
from archdial.common.errors import UsageError
from archdial.families.storage import save_family
from archdial.families.stored_readout import readout_json, take_readout
from archdial.networks.graph.network import GatedNetwork
from archdial.networks.readout import RIDGE, Imitated, readouts, refit_readout
from archdial.searching.settings import SearchSettings
from tests.networks.examples import counted_table, tiny

SETTINGS = SearchSettings(
    evaluations=6, sample=4, batch_size=16, dial_steps=10, rounds=2, regime="frozen", readout="refitted"
)


class Net(nn.Module):
    """Features (n, 5) to logits (n, 3), through a branch that may be dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(5, 5), nn.ReLU())
        self.head = nn.Linear(5, 3)

    def forward(self, features: Tensor) -> Tensor:
        return self.head(features + self.branch(features)).log_softmax(-1)


class Twice(Net):
    def forward(self, features: Tensor) -> Tensor:
        return self.head(features) + self.head(features + self.branch(features))


def drawn(rows: int, seed: int = 1) -> Tensor:
    return torch.randn(rows, 5, generator=torch.Generator().manual_seed(seed))


def network(kind: type[Net] = Net) -> GatedNetwork:
    torch.manual_seed(0)
    made = ad.gates(kind().eval(), drawn(1))
    made.remember()
    return made


def dropped(made: GatedNetwork) -> Any:
    """All gates dropped."""
    return made.canonical(type(made.whole)((1,) * len(made.choices)))


def head(module: nn.Module) -> nn.Linear:
    found = module.get_submodule("head")
    assert isinstance(found, nn.Linear)
    return found


@pytest.mark.parametrize("bias", [True, False])
def test_weights_are_those_of_damped_least_squares(bias: bool) -> None:
    torch.manual_seed(3)
    whole = fx.symbolic_trace(nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 3, bias=bias)))
    member = fx.symbolic_trace(nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 3, bias=bias)))
    inherited = member.get_submodule("1").weight.detach().clone()
    batches = [drawn(7, 1), drawn(13, 2)]
    features = torch.cat([member.get_submodule("0")(batch) for batch in batches]).detach().double()
    wanted = torch.cat([whole(batch) for batch in batches]).detach().double()
    refit_readout(member, Imitated(lambda: whole, batches, None), [(batch,) for batch in batches])
    layer = member.get_submodule("1")
    # Ridge regression as ordinary least squares with more rows.
    means = features.mean(0) if bias else torch.zeros(5).double()
    centred, target = features - means, wanted - (wanted.mean(0) if bias else 0)
    damping = (RIDGE * centred.square().mean() * len(centred)).sqrt() * torch.eye(5)
    left = torch.cat((centred, damping))
    right = torch.cat((target - centred @ inherited.double().T, torch.zeros(5, 3)))
    expected = inherited + torch.linalg.lstsq(left, right).solution.T
    torch.testing.assert_close(layer.weight.double(), expected, atol=1e-6, rtol=1e-5)
    if bias:
        torch.testing.assert_close(layer(features.float()).mean(0), wanted.mean(0).float(), atol=1e-5, rtol=1e-5)


def test_a_built_member_comes_closer_to_the_whole_and_only_its_last_layer_changes() -> None:
    made, batches = network(), [drawn(64)]
    architecture = dropped(made)
    before = made.build(architecture, batches)
    made.readout = True
    after, whole = made.build(architecture, batches), made.untouched()
    far = (before(drawn(200, 5)).exp() - whole(drawn(200, 5)).exp()).square().mean()
    near = (after(drawn(200, 5)).exp() - whole(drawn(200, 5)).exp()).square().mean()
    assert near < 0.7 * far
    changed = [name for name, value in after.state_dict().items() if not value.equal(before.state_dict()[name])]
    assert changed == ["head.weight", "head.bias"]


def test_outputs_of_the_untouched_network_are_found_once_for_the_same_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    made, batches, ran = network(), [drawn(64)], []
    made.readout = True
    untouched = made.untouched
    monkeypatch.setattr(made, "untouched", lambda: ran.append(1) or untouched())
    first, second = (made.build(dropped(made), batches) for _ in range(2))
    assert len(ran) == 1 and head(first).weight.equal(head(second).weight)
    other = made.build(dropped(made), [drawn(64, 2)])
    assert len(ran) == 2 and not head(other).weight.equal(head(first).weight)
    with torch.no_grad():
        made.body.get_submodule("head").weight.mul_(2)
    made.remember()
    assert head(made.build(dropped(made), batches)).weight.norm() > 1.5 * head(first).weight.norm()


def test_large_outputs_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdial.networks.readout._KEPT", 100)
    whole, made, batches = network().untouched(), [], [(drawn(64),)]
    imitated = Imitated(lambda: made.append(1) or whole, batches, {})
    first, second = ([*imitated.outputs("head", batches)] for _ in range(2))
    assert len(made) == 2 and first[0].equal(second[0])


def test_the_whole_network_stays_and_so_does_a_member_without_examples() -> None:
    made = network()
    made.readout = True
    assert head(made.build(made.whole, [drawn(64)])).weight.equal(head(made.untouched()).weight)
    assert head(made.build(dropped(made))).weight.equal(head(made.untouched()).weight)


def test_a_layer_that_runs_twice_or_is_tied_is_left_alone() -> None:
    made = network(Twice)
    assert readouts(made.build(made.whole)) == []
    tied = fx.symbolic_trace(nn.Sequential(nn.Linear(5, 5, bias=False), nn.ReLU(), nn.Linear(5, 5, bias=False)))
    assert readouts(tied) == ["2"]
    tied.get_submodule("0").weight = tied.get_submodule("2").weight
    assert readouts(tied) == []


def test_the_features_before_a_softmax_are_found_and_those_before_a_weighted_layer_are_not() -> None:
    assert readouts(fx.symbolic_trace(nn.Sequential(nn.Linear(5, 4), nn.Softmax(-1)))) == ["0"]
    assert readouts(fx.symbolic_trace(nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4)))) == []


@pytest.mark.usefixtures("short_lessons")
def test_a_family_is_scored_by_what_it_builds_and_builds_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    made = network()
    labels = made.untouched()(drawn(96)).argmax(-1)
    rows = [(drawn(96)[at : at + 16], labels[at : at + 16]) for at in range(0, 96, 16)]
    data, table = {"train": rows[:3], "validation": rows[3:]}, counted_table(made)
    family = ad.search(made, data, table, settings=SETTINGS, task=ad.Classification())
    item = next(item for item in family.archive if item.architecture != made.whole)
    module = family.build(item.architecture)
    assert ad.score(module, rows[3:], family.task) == pytest.approx(item.score)
    assert not head(module).weight.equal(head(made.untouched()).weight)
    save_family(family, tmp_path)
    again = ad.load(tmp_path, model=Net())
    assert head(again.build(item.architecture)).weight.equal(head(module).weight)


def test_cells_have_no_readout_to_imitate_and_older_families_no_key() -> None:
    cells = tiny()
    with pytest.raises(UsageError, match="omit it for cells"):
        rows = [(torch.randn(4, 3, 8, 8), torch.zeros(4, dtype=torch.int64))]
        data, settings = {"train": rows, "validation": rows}, SearchSettings(readout="refitted")
        ad.search(cells, data, counted_table(cells), settings=settings, task=ad.Classification())
    with pytest.raises(UsageError, match="restore a copy"):
        take_readout(cells, "refitted")
    assert "readout" not in SearchSettings().to_json()
    assert readout_json(network()) == {}
