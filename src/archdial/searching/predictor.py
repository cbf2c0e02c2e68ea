"""A small error predictor: an ensemble fitted to the evaluated architectures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from archdial.cost.measuring.timing import threads
from archdial.searching.evaluation import Judged
from archdial.space import Space
from archdial.tasks.measure import ACCURACY, Measure

FLOOR = 1e-3
"""Errors are predicted by their logarithm; nothing evaluated on some thousand images is known below this."""
TINY = 1e-9
"""The same for scores that are no shares, whose errors may be of any size."""

_MARGIN = 0.05
"""Of the range of errors: so far below the least of them is what they are counted from, where that is not the best."""


class ErrorPredictor(nn.Module):
    """Option weights → error, by the mean of small networks that each began elsewhere.

    Each network reads the one-hot weights and, beside them, the share of each kind; both enter a linear path and a
    hidden layer, for a handful of evaluations support little more than a linear law.
    """

    members: int
    membership: Tensor
    centre: Tensor
    scale: Tensor
    beyond: Tensor
    """What errors are counted from, below 0 where nobody knows the best score and some are beyond what was taken for
    it; a state dict has it only then."""
    doubt: Tensor
    """A standard deviation of the logarithm of errors beside that of the ensemble, where what it was fitted to was
    itself foretold; a state dict has it only then."""

    def __init__(self, space: Space, measure: Measure = ACCURACY, members: int = 8, hidden: int = 32) -> None:
        super().__init__()
        self.space, self.members = space, members
        # Of a share nothing can be further off than 1; of a loss nobody knows.
        self._most, self._least = (1.0, FLOOR) if measure.share else (math.inf, TINY)
        choices, options = space.shape
        width = choices * options + len(space.kinds)
        self.register_buffer("membership", space.membership / choices, persistent=False)
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("beyond", torch.zeros(()), persistent=False)
        self.register_buffer("doubt", torch.zeros(()), persistent=False)
        self.linear = nn.Parameter(torch.zeros(members, width))
        self.inner = nn.Parameter(torch.randn(members, width, hidden) / math.sqrt(choices))
        self.offset = nn.Parameter(torch.randn(members, hidden) * 0.5)
        self.outer = nn.Parameter(torch.zeros(members, hidden))

    def each(self, weights: Tensor) -> Tensor:
        """Return the logarithm of the error above `beyond`, as each network sees it, (members, n), of (n, m, k)."""
        shares = torch.einsum("nmk,qmk->nq", weights, self.membership)
        features = torch.cat((weights.flatten(1), shares), 1)
        hidden = torch.tanh(torch.einsum("nf,efh->enh", features, self.inner) + self.offset[:, None])
        raw = torch.einsum("enh,eh->en", hidden, self.outer) + torch.einsum("nf,ef->en", features, self.linear)
        return raw * self.scale + self.centre

    def forward(self, weights: Tensor) -> Tensor:
        """Return the predicted error, shape (n,), of option weights (n, m, k); of a share it is in [0, 1]."""
        return (self.each(weights).mean(0).exp() + self.beyond).clamp(max=self._most)

    @torch.no_grad()
    def feared(self, weights: Tensor) -> Tensor:
        """Return the error (n,) of (n, m, k) one standard deviation, of ensemble and `doubt`, above its prediction."""
        logs = self.each(weights)
        spread = torch.hypot(logs.std(0), self.doubt) if self.doubt else logs.std(0)
        return ((logs.mean(0) + spread).exp() + self.beyond).clamp(max=self._most)

    def logs(self, errors: Tensor) -> Tensor:
        """Return the logarithms of errors (n,), counted as `each` counts them."""
        return (errors - self.beyond).clamp_min(self._least).log()

    def keep_doubt(self, value: float) -> None:
        """Let what is feared be further off by a standard deviation `value` of the logarithm of errors."""
        self._keep("doubt", torch.tensor(value))

    def fit(self, evaluated: Sequence[Judged], generator: torch.Generator, steps: int = 300) -> float:
        """Fit again to `evaluated`; return the root mean square of what remains, in log error.

        Each network leaves out another quarter of the data, so that they differ where little is known.
        """
        with threads(1):
            return self._descend(evaluated, generator, steps)

    def _descend(self, evaluated: Sequence[Judged], generator: torch.Generator, steps: int) -> float:
        weights = self.space.one_hots(item.architecture for item in evaluated)
        self._count_from([item.error for item in evaluated])
        targets = torch.tensor([max(item.error - float(self.beyond), self._least) for item in evaluated]).log()
        self.centre.copy_(targets.mean())
        self.scale.copy_(targets.std().clamp_min(1e-3) if len(evaluated) > 1 else torch.ones(()))
        kept = (torch.rand(self.members, len(evaluated), generator=generator) > 0.25).float()
        self._restart(generator)
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.02, weight_decay=0.05)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = 0.02 * (1 - step / steps)
            residual = (self.each(weights) - targets) / self.scale
            loss = (residual.square() * kept).sum() / kept.sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            return float(((self(weights) - self.beyond).log() - targets).square().mean().sqrt())

    def _count_from(self, errors: Sequence[float]) -> None:
        """Let no error of scores without bounds be below what errors are counted from."""
        least, most = min(errors), max(errors)
        if least < 0 and not math.isfinite(self._most):
            self._keep("beyond", torch.tensor(least - _MARGIN * max(most - least, TINY)))

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value.to(self.centre), persistent=True)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("beyond", "doubt"):
            if prefix + name in state_dict:
                self._keep(name, torch.zeros(()))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @torch.no_grad()
    def _restart(self, generator: torch.Generator) -> None:
        spread = 1 / math.sqrt(self.space.shape[0])
        self.linear.zero_()
        self.outer.zero_()
        self.inner.copy_(torch.randn(self.inner.shape, generator=generator) * spread)
        self.offset.copy_(torch.randn(self.offset.shape, generator=generator) * 0.5)
