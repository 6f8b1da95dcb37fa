"""Records: built from rows and a template, written as lines, read back from files that anyone made.

Rows become records, an id and a body each (`building`, `templates`); a record becomes a line of input
(`lines`). Lines are staged in one file, which is split into input files within the quotas (`splitting`).
Records that other code wrote are found and read in bounded memory (`input_sets`, `lines`). `tokens` estimates
what records come to in tokens, from chunks of their text.
"""

from bbkit.records.input_sets import record_files as record_files
from bbkit.records.lines import (
    Records as Records,
    as_records as as_records,
    hash_record as hash_record,
    input_line as input_line,
    iter_record_ids as iter_record_ids,
    number_ids as number_ids,
    read_records as read_records,
)
