"""The page's Content-Security-Policy: only its own scripts run, and nothing is fetched."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256


def policy(*scripts: str) -> str:
    """Return the policy that lets a browser run the `scripts`, whatever else a name in a result file smuggles in."""
    digests = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {digests}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
