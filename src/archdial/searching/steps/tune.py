"""Training weights under the architectures that the dial names: the weights' turn of an alternating search."""

from __future__ import annotations

import torch

from archdial.searching.candidates import likely
from archdial.searching.paths import WHOLE
from archdial.searching.state import SearchState
from archdial.searching.steps.weights import TrainWeights
from archdial.space import Architecture


class TuneWeights(TrainWeights):
    """Cross-entropy, and distance to the teacher, of what the dial names at a drawn position; often of the whole.

    Gates kept independently of each other make 2^m networks, nearly all of them useless, and weights that serve all
    serve none well. The members of one family are few and alike.
    """

    name = "tune"

    def draw(self, state: SearchState) -> Architecture:
        """Return the whole network one time in four, else an architecture drawn from γ(z), z from the dial."""
        whole = state.network.whole
        if whole is not None and float(torch.rand((), generator=state.generator)) < WHOLE:
            return whole
        position = state.dial.sample(1, state.generator)
        return likely(state.network.space, state.hypernet, state.dial, position, 1, state.generator)[0]
