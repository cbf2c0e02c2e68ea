"""Contracts of dials, relaxations, tasks and runtimes: pytest classes to subclass, which archdial's own pass too."""

from __future__ import annotations

from archdial.common.libraries import imported

imported("pytest", "archdial.testing", "testing").register_assert_rewrite(
    *(f"{__name__}.{file}" for file in ("dials", "relaxations", "runtimes", "tasks"))
)

from archdial.testing.dials import DialContract  # noqa: E402
from archdial.testing.relaxations import RelaxationContract  # noqa: E402
from archdial.testing.runtimes import RuntimeContract  # noqa: E402
from archdial.testing.tasks import TaskContract  # noqa: E402

__all__ = ["DialContract", "RelaxationContract", "RuntimeContract", "TaskContract"]
