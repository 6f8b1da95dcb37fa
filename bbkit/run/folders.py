"""The folder of a run, made whole: its description, and the rows it came from."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bbkit.catalog.prices import load_prices
from bbkit.checks import check_arn, check_s3_uri
from bbkit.core.errors import InputError, RunExistsError
from bbkit.core.files import write_text
from bbkit.families import family_of, get_family
from bbkit.records import number_rows
from bbkit.records.templates import Template
from bbkit.run.job_options import plain_options
from bbkit.sources.columns import frame_of_arrow

if TYPE_CHECKING:
    from bbkit.run import Run

_ID = "__record_id__"
PRICES = "prices.json"
"""The copy of a price file of one's own within a run."""


def slug(name: str) -> str:
    """Make of a name what may stand in a job's name and in an S3 key that Bedrock takes."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", name).lstrip("-.")[:24].rstrip("-.")
    return plain or "run"


def refuse_occupied(folder: Path) -> None:
    """Make sure that a folder can become a run."""
    if is_bare(folder):
        return
    if (folder / "run.json").exists():
        raise RunExistsError(f"{folder} already holds a run. Open it with Run.open, or name another folder.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunExistsError(f"{folder} exists and is not an empty folder. Name another folder.")


def is_bare(folder: Path) -> bool:
    """Tell whether a folder is a run without records, jobs, outputs and anything else."""
    if not (folder / "run.json").is_file():
        return False
    return {item.name for item in folder.iterdir()} <= {"run.json", ".gitignore", "source.parquet", PRICES}


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Fill a folder beside its name, then rename it: it is there whole or not at all."""
    missing = [parent for parent in folder.parents if not parent.exists()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        (made / ".gitignore").write_text("*\n")
        yield made
        made.chmod(0o755)
        if is_bare(folder):
            gone = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
            folder.replace(gone)
            shutil.rmtree(gone)
        try:
            made.replace(folder)
        except OSError as error:
            refuse_occupied(folder)
            raise RunExistsError(f"{folder} cannot become a run: {error.strerror}.") from error
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        for parent in missing:
            with contextlib.suppress(OSError):
                parent.rmdir()
        raise


def write_source_rows(source: pd.DataFrame | None, path: Path) -> dict[str, Any]:
    """Keep the rows that records were made of, by record_id."""
    if source is None:
        return {}
    if not isinstance(source, pd.DataFrame):
        raise InputError(f"source is a {type(source).__name__}. Give the DataFrame the records were made of.")
    names = [str(name) for name in source.columns]
    if len(set(names)) < len(names) or _ID in names:
        twice = sorted({name for name in names if names.count(name) > 1} or {_ID})
        raise InputError(f"source has the column {twice[0]!r} twice. Rename one.")
    arrays = [_source_ids(source), *(_column(source.iloc[:, number]) for number in range(len(names)))]
    table = pa.table(dict(zip([_ID, *names], arrays, strict=True)))
    pq.write_table(table, path, compression="zstd")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"rows": len(source), "columns": names, "sha256": digest}


def _source_ids(source: pd.DataFrame) -> pa.Array:
    index = source.index
    if not (isinstance(index, pd.RangeIndex) and index.name is None):
        values = index.astype("string")
    elif "record_id" in source.columns:
        values = pd.Index(source["record_id"]).astype("string")
    else:
        values = pd.Index(number_rows(len(source)), dtype="string")
    return pa.array(values.to_numpy(dtype=object, na_value=None), pa.large_string(), from_pandas=True)


def _column(column: pd.Series) -> pa.Array:
    try:
        made = pa.array(column, from_pandas=True)
        return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        texts = [
            None if _is_null(cell) else json.dumps(cell, ensure_ascii=False, default=str) for cell in column
        ]
        return pa.array([text and _storable(text) for text in texts], pa.large_string())


def _is_null(cell: Any) -> bool:
    return cell is None or (np.isscalar(cell) and bool(pd.isna(cell)))


def _storable(text: str) -> str:
    # Half of a surrogate pair is not text; Parquet holds none.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_source_rows(path: Path) -> pd.DataFrame | None:
    """Read the rows that `write_source_rows` kept."""
    if not path.exists():
        return None
    frame = frame_of_arrow(pq.read_table(path))
    frame = frame.set_index(frame.pop(_ID).astype("string"))
    frame.index.name = "record_id"
    return frame


def filled_columns(prompt: str, path: Path) -> list[str]:
    """Name the columns of the kept rows that a prompt was filled from."""
    if not path.exists():
        return []
    try:
        named = Template(prompt).columns
    except InputError:
        return []
    kept = pq.read_schema(path).names
    return [name for name in named if name in kept]


def given(value: str, name: str, variable: str) -> str:
    """Take a value, or else the environment's."""
    if found := value or os.environ.get(variable, ""):
        return found
    raise InputError(f"There is no {name}. Pass {name}=, or set {variable}.")


def name_family(family: str | None, model_id: str, invocation_type: str) -> str:
    """Name the family of a run's bodies."""
    found = get_family(family) if family else family_of(model_id, invocation_type=invocation_type)
    return found.name


def refuse_values(run: "Run") -> None:
    """Check what CreateModelInvocationJob will be asked with."""
    wrong = [*check_s3_uri(run.s3_prefix), *check_arn("role", run.role_arn)]
    if wrong:
        raise InputError(f"{wrong[0].finding} {wrong[0].remedy}")
    if run.invocation_type not in ("InvokeModel", "Converse"):
        raise InputError(f"invocation_type is {run.invocation_type!r}. It is InvokeModel or Converse.")
    plain_options(run.job_options)


def keep_prices(prices: str | Path, folder: Path) -> None:
    """Copy a price file of one's own into a run, so that a copied or moved run has it."""
    if prices:
        load_prices(prices)
        write_text(folder / PRICES, Path(prices).read_text("utf-8-sig"))


def write_description(run: "Run", folder: Path) -> None:
    """Write ``run.json``."""
    described = {name: value for name, value in vars(run).items() if name not in ("folder", "endpoint")}
    where = {"endpoint": run.endpoint.url, "account": run.endpoint.account, "region": run.endpoint.region}
    described |= where | {"created_at": run.created_at.isoformat()}
    write_text(folder / "run.json", json.dumps(described, indent=1, ensure_ascii=False))
