"""A budget that is kept before anything is sent."""

import math
from numbers import Real

from bbkit.core.errors import BudgetError, InputError
from bbkit.costs.estimates import CostEstimate
from bbkit.costs.views import format_usd


def check_budget(estimate: CostEstimate, budget_usd: float | None) -> CostEstimate:
    """Refuse an estimate whose high end is above the budget, or not known.

    Parameters
    ----------
    estimate : CostEstimate
        What `estimate_cost` gave.
    budget_usd : float or None
        USD; None or a negative number is no budget, and then nothing is refused.

    Returns
    -------
    CostEstimate
        The estimate, to look at.

    Raises
    ------
    bbkit.core.errors.BudgetError
        The high end is above `budget_usd`, or cannot be told.
    bbkit.core.errors.InputError
        `budget_usd` is not a number.
    """
    if not hasattr(estimate, "cost_high_usd"):
        raise InputError(
            f"check_budget takes what estimate_cost gave, not {type(estimate).__name__}; what a run did cost "
            "is past refusing."
        )
    if budget_usd is None:
        return estimate
    if not isinstance(budget_usd, Real) or math.isnan(budget_usd):
        raise InputError(
            f"budget_usd is {budget_usd!r}. It is a number of USD; None or a negative one is no budget."
        )
    if budget_usd < 0:
        return estimate
    high = estimate.cost_high_usd
    if high is None:
        why = ", and ".join(estimate.unknown)
        raise BudgetError(
            f"The cost is not known, because {why}; a budget of {format_usd(budget_usd)} cannot be kept. "
            "Name the price in a file of your own and the maximum in max_tokens, or set no budget."
        )
    if high > budget_usd:
        raise BudgetError(
            f"The high estimate is {format_usd(high)}, above the budget of {format_usd(budget_usd)}. Send "
            "fewer records, lower max_tokens, narrow the range with a probe, or raise the budget."
        )
    return estimate
