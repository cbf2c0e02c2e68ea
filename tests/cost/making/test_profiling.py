"""Profiling a toy network: the sums, not the seconds."""

import json
import warnings
from importlib import metadata

import pytest
import torch
from torch import nn

from archdial.common.errors import DoubtfulTable, NoisyMeasurement, RunError, UsageError
from archdial.cost.making import whole_networks as whole
from archdial.cost.making.checking import check
from archdial.cost.making.profiling import measure, measure_many, profile
from archdial.cost.measuring import isolation
from archdial.cost.measuring.runtimes import RUNTIMES, runtime
from archdial.cost.measuring.timing import Timing
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.fit import FEWEST
from archdial.cost.table.table import CostTable
from archdial.networks.supernet import Part, TermPlan
from tests.cost.examples import Toy, architectures
from tests.networks.examples import drawn, tiny


@pytest.fixture
def timed(monkeypatch):
    """Replaces the process that measures: the n-th subject takes 2^n ms, with spread 1/2."""
    calls: list[object] = []

    def fake(runtime, subjects, *, count, repeats, progress=None):
        for name, converted in subjects:
            runtime.load(converted)()
            calls.append(name)
        assert len(calls) == count
        return [Timing(float(2**n), 0.5) for n in range(count)]

    monkeypatch.setattr(isolation, "timings", fake)
    return calls


def by_options(table, number):
    return {entry.options: entry for entry in table.terms[number].entries}


def test_equal_keys_are_measured_once_and_summed(timed):
    table = profile(Toy(), networks=0)
    assert timed == ["stem", "conv", "pool"]
    assert by_options(table, 0)[()].latency_ms == 1.0
    assert {o: e.latency_ms for o, e in by_options(table, 1).items()} == {
        ("conv",): 2.0,
        ("pool",): 4.0,
        ("none",): 0.0,
    }
    joint = by_options(table, 3)[("conv", "conv")]
    assert (joint.latency_ms, joint.latency_spread, joint.parameters) == (6.0, 0.5, 36)


def test_what_is_noisy_is_warned_of_and_named_in_the_header(monkeypatch):
    found = [Timing(1.0, 0.02), Timing(1.0, 0.3), Timing(1.0, 0.04)]
    monkeypatch.setattr(isolation, "timings", lambda *_, **__: found)
    with pytest.warns(NoisyMeasurement, match=r"1 of 3 latencies still spread by more than 10%.* \(conv\)"):
        header = profile(Toy(), networks=0).runtime
    assert (header["noisy"], header["spread"]) == (["conv"], 0.04)
    found[1] = Timing(1.0, 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NoisyMeasurement)
        assert profile(Toy(), networks=0).runtime["noisy"] == []


def test_a_choice_that_no_term_names_costs_nothing(timed):
    table = profile(Toy(), networks=0)
    assert table.terms[4].choices == ("gate",)
    assert [entry.latency_ms for entry in table.terms[4].entries] == [0.0, 0.0]


def test_parameters_are_those_of_the_built_network(timed):
    network = Toy()
    network.terms = lambda: Toy.terms(network)[:3]
    expected = ExpectedCost(network.space, profile(network, networks=0), "parameters")
    for architecture in architectures(network.space):
        assert expected.of(architecture) == sum(p.numel() for p in network.build(architecture).parameters())


def test_sizes_are_those_of_the_weights_that_are_saved(timed):
    network = tiny(operations=("none", "identity", "sep_conv_3x3"))
    size = ExpectedCost(network.space, profile(network, networks=0), "size_bytes")
    for architecture in drawn(network.space, 5):
        state = network.build(architecture).state_dict()
        assert size.of(architecture) == sum(tensor.numel() * tensor.element_size() for tensor in state.values())


