"""The ids that were sent, by position: kept whole, or as 64-bit hashes where there are millions.

Of records that share an id or have none, a line finds its own by the body it echoes, equal ones by count.
Bodies are compared as JSON, by 64-bit hashes of id and body, so that they need not be kept.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice, repeat
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.core.text import count_noun
from bbkit.outputs.files import FileMeta, SentBatch
from bbkit.records import number_ids
from bbkit.records.lines import encode_body, plain_json

_CHUNK = 65_536
_UNTOLD = (
    ", and which of them each line answers is not known without their bodies, so they are in the order of "
    "their lines: pass the input files as sent="
)
_BODIES_AT_ONCE = 16_384
OPEN = -2
"""The position of a line whose record only what other lines answer can tell."""


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


class SharedIds:
    """Pairs of a shared id and a body, each with the positions of its records, and how many were answered.

    Of the lines of a pair, those that succeeded take its records from the first on and the others from the
    last: beyond their count one that succeeded meets one that did not, and wins.
    """

    def __init__(self, sent: SentIds):
        batches = sent.batches
        ids, numbers = sent.list_entries()
        attempts = [batches[number].meta.attempt for number in numbers]
        keys, self._mark = number_ids(zip(attempts, ids, strict=True))
        self._slots: dict[Any, int] = {}
        slots = np.array(
            [
                -1 if key == own else self._slots.setdefault((attempt, own), len(self._slots))
                for attempt, own, key in zip(attempts, ids, keys, strict=True)
            ]
        )
        waiting, lengths = iter(keys), np.bincount(numbers, minlength=len(batches)).tolist()
        parts = [partial(iter, [*islice(waiting, length)]) for length in lengths]
        del ids, numbers, attempts
        self.sent = SentIds(
            [batch._replace(ids=part) for batch, part in zip(batches, parts, strict=True)], hashed=True
        )
        self._knows_bodies = all(batch.records for batch in batches)
        shared = np.flatnonzero(slots >= 0)
        raw, plain = self._hash_sent(batches, slots)
        order = np.argsort(plain, kind="stable")
        self._pairs, self._first, self._count = np.unique(plain[order], return_index=True, return_counts=True)
        self._raw, spelled = np.unique(raw, return_index=True)
        self._raw_pair = np.searchsorted(self._pairs, plain[spelled])
        self._position = self.sent.locate(
            pa.array([keys[entry] for entry in shared[order]], pa.large_string())
        )
        self._slot = slots[shared[order][self._first]]
        self._attempt = np.array([attempt for attempt, _ in self._slots], object)[self._slot]
        self._is_unnamed = np.array([not own for _, own in self._slots])[self._slot]
        self._answered: dict[Any, np.ndarray] = defaultdict(lambda: np.zeros((2, len(self._pairs)), np.int64))
        self._open: dict[Any, np.ndarray] = defaultdict(lambda: np.zeros(len(self._slots), np.int64))

    def _hash_sent(self, batches: Sequence[SentBatch], slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hash the bodies of records that share an id, as they were written and as JSON."""
        reads = [batch.records for batch in batches if batch.records]
        bodies = (body for read in reads for _, body in read()) if self._knows_bodies else repeat(b"")
        hashes = []
        for low in range(0, len(slots), _BODIES_AT_ONCE):
            some = slots[low : low + _BODIES_AT_ONCE]
            given = (body for slot, body in zip(some.tolist(), bodies, strict=False) if slot >= 0)
            texts = [body if isinstance(body, str | bytes) else encode_body(body) for body in given]
            hashes.append([_hash_texts(each, some[some >= 0]) for each in (texts, map(plain_json, texts))])
        raw, plain = zip(*hashes, strict=True)
        return np.concatenate(raw), np.concatenate(plain)

    def describe(self) -> Iterator[str]:
        """Say how many records share ids, or have none."""
        named = ~self._is_unnamed
        if records := int(self._count[named].sum()):
            ids = count_noun(len(np.unique(self._slot[named])), "id")
            untold = "" if self._knows_bodies else _UNTOLD
            yield f"{count_noun(records, 'record')} shared {ids}{untold}"
        if records := int(self._count[~named].sum()):
            yield f"{count_noun(records, 'record', 'were')} sent without a recordId"

    def bare_ids(self, keys: pa.Array) -> pa.Array:
        """The ids of keys; null where a record was sent without one."""
        ids = pc.replace_substring_regex(keys, f"{self._mark}\\d+$", "")
        return pc.if_else(pc.equal(ids, ""), None, ids)

    @property
    def is_blind(self) -> bool:
        """Whether no line echoes a body that was sent without an id, and some have ids nobody sent."""
        unnamed = np.unique(self._slot[self._is_unnamed])
        answered = sum(counts[:, self._is_unnamed].sum() for counts in self._answered.values())
        return not answered and any(counts[unnamed].any() for counts in self._open.values())

    def place(self, lines: pa.Table, meta: FileMeta) -> pa.Table:
        """Add the ``position`` of the record each line of one file answers; -1 is none."""
        ids, unnamed = lines["record_id"].to_pylist(), self._slots.get((meta.attempt, ""), -1)
        position = self.sent.locate(lines["record_id"].combine_chunks())
        slots = np.array([self._slots.get((meta.attempt, own), unnamed) for own in ids], np.int64)
        rows = np.flatnonzero((position < 0) & (slots >= 0))
        slots, some = slots[rows], lines.select(["model_input", "succeeded"]).take(pa.array(rows))
        bodies = some["model_input"].to_numpy() if self._knows_bodies else [b""] * len(rows)
        at = _find_sorted(self._raw, _hash_texts(bodies, slots))
        pair = np.where(at < 0, -1, self._raw_pair[at])
        # What is spelled as it was sent is not read.
        if len(odd := np.flatnonzero(at < 0)):
            plain = [plain_json(bodies[row]) for row in odd]
            pair[odd] = _find_sorted(self._pairs, _hash_texts(plain, slots[odd]))
        answered = self._answered[meta.attempt, meta.submission]
        position[rows], succeeded = OPEN, some["succeeded"].to_numpy()
        for side, chosen in enumerate((succeeded, ~succeeded)):
            own, at = pair[chosen & (pair >= 0)], rows[chosen & (pair >= 0)]
            number = (answered[side][own] + _count_within(own)) % self._count[own]
            number = self._count[own] - 1 - number if side else number
            position[at] = self._position[self._first[own] + number]
            answered[side] += np.bincount(own, minlength=len(self._pairs))
        still_open = self._open[meta.attempt, meta.submission]
        still_open += np.bincount(slots[pair < 0], minlength=len(still_open))
        return lines.append_column("position", pa.array(position))

    def settle(self, lines: pa.Table, files: Sequence[FileMeta]) -> pa.Table:
        """Once all lines are placed, give open ones what is left of their id, where it is clear which."""
        position, file = lines["position"].to_numpy().copy(), lines["file"].to_numpy()
        for number in np.unique(file[position == OPEN]).tolist():
            attempt, state = files[number].attempt, (files[number].attempt, files[number].submission)
            rows = np.flatnonzero((position == OPEN) & (file == number))
            ids = lines["record_id"].take(pa.array(rows)).to_pylist()
            slots = np.array([self._slots.get((attempt, own), -1) for own in ids], np.int64)
            free = self._count - self._answered[state].sum(axis=0)
            left = np.flatnonzero((self._attempt == attempt) & (free > 0) & ~self._is_unnamed)
            # Where one pair of the id is left, its records are alike.
            slot, first, pairs = np.unique(self._slot[left], return_index=True, return_counts=True)
            is_clear = (pairs == 1) & (free[left[first]] >= self._open[state][slot])
            at = _find_sorted(slot[is_clear], slots)
            rows, pair = rows[at >= 0], left[first][is_clear][at[at >= 0]]
            taken = self._first[pair] + self._answered[state][0][pair] + _count_within(pair)
            position[rows] = self._position[taken]
            self._answered[state][0] += np.bincount(pair, minlength=len(free))
            self._open[state] -= np.bincount(slots[at >= 0], minlength=len(self._slots))
        return lines.set_column(lines.column_names.index("position"), "position", pa.array(position))


def _hash_texts(texts: Iterable[str | bytes], slots: np.ndarray) -> np.ndarray:
    """Hash each text with its slot to 64 bits."""
    hashes: np.ndarray = pd.util.hash_array(np.array([*texts], object), categorize=False)
    hashes ^= slots.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return hashes


def _count_within(groups: np.ndarray) -> np.ndarray:
    numbers: np.ndarray = pd.Series(groups).groupby(groups).cumcount().to_numpy()
    return numbers


def _find_sorted(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Find each value among ordered ones; -1 where it is not there."""
    at = np.searchsorted(known, values).clip(max=max(len(known) - 1, 0))
    return np.where(known[at] == values, at, -1) if len(known) else np.full(len(values), -1)
