"""S3 with a referee: moto's server and the stand-in are asked the same; their answers are compared whole.

The operations are ``data/s3_operations.json``: by group, each with what it is given and, where moto is wrong,
the page of AWS that says so and what the stand-in must answer instead. ``$names`` stand for what a JSON file
cannot say: an earlier answer's id or token, a digest, a long text.
"""

import base64
import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from conftest import Standin
from moto.server import ThreadedMotoServer

OPERATIONS: dict[str, list[tuple[str, dict[str, Any], dict[str, Any]]]] = {
    group: [(name, given, judged[0] if judged else {}) for name, given, *judged in operations]
    for group, operations in json.loads(
        (Path(__file__).parent / "data" / "s3_operations.json").read_text("utf-8")
    ).items()
}
KMS_KEY = "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"
KEYS_OF_HTTP = ("content-type", "content-length", "content-range", "content-disposition", "etag")
LOOSE = {"RequestId", "HostId", "Message", "Resource", "RetryAttempts", "HTTPHeaders", "MaxAttemptsReached"}
LOOSE |= {"DisplayName", "EncodingType"}
"""What no two servers have in common, what botocore adds, and what it asks of some listings unasked."""
ALIKE = {"UploadId", "NextContinuationToken", "ContinuationToken", "NextUploadIdMarker", "ID"}
UNTOLD = {
    "ServerSideEncryption": ["AES256"],
    "ChecksumType": ["FULL_OBJECT", "COMPOSITE"],
    "ChecksumAlgorithm": [["CRC32"]],
    "VersionId": ["null"],
    "ContinuationToken": ["<id>"],
    "BucketRegion": ["us-east-1"],
}
"""What moto tells at some places only, or where there is nothing to tell. Since 2023 AWS encrypts every
object and says so; it knows types of checksums, repeats the token it was asked with, and gives no version to
an object of a bucket without versions. The group "defaults" holds the stand-in to that."""
NEW_BUCKET: dict[str, dict[str, Any]] = {
    "put_bucket_encryption": {
        "ServerSideEncryptionConfiguration": {
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        }
    },
    "put_public_access_block": {
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        }
    },
}
"""What a new bucket has at AWS since 2023, told to moto: https://aws.amazon.com/about-aws/whats-new/2022/12/
amazon-s3-automatically-enable-block-public-access-disable-access-control-lists-buckets-april-2023/."""


