"""S3: nanio behind a guard that lets pass only what it does right.

Everything that is not named below is answered with 501 and a sentence, never silently done wrong. nanio 0.1.7
ignores conditions, checksums other than Content-MD5, copy directives and every sub-resource it does not know.
"""

import hashlib
import os
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from botocore.httpchecksum import Crc32Checksum
from nanio.app import build_app
from nanio.auth.credentials import StaticCredentialResolver
from nanio.config import Settings as NanioSettings
from nanio.errors import BadDigest, InvalidRequest, NoSuchKey, S3Error
from nanio.keys import validate_bucket_name, validate_object_key
from nanio.storage.paths import object_path
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from bbkit.standin.errors import ServiceError, not_served, refuse_call, render_error
from bbkit.standin.faults import Faults
from bbkit.standin.inputs import climbs, is_plain
from bbkit.standin.s3_storage import ObjectStorage
from bbkit.standin.tables import read_table

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
# The requests that pass, and their headers.
_TABLE = read_table("s3")
_QUERIES: dict[str, dict[str, list[list[str]]]] = _TABLE["queries"]
_FREE_QUERY = re.compile(r"x-id|X-Amz-.+")
# nanio keeps no headers but those of metadata; these are kept under such names, and told under their own.
_META, _SSE = b"x-amz-meta-", b"x-amz-server-side-encryption"
WRITES = ("PutObject", "CompleteMultipartUpload", "CreateMultipartUpload")


