"""Objects in S3: listed, read, uploaded and downloaded whole, deleted; and as files of pyarrow."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from bbkit.aws._clients import NO_ANSWER, call, client, iter_pages, translated
from bbkit.core.errors import AwsError, InputError
from bbkit.core.files import file_md5, file_sha256, replacing, write_text
from bbkit.core.logs import LOG

_SHA256 = "bbkit-sha256"
_MOST_AT_ONCE = 5 << 30
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html; a killed upload in parts leaves them."""


class S3Object(NamedTuple):
    """One object of a listing: its URI, its size in bytes, its ETag without quotes."""

    uri: str
    size: int
    etag: str


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key; the key may be empty."""
    scheme, separator, rest = str(uri).partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not separator or not bucket:
        raise InputError(f"{uri!r} is not an S3 URI. Write it as s3://bucket/prefix.")
    return bucket, key


def list_objects(uri: str) -> Iterator[S3Object]:
    """List every object whose key begins with the URI's, over all pages."""
    bucket, prefix = split_s3_uri(uri)
    for page in iter_pages("s3", "list_objects_v2", Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            yield S3Object(f"s3://{bucket}/{item['Key']}", item["Size"], item["ETag"].strip('"'))


def iter_object(uri: str, size: int) -> Iterator[bytes]:
    """Read an object in blocks of `size` bytes, without downloading it first."""
    bucket, key = split_s3_uri(uri)
    # Not ``with body``: botocore gives the stream of urllib3 there, with its errors.
    with translated(), closing(call("s3", "get_object", Bucket=bucket, Key=key)["Body"]) as body:
        while block := body.read(size):
            yield block


def read_object(uri: str) -> bytes:
    return b"".join(iter_object(uri, 1 << 20))


def encryption(kms_key_id: str) -> dict[str, str]:
    """What a write says of its encryption; nothing without a key: the bucket's default holds."""
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {}


def _transfers(**options: Any) -> Any:
    """How boto3 itself transfers; awscrt, which it prefers on some machines, retries and fails otherwise."""
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(preferred_transfer_client="classic", **options)


def _head(uri: str, **options: str) -> dict[str, Any]:
    bucket, key = split_s3_uri(uri)
    return dict(call("s3", "head_object", Bucket=bucket, Key=key, **options))


def upload_file(
    path: str | Path,
    uri: str,
    *,
    progress: Callable[[int], None] | None = None,
    sha256: str = "",
    kms_key_id: str = "",
) -> bool:
    """Upload a file, in parts when it is large; what is already complete is left alone."""
    path = Path(path)
    size, checksum = path.stat().st_size, sha256 or file_sha256(path)
    try:
        present = _head(uri)
    except AwsError as error:
        if error.code not in ("404", "NoSuchKey", "NotFound"):
            raise
    else:
        if present["ContentLength"] == size and present.get("Metadata", {}).get(_SHA256) == checksum:
            return False
        raise AwsError(
            f"{uri} already exists with other content ({present['ContentLength']:,} bytes). "
            "Delete it, or use another prefix; nothing is overwritten.",
            "ObjectDiffers",
        )
    bucket, key = split_s3_uri(uri)
    extra: dict[str, Any] = {"Metadata": {_SHA256: checksum}, **encryption(kms_key_id)}
    with translated():
        client("s3").upload_file(
            str(path), bucket, key, ExtraArgs=extra, Callback=progress, Config=_transfers()
        )
    LOG.info("uploaded %s (%d bytes)", uri, size)
    return True


def download_file(
    uri: str, path: str | Path, *, progress: Callable[[int], None] | None = None, sha256: str = ""
) -> int:
    """Download an object whole, of this `sha256` alone where that is given; how often it had to come."""
    path = Path(path)
    etag = (stored := _head(uri, ChecksumMode="ENABLED"))["ETag"].strip('"')
    if path.is_file() and read_note(path).get("etag") == etag and is_as_noted(path, thorough=True):
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        times = 1
        if damage := _download(uri, partial, stored, progress):
            LOG.warning("%s came damaged: %s", uri, damage)
            times, damage = 2, _download(uri, partial, stored, progress)
        if damage:
            raise AwsError(f"{uri} came damaged twice. {damage} Check the network and the proxy.", NO_ANSWER)
        noted = {"etag": etag, "sha256": file_sha256(partial), "mtime_ns": partial.stat().st_mtime_ns}
        if not sha256:
            write_text(_note_of(path), json.dumps(noted))
        elif noted["sha256"] != sha256:
            raise AwsError(f"{uri} is not the one that was written either.")
    LOG.info("fetched %s (%d bytes)", uri, stored["ContentLength"])
    return times


def _download(uri: str, path: Path, stored: Mapping[str, Any], progress: Any) -> str:
    """Download an object; how what came differs from it."""
    from botocore.exceptions import FlexibleChecksumError

    bucket, key = split_s3_uri(uri)
    try:
        with translated():
            client("s3").download_file(bucket, key, str(path), Callback=progress, Config=_transfers())
    except FlexibleChecksumError:
        return "Its checksum is not the one S3 tells."
    return _compare(path, stored)[0]


def compare_copy(path: Path, uri: str) -> tuple[str, str]:
    """How a local copy differs from an object, empty where it does not, and what tells."""
    return _compare(path, _head(uri, ChecksumMode="ENABLED"))


def _compare(path: Path, stored: Mapping[str, Any]) -> tuple[str, str]:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
    from botocore import httpchecksum

    size, etag = path.stat().st_size, stored["ETag"].strip('"')
    if size != stored["ContentLength"]:
        return f"It has {size:,} bytes, in S3 {stored['ContentLength']:,}.", "size"
    # Those of the Crt are among them where that is installed.
    for name, kind in getattr(httpchecksum, "_CHECKSUM_CLS", {}).items():
        told = stored.get(f"Checksum{name.upper()}", "-")
        if "-" not in told:  # else it is made of those of parts
            with path.open("rb") as stream:
                is_other = kind().handle(stream) != told
            return f"Its {name} is not the one S3 keeps." * is_other, "checksum"
    is_encrypted = "SSECustomerAlgorithm" in stored or "kms" in stored.get("ServerSideEncryption", "")
    if "-" not in etag and not is_encrypted:
        return "Its MD5 is not its ETag in S3." * (file_md5(path) != etag), "ETag"
    if (note := read_note(path)).get("etag") == etag:
        return "Its sha256 is not the one noted when it came." * (note["sha256"] != file_sha256(path)), "note"
    return "", "size"


def _note_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.etag")


def read_note(path: Path) -> dict[str, Any]:
    """What was noted of a copy when it came: ``etag, sha256, mtime_ns``; nothing where that is lost."""
    try:
        known = json.loads(_note_of(path).read_text("utf-8"))
        return {"etag": str(known["etag"]), "sha256": str(known["sha256"]), "mtime_ns": known.get("mtime_ns")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def is_as_noted(path: Path, *, thorough: bool = False) -> bool:
    """Whether a copy is as it came, or nothing was noted; one not written since is hashed only on demand."""
    note = read_note(path)
    if not note or (not thorough and note["mtime_ns"] == path.stat().st_mtime_ns):
        return True
    return bool(note["sha256"] == file_sha256(path))


def delete_objects(uris: Iterable[str]) -> int:
    keys: dict[str, list[str]] = {}
    for uri in uris:
        bucket, key = split_s3_uri(uri)
        keys.setdefault(bucket, []).append(key)
    for bucket, names in keys.items():
        for start in range(0, len(names), 1000):
            objects = [{"Key": name} for name in names[start : start + 1000]]
            answer = call("s3", "delete_objects", Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if errors := answer.get("Errors"):
                first = errors[0]
                raise AwsError(
                    f"S3 did not delete s3://{bucket}/{first.get('Key')} ({first.get('Code')}: "
                    f"{first.get('Message')}). Grant s3:DeleteObject.",
                    str(first.get("Code", "")),
                )
    return sum(map(len, keys.values()))


def write_object(uri: str, content: bytes | Path, *, kms_key_id: str = "") -> None:
    """Write bytes or a file as one object; what is there is replaced, and the object appears whole."""
    bucket, key = split_s3_uri(uri)
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as body:
        extra, config = encryption(kms_key_id), _transfers(multipart_threshold=_MOST_AT_ONCE)
        with translated():
            client("s3").upload_fileobj(body, bucket, key, ExtraArgs=extra, Config=config)


class RemoteFiles:
    """Objects of known sizes, by URI, as far as pyarrow's ``FSSpecHandler`` needs them to read Parquet."""

    # Arrow's own file system of S3 would find credentials, endpoint and proxy by other rules than boto3.
    protocol = "s3"

    def __init__(self, sizes: Mapping[str, int]):
        self._sizes = sizes

    def isfile(self, uri: str) -> bool:
        return uri in self._sizes

    def info(self, uri: str) -> dict[str, Any]:
        return {"type": "file", "size": self._sizes[uri]}

    def open(self, uri: str, mode: str = "rb") -> io.RawIOBase:
        return _RemoteFile(uri, self._sizes[uri])


class _RemoteFile(io.RawIOBase):
    def __init__(self, uri: str, size: int):
        super().__init__()
        self._place, self._size, self._at = split_s3_uri(uri), size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        (bucket, key), span = self._place, f"bytes={self._at}-{end - 1}"
        with translated():
            content = call("s3", "get_object", Bucket=bucket, Key=key, Range=span)["Body"].read()
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
