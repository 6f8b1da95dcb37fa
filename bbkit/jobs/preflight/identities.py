"""Who may do what: the role of a run, its trust and permissions, the caller's.

Never tried on a real account; the parsing is held against moto's IAM.
"""

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bbkit import aws
from bbkit.core.errors import AwsError
from bbkit.core.findings import Finding, make_finding
from bbkit.jobs.preflight.needs import SERVICE, Arns, not_seen, partition_of
from bbkit.run import Run


def check_identity(arns: Arns) -> Iterator[Finding]:
    """Look at the role, its trust, its permissions, and at the caller's."""
    run = arns.run
    theirs, ours = run.role_arn.split(":")[4], run.endpoint.account
    if theirs != ours:
        yield make_finding("role.account", role=run.role_arn, theirs=theirs or "none", ours=ours)
        return
    if run.endpoint.is_standin:
        yield make_finding("role.standin")
        return
    yield from _check_role(run)
    yield from _check_permissions(arns)
    yield from _check_caller(arns)


def _check_role(run: Run) -> Iterator[Finding]:
    name = run.role_arn.rpartition("/")[2]
    try:
        role = aws.call("iam", "get_role", RoleName=name)["Role"]
    except AwsError as error:
        if error.code == "NoSuchEntity":
            yield make_finding("role.missing", name=name, account=run.endpoint.account)
        else:
            yield not_seen("role", f"Role {name}", error)
        return
    if role["Arn"] != run.role_arn:
        yield make_finding("role.arn", name=name, own=role["Arn"], given=run.role_arn)
    here, policy = run.endpoint, role["AssumeRolePolicyDocument"]
    verdict, why = judge_trust(policy, account=here.account, region=here.region)
    yield make_finding(f"trust.{verdict}", name=name, here=here, why=why)


def _check_permissions(arns: Arns) -> Iterator[Finding]:
    run = arns.run
    read = [arns.in_s3(f"{uri}1-0001.jsonl") for uri in arns.own_uris]
    written = arns.in_s3(f"{run.s3_prefix}output/abcdefghijkl/1-0001.jsonl.out")
    asked: list[tuple[list[str], list[str]]] = [
        (["s3:ListBucket"], arns.buckets),
        (["s3:GetObject"], read),
        (["s3:PutObject"], [written]),
    ]
    if arns.is_profile:
        asked.append((["bedrock:InvokeModel"], arns.models))
    if run.job_options.get("kms_key_id"):
        asked.append((["kms:Decrypt", "kms:GenerateDataKey"], [arns.key]))
    owner = run.job_options.get("bucket_owner") or run.endpoint.account
    yield from _simulate("permissions", "the role", run.role_arn, asked, ("aws:ResourceAccount", owner))


def _check_caller(arns: Arns) -> Iterator[Finding]:
    run = arns.run
    try:
        arn = aws.call("sts", "get_caller_identity")["Arn"]
        kind, _, path = arn.split(":", 5)[5].partition("/")
        if kind == "assumed-role":
            arn = aws.call("iam", "get_role", RoleName=path.split("/")[0])["Role"]["Arn"]
    except AwsError as error:
        yield not_seen("caller", "What you may do", error)
        return
    if kind in ("root", "federated-user"):
        yield Finding("unknown", "caller", f"What {arn} may do cannot be simulated.")
        return
    asked = [(["iam:PassRole"], [run.role_arn]), (["bedrock:CreateModelInvocationJob"], arns.models)]
    yield from _simulate("caller", "you", arn, asked, ("iam:PassedToService", SERVICE))


