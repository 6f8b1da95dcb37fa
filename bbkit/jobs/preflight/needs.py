"""What a run needs: the ARNs of its jobs, model, places and key; the dated policies about them."""

from functools import cached_property
from typing import Any

from bbkit import aws
from bbkit.core.errors import AwsError, CredentialsError
from bbkit.core.files import fill_in, read_data
from bbkit.core.findings import Finding, make_finding
from bbkit.families import bare_model_id, split_model_id, tells_model
from bbkit.run import Run, RunSnapshot
from bbkit.run.journal import TERMINAL

SERVICE = "bedrock.amazonaws.com"
DENIED = ("AccessDenied", "AccessDeniedException", "403", "Forbidden")


def partition_of(region: str) -> str:
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")


class Arns:
    """What one run needs, for one call: its files are read and its inference profile is asked for once."""

    def __init__(self, run: Run):
        self.run = run
        self.partition = partition_of(run.endpoint.region)
        self.files = run.record_files()
        self.media = sorted({file.media for file in self.files if file.media})
        self.own_uris = [f"{run.s3_prefix}input/", *(f"{folder}{run.label}-" for folder in self.media)]
        self.jobs = self.here("bedrock", "model-invocation-job/*")
        self._kind, self._geography, self._bare = split_model_id(run.model_id)

    def here(self, service: str, name: str) -> str:
        return f"arn:{self.partition}:{service}:{self.run.endpoint.region}:{self.run.endpoint.account}:{name}"

    def in_s3(self, uri: str) -> str:
        return f"arn:{self.partition}:s3:::{uri.removeprefix('s3://')}"

    @property
    def buckets(self) -> list[str]:
        """The run's bucket and those of its media."""
        uris = [self.run.s3_prefix, *self.media]
        return list(dict.fromkeys(self.in_s3(aws.split_s3_uri(uri)[0]) for uri in uris))

    @property
    def is_profile(self) -> bool:
        """Whether the model is an inference profile, which the role must be allowed to invoke."""
        return bool(self._geography) or self._kind == "application-inference-profile"

    @cached_property
    def routed(self) -> list[str] | AwsError | CredentialsError:
        """The models an inference profile routes to, or why they are not known."""
        try:
            profile = aws.call(
                "bedrock", "get_inference_profile", inferenceProfileIdentifier=self.run.model_id
            )
        except (AwsError, CredentialsError) as error:
            return error
        return sorted(model["modelArn"] for model in profile["models"])

    @cached_property
    def model(self) -> str:
        """The foundation model that the jobs end at; empty where nobody says it, and of custom models."""
        if self._kind == "application-inference-profile" and isinstance(self.routed, list):
            return bare_model_id(self.routed[0])
        if self._kind.startswith("custom-model"):
            return ""
        return bare_model_id(self.run.model) or (self._bare if tells_model(self.run.model_id) else "")

    @cached_property
    def models(self) -> list[str]:
        """Everything a job of this run invokes: the profile, and the model in every region it routes to."""
        model_id, geography, bare = self.run.model_id, self._geography, self._bare
        base, here = f"arn:{self.partition}:bedrock", self.run.endpoint.region
        if not self.is_profile or self._kind.startswith("custom-model"):
            return [
                model_id if model_id.startswith("arn:") else f"{base}:{here}::foundation-model/{model_id}"
            ]
        routed = self.routed if isinstance(self.routed, list) else []
        if self._kind == "application-inference-profile":
            return [model_id, *(routed or [f"{base}:*::foundation-model/*"])]
        area = read_data("policies")["areas"].get(geography, "*")
        guessed = [f"{base}:{region}::foundation-model/{bare}" for region in (here, area)]
        # A global profile also authorizes against an ARN without a region.
        everywhere = [f"{base}:::foundation-model/{bare}"] if geography == "global" else []
        profile = self.here("bedrock", f"inference-profile/{geography}.{bare}")
        return [profile, *(routed or guessed), *everywhere]

    @property
    def key(self) -> str:
        key: str = self.run.job_options.get("kms_key_id", "")
        if key.startswith("arn:") and ":alias/" not in key:
            return key
        return self.here("kms", "key/*" if "alias/" in key else f"key/{key}")


def caller_arns() -> list[str]:
    """Name whoever calls now, as IAM's policies do."""
    try:
        arn = aws.call("sts", "get_caller_identity")["Arn"]
    except (AwsError, CredentialsError):
        return []
    _, partition, _, _, account, name = arn.split(":", 5)
    kind, _, path = name.partition("/")
    base = f"arn:{partition}:iam::{account}"
    if kind == "user":
        return [f"{base}:{name}"]
    role = path.split("/")[0]
    return [f"{base}:role/{role}", f"{base}:role/*/{role}"] if kind == "assumed-role" else []


def policies_for(run: Run) -> dict[str, dict[str, Any]]:
    """Write the least-privilege policies for exactly this run."""
    needs, policies = _needs_of(Arns(run)), {}
    for name in ("trust", "role", "caller"):
        filled = (fill_in(statement, needs) for statement in read_data("policies")[name])
        statements = [statement for statement in filled if statement.get("Resource", "*")]
        policies[name] = {"Version": "2012-10-17", "Statement": statements}
    return policies


def events_for(run: Run) -> dict[str, Any]:
    """Write the pattern of EventBridge's rule for the ends of this run's jobs, and its SNS topic's policy."""
    prefix = f"{run.label}-"
    adopted = [name for name in RunSnapshot.read(run).table()["job_name"] if not name.startswith(prefix)]
    needs = {
        "label": run.label,
        "names": [{"prefix": prefix}, *adopted],
        "terminal": list(TERMINAL),
        "topic": Arns(run).here("sns", run.label.replace(".", "-")),
    }
    filled: dict[str, Any] = fill_in(read_data("policies")["events"], needs)
    return filled


def not_seen(rule: str, what: str, error: AwsError) -> Finding:
    """Make the finding that something could not be looked at."""
    text = ".not_seen_denied" if error.code in DENIED else ".not_seen"
    return make_finding(text, rule=rule, what=what, error=error)


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