@pytest.mark.slow
def test_table_fits_its_space_and_travels(tmp_path):
    network, seen = Toy(), []
    table = profile(network, repeats=2, batch_size=2, progress=lambda done, total: seen.append(done == total))
    assert CostTable.load(table.save(tmp_path / "table.json"), network.space) == table
    assert seen[-1] and not any(seen[:-1])
    header = json.loads(json.dumps(table.runtime))
    assert (header["batch_size"], header["threads"], header["runtime"]) == (2, 1, "eager")
    assert (header["dtype"], header["layout"], header["runtime_version"]) == (
        "float32",
        "channels_last",
        header["torch"],
    )
    assert {"device", "device_name", "cpu", "python", "date", "seconds", "spread", "noisy"} <= set(header)
    assert by_options(table, 1)[("conv",)].flops == 2 * 2 * 2 * 9 * 16


def test_the_network_is_left_as_it_was(timed):
    network, before = Toy().train(), torch.get_num_threads()
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    profile(network, threads=before + 1, networks=0)
    assert network.training and network.convs[0].training
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert torch.get_num_threads() == before


def test_a_part_that_does_not_run_is_named():
    network = Toy()
    wrong = Part("stem on five channels", network.stem, (5, 4, 4))
    network.terms = lambda: [TermPlan((), {(): (wrong,)})]
    with pytest.raises(RunError, match="stem on five channels"):
        profile(network, networks=0)


@pytest.mark.slow
def test_whole_modules():
    found = measure_many([(nn.Linear(3, 2), (3,)), (nn.Conv2d(1, 1, 1), (1, 4, 4))], repeats=2, batch_size=2)
    assert len(found) == 2 and all(timing.median_ms > 0 for timing in found)
    assert measure_many([]) == []


@pytest.mark.slow
def test_a_whole_module_that_does_not_run_is_named():
    with pytest.raises(RunError, match=r"'network' failed on eager: RuntimeError: .*1x5 and 3x2"):
        measure(nn.Linear(3, 2), (5,))


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


class Watch(nn.Module):
    """Runs in no other state of torch than the one that is measured."""

    def forward(self, inputs):
        state = (torch.is_inference_mode_enabled(), self.training, torch.get_num_threads(), torch.is_grad_enabled())
        if state != (True, False, 2, False):
            raise RuntimeError(f"ran in {state}")
        return inputs


@pytest.mark.slow
def test_modules_run_in_inference_and_evaluation_mode_on_the_threads_asked_for():
    assert measure(Watch(), (1,), threads=2, repeats=1).median_ms > 0
    # Whoever runs in another state is found out; in this process, as another one takes a second to begin.
    with runtime("eager", threads=1).ready(), pytest.raises(RuntimeError, match=r"ran in \(True, False, 1, False\)"):
        Watch().eval()(torch.zeros(1, 1))
    assert not torch.is_inference_mode_enabled()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in RUNTIMES if kind not in ("eager", "compiled", "executorch")])
def test_a_table_of_each_runtime(kind):
    table = profile(Toy(), runtime=kind, repeats=2)
    assert table.runtime["runtime"] == kind
    assert all(by_options(table, 1)[(option,)].latency_ms > 0 for option in ("conv", "pool"))


@pytest.mark.slow
def test_what_cannot_be_converted_is_named():
    class Reads(nn.Module):
        def forward(self, inputs):
            return torch.fft.fft(inputs).real if float(inputs.sum()) else inputs.unfold(1, 2, 1).kthvalue(1).values

    network = Toy()
    network.terms = lambda: [TermPlan((), {(): (Part("odd", Reads(), (4,)),)})]
    with pytest.raises(RunError, match="part 'odd' cannot be converted for onnxruntime: "):
        profile(network, runtime="onnxruntime")


@pytest.fixture
def fused(monkeypatch):
    """Replaces the process that measures: a part alone takes 1 ms a launch, a whole network 1 ms for all it has."""

    def fake(runtime, subjects, *, count, repeats, progress=None):
        names = [name for name, _ in subjects]
        return [Timing(3.0 if name.startswith("network/") else 1.0 + (name != "launch"), 0.01) for name in names]

    monkeypatch.setattr(isolation, "timings", fake)


