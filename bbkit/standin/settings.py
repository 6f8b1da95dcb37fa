"""What one stand-in is: its folder, identity, clock, quotas, engine and faults."""

import json
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

BUCKET, ROLE = "bbkit-standin", "BbkitStandinRole"


@dataclass(frozen=True)
class Pace:
    """Seconds a job spends in each status, and how far its counters lag behind."""

    submitted: float
    validating: float
    scheduled: float
    in_progress: float
    stopping: float
    counter_lag: float


# The realistic pace follows reports of 100-record jobs: 10 to 15 minutes, about five of them in the queue;
# counters move at most once a minute
# (https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-monitor.html).
PACES: dict[str, Pace] = {
    "instant": Pace(0, 0, 0, 0, 0, 0.5),
    "fast": Pace(0.5, 1, 1.5, 3, 0.5, 1),
    "realistic": Pace(10, 50, 300, 300, 20, 60),
}


def read_pace(speed: str) -> Pace:
    """Read a speed: a name, or a number that says how many times faster than realistic."""
    if speed in PACES:
        return PACES[speed]
    try:
        factor = float(speed)
    except ValueError:
        factor = 0
    if not factor > 0:
        raise ValueError(f"Speed '{speed}' is none of {', '.join(PACES)}, nor a number above 0.")
    return Pace(*(seconds / factor for seconds in astuple(PACES["realistic"])))


@dataclass(frozen=True)
class Limits:
    """The batch quotas this stand-in enforces; the defaults are AWS's."""

    min_records: int = 100
    max_records_per_job: int = 100_000
    max_records_per_file: int = 100_000
    max_file_gb: float = 1.0
    max_job_gb: float | None = None  # None: 5, or 100 for the models AWS lists with 100
    max_jobs: int = 100
    max_custom_jobs: int = 3


@dataclass(frozen=True)
class Settings:
    folder: Path
    account: str
    region: str = "us-east-1"
    speed: str = "instant"
    limits: Limits = field(default_factory=Limits)
    faults: tuple[str, ...] = ()
    ordered: bool = False
    strict_tokens: bool = False
    refuse_few_records: bool = False
    as_of: str = field(default_factory=lambda: date.today().isoformat())
    """The day by which models have ended or not."""
    application_profiles: dict[str, str] = field(default_factory=dict)
    engine: str = "extractive"
    engine_options: dict[str, Any] = field(default_factory=dict)
    workers: int = 0
    quiet: bool = False

    @property
    def pace(self) -> Pace:
        return read_pace(self.speed)

    @property
    def buckets(self) -> Path:
        return self.folder / "s3"

    @property
    def waits(self) -> bool:
        """Whether the engine waits for another server, so that threads serve it better than processes."""
        return self.engine != "extractive"

    @property
    def parallel(self) -> int:
        """How many records are answered at once: one per process of the engine, or its requests under way."""
        if self.waits:
            return int(self.engine_options.get("concurrency", 4))
        return self.workers or max(1, min(4, os.cpu_count() or 1))

    @property
    def engine_options_json(self) -> str:
        return json.dumps(self.engine_options)


@dataclass(frozen=True)
class Identity:
    """What stays the same when a stand-in's folder is started again."""

    account: str
    access_key: str
    secret_key: str
    port: int


def keep_private(folder: Path) -> None:
    """Take from others what they may do in a folder, now and with all that this process makes later."""
    if folder.stat().st_mode & stat.S_ISVTX:
        raise ValueError(
            f"{folder} is a folder that all share; give a folder in it, which nobody else reads."
        )
    os.umask(0o077)
    for place, _, names in os.walk(folder):
        for path, least in ((Path(place), 0o700), *((Path(place, name), 0o600) for name in names)):
            with suppress(FileNotFoundError):  # what a process of before still clears away
                mode = path.lstat().st_mode
                if not stat.S_ISLNK(mode):
                    path.chmod(stat.S_IMODE(mode) & 0o700 | least)


def load_identity(folder: Path) -> Identity:
    """Read the identity kept in a folder, or make one (12 random digits, keys of this folder's own)."""
    path = folder / "identity.json"
    if path.exists():
        try:
            return Identity(**json.loads(path.read_text()))
        except (ValueError, TypeError):
            raise ValueError(
                f"{path} holds no identity of a stand-in; put it back from a copy, or delete it for a new "
                "account and new keys."
            ) from None
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    identity = Identity(
        account=str(100_000_000_000 + secrets.randbelow(900_000_000_000)),
        access_key="STANDIN" + "".join(secrets.choice(letters) for _ in range(13)),
        secret_key=secrets.token_hex(20),
        port=0,
    )
    save_identity(folder, identity)
    return identity


def save_identity(folder: Path, identity: Identity) -> None:
    """Keep the identity, readable by its owner only."""
    write_whole(folder / "identity.json", json.dumps(asdict(identity)).encode(), mode=0o600)


def write_environment(folder: Path, identity: Identity, region: str, endpoint: str) -> None:
    """Write ``standin.env``, which leads boto3, the AWS CLI and bbkit here: ``set -a; . DIR/standin.env``."""
    services = ("BEDROCK", "BEDROCK_RUNTIME", "S3", "SERVICE_QUOTAS", "STS", "IAM")
    environment = {
        "AWS_ENDPOINT_URL": endpoint,
        **{f"AWS_ENDPOINT_URL_{service}": endpoint for service in services},
        "AWS_BEDROCK_RUNTIME_ENDPOINT": endpoint,  # litellm's name for it
        "ANTHROPIC_BEDROCK_BASE_URL": endpoint,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": identity.access_key,
        "AWS_SECRET_ACCESS_KEY": identity.secret_key,
        "AWS_SESSION_TOKEN": "",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "BBKIT_S3_URI": f"s3://{BUCKET}/runs",
        "BBKIT_ROLE_ARN": f"arn:aws:iam::{identity.account}:role/{ROLE}",
    }
    unset = "unset AWS_PROFILE AWS_DEFAULT_PROFILE AWS_BEARER_TOKEN_BEDROCK"
    lines = [unset, *(f"{name}={value}" for name, value in environment.items())]
    write_whole(folder / "standin.env", ("\n".join(lines) + "\n").encode(), mode=0o600)


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a small file so that a reader sees all of it or the one before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(data)
        temporary.replace(path)
    except OSError:
        temporary.unlink()
        raise
