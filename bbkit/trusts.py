"""What a role's trust policy allows, judged as IAM judges it. Part of the room `preflight`.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
(2026-10)
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bbkit.policies import SERVICE, partition_of


def judge_trust(document: Mapping[str, Any], *, account: str, region: str) -> tuple[str, str]:
    """Judge whether a trust policy lets Bedrock assume the role for batch jobs of an account and region.

    Parameters
    ----------
    document : mapping
        The policy document.
    account, region : str
        Of the jobs.

    Returns
    -------
    tuple of str
        ``allowed``, ``denied`` or ``unknown``, and why, in words; empty when allowed.
    """
    jobs = f"arn:{partition_of(region)}:bedrock:{region}:{account}:model-invocation-job"
    request = {"aws:sourceaccount": account, "aws:sourcearn": f"{jobs}/abcdefghijkl"}
    allowed, reasons, unknown = False, [], []
    for statement in _listed(document.get("Statement")):
        if not _names_bedrock(statement):
            continue
        verdict, why = _judge_conditions(statement.get("Condition") or {}, request)
        if verdict == "unknown":
            unknown.append(why)
        elif statement.get("Effect") == "Deny":
            if verdict == "met":
                return "denied", "a Deny statement holds"
        elif verdict == "met":
            allowed = True
        else:
            reasons.append(why)
    if unknown:
        return "unknown", unknown[0]
    if allowed:
        return "allowed", ""
    return "denied", reasons[
        0
    ] if reasons else f"no statement names the service {SERVICE} with sts:AssumeRole"


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _names_bedrock(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    services = ["*"] if principal == "*" else _listed(principal.get("Service"))
    actions = [str(action).lower() for action in _listed(statement.get("Action"))]
    return bool({"*", SERVICE} & set(services)) and any(
        fnmatch.fnmatchcase("sts:assumerole", action) for action in actions
    )


def _judge_conditions(conditions: Mapping[str, Any], request: Mapping[str, str]) -> tuple[str, str]:
    """Tell whether all conditions are met, one is not, or one cannot be judged."""
    unknown = ""
    for operator, tests in conditions.items():
        for key, accepted in tests.items():
            value = request.get(key.lower())
            met = (
                None if value is None else _is_met(operator, value, [str(item) for item in _listed(accepted)])
            )
            if met is None:
                unknown = unknown or f"its condition {operator} on {key} cannot be judged from here"
            elif not met:
                return "failed", f"{key} must be {', '.join(map(str, _listed(accepted)))}, and is {value}"
    return ("unknown", unknown) if unknown else ("met", "")


def _is_met(operator: str, value: str, accepted: Sequence[str]) -> bool | None:
    """Judge one test as IAM does; None for an operator not known here."""
    name = (
        operator.lower().removeprefix("forallvalues:").removeprefix("foranyvalue:").removesuffix("ifexists")
    )
    negated = name.replace("not", "", 1) if "not" in name else ""
    match negated or name:
        case "stringequals":
            found = value in accepted
        case "stringequalsignorecase":
            found = value.lower() in [item.lower() for item in accepted]
        case "stringlike":
            found = any(_matches(value, item) for item in accepted)
        case "arnequals" | "arnlike":
            found = any(_matches_arn(value, item) for item in accepted)
        case _:
            return None
    return found != bool(negated)


def _matches(value: str, pattern: str) -> bool:
    """Match ``*`` and ``?`` as IAM does, where brackets mean themselves."""
    parts = re.split(r"([*?])", pattern)
    regex = "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(regex, value, re.DOTALL) is not None


def _matches_arn(value: str, pattern: str) -> bool:
    """Match each of the six parts of an ARN by itself, as IAM does."""
    values, patterns = value.split(":", 5), pattern.split(":", 5)
    if len(patterns) != 6:
        return pattern == "*"
    return all(_matches(*pair) for pair in zip(values, patterns, strict=True))
