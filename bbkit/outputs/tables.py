"""The statement that makes a table of Athena and Glue of a data set in S3."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from bbkit.core.datasets import as_rows
from bbkit.core.errors import InputError

_TYPES = {
    "int8": "TINYINT",
    "int16": "SMALLINT",
    "int32": "INT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "uint8": "SMALLINT",
    "uint16": "INT",
    "bool": "BOOLEAN",
    "date32[day]": "DATE",
    "binary": "BINARY",
    **dict.fromkeys(("int64", "uint32", "uint64"), "BIGINT"),
}
_BY_PLACE = """ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
WITH SERDEPROPERTIES ('parquet.column.index.access' = 'true')
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat'"""


def table_ddl(dataset: Any, table: str = "outputs") -> str:
    """Give the statement that makes a table of rows which `collect_outputs` wrote ``into="s3://..."``.

    It points to the live write alone. After another write the old table reads nothing: drop it (which deletes
    no data) and run the new statement.

    Parameters
    ----------
    dataset : Accounting or data set
        What `collect_outputs` or `bbkit.accounting` gave of an S3 prefix.
    table : str
        The name of the table, with or without that of its database: ``calls`` or ``batch.calls``.

    Returns
    -------
    str
        One ``CREATE EXTERNAL TABLE`` for Athena (https://docs.aws.amazon.com/athena/latest/ug/create-table.html):
        counts are BIGINT, embeddings ARRAY<FLOAT>; names have ``_`` for what Athena does not take
        (``source_queue``). Runs are partitions that Athena works out by itself.

    Raises
    ------
    bbkit.core.errors.InputError
        If it is no data set in S3, or the name is none that Athena takes.
    """
    rows = as_rows(dataset)
    if isinstance(rows, str | Path):
        raise InputError("table_ddl takes a data set, not its place. Pass bb.accounting(place).")
    files = getattr(rows, "files", None) or [""]
    if not (place := re.match(r"(s3://.*?/write=[0-9a-f]{32}/)", files[0])):
        remedy = "Collect them into='s3://bucket/prefix'."
        raise InputError(f"These rows are not in S3, where Athena reads. {remedy}")
    if not isinstance(table, str) or not re.fullmatch(r"(\w+\.)?\w+", table, re.ASCII):
        raise InputError(f"{table!r} is no name of a table; Athena takes letters, digits and _.")
    fields = [field for field in rows.schema if field.name != "run_id"]
    names = dict(zip(_name_columns(fields), fields, strict=True))
    columns = ",\n".join(f"  `{name}` {_type_of(field.type)}" for name, field in names.items())
    runs = {run: None for uri in files for run in re.findall(r"/run_id=([^/]+)/", uri)}
    by_name = all(name == field.name for name, field in names.items())
    lines = [f"CREATE EXTERNAL TABLE {'.'.join(f'`{part}`' for part in table.split('.'))} (\n{columns}\n)"]
    if runs:
        lines.append("PARTITIONED BY (`run_id` STRING)")
    lines += ["STORED AS PARQUET" if by_name else _BY_PLACE, f"LOCATION '{_quote(place[1])}'"]
    if runs:
        # https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
        lines.append(
            "TBLPROPERTIES ('projection.enabled' = 'true', 'projection.run_id.type' = 'enum', "
            f"'projection.run_id.values' = '{','.join(runs)}')"
        )
    return "\n".join(lines)


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _name_columns(fields: list[pa.Field]) -> Iterator[str]:
    """Names that Athena takes (https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html)."""
    taken = {"run_id"}
    for field in fields:
        name = re.sub(r"[^a-z0-9_]", "_", field.name.lower())
        while name in taken:
            name += "_"
        taken.add(name)
        yield name


def _type_of(kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return f"STRUCT<{','.join(f'{field.name}:{_type_of(field.type)}' for field in kind)}>"
    if pa.types.is_nested(kind):
        return f"ARRAY<{_type_of(kind.value_type)}>"
    text = str(kind.value_type if pa.types.is_dictionary(kind) else kind)
    if known := re.match(r"(timestamp|decimal)\d*(\(.*\))?", text):
        return f"{known[1]}{known[2] or ''}".upper()
    return _TYPES.get(text, "STRING")
