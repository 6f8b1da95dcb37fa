"""Vectors of rows, read batch by batch: those of a data set need not fit into memory."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbkit.core.datasets import head_of, iter_frames
from bbkit.core.errors import InputError
from bbkit.core.frames import is_absent, require_columns

VECTORS = "embedding"
NO_VECTOR = "No record has an embedding. A line of several vectors counts as none."
_REMEDY = "Pass what collect_outputs(..., with_columns=['embedding']) returned."


def iter_vectors(outputs: Any, names: Sequence[str] = ()) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
    """Give rows that have a vector of finite numbers, by position, and these, float32, each length apart."""
    require_columns(head_of(outputs), [VECTORS], _REMEDY)
    low = 0
    for frame in iter_frames(outputs, [VECTORS, *names]):
        cells = frame[VECTORS].to_numpy()
        kept = frame[[*names]].set_axis(range(low, low := low + len(cells)))
        try:
            lengths = np.array([0 if is_absent(cell) else len(cell) for cell in cells], np.int64)
            for length in np.unique(lengths[lengths > 0]).tolist():
                rows = np.flatnonzero(lengths == length)
                vectors = np.stack([np.asarray(cell, np.float32) for cell in cells[rows]])
                if vectors.ndim != 2:
                    raise ValueError(f"{vectors.ndim - 1} lists deep")
                if not (finite := np.isfinite(vectors).all(axis=1)).all():
                    rows, vectors = rows[finite], vectors[finite]
                if len(rows):
                    yield kept.iloc[rows], vectors
        except (TypeError, ValueError) as error:
            raise InputError(f"Column {VECTORS!r} holds no lists of numbers ({error}). {_REMEDY}") from error


def measure(vectors: np.ndarray) -> np.ndarray:
    """The Euclidean norm of each, float64."""
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)))


def direct(vectors: np.ndarray) -> np.ndarray:
    """The same vectors with norm 1, float64; NaN where they are zero and have no direction."""
    norms = measure(vectors)[:, np.newaxis]
    return np.asarray(vectors / np.where(norms > 0, norms, np.nan))


def weigh_vectors(outputs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Of each row whether it has a vector, its norm (NaN: not known), and a hash that equal ones share."""
    norms, hashes = np.full(len(outputs), np.nan), np.zeros(len(outputs), np.int64)
    for rows, vectors in iter_vectors(outputs):
        norms[rows.index] = measure(vectors)
        hashes[rows.index] = [hash(vector.tobytes()) for vector in vectors]
    return {"embedded": outputs[VECTORS].notna().to_numpy(bool), "norm": norms, "vector": hashes}
