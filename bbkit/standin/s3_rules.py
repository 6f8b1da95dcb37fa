"""Which S3 requests nanio answers right; every other gets 501 and a sentence.

Source of the requests:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html.
"""

import re

from bbkit.standin.errors import ServiceError

# Query parameters each request may carry: (method, place) to alternatives.
_LIST = {"prefix", "delimiter", "max-keys", "encoding-type"}
_QUERIES: dict[tuple[str, str], dict[str, set[str]]] = {
    ("GET", "service"): {"ListBuckets": {"max-buckets"}},
    ("GET", "bucket"): {
        "ListObjectsV2": {*_LIST, "list-type", "start-after", "continuation-token", "fetch-owner"},
        "ListObjects": {*_LIST, "marker"},
        "GetBucketLocation": {"location"},
        "ListMultipartUploads": {"uploads", "encoding-type", "max-uploads"},
    },
    ("HEAD", "bucket"): {"HeadBucket": set()},
    ("PUT", "bucket"): {"CreateBucket": set()},
    ("DELETE", "bucket"): {"DeleteBucket": set()},
    ("POST", "bucket"): {"DeleteObjects": {"delete"}},
    ("GET", "object"): {"GetObject": set(), "ListParts": {"uploadId", "max-parts"}},
    ("HEAD", "object"): {"HeadObject": set()},
    ("PUT", "object"): {"PutObject": set(), "UploadPart": {"uploadId", "partNumber"}},
    ("DELETE", "object"): {"DeleteObject": set(), "AbortMultipartUpload": {"uploadId"}},
    ("POST", "object"): {"CreateMultipartUpload": {"uploads"}, "CompleteMultipartUpload": {"uploadId"}},
}
_NEEDED = {
    "ListObjectsV2": "list-type",
    "GetBucketLocation": "location",
    "ListMultipartUploads": "uploads",
    "DeleteObjects": "delete",
    "ListParts": "uploadId",
    "UploadPart": "uploadId",
    "AbortMultipartUpload": "uploadId",
    "CreateMultipartUpload": "uploads",
    "CompleteMultipartUpload": "uploadId",
}
_FREE_QUERY = re.compile(r"x-id|X-Amz-.+")
_FREE_HEADER = re.compile(
    r"x-amz-(date|content-sha256|security-token|user-agent|meta-.+|sdk-checksum-algorithm|checksum-mode"
    r"|checksum-algorithm|checksum-type|mp-object-size|request-payer|checksum-(crc32|sha1|sha256|md5)|copy-source)"
)
# Headers that are right only with the value that is this server's way anyway.
_FIXED_HEADERS = {
    "x-amz-acl": ("private", "bucket-owner-full-control"),
    "x-amz-server-side-encryption": ("AES256",),
    "x-amz-storage-class": ("STANDARD",),
    "x-amz-metadata-directive": ("COPY",),
    "x-amz-tagging-directive": ("COPY",),
    "x-amz-object-ownership": ("BucketOwnerEnforced",),
}
_REFUSED_HEADERS = ("expires", "content-language", "if-modified-since", "if-unmodified-since")
WRITES = ("PutObject", "CompleteMultipartUpload", "CreateMultipartUpload")


def find_operation(method: str, bucket: str, key: str, query: dict[str, str], headers: dict[str, str]) -> str:
    """Name the S3 operation of a request."""
    place = "object" if key else "bucket" if bucket else "service"
    names = {name for name in query if not _FREE_QUERY.fullmatch(name)}
    for operation, allowed in _QUERIES.get((method, place), {}).items():
        needed = _NEEDED.get(operation)
        if names <= allowed and (needed is None or needed in names):
            if operation == "UploadPart" and "x-amz-copy-source" in headers:
                raise not_done("UploadPartCopy")
            return operation
    parameters = f" with {', '.join(sorted(names))}" if names else ""
    raise not_done(f"{method} of a {place}{parameters}")


def check_headers(headers: dict[str, str], account: str) -> None:
    """Raise for headers nanio would not treat right, and for the bucket of another account."""
    for name, value in headers.items():
        fixed = _FIXED_HEADERS.get(name)
        foreign = name.startswith("x-amz-") and not _FREE_HEADER.fullmatch(name)
        if name == "x-amz-expected-bucket-owner":
            if value != account:
                raise ServiceError("AccessDenied", f"The bucket is not owned by account {value}.", 403)
        elif fixed:
            if value not in fixed:
                raise not_done(f"{name}: {value}")
        elif foreign or name in _REFUSED_HEADERS:
            raise not_done(f"Header {name}")
    if headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        raise not_done("A body in aws-chunked encoding")


def not_done(what: str) -> ServiceError:
    """Word the refusal of something that is not served."""
    return ServiceError(
        "NotImplemented", f"{what} is not part of this stand-in's S3; nothing was changed.", 501
    )
