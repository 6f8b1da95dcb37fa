"""The one door of a stand-in: who may speak, which service is meant, and how its answer goes out.

A service is told by the SigV4 credential scope, as AWS's own endpoints do; ``bedrock`` and
``bedrock-runtime`` share a signing name and are told apart by path. What is not served is answered with 501,
so that nothing ever leaves the machine by mistake.
"""

import asyncio
import hashlib
import json
import traceback
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from bbkit.standin.control_plane import ControlPlane
from bbkit.standin.errors import Protocol, ServiceError, not_served, refuse_call, render_error, render_json
from bbkit.standin.event_streams import EventStream
from bbkit.standin.faults import TORN, CallFaults, SpoiltAnswer
from bbkit.standin.logs import Traces
from bbkit.standin.quotas import answer_quotas
from bbkit.standin.runtime import Runtime
from bbkit.standin.s3.guard import Guard
from bbkit.standin.service_models import find_route, read_request
from bbkit.standin.settings import ROLE, Settings
from bbkit.standin.signatures import Claim, SignedRequest, read_claim, verify_claim

MAX_BODY = 26_000_000  # bytes; InvokeModel takes 25,000,000
SHORT_BODY = 1 << 20
PROTOCOLS: dict[str, Protocol] = {"bedrock": "rest-json", "s3": "s3", "servicequotas": "json"}
PROTOCOLS |= {"sts": "query", "iam": "query"}
_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to go on.</body></html>"
_S3_CODES = {
    "UnrecognizedClientException": "InvalidAccessKeyId",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "AccessDenied",
}


