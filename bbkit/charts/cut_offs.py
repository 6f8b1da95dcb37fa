"""Cut-off answers: for which inputs they are, and what another `max_tokens` would do."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import look
from bbkit.charts.groups import MOST_LINES, UNKNOWN, Groups, find_column, split_groups
from bbkit.charts.panels import is_edge, make_panels
from bbkit.charts.scales import Scale, find_limit, make_scale, mark_value

_PART = 20
_PARTS = 10
_POINTS = 200


def cut_off_by_input(outputs: pd.DataFrame, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw the share of answers cut off, by how long the input was, with a 95 % Wilson interval.

    Parameters
    ----------
    outputs : pandas.DataFrame
        The tidy frame of `bbkit.collect_outputs`.
    by : str, optional
        Draw a panel for each value of this column, all with the same axes.
    title : str, optional
        In place of the chart's own, which says how many were cut off.

    Returns
    -------
    plotly.graph_objects.Figure
        Up to ten parts of the inputs, alike in number.

    Raises
    ------
    bbkit.errors.InputError
        There is no column `by`.
    """
    column = find_column(outputs, by)
    rows = _answered(outputs, "input_tokens")
    if not len(rows):
        return look.empty_figure(
            title or "Cut off, by length of the input", "No answer reports its input tokens."
        )
    known = outputs[["input_tokens", "stop_reason"]].iloc[rows]
    lengths = known["input_tokens"].to_numpy(dtype=float)
    cut = known["stop_reason"].eq("length").fillna(False).to_numpy(dtype=bool)
    panels = [("", np.arange(len(rows)))]
    if column is not None:
        groups = split_groups(outputs, column, 9).take(rows)
        panels = [
            (groups.label(place), np.flatnonzero(groups.codes == place))
            for place in range(len(groups.names))
            if (groups.codes == place).any()
        ]
    shares = [_shares(lengths[chosen], cut[chosen]) for _, chosen in panels]
    figure = make_panels(
        [name for name, _ in panels],
        title=title or _say_cut(int(cut.sum()), len(rows)),
        subtitle=f"By input length, n = {look.count_noun(len(rows), 'answer')}; bars are 95 % intervals",
        height=270 if len(panels) == 1 else 170,
        gap=0.05,
    )
    top = max(float((table["share"] + table["up"]).max()) for table in shares)
    middles = np.concatenate([table["middle"] for table in shares])
    scale = make_scale(np.round(middles), 40, zero=True)
    for panel, table in enumerate(shares, start=1):
        _draw_shares(figure, panel, len(panels), table, scale, min(100.0, max(1.15 * top, 5.0)))
    return figure


def _say_cut(cut: int, total: int) -> str:
    if not cut:
        return "No answer was cut off"
    verb = "was" if cut == 1 else "were"
    return f"{cut:,} of {total:,} answers {verb} cut off ({look.percent(cut, total)})"


def _answered(outputs: pd.DataFrame, column: str) -> np.ndarray:
    succeeded = outputs["outcome"].eq("succeeded").fillna(False).to_numpy(dtype=bool)
    return np.flatnonzero(succeeded & outputs[column].notna().to_numpy())


def _shares(lengths: np.ndarray, cut: np.ndarray) -> dict[str, np.ndarray]:
    """Cut the inputs into parts alike in number; the share of each with its interval, in percent."""
    parts = min(_PARTS, max(1, len(lengths) // _PART))
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, parts + 1)))
    place = np.clip(np.searchsorted(edges, lengths, side="right") - 1, 0, max(len(edges) - 2, 0))
    count = np.bincount(place)
    kept = np.flatnonzero(count)
    middle = np.array([np.median(lengths[place == number]) for number in kept])
    share = np.bincount(place, weights=cut)[kept] / count[kept]
    low, high = _wilson(share, count[kept].astype(float))
    return {
        "middle": middle,
        "count": count[kept],
        "share": 100 * share,
        "up": 100 * (high - share),
        "down": 100 * (share - low),
    }


