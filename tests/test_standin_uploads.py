"""What S3 of the stand-in takes as a body: framings, signatures, checksums, as botocore and AWS have them."""

import asyncio
import hashlib
import http.client
import io
import os
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpchecksum import _CHECKSUM_CLS, AwsChunkedWrapper
from conftest import Standin
from hypothesis import given, settings, strategies as st
from test_standin_signatures import BUCKET, element, sign

from bbkit.standin.errors import ServiceError
from bbkit.standin.s3.bodies import Body
from bbkit.standin.s3.store import PLAIN, Buckets
from bbkit.standin.signatures import ChunkSigner

UNSIGNED, SIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


def take(
    raw: bytes, headers: Mapping[str, str], signing: ChunkSigner | None = None, size: int = 1 << 16
) -> tuple[Body, bytes]:
    """A body that came in pieces of a size, and what it says."""
    pieces: Iterator[bytes] = iter([raw[at : at + size] for at in range(0, len(raw), size)] or [b""])
    left = max(1, -(-len(raw) // size))

    async def receive() -> Any:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(pieces), "more_body": left > 0}

    async def read() -> tuple[Body, bytes]:
        body = Body(receive, headers, signing)
        return body, b"".join([piece async for piece in body])

    return asyncio.run(read())


def framed(length: int, trailer: str = "", kind: str = UNSIGNED, **others: str) -> dict[str, str]:
    headers = {"x-amz-content-sha256": kind, "x-amz-decoded-content-length": str(length)}
    headers |= {"x-amz-trailer": trailer} if trailer else {}
    return headers | {name.replace("_", "-"): value for name, value in others.items()}


@given(
    data=st.binary(max_size=2000),
    chunk=st.integers(1, 300),
    size=st.integers(1, 500),
    algorithm=st.sampled_from([*_CHECKSUM_CLS]),
)
@settings(max_examples=150, deadline=None)
def test_what_botocore_frames_comes_out_as_it_was(data: bytes, chunk: int, size: int, algorithm: str) -> None:
    trailer, kind = f"x-amz-checksum-{algorithm}", _CHECKSUM_CLS[algorithm]
    raw = AwsChunkedWrapper(io.BytesIO(data), kind, trailer, chunk).read()
    body, found = take(raw, framed(len(data), trailer, content_encoding="gzip,aws-chunked"), size=size)
    assert (found, body.size, body.md5) == (data, len(data), hashlib.md5(data).hexdigest())
    assert body.checksums == {algorithm.upper(): kind().handle(data)}
    assert body.content_encoding == "gzip"
    with pytest.raises(ServiceError) as caught:
        take(raw[:-1], framed(len(data), trailer), size=size)
    assert caught.value.code == "IncompleteBody"


def signer_of(seed: str) -> ChunkSigner:
    """That of the examples of AWS."""
    credentials = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    request = AWSRequest()
    request.context["timestamp"] = "20130524T000000Z"
    return ChunkSigner(S3SigV4Auth(credentials, "s3", "us-east-1"), request, seed)


# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and sigv4-streaming-trailers.html
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
CHUNKS = [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
]
SEED_OF_TRAILERS = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
CHUNKS_OF_TRAILERS = [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
]
TRAILER = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
DATA = b"a" * 66560


def sign_chunks(signatures: list[str], end: bytes) -> bytes:
    parts = [DATA[:65536], DATA[65536:], b""]
    frames = zip(parts, signatures, strict=True)
    lines = [b"%x;chunk-signature=%s\r\n%s\r\n" % (len(part), sign.encode(), part) for part, sign in frames]
    return b"".join(lines).removesuffix(b"\r\n") + end


def test_the_signed_examples_of_aws() -> None:
    raw = sign_chunks(CHUNKS, b"\r\n")
    assert take(raw, framed(66560, kind=SIGNED), signer_of(SEED))[1] == DATA
    headers = framed(66560, "x-amz-checksum-crc32c", f"{SIGNED}-TRAILER")
    for end in ("\r\n", "\n\r\n"):  # the page has the latter
        trailer = f"x-amz-checksum-crc32c:sOO8/Q=={end}x-amz-trailer-signature:{TRAILER}\r\n\r\n".encode()
        body, found = take(sign_chunks(CHUNKS_OF_TRAILERS, trailer), headers, signer_of(SEED_OF_TRAILERS))
        assert (found, body.checksums) == (DATA, {"CRC32C": "sOO8/Q=="})
    for other in (raw.replace(b"a\r\n0;", b"b\r\n0;"), raw.replace(b"b6c6", b"b6c7")):
        with pytest.raises(ServiceError, match="SignatureDoesNotMatch"):
            take(other, framed(66560, kind=SIGNED), signer_of(SEED))
    trailer = trailer.replace(b"d81f", b"d81e")
    with pytest.raises(ServiceError, match="SignatureDoesNotMatch"):
        take(sign_chunks(CHUNKS_OF_TRAILERS, trailer), headers, signer_of(SEED_OF_TRAILERS))


CRC = "x-amz-checksum-crc32"
SUM = b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()


@pytest.mark.parametrize(
    ("raw", "headers", "code"),
    [
        (b"hello", {"content-length": "6"}, "IncompleteBody"),
        (b"hello", {"content-length": str((5 << 30) + 1)}, "EntityTooLarge"),
        (b"hello", {"transfer-encoding": "chunked"}, "NotImplemented"),
        (b"hello", {"content-md5": "aGVsbG8="}, "InvalidDigest"),
        (b"hello", {"content-md5": b64encode(bytes(16)).decode()}, "BadDigest"),
        (b"hello", {"x-amz-content-sha256": "0" * 64}, "XAmzContentSHA256Mismatch"),
        (b"hello", {"x-amz-content-sha256": "none"}, "InvalidArgument"),
        (b"hello", {CRC: "AAAAAA=="}, "BadDigest"),
        (b"hello", {CRC: "AAAA"}, "InvalidRequest"),
        (b"hello", {CRC: SUM, "x-amz-checksum-sha1": "x"}, "InvalidRequest"),
        (b"hello", {"x-amz-checksum-sha3": "x"}, "InvalidRequest"),
        (b"hello", {"x-amz-sdk-checksum-algorithm": "SHA3"}, "InvalidRequest"),
        (b"5\r\nhello\r\n0\r\n\r\n", framed(5, kind=SIGNED), "InvalidRequest"),
        (b"5\r\nhello\r\n0\r\n\r\n", framed(5, "x-amz-meta-a"), "InvalidRequest"),
        (b"5\r\nhello\r\n0\r\n\r\n", {"x-amz-content-sha256": UNSIGNED}, "MissingContentLength"),
        (b"", framed(5) | {"x-amz-decoded-content-length": "9" * 5000}, "MissingContentLength"),
        (b"5\r\nhello\r\n0\r\n\r\n", framed(4), "IncompleteBody"),
        (b"5\r\nhello\r\n0\r\n\r\n", framed(6), "IncompleteBody"),
        (b"5\r\nhello\r\n0\r\n\r\n", framed(5, CRC), "MalformedTrailerError"),
        (f"5\r\nhello\r\n0\r\n{CRC}:{SUM}\r\n\r\n".encode(), framed(5), "MalformedTrailerError"),
        (f"5\r\nhello\r\n0\r\n{CRC}:AAAAAA==\r\n\r\n".encode(), framed(5, CRC), "BadDigest"),
        (f"5\r\nhello\r\n0\r\n{CRC}:AAAA\r\n\r\n".encode(), framed(5, CRC), "InvalidRequest"),
        (b"5\r\nhello\r\n0\r\n" + b"x" * 20_000, framed(5, CRC), "MalformedTrailerError"),
        (b"5\r\nhello\r\n", framed(5), "IncompleteBody"),
        (b"5\r\nhelloo\r\n0\r\n\r\n", framed(5), "IncompleteBody"),
        (b"-5\r\nhello\r\n0\r\n\r\n", framed(5), "IncompleteBody"),
        (b"ffffffffffffffff\r\nhello\r\n", framed(5), "IncompleteBody"),
        (b"5" * 40_000, framed(5), "IncompleteBody"),
        (b"hello", framed(5), "IncompleteBody"),
        (b"", framed(5), "IncompleteBody"),
    ],
)
def test_bodies_that_do_not_hold(raw: bytes, headers: dict[str, str], code: str) -> None:
    for size in (1, 1000, 1 << 16):
        with pytest.raises(ServiceError) as caught:
            take(raw, headers, size=size)
        assert caught.value.code == code and caught.value.status in (400, 411, 501)


def test_what_is_asked_or_announced_is_computed() -> None:
    sums = {"x-amz-sdk-checksum-algorithm": "CRC64NVME", CRC: SUM, "content-length": "5"}
    body, _ = take(b"hello", sums | {"content-md5": b64encode(hashlib.md5(b"hello").digest()).decode()})
    assert (body.size, body.md5) == (5, hashlib.md5(b"hello").hexdigest())
    assert body.checksums == {"CRC32": SUM, "CRC64NVME": "M3eFcAZSQlc="}
    digest = hashlib.sha256(b"hello").hexdigest()
    assert take(b"hello", {"x-amz-content-sha256": digest})[1] == b"hello"


def put_chunks(standin: Standin, key: str, data: bytes, *, spoil: bytes = b"") -> tuple[int, str]:
    """Upload in chunks that are signed, each with the one before it, and then the checksum."""
    sent = {
        "x_amz_decoded_content_length": str(len(data)),
        "x_amz_trailer": CRC,
        "Content_Encoding": "aws-chunked",
    }
    path, kind = f"/{BUCKET}/{key}", f"{SIGNED}-TRAILER"
    headers = sign(standin, "PUT", path, x_amz_content_sha256=kind, **sent)
    request, last = AWSRequest(), headers["Authorization"].rpartition("=")[2]
    request.context["timestamp"] = stamp = headers["x-amz-date"]
    credentials = Credentials(standin.env["AWS_ACCESS_KEY_ID"], standin.env["AWS_SECRET_ACCESS_KEY"])
    signer, body = S3SigV4Auth(credentials, "s3", "us-east-1"), bytearray()

    def follow(what: str, *hashes: str) -> str:
        lines = [f"AWS4-HMAC-SHA256-{what}", stamp, signer.credential_scope(request), last, *hashes]
        return str(signer.signature("\n".join(lines), request))

    empty = hashlib.sha256().hexdigest()
    for at in [*range(0, len(data), 10_000), len(data)]:
        part = data[at : at + 10_000]
        last = follow("PAYLOAD", empty, hashlib.sha256(part).hexdigest())
        body += f"{len(part):x};chunk-signature={last}\r\n".encode() + part + (b"\r\n" if part else b"")
    trailer = f"{CRC}:{b64encode(zlib.crc32(data).to_bytes(4, 'big')).decode()}"
    last = follow("TRAILER", hashlib.sha256(f"{trailer}\n".encode()).hexdigest())
    body += f"{trailer}\r\nx-amz-trailer-signature:{last}\r\n\r\n".encode()
    connection = http.client.HTTPConnection(standin.endpoint.removeprefix("http://"))
    connection.request(
        "PUT", path, bytes(body).replace(spoil, spoil[::-1]) if spoil else bytes(body), headers
    )
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_a_signed_stream_becomes_an_object(standin_process: Standin) -> None:
    data, client = os.urandom(35_000), standin_process.client("s3")
    assert put_chunks(standin_process, "chunks", data) == (200, "")
    found = client.get_object(Bucket=BUCKET, Key="chunks", ChecksumMode="ENABLED")
    assert found["Body"].read() == data and found["ChecksumCRC32"] and "ContentEncoding" not in found
    status, text = put_chunks(standin_process, "spoilt", data, spoil=data[20_000:20_008])
    assert (status, element("Code", text)) == (403, "SignatureDoesNotMatch")
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket=BUCKET, Key="spoilt")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_the_checksum_of_an_object_in_parts_is_told_when_it_is_completed(
    standin_process: Standin, algorithm: str
) -> None:
    client, parts = standin_process.client("s3"), [os.urandom(5 << 20), b"end"]
    place, asked = {"Bucket": BUCKET, "Key": "in parts"}, {"ChecksumAlgorithm": algorithm}
    upload = client.create_multipart_upload(**place, **asked, ChecksumType="FULL_OBJECT")["UploadId"]
    answers = [
        client.upload_part(Body=part, PartNumber=number, UploadId=upload, **place, **asked)
        for number, part in enumerate(parts, 1)
    ]
    listed = [
        {"PartNumber": number, "ETag": each["ETag"], f"Checksum{algorithm}": each[f"Checksum{algorithm}"]}
        for number, each in enumerate(answers, 1)
    ]
    whole = {"UploadId": upload, "MultipartUpload": {"Parts": listed}, "ChecksumType": "FULL_OBJECT"}
    with pytest.raises(ClientError, match="BadDigest"):
        client.complete_multipart_upload(
            **place, **whole, **{f"Checksum{algorithm}": answers[0][f"Checksum{algorithm}"]}
        )
    checksum = _CHECKSUM_CLS[algorithm.lower()]().handle(b"".join(parts))
    done = client.complete_multipart_upload(**place, **whole, **{f"Checksum{algorithm}": checksum})
    assert (done[f"Checksum{algorithm}"], done["ChecksumType"]) == (checksum, "FULL_OBJECT")