@dataclass(frozen=True)
class Gateway:
    settings: Settings
    hosts: frozenset[str]
    secrets: dict[str, str]
    control_plane: ControlPlane
    calls: CallFaults
    runtime: Runtime
    guard: Guard
    traces: Traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(scope, receive, send)
        receive, send = exchange.receive, exchange.send
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        headers |= {":authority": headers.get("host", "")} if scope["http_version"] == "2" else {}
        refusal = self.refuse(headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        request = SignedRequest(
            scope["method"],
            scope["raw_path"].decode("latin-1").partition("?")[0],
            scope["query_string"].decode("latin-1"),
            headers,
        )
        exchange.name = f"{request.method} {request.raw_path}"
        protocol: Protocol = "rest-json"
        try:
            claim = read_claim(request)
            if claim is None:
                protocol = "s3" if "x-amz-content-sha256" in headers else "rest-json"
                raise refuse_call("not_signed")
            protocol = PROTOCOLS.get(claim.service) or guess_protocol(headers)
            if claim.service == "s3":
                await self.answer_s3(request, claim, scope, receive, send)
                return
            body = await _read_body(receive)
            verify_claim(request, claim, self.secrets, hashlib.sha256(body).hexdigest())
            response = await self.answer(request, claim, body, exchange)
            self.calls.spoil(self.calls.switched, exchange.name)
            self.traces.log(asked=exchange.name, status=response.status_code)
        except ServiceError as error:
            response = self.render(error, protocol, exchange.name)
        except SpoiltAnswer as spoilt:
            self.traces.log(asked=exchange.name, status=spoilt.status)
            if spoilt.status is None:
                await _lose(send)
                return
            if spoilt.ending and isinstance(response, EventStream):
                response.break_off(spoilt.ending)
            else:
                page = _PAGE if spoilt.status == 200 else ""
                response = Response(page, spoilt.status, media_type="text/html")
        except ClientDisconnect:
            return
        except Exception:  # a fault of ours must still arrive as an answer, and be found
            self.traces.log(asked=exchange.name, status=500, traceback=traceback.format_exc())
            self.traces.print(f"a call failed in the stand-in itself: {exchange.name}; see log.jsonl")
            if exchange.started:
                return
            response = render_error(ServiceError("InternalServerException", "The stand-in failed."), protocol)
        await response(scope, receive, send)

    def refuse(self, headers: dict[str, str]) -> Response | None:
        """Refuse what only a browser sends: another Host, or a request from a page."""
        if headers.get("host", "").lower() not in self.hosts:
            return PlainTextResponse("This stand-in answers only to the host it was started for.", 421)
        if headers.get("upgrade", "").lower() == "websocket":
            return PlainTextResponse("This stand-in speaks no WebSocket.", 400)
        if "origin" in headers or headers.get("sec-fetch-site", "none") != "none":
            return PlainTextResponse("This stand-in does not answer web pages.", 403)
        return None

    async def answer_s3(
        self, request: SignedRequest, claim: Claim, scope: Scope, receive: Receive, send: Send
    ) -> None:
        verify_claim(request, claim, self.secrets, request.headers.get("x-amz-content-sha256", ""))
        status, spoilt, torn = 0, "", False

        def begin(operation: str) -> None:
            nonlocal spoilt
            self.calls.fail(self.calls.switched, operation)
            spoilt = self.calls.find(self.calls.switched, operation, carried_out=True)

        async def noted(message: Any) -> None:
            nonlocal status, torn
            status = message.get("status", status)
            if torn or spoilt not in ("", TORN):
                return
            if spoilt and "body" in message:
                torn, half = True, len(message["body"]) // 2
                message = {**message, "body": message["body"][:half], "more_body": True}
            if "status" in message:
                message = {**message, "headers": [*message["headers"], (b"x-amz-request-id", b"STANDIN")]}
            await send(message)

        await self.guard({**scope, "raw_path": request.raw_path.encode("latin-1")}, receive, noted, begin)
        if spoilt and not torn:
            raise SpoiltAnswer(spoilt)
        self.traces.log(asked=f"s3 {request.method}", path=request.raw_path, status=None if torn else status)

    async def answer(
        self, request: SignedRequest, claim: Claim, body: bytes, exchange: "_Exchange"
    ) -> Response:
        """Carry out a signed request to any other service, and name what it was once that is known."""
        if claim.service == "bedrock":
            return await self.answer_bedrock(request, claim, body, exchange)
        if claim.service == "servicequotas":
            self.begin(exchange, request.headers.get("x-amz-target", "").rpartition(".")[2])
            answer = answer_quotas(exchange.name, body, self.settings.limits)
            return render_json(answer, "application/x-amz-json-1.1")
        if claim.service in ("sts", "iam"):
            form = dict(parse_qsl(body.decode("utf-8", "replace")))
            self.begin(exchange, form.get("Action", ""))
            if (claim.service, exchange.name) == ("sts", "GetCallerIdentity"):
                return _caller_identity(self.settings.account)
            if (claim.service, exchange.name) == ("iam", "GetRole"):
                return _role(self.settings.account, form.get("RoleName", ""))
            raise not_served(f"{claim.service}:{exchange.name} is not part of this stand-in.")
        raise refuse_call("no_service", service=claim.service)

    async def answer_bedrock(
        self, request: SignedRequest, claim: Claim, body: bytes, exchange: "_Exchange"
    ) -> Response:
        for service in ("bedrock", "bedrock-runtime"):
            found = find_route(service, request.method, request.raw_path)
            if found is None:
                continue
            operation, labels = found
            self.begin(exchange, operation.name)
            if service == "bedrock-runtime":
                return await self.runtime.answer(operation, labels, request, body, claim.region)
            if self.control_plane.handler(operation.name) is None:
                raise refuse_call("no_operation", operation=operation.name)
            given = read_request(operation, labels, request.query, body)
            answer = await asyncio.to_thread(self.control_plane.answer, operation.name, given, claim.region)
            return render_json(answer)
        raise not_served(f"{request.method} {request.raw_path} is no operation of Amazon Bedrock.")

    def begin(self, exchange: "_Exchange", operation: str) -> None:
        """Name what a call asks for; it may fail because a fault was switched on."""
        exchange.name = operation
        self.calls.fail(self.calls.switched, operation)

    def render(self, error: ServiceError, protocol: Protocol, name: str) -> Response:
        code = _S3_CODES.get(error.code, error.code) if protocol == "s3" else error.code
        self.traces.log(asked=name, status=error.status, error=code, message=error.message)
        return render_error(ServiceError(code, error.message, error.status), protocol)


def guess_protocol(headers: dict[str, str]) -> Protocol:
    """Tell from its request how a service not served speaks, so that its client can read the refusal."""
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return "query"
    return "json" if "x-amz-target" in headers else "rest-json"


class _Exchange:
    """Receives a request and sends its answer; closes the connection if that came before the whole body."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        self.body_awaited = bool(headers.keys() & {b"content-length", b"transfer-encoding"})
        length = headers.get(b"content-length", b"")
        self.body_short = b"expect" not in headers and length.isdigit() and int(length) <= SHORT_BODY
        # Over HTTP/2 uvicorn 0.54 never tells that there is no body.
        bare = length == b"0" or (not length and scope["method"] in ("GET", "HEAD", "DELETE"))
        self.body_absent = scope["http_version"] == "2" and bare
        self.started = False
        self.name = ""  # what was asked, as the log says it
        self._receive, self._send = receive, send

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
        if message["type"] == "http.response.start" and self.body_awaited:
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await self._send(message)


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise refuse_call("large_body", most=MAX_BODY)
        if not message.get("more_body"):
            return bytes(body)


async def _lose(send: Send) -> None:
    # A chunked body that breaks off: the server closes the connection, and the client knows that something is
    # missing.
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})


def _caller_identity(account: str) -> Response:
    arn = f"arn:aws:iam::{account}:user/standin"
    told = f"<Arn>{arn}</Arn><UserId>STANDINUSER</UserId><Account>{account}</Account>"
    return _answer_query("https://sts.amazonaws.com/doc/2011-06-15/", "GetCallerIdentity", told)


def _role(account: str, name: str) -> Response:
    """Tell of the role that jobs take here, which trusts Bedrock; there is no other."""
    if name != ROLE:
        raise ServiceError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
    trust = {"Effect": "Allow", "Principal": {"Service": "bedrock.amazonaws.com"}, "Action": "sts:AssumeRole"}
    policy = quote(json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    told = (
        f"<Role><Path>/</Path><RoleName>{ROLE}</RoleName><RoleId>AROASTANDINSTANDIN</RoleId>"
        f"<Arn>arn:aws:iam::{account}:role/{ROLE}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>"
        f"<AssumeRolePolicyDocument>{policy}</AssumeRolePolicyDocument></Role>"
    )
    return _answer_query("https://iam.amazonaws.com/doc/2010-05-08/", "GetRole", told)


def _answer_query(namespace: str, action: str, told: str) -> Response:
    """An answer as the query protocol of AWS writes it."""
    body = (
        f'<{action}Response xmlns="{namespace}"><{action}Result>{told}</{action}Result><ResponseMetadata>'
        f"<RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></{action}Response>"
    )
    return Response(body, media_type="text/xml")
