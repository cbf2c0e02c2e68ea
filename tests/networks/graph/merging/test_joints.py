"""What is found to be mergeable in a gated network is what is mergeable in its members."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor, fx, nn

import archdial as ad
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.merging import Joint, joints
from archdial.space import Architecture
from tests.networks.graph.merging.layers import awake
from tests.networks.graph.merging.pairwise import Pair, adjacent, merges


class Chain(nn.Module):
    """Layers with activations between them, a branch, and one that is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(4, 4, 1) for _ in range(3))
        self.norm, self.branch, self.other = nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.act, self.more, self.last = nn.ReLU(), nn.Tanh(), nn.Sigmoid()

    def forward(self, inputs: Tensor) -> Tensor:
        found = self.more(self.act(self.norm(self.a(inputs))))
        found = self.b(found)
        found = found + self.branch(found)
        found = self.c(found)
        return self.last(found) * self.other(found)


def dropped(net: GatedNetwork, architecture: Architecture) -> set[str]:
    return {operation.node.name for operation in net.dropped(architecture)}


def joints_of(net: GatedNetwork) -> list[Joint]:
    passes = {operation.node: operation.passes for gate in net.gates for operation in gate.operations}
    return list(joints(net.body, net.graph, passes, lambda node: None))


def found_in(net: GatedNetwork, architecture: Architecture) -> set[Pair]:
    """Return the pairs of layers that can be merged in a member of which nothing else is merged."""
    return {pair for pair in adjacent(net.build(architecture)) if merges(net.build(architecture), pair)}


def foretold(net: GatedNetwork, every: list[Joint], architecture: Architecture) -> set[Pair]:
    gone, passes = dropped(net, architecture), {o.node: o.passes for g in net.gates for o in g.operations}

    def reads(user: fx.Node, read: fx.Node) -> bool:
        """Tell whether anything that runs reads `read` by way of `user`, whatever is dropped."""
        if user.op == "output":
            return True
        if user.name in gone and passes[user] is not read:
            return False
        runs = user.name not in gone
        return any(reads(further, user) for further in user.users) if user.users else runs

    return {
        (str(one.first.target), str(one.second.target))
        for one in every
        if {one.first.name, one.second.name}.isdisjoint(gone)
        and gone.issuperset(node.name for node in one.dropped)
        and not any(reads(user, read) for user, read in one.readers)
        and any(reads(user, one.second) for user in one.second.users)
    }


@pytest.mark.slow
def test_joints_are_the_pairs_of_the_members() -> None:
    net = ad.gates(awake(Chain()), torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0)))
    every = joints_of(net)
    draw, seen = random.Random(0), set()
    for _ in range(150):
        drawn = Architecture(tuple(draw.choice((0, 1, 1)) for _ in net.gates))
        architecture = net.canonical(drawn)
        expected = foretold(net, every, architecture)
        assert found_in(net, architecture) == expected
        seen |= expected
    # What the last product reads beside `other` it reads in every member.
    every_pair = {(str(one.first.target), str(one.second.target)) for one in every}
    assert {pair for pair in every_pair if "other" not in pair} == seen


def test_a_joint_says_what_is_between_and_who_reads_it() -> None:
    net = ad.gates(awake(Chain()), torch.randn(2, 4, 5, 5))
    every = {(str(one.first.target), str(one.second.target)): one for one in joints_of(net)}
    assert [str(node.target) for node in every["a", "b"].dropped] == ["more", "act", "norm"]
    assert every["a", "b"].readers == ()
    assert [str(user.target) for user, _ in every["b", "c"].readers] == ["branch"]
    assert every["a", "norm"].dropped == ()
    # What stands before a padded convolution, with a bias, is never one with it.
    assert not any("branch" in pair for pair in every)
