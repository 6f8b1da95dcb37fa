"""What became of the records: outcomes, stop reasons, errors."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.cut_offs import describe_cut_off, find_succeeded
from bbkit.charts.groups import Groups, group_rows
from bbkit.charts.traces import horizontal_bars, percent_bars
from bbkit.core.text import count_noun
from bbkit.diagnostics import fold_messages

_MOST_KINDS = 12


def outcomes(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw what became of every record, as one 100 % bar or one for each group.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Column to compare by; a column of the source goes by its own name.
    title : str, optional
        In place of the chart's own, which says how many succeeded.

    Returns
    -------
    plotly.graph_objects.Figure
        Shares in percent; the counts are in the subtitle and the hover.

    Raises
    ------
    bbkit.core.errors.InputError
        A column is not there: `by`, or one that `collect_outputs` gives.
    """
    groups = group_rows(outputs, by, ["outcome"])
    if outputs.empty:
        return style.empty_figure(title or "Outcomes of the records", "No record was sent yet.")
    parts, codes = _code(outputs["outcome"], style.OUTCOMES)
    sums, total = _count_parts(parts, codes), len(outputs)
    shares = [f"{count:,} {part} ({style.percent(count, total)})" for part, count in sums.items()]
    return percent_bars(
        groups,
        codes,
        parts,
        style.OUTCOMES,
        noun="records",
        title=title or _describe_outcomes(sums, total),
        subtitle=f"Outcomes, n = {count_noun(total, 'record')}: {', '.join(shares)}",
    )


def _describe_outcomes(sums: dict[str, int], total: int) -> str:
    succeeded, pending = sums.get("succeeded", 0), sums.get("pending", 0)
    if total in (succeeded, pending):
        ended = "succeeded" if succeeded else "is pending" if total == 1 else "are pending"
        return f"The record {ended}" if total == 1 else f"All {total:,} records {ended}"
    known = f"{succeeded:,} of {total:,} records succeeded"
    if not succeeded:
        known = f"None of {count_noun(total, 'record')} succeeded"
    if pending:
        return f"{known} so far, {pending:,} {'is' if pending == 1 else 'are'} pending"
    return f"{known} ({style.percent(succeeded, total)})" if succeeded else known


