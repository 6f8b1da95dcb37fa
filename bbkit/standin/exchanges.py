"""One request and its answer: how it came in, how it went out, and the line of the log on how it ended."""

import json
import re
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import unescape

from starlette.types import Message, Receive, Scope, Send

from bbkit.standin.faults import TORN
from bbkit.standin.logs import Traces, plain

SHORT_BODY = 1 << 20
REASON = b"x-bbkit-reason"  # why a HEAD was refused, whose answer has no body to say so


class Exchange:
    """Receives a request, sends its answer, and logs a refusal with its reason and who was refused.

    A connection is closed if the answer came before the whole body.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, traces: Traces) -> None:
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        if scope["http_version"] == "2":
            headers[":authority"] = headers.get("host", "")
        self.headers = headers
        self.method: str = scope["method"]
        self.path: str = scope["raw_path"].decode("latin-1").partition("?")[0]
        self.asked = f"{self.method} {self.path}"  # the operation, once it is known
        self.body_awaited = bool(headers.keys() & {"content-length", "transfer-encoding"})
        length = headers.get("content-length", "")
        self.body_short = "expect" not in headers and length.isdigit() and int(length) <= SHORT_BODY
        # Over HTTP/2 uvicorn 0.54 never tells that there is no body.
        bare = length == "0" or (not length and self.method in ("GET", "HEAD", "DELETE"))
        self.body_absent = scope["http_version"] == "2" and bare
        self.started = False
        self.told: dict[str, Any] = {}  # what is known of how it ends: code, reason, traceback
        self._receive, self._send, self._traces = receive, send, traces
        self._status: int | None = None
        self._head: Message | None = None  # of a refusal, until its body says why
        self._logged = False

    async def receive(self) -> Message:
        if self.body_absent:
            self.body_absent = self.body_awaited = False
            return {"type": "http.request", "body": b"", "more_body": False}
        message = await self._receive()
        self.body_awaited = self.body_awaited and bool(message.get("more_body"))
        return message

    async def send(self, message: Message) -> None:
        self.started = True
        while self.body_awaited and self.body_short:
            await self.receive()
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if self.body_awaited:
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            if self._status >= 400:
                self._head = message
                return
        elif self._head is not None:
            head, self._head = self._head, None
            await self._send(self._explain(head, message.get("body", b"")))
        ends = message["type"] == "http.response.body" and not message.get("more_body")
        # A client reads no further than what breaks off, or ends by an exception.
        if ends or self.method == "HEAD" or "reason" in self.told:
            self._log(self._status)
        await self._send(message)

    def close(self) -> None:
        """Log an answer that broke off."""
        self.told = {"code": TORN, "reason": "The answer broke off."} | self.told
        self._log(self._status)

    def _explain(self, head: Message, body: bytes) -> Message:
        """Log a refusal before its client has it; give its head, for a HEAD with the reason."""
        headers = [*head.get("headers", ())]
        error_type = dict(headers).get(b"x-amzn-errortype", b"").decode()
        code, reason = read_refusal(head["status"], error_type, body)
        self.told = {"code": code, "reason": reason} | self.told
        self._log(head["status"])
        if self.method == "HEAD":
            said = plain(f"{self.told['code']}: {self.told['reason']}")
            headers.append((REASON, said.encode("ascii", "backslashreplace")))
        return {**head, "headers": headers}

    def _log(self, status: int | None) -> None:
        if self._logged:
            return
        self._logged = True
        told = {name: text if name == "traceback" else plain(text) for name, text in self.told.items()}
        if "reason" in told:
            told["user_agent"] = plain(self.headers.get("user-agent", ""))
        status = None if told.get("code") == TORN else status
        self._traces.log(asked=plain(self.asked), path=plain(self.path), status=status, **told)


def read_refusal(status: int, error_type: str, body: bytes) -> tuple[str, str]:
    """Give code and reason of a refusal in any of the protocols spoken here, as its client reads them."""
    text = body.decode("utf-8", "replace")
    found = {name: unescape(said) for name, said in re.findall(r"<(Code|Message)>([^<]*)<", text)}
    code, reason = found.get("Code") or error_type, found.get("Message", "")
    if text.startswith("{"):
        told = json.loads(text)
        code, reason = code or told.get("__type", ""), told.get("message", "")
    elif not found and not text.startswith("<"):
        reason = text
    phrase = HTTPStatus(status).phrase
    return code or phrase, reason or phrase
