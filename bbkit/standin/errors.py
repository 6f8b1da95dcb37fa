"""The errors of calls and of records, and how an answer or an error looks in each protocol spoken here.

Sources: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html,
https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html,
https://smithy.io/2.0/aws/protocols/aws-query-protocol.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from xml.sax.saxutils import escape

from bbkit.standin.tables import read_table

if TYPE_CHECKING:  # the engine processes need no web server
    from starlette.responses import Response

XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_STS = "https://sts.amazonaws.com/doc/2011-06-15/"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")
Protocol = Literal["rest-json", "json", "query", "s3"]
_CODES = {int(status): codes for status, codes in read_table("refusals")["statuses"].items()}
STATUS_OF_CODE = {code: status for status, codes in _CODES.items() for code in codes}
CODE_OF_STATUS = {status: codes[0] for status, codes in _CODES.items()}


class ServiceError(Exception):
    """An error the service answers a call with; of the status of its code (400 where none is listed).

    S3 tells its `details` as elements of their own, such as ``Key``.
    """

    def __init__(
        self, code: str, message: str, status: int | None = None, details: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.status = status if status is not None else STATUS_OF_CODE.get(code, 400)


def invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)


def not_served(message: str) -> ServiceError:
    return ServiceError("NotImplemented", message, 501)


class RecordError(Exception):
    """The model would refuse this record: `code` (HTTP-like) and `message` go to its error line."""

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class EngineError(RecordError):
    """An engine could not answer."""


def refuse_record(name: str, **values: Any) -> RecordError:
    """The refusal of a record that ``refusals.json`` words; values fill its braces."""
    return RecordError(read_table("refusals")["records"][name].format(**values))


def refuse_call(name: str, **values: Any) -> ServiceError:
    """The same of a call."""
    code, text, *others = read_table("refusals")["calls"][name]
    status, details = others[0] if others else None, others[1] if len(others) > 1 else {}
    told = {each: value.format(**values) for each, value in details.items()}
    return ServiceError(code, text.format(**values), status, {each: x for each, x in told.items() if x})


def render_error(error: ServiceError, protocol: Protocol) -> "Response":
    from starlette.responses import Response

    request_id = str(uuid.uuid4())
    told = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    headers = {"x-amz-request-id" if protocol == "s3" else "x-amzn-requestid": request_id}
    match protocol:
        case "s3":
            told += "".join(f"<{name}>{escape(text)}</{name}>" for name, text in error.details.items())
            body = f"{XML}<Error>{told}<RequestId>{request_id}</RequestId></Error>"
            media_type = "application/xml"
        case "query":
            kind = "Sender" if error.status < 500 else "Receiver"
            body = (
                f'<ErrorResponse xmlns="{_STS}"><Error><Type>{kind}</Type>{told}</Error>'
                f"<RequestId>{request_id}</RequestId></ErrorResponse>"
            )
            media_type = "text/xml"
        case "json":
            body = json.dumps({"__type": error.code, "message": error.message})
            media_type = "application/x-amz-json-1.1"
        case _:
            headers["x-amzn-errortype"] = error.code
            body, media_type = json.dumps({"message": error.message}), "application/json"
    body = _CONTROL.sub("\ufffd", body)  # which no XML can say
    return Response(body, error.status, headers, media_type=media_type)


def render_json(body: Mapping[str, Any], media_type: str = "application/json") -> "Response":
    from starlette.responses import Response

    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, 200, {"x-amzn-requestid": str(uuid.uuid4())}, media_type=media_type)


def iso_time(seconds: float) -> str:
    """Write a time (seconds since 1970) as ISO 8601 in UTC with milliseconds, as the service does."""
    moment = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")
