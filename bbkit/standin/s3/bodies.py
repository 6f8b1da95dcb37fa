"""The body of an S3 request: decoded, measured and verified while it streams, in bounded memory.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping
from typing import Any

from botocore import httpchecksum
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from bbkit.standin.errors import refuse_call
from bbkit.standin.signatures import UNSIGNED, ChunkSigner

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
KINDS = (UNSIGNED, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGNED, f"{SIGNED}-TRAILER")
SUMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128")
LARGEST = 5 << 30  # bytes in one request; a larger object comes in parts
_LONGEST = 1 << 14  # bytes of a chunk's header or of the trailers
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
_CHECKSUM = re.compile(r"x-amz-checksum-(?!(?:algorithm|mode|type)$)(.+)")
_ASKED = ("x-amz-sdk-checksum-algorithm", "x-amz-checksum-algorithm")


class Body:
    """What a request carries: iterate over it, and an error comes before the end unless all of it holds.

    Headers that can hold for no body are refused at once. `content_encoding` is what is kept of that header;
    `size` (decoded bytes), `md5` (hexadecimal) and `checksums` (base64 by algorithm, such as ``CRC32``: the
    one that was announced, trailed or asked for) are there when all was read.
    """

    def __init__(self, receive: Receive, headers: Mapping[str, str], signing: ChunkSigner | None = None):
        self._receive, self._buffer = receive, bytearray()
        self._sha256 = headers.get("x-amz-content-sha256", UNSIGNED)
        self._chunked = self._sha256.startswith("STREAMING-")
        self._signing = signing if self._sha256.startswith(SIGNED) else None
        if self._sha256 not in KINDS and not re.fullmatch("[0-9a-f]{64}", self._sha256):
            raise refuse_call("content_sha256", known=", ".join(KINDS), found=self._sha256)
        if self._sha256.startswith(SIGNED) and signing is None:
            raise refuse_call("unsigned_chunks", kind=self._sha256)
        self._length = _read_length(headers, self._chunked)
        self._md5 = headers.get("content-md5")
        if self._md5 is not None and not _is_digest(self._md5, "MD5"):
            raise refuse_call("invalid_md5")
        trailers = headers.get("x-amz-trailer", "").lower()
        self._trailers = [name.strip() for name in trailers.split(",") if name]
        self._announced = read_checksums(headers)
        names = {*self._announced, *(headers[name].upper() for name in _ASKED if name in headers)}
        for name in self._trailers:
            if not (match := _CHECKSUM.fullmatch(name)) or match[1].upper() not in SUMS:
                raise refuse_call("other_trailer")
            names.add(match[1].upper())
        self._digests = {name: make_digest(name) for name in sorted(names)}
        encodings = [one.strip() for one in headers.get("content-encoding", "").split(",")]
        self.content_encoding = ",".join(one for one in encodings if one != "aws-chunked")
        self.size, self.md5, self.checksums = 0, "", dict[str, str]()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._pieces = self._read_pieces()
        digests = [md5 := make_digest("MD5"), sha256 := hashlib.sha256(), *self._digests.values()]
        if self._sha256 in KINDS:
            digests.remove(sha256)
        async for piece in self._read_chunks() if self._chunked else self._pieces:
            self.size += len(piece)
            if self._length is not None and self.size > self._length:
                break
            for digest in digests:
                digest.update(piece)
            yield piece
        if self._length not in (None, self.size):
            raise refuse_call("incomplete_body")
        if self._sha256 not in KINDS and self._sha256 != sha256.hexdigest():
            raise refuse_call("other_sha256", found=self._sha256, computed=sha256.hexdigest())
        self.md5 = md5.hexdigest()
        self.checksums = {name: b64encode(one.digest()).decode() for name, one in self._digests.items()}
        computed = self.checksums | {"Content-MD5": b64encode(md5.digest()).decode()}
        told = self._announced | ({"Content-MD5": self._md5} if self._md5 else {})
        for name, value in told.items():
            if computed[name] != value:
                refusal = "other_md5" if name == "Content-MD5" else "other_checksum"
                raise refuse_call(refusal, kind=name, found=value, computed=computed[name])

    async def _read_pieces(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            if piece := message.get("body", b""):
                yield piece
            more = message.get("more_body", False)

    async def _read_chunks(self) -> AsyncIterator[bytes]:
        """Take aws-chunked apart; S3 calls what is no framing an incomplete body, too."""
        size = -1
        while size:
            found = _CHUNK.fullmatch(await self._read_line())
            if found is None or (self._signing is None) != (found[2] is None):
                raise refuse_call("incomplete_body")
            left = size = int(found[1], 16)
            sha256 = hashlib.sha256()
            while left:
                if not self._buffer:
                    await self._fill()
                piece = self._take(left)
                left -= len(piece)
                if self._signing:
                    sha256.update(piece)
                yield piece
            if self._signing:
                self._signing.verify(found[2].decode(), sha256.hexdigest())
            if size and await self._read_line():
                raise refuse_call("incomplete_body")
        async for piece in self._pieces:
            self._buffer += piece
            if len(self._buffer) > _LONGEST:
                break
        self._read_trailers(self._buffer.decode("latin-1"))

    def _read_trailers(self, text: str) -> None:
        if len(text) > _LONGEST:
            raise refuse_call("malformed_trailer")
        if text != "\r\n" and not text.endswith("\r\n\r\n"):
            raise refuse_call("incomplete_body")
        # The pages of AWS show an empty line before the signature.
        pairs = [line.partition(":")[::2] for line in text.splitlines() if line]
        signing = self._signing if self._sha256.endswith("-TRAILER") else None
        signature = pairs.pop()[1].strip() if signing and pairs else ""
        found = {name.strip().lower(): value.strip() for name, value in pairs}
        if [*found] != self._trailers:
            raise refuse_call("malformed_trailer")
        if signing:
            lines = "".join(f"{name}:{value}\n" for name, value in found.items()).encode("latin-1")
            signing.verify(signature, hashlib.sha256(lines).hexdigest(), trailer=True)
        self._announced |= read_checksums(found, "trailing header")

    async def _read_line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            await self._fill()
        return self._take(end + 2)[:-2]

    async def _fill(self) -> None:
        piece = await anext(self._pieces, b"")
        if not piece or len(self._buffer) > _LONGEST:
            raise refuse_call("incomplete_body")
        self._buffer += piece

    def _take(self, most: int) -> bytes:
        piece = bytes(self._buffer[:most])
        del self._buffer[:most]
        return piece


def read_checksums(headers: Mapping[str, str], where: str = "header") -> dict[str, str]:
    """The checksum that headers or trailers tell, by its algorithm; empty where they tell none."""
    matches = [(_CHECKSUM.fullmatch(name), value) for name, value in headers.items()]
    found = {match[1].upper(): value for match, value in matches if match}
    if len(found) > 1:
        raise refuse_call("many_checksums")
    for name, value in found.items():
        if not _is_digest(value, name):
            raise refuse_call("invalid_checksum", kind=name.lower(), where=where)
    return found


def make_digest(algorithm: str) -> Any:
    """What computes one of `SUMS`: it has ``update`` and, to be called once, ``digest``."""
    if algorithm == "MD5":
        return hashlib.md5(usedforsecurity=False)
    if algorithm not in SUMS:
        raise refuse_call("no_checksum", kind=algorithm, known=", ".join(SUMS))
    kind = httpchecksum._CHECKSUM_CLS.get(algorithm.lower())
    if kind is None:
        raise refuse_call("no_awscrt", kind=algorithm)
    return kind()


def _is_digest(value: str, algorithm: str) -> bool:
    try:
        return len(b64decode(value, validate=True)) == len(make_digest(algorithm).digest())
    except ValueError:
        return False


def _read_length(headers: Mapping[str, str], chunked: bool) -> int | None:
    """The bytes that are announced; None where none are, as for most requests without a body."""
    if "transfer-encoding" in headers and not chunked:
        raise refuse_call("transfer_encoding")
    given = headers.get("x-amz-decoded-content-length" if chunked else "content-length", "")
    if not re.fullmatch("[0-9]{1,20}", given):
        if chunked:
            raise refuse_call("no_length")
        return None
    if int(given) > LARGEST:
        raise refuse_call("large_object", found=given, most=LARGEST)
    return int(given)
