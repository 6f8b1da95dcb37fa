"""S3 of one stand-in, as an ASGI application: from a request, already authenticated, to its answer."""

import asyncio
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, unquote

from botocore import xform_name
from starlette.types import Receive, Scope, Send

from bbkit.standin.errors import refuse_call
from bbkit.standin.s3.bodies import Body
from bbkit.standin.s3.operations import Answer, Operations
from bbkit.standin.s3.store import BLOCK, Staged
from bbkit.standin.s3.wire import Operation, check_headers, find_operation
from bbkit.standin.signatures import ChunkSigner
from bbkit.standin.tables import read_table

CONSTANTS = read_table("s3")["constants"]
Begin = Callable[[str], None]
MOST_XML = 8 << 20  # bytes; 10,000 parts with a checksum each are 3 MB


class S3:
    def __init__(self, operations: Operations) -> None:
        self.operations = operations

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, begin: Begin, signing: ChunkSigner | None
    ) -> None:
        """Answer a request, or raise its refusal; `begin` is told its operation first."""
        operation, answer = await self.carry_out(scope, receive, begin, signing)
        headers, body = operation.write(answer.values)
        status = answer.status or operation.status
        if answer.body is None and scope["method"] != "HEAD" and status not in (204, 304):
            headers["Content-Length"] = str(len(body))
        told = [(name.lower().encode(), text.encode("latin-1", "replace")) for name, text in headers.items()]
        with answer.body or BytesIO(body) as source:
            await send({"type": "http.response.start", "status": status, "headers": told})
            left = answer.length if answer.body else 0
            while left:
                body = await asyncio.to_thread(source.read, min(BLOCK, left))
                left = left - len(body) if body else 0
                await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": source.read(left if answer.body else -1)})

    async def carry_out(
        self, scope: Scope, receive: Receive, begin: Begin, signing: ChunkSigner | None
    ) -> tuple[Operation, Answer]:
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        bucket, key = read_path(scope["raw_path"])
        depth, copies = 2 if key else bool(bucket), "x-amz-copy-source" in told
        operation = find_operation(scope["method"], depth, copies, query)
        begin(operation.name)
        named = {name.lower() for name in operation.queries}
        told = {name: value for name, value in told.items() if name not in named}
        told |= {name: value for name, value in query.items() if name in operation.queries}
        check_headers(told)
        of_body = told
        if operation.name == "CompleteMultipartUpload":  # its checksum is that of the object
            of_body = {name: value for name, value in told.items() if not name.startswith("x-amz-checksum-")}
        body = Body(receive, of_body, signing)
        if operation.payload != "Body":
            given = operation.read(bucket, key, told, await self.read(body))
            given["Verified"] = "content-md5" in told or bool(body.checksums)
            return operation, await asyncio.to_thread(self.answer, operation, given)
        given = operation.read(bucket, key, told | {"content-encoding": body.content_encoding}, b"")
        await asyncio.to_thread(self.operations.check, operation.name, given)
        with self.operations.buckets.stage() as staged:
            await self.take(body, staged)
            return operation, await asyncio.to_thread(self.answer, operation, given, staged)

    def answer(self, operation: Operation, given: Mapping[str, Any], *staged: Staged) -> Answer:
        self.operations.check(operation.name, given)
        if operation.name in CONSTANTS:
            return Answer(CONSTANTS[operation.name])
        answer: Answer = getattr(self.operations, xform_name(operation.name))(given, *staged)
        return answer

    async def take(self, body: Body, staged: Staged) -> None:
        """Write a body to a file while it comes, in bounded memory."""
        waiting = bytearray()
        with staged.path.open("xb") as target:
            async for piece in body:
                waiting += piece
                if len(waiting) >= BLOCK:
                    await asyncio.to_thread(target.write, waiting)
                    waiting = bytearray()
            target.write(waiting)
        staged.size, staged.md5, staged.checksums = body.size, body.md5, body.checksums

    async def read(self, body: Body) -> bytes:
        found = bytearray()
        async for piece in body:
            found += piece
            if len(found) > MOST_XML:
                raise refuse_call("malformed_xml")
        return bytes(found)


def read_path(raw: bytes) -> tuple[str, str]:
    """Bucket and key of a path."""
    try:
        bucket, _, key = unquote(raw.decode("latin-1"), errors="strict").removeprefix("/").partition("/")
    except UnicodeDecodeError:
        raise refuse_call("invalid_uri", key=raw.decode("latin-1")) from None
    return bucket, key
