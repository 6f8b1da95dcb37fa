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
from bbkit.standin.tables import read_table

TAG = "bbkit:fault"
CREATE = "CreateModelInvocationJob"
OF_ONE_JOB = (CREATE, "GetModelInvocationJob", "StopModelInvocationJob")
ALL = "all"
_TABLE = read_table("faults")
_FAULTS = _TABLE["faults"]
_SERVICES = {name: service for service, names in _TABLE["operations"].items() for name in names}
_S3_CODES = ("AccessDenied", "InternalError", "NoSuchKey", "RequestTimeout", "ServiceUnavailable", "SlowDown")
_NOT_OF_AWS = ("500", "502", "503", "504", "html")
TORN, _EXPIRED = "torn", "ExpiredToken"
_WHEN = re.compile(r"(?:(\d+)-)?(\d+)(s?)|(0?\.\d+)")


def write_help() -> str:
    lines = [_TABLE["head"]]
    for name, fault in _FAULTS.items():
        says = f"\n{' ' * 26}".join(fault["says"])
        lines.append(f"  {name + fault.get('written', ''):22}  {says}")
        lines += [f"    {line}" for line in fault.get("more", ())]
    return "\n".join([*lines, *_TABLE["tail"]])


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
        return bool(self.record_errors or self.missing_lines or self.bad_json)


def read_faults(texts: list[str] | tuple[str, ...]) -> Faults:
    faults = Faults()
    for word in " ".join(texts).split():
        name, _, value = word.partition("=")
        if name not in _FAULTS:
            raise ValueError(f"Unknown fault '{name}'; known are {', '.join(_FAULTS)}.")
        faults = replace(faults, names=faults.names | {name}, **_read_value(faults, name, value))
    return faults


def _read_value(faults: Faults, name: str, value: str) -> dict[str, Any]:
    told = _FAULTS[name]
    match told["takes"]:
        case "nothing":
            return {}
        case "text":
            return {"require_kms": value}
        case "call":
            return {"calls": (*faults.calls, _read_call(name, value))}
        case "count" if not (value or "1").isdigit():
            raise ValueError(f"Fault {name} takes a whole number, not '{value}'.")
        case "count":
            fault = CallFault(CREATE, told["answer"], told["carried_out"], last=int(value or 1))
            return {"calls": (*faults.calls, fault)}
    try:
        number = float(value or told.get("default", ""))
    except ValueError:
        raise ValueError(f"Fault {name} takes a number, not '{value}'.") from None
    if told["takes"] == "share" and not 0 <= number <= 1:
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
    first, last = (1, math.inf) if share else (int(first or not seconds), int(last))
    carried_out = _FAULTS[name]["carried_out"]
    fault = CallFault(operation, answer, carried_out, first, last, bool(seconds), float(share or 1))
    if fault.share == 0 or fault.last < max(fault.first, 1):
        raise ValueError(f"Fault {name}={value} never strikes: WHEN is {when}.")
    return fault


def draw(kind: str, record_id: str) -> float:
    """Give a number in [0, 1) that depends on the record id alone."""
    digest = hashlib.blake2b(f"{kind}\0{record_id}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def record_error(record_id: str) -> tuple[str, int, str]:
    """Choose the error of a record that is hit: place (``error`` or ``modelOutput``), code and message."""
    kinds = _TABLE["record_errors"]
    place, code, message = kinds[int(draw("kind", record_id) * len(kinds))]
    return place, code, f"{message} (fault asked for)"


def heals(code: int) -> bool:
    return code >= 429


def check_calls(faults: Faults, *, by_tag: bool) -> None:
    """Refuse faults of calls that could never strike."""
    accepted = OF_ONE_JOB if by_tag else (*_SERVICES, ALL)
    if by_tag and (wide := [name for name in faults.names if "wide" in _FAULTS[name]]):
        raise ValueError(f"Fault {min(wide)} is not of one job: ask for it by --fault.")
    for fault in faults.calls:
        name = "fail-answer" if fault.carried_out else "fail-call"
        if fault.operation not in accepted:
            way = "by tag takes" if by_tag else "takes"
            raise ValueError(f"Fault {name} {way} {', '.join(accepted)}, not '{fault.operation}'.")
        answers = [*_NOT_OF_AWS]
        if not fault.carried_out:
            answers += _codes_of(fault.operation)
        elif not fault.operation.startswith("Head"):  # without a body nothing can be torn
            answers += [TORN, *_endings_of(fault.operation)]
        if fault.answer not in answers:
            raise ValueError(
                f"Fault {name}={fault.operation} takes {', '.join(answers)}, not '{fault.answer}'."
            )


def _codes_of(operation: str) -> list[str]:
    from bbkit.standin.service_models import service_model

    service = _SERVICES.get(operation)
    if service == "s3":
        return [_EXPIRED, *_S3_CODES]
    shapes = service_model(service).operation_model(operation).error_shapes if service else ()
    return [_EXPIRED, *sorted(shape.name for shape in shapes)]


def _endings_of(operation: str) -> list[str]:
    """The exceptions that may end the stream of an operation's answer."""
    from bbkit.standin.service_models import exceptions_of, service_model

    if _SERVICES.get(operation) != "bedrock-runtime":
        return []
    return exceptions_of(service_model("bedrock-runtime").operation_model(operation))


class SpoiltAnswer(Exception):
    """What comes instead of an answer: a status, a page, one that breaks off or ends by an exception."""

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.ending = answer if answer.endswith("Exception") else ""
        self.status = int(answer) if answer.isdigit() else None if answer == TORN else 200


class CallFaults:
    """Faults of calls, counted: each has an effect so often; may be asked from any thread."""

    def __init__(self, switches: tuple[str, ...]) -> None:
        self.switched = read_faults(switches)
        self._seen: dict[tuple[CallFault, str], tuple[int, float]] = {}
        self._lock = threading.Lock()

    def fail(self, faults: Faults, operation: str, key: str = "") -> None:
        """Raise what a call is answered with instead; calls of the same key are counted together."""
        answer = self.find(faults, operation, key, carried_out=False)
        if answer in _NOT_OF_AWS:
            raise SpoiltAnswer(answer)
        if answer:
            code = f"{answer}Exception" if answer == _EXPIRED and _SERVICES.get(operation) != "s3" else answer
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
