"""What a batch job may hold: dated defaults, and the account's own values from Service Quotas."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from bbkit import aws
from bbkit.catalog.models import model_keys, name_keys
from bbkit.core.errors import AwsError, CredentialsError, InputError, validate_number
from bbkit.core.files import own_catalog, read_catalog, read_data
from bbkit.families import bare_model_id

_GB = 10**9


def _default(name: str) -> Any:
    return field(default_factory=lambda: read_data("quotas")["defaults"][name])


@dataclass(frozen=True)
class Quotas:
    """The quotas of one model in one account and region.

    Parameters
    ----------
    min_records_per_job, max_records_per_job : int
        Records in all the input files of a job.
    max_records_per_file : int
        Records in one input file.
    max_file_bytes, max_job_bytes : int
        Bytes of one input file and of all the input files of a job; a GB is 10^9 bytes.
    max_jobs : int
        Jobs in progress or submitted at one time; what is beyond it waits in the run's queue.
    model_id : str
        The model they belong to; "" for any.
    note : str
        Where the values come from, in one sentence.

    Raises
    ------
    bbkit.core.errors.InputError
        A quota that is not a whole number of at least 1, or a minimum above its maximum.

    Notes
    -----
    Defaults: https://docs.aws.amazon.com/general/latest/gr/bedrock.html, of the date in `note`.
    """

    min_records_per_job: int = _default("min_records_per_job")
    max_records_per_job: int = _default("max_records_per_job")
    max_records_per_file: int = _default("max_records_per_file")
    max_file_bytes: int = _default("max_file_bytes")
    max_job_bytes: int = _default("max_job_bytes")
    max_jobs: int = _default("max_jobs")
    model_id: str = ""
    note: str = field(default_factory=lambda: f"AWS default quota, {read_data('quotas')['date']}")

    def __post_init__(self) -> None:
        for name in QUOTA_NAMES:
            what = "It takes a whole number of at least 1; leave it out for AWS's default."
            validate_number(getattr(self, name), name, least=1, whole=True, what=what)
        if self.min_records_per_job > self.max_records_per_job:
            raise InputError(
                f"min_records_per_job is {self.min_records_per_job:,}, above max_records_per_job, "
                f"{self.max_records_per_job:,}: no job could satisfy both."
            )

    @classmethod
    def defaults(cls, model_id: str = "") -> "Quotas":
        """The dated default values of a model id, profile id or ARN; of "" what holds for most models."""
        data = read_catalog("quotas", *own_catalog())
        custom = data["custom_model"] if ":custom-model/" in model_id else {}
        return cls(model_id=model_id, **(data["models"].get(bare_model_id(model_id), {}) | custom))

    @classmethod
    def read(cls, model_id: str) -> "Quotas":
        """The account's own values, from Service Quotas in the region of the client.

        Where there are no credentials, the account may not list its quotas, or they do not name the model,
        the defaults stand and `note` says so.

        Parameters
        ----------
        model_id : str
            A model id, profile id or ARN.

        Returns
        -------
        Quotas
            With a note that says which values were read.

        Notes
        -----
        Needs ``servicequotas:ListServiceQuotas`` and ``servicequotas:ListAWSDefaultServiceQuotas``.
        https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
        """
        default = cls.defaults(model_id)
        try:
            applied: dict[str, Any] = dict(match_quotas(aws.iter_quotas(), model_id))
        except (AwsError, CredentialsError) as error:
            return replace(default, note=f"{default.note}; Service Quotas could not be read ({error})")
        note = "Service Quotas of this account"
        if not applied:
            note = f"{default.note}; Service Quotas names none of the batch quotas of this model"
        elif missing := [name for name in QUOTA_NAMES if name not in applied]:
            note += f"; {default.note}, for {', '.join(missing)}"
        return replace(default, note=note, **applied)


QUOTA_NAMES = tuple(item.name for item in fields(Quotas) if item.name not in ("model_id", "note"))


def match_quotas(quotas: Iterable[Mapping[str, Any]], model_id: str) -> dict[str, int]:
    """Pick one model's batch quotas out of a listing of Service Quotas; a later value wins."""
    custom = ":custom-model/" in model_id
    wanted = model_keys(model_id)
    phrases = read_data("quotas")["names"].items()
    longest = sorted(phrases, key=lambda item: -len(item[1]))  # some begin as others do
    values: dict[str, float] = {}
    for quota in quotas:
        text = " ".join(
            re.sub(r"\(in gb\)", " ", str(quota.get("QuotaName", "")), flags=re.IGNORECASE).split()
        )
        name, phrase = next((item for item in longest if text.lower().startswith(item[1])), ("", ""))
        model = text[len(phrase) :].strip().removeprefix("for ")
        if name and name_keys(model) & wanted:
            values[name] = float(quota["Value"]) * (_GB if name.endswith("_bytes") else 1)
    own, other = ("max_jobs_custom", "max_jobs") if custom else ("max_jobs", "max_jobs_custom")
    values.pop(other, None)
    if own in values:
        values["max_jobs"] = values.pop(own)
    return {name: int(value) for name, value in values.items() if int(value) >= 1}
