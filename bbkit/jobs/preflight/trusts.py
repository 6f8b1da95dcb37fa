"""What a role's trust policy allows, judged as IAM judges it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
(2026-10)
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bbkit.jobs.preflight.arns import partition_of
from bbkit.jobs.preflight.policies import SERVICE


def judge_trust(document: Mapping[str, Any], *, account: str, region: str) -> tuple[str, str]:
    """Judge whether a trust policy lets Bedrock assume the role for batch jobs of an account and region."""
    jobs = f"arn:{partition_of(region)}:bedrock:{region}:{account}:model-invocation-job"
    request = {"aws:sourceaccount": account, "aws:sourcearn": f"{jobs}/abcdefghijkl"}
    allowed, reasons, doubts = False, [], {"Allow": "", "Deny": ""}
    for statement in _listed(document.get("Statement")):
        named = _names_bedrock(statement)
        if named is False:
            continue
        effect = "Deny" if statement.get("Effect") == "Deny" else "Allow"
        verdict, why = _judge_conditions(statement.get("Condition") or {}, request)
        if verdict == "unknown" or (verdict == "met" and named is None):
            doubt = why or f"a statement with {effect} says whom or what it does not mean"
            doubts[effect] = doubts[effect] or doubt
        elif verdict == "failed":
            reasons += [why] if effect == "Allow" else []
        elif effect == "Deny":
            return "denied", "a Deny statement holds"
        else:
            allowed = True
    if doubt := doubts["Deny"] or ("" if allowed else doubts["Allow"]):
        return "unknown", doubt
    if allowed:
        return "allowed", ""
    return "denied", (reasons or [f"no statement names the service {SERVICE} with sts:AssumeRole"])[0]


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _names_bedrock(statement: Mapping[str, Any]) -> bool | None:
    """Tell whether a statement is about Bedrock assuming the role; None where it names what it is not for."""
    principal = statement.get("Principal", {})
    # Anyone is written in two ways.
    named = (
        ["*"]
        if principal == "*"
        else [item for kind in ("Service", "AWS") for item in _listed(principal.get(kind))]
    )
    actions = [str(action).lower() for action in _listed(statement.get("Action"))]
    whom = "NotPrincipal" in statement or bool({"*", SERVICE} & set(named))
    what = "NotAction" in statement or any(fnmatch.fnmatchcase("sts:assumerole", item) for item in actions)
    return (None if statement.keys() & {"NotPrincipal", "NotAction"} else True) if whom and what else False


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