class World:
    """One S3, the bucket of a group in it, and what earlier operations of the group gave."""

    def __init__(self, client: Callable[..., Any], account: str, group: str) -> None:
        self.client = client
        self.s3 = client()
        self.known: dict[str, Any] = {"account": account, "kms": KMS_KEY}
        self.bucket = f"referee-{group}"
        self.s3.create_bucket(Bucket=self.bucket)

    def ask(self, operation: str, given: dict[str, Any]) -> Any:
        """Do one operation; gives what was answered, without what no two servers have in common."""
        given = self.fill(given)
        match operation:
            case "fill":
                return [self.call("put_object", {"Key": key, "Body": key}) for key in given["Keys"]]
            case "url":
                return self.open(**given)
            case "post":
                return self.post(**given)
        return self.call(operation, given)

    def fill(self, value: Any) -> Any:
        """Put values in the place of their names."""
        if isinstance(value, dict):
            return {name: self.fill(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.fill(inner) for inner in value]
        return self.named(value[1:]) if isinstance(value, str) and value.startswith("$") else value

    def named(self, name: str) -> Any:
        """Give the value of a name, as in ``etag:text``, ``mega5:a`` or ``upload2``."""
        name, _, text = name.partition(":")
        text, size = self.fill(text), int("0" + re.sub(r"\D", "", name))
        match name.rstrip("0123456789"):
            case "etag":
                return f'"{hashlib.md5(text.encode()).hexdigest()}"'
            case "mega":
                return text * (size * 1024 * 1024)
            case "long" | "wide" as kind:
                return ("k" if kind == "long" else "é") * size
        if name == "sha256":
            return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        return self.known.get(name, "none")

    def call(self, operation: str, given: dict[str, Any]) -> Any:
        """Do an operation through boto3."""
        if operation != "list_buckets":
            given = {"Bucket": self.bucket, **given}
        try:
            answer = getattr(self.s3, operation)(**given)
        except ClientError as error:
            answer = error.response
        if operation == "create_multipart_upload" and "UploadId" in answer:
            self.known[f"upload{sum('upload' in name for name in self.known) + 1}"] = answer["UploadId"]
        for kept, name in (("token", "NextContinuationToken"), ("modified", "LastModified")):
            if name in answer:
                self.known[kept] = answer[name]
        if "Body" in answer:
            body = answer["Body"].read()
            answer["Body"] = body.decode() if len(body) < 100 else hashlib.md5(body).hexdigest()
        return plain(answer, encoded=given.get("EncodingType") == "url")

    def open(
        self,
        Operation: str,
        Params: dict[str, Any],
        Version: str = "s3v4",
        Method: str = "GET",
        Body: str | None = None,
        Headers: dict[str, str] | None = None,
    ) -> Any:
        """Use a presigned URL."""
        signer = self.client(signature_version=Version)
        url = signer.generate_presigned_url(Operation, {"Bucket": self.bucket, **Params}, 60, Method)
        return told(requests.request(Method, url, data=Body, headers=Headers, timeout=10))

    def post(self, Key: str, Body: str, Fields: dict[str, str] | None = None) -> Any:
        """Send a form."""
        fields = Fields or {}
        form = self.s3.generate_presigned_post(
            self.bucket, Key, fields, [{name: value} for name, value in fields.items()]
        )
        files = {"file": ("file.csv", Body)}
        answer = told(requests.post(form["url"], data=form["fields"], files=files, timeout=10))
        if answer["status"] == 204:  # the one of 201 is looked at; moto gives none
            answer["headers"].pop("etag", None)
        return answer


def plain(answer: Any, encoded: bool = False) -> Any:
    """Give an answer without ids, times, hosts, the wording of messages and values that are nothing."""
    if isinstance(answer, dict):
        pairs = {
            name: "<id>" if name in ALIKE else plain(value, encoded)
            for name, value in answer.items()
            if name not in LOOSE and value not in ("", None)
        }
        if "Location" in pairs:
            pairs["Location"] = re.sub("^https?://[^/]+(/referee-[a-z]+)?", "", pairs["Location"])
        return pairs
    if isinstance(answer, list):
        return [plain(value, encoded) for value in answer]
    if isinstance(answer, datetime) and answer.year < 2030:
        return "<time>"
    return unquote_plus(answer) if encoded and isinstance(answer, str) else answer


def told(answer: requests.Response) -> Any:
    """Give what a plain HTTP client sees of an answer."""
    headers = {name: answer.headers[name] for name in KEYS_OF_HTTP if name in answer.headers}
    text: str | list[str] = answer.text
    if answer.text.startswith("<?xml"):
        headers.pop("content-length")
        found = re.findall("<Code>(.*?)<", answer.text) or re.findall("<Key>(.*?)<", answer.text)
        text = [unquote_plus(name) for name in found]
    if not text:
        headers.pop("content-length" if answer.status_code == 204 else "content-type", None)
        headers.pop("content-type", None)
    return {"status": answer.status_code, "headers": headers, "text": text}


def comparable(answer: Any) -> Any:
    """Give an answer without what moto tells at some places only."""
    if isinstance(answer, list):
        return [comparable(value) for value in answer]
    if not isinstance(answer, dict):
        return answer
    return {
        name: comparable(value)
        for name, value in answer.items()
        # Nor does it list the checksums of parts.
        if value not in UNTOLD.get(name, ()) and not ("PartNumber" in answer and name.startswith("Checksum"))
    }


def unlike(expected: Any, found: Any, whole: bool, path: str = "") -> Iterator[str]:
    """Say where an answer is not what it should be; where not `whole`, only what is expected is looked at."""
    if isinstance(expected, dict) and isinstance(found, dict):
        # Elements of an error beyond its code: one may tell more than the other.
        names = {*expected, *found} if whole and path != "/Error" else {*expected}
        for name in sorted(names):
            yield from unlike(expected.get(name), found.get(name), whole, f"{path}/{name}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, pair in enumerate(zip(expected, found, strict=True)):
            yield from unlike(*pair, whole, f"{path}/{number}")
    elif expected != found:
        yield f"{path} is {found!r:.200}, not {expected!r:.200}"


def connect(endpoint: str, *keys: str) -> Callable[..., Any]:
    """Give what makes clients of an S3, which try once."""
    settings: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "s3": {"addressing_style": "path"}}
    session = boto3.Session(*keys, region_name="us-east-1")
    return lambda **more: session.client("s3", endpoint_url=endpoint, config=Config(**settings, **more))


@pytest.fixture(scope="module")
def referee() -> Iterator[Callable[..., Any]]:
    """moto's server, on a port of its own."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield connect(f"http://{host}:{port}", "key", "secret")
    server.stop()


@pytest.mark.parametrize("group", OPERATIONS)
def test_the_stand_in_answers_as_the_referee(
    referee: Callable[..., Any], standin_process: Standin, group: str
) -> None:
    keys = (standin_process.env[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    ours = World(connect(standin_process.endpoint, *keys), standin_process.account, group)
    moto = World(referee, "123456789012", group)
    for name, value in NEW_BUCKET.items() if group == "buckets" else ():
        getattr(moto.s3, name)(Bucket=moto.bucket, **value)
    wrong = []
    for number, (operation, given, judged) in enumerate(OPERATIONS[group]):
        found = ours.ask(operation, given)
        faults = list(unlike(judged["is"], found, whole=False)) if judged else []
        if "alone" not in judged:
            said, answer = comparable(moto.ask(operation, given)), comparable(found)
            apart = list(unlike(said, answer, whole=True))
            if judged:
                assert apart, f"{group}[{number}]: moto has come to agree; take the mark off"
            else:
                faults += apart
        if faults:
            shown = json.dumps(given, ensure_ascii=False)[:150]
            wrong.append(f"{group}[{number}] {operation} {shown}\n    " + "\n    ".join(faults))
    assert not wrong, f"{len(wrong)} of {len(OPERATIONS[group])} differ:\n" + "\n".join(wrong)


def test_how_many_operations_the_referee_and_aws_disagree_on() -> None:
    asked = [judged for operations in OPERATIONS.values() for *_, judged in operations]
    both = [judged for judged in asked if "alone" not in judged]
    assert len(both) >= 300 and sum(bool(judged) for judged in both) <= 15
    assert all(judged["source"].startswith("https://docs.aws.amazon.com/") for judged in asked if judged)
