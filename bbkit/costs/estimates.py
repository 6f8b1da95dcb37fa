"""What a run may cost, before."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import pandas as pd

from bbkit import aws
from bbkit.catalog.prices import Price, load_prices
from bbkit.core.errors import FamilyError, InputError
from bbkit.core.frames import as_frame
from bbkit.core.text import count_noun, name_some
from bbkit.costs.outlooks import Outlook, Part
from bbkit.costs.views import STANDIN_OUTLOOK, format_usd, show_cost
from bbkit.families import family_of, get_family
from bbkit.records import TokenEstimate, estimate_tokens

ESTIMATE_COLUMNS = {
    "job": "string",
    "attempt": "Int64",
    "records": "Int64",
    "input_tokens": "Int64",
    "output_tokens_low": "Int64",
    "output_tokens": "Int64",
    "output_tokens_high": "Int64",
    "cost_low_usd": "Float64",
    "cost_usd": "Float64",
    "cost_high_usd": "Float64",
    "on_demand_usd": "Float64",
}
"""One row per job; USD of the batch price, and of the expected tokens on demand."""

_REGION = "us-east-1"
_CACHE_NOTE = (
    "Some records mark a part to be cached: the high end takes all input at the price of cache writes."
)
_NO_CACHE_NOTE = (
    "Some records mark a part to be cached; no price of cache writes is known, and none is in it."
)


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
        return {
            name: _whole_sum(self.table[name]) for name in ESTIMATE_COLUMNS if name not in ("job", "attempt")
        }

    @property
    def cost_usd(self) -> float | None:
        """Expected USD in batch; None when not known."""
        return self.numbers["cost_usd"]

    @property
    def cost_low_usd(self) -> float | None:
        """Low end of the range in USD; None when not known."""
        return self.numbers["cost_low_usd"]

    @property
    def cost_high_usd(self) -> float | None:
        """High end of the range in USD; None when not known."""
        return self.numbers["cost_high_usd"]

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
        span = f"{format_usd(total['cost_low_usd'])} to {format_usd(total['cost_high_usd'])}"
        beside = format_usd(total["on_demand_usd"])
        return f"{head}: {amount}{format_usd(known)} in batch ({span}); on demand {beside}."

    def __str__(self) -> str:
        return "\n".join([self.sentence, *self.notes])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        numbers = {**self.numbers, "estimate_usd": self.cost_usd, "at_least": int(self.cost_high_usd is None)}
        return show_cost(self.sentence, [("", self.table)], self.notes, numbers)


def _whole_sum(column: pd.Series) -> Any:
    if column.isna().any():
        return None
    total = column.sum()
    return total.item() if hasattr(total, "item") else total


def estimate_cost(
    records_or_run: Any,
    model_id: str | None = None,
    *,
    max_tokens: int | None = None,
    probe: pd.DataFrame | None = None,
    family: str | None = None,
    region: str = "",
    prices: str | Path = "",
    attempt: int | None = None,
    jobs: Iterable[str] | None = None,
) -> CostEstimate:
    """Estimate what records will cost in batch, with a range, before anything is sent.

    Input tokens are counted in pieces (`bbkit.records.estimate_tokens`), or scaled from a probe. Output
    tokens are those of the probe, with a range of about 95 %; without one they lie between none and
    ``max_tokens``, and the middle is taken as expected.

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
    region : str
        Where the model is called; by default the run's, the environment's, else us-east-1.
    prices : str or Path
        A price file of one's own (`bbkit.catalog.prices.load_prices`); a run names its own.
    attempt : int, optional
        Only this attempt of a run; all by default.
    jobs : iterable of str or DataFrame, optional
        Only these jobs of a run, such as ``submit_jobs(run, dry_run=True)`` names; none of them cost nothing.

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
    _refuse(max_tokens, probe)
    is_run = hasattr(records_or_run, "record_files")
    model = model_id or (records_or_run.model_id if is_run else "")
    if not model:
        raise InputError("estimate_cost takes a model_id beside records; only a run knows its own.")
    name = family or (records_or_run.family if is_run else None)
    where = region or (records_or_run.endpoint.region if is_run else _region())
    table_of_prices = load_prices(prices or (records_or_run.price_file if is_run else ""))
    if is_run:
        chosen = None if jobs is None else _choose_jobs(records_or_run, jobs)
        parts = _parts_of_run(records_or_run, attempt, chosen, model, name)
    else:
        parts = [("", None, estimate_tokens(records_or_run, model, family=name), 0)]
    batch, on_demand = table_of_prices.find(model, where), table_of_prices.find(model, where, "on_demand")
    outlook = Outlook(parts, max_tokens, probe, _has_output(model, name))
    rows = [_row(outlook, part, batch, on_demand) for part in parts]
    notes = [*outlook.notes, batch.note]
    if any(tokens.caches for _, _, tokens, _ in parts):
        notes.append(_CACHE_NOTE if batch.cache_write is not None else _NO_CACHE_NOTE)
    standin = bool(is_run and records_or_run.endpoint.is_standin)
    return CostEstimate(
        table=as_frame(rows, ESTIMATE_COLUMNS),
        model_id=model,
        region=where,
        price=batch,
        on_demand=on_demand,
        notes=(*notes, *([STANDIN_OUTLOOK] if standin else [])),
        is_standin=standin,
        unknown=tuple(_say_unknown(outlook, parts, batch)),
    )


