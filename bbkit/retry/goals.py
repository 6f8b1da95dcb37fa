"""Attempts until a goal holds: each with the cheapest cures, priced at the worst before it is sent."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pandas as pd

from bbkit.core.errors import InputError, RunError, validate_number
from bbkit.core.frames import BUNDLE, COUNT, MANIFEST, NUMBER, TEXT, as_frame, as_texts, bundle
from bbkit.core.gates import Gate, read_gates
from bbkit.core.panels import render_panel
from bbkit.core.text import count_noun, format_usd, wrap
from bbkit.costs import CostEstimate, check_budget, cost_of, estimate_cost
from bbkit.jobs import wait_for_jobs
from bbkit.outputs import accounting
from bbkit.retry import read_answers, send_on_demand, send_retry, write_cures
from bbkit.retry.cures import Cures
from bbkit.retry.on_demand import alone
from bbkit.run import Run, RunSnapshot, as_run
from bbkit.run.recording import replacing_unsent_attempt
from bbkit.run.remote_jobs import refresh_jobs

ATTEMPT_COLUMNS = {"attempt": COUNT, "tier": TEXT, "sent": COUNT, "repaired": COUNT, "by_cause": TEXT}
ATTEMPT_COLUMNS |= {"cures": TEXT, "cost_usd": NUMBER}
"""One row per attempt of a run."""


class Completion(NamedTuple):
    """What `complete_run` returns: the frame and a table, which also unpack.

    Attributes
    ----------
    outputs : pandas.DataFrame
        What `collect_outputs` gives, where the run has a schema with the columns of `parse_answers`; and
        ``cause``, why a record still cannot be used (NA where it can).
    table : pandas.DataFrame
        What `list_attempts` gives; ``worst_usd``, what an attempt was priced at before it was sent; and
        ``stopped``, in the last row, why no other followed.
    """

    outputs: pd.DataFrame
    table: pd.DataFrame

    @property
    def reached(self) -> bool:
        """Whether the goal holds."""
        return bool(self.table.attrs["goal"]["goal_reached"])

    @property
    def sentence(self) -> str:
        """Whether the goal holds, by how much, and why it stopped."""
        return str(self.table.attrs["sentence"])

    def __str__(self) -> str:
        return f"{wrap(self.sentence)}\n{self.table.drop(columns='stopped')}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        shown = as_texts(self.table)
        rows = self.table.to_dict("records")
        return {
            "text/plain": str(self),
            "text/html": render_panel("attempts", self.sentence, [("", shown)]),
            BUNDLE: bundle("attempts", self.sentence, self.table.attrs["goal"], rows),
        }


def complete_run(
    run: Run,
    *,
    until: str | Sequence[object] = "usable_share ge 0.999",
    budget_usd: float | None = None,
    max_attempts: int = 4,
    on_demand: bool = False,
    dry_run: bool = False,
) -> Completion:
    """Send again what cannot be used, attempt after attempt, until a goal holds or nothing more is gained.

    Each attempt gives every record its cheapest cure: what is errored or missing goes as it was (an error
    that no waiting cures, once), what was cut off with twice its maximum, up to the model's own, and what
    the schema refuses with a sentence that says what was wrong; where that is not enough, the schema is
    asked for by a way not tried (a tool, words). What a filter ``refused`` has no cure.
    Killed and called again it goes on: what was sent is waited for, not sent again; on demand alone, what was
    under way at that moment has no token to know it by, and is asked again.

    Parameters
    ----------
    run : Run
        A run whose records were sent. Jobs that have not ended are waited for.
    until : str or sequence of three
        The goal, in the grammar of ``bbkit report --fail-on``: a number of `accounting`, ``gt ge lt le eq
        ne`` and a bound. ``usable_share`` is valid answers of all records sent; without a schema, those that
        succeeded and were not cut off.
    budget_usd : float
        USD that all attempts made by `complete_run` for this run may cost together. An attempt is sent only
        where what the others cost, and at worst its own maximum of tokens, fit into it. A cost that is not
        known does not fit; ``float("inf")`` waives the budget.
    max_attempts : int
        The last attempt to make, the first sending counted.
    on_demand : bool
        Send on demand, at its price, what is too few for a batch job.
    dry_run : bool
        Send and wait for nothing; say what the next attempt would send and cost.

    Returns
    -------
    Completion
        ``.outputs`` and ``.table``, which unpack, ``.reached`` and ``.sentence``.

    Raises
    ------
    bbkit.core.errors.InputError
        A goal that names no number, no budget, or a number out of range.
    bbkit.core.errors.BudgetError
        What the next attempt may cost is not known, and the budget is not waived; nothing was sent.
    bbkit.core.errors.RunError
        Records were not sent yet, it is not known which were, or the run is being completed elsewhere.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError, bbkit.core.errors.AwsError
        As of `submit_jobs` and `send_on_demand`; called again it goes on.
    """
    (gate,) = read_gates([until])
    if budget_usd is None:
        raise InputError(
            "complete_run has no budget. Pass budget_usd= (--budget-usd), US dollars for all attempts that "
            "it makes together; inf waives it."
        )
    what = "It is US dollars, 0 or more; inf waives the budget."
    validate_number(budget_usd, "budget_usd", least=0, what=what)
    validate_number(max_attempts, "max_attempts", least=1, whole=True, what="It is a whole number from 1.")
    run, before = as_run(run), -1
    refusal = f"Run {run.name!r} is being completed by another process or thread. Wait for its end."
    # Two at once would each spend the budget, and the one replace what the other is about to send.
    with alone(run.folder / ".complete.lock", refusal):
        try:
            while True:
                _settle(run, on_demand=on_demand, wait=not dry_run)
                look = _look(run, gate)
                stopped, made = "", look.snapshot.last_attempt
                if look.reached:
                    stopped = "the goal holds"
                elif look.usable <= before:
                    stopped = f"attempt {made} repaired nothing"
                elif made >= max_attempts:
                    stopped = f"{count_noun(made, 'attempt', 'were')} made, the most allowed"
                else:
                    # The cheapest cure of every record that cannot be used.
                    wanted = look.answers[look.answers["cause"].fillna("refused") != "refused"]
                    lineage = {"until": str(gate)}
                    cures = Cures(look.snapshot, wanted, lineage, note=True, otherwise=True)
                    retry = write_cures(cures, look.answers)
                    stopped = _describe_refusal(cures, retry, budget_usd, on_demand)
                if not stopped and dry_run:
                    stopped = "a dry run sends nothing"
                if stopped:
                    return Completion(look.answers, _tabulate(look, gate, stopped))
                before = look.usable
                send_retry(run, retry, on_demand=on_demand)
        finally:
            with replacing_unsent_attempt(RunSnapshot.read(run)):
                pass  # what was written and is not sent is no part of the run


def _settle(run: Run, *, on_demand: bool, wait: bool) -> None:
    """Bring to its end what an earlier call has begun."""
    snapshot = refresh_jobs(RunSnapshot.read(run))
    if snapshot.open and not wait:
        raise RunError(f"Jobs of run {run.name!r} have not ended. Wait for them with wait_for_jobs(run).")
    if snapshot.open:
        wait_for_jobs(run)
    folder = run.on_demand_folder(snapshot.last_attempt)
    if on_demand and wait and folder.is_dir() and not (folder / MANIFEST).is_file():
        send_on_demand(run, attempt=snapshot.last_attempt)


class _Look(NamedTuple):
    """What a run has come to."""

    snapshot: RunSnapshot
    answers: pd.DataFrame
    numbers: dict[str, Any]
    usable: int
    reached: bool


def _look(run: Run, gate: Gate) -> _Look:
    with replacing_unsent_attempt(RunSnapshot.read(run)) as snapshot:
        answers = read_answers(snapshot)
    numbers: dict[str, Any] = dict(accounting(answers).numbers)
    usable = int(answers["cause"].isna().sum())
    numbers.setdefault("usable_share", usable / len(answers) if len(answers) else None)
    gate.require_number(numbers, "accounting")
    if count := numbers["pending"]:
        said = " ".join(snapshot.describe_unsent()) or "Send them with submit_jobs(run)."
        raise RunError(f"{count_noun(count, 'record', 'are')} pending in run {run.name!r}. {said}")
    value = numbers[gate.name]
    return _Look(snapshot, answers, numbers, usable, value is not None and gate.holds(value))


def _read_costs(run: Run) -> tuple[dict[int, float], set[int]]:
    """What each attempt did cost, where that is known of every answer; and of which records no line came."""
    table = cost_of(run, by=("attempt", "outcome"), estimate=estimate_cost(run, jobs=())).table
    whole = table.groupby("attempt")[["unpriced", "cost_usd"]].sum()
    known = whole.loc[whole["unpriced"] == 0, "cost_usd"].to_dict()
    return known, set(table.loc[table["outcome"].isin(["missing", "pending"]), "attempt"])


def _price_attempts(snapshot: RunSnapshot) -> dict[int, CostEstimate]:
    """What each attempt but the first may cost, up to its maxima."""
    return {
        attempt: estimate_cost(snapshot.run, attempt=attempt, tier=chosen["tier"])
        for attempt, chosen in snapshot.lineage.items()
        if attempt > 1
    }


def _describe_refusal(cures: Cures, retry: pd.DataFrame, budget_usd: float, on_demand: bool) -> str:
    """Why the attempt that was written is not to be sent; empty where it may be."""
    if retry.empty:
        held = "; ".join(f"{count:,} {reason}" for reason, count in cures.held.items())
        return f"what is left has no cure ({held or 'a filter refused it'})"
    if (retry["tier"] == "on_demand").all() and not on_demand:
        few = count_noun(int(retry["records"].sum()), "record", "are")
        return f"{few} too few for a batch job, and on_demand is off"
    snapshot = RunSnapshot.read(cures.snapshot.run)
    made = sorted(attempt for attempt, chosen in snapshot.lineage.items() if "until" in chosen)
    if budget_usd == math.inf:
        return ""
    (known, silent), worst = _read_costs(snapshot.run), _price_attempts(snapshot)
    spent: list[float] = []
    for attempt in made:
        usd: float | None = known.get(attempt)
        # What is about to be sent, and what may have been billed without a line, counts at its worst.
        if usd is None or attempt in silent or attempt == snapshot.last_attempt:
            usd = worst[attempt].cost_high_usd
        if usd is None:
            check_budget(worst[attempt], budget_usd)  # says why it is not known
        spent.append(usd or 0.0)
    if (short := sum(spent) - budget_usd) <= 0:
        return ""
    takes = f"{math.ceil(sum(spent) * 1e6) / 1e6:.6f}".rstrip("0").rstrip(".")
    return (
        f"the next attempt costs {format_usd(spent[-1])} at worst, and the budget is {format_usd(short)} "
        f"short of it; budget_usd={takes} takes it"
    )


def _tabulate(look: _Look, gate: Gate, stopped: str) -> pd.DataFrame:
    run, value, reached = look.snapshot.run, look.numbers[gate.name], look.reached
    table, snapshot = list_attempts(run), RunSnapshot.read(run)
    worst = {attempt: estimate.cost_high_usd for attempt, estimate in _price_attempts(snapshot).items()}
    table.insert(6, "worst_usd", table["attempt"].map(worst).astype(NUMBER))
    table["stopped"] = as_frame([{}] * (len(table) - 1) + [{"stopped": stopped}], {"stopped": TEXT})
    made, shown = int(table["sent"].gt(0).sum()), "not known" if value is None else f"{value:.6g}"
    end, why = ("holds", "") if reached else ("does not hold", f"; {stopped}")
    attempts = count_noun(made, "attempt")
    table.attrs["sentence"] = f"{gate} {end}: {gate.name} is {shown} after {attempts}{why}."
    numbers = {"usable_share": look.numbers["usable_share"], "goal_reached": int(reached)}
    table.attrs["goal"] = {**numbers, "attempts": made}
    return table


def list_attempts(run: Run) -> pd.DataFrame:
    """List what each attempt of a run was for, and what it repaired.

    Parameters
    ----------
    run : Run
        A run whose records were sent.

    Returns
    -------
    pandas.DataFrame
        One row per attempt: ``attempt, tier, sent, repaired`` (records that can be used since), ``by_cause``
        (how many of each cause were repaired; of attempt 1 and before it is sent, what is wrong), ``cures``
        (``again`` as it was, ``max_tokens`` higher, a ``note``, or asked by another way; those of each record
        are in ``records/<attempt>-cures.parquet``), ``cost_usd`` (of the tokens that came
        back; NA where one is not known).

    Raises
    ------
    bbkit.core.errors.RunError
        It is not known which records were sent.
    bbkit.core.errors.PlaceError, bbkit.core.errors.CredentialsError, bbkit.core.errors.AwsError
        Outputs must still be fetched, and AWS cannot be asked here.
    """
    snapshot, rows = RunSnapshot.read(as_run(run)), []
    every, known = read_answers(snapshot, attempts="all"), _read_costs(snapshot.run)[0]
    for attempt in range(1, snapshot.last_attempt + 1):
        chosen, own = snapshot.lineage.get(attempt, {}), every[every["attempt"] == attempt]
        usable, is_sent = own.loc[own["cause"].isna(), "record_key"], snapshot.is_sent(attempt)
        said, counts = own["cause"].value_counts().items(), Counter[str]()
        if "cures" in chosen:
            cures = pd.read_parquet(snapshot.cure_file(attempt))
            counts.update(cures["cure"])
            repaired = cures["record_key"].isin(usable).groupby(cures["cause"]).agg(["sum", "size"])
            of = "{:,} of {:,}" if is_sent else "{1:,}"
            said = ((cause, of.format(*pair)) for cause, *pair in repaired.itertuples())
        rows.append(
            {
                "attempt": attempt,
                "tier": chosen.get("tier", "batch"),
                "sent": sum(file.records for file in snapshot.files if file.attempt == attempt) * is_sent,
                "repaired": usable.nunique() if is_sent and attempt > 1 else None,
                "by_cause": _join(said),
                "cures": _join(counts.items()),
                "cost_usd": known.get(attempt) if is_sent else None,
            }
        )
    return as_frame(rows, ATTEMPT_COLUMNS)


def _join(pairs: Iterable[tuple[Any, Any]]) -> str | None:
    return ", ".join(f"{count} {name}" for name, count in pairs) or None
