"""Will Bedrock take these records, and the model these bodies? Asked before anything is sent or paid for.

A batch job does not validate `modelInput`: one whose bodies are all wrong runs to its end and holds nothing.
"""

from bbkit.checks._media import iter_places
from bbkit.checks._names import check_arn, check_job_name, check_s3_uri
from bbkit.checks._records import RecordCheck
from bbkit.checks._sources import check_lines, check_records
from bbkit.core.files import read_data

__all__ = [
    "RULES",
    "RecordCheck",
    "check_arn",
    "check_job_name",
    "check_lines",
    "check_records",
    "check_s3_uri",
    "iter_places",
]

RULES = read_data("findings")["check_records"]
"""The rules of `check_records`, which ``allow=`` takes by name: severities, meaning and remedy of each."""
