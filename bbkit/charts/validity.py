"""Charts of parsed answers: which can be used, what they say, and how far the source's columns agree."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.answers import as_parts, count_parts, draw_kinds
from bbkit.charts.axes import Axis, make_axis
from bbkit.charts.groups import Groups, group_rows, known_rows, read_groups
from bbkit.charts.traces import boxes, draw_spread, percent_bars
from bbkit.core.datasets import head_of, read_columns
from bbkit.core.errors import InputError
from bbkit.core.frames import FIELD, TEXT, Collected, require_columns
from bbkit.core.text import count_noun, format_number, name_some

_PARSED = "Pass what parse_answers returned."
_SOURCE = "source."
MOST_VALUES, _BINS = 30, 30
_TRUTH = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}


def validity(answers: Any, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw how many answers can be used, and why the others cannot, as one 100 % bar or one for each group.

    Parameters
    ----------
    answers : pandas.DataFrame or data set
        What `bbkit.parse_answers` returned.
    by : str, optional
        Column to compare by; a column of the source goes by its own name.
    title : str, optional
        In place of the chart's own, which says how many can be used.

    Returns
    -------
    plotly.graph_objects.Figure
        Shares in percent; the counts are in the subtitle and the hover.

    Raises
    ------
    bbkit.core.errors.InputError
        The answers were not parsed, or there is no such column or field.
    """
    require_columns(head_of(answers), ["validity"], _PARSED)
    rows, groups = read_groups(answers, by, ["validity"])
    known = known_rows(rows, "validity")
    if not known.any():
        return style.empty_figure(title or "Can the answers be used?", "No record has an answer.")
    parts = as_parts(rows.loc[known, "validity"], style.VALIDITIES, "not known")
    sums, total = count_parts(parts), len(parts)
    valid, shares = sums.get("valid", 0), [f"{count:,} {part}" for part, count in sums.items()]
    share = style.percent(valid, total)
    return percent_bars(
        groups.take(known),
        parts,
        noun="answers",
        follows="Can the answers be used?",
        only={"validity": None},
        title=title or f"{valid:,} of {count_noun(total, 'answer')} can be used ({share})",
        subtitle=f"Validity, n = {count_noun(total, 'answer')}: {', '.join(shares)}",
    )


def answer_values(
    answers: Any, field: str = "", *, by: str | None = None, title: str | None = None
) -> go.Figure:
    """Draw what valid answers say in one field.

    Parameters
    ----------
    answers, by, title
        As in `validity`, whose errors it has, too.
    field : str
        Name of a field of the schema; the first one that holds categories where none is named.

    Returns
    -------
    plotly.graph_objects.Figure
        Of categories and booleans a bar for each value, in their own order (numbers, dates, months) or the
        largest first; of numbers a histogram, or a box for each group. Texts of more than 30 values are drawn
        by their length: no answer is in the figure.
    """
    column = _find_field(answers, field)
    rows, groups = read_groups(answers, by, [column])
    known = known_rows(rows, column)
    values, groups = rows.loc[known, column], groups.take(known)
    name = column.removeprefix(FIELD)
    if values.empty:
        return style.empty_figure(title or f"Values of {name}", "No valid answer has a value here.")
    subtitle = f"{name}, n = {count_noun(len(values), 'valid answer')}"
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return draw_numbers(values.to_numpy(dtype=float), groups, name, title, subtitle, along=column)
    texts = as_texts(values)
    if texts.nunique() > MOST_VALUES:
        lengths = texts.str.len().to_numpy(dtype=float)
        return draw_numbers(lengths, groups, f"characters of {name}", title, f"Length of {subtitle}")
    kinds = group_rows(pd.DataFrame({name: texts.array}), name, most=MOST_VALUES)
    counts = kinds.count().tolist()
    if groups.column is None:
        groups = replace(groups, names=["answers"], colours=[style.SKY])
    first = int(np.argmax(counts))
    title = title or f"Most frequent {name}: {kinds.names[first]} {style.percent(counts[first], len(texts))}"
    named = ", ".join(f"{kind} {count:,}" for kind, count in zip(kinds.names, counts, strict=True))
    return draw_kinds(
        kinds,
        groups,
        noun="answers",
        follows=(f"Values of {name}", column),
        title=title,
        subtitle=subtitle,
        legend=groups.column is not None,
        alt=f"{title}. {subtitle}: {named}",
    )


