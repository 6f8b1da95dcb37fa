"""Building records: one body per row, written from templates, cells and the media that cells name."""

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from bbkit.answers import NOTHING, Asking, is_given, list_fields, plan_asking, read_schema
from bbkit.core.errors import InputError, as_mapping
from bbkit.core.frames import FIELD, TEXT, no_column
from bbkit.core.text import count_noun, name_some
from bbkit.families import Family, Media, Model, Prompt, family_of, find_model, foundation_model, user_text_of
from bbkit.families.levels import DEFAULT, default_max_tokens
from bbkit.records.templates import Template, plain_values

ID_DIGITS = 11
"""As AWS's own examples have it: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html"""


def build_records(
    data: pd.DataFrame | Iterable[pd.DataFrame],
    model_id: str,
    *,
    prompt: str,
    system: str = "",
    record_id: str = "",
    max_tokens: int | None = None,
    family: str | None = None,
    model: str = "",
    invocation_type: str = "InvokeModel",
    overrides: Mapping[str, str] | str | None = None,
    media: str | Sequence[str] = (),
    null_cells: str = "error",
    schema: Any = None,
    structured: str = "auto",
    **inference: Any,
) -> Any:
    """Make one record per row: its id, and the body the model is to answer.

    ``{column}`` in `prompt` and `system` is filled from the row; ``{{`` and ``}}`` stand for braces. Braces
    inside a cell are text. A cell that is not text is written as JSON writes it, a date in ISO 8601. That all
    records come out alike, or are asked about nothing but blanks, is warned of.

    Parameters
    ----------
    data : pandas.DataFrame or iterable of pandas.DataFrame
        The rows, all at once or in chunks; records do not depend on how they are cut.
    model_id : str
        A model id, profile id or ARN.
    prompt, system : str
        Templates of the user turn and of the system text.
    record_id : str
        Column whose cells are the ids: distinct, kept as text with their zeros. ``""`` numbers the rows from
        1 with zeros in front, ``00000000001``.
    max_tokens : int, optional
        Maximum of output tokens; embeddings have none. By default 1,024, with thinking 8,192 or its budget
        and 1,024, because thoughts count towards it: a warning says so. Nova's high effort excludes one.
    family : str, optional
        The family, where neither the id nor `model` tells it.
    model : str
        The foundation model behind an id that does not tell it (an application inference profile).
    invocation_type : {"InvokeModel", "Converse"}
        Bodies of the model's own shape, or of the Converse API.
    overrides : mapping of str to str, or str, optional
        Inference parameter to the column with its value for each row, such as ``{"max_tokens": "limit"}`` or
        ``"max_tokens: limit"``. A null cell leaves the parameter as it is for all; where it takes whole
        numbers, ``50.0`` (what pandas makes of them beside nulls) is sent as ``50``.
    media : str or sequence of str
        Columns that hold a path, or a list of paths, of an image, document, video or audio, told apart by
        extension. A local file goes into the body, an ``s3://`` URI is sent as a link; null is none.
    null_cells : {"error", "empty"}
        What a null cell in a template is: an error, or empty text.
    schema : mapping, str, Path or class, optional
        What an answer should be: columns such as ``{"queue": ["bank", "telecom"], "reason": str}``, a JSON
        Schema, its path or text, a dataclass, TypedDict, ``msgspec.Struct`` or pydantic model.
    structured : {"auto", "native", "tool", "prompt"}
        How a schema is asked for: by the model's own structured output, by a tool that is forced, or in the
        prompt. ``auto`` takes the first that the model is known to take
        (https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html).
    **inference
        The family's inference parameters in snake case, such as ``temperature=0``.

    Returns
    -------
    pandas.DataFrame or iterator of pandas.DataFrame
        One row per record: ``record_id`` (string), ``model_input`` (dict). An iterator when `data` is one.

    Raises
    ------
    bbkit.core.errors.InputError
        Data that is no frame, a prompt that is no text, a column the data has not or has twice, a null cell,
        ids that repeat, a parameter the family does not take, a schema that is none or that the model
        cannot be asked for as told.
    bbkit.core.errors.FamilyError
        The family of `model_id` cannot be told, or batch inference does not offer it.
    """
    known = foundation_model(model_id, model, family)
    model_family = family_of(known, invocation_type=invocation_type, family=family)
    if not model_family.writable:
        raise InputError(
            f"Batch inference does not offer the {model_family.title} family ({model_family.source}); it can "
            "be read, not written."
        )
    if model_family.kind == "text":
        inference["max_tokens"] = _default(known, inference) if max_tokens is None else max_tokens
    asking, fields = NOTHING, list[str]()
    if is_given(schema, structured):
        document = read_schema(schema)
        asking = plan_asking(document, known, model_family, structured, inference)
        fields = list(list_fields(document))
    builder = _Builder(
        family=model_family,
        prompt=Template(prompt, "prompt"),
        system=Template(system, "system"),
        record_id=record_id,
        media=[media] if isinstance(media, str) else list(media),
        overrides=as_mapping(overrides, "overrides"),
        null_cells=null_cells,
        inference=inference,
        asking=asking,
        fields=fields,
    )
    if isinstance(data, pd.DataFrame):
        return _warn_of_one_body(builder, builder.build(data))
    if not isinstance(data, Iterable) or isinstance(data, str | bytes | Mapping | pd.Series | pd.Index):
        raise InputError(_NO_FRAME.format(type(data).__name__))
    for item in data if isinstance(data, list | tuple) else ():
        if not isinstance(item, pd.DataFrame):
            raise InputError(_NO_FRAME.format(f"{type(data).__name__} of {type(item).__name__}"))
    return map(builder.build, data)


