"""Verifies AWS Signature Version 4 with botocore's own signer, so that no cryptography is ours.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

import hmac
import time
from calendar import timegm
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from botocore.auth import EMPTY_SHA256_HASH, S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bbkit.standin.errors import ServiceError, refuse_call

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW = 15 * 60  # seconds, AWS's own tolerance
MAX_PRESIGNED = 7 * 24 * 3600
UNSIGNED = "UNSIGNED-PAYLOAD"
_HOST = {"host", ":authority"}  # the latter by AWS's SDK for JavaScript over HTTP/2


@dataclass(frozen=True)
class Claim:
    """What a request says about its signature, not yet believed."""

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    expires: int | None  # seconds, for a presigned URL


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
        lines += [body_hash] if trailer else [EMPTY_SHA256_HASH, body_hash]
        self._last = self._signer.signature("\n".join(lines), self._request)
        if not hmac.compare_digest(self._last.encode(), signature.encode()):
            raise ServiceError("SignatureDoesNotMatch", refuse_call("other_signature").message, 403)


def read_claim(request: SignedRequest) -> Claim | None:
    """Read the claim of a signed request; None when it is not signed at all."""
    header = request.headers.get("authorization", "")
    expires = None
    if header.startswith(ALGORITHM + " "):
        parts = dict(part.strip().partition("=")[::2] for part in header[len(ALGORITHM) :].split(","))
        timestamp = request.headers.get("x-amz-date", "")
    elif "X-Amz-Credential=" in request.query:
        pairs = parse_qsl(request.query, keep_blank_values=True)
        parts = {name.removeprefix("X-Amz-"): value for name, value in pairs}
        timestamp, given = parts.get("Date", ""), parts.get("Expires", "")
        expires = int(given) if given.isdecimal() else -1
    else:
        return None
    credential, signed, signature = (parts.get(k, "") for k in ("Credential", "SignedHeaders", "Signature"))
    scope = unquote(credential).split("/")
    if len(scope) != 5 or scope[4] != "aws4_request" or not signature or not _HOST & {*signed.split(";")}:
        raise _bad_signature("The Authorization header or query is not a SigV4 signature.")
    key, date, region, service, _ = scope
    return Claim(key, date, region, service, tuple(signed.split(";")), signature, timestamp, expires)


def verify_claim(
    request: SignedRequest, claim: Claim, secrets: dict[str, str], payload_hash: str
) -> ChunkSigner:
    """Raise unless the signature is the one the secret key gives; those of a body go on from it."""
    secret = secrets.get(claim.access_key)
    if secret is None:
        raise refuse_call("unknown_key")
    _check_time(claim)
    signer_class = S3SigV4Auth if claim.service == "s3" else SigV4Auth
    signer = signer_class(Credentials(claim.access_key, secret), claim.service, claim.region)
    query = "&".join(pair for pair in request.query.split("&") if not pair.startswith("X-Amz-Signature="))
    url = f"http://{request.headers.get('host', '')}{request.raw_path}" + (f"?{query}" if query else "")
    copy = AWSRequest(method=request.method, url=url)
    for name in claim.signed_headers:
        if name not in request.headers:
            raise _bad_signature(f"Header '{name}' is signed but was not sent.")
        copy.headers[name] = request.headers[name]
    copy.context["timestamp"] = claim.timestamp
    body_hash = UNSIGNED if claim.expires is not None else payload_hash
    canonical = canonical_request(signer, copy, claim, request.raw_path, body_hash)
    expected = signer.signature(signer.string_to_sign(copy, canonical), copy)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise refuse_call("other_signature")
    return ChunkSigner(signer, copy, expected)


def canonical_request(signer: SigV4Auth, request: AWSRequest, claim: Claim, path: str, body_hash: str) -> str:
    """Build the canonical request from exactly the headers the client signed."""
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in claim.signed_headers)
    return "\n".join(
        [
            request.method.upper(),
            signer._normalize_url_path(path),
            signer.canonical_query_string(request),
            headers,
            ";".join(claim.signed_headers),
            body_hash,
        ]
    )


def _check_time(claim: Claim) -> None:
    try:
        signed_at = timegm(time.strptime(claim.timestamp, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise _bad_signature(f"'{claim.timestamp}' is not an x-amz-date.") from None
    age = time.time() - signed_at
    if claim.expires is not None and not 0 < claim.expires <= MAX_PRESIGNED:
        raise _bad_signature("X-Amz-Expires takes 1 to 604800 seconds.")
    allowed = claim.expires if claim.expires is not None else MAX_SKEW
    if age > allowed or age < -MAX_SKEW or not claim.timestamp.startswith(claim.date):
        raise refuse_call("other_time", timestamp=claim.timestamp, age=age)


def _bad_signature(message: str) -> ServiceError:
    return ServiceError("InvalidSignatureException", message)
