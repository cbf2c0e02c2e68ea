"""The user's own code: where it is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from archdial.common.errors import UsageError
from archdial.common.own_code import called_code


def test_a_module_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed command has its own folder on the path, not the one it is called in."""
    elsewhere = [path for path in sys.path if path]
    monkeypatch.setattr(sys, "path", elsewhere)
    (tmp_path / "only_here.py").write_text("def make():\n    return 7\n", encoding="utf-8")
    with pytest.raises(UsageError, match="No module named 'only_here'; run archdial in the folder that contains it"):
        called_code("only_here:make", "model")
    monkeypatch.chdir(tmp_path)
    assert called_code("only_here:make", "model") == 7
    # Last, so that it stands in for nothing that is installed.
    assert sys.path[-1] == str(tmp_path)
    del sys.modules["only_here"]
