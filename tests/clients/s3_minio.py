# /// script
# requires-python = ">=3.11"
# dependencies = ["minio==7.2.20"]
# ///
"""minio's client: signed streams, presigned URLs and forms."""

import io
import os
from datetime import timedelta
from urllib.request import Request, urlopen

from minio import Minio
from minio.commonconfig import ComposeSource, CopySource, Tags
from minio.deleteobjects import DeleteObject
from trial import Trial

trial = Trial("minio", needs="host and keys")
keys = [os.environ[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
client = Minio(trial.endpoint.removeprefix("http://"), *keys, secure=False, region=os.environ["AWS_REGION"])
prefix = f"minio/{trial.once}"
large = os.urandom(12_000_000)

with trial.works("put, get, stat"):
    client.put_object(
        trial.bucket, f"{prefix}/large", io.BytesIO(large), -1, part_size=5 << 20, metadata={"k": "v"}
    )
    assert client.get_object(trial.bucket, f"{prefix}/large").data == large
    assert client.get_object(trial.bucket, f"{prefix}/large", 7, 3).data == large[7:10]
    assert client.stat_object(trial.bucket, f"{prefix}/large").metadata["x-amz-meta-k"] == "v"
with trial.works("copy, compose"):
    client.copy_object(trial.bucket, f"{prefix}/a//b ä+", CopySource(trial.bucket, f"{prefix}/large"))
    sources = [ComposeSource(trial.bucket, f"{prefix}/large")] * 2
    client.compose_object(trial.bucket, f"{prefix}/twice", sources)
    assert client.stat_object(trial.bucket, f"{prefix}/twice").size == 24_000_000
with trial.works("tags"):
    tags = Tags.new_object_tags()
    tags["team"] = "a b"
    client.set_object_tags(trial.bucket, f"{prefix}/large", tags)
    assert dict(client.get_object_tags(trial.bucket, f"{prefix}/large")) == {"team": "a b"}
with trial.works("presigned URLs"):
    put = client.presigned_put_object(trial.bucket, f"{prefix}/by url", timedelta(seconds=60))
    urlopen(Request(put, b"by url", method="PUT")).close()
    with urlopen(
        client.presigned_get_object(trial.bucket, f"{prefix}/by url", timedelta(seconds=60))
    ) as answer:
        assert answer.read() == b"by url"
with trial.works("list, remove"):
    found = [each.object_name for each in client.list_objects(trial.bucket, f"{prefix}/", recursive=True)]
    assert found == [f"{prefix}/{name}" for name in ("a//b ä+", "by url", "large", "twice")]
    assert not list(client.remove_objects(trial.bucket, [DeleteObject(name) for name in found]))
with trial.refused("NoSuchBucket"):
    client.put_object("no-such-bucket-here", "x", io.BytesIO(b""), 0)
trial.report()
