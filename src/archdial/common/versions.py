"""The versions recorded in result files."""

import platform
from importlib import metadata


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of archdial, Python and torch, and of `packages`."""
    own = {"archdial": version("archdial"), "python": platform.python_version(), "torch": version("torch")}
    return own | {package: version(package) for package in packages}


def version(package: str) -> str:
    """Return the version of `package`, or "unknown": some builds are distributed under other names."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"
