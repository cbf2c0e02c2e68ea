"""When what runs runs: conditions in closed form, and against what is left in the graph that is built."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import fx

from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.need import ALWAYS, NEVER, Condition, either, holds, runs, with_kept
from archdial.networks.graph.need import needs as found_needs
from tests.networks.graph.examples import NETWORKS, architectures, gated, kept, programs, surviving

CHOICES = 4
SUBSETS = [set(s) for size in range(CHOICES + 1) for s in itertools.combinations(range(CHOICES), size)]


def some_conditions() -> st.SearchStrategy[Condition]:
    return st.frozensets(st.frozensets(st.integers(0, CHOICES - 1)), max_size=4).map(lambda found: either([found]))


def needs(network: GatedNetwork, target: str) -> set[frozenset[str]]:
    """When the only call of a module runs, by names of gates."""
    (node,) = (node for node in network.graph.nodes if node.target == target)
    return {frozenset(network.gates[row].name for row in term) for term in network._conditions[node]}


def conditions(graph: fx.Graph, choice_of: dict[fx.Node, tuple[Operation, int]]) -> dict[fx.Node, Condition]:
    return {node: runs(found) for node, found in found_needs(graph, choice_of).items()}


@settings(max_examples=60, deadline=None)
@given(st.lists(some_conditions(), max_size=3), st.integers(0, CHOICES - 1))
def test_algebra_is_that_of_truth(found: list[Condition], choice: int) -> None:
    together = either(found)
    for there in SUBSETS:
        assert holds(together, there) == any(holds(condition, there) for condition in found)
        for condition in found:
            assert holds(with_kept(condition, choice), there) == (holds(condition, there) and choice in there)
    assert not any(a < b for a in together for b in together)


def test_always_and_never() -> None:
    assert holds(ALWAYS, ()) and not holds(NEVER, range(CHOICES))
    assert either([]) == either([NEVER]) == NEVER
    assert either([ALWAYS, frozenset({frozenset({1})})]) == ALWAYS
    assert with_kept(NEVER, 1) == NEVER and with_kept(ALWAYS, 1) == frozenset({frozenset({1})})


def test_layers_of_a_branch_run_while_it_is_kept() -> None:
    network = gated("residual")
    assert needs(network, "stem") == needs(network, "fc") == {frozenset()}
    assert needs(network, "bn") == {frozenset({"bn"})}
    for layer in ("conv1", "bn1", "conv2", "bn2"):
        assert needs(network, f"l1.{layer}") == {frozenset({f"l1.{layer}", "l1.branch"})}
    # The first of the second block changes the shape: it has no gate of its own. Its shortcut always runs.
    assert needs(network, "l2.conv1") == {frozenset({"l2.branch"})}
    assert needs(network, "l2.down.0") == {frozenset()}
    assert needs(network, "l2.down.1") == {frozenset({"l2.down.1"})}


def test_an_inner_branch_runs_while_both_are_kept() -> None:
    network = gated("nested")
    inner, outer = (gate.name for gate in network.gates if gate.kind == "branch")
    assert needs(network, "inner") == {frozenset({"inner", inner, outer})}
    assert needs(network, "first") == {frozenset({"first", outer})}
    (tanh,) = (node for node in network.graph.nodes if "tanh" in str(node.target))
    row = {gate.name: number for number, gate in enumerate(network.gates)}
    assert network._conditions[tanh] == {frozenset({row["tanh"], row[inner], row[outer]})}


def test_a_query_is_needed_only_while_attention_is_kept() -> None:
    network = gated("attending")
    attention = "scaled_dot_product_attention"
    assert needs(network, "before") == {frozenset({attention, "branch"})}
    assert needs(network, "query") == {frozenset({"query", attention, "branch"})}
    # The values take the place of attention.
    assert needs(network, "value") == {frozenset({"value", "branch"})}
    assert needs(network, "patches") == {frozenset()}
    vit, layer = gated("vit"), "vit.layers.1"
    attended = f"{layer}.attention:{attention}"
    for name in ("q_proj", "k_proj"):
        own = f"{layer}.attention.{name}"
        assert needs(vit, own) == {frozenset({own, attended, f"{layer}.branch"})}
    own = f"{layer}.attention.v_proj"
    assert needs(vit, own) == {frozenset({own, f"{layer}.branch"})}
    assert needs(vit, f"{layer}.mlp.fc1") == {frozenset({f"{layer}.branch#2"})}


def test_what_two_read_runs_while_either_is_kept() -> None:
    graph = fx.Graph()
    source = graph.placeholder("source")
    shared = graph.call_function(abs, (source,))
    left, right = graph.call_function(max, (source, shared)), graph.call_function(min, (source, shared))
    graph.output(graph.call_function(sum, (left, right)))
    choice_of = {
        node: (Operation(name, "other", node, source), row)
        for row, (name, node) in enumerate((("left", left), ("right", right)))
    }
    found = conditions(graph, choice_of)
    assert found[shared] == {frozenset({0}), frozenset({1})}
    assert (found[left], found[right], found[source]) == ({frozenset({0})}, {frozenset({1})}, ALWAYS)
    together = conditions(graph, {node: (operation, 0) for node, (operation, _) in choice_of.items()})
    assert together[shared] == {frozenset({0})}


def test_what_serves_no_output_never_runs() -> None:
    graph = fx.Graph()
    source = graph.placeholder("source")
    dead = graph.call_function(abs, (source,))
    graph.output(source)
    assert conditions(graph, {})[dead] == NEVER


def compare(network: GatedNetwork, data: st.DataObject) -> None:
    architecture = data.draw(architectures(network))
    left, there = set(surviving(network, architecture)), kept(network, architecture)
    for node in network.graph.nodes:
        # Inputs stay inputs, whoever reads them.
        if node.op not in {"placeholder", "output"}:
            assert holds(network._conditions[node], there) == (node in left), node


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_what_holds_is_what_is_left_when_built(name: str, data: st.DataObject) -> None:
    compare(gated(name), data)


@pytest.mark.slow
@settings(max_examples=9, deadline=None)
@given(programs(), st.data())
def test_what_holds_is_what_is_left_of_random_networks(network: GatedNetwork, data: st.DataObject) -> None:
    compare(network, data)
