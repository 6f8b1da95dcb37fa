"""Answers that come piece by piece, in the frames of ``application/vnd.amazon.eventstream``.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html. botocore only reads such frames; it is the referee.
"""

import json
from binascii import crc32
from collections.abc import AsyncGenerator
from contextlib import aclosing
from struct import pack
from typing import Any

from botocore.model import OperationModel
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from bbkit.standin.errors import CODE_OF_STATUS
from bbkit.standin.service_models import exceptions_of

MEDIA_TYPE = "application/vnd.amazon.eventstream"
_STRING = b"\7"  # the type of a header's value


def encode_frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame: its prelude, headers of strings, payload, and the checksum of each part."""
    named = [(name.encode(), value.encode()) for name, value in headers.items()]
    head = b"".join(
        pack("!B", len(name)) + name + _STRING + pack("!H", len(value)) + value for name, value in named
    )
    prelude = pack("!II", len(head) + len(payload) + 16, len(head))
    frame = prelude + pack("!I", crc32(prelude)) + head + payload
    return frame + pack("!I", crc32(frame))


def encode_event(kind: str, name: str, payload: dict[str, Any]) -> bytes:
    """A frame of an ``event`` or ``exception`` of that name, which the operation's output lists."""
    headers = {f":{kind}-type": name, ":content-type": "application/json", ":message-type": kind}
    return encode_frame(headers, json.dumps(payload, separators=(",", ":")).encode())


def encode_exception(operation: OperationModel, code: int, message: str) -> bytes:
    """The frame that ends a stream by an error; what its shape does not list is an error of the model."""
    name = CODE_OF_STATUS.get(code, "")
    name = name[:1].lower() + name[1:]
    if name in exceptions_of(operation):
        return encode_event("exception", name, {"message": message})
    told = {"message": message, "originalStatusCode": code, "originalMessage": message}
    return encode_event("exception", "modelStreamErrorException", told)


class EventStream(StreamingResponse):
    """An answer in frames; `break_off` has it end by an exception after its first three."""

    def __init__(self, operation: OperationModel, frames: AsyncGenerator[bytes], request_id: str) -> None:
        headers = {"x-amzn-requestid": request_id}
        if operation.name != "ConverseStream":
            headers["x-amzn-bedrock-content-type"] = "application/json"
        super().__init__(frames, headers=headers, media_type=MEDIA_TYPE)
        self._frames = frames

    def break_off(self, exception: str) -> None:
        self.body_iterator = _break_off(self._frames, exception)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._frames):
            await super().__call__(scope, receive, send)


async def _break_off(frames: AsyncGenerator[bytes], exception: str) -> AsyncGenerator[bytes]:
    count = 0
    async for frame in frames:
        if count == 3:
            break
        yield frame
        count += 1
    message = f"The stream was ended by {exception} because a fault asked for it."
    yield encode_event("exception", exception, {"message": message})
