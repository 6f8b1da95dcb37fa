"""Embeddings compared: as one matrix, which records are near-duplicates, and which are nearest to one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bbkit.core.datasets import count_rows, head_of, take_rows
from bbkit.core.errors import InputError, validate_number
from bbkit.core.frames import TEXT, Table
from bbkit.core.text import count_noun
from bbkit.core.vectors import VECTORS, direct, iter_vectors

_BLOCK = 2_048
_KEY = ["record_key"]
_GRAIN = 5e-7
"""How far off a similarity in single precision may be."""


def embedding_matrix(outputs: Any) -> pd.DataFrame:
    """Put the embeddings of outputs into one matrix, as scikit-learn takes it.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        What `collect_outputs` returned ``with_columns=["embedding"]``, or its data set.

    Returns
    -------
    pandas.DataFrame
        n x d, float32; ``.to_numpy()`` is no copy. One row per record that has an embedding, in their order,
        under its ``record_key`` (the id where that is unique). It takes 4 bytes a number, 4.1 GB for a
        million of 1,024; a data set is read in batches.

    Raises
    ------
    bbkit.core.errors.InputError
        There is no column ``embedding``, it holds what are no numbers, or vectors of several lengths.
    """
    room, keys = np.empty((0, 0), np.float32), list[Any]()
    for rows, vectors in iter_vectors(outputs, _KEY):
        if not keys:  # what stays empty takes no memory
            room = np.empty((count_rows(outputs), vectors.shape[1]), np.float32)
        _require_length(vectors, room.shape[1])
        room[len(keys) : len(keys) + len(vectors)] = vectors
        keys += rows["record_key"].tolist()
    return pd.DataFrame(room[: len(keys)], pd.Index(keys, TEXT, name="record_key"), copy=False)


def _require_length(vectors: np.ndarray, length: int) -> None:
    if vectors.shape[1] != length:
        found = f"Vectors of {length:,} and of {vectors.shape[1]:,} numbers cannot be compared."
        raise InputError(f"{found} Pass those of one model, of one length.")


def near_duplicates(outputs: Any, threshold: float = 0.95, *, most: int = 10_000) -> pd.DataFrame:
    """Find the pairs of records whose embeddings are nearly alike.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        As in `embedding_matrix`, whose errors it has, too.
    threshold : float
        The least cosine similarity of a pair, 0 to 1. How near is too near differs by model: read some.
    most : int
        How many pairs are listed, the nearest; all are counted.

    Returns
    -------
    pandas.DataFrame
        One row per pair, the nearest first: ``record_id, other_id`` (by ``record_key``) and ``similarity``;
        ``.attrs["unlisted"]`` counts those beyond `most`. All are compared, in single precision (to 5e-7), in
        the matrix and 0.2 GB: seconds for 20,000 records, four times as long for twice as many.
    """
    what = "It is a cosine similarity, 0 to 1, such as 0.95."
    validate_number(threshold, "threshold", least=0, most=1, what=what)
    validate_number(most, "most", least=1, whole=True, what="It is how many pairs are listed, at least 1.")
    matrix = embedding_matrix(outputs)
    vectors, keys, pairs, total = matrix.to_numpy(), matrix.index, np.empty((3, 0)), 0
    for low in range(0, len(vectors), _BLOCK):
        block = direct(vectors[low : low + _BLOCK])
        for right in range(low, len(vectors), _BLOCK):
            products = block @ direct(vectors[right : right + _BLOCK]).T
            first, second = np.nonzero(products >= threshold - _GRAIN)
            if right == low:
                first, second = first[first < second], second[first < second]
            total += len(first)
            pairs = np.hstack([pairs, [first + low, second + right, products[first, second]]])
            if pairs.shape[1] > most:
                pairs = pairs[:, np.argpartition(-pairs[2], most)[:most]]
    pairs = pairs[:, np.lexsort((pairs[1], pairs[0], -pairs[2]))]
    first, second = pairs[:2].astype(int)
    ids = {"record_id": keys.take(first), "other_id": keys.take(second)}
    table = Table({**ids, "similarity": np.minimum(pairs[2].round(6), 1.0)})
    table.attrs["unlisted"] = total - len(table)
    table.attrs["empty"] = f"No two of {count_noun(len(keys), 'embedding')} are as near as {threshold:g}."
    return table


def nearest_records(outputs: Any, to: str | Sequence[float], *, n: int = 10) -> pd.DataFrame:
    """Find the records whose embeddings are nearest to a record's, or to a vector, such as a question's.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        As in `embedding_matrix`, whose errors it has, too; it is read in batches.
    to : str or sequence of float
        The ``record_key`` of a record with an embedding, its id where that is unique; or a vector of the same
        model, and so of that length, that is not zero.
    n : int
        How many records to give.

    Returns
    -------
    pandas.DataFrame
        The nearest first: rows of `outputs` without their embeddings, with their ``similarity``, a cosine. A
        record is not near itself.
    """
    validate_number(n, "n", least=1, whole=True, what="It is how many records to give, at least 1.")
    vector: Any = to
    if isinstance(to, str):
        same = (each[rows["record_key"].eq(to).fillna(False)] for rows, each in iter_vectors(outputs, _KEY))
        vector = next((vectors[0] for vectors in same if len(vectors)), None)
    if vector is None:
        raise InputError(f"No record {to!r} has an embedding. Pass another record_key, or a vector.")
    aim = direct(np.asarray(vector, np.float32).reshape(1, -1))[0]
    if not np.isfinite(aim).all():
        raise InputError("The vector is zero or not finite: nothing is near it. Pass another.")
    best = pd.Series(dtype=np.float32)
    for rows, vectors in iter_vectors(outputs, _KEY):
        _require_length(vectors, len(aim))
        found = pd.Series(direct(vectors) @ aim, rows.index)[rows["record_key"].ne(str(to)).fillna(True)]
        best = pd.concat([best, found]).nlargest(n)
    shown = [name for name in head_of(outputs) if name != VECTORS]
    given = take_rows(outputs, best.index, shown).loc[best.index]
    given.insert(1, "similarity", np.minimum(best.round(6), 1.0))
    return Table(given)
