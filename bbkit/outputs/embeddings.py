"""Embeddings compared: as one matrix, which records are near-duplicates, and which are nearest to one."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd

from bbkit.core.datasets import count_rows, head_of, take_rows
from bbkit.core.errors import InputError, validate_number
from bbkit.core.frames import TEXT, Table
from bbkit.core.text import count_noun, one_line
from bbkit.core.vectors import NO_VECTOR, VECTORS, direct, iter_vectors

_BLOCK = 1_024
_KEY = ["record_key"]
_SCREEN, _GRAIN = 1e-4, 5e-13
"""How far off a similarity may be in single precision, and in double."""


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
    by_length = _gather(outputs) or {0: (np.empty((0, 0), np.float32), pd.DataFrame(columns=_KEY))}
    _require_length([*by_length])
    ((vectors, rows),) = by_length.values()
    return pd.DataFrame(vectors, pd.Index(rows["record_key"], TEXT), copy=False)


def _gather(outputs: Any) -> dict[int, tuple[np.ndarray, pd.DataFrame]]:
    """The vectors of each length, and the rows that have them."""
    found = dict[int, tuple[np.ndarray, pd.DataFrame]]()
    for rows, vectors in iter_vectors(outputs, _KEY):
        shape = count_rows(outputs), vectors.shape[1]  # what stays empty takes no memory
        room, before = found.get(shape[1]) or (np.empty(shape, np.float32), rows[:0])
        room[len(before) : len(before) + len(rows)] = vectors
        found[shape[1]] = room, pd.concat([before, rows])
    return {length: (room[: len(rows)], rows) for length, (room, rows) in found.items()}


def _require_length(lengths: Sequence[int]) -> None:
    if len(lengths) > 1:
        found = f"Vectors of {lengths[0]:,} and of {lengths[1]:,} numbers cannot be compared."
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
        One row per pair, the nearest first: ``record_id, other_id`` (by ``record_key``, the one sent earlier
        first), ``similarity``, and ``row, other_row``, their places from 1; ``.attrs["unlisted"]`` counts
        those beyond `most`. All of one length are compared, to 1e-12, in
        the matrix and 0.2 GB: seconds for 20,000 records, four times as long for twice as many.
    """
    what = "It is a cosine similarity, 0 to 1, such as 0.95."
    validate_number(threshold, "threshold", least=0, most=1, what=what)
    validate_number(most, "most", least=1, whole=True, what="It is how many pairs are listed, at least 1.")
    threshold, keys, pairs, total = float(threshold), pd.Series(dtype=TEXT), np.empty((3, 0)), 0
    for vectors, rows in _gather(outputs).values():
        keys, places = pd.concat([keys, rows["record_key"]]), rows.index.to_numpy()
        for low, right in combinations_with_replacement(range(0, len(vectors), _BLOCK), 2):
            left, other = (direct(vectors[at : at + _BLOCK]) for at in (low, right))
            maybe = left.astype(np.float32) @ other.astype(np.float32).T >= threshold - _SCREEN
            first, second = np.nonzero(np.triu(maybe, 1) if right == low else maybe)
            exact = (left @ other.T)[first, second] if len(first) else np.empty(0)
            found = np.array([places[first + low], places[second + right], exact.round(12)])
            found = found[:, exact >= threshold - _GRAIN]
            total += found.shape[1]
            pairs = np.hstack([pairs, found])
            if pairs.shape[1] > most:
                pairs = pairs[:, np.argpartition(-pairs[2], most)[:most]]
    pairs = pairs[:, np.lexsort((pairs[1], pairs[0], -pairs[2]))]
    first, second = pairs[:2].astype(int)
    table = Table({"record_id": keys[first].array, "other_id": keys[second].array})
    table = table.assign(similarity=np.minimum(pairs[2], 1.0), row=first + 1, other_row=second + 1)
    table.attrs["unlisted"] = total - len(table)
    none = f"No two of {count_noun(len(keys), 'embedding')} are as near as {threshold:g}."
    table.attrs["empty"] = none if len(keys) else NO_VECTOR
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
        The nearest first: rows of `outputs` without their embeddings, with their ``similarity``, a cosine (in
        place of a column of that name). A record is not near itself; vectors of another length are left out.
    """
    validate_number(n, "n", least=1, whole=True, what="It is how many records to give, at least 1.")
    asked, vector = _find_vector(outputs, to)
    aim = direct(vector[np.newaxis])[0]
    if not np.isfinite(aim).all():
        raise InputError("The vector is zero or not finite: nothing is near it. Pass another.")
    best, lengths = pd.Series(dtype=np.float64), set[int]()
    for rows, vectors in iter_vectors(outputs, _KEY):
        lengths.add(vectors.shape[1])
        if vectors.shape[1] == len(aim):
            near = pd.Series(direct(vectors) @ aim, rows.index).drop(asked, errors="ignore")
            best = pd.concat([best, near]).nlargest(n)
    if len(aim) not in lengths:
        _require_length([len(aim), *lengths])
    shown = [name for name in head_of(outputs) if name not in (VECTORS, "similarity")]
    given = take_rows(outputs, best.index, shown).loc[best.index]
    given.insert(1, "similarity", np.minimum(best.round(12), 1.0))
    return Table(given)


def _find_vector(outputs: Any, to: Any) -> tuple[int, np.ndarray]:
    """The place of the first record of a key, and its vector; or -1 and the vector that is given."""
    if isinstance(to, str):
        for rows, vectors in iter_vectors(outputs, _KEY):
            if (same := rows["record_key"].eq(to).fillna(False).to_numpy(bool)).any():
                return rows.index[same][0], vectors[same][0]
        raise InputError(f"No record {to!r} has an embedding. Pass another record_key, or a vector.")
    vector = np.empty((0, 0))
    with suppress(TypeError, ValueError):  # such as lists of several lengths
        vector = np.asarray(to)
    if vector.ndim != 1 or vector.dtype.kind not in "iuf":
        found = f"to is {one_line(repr(to), 80)}."
        raise InputError(f"{found} It is a record_key, which is a text, or a vector, a list of numbers.")
    return -1, vector.astype(np.float32)
