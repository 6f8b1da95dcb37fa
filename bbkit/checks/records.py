"""The check itself: records one after another, from memory or a file, in bounded memory."""

import datetime as dt
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bbkit import aws
from bbkit.answers import NOTHING, Asking
from bbkit.catalog.models import check_model
from bbkit.catalog.quotas import Quotas
from bbkit.checks.bodies import BodyCheck
from bbkit.checks.lines import check_members, parse_line
from bbkit.checks.media import media_uris
from bbkit.core.errors import InputError
from bbkit.core.files import read_data
from bbkit.core.findings import Finding, Findings, findings, make_finding
from bbkit.core.text import count_noun
from bbkit.families import Family, family_of, foundation_model
from bbkit.records import input_line
from bbkit.records.lines import holds_nan

_INDEX = re.compile(r"\[\d+\]")
_MOST_PATHS = 40
_EXAMPLES = 3
_REST = ("...", "")

_Key = tuple[str | None, ...]


class Groups:
    def __init__(self) -> None:
        self._whole: list[Finding] = []
        self._groups: dict[_Key, Finding] = {}
        self._examples: defaultdict[_Key, list[str]] = defaultdict(list)
        self._paths: Counter[_Key] = Counter()

    def add(self, finding: Finding) -> None:
        """Add a finding of one record, or one without a line, of a file or the whole, which stays alone."""
        if finding.line is None:
            self._whole.append(finding)
            return
        kind = (finding.severity, finding.rule, finding.file)
        # What is said of a schema tells it apart from others of the same fault at the same place.
        place = finding.finding if finding.rule == "schema_refused" else finding.path
        key: _Key = (*kind, _INDEX.sub("[]", place), finding.remedy)
        if key not in self._groups and self._paths[kind] >= _MOST_PATHS:
            key = (*kind, *_REST)
        if group := self._groups.get(key):
            self._groups[key] = group._replace(count=group.count + finding.count)
        else:
            self._groups[key] = finding
            self._paths[kind] += 1
        if len(self._examples[key]) < _EXAMPLES:
            self._examples[key].append(_example(finding))

    def table(self) -> Findings:
        """The findings, those of the whole first among the equally severe."""
        for key in [key for key in self._groups if key[3:] == _REST]:
            self._gather_rest(key)
        described = (
            group._replace(finding=_sentence(group, key[3:] == _REST, self._examples[key]))
            for key, group in self._groups.items()
        )
        return findings([*self._whole, *described])

    def _gather_rest(self, rest: _Key) -> None:
        """Where there are more paths than rows, those named once beyond the first few join the rest."""
        single = [
            key for key, group in self._groups.items()
            if key[:3] == rest[:3] and key != rest and group.count == 1
        ]  # fmt: skip
        keys = [*single[_EXAMPLES:], rest]
        groups = [self._groups.pop(key) for key in keys]
        self._groups[rest] = groups[0]._replace(count=sum(group.count for group in groups))
        self._examples[rest] = [example for key in keys for example in self._examples[key]][:_EXAMPLES]


def _example(finding: Finding) -> str:
    where = f"line {finding.line:,}"
    if finding.record_id is None:
        return where
    record_id = finding.record_id
    return f"{record_id if len(record_id) <= 60 else f'{record_id[:57]}...'!r} ({where})"


def _sentence(group: Finding, is_rest: bool, examples: list[str]) -> str:
    if group.count == 1:
        return group.finding
    more = f" and {group.count - len(examples):,} more" if group.count > len(examples) else ""
    lead = "Others like it" if is_rest else "So"
    return f"{group.finding} {lead} in {', '.join(examples)}{more}."


_CHUNK = 1 << 16
_REMEMBERED = 1000


