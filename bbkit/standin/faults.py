"""Faults that can be asked for, by switch for every job or by tag for one.

A fault is written ``name``, ``name=value`` or, for calls, ``fail-call=Operation:Code:times``; several are
separated by spaces. The switch ``--fault "record-errors=0.05"`` and the job tag ``bbkit:fault`` =
``record-errors=0.05`` read alike.
"""

import hashlib
import math
import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from bbkit.standin.errors import ServiceError

TAG = "bbkit:fault"
CREATE = "CreateModelInvocationJob"
OF_ONE_JOB = (CREATE, "GetModelInvocationJob", "StopModelInvocationJob")
BY_SWITCH = {
    **dict.fromkeys(
        (*OF_ONE_JOB, "ListModelInvocationJobs", "TagResource", "UntagResource", "ListTagsForResource"),
        "bedrock",
    ),
    **dict.fromkeys(("InvokeModel", "Converse"), "bedrock-runtime"),
}

HELP = """\
faults, by --fault for every job or by the tag bbkit:fault of one job (several separated by spaces):
  expire                  the job is never begun and ends Expired
  time-out[=0.5]          time runs out after that share of the records: PartiallyCompleted
  fail-validation         the job ends Failed while it is validated
  fail                    the job ends Failed while it is in progress
  throttle-create[=1]     that many Create calls are answered with ThrottlingException (429)
  lose-create-answer[=1]  the job is created, but that many answers are lost (the connection closes)
  refuse-pass-role        Create is refused: no iam:PassRole on the role
  fail-call=OPERATION:CODE[:1]  that many calls of an operation are answered with an error code it documents:
                          by tag Create-, Get- and StopModelInvocationJob of that job; by --fault also List,
                          the tag operations, InvokeModel and Converse
  require-kms[=KEY]       by --fault only: uploads that do not ask to be encrypted with KMS (and that key) are
                          denied, as by a policy of the bucket
  record-errors=0.05      that share of the records gets an error, of four kinds: 400 and 503 as `error`,
                          400 (retryable false) and 429 (retryable true) inside `modelOutput`
  missing-lines=0.02      that share of the records gets no line at all
  slow-counters[=60]      counters move only after so many seconds, even past the end of the job
  odd-text                U+2028 and a lone surrogate in every answer
  missing-usage           no token counts in the answers
Calls are counted from the start of the stand-in on. Which records are hit depends on the record ids alone.
503, 429 and missing lines pass: a later job that sends the same record and writes to the same S3 place
(another attempt of a run) is answered, and so is a call on demand. The same records with another place for
the output (a new run) are hit again."""

_RATES = {"time-out": 0.5, "record-errors": None, "missing-lines": None}
_COUNTS = {"throttle-create": 1, "lose-create-answer": 1}
_PLAIN = ("expire", "fail-validation", "fail", "refuse-pass-role", "odd-text", "missing-usage")
NAMES = (*_PLAIN, *_RATES, *_COUNTS, "slow-counters", "fail-call", "require-kms")


@dataclass(frozen=True)
class Faults:
    """The faults that hold for one job or for every job."""

    names: frozenset[str] = frozenset()
    time_out: float | None = None
    record_errors: float = 0.0
    missing_lines: float = 0.0
    slow_counters: float = 0.0
    throttle_create: int = 0
    lose_create_answer: int = 0
    fail_calls: tuple[tuple[str, str, int], ...] = ()
    require_kms: str = ""  # the key, where it matters which

    @property
    def touches_records(self) -> bool:
        """Whether single records are hit."""
        return bool(self.record_errors or self.missing_lines)


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
    if name == "fail-call":
        operation, _, rest = value.partition(":")
        code, _, times = rest.partition(":")
        if not operation or not code or not (times or "1").isdigit():
            raise ValueError(f"Fault fail-call takes OPERATION:CODE[:times], not '{value}'.")
        return {"fail_calls": (*faults.fail_calls, (operation, code, int(times or 1)))}
    if name in _COUNTS:
        if not (value or "1").isdigit():
            raise ValueError(f"Fault {name} takes a whole number, not '{value}'.")
        return {name.replace("-", "_"): int(value or 1)}
    number = _read_number(name, value, 60.0 if name == "slow-counters" else _RATES[name])
    if name in _RATES and not 0 <= number <= 1:
        raise ValueError(f"Fault {name} takes a share from 0 to 1, not {value}.")
    if not 0 <= number < math.inf:
        raise ValueError(f"Fault {name} takes seconds from 0 on, not {value}.")
    return {name.replace("-", "_"): number}


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
    from bbkit.standin.service_models import service_model

    accepted = OF_ONE_JOB if by_tag else tuple(BY_SWITCH)
    if by_tag and "require-kms" in faults.names:
        raise ValueError("Fault require-kms is of a bucket, not of one job: ask for it by --fault.")
    for operation, code, _ in faults.fail_calls:
        if operation not in accepted:
            way = "by tag takes" if by_tag else "takes"
            raise ValueError(f"Fault fail-call {way} {', '.join(accepted)}, not '{operation}'.")
        model = service_model(BY_SWITCH[operation]).operation_model(operation)
        codes = sorted(shape.name for shape in model.error_shapes)
        if code not in codes:
            raise ValueError(f"Fault fail-call={operation} takes {', '.join(codes)}, not '{code}'.")


class CallFaults:
    """Faults of calls, counted: each has an effect so often; may be asked from any thread."""

    def __init__(self, switches: tuple[str, ...]) -> None:
        self.switched = read_faults(switches)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def has_effect(self, key: str, times: int) -> bool:
        """Count a call against a fault; True while it has an effect."""
        if not times:
            return False
        with self._lock:
            self._counts[key] += 1
            return self._counts[key] <= times

    def apply(self, faults: Faults, operation: str, key: str) -> None:
        """Answer a call as faults ask; what has the same key is counted together."""
        if operation == CREATE and self.has_effect(f"throttle {key}", faults.throttle_create):
            raise ServiceError("ThrottlingException", "Too many requests, please wait before trying again.")
        for name, code, times in faults.fail_calls:
            if name == operation and self.has_effect(f"{name} {code} {key}", times):
                message = f"{operation} was answered with {code} because a fault asked for it."
                raise ServiceError(code, message)
