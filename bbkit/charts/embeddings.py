"""Charts of embeddings: how long the vectors are, and a map of them by their principal components."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from bbkit.charts import style
from bbkit.charts.axes import rounded
from bbkit.charts.groups import Groups, group_rows, read_groups
from bbkit.charts.tokens import COUNTS, draw_counts
from bbkit.charts.validity import draw_numbers
from bbkit.core.datasets import take_rows
from bbkit.core.errors import ExtraError, validate_number
from bbkit.core.text import count_noun, format_number
from bbkit.core.vectors import NO_VECTOR, VECTORS, iter_vectors, measure

_MOST_MARKS, _CELLS, _MOST_NUMBERS, _MOST_VALUE, _SEED = 1_000, 60, 8_192, 1e15, 0
_SYMBOLS = ("circle", "square", "diamond", "cross", "x", "triangle-up", "star")
_GREYS = [[0, "#e4e4e4"], [0.02, "#cfcfcf"], [0.15, "#a8a8a8"], [1, "#6b6b6b"]]


def embedding_norms(outputs: Any, *, by: str | None = None, title: str | None = None) -> go.Figure:
    """Draw how long embeddings are, as vectors: their Euclidean norms.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        What `bbkit.collect_outputs` returned ``with_columns=["embedding"]``, or its data set.
    by, title
        As in `outcomes`, whose errors it has, too; `by` draws a box for each group.

    Returns
    -------
    plotly.graph_objects.Figure
        A histogram, or a sentence where all are the same, as those of a model that normalises: 1.
    """
    norms, places = _compute(outputs, measure)
    if not len(norms):
        return style.empty_figure(title or "Norms of the embeddings", NO_VECTOR)
    norms = np.array(rounded(norms, 4))  # more digits would be those of single precision
    _, groups = read_groups(outputs, by, ["outcome"])
    zero, middle = int((norms == 0).sum()), format_number(float(np.median(norms)))
    said = f"Norm, n = {count_noun(len(norms), 'embedding')}"
    said += f"; {zero:,} of them 0, without a direction" * (zero > 0)
    if np.ptp(norms) == 0:
        return style.empty_figure(title or f"All embeddings have the norm {middle}", f"{said}.")
    return draw_numbers(norms, groups.take(places), "norm", title or f"The median norm is {middle}", said)


def _compute(outputs: Any, make: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What is made of each vector, and the position of its row."""
    parts = [(make(vectors), rows.index.to_numpy()) for rows, vectors in iter_vectors(outputs)]
    made, places = zip(*parts, strict=True) if parts else ([np.empty(0)], [np.empty(0, int)])
    return np.concatenate(made), np.concatenate(places)


def embedding_map(
    outputs: Any, *, by: str | None = None, clusters: int = 0, title: str | None = None
) -> go.Figure:
    """Draw embeddings as a map: by the two principal components, along which they vary most.

    Parameters
    ----------
    outputs, by, title
        As in `embedding_norms`; `by` colours the marks.
    clusters : int
        Colour by so many clusters of the marks (k-means) instead; an ExtraError without scikit-learn.

    Returns
    -------
    plotly.graph_objects.Figure
        A mark for each record, known by its row as in the table of records; above 1,000, a seeded sample of
        so many before a density of all. The title says how much of the variance is seen. A data set is read
        twice, in batches: a million of 1,024 numbers take 0.35 GB, and a minute of CPU.
    """
    plane = _find_plane(outputs)
    if isinstance(plane, str):
        return style.empty_figure(title or "Map of the embeddings", plane)
    middle, axes, shares = plane
    points, places = _compute(outputs, lambda vectors: (vectors - middle) @ axes)
    _, groups = read_groups(outputs, by, ["outcome"])
    count = len(points)
    chosen = np.sort(np.random.default_rng(_SEED).choice(count, min(count, _MOST_MARKS), replace=False))
    groups = _cluster(outputs, places[chosen], clusters) if clusters else groups.take(places[chosen])
    marked, rows = points[chosen], places[chosen] + 1
    drawn = [_draw_marks(marked[part], rows[part], groups, code) for code, part in groups.split()]
    said = f"Map, n = {count_noun(count, 'embedding')} of {len(middle):,} numbers"
    if count > len(chosen):
        said += f"; {len(chosen):,} are marked, cells count all"
        edges = [np.histogram_bin_edges(along, _CELLS) for along in points.T]
        drawn.insert(0, draw_counts(points, edges, "%{z:,} records<extra></extra>"))
    names = [f"component {place} ({style.percent(share, 1)})" for place, share in enumerate(shares, 1)]
    return style.make_figure(
        drawn,
        title=title or f"Two components show {style.percent(sum(shares), 1)} of how the embeddings vary",
        subtitle=said,
        height=460,
        legend=groups.column is not None,
        xaxis=style.style_axis(names[0]),
        yaxis=style.style_axis(names[1]),
        coloraxis={"colorscale": _GREYS, "colorbar": COUNTS},
    )


