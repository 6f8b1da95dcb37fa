"""When the jobs of a run did what."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.groups import UNKNOWN, grouping_column
from bbkit.charts.traces import horizontal_bars
from bbkit.core.frames import JOB_COLUMNS, require_columns
from bbkit.core.text import agree, count_noun

_MOST_JOBS = 60
_TIME = "%Y-%m-%dT%H:%M:%S.%f"


def job_timeline(jobs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw each job as a bar from its submission to its end, or to the last look at it.

    Parameters
    ----------
    jobs : pandas.DataFrame
        The jobs table, as `bbkit.list_jobs` gives it.
    by : str, optional
        Column that names the bars; ``job_name`` by default.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        Times in UTC; at most the 60 latest jobs.

    Raises
    ------
    bbkit.core.errors.InputError
        It is not the jobs table, or there is no column `by`.
    """
    require_columns(jobs, JOB_COLUMNS, "Pass the jobs table, as list_jobs(run) gives it.")
    column = grouping_column(jobs, by) or "job_name"
    started = jobs.dropna(subset=["submitted_at"]).sort_values("submitted_at").tail(_MOST_JOBS)
    if started.empty:
        reason = (
            f"None of {len(jobs):,} jobs was submitted yet." if len(jobs) else "No job was submitted yet."
        )
        return style.empty_figure(title or "Jobs over time", reason)
    statuses = started["status"].fillna("queued")
    names = started[column].astype("string").fillna(UNKNOWN).tolist()
    ends = started["ended_at"].fillna(started["seen_at"]).fillna(started["submitted_at"])
    started = started.assign(
        place=range(len(names)),
        name=[style.shorten(name, style.MOST_CHARACTERS) for name in names],
        seconds=(ends - started["submitted_at"]).dt.total_seconds(),
    )
    first, last = started["submitted_at"].min(), ends.max() + pd.Timedelta(seconds=0.2)
    span = [f"{time:{_TIME}}" for time in (first, last + 0.03 * (last - first))]
    pairs = zip(style.tell_apart(names, 40), started["seconds"], strict=True)
    counts = ", ".join(f"{count:,} {status}" for status, count in statuses.value_counts().items())
    return style.make_figure(
        [_status_bars(str(status), rows) for status, rows in started.groupby(statuses, sort=False)],
        title=title or _describe_ended(jobs),
        subtitle=f"Jobs over time, n = {count_noun(len(jobs), 'job')}: {counts}",
        names=[f"{name}  {_format_duration(seconds)}" for name, seconds in pairs],
        barmode="overlay",
        legend=True,
        xaxis=style.style_axis("time (UTC)", type="date", nticks=4, range=span),
    )


def _status_bars(status: str, jobs: pd.DataFrame) -> go.Bar:
    return horizontal_bars(
        style.escape_text(status),
        jobs["place"].tolist(),
        (jobs["seconds"].clip(lower=0.2) * 1000).tolist(),
        style.COLOURS.get(status, style.LIGHT),
        base=jobs["submitted_at"].dt.tz_convert(None).dt.strftime(_TIME).tolist(),
        customdata=jobs["name"].tolist(),
        hovertext=[_describe_counts(row) for row in jobs.to_dict("records")],
        hovertemplate="<b>%{customdata}</b><br>%{hovertext}<extra>%{fullData.name}</extra>",
    )


def _describe_ended(jobs: pd.DataFrame) -> str:
    ended = int(jobs["ended_at"].notna().sum())
    if ended == len(jobs):
        return "The job has ended" if ended == 1 else f"All {ended:,} jobs have ended"
    return f"{ended:,} of {count_noun(len(jobs), 'job')}{agree(ended, 'have')} ended"


def _format_duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _describe_counts(row: dict[Any, Any]) -> str:
    counts = [f"{row[name]:,} {name}" for name in ("records", "succeeded", "errored") if pd.notna(row[name])]
    return f"{_format_duration(row['seconds'])}, {', '.join(counts) or 'no counts yet'}"
