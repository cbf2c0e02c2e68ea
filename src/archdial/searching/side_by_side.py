"""Parallel evaluation of architectures, each on its own copy of the network."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import islice
from queue import SimpleQueue

import torch

from archdial.cost.measuring.timing import threads
from archdial.searching.evaluation import Evaluated, Evaluator
from archdial.searching.state import SearchState
from archdial.space import Architecture
from archdial.tasks.images import ImageClassification

MOST = 4
"""Maximum number of copies of the network: each needs memory for the activations of a batch."""


class SideBySide:
    """Evaluates architectures ahead of time, in the order in which they will be requested.

    Args:
        evaluator: evaluates the original network; each worker gets a copy of it.
        architectures: distinct ones, in the order in which they will be requested.
        workers: number of architectures evaluated at once.
    """

    def __init__(self, evaluator: Evaluator, architectures: Sequence[Architecture], workers: int) -> None:
        self._free: SimpleQueue[Evaluator] = SimpleQueue()
        for _ in range(workers):
            self._free.put(evaluator.on(copy.deepcopy(evaluator.network)))
        self._pool = ThreadPoolExecutor(workers)
        self._left = iter(architectures)
        self._begun: dict[Architecture, Future[Evaluated]] = {}
        # Two per worker, so that no worker waits for the caller.
        self._begin(2 * workers)

    def __call__(self, architecture: Architecture) -> Evaluated:
        """Return the evaluation of the next architecture, when it is finished."""
        found = self._begun.pop(architecture).result()
        self._begin(1)
        return found

    def close(self) -> None:
        """Cancel what has not started, and wait for the rest."""
        self._pool.shutdown(cancel_futures=True)

    def _begin(self, count: int) -> None:
        for architecture in islice(self._left, count):
            self._begun[architecture] = self._pool.submit(self._evaluated, architecture)

    def _evaluated(self, architecture: Architecture) -> Evaluated:
        evaluator = self._free.get()
        try:
            return evaluator(architecture)
        finally:
            self._free.put(evaluator)


@contextmanager
def side_by_side(state: SearchState, architectures: Sequence[Architecture]) -> Iterator[None]:
    """Within this context, `state` evaluates `architectures`, in this order, in parallel.

    Two architectures on one thread each take less time than two in sequence on two threads. Only for images in memory
    on a CPU: GPUs are parallel already, and a user's data, loss and score may not be thread-safe.
    """
    if _workers(architectures) < 2 or state.judge is not None or not _shares_nothing(state):
        yield
        return
    with in_parallel(state.evaluator, architectures) as judge:
        state.judge = judge
        try:
            yield
        finally:
            state.judge = None


@contextmanager
def in_parallel(evaluator: Evaluator, architectures: Sequence[Architecture]) -> Iterator[SideBySide]:
    """Share torch's threads between workers that evaluate `architectures`, in this order."""
    workers = _workers(architectures)
    with (
        threads(max(1, torch.get_num_threads() // workers)),
        closing(SideBySide(evaluator, architectures, workers)) as judge,
    ):
        yield judge


def _workers(architectures: Sequence[Architecture]) -> int:
    return min(torch.get_num_threads(), MOST, len(architectures))


def _shares_nothing(state: SearchState) -> bool:
    return state.fabric.device.type == "cpu" and type(state.task) is ImageClassification
