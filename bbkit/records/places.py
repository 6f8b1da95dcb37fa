"""What a place holds: the files of lines in a folder or under an S3 prefix."""

from pathlib import Path
from typing import NamedTuple

from bbkit import aws
from bbkit.errors import InputError

_LOOKALIKES = (".json", ".ndjson", ".jsonlines", ".jsonl.gz", ".jsonl.bz2", ".jsonl.zst", ".json.gz")


class Place(NamedTuple):
    """Where records are.

    Attributes
    ----------
    files : list of str
        Paths or URIs of the ``.jsonl`` files, those of folders inside too, sorted by name.
    nested : list of str
        Those of them that lie in folders inside.
    others : list of str
        Files that look like input and are not read.
    keys : set of str
        URIs of all other objects beside them, such as media; empty for local files.
    folder : str
        The ``s3://`` folder, ending in ``/``; empty for local files and for a single object.
    """

    files: list[str]
    nested: list[str]
    others: list[str]
    keys: set[str]
    folder: str


def list_place(path: str | Path) -> Place:
    """List what a job would read at a place.

    Parameters
    ----------
    path : str or Path
        A file, a folder, an ``s3://`` object or prefix. A prefix is a folder with or without its last ``/``:
        ``s3://bucket/march`` does not hold what is under ``s3://bucket/march-bad/``.

    Returns
    -------
    Place
        A file or object named in full is read whatever its ending.

    Raises
    ------
    bbkit.errors.InputError
        There is nothing, or nothing that could be input.

    Notes
    -----
    A job processes all JSONL files at its place, so folders inside are not left out:
    https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-create.html
    """
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
