"""From operations to choices: what is included, excluded and kept or dropped together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest
from torch import fx

from archdial.common.errors import UsageError
from archdial.networks.graph import gates
from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.choices.selection import selected
from archdial.networks.graph.choices.together import together
from archdial.networks.graph.choosing import choices
from archdial.space import Space
from tests.networks.graph.examples import Residual, gated, images

_GRAPH = fx.Graph()
_NODE = _GRAPH.placeholder("inputs")

KINDS = {
    "conv1": "convolution",
    "bn1": "normalisation",
    "relu": "activation",
    "conv2": "convolution",
    "branch": "branch",
}
OPERATIONS = (
    Operation("stem", "convolution", _NODE, _NODE),
    *(Operation(f"layer{n}.{name}", kind, _NODE, _NODE) for n in (1, 2, 3) for name, kind in KINDS.items()),
    Operation("layer3.relu#2", "activation", _NODE, _NODE),
)
NAMES = [operation.name for operation in OPERATIONS]


def chosen(
    operations: Sequence[Operation],
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
) -> list[GraphChoice]:
    """Return the choices on `operations`, none of which is about units."""
    return [item.made((), 1) for item in together(selected(operations, include, exclude, groups or {}))]


def names(found: Sequence[GraphChoice]) -> list[str]:
    return [gate.name for gate in found]


def members(found: Sequence[GraphChoice]) -> dict[str, list[str]]:
    return {gate.name: [operation.name for operation in gate.operations] for gate in found}


def test_everything_is_chosen_in_order_each_alone() -> None:
    assert members(chosen(OPERATIONS)) == {name: [name] for name in NAMES}
    assert names(chosen(OPERATIONS)) == NAMES


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (["layer2.bn1"], ["layer2.bn1"]),
        (["layer2.bn1", "stem"], ["stem", "layer2.bn1"]),
        (["layer2.*"], [name for name in NAMES if name.startswith("layer2")]),
        (["*.conv1"], ["layer1.conv1", "layer2.conv1", "layer3.conv1"]),
        (["layer[12].bn1"], ["layer1.bn1", "layer2.bn1"]),
        (["branch"], ["layer1.branch", "layer2.branch", "layer3.branch"]),
        (["normalisation", "layer1.*"], [n for n in NAMES if n.startswith("layer1") or n.endswith("bn1")]),
        (["*relu#2"], ["layer3.relu#2"]),
        ("branch", ["layer1.branch", "layer2.branch", "layer3.branch"]),
    ],
)
def test_names_globs_and_kinds(patterns: Sequence[str], expected: list[str]) -> None:
    assert names(chosen(OPERATIONS, include=patterns)) == expected
    assert names(chosen(OPERATIONS, exclude=patterns)) == [name for name in NAMES if name not in expected]


def test_what_is_excluded_is_taken_from_what_is_included() -> None:
    assert names(chosen(OPERATIONS, ["convolution"], ["layer*.conv2", "stem"])) == [
        "layer1.conv1",
        "layer2.conv1",
        "layer3.conv1",
    ]


def test_a_group_is_one_gate_at_its_first_operation() -> None:
    found = chosen(OPERATIONS, ["layer1.*", "stem"], groups={"body": ["layer1.relu", "layer1.branch"]})
    assert members(found) == {
        "stem": ["stem"],
        "layer1.conv1": ["layer1.conv1"],
        "layer1.bn1": ["layer1.bn1"],
        "body": ["layer1.relu", "layer1.branch"],
        "layer1.conv2": ["layer1.conv2"],
    }
    assert names(found) == ["stem", "layer1.conv1", "layer1.bn1", "body", "layer1.conv2"]
    assert [gate.kind for gate in found][3] == "activation"


def test_a_star_in_the_name_makes_a_gate_for_each_text_it_stands_for() -> None:
    groups = {"block *": ["layer*.conv1", "layer*.bn1"], "others": ["layer*.conv2", "stem"]}
    found = chosen(OPERATIONS, exclude=["branch", "activation"], groups=groups)
    assert members(found) == {
        "others": ["stem", "layer1.conv2", "layer2.conv2", "layer3.conv2"],
        **{f"block {n}": [f"layer{n}.conv1", f"layer{n}.bn1"] for n in (1, 2, 3)},
    }
    assert names(found) == ["others", "block 1", "block 2", "block 3"]


def test_groups_of_kinds_and_of_several_stars() -> None:
    found = members(chosen(OPERATIONS, groups={"all convolutions": "convolution", "* activations": ["*.rel*"]}))
    assert found["all convolutions"] == [name for name in NAMES if "conv" in name or name == "stem"]
    # With several stars the first stands for all that is left of the name.
    assert found["layer1.relu activations"] == ["layer1.relu"]
    assert found["layer3.relu#2 activations"] == ["layer3.relu#2"]


def test_what_is_excluded_is_not_in_a_group() -> None:
    groups = {"block*": ["layer*.conv1", "layer*.bn1"], "lone": ["stem"]}
    found = members(chosen(OPERATIONS, include=["layer[12].*"], exclude=["layer2.bn1", "*.relu"], groups=groups))
    assert found == {
        "block1": ["layer1.conv1", "layer1.bn1"],
        "layer1.conv2": ["layer1.conv2"],
        "layer1.branch": ["layer1.branch"],
        "block2": ["layer2.conv1"],
        "layer2.conv2": ["layer2.conv2"],
        "layer2.branch": ["layer2.branch"],
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {"include": ["layer1.cnv1"]},
        {"exclude": ["stem", "layer1.cnv1"]},
        {"groups": {"a": ["layer1.cnv1"]}},
    ],
)
def test_an_unknown_name_lists_the_nearest(arguments: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        chosen(OPERATIONS, **arguments)
    text = str(caught.value)
    assert text.startswith("'layer1.cnv1' matches no operation that can be dropped: the nearest are layer1.conv1, ")


@pytest.mark.parametrize(("wrong", "right"), [("convolutions", "convolution"), ("normalization", "normalisation")])
def test_an_unknown_kind_lists_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(
        UsageError, match=f"'{wrong}' matches no operation that can be dropped: the nearest are {right}"
    ):
        chosen(OPERATIONS, include=[wrong])


def test_a_pattern_like_nothing_lists_some_names() -> None:
    with pytest.raises(UsageError, match="the nearest are convolution, normalisation, activation"):
        chosen(OPERATIONS, include=["%%%"])


def test_nothing_left_is_refused() -> None:
    message = "include ['layer1.bn1'] and exclude ['normalisation'] leave nothing to drop"
    with pytest.raises(UsageError, match=re.escape(message)):
        chosen(OPERATIONS, ["layer1.bn1"], ["normalisation"])
    with pytest.raises(UsageError, match="leave nothing to drop"):
        chosen(OPERATIONS, exclude=["*"])


@pytest.mark.parametrize(
    ("groups", "owners"),
    [
        ({"a": ["layer1.bn1"], "b": ["*.bn1"]}, ("a", "b")),
        ({"block*": ["layer*.bn1", "layer1.b*1"]}, ("block1", "blockn")),
    ],
)
def test_an_operation_in_two_groups_is_refused(groups: dict[str, list[str]], owners: tuple[str, str]) -> None:
    message = f"'layer1.bn1' is in the groups '{owners[0]}' and '{owners[1]}': keep it in one of them"
    with pytest.raises(UsageError, match=re.escape(message)):
        chosen(OPERATIONS, groups=groups)


def test_twice_in_one_group_is_once() -> None:
    found = chosen(OPERATIONS, ["layer1.*"], groups={"norm": ["layer1.bn1", "*1.bn*", "normalisation"]})
    assert members(found)["norm"] == ["layer1.bn1"]


def test_a_group_has_only_what_its_patterns_name() -> None:
    try:
        found = chosen(OPERATIONS, groups={"stem": ["layer1.conv1"]})
    except UsageError as error:
        assert "'stem'" in str(error)
    else:
        assert ["layer1.conv1"] in members(found).values()


def test_a_choice_is_to_keep_or_to_drop() -> None:
    space = Space(tuple(gate.choice for gate in chosen(OPERATIONS, ["stem", "layer1.branch"])))
    assert [(c.name, c.options, c.kinds) for c in space.choices] == [
        ("stem", ("keep", "drop"), ("convolution", "dropped")),
        ("layer1.branch", ("keep", "drop"), ("branch", "dropped")),
    ]
    assert space.kinds == ("convolution", "dropped", "branch")


def test_a_network_has_the_gates_that_were_asked_for() -> None:
    groups = {"block*": ["l*.conv1", "l*.bn1"]}
    network = gates(Residual(), images(), include=["l?.*"], exclude=["activation", "*.branch"], groups=groups)
    assert members(network.gates) == {
        "block1": ["l1.conv1", "l1.bn1"],
        "l1.conv2": ["l1.conv2"],
        "l1.bn2": ["l1.bn2"],
        "block2": ["l2.bn1"],
        "l2.conv2": ["l2.conv2"],
        "l2.bn2": ["l2.bn2"],
        "l2.down.1": ["l2.down.1"],
    }
    assert [choice.name for choice in network.space.choices] == names(network.gates)
    value = network.to_json()
    assert (value["kind"], value["gates"]) == ("gates", members(network.gates))
    assert gated("residual").space.shape == (16, 2)


def test_choices_without_widths_are_gates() -> None:
    asked = {"exclude": ["activation"], "groups": {"block*": ["l*.conv1", "l*.bn1"]}}
    by_gates, by_choices = gates(Residual(), images(), **asked), choices(Residual(), images(), width=None, **asked)
    assert by_choices.to_json() == by_gates.to_json() and by_choices.space == by_gates.space
