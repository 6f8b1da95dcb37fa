"""What answers cost: before, as an estimate with its range, and after, from the tokens that came back.

`estimates` forecasts the tokens of records (`token_forecasts`), prices them and keeps a budget. `rows` prices
every row of the tidy frame, `totals` adds up by group, lays jobs beside their manifests and the whole beside
its estimate. A price or token that is not known is NA with its reason, never 0.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from bbkit.catalog.prices import Prices, load_prices
from bbkit.core.datasets import head_of, is_dataset, iter_frames
from bbkit.core.errors import InputError
from bbkit.core.frames import OUTPUT_COLUMNS, Collected, as_frame, find_columns, no_column, require_columns
from bbkit.core.text import count_noun
from bbkit.costs.estimates import STANDIN_NOTE, CostedRun, CostEstimate, check_budget, estimate_cost
from bbkit.costs.rows import EMBEDS_IMAGES, HOUR, TOKENS, mark_by_manifest, price_rows, validate_groups
from bbkit.costs.totals import (
    ALIKE,
    MANIFEST_COLUMNS,
    Cost,
    add_up,
    reconcile_manifests,
    rows_by_manifest,
)
from bbkit.families import get_family
from bbkit.records.tokens import estimate_tokens

__all__ = ["Cost", "CostEstimate", "check_budget", "cost_of", "estimate_cost"]

COSTED = ["record_id", "record_key", "outcome", "model_id", "family", "tier", "attempt", "job_arn", *TOKENS]
COSTED.append(HOUR)


def cost_of(
    run_or_outputs: Any,
    *,
    by: str | Sequence[str] = (),
    model_id: str = "",
    region: str = "",
    prices: str | Path = "",
    estimate: CostEstimate | None = None,
) -> Cost:
    """Cost rows, or the collected outputs of a run; `bbkit.outputs.costs` is the door that collects."""
    columns = [by] if isinstance(by, str) and by else list(by)
    outputs, run, source = run_or_outputs, None, None
    if isinstance(outputs, pd.DataFrame) or is_dataset(outputs):
        collected = Collected.of(outputs)
        paid = as_frame(collected.paid, {name: OUTPUT_COLUMNS[name] for name in COSTED})
        known, is_standin = load_prices(prices or collected.price_file), collected.is_standin
        if len(paid) and isinstance(outputs, pd.DataFrame) and len(outputs) != sum(collected.rows.values()):
            paid = paid[:0]  # a selection is costed as it is
    else:
        run = _as_run(outputs)
        outputs, paid, source = _read_outputs(run, columns)
        known = load_prices(prices or run.price_file, {run.model_id: run.model})
        model_id, region = model_id or run.model_id, region or run.endpoint.region
        is_standin = run.endpoint.is_standin
        estimate = estimate or (estimate_cost(run, prices=prices) if run.record_files() else None)
    head = _with_source(head_of(outputs), source)
    require_columns(head, ("outcome", "model_id", *TOKENS[:2]))
    validate_groups(groups := list(dict.fromkeys(find_columns(head, columns))))
    media = run is None or _may_hold_media(run)

    def price(frame: pd.DataFrame) -> pd.DataFrame:
        frame = _with_source(frame, source)
        find_columns(frame, frame.columns.intersection(groups))  # rows tell what makes no groups
        return price_rows(frame, known, model_id=model_id, region=region, keep=groups, media=media)

    beside, manifests = count_noun(len(paid), "line"), as_frame([], MANIFEST_COLUMNS)

    def iter_rows() -> Iterator[pd.DataFrame]:
        for frame in _iter_outputs(outputs, paid, {*COSTED, *groups}):
            yield mark_by_manifest(price(frame), manifests)

    if not is_dataset(outputs):
        iter_rows = partial(iter, [*iter_rows()])
    sums = add_up(iter_rows(), [*ALIKE, *groups])
    if run is not None:
        text = not run.family or get_family(run.family).kind == "text"
        manifests = reconcile_manifests(run.folder, sums, known, text=text)
        sums = mark_by_manifest(sums, manifests)
    return Cost(
        iter_rows=iter_rows,
        sums=sums,
        manifests=manifests,
        estimate=estimate,
        notes=(
            *_notes(sums, known, region, manifests),
            *([f"{beside} beside the rows of the outputs counted, too."] if len(paid) else []),
            *([STANDIN_NOTE] if is_standin else []),
        ),
        groups=tuple(groups) or ("attempt", "tier"),
        is_standin=is_standin,
    )


def _may_hold_media(run: CostedRun) -> bool:
    """Whether a record of a run may hold an image; looked for only where one is priced by the piece."""
    if EMBEDS_IMAGES not in run.model_id:
        return False
    written = run.record_files()
    return not written or any(estimate_tokens(file.path, run.model_id).media for file in written)


def _as_run(given: Any) -> CostedRun:
    if isinstance(given, CostedRun):
        return given
    raise InputError(f"cost_of takes a Run or the frame of collect_outputs, not {type(given).__name__}.")


def _read_outputs(run: CostedRun, columns: Sequence[str]) -> tuple[Any, pd.DataFrame, pd.DataFrame | None]:
    """The answers of every attempt, as `collect_outputs` kept them, lines beside, columns of the source."""
    import pyarrow.dataset

    folder = run.rows_folder()
    folder = folder if folder.is_dir() else run.folder / folder.name
    if not folder.is_dir():
        raise InputError(
            f"The outputs of run {run.name!r} were not collected yet. Call collect_outputs(run) first."
        )
    outputs, paid = pyarrow.dataset.dataset(folder, format="parquet"), pd.DataFrame()
    if (apart := folder / "_unmatched.parquet").is_file():
        paid = pd.read_parquet(apart, dtype_backend="numpy_nullable")
    missing = [name.removeprefix("source.") for name in columns if name not in OUTPUT_COLUMNS]
    source = run.read_source() if missing else None
    for name in missing:
        if source is None or name not in source.columns:
            known = [*(() if source is None else source.columns), *OUTPUT_COLUMNS]
            raise no_column([name], known, "Group by one of these.", f"source or output of run {run.name!r}")
    return outputs, paid, None if source is None else source[missing].add_prefix("source.")


def _iter_outputs(outputs: Any, paid: pd.DataFrame, names: Collection[str]) -> Iterator[pd.DataFrame]:
    """Rows and then, with the same columns, lines beside them."""
    head = head_of(outputs)
    if is_dataset(outputs):
        yield from iter_frames(outputs, [name for name in head if name in names])
    else:
        yield outputs
    if len(paid):
        others = {name: head[name].dtype for name in head if name in names and name not in paid}
        yield paid.reindex(columns=[*paid.columns, *others]).astype(others)


def _with_source(rows: pd.DataFrame, source: pd.DataFrame | None) -> pd.DataFrame:
    if source is None or "record_key" not in rows:
        return rows
    return rows.assign(**{name: source[name].reindex(rows["record_key"]).array for name in source})


def _notes(sums: pd.DataFrame, prices: Prices, region: str, manifests: pd.DataFrame) -> Iterator[str]:
    """Where prices and counts are from, and what is not known."""
    by_manifest, names = rows_by_manifest(manifests), ["model_id", "region", "tier"]
    calls = [
        call
        for table in (sums.loc[sums["state"] == "priced", names], by_manifest[names])
        for call in table.drop_duplicates().itertuples(index=False)
    ]
    yield from dict.fromkeys(prices.find(model, where or region, tier).note for model, where, tier in calls)
    if len(by_manifest):
        yield (
            f"The lines of {count_noun(len(by_manifest), 'job')} report no tokens; the cost is from the "
            "counts of the manifest, for the job as a whole."
        )
    apart = [manifests[name].ne(manifests[f"manifest_{name}"]).fillna(False) for name in TOKENS[:2]]
    if count := int((apart[0] | apart[1]).sum()):
        jobs = count_noun(count, "job")
        yield f"In {jobs} the manifest counts other tokens than the lines; see .manifests."
    if sums["untold_writes"].any():
        yield "Cache writes are costed as those of 5 minutes where lines do not tell; 1 hour costs more."
