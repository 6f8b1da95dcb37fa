"""Will Bedrock take these records, and the model these bodies? Asked before anything is sent or paid for.

A batch job does not validate `modelInput`: one whose bodies are all wrong runs to its end and holds nothing.
Records flow from memory or `files` line by line through `RecordCheck` (`records`): JSON, id and members
(`lines`), then the body (`bodies`), which a type made of its family's description accepts in C
(`descriptions`) or which is walked for every fault (`walking`). A line that was checked is passed on, to be
staged and split. Findings that are alike become one.
"""

from bbkit.checks.files import check_lines as check_lines, check_records as check_records
from bbkit.checks.media import media_uris as media_uris
from bbkit.checks.records import RecordCheck as RecordCheck
from bbkit.core.files import read_data

RULES = read_data("findings")["check_records"]
"""The rules of `check_records`, which ``allow=`` takes by name: severities, meaning and remedy of each."""
