"""What became of the records: outcomes, stop reasons, errors."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.cut_offs import describe_cut_off, find_succeeded
from bbkit.charts.groups import group_rows
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
    parts = _as_parts(outputs["outcome"], style.OUTCOMES, "not known")
    sums, total = _count(parts), len(outputs)
    shares = [f"{count:,} {part} ({style.percent(count, total)})" for part, count in sums.items()]
    return percent_bars(
        groups,
        parts,
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
    parts = _as_parts(outputs["stop_reason"].iloc[rows], style.STOP_REASONS, "not reported")
    notes = _note_words(outputs["stop_reason_raw"].iloc[rows], parts)
    sums = _count(parts)
    title = title or _describe_reasons(sums, len(rows))
    subtitle = f"Why the answers ended, n = {count_noun(len(rows), 'answer')}"
    if groups.column is None:
        return _draw_reasons(sums, notes, title, subtitle)
    return percent_bars(groups.take(rows), parts, noun="answers", notes=notes, title=title, subtitle=subtitle)


def _describe_reasons(sums: dict[str, int], total: int) -> str:
    silent = sums.get("not reported", 0)
    if silent == total:
        return "The model does not report why its answers ended"
    return describe_cut_off(sums.get("length", 0), total, silent, " at max_tokens")


def _note_words(raw: pd.Series, parts: pd.Categorical) -> dict[str, str]:
    """Note what the model itself calls each reason."""
    pairs = pd.DataFrame({"part": parts, "word": raw.fillna("nothing").array}).drop_duplicates()
    words = pairs.groupby("part", observed=True)["word"].agg(lambda words: ", ".join(sorted(words)[:6]))
    return {part: f"the model's word: {style.shorten(some)}" for part, some in words.items()}


def _draw_reasons(sums: dict[str, int], notes: dict[str, str], title: str, subtitle: str) -> style.Chart:
    reasons, counts = zip(*sorted(sums.items(), key=lambda one: -one[1]), strict=True)
    total = sum(counts)
    bars = horizontal_bars(
        "answers",
        [style.shorten(reason) for reason in reasons],
        counts,
        style.mark_bars(reasons),
        text=[f"{count:,}  ({style.percent(count, total)})" for count in counts],
        textposition="outside",
        cliponaxis=False,
        customdata=[notes[reason] for reason in reasons],
        hovertemplate="<b>%{y}</b>: %{text}<br>%{customdata}<extra></extra>",
    )
    named = ", ".join(f"{reason} {count:,}" for reason, count in zip(reasons, counts, strict=True))
    return style.make_figure(
        [bars],
        title=title,
        subtitle=subtitle,
        height=150 + 36 * len(counts),
        alt=f"{title}. {subtitle}: {named}",
        xaxis=style.count_axis(max(counts) * 1.2, "answers"),
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
    errored = outputs["outcome"].eq("errored").fillna(False).to_numpy(dtype=bool)
    count, succeeded = int(errored.sum()), len(find_succeeded(outputs))
    sent, records = count_noun(len(outputs), "record"), f"{len(outputs):,} records"
    if not count and not succeeded:
        return style.empty_figure(title or "Errors", f"No errors in {sent}.")
    if not count:
        share = style.percent(succeeded, len(outputs))
        bar = _error_bars("succeeded", ["succeeded"], [succeeded], style.COLOURS["succeeded"])
        title = title or "No record errored"
        subtitle = f"n = 0 errors in {sent}; {succeeded:,} succeeded ({share})"
        return _draw_errors([bar], ["succeeded"], [succeeded], len(outputs), title=title, subtitle=subtitle)
    ways = _name_errors(outputs[errored])
    kinds, groups = group_rows(ways, "kind", most=_MOST_KINDS), groups.take(errored)
    labels, counts = (
        _make_distinct([style.shorten(name, 110) for name in kinds.names]),
        kinds.count().tolist(),
    )
    bars = [_error_bars("errors", labels, counts, style.VERMILLION)]
    if groups.column is not None:
        names = [(code, style.shorten(groups.names[code], 28)) for code in groups.present]
        bars = [
            _error_bars(name, labels, kinds.take(groups.codes == code).count().tolist(), groups.colours[code])
            for code, name in names
        ]
    title = title or _describe_errors(count, ways["kind"].nunique())
    subtitle = f"n = {count_noun(count, 'error')} in {records} ({style.percent(count, len(outputs))})"
    named = ", ".join(f"{name} ({count:,})" for name, count in zip(kinds.names[:5], counts, strict=False))
    return _draw_errors(
        bars,
        labels,
        counts,
        max(counts),
        title=title,
        subtitle=subtitle,
        legend=None if groups.column is None else style.ABOVE,
        alt=f"{title}. {subtitle}: {style.shorten(named, 300)}",
    )


def _describe_errors(count: int, kinds: int) -> str:
    if count == 1:
        return "One record errored"
    return f"{count:,} records errored, {'all in the same way' if kinds == 1 else f'in {kinds:,} ways'}"


def _name_errors(errored: pd.DataFrame) -> pd.DataFrame:
    codes = errored["error_code"].astype("string").fillna("no code")
    return (codes + ": " + fold_messages(errored["error_message"]).fillna("no message")).to_frame("kind")


def _make_distinct(labels: list[str]) -> list[str]:
    """Keep bars apart whose names are the same after they were cut."""
    repeats = pd.Series(labels).groupby(labels).cumcount().tolist()
    return [f"{label} ({more + 1})" if more else label for label, more in zip(labels, repeats, strict=True)]


def _error_bars(name: str, labels: list[str], counts: list[int], colour: str) -> go.Bar:
    hover = "%{x:,} records<br>%{y}<extra>%{fullData.name}</extra>"
    return horizontal_bars(name, labels, counts, colour, hovertemplate=hover)


def _draw_errors(
    bars: list[go.Bar], labels: list[str], counts: list[int], most: int, **layout: Any
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
    above = {"x": 0, "xref": "paper", "yanchor": "bottom", "yshift": 12, "font": {"size": 12}}
    for label, count in zip(labels, counts, strict=True):
        at = {"y": label, "yref": "y", "showarrow": False, "xanchor": "left"}
        figure.add_annotation(text=label, **at, **above)
        figure.add_annotation(text=f"{count:,}", x=count, xref="x", xshift=4, **at)
    return figure


def _as_parts(values: pd.Series, known: list[str], absent: str) -> pd.Categorical:
    """Take values as parts of a whole: the known ones in their order, then whatever else occurs."""
    texts = values.astype("string").fillna(absent)
    return pd.Categorical(texts, [*known, *sorted({*texts.unique()} - {*known})])


def _count(parts: pd.Categorical) -> dict[str, int]:
    counts = pd.Series(parts).value_counts(sort=False)
    return {str(part): int(count) for part, count in counts.items() if count}
