"""Building beside other threads: nothing in the process is changed for them, and torch keeps nothing of it."""

from __future__ import annotations

import copy
import gc
import linecache
import pickle
import threading
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.fx import graph_module

from archdial.data import Normalize
from archdial.families.family import Family
from archdial.families.storage import load_family
from archdial.networks.cells.nas_bench_201 import NasBench201, Plan
from archdial.networks.cells.network import CellNetwork
from archdial.networks.cells.operations import OPERATIONS, register_operation
from archdial.networks.example import shape_of
from archdial.networks.graph import GatedNetwork
from archdial.networks.statistics import recalibrate
from archdial.networks.supernet import Supernet
from archdial.space import Architecture
from tests.hostile import examples
from tests.networks.examples import drawn, inputs, tiny
from tests.networks.graph.examples import dropping, gated, is_coarse
from tests.toy import Toy

pytestmark = pytest.mark.slow

BUILDERS, EACH = 8, 4
SUPERNETS = ("cells", "nas_bench_201", "residual")


def supernet(name: str) -> Supernet:
    torch.manual_seed(0)
    if name == "cells":
        return tiny()
    if name == "nas_bench_201":
        return NasBench201(Plan(cells=1, channels=4, image_size=(8, 8))).eval()
    return copy.deepcopy(gated(name))


def family(toy: Toy, network: Supernet) -> Family:
    channels = shape_of(network.example)[0]
    pixels = torch.randint(0, 256, (16, *shape_of(network.example)), generator=torch.Generator().manual_seed(1))
    normalize = Normalize((0.3,) * channels, (0.25,) * channels)
    return replace(toy.family, network=network, normalize=normalize, calibration=pixels.to(torch.uint8))


def same(one: nn.Module, other: nn.Module, images: Tensor) -> bool:
    own, others = one.state_dict(), other.state_dict()
    equal = own.keys() == others.keys() and all(value.equal(others[name]) for name, value in own.items())
    return equal and one(images).equal(other(images))


def kept_by_torch() -> set[str]:
    gc.collect()
    return {*graph_module._loader.eval_cache, *(file for file in linecache.cache if "eval_with_key" in file)}


@pytest.mark.parametrize("name", SUPERNETS)
@torch.no_grad()
def test_eight_threads_build_what_one_builds_while_others_call_models(toy: Toy, name: str) -> None:
    one = family(toy, supernet(name))
    images = inputs(one.network)
    architectures = drawn(one.space, EACH)
    alone = [one.build(architecture) for architecture in architectures]
    state, modes = copy.deepcopy(one.network.state_dict()), [m.training for m in one.network.modules()]
    unrelated, given = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).eval(), torch.randn(2, 3)
    expected, done, wrong = unrelated(given), threading.Event(), []

    @torch.no_grad()
    def call() -> int:
        calls = 0
        while not done.is_set():
            calls += 1
            wrong.extend([calls] * (not unrelated(given).equal(expected)))
        return calls

    @torch.no_grad()
    def build(first: int) -> bool:
        # Each begins elsewhere, so that different ones are built at once.
        order = [(first + step) % EACH for step in range(EACH)]
        return all(same(one.build(architectures[n]), alone[n], images) for n in order)

    with ThreadPoolExecutor(BUILDERS + 1) as pool:
        calling = pool.submit(call)
        try:
            built = list(pool.map(build, range(BUILDERS)))
        finally:
            done.set()
    assert all(built) and calling.result() and not wrong
    assert all(value.equal(state[key]) for key, value in one.network.state_dict().items())
    assert [module.training for module in one.network.modules()] == modes


def test_no_module_is_called_otherwise_while_a_path_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    network, forward = tiny(), CellNetwork.forward
    usual = nn.Module.__call__, nn.Module.__getattr__
    seen: list[Any] = []

    def watched(self: CellNetwork, images: Tensor, weights: Tensor) -> Tensor:
        seen.append((nn.Module.__call__, nn.Module.__getattr__))
        return forward(self, images, weights)

    monkeypatch.setattr(CellNetwork, "forward", watched)
    network.build(drawn(network.space, 1)[0])
    assert seen == [usual]


