"""What any version of boto3 does on S3: whole files, signed URLs, forms, resources."""

import os
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import Request, urlopen

import boto3
from boto3.s3.transfer import TransferConfig
from trial import Trial

BYTES = 200_000_000


def try_s3() -> None:
    trial = Trial("boto3", release=f"{boto3.__version__} (S3)")
    s3, place = boto3.client("s3"), {"Bucket": trial.bucket, "Key": f"boto3/{trial.once}/large ä+"}
    with TemporaryDirectory() as folder:
        up, down = Path(folder) / "up", Path(folder) / "down"
        up.write_bytes(os.urandom(1_000_000) * (BYTES // 1_000_000))
        with trial.works("transfers of 200 MB"):
            s3.upload_file(str(up), *place.values(), ExtraArgs={"ContentType": "text/x", "Tagging": "a=b"})
            s3.download_file(*place.values(), str(down))
            assert down.read_bytes() == up.read_bytes()
            copy = {"Bucket": trial.bucket, "Key": f"boto3/{trial.once}/copied in parts"}
            s3.copy(place, *copy.values())
            assert s3.head_object(**copy)["ContentLength"] == BYTES
        if find_spec("awscrt"):
            why = "boto3 speaks TLS there, whatever the endpoint says"
            with trial.fails("transfers by awscrt", "AWS_IO_SOCKET_CLOSED", why):
                by_crt = TransferConfig(preferred_transfer_client="crt")
                s3.upload_file(str(up), *place.values(), Config=by_crt)
    with trial.works("streams"), urlopen(f"data:text/plain,{'s' * 90_000}") as stream:
        s3.upload_fileobj(stream, trial.bucket, f"boto3/{trial.once}/stream")
    with trial.works("presigned URLs"):
        key = {"Bucket": trial.bucket, "Key": f"boto3/{trial.once}/by url"}
        put = s3.generate_presigned_url("put_object", key, 60)
        urlopen(Request(put, b"by url", {"Content-Type": ""}, method="PUT")).close()
        with urlopen(s3.generate_presigned_url("get_object", key, 60)) as answer:
            assert answer.read() == b"by url"
    with trial.works("resources"):
        objects = boto3.resource("s3").Bucket(trial.bucket).objects.filter(Prefix=f"boto3/{trial.once}/")
        assert len(list(objects)) == 4
        objects.delete()
        assert not list(objects)
    with trial.refused("The specified bucket does not exist"):
        s3.put_object(Bucket="no-such-bucket-here", Key="x")
    trial.report()
