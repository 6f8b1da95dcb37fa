"""S3 on the wire: botocore's client turned round, by botocore's own model of the service.

Its parser of answers reads requests, and its writer of requests writes answers: an operation is found by
method, path and what it needs, and each member goes where the model says. A member that is not known to be
done right is refused, never passed over (`s3.json`).
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.awsrequest import HeadersDict
from botocore.model import OperationModel, ServiceModel, StructureShape
from botocore.parsers import ResponseParserError, create_parser
from botocore.serialize import create_serializer
from botocore.utils import parse_timestamp

from bbkit.standin.errors import ServiceError, not_served, refuse_call
from bbkit.standin.service_models import field_of, load_model
from bbkit.standin.shapes.bodies import find_violations
from bbkit.standin.tables import read_table

_TABLE = read_table("s3")
_PATHS = ("/", "/{Bucket}", "/{Bucket}/{Key+}")
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_FREE_QUERY = re.compile(r"x-id|X-Amz-.+")
_FREE_HEADER = re.compile(_TABLE["free_headers"])
_STORED = re.compile("x-amz-|response-|content-|cache-control|expires")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_INTEGER = re.compile("-?[0-9]{1,18}")
_NOT_XML = re.compile(rb"[\x00-\x08\x0b-\x1f]")
_PARSER = create_parser("rest-xml")
_SERIALIZER = create_serializer("rest-xml", include_validation=False)


def not_done(what: str) -> ServiceError:
    return not_served(f"{what} is not part of this stand-in's S3; nothing was changed.")


@dataclass(frozen=True)
class Operation:
    """One operation of S3: how a request is known as it, what it takes and how its answer is written."""

    name: str
    needed: frozenset[str]  # of query parameters and headers
    queries: frozenset[str]
    takes: StructureShape  # with query parameters as headers
    answer: OperationModel  # with the answer as its input
    status: int

    @property
    def payload(self) -> str:
        return str(self.takes.serialization.get("payload", ""))

    def read(self, bucket: str, key: str, told: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Gather the members of a request from its headers and query (`told`) and its XML, and check them."""
        headers = self._check_values(HeadersDict(told))
        response = {"status_code": 200, "headers": headers, "body": body}
        try:
            given: dict[str, Any] = _PARSER.parse(response, self.takes)
        except ResponseParserError:
            raise refuse_call("malformed_xml") from None
        except (ValueError, OverflowError, RuntimeError) as error:
            raise refuse_call("malformed_xml" if body else "argument", said=error) from None
        del given["ResponseMetadata"]
        for name, value in given.items():
            shape = self.takes.members[name]
            if name == "StorageClass" and value not in shape.enum:
                raise refuse_call("storage_class", found=value)
            if name not in _TABLE["members"] and str(value).lower() not in _TABLE["values"].get(name, ()):
                raise not_done(f"{name} {value} of {self.name}")
            if name == self.payload != "Body" and (body or name in self.takes.required_members):
                faults = find_violations(value, field_of(shape))
                if any(fault.rule != "enum" for fault in faults):
                    raise refuse_call("malformed_xml")
        return given | {"Bucket": bucket, "Key": key}

    def _check_values(self, told: HeadersDict) -> HeadersDict:
        """Raise for values that are none; leave out conditions whose date is none (RFC 9110, 13.1.3)."""
        for member, shape in self.takes.members.items():
            if (name := shape.serialization.get("name", "")) not in told:
                continue
            said, known = _TABLE["enums"].get(member), getattr(shape, "member", shape)
            if said and {one.strip() for one in told[name].split(",")} - {*known.enum}:
                raise refuse_call("other_value", said=said, argument=name, found=told[name])
            bits = {"integer": 31, "long": 63}.get(shape.type_name)
            if bits and not (_INTEGER.fullmatch(told[name]) and abs(int(told[name])) < 1 << bits):
                refusal = "part_number" if member == "PartNumber" else "no_integer"
                raise refuse_call(refusal, argument=name, number=told[name])
            if member.endswith("Since"):
                try:
                    parse_timestamp(told[name])
                except (ValueError, OverflowError, RuntimeError):
                    del told[name]
        return told

    def write(self, values: Mapping[str, Any]) -> tuple[dict[str, str], bytes]:
        """Give headers and body of an answer, of the members that it has and that are not None."""
        has = self.answer.input_shape.members
        told = {name: value for name, value in values.items() if value is not None and name in has}
        request = _SERIALIZER.serialize_to_request(told, self.answer)
        headers, body = dict(request["headers"]), request["body"] or b""
        if (root := _TABLE["operations"][self.name]) and not body:
            body = f'<{root} xmlns="{NAMESPACE}"/>'.encode()
        if body:
            headers["Content-Type"] = "application/xml"
            text = _NOT_XML.sub(lambda match: b"&#%d;" % match[0][0], body.partition(b"?>\n")[2] or body)
            body = _XML + text
        return headers, body


