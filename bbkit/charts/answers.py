"""What became of the records: outcomes, stop reasons, errors, and which answers were cut off."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import look


def outcomes(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw what became of every record, as one 100 % bar or one for each group.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Column to compare by; a column of the source goes by its own name.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        Shares in percent, labelled with counts.

    Raises
    ------
    bbkit.errors.InputError
        There is no column `by`.
    """
    title = title or "Outcomes of the records"
    column = look.find_column(outputs, by)
    if outputs.empty:
        return look.empty_figure(title, "No record was sent yet.")
    table, names = _count(outputs, outputs["outcome"], list(look.OUTCOMES), column)
    figure = _stacked(look.share_bars(table, look.OUTCOMES, names=names), title, len(outputs), len(names))
    if column is None:
        counts = table.iloc[0]
        parts = [f"{int(counts[name]):,} {name}" for name in table.columns if counts[name]]
        figure.update_layout(meta={"alt": f"{title}: {', '.join(parts)} of {len(outputs):,}"})
    return figure


def stop_reasons(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw why the answers ended; ``length`` is cut off at `max_tokens`.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`; only records that succeeded have an answer.
    by : str, optional
        Column to compare by, as one 100 % bar for each group.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        Counts and shares; the model's own words are in the hover.

    Raises
    ------
    bbkit.errors.InputError
        There is no column `by`.
    """
    title = title or "Why the answers ended"
    column = look.find_column(outputs, by)
    answered = outputs[(outputs["outcome"] == "succeeded").fillna(False)]
    if answered.empty:
        return look.empty_figure(title, f"No answers among {len(outputs):,} records.")
    reasons = answered["stop_reason"].fillna("not reported")
    if column is None:
        return _reason_bars(reasons, answered["stop_reason_raw"], title)
    table, names = _count(answered, reasons, list(look.STOP_REASONS), column)
    bars = look.share_bars(table, look.STOP_REASONS, names=names)
    return _stacked(bars, title, len(answered), len(names), noun="answers")


def _reason_bars(reasons: pd.Series, raw: pd.Series, title: str) -> go.Figure:
    counts = reasons.value_counts()
    said = raw.fillna("nothing").groupby(reasons).agg(lambda words: ", ".join(sorted(set(words))[:6]))
    total = int(counts.sum())
    bar = go.Bar(
        y=list(counts.index),
        x=counts.tolist(),
        orientation="h",
        marker={
            "color": [look.STOP_REASONS.get(name, look.LIGHT) for name in counts.index],
            "pattern": {
                "shape": [look.PATTERNS.get(name, "") for name in counts.index],
                "fillmode": "overlay",
                "fgcolor": "rgba(255,255,255,0.55)",
            },
        },
        text=[f"{count:,}  ({look.percent(count, total)})" for count in counts],
        textposition="outside",
        cliponaxis=False,
        customdata=[look.shorten(said[name]) for name in counts.index],
        hovertemplate="<b>%{y}</b>: %{text}<br>the model's word: %{customdata}<extra></extra>",
    )
    figure = look.make_figure(
        [bar],
        title=title,
        subtitle=f"n = {total:,} answers",
        x="answers",
        height=150 + 38 * len(counts),
        alt=f"{title}: " + ", ".join(f"{name} {count:,}" for name, count in counts.items()),
    )
    return figure.update_layout(
        yaxis={"autorange": "reversed", "showgrid": False}, xaxis={"range": [0, float(counts.max()) * 1.22]}
    )


def cut_off_by_input(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw the share of answers cut off, by how long the input was, with a 95 % Wilson interval.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Draw one line for each value of this column.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        Up to ten parts of the inputs, alike in number.

    Raises
    ------
    bbkit.errors.InputError
        There is no column `by`.
    """
    title = title or "Cut off, by length of the input"
    column = look.find_column(outputs, by)
    known = outputs[(outputs["outcome"] == "succeeded").fillna(False) & outputs["input_tokens"].notna()]
    if known.empty:
        return look.empty_figure(title, "No answer reports its input tokens.")
    if column is None:
        traces = [_share_line(known, "all", look.ORANGE)]
    else:
        labels, order = look.split_groups(known, column)
        traces = [_share_line(known[labels == name], str(name), None) for name in order]
    cut = int((known["stop_reason"] == "length").sum())
    subtitle = f"n = {len(known):,} answers, {cut:,} cut off; bars are 95 % intervals"
    figure = look.make_figure(
        traces, title=title, subtitle=subtitle, x="input tokens (median of each part)", y="cut off (%)"
    )
    return figure.update_layout(yaxis={"rangemode": "tozero"}, showlegend=column is not None)


def _share_line(rows: pd.DataFrame, name: str, colour: str | None) -> go.Scatter:
    lengths = rows["input_tokens"].to_numpy(dtype=float)
    cut = (rows["stop_reason"] == "length").fillna(False).to_numpy(dtype=float)
    parts = min(10, max(1, len(lengths) // 20))
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, parts + 1)))
    place = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, max(len(edges) - 2, 0))
    numbers = np.unique(place)
    middle = [float(np.median(lengths[place == number])) for number in numbers]
    count = np.array([(place == number).sum() for number in numbers], dtype=float)
    share = np.array([cut[place == number].mean() for number in numbers])
    low, high = _wilson(share, count)
    return go.Scatter(
        name=look.escape_text(name),
        x=middle,
        y=(100 * share).round(3).tolist(),
        mode="lines+markers",
        marker={"size": 8, "color": colour},
        line={"color": colour},
        error_y={
            "type": "data",
            "array": (100 * (high - share)).tolist(),
            "arrayminus": (100 * (share - low)).tolist(),
        },
        customdata=count.astype(int).tolist(),
        hovertemplate="%{x:,.0f} input tokens: %{y:.1f} % cut off, n = %{customdata:,}"
        "<extra>%{fullData.name}</extra>",
    )


def _wilson(share: np.ndarray, count: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    middle = share + z**2 / (2 * count)
    spread = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    scale = 1 + z**2 / count
    return np.minimum((middle - spread) / scale, share), np.maximum((middle + spread) / scale, share)


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
        The twelve most frequent, the rest as one bar.

    Raises
    ------
    bbkit.errors.InputError
        There is no column `by`.
    """
    title = title or "Errors"
    column = look.find_column(outputs, by)
    wrong = outputs[(outputs["outcome"] == "errored").fillna(False)]
    if wrong.empty:
        return look.empty_figure(title, f"No errors in {len(outputs):,} records.")
    message = wrong["error_message"].fillna("no message").str.replace(r"\d+", "#", regex=True)
    label = wrong["error_code"].fillna("no code") + ": " + message
    kinds, order = look.split_groups(pd.DataFrame({"kind": label}), "kind")
    if column is None:
        groups, colours = {"errors": kinds}, [look.VERMILLION]
    else:
        split, names = look.split_groups(wrong, column)
        groups = {str(name): kinds[(split == name).to_numpy()] for name in names}
        colours = [*look.STOP_REASONS.values(), *look.TOKENS.values()]
    traces = [
        go.Bar(
            name=look.escape_text(name),
            y=[look.shorten(kind) for kind in order],
            x=[int((values == kind).sum()) for kind in order],
            orientation="h",
            marker={"color": colours[number % len(colours)]},
            hovertemplate="%{x:,} records<extra>%{y}</extra>",
        )
        for number, (name, values) in enumerate(groups.items())
    ]
    if column is None:
        traces[0].update(
            text=[f"{value:,}" for value in traces[0].x], textposition="outside", cliponaxis=False
        )
    figure = look.make_figure(
        traces,
        title=title,
        subtitle=f"n = {len(wrong):,} of {len(outputs):,} records",
        x="records",
        height=170 + 34 * len(order),
        barmode="stack",
        showlegend=column is not None,
    )
    return figure.update_layout(yaxis={"autorange": "reversed", "showgrid": False})


def _count(
    frame: pd.DataFrame, values: pd.Series, columns: list[str], by: str | None
) -> tuple[pd.DataFrame, list[str]]:
    values = values.astype("string")
    known = [*columns, *sorted(set(values.dropna().unique()) - set(columns))]
    if by is None:
        table = values.value_counts().reindex(known, fill_value=0).to_frame().T
        return table, ["all"]
    labels, order = look.split_groups(frame, by)
    table = pd.crosstab(labels.to_numpy(dtype=object), values.to_numpy(dtype=object)).reindex(
        index=order, columns=known, fill_value=0
    )
    totals = table.sum(axis=1)
    return table, [f"{look.shorten(name, 28)}  (n = {totals[name]:,})" for name in order]


def _stacked(bars: list[go.Bar], title: str, total: int, groups: int, noun: str = "records") -> go.Figure:
    figure = look.make_figure(
        bars,
        title=title,
        subtitle=f"n = {total:,} {noun}",
        x=f"share of {noun} (%)",
        height=190 + 34 * groups,
        barmode="stack",
    )
    return figure.update_layout(
        xaxis={"range": [0, 100]},
        yaxis={"autorange": "reversed", "showgrid": False},
        legend={
            "orientation": "h",
            "y": 1.0,
            "yanchor": "bottom",
            "x": 1,
            "xanchor": "right",
            "traceorder": "normal",
        },
        showlegend=True,
    )
