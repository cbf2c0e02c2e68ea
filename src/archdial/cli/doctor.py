"""archdial doctor: check what is installed, and whether timing on this machine is steady."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from archdial.cli.app import app
from archdial.cli.following import command
from archdial.cli.options import Json
from archdial.cli.output import show

if TYPE_CHECKING:
    from rich.table import Table

    from archdial.common.extras import Library


@app.command(epilog="Example: archdial doctor --json")
def doctor(json: Json = False) -> None:
    """Check what is installed, and whether timing on this machine is steady.

    Prints versions, CPU, cores and GPUs; the extras with the pip command for each missing one; and how much repeated
    timings of a small network vary, which takes a few seconds. Include its output in bug reports.
    """
    value = _findings()
    show(
        value,
        _machine_table(value),
        _extras_table(value["extras"]),
        _verdict(value["timing"]),
        "next: archdial demo",
        as_json=json,
        then=command("demo"),
    )


def _findings() -> dict[str, Any]:
    import torch

    from archdial.common.extras import extras
    from archdial.common.versions import versions
    from archdial.cost.measuring.steadiness import steadiness
    from archdial.cost.table.machine import cores, processor

    timing = steadiness()
    cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "versions": versions("numpy", "lightning-fabric", "safetensors"),
        "machine": {"cpu": processor(), "cores": cores(), "threads": torch.get_num_threads(), "gpus": cards},
        "extras": {name: _extra(name, found) for name, found in extras().items()},
        "timing": {"median_ms": timing.median_ms, "spread": timing.spread, "steady": not timing.noisy},
    }


def _extra(name: str, libraries: Sequence[Library]) -> dict[str, Any]:
    from archdial.common.libraries import install_command

    return {
        "complete": all(one.fits for one in libraries),
        "libraries": {one.name: {key: part for key, part in asdict(one).items() if key != "name"} for one in libraries},
        "install": install_command(name),
    }


def _machine_table(value: Mapping[str, Any]) -> Table:
    from rich.table import Table

    machine = value["machine"]
    table = Table(box=None, show_header=False)
    for name, version in value["versions"].items():
        table.add_row(name, version)
    table.add_row("CPU", machine["cpu"])
    table.add_row("cores", f"{machine['cores']}, of which torch uses {machine['threads']}")
    table.add_row("GPUs", ", ".join(machine["gpus"]) or "none that torch can use")
    return table


def _extras_table(found: Mapping[str, Any]) -> Table:
    from rich.table import Table

    table = Table("extra", "libraries", "to install")
    for name, extra in found.items():
        libraries = ", ".join(_told(library, one) for library, one in extra["libraries"].items())
        table.add_row(name, libraries, "" if extra["complete"] else extra["install"])
    return table


def _told(name: str, library: Mapping[str, Any]) -> str:
    if library["version"] is None:
        return f"{name} missing"
    needed = "" if library["fits"] else f" (needs {library['needed']})"
    return f"{name} {library['version']}{needed}"


def _verdict(timing: Mapping[str, Any]) -> str:
    from archdial.cost.measuring.rounds import WIDE

    spread = f"repeated timings of a small network vary by {timing['spread']:.1%}"
    if timing["steady"]:
        return f"timing on this machine is steady: {spread}"
    return (
        f"timing on this machine is not steady: {spread}, more than {WIDE:.0%}; close other programs, or measure with "
        "fewer threads"
    )
