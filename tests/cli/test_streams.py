"""Whatever the streams of the process are: a command works, or says in a sentence why not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = f"{sys.executable} -c 'from archdial.cli import main; main()'"
PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `line`, in which archdial stands for the command."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_"))}
    return subprocess.run(
        ["bash", "-c", line.replace("archdial ", f"{COMMAND} ")],
        env=own | environment,
        capture_output=True,
        timeout=120,
        encoding="utf-8",
        errors="surrogateescape",
    )


@pytest.mark.parametrize(("closed", "shown"), [(">&-", False), ("2>&-", True), ("<&-", True), ("<&- >&- 2>&-", False)])
def test_closed_streams(closed: str, shown: bool) -> None:
    answer = shell(f"archdial recipes {closed}")
    assert (answer.returncode, answer.stderr, "digits" in answer.stdout) == (0, "", shown)


def test_a_file_does_not_get_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    code = "from archdial.cli.streams import mend; mend(); open('told', 'w').write(str(open('/dev/null').fileno()))"
    shell(f'cd {tmp_path} && {sys.executable} -c "{code}" <&- >&- 2>&-')
    assert int((tmp_path / "told").read_text()) > 2


def test_help_and_errors_without_streams() -> None:
    answer = shell("archdial --help >&-; echo $?; archdial recipes twice 2>&-; echo $?")
    assert (answer.stdout, answer.stderr) == ("0\n2\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, PLAIN])
def test_streams_for_ascii_alone(environment: dict[str, str]) -> None:
    answer = shell("archdial recipes && archdial recipes --json && archdial recipes λ", **environment)
    assert answer.returncode == 2
    assert "one ?" in answer.stdout and "one \\u03bb" in answer.stdout
    assert "extra argument" in answer.stderr and "Traceback" not in answer.stderr


def test_the_bytes_of_a_path_are_left_as_they_are() -> None:
    code = r"from archdial.cli.streams import mend; mend(); print('\udcff λ \u2026')"
    assert shell(f'{sys.executable} -c "{code}"', PYTHONIOENCODING="latin-1").stdout == "\udcff ? ?\n"


@pytest.mark.slow
@FULL
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output_is_told(unbuffered: str) -> None:
    calls = ["recipes", "recipes --json", "--help", "--version", "search --help"]
    line = "; ".join(f"archdial {call} >/dev/full; echo $?" for call in calls)
    answer = shell(line, PYTHONUNBUFFERED=unbuffered)
    assert answer.stdout == "1\n" * len(calls)
    sentences = answer.stderr.splitlines()
    assert len(sentences) == len(calls)
    assert all("cannot write to standard output (no space left on device): redirect it" in line for line in sentences)


@FULL
def test_a_full_standard_error_stops_nothing() -> None:
    line = "archdial recipes twice 2>/dev/full; echo $?;"
    code = "from archdial.cli.streams import mend; mend(); import sys; print('lost', file=sys.stderr); print('kept')"
    assert shell(f'{line} {sys.executable} -c "{code}" 2>/dev/full').stdout == "2\nkept\n"


@pytest.mark.slow
def test_a_closed_pipe_ends_quietly() -> None:
    for call in ("--help", "recipes", "recipes --json"):
        answer = shell(f"(sleep 0.2; archdial {call}; echo $? >&2) | true")
        assert (answer.stdout, answer.stderr) == ("", "1\n")