def _simulate(
    rule: str, who: str, arn: str, asked: list[tuple[list[str], list[str]]], context: tuple[str, str]
) -> Iterator[Finding]:
    key, value = context
    entry = {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
    for actions, resources in asked:
        request: dict[str, Any] = {"PolicySourceArn": arn, "ActionNames": actions, "ResourceArns": resources}
        pages = aws.iter_pages("iam", "simulate_principal_policy", **request, ContextEntries=[entry])
        try:
            results = [item for page in pages for item in page["EvaluationResults"]]
        except AwsError as error:
            yield not_seen(rule, f"Whether {who} may {', '.join(actions)}", error)
        else:
            yield from judge_simulation(rule, who, results)


def judge_simulation(rule: str, who: str, results: list[Mapping[str, Any]]) -> Iterator[Finding]:
    """Make findings of what IAM's policy simulator said."""
    # It sees neither bucket policies nor key policies, and service control policies only in part
    # (https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html).
    decisions = list(_iter_decisions(results))
    denied = [each for each in decisions if each[2] != "allowed"]
    for action, resource, decision, missing in denied:
        if decision == "implicitDeny" and missing:
            text, how = ".depends", ", ".join(missing)
        elif decision == "implicitDeny" and "*" in resource:
            # Not known by name: what is allowed by its name is not allowed by the pattern.
            text, how = ".which", ""
        else:
            is_denied, lacks = ("are denied", "lack") if who == "you" else ("is denied", "lacks")
            text, how = ".denied", is_denied if decision == "explicitDeny" else lacks
        of = {"who": who, "Who": who.capitalize(), "action": action, "resource": resource}
        yield make_finding(text, rule=rule, how=how, **of)
    if decisions and not denied:
        names = ", ".join(dict.fromkeys(action for action, *_ in decisions))
        yield make_finding(".allowed", rule=rule, Who=who.capitalize(), names=names)


def _iter_decisions(results: list[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, list[str]]]:
    """One decision for each action and resource; a result has only the most restrictive one of several."""
    for result in results:
        action, decisions = result["EvalActionName"], []
        for item in result.get("ResourceSpecificResults") or ():
            decisions.append(item["EvalResourceDecision"])
            yield action, item["EvalResourceName"], decisions[-1], item.get("MissingContextValues") or []
        if result["EvalDecision"] not in decisions:
            resource = result.get("EvalResourceName", "the resources asked for")
            yield action, resource, result["EvalDecision"], result.get("MissingContextValues") or []


_JUDGED = {
    ("Deny", "met"): "denied",
    ("Deny", "unknown"): "unknown",
    ("Allow", "met"): "allowed",
    ("Allow", "unknown"): "unknown",
}
"""What a trust policy comes to, by the first of these that a statement of it is."""


def judge_trust(document: Mapping[str, Any], *, account: str, region: str) -> tuple[str, str]:
    """Judge whether a trust policy lets Bedrock assume the role for batch jobs of an account and region."""
    jobs = f"arn:{partition_of(region)}:bedrock:{region}:{account}:model-invocation-job"
    request = {"aws:sourceaccount": account, "aws:sourcearn": f"{jobs}/abcdefghijkl"}
    found: dict[tuple[str, str], str] = {}
    for statement in _listed(document.get("Statement")):
        named = _names_bedrock(statement)
        if named is False:
            continue
        effect = "Deny" if statement.get("Effect") == "Deny" else "Allow"
        verdict, why = _judge_conditions(statement.get("Condition") or {}, request)
        if verdict == "met" and named is None:
            verdict, why = "unknown", f"a statement with {effect} says whom or what it does not mean"
        found.setdefault((effect, verdict), why or f"a {effect} statement holds")
    for key, judged in _JUDGED.items():
        if key in found:
            return judged, "" if judged == "allowed" else found[key]
    nobody = f"no statement names the service {SERVICE} with sts:AssumeRole"
    return "denied", found.get(("Allow", "failed"), nobody)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _names_bedrock(statement: Mapping[str, Any]) -> bool | None:
    """Tell whether a statement is about Bedrock assuming the role; None where it names what it is not for."""
    principal = statement.get("Principal", {})
    # Anyone is written in two ways.
    principals = {"AWS": "*"} if principal == "*" else principal
    named = [*_listed(principals.get("Service")), *_listed(principals.get("AWS"))]
    actions = [str(action).lower() for action in _listed(statement.get("Action"))]
    whom = "NotPrincipal" in statement or bool({"*", SERVICE} & set(named))
    what = "NotAction" in statement or any(fnmatch.fnmatchcase("sts:assumerole", item) for item in actions)
    return (None if statement.keys() & {"NotPrincipal", "NotAction"} else True) if whom and what else False


def _judge_conditions(conditions: Mapping[str, Any], request: Mapping[str, str]) -> tuple[str, str]:
    """Tell whether all conditions are met, one is not, or one cannot be judged."""
    unknown = ""
    for operator, tests in conditions.items():
        for key, accepted in tests.items():
            value, values = request.get(key.lower()), [str(item) for item in _listed(accepted)]
            met = None if value is None else _is_met(operator, value, values)
            if met is None:
                unknown = unknown or f"its condition {operator} on {key} cannot be judged from here"
            elif not met:
                return "failed", f"{key} must be {', '.join(values)}, and is {value}"
    return ("unknown", unknown) if unknown else ("met", "")


def _is_met(operator: str, value: str, accepted: Sequence[str]) -> bool | None:
    """Judge one test as IAM does; None for an operator not known here."""
    name = (
        operator.lower().removeprefix("forallvalues:").removeprefix("foranyvalue:").removesuffix("ifexists")
    )
    test = _TESTS.get(name.replace("not", "", 1))
    return None if test is None else any(test(value, item) for item in accepted) != ("not" in name)


def _matches(value: str, pattern: str) -> bool:
    """Match ``*`` and ``?`` as IAM does, where brackets mean themselves."""
    return fnmatch.fnmatchcase(value, pattern.replace("[", "[[]"))


def _matches_arn(value: str, pattern: str) -> bool:
    """Match each of the six parts of an ARN by itself, as IAM does."""
    values, patterns = value.split(":", 5), pattern.split(":", 5)
    if len(patterns) != 6:
        return pattern == "*"
    return all(_matches(*pair) for pair in zip(values, patterns, strict=True))


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "stringequals": str.__eq__,
    "stringequalsignorecase": lambda value, item: value.lower() == item.lower(),
    "stringlike": _matches,
    "arnequals": _matches_arn,
    "arnlike": _matches_arn,
}
