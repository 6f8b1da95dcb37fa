"""What answers cost in all and by group, beside the manifests and the estimate, and how that is said."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from bbkit.catalog.prices import Prices, Tier
from bbkit.core.datasets import gather
from bbkit.core.errors import InputError
from bbkit.core.frames import COUNT, MANIFEST, NUMBER, TEXT, Table, as_frame, as_texts, require_columns
from bbkit.core.text import count_noun, format_usd, wrap
from bbkit.costs.estimates import CostEstimate, show_cost
from bbkit.costs.rows import AMOUNTS, HOUR, TOKENS, validate_groups

GROUP_COLUMNS = {
    **dict.fromkeys(("records", "answered", "unpriced", *TOKENS), COUNT),
    **dict.fromkeys(AMOUNTS, NUMBER),
}
"""What a table of costs holds for each group; an amount is the sum of what is known."""

MANIFEST_COLUMNS = {
    "job_arn": TEXT,
    "attempt": COUNT,
    **dict.fromkeys(("tier", "model_id", "region"), TEXT),
    **dict.fromkeys(("input_tokens", "manifest_input_tokens"), COUNT),
    **dict.fromkeys(("output_tokens", "manifest_output_tokens"), COUNT),
    **dict.fromkeys(("input_usd", "output_usd", "cost_usd", "on_demand_usd"), NUMBER),
}
"""One row per job with a manifest; USD where its lines report no tokens and the manifest does."""

COMPARISON_COLUMNS = {
    "what": TEXT,
    **dict.fromkeys(("estimated", "actual", "difference_usd"), NUMBER),
    "reason": TEXT,
}
"""One row per cause of the difference between estimate and actual, and their sum."""

ALIKE = ("attempt", "tier", "model_id", "region", "job_arn", "state", "reason")
_SUMMED = ("records", "untold_writes", *TOKENS, *AMOUNTS)


def add_up(frames: Iterable[pd.DataFrame], columns: Iterable[str]) -> pd.DataFrame:
    """Add up answers that are alike in some columns, frame by frame: no answer stays."""
    names = list(dict.fromkeys(columns))

    def add(frame: pd.DataFrame) -> pd.DataFrame:
        groups = frame.groupby(names, dropna=False, sort=False, observed=True)
        return groups[[name for name in _SUMMED if name not in names]].sum(min_count=1).reset_index()

    def count(frame: pd.DataFrame) -> pd.DataFrame:
        untold = frame["cache_write_tokens"].gt(0) & frame[HOUR].isna() & frame["state"].eq("priced")
        return frame.assign(records=1, untold_writes=untold)

    return add(gather(add(count(frame)) for frame in frames))


def count_unpriced(sums: pd.DataFrame) -> pd.DataFrame:
    """Why answers have no cost, the most frequent reasons first."""
    unpriced = sums[sums["state"] == "unpriced"].astype({"reason": TEXT})
    counts = unpriced.groupby("reason", sort=False)["records"].sum()
    counts = counts.sort_values(ascending=False, kind="stable").reset_index()
    return counts.astype({"reason": TEXT, "records": COUNT})


def describe_unpriced(sums: pd.DataFrame) -> str:
    """The most frequent reasons, each with its count where several."""
    counts = count_unpriced(sums)
    pairs = counts.head(3).itertuples(index=False)
    told = [reason if len(counts) == 1 else f"{reason} ({count:,})" for reason, count in pairs]
    if others := int(counts["records"].iloc[3:].sum()):
        told.append(f"other reasons ({others:,})")
    return "; ".join(told)


@dataclass(frozen=True)
class Cost:
    """What answers cost.

    Attributes
    ----------
    rows : pandas.DataFrame
        One row per answer, columns `COST_ROW_COLUMNS` and those it can be grouped by; of a data set it is
        made when asked for.
    sums : pandas.DataFrame
        The same added up, one row for all answers that are alike in what they can be grouped by.
    manifests : pandas.DataFrame
        One row per job with a manifest, columns `MANIFEST_COLUMNS`.
    estimate : CostEstimate or None
        What was estimated before.
    notes : tuple of str
        Where prices and counts are from, and what is not known.
    groups : tuple of str
        What ``.table`` is grouped by.
    is_standin : bool
        Whether a stand-in answered, which bills nothing.
    """

    iter_rows: Callable[[], Iterator[pd.DataFrame]] = field(repr=False)
    sums: pd.DataFrame = field(repr=False)
    manifests: pd.DataFrame = field(repr=False)
    estimate: CostEstimate | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ("attempt", "tier")
    is_standin: bool = False

    @cached_property
    def rows(self) -> pd.DataFrame:
        """One row per answer."""
        return gather(self.iter_rows())

    @property
    def table(self) -> pd.DataFrame:
        """One row per group, columns the groups and `GROUP_COLUMNS`."""
        return self.by(*self.groups)

    @property
    def comparison(self) -> pd.DataFrame:
        """Why the cost differs from the estimate, columns `COMPARISON_COLUMNS`; empty without one."""
        if self.estimate is None:
            return as_frame([], COMPARISON_COLUMNS)
        columns = ["model_id", "region", "tier", "records", *TOKENS]
        priced = self.sums.loc[self.sums["state"] == "priced", columns]
        jobs = rows_by_manifest(self.manifests).reindex(columns=columns)
        ledger = pd.concat([priced, jobs], ignore_index=True) if len(jobs) else priced
        return _compare_costs(ledger, self.numbers, self.estimate)

    def by(self, *columns: str) -> pd.DataFrame:
        """Add up by any columns of ``.rows``.

        Parameters
        ----------
        *columns : str
            Such as ``"attempt"``, or a column of the source that `cost_of` was asked for.

        Returns
        -------
        pandas.DataFrame
            One row per group, the most expensive first: `columns`, then `GROUP_COLUMNS`.

        Raises
        ------
        bbkit.core.errors.InputError
            No column, one that the rows have not, or one of tokens or USD.
        """
        if not {*columns} or {*columns} - {*self.sums} or {*columns} & {*_SUMMED[:2]}:
            head = next(self.iter_rows())
            if not columns:
                known = ", ".join(map(str, head))
                told = f"by() takes the name of a column, such as 'attempt'. The rows have {known}."
                raise InputError(told)
            require_columns(head, columns, f"Name it in cost_of(..., by={columns[0]!r}).", "table of rows")
        validate_groups(columns)
        groups = self._counted(columns).groupby(list(columns), dropna=False, sort=False, observed=True)
        counts = groups[["records", "answered", "unpriced"]].sum()
        table = counts.join(groups[[*TOKENS, *AMOUNTS]].sum(min_count=1)).reset_index()
        table = table.astype(GROUP_COLUMNS)
        empty = (table["answered"] == 0) & (table["records"] > 0)
        for name in (*TOKENS, *AMOUNTS):
            table[name] = table[name].mask(empty & table[name].isna(), 0)
        return table.sort_values("cost_usd", ascending=False, kind="stable", ignore_index=True)

    def _counted(self, columns: Sequence[str] = ()) -> pd.DataFrame:
        """What is added up of every answer, and of every job that a manifest costs as a whole."""
        sums = self.sums
        if {*columns} - {*sums}:
            sums = add_up(self.iter_rows(), [*columns, "state"])
        counted = sums[[*columns, *_SUMMED]].assign(
            answered=sums["records"].where(sums["state"] != "no answer", 0),
            unpriced=sums["records"].where(sums["state"] == "unpriced", 0),
        )
        jobs = rows_by_manifest(self.manifests)
        if jobs.empty:
            return counted
        # A manifest's counts are in the group of its job; no column of the source parts them.
        jobs = jobs.reindex(columns=counted.columns).assign(records=0, answered=0, unpriced=0)
        return pd.concat([counted.astype(dict.fromkeys(columns, object)), jobs], ignore_index=True)

    def most_expensive(self, n: int = 10) -> pd.DataFrame:
        """The answers that cost most.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        pandas.DataFrame
            Rows of ``.rows``, the most expensive first.
        """
        dearest = gather(frame.nlargest(n, "cost_usd") for frame in self.iter_rows())
        return Table(dearest.nlargest(n, "cost_usd").reset_index(drop=True))

    @property
    def unpriced(self) -> pd.DataFrame:
        """Why answers have no cost: one row per reason, ``reason, records``."""
        return count_unpriced(self.sums)

    def describe_unpriced(self) -> str:
        """Why answers have no cost."""
        return describe_unpriced(self.sums)

    @property
    def numbers(self) -> dict[str, Any]:
        """Totals by name; ``at_least`` is 1 when the cost of an answer is not known."""
        counted = self._counted()
        sums = {name: counted[name].sum(min_count=1) for name in (*TOKENS, *AMOUNTS)}
        totals = {name: int(counted[name].sum()) for name in ("records", "answered", "unpriced")}
        return {
            **totals,
            **{name: None if pd.isna(total) else total.item() for name, total in sums.items()},
            "at_least": int(totals["unpriced"] > 0),
            "estimate_usd": self.estimate.cost_usd if self.estimate else None,
        }

    @property
    def cost_usd(self) -> float | None:
        """USD of all answers whose cost is known; None when none is."""
        total: float | None = self.numbers["cost_usd"]
        return total

    @property
    def sentence(self) -> str:
        """The cost, what it is made of, and what is not known."""
        total = self.numbers
        if not total["answered"]:
            return "No answers yet, so nothing to cost."
        count = count_noun(total["answered"], "answer")
        if total["cost_usd"] is None:
            return f"The cost of {count} is not known: {self.describe_unpriced()}."
        least = "At least " if total["at_least"] else ""
        parts = [
            f"{format_usd(total[f'{name}_usd'])} {name}"
            for name in ("input", "output", "cache")
            if total[f"{name}_usd"]
        ]
        made = f" ({', '.join(parts)})" if len(parts) > 1 else ""
        text = f"{least}{format_usd(total['cost_usd'])} for {count}{made}"
        if total["at_least"]:
            text += f"; the cost of {total['unpriced']:,} is not known: {self.describe_unpriced()}"
        if self.estimate and self.estimate.cost_usd is not None:
            text += f"; estimated {format_usd(self.estimate.cost_usd)}"
        return f"{text}."

    def __str__(self) -> str:
        return wrap("\n".join([self.sentence, *self.notes]))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        tables, comparison = [("", self.table)], self.comparison
        if len(comparison):
            tables.append(("Against the estimate", _format_comparison(comparison)))
        if len(self.unpriced):
            tables.append(("Cost not known", self.unpriced))
        return show_cost(self.sentence, tables, self.notes, self.numbers)


def reconcile_manifests(
    folder: Path, rows: pd.DataFrame, prices: Prices, *, text: bool = True
) -> pd.DataFrame:
    """Lay each job's tokens by its lines beside those of its manifest."""
    jobs = rows.assign(unpriced=rows["state"] == "unpriced").groupby("job_arn", observed=True)
    sums = jobs[["input_tokens", "output_tokens"]].sum(min_count=1)
    called = jobs[["attempt", "tier", "model_id", "region"]].first()
    compared: list[dict[Any, Any]] = []
    for job in called.join(sums).join(jobs["unpriced"].any()).reset_index().to_dict("records"):
        counts = _read_counts(folder / "outputs" / job["job_arn"].rpartition("/")[2] / MANIFEST)
        if not counts:
            continue
        inputs, outputs = counts.get("inputTokenCount"), counts.get("outputTokenCount")
        counted: dict[str, Any] = {"manifest_input_tokens": inputs, "manifest_output_tokens": outputs}
        silent = job["unpriced"] and pd.isna(job["input_tokens"]) and pd.isna(job["output_tokens"])
        # A manifest counts what its lines report: where they are silent, its 0 is no count either.
        if silent and inputs and (outputs or not text):
            counted |= _cost_counts(inputs, (outputs or 0) if text else 0, job, prices)
        compared.append(job | counted)
    return as_frame(compared, MANIFEST_COLUMNS)


