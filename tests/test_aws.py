"""Places, errors in a sentence, and objects that are transferred whole."""

import hashlib
import os
import secrets
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from conftest import Standin
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import bbkit as bb
from bbkit import aws
from bbkit.aws import Endpoint
from bbkit.core.errors import AwsError, CredentialsError, InputError
from bbkit.core.files import file_sha256, write_text

BUCKET = "bbkit-standin"


def uri(tmp_path: Path, name: str) -> str:
    return f"s3://{BUCKET}/test-aws/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}/{name}"


@pytest.mark.parametrize(
    ("endpoint", "standin"),
    [
        ("https://bedrock.us-east-1.amazonaws.com", False),
        ("https://vpce-1.bedrock.us-east-1.vpce.amazonaws.com", False),
        ("https://bedrock.cn-north-1.amazonaws.com.cn", False),
        ("https://bedrock.us-east-1.api.aws", False),
        ("http://127.0.0.1:4599", True),
        ("https://amazonaws.com.example.org", True),
        ("https://notamazonaws.com", True),
    ],
)
def test_an_endpoint_is_a_stand_in_unless_its_host_is_of_aws(endpoint: str, standin: bool) -> None:
    assert Endpoint(endpoint, "111122223333", "us-east-1").is_standin is standin


def test_a_stand_in_may_move_to_another_port_and_aws_may_not_change() -> None:
    here = Endpoint("http://127.0.0.1:1", "111122223333", "us-east-1")
    assert here.same_as(Endpoint("http://127.0.0.1:2", "111122223333", "us-east-1"))
    assert not here.same_as(Endpoint("http://127.0.0.1:1", "444455556666", "us-east-1"))
    there = Endpoint("https://bedrock.us-east-1.amazonaws.com", "111122223333", "us-east-1")
    assert there.same_as(Endpoint("https://bedrock.us-east-1.amazonaws.com", "111122223333", "us-east-1"))
    assert not there.same_as(here)
    assert not here.same_as(there)


def test_the_endpoint_is_where_calls_go(standin: Standin) -> None:
    assert aws.find_endpoint() == Endpoint(standin.endpoint, standin.account, "us-east-1")


def test_two_bad_answers_of_sts_are_passed_over(start_standin: Callable[..., Standin]) -> None:
    standin = start_standin("--fault", "fail-call=GetCallerIdentity:503:2")
    assert aws.find_endpoint().account == standin.account


def test_a_client_follows_the_environment(start_standin: Callable[..., Standin]) -> None:
    first = start_standin()
    assert aws.find_endpoint().account == first.account
    second = start_standin()
    assert aws.find_endpoint().account == second.account
    assert aws.client("s3") is aws.client("s3")


