"""What AWS says now of the jobs of a run, journalled. Part of the room `run`."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bbkit import aws
from bbkit.job_rows import event_of, find_job, is_news, read_answer, seen_event
from bbkit.journal import JobState

if TYPE_CHECKING:
    from bbkit.run import Run

_CALLS_AT_ONCE = 8


def refresh_states(run: "Run") -> list[JobState]:
    """Ask AWS for every job that has not ended, find those whose answer was lost, and journal what changed.

    Parameters
    ----------
    run : Run
        The run; its place is checked when there is anything to ask.

    Returns
    -------
    list of JobState
        One per submission of a job.
    """
    states = run.journal.states()
    if not any(state.lost or (state.job_arn and not state.ended) for state in states):
        return states
    run.check_place()
    for state in states:
        if state.lost and (found := find_job(state.job_name)):
            run.journal.append({**event_of("submitted", state), "job_arn": found, "found_by": "list"})
            state.job_arn, state.withdrawn = found, False
    open_jobs = [state for state in states if state.job_arn and not state.ended]
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as pool:
        answers = list(pool.map(aws.get_job, [state.job_arn for state in open_jobs]))
    now, news = datetime.now(UTC), []
    for state, answer in zip(open_jobs, answers, strict=True):
        seen = read_answer(answer)
        if is_news(state.seen, seen):
            news.append(seen_event(state, seen))
            state.since = now if seen["status"] != state.status else state.since
        state.seen, state.at = seen, now
    if news:
        run.journal.append(*news)
    return states