def _find_plane(outputs: Any) -> tuple[np.ndarray, np.ndarray, list[float]] | str:
    """Find the middle, two principal components, by a covariance that is added up, and their shares."""
    size, count = 0, 0
    for _, vectors in iter_vectors(outputs):
        if not size:
            size, shift = vectors.shape[1], vectors[:1]
            if not 2 <= size <= _MOST_NUMBERS:
                return f"It takes 2 to {_MOST_NUMBERS:,} numbers; embeddings have {size:,}."
            total, products = np.zeros(size), np.zeros((size, size))
        if vectors.shape[1] != size:
            return f"Embeddings of {size:,} and of {vectors.shape[1]:,} numbers have no map in common."
        if max(vectors.max(), -vectors.min()) > _MOST_VALUE:
            return f"Embeddings of numbers beyond {_MOST_VALUE:g} have no map."
        apart = vectors - shift  # squares of what is near 0 keep their digits
        total += apart.sum(axis=0, dtype=np.float64)
        products += apart.T @ apart
        count += len(apart)
    if not count:
        return NO_VECTOR
    mean = total / count
    variance, axes = np.linalg.eigh(products / count - np.outer(mean, mean))
    if variance[-1] <= 1e-12 * np.square(shift).sum():
        return f"{count_noun(count, 'embedding')}: no two differ."
    axes = axes[:, :-3:-1]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), [0, 1]])
    shares = variance[:-3:-1] / variance.sum()
    return (shift[0] + mean).astype(np.float32), axes.astype(np.float32), shares.tolist()


def _cluster(outputs: Any, places: np.ndarray, clusters: int) -> Groups:
    what = f"It is how many clusters the marks are parted into, 2 to {len(places):,}."
    validate_number(clusters, "clusters", least=2, most=len(places), whole=True, what=what)
    if find_spec("sklearn") is None:
        raise ExtraError(f"clusters={clusters} needs scikit-learn. Type: pip install scikit-learn")
    from sklearn.cluster import KMeans

    _, vectors = next(iter_vectors(take_rows(outputs, places, [VECTORS])))
    found = KMeans(clusters, n_init=4, random_state=_SEED).fit_predict(vectors)
    return group_rows(pd.DataFrame({"cluster": found + 1}), "cluster")


def _draw_marks(points: np.ndarray, rows: np.ndarray, groups: Groups, code: int) -> go.Scatter:
    colour = groups.colours[code] if groups.column else style.BLUE
    return go.Scatter(
        name=groups.legends[code],
        x=rounded(points[:, 0], 4),
        y=rounded(points[:, 1], 4),
        mode="markers",
        marker={"color": colour, "symbol": _SYMBOLS[code % len(_SYMBOLS)], "size": 6, "opacity": 0.75},
        customdata=rows.tolist(),
        meta=[groups.hovers[code]],
        hovertemplate="row %{customdata:,}<extra>%{meta[0]}</extra>",
    )
