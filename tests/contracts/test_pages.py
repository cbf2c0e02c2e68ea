"""The pages on how to add something: their code, as shown, passes the contract that they name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"`(\w+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", sorted(DOCS.glob("adding_a_*.md")), ids=lambda path: path.stem)
def test_the_code_on_the_page_passes_the_contract(page: Path, tmp_path: Path) -> None:
    files = dict(BLOCK.findall(page.read_text(encoding="utf-8")))
    assert len(files) == 2 and sum(name.startswith("test_") for name in files) == 1
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", "--rootdir", str(tmp_path)]
    ran = subprocess.run(
        [*command, str(tmp_path)], cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stdout[-3000:]
    assert re.search(r"\d+ passed", ran.stdout) and "failed" not in ran.stdout
