"""Which line answers which record: the ids that were sent, laid beside the lines that came back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.families import normalise_stop_reason
from bbkit.outputs.files import FileMeta, SentBatch
from bbkit.outputs.lines import UNMATCHED_SCHEMA
from bbkit.outputs.sent_ids import IdSlice, number_known

_RANKS = {"stop": 0, "tool_use": 1, "length": 3, "content_filter": 4}
_OTHER_RANK, _OUTCOME_RANKS = 2, {"errored": 5, "pending": 6, "missing": 7}


def match_lines(
    lines: pa.Table, ids: IdSlice, files: Sequence[FileMeta], batches: Sequence[SentBatch]
) -> tuple[pa.Table, pa.Table]:
    """Give every record that was sent its row, in sent order, with ``is_best``; beside it unmatched lines."""
    attempts = number_known([meta.attempt for meta in (*files, *(batch.meta for batch in batches))])
    submissions = number_known([meta.submission for meta in files])
    width = int(attempts.max(initial=0)) + 1
    file = lines["file"].to_numpy()
    position = pc.index_in(lines["record_id"], value_set=ids.ids, skip_nulls=True).fill_null(-1).to_numpy()
    key = position.astype(np.int64) * width + attempts[file]
    member_key = ids.position * width + attempts[len(files) + ids.batch]
    sent = (position >= 0) & np.isin(key, member_key)

    rows = np.flatnonzero(sent)
    succeeded = lines["succeeded"].to_numpy()
    rows = rows[np.lexsort((rows, ~succeeded[rows], submissions[file[rows]], key[rows]))]
    submission, same = submissions[file[rows]], np.zeros(len(rows), bool)
    same[1:] = (key[rows][1:] == key[rows][:-1]) & (submission[1:] == submission[:-1])
    kept = rows[~same]
    absent = np.flatnonzero(~np.isin(member_key, key[kept]))

    order = np.argsort(np.concatenate([key[kept], member_key[absent]]), kind="stable")
    record = np.concatenate([position[kept], ids.position[absent]])[order]
    meta = np.concatenate([file[kept], len(files) + ids.batch[absent]])[order]
    line = np.concatenate([kept, np.full(len(absent), -1)])[order]
    table = _rows(lines, line, ids.ids.take(pa.array(record)), meta, files, batches)
    table = table.append_column("is_best", pa.array(_best(table, record)))
    return table, _unmatched(lines, position, sent, rows[same])


def label_lines(lines: pa.Table, files: Sequence[FileMeta]) -> pa.Table:
    """Make every record line a row, for outputs of which nobody knows what was sent."""
    every = np.arange(len(lines))
    table = _rows(lines, every, lines["record_id"].combine_chunks(), lines["file"].to_numpy(), files, ())
    return table.append_column("is_best", pa.array(np.ones(len(lines), bool)))


def _rows(
    lines: pa.Table,
    line: np.ndarray,
    record_ids: pa.Array,
    meta: np.ndarray,
    files: Sequence[FileMeta],
    batches: Sequence[SentBatch],
) -> pa.Table:
    """Put rows together: `line` is -1 where none came, `meta` numbers files, then batches."""
    taken = lines
    if len(line) != len(lines) or (line != np.arange(len(lines))).any():
        taken = lines.take(pa.array(line, pa.int64(), mask=line < 0))
    every = [*files, *(batch.meta for batch in batches)] or [FileMeta()]
    columns: dict[str, Any] = {}
    for name, values in zip(FileMeta._fields, zip(*every, strict=True), strict=True):
        kind = pa.int64() if name in ("attempt", "submission") else pa.large_string()
        columns[name] = pa.array(values, kind).take(pa.array(meta, pa.int32()))
    outcomes = pa.array(["succeeded", "errored", *(batch.absent for batch in batches)], pa.large_string())
    number = np.where(taken["succeeded"].fill_null(True).to_numpy(), 0, 1)
    number[line < 0] = meta[line < 0] - len(files) + 2
    columns["record_id"] = record_ids
    columns["outcome"] = outcomes.take(pa.array(number, pa.int32()))
    columns["stop_reason"] = _stop_reasons(taken["stop_reason_raw"])
    hidden = ("record_id", "succeeded", "file", "offset", "head")
    return pa.table(columns | {name: taken[name] for name in taken.column_names if name not in hidden})


def _stop_reasons(raw: pa.ChunkedArray) -> pa.Array:
    encoded = raw.combine_chunks().dictionary_encode()
    words = [normalise_stop_reason(word) for word in encoded.dictionary.to_pylist()]
    return pa.array(words, pa.large_string()).take(encoded.indices)


def _best(table: pa.Table, record: np.ndarray) -> np.ndarray:
    """Mark one row per record: stop, tool_use, others, length, content_filter, errored, pending, missing."""
    encoded = table["stop_reason"].combine_chunks().dictionary_encode()
    ranks = [_RANKS.get(word, _OTHER_RANK) for word in encoded.dictionary.to_pylist()]
    number = encoded.indices.fill_null(len(ranks)).to_numpy(zero_copy_only=False)
    rank = np.array([*ranks, _OTHER_RANK])[number]
    for outcome, worse in _OUTCOME_RANKS.items():
        rank[pc.equal(table["outcome"], outcome).to_numpy()] = worse
    order = np.lexsort((-np.arange(len(record)), rank, record))
    best = np.zeros(len(record), bool)
    if len(order):
        best[order[np.concatenate([[True], record[order][1:] != record[order][:-1]])]] = True
    return best


def _unmatched(lines: pa.Table, position: np.ndarray, sent: np.ndarray, duplicates: np.ndarray) -> pa.Table:
    reason = np.full(len(lines), None, object)
    reason[~sent] = "unexpected: record_id was not sent"
    reason[(position >= 0) & ~sent] = "unexpected: record_id was not sent in this attempt"
    reason[lines["record_id"].is_null().to_numpy()] = "unexpected: no recordId"
    reason[duplicates] = "duplicate: another line answers this record"
    unmatched = np.sort(np.concatenate([np.flatnonzero(~sent), duplicates]))
    some = lines.take(pa.array(unmatched, pa.int64()))
    heads = some["head"] if "head" in some.column_names else pa.nulls(len(some), pa.large_string())
    columns = [some["file"], some["offset"], pa.array(reason[unmatched], pa.large_string()), heads]
    return pa.table(columns, schema=UNMATCHED_SCHEMA)
