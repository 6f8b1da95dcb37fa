"""S3 beyond the operations of `test_standin_referee.py`: any key, any page, crashes, and what is refused."""

import hashlib
import os
import random
import re
import shutil
import string
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from conftest import Standin
from hypothesis import HealthCheck, given, settings, strategies as st

from bbkit.standin.s3.store import PLAIN, Buckets


@pytest.fixture
def s3(standin_process: Standin) -> Any:
    """An S3 client of the stand-in."""
    return standin_process.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    """A fresh bucket."""
    name = "case-" + "".join(random.choices(string.ascii_lowercase, k=12))
    s3.create_bucket(Bucket=name)
    return name


def refused(call: Callable[..., Any], **given: Any) -> tuple[str, int]:
    """Give code and status of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**given)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def keys_of(s3: Any, bucket: str, size: int, **given: Any) -> tuple[list[str], list[str]]:
    """List all pages: keys and common prefixes."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": size}, **given
    )
    found = list(pages)
    return (
        [item["Key"] for page in found for item in page.get("Contents", [])],
        [item["Prefix"] for page in found for item in page.get("CommonPrefixes", [])],
    )


def test_an_object_comes_back_as_it_went(s3: Any, bucket: str) -> None:
    body = os.urandom(300_000)
    tag = s3.put_object(Bucket=bucket, Key="a/b c+ä.bin", Body=body, ContentType="x/y", Metadata={"k": "v"})[
        "ETag"
    ]
    head = s3.head_object(Bucket=bucket, Key="a/b c+ä.bin")
    got = s3.get_object(Bucket=bucket, Key="a/b c+ä.bin")
    assert tag == head["ETag"] == got["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (len(body), "x/y", {"k": "v"})
    assert got["Body"].read() == body
    s3.delete_object(Bucket=bucket, Key="a/b c+ä.bin")
    s3.delete_object(Bucket=bucket, Key="never there")
    assert refused(s3.head_object, Bucket=bucket, Key="a/b c+ä.bin") == ("404", 404)
    assert refused(s3.get_object, Bucket=bucket, Key="a/b c+ä.bin") == ("NoSuchKey", 404)


def test_both_listings_are_in_order_whatever_the_page(s3: Any, bucket: str) -> None:
    keys = ["a", "a-b/x", "a.b", "a0", "b/c", "b-c", "b/c/d" + "e", "b.c", "ä/1", "z/1", "z/2", "z/3/4"]
    keys = sorted({key for key in keys if not any(other.startswith(key + "/") for other in keys)})
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    for size in (1, 2, 5, 1000):
        assert keys_of(s3, bucket, size) == (keys, [])
        old = s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        assert [item["Key"] for page in old for item in page.get("Contents", [])] == keys
        flat, groups = keys_of(s3, bucket, size, Delimiter="/")
        assert flat == [key for key in keys if "/" not in key]
        assert groups == sorted({key.partition("/")[0] + "/" for key in keys if "/" in key})
    assert keys_of(s3, bucket, 2, Prefix="b")[0] == [key for key in keys if key.startswith("b")]
    assert keys_of(s3, bucket, 2, Prefix="z/", Delimiter="/") == (["z/1", "z/2"], ["z/3/"])
    assert keys_of(s3, bucket, 3, StartAfter="b-c")[0] == [key for key in keys if key > "b-c"]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=1)["KeyCount"] == 1
    assert keys_of(s3, bucket, 5, Prefix="nothing") == ([], [])


def test_the_transfer_manager_both_ways(s3: Any, bucket: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(20_000_000))
    s3.upload_file(str(source), bucket, "file.jsonl")
    s3.download_file(bucket, "file.jsonl", str(target))
    assert target.read_bytes() == source.read_bytes()


def test_a_body_that_is_not_what_its_checksum_says(standin_process: Standin) -> None:
    s3, bucket = standin_process.client("s3"), "bbkit-standin"
    for sums in ({"ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, {"ChecksumCRC32": "AAAAAA=="}):
        found = refused(s3.put_object, Bucket=bucket, Key="bad/digest", Body=b"data", **sums)
        assert found == ("BadDigest", 400)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="bad/part")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="bad/part", UploadId=upload)
    code = refused(s3.upload_part, Bucket=bucket, Key="bad/part", UploadId=upload, PartNumber=1, Body=b"")
    assert code == ("NoSuchUpload", 404)
    assert keys_of(s3, bucket, 10, Prefix="bad/") == ([], [])


