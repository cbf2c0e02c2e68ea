"""Architectures evaluated side by side, each on one copy of the network: two on one thread each beat one on two."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from queue import SimpleQueue

import torch

from archdial.cost.measuring.timing import threads
from archdial.searching.evaluation import Evaluated, Evaluator
from archdial.searching.state import SearchState
from archdial.space import Architecture
from archdial.tasks.images import ImageClassification

MOST = 4
"""Copies of the network, at most: each holds what a batch leaves in it while it is evaluated."""


class SideBySide:
    """Evaluates architectures in a given order: while one is waited for, the next ones are on their way.

    Args:
        evaluator: of the network, of which each worker gets a copy.
        architectures: in the order in which they will be asked for.
        workers: how many are evaluated at once.
    """

    def __init__(self, evaluator: Evaluator, architectures: Sequence[Architecture], workers: int) -> None:
        self._free: SimpleQueue[Evaluator] = SimpleQueue()
        for _ in range(workers):
            self._free.put(evaluator.on(copy.deepcopy(evaluator.network)))
        self._pool = ThreadPoolExecutor(workers)
        self._left = iter(architectures)
        self._begun: dict[Architecture, Future[Evaluated]] = {}
        # One more for each worker, so that none waits for whoever asks.
        self._begin(2 * workers)

    def __call__(self, architecture: Architecture) -> Evaluated:
        """Return what is known of the next architecture, once it is."""
        found = self._begun.pop(architecture).result()
        self._begin(1)
        return found

    def close(self) -> None:
        """Begin no more; return when those on their way are done."""
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
    """Let `state` evaluate `architectures`, in this order, on all threads that torch has here.

    Only images in memory on a CPU: a card does several things at once by itself, and data, loss and score that a user
    wrote need not bear to be called by two threads.
    """
    workers = min(torch.get_num_threads(), MOST, len(architectures))
    if workers < 2 or state.judge is not None or not _shares_nothing(state):
        yield
        return
    with threads(max(1, torch.get_num_threads() // workers)):
        state.judge = judge = SideBySide(state.evaluator, architectures, workers)
        try:
            yield
        finally:
            state.judge = None
            judge.close()


def _shares_nothing(state: SearchState) -> bool:
    return state.fabric.device.type == "cpu" and type(state.task) is ImageClassification
