"""Who may do what: the role of a run, its trust and permissions, the caller's.

Never tried on a real account; the parsing is held against moto's IAM.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bbkit import aws
from bbkit.core.errors import AwsError
from bbkit.core.findings import Finding
from bbkit.jobs.preflight.arns import bucket_arns, key_arn, model_arns, needs_invoke, own_uris, s3_arn
from bbkit.jobs.preflight.policies import SERVICE
from bbkit.jobs.preflight.trusts import judge_trust
from bbkit.jobs.preflight.wordings import POLICIES, not_seen
from bbkit.run import Run


def look_at_identity(run: Run) -> Iterator[Finding]:
    """Look at the role, its trust, its permissions, and at the caller's."""
    theirs, ours = run.role_arn.split(":")[4], run.endpoint.account
    if theirs != ours:
        yield Finding(
            "error", "role", f"Role {run.role_arn} is of account {theirs or 'none'}, the jobs run in {ours}.",
            f"Use a role of account {ours}; set it with run.change(role_arn=...).",
        )  # fmt: skip
        return
    if run.endpoint.is_standin:
        yield Finding(
            "info", "role", "A stand-in has no IAM, KMS or VPC: policies, keys, networks are not looked at.",
            "They matter on AWS only; run this again there.",
        )  # fmt: skip
        return
    yield from _look_at_role(run)
    yield from _look_at_permissions(run)
    yield from _look_at_caller(run)


def _look_at_role(run: Run) -> Iterator[Finding]:
    name = run.role_arn.rpartition("/")[2]
    try:
        with aws.translated():
            role = aws.client("iam").get_role(RoleName=name)["Role"]
    except AwsError as error:
        if error.code == "NoSuchEntity":
            yield Finding(
                "error", "role", f"There is no role {name} in account {run.endpoint.account}.",
                f"Make it; {POLICIES} Then set it with run.change(role_arn=...).",
            )  # fmt: skip
        else:
            yield not_seen("role", f"Role {name}", error)
        return
    if role["Arn"] != run.role_arn:
        yield Finding(
            "error", "role", f"Role {name} has the ARN {role['Arn']}, not {run.role_arn}.",
            "Set it with run.change(role_arn=...).",
        )  # fmt: skip
    verdict, why = judge_trust(
        role["AssumeRolePolicyDocument"], account=run.endpoint.account, region=run.endpoint.region
    )
    if verdict == "allowed":
        yield Finding("info", "trust", f"Role {name} trusts Bedrock for batch jobs here.")
    elif verdict == "denied":
        yield Finding(
            "error", "trust",
            f"Role {name} does not trust Bedrock for batch jobs of account {run.endpoint.account} in "
            f"{run.endpoint.region}: {why}.", f"Change its trust policy; {POLICIES}",
        )  # fmt: skip
    else:
        yield Finding("unknown", "trust", f"Whether role {name} trusts Bedrock is not known: {why}.")


def _look_at_permissions(run: Run) -> Iterator[Finding]:
    read = [s3_arn(run, f"{uri}1-0001.jsonl") for uri in own_uris(run)]
    written = s3_arn(run, f"{run.s3_prefix}output/abcdefghijkl/1-0001.jsonl.out")
    asked: list[tuple[list[str], list[str]]] = [
        (["s3:ListBucket"], bucket_arns(run)),
        (["s3:GetObject"], read),
        (["s3:PutObject"], [written]),
    ]
    if needs_invoke(run):
        asked.append((["bedrock:InvokeModel"], model_arns(run)))
    if run.job_options.get("kms_key_id"):
        asked.append((["kms:Decrypt", "kms:GenerateDataKey"], [key_arn(run)]))
    owner = run.job_options.get("bucket_owner") or run.endpoint.account
    yield from _simulate("permissions", "the role", run.role_arn, asked, {"aws:ResourceAccount": owner})


def _look_at_caller(run: Run) -> Iterator[Finding]:
    try:
        with aws.translated():
            arn = aws.client("sts").get_caller_identity()["Arn"]
            kind, _, rest = arn.split(":", 5)[5].partition("/")
            if kind == "assumed-role":
                arn = aws.client("iam").get_role(RoleName=rest.split("/")[0])["Role"]["Arn"]
    except AwsError as error:
        yield not_seen("caller", "What you may do", error)
        return
    if kind in ("root", "federated-user"):
        yield Finding("unknown", "caller", f"What {arn} may do cannot be simulated.")
        return
    asked = [(["iam:PassRole"], [run.role_arn]), (["bedrock:CreateModelInvocationJob"], model_arns(run))]
    yield from _simulate("caller", "you", arn, asked, {"iam:PassedToService": SERVICE})


def _simulate(
    rule: str, who: str, arn: str, asked: list[tuple[list[str], list[str]]], context: Mapping[str, str]
) -> Iterator[Finding]:
    entries = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in context.items()
    ]
    for actions, resources in asked:
        try:
            with aws.translated():
                pages = aws.client("iam").get_paginator("simulate_principal_policy")
                results = [
                    result
                    for page in pages.paginate(
                        PolicySourceArn=arn,
                        ActionNames=actions,
                        ResourceArns=resources,
                        ContextEntries=entries,
                    )
                    for result in page["EvaluationResults"]
                ]
        except AwsError as error:
            yield not_seen(rule, f"Whether {who} may {', '.join(actions)}", error)
            continue
        yield from judge_simulation(rule, who, results)


def judge_simulation(rule: str, who: str, results: list[Mapping[str, Any]]) -> Iterator[Finding]:
    """Make findings of what IAM's policy simulator said.

    It sees neither bucket policies nor key policies, and service control policies only in part
    (https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html).
    """
    allowed, judged = [], 0
    for action, resource, decision, missing in _iter_decisions(results):
        judged += 1
        if decision == "allowed":
            allowed.append(action)
        elif decision == "implicitDeny" and missing:
            yield Finding(
                "unknown", rule, f"Whether {who} may {action} on {resource} depends on {', '.join(missing)}.",
            )  # fmt: skip
        elif decision == "implicitDeny" and "*" in resource:
            # Not known by name: what is allowed by its name is not allowed by the pattern.
            yield Finding("unknown", rule, f"Which of {resource} {who} may {action} is not known.", POLICIES)
        else:
            how = "is denied" if decision == "explicitDeny" else "lacks"
            subject = {"you": "You are denied" if how == "is denied" else "You lack"}.get(
                who, f"{who.capitalize()} {how}"
            )
            yield Finding("error", rule, f"{subject} {action} on {resource}.", f"Allow it; {POLICIES}")
    if allowed and len(allowed) == judged:
        names = ", ".join(dict.fromkeys(allowed))
        yield Finding("info", rule, f"{who.capitalize()} may {names}, as far as IAM's simulator sees.")


def _iter_decisions(results: list[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, list[str]]]:
    """One decision for each action and resource: with several resources, the result itself has only the
    most restrictive decision of all.
    """
    for result in results:
        action, decisions = result["EvalActionName"], []
        for item in result.get("ResourceSpecificResults") or ():
            decisions.append(item["EvalResourceDecision"])
            yield action, item["EvalResourceName"], decisions[-1], item.get("MissingContextValues") or []
        if result["EvalDecision"] not in decisions:
            resource = result.get("EvalResourceName", "the resources asked for")
            yield action, resource, result["EvalDecision"], result.get("MissingContextValues") or []
