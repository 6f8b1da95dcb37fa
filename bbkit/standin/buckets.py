"""S3: nanio behind a guard that lets pass only what it does right.

Everything that is not named below is answered with 501 and a sentence, never silently done wrong. nanio
ignores conditions, checksums other than Content-MD5, copy directives and every sub-resource it does not know.
Source of the requests:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html.
"""

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from nanio.app import build_app
from nanio.auth.credentials import StaticCredentialResolver
from nanio.config import Settings as NanioSettings
from nanio.errors import NoSuchKey, S3Error
from nanio.keys import validate_bucket_name, validate_object_key
from nanio.storage.paths import object_path
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bbkit.standin.checksums import checked
from bbkit.standin.errors import ServiceError
from bbkit.standin.listings import ObjectStorage, is_plain
from bbkit.standin.s3_rules import WRITES, check_headers, find_operation, not_done
from bbkit.standin.wires import render_error

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Guard:
    """An ASGI application that answers the S3 requests of one stand-in, already authenticated."""

    def __init__(self, buckets: Path, account: str, region: str) -> None:
        settings = NanioSettings(
            data_dir=buckets,
            region=region,
            credentials=StaticCredentialResolver({"unused": "unused"}),
            auth_disabled=True,
        )
        self.account = account
        self.region = region
        self.storage = ObjectStorage(buckets, chunk_size=settings.chunk_size)
        self._nanio = build_app(settings)
        self._nanio.state.storage = self.storage
        self._writing: set[tuple[str, str]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        bucket, _, key = unquote(scope["raw_path"].decode("latin-1")).removeprefix("/").partition("/")
        method = scope["method"]
        try:
            operation = find_operation(method, bucket, key, query, headers)
            self.check(operation, bucket, key, headers)
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
        await self._pass_on(operation, (bucket, key), scope, checked(receive, headers, method), send)

    async def _pass_on(
        self, operation: str, place: tuple[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        conditional = operation in WRITES and any(name == b"if-none-match" for name, _ in scope["headers"])
        if conditional:
            self._writing.add(place)
        try:
            await self._nanio(scope, receive, send)
        finally:
            if conditional:
                self._writing.discard(place)

    def check(self, operation: str, bucket: str, key: str, headers: dict[str, str]) -> None:
        """Raise for headers and keys that nanio would not treat right, and for another account's bucket."""
        check_headers(headers, self.account)
        if bucket:
            validate_bucket_name(bucket)
        if key:
            self._check_key(operation, bucket, key, headers)

    def _check_key(self, operation: str, bucket: str, key: str, headers: dict[str, str]) -> None:
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
            raise ServiceError(
                "ConditionalRequestConflict", "Another conditional write of this key is under way.", 409
            )
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