def as_texts(values: pd.Series) -> pd.Series:
    """The values of a field as texts, ``true`` and ``false`` as JSON writes them."""
    texts = values.astype(TEXT)
    return texts.str.lower() if pd.api.types.is_bool_dtype(values) else texts


def agreement(answers: Any, field: str = "", *, title: str | None = None) -> go.Figure:
    """Draw how far valid answers agree with the source's own column of the same name, as a table of counts.

    Parameters
    ----------
    answers, title
        As in `validity`, whose errors it has, too; with columns of the source (``source_columns=``).
    field : str
        Name of a field of the schema; the first one that the source has, too, where none is named.

    Returns
    -------
    plotly.graph_objects.Figure
        Rows are the source's values, columns the answers'. Against a boolean the texts true, yes and 1, and
        false, no and 0, count as such, anything else as a label of its own; texts are compared as they are.
        The title gives the share that agrees and Cohen's kappa, the agreement beyond chance (1: in all, 0: as
        by chance; Cohen 1960, https://doi.org/10.1177/001316446002000104).
    """
    head = head_of(answers)
    shared = [
        _bare(name) for name in head if str(name).startswith(FIELD) and f"{_SOURCE}{_bare(name)}" in head
    ]
    name = _bare(_find_field(answers, field, [f"{FIELD}{name}" for name in shared]))
    if name not in shared:
        return style.empty_figure(
            title or "Agreement with the source", f"The source has nothing of the name {name}."
        )
    said, own, told = _read_labels(answers, name)
    count = len(said)
    if not count:
        return style.empty_figure(title or f"{name} against the source", "No valid answer has both.")
    also = [_describe(*_read_labels(answers, other)[:2], other) for other in shared if other != name]
    kinds = group_rows(pd.DataFrame({name: pd.concat([own, said])}), name)
    cells = np.zeros((len(kinds.names),) * 2, np.int64)
    np.add.at(cells, (kinds.codes[:count], kinds.codes[count:]), 1)
    labels = [*map(style.escape_text, style.tell_apart(kinds.names, 18))]
    return style.make_figure(
        [_draw_table(cells, labels, kinds.hovers)],
        title=title or _describe(said, own, name),
        subtitle="; ".join([f"Source against answer, n = {count_noun(count, 'valid answer')}{told}", *also]),
        height=230 + 34 * len(labels),
        xaxis=style.style_axis("answer", type="category", dtick=1, tickangle=90 if len(labels) > 2 else 0),
        yaxis=style.style_axis("source", type="category", dtick=1, autorange="reversed"),
    )


def _read_labels(answers: Any, name: str) -> tuple[pd.Series, pd.Series, str]:
    """What valid answers say in a field and the source in its column, and how they were made alike."""
    names = [f"{FIELD}{name}", f"{_SOURCE}{name}"]
    rows = read_columns(answers, names)
    rows = rows[known_rows(rows, *names)]
    is_truth = pd.api.types.is_bool_dtype(rows[names[0]])
    said, own = (_as_labels(rows[each], is_truth) for each in names)
    return said, own, "; true/yes/1 and false/no/0 are alike" if is_truth else ""


