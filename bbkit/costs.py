"""What answers cost, after: per record, group, attempt and tier, against the manifest and the estimate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from bbkit.budgets import check_budget
from bbkit.cost_comparisons import COMPARISON_COLUMNS, MANIFEST_COLUMNS, compare_costs, reconcile_manifests
from bbkit.cost_rows import AMOUNTS, TOKENS, price_rows
from bbkit.cost_views import STANDIN_NOTE, say_usd, show_cost
from bbkit.errors import InputError
from bbkit.estimates import CostEstimate, estimate_cost
from bbkit.frames import as_frame
from bbkit.prices import Prices, load_prices

__all__ = ["Cost", "CostEstimate", "check_budget", "cost_of", "estimate_cost", "price_rows"]

GROUP_COLUMNS = {
    "records": "Int64",
    "answered": "Int64",
    "unpriced": "Int64",
    **dict.fromkeys(TOKENS, "Int64"),
    **dict.fromkeys(AMOUNTS, "Float64"),
}
"""What a table of costs holds for each group; an amount is the sum of what is known."""

_COLUMNS = ["record_id", "outcome", "model_id", "family", "tier", "attempt", "job_arn", *TOKENS]


@dataclass(frozen=True)
class Cost:
    """What answers cost.

    Attributes
    ----------
    rows : pandas.DataFrame
        One row per answer, columns `COST_ROW_COLUMNS` and those it can be grouped by.
    manifests : pandas.DataFrame
        One row per job with a manifest, columns `MANIFEST_COLUMNS`.
    comparison : pandas.DataFrame
        Why the cost differs from the estimate, columns `COMPARISON_COLUMNS`; empty without one.
    estimate : CostEstimate or None
        What was estimated before.
    notes : tuple of str
        Where prices and counts are from, and what is not known.
    groups : tuple of str
        What ``.table`` is grouped by.
    is_standin : bool
        Whether a stand-in answered, which bills nothing.
    """

    rows: pd.DataFrame = field(repr=False)
    manifests: pd.DataFrame = field(repr=False)
    comparison: pd.DataFrame = field(repr=False)
    estimate: CostEstimate | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ("attempt", "tier")
    is_standin: bool = False

    @property
    def table(self) -> pd.DataFrame:
        """One row per group, columns the groups and `GROUP_COLUMNS`."""
        return self.by(*self.groups)

    def by(self, *columns: str) -> pd.DataFrame:
        """Add up by any columns of ``.rows``.

        Parameters
        ----------
        *columns : str
            Such as ``"attempt"``, or a column of the source that `cost_of` was asked for.

        Returns
        -------
        pandas.DataFrame
            One row per group, the dearest first: `columns`, then `GROUP_COLUMNS`.

        Raises
        ------
        bbkit.errors.InputError
            A column that the rows have not.
        """
        absent = [name for name in columns if name not in self.rows.columns]
        if absent:
            raise InputError(
                f"The rows have no column {absent[0]!r}; name it in cost_of(..., by={absent[0]!r}). They "
                f"have {', '.join(self.rows.columns)}."
            )
        sums = {name: (name, "sum") for name in (*TOKENS, *AMOUNTS)}
        counted = self.rows.assign(
            answered=self.rows["state"].isin(["priced", "unpriced"]),
            unpriced=self.rows["state"] == "unpriced",
        )
        named = {name: (name, "sum") for name in ("answered", "unpriced")}
        groups = counted.groupby(list(columns), dropna=False, sort=False, observed=True)
        table = groups.agg(records=("record_id", "size"), **named, **sums).reset_index()
        table = table.astype(GROUP_COLUMNS)
        none = table["answered"] == table["unpriced"]
        for name in AMOUNTS:
            table.loc[none & (table["answered"] > 0) & (table[name] == 0), name] = pd.NA
        return table.sort_values("cost_usd", ascending=False, kind="stable", ignore_index=True)

    def dearest(self, n: int = 10) -> pd.DataFrame:
        """The answers that cost most.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        pandas.DataFrame
            Rows of ``.rows``, the dearest first.
        """
        return self.rows.nlargest(n, "cost_usd").reset_index(drop=True)

    @property
    def unpriced(self) -> pd.DataFrame:
        """Why answers have no cost: one row per reason, ``reason, records``."""
        left = self.rows.loc[self.rows["state"] == "unpriced", "reason"]
        counts = left.astype("string").value_counts()
        return pd.DataFrame({"reason": counts.index, "records": counts.to_numpy()}).astype(
            {"reason": "string", "records": "Int64"}
        )

    @property
    def numbers(self) -> dict[str, Any]:
        """Totals by name; ``at_least`` is 1 when the cost of an answer is not known."""
        rows = self.rows
        answered = int(rows["state"].isin(["priced", "unpriced"]).sum())
        unpriced = int((rows["state"] == "unpriced").sum())
        told = self.manifests["cost_usd"].sum(min_count=1)
        sums = {name: rows[name].sum(min_count=1) for name in (*TOKENS, *AMOUNTS)}
        if not pd.isna(told):
            sums["cost_usd"] = told + (0.0 if pd.isna(sums["cost_usd"]) else sums["cost_usd"])
            covered = rows["job_arn"].isin(self.manifests.dropna(subset="cost_usd")["job_arn"])
            unpriced -= int((covered & (rows["state"] == "unpriced")).sum())
        plain = {name: None if pd.isna(value) else value.item() for name, value in sums.items()}
        estimate = self.estimate.cost_usd if self.estimate else None
        return {
            "records": len(rows), "answered": answered, "unpriced": unpriced, **plain,
            "at_least": int(unpriced > 0), "estimate_usd": estimate,
        }  # fmt: skip

    @property
    def cost_usd(self) -> float | None:
        """USD of all answers whose cost is known; None when none is."""
        return self.numbers["cost_usd"]

    @property
    def sentence(self) -> str:
        """The cost, what it is made of, and what is not known."""
        total = self.numbers
        if not total["answered"]:
            return "No answers yet, so nothing to cost."
        count = f"{total['answered']:,} answer{'s' if total['answered'] != 1 else ''}"
        if total["cost_usd"] is None:
            return f"The cost of {count} is not known: {self.unpriced['reason'].iloc[0]}."
        least = "At least " if total["at_least"] else ""
        parts = [
            f"{say_usd(total[f'{name}_usd'])} {name}"
            for name in ("input", "output", "cache")
            if total[f"{name}_usd"]
        ]
        made = f" ({', '.join(parts)})" if len(parts) > 1 else ""
        text = f"{least}{say_usd(total['cost_usd'])} for {count}{made}"
        if total["at_least"]:
            text += f"; the cost of {total['unpriced']:,} is not known: {self.unpriced['reason'].iloc[0]}"
        if self.estimate and self.estimate.cost_usd is not None:
            text += f"; estimated {say_usd(self.estimate.cost_usd)}"
        return f"{text}."

    def __str__(self) -> str:
        return "\n".join([self.sentence, *self.notes])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        tables = [("", self.table)]
        if len(self.comparison):
            tables.append(("Against the estimate", self.comparison))
        if len(self.unpriced):
            tables.append(("Cost not known", self.unpriced))
        return show_cost(self.sentence, tables, self.notes, self.numbers)


def cost_of(
    run_or_outputs: Any,
    *,
    by: str | Sequence[str] = (),
    model_id: str = "",
    region: str = "",
    prices: str | Path = "",
    estimate: CostEstimate | None = None,
) -> Cost:
    """Cost answers from the tokens their lines report.

    Cached tokens are counted once: they are taken out of the input where a family's count includes them. A
    record without an answer costs nothing; an answer whose tokens or price are not known has no cost, and the
    total says "at least". Where no line of a job reports tokens, its manifest's counts are used.

    Parameters
    ----------
    run_or_outputs : Run or DataFrame
        A run (every attempt counts), after `collect_outputs`; or a frame of it.
    by : str or sequence of str
        Columns to group by, of the outputs or of the run's source; attempt and tier by default.
    model_id : str
        The model of rows that do not say it.
    region : str
        The region of rows whose job's ARN does not say it.
    prices : str or Path
        A price file of one's own (`bbkit.prices.load_prices`); a run names its own.
    estimate : CostEstimate, optional
        To compare with; of a run it is made where left out.

    Returns
    -------
    Cost
        Shows its sentence first; ``.table``, ``.rows``, ``.by(column)``, ``.dearest(n)``, ``.comparison``.

    Raises
    ------
    bbkit.errors.InputError
        A run whose outputs were not collected, or a frame without the columns of `collect_outputs`.
    """
    columns = [by] if isinstance(by, str) and by else list(by)
    run = None if isinstance(run_or_outputs, pd.DataFrame) else _as_run(run_or_outputs)
    if run is None:
        outputs = run_or_outputs
        known = load_prices(prices)
        standin = False
    else:
        outputs = _read_outputs(run, columns)
        known = load_prices(prices or run.prices)
        model_id, region = model_id or run.model_id, region or run.place.region
        standin = run.place.is_standin
        estimate = estimate or (estimate_cost(run, prices=prices) if run.record_files() else None)
    absent = [name for name in ("outcome", "model_id", *TOKENS[:2]) if name not in outputs.columns]
    if absent:
        raise InputError(f"The frame has no column {absent[0]!r}. Pass what collect_outputs returned.")
    rows = price_rows(outputs, known, model_id=model_id, region=region, keep=_named(columns, outputs))
    manifests = as_frame([], MANIFEST_COLUMNS)
    if run is not None:
        manifests = reconcile_manifests(run.folder, rows, known)
    cost = Cost(
        rows=rows,
        manifests=manifests,
        comparison=as_frame([], COMPARISON_COLUMNS),
        estimate=estimate,
        notes=tuple(_notes(rows, known, region, manifests, standin)),
        groups=tuple(_named(columns, outputs)) or ("attempt", "tier"),
        is_standin=standin,
    )
    return replace(cost, comparison=compare_costs(cost.numbers, estimate)) if estimate else cost


def _as_run(given: Any) -> Any:
    if hasattr(given, "record_files"):
        return given
    if isinstance(given, str | Path) and (Path(given) / "run.json").is_file():
        raise InputError(f"{str(given)!r} is the folder of a run. Pass Run.open({str(given)!r}).")
    raise InputError(f"cost_of takes a Run or the frame of collect_outputs, not {type(given).__name__}.")


def _read_outputs(run: Any, columns: Iterable[str]) -> pd.DataFrame:
    """The answers of every attempt, as `collect_outputs` kept them, with columns of the source."""
    folder = run.folder / "outputs.parquet"
    if not folder.is_dir():
        raise InputError(
            f"The outputs of run {run.name!r} were not collected yet. Call collect_outputs(run) first."
        )
    outputs = pd.read_parquet(folder, columns=_COLUMNS, dtype_backend="numpy_nullable")
    asked = [name.removeprefix("source.") for name in columns if name not in outputs.columns]
    if asked:
        source = run.read_source()
        if source is None or any(name not in source.columns for name in asked):
            raise InputError(
                f"Neither the outputs nor the source of run {run.name!r} have a column {asked[0]!r}."
            )
        for name in asked:
            outputs[f"source.{name}"] = source[name].reindex(outputs["record_id"]).to_numpy()
    return outputs


def _named(columns: Iterable[str], outputs: pd.DataFrame) -> list[str]:
    return [name if name in outputs.columns else f"source.{name}" for name in columns]


def _notes(
    rows: pd.DataFrame, prices: Prices, region: str, manifests: pd.DataFrame, standin: bool
) -> Iterable[str]:
    seen: set[str] = set()
    keys = rows.loc[rows["state"] == "priced", ["model_id", "region", "tier"]].drop_duplicates()
    for model_id, where, tier in keys.itertuples(index=False):
        note = prices.find(model_id, where or region, tier).note
        if note not in seen:
            seen.add(note)
            yield note
    told = manifests["cost_usd"].notna().sum()
    if told:
        yield f"The lines of {told:,} jobs report no tokens; their cost is from the counts of the manifest."
    off = manifests[
        (manifests["input_tokens"] != manifests["manifest_input_tokens"]).fillna(False)
        | (manifests["output_tokens"] != manifests["manifest_output_tokens"]).fillna(False)
    ]
    if len(off):
        yield f"In {len(off):,} jobs the manifest counts other tokens than the lines; see .manifests."
    if standin:
        yield STANDIN_NOTE