def _read_counts(path: Path) -> dict[str, int]:
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    counts = manifest if isinstance(manifest, dict) else {}
    names = ("inputTokenCount", "outputTokenCount")
    return {name: counts[name] for name in names if type(counts.get(name)) is int}


def _cost_counts(inputs: int, outputs: int, job: Mapping[Any, Any], prices: Prices) -> dict[str, Any]:
    """USD of a manifest's counts; nothing where a price is not known."""

    def amounts(tier: Tier) -> pd.Series:
        price = prices.find(job["model_id"], job["region"], tier)
        return pd.Series([price.usd_of(inputs, 0), price.usd_of(0, outputs)], dtype="Float64")

    spent, on_demand = amounts(job["tier"]), amounts("on_demand").sum(skipna=False)
    if spent.isna().any():
        return {}
    return {
        "input_usd": spent[0],
        "output_usd": spent[1],
        "cost_usd": spent.sum(),
        "on_demand_usd": on_demand,
    }


def rows_by_manifest(manifests: pd.DataFrame) -> pd.DataFrame:
    """Turn the jobs that a manifest's counts cost into rows of a cost."""
    rows = manifests.dropna(subset="cost_usd").reset_index(drop=True)
    return rows.assign(
        input_tokens=rows["manifest_input_tokens"], output_tokens=rows["manifest_output_tokens"]
    )


