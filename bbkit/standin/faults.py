"""Faults that can be asked for, by switch for every job or by tag for one.

A fault is written ``name``, ``name=value`` or, for calls, ``fail-call=Operation:Answer:When``; several are
separated by spaces. The switch ``--fault "record-errors=0.05"`` and the job tag ``bbkit:fault`` =
``record-errors=0.05`` read alike.
"""

import hashlib
import math
import re
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

from bbkit.standin.errors import ServiceError

TAG = "bbkit:fault"
CREATE = "CreateModelInvocationJob"
OF_ONE_JOB = (CREATE, "GetModelInvocationJob", "StopModelInvocationJob")
BY_SWITCH = {
    **dict.fromkeys(
        (
            *OF_ONE_JOB,
            "ListModelInvocationJobs",
            "TagResource",
            "UntagResource",
            "ListTagsForResource",
            "GetFoundationModel",
            "GetFoundationModelAvailability",
            "GetInferenceProfile",
            "ListFoundationModels",
            "ListInferenceProfiles",
        ),
        "bedrock",
    ),
    **dict.fromkeys(("InvokeModel", "Converse"), "bedrock-runtime"),
    **dict.fromkeys(("HeadBucket", "HeadObject", "GetObject", "PutObject", "ListObjectsV2"), "s3"),
    **dict.fromkeys(
        ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload", "DeleteObjects"), "s3"
    ),
    "GetCallerIdentity": "sts",
}
ALL = "all"
_S3_CODES = ("AccessDenied", "InternalError", "NoSuchKey", "RequestTimeout", "ServiceUnavailable", "SlowDown")
_NOT_OF_AWS = ("500", "502", "503", "504", "html")
TORN, _EXPIRED = "torn", "ExpiredToken"

HELP = """\
faults, by --fault for every job or by the tag bbkit:fault of one job (several separated by spaces):
  expire                  the job is never begun and ends Expired
  time-out[=0.5]          time runs out after that share of the records: PartiallyCompleted
  fail-validation         the job ends Failed while it is validated
  fail                    the job ends Failed while it is in progress
  throttle-create[=1]     that many Create calls are answered with ThrottlingException (429)
  lose-create-answer[=1]  the job is created, but that many answers are lost (the connection closes)
  refuse-pass-role        Create is refused: no iam:PassRole on the role
  late-job[=2]            for so many seconds after its Create, Get and List do not know the job yet
  fail-call=OPERATION:ANSWER[:WHEN]    calls are not carried out, but answered so
  fail-answer=OPERATION:ANSWER[:WHEN]  calls are carried out, and their answer is lost: ANSWER comes instead
    OPERATION  by tag Create-, Get- and StopModelInvocationJob of that job; by --fault also List, the tag
               operations, GetFoundationModel, GetFoundationModelAvailability, GetInferenceProfile,
               ListFoundationModels, ListInferenceProfiles, InvokeModel, Converse, GetCallerIdentity, all,
               and of S3 HeadBucket, HeadObject, GetObject, PutObject, ListObjectsV2, DeleteObjects and the
               calls of multipart uploads
    ANSWER     500, 502, 503 or 504 (bare, as a load balancer gives it) or html (the page of a proxy, status
               200); of fail-call also ExpiredToken, or an error code the operation documents (S3: SlowDown,
               InternalError, ServiceUnavailable, RequestTimeout, AccessDenied, NoSuchKey); of fail-answer
               also torn (the connection closes in the midst of the answer)
    WHEN       2: that many calls (1 by default); 3-5: from the third call to the fifth; 12s, 5-17s: seconds
               from the first call on; 0.2: that share of the calls, chosen by seed
  no-model-access         by --fault only: the account has no agreement for any model, and Create is refused
  require-kms[=KEY]       by --fault only: uploads that do not ask to be encrypted with KMS (and that key) are
                          denied, as by a policy of the bucket
  seed=0                  another choice of the calls that a share hits
  record-errors=0.05      that share of the records gets an error, of four kinds: 400 and 503 as `error`,
                          400 (retryable false) and 429 (retryable true) inside `modelOutput`
  missing-lines=0.02      that share of the records gets no line at all
  bad-json=0.1            that share of the answers that are JSON objects, arguments of tools too, comes in a
                          code fence, in prose, with a value that the schema does not have, cut in half or
                          with a comma too many (text, where a family gives arguments as an object)
  slow-counters[=60]      counters move only after so many seconds, even past the end of the job
  odd-text                U+2028 and a lone surrogate in every answer
  missing-usage           no token counts in the answers
Calls are counted from the start of the stand-in on; each fault counts those that none before it has struck.
Which records are hit depends on the record ids alone.
503, 429, missing lines and bad JSON pass: a later job that sends the same record (for bad JSON, the same
record id) and writes to the same S3 place (another attempt of a run) is answered, and so is a call on demand.
The same records with another place for the output (a new run) are hit again."""

