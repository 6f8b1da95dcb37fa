"""Which line answers which record: the ids that were sent, laid beside the lines that came back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.families import normalise_stop_reason
from bbkit.outputs.lines import STRAY_SCHEMA
from bbkit.outputs.sent_ids import FACTS, Facts, Segment, number_known

_RANKS = {"stop": 0, "tool_use": 1, "length": 3, "content_filter": 4}
_OTHER_RANK, _ERRORED_RANK, _PENDING_RANK, _MISSING_RANK = 2, 5, 6, 7


@dataclass
class Settled:
    """Rows in sent order, columns of the tidy frame and ``is_best``, and the lines that are none of them."""

    table: pa.Table
    strays: pa.Table


def settle(
    lines: pa.Table,
    ids: pa.Array,
    *,
    files: Sequence[Facts],
    segments: Sequence[Segment],
    member_position: np.ndarray,
    member_segment: np.ndarray,
) -> Settled:
    """Give every record that was sent its row, and name the lines that are no row."""
    attempts = number_known([item.attempt for item in (*files, *(segment.facts for segment in segments))])
    submissions = number_known([item.submission for item in files])
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