def _wilson(share: np.ndarray, count: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    middle = share + z**2 / (2 * count)
    spread = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    scale = 1 + z**2 / count
    return np.minimum((middle - spread) / scale, share), np.maximum((middle + spread) / scale, share)


def _draw_shares(
    figure: look.Chart, panel: int, total: int, table: dict[str, np.ndarray], scale: Scale, top: float
) -> None:
    suffix = "" if panel == 1 else str(panel)
    left, bottom = is_edge(panel, total)
    figure.add_trace(
        go.Scatter(
            name="cut off (%)",
            x=table["middle"].tolist(),
            y=table["share"].round(3).tolist(),
            mode="lines+markers",
            marker={"size": 8, "color": look.ORANGE},
            line={"color": look.ORANGE, "width": 1.5},
            error_y={
                "type": "data",
                "array": table["up"].round(3).tolist(),
                "arrayminus": table["down"].round(3).tolist(),
                "color": look.GREY,
                "thickness": 1.2,
                "width": 4,
            },
            customdata=table["count"].tolist(),
            xaxis=f"x{suffix}",
            yaxis=f"y{suffix}",
            hovertemplate="%{x:,.0f} input tokens: %{y:.1f} % cut off, n = %{customdata:,}<extra></extra>",
        )
    )
    figure.layout[f"xaxis{suffix}"].update(scale.axis("input tokens (median of each part)" if bottom else ""))
    figure.layout[f"yaxis{suffix}"].update(
        look.style_axis("cut off (%)" if left else "", range=[0, top], showticklabels=left)
    )


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
    column = find_column(outputs, by)
    rows = _answered(outputs, "output_tokens")
    if not len(rows):
        return look.empty_figure(
            title or "What another max_tokens would cut off", "No answer reports its output tokens."
        )
    known = outputs[["output_tokens", "stop_reason"]].iloc[rows]
    tokens = known["output_tokens"].to_numpy(dtype=float)
    cut = known["stop_reason"].eq("length").fillna(False).to_numpy(dtype=bool)
    whole = np.zeros(len(rows), dtype=np.int64)
    groups = Groups(whole, [""], [look.ORANGE])
    if column is not None:
        groups = split_groups(outputs, column, MOST_LINES).take(rows)
    limit = find_limit(outputs["max_tokens"])
    scale = make_scale(tokens, 40, limit=limit, zero=True)
    traces: list[dict[str, Any]] = []
    for place in range(len(groups.names)):
        chosen = groups.codes == place
        if chosen.any():
            name = groups.label(place) if column else "all answers"
            dash = "dot" if groups.names[place] == UNKNOWN else "solid"
            traces += _curves(tokens[chosen], cut[chosen], name, groups.colours[place], dash)
    said = f"What another max_tokens would cut off, n = {look.count_noun(len(rows), 'answer')}"
    if cut.any():
        said += f"; {int(cut.sum()):,} cut off would have been longer"
    figure = look.make_figure(
        traces,
        title=title or _say_enough(tokens, cut),
        subtitle=said,
        y="answers cut off (%)",
        height=400,
        showlegend=column is not None,
        legend={"x": 1, "xanchor": "right", "y": 1, "yanchor": "top", "bgcolor": "rgba(255,255,255,0.7)"},
    )
    figure.update_layout(xaxis=scale.axis("max_tokens"))
    figure.update_yaxes(range=[0, 104])
    if limit is not None:
        mark_value(figure, scale, "max_tokens was", limit, top=0.55, solid=True)
    return figure


def _say_enough(tokens: np.ndarray, cut: np.ndarray) -> str:
    """Say which `max_tokens` cuts off one answer in twenty, where the answers tell."""
    limit = float(np.quantile(tokens, 0.95, method="inverted_cdf"))
    if cut.any() and limit >= tokens[cut].min():
        share = look.percent(int(cut.sum()), len(cut))
        return f"{share} of the answers need more tokens than they had"
    return f"A max_tokens of {limit:,.0f} is enough for 95 % of the answers"


def _curves(tokens: np.ndarray, cut: np.ndarray, name: str, colour: str, dash: str) -> list[dict[str, Any]]:
    tokens, cut = np.sort(tokens), np.sort(tokens[cut])
    points = np.unique(np.round(np.linspace(0, tokens[-1] * 1.05 + 1, _POINTS)))
    longer = len(tokens) - np.searchsorted(tokens, points, side="right")
    # How much longer a cut-off answer would have been is not known: it may still be cut off.
    still_cut = np.searchsorted(cut, points, side="right")
    bound = points >= (cut[0] if len(cut) else np.inf)
    share = 100 * (longer + np.where(bound, still_cut, 0)) / len(tokens)
    curves = []
    for chosen, at_most in ((~bound, False), (bound, True)):
        if not chosen.any():
            continue
        curves.append(
            {
                "type": "scatter",
                "name": f"{name}, at most" if at_most else name,
                "legendgroup": name,
                "x": points[chosen].tolist(),
                "y": share[chosen].round(3).tolist(),
                "mode": "lines",
                "line": {
                    "color": colour,
                    "width": 2 if at_most else 2.5,
                    "dash": "dash" if at_most else dash,
                },
                "showlegend": not at_most,
                "hovertemplate": "max_tokens %{x:,}: %{y:.1f} % cut off<extra>%{fullData.name}</extra>",
            }
        )
    return curves
