"""The buckets of a stand-in: their bytes in files that a person can read, and an index of them in SQLite.

An object lies at ``BUCKET/KEY`` where its key is a path that is free there, else as a file of a random name
in ``.store``. Every file is written there first; then its row is committed; then it moves. A row is thus
always of one whole file: the one of its own name if that is there, else the one at its path. At the start
what no row knows is thrown away in ``.store``, and made an object below a bucket. Uploads and their parts are
rows, too, in the spaces ``BUCKET/uploads`` and ``BUCKET/ID``, which are no buckets.
"""

import hashlib
import json
import os
import re
import shutil
import threading
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from bbkit.standin.databases import keep_reserve, open_database
from bbkit.standin.errors import refuse_call
from bbkit.standin.s3.bodies import make_digest

BLOCK = 1 << 18  # bytes that are held of a body
PLAIN: dict[str, Any] = {"headers": {}, "class": "STANDARD", "sums": {}, "tags": {}}
PLAIN |= {"sse": {"ServerSideEncryption": "AES256"}}
"""The details of an object that came with none, under the names of S3's members."""
BUCKET = re.compile(r"(?!xn--|sthree-|\d+\.\d+\.\d+\.\d+$)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_NANIO = ".nanio-meta"  # what an older stand-in laid in a bucket's folder
_SURROGATE = re.compile("[\ud800-\udfff]")  # in a name that is no UTF-8
_LONGEST = 250  # bytes of a file's name
_SCHEMA = """
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, created REAL);
CREATE TABLE IF NOT EXISTS objects (space TEXT, key BLOB, file TEXT, size INTEGER, etag TEXT, modified REAL,
  shown INTEGER, mtime INTEGER, details TEXT, PRIMARY KEY (space, key)) WITHOUT ROWID;
"""


class Object(NamedTuple):
    key: str
    file: str
    size: int
    etag: str
    modified: float  # seconds since 1970
    shown: bool  # at its path, or on its way there
    mtime: int  # of the file, in ns
    details: dict[str, Any]


@dataclass
class Staged:
    """A file that is written and belongs to nothing yet; its MD5 in hexadecimal."""

    path: Path
    size: int = 0
    md5: str = ""
    checksums: dict[str, str] = field(default_factory=dict)
    kept: bool = False


Check = Callable[[Object | None], Any]


class Buckets:
    """All buckets; every method may be called from any thread, and what it changes is whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._files, self.passed_over = self.folder / ".store", list[str]()
        self._files.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = open_database(self._files / "index.sqlite", _SCHEMA)
        self._recover()

    def list_buckets(self) -> list[tuple[str, float]]:
        with self._lock:
            return self._db.execute("SELECT name, created FROM buckets ORDER BY name").fetchall()

    def has(self, name: str) -> bool:
        with self._lock:
            return self._db.execute("SELECT 1 FROM buckets WHERE name = ?", (name,)).fetchone() is not None

    def create_bucket(self, name: str) -> bool:
        """Make a bucket; False where it is there."""
        with self._lock:
            if self.has(name):
                return False
            (self.folder / name).mkdir(exist_ok=True)
            self._db.execute("INSERT INTO buckets VALUES (?, ?)", (name, time.time()))
            return True

    def delete_bucket(self, name: str) -> None:
        with self._change():
            if self.page(name, most=1)[0]:
                raise refuse_call("bucket_not_empty", bucket=name)
            files = self._forget_bucket(name)
            try:
                (self.folder / name).rmdir()
            except OSError:  # files that were put there by hand
                raise refuse_call("bucket_not_empty", bucket=name) from None
        self._throw_away(files)

    def find(self, space: str, key: str) -> Object | None:
        with self._lock:
            row = self._db.execute(*_select(space, "key = ?", key.encode())).fetchone()
        return _read(row) if row else None

    def get(self, space: str, key: str) -> Object:
        if (found := self.find(space, key)) is None:
            upload = key.partition("\0")[2] or space.partition("/")[2]
            raise refuse_call("no_upload" if upload else "no_key", key=key, upload=upload)
        return found

    def open(self, space: str, key: str) -> tuple[Object, BinaryIO]:
        """Give an object and its bytes, which stay as they are whatever is written meanwhile."""
        with self._lock:
            found = self.get(space, key)
            try:
                return found, self._place(space, found).open("rb")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):  # taken away by hand
                self._forget("space = ? AND key = ?", space, key.encode())
                raise refuse_call("no_key", key=key) from None

    def link(self, bucket: str, key: str, target: Path) -> None:
        """Give the bytes of an object a second name."""
        with self._lock:
            os.link(self._place(bucket, self.get(bucket, key)), target)

    def put(
        self,
        space: str,
        key: str,
        staged: Staged,
        details: dict[str, Any],
        *,
        check: Check = lambda found: None,
        upload: str = "",
    ) -> Object:
        """Make a staged file an object, if `check` lets it; the upload it came by ends with it."""
        with self._lock:
            old, path = self.find(space, key), self._path(space, key)
            check(old)
            shown = path is not None and (bool(old and old.shown) or not os.path.lexists(path))
            told = (key, staged.path.name, staged.size, staged.md5, time.time(), shown)
            new = Object(*told, staged.path.stat().st_mtime_ns, details)
            keep_reserve(self._db)
            with self._change():
                if not self.has(bucket := space.partition("/")[0]):
                    raise refuse_call("no_bucket", bucket=bucket)
                done = self._end_upload(space, key, upload) if upload else []
                self._write(space, new)
            staged.kept = True
            self._show(space, new)
            self._throw_away([old.file, *done] if old else done)
        return new

    def change(self, bucket: str, key: str, **details: Any) -> None:
        """Write other details of an object that is there."""
        with self._lock:
            found = self.get(bucket, key)
            self._write(bucket, found._replace(details=found.details | details))

    def delete(self, bucket: str, key: str, check: Check = lambda found: None) -> None:
        """Delete an object; one that is not there is no error."""
        with self._lock:
            found = self.find(bucket, key)
            check(found)
            if found is None:
                return
            hidden, path = self._files / found.file, self._path(bucket, key)
            if path is not None and not hidden.exists() and path.is_file():
                path.replace(hidden)
            self._throw_away(self._forget("space = ? AND key = ?", bucket, key.encode()))
            for parent in path.parents if path else ():
                if parent == self.folder / bucket:
                    break
                with suppress(OSError):  # it is not empty
                    parent.rmdir()

    def page(
        self, space: str, prefix: str = "", delimiter: str = "", after: str = "", most: int = 1 << 40
    ) -> tuple[list[Object], list[str], str]:
        """Give keys and common prefixes after a name, in UTF-8 order; the last where there are more."""
        start, cut, last = prefix.encode(), delimiter.encode(), after.encode()
        low: bytes | None = max(start, last + b"\0" if last else b"")
        found, groups = list[Object](), list[str]()
        with self._lock:
            while low is not None and most:
                asked = _select(space, "key >= ? AND key < ? ORDER BY key", low, _end(start))
                low = None
                for row in self._db.execute(*asked):
                    place = row[0].partition(b"\0")[0].find(cut, len(start)) if cut else -1
                    name = row[0] if place < 0 else row[0][: place + len(cut)]
                    if len(found) + len(groups) >= most and (place < 0 or name > last):
                        return found, groups, last.decode()
                    if place < 0:
                        found.append(_read(row))
                    elif name > last:
                        groups.append(name.decode())
                    last = max(last, name)
                    if place >= 0:
                        low = _end(name)
                        break
        return found, groups, ""

    def begin_upload(self, bucket: str, key: str, details: dict[str, Any]) -> str:
        """Begin an upload in parts; later ones have greater ids."""
        name, now = f"{time.time_ns():016x}{uuid.uuid4().hex}", time.time()
        with self._lock:
            self._write(f"{bucket}/uploads", Object(f"{key}\0{name}", "", 0, "", now, False, 0, details))
        return name

    def get_upload(self, bucket: str, key: str, name: str) -> Object:
        return self.get(f"{bucket}/uploads", f"{key}\0{name}")

    def abort(self, bucket: str, key: str, upload: str) -> None:
        with self._change():
            files = self._end_upload(bucket, key, upload)
        self._throw_away(files)

    @contextmanager
    def stage(self) -> Iterator[Staged]:
        """Give a place for a file, which is taken away unless it becomes an object."""
        staged = Staged(self._files / uuid.uuid4().hex)
        try:
            yield staged
        finally:
            if not staged.kept:
                staged.path.unlink(missing_ok=True)

    def _path(self, space: str, key: str) -> Path | None:
        """Where a person looks for a key; None for one that is no path."""
        parts = key.split("/")
        odd = "/" in space or "\0" in key or any(len(part.encode()) > _LONGEST for part in parts)
        if odd or parts[0] == _NANIO or any(part in ("", ".", "..") for part in parts):
            return None
        path = self.folder / space / key
        return path if os.path.realpath(path.parent) == str(path.parent) else None  # links lead elsewhere

    def _place(self, space: str, found: Object) -> Path:
        hidden, path = self._files / found.file, self._path(space, found.key)
        return hidden if path is None or hidden.exists() else path

    def _show(self, space: str, found: Object) -> None:
        """Move the file of an object to its path."""
        path = self._path(space, found.key)
        if found.shown and path is not None:
            with suppress(OSError):  # a folder on the way is an object, or the disk takes no such name
                path.parent.mkdir(parents=True, exist_ok=True)
                (self._files / found.file).replace(path)

    def _throw_away(self, files: Iterable[str]) -> None:
        for name in filter(None, files):
            (self._files / name).unlink(missing_ok=True)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Hold the lock; everything written within is committed together."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _write(self, space: str, new: Object) -> None:
        row = (space, new.key.encode(), *new[1:-1], json.dumps(new.details))
        self._db.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _forget(self, where: str, *values: Any) -> list[str]:
        """Forget rows, and give the names of their files."""
        rows = self._db.execute(f"DELETE FROM objects WHERE {where} RETURNING file", values).fetchall()
        return [file for (file,) in rows]

    def _forget_bucket(self, name: str) -> list[str]:
        self._db.execute("DELETE FROM buckets WHERE name = ?", (name,))
        return self._forget("space > ? AND space < ?", f"{name}/", f"{name}0")

    def _end_upload(self, bucket: str, key: str, name: str) -> list[str]:
        self.get_upload(bucket, key, name)
        self._forget("space = ? AND key = ?", f"{bucket}/uploads", f"{key}\0{name}".encode())
        return self._forget("space = ?", f"{bucket}/{name}")

    def _recover(self) -> None:
        """Finish what a kill left half-way, and take up what was put into the folders by hand."""
        known = {file for (file,) in self._db.execute("SELECT file FROM objects")}
        for path in self._files.iterdir():
            if path.name not in known and not path.name.startswith("index.sqlite"):
                path.unlink()
        for folder in self.folder.iterdir():
            if BUCKET.fullmatch(folder.name) and folder.is_dir() and not folder.is_symlink():
                row = (folder.name, folder.stat().st_mtime)
                self._db.execute("INSERT OR IGNORE INTO buckets VALUES (?, ?)", row)
            elif folder.is_dir() and folder.name not in (".store", ".nanio"):
                self.passed_over.append(folder.name)
        for name, _ in self.list_buckets():
            if BUCKET.fullmatch(name) and (self.folder / name).is_dir():
                self._recover_bucket(name)
            else:  # taken away by hand
                self._throw_away(self._forget("space = ?", name))
                self._throw_away(self._forget_bucket(name))

    def _recover_bucket(self, bucket: str) -> None:
        rows = {found.key: found for found in self.page(bucket)[0]}
        for found in rows.values():
            if (self._files / found.file).exists():
                self._show(bucket, found)
            elif not self._place(bucket, found).is_file():
                self._forget("space = ? AND key = ?", bucket, found.key.encode())
        folder = self.folder / bucket
        shutil.rmtree(folder / _NANIO, ignore_errors=True)
        for path in (Path(place, name) for place, _, names in os.walk(folder) for name in names):
            key = path.relative_to(folder).as_posix()
            if _SURROGATE.search(key) or self._path(bucket, key) != path:
                continue
            old = rows.get(key)
            if path.is_symlink() or not path.is_file() or (old and (self._files / old.file).exists()):
                continue
            state = path.stat()
            if old is None or (old.size, old.mtime) != (state.st_size, state.st_mtime_ns):
                with path.open("rb") as source:
                    md5 = hashlib.file_digest(source, lambda: make_digest("MD5"))
                details = (old.details | {"sums": {}, "parts": None}) if old else PLAIN
                told = (md5.hexdigest(), state.st_mtime, True, state.st_mtime_ns, details)
                self._write(bucket, Object(key, uuid.uuid4().hex, state.st_size, *told))


def _select(space: str, where: str, *values: bytes) -> tuple[str, tuple[Any, ...]]:
    columns = ", ".join(Object._fields)
    return f"SELECT {columns} FROM objects WHERE space = ? AND {where}", (space, *values)


def _read(row: tuple[Any, ...]) -> Object:
    return Object._make([row[0].decode(), *row[1:-1], json.loads(row[-1])])


def _end(prefix: bytes) -> bytes:
    """The first name after all that start so."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else b"\xff"


def copy(
    pieces: Iterable[tuple[BinaryIO, int, int]], staged: Staged, names: Iterable[str], md5: bool = True
) -> None:
    """Write stretches (file, start, bytes) one after the other, and compute checksums of these names."""
    whole, sums = make_digest("MD5"), {name: make_digest(name) for name in names}
    digests = [*sums.values(), *[whole] * md5]
    with staged.path.open("xb") as target:
        for source, start, size in pieces:
            with source:
                source.seek(start)
                left = size
                if not digests:
                    with suppress(OSError, AttributeError):  # not every system and disk can
                        while left and (done := os.copy_file_range(source.fileno(), target.fileno(), left)):
                            left -= done
                while left and (block := source.read(min(left, BLOCK))):
                    left -= target.write(block)
                    for digest in digests:
                        digest.update(block)
                staged.size += size - left
    staged.md5 = whole.digest().hex()
    staged.checksums = {name: b64encode(one.digest()).decode() for name, one in sums.items()}