class RecordCheck:
    """Checks records one after another and gives the table of findings at the end.

    `unwritable` are the rules of records that could not be passed on, `whole` is whether those given are all,
    `is_refused` whether an error was found since it was last set to False, `unasked` how many do not ask as
    `asking` does.
    """

    def __init__(
        self,
        model_id: str,
        *,
        family: str | Family | None = None,
        invocation_type: str = "InvokeModel",
        quotas: Quotas | None = None,
        as_of: dt.date | None = None,
        model: str = "",
        asking: Asking = NOTHING,
    ):
        self.model_id = model_id
        known = foundation_model(model_id, model, family)
        self.quotas = quotas or Quotas.defaults(known)
        self.family = family_of(known, invocation_type=invocation_type, family=family)
        self.groups = Groups()
        self.records = 0
        self.bytes = 0
        self.whole = False
        self.is_refused = False
        self.unwritable: set[str] = set()
        self.media: dict[str, Finding] = {}
        self.asking, self.unasked = asking, 0
        self._duplicates = Duplicates()
        self._bodies = BodyCheck(self.family, known)
        self._in_prompt = read_data("structured_output")["prompt"].encode()
        self._add(check_model(model_id, aws.find_region(), model=model, as_of=as_of))
        if self.family.request is None:
            self.groups.add(make_finding("family_not_offered", family=self.family))

    def check_line(self, line: bytes, number: int, file: str | None = None, body: Any = None) -> None:
        """Check one line without its newline; `body` is what it was made of, where the line says less."""
        self.records += 1
        record, faults = parse_line(line)
        if type(record) is not dict:
            unreadable = record is None and faults
            return self._add(faults if unreadable else [*faults, *check_members(record)], number, file)
        record_id = record.get("recordId")
        body = record.get("modelInput") if body is None else body
        if len(record) != 2 or type(record_id) is not str or type(body) is not dict or not record_id.strip():
            faults = [*faults, *check_members(record)]
        record_id = record_id if type(record_id) is str else None
        if record_id is not None:
            self._duplicates.add(record_id, number, file)
        if type(body) is dict:
            self.unasked += not self.asking.is_in(body)
            if found := self._bodies.faults(body, len(line)):
                # What is no number was found in the line, or before it was written.
                faults = faults + [fault for fault in found if fault.rule != "nan"]
            if self._bodies.walked and self.family.media_in_s3:
                self._note_media(body, number, file, record_id)
        if self._in_prompt in line:
            faults = [*faults, make_finding("structured_output.prompt")]
        if faults:
            self._add(faults, number, file, record_id)

    def _note_media(self, body: Any, number: int, file: str | None, record_id: str | None) -> None:
        for uri in set(media_uris(body)):
            first = Finding("error", "media_place", "", "", "", file, number, record_id, count=0)
            known = self.media.get(uri, first)
            self.media[uri] = known._replace(count=known.count + 1)

    def _add(
        self,
        faults: Iterable[Finding],
        number: int | None = None,
        file: str | None = None,
        record_id: str | None = None,
    ) -> None:
        for fault in faults:
            self.is_refused = self.is_refused or fault.severity == "error"
            self.groups.add(fault._replace(file=file, line=number, record_id=record_id))

    def check_record(self, record_id: Any, body: Any) -> bytes | None:
        """Check a record in memory as the line that is written; give that line, None where there is none."""
        row = self.records + 1
        shown = record_id if type(record_id) is str else None
        try:
            line = input_line(record_id, body)
        except (InputError, ValueError, OverflowError, RecursionError) as error:
            self.records += 1
            self._leave_out(_unwritable(error), row, None, shown)
            return None
        self.bytes += len(line)
        if len(line) > self.quotas.max_file_bytes:
            self.add_too_large("record", len(line), row, None, shown)
        if b"null" in line and holds_nan(body):
            self._leave_out(make_finding("nan.body"), row, None, shown)
            self.check_line(line, row, body=body)
        else:
            self.check_line(line, row)
        return line

    def add_too_large(
        self, what: str, size: int, number: int, file: str | None, record_id: str | None = None
    ) -> None:
        """Add that a record is larger than an input file may be."""
        fault = make_finding("record_bytes", what=what, size=size, quotas=self.quotas)
        self._leave_out(fault, number, file, record_id)

    def _leave_out(self, fault: Finding, number: int, file: str | None, record_id: str | None) -> None:
        self.unwritable.add(fault.rule)
        self._add([fault], number, file, record_id)

    def finish(self) -> Findings:
        self._add_duplicates()
        buckets = sorted({uri.split("/")[2] for uri in self.media if uri.count("/") > 2})
        if len(buckets) > 1:
            self.groups.add(make_finding("media_place.buckets", buckets=buckets, count=len(buckets)))
        self._check_job()
        return self.groups.table()

    def _add_duplicates(self) -> None:
        again = self._duplicates
        again.flush()
        if again.first is None:
            return
        record_id, line, file = again.first
        found = f"record_id {record_id!r} occurs {again.times[record_id]:,} times"
        if others := [repr(one) for one in again.times if one != record_id][:2]:
            more = again.distinct - 1 - len(others)
            found += f" (also {', '.join(others)}" + (f", and {more:,} more)" if more else ")")
        row = make_finding("record_id_duplicate", "recordId", found=found)
        self._add([row._replace(count=again.count)], line, file, record_id)

    def _check_job(self) -> None:
        """Compare the counts and sizes of a job with its quotas."""
        if not self.records:
            self.groups.add(make_finding("no_records"))
        elif self.records < self.quotas.min_records_per_job:
            about = {"count": count_noun(self.records, "record"), "model_id": self.model_id}
            self.groups.add(make_finding("min_records_per_job", quotas=self.quotas, **about))
        if self.whole:
            self.check_quota("max_records_per_job", self.records)
            self.check_quota("max_job_bytes", self.bytes)

    def check_quota(self, rule: str, number: int, file: str | None = None) -> None:
        """Add that a number is over the quota which the rule is named for."""
        most = getattr(self.quotas, rule)
        if number > most:
            about = {"number": number, "most": most, "note": self.quotas.note, "model_id": self.model_id}
            self.groups.add(make_finding(rule, file=file, **about))


