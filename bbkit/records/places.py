"""What a place holds: the files of lines in a folder or under an S3 prefix."""

from pathlib import Path
from typing import NamedTuple

from bbkit import aws
from bbkit.core.errors import InputError

_LOOKALIKES = (".json", ".ndjson", ".jsonlines", ".jsonl.gz", ".jsonl.bz2", ".jsonl.zst", ".json.gz")


class Place(NamedTuple):
    """Where records are."""

    files: list[str]
    nested: list[str]
    others: list[str]
    keys: set[str]
    folder: str


def list_place(path: str | Path) -> Place:
    """List what a job would read at a place."""
    text = str(path)
    if text.startswith("s3://"):
        return _list_objects(text)
    local = Path(path)
    if local.is_file():
        return Place([text], [], [], set(), "")
    if not local.is_dir():
        raise InputError(
            f"There is no file or folder {text!r}. Give a .jsonl file, a folder of them or an S3 URI."
        )
    names = [item.relative_to(local).as_posix() for item in local.rglob("*") if item.is_file()]
    return _sort_out(names, f"{local}/", text)


def _list_objects(uri: str) -> Place:
    if not uri.endswith("/"):
        # The object itself comes first of all whose keys begin like it.
        first = next(aws.list_objects(uri), None)
        if first is not None and first.uri == uri:
            return Place([uri], [], [], set(), "")
    folder = uri.rstrip("/") + "/"
    names = [item.uri[len(folder) :] for item in aws.list_objects(folder)]
    place = _sort_out(names, folder, uri)
    keys = {folder + name for name in names}.difference(place.files, place.others)
    return place._replace(keys=keys, folder=folder)


def _sort_out(names: list[str], folder: str, given: str) -> Place:
    files = sorted(name for name in names if name.endswith(".jsonl"))
    others = [
        name
        for name in sorted(names)
        if "/" not in name and name.lower().endswith((*_LOOKALIKES, ".jsonl")) and not name.endswith(".jsonl")
    ]
    if not files and not others:
        raise InputError(f"{given!r} holds no .jsonl file; Bedrock reads no other.")
    nested = [folder + name for name in files if "/" in name]
    return Place([folder + name for name in files], nested, [folder + name for name in others], set(), "")