_RATES = {"time-out": 0.5, "record-errors": None, "missing-lines": None, "bad-json": None}
_COUNTS = {"throttle-create": (CREATE, "ThrottlingException"), "lose-create-answer": (CREATE, TORN)}
_NUMBERS = {"slow-counters": 60.0, "late-job": 2.0, "seed": 0.0}
_CALLS = ("fail-call", "fail-answer")
_WHEN = re.compile(r"(?:(\d+)-)?(\d+)(s?)|(0?\.\d+)")
_PLAIN = ("expire", "fail-validation", "fail", "refuse-pass-role", "odd-text", "missing-usage",
          "no-model-access")  # fmt: skip
NAMES = (*_PLAIN, *_RATES, *_COUNTS, *_NUMBERS, *_CALLS, "require-kms")


@dataclass(frozen=True)
class CallFault:
    """What calls of one operation are answered with: those from `first` to `last`, or that share of them."""

    operation: str
    answer: str
    carried_out: bool
    first: float = 1
    last: float = 1
    in_seconds: bool = False
    share: float = 1.0


@dataclass(frozen=True)
class Faults:
    """The faults that hold for one job or for every job."""

    names: frozenset[str] = frozenset()
    time_out: float | None = None
    record_errors: float = 0.0
    missing_lines: float = 0.0
    bad_json: float = 0.0
    slow_counters: float = 0.0
    late_job: float = 0.0
    seed: float = 0.0
    calls: tuple[CallFault, ...] = ()
    require_kms: str = ""  # the key, where it matters which

    @property
    def touches_records(self) -> bool:
        """Whether single records are hit."""
        return bool(self.record_errors or self.missing_lines or self.bad_json)


NO_FAULTS = Faults()


def read_faults(texts: list[str] | tuple[str, ...]) -> Faults:
    """Read faults from their text."""
    faults = Faults()
    for word in " ".join(texts).split():
        name, _, value = word.partition("=")
        if name not in NAMES:
            raise ValueError(f"Unknown fault '{name}'; known are {', '.join(NAMES)}.")
        faults = replace(faults, names=faults.names | {name}, **_read_value(faults, name, value))
    return faults


def _read_value(faults: Faults, name: str, value: str) -> dict[str, Any]:
    if name in _PLAIN:
        return {}
    if name == "require-kms":
        return {"require_kms": value}
    if name in _CALLS:
        return {"calls": (*faults.calls, _read_call(name, value))}
    if name in _COUNTS:
        if not (value or "1").isdigit():
            raise ValueError(f"Fault {name} takes a whole number, not '{value}'.")
        fault = CallFault(*_COUNTS[name], carried_out=name.startswith("lose"), last=int(value or 1))
        return {"calls": (*faults.calls, fault)}
    number = _read_number(name, value, {**_RATES, **_NUMBERS}[name])
    if name in _RATES and not 0 <= number <= 1:
        raise ValueError(f"Fault {name} takes a share from 0 to 1, not {value}.")
    if not 0 <= number < math.inf:
        raise ValueError(f"Fault {name} takes a number from 0 on, not {value}.")
    return {name.replace("-", "_"): number}


def _read_call(name: str, value: str) -> CallFault:
    operation, _, rest = value.partition(":")
    answer, _, when = rest.partition(":")
    match = _WHEN.fullmatch(when or "1")
    if not operation or not answer or not match:
        takes = "OPERATION:ANSWER[:WHEN], with WHEN such as 2, 3-5, 12s, 5-17s or 0.2"
        raise ValueError(f"Fault {name} takes {takes}, not '{value}'.")
    first, last, seconds, share = match.groups()
    fault = CallFault(
        operation, answer, name == "fail-answer", int(first or not seconds), in_seconds=bool(seconds)
    )
    fault = replace(fault, last=math.inf, share=float(share)) if share else replace(fault, last=int(last))
    if fault.share == 0 or fault.last < max(fault.first, 1):
        raise ValueError(f"Fault {name}={value} never strikes: WHEN is {when}.")
    return fault


