"""The hooks of the site: MkDocs reads them as files, so they are no package."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

HOME = Path(__file__).parents[2]


@cache
def hook(name: str) -> ModuleType:
    """Return the module docs/hooks/`name`.py."""
    spec = spec_from_file_location(f"archdial_docs_{name}", HOME / "docs" / "hooks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    # Dataclasses look for their module there.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
