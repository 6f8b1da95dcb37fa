"""Answers of outputs by a schema: `parse_answers`, for a frame at once, for a data set batch by batch."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bbkit.answers import read_schema
from bbkit.answers.columns import VERDICT_COLUMNS, join_answers, tabulate_answers
from bbkit.answers.reading import AnswerReader
from bbkit.core.datasets import as_rows, frame_of, head_of, is_dataset, iter_frames
from bbkit.core.errors import InputError
from bbkit.core.frames import FIELD, TEXT, Collected, require_columns
from bbkit.core.text import count_noun
from bbkit.lines.layout import write_arguments
from bbkit.outputs.files import FileMeta, Group, OutputFile
from bbkit.outputs.matching import label_lines
from bbkit.outputs.readers import Reader
from bbkit.outputs.workers import Workers

_NEEDS = ["outcome", "text", "stop_reason"]
_SIDES = ["model_input", "model_output"]
_SAME = ["source_file", "record_id", "text", "stop_reason_raw", "input_tokens", "output_tokens"]
"""What a row and its line have in common."""


def parse_answers(outputs: Any, schema: Any = None) -> Any:
    """Read answers by a schema: whether each can be used, or why not, and a typed column for each field.

    Nothing is repaired: an answer is valid when exactly one JSON object in it fits the schema, be it the
    arguments of the tool that was asked for, the whole text, in code fences, or in prose.

    Parameters
    ----------
    outputs : pandas.DataFrame or Accounting
        What `collect_outputs` returned, also ``into=`` a folder.
    schema : mapping, str, Path or class, optional
        What an answer should be, in any form that `build_records` takes; that of the run where none is given.

    Returns
    -------
    pandas.DataFrame or data set
        The same rows in the same order, with these columns appended. ``validity``: ``valid``, or why the
        answer cannot be used (``refused, empty, no_json, malformed, duplicate_key, off_schema, several,
        cut_off``); NA where the record did not succeed. ``answer_form``: how the JSON stood (``as_is, fenced,
        in_prose, tool_call``). ``answer_error``: of off_schema the place and the word of the schema, such as
        ``items[2].price: type``, else a short word. ``answer.<field>``: Int64, Float64, boolean or string;
        objects, arrays and unions are JSON text, and so is a column of integers with one beyond 64 bits.

    Raises
    ------
    bbkit.core.errors.InputError
        There is no schema, it is none, or tools were called whose arguments are neither in a column nor in
        a file that can be read again.
    """
    require_columns(head_of(outputs), _NEEDS, "Pass what collect_outputs returned.")
    collected = Collected.of(outputs)
    document = collected.schema if schema is None else read_schema(schema)
    if document is None:
        raise InputError(
            "These outputs have no schema: their run was made without one. Pass schema=, such as "
            "{'queue': ['bank', 'telecom'], 'reason': str}, or give it to Run.create."
        )
    reader, collected = AnswerReader(document), msgspec.structs.replace(collected, schema=document)
    if is_dataset(outputs):
        return _AnsweredRows(as_rows(outputs), reader, collected)
    kept = [name for name in outputs if name not in VERDICT_COLUMNS and not str(name).startswith(FIELD)]
    answers = outputs[kept].copy()
    rows = outputs[_NEEDS].assign(arguments=_find_arguments(outputs, collected))
    parsed = join_answers([tabulate_answers(reader, some) for some in iter_frames(rows)])
    for name, column in frame_of(parsed).items():
        answers[name] = column.array
    return collected.attach(answers)


class _AnsweredRows:
    """Rows of a data set with their answers, which are read whenever one of their columns is asked for."""

    def __init__(self, rows: Any, reader: AnswerReader, collected: Collected):
        self.rows, self.reader, self.part = rows, reader, rows
        self.collected = msgspec.structs.replace(collected, paths={})  # files are not read batch by batch
        self.as_text: set[str] = set()
        kinds = self._read(head_of(rows)).schema
        if pa.int64() in kinds.types:  # which hold an integer beyond 64 bits is known when all were read
            for some in iter_frames(rows, self._needs()):
                self.as_text |= {field.name for field in self._read(some).schema if field not in kinds}
            kinds = self._read(head_of(rows)).schema
        own = [field for field in rows.schema if field.name not in kinds.names]
        self.schema = collected.describe(pa.schema([*own, *kinds]))

    def get_fragments(self) -> Iterator["_AnsweredRows"]:
        """Give the parts, as they are read one after another."""
        for part in self.rows.get_fragments():
            answered = copy(self)
            answered.part = part
            yield answered

    def count_rows(self) -> int:
        """Count the rows."""
        return int(self.part.count_rows())

    def to_batches(
        self, columns: Sequence[str] | None = None, schema: Any = None, **options: Any
    ) -> Iterator[pa.RecordBatch]:
        """Give some columns, batch by batch; the parts of a data set are told its schema."""
        if schema is not None:
            options["schema"] = self.rows.schema
        names = list(self.schema.names if columns is None else columns)
        own = [name for name in names if name in self.rows.schema.names]
        if own == names:
            yield from self.part.to_batches(columns=names, **options)
            return
        needed = list(dict.fromkeys([*own, *self._needs()]))
        for batch in self.part.to_batches(columns=needed, **options):
            table = pa.Table.from_batches([batch])
            answers = self._read(frame_of(table))
            both = {name: (answers if name in answers.column_names else table)[name] for name in names}
            yield from pa.table(both).to_batches()

    def _needs(self) -> list[str]:
        names = self.rows.schema.names
        read = {*_NEEDS, *(["arguments"] if "arguments" in names else [*_SIDES, "source_file"])}
        return [name for name in names if name in read]

    def _read(self, rows: pd.DataFrame) -> pa.Table:
        return tabulate_answers(
            self.reader, rows.assign(arguments=_find_arguments(rows, self.collected)), self.as_text
        )


def _find_arguments(rows: pd.DataFrame, collected: Collected) -> Any:
    """The arguments of the tool that the line of each row asked for, as JSON text; NA: none was called."""
    if "arguments" in rows:
        return rows["arguments"]
    if set(_SIDES) <= {*rows.columns}:
        sides = zip(*(rows[name].astype(TEXT).fillna("null") for name in _SIDES), strict=True)
        return pd.array([write_arguments(*map(str.encode, pair)) for pair in sides], TEXT)
    is_collected = bool(collected.numbers)
    doubtful = rows["stop_reason"].eq("tool_use").fillna(False)
    if is_collected or "source_file" in rows:  # what was made by hand is as it stands
        doubtful |= rows["text"].fillna("").eq("")
    doubtful &= rows["outcome"].eq("succeeded").fillna(False)
    if (is_collected and "called" not in collected.remarks) or not doubtful.any():
        return pd.NA
    found = _read_again(rows, collected.paths)
    if found is None:
        raise InputError(
            f"{count_noun(int(doubtful.sum()), 'answer')} ended to call a tool or without a text, and the "
            "arguments of calls are neither in a column nor in a file at hand. "
            "Pass with_columns=['arguments'] to collect_outputs."
        )
    return found


def _read_again(rows: pd.DataFrame, paths: Mapping[str, str]) -> Any:
    """Read arguments in the files of rows; None where one is not there, or does not tell its lines apart."""
    if not {*_SAME, "model_id"} <= {*rows.columns}:
        return None
    models = rows.groupby("source_file")["model_id"].first()
    metas = (FileMeta(None if pd.isna(model) else model, source_file=name) for name, model in models.items())
    files = [OutputFile(paths.get(str(meta.source_file), ""), 0, meta) for meta in metas]
    if not files or not all(Path(file.path).is_file() or not file.is_local for file in files):
        return None
    reader = Reader(Group(files), ("arguments",), Workers(0))
    lines = label_lines(pa.concat_tables(reader.tables()), reader.meta)
    found = frame_of(lines.filter(pc.equal(lines["outcome"], "succeeded")), [*_SAME, "arguments"])
    found = found.drop_duplicates()
    merged = rows.merge(found, how="left", on=_SAME, indicator=True)
    is_there = merged["_merge"].eq("both") | merged["outcome"].ne("succeeded").fillna(True)
    return merged["arguments"].array if is_there.all() and not found.duplicated(_SAME).any() else None
