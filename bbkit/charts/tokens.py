"""Where the tokens went: distributions, input against output, and what another `max_tokens` would do."""

from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from bbkit.charts import look

_BINS = 40
_FEW = 30


def token_usage(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw how many tokens the inputs and the answers have.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Column to compare by: one box (5th, 25th, 50th, 75th and 95th percentile) for each group.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        Two panels with axes of their own; median, 95th percentile and `max_tokens` marked.

    Raises
    ------
    bbkit.errors.InputError
        There is no column `by`.
    """
    title = title or "Tokens of each record"
    column = look.find_column(outputs, by)
    counts = {name: outputs[f"{name}_tokens"].dropna() for name in ("input", "output")}
    drawn = {name: values for name, values in counts.items() if len(values)}
    if not drawn:
        return look.empty_figure(title, f"No tokens are reported in {len(outputs):,} records.")
    figure = make_subplots(
        rows=1,
        cols=len(drawn),
        horizontal_spacing=0.09,
        shared_yaxes=column is not None,
        subplot_titles=[f"{name}: {int(values.sum()):,} in all" for name, values in drawn.items()],
    )
    for place, (name, values) in enumerate(drawn.items(), start=1):
        if column is None:
            _draw_distribution(figure, place, name, values.to_numpy(dtype=float), outputs)
        else:
            _draw_boxes(figure, place, name, values, outputs, column)
    known = max(len(values) for values in drawn.values())
    rows = 1 if column is None else min(outputs[column].nunique(dropna=False), look.MOST_GROUPS)
    styled = look.make_figure(
        [],
        title=title,
        subtitle=f"n = {known:,} records with tokens reported",
        height=360 if column is None else 190 + 34 * rows,
    )
    return _take_layout(figure, styled, len(drawn))


def _take_layout(figure: go.Figure, styled: go.Figure, panels: int) -> go.Figure:
    layout = styled.layout.to_plotly_json()
    axis_x, axis_y = layout.pop("xaxis"), layout.pop("yaxis")
    layout.pop("annotations", None)
    figure.update_layout(**layout, showlegend=False)
    for place in range(1, panels + 1):
        for axis, values in (("xaxis", axis_x), ("yaxis", axis_y)):
            own = figure.layout[f"{axis}{place if place > 1 else ''}"]
            kept = own.title.text
            own.update(values)
            if kept:
                own.title.text = kept
    return figure


def _draw_distribution(
    figure: go.Figure, place: int, name: str, values: np.ndarray, outputs: pd.DataFrame
) -> None:
    edges, logarithmic = _edges(values)
    colour = look.TOKENS[name]
    if len(values) < _FEW:
        trace = go.Scatter(
            x=values.tolist(),
            y=[0.5] * len(values),
            mode="markers",
            marker={"color": colour, "size": 9, "opacity": 0.7},
            hovertemplate="%{x:,} tokens<extra></extra>",
        )
    else:
        counts, _ = np.histogram(values, edges)
        trace = go.Bar(
            x=((edges[:-1] + edges[1:]) / 2).tolist(),
            y=counts.tolist(),
            width=np.diff(edges).tolist(),
            marker={"color": colour, "line": {"width": 0}},
            customdata=[f"{low:,.0f} to {high:,.0f}" for low, high in pairwise(edges)],
            hovertemplate="%{customdata} tokens: %{y:,} records<extra></extra>",
        )
    figure.add_trace(trace, row=1, col=place)
    figure.update_xaxes(
        title_text=f"{name} tokens" + (", log scale" if logarithmic else ""),
        type="log" if logarithmic else "linear",
        row=1,
        col=place,
    )
    if len(values) >= _FEW:
        figure.update_yaxes(title_text="records" if place == 1 else "", row=1, col=place)
    else:
        figure.update_yaxes(visible=False, range=[0, 1], row=1, col=place)
    _mark(
        figure,
        place,
        [(f"p{at}", float(np.quantile(values, at / 100)), "dot") for at in (50, 95)],
        logarithmic,
    )
    limits = outputs["max_tokens"].dropna().unique()
    if name == "output" and len(limits) == 1:
        _mark(figure, place, [("max_tokens", float(limits[0]), "solid")], logarithmic, height=0.86)


def _edges(values: np.ndarray) -> tuple[np.ndarray, bool]:
    low, high = float(values.min()), float(values.max())
    # A tail over ten times the median squeezes everything else into the first bins of a linear axis.
    logarithmic = low > 0 and high > 10 * float(np.median(values))
    if logarithmic:
        return np.geomspace(low, high * 1.0001, _BINS + 1), True
    step = max(1, int(np.ceil((high - low + 1) / _BINS)))
    return np.arange(np.floor(low), high + step + 1, step), False


def _mark(
    figure: go.Figure, place: int, marks: list[tuple[str, float, str]], logarithmic: bool, height: float = 1.0
) -> None:
    suffix = "" if place == 1 else str(place)
    for number, (label, value, dash) in enumerate(marks):
        figure.add_shape(
            type="line",
            x0=value,
            x1=value,
            y0=0,
            y1=1,
            xref=f"x{suffix}",
            yref=f"y{suffix} domain",
            line={"dash": dash, "width": 1.5, "color": look.GREY},
        )
        figure.add_annotation(
            text=f"{label} {value:,.0f}",
            x=np.log10(value) if logarithmic and value > 0 else value,
            y=height - 0.1 * number,
            xref=f"x{suffix}",
            yref=f"y{suffix} domain",
            showarrow=False,
            xanchor="left",
            xshift=3,
            font={"size": 11, "color": look.GREY},
            bgcolor="rgba(255,255,255,0.7)",
        )


def _draw_boxes(
    figure: go.Figure, place: int, name: str, values: pd.Series, outputs: pd.DataFrame, column: str
) -> None:
    labels, order = look.split_groups(outputs, column)
    groups = values.astype("float64").groupby(labels.loc[values.index])
    table = groups.quantile([0.05, 0.25, 0.5, 0.75, 0.95]).unstack()
    sizes = groups.size()
    kept = [label for label in order if label in table.index]
    figure.add_trace(
        go.Box(
            y=[f"{look.shorten(label, 28)}  (n = {sizes[label]:,})" for label in kept],
            lowerfence=table.loc[kept, 0.05].tolist(),
            q1=table.loc[kept, 0.25].tolist(),
            median=table.loc[kept, 0.5].tolist(),
            q3=table.loc[kept, 0.75].tolist(),
            upperfence=table.loc[kept, 0.95].tolist(),
            orientation="h",
            name=f"{name} tokens",
            marker={"color": look.TOKENS[name]},
            line={"width": 1.5},
        ),
        row=1,
        col=place,
    )
    figure.update_xaxes(
        title_text=f"{name} tokens (p5, p25, p50, p75, p95)", rangemode="tozero", row=1, col=place
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, row=1, col=place)


def input_output(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw output tokens against input tokens, as counts of records in cells.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Mark the median input and output of each value of this column.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        At most 40 by 40 cells.

    Raises
    ------
    bbkit.errors.InputError
        There is no column `by`.
    """
    title = title or "Answer against input"
    column = look.find_column(outputs, by)
    known = outputs.dropna(subset=["input_tokens", "output_tokens"])
    if known.empty:
        return look.empty_figure(title, "No record reports both its input and its output tokens.")
    x, y = (known[f"{name}_tokens"].to_numpy(dtype=float) for name in ("input", "output"))
    bins = 40 if len(known) >= 2000 else 24
    counts, edges_x, edges_y = np.histogram2d(x, y, bins=[_even(x, bins), _even(y, bins)])
    cells = counts.T
    traces: list[go.Heatmap | go.Scatter] = [
        go.Heatmap(
            x=((edges_x[:-1] + edges_x[1:]) / 2).tolist(),
            y=((edges_y[:-1] + edges_y[1:]) / 2).tolist(),
            z=np.where(cells > 0, cells, np.nan).tolist(),
            colorscale=[[0, "#cfe3f1"], [0.5, "#4a9cc9"], [1, "#08306b"]],
            xgap=1,
            ygap=1,
            hoverongaps=False,
            colorbar={"title": {"text": "records"}, "thickness": 12, "outlinewidth": 0},
            hovertemplate="about %{x:,.0f} in, %{y:,.0f} out: %{z:,} records<extra></extra>",
        )
    ]
    if column is not None:
        labels, order = look.split_groups(known, column)
        middle = (
            known[["input_tokens", "output_tokens"]].astype("float64").groupby(labels).median().loc[order]
        )
        traces.append(
            go.Scatter(
                x=middle["input_tokens"].tolist(),
                y=middle["output_tokens"].tolist(),
                mode="markers+text",
                text=[look.shorten(name, 20) for name in order],
                textposition="top center",
                marker={"color": look.VERMILLION, "size": 9, "line": {"color": "white", "width": 1}},
                hovertemplate="%{text}: median %{x:,.0f} in, %{y:,.0f} out<extra></extra>",
            )
        )
    figure = look.make_figure(
        traces,
        title=title,
        subtitle=f"n = {len(known):,} records",
        x="input tokens",
        y="output tokens",
        height=420,
    )
    limits = outputs["max_tokens"].dropna().unique()
    if len(limits) == 1:
        figure.add_hline(
            y=float(limits[0]),
            line={"color": look.GREY, "width": 1.5},
            annotation={"text": f"max_tokens {int(limits[0]):,}", "font": {"size": 11, "color": look.GREY}},
        )
    return figure.update_layout(showlegend=False)


def _even(values: np.ndarray, bins: int) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    step = max(1.0, np.ceil((high - low + 1) / bins))
    return np.arange(low, high + step + 0.5, step)


def max_tokens_what_if(
    outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None
) -> go.Figure:
    """Draw the share of answers that another `max_tokens` would have cut off.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`. Answers that were cut off would have gone on for an unknown
        number of tokens, so from the first of them on the curve is an upper bound and drawn dashed.
    by : str, optional
        One curve for each value of this column.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        At most 200 points for each curve.

    Raises
    ------
    bbkit.errors.InputError
        There is no column `by`.
    """
    title = title or "What another max_tokens would cut off"
    column = look.find_column(outputs, by)
    known = outputs[(outputs["outcome"] == "succeeded").fillna(False) & outputs["output_tokens"].notna()]
    if known.empty:
        return look.empty_figure(title, "No answer reports its output tokens.")
    if column is None:
        groups = {"all": known}
    else:
        labels, order = look.split_groups(known, column)
        groups = {str(name): known[labels == name] for name in order}
    traces = [trace for name, rows in groups.items() for trace in _curves(rows, name, column is None)]
    cut = int((known["stop_reason"] == "length").sum())
    figure = look.make_figure(
        traces,
        title=title,
        x="max_tokens",
        y="answers cut off (%)",
        subtitle=f"n = {len(known):,} answers; {cut:,} were cut off and would have been longer",
    )
    return figure.update_layout(yaxis={"rangemode": "tozero"}, showlegend=column is not None)


def _curves(rows: pd.DataFrame, name: str, single: bool) -> list[go.Scatter]:
    tokens = np.sort(rows["output_tokens"].to_numpy(dtype=float))
    cut = rows[(rows["stop_reason"] == "length").fillna(False)]["output_tokens"].to_numpy(dtype=float)
    points = np.unique(np.round(np.linspace(0, tokens[-1] * 1.05 + 1, 200)))
    longer = 100 * (len(tokens) - np.searchsorted(tokens, points, side="right")) / len(tokens)
    # How much longer a cut-off answer would have been is not known: it may still be cut off.
    still_cut = (
        100 * (cut[None, :] <= points[:, None]).sum(axis=1) / len(tokens)
        if len(cut)
        else np.zeros(len(points))
    )
    bound = points >= (cut.min() if len(cut) else np.inf)
    share = longer + np.where(bound, still_cut, 0)
    style = {"color": look.ORANGE} if single else {}
    hover = "max_tokens %{x:,}: %{y:.1f} % cut off<extra>%{fullData.name}</extra>"
    exact = go.Scatter(
        name=look.escape_text(name),
        x=points[~bound].tolist(),
        y=share[~bound].round(3).tolist(),
        mode="lines",
        line={**style, "width": 2.5},
        hovertemplate=hover,
    )
    if not bound.any():
        return [exact]
    rest = go.Scatter(
        name=look.escape_text(f"{name}, at most"),
        x=points[bound].tolist(),
        y=share[bound].round(3).tolist(),
        mode="lines",
        line={**style, "width": 2, "dash": "dash"},
        hovertemplate=hover,
        showlegend=False,
    )
    return [exact, rest]


def output_lengths(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw how long the answers are, in words, by why they ended.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Colour by this column in place of the stop reason.
    title : str, optional
        In place of the chart's own.

    Returns
    -------
    plotly.graph_objects.Figure
        A stacked histogram; an answer without text is 0 words long.

    Raises
    ------
    bbkit.errors.InputError
        There is no column `by`.
    """
    title = title or "Length of the answers"
    column = look.find_column(outputs, by) or "stop_reason"
    answered = outputs[outputs["text"].notna()]
    if answered.empty:
        return look.empty_figure(title, "No answer has text.")
    words = answered["text"].str.count(r"\S+").to_numpy(dtype=float)
    edges = _even(words, 30)
    labels, order = look.split_groups(answered, column)
    traces = [
        go.Bar(
            name=look.shorten(name, 28),
            x=((edges[:-1] + edges[1:]) / 2).tolist(),
            y=np.histogram(words[(labels == name).to_numpy()], edges)[0].tolist(),
            width=np.diff(edges).tolist(),
            marker={"color": look.STOP_REASONS.get(str(name)), "line": {"width": 0}},
            hovertemplate="about %{x:,.0f} words: %{y:,} answers<extra>%{fullData.name}</extra>",
        )
        for name in order
    ]
    return look.make_figure(
        traces,
        title=title,
        subtitle=f"n = {len(answered):,} answers, median {np.median(words):,.0f} words",
        x="words",
        y="answers",
        barmode="stack",
        showlegend=len(order) > 1,
    )
