"""The conditions of a measurement, as a table's header names them, and parts measured under them."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from archdial.common.errors import RunError, UsageError, reason
from archdial.cost.measuring import isolation, parts, timing
from archdial.cost.measuring.runtimes import Runtime
from archdial.cost.measuring.runtimes import runtime as named
from archdial.cost.measuring.timing import Progress, Timing
from archdial.cost.table import machine
from archdial.networks.supernet import Part


@dataclass(frozen=True)
class Conditions:
    """Under which parts are measured.

    Attributes:
        runtime: what runs them, with its threads and device.
        batch_size: inputs a batch.
        repeats: repetitions of which the median is taken.
    """

    runtime: Runtime
    batch_size: int
    repeats: int

    @classmethod
    def of(cls, runtime: str, batch_size: int, threads: int, repeats: int, device: str) -> Conditions:
        """Return the conditions, checked.

        Raises:
            UsageError: a number is below 1, there are more threads than cores, there is no such runtime or device, or
                its libraries are missing.
        """
        for name, value in (("batch_size", batch_size), ("threads", threads), ("repeats", repeats)):
            timing.at_least_one(name, value)
        if threads > machine.cores():
            # Threads that wait for each other's core make calls thirty times slower, and thousands end the process.
            raise UsageError(f"threads is {threads}: expected at most {machine.cores()}, the cores of this process")
        chosen = named(runtime, threads, str(machine.device(device)))
        chosen.check()
        return cls(chosen, batch_size, repeats)

    @classmethod
    def of_table(cls, header: Mapping[str, Any]) -> Conditions:
        """Return the conditions of a table with this `header`, checked as in `of`."""
        return cls.of(
            header["runtime"],
            header["batch_size"],
            header["threads"],
            header.get("repeats", timing.REPEATS),
            header["device"],
        )

    def time(self, subjects: Sequence[Part], progress: Progress | None = None) -> list[Timing]:
        """Return what a batch takes in each of `subjects`, measured together in a process of its own.

        Raises:
            RunError: one of them cannot be converted, sent or run.
        """
        if not subjects:
            return []
        return isolation.timings(
            self.runtime, self._all(subjects), count=len(subjects), repeats=self.repeats, progress=progress
        )

    def header(self) -> dict[str, Any]:
        """Return the conditions, and the machine, as the header of a table has them."""
        runtime = self.runtime
        return {
            **machine.describe(machine.device(runtime.device)),
            "runtime": runtime.name,
            "runtime_version": runtime.version(),
            "threads": runtime.threads,
            "batch_size": self.batch_size,
            "repeats": self.repeats,
            "dtype": "float32",
            "layout": runtime.layout,
        }

    def _all(self, subjects: Sequence[Part]) -> Iterator[tuple[str, Any]]:
        for part in subjects:
            yield part.key, self.converted(part)

    def converted(self, part: Part) -> Any:
        """Return what the runtime needs to run `part` on a batch.

        Raises:
            RunError: it cannot be converted.
        """
        examples = parts.batch(part, self.batch_size)
        if not part.inputs:
            # What was seen to flow keeps the layout that it had.
            examples = tuple(self.runtime.laid_out(example) for example in examples)
        try:
            return self.runtime.convert(_awake(copy.deepcopy(part.module)).cpu().float(), *(e.cpu() for e in examples))
        except UsageError:
            raise
        except Exception as error:
            name = self.runtime.name
            raise RunError(
                f"part {part.key!r} cannot be converted for {name}: {reason(error)}; choose another runtime"
            ) from error


def _awake(module: nn.Module) -> nn.Module:
    """Fill weights that are all zero, as some are before training: a runtime may leave out what they multiply."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("weight") and not parameter.any():
                parameter.fill_(1.0)
    return module
