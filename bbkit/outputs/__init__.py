"""Outputs: the files of batch jobs become one tidy frame with one row per record sent, and an accounting.

`sources` finds the `files`, also those of `runs` and jobs, and the ids that were sent, `readers` reads
batches of lines by the layout in `lines`, `matching` gives each record of `sent_ids` its row, `parts` keeps
rows on disk. What is no row is in the accounting (`accounts`), which travels with the frame; `exports` writes
rows for other programs.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.core.datasets import frame_of
from bbkit.core.errors import InputError
from bbkit.core.frames import OUTPUT_COLUMNS, Collected, require_columns
from bbkit.core.text import count_noun, name_some
from bbkit.lines.layout import EXTRA_COLUMNS
from bbkit.lines.reading import no_lines
from bbkit.outputs.accounts import NUMBERS, accounting as accounting
from bbkit.outputs.files import Group, shared_key
from bbkit.outputs.matching import PAID_COLUMNS, label_lines, match_lines
from bbkit.outputs.parts import (
    NO_RUN,
    UNMATCHED_FILE,
    SpilledLines,
    follows_from,
    is_remote,
    validate_place,
    write_rows,
    writing_parts,
)
from bbkit.outputs.readers import Reader
from bbkit.outputs.sent_ids import OPEN, IdSlice, SentIds, SharedIds
from bbkit.outputs.sources import Sent, Source, find_groups
from bbkit.outputs.workers import AS_SPARE, Workers

EXECUTOR_BYTES = 1_000_000_000
"""Below this many bytes of outputs an executor is left alone: starting workers costs more than they save."""

_PART_BYTES = 96_000_000
_POINT = "ids sent differ from those of lines by '.0': pandas makes numbers with a gap floats; send texts"
_LEAST_ROWS, _PART_ROWS = 1_000, 262_144
_MOST_PARTS = 512


def collect_outputs(
    source: Source,
    *,
    model_id: str = "",
    sent: Sent | None = None,
    attempts: Literal["best", "all"] = "best",
    source_columns: str | Sequence[str] | bool = (),
    with_columns: str | Sequence[str] = (),
    into: str | Path | None = None,
    executor: Executor | None = None,
) -> Any:
    """Read what came back: one row per record sent, in sent order; whatever is no row is in the accounting.

    A record goes by its ``record_key``: the recordId where that is unique, else ``id#occurrence`` in sent
    order; such records are told apart by the modelInput their lines echo. Where nobody knows what was sent,
    one row per record line, in file then line order. A line over 128 MiB is not read: its record is errored
    where the line's first or last part tells the id.

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
        One row per record, or one per record, attempt and submission that brought a line. Best is the latest
        answer that the schema of the run accepts; else one that ended by itself before one cut off, before
        one that errored.
    source_columns : str, sequence of str or bool
        Columns of the run's source table to append, as ``source.<name>``; all of them where it is True.
    with_columns : str or sequence of str
        Of ``reasoning``, ``tool_calls``, ``text_raw`` (as it came, before reasoning was taken off),
        ``model_input``, ``model_output`` (JSON text), ``arguments`` (of the tool that must be called, as they
        came: a JSON list of texts; of a run that asks for its schema by a tool they are always there) and
        ``embedding`` (array of float32; None where a line holds several vectors).
    into : path or S3 URI, optional
        A folder that becomes Parquet parts, in bounded memory, instead of a frame; or an ``s3://`` prefix,
        as a table for Athena (`table_ddl`), under the runs' KMS key, a partition each, with ``is_best`` and
        ``position`` (the order sent; NA where that is not known). What is written appears when it is whole.
        Embeddings are lists of float32, in a folder of fixed size where every row has one of one length.
    executor : concurrent.futures.Executor, optional
        Reads parts of the files side by side when there is more than 1 GB of them, such as
        ``Client.get_executor()`` of dask.distributed; on a cluster all workers must see the files. Without
        one, local files that would take over a second are read by as many processes as there are cores for
        this one (control groups count), four at most.

    Returns
    -------
    pandas.DataFrame or Accounting
        Columns `OUTPUT_COLUMNS`, then `with_columns`, then `source_columns`; with `into`, the
        accounting; it and its ``.dataset`` go into whatever takes the frame.

    Raises
    ------
    bbkit.core.errors.InputError
        If a place holds no outputs, `sent` is neither places nor ids, or a column is unknown.
    bbkit.core.errors.PlaceError
        If outputs of a run must still be fetched, and the run was made for another place.
    """
    if attempts not in ("best", "all"):
        raise InputError(f"attempts is {attempts!r}; it is 'best' or 'all'.")
    extras = _names(with_columns)
    if unknown := [name for name in extras if name not in EXTRA_COLUMNS]:
        raise InputError(f"with_columns has {name_some(unknown)}; it takes {', '.join(EXTRA_COLUMNS)}.")
    if into is not None:
        validate_place(into)
    groups = find_groups(source, model_id=model_id, sent=sent)
    if any(group.asks_by_tool for group in groups):
        extras = (*dict.fromkeys([*extras, "arguments"]),)
    files = [file for group in groups for file in group.files]
    plan = _Plan(extras, attempts == "all", _source_table(groups, source_columns), is_remote(into))
    tally = _Tally()
    given = executor if sum(file.size for file in files) > EXECUTOR_BYTES else None
    most = AS_SPARE if given is None and all(file.is_local for file in files) else 0
    with Workers(most, given) as workers:
        readers = [Reader(group, extras, workers) for group in groups]
        if into is not None:
            parts, key = _iter_parts(readers, plan, tally), shared_key(groups)
            write_rows(into, plan.schema, parts, lambda: tally.collected(readers), key)
            return accounting(into)
        frames = [plan.frame(table) for table in _iter_rows(readers, plan, tally, bounded=False)]
    frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
    _validate_source_ids(frame, plan.source)
    return tally.collected(readers).attach(frame)


def _validate_source_ids(frame: pd.DataFrame, source: pd.DataFrame | None) -> None:
    if source is None or frame.empty or source.index.isin([*frame["record_key"], *frame["record_id"]]).any():
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
    is_table: bool = False

    def frame(self, table: pa.Table) -> pd.DataFrame:
        if not self.every_attempt:
            table = table.filter(table["is_best"]) if not pc.all(table["is_best"]).as_py() else table
        own = ["is_best", "position"] if self.is_table else []
        frame = frame_of(table, [*OUTPUT_COLUMNS, *self.extras, *own])
        if self.source is not None:
            keys = frame["record_key"]
            rows = self.source.reindex(keys.where(keys.isin(self.source.index), frame["record_id"]))
            for name in self.source.columns:
                frame[name] = rows[name].array
        return frame

    @property
    def schema(self) -> pa.Schema:
        schema = pa.Schema.from_pandas(self.frame(_no_rows(self.extras)), preserve_index=False)
        if "embedding" in self.extras:
            vectors = pa.field("embedding", EXTRA_COLUMNS["embedding"])
            schema = schema.set(schema.get_field_index("embedding"), vectors)
        if self.source is None:
            return schema
        for kept in pa.Schema.from_pandas(self.source, preserve_index=False):
            # Athena knows no type of nothing.
            kind = pa.large_string() if pa.types.is_null(kept.type) else kept.type
            schema = schema.set(schema.get_field_index(kept.name), kept.with_type(kind))
        return schema


class _Tally:
    """What is counted while rows go by."""

    def __init__(self) -> None:
        self.numbers: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.remarks: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def add(self, table: pa.Table, *, every_attempt: bool) -> None:
        best = table.select(["record_id", "outcome", "stop_reason", "remarks"]).filter(table["is_best"])
        self.numbers.update(_count(best["outcome"]))
        self.numbers["cut_off"] += pc.sum(pc.equal(best["stop_reason"], "length")).as_py() or 0
        self.rows.update(_count((table if every_attempt else best)["outcome"]))
        for remarks, count in _count(best["remarks"].drop_null()).items():
            self.remarks.update(dict.fromkeys(remarks.split(), count))
            for word in set(remarks.split()) - self.examples.keys():
                first = pc.index(best["remarks"], remarks).as_py()
                self.examples[word] = best["record_id"][first].as_py() or ""

    def collected(self, readers: Sequence[Reader]) -> Collected:
        groups = [reader.group for reader in readers]
        files = [file for group in groups for file in group.files]
        unmatched = [line for reader in readers for line in reader.unmatched]
        self.numbers.update(line["reason"].partition(":")[0] for line in unmatched)
        numbers: dict[str, int | None] = {name: self.numbers[name] for name in NUMBERS}
        counts = [reader.sent.distinct for reader in readers if reader.sent is not None]
        numbers["sent"] = sum(counts) if len(counts) == len(readers) else None
        run = groups[0].run if len(groups) == 1 else None
        return Collected(
            numbers=numbers,
            rows=dict(self.rows),
            notes=[note for group in groups for note in group.notes],
            remarks=dict(self.remarks),
            examples=self.examples,
            manifests=[row for reader in readers for row in reader.compare_manifests()],
            jobs={arn: end for group in groups for arn, end in group.jobs.items()},
            unsent=[job for group in groups for job in group.unsent],
            unmatched=sorted(unmatched, key=lambda line: (line["file"], line["offset"])),
            paid=[row for reader in readers for paid in reader.paid for row in paid.to_pylist()],
            paths={file.meta.source_file: file.path for file in files if file.meta.source_file},
            sent_paths=[str(path) for group in groups for path in group.sent_paths],
            price_file=run.price_file if run else "",
            is_standin=run.endpoint.is_standin if run else False,
            schema=run.schema if run else None,
        )


def _count(values: Any) -> dict[str, int]:
    return {item["values"]: item["counts"] for item in pc.value_counts(values).to_pylist()}


def _source_table(groups: Sequence[Group], columns: str | Sequence[str] | bool) -> pd.DataFrame | None:
    if not columns:
        return None
    runs = [group.run for group in groups if group.run is not None]
    tables = [table for run in runs if (table := run.read_source()) is not None]
    if len(tables) != len(groups):
        remedy = "Run.create(source=...), or 01-prepare, keeps it."
        raise InputError(f"There is no source to take source_columns of: a run keeps none. {remedy}")
    names = [*dict.fromkeys(chain(*tables))] if columns is True else _names(columns)
    for table in tables:
        require_columns(table, names, "Name some of these.", "source")
    whole = pd.concat([table[list(names)] for table in tables])
    whole = whole[~whole.index.duplicated()]
    return whole.rename(columns={name: f"source.{name}" for name in names})


def _iter_rows(readers: Sequence[Reader], plan: _Plan, tally: _Tally, *, bounded: bool) -> Iterator[pa.Table]:
    """Rows of all attempts with ``is_best``; a run keeps them too, written anew where something new came."""
    for reader in readers:
        with _keeping_rows(reader.group) as keep:
            for table in _match_parts(reader) if bounded else [_match_whole(reader)]:
                tally.add(table, every_attempt=plan.every_attempt)
                if keep:
                    keep(frame_of(table, [*OUTPUT_COLUMNS, "is_best"]))
                yield table
            if keep and reader.paid:
                keep(frame_of(pa.concat_tables(reader.paid), PAID_COLUMNS), UNMATCHED_FILE)


def _iter_parts(readers: Sequence[Reader], plan: _Plan, tally: _Tally) -> Iterator[tuple[pd.DataFrame, str]]:
    """Rows with the partition of their run."""
    runs = [reader.group.run for reader in readers]
    for reader, run in zip(readers, runs, strict=True):
        partition = run.run_id if run else NO_RUN if any(runs) else ""
        for table in _iter_rows([reader], plan, tally, bounded=True):
            yield plan.frame(table), partition


def _keeping_rows(group: Group) -> Any:
    if group.run is None:
        return nullcontext()
    folder, origin = group.run.rows_folder(), group.describe_origin()
    if follows_from(folder, origin) or follows_from(group.run.folder / folder.name, origin):
        return nullcontext()
    rows = frame_of(_no_rows(()), [*OUTPUT_COLUMNS, "is_best"])
    return writing_parts(folder, pa.Schema.from_pandas(rows, preserve_index=False), origin)


def _no_rows(extras: tuple[str, ...]) -> pa.Table:
    return label_lines(no_lines(extras), [])


def _match_whole(reader: Reader) -> pa.Table:
    """Read everything, then give every record its row."""
    sent, shared = _read_sent_ids(reader, hashed=False)
    tables = list(_place(reader, shared))
    lines = pa.concat_tables(tables) if tables else no_lines(reader.extras)
    if sent is None or (shared and shared.is_blind):
        reader.sent = None
        return label_lines(lines, reader.meta)
    if shared and tables:
        lines = shared.settle(lines, reader.meta)
    return _match(reader, lines, next(sent.slices(max(sent.distinct, 1))), shared)


def _place(reader: Reader, shared: SharedIds | None) -> Iterator[pa.Table]:
    """Lines, with the ``position`` of their record where the body they echo must tell it."""
    if shared is None:
        yield from reader.tables()
        return
    asked, reader.extras = reader.extras, (*dict.fromkeys([*reader.extras, "model_input"]),)
    for lines in reader.tables():
        placed = shared.place(lines, reader.meta[lines["file"][0].as_py() if len(lines) else 0])
        yield placed if "model_input" in asked else placed.drop_columns("model_input")


def _match_parts(reader: Reader) -> Iterator[pa.Table]:
    """Do the same for a part of the ids at a time: lines wait on disk, sorted by the part they belong to."""
    sent, shared = _read_sent_ids(reader, hashed=True)
    if sent is None:
        for lines in reader.tables():
            yield label_lines(lines, reader.meta)
        return
    rows = _part_rows(reader.group, sent.distinct)
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="bbkit-") as folder:
        spilled = SpilledLines(folder)
        for lines in _place(reader, shared):
            if shared:
                position = lines["position"].to_numpy()
            else:
                position = sent.locate(lines["record_id"].combine_chunks())
            spilled.add(lines, np.where(position == OPEN, OPEN, position.clip(min=0) // rows))
        if shared and shared.is_blind:
            reader.forget()
            yield from (label_lines(lines, reader.meta) for lines in reader.tables())
            return
        for lines in spilled.read(OPEN):
            assert shared is not None
            settled = shared.settle(lines, reader.meta)
            spilled.add(settled, settled["position"].to_numpy().clip(min=0) // rows)
        for ids in sent.slices(rows):
            yield _match(reader, spilled.take(ids.low // rows, no_lines(reader.extras)), ids, shared)


def _match(reader: Reader, lines: pa.Table, ids: IdSlice, shared: SharedIds | None) -> pa.Table:
    run = reader.group.run
    find_valid = partial(_find_valid, run) if run and run.structured else None
    batches = reader.group.batches or ()
    table, unmatched, paid = match_lines(lines, ids, reader.meta, batches, shared, find_valid)
    reader.add_unmatched(unmatched)
    reader.paid += [paid] if len(paid) else []
    if len(paid) and ids.differ_by_point(paid["record_id"]) and _POINT not in reader.group.notes:
        reader.group.notes.append(_POINT)
    return table


def _find_valid(run: Any, rows: pa.Table) -> np.ndarray:
    """Which answers the schema of their run accepts."""
    from bbkit.answers.columns import tabulate_answers
    from bbkit.answers.reading import AnswerReader

    needed = [name for name in ("outcome", "text", "stop_reason", "arguments") if name in rows.column_names]
    answers = tabulate_answers(AnswerReader(run.schema), frame_of(rows, needed))
    valid: np.ndarray = pc.equal(answers["validity"], "valid").fill_null(False).to_numpy()
    return valid


def _part_rows(group: Group, distinct: int) -> int:
    if not distinct:
        return 1
    line_bytes = max(sum(file.size for file in group.files) // distinct, 1)
    rows = min(max(_PART_BYTES // line_bytes, _LEAST_ROWS), _PART_ROWS)
    return max(rows, -(-distinct // _MOST_PARTS))


def _read_sent_ids(reader: Reader, *, hashed: bool) -> tuple[SentIds | None, SharedIds | None]:
    """What was sent, None where not known of every record; beside it what tells those of one id apart."""
    batches, shared = reader.group.batches, None
    if batches is None:
        return None, None
    sent = SentIds(batches, hashed=hashed)
    if sent.unnamed and not all(batch.records for batch in batches):
        unnamed = count_noun(sent.unnamed, "record", "were")
        reader.group.notes.append(f"{unnamed} sent without a recordId")
        return None, None
    if sent.unnamed or sent.repeated:
        shared = SharedIds(sent)
        sent = shared.sent
        reader.group.notes += shared.describe()
    reader.sent = sent
    return sent, shared
