"""Zero-cost proxies by name: what an untrained network says about how well it will train."""

from __future__ import annotations

from archdial.searching.proxies.grad_norm import GradientNorm
from archdial.searching.proxies.jacob_cov import JacobianCovariance
from archdial.searching.proxies.naswot import Naswot
from archdial.searching.proxies.proxy import Proxy, Untrained
from archdial.searching.proxies.synflow import Synflow
from archdial.searching.proxies.zen import Zen

__all__ = ["PROXIES", "GradientNorm", "JacobianCovariance", "Naswot", "Proxy", "Synflow", "Untrained", "Zen"]

PROXIES: dict[str, Proxy] = {
    proxy.name: proxy for proxy in (Synflow(), Naswot(), Zen(), GradientNorm(), JacobianCovariance())
}