def test_a_presigned_url(standin_process: Standin) -> None:
    s3, bucket = standin_process.client("s3"), "bbkit-standin"
    s3.put_object(Bucket=bucket, Key="x y", Body=b"seen")
    keys = (standin_process.env[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    config = Config(signature_version="s3v4")  # boto3 still presigns with version 2 unless told
    signer = boto3.Session(*keys, region_name="us-east-1").client(
        "s3", endpoint_url=standin_process.endpoint, config=config
    )
    url = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "x y"}, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"seen"


KEYS = st.lists(st.text("ab-./~é", min_size=1, max_size=7), max_size=12, unique=True)


@given(
    keys=KEYS,
    prefix=st.text("ab-./", max_size=3),
    size=st.integers(1, 4),
    delimiter=st.sampled_from(["", "/", "a", "/a", "é"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_pages_of_any_bucket_join_to_its_sorted_keys(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], prefix: str, size: int, delimiter: str
) -> None:
    folder = tmp_path_factory.mktemp("listing")
    buckets = Buckets(folder)
    buckets.create_bucket("bucket")
    for key in keys:
        with buckets.stage() as staged:
            staged.path.write_text(key)
            buckets.put("bucket", key, staged, PLAIN)
    buckets = Buckets(folder)  # as after a kill
    wanted = sorted((key for key in keys if key.startswith(prefix)), key=str.encode)
    cut = {key: key.find(delimiter, len(prefix)) if delimiter else -1 for key in wanted}
    groups = {key[: at + len(delimiter)] for key, at in cut.items() if at >= 0}
    found, seen, after, more = [], [], "", True
    while more:
        page, rolled, after = buckets.page("bucket", prefix, delimiter, after, size)
        assert len(page) + len(rolled) <= size
        found += [one.key for one in page]
        seen += rolled
        more = bool(after)
    assert (found, seen) == ([key for key in wanted if cut[key] < 0], sorted(groups, key=str.encode))
    for key in keys:
        with buckets.open("bucket", key)[1] as body:
            assert body.read().decode() == key


NOT_DONE: list[tuple[str, dict[str, Any]]] = [
    ("put_object_acl", {"Key": "x", "ACL": "public-read"}),
    ("get_object_acl", {"Key": "x"}),
    ("put_object_retention", {"Key": "x", "Retention": {"Mode": "GOVERNANCE"}}),
    ("restore_object", {"Key": "x", "RestoreRequest": {"Days": 1}}),
    ("get_bucket_acl", {}),
    ("put_bucket_policy", {"Policy": "{}"}),
    ("get_bucket_policy", {}),
    ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Enabled"}}),
    ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": []}}),
    ("get_bucket_notification_configuration", {}),
    ("get_bucket_cors", {}),
    ("put_object", {"Key": "x", "Body": b"new", "ACL": "public-read"}),
    ("put_object", {"Key": "x", "Body": b"new", "GrantRead": "id=1"}),
    ("put_object", {"Key": "x", "Body": b"new", "ServerSideEncryption": "aws:kms:dsse"}),
    ("put_object", {"Key": "x", "Body": b"new", "StorageClass": "GLACIER"}),
    ("put_object", {"Key": "x", "Body": b"new", "IfNoneMatch": '"1"'}),
    ("put_object", {"Key": "x", "Body": b"new", "WebsiteRedirectLocation": "/y"}),
    ("put_object", {"Key": "x", "Body": b"new", "WriteOffsetBytes": 4}),
    ("put_object", {"Key": "x", "Body": b"new", "ObjectLockMode": "GOVERNANCE"}),
    ("put_object", {"Key": "x", "Body": b"new", "SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k"}),
    ("create_multipart_upload", {"Key": "x", "StorageClass": "DEEP_ARCHIVE"}),
    ("delete_object", {"Key": "x", "MFA": "1 2"}),
    ("copy_object", {"Key": "y", "CopySource": "guarded-bucket/x", "ObjectLockLegalHoldStatus": "ON"}),
    ("rename_object", {"Key": "y", "RenameSource": "x"}),
    ("select_object_content", {
        "Key": "x", "Expression": "SELECT 1", "ExpressionType": "SQL",
        "InputSerialization": {"JSON": {"Type": "LINES"}}, "OutputSerialization": {"JSON": {}},
    }),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "given"), NOT_DONE)
def test_what_is_not_done_right_is_refused_and_changes_nothing(
    standin_process: Standin, operation: str, given: dict[str, Any]
) -> None:
    client = standin_process.client("s3")
    bucket = "guarded-bucket"
    if bucket not in [found["Name"] for found in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key="x", Body=b"kept")
    code, status = refused(getattr(client, operation), Bucket=bucket, **given)
    assert (code, status) == ("NotImplemented", 501)
    assert keys_of(client, bucket, 10)[0] == ["x"]
    assert client.get_object(Bucket=bucket, Key="x")["Body"].read() == b"kept"


@pytest.mark.parametrize("key", ["../up", "a/../../up", "..\\x", "a\\..\\..\\identity.json", "a/..\\b"])
def test_keys_that_climb_are_refused(standin_process: Standin, key: str) -> None:
    client = standin_process.client("s3")
    bucket = {"Bucket": "bbkit-standin"}
    source = {"CopySource": {**bucket, "Key": key}, "Key": "copy"}
    for call in (client.get_object, client.head_object, client.put_object, client.delete_object):
        assert refused(call, **bucket, Key=key)[1] == 400
    assert refused(client.copy_object, **bucket, **source)[1] == 400
    found = client.delete_objects(**bucket, Delete={"Objects": [{"Key": key}]})
    assert [error["Code"] for error in found["Errors"]] == ["InvalidURI"]


def test_another_accounts_bucket(standin_process: Standin) -> None:
    client = standin_process.client("s3")
    owner = {"Bucket": "bbkit-standin", "Prefix": "no/"}
    assert refused(client.list_objects_v2, ExpectedBucketOwner="111122223333", **owner) == (
        "AccessDenied",
        403,
    )
    assert client.list_objects_v2(ExpectedBucketOwner=standin_process.account, **owner)["KeyCount"] == 0


HOSTILE = [
    "a//b",
    "a",
    "a/b",
    "a/",
    "a/../up",
    ".nanio-meta/x.json",
    "x/.tmp.y",
    "/",
    "A",
    "k" * 300,
    "é",
    "e\u0301",
]


def test_keys_that_are_no_paths_are_kept_over_a_restart(
    start_standin: Callable[..., Standin], tmp_path: Path
) -> None:
    standin = start_standin(folder=tmp_path / "d")
    s3, bucket = standin.client("s3"), "bbkit-standin"
    for key in HOSTILE:
        s3.put_object(Bucket=bucket, Key=key, Body=key, ContentType="x/y", Tagging="a=b", Metadata={"n": "1"})
    folder = standin.folder / "s3" / bucket
    assert (folder / "a").read_text() == "a" and (folder / "é").read_text() == "é"
    assert not (folder / "up").exists()
    standin.stop()
    (folder / "A").unlink()
    (folder / ".nanio-meta").mkdir()  # of an older stand-in
    (folder / ".nanio-meta" / "by hand.txt.json").write_text("{}")
    by_hand = ["by hand.txt", ".tmp.report.csv", ".nanio.txt", "notes/.nanio-meta/x.json"]
    for name in by_hand:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("by hand")
    elsewhere = tmp_path / "elsewhere"
    for place in (elsewhere, folder.parent / "My Folder", folder.parent / ".nanio" / "multipart"):
        place.mkdir(parents=True)
    for link in (folder / "link", folder.parent / "linked-bucket"):
        link.symlink_to(elsewhere)
    (folder / "w\udcff").mkdir()
    (folder / "w\udcff" / "no UTF-8").write_text("")
    s3 = start_standin(folder=tmp_path / "d").client("s3")
    kept = [key for key in HOSTILE if key != "A"]
    assert keys_of(s3, bucket, 5)[0] == sorted([*kept, *by_hand], key=str.encode)
    assert [one["Name"] for one in s3.list_buckets()["Buckets"]] == [bucket]
    console = (tmp_path / "d" / "console.txt").read_text()
    assert console.count("cannot be buckets") == 1 and "alone: My Folder, linked-bucket." in console
    s3.put_object(Bucket=bucket, Key="link/below", Body=b"kept")
    assert s3.get_object(Bucket=bucket, Key="link/below")["Body"].read() == b"kept"
    s3.delete_object(Bucket=bucket, Key="link/below")
    assert [*elsewhere.iterdir()] == [] and (folder / ".tmp.report.csv").read_text() == "by hand"
    shutil.rmtree(folder / "w\udcff")
    (folder / "link").unlink()
    for key in kept:
        got = s3.get_object(Bucket=bucket, Key=key)
        assert got["Body"].read().decode() == key
        assert (got["ContentType"], got["TagCount"], got["Metadata"]) == ("x/y", 1, {"n": "1"})
    assert (
        s3.get_object(Bucket=bucket, Key="by hand.txt")["ETag"] == f'"{hashlib.md5(b"by hand").hexdigest()}"'
    )
    for key in [*kept, *by_hand]:
        s3.delete_object(Bucket=bucket, Key=key)
    assert list(folder.iterdir()) == [] and len(list((folder.parent / ".store").iterdir())) <= 3


def test_what_is_sent_by_hand_is_answered_or_refused_and_never_fails(standin_process: Standin) -> None:
    """No client of AWS sends these; each is refused with its code, or means what S3 takes it for."""
    s3, bucket = standin_process.client("s3"), "/bbkit-standin"
    s3.put_object(Bucket="bbkit-standin", Key="by hand", Body=b"0123456789")
    credentials = s3._request_signer._credentials
    bomb = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Delete><Object><Key>&e;</Key></Object></Delete>'

    def send(method: str, path: str, body: bytes = b"", **headers: str) -> str:
        request = AWSRequest(method, standin_process.endpoint + path, headers, body)
        S3SigV4Auth(credentials, "s3", "us-east-1").add_auth(request)
        answer = URLLib3Session().send(request.prepare())
        found = re.search(r"<Code>(\w+)<", answer.text)
        return f"{answer.status_code} {found[1] if found else answer.text[:10]}".strip()

    by_hand = f"{bucket}/by%20hand"
    assert [
        send("GET", by_hand, Range=f"bytes={'9' * 5000}-"),
        send("GET", by_hand, Range="bytes=4-2"),
        send("GET", by_hand, Range="bytes=0-1,4-5"),
        send("GET", f"{by_hand}?partNumber=0"),
        send("GET", f"{by_hand}?partNumber=x"),
        send("GET", by_hand, **{"If-Modified-Since": "Wed, 21 Oct 2015 07:28:00"}),
        send("GET", by_hand, **{"If-Modified-Since": "the day before"}),
        send("GET", by_hand, **{"If-Unmodified-Since": "Wed, 99 Oct 2015"}),
        send("GET", by_hand, uploads="1", tagging="1", **{"list-type": "1", "partNumber": "7"}),
        send("GET", f"{bucket}/a%00b"),
        send("GET", f"{bucket}/none%01"),
        send("GET", "//x"),
        send("PATCH", by_hand),
        send("GET", f"{bucket}?list-type=2&max-keys=-1"),
        send("GET", f"{bucket}?list-type=2&max-keys=abc"),
        send("GET", f"{bucket}?list-type=2&max-keys=4294967296"),
        send("GET", f"{bucket}?list-type=3"),
        send("GET", f"{bucket}?encoding-type=base64"),
        send("GET", f"{by_hand}?attributes", **{"x-amz-object-attributes": "ETag, Colour"}),
        send("GET", f"{by_hand}?attributes"),
        send("POST", f"{bucket}?delete", b"<Delete><Object><Key>by hand</Key></Object></Delete>"),
        send("PUT", by_hand, **{"x-amz-copy-source": by_hand, "x-amz-metadata-directive": "MERGE"}),
        send("PUT", by_hand, **{"x-amz-copy-source": by_hand, "x-amz-tagging-directive": "MERGE"}),
        send("PUT", f"{bucket}/y", **{"x-amz-tagging": "a=1%0A2"}),
        send("POST", f"{bucket}?delete", b"nonsense"),
        send("POST", f"{bucket}?delete", bomb),
        send("POST", f"{bucket}?delete", b"<Delete>%s</Delete>" % (b"<Object><Key>a</Key></Object>" * 1001)),
        send("PUT", f"{by_hand}?tagging", b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>"),
        send("PUT", f"{bucket}/y", b"1", **{"x-amz-unheard-of": "1"}),
        send("PUT", f"{bucket}/y", b"", **{"x-amz-copy-source": "nothing"}),
        send(
            "POST", f"{by_hand}?uploadId=none", b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>"
        ),
    ] == [
        *["200 0123456789"] * 3,
        *["400 InvalidArgument"] * 2,
        *["200 0123456789"] * 4,
        "400 InvalidURI",
        "404 NoSuchKey",
        "400 InvalidBucketName",
        "501 NotImplemented",
        *["400 InvalidArgument"] * 6,
        *["400 InvalidRequest"] * 2,
        *["400 InvalidArgument"] * 2,
        "400 InvalidTag",
        *["400 MalformedXML"] * 4,
        "501 NotImplemented",
        "400 InvalidArgument",
        "404 NoSuchUpload",
    ]


def test_a_download_is_of_one_object_whatever_is_written_meanwhile(standin_process: Standin) -> None:
    s3, bucket = standin_process.client("s3"), "bbkit-standin"
    old, new = b"o" * 30_000_000, b"n" * 100
    s3.put_object(Bucket=bucket, Key="read/while", Body=old)
    body = s3.get_object(Bucket=bucket, Key="read/while")["Body"]
    start = body.read(1000)
    s3.put_object(Bucket=bucket, Key="read/while", Body=new)
    assert start + body.read() == old
    assert s3.get_object(Bucket=bucket, Key="read/while")["Body"].read() == new


KILLED = """
import os, sys
from pathlib import Path
from bbkit.standin.s3.store import PLAIN, Buckets

def put(key, text):
    with buckets.stage() as staged:
        staged.path.write_text(text)
        buckets.put("bucket", key, staged, PLAIN)

for number in range(int(sys.argv[2])):
    if os.fork() == 0:
        buckets = Buckets(Path(sys.argv[1]) / str(number))
        buckets.create_bucket("bucket")
        put("p", "old"), put("gone", "old"), put("q/below", "old")
        count = 0
        def hook(event, given):
            global count
            count += event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "open")
            if count > number:
                os._exit(0)
        sys.addaudithook(hook)
        put("p", "new"), put("p/q", "beside"), put("p/q", "again")
        buckets.delete("bucket", "gone"), buckets.delete("bucket", "q/below"), put("q", "a file now")
        os._exit(0)
    os.wait()
"""


def test_where_a_write_was_killed_an_object_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    """Each step that a process takes on its disk is once its last; what the next one finds is whole."""
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), "40"], check=True)
    states = []
    for number in range(40):
        buckets = Buckets(tmp_path / str(number))
        state = {}
        for one in buckets.page("bucket")[0]:
            with buckets.open("bucket", one.key)[1] as body:
                state[one.key] = body.read().decode()
        files = {path.name for path in (tmp_path / str(number) / ".store").iterdir()}
        hidden = {name for name in files if not name.startswith("index.sqlite")}
        assert hidden <= {one.file for one in buckets.page("bucket")[0]}
        if state not in states:
            states.append(state)
    old = {"gone": "old", "p": "old", "q/below": "old"}
    assert states == [
        old,
        old | {"p": "new"},
        old | {"p": "new", "p/q": "beside"},
        old | {"p": "new", "p/q": "again"},
        {"p": "new", "p/q": "again", "q/below": "old"},
        {"p": "new", "p/q": "again"},
        {"p": "new", "p/q": "again", "q": "a file now"},
    ]
