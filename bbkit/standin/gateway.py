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
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote

from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from bbkit.standin.control_plane import ControlPlane
from bbkit.standin.databases import disk_fault
from bbkit.standin.errors import Protocol, ServiceError, not_served, refuse_call, render_error, render_json
from bbkit.standin.event_streams import EventStream
from bbkit.standin.exchanges import Exchange
from bbkit.standin.faults import TORN, CallFaults, SpoiltAnswer
from bbkit.standin.logs import Traces
from bbkit.standin.quotas import answer_quotas
from bbkit.standin.runtime import Runtime
from bbkit.standin.s3.forms import read_form
from bbkit.standin.s3.service import S3
from bbkit.standin.service_models import find_route, read_request
from bbkit.standin.settings import ROLE, Settings
from bbkit.standin.signatures import Claim, SignedRequest, hoist, read_claim, verify_claim

MAX_BODY = 26_000_000  # bytes; InvokeModel takes 25,000,000
PROTOCOLS: dict[str, Protocol] = {"bedrock": "rest-json", "s3": "s3", "servicequotas": "json"}
PROTOCOLS |= {"sts": "query", "iam": "query"}
_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in to go on.</body></html>"
_ASKED_FOR = "A fault asked for this answer."


@dataclass(frozen=True)
class Gateway:
    settings: Settings
    hosts: frozenset[str]
    secrets: dict[str, str]
    control_plane: ControlPlane
    calls: CallFaults
    runtime: Runtime
    s3: S3
    traces: Traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(scope, receive, send, self.traces)
        try:
            response = self.refuse(exchange) or await self.respond(scope, exchange)
            if response is not None:
                await response(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            return
        exchange.close()

    async def respond(self, scope: Scope, exchange: Exchange) -> Response | None:
        """Give the answer to a request; None where it was sent already, or breaks off."""
        headers, query = exchange.headers, scope["query_string"].decode("latin-1")
        request = SignedRequest(exchange.method, exchange.path, query, headers)
        protocol: Protocol | None = None
        response: Response | None = None
        try:
            claim = read_claim(request)
            known = claim and PROTOCOLS.get(claim.service)
            protocol = known or (guess_protocol(headers) if claim else guess_unsigned(request))
            if protocol == "s3":
                await self.answer_s3(request, claim, scope, exchange)
                return None
            if claim is None:
                raise refuse_call("not_signed")
            body = await _read_body(exchange.receive)
            verify_claim(request, claim, self.secrets, hashlib.sha256(body).hexdigest())
            response = await self.answer(request, claim, body, exchange)
            self.calls.spoil(self.calls.switched, exchange.asked)
        except ServiceError as error:
            answer = render_error(error, protocol or guess_unsigned(request))
            return exchange.refuse(answer, error.code, error.message)
        except SpoiltAnswer as spoilt:
            return await _spoil(spoilt, response, exchange)
        except ClientDisconnect:
            raise
        except Exception as error:  # a fault of ours must still arrive as an answer, and be found
            exchange.told["traceback"] = traceback.format_exc()
            full = disk_fault(error)
            self.traces.print(full or f"a call failed in the stand-in: {exchange.asked}; see log.jsonl")
            if exchange.started:
                return None
            code = "InternalError" if protocol == "s3" else "InternalServerException"
            reason = full or "The stand-in failed."
            answer = render_error(ServiceError(code, reason), protocol or "rest-json")
            return exchange.refuse(answer, code, reason)
        return response

    def refuse(self, exchange: Exchange) -> Response | None:
        """Refuse what only a browser sends: another Host, or a request from a page."""
        headers = exchange.headers
        foreign = headers.get("host", "").lower() not in self.hosts
        page = "origin" in headers or headers.get("sec-fetch-site", "none") != "none"
        for status, is_so, reason in (
            (421, foreign, "This stand-in answers only to the host it was started for."),
            (400, headers.get("upgrade", "").lower() == "websocket", "This stand-in speaks no WebSocket."),
            (403, page, "This stand-in does not answer web pages."),
        ):
            if is_so:
                return exchange.refuse(PlainTextResponse(reason, status), HTTPStatus(status).phrase, reason)
        return None

    async def answer_s3(
        self, request: SignedRequest, claim: Claim | None, scope: Scope, exchange: Exchange
    ) -> None:
        receive: Receive = exchange.receive
        form = signing = None
        if claim is not None:
            sha256 = request.headers.get("x-amz-content-sha256", "")
            signing = verify_claim(request, claim, self.secrets, sha256, self.settings.region)
            told = request if claim.expires_at is None else hoist(request)
            pairs = [
                (name.encode("latin-1"), value.encode("latin-1")) for name, value in told.headers.items()
            ]
            path, query = told.raw_path.encode("latin-1"), told.query.encode("latin-1")
            scope = {**scope, "headers": pairs, "raw_path": path, "query_string": query}
        else:
            form = await read_form(scope, receive, self.secrets)
            scope, receive = form.put(scope), form.pieces().__anext__
        spoilt, torn = "", False

        def begin(operation: str) -> None:
            nonlocal spoilt
            self.begin(exchange, operation)
            spoilt = self.calls.find(self.calls.switched, operation, carried_out=True)

        async def noted(message: Any) -> None:
            nonlocal torn
            if torn or spoilt not in ("", TORN):
                return
            if spoilt and "body" in message:
                torn, half = True, len(message["body"]) // 2
                exchange.told |= {"code": TORN, "reason": _ASKED_FOR}
                message = {**message, "body": message["body"][:half], "more_body": True}
            if "status" in message:
                message = {**message, "headers": [*message["headers"], (b"x-amz-request-id", b"STANDIN")]}
            await exchange.send(message)

        send = form.answering(scope, receive, noted) if form else noted
        await self.s3(scope, receive, send, begin, signing)
        if spoilt and not torn:
            raise SpoiltAnswer(spoilt)

    async def answer(self, request: SignedRequest, claim: Claim, body: bytes, exchange: Exchange) -> Response:
        """Carry out a signed request to any other service, and name what it was once that is known."""
        if claim.service == "bedrock":
            return await self.answer_bedrock(request, claim, body, exchange)
        if claim.service == "servicequotas":
            self.begin(exchange, request.headers.get("x-amz-target", "").rpartition(".")[2])
            answer = answer_quotas(exchange.asked, body, self.settings.limits)
            return render_json(answer, "application/x-amz-json-1.1")
        if claim.service in ("sts", "iam"):
            form = dict(parse_qsl(body.decode("utf-8", "replace")))
            self.begin(exchange, form.get("Action", ""))
            if (claim.service, exchange.asked) == ("sts", "GetCallerIdentity"):
                return _caller_identity(self.settings.account)
            if (claim.service, exchange.asked) == ("iam", "GetRole"):
                return _role(self.settings.account, form.get("RoleName", ""))
            raise not_served(f"{claim.service}:{exchange.asked} is not part of this stand-in.")
        raise refuse_call("no_service", service=claim.service)

    async def answer_bedrock(
        self, request: SignedRequest, claim: Claim, body: bytes, exchange: Exchange
    ) -> Response:
        for service in ("bedrock", "bedrock-runtime"):
            found = find_route(service, request.method, request.raw_path)
            if found is None:
                continue
            operation, labels = found
            self.begin(exchange, operation.name)
            if service == "bedrock-runtime":
                return await self.runtime.answer(
                    operation, labels, request, body, claim.region, exchange.told
                )
            if self.control_plane.handler(operation.name) is None:
                raise refuse_call("no_operation", operation=operation.name)
            given = read_request(operation, labels, request.query, body)
            answer = await asyncio.to_thread(self.control_plane.answer, operation.name, given, claim.region)
            return render_json(answer)
        raise not_served(f"{request.method} {request.raw_path} is no operation of Amazon Bedrock.")

    def begin(self, exchange: Exchange, operation: str) -> None:
        """Name what a call asks for; it may fail because a fault was switched on."""
        exchange.asked = operation
        self.calls.fail(self.calls.switched, operation)


def guess_protocol(headers: dict[str, str]) -> Protocol:
    """Tell from its request how a service not served speaks, so that its client can read the refusal."""
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return "query"
    return "json" if "x-amz-target" in headers else "rest-json"


def guess_unsigned(request: SignedRequest) -> Protocol:
    """The same for a request that is not signed: what is no call of Bedrock is one of S3."""
    protocol, asked = guess_protocol(request.headers), (request.method, request.raw_path)
    if protocol == "rest-json" and not any(
        find_route(each, *asked) for each in ("bedrock", "bedrock-runtime")
    ):
        return "s3"
    return protocol


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise refuse_call("large_body", most=MAX_BODY)
        if not message.get("more_body"):
            return bytes(body)


async def _spoil(spoilt: SpoiltAnswer, answer: Response | None, exchange: Exchange) -> Response | None:
    """Give what a fault asked for in the place of an answer; None where that breaks off."""
    exchange.told |= {"code": str(spoilt), "reason": _ASKED_FOR}
    if spoilt.status is None:
        # A chunked body that breaks off: the server closes the connection, and the client knows that it did.
        await exchange.send({"type": "http.response.start", "status": 200, "headers": []})
        await exchange.send({"type": "http.response.body", "body": b"{", "more_body": True})
        return None
    if spoilt.ending and isinstance(answer, EventStream):
        answer.break_off(spoilt.ending)
        return answer
    page = Response(_PAGE if spoilt.status == 200 else "", spoilt.status, media_type="text/html")
    return exchange.refuse(page, str(spoilt), _ASKED_FOR)


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