def test_builds_while_another_thread_traces() -> None:
    network = tiny()
    architecture, images = drawn(network.space, 1)[0], inputs(network)
    alone = network.build(architecture)
    built: list[nn.Module] = []

    class Waits(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            thread = threading.Thread(target=lambda: built.append(network.build(architecture)))
            thread.start()
            thread.join()
            return inputs + 1

    fx.symbolic_trace(Waits())
    assert same(built[0], alone, images)
    assert [n.name for n in built[0].graph.nodes] == [n.name for n in alone.graph.nodes]  # type: ignore[union-attr]


def test_hooks_on_all_modules_see_no_recording() -> None:
    network, seen = tiny(), []
    handle = nn.modules.module.register_module_forward_pre_hook(lambda _, given: seen.append(given))
    try:
        network.build(drawn(network.space, 1)[0])
    finally:
        handle.remove()
    assert not seen


@pytest.mark.parametrize("name", SUPERNETS)
@pytest.mark.parametrize("training", [False, True])
def test_the_supernet_is_only_read(toy: Toy, name: str, training: bool) -> None:
    one = family(toy, supernet(name))
    one.network.train(training)
    modes = [module.training for module in one.network.modules()]
    with torch.no_grad():
        for buffer in one.network.buffers():
            # None may write to it, not even to write back what was there.
            buffer.data = buffer.data.clone()
    versions = [tensor._version for tensor in (*one.network.parameters(), *one.network.buffers())]
    architecture = drawn(one.space, 1)[0]
    assert {module.training for module in one.build(architecture).modules()} == {False}
    assert [module.training for module in one.network.modules()] == modes
    assert [tensor._version for tensor in (*one.network.parameters(), *one.network.buffers())] == versions


@pytest.mark.parametrize("name", SUPERNETS)
def test_statistics_are_those_that_the_supernet_takes(toy: Toy, name: str) -> None:
    """Bit for bit."""
    one = family(toy, supernet(name))
    for architecture in drawn(one.space, 4):
        assert has_the_statistics_of_the_supernet(one, architecture)


def test_statistics_are_those_of_all_pixels_where_fewer_are_computed(toy: Toy) -> None:
    one = family(toy, supernet("residual"))
    assert isinstance(one.network, GatedNetwork)
    architecture = dropping(one.network, "l2.branch")
    assert is_coarse(one.network, architecture)
    assert has_the_statistics_of_the_supernet(one, architecture)


def has_the_statistics_of_the_supernet(family: Family, architecture: Architecture) -> bool:
    network, weights = copy.deepcopy(family.network), family.space.one_hot(architecture)
    recalibrate(network, lambda images: network(images, weights), [family.normalize(family.calibration)])
    own = dict((network.body if isinstance(network, GatedNetwork) else network).named_buffers())
    found = dict(family.build(architecture).named_buffers())
    return bool(found) and all(value.equal(own[name]) for name, value in found.items())


def test_the_whole_of_a_trained_network_keeps_its_statistics(toy: Toy) -> None:
    one = family(toy, supernet("residual"))
    whole = one.network.whole
    assert whole is not None
    own = dict(one.network.named_buffers())
    for network in (one.network, copy.deepcopy(one.network)):
        built = replace(one, network=network).build(whole)
        assert all(value.equal(own[f"body.{key}"]) for key, value in built.named_buffers())
        network.remember()


@pytest.mark.parametrize("name", ["cells", "residual"])
def test_torch_keeps_nothing_of_what_was_built(toy: Toy, name: str) -> None:
    one = family(toy, supernet(name))
    before = kept_by_torch()
    for architecture in drawn(one.space, 5):
        one.build(architecture)
    assert kept_by_torch() <= before


def test_source_is_there_as_long_as_the_module() -> None:
    network = tiny()
    module, other = (network.build(architecture) for architecture in drawn(network.space, 2))
    assert isinstance(module, fx.GraphModule)
    del other
    gc.collect()
    with pytest.raises(Exception) as raised:
        module(torch.zeros(1, 3, 4, 4, dtype=torch.int64))
    file = type(module).forward.__code__.co_filename
    lines = [frame.line for frame in traceback.extract_tb(raised.tb) if frame.filename == file]
    assert lines and all(lines)
    del raised
    assert "".join(linecache.getlines(file)) == f"{module.code}\n"
    images = inputs(network)
    expected = module(images)
    copied, read = copy.deepcopy(module), pickle.loads(pickle.dumps(module))
    del module
    gc.collect()
    assert not linecache.getlines(file)
    assert copied(images).equal(expected) and read(images).equal(expected)
    assert torch.export.export(copied, (images,)).module()(images).equal(expected)


@pytest.mark.parametrize("name", ["cells", "residual"])
def test_weights_are_freed_with_the_last_reference(name: str) -> None:
    """And not when Python next looks for cycles: until then a hundred members may have been built."""
    network = supernet(name)
    gc.disable()
    try:
        module = network.build(drawn(network.space, 1)[0])
        graph, weight = module.graph, weakref.ref(next(module.parameters()))
        assert isinstance(graph, fx.Graph)
        graph.lint()
        del module
        assert weight() is None
    finally:
        gc.enable()
    # A graph that outlives its module can be changed all the same.
    graph.erase_node(next(reversed(graph.nodes)))
    graph.lint()


def test_a_graph_stays_with_the_copy_that_took_it_over() -> None:
    network = tiny()
    module = network.build(drawn(network.space, 1)[0])
    taking = copy.copy(module)
    del module
    gc.collect()
    assert isinstance(taking.graph, fx.Graph) and taking.graph.owning_module is taking


def test_a_source_of_the_same_name_stays() -> None:
    """Threads that compile at once may be given one name by torch."""
    network = tiny()
    module = network.build(drawn(network.space, 1)[0])
    file, cache = type(module).forward.__code__.co_filename, graph_module._loader.eval_cache
    cache[file] = "of another module"
    del module
    gc.collect()
    assert cache.pop(file) == "of another module"
    linecache.cache.pop(file, None)


class Scaled(nn.Sequential):
    """A user's operation that is entered, and has a parameter and a buffer of its own; two of its modules are one."""

    def __init__(self, channels: int) -> None:
        convolution = nn.Conv2d(channels, channels, 1)
        super().__init__(convolution, nn.Identity(), nn.BatchNorm2d(channels), convolution)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 2.0))
        self.register_buffer("shift", torch.full((channels, 1, 1), 0.5), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * self.scale + self.shift


def test_own_parameters_and_shared_modules_are_recorded() -> None:
    register_operation("scaled")(lambda channels, stride: Scaled(channels))
    try:
        network = tiny(operations=("none", "scaled"), cells=1)
        architecture, images = network.space.uniform("scaled"), inputs(network)
        module = network.build(architecture)
        assert module(images).equal(network(images, network.space.one_hot(architecture)))
        names = [name for name, _ in module.named_parameters(remove_duplicate=False) if ".edges.0." in name]
        assert [name.rpartition("scaled.")[2] for name in sorted(names)] == [
            "0.bias", "0.weight", "2.bias", "2.weight", "scale",
        ]  # fmt: skip
        assert not any("shift" in name for name in module.state_dict())
    finally:
        del OPERATIONS["scaled"]


@pytest.mark.parametrize("kind", ["cells", "gates"])
def test_opening_a_family_sees_nothing_of_what_other_threads_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = examples.folders(kind, tmp_path)[0]
    layers: list[nn.Module] = []
    make_own = nn.Module.__init__
    main = threading.current_thread()

    def others(module: nn.Module, *args: Any, **kwargs: Any) -> None:
        make_own(module, *args, **kwargs)
        if threading.current_thread() is main:
            assert not any(value for name, value in vars(nn.modules.module).items() if name.startswith("_global_"))
            with ThreadPoolExecutor(1) as pool:
                layers.append(pool.submit(nn.Linear, 2, 2).result())

    with monkeypatch.context() as patch:
        patch.setattr(nn.Module, "__init__", others)
        load_family(folder)
    assert len(layers) > 20
    assert all(layer.weight.device.type == "cpu" and bool(layer.weight.any()) for layer in layers)  # type: ignore
