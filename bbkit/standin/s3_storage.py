"""The buckets of a stand-in: nanio's file storage with S3's listing order, and what jobs put into it.

nanio 0.1.7 sorts within each folder, so that ``a-b`` comes after ``a/b`` and is lost between two pages; it
counts no common prefixes as keys, repeats them on every page, and shows uploads under way. Source of the
rules: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html.
"""

import base64
import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from nanio.errors import InvalidArgument
from nanio.etag import StreamingMd5
from nanio.storage.backend import ListResult, ObjectInfo
from nanio.storage.filesystem import FilesystemStorage
from nanio.storage.metadata import write_metadata
from nanio.storage.paths import META_DIR_NAME, bucket_dir, metadata_path, object_path

from bbkit.standin.inputs import JobRefused, climbs, is_plain, split_uri, walk_keys


def check_output(buckets: Path, uri: str) -> None:
    bucket, key = split_uri(uri)
    if key.strip("/") and not is_plain(key.strip("/")):
        raise JobRefused(f"{uri} is no place in a bucket of this stand-in.")
    if not (buckets / bucket).is_dir():
        raise JobRefused(
            f"The bucket {bucket} for the output data does not exist or cannot be reached by the role."
        )


class ObjectStorage(FilesystemStorage):  # type: ignore[misc, unused-ignore]
    def list_objects(
        self,
        bucket: str,
        *,
        prefix: str = "",
        delimiter: str | None = None,
        max_keys: int = 1000,
        continuation_token: str | None = None,
        start_after: str | None = None,
    ) -> ListResult:
        """Give one page of keys and common prefixes in UTF-8 order."""
        self.head_bucket(bucket)
        after = _read_token(continuation_token) if continuation_token else start_after or ""
        contents: list[ObjectInfo] = []
        common: list[str] = []
        last = after
        for key in walk_keys(bucket_dir(self.data_dir, bucket), prefix, after):
            place = key.find(delimiter, len(prefix)) if delimiter else -1
            group = key[: place + len(delimiter)] if delimiter and place >= 0 else ""
            if group and (group <= after or (common and common[-1] == group)):
                continue
            if len(contents) + len(common) >= max_keys:
                token = base64.urlsafe_b64encode(last.encode("utf-8", "surrogateescape")).decode()
                return ListResult(contents, common, max_keys > 0, token if max_keys > 0 else None)
            if group:
                common.append(group)
                last = group
                continue
            with suppress(FileNotFoundError):
                contents.append(
                    self._read_or_synthesize_metadata(bucket, key, object_path(self.data_dir, bucket, key))
                )
            last = key
        return ListResult(contents, common, False, None)

    def delete_object(self, bucket: str, key: str) -> None:
        """Delete an object; where the key is a folder, is below an object or climbs is none: no error."""
        if climbs(key):
            return
        path = object_path(self.data_dir, bucket, key)
        if not path.is_dir() and not any(parent.is_file() for parent in path.parents):
            super().delete_object(bucket, key)


def _read_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode("utf-8", "surrogateescape")
    except ValueError:
        raise InvalidArgument("The continuation token provided is incorrect") from None


def put_file(buckets: Path, bucket: str, key: str, source: Path, md5: str) -> None:
    """Move a finished file into a bucket so that it appears whole, with its metadata, or not at all."""
    check_output(buckets, f"s3://{bucket}/")
    target = object_path(buckets, bucket, key)
    info = ObjectInfo(
        key=key,
        size=source.stat().st_size,
        etag=f'"{md5}"',
        last_modified=datetime.now(UTC),
        content_type="application/octet-stream",
    )
    side = metadata_path(buckets, bucket, key)
    side.with_suffix(side.suffix + ".tmp").unlink(missing_ok=True)
    try:
        write_metadata(side, info)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    except OSError as error:
        raise JobRefused(
            f"The output could not be written to s3://{bucket}/{key}: {error.strerror}."
        ) from error


def recover(storage: ObjectStorage) -> None:
    """Mend what a kill may have left: uploads under way, and metadata that is not of the object beside it."""
    for bucket in storage.list_buckets():
        root = storage.data_dir / bucket.name
        for folder, _, names in os.walk(root):
            hidden = META_DIR_NAME in Path(folder).parts
            for name in names:
                if name.startswith(".tmp.") or (hidden and name.endswith(".json.tmp")):
                    Path(folder, name).unlink(missing_ok=True)
        for key in walk_keys(root):
            _mend_metadata(storage, bucket.name, key)


def _mend_metadata(storage: ObjectStorage, bucket: str, key: str) -> None:
    path, side = object_path(storage.data_dir, bucket, key), metadata_path(storage.data_dir, bucket, key)
    state = path.stat()
    current = side.exists() and side.stat().st_mtime_ns >= state.st_mtime_ns
    if current and storage.head_object(bucket, key).size == state.st_size:
        return
    digest = StreamingMd5()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    changed = datetime.fromtimestamp(state.st_mtime, UTC)
    info = ObjectInfo(key=key, size=state.st_size, etag=digest.quoted_etag(), last_modified=changed)
    write_metadata(side, info)
