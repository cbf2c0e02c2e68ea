"""The gates of a network as a table: what each drops, what that means, and what it weighs."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table

from archdial.networks.base import TermPlan
from archdial.networks.gated.choices import Gate

WIDTH = 120


def listed(gates: Sequence[Gate], plans: Sequence[TermPlan], opaque: Sequence[str], how: str) -> str:
    """Return the table as text."""
    table = Table(title=f"{len(gates)} gates, captured by torch.{'export' if how == 'export' else 'fx'}")
    for heading in ("gate", "kind", "dropped it is"):
        table.add_column(heading, overflow="fold")
    table.add_column("operations", justify="right")
    table.add_column("parameters", justify="right")
    for gate in gates:
        meaning = "/".join(dict.fromkeys(operation.meaning for operation in gate.operations))
        count = f"{_parameters(gate.name, plans):,}"
        table.add_row(gate.name, gate.kind, meaning, str(len(gate.operations)), count)
    text = StringIO()
    console = Console(file=text, width=WIDTH, color_system=None)
    console.print(table)
    for name in opaque:
        console.print(f"{name} could not be entered: one operation")
    return text.getvalue().rstrip()


def _parameters(name: str, plans: Sequence[TermPlan]) -> int:
    """Return the parameters that go when this gate alone is dropped."""
    total = 0
    for plan in plans:
        if name in plan.choices and plan.entries:
            place = plan.choices.index(name)
            every = next(iter(plan.entries))
            without = tuple("drop" if number == place else option for number, option in enumerate(every))
            total += _weight(plan, every) - _weight(plan, without)
    return total


def _weight(plan: TermPlan, options: tuple[str, ...]) -> int:
    parameters = {p for part in plan.entries.get(options, ()) for p in part.module.parameters()}
    return sum(parameter.numel() for parameter in parameters)
