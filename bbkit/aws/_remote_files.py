"""Objects in S3 as files that are read where one asks, and written whole."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bbkit.aws._clients import call, client, translated
from bbkit.aws._objects import encryption, split_s3_uri

_MOST_AT_ONCE = 5 << 30
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html; a killed upload in parts leaves them."""


def write_object(uri: str, content: bytes | Path, *, kms_key_id: str = "") -> None:
    """Write bytes or a file as one object; what is there is replaced, and the object appears whole."""
    from boto3.s3.transfer import TransferConfig

    bucket, key = split_s3_uri(uri)
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as body:
        extra, config = encryption(kms_key_id), TransferConfig(multipart_threshold=_MOST_AT_ONCE)
        with translated():
            client("s3").upload_fileobj(body, bucket, key, ExtraArgs=extra, Config=config)


class RemoteFiles:
    """Objects of known sizes, by URI, as far as pyarrow's ``FSSpecHandler`` needs them to read Parquet."""

    # Arrow's own file system of S3 would find credentials, endpoint and proxy by other rules than boto3.
    protocol = "s3"

    def __init__(self, sizes: Mapping[str, int]):
        self._sizes = sizes

    def isfile(self, uri: str) -> bool:
        """Whether there is such an object."""
        return uri in self._sizes

    def info(self, uri: str) -> dict[str, Any]:
        """Give its kind and size."""
        return {"type": "file", "size": self._sizes[uri]}

    def open(self, uri: str, mode: str = "rb") -> io.RawIOBase:
        """Open it for reading."""
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
