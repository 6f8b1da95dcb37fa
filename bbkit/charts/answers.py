"""What became of the records: outcomes, stop reasons, errors."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.cut_offs import describe_cut_off
from bbkit.charts.groups import Groups, equal_rows, group_rows, name_absent, read_groups
from bbkit.charts.traces import horizontal_bars, percent_bars
from bbkit.core.frames import TEXT, fold_messages
from bbkit.core.text import agree, count_noun

MOST_KINDS = 12
_WHY = "Why the answers ended"
_SUCCEEDED = {"outcome": style.OUTCOMES.index("succeeded")}


def outcomes(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw what became of every record, as one 100 % bar or one for each group.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        The tidy frame of `bbkit.collect_outputs`, or its data set.
    by : str, optional
        Column to compare by; a column of the source goes by its own name.
    title : str, optional
        In place of the chart's own, which says what was found.

    Returns
    -------
    plotly.graph_objects.Figure
        Shares in percent; the counts are in the subtitle and the hover.

    Raises
    ------
    bbkit.core.errors.InputError
        A column is not there: `by`, or one that `collect_outputs` gives.
    """
    outputs, groups = read_groups(outputs, by, ["outcome"])
    if outputs.empty:
        return style.empty_figure(title or "Outcomes of the records", "No record was sent yet.")
    parts = as_parts(outputs["outcome"], style.OUTCOMES, "not known")
    sums, total = count_parts(parts), len(outputs)
    shares = [f"{count:,} {part} ({style.percent(count, total)})" for part, count in sums.items()]
    return percent_bars(
        groups,
        parts,
        noun="records",
        follows="Outcomes of the records",
        only={"outcome": None},
        title=title or _describe_outcomes(sums, total),
        subtitle=f"Outcomes, n = {count_noun(total, 'record')}: {', '.join(shares)}",
    )


def _describe_outcomes(sums: dict[str, int], total: int) -> str:
    succeeded, pending = sums.get("succeeded", 0), sums.get("pending", 0)
    if total in (succeeded, pending):
        ended = f"{agree(total, 'are')} pending" if pending else " succeeded"
        return f"The record{ended}" if total == 1 else f"All {total:,} records{ended}"
    known = f"{succeeded:,} of {total:,} records succeeded"
    if not succeeded:
        known = f"None of {count_noun(total, 'record')} succeeded"
    if pending:
        return f"{known} so far, {pending:,}{agree(pending, 'are')} pending"
    return f"{known} ({style.percent(succeeded, total)})" if succeeded else known


