# The public names and their rooms, for type checkers and for __init__.py, which imports each when it is used.

from bbkit import charts as charts
from bbkit import explorers as explorers
from bbkit.catalog.quotas import Quotas as Quotas
from bbkit.checks import check_records as check_records
from bbkit.costs import check_budget as check_budget
from bbkit.costs import cost_of as cost_of
from bbkit.costs import estimate_cost as estimate_cost
from bbkit.diagnostics import diagnose_outputs as diagnose_outputs
from bbkit.jobs import list_jobs as list_jobs
from bbkit.jobs import stop_jobs as stop_jobs
from bbkit.jobs import submit_jobs as submit_jobs
from bbkit.jobs import wait_for_jobs as wait_for_jobs
from bbkit.jobs.preflight import preflight as preflight
from bbkit.jobs.watches import watch_jobs as watch_jobs
from bbkit.outputs import accounting as accounting
from bbkit.outputs import collect_outputs as collect_outputs
from bbkit.outputs.exports import export_records as export_records
from bbkit.records import build_records as build_records
from bbkit.records import read_prompt as read_prompt
from bbkit.retry import probe_records as probe_records
from bbkit.retry import retry_records as retry_records
from bbkit.retry import send_on_demand as send_on_demand
from bbkit.retry import send_retry as send_retry
from bbkit.run import Run as Run
from bbkit.run import write_records as write_records
from bbkit.sources import read_source as read_source

__version__: str
__all__: list[str]