def test_proxies_profiles_and_credentials_set_after_the_first_call_take_effect(
    standin: Standin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def account() -> str:
        folder = tmp_path / secrets.token_hex(4)
        return bb.Run.create(folder, model_id="amazon.nova-lite-v1:0").endpoint.account

    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert account() == standin.account
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "http_proxy"):
        with monkeypatch.context() as changed:
            changed.setenv(name, "http://127.0.0.1:9")
            with pytest.raises(AwsError, match="No answer from AWS"):
                account()
            changed.setenv("no_proxy", "127.0.0.1")
            assert account() == standin.account
    path = tmp_path / "credentials"
    key, secret = (standin.env[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    own = f"aws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    with pytest.raises(CredentialsError, match="There are no AWS credentials"):
        account()
    path.write_text(f"[team]\n{own}[default]\n{own.replace(key, 'X' * len(key))}")
    with pytest.raises(CredentialsError, match="does not accept the credentials"):
        account()
    monkeypatch.setenv("AWS_PROFILE", "team")
    assert account() == standin.account
    times = path.stat()
    path.write_text(path.read_text().replace(key, "Y" * len(key)) + "\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a copy that keeps its times
    with pytest.raises(CredentialsError, match="does not accept the credentials"):
        account()


class Caller(BaseHTTPRequestHandler):
    """Says who calls, as STS does."""

    def do_POST(self) -> None:
        said = "<Arn>arn:aws:iam::111122223333:user/me</Arn><Account>111122223333</Account>"
        name = "GetCallerIdentity"
        told = f"<{name}Response><{name}Result>{said}</{name}Result></{name}Response>".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server of its own authority: its URL and the file of its certificate."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    signed = made.add_extension(addresses, critical=False).sign(key, hashes.SHA256())
    pem, path = serialization.Encoding.PEM, tmp_path / "authority.pem"
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(signed.public_bytes(pem) + secret)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    with ThreadingHTTPServer(("127.0.0.1", 0), Caller) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}", path
        server.shutdown()


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_bundle_of_certificates_takes_effect_after_the_first_call(
    standin: Standin, monkeypatch: pytest.MonkeyPatch, tls_server: tuple[str, Path], name: str
) -> None:
    url, certificate = tls_server
    for bundle in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(bundle, raising=False)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
    with pytest.raises(AwsError, match="CERTIFICATE_VERIFY_FAILED"):
        aws.find_endpoint()
    monkeypatch.setenv(name, str(certificate))
    assert aws.find_endpoint().account == "111122223333"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "CredentialsError: There are no AWS credentials."),
        ({"AWS_PROFILE": "nobody"}, "CredentialsError: AWS credentials cannot be used"),
        (
            {"AWS_ACCESS_KEY_ID": "A" * 16, "AWS_SECRET_ACCESS_KEY": "b"},
            "AwsError: No AWS region is configured.",
        ),
        (
            {
                "AWS_ACCESS_KEY_ID": "A" * 16,
                "AWS_SECRET_ACCESS_KEY": "b",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            },
            "AwsError: No answer from AWS",
        ),
    ],
)
def test_a_missing_configuration_is_one_sentence_within_five_seconds(
    tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    script = (
        "import time; from bbkit import aws; start = time.monotonic()\n"
        "try: aws.find_endpoint()\nfinally: print(time.monotonic() - start)"
    )
    bare = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=bare, capture_output=True, text=True, check=False
    )
    assert words in done.stderr
    assert float(done.stdout) < 5


def test_refusals_carry_their_code_and_what_to_do(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AwsError, match="GetModelInvocationJob") as caught:
        aws.get_job(f"arn:aws:bedrock:us-east-1:{standin.account}:model-invocation-job/abcdefghijkl")
    assert caught.value.code == "ResourceNotFoundException"
    assert aws.read_refusal(caught.value)[0] == 404
    with pytest.raises(AwsError) as caught:
        list(aws.list_objects("s3://no-such-bucket-here/"))
    assert caught.value.code == "NoSuchBucket"
    assert "Make the bucket" in str(caught.value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "WRONGKEY12345678")
    with pytest.raises(CredentialsError, match="AWS does not accept the credentials"):
        list(aws.list_objects(f"s3://{BUCKET}/"))


@pytest.mark.parametrize("text", ["", "bucket/key", "http://bucket/key", "s3:/bucket", "s3://", "s3:///key"])
def test_what_is_no_s3_uri_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not an S3 URI"):
        aws.split_s3_uri(text)


def test_uploads_are_complete_once_and_never_overwrite(standin: Standin, tmp_path: Path) -> None:
    path, target = tmp_path / "a.jsonl", uri(tmp_path, "a.jsonl")
    path.write_bytes(b"one\n" * 1000)
    sent: list[int] = []
    assert aws.upload_file(path, target, progress=sent.append)
    assert sum(sent) == path.stat().st_size
    assert not aws.upload_file(path, target)
    assert aws.read_object(target) == path.read_bytes()
    path.write_bytes(b"two\n" * 1000)
    with pytest.raises(AwsError, match="already exists with other content") as caught:
        aws.upload_file(path, target)
    assert caught.value.code == "ObjectDiffers"
    assert aws.read_object(target) == b"one\n" * 1000


