"""A training process: reads numbers of the plan from standard input, writes steps and results as JSON."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from archdial.common.errors import RunError, UsageError, reason
from archdial.common.process import end_with_parent
from archdial.runs.alone.plan import read_plan
from archdial.runs.alone.school import School
from archdial.runs.opening import open_family
from archdial.runs.run_data import finished_run
from archdial.training.loop import Interrupted

_SELDOM = 0.2
"""Seconds between two tellings of steps."""


class _Answers:
    """The way back."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._steps, self._told = stream, 0, 0.0

    def __call__(self, **value: Any) -> None:
        self._stream.write(json.dumps(value) + "\n")
        self._stream.flush()

    def steps(self, count: int) -> None:
        self._steps += count
        if time.monotonic() - self._told > _SELDOM:
            self.settle()

    def settle(self) -> None:
        """Tell of all steps that nobody was told of."""
        self._told = time.monotonic()
        if self._steps:
            self(steps=self._steps)
        self._steps = 0


def main() -> None:
    """Train what comes in, and answer."""
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    # What libraries and the user's code print must not come between the answers.
    answers = _Answers(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    try:
        _train(answers)
    except BrokenPipeError:
        # Nobody is left who waits for them.
        os._exit(1)
    except Interrupted as error:
        answers(interrupted=str(error))
    except (UsageError, RunError) as error:
        answers(error=str(error), status=error.exit_status)
    except Exception as error:
        answers(error=reason(error), status=1)


def _train(answers: _Answers) -> None:
    call = json.loads(sys.stdin.readline())
    folder, trust = Path(call["run"]), bool(call["trust"])
    family = open_family(folder, call["model"], trust=trust)
    plan = read_plan(folder, family)
    school = School(folder, finished_run(folder, family, call["data"], plan.on, trust=trust), plan)
    answers(ready=True)
    for line in sys.stdin:
        school.train(int(line), answers.steps)
        answers.settle()
        answers(done=int(line))


if __name__ == "__main__":
    main()
