"""The contract that every runtime fulfils, as tests to subclass."""

from __future__ import annotations

import copy
import functools
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.cost.measuring.runtimes import Runtime
from archdial.cost.measuring.timing import Call
from archdial.cost.measuring.transport import packed
from archdial.networks.cells.operations import make_operation
from archdial.networks.cells.stems import stem


class Sum(nn.Module):
    """What joins two branches."""

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Add two tensors."""
        return left + right


def lived_in(module: nn.Module | None) -> nn.Module:
    """Return `module` with unusual statistics, in train mode: evaluation mode is the runtime's to ask for."""
    assert module is not None
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    return module.train()


def image(batch: int) -> tuple[Tensor, ...]:
    """Return small images (batch, 4, 9, 9)."""
    return (torch.randn(batch, 4, 9, 9),)


PARTS: dict[str, tuple[Callable[[], nn.Module], Callable[[int], tuple[Tensor, ...]]]] = {
    "sep_conv_3x3": (lambda: lived_in(make_operation("sep_conv_3x3", 4, 1)), image),
    "reduction": (lambda: lived_in(make_operation("identity", 4, 2)), image),
    "tokens": (
        lambda: lived_in(nn.Sequential(stem(3, 4, 0, 1, tokens=7), lived_in(make_operation("identity", 4, 2, 1)))),
        lambda batch: (torch.arange(7 * batch).view(batch, 7) % 7,),
    ),
    "max_pool_3x3": (lambda: nn.MaxPool2d(3, 1, 1), image),
    "nothing to do": (nn.Identity, image),
    "linear": (lambda: nn.Linear(6, 5), lambda batch: (torch.randn(batch, 6),)),
    "sum of two": (Sum, lambda batch: (*image(batch), *image(batch))),
}
# A compiler takes seconds a part: the larger batch for those whose shapes could go wrong.
CASES = [(name, 1) for name in PARTS] + [("sep_conv_3x3", 4), ("sum of two", 4)]


@functools.cache
def subject(name: str, batch: int) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return a module and example inputs, the same in each test."""
    torch.manual_seed(0)
    make, examples = PARTS[name]
    return make(), examples(batch)


class RuntimeContract:
    """What measuring relies on. Subclass it and return your runtime:

    class TestMine(archdial.testing.RuntimeContract):
        def make(self, threads: int = 1, device: str = "cpu") -> MyRuntime:
            return MyRuntime(threads, device)
    """

    def make(self, threads: int = 1, device: str = "cpu") -> Runtime:
        """Return the runtime, to run on so many threads of `device`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make(threads, device) that returns a runtime")

    @pytest.mark.parametrize(("part", "batch"), CASES)
    def test_computes_what_the_module_computes(self, part: str, batch: int) -> None:
        module, examples = subject(part, batch)
        with torch.no_grad():
            wanted = copy.deepcopy(module).eval()(*examples).numpy()
        before, inputs = copy.deepcopy(module.state_dict()), [example.clone() for example in examples]
        first, again = outputs(self.make(), module, examples)
        assert len(first) == 1 and first[0].dtype == numpy.float32
        numpy.testing.assert_allclose(first[0], wanted, atol=1e-4, rtol=0)
        assert numpy.array_equal(first[0], again[0])
        # The owner of the module has it as it was, and so are the examples.
        assert module.training
        assert all(value.equal(before[key]) for key, value in module.state_dict().items())
        assert all(example.equal(kept) for example, kept in zip(examples, inputs, strict=True))

    @pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted as Linux tells them")
    @pytest.mark.skipif(os.cpu_count() == 1, reason="a second thread needs a second core")
    def test_runs_on_the_threads_asked_for(self) -> None:
        # Long enough for a second thread to wake on a machine that has other things to do.
        converted = self.make().convert(nn.Conv2d(64, 64, 3, padding=1), torch.randn(4, 64, 64, 64))
        for threads in (1, 2):
            chosen = self.make(threads)
            with chosen.ready():
                call = chosen.load(converted)
                call()
                # On a busy machine one thread may be done with it before another wakes.
                assert threads in (busy_threads(call) for _ in range(10 if threads > 1 else 1))

    def test_a_missing_library_names_the_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        chosen = self.make()
        chosen.check()
        for library in chosen.needs:
            with monkeypatch.context() as patch:
                patch.setitem(sys.modules, library, None)
                with pytest.raises(UsageError, match=rf"'{chosen.name}' needs {library}, .*: pip install \S"):
                    chosen.check()

    def test_says_what_it_is(self) -> None:
        chosen = self.make()
        assert chosen.name and type(chosen).name == chosen.name
        assert chosen.version()[0].isdigit()
        assert chosen.layout in ("channels_first", "channels_last")

    def test_a_device_that_it_cannot_measure_is_refused(self) -> None:
        name, devices = self.make().name, self.make().devices
        with pytest.raises(UsageError, match=rf"'{name}' cannot measure on device 'nowhere:0': expected {devices[0]}"):
            self.make(device="nowhere:0").check()


def outputs(
    chosen: Runtime, module: nn.Module, examples: tuple[Tensor, ...]
) -> tuple[list[numpy.ndarray], list[numpy.ndarray]]:
    """Return what two calls return, of what came through the pipe."""
    converted = chosen.convert(copy.deepcopy(module), *examples)
    with chosen.ready():
        call = chosen.load(pickle.loads(packed(converted)))
        return chosen.arrays(call()), chosen.arrays(call())


def busy_threads(call: Call) -> int:
    """Return how many threads of this process did a tenth or more of the work of many calls."""

    def ticks() -> dict[str, int]:
        # User and system time are the 14th and 15th field; the name before them may hold blanks.
        lines = {task.name: (task / "stat").read_text() for task in Path("/proc/self/task").iterdir()}
        return {name: sum(map(int, line.rpartition(")")[2].split()[11:13])) for name, line in lines.items()}

    before = ticks()
    while True:
        for _ in range(20):
            call()
        spent = {name: count - before.get(name, 0) for name, count in ticks().items()}
        if sum(spent.values()) >= 40:
            return sum(10 * count >= sum(spent.values()) for count in spent.values())
