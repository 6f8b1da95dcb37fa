"""Bars of shares: one 100 % bar for each group, with its number of rows."""

from collections.abc import Mapping, Sequence

import numpy as np

from bbkit.charts import look


def share_figure(
    counts: np.ndarray,
    parts: Sequence[str],
    colours: Mapping[str, str],
    names: Sequence[str],
    *,
    title: str,
    subtitle: str,
    noun: str,
    words: Mapping[str, str] | None = None,
) -> look.Chart:
    """Draw one 100 % bar per group, one colour per part."""
    drawn = [place for place in range(len(parts)) if counts[:, place].sum()]
    bars = [
        _share_bar(counts[:, place], counts.sum(axis=1), parts[place], colours, names, words or {})
        for place in drawn
    ]
    figure = look.make_figure(
        bars,
        title=title,
        subtitle=subtitle,
        x=f"share of the {noun} (%)",
        height=172 + 34 * len(names),
        barmode="stack",
        showlegend=True,
        legend=look.ABOVE,
    )
    # A label that is wider than its part is left out, not shrunk: the hover and the legend tell it.
    figure.update_layout(uniformtext={"minsize": 11, "mode": "hide"})
    figure.update_xaxes(range=[0, 100])
    return figure.update_yaxes(**look.CATEGORIES, showticklabels=any(names))


def _share_bar(
    counts: np.ndarray,
    totals: np.ndarray,
    part: str,
    colours: Mapping[str, str],
    names: Sequence[str],
    words: Mapping[str, str],
) -> dict:
    shares = np.divide(100.0 * counts, totals, out=np.zeros(len(counts)), where=totals > 0)
    said = [look.percent(count, total) for count, total in zip(counts, totals, strict=True)]
    more = f"<br>{words[part]}" if words.get(part) else ""
    return {
        "type": "bar",
        "name": look.escape_text(part),
        "y": list(names),
        "x": shares.round(4).tolist(),
        "orientation": "h",
        "marker": look.mark_bar(part, colours),
        "text": [label if share >= 6 else "" for label, share in zip(said, shares, strict=True)],
        "textposition": "inside",
        "insidetextanchor": "middle",
        "textangle": 0,
        "hovertext": [
            f"{int(count):,} of {int(total):,} ({label}){more}"
            for count, total, label in zip(counts, totals, said, strict=True)
        ],
        "hovertemplate": "<b>%{fullData.name}</b> %{y}<br>%{hovertext}<extra></extra>",
    }
