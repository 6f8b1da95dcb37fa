"""Files: written beside their name and renamed, their checksums, and the package's dated data."""

import errno
import hashlib
import json
import os
import pkgutil
import re
import shutil
import threading
import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from bbkit.core.errors import BbkitError, InputError

LISTING = "objects.json"
"""Beside what was fetched from S3: the sizes of the objects by key."""

_FAULTS = {
    "is empty or nothing but dots": r"\.*$",
    "holds a character that files cannot have": r'.*[\x00-\x1f\x7f-\x9f\ud800-\udfff<>:"|?*\\]',
    "ends in a dot or a blank": r".*[. ]$",
    "is a device of Windows": r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)",
    "begins with . or ~, as names of bbkit's own do": r"[.~]",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a place beside `path` to write to; what was written there takes its name, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        yield partial
        with partial.open("rb+") as stream:  # Windows syncs only what may be written
            os.fsync(stream.fileno())
        move(partial, path)
    except OSError as error:
        if str(error.filename).startswith(str(partial)):  # boto3 adds to the name
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def naming_place(place: str | Path) -> Iterator[None]:
    """Say in a sentence that a place, which the user named, cannot be written, and why."""
    try:
        yield
    except OSError as error:
        if isinstance(error, BbkitError):
            raise
        why = error.strerror or error
        raise InputError(f"{str(place)!r} cannot be written: {why}. Name another place.") from error


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder` to fill, which then takes its name and place, whole or not at all."""
    new = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    old = new.with_name(f"{new.name}.old")
    with naming_place(folder):
        new.mkdir(parents=True)
    try:
        yield new
        if folder.exists():
            move(folder, old)
        try:
            move(new, folder)
        except OSError:
            if old.exists():
                move(old, folder)
            raise
    finally:
        for path in (new, old):
            shutil.rmtree(path, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def move(source: Path, target: Path) -> None:
    """Rename a file or folder; a file of that name is replaced."""
    source.replace(target)


def is_read_only(error: OSError) -> bool:
    """Tell whether something was not written because it may not be, such as another's."""
    return error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)


def describe_name_fault(name: str) -> str:
    """Why a part of a key can be no file's name on every system; empty where it can."""
    fault = next((fault for fault, form in _FAULTS.items() if re.match(form, name, re.DOTALL)), "")
    # `replacing` needs a longer name beside it, of 255 bytes at most.
    return fault or ("is longer than 200 bytes" if len(name.encode()) > 200 else "")


def local_name(part: str, *, free: bool = True) -> str:
    """Name a part of a key: by its checksum where it can be no file's name, or that is not `free`."""
    name = part.removesuffix("/")
    if free and not describe_name_fault(name):
        return name
    checksum = hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()
    return f"~{checksum[:32]}{''.join(re.findall(r'(?a:[.][a-z]+){1,2}$', name))}"


def local_names(keys: Iterable[str]) -> dict[str, str]:
    """Give every key of S3 a path of its own below a folder, by the `local_name` of its parts.

    Where case does not count, and of a file and its own folder, the first alone has its name.
    """
    names, taken = {}, {LISTING: ""}
    for key in sorted(keys, key=lambda key: (key.count("/"), key)):
        place = begun = ""
        for part in re.findall("[^/]*/|[^/]+$", key):
            begun += part
            slash = "/" if part.endswith("/") else ""
            folded = unicodedata.normalize("NFC", (place + part).casefold()).removesuffix(slash)
            place += local_name(part, free=taken.setdefault(folded, begun) == begun) + slash
        names[key] = place
    return names


def require_inside(path: Path, folder: Path) -> Path:
    """Stop where a path leads out of the folder, such as by a link."""
    if not Path(real := os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise InputError(f"{path} leads to {real}, out of {folder}. Put the file itself there.")
    return path


def read_listing(folder: Path) -> dict[str, int]:
    """The sizes by key that `LISTING` in a folder holds; none where it is no such file."""
    try:
        listed = json.loads((folder / LISTING).read_text("utf-8"))
        return {key: size for key, size in listed.items() if isinstance(size, int)}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def file_sha256(path: str | Path) -> str:
    """The checksum of a file's bytes, in hexadecimal digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_md5(path: str | Path) -> str:
    """The checksum that an ETag of S3 may be, in hexadecimal digits."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@cache
def read_data(name: str) -> Any:
    """One of the package's dated data files, such as ``models``; read once and not to be changed."""
    return json.loads(pkgutil.get_data("bbkit", f"catalog/data/{name}.json") or b"")


def fill_in(template: Any, values: Mapping[str, Any]) -> Any:
    """Put values in the places of JSON that name one, such as ``"{role}"``, whole."""
    if isinstance(template, dict):
        return {name: fill_in(inner, values) for name, inner in template.items()}
    if isinstance(template, list):
        return [fill_in(inner, values) for inner in template]
    return values[template[1:-1]] if isinstance(template, str) and template[:1] == "{" else template


def own_catalog() -> tuple[str, int]:
    """The file that BBKIT_CATALOG names, as `bbkit catalog refresh` writes it, and its version."""
    path = os.environ.get("BBKIT_CATALOG", "")
    try:
        return path, Path(path).stat().st_mtime_ns if path else 0
    except OSError as error:
        raise _unread(path, error.strerror) from error


@lru_cache(maxsize=8)
def read_catalog(name: str, own: str, version: int) -> Any:
    """A data file of the package, and over it what the user's own catalog has of it."""
    try:
        mine = json.loads(Path(own).read_bytes()).get(name, {}) if own else {}
        return _lay_over(read_data(name), mine)
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise _unread(own, error) from error


def _unread(path: str, why: object) -> InputError:
    remedy = f"Unset it, or write the file anew: `BBKIT_CATALOG= bbkit catalog refresh -o {path}`."
    return InputError(f"BBKIT_CATALOG names {path}, which cannot be read ({why}). {remedy}")


def _lay_over(packaged: Any, own: Any) -> Any:
    """Values of one's own in the place of packaged ones, in rows by their model."""
    if isinstance(packaged, dict):
        return packaged | {name: _lay_over(packaged.get(name), value) for name, value in own.items()}
    if not (isinstance(packaged, list) and isinstance(own, list) and (both := [*packaged, *own])):
        return own
    if not all(isinstance(row, dict) for row in both):
        return own
    rows = {row["model_id"]: row for row in packaged}
    return list((rows | {row["model_id"]: _lay_over(rows.get(row["model_id"]), row) for row in own}).values())


def find_shared(name: str) -> Path:
    """Find what comes along with the package: ``notebooks`` or ``data/samples``."""
    package = Path(__file__).parents[1]
    for path in (package.parent / name, package / "_share" / Path(name).name):
        if path.is_dir():
            return path
    raise InputError(f"{name} is neither beside the package nor in it. Install bbkit again.")
