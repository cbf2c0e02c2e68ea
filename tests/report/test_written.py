"""What `archdial report` takes from the folder of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archdial.cli.report import write_report
from archdial.common.errors import UsageError
from archdial.common.files import write_json
from archdial.runs.folder import COMPARISON, EXPERIMENTS

SECTIONS = {COMPARISON: "Against baselines", EXPERIMENTS: "Along λ; relaxed and discrete"}


@pytest.mark.slow
@pytest.mark.parametrize("there", [(), (COMPARISON,), (EXPERIMENTS,), (COMPARISON, EXPERIMENTS)])
def test_the_page_shows_the_files_that_are_there(
    tmp_path: Path,
    scalar_file: dict[str, Any],
    comparison_file: dict[str, Any],
    experiments_file: dict[str, Any],
    there: tuple[str, ...],
) -> None:
    values = {COMPARISON: comparison_file, EXPERIMENTS: experiments_file}
    for name in there:
        write_json(tmp_path / name, values[name])
    text = Path(write_report(tmp_path, scalar_file)["page"]).read_text(encoding="utf-8")
    assert {name for name, title in SECTIONS.items() if f"<h2>{title}</h2>" in text} == set(there)


@pytest.mark.parametrize("name", [COMPARISON, EXPERIMENTS])
def test_a_damaged_file_is_named_and_nothing_written(tmp_path: Path, scalar_file: dict[str, Any], name: str) -> None:
    (tmp_path / name).write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match=f"{name} is damaged"):
        write_report(tmp_path, scalar_file)
    assert [path.name for path in tmp_path.iterdir()] == [name]
