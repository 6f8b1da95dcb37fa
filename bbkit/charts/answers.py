"""What became of the records: outcomes, stop reasons, errors."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import look
from bbkit.charts.bars import share_figure
from bbkit.charts.cut_offs import say_cut_off
from bbkit.charts.groups import find_column, split_groups
from bbkit.diagnostics import fold_messages

_MOST_KINDS = 12
_MOST_WORDS = 200


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
    column = find_column(outputs, by, ("outcome",))
    if outputs.empty:
        return look.empty_figure(title or "Outcomes of the records", "No record was sent yet.")
    parts, codes = _code(outputs["outcome"], list(look.OUTCOMES))
    counts, names = _cross(outputs, column, codes, len(parts))
    sums = dict(zip(parts, counts.sum(axis=0).tolist(), strict=True))
    total = len(outputs)
    said = [f"{count:,} {part} ({look.percent(count, total)})" for part, count in sums.items() if count]
    return share_figure(
        counts,
        parts,
        look.OUTCOMES,
        names,
        title=title or _say_outcomes(sums, total),
        subtitle=f"Outcomes, n = {look.count_noun(total, 'record')}: {', '.join(said)}",
        noun="records",
    )


def _say_outcomes(sums: dict[str, int], total: int) -> str:
    succeeded, pending = sums.get("succeeded", 0), sums.get("pending", 0)
    if total in (succeeded, pending):
        ended = "succeeded" if succeeded else "is pending" if total == 1 else "are pending"
        return f"The record {ended}" if total == 1 else f"All {total:,} records {ended}"
    said = f"{succeeded:,} of {total:,} records succeeded" if succeeded else ""
    if not succeeded:
        said = f"None of {look.count_noun(total, 'record')} succeeded"
    if pending:
        return f"{said} so far, {pending:,} {'is' if pending == 1 else 'are'} pending"
    return f"{said} ({look.percent(succeeded, total)})" if succeeded else said


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
    column = find_column(outputs, by, ("outcome", "stop_reason", "stop_reason_raw"))
    rows = np.flatnonzero(outputs["outcome"].eq("succeeded").fillna(False).to_numpy(dtype=bool))
    if not len(rows):
        reason = f"No answers among {look.count_noun(len(outputs), 'record')}."
        return look.empty_figure(title or "Why the answers ended", reason)
    parts, codes = _code(outputs["stop_reason"].iloc[rows], list(look.STOP_REASONS), absent="not reported")
    words = _raw_words(outputs["stop_reason_raw"].iloc[rows], codes, parts)
    sums = dict(zip(parts, np.bincount(codes, minlength=len(parts)).tolist(), strict=True))
    title = title or _say_reasons(sums, len(rows))
    subtitle = f"Why the answers ended, n = {look.count_noun(len(rows), 'answer')}"
    if column is None:
        return _reason_bars(sums, words, title, subtitle)
    groups = split_groups(outputs, column).take(rows)
    counts = _table(groups.codes, codes, len(groups.names), len(parts))
    kept = np.flatnonzero(counts.sum(axis=1))
    return share_figure(
        counts[kept],
        parts,
        look.STOP_REASONS,
        [groups.label(place) for place in kept.tolist()],
        title=title,
        subtitle=subtitle,
        noun="answers",
        words=words,
    )


def _say_reasons(sums: dict[str, int], total: int) -> str:
    silent = sums.get("not reported", 0)
    if silent == total:
        return "The model does not report why its answers ended"
    return say_cut_off(sums.get("length", 0), total, silent, " at max_tokens")


def _raw_words(raw: pd.Series, codes: np.ndarray, parts: list[str]) -> dict[str, str]:
    places, values = pd.factorize(raw)
    words = [*map(str, values[:_MOST_WORDS]), "nothing"]
    places = np.where((places < 0) | (places >= _MOST_WORDS), len(words) - 1, places)
    said: dict[str, list[str]] = {}
    for code, word in np.argwhere(_table(codes, places, len(parts), len(words))).tolist():
        said.setdefault(parts[code], []).append(words[word])
    listed = {part: look.shorten(", ".join(sorted(words)[:6])) for part, words in said.items()}
    return {part: f"the model's word: {words}" for part, words in listed.items()}


def _reason_bars(sums: dict[str, int], words: dict[str, str], title: str, subtitle: str) -> look.Chart:
    counts = dict(sorted(((part, count) for part, count in sums.items() if count), key=lambda one: -one[1]))
    total = sum(counts.values())
    bar = go.Bar(
        y=[look.shorten(part) for part in counts],
        x=list(counts.values()),
        orientation="h",
        marker=look.mark_bar(list(counts), look.STOP_REASONS),
        text=[f"{count:,}  ({look.percent(count, total)})" for count in counts.values()],
        textposition="outside",
        cliponaxis=False,
        customdata=[words[part] for part in counts],
        hovertemplate="<b>%{y}</b>: %{text}<br>%{customdata}<extra></extra>",
    )
    figure = look.make_figure(
        [bar],
        title=title,
        subtitle=subtitle,
        x="answers",
        height=150 + 36 * len(counts),
        alt=f"{title}. {subtitle}: " + ", ".join(f"{part} {count:,}" for part, count in counts.items()),
    )
    figure.update_xaxes(**look.count_axis(max(counts.values()) * 1.2))
    return figure.update_yaxes(**look.CATEGORIES)


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
    column = find_column(outputs, by, ("outcome", "error_code", "error_message"))
    rows = np.flatnonzero(outputs["outcome"].eq("errored").fillna(False).to_numpy(dtype=bool))
    if not len(rows):
        return _draw_no_errors(outputs, title)
    ways = _error_kinds(outputs[["error_code", "error_message"]].iloc[rows])
    kinds = split_groups(ways, "kind", _MOST_KINDS)
    labels = _distinct([look.shorten(name, 110) for name in kinds.names])
    counts = kinds.count()
    traces = [_error_bar("errors", labels, counts, look.VERMILLION)]
    if column is not None:
        groups = split_groups(outputs, column).take(rows)
        table = _table(groups.codes, kinds.codes, len(groups.names), len(labels))
        traces = [
            _error_bar(look.shorten(name, 28), labels, table[place], groups.colours[place])
            for place, name in enumerate(groups.names)
            if table[place].any()
        ]
    share = look.percent(len(rows), len(outputs))
    subtitle = f"n = {look.count_noun(len(rows), 'error')} in {len(outputs):,} records ({share})"
    said = ", ".join(f"{name} ({count:,})" for name, count in zip(kinds.names[:5], counts, strict=False))
    title = title or _say_errors(len(rows), ways["kind"].nunique())
    figure = look.make_figure(
        traces,
        title=title,
        subtitle=subtitle,
        x="records",
        height=150 + 48 * len(labels),
        barmode="stack",
        bargap=0.55,
        showlegend=column is not None,
        legend=look.ABOVE,
        alt=f"{title}. {subtitle}: {look.shorten(said, 300)}",
    )
    figure.update_xaxes(**look.count_axis(counts.max() * 1.12))
    figure.update_yaxes(**look.CATEGORIES, showticklabels=False)
    return _label_bars(figure, labels, counts)


def _draw_no_errors(outputs: pd.DataFrame, title: str | None) -> look.Chart:
    succeeded = int(outputs["outcome"].eq("succeeded").sum())
    sent = look.count_noun(len(outputs), "record")
    if not succeeded:
        return look.empty_figure(title or "Errors", f"No errors in {sent}.")
    labels, counts = ["succeeded"], np.array([succeeded])
    share = look.percent(succeeded, len(outputs))
    figure = look.make_figure(
        [_error_bar("succeeded", labels, counts, look.OUTCOMES["succeeded"])],
        title=title or "No record errored",
        subtitle=f"n = 0 errors in {sent}; {succeeded:,} succeeded ({share})",
        x="records",
        height=198,
        bargap=0.55,
    )
    figure.update_xaxes(**look.count_axis(len(outputs) * 1.12))
    figure.update_yaxes(**look.CATEGORIES, showticklabels=False)
    return _label_bars(figure, labels, counts)


def _say_errors(count: int, kinds: int) -> str:
    if count == 1:
        return "One record errored"
    return f"{count:,} records errored, {'all in the same way' if kinds == 1 else f'in {kinds:,} ways'}"


def _error_kinds(wrong: pd.DataFrame) -> pd.DataFrame:
    codes, code_values = pd.factorize(wrong["error_code"])
    folded, messages = pd.factorize(fold_messages(wrong["error_message"]))
    joint, inverse = np.unique(np.column_stack([codes, folded]), axis=0, return_inverse=True)
    names = [
        f"{'no code' if code < 0 else code_values[code]}: {'no message' if text < 0 else messages[text]}"
        for code, text in joint.tolist()
    ]
    distinct, values = pd.factorize(np.array(names, dtype=object))
    return pd.DataFrame({"kind": pd.Categorical.from_codes(distinct[inverse.ravel()], values)})


def _distinct(labels: list[str]) -> list[str]:
    """Keep bars apart whose names are the same after they were cut."""
    seen: dict[str, int] = {}
    told = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        told.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return told


def _error_bar(name: str, labels: list[str], counts: np.ndarray, colour: str) -> go.Bar:
    return go.Bar(
        name=name,
        y=labels,
        x=counts.tolist(),
        orientation="h",
        marker={"color": colour, "line": {"width": 0}},
        hovertemplate="%{x:,} records<br>%{y}<extra>%{fullData.name}</extra>",
    )


def _label_bars(figure: look.Chart, labels: list[str], counts: np.ndarray) -> look.Chart:
    for label, count in zip(labels, counts.tolist(), strict=True):
        at = {"y": label, "yref": "y", "showarrow": False, "xanchor": "left"}
        figure.add_annotation(
            **at, text=label, x=0, xref="paper", yanchor="bottom", yshift=12, font={"size": 12}
        )
        figure.add_annotation(**at, text=f"{count:,}", x=count, xref="x", xshift=4)
    return figure


def _code(values: pd.Series, known: list[str], absent: str = "") -> tuple[list[str], np.ndarray]:
    """Number the values: the known ones in their order, then whatever else occurs."""
    codes, found = pd.factorize(values)
    names = [str(value) for value in found]
    if absent or (codes < 0).any():
        names.append(absent or "not known")
    parts = [*known, *sorted(set(names) - set(known))]
    place = np.array([parts.index(name) for name in names], dtype=np.int64)
    return parts, place[codes]


def _cross(
    frame: pd.DataFrame, column: str | None, codes: np.ndarray, width: int
) -> tuple[np.ndarray, list[str]]:
    if column is None:
        return np.bincount(codes, minlength=width)[None, :], [""]
    groups = split_groups(frame, column)
    table = _table(groups.codes, codes, len(groups.names), width)
    return table, [groups.label(place) for place in range(len(groups.names))]


def _table(rows: np.ndarray, columns: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.bincount(rows * width + columns, minlength=height * width).reshape(height, width)
