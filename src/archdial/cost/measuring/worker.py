"""The measuring process: reads subjects from standard input, writes steps and timings as lines of JSON."""

from __future__ import annotations

import gc
import json
import os
import pickle
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import IO, Any, BinaryIO

from archdial.common.errors import reason
from archdial.common.process import end_with_parent
from archdial.cost.measuring import timing
from archdial.cost.measuring.isolation import Task
from archdial.cost.measuring.runtimes import Runtime, register_runtime, runtime
from archdial.cost.measuring.timing import Call

_SELDOM = 0.1
"""Seconds between two steps that are told: whoever shows them works on a core that the measurement may need."""


@dataclass
class _Answers:
    """The way back."""

    stream: IO[str]
    told: float = field(default=0.0)

    def __call__(self, **value: Any) -> None:
        self.stream.write(json.dumps(value) + "\n")
        self.stream.flush()

    def steps(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - self.told > _SELDOM:
            self.told = now
            self(steps=[done, total])


def main() -> None:
    """Measure what comes in, and answer."""
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    # What libraries print must not come between the answers.
    answers = _Answers(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    try:
        _measure(sys.stdin.buffer, answers)
    except BrokenPipeError:
        # Nobody is left who waits for them.
        os._exit(1)
    except Exception as error:
        answers(error=reason(error))


def _measure(subjects: BinaryIO, answers: _Answers) -> None:
    task = Task(**pickle.load(subjects))
    if task.own is not None:
        register_runtime(task.own)
    chosen = runtime(task.runtime, task.threads, task.device)
    with chosen.ready():
        calls = [_loaded(chosen, subjects, task, number, answers) for number in range(task.subjects)]
        loading = task.subjects * chosen.effort
        gc.collect()
        gc.disable()
        found = timing.time_callables(
            calls,
            repeats=task.repeats,
            clock=chosen.clock(),
            progress=lambda done, total: answers.steps(loading + done, loading + total),
        )
    answers(answer=[[one.median_ms, one.spread] for one in found])


def _loaded(chosen: Runtime, subjects: BinaryIO, task: Task, number: int, answers: _Answers) -> Call:
    call = chosen.load(pickle.load(subjects))
    # Once here, so that what does not run is told by its name.
    call()
    answers.steps(number * chosen.effort, task.subjects * (chosen.effort + task.repeats + 1))
    answers(answer=number)
    return call


if __name__ == "__main__":
    main()
