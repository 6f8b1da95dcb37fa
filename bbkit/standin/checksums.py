"""Bodies compared with the checksums their headers announce, while they stream."""

import base64
import hashlib
import zlib
from collections.abc import Callable
from typing import Any

from nanio.errors import BadDigest, InvalidRequest, S3Error
from starlette.types import Message, Receive


def checked(receive: Receive, headers: dict[str, str], method: str) -> Receive:
    """Compare a body with the checksums its headers announce, while it streams."""
    if method not in ("PUT", "POST"):
        return receive
    sums: list[tuple[Callable[[bytes], Any], Callable[[], str], str, S3Error]] = []
    expected = headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    if expected != "UNSIGNED-PAYLOAD":
        digest = hashlib.sha256()
        wrong = InvalidRequest("The provided 'x-amz-content-sha256' header does not match what was computed.")
        sums.append((digest.update, digest.hexdigest, expected, wrong))
    for name in ("sha1", "sha256", "md5"):
        if value := headers.get(f"x-amz-checksum-{name}"):
            sums.append(_base64_sum(hashlib.new(name, usedforsecurity=False), value))
    if value := headers.get("x-amz-checksum-crc32"):
        sums.append(_base64_sum(_Crc32(), value))

    async def receive_checked() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            for update, _, _, _ in sums:
                update(message.get("body", b""))
            if not message.get("more_body"):
                for _, result, wanted, error in sums:
                    if result() != wanted:
                        raise error
        return message

    return receive_checked


class _Crc32:
    """CRC-32 in the form of a hashlib digest."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, data: bytes) -> None:
        self.value = zlib.crc32(data, self.value)

    def digest(self) -> bytes:
        return self.value.to_bytes(4)


def _base64_sum(digest: Any, value: str) -> tuple[Callable[[bytes], Any], Callable[[], str], str, S3Error]:
    return digest.update, lambda: base64.b64encode(digest.digest()).decode(), value, BadDigest()
