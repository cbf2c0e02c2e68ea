"""One folder, one run: who comes second is told of the first, and a lock of the dead gives way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from archdial.common import folder_lock, lock_file, process
from archdial.common.errors import RunError, UsageError
from archdial.common.files import replacing_all, write_text
from archdial.common.folder_lock import locked
from archdial.common.lock_file import NAME, SILENCE, Holder, create
from archdial.common.process import Process
from archdial.common.progress import NoBar
from archdial.training.checkpoint import write_checkpoint
from archdial.training.log import RunLog
from archdial.training.step import Place
from tests.hostile.measuring import limited

SLEEPER = """
import sys, time
from pathlib import Path
from archdial.common.folder_lock import locked
with locked(Path(sys.argv[1]), "a search"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds a folder."""
    command = [sys.executable, "-c", SLEEPER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None and running.stdout.readline() == "held\n"
        yield running
        running.kill()


def left(folder: Path, **changes: object) -> Path:
    """Leave the lock of a process that has ended, in `folder`."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        here = Holder.here("a search")
        gone = replace(here.process, pid=ended.pid, start=1)
        folder.mkdir(exist_ok=True)
        assert create(folder / NAME, replace(here, process=replace(gone, **changes)))
    return folder / NAME


def elsewhere(folder: Path, silent: float) -> Path:
    """Leave the lock of a process of another host that gave its last sign of life `silent` seconds ago."""
    path = left(folder, place="another host")
    os.utime(path, (time.time() - silent,) * 2)
    return path


def test_the_second_is_told_of_the_first_until_that_is_killed(other: subprocess.Popen[str], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(UsageError, match=rf"run is in use by a search, process {other.pid} on .*: wait until"):
        locked(folder, "a demo").__enter__()
    assert [path.name for path in folder.iterdir()] == [NAME]
    other.kill()
    other.wait()
    with locked(folder, "a demo"):
        assert Holder.read((folder / NAME).read_bytes()).process == Process.here()  # type: ignore[union-attr]
    assert list(folder.iterdir()) == []


def test_a_process_that_nobody_has_waited_for_is_gone_too(other: subprocess.Popen[str], tmp_path: Path) -> None:
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    with locked(tmp_path / "run", "a demo"):
        pass


@pytest.mark.parametrize("error", [None, UsageError, KeyboardInterrupt])
def test_nothing_is_left_where_nothing_was_written(tmp_path: Path, error: type[BaseException] | None) -> None:
    folder = tmp_path / "new" / "run"
    try:
        with locked(folder, "a search"):
            assert (folder / NAME).is_file()
            if error is not None:
                raise error
    except (UsageError, KeyboardInterrupt):
        pass
    assert list(tmp_path.iterdir()) == []
    with locked(folder, "a search"):
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_the_same_thread_may_hold_it_twice_another_may_not(tmp_path: Path) -> None:
    with locked(tmp_path, "a demo"), ThreadPoolExecutor(1) as pool:
        with locked(tmp_path / ".." / tmp_path.name, "a search"):
            assert pool.submit(refused, tmp_path).result()
        assert pool.submit(refused, tmp_path).result()
    assert not refused(tmp_path)


def refused(folder: Path) -> bool:
    try:
        with locked(folder, "a search"):
            return False
    except UsageError:
        return True


def test_a_number_that_another_process_has_got_since_is_not_the_holder(tmp_path: Path) -> None:
    left(tmp_path, pid=os.getppid())
    with locked(tmp_path, "a search"):
        pass


def test_a_lock_of_another_host_counts_until_it_has_been_silent_for_long(tmp_path: Path) -> None:
    path = elsewhere(tmp_path, SILENCE - 60)
    with pytest.raises(UsageError, match=rf"last sign of life 2\d\d s ago\), delete {path}, or try again after 5 "):
        locked(tmp_path, "a search").__enter__()
    os.utime(path, (time.time() - SILENCE - 60,) * 2)
    with locked(tmp_path, "a search"):
        pass


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"token": 1}', b"\xff\x00", b'{"process": {"pid": 1e400}}'])
def test_a_damaged_lock_is_told_and_gives_way_after_a_while(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "_PAUSE", 0.0)
    path = tmp_path / NAME
    path.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read: if no archdial process uses the folder, delete"):
        locked(tmp_path, "a search").__enter__()
    assert path.read_bytes() == content
    os.utime(path, (time.time() - SILENCE - 60,) * 2)
    with locked(tmp_path, "a search"):
        pass


def test_the_holder_gives_signs_of_life_and_makes_the_lock_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "BEAT", 0.01)
    path = tmp_path / NAME
    with locked(tmp_path, "a search"):
        os.utime(path, (0, 0))
        until(lambda: path.stat().st_mtime > 0)
        path.unlink()
        until(lambda: path.exists() and bool(path.read_bytes()))
    assert not path.exists()


@pytest.mark.slow
def test_who_stood_still_and_lost_the_folder_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "BEAT", 0.01)
    with pytest.raises(RunError, match="another process took over"), locked(tmp_path, "a search"):
        token = take_over(tmp_path)
        until(lambda: False)
    assert token in (tmp_path / NAME).read_text()


