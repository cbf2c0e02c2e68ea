"""Measuring built members lives in `archdial.comparing.measured`; scripts may name it here, as they always could."""

from archdial.comparing.measured import evaluator_of

__all__ = ["evaluator_of"]
