"""The ids that were sent, by position: kept whole, or as 64-bit hashes where there are millions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.outputs.files import SentBatch

_CHUNK = 65_536


def hash_ids(ids: pa.Array) -> np.ndarray:
    """Hash ids to 64 bits each."""
    hashes: np.ndarray = pd.util.hash_array(ids.to_numpy(zero_copy_only=False), categorize=False)
    return hashes


class IdSlice(NamedTuple):
    """Distinct ids from position `low` on, and each sending of them: position from `low` on, and batch."""

    low: int
    ids: pa.Array
    position: np.ndarray
    batch: np.ndarray

    def differ_by_point(self, others: pa.ChunkedArray) -> bool:
        """Whether some are among the others but for a ``.0`` at the end of the one or the other."""
        others = others.drop_null().combine_chunks()
        for some, rest in ((self.ids, others), (others, self.ids)):
            bare = pc.replace_substring_regex(some.filter(pc.ends_with(some, ".0")), r"\.0$", "")
            if pc.any(pc.is_in(bare, value_set=rest)).as_py():
                return True
        return False


class SentIds:
    """The ids of some batches by position: distinct ids counted in the order in which they first occur."""

    def __init__(self, batches: Sequence[SentBatch], *, hashed: bool = False):
        self.batches, self.hashed = batches, hashed
        self.unnamed = 0
        self.lengths: Counter[str | None] = Counter()
        chunks: list[Any] = []
        lengths = [0] * len(batches)
        for number, batch in enumerate(batches):
            for chunk in _chunks(batch.ids()):
                lengths[number] += len(chunk)
                self.unnamed += chunk.null_count
                chunks.append(hash_ids(chunk.fill_null("")) if hashed else chunk)
            self.lengths[batch.meta.job_arn] += lengths[number]
        self._batch = np.repeat(np.arange(len(batches), dtype=np.int32), lengths)
        if hashed:
            self._number_hashes(np.concatenate(chunks) if chunks else np.empty(0, np.uint64))
        else:
            self._number_ids(pa.chunked_array(chunks, pa.large_string()))
        self._drop_repeats()

    def _number_ids(self, ids: pa.ChunkedArray) -> None:
        encoded = ids.combine_chunks().fill_null("").dictionary_encode()
        self._ids = encoded.dictionary
        self._position = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        self.distinct = len(self._ids)

    def _number_hashes(self, hashes: np.ndarray) -> None:
        sorter = np.argsort(hashes, kind="stable")
        ordered = hashes[sorter]
        same = ordered[1:] == ordered[:-1]
        twice = np.zeros(len(hashes), bool)
        twice[sorter[1:][same]] = True
        twice[sorter[:-1][same]] = True
        owner = np.arange(len(hashes))
        entries = np.flatnonzero(twice)
        ids = self._read_entries(entries).dictionary_encode()
        code = ids.indices.to_numpy(zero_copy_only=False)
        _, first = np.unique(code, return_index=True)
        owner[entries] = entries[first[code]]
        is_first = owner == np.arange(len(hashes))
        self.distinct = int(is_first.sum())
        # Half as wide as numpy's own: there are millions of them.
        number = np.int32 if len(hashes) < 1 << 31 else np.int64
        self._position = (np.cumsum(is_first) - 1)[owner].astype(number)
        values, counts = np.unique(hashes[entries[first]], return_counts=True)
        self._collided = values[counts > 1]
        collided = np.flatnonzero(np.isin(hashes[entries[first]], self._collided))
        self._exact = {
            ids.dictionary[int(index)].as_py(): int(self._position[entries[first[index]]])
            for index in collided
        }
        self._hashes, self._sorter = ordered, sorter.astype(number)

    def _read_entries(self, entries: np.ndarray) -> pa.Array:
        """Read the ids at these ordered entries of all that were sent."""
        done = 0
        ids = [pa.array([], pa.large_string())]
        for chunk in self._all_chunks() if len(entries) else ():
            low, high = np.searchsorted(entries, [done, done + len(chunk)])
            ids.append(chunk.take(pa.array(entries[low:high] - done)))
            done += len(chunk)
        return pa.concat_arrays(ids)

    def _all_chunks(self) -> Iterator[pa.Array]:
        for batch in self.batches:
            for chunk in _chunks(batch.ids()):
                yield chunk.fill_null("")

    def _drop_repeats(self) -> None:
        """Keep one entry per id and attempt, in the order of positions."""
        codes = number_known([batch.meta.attempt for batch in self.batches])
        key = self._position * np.int64(codes.max(initial=0) + 1) + codes[self._batch]
        self._sent_position, self._sent_batch = self._position, self._batch
        if (key[1:] <= key[:-1]).any():
            _, entries = np.unique(key, return_index=True)
            self._sent_position, self._sent_batch = self._position[entries], self._batch[entries]
        self.repeated = len(key) - len(self._sent_position)

    def list_entries(self) -> tuple[list[str], list[int]]:
        """The id of every record, empty where it has none, in sent order, and the number of its batch."""
        if self.hashed:
            ids = [own for chunk in self._all_chunks() for own in chunk.to_pylist()]
        else:
            distinct = self._ids.to_pylist()
            ids = [distinct[position] for position in self._position.tolist()]
        return ids, self._batch.tolist()

    def locate(self, record_ids: pa.Array) -> np.ndarray:
        """Find the position of each id by its hash, -1 where none was sent; `match_lines` confirms it."""
        position = np.full(len(record_ids), -1, np.int64)
        if not len(self._hashes) or not len(record_ids):
            return position
        hashes = hash_ids(record_ids.fill_null(""))
        at = np.searchsorted(self._hashes, hashes).clip(max=len(self._hashes) - 1)
        hit = (self._hashes[at] == hashes) & ~record_ids.is_null().to_numpy(zero_copy_only=False)
        position[hit] = self._position[self._sorter[at[hit]]]
        for index in np.flatnonzero(hit & np.isin(hashes, self._collided)):
            position[index] = self._exact.get(record_ids[int(index)].as_py(), -1)
        return position

    def slices(self, rows: int) -> Iterator[IdSlice]:
        """Read the distinct ids again, `rows` positions at a time; none at all is one slice."""
        for low, ids in self._slice_ids(rows):
            ends = np.array([low, low + len(ids)], self._sent_position.dtype)
            sent = slice(*np.searchsorted(self._sent_position, ends))
            position = self._sent_position[sent].astype(np.int64) - low
            yield IdSlice(low, ids, position, self._sent_batch[sent])

    def _slice_ids(self, rows: int) -> Iterator[tuple[int, pa.Array]]:
        if not self.hashed:
            for low in range(0, max(self.distinct, 1), rows):
                yield low, self._ids[low : low + rows]
            return
        waiting = [pa.array([], pa.large_string())]
        done = low = 0
        newest = -1
        for chunk in self._all_chunks():
            positions = self._position[done : done + len(chunk)]
            done += len(chunk)
            before = np.maximum.accumulate(np.concatenate([[newest], positions]))
            newest = int(before[-1])
            waiting.append(chunk.filter(pa.array(positions > before[:-1])))
            while newest + 1 - low >= rows:
                ids = pa.concat_arrays(waiting)
                yield low, ids[:rows]
                waiting = [ids[rows:]]
                low += rows
        if newest + 1 > low or not self.distinct:
            yield low, pa.concat_arrays(waiting)


def _chunks(ids: Iterator[str | None]) -> Iterator[pa.Array]:
    while listed := list(islice(ids, _CHUNK)):
        yield pa.array(listed, pa.large_string())


def number_known(values: Sequence[int | None]) -> np.ndarray:
    """Number attempts (or submissions) in order, unknown ones before all."""
    known = sorted({-1 if value is None else value for value in values})
    return np.array([known.index(-1 if value is None else value) for value in values], np.int64)
