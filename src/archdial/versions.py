"""The versions that a result file carries."""

import platform
from importlib import metadata


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of archdial, Python and torch, and of `packages`."""
    own = {"archdial": _version("archdial"), "python": platform.python_version(), "torch": _version("torch")}
    return own | {package: _version(package) for package in packages}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
