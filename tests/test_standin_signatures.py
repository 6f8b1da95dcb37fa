"""Who may speak to the stand-in's S3: presigned URLs of either version, and refusals in the words of S3."""

import re
import time
import urllib.error
import urllib.request
from typing import Any

import boto3
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from conftest import Standin

BUCKET = "bbkit-standin"


def client_of(standin: Standin, *, secret: str = "", token: str | None = None, **config: Any) -> Any:
    key, region = standin.env["AWS_ACCESS_KEY_ID"], config.pop("region", "us-east-1")
    session = boto3.Session(key, secret or standin.env["AWS_SECRET_ACCESS_KEY"], token, region_name=region)
    return session.client("s3", endpoint_url=standin.endpoint, config=Config(**config))


def ask(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Status and text of an answer to a request that is as raw as it gets."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, sent, method=method)) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def element(name: str, text: str) -> str:
    match = re.search(f"<{name}>([^<]*)<", text)
    return match[1] if match else ""


def sign(standin: Standin, method: str, path: str, late: float = 0, **headers: str) -> dict[str, str]:
    """The headers of a request that is signed by hand; they say that it was made `late` seconds from now."""
    credentials = Credentials(standin.env["AWS_ACCESS_KEY_ID"], standin.env["AWS_SECRET_ACCESS_KEY"])
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + late))
    sent = {"x-amz-date": stamp, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = AWSRequest(method, standin.endpoint + path, {k: v for k, v in sent.items() if v})
    request.context["timestamp"] = stamp
    signer = S3SigV4Auth(credentials, "s3", "us-east-1")
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return dict(request.headers.items())


@pytest.mark.parametrize("version", ["s3", "s3v4", None], ids=["version 2", "version 4", "default"])
def test_presigned_urls_of_every_method(standin_process: Standin, version: str | None) -> None:
    signer = client_of(standin_process, **({"signature_version": version} if version else {}))
    plain, key = standin_process.client("s3"), f"presigned/{version} ä+b"
    place = {"Bucket": BUCKET, "Key": key}

    def presign(operation: str, **given: Any) -> str:
        return str(signer.generate_presigned_url(operation, Params={**place, **given}, ExpiresIn=60))

    url = presign("put_object", ContentType="text/x", Metadata={"who": "me"})
    assert ("AWSAccessKeyId=" in url) == (version != "s3v4")  # boto3's default in us-east-1
    headers = {"x_amz_meta_who": "me"} if version == "s3v4" else {}
    assert ask(url, "PUT", b"seen", Content_Type="text/x", **headers) == (200, "")
    head = plain.head_object(**place)
    assert (head["ContentType"], head["Metadata"]) == ("text/x", {"who": "me"})
    sums = {} if version == "s3v4" else {"ChecksumSHA256": "e" * 43 + "=", "ChecksumAlgorithm": "SHA256"}
    assert ask(presign("put_object", **sums), "PUT", b"seen", Content_Type="")[0] == 200
    if version != "s3v4":  # which has them in headers
        split = {"ContentType": "text/x\r\nSet-Cookie: a=b"}, {"Metadata": {"who": "me\nand you"}}
        for one in split:
            assert element("Code", ask(presign("put_object", **one), "PUT")[1]) == "InvalidArgument"
    assert ask(presign("get_object")) == (200, "seen")
    assert ask(presign("head_object"), "HEAD") == (200, "")
    assert ask(presign("delete_object"), "DELETE") == (204, "")
    status, text = ask(presign("create_multipart_upload"), "POST", b"", Content_Type="")
    upload = {"UploadId": element("UploadId", text)}
    assert ask(presign("upload_part", PartNumber=1, **upload), "PUT", b"part", Content_Type="")[0] == 200
    assert ask(presign("abort_multipart_upload", **upload), "DELETE")[0] == 204 and status == 200


def test_a_query_is_signed_for_what_it_says_however_it_is_spelled(standin_process: Standin) -> None:
    signer = client_of(standin_process, signature_version="s3v4")
    standin_process.client("s3").put_object(Bucket=BUCKET, Key="spelled/a b+ä", Body=b"")
    given = {"Bucket": BUCKET, "Prefix": "spelled/a b+"}
    url = signer.generate_presigned_url("list_objects_v2", Params=given, ExpiresIn=60)
    for one in (url, url.replace("%20", "+"), url.replace("%2F", "/")):
        assert element("Key", ask(one)[1]).startswith("spelled"), one
    assert element("Code", ask(url.replace("%2B", "+"))[1]) == "SignatureDoesNotMatch"


def test_what_aws_s_other_kits_say_in_the_query(standin_process: Standin) -> None:
    """AWS's SDK for JavaScript signs the checksum of an empty body, which S3 does not heed, and headers."""
    credentials = Credentials(
        *(standin_process.env[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    )
    said = {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32", "x-id": "PutObject"}
    said |= {"x-amz-meta-who": "me", "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD", "x-amz-user-agent": "js"}
    request = AWSRequest("PUT", f"{standin_process.endpoint}/{BUCKET}/by-node", params=said)
    S3SigV4QueryAuth(credentials, "s3", "us-east-1").add_auth(request)
    assert ask(request.url, "PUT", b"body", Content_Type="text/x") == (200, "")
    head = standin_process.client("s3").head_object(Bucket=BUCKET, Key="by-node", ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (4, "text/x", {"who": "me"})
    assert "ChecksumCRC32" not in head
    for name in ("x-amz-meta-€", "x-amz-meta-a b"):
        request = AWSRequest("PUT", f"{standin_process.endpoint}/{BUCKET}/by-node", params={name: "1"})
        S3SigV4QueryAuth(credentials, "s3", "us-east-1").add_auth(request)
        assert element("Code", ask(request.url, "PUT")[1]) == "InvalidArgument"
    read = {"Bucket": BUCKET, "Key": "by-node", "ResponseContentType": "a/b", "ChecksumMode": "ENABLED"}
    for version in ("s3", "s3v4"):
        signer = client_of(standin_process, signature_version=version)
        url = signer.generate_presigned_url("get_object", Params=read)
        checked = {} if version == "s3" else {"x_amz_checksum_mode": "ENABLED"}
        assert ask(url, **checked) == (200, "body")


def test_what_is_wrong_with_a_presigned_url(standin_process: Standin) -> None:
    def presign(**config: Any) -> str:
        signer = client_of(standin_process, **config)
        given = {"Bucket": BUCKET, "Key": "x"}
        return str(signer.generate_presigned_url("get_object", Params=given, ExpiresIn=100))

    four, two = presign(signature_version="s3v4"), presign(signature_version="s3")
    late = re.sub(r"Expires=\d+", "Expires=1", two)
    for url, code, told in [
        (four + "0", "SignatureDoesNotMatch", "StringToSign"),
        (two + "0", "SignatureDoesNotMatch", "StringToSign"),
        (re.sub(r"Expires=\d+", "Expires=soon", two), "AccessDenied", "Message"),
        (re.sub(r"Expires=\d+", f"Expires={'9' * 5000}", two), "AccessDenied", "Message"),
        (
            four.replace("Expires=100", f"Expires={'9' * 5000}"),
            "AuthorizationQueryParametersError",
            "Message",
        ),
        (late, "AccessDenied", "ServerTime"),
        (re.sub(r"Date=\d{8}T\d{6}Z", "Date=20200101T000000Z", four), "SignatureDoesNotMatch", "Message"),
        (re.sub(r"X-Amz-Date=[^&]+&", "", four), "AccessDenied", "Message"),
        (four.replace("Expires=100", "Expires=604801"), "AuthorizationQueryParametersError", "Message"),
        (four.replace("aws4_request", "aws5"), "AuthorizationQueryParametersError", "Message"),
        (four.replace("us-east-1", "eu-west-1"), "AuthorizationQueryParametersError", "Region"),
        (four.replace("HMAC-SHA256", "ECDSA-P256-SHA256", 1).replace("AWS4-HMAC", "AWS4-ECDSA-P256"), "", ""),
        (presign(signature_version="s3v4", token="other"), "InvalidToken", "Message"),
        (presign(signature_version="s3", token="other"), "InvalidToken", "Message"),
        (f"{standin_process.endpoint}/{BUCKET}/x", "AccessDenied", "Message"),
    ]:
        status, text = ask(url)
        assert element("Code", text) == (code or "NotImplemented"), url
        assert status in (400, 403, 501) and (not told or element(told, text)), url
    assert element("Message", ask(late)[1]) == "Request has expired" and element("Expires", ask(late)[1])
    status, text = ask(four, x_amz_acl="private")
    assert (status, element("HeadersNotSigned", text)) == (403, "x-amz-acl")


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ({"late": -901}, "RequestTimeTooSkewed", "MaxAllowedSkewMilliseconds"),
        ({"late": 901}, "RequestTimeTooSkewed", "RequestTime"),
        ({"x_amz_date": "soon"}, "AccessDenied", "Message"),
        ({"x_amz_content_sha256": ""}, "InvalidRequest", "Message"),
        ({"x_amz_security_token": "other"}, "InvalidToken", "Message"),
    ],
    ids=["late", "early", "no date", "no hash", "other token"],
)
def test_what_is_wrong_with_a_header(
    standin_process: Standin, given: dict[str, Any], code: str, told: str
) -> None:
    headers = sign(standin_process, "GET", "/", **given)
    status, text = ask(standin_process.endpoint + "/", **headers)
    assert (element("Code", text), status // 100) == (code, 4) and element(told, text)


def test_what_is_wrong_with_a_client(standin_process: Standin) -> None:
    for version in ("s3", "s3v4"):
        with pytest.raises(ClientError) as caught:
            client_of(standin_process, secret="wrong", signature_version=version).list_buckets()
        wrong = caught.value.response["Error"]
        assert wrong["Code"] == "SignatureDoesNotMatch" and wrong["StringToSign"]
    assert client_of(standin_process, signature_version="s3").list_buckets()["Buckets"]
    headers = sign(standin_process, "GET", "/")
    headers["Authorization"] = headers["Authorization"].replace("us-east-1", "eu-west-1")
    status, text = ask(standin_process.endpoint + "/", **headers)
    assert (status, element("Code", text)) == (400, "AuthorizationHeaderMalformed")
    assert element("Region", text) == "us-east-1"
    for date in ("Thu, 01 Jan 99999999 00:00:00 GMT", "soon"):
        status, text = ask(standin_process.endpoint + "/", Authorization="AWS key:signature", Date=date)
        assert (status, element("Code", text)) == (403, "AccessDenied")
    # boto3 goes on with the region that it was told.
    assert client_of(standin_process, region="eu-west-1").list_objects_v2(Bucket=BUCKET)["KeyCount"] >= 0


def post(url: str, fields: dict[str, str], file: bytes | None = b"hello", name: str = "C:\\a b.txt") -> Any:
    """Send a form as a page does; status, headers and text of the answer, which is not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    parts = [(f'name="{field}"', value.encode()) for field, value in fields.items()]
    parts += [(f'name="file"; filename="{name}"', file)] if file is not None else []
    parts.append(('name="late"', b"does not count"))
    lines = [b"--xx\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (k.encode(), v) for k, v in parts]
    headers = {"Content-Type": "multipart/form-data; boundary=xx"}
    request = urllib.request.Request(url, b"".join([*lines, b"--xx--\r\n"]), headers)
    try:
        with urllib.request.build_opener(Stay).open(request) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_a_form(standin_process: Standin, version: str) -> None:
    client = client_of(standin_process, signature_version=version)
    key, tags = f"forms/{version}/${{filename}}", "<Tagging><TagSet/></Tagging>"
    fields = {"Content-Type": "text/x, text/y", "x-amz-meta-who": "me", "success_action_status": "201"}
    fields |= {"tagging": tags, "x-ignore-this": "1"}
    conditions: list[Any] = [["starts-with", "$Content-Type", "text/"], {"x-amz-meta-who": "me"}]
    conditions += [["eq", "$success_action_status", "201"], ["starts-with", "$tagging", ""]]
    conditions += [["content-length-range", 2, 100_000]]
    form = client.generate_presigned_post(BUCKET, key, fields, conditions)
    status, headers, text = post(form["url"], form["fields"])
    place = {"Bucket": BUCKET, "Key": f"forms/{version}/a b.txt"}
    head = client.head_object(**place)
    assert (status, element("Key", text), element("ETag", text)) == (201, place["Key"], head["ETag"])
    assert headers["Location"] == element("Location", text) == f"{form['url']}/forms/{version}/a%20b.txt"
    assert (head["ContentType"], head["Metadata"], head["ContentLength"]) == (
        "text/x, text/y",
        {"who": "me"},
        5,
    )
    for name in (
        "Content-Type",
        "Cache-Control",
        "Content-Disposition",
        "Expires",
        "x-amz-meta-a",
        "x-amz-meta-b c",
    ):
        split = {name: "text/x\r\nSet-Cookie: a=b" if " " not in name else "x"}
        loose = client.generate_presigned_post(
            BUCKET, "forms/split", split, [["starts-with", f"${name}", ""]]
        )
        assert element("Code", post(loose["url"], loose["fields"])[2]) == "InvalidArgument", name
    other = {**form["fields"], "policy": "e30="}
    for changed, file, code, told in [
        ({}, b"x", "EntityTooSmall", "smaller"),
        ({}, b"x" * 100_001, "EntityTooLarge", "exceeds"),
        ({}, None, "InvalidArgument", "'file'"),
        (
            {"Content-Type": "html"},
            b"hello",
            "AccessDenied",
            'failed: ["starts-with", "$Content-Type", "text/"]',
        ),
        ({"key": "else/where"}, b"hello", "AccessDenied", "Policy Condition failed"),
        ({"x-amz-meta-b": "1"}, b"hello", "AccessDenied", "Extra input fields: x-amz-meta-b"),
        (other, b"hello", "SignatureDoesNotMatch", "signature"),
    ]:
        status, _, text = post(form["url"], {**form["fields"], **changed}, file)
        assert element("Code", text) == code and told in element("Message", text).replace("&quot;", '"')
        assert status in (400, 403)
    assert client.list_objects_v2(Bucket=BUCKET, Prefix=f"forms/{version}/")["KeyCount"] == 1


def test_what_a_form_is_answered(standin_process: Standin) -> None:
    client = client_of(standin_process)
    target = {"success_action_redirect": "http://example.com/done?a=1"}
    form = client.generate_presigned_post(BUCKET, "forms/x", target, [target])
    status, headers, _ = post(form["url"], form["fields"], b"")
    etag = client.head_object(Bucket=BUCKET, Key="forms/x")["ETag"].strip('"')
    assert (status, headers["Location"]) == (
        303,
        f"http://example.com/done?a=1&bucket={BUCKET}&key=forms%2Fx&etag=%22{etag}%22",
    )
    plain = client.generate_presigned_post(BUCKET, "forms/x")
    assert post(plain["url"], plain["fields"])[0] == 204
    late = client.generate_presigned_post(BUCKET, "forms/x", ExpiresIn=-1)
    assert "Policy expired" in post(late["url"], late["fields"])[2]
    assert "<Code>AccessDenied<" in post(plain["url"], {"key": "forms/x"})[2]
    none = standin_process.endpoint + "/no-such-bucket"
    nowhere = client.generate_presigned_post("no-such-bucket", "x")
    assert "<Code>NoSuchBucket<" in post(none, nowhere["fields"])[2]
    content = {"Content_Type": "multipart/form-data; boundary=xx"}
    for body in (b"--xx\r\nContent-Disposition: form-data\r\n\r\n", b"", b"--yy"):
        status, text = ask(plain["url"], "POST", body, **content)
        assert status == 400 and element("Code", text) in ("MalformedPOSTRequest", "InvalidArgument")
