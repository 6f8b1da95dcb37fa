"""The table of records in a report: what may be shown of them, masked, and packed into what fits."""

import base64
import gzip
from typing import Any

import msgspec

from bbkit.core.text import count_noun
from bbkit.report.masking import Masker

_MOST_BYTES = 800_000
"""Of what a table takes in the page, as base64 of gzip."""

_LONGEST = 200
"""Characters of the name of a category."""


class Column(msgspec.Struct, omit_defaults=True):
    """A column of rows; of a category each value is the place of its label, -1 for none."""

    name: str
    kind: str
    values: list[int | float | str | None]
    labels: list[str] = []


class Bins(msgspec.Struct):
    """How many of all rows are in which cell and in which bin of a column's numbers."""

    name: str
    column: str
    edges: list[float]
    cells: list[int]
    places: list[int]
    counts: list[int]


class Cube(msgspec.Struct):
    """How many of all rows have which combination of categories: a cell, and within it by bins of numbers."""

    dims: list[str]
    cells: list[list[int]]
    counts: list[int]
    bins: list[Bins]


class Bundle(msgspec.Struct):
    """What `bbkit.explorers.RecordTable` gives: rows in a random order, all of them counted."""

    total: int
    columns: list[Column]
    cube: Cube


def pack_records(bundle: Any, masker: Masker, with_ids: bool) -> tuple[str, str]:
    """Pack the columns that may be shown and the rows that fit, and say how many; texts only if asked for."""
    told = msgspec.convert(bundle, Bundle)
    kept = [column for column in told.columns if _may_be_shown(column, masker, with_ids)]
    for column in kept:
        _mask(column, masker)
    # A number that was masked is a text now.
    numbers = {c.name for c in kept if c.kind == "number" and not any(isinstance(v, str) for v in c.values)}
    told.cube.dims = [masker.text(name) for name in told.cube.dims]
    told.cube.bins = [
        bins
        for bins in told.cube.bins
        if bins.column in numbers and not any(masker.knows(f"{edge:.0f}", bins.column) for edge in bins.edges)
    ]
    told.columns = kept
    rows = min((len(column.values) for column in kept), default=0)
    packed = _pack(told, rows)
    while rows and len(packed) > _MOST_BYTES:
        rows = int(0.95 * rows * _MOST_BYTES / len(packed))
        packed = _pack(told, rows)
    shown = f"All {count_noun(rows, 'record')}"
    if rows < told.total:
        shown = f"A seeded sample of {rows:,} of {count_noun(told.total, 'record')}, as many as fit"
    if not masker.enabled:
        return packed, f"{shown}."
    without = "texts: --with-text keeps" if with_ids else "ids or texts: --with-ids and --with-text keep"
    elsewhere = "What other cells show of ids and texts is in this file, masked and long texts shortened."
    return packed, f"{shown}. This table holds no {without} them. {elsewhere}"


def _may_be_shown(column: Column, masker: Masker, with_ids: bool) -> bool:
    if not masker.enabled:
        return True
    if column.name == "record_id":
        return with_ids
    return column.kind == "category" or (column.kind == "number" and not column.name.startswith("source."))


def _mask(column: Column, masker: Masker) -> None:
    """Mask the values of a column, each of its different ones once, and its name."""
    name, column.name = column.name, masker.text(column.name)
    column.labels = [masker.label(text, masker.text(text, name))[:_LONGEST] for text in column.labels]
    if column.kind != "category" and masker.enabled and name != "row":
        known = {value: masker.data(value, name) for value in {*column.values}}
        column.values = [known[value] for value in column.values]


def _pack(told: Bundle, rows: int) -> str:
    """The first rows, in the order they were sent, and the counts of all, as base64 of gzip of JSON."""
    order = sorted(range(rows), key=told.columns[0].values.__getitem__)  # type: ignore[arg-type]
    columns = [
        msgspec.structs.replace(column, values=[column.values[at] for at in order]) for column in told.columns
    ]
    text = msgspec.json.encode(msgspec.structs.replace(told, columns=columns))
    return base64.b64encode(gzip.compress(text, 9, mtime=0)).decode("ascii")
