"""Language modelling: the next token, its cross-entropy, and perplexity or loss per token."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, cast

from torch import Tensor

from archdial.common.errors import unknown
from archdial.data.split import Batch
from archdial.tasks.cross_entropy import IGNORED, cross_entropy
from archdial.tasks.measure import Measure
from archdial.tasks.parts import TARGETS, asked_tensor, seen
from archdial.tasks.task import Outputs, Score, Task, alone, divergence


class LanguageModelling(Task):
    """Logits (n, length, tokens) for the token after each; labels (n, length) are the tokens themselves by default.

    Labels are shifted here, as in Hugging Face models; positions with an attention mask of 0 are ignored.

    Args:
        score: perplexity, or the loss per token in nats; lower is better for both.

    Raises:
        UsageError: there is no such score.
    """

    def __init__(self, score: Literal["perplexity", "loss"] = "perplexity") -> None:
        if score not in ("perplexity", "loss"):
            raise unknown("score", score, ["perplexity", "loss"])
        best = 1.0 if score == "perplexity" else 0.0
        self.measure = Measure(score, higher_is_better=False, best=best, share=False)

    def loss(self, outputs: Outputs, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return the mean cross-entropy () per token."""
        logits, labels = _shifted(outputs, batch)
        return cross_entropy(logits, labels, label_smoothing=smoothing)

    def score(self) -> Score:
        """Return a score without any token yet."""
        return _Tokens(exponential=self.measure.name == "perplexity")

    def apart(self, outputs: Outputs, taught: Outputs, temperature: float) -> Tensor:
        """Return the mean divergence () per token of softened logits from a teacher's, times temperature²."""
        return divergence(alone(outputs).flatten(0, 1), alone(taught).flatten(0, 1), temperature)


class _Tokens(Score):
    """The mean cross-entropy over all tokens, or its exponential."""

    def __init__(self, *, exponential: bool) -> None:
        self._exponential, self._sum, self._count = exponential, 0.0, 0

    def add(self, outputs: Outputs, batch: Batch) -> None:
        logits, labels = _shifted(outputs, batch)
        self._sum += float(cross_entropy(logits.float(), labels, reduction="sum"))
        self._count += int((labels != IGNORED).sum())

    def value(self) -> float:
        mean = self._sum / max(1, self._count)
        # A network that is cut to pieces has a loss whose exponential is no number any more.
        return math.exp(min(mean, 50.0)) if self._exponential else mean


def _shifted(outputs: Outputs, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return logits (m, tokens) and labels (m,) of all tokens but the first of each text."""
    logits = alone(outputs)
    labels = _labels(batch).to(logits.device)
    return logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten()


def _labels(batch: Batch) -> Tensor:
    if isinstance(batch, Mapping) and not any(name in batch for name in TARGETS):
        tokens: Tensor = batch["input_ids"]
        mask = batch.get("attention_mask")
        return tokens if mask is None else tokens.masked_fill(mask == 0, IGNORED)
    # A data set of nothing but tokens gives them in a list of one.
    lone = isinstance(batch, Tensor) or (isinstance(batch, tuple | list) and len(batch) == 1)
    return cast(Tensor, seen(batch)) if lone else asked_tensor(batch)
