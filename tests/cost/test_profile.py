"""Profiling a toy network: the sums, not the seconds."""

import json

import pytest
import torch
from torch import nn

from archdial.cost import timing
from archdial.cost.expected import ExpectedCost
from archdial.cost.profile import measure, measure_many, profile
from archdial.cost.runtimes import Eager, runtime
from archdial.cost.table import CostTable
from archdial.cost.timing import Timing
from archdial.errors import RunError, UsageError
from archdial.networks.base import Part, TermPlan

from .examples import Toy, architectures


@pytest.fixture
def timed(monkeypatch):
    """Replaces the clock's work: the n-th call timed takes 2^n ms, with spread 1/2."""
    calls: list[object] = []

    def fake(subjects, *, repeats, progress=None):
        calls.extend(subjects)
        for subject in subjects:
            subject()
        return [Timing(float(2**n), 0.5) for n in range(len(subjects))]

    monkeypatch.setattr(timing, "time_callables", fake)
    return calls


def by_options(table, number):
    return {entry.options: entry for entry in table.terms[number].entries}


def test_equal_keys_are_measured_once_and_summed(timed):
    table = profile(Toy())
    assert len(timed) == 3  # stem, conv, pool
    assert by_options(table, 0)[()].latency_ms == 1.0
    assert {o: e.latency_ms for o, e in by_options(table, 1).items()} == {
        ("conv",): 2.0,
        ("pool",): 4.0,
        ("none",): 0.0,
    }
    joint = by_options(table, 3)[("conv", "conv")]
    assert (joint.latency_ms, joint.latency_spread, joint.parameters) == (6.0, 0.5, 36)


def test_a_choice_that_no_term_names_costs_nothing(timed):
    table = profile(Toy())
    assert table.terms[4].choices == ("gate",)
    assert [entry.latency_ms for entry in table.terms[4].entries] == [0.0, 0.0]


def test_parameters_are_those_of_the_built_network():
    network = Toy()
    network.terms = lambda: Toy.terms(network)[:3]
    expected = ExpectedCost(network.space, profile(network, repeats=1), "parameters")
    for architecture in architectures(network.space):
        assert expected.of(architecture) == sum(p.numel() for p in network.build(architecture).parameters())


def test_table_fits_its_space_and_travels(tmp_path):
    network, seen = Toy(), []
    table = profile(network, repeats=2, batch_size=2, progress=lambda done, total: seen.append(done == total))
    assert CostTable.load(table.save(tmp_path / "table.json"), network.space) == table
    assert seen[-1] and not any(seen[:-1])
    header = json.loads(json.dumps(table.runtime))
    assert (header["batch_size"], header["threads"], header["runtime"]) == (2, 1, "eager")
    assert {"device", "device_name", "cpu", "python", "torch", "dtype", "layout", "date", "seconds"} <= set(header)
    assert by_options(table, 1)[("conv",)].flops == 2 * 2 * 2 * 9 * 16


def test_the_network_is_left_as_it_was():
    network, before = Toy().train(), torch.get_num_threads()
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    profile(network, repeats=1, threads=before + 1)
    assert network.training and network.convs[0].training
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert torch.get_num_threads() == before


def test_a_part_that_does_not_run_is_named():
    network = Toy()
    wrong = Part("stem on five channels", network.stem, (5, 4, 4))
    network.terms = lambda: [TermPlan((), {(): (wrong,)})]
    with pytest.raises(RunError, match="stem on five channels"):
        profile(network)


def test_whole_modules():
    linear = nn.Linear(3, 2)
    assert measure(linear, (3,), repeats=2).median_ms > 0
    assert len(measure_many([(linear, (3,)), (nn.Conv2d(1, 1, 1), (1, 4, 4))], repeats=2, batch_size=2)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"threads": 0}, "threads is 0"),
        ({"repeats": -1}, "repeats is -1"),
        ({"runtime": "eagre"}, "unknown runtime 'eagre': did you mean 'eager'"),
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"device": "meta"}, "'meta' cannot be measured"),
        ({"device": "cuda:99"}, "not on this machine"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        profile(Toy(), **arguments)
    with pytest.raises(UsageError, match=message):
        measure(nn.Identity(), (1,), **arguments)


def test_eager_computes_what_the_module_computes():
    module, example = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).eval(), torch.randn(2, 2, 5, 5)
    want = module(example)
    call = runtime("eager").prepare(module, example)
    assert isinstance(runtime("eager"), Eager)
    assert torch.allclose(call(), want, atol=1e-6)
    assert next(module.parameters()).is_contiguous(memory_format=torch.channels_last)


class Watch(nn.Module):
    """Notes in which state of torch it ran."""

    seen: set[tuple[bool, bool, int]] = set()  # noqa: RUF012 - shared with the copies that are measured

    def forward(self, inputs):
        self.seen.add((torch.is_inference_mode_enabled(), self.training, torch.get_num_threads()))
        return inputs


def test_modules_run_in_inference_and_evaluation_mode_on_the_threads_asked_for():
    measure(Watch(), (1,), threads=2, repeats=1)
    assert Watch.seen == {(True, False, 2)}
    assert not torch.is_inference_mode_enabled()
