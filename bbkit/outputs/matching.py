"""Which line answers which record: the ids that were sent, laid beside the lines that came back."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.families import normalise_stop_reason
from bbkit.lines.layout import UNMATCHED_SCHEMA
from bbkit.outputs.files import FileMeta, SentBatch
from bbkit.outputs.sent_ids import OPEN, IdSlice, SharedIds, number_known

_RANKS = {"stop": 0, "tool_use": 1, "length": 3, "content_filter": 4}
PAID_COLUMNS = ["record_id", "outcome", "model_id", "family", "tier", "attempt", "job_arn", "input_tokens"]
PAID_COLUMNS += ["output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"]
"""What is kept of lines that are no rows: they cost, too."""

_VALID_RANK, _OTHER_RANK, _OUTCOME_RANKS = -1, 2, {"errored": 5, "pending": 6, "missing": 7}


def match_lines(
    lines: pa.Table,
    ids: IdSlice,
    files: Sequence[FileMeta],
    batches: Sequence[SentBatch],
    shared: SharedIds | None = None,
    find_valid: Callable[[pa.Table], np.ndarray] | None = None,
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Give every record its row, in sent order, with ``is_best`` and its place; unmatched lines, twice."""
    attempts = number_known([meta.attempt for meta in (*files, *(batch.meta for batch in batches))])
    submissions = number_known([meta.submission for meta in files])
    width = int(attempts.max(initial=0)) + 1
    file = lines["file"].to_numpy()
    position = pc.index_in(lines["record_id"], value_set=ids.ids, skip_nulls=True).fill_null(-1).to_numpy()
    placed = lines["position"].to_numpy() if "position" in lines.column_names else np.full(len(lines), -1)
    position = np.where(placed >= 0, placed - ids.low, position)
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
    keys = own = ids.ids.take(pa.array(record))
    if shared:
        echoed = lines["record_id"].combine_chunks().take(pa.array(line, pa.int64(), mask=line < 0))
        own = pc.coalesce(shared.bare_ids(keys), echoed)
    table = _rows(lines, line, own, keys, meta, files, batches)
    table = table.append_column("is_best", pa.array(_best(table, record, find_valid)))
    table = table.append_column("position", pa.array(record + ids.low, pa.int64()))
    stray = np.sort(np.concatenate([np.flatnonzero(~sent), rows[same]]))
    reason = np.full(len(lines), "unexpected: record_id was not sent", object)
    reason[position >= 0] = "unexpected: record_id was not sent in this attempt"
    reason[lines["record_id"].is_null().to_numpy()] = "unexpected: no recordId"
    reason[placed == OPEN] = "ambiguous: neither recordId nor modelInput tells which record this answers"
    reason[rows[same]] = "duplicate: another line answers this record"
    return table, *_unmatched(lines, stray, reason[stray], files)


def label_lines(lines: pa.Table, files: Sequence[FileMeta]) -> pa.Table:
    """Make every record line a row, for outputs of which nobody knows what was sent."""
    every, ids = np.arange(len(lines)), lines["record_id"].combine_chunks()
    table = _rows(lines, every, ids, ids, lines["file"].to_numpy(), files, ())
    table = table.append_column("is_best", pa.array(np.ones(len(lines), bool)))
    return table.append_column("position", pa.nulls(len(lines), pa.int64()))


def _rows(
    lines: pa.Table,
    line: np.ndarray,
    record_ids: pa.Array,
    keys: pa.Array,
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
    columns |= {"record_id": record_ids, "record_key": keys}
    columns["outcome"] = outcomes.take(pa.array(number, pa.int32()))
    columns["stop_reason"] = _stop_reasons(taken["stop_reason_raw"])
    hidden = ("record_id", "succeeded", "file", "offset", "head", "position")
    return pa.table(columns | {name: taken[name] for name in taken.column_names if name not in hidden})


def _stop_reasons(raw: pa.ChunkedArray) -> pa.Array:
    encoded = raw.combine_chunks().dictionary_encode()
    words = [normalise_stop_reason(word) for word in encoded.dictionary.to_pylist()]
    return pa.array(words, pa.large_string()).take(encoded.indices)


def _best(
    table: pa.Table, record: np.ndarray, find_valid: Callable[[pa.Table], np.ndarray] | None
) -> np.ndarray:
    """Mark one row per record: the latest valid answer where a schema tells, else the best by its rank."""
    encoded = table["stop_reason"].combine_chunks().dictionary_encode()
    ranks = [_RANKS.get(word, _OTHER_RANK) for word in encoded.dictionary.to_pylist()]
    number = encoded.indices.fill_null(len(ranks)).to_numpy(zero_copy_only=False)
    rank = np.array([*ranks, _OTHER_RANK])[number]
    for outcome, worse in _OUTCOME_RANKS.items():
        rank[pc.equal(table["outcome"], outcome).to_numpy()] = worse
    same = record[1:] == record[:-1]
    if find_valid is not None and same.any():
        # Rows of a record follow each other; one alone is best whatever it holds, and is not read.
        several = np.flatnonzero(np.append(same, False) | np.append(False, same)[: len(record)])
        rank[several[find_valid(table.take(pa.array(several)))]] = _VALID_RANK
    order = np.lexsort((-np.arange(len(record)), rank, record))
    best = np.zeros(len(record), bool)
    if len(order):
        best[order[np.concatenate([[True], record[order][1:] != record[order][:-1]])]] = True
    return best


def _unmatched(
    lines: pa.Table, stray: np.ndarray, reason: np.ndarray, files: Sequence[FileMeta]
) -> tuple[pa.Table, pa.Table]:
    """Describe lines that are no rows; beside it rows of them, since they were paid for, too."""
    some = lines.take(pa.array(stray, pa.int64()))
    heads = some["head"] if "head" in some.column_names else pa.nulls(len(some), pa.large_string())
    columns = [some["file"], some["offset"], pa.array(reason, pa.large_string()), heads]
    ids, file = some["record_id"].combine_chunks(), some["file"].to_numpy()
    paid = _rows(some, np.arange(len(some)), ids, pa.nulls(len(some), ids.type), file, files, ())
    return pa.table(columns, schema=UNMATCHED_SCHEMA), paid.select(PAID_COLUMNS)
