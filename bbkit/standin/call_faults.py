"""Faults that strike calls: which can be asked for, and how often each has struck since this start."""

import threading
from collections import Counter

from bbkit.standin.faults import Faults, read_faults
from bbkit.standin.operations import service_model
from bbkit.standin.wires import ServiceError

CREATE = "CreateModelInvocationJob"
OF_ONE_JOB = (CREATE, "GetModelInvocationJob", "StopModelInvocationJob")
BY_SWITCH = {
    **dict.fromkeys(
        (*OF_ONE_JOB, "ListModelInvocationJobs", "TagResource", "UntagResource", "ListTagsForResource"),
        "bedrock",
    ),
    **dict.fromkeys(("InvokeModel", "Converse"), "bedrock-runtime"),
}


def check_calls(faults: Faults, *, by_tag: bool) -> None:
    """Refuse faults of calls that could never strike."""
    accepted = OF_ONE_JOB if by_tag else tuple(BY_SWITCH)
    for operation, code, _ in faults.fail_calls:
        if operation not in accepted:
            way = "by tag takes" if by_tag else "takes"
            raise ValueError(f"Fault fail-call {way} {', '.join(accepted)}, not '{operation}'.")
        model = service_model(BY_SWITCH[operation]).operation_model(operation)
        codes = sorted(shape.name for shape in model.error_shapes)
        if code not in codes:
            raise ValueError(f"Fault fail-call={operation} takes {', '.join(codes)}, not '{code}'.")


class CallFaults:
    """Counts what strikes a limited number of times; may be asked from any thread."""

    def __init__(self, switches: tuple[str, ...]) -> None:
        self.switched = read_faults(switches)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def strikes(self, key: str, times: int) -> bool:
        """Count a call against a fault; True while it strikes."""
        if not times:
            return False
        with self._lock:
            self._counts[key] += 1
            return self._counts[key] <= times

    def strike_by_switch(self, operation: str) -> None:
        """Answer any call as a switch asks."""
        self.strike(self.switched, operation, "")

    def strike(self, faults: Faults, operation: str, key: str) -> None:
        """Answer a call as faults ask; what has the same key is counted together."""
        if operation == CREATE and self.strikes(f"throttle {key}", faults.throttle_create):
            raise ServiceError("ThrottlingException", "Too many requests, please wait before trying again.")
        for name, code, times in faults.fail_calls:
            if name == operation and self.strikes(f"{name} {code} {key}", times):
                raise ServiceError(
                    code, f"{operation} was answered with {code} because a fault asked for it."
                )
