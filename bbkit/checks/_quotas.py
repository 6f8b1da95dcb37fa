"""Counts and sizes against the quotas of a job.

https://docs.aws.amazon.com/general/latest/gr/bedrock.html
"""

from bbkit.catalog.quotas import Quotas
from bbkit.checks._groups import Groups
from bbkit.core.findings import Finding

SMALLER = "Make the record smaller."
_SPLIT = "write_records splits it; a job that is given it as it is fails."


def file_limit(quotas: Quotas) -> str:
    """Say how large an input file may be."""
    return f"a whole input file takes at most {quotas.max_file_bytes:,} ({quotas.note})"


def check_file(groups: Groups, name: str, records: int, size: int, quotas: Quotas) -> None:
    """Add what one input file has too much of."""
    if records > quotas.max_records_per_file:
        _too_much(
            groups,
            "max_records_per_file",
            f"{name} has {records:,} records; an input file takes at most "
            f"{quotas.max_records_per_file:,} ({quotas.note}).",
            name,
        )
    if size > quotas.max_file_bytes:
        _too_much(
            groups,
            "max_file_bytes",
            f"{name} has {size:,} bytes; an input file takes at most "
            f"{quotas.max_file_bytes:,} ({quotas.note}).",
            name,
        )


def check_job(groups: Groups, model_id: str, records: int, size: int, quotas: Quotas, *, whole: bool) -> None:
    """Add what a job of all the records lacks or has too much of."""
    if not records:
        groups.add_whole(Finding("error", "no_records", "There is no record.", "Give at least one record."))
    elif records < quotas.min_records_per_job:
        found = (
            f"{records:,} record{'s' * (records > 1)} for {model_id}; a batch job takes at least "
            f"{quotas.min_records_per_job:,} ({quotas.note})."
        )
        groups.add_whole(
            Finding("error", "min_records_per_job", found, "Add records, or send them on demand.")
        )
    if not whole:
        return
    if records > quotas.max_records_per_job:
        _too_much(
            groups,
            "max_records_per_job",
            f"{records:,} records for {model_id}; a batch job takes at most "
            f"{quotas.max_records_per_job:,} ({quotas.note}).",
        )
    if size > quotas.max_job_bytes:
        _too_much(
            groups,
            "max_job_bytes",
            f"{size:,} bytes for {model_id}; the input files of a batch job take at "
            f"most {quotas.max_job_bytes:,} ({quotas.note}).",
        )


def _too_much(groups: Groups, rule: str, finding: str, file: str = "") -> None:
    groups.add_whole(Finding("warning", rule, finding, _SPLIT, file=file))