def _compare_costs(ledger: pd.DataFrame, numbers: Mapping[str, Any], estimate: CostEstimate) -> pd.DataFrame:
    """Part the difference between estimate and cost into answers, input, output, and prices."""
    before, spent = estimate.numbers, numbers["cost_usd"]
    records, answered, unpriced = before["records"], numbers["answered"], numbers["unpriced"]
    priced = answered - unpriced
    if not records or not priced or before["cost_usd"] is None or spent is None:
        return as_frame([], COMPARISON_COLUMNS)
    sums = ledger[list(TOKENS)].astype(float).sum().to_dict()
    cached = sums["cache_read_tokens"] + sums["cache_write_tokens"]
    rates = [(price or 0.0) / 1e6 for price in (estimate.price.input, estimate.price.output)]
    expected = [before["input_tokens"] / records, (before["output_tokens"] or 0) / records]
    actual = [(sums["input_tokens"] + cached) / priced, sums["output_tokens"] / priced]
    each = sum(rate * tokens for rate, tokens in zip(rates, expected, strict=True))
    steps = [priced * (b - a) * rate for a, b, rate in zip(expected, actual, rates, strict=True)]
    total = spent - before["cost_usd"]
    other = total - sum(steps) - (priced - records) * each
    if abs(other) < 1e-6 * max(spent, before["cost_usd"]):
        other = 0.0  # only the rounding of floats and of tokens
    why = _compare(
        records, answered, "records without an answer cost nothing", "more answers than records estimated"
    )
    causes = [("answers", records, answered, (answered - records) * each, why)]
    if unpriced:
        causes.append(("answers not costed", 0, unpriced, -unpriced * each, "their cost is not known"))
    for at, (name, what) in enumerate((("input", "inputs"), ("output", "answers"))):
        words = (f"the model counted {how} {what} than expected" for how in ("shorter", "longer"))
        why = _compare(expected[at], actual[at], *words)
        causes.append((f"{name} tokens a record", expected[at], actual[at], steps[at], why))
    causes.append(("prices", None, None, other, _compare_prices(ledger, cached, estimate) if other else ""))
    causes.append(("cost in USD", before["cost_usd"], spent, total, ""))
    return as_frame((dict(zip(COMPARISON_COLUMNS, row, strict=True)) for row in causes), COMPARISON_COLUMNS)


def _compare(expected: float, actual: float, less: str, more: str) -> str:
    if round(actual, 6) == round(expected, 6):
        return ""
    return more if actual > expected else less


def _compare_prices(ledger: pd.DataFrame, cached: float, estimate: CostEstimate) -> str:
    """Name what was paid at another price than the batch price of the estimate, as far as there is any."""
    causes = []
    if cached:
        causes.append(f"{cached:,.0f} cached tokens")
    if sent := int(ledger.loc[ledger["tier"].eq("on_demand"), "records"].sum()):
        causes.append(f"{sent:,} sent on demand")
    called = ledger[["model_id", "region"]].drop_duplicates().astype(str)
    if {*called.itertuples(index=False, name=None)} - {(estimate.model_id, estimate.region)}:
        causes.append("another model or region than estimated")
    return ", ".join(causes) or "rounding of tokens"


def _format_comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    """A comparison as a person reads it: its last row is amounts, the others are counts."""
    counts, amounts = comparison.iloc[:-1], comparison.iloc[-1:]
    names = ["estimated", "actual"]
    written = pd.concat([as_texts(counts[names]), amounts[names].map(format_usd)], ignore_index=True)
    return comparison.assign(**written)
