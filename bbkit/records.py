"""Records: built from rows and a template, written as lines, read back from files that anyone made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bbkit.errors import InputError, name_some
from bbkit.families import Family, Media, Prompt, family_of, user_text_of
from bbkit.lines import Records, input_line, iter_lines, iter_record_ids, read_records, record_files
from bbkit.splitting import plan_split
from bbkit.spools import PlannedFile, Spool, split_spool, spool_lines, write_split
from bbkit.templates import Template, plain_values
from bbkit.tokens import TokenEstimate, estimate_tokens

__all__ = [
    "PlannedFile",
    "Records",
    "Spool",
    "TokenEstimate",
    "build_records",
    "estimate_tokens",
    "id_texts",
    "input_line",
    "iter_lines",
    "iter_record_ids",
    "number_rows",
    "plan_split",
    "read_prompt",
    "read_records",
    "record_files",
    "split_spool",
    "spool_lines",
    "write_split",
]

ID_DIGITS = 11
"""As AWS's own examples have it: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html"""

_MEDIA = {
    "image": "png jpg jpeg gif webp",
    "document": "pdf csv doc docx xls xlsx html txt md",
    "video": "mp4 mov mkv webm flv mpeg mpg wmv three_gp 3gp",
    "audio": "mp3 wav ogg opus aac flac m4a",
}
_KIND = {extension: kind for kind, extensions in _MEDIA.items() for extension in extensions.split()}
_FORMAT = {"jpg": "jpeg", "3gp": "three_gp"}


def build_records(
    data: pd.DataFrame | Iterable[pd.DataFrame],
    model_id: str,
    *,
    prompt: str,
    system: str = "",
    record_id: str = "",
    max_tokens: int = 1024,
    family: str | None = None,
    invocation_type: str = "InvokeModel",
    overrides: Mapping[str, str] | None = None,
    media: str | Sequence[str] = (),
    null_cells: str = "error",
    **inference: Any,
) -> Any:
    """Make one record per row: its id, and the body the model is to answer.

    ``{column}`` in `prompt` and `system` is filled from the row; ``{{`` and ``}}`` stand for braces. Braces
    inside a cell are text. A cell that is not text is written as JSON writes it, a date in ISO 8601.

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
    max_tokens : int
        Maximum of output tokens; embeddings have none.
    family : str, optional
        The family, where the id does not tell it.
    invocation_type : {"InvokeModel", "Converse"}
        Bodies of the model's own shape, or of the Converse API.
    overrides : mapping of str to str, optional
        Inference parameter to the column with its value for each row, such as ``{"max_tokens": "limit"}``. A
        null cell leaves the parameter as it is for all.
    media : str or sequence of str
        Columns that hold a path, or a list of paths, of an image, document, video or audio, told apart by
        extension. A local file goes into the body, an ``s3://`` URI is sent as a link; null is none.
    null_cells : {"error", "empty"}
        What a null cell in a template is: an error, or empty text.
    **inference
        The family's inference parameters in snake case, such as ``temperature=0``.

    Returns
    -------
    pandas.DataFrame or iterator of pandas.DataFrame
        One row per record: ``record_id`` (string), ``model_input`` (dict). An iterator when `data` is one.

    Raises
    ------
    bbkit.errors.InputError
        A column the data has not, a null cell, ids that repeat, a parameter the family does not take.
    bbkit.errors.FamilyError
        The family of `model_id` cannot be told, or batch inference does not offer it.
    """
    found = family_of(model_id, invocation_type=invocation_type, family=family)
    if found.body is None:
        raise InputError(
            f"Batch inference does not offer the {found.title} family ({found.source}); it can be read, not "
            "written."
        )
    if found.kind == "text":
        inference["max_tokens"] = max_tokens
    builder = _Builder(
        family=found,
        prompt=Template(prompt, "prompt"),
        system=Template(system, "system"),
        record_id=record_id,
        media=[media] if isinstance(media, str) else list(media),
        overrides=dict(overrides or {}),
        null_cells=null_cells,
        inference=inference,
    )
    if isinstance(data, pd.DataFrame):
        return builder.build(data)
    return map(builder.build, data)


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
    rows: int = 0
    seen: set[str] = field(default_factory=set)

    def build(self, data: pd.DataFrame) -> pd.DataFrame:
        first = self.rows + 1
        asked = [*self.media, *self.overrides.values(), *([self.record_id] if self.record_id else [])]
        if absent := [name for name in asked if name not in data.columns]:
            raise InputError(
                f"There is no column {name_some(absent)}; the data has {name_some(data.columns, most=12)}."
            )
        ids = self._ids(data, first)
        texts = self.prompt.render(data, null_cells=self.null_cells, first_row=first)
        systems = self.system.render(data, null_cells=self.null_cells, first_row=first)
        self.rows += len(data)
        bodies = np.empty(len(data), dtype=object)
        bodies[:] = self._bodies(data, texts, systems, first)
        return pd.DataFrame({"record_id": pd.array(ids, dtype="string"), "model_input": bodies})

    def _bodies(
        self, data: pd.DataFrame, texts: list[str], systems: list[str], first: int
    ) -> list[dict[str, Any]]:
        body, inference = self.family.body, self.inference
        assert body is not None
        if not self.media and not self.overrides:
            return [
                body(Prompt(text, system), **inference) for text, system in zip(texts, systems, strict=True)
            ]
        media = zip(*(plain_values(data[name]) for name in self.media), strict=True)
        files = list(media) if self.media else [()] * len(data)
        columns = [plain_values(data[name]) for name in self.overrides.values()]
        values = list(zip(*columns, strict=True)) if columns else [()] * len(data)
        made = []
        rows = enumerate(zip(texts, systems, files, values, strict=True), first)
        for row, (text, system, paths, own) in rows:
            named = zip(self.overrides, own, strict=True)
            changed = inference | {name: value for name, value in named if value is not None}
            made.append(body(Prompt(text, system, tuple(_read_media(paths, row))), **changed))
        return made

    def _ids(self, data: pd.DataFrame, first: int) -> list[str]:
        if not self.record_id:
            return number_rows(len(data), first)
        ids = id_texts(data[self.record_id], first)
        before = len(self.seen)
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
    """The ids of rows that have none of their own.

    Parameters
    ----------
    count : int
        How many rows.
    first : int
        Number of the first one.

    Returns
    -------
    list of str
        Row numbers with zeros in front, 11 digits: ``00000000001``.
    """
    return [f"{number:0{ID_DIGITS}d}" for number in range(first, first + count)]


