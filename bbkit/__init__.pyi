# The public names and their rooms, for type checkers and for __init__.py, which imports each when it is used.

from bbkit import charts as charts, explorers as explorers
from bbkit.catalog.quotas import Quotas as Quotas
from bbkit.checks import check_records as check_records
from bbkit.core.parameters import check_parameters as check_parameters
from bbkit.core.text import split_names as split_names
from bbkit.costs import check_budget as check_budget, estimate_cost as estimate_cost
from bbkit.diagnostics import diagnose_outputs as diagnose_outputs
from bbkit.jobs import (
    list_jobs as list_jobs,
    stop_jobs as stop_jobs,
    submit_jobs as submit_jobs,
    wait_for_jobs as wait_for_jobs,
)
from bbkit.jobs.preflight import preflight as preflight
from bbkit.jobs.verification import verify_run as verify_run
from bbkit.jobs.watches import watch_jobs as watch_jobs
from bbkit.outputs import accounting as accounting, collect_outputs as collect_outputs
from bbkit.outputs.answers import parse_answers as parse_answers
from bbkit.outputs.costs import cost_of as cost_of
from bbkit.outputs.embeddings import (
    embedding_matrix as embedding_matrix,
    near_duplicates as near_duplicates,
    nearest_records as nearest_records,
)
from bbkit.outputs.exports import export_records as export_records
from bbkit.outputs.tables import table_ddl as table_ddl
from bbkit.records import as_records as as_records
from bbkit.records.building import build_records as build_records, read_prompt as read_prompt
from bbkit.retry import (
    probe_records as probe_records,
    retry_records as retry_records,
    send_on_demand as send_on_demand,
    send_retry as send_retry,
)
from bbkit.retry.goals import complete_run as complete_run, list_attempts as list_attempts
from bbkit.run import Run as Run, write_records as write_records
from bbkit.sources import profile_source as profile_source, read_source as read_source

__version__: str
__all__: list[str]