def _read_number(name: str, value: str, default: float | None) -> float:
    if not value and default is not None:
        return default
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"Fault {name} takes a number, not '{value}'.") from None


def draw(kind: str, record_id: str) -> float:
    """Give a number in [0, 1) that depends on the record id alone."""
    digest = hashlib.blake2b(f"{kind}\0{record_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def record_error(record_id: str) -> tuple[str, int, str]:
    """Choose the error of a record that is hit: place (``error`` or ``modelOutput``), code and message."""
    kinds = (
        ("error", 400, "Malformed input request, please reformat your input and try again."),
        ("error", 503, "The service is unable to process your request. Please try again."),
        ("modelOutput", 400, "The request was refused by the model."),
        ("modelOutput", 429, "Too many requests, please wait before trying again."),
    )
    place, code, message = kinds[int(draw("kind", record_id) * len(kinds))]
    return place, code, f"{message} (fault asked for)"


def heals(code: int) -> bool:
    """Whether an error befalls a record only once."""
    return code >= 429


def check_calls(faults: Faults, *, by_tag: bool) -> None:
    """Refuse faults of calls that could never strike."""
    accepted = OF_ONE_JOB if by_tag else (*BY_SWITCH, ALL)
    if by_tag and (wide := faults.names & {"require-kms", "no-model-access"}):
        raise ValueError(f"Fault {min(wide)} is not of one job: ask for it by --fault.")
    for fault in faults.calls:
        name = _CALLS[fault.carried_out]
        if fault.operation not in accepted:
            way = "by tag takes" if by_tag else "takes"
            raise ValueError(f"Fault {name} {way} {', '.join(accepted)}, not '{fault.operation}'.")
        answers = [*_NOT_OF_AWS, *(_spoilt_of(fault) if fault.carried_out else _codes_of(fault.operation))]
        if fault.answer not in answers:
            raise ValueError(
                f"Fault {name}={fault.operation} takes {', '.join(answers)}, not '{fault.answer}'."
            )


def _spoilt_of(fault: CallFault) -> list[str]:
    return [] if fault.operation.startswith("Head") else [TORN]  # without a body nothing can be torn


def _codes_of(operation: str) -> list[str]:
    from bbkit.standin.service_models import service_model

    service = BY_SWITCH.get(operation)
    if service == "s3":
        return [_EXPIRED, *_S3_CODES]
    shapes = service_model(service).operation_model(operation).error_shapes if service else ()
    return [_EXPIRED, *sorted(shape.name for shape in shapes)]


class SpoiltAnswer(Exception):
    """What comes instead of an answer: a bare status, a page, or an answer that breaks off."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.status = {TORN: None, "html": 200}[answer] if not answer.isdigit() else int(answer)


class CallFaults:
    """Faults of calls, counted: each has an effect so often; may be asked from any thread."""

    def __init__(self, switches: tuple[str, ...]) -> None:
        self.switched = read_faults(switches)
        self._seen: dict[tuple[CallFault, str], tuple[int, float]] = {}
        self._lock = threading.Lock()

    def fail(self, faults: Faults, operation: str, key: str = "") -> None:
        """Raise what a call is answered with instead of being carried out; what has the same key is counted
        together."""
        answer = self.find(faults, operation, key, carried_out=False)
        if answer in _NOT_OF_AWS:
            raise SpoiltAnswer(answer)
        if answer:
            code = f"{answer}Exception" if answer == _EXPIRED and BY_SWITCH.get(operation) != "s3" else answer
            message = f"{operation} was answered with {code} because a fault asked for it."
            raise ServiceError(code, message)

    def spoil(self, faults: Faults, operation: str, key: str = "") -> None:
        """Raise what comes instead of the answer to a call that was carried out."""
        if answer := self.find(faults, operation, key, carried_out=True):
            raise SpoiltAnswer(answer)

    def find(self, faults: Faults, operation: str, key: str = "", *, carried_out: bool) -> str:
        """Count a call against the faults of it; name what it is answered with, if one strikes."""
        for fault in faults.calls:
            if fault.operation in (operation, ALL) and fault.carried_out == carried_out:
                with self._lock:
                    now = time.monotonic()
                    count, began = self._seen.get((fault, key), (0, now))
                    self._seen[fault, key] = count + 1, began
                position = now - began if fault.in_seconds else count + 1
                chance = draw(f"{faults.seed} {operation} {fault.answer}", str(count))
                if fault.first <= position <= fault.last and chance < fault.share:
                    return fault.answer
        return ""
