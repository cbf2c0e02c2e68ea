"""What family.json says of precisions: it is refused where it cannot be, with the model or without."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch

import archdial as ad
from archdial.common.documents import sealed
from archdial.common.errors import UsageError
from archdial.common.validation import validated
from archdial.families.family_file import ChoiceFile
from archdial.families.storage import load_family, save_family
from archdial.families.stored_choices import choices_json
from archdial.families.stored_network import open_network
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.closed import ClosedNetwork
from archdial.networks.graph.source import make_model
from tests.hostile.examples import family

SOURCE: dict[str, Any] = {"name": "resnet20", "width": 1, "input_shape": [1, 8, 8], "classes": 2}
Change = Callable[[dict[str, Any]], object]


@functools.cache
def network() -> GatedNetwork:
    model = make_model(**SOURCE).eval()
    only = ["stages.0.0.branch", "conv1.precision", "stages.0.0.*.precision", "head.precision"]
    groups = {"stages.0.0.bits": ["stages.0.0.*.precision"]}
    example = torch.zeros(2, 1, 8, 8)
    return ad.choices(model, example, width=None, precision=("int8",), include=only, groups=groups, source=SOURCE)


def described() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(network().to_json()))
    return found


def opened(value: dict[str, Any], *, closed: bool) -> Any:
    if not closed:
        return open_network(value, network().state_dict(), None, False, None)
    stored = [validated(ChoiceFile, one, "choices") for one in json.loads(json.dumps(choices_json(network())))]
    return open_network({**value, "source": None}, {}, None, False, stored)


def test_what_was_written_is_read() -> None:
    value = described()
    assert value["precisions"] == {
        "conv1.precision": ["conv1"],
        "stages.0.0.bits": ["stages.0.0.conv1", "stages.0.0.conv2"],
        "head.precision": ["head"],
    }
    assert opened(value, closed=False).space == network().space
    found = opened(value, closed=True)
    assert isinstance(found, ClosedNetwork) and found.space == network().space


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv1.precision": []}, "network.precisions.conv1.precision is []: expected a list of length at least 1"),
        ({"conv1.precision": ["conv1"] * 2}, "network.precisions has the layer 'conv1' twice: restore a copy"),
        ({"other": ["stages.0.0.conv2"]}, "network.precisions has the layer 'stages.0.0.conv2' twice"),
        ({"conv1.precision": "conv1"}, 'network.precisions.conv1.precision is "conv1": expected a list'),
        ({"conv1.precision": [8]}, "network.precisions.conv1.precision[0] is 8: expected a string"),
    ],
)
def test_no_layer_twice_and_none_without(change: dict[str, Any], message: str, closed: bool) -> None:
    value = described()
    value["precisions"] |= change
    with pytest.raises(UsageError, match=re.escape(message)):
        opened(value, closed=closed)


@pytest.mark.parametrize("layer", ["nowhere", "bn1", "stages.0.0.branch", "stages"])
def test_only_layers_that_the_model_has(layer: str) -> None:
    value = described()
    value["precisions"]["conv1.precision"] = [layer]
    with pytest.raises(UsageError, match=r"the model has no layer .* that has int8: pass the model"):
        opened(value, closed=False)


def test_a_precision_is_called_as_nothing_else_is() -> None:
    value = described()
    value["precisions"]["stages.0.0.branch"] = value["precisions"].pop("conv1.precision")
    with pytest.raises(UsageError, match="all with distinct names"):
        opened(value, closed=False)


@pytest.mark.parametrize(
    ("precisions", "message"),
    [
        ({"conv1.precision": ["conv1", "conv1"]}, "twice"),
        ({"conv1.precision": ["head"], "head.precision": ["conv1"]}, "the network.s choices differ from the family.s"),
        ({"conv1.precision": ["conv1"]}, "the network.s choices differ from the family.s"),
        ({}, "the network.s choices differ from the family.s"),
    ],
)
def test_a_whole_file_is_refused_in_one_sentence(precisions: dict[str, Any], message: str, tmp_path: Any) -> None:
    path = save_family(family(network()), tmp_path / "run")
    assert load_family(path.parent).space == network().space
    value = {name: one for name, one in json.loads(path.read_text()).items() if name != "sha256"}
    value["network"]["precisions"] = precisions
    path.write_text(json.dumps(sealed(value)))
    with pytest.raises(UsageError, match=message) as caught:
        load_family(path.parent)
    assert "\n" not in str(caught.value)