def stop_reasons(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw why the answers ended; ``length`` is cut off at `max_tokens`.

    Parameters
    ----------
    outputs, by, title
        As in `outcomes`, whose errors it has, too; only records that succeeded have an answer.

    Returns
    -------
    plotly.graph_objects.Figure
        Counts and shares; the model's own words are in the hover.
    """
    outputs, groups = read_groups(outputs, by, ["outcome", "stop_reason", "stop_reason_raw"])
    rows = equal_rows(outputs, "outcome", "succeeded")
    if not rows.any():
        reason = f"No answers among {count_noun(len(outputs), 'record')}."
        return style.empty_figure(title or "Why the answers ended", reason)
    parts = as_parts(outputs.loc[rows, "stop_reason"], style.STOP_REASONS, "not reported")
    notes = _note_words(outputs.loc[rows, "stop_reason_raw"], parts)
    sums = count_parts(parts)
    title = title or _describe_reasons(sums, len(parts))
    subtitle = f"Why the answers ended, n = {count_noun(len(parts), 'answer')}"
    if groups.column is None:
        return _draw_reasons(sums, parts, notes, title, subtitle)
    return percent_bars(
        groups.take(rows),
        parts,
        noun="answers",
        notes=notes,
        follows=_WHY,
        only={"stop_reason": None, **_SUCCEEDED},
        title=title,
        subtitle=subtitle,
    )


def _describe_reasons(sums: dict[str, int], total: int) -> str:
    silent = sums.get("not reported", 0)
    if silent == total:
        return "The model does not report why its answers ended"
    return describe_cut_off(sums.get("length", 0), total, silent, " at max_tokens")


def _note_words(raw: pd.Series, parts: pd.Categorical) -> dict[str, str]:
    """Note what the model itself calls each reason."""
    pairs = pd.DataFrame({"part": parts, "word": raw.array}).drop_duplicates()
    pairs["word"] = pairs["word"].astype("string").fillna("nothing")
    words = pairs.groupby("part", observed=True)["word"].agg(lambda words: ", ".join(sorted(words)[:6]))
    return {part: f"the model's word: {style.shorten(some)}" for part, some in words.items()}


def _draw_reasons(
    sums: dict[str, int], parts: pd.Categorical, notes: dict[str, str], title: str, subtitle: str
) -> style.Chart:
    reasons, counts = zip(*sorted(sums.items(), key=lambda one: -one[1]), strict=True)
    total, names = sum(counts), [*map(str, reasons)]
    labels = [
        f"{name}  {count:,} ({style.percent(count, total)})"
        for name, count in zip(names, counts, strict=True)
    ]
    bars = horizontal_bars(
        "answers",
        names,
        counts,
        {"color": [style.COLOURS.get(name, style.LIGHT) for name in names]},
        hovertext=labels,
        customdata=[notes[name] for name in names],
        hovertemplate="%{hovertext}<br>%{customdata}<extra></extra>",
    )
    named = ", ".join(f"{reason} {count:,}" for reason, count in zip(reasons, counts, strict=True))
    figure = style.make_figure(
        [bars],
        title=title,
        subtitle=subtitle,
        names=labels,
        places=names,
        alt=f"{title}. {subtitle}: {named}",
        xaxis=style.count_axis(max(counts) * 1.02, "answers"),
    )
    told = {"along": "stop_reason", "bars": [*map(parts.categories.get_loc, reasons)], "only": _SUCCEEDED}
    return style.follow(figure, _WHY, "bars", [told])


def errors(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw the errors by code and message, ids and numbers in a message taken as the same.

    Parameters
    ----------
    outputs, by, title
        As in `outcomes`, whose errors it has, too; `by` splits each bar.

    Returns
    -------
    plotly.graph_objects.Figure
        The eleven most frequent kinds, the rest as one bar; each kind stands above its bar. Where nothing
        errored, the title says so, and the records that succeeded are the one bar.
    """
    outputs, groups = read_groups(outputs, by, ["outcome", "error_code", "error_message"], make=name_kinds)
    errored = equal_rows(outputs, "outcome", "errored")
    if not errored.any():
        return _draw_no_errors(outputs, title)
    groups, ways = groups.take(errored), outputs.loc[errored, ["kind"]]
    kinds = group_rows(ways, "kind", most=MOST_KINDS, by_size=True)
    if groups.column is None:
        groups = replace(groups, names=["errors"], colours=[style.VERMILLION])
    share = style.percent(len(ways), len(outputs))
    title = title or _describe_errors(len(ways), ways["kind"].nunique())
    subtitle = f"n = {count_noun(len(ways), 'error')} in {len(outputs):,} records ({share})"
    most = [f"{name} ({count:,})" for name, count in zip(kinds.names[:5], kinds.count(), strict=False)]
    return draw_kinds(
        kinds,
        groups,
        follows=("Errors", "error"),
        title=title,
        subtitle=subtitle,
        legend=groups.column is not None,
        alt=f"{title}. {subtitle}: {style.shorten(', '.join(most), 300)}",
    )


def name_kinds(outputs: pd.DataFrame) -> pd.DataFrame:
    rows, kinds = equal_rows(outputs, "outcome", "errored"), np.full(len(outputs), None, object)
    codes = outputs.loc[rows, "error_code"].astype(TEXT).fillna("no code")
    kinds[rows] = codes + ": " + fold_messages(outputs.loc[rows, "error_message"]).fillna("no message")
    return outputs.assign(kind=pd.array(kinds, TEXT))


def _draw_no_errors(outputs: pd.DataFrame, title: str | None) -> style.Chart:
    sums = count_parts(as_parts(outputs["outcome"], style.OUTCOMES, "not known"))
    sent, succeeded = count_noun(len(outputs), "record"), sums.get("succeeded", 0)
    others = ", ".join(f"{count:,} {outcome}" for outcome, count in sums.items())
    sentence = f"n = 0 errors in {sent}{others and f': {others}'}"
    if not succeeded:
        return style.empty_figure(title or "No record errored", f"{sentence}.")
    hover = f"{succeeded:,} of {sent}<extra>succeeded</extra>"
    bar = horizontal_bars("succeeded", [0], [succeeded], style.mark_bars("succeeded"), hovertemplate=hover)
    return style.make_figure(
        [bar],
        title=title or "No record errored",
        subtitle=sentence,
        names=[f"No errors: {succeeded:,} of {sent} succeeded"],
        xaxis=style.count_axis(len(outputs), "records"),
    )


def _describe_errors(count: int, kinds: int) -> str:
    if count == 1:
        return "One record errored"
    return f"{count:,} records errored, {'all in the same way' if kinds == 1 else f'in {kinds:,} ways'}"


def draw_kinds(
    kinds: Groups, groups: Groups, noun: str = "records", *, follows: tuple[str, str], **layout: Any
) -> style.Chart:
    """Draw a bar of each kind, split by groups."""
    hover = f"%{{x:,}} {noun}<br>%{{customdata}}<extra>%{{meta[0]}}</extra>"
    places, counts = range(len(kinds.names)), kinds.count().tolist()
    bars = [
        horizontal_bars(
            groups.legends[code],
            places,
            kinds.take(rows).count().tolist(),
            groups.colours[code],
            meta=[groups.hovers[code]],
            customdata=kinds.hovers,
            hovertemplate=hover,
        )
        for code, rows in groups.split()
    ]
    figure = style.make_figure(
        bars,
        names=kinds.describe(70),
        barmode="stack",
        xaxis=style.count_axis(max(counts) * 1.02, noun),
        **layout,
    )
    name, along = follows
    told = [
        {"along": along, "bars": [*places], "only": {groups.column: code} if groups.column else {}}
        for code, _ in groups.split()
    ]
    return style.follow(figure, name, "bars", told)


def as_parts(values: pd.Series, known: list[str], absent: str) -> pd.Categorical:
    """Take values as parts of a whole: the known ones in their order, then whatever else occurs."""
    texts = name_absent(values, absent)
    return texts.cat.set_categories([*known, *sorted({*texts.cat.categories} - {*known})]).array


def count_parts(parts: pd.Categorical) -> dict[str, int]:
    counts = pd.Series(parts).value_counts(sort=False)
    return {str(part): int(count) for part, count in counts.items() if count}