def test_a_large_file_goes_up_in_parts_and_comes_down_whole(standin: Standin, tmp_path: Path) -> None:
    path, target = tmp_path / "large.jsonl", uri(tmp_path, "large.jsonl")
    path.write_bytes(os.urandom(1 << 20) * 20)
    assert aws.upload_file(path, target)
    listed = next(item for item in aws.list_objects(target) if item.uri == target)
    assert listed.size == 20 << 20
    assert "-" in listed.etag
    assert not aws.upload_file(path, target)
    copy, got = tmp_path / "copy.jsonl", []
    assert aws.download_file(target, copy, progress=got.append)
    assert sum(got) == 20 << 20
    assert file_sha256(copy) == file_sha256(path)
    assert not aws.download_file(target, copy)
    digest = hashlib.sha256()
    for block in aws.iter_object(target, 1 << 20):
        digest.update(block)
    assert digest.hexdigest() == file_sha256(path)


def test_a_spoiled_download_is_fetched_again(standin: Standin, tmp_path: Path) -> None:
    path, target = tmp_path / "a.txt", uri(tmp_path, "b.txt")
    path.write_bytes(b"right")
    aws.upload_file(path, target)
    copy = tmp_path / "deep" / "copy.txt"
    assert aws.download_file(target, copy)
    copy.write_bytes(b"wrong")
    assert aws.download_file(target, copy)
    assert copy.read_bytes() == b"right"
    with pytest.raises(AwsError):
        aws.download_file(uri(tmp_path, "none.txt"), copy)
    assert copy.read_bytes() == b"right"
    assert not [item for item in copy.parent.iterdir() if item.name.endswith(".part")]


@pytest.mark.long
def test_objects_are_listed_over_pages_and_deleted_by_the_thousand(standin: Standin, tmp_path: Path) -> None:
    s3 = aws.client("s3")
    bucket, prefix = aws.split_s3_uri(uri(tmp_path, "many/"))
    for number in range(1050):
        s3.put_object(Bucket=bucket, Key=f"{prefix}{number:04d}", Body=b"x")
    found = [item.uri for item in aws.list_objects(uri(tmp_path, "many/"))]
    assert len(found) == 1050
    assert aws.delete_objects(found) == 1050
    assert list(aws.list_objects(uri(tmp_path, "many/"))) == []


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_text(path, "one")
    write_text(path, "two ü")
    assert path.read_text(encoding="utf-8") == "two ü"
    assert [item.name for item in tmp_path.iterdir()] == ["run.json"]


def test_a_download_that_breaks_off_is_fetched_again_or_not_there(
    start_standin: Callable[..., Standin], tmp_path: Path
) -> None:
    start_standin("--fault", "fail-call=GetObject:html fail-answer=GetObject:torn:3")
    source, target = tmp_path / "source", tmp_path / "here" / "target"
    source.write_bytes(b"0123456789" * 5000)
    place = uri(tmp_path, "torn")
    aws.upload_file(source, place)
    with pytest.raises(AwsError, match="a web page came in its place") as page:
        aws.download_file(place, target)
    with pytest.raises(AwsError, match="No answer from AWS") as torn:
        aws.read_object(place)
    assert aws.is_passing(page.value) and aws.is_passing(torn.value)
    assert not list(target.parent.iterdir())
    assert aws.download_file(place, target)
    assert target.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("code", "passing"),
    [
        *dict.fromkeys(
            ("SlowDown", "ThrottlingException", "InternalError", "503", "429", "NoAnswer"), True
        ).items(),
        *dict.fromkeys(
            ("AccessDenied", "ValidationException", "501", "404", "ObjectDiffers", ""), False
        ).items(),
        ("RequestTimeout", True),
        ("RequestTimeTooSkewed", False),
    ],
)
def test_what_passes_is_told_by_its_code(code: str, passing: bool) -> None:
    assert aws.is_passing(code) is passing
    assert aws.is_passing(AwsError("found", code)) is passing
