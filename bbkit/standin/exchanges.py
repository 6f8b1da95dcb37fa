"""One request and its answer: how it came in, how it went out, and the line of the log on how it ended."""

from typing import Any

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from bbkit.standin.faults import TORN
from bbkit.standin.logs import Traces, plain

SHORT_BODY = 1 << 20


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
        ends = message["type"] == "http.response.body" and not message.get("more_body")
        # A client reads no further than what breaks off, or ends by an exception.
        if ends or self.method == "HEAD" or "reason" in self.told:
            self._log()
        await self._send(message)

    def refuse(self, answer: Response, code: str, reason: str) -> Response:
        """Note why a call is refused; an answer to a HEAD, which has no body, says it in a header."""
        self.told |= {"code": code, "reason": reason}
        if self.method == "HEAD":
            said = plain(f"{code}: {reason}").encode("ascii", "backslashreplace")
            answer.headers["x-bbkit-reason"] = said.decode()
        return answer

    def close(self) -> None:
        """Log an answer that broke off."""
        self.told = {"code": TORN, "reason": "The answer broke off."} | self.told
        self._log()

    def _log(self) -> None:
        if self._logged:
            return
        self._logged = True
        told = {name: text if name == "traceback" else plain(text) for name, text in self.told.items()}
        if "reason" in told:
            told["user_agent"] = plain(self.headers.get("user-agent", ""))
        status = None if told.get("code") == TORN else self._status
        self._traces.log(asked=plain(self.asked), path=plain(self.path), status=status, **told)