class Guard:
    """An ASGI application that answers the S3 requests of one stand-in, already authenticated."""

    def __init__(self, buckets: Path, account: str, region: str, faults: Faults) -> None:
        settings = NanioSettings(
            data_dir=buckets,
            region=region,
            credentials=StaticCredentialResolver({"unused": "unused"}),
            auth_disabled=True,
        )
        self.account = account
        self.region = region
        self.faults = faults
        self.storage = ObjectStorage(buckets, chunk_size=settings.chunk_size)
        self._nanio = build_app(settings)
        self._nanio.state.storage = self.storage
        self._writing: set[tuple[str, str]] = set()

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, begin: Callable[[str], None] = lambda name: None
    ) -> None:
        """Answer a request; `begin` is told its operation first."""
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        bucket, _, key = unquote(scope["raw_path"].decode("latin-1")).removeprefix("/").partition("/")
        method = scope["method"]
        try:
            operation = find_operation(method, bucket, key, query, headers)
            begin(operation)
            check_headers(headers, self.account)
            if bucket:
                validate_bucket_name(bucket)
            if key:
                self._check_key(operation, bucket, key, headers)
            if operation in ("PutObject", "CreateMultipartUpload"):
                self._check_encryption(bucket, key, headers)
            early = self.answer_early(operation, bucket, key, query, headers)
            if early is None:
                scope = self._adapt(scope, operation, bucket, key, headers)
        except S3Error as error:
            early = Response(error.to_xml(), error.http_status, media_type="application/xml")
        except ServiceError as error:
            early = render_error(error, "s3")
        if early is not None:
            await early(scope, receive, send)
            return

        async def tell(message: Message) -> None:
            told = [
                (name.removeprefix(_META) if _SSE in name else name, value)
                for name, value in message.get("headers", ())
            ]
            await send({**message, "headers": told})

        conditional = {(bucket, key)} if operation in WRITES and "if-none-match" in headers else set()
        self._writing |= conditional
        try:
            kept = [
                (_META + name if name.startswith(_SSE) else name, value) for name, value in scope["headers"]
            ]
            await self._nanio({**scope, "headers": kept}, checked(receive, headers, method), tell)
        finally:
            self._writing -= conditional

    def _check_encryption(self, bucket: str, key: str, headers: dict[str, str]) -> None:
        """Deny what a policy that demands KMS would."""
        sent = headers.get(_SSE.decode()), headers.get(f"{_SSE.decode()}-aws-kms-key-id")
        wanted = "aws:kms", self.faults.require_kms or sent[1]
        if "require-kms" in self.faults.names and sent != wanted:
            raise refuse_call("require_kms", account=self.account, bucket=bucket, key=key)

    def _check_key(self, operation: str, bucket: str, key: str, headers: dict[str, str]) -> None:
        source = unquote(headers.get("x-amz-copy-source", ""))
        if any("\\" in name and climbs(name) for name in (key, source)):
            raise InvalidRequest("A key with '..' between backslashes is no object of this stand-in.")
        if not is_plain(key) or any(len(os.fsencode(part)) > 250 for part in key.split("/")):
            raise not_done(
                f"The key '{key[:100]}' (an empty, dotted, hidden or very long part, or a folder marker)"
            )
        validate_object_key(key)
        if "?" in headers.get("x-amz-copy-source", ""):
            raise not_done("A copy of one version")
        path = object_path(self.storage.data_dir, bucket, key)
        if operation in WRITES:
            root = self.storage.data_dir / bucket
            parents = [parent for parent in path.parents if root in parent.parents]
            if path.is_dir() or any(parent.is_file() for parent in parents):
                raise not_done(
                    f"An object '{key}' beside an object that has this key as its folder, or is its folder,"
                )

    def answer_early(
        self, operation: str, bucket: str, key: str, query: dict[str, str], headers: dict[str, str]
    ) -> Response | None:
        """Give the answers nanio would get wrong: the older listing, and conditions that do not hold."""
        if operation == "ListObjects":
            return self._list_v1(bucket, query)
        if operation in ("GetBucketLocation", "CreateBucket"):
            return self._answer_home(operation, bucket)
        match, none_match = headers.get("if-match"), headers.get("if-none-match")
        if match is None and none_match is None:
            return None
        try:
            etag: str | None = self.storage.head_object(bucket, key).etag
        except NoSuchKey:
            etag = None
        writes = operation in WRITES
        if writes and (bucket, key) in self._writing:
            raise refuse_call("conditional_write")
        if match is not None and etag not in [tag.strip() for tag in match.split(",")] and match != "*":
            if etag is None:
                raise NoSuchKey(resource=f"{bucket}/{key}")
            raise _precondition("If-Match")
        if none_match is None or etag is None:
            return None
        if none_match == "*" or etag in [tag.strip() for tag in none_match.split(",")]:
            if writes:
                raise _precondition("If-None-Match")
            return Response(status_code=304, headers={"ETag": etag})
        return None

    def _answer_home(self, operation: str, bucket: str) -> Response | None:
        """Of us-east-1 alone: a bucket's location is empty, and its owner may create it again."""
        if self.region != "us-east-1" or not (self.storage.data_dir / bucket).is_dir():
            return None
        if operation == "CreateBucket":
            return Response(headers={"Location": f"/{bucket}"})
        return Response(f"{_XML}<LocationConstraint {_NAMESPACE}/>", media_type="application/xml")

    def _list_v1(self, bucket: str, query: dict[str, str]) -> Response:
        size = min(int(query["max-keys"]), 1000) if query.get("max-keys", "").isdigit() else 1000
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        page = self.storage.list_objects(
            bucket, prefix=prefix, delimiter=delimiter, max_keys=size, start_after=query.get("marker")
        )
        marks = [info.key for info in page.contents] + page.common_prefixes
        parts = [_tag("Name", bucket), _tag("Prefix", prefix), _tag("Marker", query.get("marker", ""))]
        parts += [_tag("MaxKeys", str(size)), _tag("IsTruncated", str(page.is_truncated).lower())]
        if delimiter:
            parts.append(_tag("Delimiter", delimiter))
            if page.is_truncated:
                parts.append(_tag("NextMarker", max(marks)))
        for info in page.contents:
            body = _tag("Key", info.key) + _tag(
                "LastModified", f"{info.last_modified:%Y-%m-%dT%H:%M:%S.000Z}"
            )
            body += _tag("ETag", info.etag) + _tag("Size", str(info.size)) + _tag("StorageClass", "STANDARD")
            parts.append(f"<Contents>{body}</Contents>")
        parts += [
            f"<CommonPrefixes>{_tag('Prefix', group)}</CommonPrefixes>" for group in page.common_prefixes
        ]
        text = f"{_XML}<ListBucketResult {_NAMESPACE}>{''.join(parts)}</ListBucketResult>"
        return Response(text, media_type="application/xml")

    def _adapt(self, scope: Scope, operation: str, bucket: str, key: str, headers: dict[str, str]) -> Scope:
        """Rewrite a byte range into the one form nanio understands."""
        if operation != "GetObject" or "range" not in headers:
            return scope
        others = [(name, value) for name, value in scope["headers"] if name != b"range"]
        match = _RANGE.fullmatch(headers["range"].strip())
        if match is None or match.groups() == ("", ""):
            return {**scope, "headers": others}
        size = self.storage.head_object(bucket, key).size
        first, last = match.groups()
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last), size - 1) if first and last else size - 1
        if start >= size or start > end:
            raise ServiceError("InvalidRange", "The requested range is not satisfiable", 416)
        return {**scope, "headers": [*others, (b"range", f"bytes={start}-{end}".encode())]}


