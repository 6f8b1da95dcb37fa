"""Verifies AWS Signature Version 4, and 2 for S3, with botocore's own signers: no cryptography is ours.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html,
https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html (version 2, by which boto3 still signs
URLs in us-east-1) and https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
"""

import hmac
import re
import time
from calendar import timegm
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlsplit

from botocore.auth import EMPTY_SHA256_HASH, HmacV1QueryAuth, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bbkit.standin.errors import ServiceError, not_served, refuse_call

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = 15 * 60  # seconds, AWS's own tolerance
MAX_PRESIGNED = 7 * 24 * 3600
UNSIGNED = "UNSIGNED-PAYLOAD"
_SECONDS = re.compile("[0-9]{1,12}")
_HOST = {"host", ":authority"}  # the latter by AWS's SDK for JavaScript over HTTP/2
_NAMES = ("algorithm", "credential", "date", "expires", "signedheaders", "signature")
_OF_SIGNATURES = {f"x-amz-{name}" for name in _NAMES} | {"awsaccesskeyid", "signature", "expires", "x-id"}


@dataclass(frozen=True)
class Claim:
    """What a request says about its signature, not yet believed; times in seconds since 1970."""

    access_key: str
    signature: str
    timestamp: str  # as it is signed
    signed_at: float
    expires_at: float | None = None  # of a presigned URL
    service: str = "s3"
    region: str = ""
    signed_headers: tuple[str, ...] = ()  # none in version 2


@dataclass(frozen=True)
class SignedRequest:
    """The parts of an HTTP request that are signed."""

    method: str
    raw_path: str
    query: str
    headers: dict[str, str]  # lower-case names


class ChunkSigner:
    """Verifies what is signed within a body, where each signature is of the one before it too.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html.
    """

    def __init__(self, signer: SigV4Auth, request: AWSRequest, seed: str) -> None:
        self._signer, self._request, self._last = signer, request, seed

    def verify(self, signature: str, body_hash: str, *, trailer: bool = False) -> None:
        """Raise unless a chunk, or the trailers, of this SHA-256 has the signature that is due."""
        lines = [f"{ALGORITHM}-{'TRAILER' if trailer else 'PAYLOAD'}", self._request.context["timestamp"]]
        lines += [self._signer.credential_scope(self._request), self._last]
        text = "\n".join([*lines, *([] if trailer else [EMPTY_SHA256_HASH]), body_hash])
        self._last = self._signer.signature(text, self._request)
        compare_signatures("s3", self._last, signature, text)


class _Version2(HmacV1QueryAuth):
    """botocore's signer of version 2, as of the date that a request tells."""

    def _get_date(self) -> str:
        return str(self._expires)


def read_claim(request: SignedRequest) -> Claim | None:
    """Read the claim of a signed request; None when it is not signed at all."""
    kind, _, rest = request.headers.get("authorization", "").partition(" ")
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    date = request.headers.get("x-amz-date", "")
    if "AWS4-ECDSA-P256-SHA256" in (kind, query.get("X-Amz-Algorithm")):
        raise not_served("SigV4a, which signs for many regions, is not part of this stand-in; sign by SigV4.")
    if kind == ALGORITHM:
        parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        return _read_version4(parts | {"Date": date}, "x-amz-content-sha256" in request.headers, False)
    if kind == "AWS":
        key, _, signature = rest.partition(":")
        told = date or request.headers.get("date", "")
        try:
            return Claim(key, signature, "" if date else told, parsedate_to_datetime(told).timestamp())
        except (ValueError, OverflowError):
            raise refuse_call("s3_bad_date", found=told) from None
    if {"X-Amz-Credential", "X-Amz-Algorithm"} & query.keys():
        return _read_version4({name.removeprefix("X-Amz-"): query[name] for name in query}, True, True)
    if "AWSAccessKeyId" in query:
        if not _SECONDS.fullmatch(expires := query.get("Expires", "")):
            raise refuse_call("s3_no_expires", found=expires)
        return Claim(query["AWSAccessKeyId"], query.get("Signature", ""), expires, 0, int(expires))
    return None


