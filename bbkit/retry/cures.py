"""Why a record cannot be used, and the cheapest cure: sent as it was, with a higher maximum, or with a note.

What was done to each record is kept beside the input files of the attempt, which show the bodies themselves.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

import pandas as pd

from bbkit.answers.requests import WAYS, Asking, plan_asking
from bbkit.core.errors import InputError
from bbkit.core.files import replacing
from bbkit.core.frames import TEXT, as_frame
from bbkit.diagnostics import RETRYABLE
from bbkit.families import find_model, foundation_model, get_family, max_tokens_of, user_text_of
from bbkit.families.changes import temperature_of, with_sentence
from bbkit.families.family import Body
from bbkit.families.json_schemas import walk_schema
from bbkit.records import iter_record_ids, number_ids
from bbkit.records.lines import read_records
from bbkit.retry.on_demand import is_cut_off
from bbkit.run import RunSnapshot

CURE_COLUMNS = {"record_key": TEXT, "cause": TEXT, "cure": TEXT}
"""One row per record sent again: its cause, and its cure: ``again``, ``max_tokens``, ``note`` or a way."""

_NOTE = "An earlier answer could not be used "
_STEP = re.compile(r'\.?([^\W\d]\w*)|\[\d+\]|\[("(?:[^"\\]|\\.)*")\]')


def find_causes(answers: pd.DataFrame) -> pd.Series:
    """Why each record cannot be used: its outcome, or what is wrong with its answer; NA where it can."""
    cause = answers["outcome"].mask(answers["outcome"].isin(["succeeded"]))
    if "validity" in answers.columns:
        return cause.fillna(answers["validity"].mask(answers["validity"].isin(["valid"])))
    return cause.mask(is_cut_off(answers), "cut_off")


class Cures:
    """The records to send again, as sent the best time, each cured; what would not change is held back."""

    def __init__(
        self,
        snapshot: RunSnapshot,
        wanted: pd.DataFrame,
        lineage: Mapping[str, Any],
        *,
        max_tokens: int | None = None,
        note: bool = False,
        otherwise: bool = False,
    ):
        self.snapshot, self.lineage = snapshot, dict(lineage)
        self.max_tokens, self.note, self.otherwise = max_tokens, note, otherwise
        self.schema = snapshot.run.schema or {}
        columns = ["record_key", "attempt", "cause", "answer_error", "error_code"]
        self._wanted = {row.record_key: row for row in wanted.reindex(columns=columns).itertuples()}
        self.rows: list[dict[str, str]] = []
        self.held: Counter[str] = Counter()

    def iter_records(self) -> Iterator[tuple[str, Body]]:
        """Each record under its key."""
        for key, attempt, body in self._iter_sent():
            if attempt != self._wanted[key].attempt:
                continue
            cure, cured = self._cure(key, body)
            if cured:
                self.rows.append({"record_key": key, "cause": self._wanted[key].cause, "cure": cure})
                yield key, cured
            else:
                self.held[cure] += 1

    def _iter_sent(self) -> Iterator[tuple[str, int, Body]]:
        """Every body that was sent of the wanted records, with its attempt."""
        files = self.snapshot.files
        ids = [(file.attempt, record_id) for file in files for record_id in iter_record_ids(file.path)]
        keys = iter(number_ids(ids)[0])
        for file in files:
            for _, body in read_records(file.path):
                if (key := next(keys)) in self._wanted:
                    yield key, file.attempt, body

    def keep(self) -> dict[str, Any]:
        """Keep what was done to each record; give what the attempt was chosen by."""
        with replacing(self.snapshot.cure_file(self.snapshot.last_attempt + 1)) as beside:
            as_frame(self.rows, CURE_COLUMNS).to_parquet(beside, index=False)
        done = Counter((row["cause"], row["cure"]) for row in self.rows)
        cures = [[*pair, count] for pair, count in done.items()]
        return {**self.lineage, "records": len(self.rows), "cures": cures}

    def _cure(self, key: str, body: Body) -> tuple[str, Body | None]:
        """What is done to a record, and its body then; None with the reason where nothing would change."""
        row = self._wanted[key]
        if row.cause == "cut_off":
            return self._raise_maximum(key, body)
        if row.cause in ("errored", "missing"):
            is_final = self.otherwise and row.attempt > 1 and str(row.error_code) not in RETRYABLE
            is_refused = is_final and row.cause == "errored"
            return self._ask_otherwise(key, body) if is_refused else ("again", body)
        if self.note and "note" not in self._tried(key, body):
            return "note", with_sentence(body, describe_fault(row.cause, row.answer_error, self.schema))
        if self.otherwise and (other := self._ask_otherwise(key, body))[1]:
            return other
        if temperature_of(body) == 0:
            remedy = "" if self.note else "; note=True adds a sentence"
            return f"at temperature 0 the same body gets the same answer{remedy}", None
        return "again", body

    @cached_property
    def _ways(self) -> dict[str, Asking]:
        """The ways of asking that the model is not known to refuse."""
        run, ways = self.snapshot.run, {}
        for way in WAYS if self.schema else ():
            with suppress(InputError):
                model_id, family = run.model or run.model_id, get_family(run.family)
                ways[way] = plan_asking(self.schema, model_id, family, way, run.parameters)
        return ways

    def _tried(self, key: str, body: Body) -> set[str]:
        """The cures that any body of a record already holds: ways of asking, and a note."""
        return self._history[key] if self.snapshot.last_attempt > 1 else self._held_cures(key, body)

    @cached_property
    def _history(self) -> dict[str, set[str]]:
        history: dict[str, set[str]] = {}
        for key, _, body in self._iter_sent():
            history.setdefault(key, set()).update(self._held_cures(key, body))
        return history

    def _held_cures(self, key: str, body: Body) -> set[str]:
        row = self._wanted[key]
        sentence = _NOTE if self.otherwise else describe_fault(row.cause, row.answer_error, self.schema)
        ways = {way for way, asking in self._ways.items() if asking.is_in(body)}
        return ways | ({"note"} if sentence in user_text_of(body) else set())

    def _ask_otherwise(self, key: str, body: Body) -> tuple[str, Body | None]:
        """Ask by a way that the record was never asked by: held to the schema, by a tool, in words."""
        tried = self._tried(key, body) - {"note"}
        others = [way for way in self._ways if way not in tried and (way != "native" or not tried)]
        if not others:
            return "refused twice, and there is no other way of asking", None
        bare = body
        for asking in self._ways.values():
            bare = _without(bare, asking.body) if asking.is_in(body) else bare
        other = self._ways[others[0]]
        return others[0], other.write(with_sentence(bare, other.text.strip()) if other.text else bare)

    def _raise_maximum(self, key: str, body: Body) -> tuple[str, Body | None]:
        run, before, raised = self.snapshot.run, max_tokens_of(body), self.max_tokens
        if raised is None and before is None:
            raise InputError(f"Record {key!r} was cut off and names no maximum to double. Pass max_tokens=.")
        if raised is None:
            model = find_model(foundation_model(run.model_id, run.model, run.family))
            most = model.traits.output_maximum if model else None
            raised = min(2 * (before or 0), most or 2 * (before or 0))
            if raised <= (before or 0):
                return f"{run.model_id} writes no more than {most:,} output tokens", None
        if before is not None and raised <= before:
            raise InputError(
                f"max_tokens is {raised:,}; record {key!r} was cut off at {before:,}. Pass a higher one."
            )
        return "max_tokens", get_family(run.family).with_max_tokens(body, raised)


def _without(body: Any, own: Mapping[str, Any]) -> Any:
    """A body without what a way of asking wrote into it."""
    kept = dict(body)
    for name, value in own.items():
        here = kept.pop(name, None)
        if isinstance(here, Mapping) and isinstance(value, Mapping) and (left := _without(here, value)):
            kept[name] = left
    return kept


def describe_fault(cause: str, error: Any, schema: Mapping[str, Any]) -> str:
    """The sentence that tells a model what was wrong; of the answer itself, which may say anything, it holds
    no word: a place in it is named where the schema has every name of it.
    """
    place, _, keyword = error.rpartition(": ") if isinstance(error, str) else ("", "", "")
    names = {name for _, one in walk_schema(schema) for name in one.get("properties", ())}
    steps = list(_STEP.finditer(place))
    told = {step[1] or json.loads(step[2]) for step in steps if step[1] or step[2]}
    is_known = "".join(step[0] for step in steps) == place and told <= names
    where = f" at {json.dumps(place)}" if place and is_known else ""
    what = f"{cause}{where}, {keyword}" if cause == "off_schema" else cause
    return f"{_NOTE}({what}): answer with exactly one JSON object that fits the schema, and nothing else."
