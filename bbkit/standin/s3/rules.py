"""What holds for several operations of S3: conditions, stretches, tags, and what is kept of a write."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any
from urllib.parse import quote, unquote

from bbkit.standin.errors import refuse_call
from bbkit.standin.pages import read_token
from bbkit.standin.s3.store import Check, Object
from bbkit.standin.s3.wire import not_done

Given = Mapping[str, Any]
MOST = 1000  # of one page
LONGEST_KEY = 1024  # bytes
NOT_MODIFIED = ("If-None-Match", "If-Modified-Since")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_TAG = re.compile(r"(?:[\w+\-=.:/@]|[^\S\x00-\x1f\x85])*")


def failed_condition(given: Given, found: Object | None, of: str = "") -> str:
    """The condition that does not hold, in the precedence that S3 documents; empty if all do.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-reads.html.
    """
    match, none = given.get(f"{of}IfMatch"), given.get(f"{of}IfNoneMatch")
    since, until = given.get(f"{of}IfModifiedSince"), given.get(f"{of}IfUnmodifiedSince")
    if match is not None and not _matches(match, found):
        return "If-Match"
    if match is None and until and found and int(found.modified) > until.timestamp():
        return "If-Unmodified-Since"
    if none is not None and _matches(none, found):
        return "If-None-Match"
    unchanged = none is None and since and found and int(found.modified) <= since.timestamp()
    return "If-Modified-Since" if unchanged else ""


def _matches(tags: str, found: Object | None) -> bool:
    listed = [tag.strip().removeprefix("W/").strip('"') for tag in tags.split(",")]
    return found is not None and ("*" in listed or found.etag in listed)


def check_write(given: Given, lost: str = "no_key") -> Check:
    """Make a check of the conditions of a write, and what is said where If-Match finds nothing."""
    if given.get("IfNoneMatch", "*") != "*":
        raise not_done("If-None-Match of a write with anything but *")

    def check(found: Object | None) -> None:
        if failed := failed_condition(given, found):
            raise refuse_call("precondition" if found else lost, condition=failed, key=given["Key"])

    return check


def find_stretch(given: Given, found: Object) -> tuple[int | None, int]:
    """Where what is asked for starts, None where that is all of it, and its bytes."""
    if number := given.get("PartNumber"):
        sizes = [part["Size"] for part in found.details.get("parts") or [{"Size": found.size}]]
        if "Range" in given:
            raise refuse_call("range_and_part")
        if not 1 <= number <= len(sizes):
            raise refuse_call("no_part", count=len(sizes), number=number)
        return sum(sizes[: number - 1]), sizes[number - 1]
    match = _RANGE.fullmatch(given.get("Range", "").replace(" ", ""))
    first, last = match.groups() if match else ("", "")
    if first + last == "" or (first and last and int(last) < int(first)):
        return None, found.size
    start = int(first) if first else max(0, found.size - int(last))
    end = min(int(last), found.size - 1) if first and last else found.size - 1
    if start > end:
        raise refuse_call("range", range=given["Range"], size=found.size)
    return start, end - start + 1


def check_key(key: str) -> None:
    """Raise for a key that is too long or leads out of its bucket.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html.
    """
    if (size := len(key.encode())) > LONGEST_KEY:
        raise refuse_call("long_key", size=size)
    parts = key.replace("\\", "/").split("/")
    climbs = min(accumulate(-1 if part == ".." else 1 for part in parts)) < 0
    if climbs or "\0" in key or ("\\" in key and ".." in parts):
        raise refuse_call("invalid_uri", key=key)


def read_source(given: Given) -> tuple[str, str]:
    """Bucket and key of what is copied."""
    path, _, version = given["CopySource"].partition("?versionId=")
    bucket, _, key = unquote(path).removeprefix("/").partition("/")
    if version not in ("", "null") or not key or bucket.startswith("arn:"):
        raise refuse_call("copy_source", source=given["CopySource"])
    check_key(key)
    return bucket, key


def read_tags(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Check the tags of an object: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html."""
    tags = dict(pairs)
    if len(pairs) > 10:
        raise refuse_call("many_object_tags")
    if len(tags) < len(pairs):
        raise refuse_call("same_tags")
    for name, value in pairs:
        if not 0 < len(name) <= 128 or not _TAG.fullmatch(name) or name.startswith("aws:"):
            raise refuse_call("tag_key", key=name)
        if len(value) > 256 or not _TAG.fullmatch(value):
            raise refuse_call("tag_value", key=name, value=value)
    return tags


def name_sums(checksums: Mapping[str, str], kind: str | None = None) -> dict[str, str]:
    """Checksums under the names of S3's members, with their type where they have one."""
    sums = {f"Checksum{name}": value for name, value in checksums.items()}
    return sums | ({"ChecksumType": kind} if sums and kind else {})


def page_size(given: Given, name: str) -> int:
    size = given.get(name, MOST)
    if size < 0:
        raise refuse_call("page_size", argument=name[0].lower() + name[1:], size=size)
    return int(size)


def page_of_parts(given: Given, rows: list[dict[str, Any]]) -> dict[str, Any]:
    after, most = given.get("PartNumberMarker", 0), min(page_size(given, "MaxParts"), MOST)
    later = [row for row in rows if row["PartNumber"] > after]
    told = {"PartNumberMarker": after, "MaxParts": most, "IsTruncated": len(later) > most}
    last = later[:most][-1]["PartNumber"] if later[:most] else after
    return told | {"Parts": later[:most], "NextPartNumberMarker": last}


def encode_name(given: Given, name: str) -> str:
    """Write a name as the answer to a list does."""
    return quote(name) if given.get("EncodingType") == "url" else name


def read_place(given: Given, default: str = "") -> str:
    """Where a list goes on by its token."""
    place = read_token(given["ContinuationToken"], {}) if "ContinuationToken" in given else default
    if not isinstance(place, str) or (not place and "ContinuationToken" in given):
        raise refuse_call("continuation_token")
    return place


def read_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