def _default(model_id: str, inference: Mapping[str, Any]) -> int | None:
    model = find_model(model_id) or Model(model_id=model_id)
    extra = inference.get("additional_model_request_fields")
    chosen = default_max_tokens(model, {**inference, "additionalModelRequestFields": extra})
    if chosen and chosen > DEFAULT:
        warnings.warn(
            f"max_tokens is {chosen:,}: {model_id} thinks before it answers, and its thoughts count towards "
            "it. Pass max_tokens= to set it.",
            stacklevel=3,
        )
    return chosen


def _warn_of_one_body(builder: "_Builder", records: pd.DataFrame) -> pd.DataFrame:
    """Warn where all records ask the same, for every answer is paid for."""
    bodies = records["model_input"].to_list()
    if len(bodies) > 1 and all(body == bodies[0] for body in bodies):
        named = name_some(builder.prompt.columns)
        why = f"{named} holds one text in every row" if named else "the prompt names no {column}"
        warnings.warn(f"All {len(bodies):,} records ask the same: {why}. Each is paid for.", stacklevel=3)
    return records


_NO_FRAME = "data is of type {}. Give a DataFrame, such as pandas.DataFrame(rows), or an iterator of them."


@dataclass
class _Builder:
    """Builds chunk after chunk; counts the rows and knows the ids it has given."""

    family: Family
    prompt: Template
    system: Template
    record_id: str
    media: list[str]
    overrides: dict[str, str]
    null_cells: str
    inference: dict[str, Any]
    asking: Asking
    fields: list[str]
    rows: int = 0
    seen: set[str] = field(default_factory=set)

    @cached_property
    def whole_names(self) -> set[str]:
        """The inference parameters that take whole numbers."""
        waiting = [self.family.request] if self.family.request else []
        names = {"max_tokens"}
        while waiting:
            members = waiting.pop().members
            waiting += members.values()
            whole = (name for name, member in members.items() if member.kind == "integer")
            names |= {re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in whole}
        return names

    def build(self, data: pd.DataFrame) -> pd.DataFrame:
        if not isinstance(data, pd.DataFrame):
            raise InputError(_NO_FRAME.format(f"iterator of {type(data).__name__}"))
        first = self.rows + 1
        data = self._named(data)
        ids = self._ids(data, first)
        texts = self.prompt.render(data, null_cells=self.null_cells, first_row=first)
        systems = self.system.render(data, null_cells=self.null_cells, first_row=first)
        self._warn_of_blanks(data, first)
        self.rows += len(data)
        columns = {name: plain_values(data[column]) for name, column in self.overrides.items()}
        for name in self.whole_names & columns.keys():
            columns[name] = [
                int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in columns[name]
            ]
        media = [plain_values(data[name]) for name in self.media]
        bodies = np.empty(len(data), dtype=object)
        for position, (text, system) in enumerate(zip(texts, systems, strict=True)):
            own = {name: cells[position] for name, cells in columns.items() if cells[position] is not None}
            read = tuple(read_media((cells[position] for cells in media), first + position))
            prompt = Prompt(text + self.asking.text, system, read)
            bodies[position] = self.asking.write(self.family.body(prompt, **(self.inference | own)))
        return pd.DataFrame({"record_id": pd.array(ids, dtype=TEXT), "model_input": bodies})

    def _warn_of_blanks(self, data: pd.DataFrame, first: int) -> None:
        """Warn where nothing but blanks is filled into the prompt."""
        if not self.prompt.columns or self.media:
            return
        filled = Template("".join(f"{{{name}}}" for name in self.prompt.columns))
        texts = filled.render(data, null_cells="empty", first_row=first)
        if blank := [f"{row:,}" for row, text in enumerate(texts, first) if not text.strip()]:
            warnings.warn(
                f"{name_some(self.prompt.columns)} is empty in {count_noun(len(blank), 'row')} "
                f"({', '.join(blank[:3])}{', ...' if len(blank) > 3 else ''}), so the model is asked about "
                "nothing there. Leave such rows out, or look how they were read.",
                stacklevel=4,
            )

    def _named(self, data: pd.DataFrame) -> pd.DataFrame:
        """The same rows with text for every column's name; each column that is asked for is there once."""
        names = [str(name) for name in data.columns]
        asked = [*self.media, *self.overrides.values(), *([self.record_id] if self.record_id else [])]
        if absent := [name for name in asked if name not in names]:
            remedy = "record_id=, media= and overrides= name columns; record_id='' numbers the rows."
            raise no_column(absent, names, remedy, "data")
        asked += [*self.prompt.columns, *self.system.columns]
        if twice := [name for name in dict.fromkeys(asked) if names.count(name) > 1]:
            raise InputError(f"The data has more than one column {name_some(twice)}. Give each its own name.")
        if clash := [name for name in self.fields if f"{FIELD}{name}" in names]:
            raise InputError(
                f"The schema's field {clash[0]!r} becomes the column '{FIELD}{clash[0]}', which the data has "
                "already. Rename one."
            )
        return data if names == list(data.columns) else data.set_axis(names, axis=1)

    def _ids(self, data: pd.DataFrame, first: int) -> list[str]:
        if not self.record_id:
            return number_rows(len(data), first)
        values = plain_values(data[self.record_id])
        for row, value in enumerate(values, first):
            if value is None or value == "" or isinstance(value, bool) or not isinstance(value, str | int):
                remedy = "Fill the column, read it as text, or leave record_id='' to number the rows."
                found = f"Row {row:,} of column {self.record_id!r} holds {value!r}"
                raise InputError(f"{found}; a record id is a text or a whole number. {remedy}")
        ids, before = list(map(str, values)), len(self.seen)
        self.seen.update(ids)
        if len(self.seen) - before < len(ids):
            counts = pd.Series(ids).value_counts(sort=False)
            twice = counts[counts > 1]
            if twice.empty:
                raise InputError(
                    f"Column {self.record_id!r} repeats a record_id of an earlier chunk, among rows "
                    f"{first:,} to {first + len(ids) - 1:,}. Name a column with distinct values."
                )
            also = f" (also {name_some(twice.index[1:], most=1)})" if len(twice) > 1 else ""
            raise InputError(
                f"record_id {twice.index[0]!r} occurs {twice.iloc[0]:,} times{also}. "
                "Name a column with distinct values."
            )
        return ids


