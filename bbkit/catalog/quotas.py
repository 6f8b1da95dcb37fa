"""What a batch job may hold: dated defaults, and the account's own values from Service Quotas."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from bbkit import aws
from bbkit.catalog.names import model_keys, name_keys
from bbkit.core.errors import AwsError, CredentialsError, InputError
from bbkit.core.files import read_data
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
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name} is {value!r}; it takes a whole number of at least 1.")
        if self.min_records_per_job > self.max_records_per_job:
            raise InputError(
                f"min_records_per_job is {self.min_records_per_job:,}, above max_records_per_job, "
                f"{self.max_records_per_job:,}: no job could satisfy both."
            )

    @classmethod
    def defaults(cls, model_id: str = "") -> "Quotas":
        """The dated default values.

        Parameters
        ----------
        model_id : str
            A model id, profile id or ARN; "" for what holds for most models.

        Returns
        -------
        Quotas
            With a note that names their date.
        """
        values = dict(read_data("quotas")["defaults"])
        values |= read_data("quotas")["models"].get(bare_model_id(model_id), {})
        if ":custom-model/" in model_id:
            values |= read_data("quotas")["custom_model"]
        return cls(**values, model_id=model_id)

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
            found = match_quotas(aws.iter_quotas("bedrock"), model_id)
        except (AwsError, CredentialsError) as error:
            return _noted(default, {}, f"{default.note}; Service Quotas could not be read ({error})")
        if not found:
            return _noted(
                default, {}, f"{default.note}; Service Quotas names none of the batch quotas of this model"
            )
        left = [name for name in QUOTA_NAMES if name not in found]
        note = "Service Quotas of this account"
        if left:
            note += f"; {default.note}, for {', '.join(left)}"
        return _noted(default, found, note)


QUOTA_NAMES = tuple(item.name for item in fields(Quotas) if item.name not in ("model_id", "note"))


def _noted(quotas: Quotas, found: Mapping[str, int], note: str) -> Quotas:
    return Quotas(**(asdict(quotas) | dict(found) | {"note": note}))


def match_quotas(quotas: Iterable[Mapping[str, Any]], model_id: str) -> dict[str, int]:
    """Pick one model's batch quotas out of a listing of Service Quotas; a later value wins."""
    custom = ":custom-model/" in model_id
    wanted = model_keys(model_id)
    found: dict[str, int] = {}
    for quota in quotas:
        for name, model in _split_name(str(quota.get("QuotaName", ""))):
            if not name_keys(model) & wanted:
                continue
            value = float(quota["Value"])
            if name.endswith("_bytes"):
                found[name] = int(value * _GB)
            elif name == ("max_jobs_custom" if custom else "max_jobs"):
                found["max_jobs"] = int(value)
            elif not name.startswith("max_jobs"):
                found[name] = int(value)
    return {name: value for name, value in found.items() if value >= 1}


def _split_name(quota_name: str) -> Iterator[tuple[str, str]]:
    """The field a quota's name speaks of and the words left over, which name the model."""
    text = " ".join(re.sub(r"\(in gb\)", " ", quota_name, flags=re.IGNORECASE).split())
    for name, phrase in sorted(read_data("quotas")["names"].items(), key=lambda item: -len(item[1])):
        if text.lower().startswith(phrase):
            yield name, text[len(phrase) :].strip().removeprefix("for ")
            return