def _tag(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _precondition(name: str) -> ServiceError:
    return ServiceError("PreconditionFailed", f"The precondition {name} you specified did not hold.", 412)


def find_operation(method: str, bucket: str, key: str, query: dict[str, str], headers: dict[str, str]) -> str:
    place = "object" if key else "bucket" if bucket else "service"
    names = {name for name in query if not _FREE_QUERY.fullmatch(name)}
    for operation, (needed, allowed) in _QUERIES.get(f"{method} {place}", {}).items():
        if {*needed} <= names <= {*needed, *allowed}:
            if operation == "UploadPart" and "x-amz-copy-source" in headers:
                raise not_done("UploadPartCopy")
            return operation
    parameters = f" with {', '.join(sorted(names))}" if names else ""
    raise not_done(f"{method} of a {place}{parameters}")


def check_headers(headers: dict[str, str], account: str) -> None:
    """Raise for headers nanio would not treat right, and for the bucket of another account."""
    for name, value in headers.items():
        fixed = _TABLE["fixed_headers"].get(name)
        foreign = name.startswith("x-amz-") and not re.fullmatch(_TABLE["free_headers"], name)
        if name == "x-amz-expected-bucket-owner":
            if value != account:
                raise ServiceError("AccessDenied", f"The bucket is not owned by account {value}.", 403)
        elif fixed:
            if value not in fixed:
                raise not_done(f"{name}: {value}")
        elif foreign or name in _TABLE["refused_headers"]:
            raise not_done(f"Header {name}")
    if headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        raise not_done("A body in aws-chunked encoding")


def not_done(what: str) -> ServiceError:
    return not_served(f"{what} is not part of this stand-in's S3; nothing was changed.")


def checked(receive: Receive, headers: dict[str, str], method: str) -> Receive:
    """Compare a body with the checksums its headers announce, while it streams."""
    if method not in ("PUT", "POST"):
        return receive
    sums: list[tuple[Any, str, S3Error]] = []
    expected = headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    if expected != "UNSIGNED-PAYLOAD":
        wrong = InvalidRequest("The provided 'x-amz-content-sha256' header does not match what was computed.")
        sums.append((hashlib.sha256(), expected, wrong))
    for name in ("sha1", "sha256", "md5", "crc32"):
        if value := headers.get(f"x-amz-checksum-{name}"):
            digest = Crc32Checksum() if name == "crc32" else hashlib.new(name, usedforsecurity=False)
            sums.append((digest, value, BadDigest()))

    async def receive_checked() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            for digest, wanted, error in sums:
                digest.update(message.get("body", b""))
                if not message.get("more_body") and wanted not in _written(digest.digest()):
                    raise error
        return message

    return receive_checked


def _written(digest: bytes) -> tuple[str, str]:
    return digest.hex(), b64encode(digest).decode()