def _refuse(max_tokens: Any, probe: Any) -> None:
    if max_tokens is not None and (not isinstance(max_tokens, Integral) or max_tokens < 1):
        raise InputError(f"max_tokens is {max_tokens!r}. It is a number of tokens from 1, or left out.")
    if probe is None:
        return
    columns = probe.columns if isinstance(probe, pd.DataFrame) else ()
    if not {"input_tokens", "output_tokens"} <= set(columns):
        raise InputError(
            f"The probe is a {type(probe).__name__} without input_tokens and output_tokens. Pass what "
            "probe_records or collect_outputs returned."
        )


def _say_unknown(outlook: Outlook, parts: list[Part], batch: Price) -> Iterator[str]:
    if not batch.is_known:
        yield batch.reason
    elif batch.output is None and outlook.text:
        yield f"no price of output tokens of {batch.model_id} is known"
    if outlook.hides_media:
        yield "a record carries media, whose tokens are not known before"
    if any(outlook.output(tokens)[2] is None for _, _, tokens, _ in parts):
        yield "a record sets no maximum of output tokens"


def _region() -> str:
    return aws.find_region() or _REGION


def _has_output(model_id: str, family: str | None) -> bool:
    try:
        return (get_family(family) if family else family_of(model_id)).kind == "text"
    except FamilyError:
        return True


def _choose_jobs(run: Any, jobs: Any) -> set[str]:
    """The labels of jobs, of which the table of a dry run has a column."""
    listed = jobs["job"] if isinstance(jobs, pd.DataFrame) and "job" in jobs.columns else jobs
    chosen = {listed} if isinstance(listed, str) else set(listed)
    known = {file.job for file in run.record_files()}
    if unknown := sorted(map(str, chosen - known)):
        raise InputError(
            f"Run {run.name!r} has no job {name_some(unknown)}; it has {name_some(sorted(known))}."
        )
    return chosen


def _parts_of_run(
    run: Any, attempt: int | None, chosen: Collection[str] | None, model_id: str, family: str | None
) -> list[Part]:
    """The jobs of a run, each with its tokens and bytes; the files of one job are one part."""
    jobs: dict[tuple[str, int], list[tuple[TokenEstimate, int]]] = {}
    files_of_run = run.record_files(attempt)
    if not files_of_run:
        written = sorted({file.attempt for file in run.record_files()})
        if written:
            has = name_some(map(str, written))
            raise InputError(f"Run {run.name!r} has no attempt {attempt}; it has {has}.")
        raise InputError(f"Run {run.name!r} has no records. Write them with write_records(records, run).")
    for file in files_of_run:
        if chosen is not None and file.job not in chosen:
            continue
        tokens = estimate_tokens(file.path, model_id, family=family)
        jobs.setdefault((file.job, file.attempt), []).append((tokens, file.bytes))
    return [
        (job, number, _join([tokens for tokens, _ in files]), sum(size for _, size in files))
        for (job, number), files in jobs.items()
    ]


def _join(parts: list[TokenEstimate]) -> TokenEstimate:
    limits = [part.max_output_tokens for part in parts if part.max_output_tokens is not None]
    return replace(
        parts[0],
        records=sum(part.records for part in parts),
        input_tokens=sum(part.input_tokens for part in parts),
        media=sum(part.media for part in parts),
        max_output_tokens=sum(limits) if len(limits) == len(parts) else None,
        low=sum(part.low for part in parts),
        high=sum(part.high for part in parts),
        error=max(part.error for part in parts),
        answers=sum(part.answers for part in parts),
        caches=sum(part.caches for part in parts),
    )


def _row(outlook: Outlook, part: Part, batch: Price, on_demand: Price) -> dict[str, Any]:
    job, attempt, tokens, _ = part
    expected = tokens.input_tokens * outlook.scale
    spread = tokens.error if outlook.spread is None else outlook.spread
    inputs = (max(0.0, expected * (1 - spread)), expected, expected * (1 + spread))
    outputs = outlook.output(tokens)
    dearest = batch
    if tokens.caches and batch.input is not None:
        dearest = replace(batch, input=max(batch.input, batch.cache_write or 0.0))
    prices = (batch, batch, dearest)
    costs = [_amount(*each) for each in zip(prices, inputs, outputs, strict=True)]
    if outlook.hides_media:
        costs[1:] = [None, None]
    return {
        "job": job,
        "attempt": attempt,
        "records": tokens.records,
        "input_tokens": round(expected),
        **dict(zip(
            ("output_tokens_low", "output_tokens", "output_tokens_high"),
            (None if value is None else round(value) for value in outputs), strict=True,
        )),
        **dict(zip(("cost_low_usd", "cost_usd", "cost_high_usd"), costs, strict=True)),
        "on_demand_usd": None if outlook.hides_media else _amount(on_demand, expected, outputs[1]),
    }  # fmt: skip


def _amount(price: Price, input_tokens: float, output_tokens: float | None) -> float | None:
    if price.input is None or output_tokens is None or (price.output is None and output_tokens):
        return None
    return (input_tokens * price.input + output_tokens * (price.output or 0.0)) / 1e6