def id_texts(column: pd.Series, first_row: int = 1) -> list[str]:
    """A column as record ids: text as it is, whole numbers by their digits.

    Parameters
    ----------
    column : pandas.Series
        The ids.
    first_row : int
        Number of the first row, for an error.

    Returns
    -------
    list of str
        One id a row; whether they are distinct is not looked at.

    Raises
    ------
    bbkit.errors.InputError
        An id that is null, empty, or neither text nor a whole number.
    """
    values = plain_values(column)
    for row, value in enumerate(values, first_row):
        if value is None or value == "" or isinstance(value, bool) or not isinstance(value, str | int):
            raise InputError(
                f"Row {row:,} of column {column.name!r} holds {value!r}; a record id is a text or a whole "
                "number. Fill the column, read it as text, or leave record_id='' to number the rows."
            )
    return [str(value) for value in values]


def _read_media(cells: Iterable[Any], row: int) -> Iterator[Media]:
    paths = [
        path
        for cell in cells if cell is not None
        for path in (cell if isinstance(cell, list | tuple) else [cell])
    ]  # fmt: skip
    for path in paths:
        uri = str(path)
        extension = uri.rpartition(".")[2].lower()
        if extension not in _KIND:
            raise InputError(
                f"Row {row:,} names {uri!r}; its extension tells neither an image, document, video nor "
                f"audio. Known ones: {', '.join(sorted(_KIND))}."
            )
        kind, form = _KIND[extension], _FORMAT.get(extension, extension)
        if uri.startswith("s3://"):
            yield Media(kind, form, s3_uri=uri, name=Path(uri).stem)  # type: ignore[arg-type]
            continue
        try:
            content = Path(uri).read_bytes()
        except OSError as error:
            raise InputError(f"Row {row:,} names {uri!r}, which cannot be read: {error.strerror}.") from error
        yield Media(kind, form, data=content, name=Path(uri).stem)  # type: ignore[arg-type]


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
