"""What answers cost, from wherever `collect_outputs` reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bbkit import costs
from bbkit.core.datasets import is_dataset
from bbkit.core.frames import OUTPUT_COLUMNS
from bbkit.outputs import collect_outputs
from bbkit.run import Run


def cost_of(
    source: Any,
    *,
    by: str | Sequence[str] = (),
    model_id: str = "",
    region: str = "",
    prices: str | Path = "",
    estimate: costs.CostEstimate | None = None,
) -> costs.Cost:
    """Cost answers from the tokens their lines report.

    Cached tokens are counted once: they are taken out of the input where a family's count includes them. A
    record without an answer costs nothing; an answer whose tokens or price are not known has no cost, and the
    total says "at least". Where no line of a job reports tokens, its manifest's counts are used.

    Parameters
    ----------
    source : Run, path, str, list of these, DataFrame or Accounting
        A run or its folder (every attempt counts), after `collect_outputs`; the frame, accounting or data set
        it gave; or whatever else it takes: a folder or file of outputs, an ``s3://`` prefix, a job ARN.
    by : str or sequence of str
        Columns to group by, of the outputs or of the run's source; attempt and tier by default.
    model_id : str
        The model of rows that do not say it.
    region : str
        The region of rows whose job's ARN does not say it.
    prices : str or Path
        A price file of one's own (`bbkit.catalog.prices.load_prices`); a run names its own.
    estimate : CostEstimate, optional
        To compare with; of a run it is made where left out.

    Returns
    -------
    Cost
        Shows its sentence first; ``.table``, ``.rows``, ``.by(column)``, ``.most_expensive(n)`` and
        ``.comparison`` are frames.

    Raises
    ------
    bbkit.core.errors.InputError
        A run whose outputs were not collected, a frame without the columns of `collect_outputs`, or a column
        to group by that is not there.
    """
    columns = [by] if isinstance(by, str) and by else list(by)
    if isinstance(source, str | Path) and Path(source, "run.json").is_file():
        source = Run.open(source)
    if not isinstance(source, Run | pd.DataFrame) and not is_dataset(source):
        named = [name.removeprefix("source.") for name in columns if name not in OUTPUT_COLUMNS]
        source = collect_outputs(source, model_id=model_id, attempts="all", source_columns=named)
    return costs.cost_of(
        source, by=columns, model_id=model_id, region=region, prices=prices, estimate=estimate
    )