def number_rows(count: int, first: int = 1) -> list[str]:
    """The ids of rows that have none of their own."""
    return [f"{number:0{ID_DIGITS}d}" for number in range(first, first + count)]


_EXTENSIONS: dict[Literal["image", "document", "video", "audio"], str] = {
    "image": "png jpg jpeg gif webp",
    "document": "pdf csv doc docx xls xlsx html txt md",
    "video": "mp4 mov mkv webm flv mpeg mpg wmv three_gp 3gp",
    "audio": "mp3 wav ogg opus aac flac m4a",
}
_KINDS = {extension: kind for kind, extensions in _EXTENSIONS.items() for extension in extensions.split()}


def read_media(cells: Iterable[Any], row: int) -> Iterator[Media]:
    """Read the media that the cells of a row name, one or a list in each."""
    for cell in cells:
        paths = cell if isinstance(cell, list | tuple) else [] if cell is None else [cell]
        yield from (_read_medium(str(path), row) for path in paths)


def _read_medium(uri: str, row: int) -> Media:
    extension = uri.rpartition(".")[2].lower()
    if extension not in _KINDS:
        raise InputError(
            f"Row {row:,} names {uri!r}; its extension tells neither an image, document, video nor "
            f"audio. Known ones: {', '.join(sorted(_KINDS))}."
        )
    kind, name = _KINDS[extension], Path(uri).stem
    if uri.startswith("s3://"):
        return Media(kind, extension, s3_uri=uri, name=name)
    try:
        return Media(kind, extension, data=Path(uri).read_bytes(), name=name)
    except OSError as error:
        raise InputError(f"Row {row:,} names {uri!r}, which cannot be read: {error.strerror}.") from error


def read_prompt(model_input: Mapping[str, Any]) -> str:
    """What the model will be asked, readable: the system text, then the turns.

    Parameters
    ----------
    model_input : mapping
        A body of any family.

    Returns
    -------
    str
        The whole text that the model reads; media are left out.
    """
    return user_text_of(dict(model_input))