def _describe(said: pd.Series, own: pd.Series, name: str) -> str:
    """How far two columns of labels agree, in all and beyond chance."""
    alike, count = int((said == own).sum()), len(said)
    shares = own.value_counts(normalize=True)
    chance = sum(share * shares.get(label, 0.0) for label, share in said.value_counts(normalize=True).items())
    kappa = "" if chance == 1 or not count else f", kappa {(alike / count - chance) / (1 - chance):.2f}"
    return f"{name} agrees in {alike:,} of {count:,} ({style.percent(alike, count)}){kappa}"


def _draw_table(cells: np.ndarray, labels: list[str], names: list[str]) -> go.Heatmap:
    hover = "source %{customdata[1]}, answer %{customdata[0]}: %{z:,}<extra></extra>"
    look: dict[str, Any] = {
        "texttemplate": "%{z:,}",
        "colorscale": [[0, "#eef6fc"], [1, style.SKY]],
        "showscale": False,
    }
    look |= {"customdata": [[[said, own] for said in names] for own in names], "hovertemplate": hover}
    return go.Heatmap(x=labels, y=labels, z=cells.tolist(), xgap=1, ygap=1, **look)


def _as_labels(values: pd.Series, is_truth: bool) -> pd.Series:
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    texts = (values.map(format_number) if is_number else values).astype(TEXT).reset_index(drop=True)
    if is_truth:
        folded = texts.str.strip().str.lower()
        return folded.map(_TRUTH).astype(TEXT).fillna(texts)
    return texts


def _bare(column: Any) -> str:
    return str(column).removeprefix(FIELD)


def _find_field(answers: Any, field: str, wanted: Sequence[str] = ()) -> str:
    """The column of a field; without a name that of the first that is wanted, or that holds categories."""
    head = head_of(answers)
    require_columns(head, ["validity"], _PARSED)
    if not isinstance(field, str):
        raise InputError(f"field is {field!r}; it takes the name of one field of the schema.")
    fields = [name for name in map(str, head) if name.startswith(FIELD)]
    if not field and fields:
        known = (Collected.of(head).schema or {}).get("properties", {})
        few = [
            name for name in fields if "enum" in str(known.get(_bare(name))) or head[name].dtype == "boolean"
        ]
        return next(iter([*(name for name in fields if name in wanted), *few, *fields]))
    column = field if field in fields else f"{FIELD}{field}"
    require_columns(head, [column], f"Its fields are {name_some(map(_bare, fields), most=12)}.")
    return column


def draw_numbers(
    values: np.ndarray, groups: Groups, name: str, title: str | None, subtitle: str, along: str = ""
) -> style.Chart:
    """Draw numbers as a histogram, or as a box for each group."""
    axis, middle = make_number_axis(values), format_number(float(np.median(values)))
    more: dict[str, Any] = {"title": title or f"The median of {name} is {middle}", "subtitle": subtitle}
    if groups.column is not None:
        groups = groups.drop_empty()
        drawn = boxes(values, groups, style.SKY)
        return style.make_figure(drawn, names=groups.describe(), xaxis=axis.layout(name), **more)
    edges = [f"{edge:,.4g}" for edge in axis.edges]
    spans = None if _are_whole(values) else [*map(" to ".join, pairwise(edges))]
    figure = draw_spread(axis, values, style.SKY, format_number, spans=spans, xaxis=axis.layout(name), **more)
    told = {"along": along, "bars": [*range(len(edges) - 1)]} if along else None
    return style.follow(figure, f"Values of {name}", "bins", [told])


def make_number_axis(values: np.ndarray) -> Axis:
    """Choose bins for numbers that may be no whole ones."""
    if _are_whole(values):
        return make_axis(values, _BINS)
    low, high = values.min(), values.max()
    pad = 0.03 * (high - low) or abs(low) or 1.0
    edges = np.linspace(low, high if high > low else low + pad, _BINS + 1)
    return Axis(edges, False, low - pad, high + pad)


def _are_whole(values: np.ndarray) -> bool:
    return bool((np.abs(values) < 1e15).all() and (values == np.floor(values)).all())
