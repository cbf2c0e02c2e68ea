"""When what runs runs: conditions in closed form, and against what is left in the graph that is built."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import fx

from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.conditions import ALWAYS, NEVER, Condition, also, either, holds
from archdial.networks.graph.need import Droppable, runs
from archdial.networks.graph.need import needs as found_needs
from tests.networks.graph.examples import NETWORKS, architectures, gated, programs, surviving

CHOICES, OPTIONS = 3, 3
TAKEN = list(itertools.product(range(OPTIONS), repeat=CHOICES))
KEPT = frozenset({0})


def some_options() -> st.SearchStrategy[frozenset[int]]:
    return st.frozensets(st.integers(0, OPTIONS - 1), min_size=1, max_size=OPTIONS - 1)


def some_conditions() -> st.SearchStrategy[Condition]:
    terms = st.dictionaries(st.integers(0, CHOICES - 1), some_options()).map(lambda term: frozenset(term.items()))
    return st.frozensets(terms, max_size=4).map(lambda found: either([found]))


def needs(network: GatedNetwork, target: str) -> set[frozenset[str]]:
    """When the only call of a module runs, by names of gates."""
    (node,) = (node for node in network.graph.nodes if node.target == target)
    found = network._conditions[node]
    assert all(options == KEPT for term in found for _, options in term)
    return {frozenset(network.gates[row].name for row, _ in term) for term in found}


def conditions(graph: fx.Graph, drops: dict[fx.Node, Droppable]) -> dict[fx.Node, Condition]:
    return {node: runs(found) for node, found in found_needs(graph, drops).items()}


def kept_rows(*rows: int) -> frozenset[tuple[int, frozenset[int]]]:
    return frozenset((row, KEPT) for row in rows)


@settings(max_examples=60, deadline=None)
@given(st.lists(some_conditions(), max_size=3), st.integers(0, CHOICES - 1), some_options())
def test_algebra_is_that_of_truth(found: list[Condition], choice: int, options: frozenset[int]) -> None:
    together = either(found)
    for taken in TAKEN:
        assert holds(together, taken) == any(holds(condition, taken) for condition in found)
        for condition in found:
            assert holds(also(condition, (choice, options)), taken) == (
                holds(condition, taken) and taken[choice] in options
            )
    assert not any(a < b for a in together for b in together)


def test_always_and_never() -> None:
    assert holds(ALWAYS, ()) and not holds(NEVER, (0, 0))
    assert either([]) == either([NEVER]) == NEVER
    assert either([ALWAYS, frozenset({kept_rows(1)})]) == ALWAYS
    assert also(NEVER, (1, KEPT)) == NEVER and also(ALWAYS, (1, KEPT)) == frozenset({kept_rows(1)})


def test_what_excludes_itself_never_holds() -> None:
    assert also(frozenset({kept_rows(1)}), (1, frozenset({1, 2}))) == NEVER
    assert also(frozenset({frozenset({(1, frozenset({0, 1}))})}), (1, frozenset({1, 2}))) == frozenset(
        {frozenset({(1, frozenset({1}))})}
    )


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
    assert network._conditions[tanh] == {kept_rows(row["tanh"], row[inner], row[outer])}


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
    drops = {
        node: Droppable(Operation(name, "other", node, source), (row, KEPT))
        for row, (name, node) in enumerate((("left", left), ("right", right)))
    }
    found = conditions(graph, drops)
    assert found[shared] == {kept_rows(0), kept_rows(1)}
    assert (found[left], found[right], found[source]) == ({kept_rows(0)}, {kept_rows(1)}, ALWAYS)
    together = conditions(graph, {node: Droppable(one.operation, (0, KEPT)) for node, one in drops.items()})
    assert together[shared] == {kept_rows(0)}


def test_what_serves_no_output_never_runs() -> None:
    graph = fx.Graph()
    source = graph.placeholder("source")
    dead = graph.call_function(abs, (source,))
    graph.output(source)
    assert conditions(graph, {})[dead] == NEVER


def compare(network: GatedNetwork, data: st.DataObject) -> None:
    architecture = data.draw(architectures(network))
    left = set(surviving(network, architecture))
    for node in network.graph.nodes:
        # Inputs stay inputs, whoever reads them.
        if node.op not in {"placeholder", "output"}:
            assert holds(network._conditions[node], architecture.options) == (node in left), node


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
