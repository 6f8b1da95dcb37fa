"""Where outputs are: a run, folders, files, S3 prefixes and jobs become files to read and ids to expect."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from bbkit.core.errors import InputError
from bbkit.core.frames import SUFFIX, require_columns
from bbkit.core.text import name_some
from bbkit.outputs.files import (
    FileMeta,
    Group,
    OutputFile,
    SentBatch,
    find_s3,
    list_folder,
    local_file,
    sent_file,
)
from bbkit.outputs.parts import LIVE_FILE

_JOB_ARN = re.compile(r"arn:aws[^:]*:bedrock:[^:]*:\d{12}:model-invocation-job/[a-z0-9]{12}")
_SOURCES = "Name a run, a folder, a file, an s3:// prefix or a job ARN, or a list of these."
_PACKED = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".zst", ".7z")
_SENT = "Pass the input file or files (paths, s3:// URIs), the ids, or a frame with record_id."

Source = Any
Sent = str | Path | Iterable[Any]


def find_groups(source: Source, *, model_id: str = "", sent: Sent | None = None) -> list[Group]:
    """Find the files of one or several sources, and the ids that were sent."""
    sources = _distinct(source) if isinstance(source, list | tuple) else [source]
    if not sources:
        raise InputError(f"The list of sources is empty. {_SOURCES}")
    groups: list[Group] = []
    loose: list[OutputFile] = []
    notes: list[str] = []
    for one in sources:
        group = _read_group(one, model_id, knows_sent=sent is not None)
        if group is None:
            loose += _loose_files(one, model_id, notes, named=len(sources) > 1, required=sent is None)
        elif sent is None:
            groups.append(group)
        else:
            loose += group.files
    if loose or sent is not None:
        meta = FileMeta(model_id=model_id or None)
        batches, paths = (None, []) if sent is None else _read_sent(sent, meta)
        ids = sent.get("record_id") if isinstance(sent, pd.DataFrame) else None
        if ids is not None and pd.api.types.is_float_dtype(ids) and ids.isna().any():
            notes.append(
                "ids of sent= are floats, since one is absent: pandas makes such numbers floats; send texts"
            )
        groups.append(Group(loose, batches, sent_paths=paths, notes=notes))
    return groups


def _distinct(sources: Sequence[Source]) -> list[Source]:
    """Read a source once, however often it is named."""
    named: dict[str, Source] = {}
    for one in sources:
        path: Source = getattr(one, "folder", one)  # of a run
        named.setdefault(os.path.realpath(path) if _is_local(path) else str(path), one)
    return list(named.values())


def _is_local(source: Source) -> bool:
    return isinstance(source, str | Path) and not str(source).startswith(("s3://", "arn:"))


def _read_group(source: Source, model_id: str, *, knows_sent: bool) -> Group | None:
    """Read a run or a job; what other files hold is read without loading what these two need."""
    if _is_local(source) and not (Path(source) / "run.json").is_file():
        return None
    from bbkit.outputs.runs import read_job, read_run, read_run_group

    if isinstance(source, str) and _JOB_ARN.fullmatch(source):
        return read_job(source, model_id)
    snapshot = read_run(source)
    if snapshot and knows_sent:
        raise InputError(f"Run {snapshot.run.name!r} knows which records were sent. Leave sent= out.")
    return read_run_group(snapshot) if snapshot else None


def _read_sent(sent: Sent, meta: FileMeta) -> tuple[list[SentBatch], list[Path]]:
    from bbkit.records import record_files

    if isinstance(sent, str | Path):
        sent = [Path(sent) if isinstance(sent, str) and not sent.startswith("s3://") else sent]
    records = None
    if isinstance(sent, pd.DataFrame):
        require_columns(sent, ["record_id"], "Pass the frame of build_records.", "frame in sent=")
        if "model_input" in sent:
            records = partial(zip, sent["record_id"], sent["model_input"])
        sent = sent["record_id"]
    if isinstance(sent, bytes | Mapping) or not isinstance(sent, Iterable):
        raise InputError(f"sent= is of type {type(sent).__name__}. {_SENT}")
    listed = list(sent)
    if any(_is_path(value) for value in listed):
        if others := [value for value in listed if not _is_path(value)]:
            raise InputError(f"sent= holds places and also {name_some(others)}. {_SENT}")
        files = [name for place in listed for name in record_files(place)]
        paths = [Path(name) for name in files if not name.startswith("s3://")]
        return [sent_file(name, meta) for name in files], paths
    ids = [_id_text(value) for value in listed]
    return [SentBatch(partial(iter, ids), meta, records=records)], []


def _is_path(value: Any) -> bool:
    """Whether an item of `sent` names a file: an id may look like almost anything."""
    if not isinstance(value, str):
        return isinstance(value, Path)
    is_uri = re.match(r"s3://[a-z0-9][a-z0-9.-]+/.", value)
    return bool(is_uri) or (value.endswith(".jsonl") and Path(value).is_file())


def _id_text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes) or not pd.api.types.is_scalar(value):
        raise InputError(f"sent= holds {value!r}, which is no id. {_SENT}")
    return None if pd.isna(value) else str(value)


def _name_skipped(names: Iterable[str]) -> list[str]:
    """Say which files are named almost as outputs are, such as ``in.jsonl (1).out`` or ``._in.jsonl.out``."""
    pattern = rf"(?i)(?!manifest\.json)(?!.*{re.escape(SUFFIX)}$).*(\.out$|\.jsonl.*out)"
    near = sorted(name for name in names if re.match(pattern, name) and not name.startswith("."))
    texts = [f"{name_some(near)} passed over: a name must end in {SUFFIX}; rename it."] if near else []
    hidden = sorted(name for name in names if name.startswith(".") and name.endswith(SUFFIX))
    return texts + ([f"{name_some(hidden)} passed over: hidden, as macOS adds to archives"] if hidden else [])


def _loose_files(
    source: Source, model_id: str, notes: list[str], *, named: bool, required: bool
) -> list[OutputFile]:
    if not isinstance(source, str | Path):
        raise InputError(f"Cannot read outputs from {type(source).__name__}. {_SOURCES}")
    meta, others = FileMeta(model_id=model_id or None), list[str]()
    if str(source).startswith("s3://"):
        files, others = find_s3(str(source), meta)
        notes += _name_skipped(others)
    elif Path(source).is_dir():
        files = list_folder(Path(source), meta, prefix=Path(source).name if named else "")
        others = [path.name for path in Path(source).rglob("*")]
        notes += _name_skipped(others)
        if lost := sorted(path.name for path in Path(source).rglob(f"*{SUFFIX}") if not path.exists()):
            notes.append(f"{name_some(lost)} passed over: a link to nothing")
    elif Path(source).is_file():
        files = [local_file(Path(source), meta._replace(source_file=Path(source).name))]
    else:
        raise InputError(f"There is no file or folder {str(source)!r}. {_SOURCES}")
    if packed := [file.path for file in files if file.path.lower().endswith(_PACKED)]:
        raise InputError(f"{packed[0]!r} is packed. Unpack it, and name the folder it gives.")
    if not files and required:
        found = f"{str(source)!r} holds no file whose name ends in {SUFFIX}."
        remedy = "Bedrock writes them under <output URI>/<job id>/; name that folder, or the job's ARN."
        if any(name == LIVE_FILE or name.endswith(".parquet") for name in others):
            remedy = "Of rows that were written into= a place, pass bb.accounting(place)."
        raise InputError(" ".join([found, *notes, remedy]))
    return files
