"""bbkit, the Bedrock Batch Kit: prepare, launch and explore Amazon Bedrock batch inference.

``import bbkit as bb`` loads nothing heavy: a name below is imported from its room when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bbkit import charts as charts
    from bbkit import explorers as explorers
    from bbkit.catalog.quotas import Quotas as Quotas
    from bbkit.checks import check_records as check_records
    from bbkit.costs import check_budget as check_budget
    from bbkit.costs import cost_of as cost_of
    from bbkit.costs import estimate_cost as estimate_cost
    from bbkit.diagnostics import diagnose_outputs as diagnose_outputs
    from bbkit.jobs import list_jobs as list_jobs
    from bbkit.jobs import plan_jobs as plan_jobs
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

_ROOMS = {
    "Quotas": "catalog.quotas",
    "Run": "run",
    "accounting": "outputs",
    "build_records": "records",
    "check_budget": "costs",
    "check_records": "checks",
    "collect_outputs": "outputs",
    "cost_of": "costs",
    "diagnose_outputs": "diagnostics",
    "estimate_cost": "costs",
    "export_records": "outputs.exports",
    "list_jobs": "jobs",
    "plan_jobs": "jobs",
    "preflight": "jobs.preflight",
    "probe_records": "retry",
    "read_prompt": "records",
    "read_source": "sources",
    "retry_records": "retry",
    "send_on_demand": "retry",
    "send_retry": "retry",
    "stop_jobs": "jobs",
    "submit_jobs": "jobs",
    "wait_for_jobs": "jobs",
    "watch_jobs": "jobs.watches",
    "write_records": "run",
}

__all__ = [
    "Quotas",
    "Run",
    "accounting",
    "build_records",
    "charts",
    "check_budget",
    "check_records",
    "collect_outputs",
    "cost_of",
    "diagnose_outputs",
    "estimate_cost",
    "explorers",
    "export_records",
    "list_jobs",
    "plan_jobs",
    "preflight",
    "probe_records",
    "read_prompt",
    "read_source",
    "retry_records",
    "send_on_demand",
    "send_retry",
    "stop_jobs",
    "submit_jobs",
    "wait_for_jobs",
    "watch_jobs",
    "write_records",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return getattr(import_module(f"bbkit.{_ROOMS[name]}"), name)
    if name in ("charts", "explorers"):
        return import_module(f"bbkit.{name}")
    raise AttributeError(f"module 'bbkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
