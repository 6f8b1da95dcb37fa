"""When the jobs of a run did what."""

import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import look
from bbkit.charts.groups import find_column
from bbkit.core.frames import JOB_COLUMNS, require_columns


def job_timeline(jobs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw each job as a bar from its submission to its end, or to the last look at it.

    Parameters
    ----------
    jobs : pandas.DataFrame
        The jobs table, columns `bbkit.core.frames.JOB_COLUMNS`.
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
    column = find_column(jobs, by) or "job_name"
    started = jobs.dropna(subset=["submitted_at"]).sort_values("submitted_at").tail(60)
    if started.empty:
        reason = (
            f"None of {len(jobs):,} jobs was submitted yet." if len(jobs) else "No job was submitted yet."
        )
        return look.empty_figure(title or "Jobs over time", reason)
    traces = [
        _status_bar(str(status), rows, rows[column].astype("string").fillna("not known"))
        for status, rows in started.groupby(started["status"].fillna("queued"), sort=False)
    ]
    counts = started["status"].fillna("queued").value_counts()
    subtitle = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    figure = look.make_figure(
        traces,
        title=title or _say_ended(jobs),
        subtitle=f"Jobs over time, n = {look.count_noun(len(jobs), 'job')}: {subtitle}",
        x="time (UTC)",
        height=180 + 32 * len(started),
    )
    return figure.update_layout(
        xaxis={"type": "date"},
        yaxis=look.CATEGORIES,
        showlegend=True,
        barmode="overlay",
        legend=look.ABOVE,
    )


def _status_bar(status: str, jobs: pd.DataFrame, names: pd.Series) -> go.Bar:
    ends = jobs["ended_at"].fillna(jobs["seen_at"]).fillna(jobs["submitted_at"])
    spent = (ends - jobs["submitted_at"]).dt.total_seconds()
    return go.Bar(
        name=look.escape_text(status),
        y=[look.shorten(name, 44) for name in names],
        base=jobs["submitted_at"].dt.tz_convert(None).dt.strftime("%Y-%m-%dT%H:%M:%S.%f").tolist(),
        x=(spent.clip(lower=0.2) * 1000).tolist(),
        orientation="h",
        marker={"color": look.STATUSES.get(status, look.LIGHT)},
        text=[_duration(value) for value in spent],
        textposition="auto",
        hovertext=[_describe(row) for row in jobs.to_dict("records")],
        hovertemplate="<b>%{y}</b><br>%{hovertext}<extra>%{fullData.name}</extra>",
    )


def _say_ended(jobs: pd.DataFrame) -> str:
    ended = int(jobs["ended_at"].notna().sum())
    if ended == len(jobs):
        return "The job has ended" if ended == 1 else f"All {ended:,} jobs have ended"
    return f"{ended:,} of {look.count_noun(len(jobs), 'job')} {'has' if ended == 1 else 'have'} ended"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _describe(row: dict) -> str:
    counts = [f"{row[name]:,} {name}" for name in ("records", "succeeded", "errored") if pd.notna(row[name])]
    return ", ".join(counts) or "no counts yet"
