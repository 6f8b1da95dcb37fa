"""What AWS says now of the jobs of a run, journalled."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bbkit import aws
from bbkit.core.errors import AwsError
from bbkit.run.job_rows import event_of, find_job, is_news, read_answer, seen_event
from bbkit.run.journal import JobState
from bbkit.run.transfers import journal_counts, read_counts

if TYPE_CHECKING:
    from bbkit.run import Run

_CALLS_AT_ONCE = 8


def refresh_states(run: "Run") -> list[JobState]:
    """Ask AWS for every job that has not ended, find those whose answer was lost; journal changes."""
    states = run.journal.states()
    if not any(state.lost or (state.job_arn and not state.ended) for state in states):
        return states
    run.check_endpoint()
    found = [_find_lost(run, state) for state in states]
    if any(found):
        states = run.journal.states()
    open_jobs = [state for state in states if state.job_arn and not state.ended]
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        answers = list(pool.map(_ask, open_jobs))
    now, news = datetime.now(UTC), []
    for state, answer in zip(open_jobs, answers, strict=True):
        if isinstance(answer, AwsError):
            state.trouble = answer
            continue
        seen = read_answer(answer)
        if is_news(state.seen, seen):
            news.append(seen_event(state, seen))
            state.since = now if seen["status"] != state.status else state.since
        state.seen, state.at = seen, now
    if news:
        run.journal.append(*news)
    for state in open_jobs:
        _complete_counts(run, state)
    if open_jobs and all(state.trouble for state in open_jobs):
        raise next(state.trouble for state in open_jobs if state.trouble)
    return states


def _find_lost(run: "Run", state: JobState) -> bool:
    if not state.lost or not (found := find_job(state.job_name)):
        return False
    run.journal.append({**event_of("submitted", state), "job_arn": found, "found_by": "list"})
    return True


def _ask(state: JobState) -> dict[str, Any] | AwsError:
    try:
        return aws.get_job(state.job_arn)
    except AwsError as error:
        return error


def _complete_counts(run: "Run", state: JobState) -> None:
    # The counts of a job move about once a minute and may lag behind its end; the manifest is there by then.
    counted = state.seen.get("processed", 0)
    if state.status == "Completed" and counted < (state.seen.get("records") or counted + 1):
        journal_counts(run, state, read_counts(run, state))
