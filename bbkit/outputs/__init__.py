"""Outputs: files of a batch job become one tidy frame with one row per record sent, and an accounting."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.core.errors import InputError
from bbkit.core.frames import OUTPUT_COLUMNS, as_frame
from bbkit.core.text import name_some
from bbkit.outputs.accounts import STRAY_COLUMNS, STRAYS, AccountState, account, attach_state, make_state
from bbkit.outputs.accounts import accounting as accounting
from bbkit.outputs.line_readers import LinesRead
from bbkit.outputs.lines import EXTRA_COLUMNS
from bbkit.outputs.parts import PartsWriter, SpilledLines, frame_of
from bbkit.outputs.readings import Reader
from bbkit.outputs.sent_ids import Facts, SentIds
from bbkit.outputs.settlements import label_lines, settle
from bbkit.outputs.sources import Group, Sent, Source, find_groups

EXECUTOR_BYTES = 1_000_000_000
"""Below this many bytes of outputs an executor is left alone: starting workers costs more than they save."""

_PART_BYTES = 96_000_000
_LEAST_ROWS, _PART_ROWS = 1_000, 262_144
_MOST_PARTS = 512


def collect_outputs(
    source: Source,
    *,
    model_id: str = "",
    sent: Sent | None = None,
    attempts: Literal["best", "all"] = "best",
    source_columns: str | Sequence[str] = (),
    with_columns: str | Sequence[str] = (),
    into: str | Path | None = None,
    executor: Executor | None = None,
) -> Any:
    """Read what came back: one row per record sent, in sent order; whatever is no row is in the accounting.

    Where nobody knows what was sent, one row per record line, in file then line order.

    Parameters
    ----------
    source : Run, path, str or list of these
        A run or its folder (outputs that are not here yet are downloaded), any folder (every ``*.jsonl.out``
        in it, however deep), a file, an ``s3://`` prefix, a job ARN.
    model_id : str
        The model of outputs that do not say (files and folders).
    sent : path, URI, list of these, iterable of ids or DataFrame with record_id, optional
        The records that were sent, for files and folders.
    attempts : {"best", "all"}
        One row per record, or one per record, attempt and submission that brought a line.
    source_columns : str or sequence of str
        Columns of the run's source table to append, as ``source.<name>``.
    with_columns : str or sequence of str
        Of ``reasoning``, ``tool_calls``, ``model_input``, ``model_output`` (JSON text) and ``embedding``
        (array of numbers; None where a line holds several vectors).
    into : path, optional
        A folder that becomes Parquet parts, in bounded memory, instead of a frame.
    executor : concurrent.futures.Executor, optional
        Reads parts of the files side by side when there is more than 1 GB of them; on a cluster all workers
        must see the files.

    Returns
    -------
    pandas.DataFrame or Accounting
        Columns `OUTPUT_COLUMNS`, then `with_columns`, then `source_columns`; with `into`, the
        accounting, whose ``.dataset`` is a lazy handle on the parts.

    Raises
    ------
    bbkit.core.errors.InputError
        If a place holds no outputs, `sent` is neither places nor ids, or a column is unknown.
    bbkit.core.errors.PlaceError
        If outputs of a run must still be fetched, and the run was made for another place.
    """
    if attempts not in ("best", "all"):
        raise InputError(f"attempts is {attempts!r}; it is 'best' or 'all'.")
    columns, extras = _names(source_columns), _names(with_columns)
    if unknown := [name for name in extras if name not in EXTRA_COLUMNS]:
        raise InputError(f"with_columns has {name_some(unknown)}; it takes {', '.join(EXTRA_COLUMNS)}.")
    groups = find_groups(source, model_id=model_id, sent=sent)
    plan = _Plan(extras, attempts == "all", _source_table(groups, columns))
    if into is not None:
        with PartsWriter(Path(into), plan.schema) as parts:
            state = _collect(groups, plan, parts.write, executor, bounded=True)
        return account(state, Path(into))
    frames: list[pd.DataFrame] = []
    state = _collect(groups, plan, frames.append, executor, bounded=False)
    frame = frames[0] if len(frames) == 1 else pd.concat(frames or [plan.empty_frame()], ignore_index=True)
    files = [file for group in groups for file in group.files]
    state.places = {file.facts.source_file: file.place for file in files if file.facts.source_file}
    runs = [group.run for group in groups if group.run is not None]
    state.sent_places = [str(file.path) for run in runs for file in run.record_files()]
    if len(runs) == len(groups) == 1:
        state.price_file, state.is_standin = runs[0].price_file, runs[0].endpoint.is_standin
    _refuse_foreign_source(frame, plan.source)
    return attach_state(frame, state)


def _refuse_foreign_source(frame: pd.DataFrame, source: pd.DataFrame | None) -> None:
    if source is None or frame.empty or source.index.isin(frame["record_id"]).any():
        return
    raise InputError(
        f"No record_id, such as {frame['record_id'].iloc[0]!r}, is in the source the run keeps; its ids are "
        f"such as {source.index[0] if len(source) else 'none'!r}. Give Run.create(source=...) the rows under "
        "the ids of their records."
    )


def _names(columns: str | Sequence[str]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(dict.fromkeys(columns))


@dataclass(frozen=True)
class _Plan:
    """What the frame is to show."""

    extras: tuple[str, ...]
    every_attempt: bool
    source: pd.DataFrame | None

    def frame(self, table: pa.Table) -> pd.DataFrame:
        if not self.every_attempt:
            table = table.filter(table["is_best"]) if not pc.all(table["is_best"]).as_py() else table
        frame = frame_of(table, [*OUTPUT_COLUMNS, *self.extras])
        if self.source is not None:
            found = self.source.reindex(frame["record_id"])
            for name in self.source.columns:
                frame[name] = found[name].array
        return frame

    def empty_frame(self) -> pd.DataFrame:
        return self.frame(_no_rows(self.extras))

    @property
    def schema(self) -> pa.Schema:
        schema = pa.Schema.from_pandas(self.empty_frame(), preserve_index=False)
        if self.source is None:
            return schema
        for field_of in pa.Schema.from_pandas(self.source, preserve_index=False):
            schema = schema.set(schema.get_field_index(field_of.name), field_of)
        return schema


@dataclass
class _Tally:
    """What is counted while rows go by."""

    numbers: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    strays: list[pd.DataFrame] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    manifests: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, dict[str, str]] = field(default_factory=dict)
    unsent: list[dict[str, Any]] = field(default_factory=list)
    known: bool = True

    def add_group(self, group: Group) -> None:
        self.notes += group.notes
        self.jobs |= group.jobs
        self.unsent += group.unsent

    def add_rows(self, table: pa.Table, *, every_attempt: bool) -> None:
        best = table.filter(table["is_best"])
        self.numbers.update(_outcomes(best))
        self.numbers["cut_off"] += pc.sum(pc.equal(best["stop_reason"], "length")).as_py() or 0
        self.rows.update(_outcomes(table if every_attempt else best))

    def state(self) -> AccountState:
        lines = pd.concat([as_frame([], STRAY_COLUMNS), *self.strays])
        lines = lines.sort_values(["file", "offset"], kind="stable", ignore_index=True)
        numbers: dict[str, int | None] = dict(self.numbers)
        for kind in STRAYS:
            numbers[kind] = int(lines["reason"].str.startswith(kind).sum())
        if not self.known:
            numbers["sent"] = None
        return make_state(
            numbers,
            rows=self.rows,
            notes=self.notes,
            manifests=self.manifests,
            lines=lines,
            jobs=self.jobs,
            unsent=self.unsent,
        )


def _outcomes(table: pa.Table) -> dict[str, int]:
    counted = pc.value_counts(table["outcome"])
    return {item["values"].as_py(): item["counts"].as_py() for item in counted}


def _source_table(groups: Sequence[Group], names: Sequence[str]) -> pd.DataFrame | None:
    if not names:
        return None
    runs = [group.run for group in groups if group.run is not None]
    tables = [run.read_source() for run in runs]
    found = [table for table in tables if table is not None]
    if len(found) != len(groups):
        raise InputError("source_columns needs runs that keep their source table (Run.create(source=...)).")
    for table in found:
        if unknown := [name for name in names if name not in table.columns]:
            raise InputError(
                f"The source has no column {name_some(unknown)}; it has {', '.join(map(str, table.columns))}."
            )
    whole = pd.concat([table[list(names)] for table in found])
    whole = whole[~whole.index.duplicated()]
    return whole.rename(columns={name: f"source.{name}" for name in names})


def _collect(
    groups: Sequence[Group], plan: _Plan, write: Any, executor: Executor | None, *, bounded: bool
) -> AccountState:
    total = sum(file.size for group in groups for file in group.files)
    tally = _Tally()
    for group in groups:
        tally.add_group(group)
        reader = Reader(group, plan.extras, executor if total > EXECUTOR_BYTES else None)
        settled = _settle_parts(group, reader, tally) if bounded else [_settle(group, reader, tally)]
        keep = None if group.run is None else group.run.folder / "outputs.parquet"
        with PartsWriter(keep, _kept_schema(), replace=True) as kept:
            for table in settled:
                tally.add_rows(table, every_attempt=plan.every_attempt)
                kept.write(frame_of(table, [*OUTPUT_COLUMNS, "is_best"]))
                write(plan.frame(table))
        tally.strays += reader.strays
        tally.manifests += reader.compare_manifests()
    return tally.state()


def _kept_schema() -> pa.Schema:
    return pa.Schema.from_pandas(frame_of(_no_rows(()), [*OUTPUT_COLUMNS, "is_best"]), preserve_index=False)


def _no_rows(extras: tuple[str, ...]) -> pa.Table:
    return label_lines(LinesRead.empty(extras), [Facts()])


def _settle(group: Group, reader: Reader, tally: _Tally) -> pa.Table:
    """Read everything, then give every record its row."""
    sent = reader.sent = _sent_ids(group, tally, hashed=False)
    tables = list(reader.tables())
    lines = pa.concat_tables(tables) if tables else LinesRead.empty(reader.extras)
    if sent is None:
        return label_lines(lines, reader.facts or [Facts()])
    _, ids = next(sent.slices(max(sent.distinct, 1)))
    settled = settle(
        lines,
        ids,
        files=reader.facts,
        segments=sent.segments,
        member_position=sent.member_position,
        member_segment=sent.member_segment,
    )
    reader.add_strays(settled.strays)
    return settled.table


def _settle_parts(group: Group, reader: Reader, tally: _Tally) -> Iterator[pa.Table]:
    """Do the same for a part of the ids at a time: lines wait on disk, sorted by the part they belong to."""
    sent = reader.sent = _sent_ids(group, tally, hashed=True)
    if sent is None:
        for lines in reader.tables():
            yield label_lines(lines, reader.facts)
        return
    rows = _part_rows(group, sent.distinct)
    with SpilledLines() as spilled:
        for lines in reader.tables():
            position = sent.locate(lines["record_id"].combine_chunks())
            spilled.add(lines, np.where(position < 0, 0, position // rows))
        for low, ids in sent.slices(rows):
            member = slice(*np.searchsorted(sent.member_position, [low, low + len(ids)]))
            settled = settle(
                spilled.take(low // rows, LinesRead.empty(reader.extras)),
                ids,
                files=reader.facts,
                segments=sent.segments,
                member_position=sent.member_position[member] - low,
                member_segment=sent.member_segment[member],
            )
            reader.add_strays(settled.strays)
            yield settled.table


def _part_rows(group: Group, distinct: int) -> int:
    if not distinct:
        return 1
    line_bytes = max(sum(file.size for file in group.files) // distinct, 1)
    rows = min(max(_PART_BYTES // line_bytes, _LEAST_ROWS), _PART_ROWS)
    return max(rows, -(-distinct // _MOST_PARTS))


def _sent_ids(group: Group, tally: _Tally, *, hashed: bool) -> SentIds | None:
    if group.segments is None:
        tally.known = False
        return None
    sent = SentIds(group.segments, hashed=hashed)
    if sent.unnamed:
        tally.known = False
        tally.notes.append(f"{_records(sent.unnamed)} sent without a recordId")
        return None
    if sent.repeated:
        tally.notes.append(f"{_records(sent.repeated)} sent under an id that was sent before")
    tally.numbers["sent"] += sent.distinct
    return sent


def _records(count: int) -> str:
    return f"{count:,} record was" if count == 1 else f"{count:,} records were"