def test_whole_networks_correct_the_sum(fused, tmp_path):
    network = Toy()
    table = profile(network, networks=40)
    assert table.fit is not None and table.fit.launch_ms == 1.0
    assert table.fit.networks == len(table.networks) == len({str(n.architecture) for n in table.networks}) >= FEWEST
    fitted, plain = ExpectedCost(network.space, table), ExpectedCost(network.space, table.without_fit())
    for architecture in architectures(network.space):
        assert fitted.of(architecture) == pytest.approx(3.0, rel=0.01)
    assert plain.highest > 5.0 and table.fit.plain.mean_error > 0.3 and table.fit.held_out.mean_error < 0.01
    assert CostTable.load(table.save(tmp_path / "table.json"), network.space) == table


def test_networks_for_a_fit_begin_with_the_ends_and_are_distinct():
    network = tiny(cells=2)
    found = whole.to_fit(network, 20)
    assert found[:4] == [network.space.uniform(option) for option in network.space.options]
    assert len(set(found)) == len(found) == 20
    few = whole.to_fit(network, 12)
    assert few[:3] == found[:3] and len(set(few)) == 12, "a quarter of them at most"


def test_a_table_without_its_fit_stays_without_one(fused, tmp_path):
    plain = profile(Toy(), networks=40).without_fit()
    assert CostTable.load(plain.save(tmp_path / "table.json"), Toy().space) == plain


def test_what_a_device_sends_is_refused_where_the_fit_would_not_see_it(fused):
    value = profile(Toy(), networks=40).to_json()
    del value["fit"]
    assert CostTable.from_json(value).fit is not None
    for spoiled, message in (
        (lambda v: v["terms"][0]["entries"][0].update(parts=[]), "names no parts"),
        (lambda v: v["networks"][3].update(latency_ms=0.0), "latency_ms is 0.0: expected a number above 0"),
        (lambda v: v["networks"][3]["architecture"].update(dict.fromkeys(v["networks"][3]["architecture"], "w")), "w"),
    ):
        broken = json.loads(json.dumps(value))
        spoiled(broken)
        with pytest.raises(UsageError, match=message):
            CostTable.from_json(broken).check(Toy().space)


def test_a_library_of_another_distribution_is_borne(timed, monkeypatch):
    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", missing)
    assert profile(Toy(), networks=0).runtime["runtime_version"] == "unknown"


def test_too_few_networks_are_not_measured(timed):
    with pytest.warns(DoubtfulTable, match="the table is a plain sum of parts"):
        table = profile(Toy(), networks=FEWEST - 1)
    assert CostTable.from_json(table.to_json()).runtime["doubt"] == table.doubt != ""
    assert timed == ["stem", "conv", "pool"] and table.fit is None and table.networks == ()


def test_a_check_sees_other_networks_and_the_pace(fused, monkeypatch):
    network = Toy()
    table = profile(network, networks=FEWEST)
    slow = isolation.timings
    monkeypatch.setattr(
        isolation,
        "timings",
        lambda *given, **named: [Timing(2 * found.median_ms, 0.01) for found in slow(*given, **named)],
    )
    found = check(network, table, 5)
    seen = {network.space.parse(n.architecture) for n in table.networks}
    assert not set(found.architectures) & seen and len(found.architectures) == 5
    assert found.pace == pytest.approx(2.0) and found.measured == (6.0,) * 5
    assert found.agreement.mean_error < 0.01 < 0.3 < found.plain.mean_error
    assert found.to_json()["fitted"]["within"] == 1.0


def test_there_must_be_networks_left_to_check(fused):
    network = Toy()
    table = profile(network, networks=10_000, repeats=1)
    with pytest.raises(UsageError, match="no architectures other than"):
        check(network, table)
