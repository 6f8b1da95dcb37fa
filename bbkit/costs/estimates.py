"""What a run may cost, before, how a cost shows itself, and a budget that is kept before anything is sent."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import pandas as pd

from bbkit import aws
from bbkit.catalog.prices import Price, load_prices
from bbkit.core.errors import BudgetError, FamilyError, InputError
from bbkit.core.frames import BUNDLE, COUNT, NUMBER, TEXT, as_frame, as_texts, bundle, require_columns
from bbkit.core.panels import render_panel
from bbkit.core.text import count_noun, format_usd, lay_out, name_some, wrap
from bbkit.costs.token_forecasts import JobTokens, TokenForecast
from bbkit.families import family_of, foundation_model
from bbkit.records.tokens import TokenEstimate, estimate_tokens

STANDIN_NOTE = "A stand-in answered: nothing was billed, and the amounts are what AWS would have charged."
STANDIN_ESTIMATE = "A stand-in will answer: nothing is billed, and the amounts are what AWS would charge."


def show_cost(
    sentence: str,
    tables: Sequence[tuple[str, pd.DataFrame]],
    notes: Sequence[str],
    numbers: Mapping[str, Any],
) -> dict[str, Any]:
    """Bring a cost into the forms a notebook and a report read; the first table's rows are the report's."""
    shown = [(heading, _readable(table)) for heading, table in tables]
    plain = [line for heading, table in shown for line in (heading, *lay_out(table.to_dict("list"))) if line]
    rows = tables[0][1].to_dict("records")
    return {
        "text/plain": "\n".join([sentence, *plain, *notes]),
        "text/html": render_panel("cost", sentence, shown, notes),
        BUNDLE: bundle("cost", sentence, numbers, rows, {"Prices and counts": notes} if notes else None),
    }


_COSTS = ("cost_usd", "cost_low_usd", "cost_high_usd", "on_demand_usd")


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """What it is the cost of, the cost, then what it is made of, without columns that are all 0 or empty."""
    names = [name for name in table if name in _COSTS or not table[name].isin([0, None, pd.NA]).all()]
    if "records" in names:
        names.sort(key=[*names[: names.index("records") + 1], *_COSTS, *names].index)
    amounts = {name: table[name].map(format_usd) for name in names if name.endswith("_usd")}
    shown = as_texts(table[names].assign(**amounts))
    return shown.rename(columns={name: name.removesuffix("_usd").replace("_", " ") for name in names})


ESTIMATE_COLUMNS = {
    "job": TEXT,
    **dict.fromkeys(("attempt", "records", "input_tokens"), COUNT),
    **dict.fromkeys(("output_tokens_low", "output_tokens", "output_tokens_high"), COUNT),
    **dict.fromkeys(("cost_low_usd", "cost_usd", "cost_high_usd", "on_demand_usd"), NUMBER),
}
"""One row per job; USD of the batch price, and of the expected tokens on demand."""


@runtime_checkable
class CostedRun(Protocol):
    """What is read of a `bbkit.Run`, which is of a room above this one."""

    name: str
    folder: Path
    model_id: str
    family: str
    model: str
    price_file: str
    endpoint: Any

    def record_files(self, attempt: int | None = None) -> Sequence[Any]: ...
    def rows_folder(self) -> Path: ...
    def read_source(self) -> pd.DataFrame | None: ...


@dataclass(frozen=True)
class CostEstimate:
    """What records may cost in batch.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per job, columns `ESTIMATE_COLUMNS`.
    model_id, region : str
        The model and where it is called.
    price, on_demand : bbkit.catalog.prices.Price
        Prices in batch and on demand.
    notes : tuple of str
        How tokens were estimated, where the prices are from.
    is_standin : bool
        Whether a stand-in would answer, which bills nothing.
    unknown : tuple of str
        Why the high end is not known; empty when it is.
    """

    table: pd.DataFrame = field(repr=False)
    model_id: str
    region: str
    price: Price = field(repr=False)
    on_demand: Price = field(repr=False)
    notes: tuple[str, ...] = ()
    is_standin: bool = False
    unknown: tuple[str, ...] = ()

    @property
    def numbers(self) -> dict[str, Any]:
        """Totals by name; an amount that is not known for every job is None."""
        return {name: self._total(name) for name in ESTIMATE_COLUMNS if name not in ("job", "attempt")}

    def _total(self, name: str) -> float | None:
        column = self.table[name]
        return None if column.isna().any() else column.sum().item()

    @property
    def cost_usd(self) -> float | None:
        """Expected USD in batch; None when not known."""
        return self._total("cost_usd")

    @property
    def cost_low_usd(self) -> float | None:
        """Low end of the range in USD; None when not known."""
        return self._total("cost_low_usd")

    @property
    def cost_high_usd(self) -> float | None:
        """High end of the range in USD; None when not known."""
        return self._total("cost_high_usd")

    @property
    def sentence(self) -> str:
        """The expected cost with its range, and what it would be on demand."""
        total = self.numbers
        head = f"{count_noun(total['records'] or 0, 'record')} for {self.model_id}"
        if self.table.empty:
            return f"{head}: nothing to submit."
        if total["cost_low_usd"] is None:
            return f"{head}: the cost is not known, because {', and '.join(self.unknown)}."
        amount = "at least " if total["cost_usd"] is None else "about "
        known = total["cost_low_usd"] if total["cost_usd"] is None else total["cost_usd"]
        span = f"({format_usd(total['cost_low_usd'])} to {format_usd(total['cost_high_usd'])})"
        if self.price.tier == "on_demand":
            return f"{head}: {amount}{format_usd(known)} on demand {span}."
        on_demand = format_usd(total["on_demand_usd"])
        return f"{head}: {amount}{format_usd(known)} in batch {span}; on demand {on_demand}."

    def __str__(self) -> str:
        return wrap("\n".join([self.sentence, *self.notes]))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        numbers = {**self.numbers, "estimate_usd": self.cost_usd, "at_least": int(self.cost_high_usd is None)}
        return show_cost(self.sentence, [("", self.table)], self.notes, numbers)


def estimate_cost(
    records_or_run: Any,
    model_id: str | None = None,
    *,
    max_tokens: int | None = None,
    probe: pd.DataFrame | None = None,
    family: str | None = None,
    model: str = "",
    region: str = "",
    prices: str | Path = "",
    attempt: int | None = None,
    jobs: Iterable[str] | None = None,
    tier: Literal["batch", "on_demand"] = "batch",
) -> CostEstimate:
    """Estimate what records will cost in batch, with a range, before anything is sent.

    Input tokens are counted in pieces (`bbkit.records.tokens.estimate_tokens`), or scaled from a probe.
    Output tokens are those of the probe, with a range of about 95 %; without one they lie between none
    and ``max_tokens``, and the middle is taken as expected.

    Parameters
    ----------
    records_or_run : Run, DataFrame, iterable or path
        A run with records, or what `check_records` takes.
    model_id : str, optional
        The model; a run has its own.
    max_tokens : int, optional
        Maximum of output tokens of every record; by default what each body says.
    probe : pandas.DataFrame, optional
        Real answers to go by: of `probe_records`, or the outputs of an earlier run.
    family : str, optional
        The family, where the model id does not tell it.
    model : str
        The model behind an id that does not tell it, whose prices then hold; a run keeps its own.
    region : str
        Where the model is called; by default the run's, the environment's, else us-east-1.
    prices : str or Path
        A price file of one's own (`bbkit.catalog.prices.load_prices`); a run names its own.
    attempt : int, optional
        Only this attempt of a run; all by default.
    jobs : iterable of str or DataFrame, optional
        Only these jobs of a run, such as ``submit_jobs(run, dry_run=True)`` names; none of them cost nothing.
    tier : {"batch", "on_demand"}
        At which price the range is: what is sent one by one costs that of on demand.

    Returns
    -------
    CostEstimate
        ``.table`` has one row per job; shows its sentence first. An unknown price gives NA with the reason.

    Raises
    ------
    bbkit.core.errors.InputError
        Records without a `model_id`, a `max_tokens` below 1, a `probe` that holds no answers.
    bbkit.core.errors.RecordsError
        A line that is not a record.
    """
    if max_tokens is not None and (not isinstance(max_tokens, Integral) or max_tokens < 1):
        raise InputError(f"max_tokens is {max_tokens!r}. It is a number of tokens from 1, or left out.")
    if probe is not None:
        remedy = "Pass what probe_records or collect_outputs returned."
        require_columns(probe, ("input_tokens", "output_tokens"), remedy, "probe")
    run = records_or_run if isinstance(records_or_run, CostedRun) else None
    called = model_id or (run.model_id if run else "")
    if not called:
        raise InputError("estimate_cost takes a model_id beside records; only a run knows its own.")
    name = family or (run.family if run else None)
    behind = model or (run.model if run and called == run.model_id else "")
    known = foundation_model(called, behind, name)
    where = region or (run.endpoint.region if run else aws.find_region() or "us-east-1")
    own = load_prices(prices or (run.price_file if run else ""), {called: behind})
    if run:
        parts = _jobs_of_run(run, attempt, jobs, known, name)
    else:
        parts = [JobTokens("", None, estimate_tokens(records_or_run, known, family=name), 0)]
    batch, on_demand = own.find(called, where, tier), own.find(called, where, "on_demand")
    text = True
    with suppress(FamilyError):
        text = family_of(known, family=name).kind == "text"
    forecast = TokenForecast(parts, max_tokens, probe, text)
    notes = [*forecast.notes, batch.note]
    if any(part.tokens.caches for part in parts):
        how = "; no price of cache writes is known, and none is in it"
        if batch.cache_write is not None:
            how = ": the high end takes all input at the price of cache writes"
        notes.append(f"Some records mark a part to be cached{how}.")
    is_standin = bool(run and run.endpoint.is_standin)
    return CostEstimate(
        table=as_frame((_row(forecast, part, batch, on_demand) for part in parts), ESTIMATE_COLUMNS),
        model_id=called,
        region=where,
        price=batch,
        on_demand=on_demand,
        notes=(*notes, *([STANDIN_ESTIMATE] if is_standin else [])),
        is_standin=is_standin,
        unknown=tuple(_unknowns(forecast, parts, batch)),
    )


def _unknowns(forecast: TokenForecast, parts: list[JobTokens], batch: Price) -> Iterator[str]:
    """Why the high end is not known."""
    if batch.input is None:
        yield batch.reason
    elif batch.output is None and forecast.text:
        yield f"no price of output tokens of {batch.model_id} is known"
    if forecast.hides_media:
        yield "a record carries media, whose tokens are not known before"
    if any(forecast.outputs(part.tokens)[2] is None for part in parts):
        yield "a record sets no maximum of output tokens"


def _jobs_of_run(
    run: CostedRun, attempt: int | None, labels: Any, model_id: str, family: str | None
) -> list[JobTokens]:
    """The jobs of a run, each with its tokens and bytes; the files of one job are one part."""
    written = run.record_files()
    if not written:
        raise InputError(f"Run {run.name!r} has no records. Write them with write_records(records, run).")
    files = [file for file in written if attempt in (None, file.attempt)]
    if not files:
        known = sorted({file.attempt for file in written})
        raise InputError(f"Run {run.name!r} has no attempt {attempt}; it has {name_some(known)}.")
    if labels is not None:
        listed = labels["job"] if isinstance(labels, pd.DataFrame) and "job" in labels.columns else labels
        chosen = {listed} if isinstance(listed, str) else set(listed)
        known = sorted({file.job for file in written})
        if unknown := sorted(map(str, chosen.difference(known))):
            raise InputError(f"Run {run.name!r} has no job {name_some(unknown)}; it has {name_some(known)}.")
        files = [file for file in files if file.job in chosen]
    jobs: dict[tuple[str, int], list[Any]] = {}
    for file in files:
        jobs.setdefault((file.job, file.attempt), []).append(file)
    parts = []
    for (job, number), group in jobs.items():
        tokens = _join([estimate_tokens(file.path, model_id, family=family) for file in group])
        parts.append(JobTokens(job, number, tokens, sum(file.bytes for file in group)))
    return parts


def _join(parts: list[TokenEstimate]) -> TokenEstimate:
    names = ("records", "input_tokens", "media", "low", "high", "answers", "caches")
    limits = [part.max_output_tokens for part in parts if part.max_output_tokens is not None]
    return replace(
        parts[0],
        max_output_tokens=sum(limits) if len(limits) == len(parts) else None,
        error=max(part.error for part in parts),
        **{name: sum(getattr(part, name) for part in parts) for name in names},
    )


def _row(forecast: TokenForecast, part: JobTokens, batch: Price, on_demand: Price) -> dict[str, Any]:
    low, middle, high = zip(forecast.inputs(part.tokens), forecast.outputs(part.tokens), strict=True)
    most_expensive = batch
    if part.tokens.caches and batch.input is not None:
        most_expensive = replace(batch, input=max(batch.input, batch.cache_write or 0.0))
    priced = ((batch, low), (batch, middle), (most_expensive, high), (on_demand, middle))
    costs = [None if sent is None else price.usd_of(taken, sent) for price, (taken, sent) in priced]
    if forecast.hides_media:
        costs[1:] = [None] * 3
    tokens = [None if value is None else round(value) for value in (middle[0], low[1], middle[1], high[1])]
    row = (part.job, part.attempt, part.tokens.records, *tokens, *costs)
    return dict(zip(ESTIMATE_COLUMNS, row, strict=True))


def check_budget(estimate: CostEstimate, budget_usd: float | None) -> CostEstimate:
    """Refuse an estimate whose high end is above the budget, or not known.

    Parameters
    ----------
    estimate : CostEstimate
        What `estimate_cost` gave.
    budget_usd : float or None
        USD; None, a negative number or infinity is no budget, and then nothing is refused.

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
    if budget_usd < 0 or budget_usd == math.inf:
        return estimate
    high = estimate.cost_high_usd
    if high is None:
        why = ", and ".join(estimate.unknown)
        raise BudgetError(
            f"The cost is not known, because {why}; a budget of {format_usd(budget_usd)} cannot be kept. "
            "Name the price in a file of your own and the maximum in max_tokens, or set no budget (inf)."
        )
    if high > budget_usd:
        raise BudgetError(
            f"The high estimate is {format_usd(high)}, above the budget of {format_usd(budget_usd)}. Send "
            "fewer records, lower max_tokens, narrow the range with a probe, or raise the budget."
        )
    return estimate
