"""What each operation of S3 does: one method each, from the members of its input to those of its answer.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html.
"""

import hashlib
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import parse_qsl

from bbkit.standin.errors import ServiceError, refuse_call
from bbkit.standin.faults import Faults
from bbkit.standin.pages import write_token
from bbkit.standin.s3 import rules
from bbkit.standin.s3.rules import Given, check_write, encode_name, name_sums, read_time
from bbkit.standin.s3.store import BUCKET, PLAIN, Buckets, Object, Staged, copy
from bbkit.standin.s3.wire import NAMESPACE, not_done

MOST_METADATA = 2048  # bytes
MOST_PARTS = 10_000
_HEADERS = {"CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType"}
_HEADERS |= {"Expires", "Metadata"}
_SSE = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled", "SSEKMSEncryptionContext")
_CHANGES = {"StorageClass", "TaggingDirective", "ChecksumAlgorithm", *_SSE}


class Answer(NamedTuple):
    """The members of an answer, and where there is one its body: so many bytes of a file."""

    values: Given
    status: int = 0  # that of the operation
    body: BinaryIO | None = None
    start: int = 0
    length: int = 0


class Operations:
    """All operations, by their names in snake case; each may be called from any thread."""

    def __init__(self, buckets: Buckets, account: str, region: str, faults: Faults) -> None:
        self.buckets, self.account, self.region, self.faults = buckets, account, region, faults
        self.owner = {"ID": hashlib.sha256(account.encode()).hexdigest()}

    def check(self, name: str, given: Given) -> None:
        """Raise for names that are none, and for buckets that are not there or another account's."""
        bucket, key = given["Bucket"], given["Key"]
        for member in ("ExpectedBucketOwner", "ExpectedSourceBucketOwner"):
            if given.get(member, self.account) != self.account:
                raise refuse_call("not_owner")
        if name != "ListBuckets" and not BUCKET.fullmatch(bucket):
            raise refuse_call("bucket_name", bucket=bucket)
        rules.check_key(key)
        if bucket and name != "CreateBucket" and not self.buckets.has(bucket):
            raise refuse_call("no_bucket", bucket=bucket)
        if given.get("VersionId", "null") != "null":
            raise refuse_call("version_id", version=given["VersionId"])
        if not 1 <= given.get("PartNumber", 1) <= MOST_PARTS:
            raise refuse_call("part_number", number=given["PartNumber"])

    def list_buckets(self, given: Given) -> Answer:
        after, most = rules.read_place(given), given.get("MaxBuckets", 10_000)
        named = given.keys() & {"Prefix", "MaxBuckets", "BucketRegion", "ContinuationToken"}
        region = {"BucketRegion": self.region} if named else {}
        told = [
            {"Name": name, "CreationDate": read_time(at)} | region
            for name, at in self.buckets.list_buckets()
            if name.startswith(given.get("Prefix", "")) and name > after
        ]
        if given.get("BucketRegion", self.region) != self.region:
            told = []
        token = write_token(told[most - 1]["Name"], {}) if 0 < most < len(told) else None
        return Answer({"Buckets": told[:most], "Owner": self.owner, "ContinuationToken": token})

    def create_bucket(self, given: Given) -> Answer:
        asked = given.get("CreateBucketConfiguration", {})
        if others := asked.keys() - {"LocationConstraint"}:
            raise not_done(f"CreateBucket with {min(others)}")
        where = asked.get("LocationConstraint", "us-east-1" if self.region == "us-east-1" else "unspecified")
        if where != self.region:
            raise refuse_call("other_place", where=where)
        if "LocationConstraint" in asked and where == "us-east-1":
            raise refuse_call("location")
        if not self.buckets.create_bucket(given["Bucket"]) and self.region != "us-east-1":
            raise refuse_call("own_bucket", bucket=given["Bucket"])
        return Answer({"Location": f"/{given['Bucket']}"})

    def head_bucket(self, given: Given) -> Answer:
        return Answer({"BucketRegion": self.region})

    def delete_bucket(self, given: Given) -> Answer:
        self.buckets.delete_bucket(given["Bucket"])
        return Answer({})

    def get_bucket_location(self, given: Given) -> Answer:
        where = "" if self.region == "us-east-1" else self.region
        told = f'<LocationConstraint xmlns="{NAMESPACE}">{where}</LocationConstraint>'
        return Answer({"LocationConstraint": told})

    def list_objects(self, given: Given) -> Answer:
        told, found, last = self._page(given, given.get("Marker", ""))
        told["Marker"] = encode_name(given, given.get("Marker", ""))
        told["Contents"] = [self._row(given, one) for one in found]
        more = {"NextMarker": encode_name(given, last)} if last and "Delimiter" in given else {}
        return Answer(told | more)

    def list_objects_v2(self, given: Given) -> Answer:
        after = given.get("StartAfter", "")
        told, found, last = self._page(given, rules.read_place(given, after))
        told |= {"StartAfter": encode_name(given, after)} if after else {}
        told |= {"Contents": [self._row(given, one, given.get("FetchOwner", False)) for one in found]}
        told["KeyCount"] = len(found) + len(told["CommonPrefixes"])
        told["ContinuationToken"] = given.get("ContinuationToken")
        return Answer(told | {"NextContinuationToken": write_token(last, {}) if last else None})

    def list_object_versions(self, given: Given) -> Answer:
        told, found, last = self._page(given, given.get("KeyMarker", ""))
        told |= {"KeyMarker": encode_name(given, given.get("KeyMarker", "")), "VersionIdMarker": ""}
        version = {"VersionId": "null", "IsLatest": True}
        told["Versions"] = [self._row(given, one) | version for one in found]
        more = {"NextKeyMarker": encode_name(given, last), "NextVersionIdMarker": "null"}
        return Answer(told | more if last else told)

    def list_multipart_uploads(self, given: Given) -> Answer:
        mark = given.get("KeyMarker", ""), given.get("UploadIdMarker", "")
        after = "\0".join(mark) if mark[1] else f"{mark[0]}\1" if mark[0] else ""
        told, found, last = self._page(given, after, "MaxUploads", "/uploads")
        told |= {"Bucket": told.pop("Name"), "Uploads": []}
        told |= {"KeyMarker": encode_name(given, mark[0]), "UploadIdMarker": mark[1]}
        for one in found:
            key, _, name = one.key.partition("\0")
            row = {"Key": encode_name(given, key), "UploadId": name, "Initiated": read_time(one.modified)}
            row |= {"StorageClass": one.details["class"], "Owner": self.owner, "Initiator": self.owner}
            told["Uploads"].append(row)
        key, _, name = last.partition("\0")
        more = {"NextKeyMarker": encode_name(given, key), "NextUploadIdMarker": name}
        return Answer(told | more if last else told)

    def _page(
        self, given: Given, after: str, limit: str = "MaxKeys", space: str = ""
    ) -> tuple[dict[str, Any], list[Object], str]:
        """One page of a bucket, and how all lists tell of it; the last name where there are more."""
        prefix, delimiter = given.get("Prefix", ""), given.get("Delimiter", "")
        most = rules.page_size(given, limit)
        where = given["Bucket"] + space, prefix, delimiter, after, min(most, rules.MOST)
        found, groups, last = self.buckets.page(*where)
        told = {"Name": given["Bucket"], "Prefix": encode_name(given, prefix), limit: most}
        told |= {"Delimiter": encode_name(given, delimiter)} if delimiter else {}
        told |= {"IsTruncated": bool(last), "EncodingType": given.get("EncodingType")}
        told["CommonPrefixes"] = [{"Prefix": encode_name(given, group)} for group in groups]
        return told, found, last

    def _row(self, given: Given, one: Object, owner: bool = True) -> dict[str, Any]:
        told = {"Key": encode_name(given, one.key), "LastModified": read_time(one.modified)}
        told |= {"ETag": f'"{one.etag}"', "Size": one.size, "StorageClass": one.details["class"]}
        told |= {"Owner": self.owner} if owner else {}
        names = [name.removeprefix("Checksum") for name in one.details["sums"]]
        if names:
            told |= {"ChecksumAlgorithm": names[:1], "ChecksumType": one.details["sums"]["ChecksumType"]}
        return told

    def put_object(self, given: Given, staged: Staged) -> Answer:
        details = self._details(given) | {"sums": name_sums(staged.checksums, "FULL_OBJECT")}
        found = self.buckets.put(given["Bucket"], given["Key"], staged, details, check=check_write(given))
        return Answer({"ETag": f'"{found.etag}"'} | details["sums"] | details["sse"])

    def get_object(self, given: Given) -> Answer:
        found, body = self.buckets.open(given["Bucket"], given["Key"])
        try:
            answer = self._describe(given, found)
            body.seek(answer.start)
        except BaseException:
            body.close()
            raise
        return answer._replace(body=body)

    def head_object(self, given: Given) -> Answer:
        return self._describe(given, self.buckets.get(given["Bucket"], given["Key"]))

    def _describe(self, given: Given, found: Object) -> Answer:
        """The headers of a Get or Head, and which bytes are its body."""
        details = found.details
        told: dict[str, Any] = {"ETag": f'"{found.etag}"', "LastModified": read_time(found.modified)}
        if failed := rules.failed_condition(given, found):
            if failed in rules.NOT_MODIFIED:
                return Answer(told, 304)
            raise refuse_call("precondition", condition=failed)
        start, length = rules.find_stretch(given, found)
        told |= {"AcceptRanges": "bytes", "ContentLength": length, "ContentType": "binary/octet-stream"}
        told |= details["headers"] | details["sse"] | {"TagCount": len(details["tags"]) or None}
        told |= {"StorageClass": details["class"] if details["class"] != "STANDARD" else None}
        told |= {name[8:]: value for name, value in given.items() if name.startswith("Response")}
        sums, parts = details["sums"] if length == found.size else {}, details.get("parts")
        if "PartNumber" in given and parts:
            told["PartsCount"] = len(parts)
            if details["sums"].get("ChecksumType") == "COMPOSITE":
                part = parts[given["PartNumber"] - 1]
                sums = {name: part.get(name, x) for name, x in details["sums"].items()}
        if start is not None:
            told["ContentRange"] = f"bytes {start}-{start + length - 1}/{found.size}"
        if given.get("ChecksumMode", "").upper() == "ENABLED":
            told |= sums
        return Answer(told, 200 if start is None else 206, None, start or 0, length)

    def delete_object(self, given: Given) -> Answer:
        self.buckets.delete(given["Bucket"], given["Key"], check_write(given, "precondition"))
        return Answer({})

    def delete_objects(self, given: Given) -> Answer:
        done, failed = list[dict[str, str]](), list[dict[str, str]]()
        if len(given["Delete"]["Objects"]) > rules.MOST:
            raise refuse_call("malformed_xml")
        if not given["Verified"]:
            raise refuse_call("no_md5")
        for one in given["Delete"]["Objects"]:
            asked = {"Bucket": given["Bucket"], "Key": one["Key"], "VersionId": one.get("VersionId", "null")}
            try:
                self.check("DeleteObject", asked)
                self.delete_object(asked | ({"IfMatch": one["ETag"]} if "ETag" in one else {}))
                done.append({"Key": one["Key"]})
            except ServiceError as error:
                failed.append({"Key": one["Key"], "Code": error.code, "Message": error.message})
        return Answer({"Deleted": [] if given["Delete"].get("Quiet") else done, "Errors": failed})

    def copy_object(self, given: Given) -> Answer:
        details, bucket, key = self._details(given), given["Bucket"], given["Key"]
        found, source = self._open_source(given)
        with source, self.buckets.stage() as staged:
            if given.get("MetadataDirective") != "REPLACE":
                if rules.read_source(given) == (bucket, key) and not _CHANGES & given.keys():
                    raise refuse_call("copy_same")
                details["headers"] = found.details["headers"]
            if given.get("TaggingDirective") != "REPLACE":
                details["tags"] = found.details["tags"]
            known = [name.removeprefix("Checksum") for name in found.details["sums"]][:1]
            asked = [given["ChecksumAlgorithm"]] if "ChecksumAlgorithm" in given else known
            copy([(source, 0, found.size)], staged, asked)
            details["sums"] = name_sums(staged.checksums, "FULL_OBJECT")
            new = self.buckets.put(bucket, key, staged, details, check=check_write(given))
        told = {"ETag": f'"{new.etag}"', "LastModified": read_time(new.modified)} | details["sums"]
        return Answer({"CopyObjectResult": told} | details["sse"])

    def _open_source(self, given: Given) -> tuple[Object, BinaryIO]:
        """Open what is copied, if its conditions hold."""
        bucket, key = rules.read_source(given)
        if not self.buckets.has(bucket):
            raise refuse_call("no_bucket", bucket=bucket)
        found, source = self.buckets.open(bucket, key)
        if failed := rules.failed_condition(given, found, "CopySource"):
            source.close()
            raise refuse_call("precondition", condition=f"x-amz-copy-source-{failed}")
        return found, source

    def _details(self, given: Given) -> dict[str, Any]:
        """What is kept of what came with a write."""
        way, key = given.get("ServerSideEncryption"), given.get("SSEKMSKeyId")
        if "require-kms" in self.faults.names and (way, key) != ("aws:kms", self.faults.require_kms or key):
            where = {"bucket": given["Bucket"], "key": given["Key"]}
            raise refuse_call("require_kms", account=self.account, **where)
        if key and way != "aws:kms":
            raise refuse_call("kms_key")
        size = sum(len(f"{name}{value}".encode()) for name, value in given["Metadata"].items())
        if size > MOST_METADATA:
            raise refuse_call("large_metadata", size=size)
        pairs = parse_qsl(given.get("Tagging", ""), keep_blank_values=True)
        headers = {name: given[name] for name in _HEADERS if given.get(name)}
        sse = {name: given[name] for name in _SSE if given.get(name)}
        kept = {"headers": headers, "sse": PLAIN["sse"] | sse, "tags": rules.read_tags(pairs)}
        return PLAIN | kept | {"class": given.get("StorageClass", "STANDARD")}

    def get_object_tagging(self, given: Given) -> Answer:
        tags = self.buckets.get(given["Bucket"], given["Key"]).details["tags"]
        return Answer({"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]})

    def put_object_tagging(self, given: Given) -> Answer:
        pairs = [(one["Key"], one["Value"]) for one in given.get("Tagging", {}).get("TagSet", ())]
        self.buckets.change(given["Bucket"], given["Key"], tags=rules.read_tags(pairs))
        return Answer({})

    delete_object_tagging = put_object_tagging

    def get_object_attributes(self, given: Given) -> Answer:
        if not given.get("ObjectAttributes"):
            raise refuse_call("no_attributes")
        found = self.buckets.get(given["Bucket"], given["Key"])
        parts, details = found.details.get("parts") or [], found.details
        sums = {name: value.partition("-")[0] for name, value in details["sums"].items()}
        told = {"ETag": found.etag, "Checksum": sums or None, "StorageClass": details["class"]}
        told |= {"ObjectSize": found.size, "ObjectParts": {"TotalPartsCount": len(parts)} if parts else None}
        if any(len(part) > 2 for part in parts):  # they have checksums
            told["ObjectParts"] |= rules.page_of_parts(given, parts)
        asked = {name: told[name] for name in told if name in given["ObjectAttributes"]}
        return Answer(asked | {"LastModified": read_time(found.modified)})
