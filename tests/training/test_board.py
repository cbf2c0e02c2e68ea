"""What TensorBoard is told: it can read it, and a full disk is no news from a thread."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from archdial.training.board import Board


def test_tensorboard_reads_the_figures(tmp_path: Path) -> None:
    board = Board(tmp_path)
    board.add({"weights/loss": 2.5, "weights/accuracy": 0.25}, 10)
    board.add({"weights/loss": 1.5}, 20)
    # Before it is closed: one watches a search while it goes on.
    read = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in read.Scalars("weights/loss")] == [(10, 2.5), (20, 1.5)]
    assert [event.value for event in read.Scalars("weights/accuracy")] == [0.25]
    board.close()
    Board(tmp_path).close()
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 2


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path: Path) -> None:
    board, before = Board(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        with pytest.raises(OSError) as told:
            board.add({f"figure {number}": 1.0 for number in range(20)}, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert told.value.filename == str(board.path)
    board.close()
