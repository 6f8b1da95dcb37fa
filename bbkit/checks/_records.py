"""The check itself: records of any source, one after another, in bounded memory."""

from collections.abc import Iterable
from typing import Any

import msgspec

from bbkit import aws
from bbkit.catalog.models import check_model
from bbkit.catalog.quotas import Quotas
from bbkit.checks._bodies import BodyCheck
from bbkit.checks._duplicates import Duplicates
from bbkit.checks._groups import Groups
from bbkit.checks._lines import read_line, record_faults
from bbkit.checks._media import iter_places
from bbkit.checks._quotas import SMALLER, check_job, file_limit
from bbkit.checks._windows import WindowCheck
from bbkit.core.errors import InputError
from bbkit.core.findings import Finding, Findings
from bbkit.families import Family, family_of
from bbkit.records import input_line
from bbkit.records.lines import holds_nan

_PLACED = ("nova", "converse", "nova_embed")
_decode = msgspec.json.Decoder().decode


class RecordCheck:
    """Checks records one after another and gives the table of findings at the end."""

    def __init__(
        self,
        model_id: str,
        *,
        family: str | Family | None = None,
        invocation_type: str = "InvokeModel",
        quotas: Quotas | None = None,
    ):
        self.model_id = model_id
        self.quotas = quotas or Quotas.defaults(model_id)
        self.family = family_of(model_id, invocation_type=invocation_type, family=family)
        self.groups = Groups()
        self.records = 0
        self.bytes = 0
        self.whole = False
        self.unwritable: set[str] = set()
        self._duplicates = Duplicates()
        self._bodies = BodyCheck(self.family, model_id) if self.family.request else None
        self._window = WindowCheck(model_id, self.family)
        self.media: dict[str, tuple[str, int | None, str | None, int]] = {}
        self._check_model()

    def _check_model(self) -> None:
        for row in check_model(self.model_id, aws.find_region()):
            self.groups.add_whole(row)
        if self._bodies is None:
            found = f"{self.family.title} is read, not written: batch inference does not offer it."
            self.groups.add_whole(
                Finding("error", "family_not_offered", found, "Take a model that batch inference lists.")
            )

    def check_line(self, line: bytes, number: int | None = None, file: str = "") -> None:
        """Check one line, without its newline."""
        self._check(line, number, file, None)

    def _check(self, line: bytes, number: int | None, file: str, body: Any) -> None:
        self.records += 1
        try:
            record = _decode(line)
            faults: list[Finding] = []
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            record, faults = read_line(line)
            if record is None and faults:
                return self._add(faults, file, number, None)
        if type(record) is not dict:
            return self._add(faults + record_faults(record), file, number, None)
        record_id = record.get("recordId")
        body = record.get("modelInput") if body is None else body
        if len(record) != 2 or type(record_id) is not str or type(body) is not dict or not record_id.strip():
            faults = faults + record_faults(record)
        if type(record_id) is str:
            self._duplicates.add(record_id, number or self.records, file)
        if type(body) is dict:
            found = self._check_body(line, body, record_id, number, file)
            if found:
                faults = faults + [fault for fault in found if fault.rule != "nan"]
        if faults:
            self._add(faults, file, number, record_id if type(record_id) is str else None)

    def _check_body(
        self, line: bytes, body: dict[str, Any], record_id: Any, number: int | None, file: str
    ) -> list[Finding]:
        faults = self._bodies.faults(body) if self._bodies else []
        if self._window.bytes is not None and len(line) > self._window.bytes:
            faults = faults + self._window.faults(body)
        if self._bodies and self._bodies.walked and self.family.name in _PLACED:
            for uri in {uri for _, uri in iter_places(body)}:
                first = self.media.get(uri, (file, number, record_id, 0))
                self.media[uri] = (*first[:3], first[3] + 1)
        return faults

    def _add(self, faults: Iterable[Finding], file: str, number: int | None, record_id: str | None) -> None:
        for fault in faults:
            self.groups.add(fault, file=file, line=number, record_id=record_id)

    def check_record(self, record_id: Any, body: Any, row: int | None = None) -> bytes | None:
        """Check a record in memory as the line that is written; give that line, None where there is none."""
        shown = record_id if type(record_id) is str else None
        try:
            line = input_line(record_id, body)
        except (InputError, ValueError, OverflowError, RecursionError) as error:
            self.records += 1
            self._leave_out(_unwritable(error), row, shown)
            return None
        self.bytes += len(line)
        if len(line) > self.quotas.max_file_bytes:
            found = f"The record has {len(line):,} bytes; {file_limit(self.quotas)}."
            self._leave_out(Finding("error", "record_bytes", found, SMALLER), row, shown)
        meant = None
        if b"null" in line and holds_nan(body):
            meant, found = body, "The body holds NaN or infinity, which is no JSON number."
            remedy = "Give a number, or leave the name out."
            self._leave_out(Finding("error", "nan", found, remedy), row, shown)
        self._check(line, row, "", meant)
        return line

    def _leave_out(self, fault: Finding, row: int | None, record_id: str | None) -> None:
        self.unwritable.add(fault.rule)
        self._add([fault], "", row, record_id)

    def finish(self) -> Findings:
        """Give everything found."""
        self._duplicates.flush()
        self._check_duplicates()
        self._check_buckets()
        check_job(self.groups, self.model_id, self.records, self.bytes, self.quotas, whole=self.whole)
        return self.groups.table()

    def _check_duplicates(self) -> None:
        again = self._duplicates
        if again.first is None:
            return
        record_id, line, file = again.first
        finding = f"record_id {record_id!r} occurs {again.times[record_id]:,} times"
        others = [repr(one) for one in again.times if one != record_id][:2]
        if others:
            more = again.distinct - 1 - len(others)
            finding += f" (also {', '.join(others)}" + (f", and {more:,} more)" if more else ")")
        remedy = "Give every record an id of its own: answers are joined by it."
        row = Finding("error", "record_id_duplicate", f"{finding}.", remedy, "recordId")
        self.groups.add(row, file=file, line=line, record_id=record_id)
        self.groups.count_more(row, file, again.count - 1)

    def _check_buckets(self) -> None:
        buckets = sorted({uri.split("/")[2] for uri in self.media if uri.count("/") > 2})
        if len(buckets) > 1:
            found = f"Media lie in {len(buckets)} buckets, such as {buckets[0]} and {buckets[1]}."
            remedy = "Put the input files and all media into one folder of one bucket."
            self.groups.add_whole(Finding("error", "media_place", found, remedy))


def _unwritable(error: Exception) -> Finding:
    if isinstance(error.__cause__, UnicodeEncodeError):
        return Finding("error", "lone_surrogate", str(error), "Half of a surrogate pair is not text.")
    text = str(error) or type(error).__name__
    rule = "too_deep" if isinstance(error, RecursionError) else "not_json"
    return Finding("error", rule, f"The record cannot be written as JSON: {text}", "Use plain JSON values.")
