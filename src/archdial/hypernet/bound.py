"""The hypernetwork of several devices as seen by one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from archdial.hypernet.hypernetwork import Hypernetwork


class Bound(Hypernetwork):
    """G(z, c; a) with the code c of one device filled in; the parameters are those of the shared hypernetwork."""

    kind: ClassVar[str] = "bound"
    code: Tensor

    def __init__(self, shared: Hypernetwork, code: Sequence[float]) -> None:
        """Hold `shared`, whose last features are `code`."""
        super().__init__(shared.space, shared.features - len(code))
        self.shared = shared
        self.register_buffer("code", torch.tensor(code), persistent=False)

    def raw(self, features: Tensor) -> Tensor:
        """Return the shared hypernetwork's logits (n, m, k) for `features` (n, f) on this device."""
        code = self.code.to(features).expand(len(features), -1)
        return self.shared.raw(torch.cat((features, code), 1))

    def level(self) -> Tensor:
        """Return that of the shared hypernetwork."""
        return self.shared.level()

    def to_json(self) -> dict[str, object]:
        """Return kind and settings of the shared hypernetwork."""
        return self.shared.to_json()