def refused(call: Any, **given: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**given)
    return f"{caught.value.response['Error']['Code']}: {caught.value.response['Error']['Message']}"


def test_parts_are_held_to_the_checksum_that_their_upload_began_with(standin_process: Standin) -> None:
    """As AWS was seen to: https://github.com/floci-io/floci/pull/3093 and apache/arrow-rs/issues/6793."""
    client, place = standin_process.client("s3"), {"Bucket": BUCKET, "Key": "sums of parts"}
    config = Config(request_checksum_calculation="when_required")
    keys = (standin_process.env[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    session = boto3.Session(*keys, region_name="us-east-1")
    bare = session.client("s3", endpoint_url=standin_process.endpoint, config=config)
    begin = client.create_multipart_upload
    assert "can only be used with" in refused(begin, **place, ChecksumType="COMPOSITE")
    assert "header is invalid" in refused(begin, **place, ChecksumAlgorithm="CRC32", ChecksumType="HALF")
    assert (
        begin(**place, ChecksumAlgorithm="CRC32", ChecksumType="full_object")["ChecksumType"] == "FULL_OBJECT"
    )

    part = {**place, "PartNumber": 1, "Body": b"part"}
    none = {"UploadId": begin(**place)["UploadId"]}
    mismatch = "InvalidRequest: Checksum Type mismatch occurred, expected checksum Type: "
    found = refused(client.upload_part, **part, **none, ChecksumAlgorithm="SHA256")
    assert found == f"{mismatch}null, actual checksum Type: sha256"
    answer = client.upload_part(**part, **none)  # boto3 sends a CRC32 unasked
    listed = {"PartNumber": 1, "ETag": answer["ETag"]}
    with_sum = {"Parts": [listed | {"ChecksumCRC32": answer["ChecksumCRC32"]}]}
    assert (
        refused(client.complete_multipart_upload, **place, **none, MultipartUpload=with_sum)[:12]
        == "InvalidPart:"
    )
    client.complete_multipart_upload(**place, **none, MultipartUpload={"Parts": [listed]})

    upload = {"UploadId": begin(**place, ChecksumAlgorithm="SHA256")["UploadId"]}
    assert refused(bare.upload_part, **part, **upload) == f"{mismatch}sha256, actual checksum Type: null"
    answer = client.upload_part(**part, **upload, ChecksumAlgorithm="SHA256")
    complete = {**place, **upload, "MultipartUpload": {"Parts": [listed]}}
    assert refused(client.complete_multipart_upload, **complete).startswith(
        "InvalidRequest: The upload was created using a sha256 checksum. The complete request must include"
    )
    complete["MultipartUpload"] = {"Parts": [listed | {"ChecksumSHA256": answer["ChecksumSHA256"]}]}
    other = refused(client.complete_multipart_upload, **complete, ChecksumType="FULL_OBJECT")
    assert "created using the COMPOSITE checksum mode" in other
    whole = client.complete_multipart_upload(**complete)["ChecksumSHA256"]
    told = client.get_object_attributes(**place, ObjectAttributes=["Checksum"])["Checksum"]
    assert whole == told["ChecksumSHA256"] + "-1" and told["ChecksumType"] == "COMPOSITE"
    for ask in (client.head_object, client.get_object):
        one = ask(**place, PartNumber=1, ChecksumMode="ENABLED")
        assert one["ChecksumSHA256"] == answer["ChecksumSHA256"]
        assert ask(**place, ChecksumMode="ENABLED")["ChecksumSHA256"] == whole


def test_uploads_are_grouped_by_their_keys_alone_and_one_that_ended_is_no_upload(
    standin_process: Standin, tmp_path: Path
) -> None:
    client, keys = standin_process.client("s3"), ["u/a-b", "u/a-c", "u/d"]
    client.create_bucket(Bucket="many-uploads")
    for key in keys:
        client.create_multipart_upload(Bucket="many-uploads", Key=key)
    for delimiter in "0123456789abcdef":
        found = client.list_multipart_uploads(Bucket="many-uploads", Prefix="u/", Delimiter=delimiter)
        groups = [one["Prefix"] for one in found.get("CommonPrefixes", [])]
        assert groups == {"a": ["u/a"], "b": ["u/a-b"], "c": ["u/a-c"], "d": ["u/d"]}.get(delimiter, [])
        assert len(found.get("Uploads", [])) == 3 - (2 if groups == ["u/a"] else len(groups))
    buckets = Buckets(tmp_path)
    buckets.create_bucket("bucket")
    upload = buckets.begin_upload("bucket", "key", PLAIN)
    buckets.abort("bucket", "key", upload)
    with pytest.raises(ServiceError, match="NoSuchUpload"):  # as to who completes it meanwhile
        buckets.open(f"bucket/{upload}", "00001")