def take_over(folder: Path) -> str:
    """Put another's lock in the place of that in `folder`; return its token."""
    another = Holder.here("a search")
    with TemporaryDirectory() as elsewhere:
        theirs = Path(elsewhere) / NAME
        theirs.write_text(json.dumps({**vars(another), "process": vars(another.process)}))
        shutil.copy(theirs, folder / "theirs")
    (folder / "theirs").replace(folder / NAME)
    return another.token


def several(folder: Path) -> None:
    with replacing_all([folder / "config.json", folder / "result"]) as temporary:
        for name in ("config.json", "result"):
            (temporary / name).write_text("ours")


WRITES: dict[str, Callable[[Path], object]] = {
    "one file": lambda folder: write_text(folder / "result", "ours"),
    "several files": several,
    "below": lambda folder: write_text(folder / "member" / "result", "ours"),
    "a checkpoint": lambda folder: write_checkpoint(folder / "result", {"fingerprint": "", "place": [0, 0, 0]}),
    "a line of the log": lambda folder: RunLog(folder, Place(), NoBar()).epoch("weights", Place(), 1, {"loss": 1}, 1.0),
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_who_lost_the_folder_writes_over_nothing_there(tmp_path: Path, name: str, elsewhere: bool) -> None:
    with pytest.raises(RunError, match="another process took over"), locked(tmp_path, "a search"):
        WRITES[name](tmp_path)
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        for left in ("result", "config.json", "metrics.jsonl"):
            (tmp_path / left).write_text("theirs")
        # Right after it woke up, before it could look by itself.
        take_over(tmp_path)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(WRITES[name], tmp_path).result() if elsewhere else WRITES[name](tmp_path)
    assert {path.read_text() for path in tmp_path.iterdir() if path.is_file() and path.name != NAME} <= {"theirs"}
    assert not (tmp_path / "member" / "result").exists()
    write_text(tmp_path / "result", "of whoever comes later")


def until(done: object) -> None:
    deadline = time.monotonic() + 60
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_full_disk_keeps_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, holder: Holder) -> bool:
        raise OSError(28, "No space left on device")

    with locked(tmp_path / "run", "a search"):
        monkeypatch.setattr(lock_file, "create", full)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("stale", [False, True])
def test_of_many_at_once_one_goes_on(tmp_path: Path, stale: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, entered = 0, 0, 0
    guard, start = threading.Lock(), threading.Barrier(8)

    def enter(_: int) -> None:
        nonlocal inside, most, entered
        start.wait()
        try:
            with locked(tmp_path, "a search"):
                with guard:
                    inside, entered = inside + 1, entered + 1
                    most = max(most, inside)
                time.sleep(0.001)
                with guard:
                    inside -= 1
        except UsageError:
            pass

    with ThreadPoolExecutor(8) as pool:
        for _ in range(25):
            if stale:
                left(tmp_path)
            list(pool.map(enter, range(8)))
            assert list(tmp_path.iterdir()) == []
    assert most == 1 and entered >= 25


def test_a_takeover_that_was_killed_on_its_way_stops_nobody(tmp_path: Path) -> None:
    path = left(tmp_path)
    token = Holder.read(path.read_bytes()).token  # type: ignore[union-attr]
    claim = path.with_name(f"{NAME}.{lock_file.hashlib.sha256(token.encode()).hexdigest()[:32]}")
    left(tmp_path / "elsewhere").rename(claim)
    (tmp_path / "elsewhere").rmdir()
    with locked(tmp_path, "a search"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_who_was_silent_for_long_and_finds_no_lock_has_lost_the_folder(tmp_path: Path) -> None:
    """Another may have taken over and have ended."""
    with pytest.raises(RunError, match="took over"), locked(tmp_path, "a search"):
        (tmp_path / NAME).unlink()
        (tmp_path / "result").write_text("of the other")
        folder_lock._held[tmp_path.resolve()].signed -= SILENCE + 1
        write_text(tmp_path / "result", "ours")
    assert (tmp_path / "result").read_text() == "of the other"


def test_a_link_is_in_the_folder_that_it_stands_in(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.write_text("theirs")
    with pytest.raises(RunError, match="took over"), locked(folder, "a search"):
        (folder / "result").symlink_to(elsewhere)
        take_over(folder)
        write_text(folder / "result", "ours")
    assert (folder / "result").is_symlink() and elsewhere.read_text() == "theirs"


def test_a_claim_whose_process_was_killed_is_cleared_by_the_next(tmp_path: Path) -> None:
    # The lock it was about is gone already.
    left(tmp_path).rename(tmp_path / f"{NAME}.{'0' * 32}")
    with locked(tmp_path, "a search"):
        assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
def test_a_pipe_is_no_lock_to_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "_PAUSE", 0.0)
    os.mkfifo(tmp_path / NAME)
    with limited(), pytest.raises(UsageError, match="cannot be read: if no archdial process uses the folder, delete"):
        locked(tmp_path, "a search").__enter__()


def test_where_the_system_tells_little_a_process_is_still_known_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        here = Process.here()
    monkeypatch.setattr(process, "_seen", lambda pid: (True, 0))
    # It runs, but may be another one by now: who holds a folder gives signs of life.
    assert here.gone is None
    assert replace(here, pid=ended.pid).gone is True
    assert replace(here, place="another").gone is None
    assert replace(here, pid=0).gone is None
