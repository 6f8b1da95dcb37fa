"""POST Object: the form of a page, or of ``generate_presigned_post``, becomes the PUT of its file.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html.
"""

import io
import json
import re
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from string import punctuation
from typing import Any
from urllib.parse import quote, unquote, urlencode
from xml.sax.saxutils import escape, unescape

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from bbkit.standin.errors import XML, not_served, refuse_call
from bbkit.standin.signatures import verify_policy

MOST_FIELD, BLOCK = 20_000, 1 << 20  # bytes of a field, and of a file that are held at once
_OPEN = re.compile("policy|awsaccesskeyid|signature|x-amz-signature|x-ignore-.*")  # under no condition
_KEPT = re.compile("cache-control|content-.*|expires|x-amz-(?!(algorithm|credential|date|signature)$).*")
_TAG = re.compile(r"<Key>([^<]*)</Key>\s*<Value>([^<]*)</Value>")


@dataclass(frozen=True)
class Form:
    """The fields before the file, by lower-case names, and the file."""

    fields: dict[str, str]
    file: UploadFile
    host: str

    def check_policy(self) -> None:
        """Raise unless every condition of the policy holds, and each field is under one."""
        conditions = list[list[Any]]()
        try:
            policy = json.loads(b64decode(self.fields["policy"]))
            expired = datetime.now(UTC) > datetime.fromisoformat(policy["expiration"])
            for each in policy["conditions"]:
                pairs = each.items() if isinstance(each, dict) else ()
                conditions += [["eq", f"${name}", value] for name, value in pairs] or [list(each)]
            failed = [each for each in conditions if not self._holds(*each)]
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            raise refuse_call("invalid_policy") from None
        named = {str(each[1]).lower().removeprefix("$") for each in conditions}
        extra = [name for name in self.fields if name not in named and not _OPEN.fullmatch(name)]
        if expired:
            raise refuse_call("policy", why="Policy expired.")
        if failed:
            raise refuse_call("policy", why=f"Policy Condition failed: {json.dumps(failed[0])}")
        if extra:
            raise refuse_call("policy", why=f"Extra input fields: {', '.join(extra)}")

    def _holds(self, kind: str, name: Any, value: Any) -> bool:
        if kind == "content-length-range":
            size = self.file.size or 0
            if not int(name) <= size <= int(value):
                refusal = "large_object" if size > int(name) else "small_object"
                raise refuse_call(refusal, found=size, most=value, least=name)
            return True
        found = self.fields.get(name.lower().removeprefix("$"), "")
        return found == value if kind == "eq" else kind == "starts-with" and found.startswith(value)

    def put(self, scope: Scope) -> Scope:
        """The request that the form stands for."""
        headers = {name: value for name, value in self.fields.items() if _KEPT.fullmatch(name)}
        headers |= {"host": self.host, "content-length": str(self.file.size)}
        if "acl" in self.fields:
            headers["x-amz-acl"] = self.fields["acl"]
        if tags := _TAG.findall(self.fields.get("tagging", "")):
            headers["x-amz-tagging"] = urlencode([(unescape(name), unescape(value)) for name, value in tags])
        told = [(name.encode("latin-1", "replace"), value.encode()) for name, value in headers.items()]
        path = quote("/{bucket}/{key}".format(**self.fields)).encode()
        return {**scope, "method": "PUT", "raw_path": path, "query_string": b"", "headers": told}

    async def pieces(self) -> AsyncIterator[Message]:
        while piece := await self.file.read(BLOCK):
            yield {"type": "http.request", "body": piece, "more_body": True}
        yield {"type": "http.request", "body": b"", "more_body": False}

    def answering(self, scope: Scope, receive: Receive, send: Send) -> Send:
        """Send the answer that the form asks for in the place of the one to a PUT."""
        done = False

        async def tell(message: Message) -> None:
            nonlocal done
            if message.get("status") == 200:
                done = True
                await self.answer(dict(message["headers"])[b"etag"].decode())(scope, receive, send)
            elif not done:
                await send(message)

        return tell

    def answer(self, etag: str) -> Response:
        bucket, key, status = (self.fields.get(x) for x in ("bucket", "key", "success_action_status"))
        if target := self.fields.get("success_action_redirect") or self.fields.get("redirect"):
            place = urlencode({"bucket": bucket, "key": key, "etag": etag})
            target = quote(target, safe=punctuation) + ("&" if "?" in target else "?") + place
            return Response(status_code=303, headers={"ETag": etag, "Location": target})
        headers = {"ETag": etag, "Location": f"http://{self.host}{quote(f'/{bucket}/{key}')}"}
        if status != "201":
            return Response(status_code=200 if status == "200" else 204, headers=headers)
        told = {"Location": headers["Location"], "Bucket": bucket, "Key": key, "ETag": etag}
        body = "".join(f"<{name}>{escape(value or '')}</{name}>" for name, value in told.items())
        answer = f"{XML}<PostResponse>{body}</PostResponse>"
        return Response(answer, 201, headers, media_type="application/xml")


async def read_form(scope: Scope, receive: Receive, secrets: dict[str, str]) -> Form:
    """Read a form and believe its policy; any other request that is not signed is refused."""
    request = Request(scope, receive)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise refuse_call("s3_other_authorization" if "authorization" in request.headers else "s3_not_signed")
    try:
        parts = (await request.form(max_part_size=MOST_FIELD)).multi_items()
    except MultiPartException:
        raise refuse_call("malformed_post") from None
    except AssertionError:  # Starlette's, without python-multipart
        raise not_served("Forms take python-multipart: pip install 'bbkit[standin]'") from None
    before = takewhile(lambda part: part[0].lower() != "file", parts)  # what follows the file does not count
    fields = {name.lower(): str(value) for name, value in before}
    file = next((value for name, value in parts if name.lower() == "file"), None)
    if isinstance(file, str):  # without a name
        file = UploadFile(io.BytesIO(file.encode()), size=len(file.encode()))
    if file is None or "key" not in fields:
        raise refuse_call("post_without", field="key" if file else "file")
    verify_policy(fields, secrets)
    fields["bucket"] = unquote(scope["raw_path"].decode("latin-1")).strip("/")
    fields["key"] = fields["key"].replace("${filename}", re.split(r"[/\\]", file.filename or "")[-1])
    form = Form(fields, file, request.headers["host"])
    form.check_policy()
    return form