@cache
def read_operations() -> dict[tuple[str, int], list[Operation]]:
    """Turn the model round, once: by method and depth of the path, what needs the most first."""
    data = load_model("s3")
    data["shapes"]["GetBucketLocationOutput"]["payload"] = "LocationConstraint"  # its root has no element
    for name in ("Expires", "ResponseExpires"):
        data["shapes"][name]["type"] = "string"  # S3 keeps what it was sent
    model = ServiceModel(data, "s3")
    operations = defaultdict[tuple[str, int], list[Operation]](list)
    for name, told in data["operations"].items():
        http = told["http"]
        root = {"locationName": _TABLE["operations"].get(name), "xmlNamespace": {"uri": NAMESPACE}}
        path, _, query = http["requestUri"].partition("?")
        if "input" not in told or path not in _PATHS:
            continue
        needed = {part.partition("=")[0] for part in query.split("&") if part}
        queries, takes = {*needed}, data["shapes"][told["input"]["shape"]]
        for member, place in takes["members"].items():
            where = place.get("location")
            if where == "querystring":
                place["location"] = "header"
                queries.add(place["locationName"])
            if member in takes.get("required", ()) and (where == "querystring" or member == "CopySource"):
                needed.add(place["locationName"])
        gives = told.get("output", told["input"])
        if (payload := data["shapes"][gives["shape"]].get("payload")) and "output" in told:
            data["shapes"][gives["shape"]]["members"][payload] |= root
        answer = {"name": name, "http": {"method": "GET", "requestUri": "/"}, "input": gives | root}
        names = frozenset(needed), frozenset(queries)
        shapes = model.resolve_shape_ref(told["input"]), OperationModel(answer, model, name)
        operation = Operation(name, *names, *shapes, http.get("responseCode", 200))
        operations[http["method"], _PATHS.index(path)].append(operation)
    for several in operations.values():
        several.sort(key=lambda one: (-len(one.needed), one.name not in _TABLE["operations"]))
    return operations


def find_operation(method: str, depth: int, copies: bool, query: Mapping[str, str]) -> Operation:
    """Find what a request asks for; raise for what is not done and for what no operation knows."""
    if (kind := query.get("list-type", "2")) != "2":
        raise refuse_call("list_type", found=kind)
    for operation in read_operations()[method, depth]:
        if operation.needed <= {*query, *["x-amz-copy-source"] * copies}:
            if operation.name not in _TABLE["operations"]:
                raise not_done(operation.name)
            others = [name for name in query if not _FREE_QUERY.fullmatch(name)]
            if others := sorted({*others} - operation.queries):
                raise not_done(f"{operation.name} with {', '.join(others)}")
            return operation
    raise not_done(f"{method} of {('the service', 'a bucket', 'an object')[depth]}")


def check_headers(told: Mapping[str, str]) -> None:
    """Raise for headers that no operation of S3 knows, and for those that would make two of one."""
    for name, value in told.items():
        if _STORED.match(name) and (_CONTROL.search(value) or not _NAME.fullmatch(name)):
            raise refuse_call("argument", said=f"{name} holds a character that no header takes")
        if name.startswith("x-amz-") and name not in known_headers() and not _FREE_HEADER.fullmatch(name):
            raise not_done(f"Header {name}")


@cache
def known_headers() -> frozenset[str]:
    takes = [one.takes for several in read_operations().values() for one in several]
    places = [member.serialization for shape in takes for member in shape.members.values()]
    return frozenset(place["name"].lower() for place in places if place.get("location") == "header")