def _unwritable(error: Exception) -> Finding:
    text = "too_deep.record" if isinstance(error, RecursionError) else "not_json.record"
    if isinstance(error.__cause__, UnicodeEncodeError):
        text = "lone_surrogate.record"
    return make_finding(text, error=str(error) or type(error).__name__)


class Duplicates:
    """Takes record ids as they come, keeps 16 bytes of each, and names those that came before."""

    def __init__(self) -> None:
        self._new: list[tuple[str, int, str | None]] = []
        self._runs: list[NDArray[np.void]] = []
        self.times: dict[str, int] = {}
        self.first: tuple[str, int, str | None] | None = None
        self.count = 0
        self.distinct = 0

    def add(self, record_id: str, line: int, file: str | None = None) -> None:
        """Take the id of a record that stands at a line (or row) of a file."""
        self._new.append((record_id, line, file))
        if len(self._new) >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Compare the ids taken since the last time with all before."""
        if not self._new:
            return
        hashes = ((hash(one), hash("\0" + one)) for one, _, _ in self._new)
        pairs = np.fromiter(hashes, dtype=[("a", np.int64), ("b", np.int64)], count=len(self._new))
        order = np.argsort(pairs["a"], kind="stable")
        ordered = pairs[order]
        again = np.zeros(len(ordered), dtype=bool)
        again[1:] = ordered[1:] == ordered[:-1]
        for run in self._runs:
            again |= _contains(run, ordered)
        for position in np.sort(order[again]).tolist():
            self._note(*self._new[position])
        self._merge(ordered[~again])
        self._new = []

    def _note(self, record_id: str, line: int, file: str | None) -> None:
        self.count += 1
        self.first = self.first or (record_id, line, file)
        if record_id in self.times:
            self.times[record_id] += 1
        else:
            self.distinct += 1
            if len(self.times) < _REMEMBERED:
                self.times[record_id] = 2

    def _merge(self, run: NDArray[np.void]) -> None:
        # Runs of like size are merged, so that there are few of them and each id is sorted few times.
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.concatenate([self._runs.pop(), run])
            run = run[np.argsort(run["a"], kind="stable")]
        self._runs.append(run)


def _contains(run: NDArray[np.void], wanted: NDArray[np.void]) -> NDArray[np.bool_]:
    positions = np.searchsorted(run["a"], wanted["a"])
    positions[positions == len(run)] = 0
    return run[positions] == wanted if len(run) else np.zeros(len(wanted), dtype=bool)
