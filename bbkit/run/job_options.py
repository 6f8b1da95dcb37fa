"""What the jobs of a run are created with beside model, role and place."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bbkit.checks import check_arn
from bbkit.core.errors import InputError

JOB_OPTIONS = ("tags", "kms_key_id", "vpc_config", "timeout_hours", "bucket_owner")

_SOURCE = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelInvocationJob.html"
_TAG = re.compile(r"[a-zA-Z0-9\s._:/=+@-]*", re.ASCII)
_NETWORK = re.compile(r"[-0-9a-zA-Z]{1,32}")
_MOST_TAGS, _MOST_IN_NETWORK = 200, {"subnetIds": 16, "securityGroupIds": 5}


def plain_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the options of a run's jobs into the form that ``run.json`` keeps."""
    plain = dict(options)
    for name in ("tags", "vpc_config"):
        if not isinstance(plain.get(name) or {}, Mapping):
            raise InputError(f"{name} is {plain[name]!r}. It takes a mapping, such as a dict.")
        plain[name] = dict(plain.get(name) or {})
    _refuse_tags(plain["tags"])
    _refuse_network(plain["vpc_config"])
    plain["vpc_config"] = {name: list(ids) for name, ids in plain["vpc_config"].items()}
    hours = plain.get("timeout_hours", 24)
    if not (isinstance(hours, int) and 24 <= hours <= 168):
        raise InputError(f"timeout_hours is {hours!r}. A batch job takes whole hours from 24 to 168.")
    key, owner = plain.get("kms_key_id") or "", plain.get("bucket_owner") or ""
    if key and (wrong := check_arn("kms_key", key if isinstance(key, str) else repr(key))):
        raise InputError(f"kms_key_id: {wrong[0].finding} {wrong[0].remedy}")
    if owner and not (isinstance(owner, str) and re.fullmatch(r"[0-9]{12}", owner)):
        raise InputError(f"bucket_owner is {owner!r}. It is text, an account's 12 digits.")
    return plain


def _refuse_tags(tags: Mapping[Any, Any]) -> None:
    if len(tags) > _MOST_TAGS:
        raise InputError(f"tags has {len(tags)} tags; a job takes at most {_MOST_TAGS} ({_SOURCE}).")
    for key, value in tags.items():
        for noun, text, least, most in (("key", key, 1, 128), ("value", value, 0, 256)):
            if not (isinstance(text, str) and least <= len(text) <= most and _TAG.fullmatch(text)):
                raise InputError(
                    f"tags has the {noun} {text!r}; it takes text of {least} to {most} letters A-Z a-z, "
                    f"digits, spaces and . _ : / = + @ - ({_SOURCE})."
                )


def _refuse_network(vpc: Mapping[str, Any]) -> None:
    if not vpc:
        return
    if set(vpc) != set(_MOST_IN_NETWORK):
        raise InputError(
            f"vpc_config names {', '.join(map(str, vpc))}. It names subnetIds and securityGroupIds."
        )
    for name, most in _MOST_IN_NETWORK.items():
        ids = vpc[name]
        listed = isinstance(ids, Sequence) and not isinstance(ids, str) and 1 <= len(ids) <= most
        if not listed or not all(isinstance(item, str) and _NETWORK.fullmatch(item) for item in ids):
            raise InputError(
                f"vpc_config has {name} {ids!r}; it takes a list of 1 to {most} ids, each of at most "
                f"32 letters, digits and hyphens ({_SOURCE})."
            )