def _read_version4(parts: dict[str, str], is_s3: bool, presigned: bool) -> Claim:
    timestamp, signature, given = (parts.get(name, "") for name in ("Date", "Signature", "Expires"))
    scope = unquote(parts.get("Credential", "")).split("/")
    signed = tuple(parts.get("SignedHeaders", "").split(";"))
    if len(scope) != 5 or scope[4] != "aws4_request" or not signature or not (is_s3 or _HOST & {*signed}):
        raise refuse_call(f"s3_bad_{'query' if presigned else 'header'}" if is_s3 else "bad_claim")
    key, date, region, service, _ = scope
    try:
        signed_at = timegm(time.strptime(timestamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise _refuse(service, "bad_date", found=timestamp) from None
    if presigned and not (_SECONDS.fullmatch(given) and 0 < int(given) <= MAX_PRESIGNED):
        raise _refuse(service, "bad_expires")
    if not timestamp.startswith(date):
        raise _refuse(service, "other_date", found=date, date=timestamp)
    expires_at = signed_at + int(given) if presigned else None
    return Claim(key, signature, timestamp, signed_at, expires_at, service, region, signed)


def verify_claim(
    request: SignedRequest, claim: Claim, secrets: dict[str, str], payload_hash: str, region: str = ""
) -> ChunkSigner | None:
    """Raise unless the signature is the one the secret key gives; those of a body go on from it.

    S3 takes signatures for its own `region` alone.
    """
    token = hoist(request).headers.get("x-amz-security-token") if claim.service == "s3" else None
    credentials = _find_credentials(claim, secrets, token)
    _check_time(claim)
    if claim.service == "s3" and claim.signed_headers:
        _check_s3(request, claim, region)
    if not claim.signed_headers:
        _verify_version2(request, claim, _Version2(credentials, claim.timestamp))
        return None
    signer_class = S3SigV4Auth if claim.service == "s3" else SigV4Auth
    signer = signer_class(credentials, claim.service, claim.region)
    query = "&".join(pair for pair in request.query.split("&") if not pair.startswith("X-Amz-Signature="))
    # What a parameter says is signed, however it is spelled on the way: + and %20 are one.
    query = re.sub("[^&=]+", lambda part: quote(unquote_plus(part[0], "latin-1"), "", "latin-1"), query)
    url = f"http://{request.headers.get('host', '')}{request.raw_path}" + (f"?{query}" if query else "")
    copy = AWSRequest(method=request.method, url=url)
    for name in claim.signed_headers:
        if name not in request.headers:
            raise _refuse(claim.service, "missing_header", header=name)
        copy.headers[name] = request.headers[name]
    copy.context["timestamp"] = claim.timestamp
    body_hash = payload_hash if claim.expires_at is None else UNSIGNED
    canonical = canonical_request(signer, copy, claim, request.raw_path, body_hash)
    text = signer.string_to_sign(copy, canonical)
    expected = signer.signature(text, copy)
    compare_signatures(claim.service, expected, claim.signature, text, canonical)
    return ChunkSigner(signer, copy, expected)


def verify_policy(fields: Mapping[str, str], secrets: dict[str, str]) -> None:
    """Raise unless the policy of a form has the signature that the secret key gives, by either version."""
    if "policy" not in fields:
        raise refuse_call("s3_not_signed")
    text = fields["policy"]
    claim = Claim(fields.get("awsaccesskeyid", ""), fields.get("signature", ""), "", 0)
    if "x-amz-credential" in fields:
        names = ("credential", "date", "signature")
        claim = _read_version4({name.title(): fields.get(f"x-amz-{name}", "") for name in names}, True, False)
    credentials = _find_credentials(claim, secrets, fields.get("x-amz-security-token"))
    copy = AWSRequest()
    copy.context["timestamp"] = claim.timestamp
    signer = S3SigV4Auth(credentials, "s3", claim.region)
    expected = signer.signature(text, copy) if claim.region else _Version2(credentials, "").sign_string(text)
    compare_signatures("s3", expected, claim.signature, text)


def _find_credentials(claim: Claim, secrets: dict[str, str], token: str | None) -> Credentials:
    if claim.access_key not in secrets:
        raise _refuse(claim.service, "unknown_key", key=claim.access_key)
    if token:  # nothing here gives any
        raise refuse_call("s3_other_token", found=token)
    return Credentials(claim.access_key, secrets[claim.access_key])


def canonical_request(signer: SigV4Auth, request: AWSRequest, claim: Claim, path: str, body_hash: str) -> str:
    """Build the canonical request from exactly the headers the client signed."""
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in claim.signed_headers)
    lines = [request.method.upper(), signer._normalize_url_path(path), signer.canonical_query_string(request)]
    return "\n".join([*lines, headers, ";".join(claim.signed_headers), body_hash])


def compare_signatures(service: str, expected: str, found: str, text: str, canonical: str = "") -> None:
    if not hmac.compare_digest(expected.encode(), found.encode()):
        raise _refuse(service, "other_signature", found=found, text=text, canonical=canonical)


def hoist(request: SignedRequest, checksums: bool = False) -> SignedRequest:
    """Say in headers what a presigned URL says in its query; S3 signs `checksums`, but does not heed them."""
    headers, query = dict[str, str](), []
    for pair in request.query.split("&"):
        name = unquote_plus(pair.partition("=")[0], "latin-1").lower()
        if name.startswith("x-amz-") or name in ("content-type", "content-md5"):
            taken = checksums or "checksum" not in name or name == "x-amz-checksum-mode"
            if taken and name not in _OF_SIGNATURES:
                headers[name] = unquote_plus(pair.partition("=")[2], "latin-1")
        elif name not in _OF_SIGNATURES:
            query.append(pair)
    return replace(request, query="&".join(query), headers=headers | request.headers)


def _verify_version2(request: SignedRequest, claim: Claim, signer: _Version2) -> None:
    told = request if claim.expires_at is None else hoist(request, checksums=True)
    parts = urlsplit(f"http://host{request.raw_path}?{request.query}")
    headers = AWSRequest(headers=told.headers).headers
    path = re.sub("^(/[^/]+)$", r"\1/", request.raw_path)  # of a bucket alone, as botocore has it
    text = signer.canonical_string(request.method, parts, headers, auth_path=path)
    compare_signatures("s3", signer.sign_string(text), claim.signature, text)


def _check_s3(request: SignedRequest, claim: Claim, region: str) -> None:
    """Raise for what S3 alone refuses of version 4, beside a wrong signature."""
    if claim.region != region:
        place = "header" if claim.expires_at is None else "query"
        raise refuse_call(f"s3_{place}_region", found=claim.region, region=region)
    if claim.expires_at is None and "x-amz-content-sha256" not in request.headers:
        raise refuse_call("s3_no_sha256")
    signed = {*claim.signed_headers, "x-amz-content-sha256"}
    unsigned = {name for name in request.headers if name.startswith("x-amz-")} - signed
    if unsigned or not _HOST & signed:
        raise refuse_call("s3_unsigned_headers", names=", ".join(sorted(unsigned)) or "host")


def _check_time(claim: Claim) -> None:
    age = time.time() - claim.signed_at
    if claim.expires_at is None:
        name = "other_time" if abs(age) > MAX_SKEW else ""
    else:
        name = "expired" if time.time() > claim.expires_at else "not_yet" if age < -MAX_SKEW else ""
    if name:
        times = {"signed": claim.signed_at, "now": time.time(), "expires": claim.expires_at or 0}
        told = {each: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for each, at in times.items()}
        lives = f"{times['expires'] - claim.signed_at:.0f}" if claim.signed_at else ""  # not in version 2
        raise _refuse(claim.service, name, age=age, seconds=lives, skew=MAX_SKEW * 1000, **told)


def _refuse(service: str, name: str, **values: Any) -> ServiceError:
    """A refusal as S3 words it, or the other services."""
    return refuse_call(f"s3_{name}" if service == "s3" else name, **values)