def stop_reasons(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw why the answers ended; ``length`` is cut off at `max_tokens`.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`; only records that succeeded have an answer.
    by : str, optional
        Column to compare by, as one 100 % bar for each group.
    title : str, optional
        In place of the chart's own, which says how many were cut off.

    Returns
    -------
    plotly.graph_objects.Figure
        Counts and shares; the model's own words are in the hover.

    Raises
    ------
    bbkit.core.errors.InputError
        A column is not there: `by`, or one that `collect_outputs` gives.
    """
    groups = group_rows(outputs, by, ["outcome", "stop_reason", "stop_reason_raw"])
    rows = find_succeeded(outputs)
    if not len(rows):
        reason = f"No answers among {count_noun(len(outputs), 'record')}."
        return style.empty_figure(title or "Why the answers ended", reason)
    parts, codes = _code(outputs["stop_reason"].iloc[rows], style.STOP_REASONS, absent="not reported")
    words = _model_words(outputs["stop_reason_raw"].iloc[rows], codes, parts)
    sums = _count_parts(parts, codes)
    title = title or _describe_reasons(sums, len(rows))
    subtitle = f"Why the answers ended, n = {count_noun(len(rows), 'answer')}"
    if groups.column is None:
        return _reason_bars(sums, words, title, subtitle)
    return percent_bars(
        groups.take(rows),
        codes,
        parts,
        style.STOP_REASONS,
        noun="answers",
        notes=words,
        title=title,
        subtitle=subtitle,
    )


def _describe_reasons(sums: dict[str, int], total: int) -> str:
    silent = sums.get("not reported", 0)
    if silent == total:
        return "The model does not report why its answers ended"
    return describe_cut_off(sums.get("length", 0), total, silent, " at max_tokens")


def _model_words(raw: pd.Series, codes: np.ndarray, parts: list[str]) -> dict[str, str]:
    """What the model itself calls each reason."""
    pairs = pd.DataFrame({"code": codes, "word": raw.fillna("nothing").array}).drop_duplicates()
    return {
        parts[code]: "the model's word: " + style.shorten(", ".join(sorted(map(str, words))[:6]))
        for code, words in pairs.groupby("code")["word"]
    }


def _reason_bars(sums: dict[str, int], words: dict[str, str], title: str, subtitle: str) -> style.Chart:
    counts = dict(sorted(sums.items(), key=lambda part: -part[1]))
    total = sum(counts.values())
    bars = horizontal_bars(
        "answers",
        [style.shorten(part) for part in counts],
        list(counts.values()),
        style.mark_bar(list(counts), style.STOP_REASONS),
        text=[f"{count:,}  ({style.percent(count, total)})" for count in counts.values()],
        textposition="outside",
        cliponaxis=False,
        customdata=[words[part] for part in counts],
        hovertemplate="<b>%{y}</b>: %{text}<br>%{customdata}<extra></extra>",
    )
    return style.make_figure(
        [bars],
        title=title,
        subtitle=subtitle,
        height=150 + 36 * len(counts),
        alt=f"{title}. {subtitle}: " + ", ".join(f"{part} {count:,}" for part, count in counts.items()),
        xaxis=style.count_axis(max(counts.values()) * 1.2, "answers"),
        yaxis=style.CATEGORIES,
    )


def errors(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw the errors by code and message, ids and numbers in a message taken as the same.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Column to split each bar by.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        The eleven most frequent kinds, the rest as one bar; each kind stands above its bar. Where nothing
        errored, the records that succeeded are the one bar.

    Raises
    ------
    bbkit.core.errors.InputError
        A column is not there: `by`, or one that `collect_outputs` gives.
    """
    groups = group_rows(outputs, by, ["outcome", "error_code", "error_message"])
    rows = np.flatnonzero(outputs["outcome"].eq("errored").fillna(False).to_numpy(dtype=bool))
    if not len(rows):
        return _draw_no_errors(outputs, title)
    errored = outputs[["error_code", "error_message"]].iloc[rows]
    codes = errored["error_code"].astype("string").fillna("no code")
    ways = (codes + ": " + fold_messages(errored["error_message"]).fillna("no message")).to_frame("kind")
    kinds = group_rows(ways, "kind", most=_MOST_KINDS)
    labels, counts = _make_distinct([style.shorten(name, 110) for name in kinds.names]), kinds.count()
    share = style.percent(len(rows), len(outputs))
    subtitle = f"n = {count_noun(len(rows), 'error')} in {len(outputs):,} records ({share})"
    title = title or _describe_errors(len(rows), ways["kind"].nunique())
    named = ", ".join(f"{name} ({count:,})" for name, count in zip(kinds.names[:5], counts, strict=False))
    return _draw_errors(
        _error_bars(labels, kinds, groups.take(rows)),
        labels,
        counts,
        counts.max(),
        title=title,
        subtitle=subtitle,
        legend=None if groups.column is None else style.ABOVE,
        alt=f"{title}. {subtitle}: {style.shorten(named, 300)}",
    )


def _draw_no_errors(outputs: pd.DataFrame, title: str | None) -> style.Chart:
    succeeded, sent = len(find_succeeded(outputs)), count_noun(len(outputs), "record")
    if not succeeded:
        return style.empty_figure(title or "Errors", f"No errors in {sent}.")
    labels, counts = ["succeeded"], np.array([succeeded])
    share = style.percent(succeeded, len(outputs))
    return _draw_errors(
        [_error_bar("succeeded", labels, counts, style.OUTCOMES["succeeded"])],
        labels,
        counts,
        len(outputs),
        title=title or "No record errored",
        subtitle=f"n = 0 errors in {sent}; {succeeded:,} succeeded ({share})",
    )


def _describe_errors(count: int, kinds: int) -> str:
    if count == 1:
        return "One record errored"
    return f"{count:,} records errored, {'all in the same way' if kinds == 1 else f'in {kinds:,} ways'}"


def _make_distinct(labels: list[str]) -> list[str]:
    """Keep bars apart whose names are the same after they were cut."""
    repeats = pd.Series(labels).groupby(labels).cumcount().tolist()
    return [f"{label} ({more + 1})" if more else label for label, more in zip(labels, repeats, strict=True)]


def _error_bars(labels: list[str], kinds: Groups, groups: Groups) -> list[go.Bar]:
    if groups.column is None:
        return [_error_bar("errors", labels, kinds.count(), style.VERMILLION)]
    return [
        _error_bar(
            style.shorten(groups.names[code], 28),
            labels,
            kinds.take(groups.codes == code).count(),
            groups.colours[code],
        )
        for code in groups.present
    ]


def _error_bar(name: str, labels: list[str], counts: np.ndarray, colour: str) -> go.Bar:
    hover = "%{x:,} records<br>%{y}<extra>%{fullData.name}</extra>"
    return horizontal_bars(name, labels, counts.tolist(), colour, hovertemplate=hover)


def _draw_errors(
    bars: list[go.Bar], labels: list[str], counts: np.ndarray, most: int, **layout: Any
) -> style.Chart:
    """Draw bars whose names stand above them, since a message is longer than an axis is wide."""
    figure = style.make_figure(
        bars,
        height=150 + 48 * len(labels),
        barmode="stack",
        bargap=0.55,
        xaxis=style.count_axis(most * 1.12, "records"),
        yaxis={**style.CATEGORIES, "showticklabels": False},
        **layout,
    )
    for label, count in zip(labels, counts.tolist(), strict=True):
        at = {"y": label, "yref": "y", "showarrow": False, "xanchor": "left"}
        figure.add_annotation(
            **at, text=label, x=0, xref="paper", yanchor="bottom", yshift=12, font={"size": 12}
        )
        figure.add_annotation(**at, text=f"{count:,}", x=count, xref="x", xshift=4)
    return figure


def _code(values: pd.Series, known: Iterable[str], absent: str = "not known") -> tuple[list[str], np.ndarray]:
    """Number the values: the known ones in their order, then whatever else occurs."""
    texts = values.astype("string").fillna(absent)
    parts = [*known, *sorted({*texts.unique()} - {*known})]
    return parts, pd.Categorical(texts, parts).codes.astype(np.int64)


def _count_parts(parts: list[str], codes: np.ndarray) -> dict[str, int]:
    counts = np.bincount(codes, minlength=len(parts)).tolist()
    return {part: count for part, count in zip(parts, counts, strict=True) if count}
