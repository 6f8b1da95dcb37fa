"""The operations of S3 on uploads in parts, beside all others.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html and, of checksums of parts,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html.
"""

import hashlib
import re
from base64 import b64decode, b64encode
from typing import Any
from urllib.parse import quote

from bbkit.standin.errors import refuse_call
from bbkit.standin.s3.bodies import make_digest
from bbkit.standin.s3.operations import Answer, Operations
from bbkit.standin.s3.rules import Given, check_write, name_sums, page_of_parts, read_time
from bbkit.standin.s3.store import Object, Staged, copy

MIN_PART = 5 << 20  # bytes, but of the last
_BOTH = ("COMPOSITE", "FULL_OBJECT")
_TYPES = {"CRC64NVME": ("FULL_OBJECT",), "CRC32": _BOTH, "CRC32C": _BOTH}


class Uploads(Operations):
    def create_multipart_upload(self, given: Given) -> Answer:
        name, asked = given.get("ChecksumAlgorithm", "").upper(), given.get("ChecksumType", "").upper()
        types = _TYPES.get(name, ("COMPOSITE",)) if name else (None,)
        kind = asked or types[0]
        if kind not in types:
            refusal = "lone_type" if not name else "checksum_type" if kind in _BOTH else "other_type"
            raise refuse_call(refusal, kind=kind, algorithm=name.lower())
        details = self._details(given) | {"algorithm": name, "type": kind}
        upload = self.buckets.begin_upload(given["Bucket"], given["Key"], details)
        told = {"Bucket": given["Bucket"], "Key": given["Key"], "UploadId": upload}
        return Answer(told | {"ChecksumAlgorithm": name or None, "ChecksumType": kind} | details["sse"])

    def upload_part(self, given: Given, staged: Staged) -> Answer:
        upload = self._upload(given)
        wanted, found = upload.details["algorithm"], staged.checksums
        known = {wanted} if wanted else _TYPES.keys()  # those that SDKs send unasked
        if not known & found.keys() and (found or upload.details["type"] == "COMPOSITE"):
            actual = min(found, default="null").lower()
            raise refuse_call("part_checksum", wanted=wanted.lower() or "null", found=actual)
        part = self._put_part(given, staged)
        return Answer({"ETag": f'"{part.etag}"'} | part.details | upload.details["sse"])

    def upload_part_copy(self, given: Given) -> Answer:
        upload = self._upload(given)
        found, source = self._open_source(given)
        with source:
            start, length = 0, found.size
            if "CopySourceRange" in given:
                match = re.fullmatch(r"bytes=(\d{1,15})-(\d{1,15})", given["CopySourceRange"])
                if not match or not int(match[1]) <= int(match[2]) < found.size:
                    raise refuse_call("copy_range", size=found.size, range=given["CopySourceRange"])
                start, length = int(match[1]), int(match[2]) - int(match[1]) + 1
            asked = filter(None, [upload.details["algorithm"]])
            with self.buckets.stage() as staged:
                copy([(source, start, length)], staged, asked)
                part = self._put_part(given, staged)
        told = {"ETag": f'"{part.etag}"', "LastModified": read_time(part.modified)} | part.details
        return Answer({"CopyPartResult": told} | upload.details["sse"])

    def _upload(self, given: Given) -> Object:
        return self.buckets.get_upload(given["Bucket"], given["Key"], given["UploadId"])

    def _put_part(self, given: Given, staged: Staged) -> Object:
        space, key = f"{given['Bucket']}/{given['UploadId']}", f"{given['PartNumber']:05d}"
        sums = name_sums(staged.checksums)
        return self.buckets.put(space, key, staged, sums, check=lambda found: self._upload(given))

    def _parts(self, given: Given) -> list[Object]:
        return self.buckets.page(f"{given['Bucket']}/{given['UploadId']}")[0]

    def complete_multipart_upload(self, given: Given) -> Answer:
        bucket, key, name = given["Bucket"], given["Key"], given["UploadId"]
        known = self.buckets.find(bucket, key)
        if known and known.details.get("upload") == name:  # done before, its answer was lost
            return self._completed(given, known)
        details = self._upload(given).details
        parts = self._chosen(given, details["algorithm"], details["type"] or "FULL_OBJECT")
        details |= {"parts": [_part(number, part) for number, part in enumerate(parts, 1)], "upload": name}
        with self.buckets.stage() as staged:
            self._join(given, details, parts, staged)
            details["sums"] = name_sums(staged.checksums, details["type"])
            found = self.buckets.put(bucket, key, staged, details, check=check_write(given), upload=name)
        return self._completed(given, found)

    def _join(self, given: Given, details: dict[str, Any], parts: list[Object], staged: Staged) -> None:
        """Put parts together, with the ETag and the checksum of the whole."""
        name, space = details["algorithm"], f"{given['Bucket']}/{given['UploadId']}"
        pieces = ((self.buckets.open(space, part.key)[1], 0, part.size) for part in parts)
        copy(pieces, staged, [name] if details["type"] == "FULL_OBJECT" else [], md5=False)
        etags = b"".join(bytes.fromhex(part.etag) for part in parts)
        staged.md5 = f"{hashlib.md5(etags, usedforsecurity=False).hexdigest()}-{len(parts)}"
        digests = [b64decode(part.details.get(f"Checksum{name}", "")) for part in parts]
        if details["type"] == "COMPOSITE" and all(digests):
            (digest := make_digest(name)).update(b"".join(digests))
            staged.checksums = {name: f"{b64encode(digest.digest()).decode()}-{len(parts)}"}
        for one, value in staged.checksums.items():
            told = given.get(f"Checksum{one}", value)
            if told.partition("-")[0] != value.partition("-")[0]:
                raise refuse_call("other_checksum", kind=one, found=told, computed=value)

    def _completed(self, given: Given, found: Object) -> Answer:
        where = f"http://{given['Bucket']}.s3.amazonaws.com/{quote(found.key)}"
        told = {"Location": where, "Bucket": given["Bucket"], "Key": found.key, "ETag": f'"{found.etag}"'}
        return Answer(told | found.details["sums"] | found.details["sse"])

    def _chosen(self, given: Given, algorithm: str, kind: str) -> list[Object]:
        """The parts that an upload is completed with."""
        if given.get("ChecksumType", kind).upper() != kind:
            raise refuse_call("other_mode", kind=kind)
        listed, name = given["MultipartUpload"].get("Parts", []), given["UploadId"]
        numbers = [one.get("PartNumber", 0) for one in listed]
        if not listed:
            raise refuse_call("malformed_xml")
        if numbers != sorted({*numbers}):
            raise refuse_call("part_order", upload=name)
        there, parts = {int(part.key): part for part in self._parts(given)}, list[Object]()
        for number, one in zip(numbers, listed, strict=True):
            part, etag = there.get(number), one.get("ETag", "").strip('"')
            sums = {name: value for name, value in one.items() if name.startswith("Checksum")}
            if kind == "COMPOSITE" and f"Checksum{algorithm}" not in sums:
                raise refuse_call("no_part_checksum", algorithm=algorithm.lower(), number=number)
            known = part.details.items() if part and algorithm else set()
            if part is None or etag != part.etag or not sums.items() <= known:
                self._upload(given)  # which may have ended meanwhile
                raise refuse_call("invalid_part", upload=name, number=number, etag=etag)
            parts.append(part)
        for part in parts[:-1]:
            if part.size < MIN_PART:
                raise refuse_call("small_part", size=part.size, number=int(part.key), etag=part.etag)
        size = sum(part.size for part in parts)
        if given.get("MpuObjectSize", size) != size:
            raise refuse_call("upload_size", size=size, found=given["MpuObjectSize"])
        return parts

    def abort_multipart_upload(self, given: Given) -> Answer:
        self.buckets.abort(given["Bucket"], given["Key"], given["UploadId"])
        return Answer({})

    def list_parts(self, given: Given) -> Answer:
        upload, who = self._upload(given).details, {"Owner": self.owner, "Initiator": self.owner}
        told = {"Bucket": given["Bucket"], "Key": given["Key"], "UploadId": given["UploadId"]} | who
        told |= {"StorageClass": upload["class"], "ChecksumType": upload["type"]}
        rows = [
            _part(int(part.key), part) | {"ETag": f'"{part.etag}"', "LastModified": read_time(part.modified)}
            for part in self._parts(given)
        ]
        return Answer(told | {"ChecksumAlgorithm": upload["algorithm"] or None} | page_of_parts(given, rows))


def _part(number: int, part: Object) -> dict[str, Any]:
    return {"PartNumber": number, "Size": part.size, **part.details}
