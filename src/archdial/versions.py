"""The versions that a result file carries."""

import platform
from importlib import metadata


def versions() -> dict[str, str]:
    """Return the versions of archdial, Python and torch."""
    return {"archdial": _version("archdial"), "python": platform.python_version(), "torch": _version("torch")}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
