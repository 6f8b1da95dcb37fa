"""Records: built from rows and a template, written as lines, read back from files that anyone made.

Rows become records, an id and a body each (`building`, `templates`); a record becomes a line of input
(`lines`). Lines are staged in one file (`staging`), which is split into input files within the quotas
(`splitting`). Records that other code wrote are found and read in bounded memory (`input_sets`, `lines`).
`tokens` estimates what records come to in tokens, from `chunks` of their text.
"""

from bbkit.records.building import build_records, number_rows, read_prompt
from bbkit.records.input_sets import record_files
from bbkit.records.lines import Records, input_line, iter_record_ids, read_records
from bbkit.records.splitting import plan_split
from bbkit.records.staging import InputFile, Staged, split_staged, stage
from bbkit.records.tokens import TokenEstimate, estimate_tokens

__all__ = [
    "InputFile",
    "Records",
    "Staged",
    "TokenEstimate",
    "build_records",
    "estimate_tokens",
    "input_line",
    "iter_record_ids",
    "number_rows",
    "plan_split",
    "read_prompt",
    "read_records",
    "record_files",
    "split_staged",
    "stage",
]
