"""Which line answers which record: the ids that were sent, laid beside the lines that came back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.families import normalise_stop_reason
from bbkit.output_lines import STRAY_SCHEMA

_CHUNK = 65_536
_RANKS = {"stop": 0, "tool_use": 1, "length": 3, "content_filter": 4}
_OTHER_RANK, _ERRORED_RANK, _PENDING_RANK, _MISSING_RANK = 2, 5, 6, 7
FACTS = ("model_id", "tier", "attempt", "submission", "job_arn", "source_file")


@dataclass(frozen=True)
class Facts:
    """What is known of every line of one output file, or of every record of one record file."""

    model_id: str | None = None
    tier: str | None = "batch"
    attempt: int | None = None
    submission: int | None = None
    job_arn: str | None = None
    source_file: str | None = None


@dataclass(frozen=True)
class Segment:
    """Ids that were sent together, in sent order, and what became of those that no line answers.

    `ids` gives a fresh iterator each time; None stands for a record sent without an id.
    """

    ids: Callable[[], Iterator[str | None]]
    facts: Facts = Facts()
    absent: str = "missing"


@dataclass
class Settled:
    """Rows in sent order, columns of the tidy frame and ``is_best``, and the lines that are none of them."""

    table: pa.Table
    strays: pa.Table


def hash_ids(ids: pa.Array) -> np.ndarray:
    """Hash ids to 64 bits each."""
    return pd.util.hash_array(ids.to_numpy(zero_copy_only=False), categorize=False)


class SentIds:
    """The ids of some segments by position: distinct ids counted in the order in which they first occur.

    Parameters
    ----------
    segments : sequence of Segment
        Where the ids come from.
    hashed : bool
        Keep 64-bit hashes instead of the ids, and read the ids again where they are needed.

    Attributes
    ----------
    distinct, repeated, unnamed : int
        How many ids there are; how many were sent more than once within one attempt; how many records were
        sent without an id.
    """

    def __init__(self, segments: Sequence[Segment], *, hashed: bool = False):
        self.segments = segments
        self.hashed = hashed
        chunks: list[Any] = []
        lengths = []
        self.unnamed = 0
        for segment in segments:
            length = 0
            for chunk in _chunks(segment.ids()):
                length += len(chunk)
                self.unnamed += chunk.null_count
                chunks.append(hash_ids(chunk.fill_null("")) if hashed else chunk)
            lengths.append(length)
        self._segment = np.repeat(np.arange(len(segments), dtype=np.int32), lengths)
        if hashed:
            self._place_hashes(np.concatenate(chunks) if chunks else np.empty(0, np.uint64))
        else:
            self._place_ids(pa.chunked_array(chunks, pa.large_string()))
        self._drop_repeats()

    def _place_ids(self, ids: pa.ChunkedArray) -> None:
        encoded = ids.combine_chunks().fill_null("").dictionary_encode()
        self._ids = encoded.dictionary
        self._position = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        self.distinct = len(self._ids)

    def _place_hashes(self, hashes: np.ndarray) -> None:
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
        self._position = (np.cumsum(is_first) - 1)[owner]
        values, counts = np.unique(hashes[entries[first]], return_counts=True)
        self._collided = values[counts > 1]
        collided = np.flatnonzero(np.isin(hashes[entries[first]], self._collided))
        self._exact = {
            ids.dictionary[int(index)].as_py(): int(self._position[entries[first[index]]])
            for index in collided
        }
        self._hashes, self._sorter = ordered, sorter

    def _read_entries(self, entries: np.ndarray) -> pa.Array:
        """Read the ids at these ordered places of all that were sent."""
        done = 0
        found = [pa.array([], pa.large_string())]
        for chunk in self._all_chunks() if len(entries) else ():
            low, high = np.searchsorted(entries, [done, done + len(chunk)])
            found.append(chunk.take(pa.array(entries[low:high] - done)))
            done += len(chunk)
        return pa.concat_arrays(found)

    def _all_chunks(self) -> Iterator[pa.Array]:
        for segment in self.segments:
            for chunk in _chunks(segment.ids()):
                yield chunk.fill_null("")

    def _drop_repeats(self) -> None:
        """Keep one entry per id and attempt, in the order of positions."""
        codes = _codes([segment.facts.attempt for segment in self.segments])
        key = self._position * (int(codes.max(initial=0)) + 1) + codes[self._segment]
        _, entries = np.unique(key, return_index=True)
        self.repeated = len(key) - len(entries)
        self.member_position = self._position[entries]
        self.member_segment = self._segment[entries]

    def locate(self, record_ids: pa.Array) -> np.ndarray:
        """Find the position of each id by its hash, -1 where none was sent; `settle` confirms it."""
        found = np.full(len(record_ids), -1, np.int64)
        if not len(self._hashes) or not len(record_ids):
            return found
        hashes = hash_ids(record_ids.fill_null(""))
        at = np.searchsorted(self._hashes, hashes).clip(max=len(self._hashes) - 1)
        hit = (self._hashes[at] == hashes) & ~record_ids.is_null().to_numpy(zero_copy_only=False)
        found[hit] = self._position[self._sorter[at[hit]]]
        for index in np.flatnonzero(hit & np.isin(hashes, self._collided)):
            found[index] = self._exact.get(record_ids[int(index)].as_py(), -1)
        return found

    def slices(self, rows: int) -> Iterator[tuple[int, pa.Array]]:
        """Read the distinct ids again, `rows` positions at a time: first position, ids (none at all once)."""
        if not self.distinct:
            yield 0, pa.array([], pa.large_string())
            return
        if not self.hashed:
            for low in range(0, self.distinct, rows):
                yield low, self._ids[low : low + rows]
            return
        waiting: list[pa.Array] = []
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
        if newest + 1 > low:
            yield low, pa.concat_arrays(waiting)


def _chunks(ids: Iterator[str | None]) -> Iterator[pa.Array]:
    while listed := list(islice(ids, _CHUNK)):
        yield pa.array(listed, pa.large_string())


def _codes(values: Sequence[int | None]) -> np.ndarray:
    """Number attempts (or submissions) in order, unknown ones before all."""
    known = sorted({-1 if value is None else value for value in values})
    return np.array([known.index(-1 if value is None else value) for value in values], np.int64)


def settle(
    lines: pa.Table,
    ids: pa.Array,
    *,
    files: Sequence[Facts],
    segments: Sequence[Segment],
    member_position: np.ndarray,
    member_segment: np.ndarray,
) -> Settled:
    """Give every record that was sent its row, and name the lines that are no row.

    Parameters
    ----------
    lines : pyarrow.Table
        Record lines in file then line order, columns `LINE_COLUMNS` and ``file`` (number within `files`).
    ids : pyarrow.Array
        Distinct ids, in sent order.
    files, segments : sequence of Facts, of Segment
        What is known of the lines, and of the ids.
    member_position, member_segment : numpy.ndarray
        One item per id and attempt: its place in `ids` and its number in `segments`.

    Returns
    -------
    Settled
        One row per id, attempt and submission that brought a line; one for an id of which no line came in an
        attempt. In sent order, then by attempt and submission.
    """
    attempts = _codes([item.attempt for item in (*files, *(segment.facts for segment in segments))])
    submissions = _codes([item.submission for item in files])
    width = int(attempts.max(initial=0)) + 1
    file = lines["file"].to_numpy()
    position = pc.index_in(lines["record_id"], value_set=ids, skip_nulls=True).fill_null(-1).to_numpy()
    key = position.astype(np.int64) * width + attempts[file]
    member_key = member_position * width + attempts[len(files) + member_segment]
    sent = (position >= 0) & np.isin(key, member_key)

    rows = np.flatnonzero(sent)
    succeeded = lines["succeeded"].to_numpy()
    rows = rows[np.lexsort((rows, ~succeeded[rows], submissions[file[rows]], key[rows]))]
    same = np.zeros(len(rows), bool)
    same[1:] = (key[rows][1:] == key[rows][:-1]) & (
        submissions[file[rows]][1:] == submissions[file[rows]][:-1]
    )
    kept = rows[~same]
    absent = np.flatnonzero(~np.isin(member_key, key[kept]))

    order = np.argsort(np.concatenate([key[kept], member_key[absent]]), kind="stable")
    place = np.concatenate([position[kept], member_position[absent]])[order]
    fact = np.concatenate([file[kept], len(files) + member_segment[absent]])[order]
    line = np.concatenate([kept, np.full(len(absent), -1)])[order]
    table = _rows(lines, line, ids.take(pa.array(place)), fact=fact, files=files, segments=segments)
    table = table.append_column("is_best", pa.array(_best(table, place)))
    return Settled(table, _strays(lines, position, sent, rows[same]))


def label_lines(lines: pa.Table, files: Sequence[Facts]) -> pa.Table:
    """Make every record line a row, for outputs of which nobody knows what was sent."""
    every = np.arange(len(lines))
    fact = lines["file"].to_numpy()
    table = _rows(lines, every, lines["record_id"].combine_chunks(), fact=fact, files=files, segments=())
    return table.append_column("is_best", pa.array(np.ones(len(lines), bool)))


def _rows(
    lines: pa.Table,
    line: np.ndarray,
    record_ids: pa.Array,
    *,
    fact: np.ndarray,
    files: Sequence[Facts],
    segments: Sequence[Segment],
) -> pa.Table:
    """Put rows together: `line` is -1 where none came, `fact` numbers files, then segments."""
    taken = lines
    if len(line) != len(lines) or (line != np.arange(len(lines))).any():
        taken = lines.take(pa.array(line, pa.int64(), mask=line < 0))
    every = [*files, *(segment.facts for segment in segments)]
    facts = pa.array(fact, pa.int32())
    columns = {name: pa.array([getattr(item, name) for item in every], _fact_type(name)) for name in FACTS}
    absent = [segment.absent for segment in segments]
    outcomes = pa.array(["succeeded", "errored", *absent], pa.large_string())
    number = np.where(taken["succeeded"].fill_null(True).to_numpy(), 0, 1)
    number[line < 0] = fact[line < 0] - len(files) + 2
    labelled = {name: column.take(facts) for name, column in columns.items()}
    labelled["record_id"] = record_ids
    labelled["outcome"] = outcomes.take(pa.array(number, pa.int32()))
    labelled["stop_reason"] = _stop_reasons(taken["stop_reason_raw"])
    for name in taken.column_names:
        if name not in ("record_id", "succeeded", "file", "offset", "head"):
            labelled[name] = taken[name]
    return pa.table(labelled)


def _fact_type(name: str) -> pa.DataType:
    return pa.int64() if name in ("attempt", "submission") else pa.large_string()


def _stop_reasons(raw: pa.ChunkedArray) -> pa.Array:
    encoded = raw.combine_chunks().dictionary_encode()
    words = [normalise_stop_reason(word) for word in encoded.dictionary.to_pylist()]
    return pa.array(words, pa.large_string()).take(encoded.indices)


def _best(table: pa.Table, place: np.ndarray) -> np.ndarray:
    """Mark one row per place: stop, tool_use, others, length, content_filter, errored, pending, missing."""
    encoded = table["stop_reason"].combine_chunks().dictionary_encode()
    ranks = [_RANKS.get(word, _OTHER_RANK) for word in encoded.dictionary.to_pylist()]
    number = encoded.indices.fill_null(len(ranks)).to_numpy(zero_copy_only=False)
    rank = np.array([*ranks, _OTHER_RANK])[number]
    for outcome, worse in (
        ("errored", _ERRORED_RANK),
        ("pending", _PENDING_RANK),
        ("missing", _MISSING_RANK),
    ):
        rank[pc.equal(table["outcome"], outcome).to_numpy()] = worse
    later = -np.arange(len(place))
    order = np.lexsort((later, rank, place))
    best = np.zeros(len(place), bool)
    if len(order):
        best[order[np.concatenate([[True], place[order][1:] != place[order][:-1]])]] = True
    return best


def _strays(lines: pa.Table, position: np.ndarray, sent: np.ndarray, duplicates: np.ndarray) -> pa.Table:
    reason = np.full(len(lines), None, object)
    reason[~sent] = "unexpected: record_id was not sent"
    reason[(position >= 0) & ~sent] = "unexpected: record_id was not sent in this attempt"
    reason[lines["record_id"].is_null().to_numpy()] = "unexpected: no recordId"
    reason[duplicates] = "duplicate: another line answers this record"
    stray = np.sort(np.concatenate([np.flatnonzero(~sent), duplicates]))
    some = lines.take(pa.array(stray, pa.int64()))
    heads = some["head"] if "head" in some.column_names else pa.nulls(len(some), pa.large_string())
    columns = [some["file"], some["offset"], pa.array(reason[stray], pa.large_string()), heads]
    return pa.table(columns, schema=STRAY_SCHEMA)
