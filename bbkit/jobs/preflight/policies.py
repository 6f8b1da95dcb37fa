"""The least-privilege IAM policies of a run: the dated ones of ``policies.json``, about what it needs."""

from typing import Any

from bbkit.core.errors import AwsError
from bbkit.core.files import read_data
from bbkit.core.findings import Finding, make_finding
from bbkit.families import split_model_id
from bbkit.jobs.preflight.arns import Arns, caller_arns
from bbkit.run import Run

SERVICE = "bedrock.amazonaws.com"
DENIED = ("AccessDenied", "AccessDeniedException", "403", "Forbidden")


def policies_for(run: Run) -> dict[str, dict[str, Any]]:
    """Write the least-privilege policies for exactly this run."""
    needs, policies = _needs_of(Arns(run)), {}
    for name in ("trust", "role", "caller"):
        filled = (_fill(statement, needs) for statement in read_data("policies")[name])
        statements = [statement for statement in filled if statement.get("Resource", "*")]
        policies[name] = {"Version": "2012-10-17", "Statement": statements}
    return policies


def not_seen(rule: str, what: str, error: AwsError) -> Finding:
    """Make the finding that something could not be looked at."""
    text = ".not_seen_denied" if error.code in DENIED else ".not_seen"
    return make_finding(text, rule=rule, what=what, error=error)


def _fill(value: Any, needs: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _fill(item, needs) for name, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, needs) for item in value]
    return needs[value[1:-1]] if value.startswith("{") else value


def _needs_of(arns: Arns) -> dict[str, Any]:
    """What the names in the policies stand for; empty where a run needs none."""
    run, options = arns.run, arns.run.job_options
    outputs, vpc = f"{run.s3_prefix}output/", options.get("vpc_config") or {}
    others = arns.media + ([run.output_uri(run.adopted["job_arn"])] if run.adopted else [])
    kinds = (("subnet", "subnetIds"), ("security-group", "securityGroupIds"))
    return {
        "account": run.endpoint.account,
        "owner": options.get("bucket_owner") or run.endpoint.account,
        "jobs": arns.jobs,
        "jobs_and_models": sorted({arns.jobs, *arns.models}),
        "profile": arns.models if arns.is_profile else [],
        "on_demand": [] if split_model_id(run.model_id)[0].startswith("custom") else arns.models,
        "role": run.role_arn,
        "role_and_self": list(dict.fromkeys([run.role_arn, *caller_arns()])),
        "buckets": arns.buckets,
        "inputs": [arns.in_s3(f"{uri}*") for uri in (f"{run.s3_prefix}input/", *arns.media)],
        "outputs": arns.in_s3(f"{outputs}*"),
        "own": [arns.in_s3(f"{uri}*") for uri in (*arns.own_uris, outputs)],
        "others": [arns.in_s3(f"{uri}*") for uri in others],
        "key": arns.key if options.get("kms_key_id") else "",
        "any_network": "*" if vpc else "",
        "interfaces": arns.here("ec2", "network-interface/*") if vpc else "",
        "network": [arns.here("ec2", f"{kind}/{one}") for kind, ids in kinds for one in vpc.get(ids, ())],
    }
