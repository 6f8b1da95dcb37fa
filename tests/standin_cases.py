"""What the tests of the stand-in share: input, the four calls, waiting, and reading output."""

import json
import subprocess
import time
from collections.abc import Iterable
from typing import Any

from conftest import Standin

BUCKET = "bbkit-standin"
ENDED = ("Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired")
MODEL = "amazon.nova-lite-v1:0"


def nova_body(
    text: str = "Customer: It is broken. Agent: I send a new one.", most: int = 100
) -> dict[str, Any]:
    """A Nova request."""
    return {
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": {"maxTokens": most},
    }


def record_ids(count: int, prefix: str = "r") -> list[str]:
    """Ids of so many records."""
    return [f"{prefix}{number:05d}" for number in range(count)]


def input_lines(ids: Iterable[str]) -> str:
    """Input of the given ids, each with a text of its own."""
    records = (
        {"recordId": i, "modelInput": nova_body(f"Customer: Router {i} is broken. Agent: I send one.")}
        for i in ids
    )
    return "".join(json.dumps(record) + "\n" for record in records)


def put(standin: Standin, key: str, data: str | bytes) -> str:
    """Upload and give the URI."""
    standin.client("s3").put_object(
        Bucket=BUCKET, Key=key, Body=data.encode() if isinstance(data, str) else data
    )
    return f"s3://{BUCKET}/{key}"


def create_request(standin: Standin, uri: str, **more: Any) -> dict[str, Any]:
    """A Create request; a ``fault=`` becomes the tag that asks for it."""
    fault = more.pop("fault", None)
    request = {
        "jobName": "job",
        "roleArn": standin.env["BBKIT_ROLE_ARN"],
        "modelId": MODEL,
        "inputDataConfig": {"s3InputDataConfig": {"s3Uri": uri}},
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": f"s3://{BUCKET}/out/"}},
    }
    if fault:
        request["tags"] = [{"key": "bbkit:fault", "value": fault}]
    return request | more


def create(standin: Standin, uri: str, **more: Any) -> str:
    """Create a job and give its ARN."""
    return standin.client("bedrock").create_model_invocation_job(**create_request(standin, uri, **more))[
        "jobArn"
    ]


def get(standin: Standin, arn: str) -> dict[str, Any]:
    """Get a job."""
    return standin.client("bedrock").get_model_invocation_job(jobIdentifier=arn)


def wait_for(
    standin: Standin, arn: str, statuses: tuple[str, ...] = ENDED, seconds: float = 60
) -> dict[str, Any]:
    """Poll until a job is in one of the statuses."""
    deadline = time.monotonic() + seconds
    while True:
        job = get(standin, arn)
        if job["status"] in statuses:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.03)


def run_job(standin: Standin, lines: str | bytes, key: str, **more: Any) -> dict[str, Any]:
    """Upload, create, wait for the end."""
    return wait_for(standin, create(standin, put(standin, key, lines), **more))


def output_files(standin: Standin, job: dict[str, Any]) -> dict[str, bytes]:
    """Read all objects under the output URI and the job id, by key below it."""
    uri = job["outputDataConfig"]["s3OutputDataConfig"]["s3Uri"]
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    start = f"{prefix.rstrip('/')}/{job['jobArn'][-12:]}/".lstrip("/")
    s3 = standin.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=start)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {key.removeprefix(start): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def output_records(standin: Standin, job: dict[str, Any]) -> list[dict[str, Any]]:
    """Read all output lines of a job."""
    files = output_files(standin, job)
    lines = (
        line
        for name, data in files.items()
        if name.endswith(".jsonl.out")
        for line in data.removesuffix(b"\n").split(b"\n")
    )
    return [json.loads(line) for line in lines if line]


def manifest(standin: Standin, job: dict[str, Any]) -> dict[str, int]:
    """Read the manifest of a job."""
    return json.loads(output_files(standin, job)["manifest.json.out"])


def events(standin: Standin, arn: str) -> list[dict[str, Any]]:
    """Read the events of a job."""
    lines = (standin.folder / "events.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if event["resources"] == [arn]]


def log(standin: Standin, **wanted: Any) -> list[dict[str, Any]]:
    """Read the lines of the log that have the wanted fields."""
    lines = map(json.loads, (standin.folder / "log.jsonl").read_text().splitlines())
    return [line for line in lines if wanted.items() <= line.items()]


def engine_processes(standin: Standin) -> list[int]:
    """Give the process ids of a stand-in's engine."""
    command = ["ps", "-wweo", "pid=,ppid=,stat=,args="]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 3) for line in table.splitlines()]
    own = [row for row in rows if int(row[1]) == standin.process.pid and not row[2].startswith("Z")]
    return [int(row[0]) for row in own if "spawn_main" in row[3]]
