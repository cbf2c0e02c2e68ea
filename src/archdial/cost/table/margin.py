"""How much longer than predicted a network may take: the margin derived from a table's own errors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from archdial.common.errors import UsageError
from archdial.cost.table.contents import TableContents
from archdial.cost.table.fit import FEWEST
from archdial.cost.table.fit_to_networks import fitted

CONFIDENCE = 0.95
"""With which milliseconds are promised, where nobody asks for another."""
NO_MARGIN = 0.5
"""The confidence of the prediction itself: a network takes as likely more as less."""
APART = 0.01
"""Standard deviation, relative, of what one network takes in two processes of a quiet machine: those of a table were
all measured in one, and what is promised runs in another."""
MOST = 1.0
"""Root mean square of residuals beyond which a table is too far off to promise anything by."""
_MOST_PARTS = 2_000
"""Of a table whose residuals are found again: as many as a table is fitted with while it is read."""


def check_confidence(confidence: float) -> None:
    """Raise UsageError unless `confidence` is one that can be promised with."""
    if not NO_MARGIN <= confidence < 1:
        raise UsageError(
            f"confidence is {confidence:g}: expected a number from 0.5 (no margin) up to but excluding 1, such as 0.95"
        )


def residuals_of(table: TableContents) -> tuple[float, ...]:
    """Return measured / predicted − 1 of whole networks that the table's fit had not seen; none where it has no fit.

    A table of an older archdial does not hold them. It holds the parts and networks that they follow from, so they are
    found by the same cross-validation again.
    """
    if table.fit is None or table.fit.residuals:
        return () if table.fit is None else table.fit.residuals
    if len(table.networks) < FEWEST or len(table.parts) > _MOST_PARTS:
        return ()
    again = fitted(table).fit
    return () if again is None else again.residuals


def margin(residuals: Sequence[float], confidence: float) -> float | None:
    """Return the share of its predicted time that a network takes longer at most, with this confidence.

    That is the upper bound of a one-sided prediction interval for one more draw from the normal distribution that the
    n residuals were drawn from. Its mean is zero, as the fit has a constant and a scale of its own, so the root of
    their mean square has n degrees of freedom, and the bound is the quantile of Student's t with n of them times that
    root (Hahn and Meeker, Statistical Intervals, 1991, chapter 4). To the mean square is added that of what two
    processes are apart, 1 %. At 0.5 the bound is nothing. Tails heavier than normal make the root larger, and up to
    about 0.95 the bound no smaller than it should be.

    Args:
        residuals: measured / predicted − 1 of networks that were held out.
        confidence: 0.5 ≤ confidence < 1.

    Returns:
        0 or more; None with fewer than 10 residuals, or as large ones as what is predicted, which promise nothing.
    """
    from scipy.special import stdtrit

    if len(residuals) < FEWEST:
        return None
    root = math.sqrt(sum(one * one for one in residuals) / len(residuals) + APART**2)
    # By the errors, not by the margin: whoever asks for more confidence must never be kept less.
    if root > MOST and confidence > NO_MARGIN:
        return None
    return max(0.0, float(stdtrit(len(residuals), confidence)) * root)
