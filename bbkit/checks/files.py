"""Where records come from: memory, files, folders, S3; and what is wrong with such files as a whole."""

import datetime as dt
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from bbkit.catalog.quotas import Quotas
from bbkit.checks.records import RecordCheck
from bbkit.core.errors import InputError, RecordsError
from bbkit.core.files import replacing
from bbkit.core.findings import Finding, Findings, make_finding
from bbkit.families import Family
from bbkit.records.input_sets import InputSet, iter_blocks, list_input_set, split_lines
from bbkit.records.lines import Records, iter_pairs, read_line

CHECKED_BYTES = 1 << 26
"""The longest line that is checked, in bytes; `check_records` holds no longer one in memory."""

_MAGIC = (
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"PK\x03\x04", "a zip file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"PAR1", "a Parquet file"),
    (b"\xff\xfe", "text in UTF-16"),
    (b"\xfe\xff", "text in UTF-16"),
)
_PRETTY = re.compile(rb"\s*(?:\{|\[\s*\{?)[ \t]*\r?\n")
_BOM = b"\xef\xbb\xbf"


def check_records(
    records: Records,
    model_id: str,
    *,
    family: str | Family | None = None,
    invocation_type: str = "InvokeModel",
    quotas: Quotas | None = None,
    as_of: dt.date | None = None,
    model: str = "",
    write_good: str | Path = "",
    write_bad: str | Path = "",
    overwrite: bool = False,
) -> Findings:
    """Check records before anything is sent or paid for, also JSONL that other code wrote.

    Parameters
    ----------
    records : DataFrame, iterable, str or Path
        A frame of `build_records`; an iterator of such frames, of ``(record_id, model_input)`` or of objects
        with ``recordId`` and ``modelInput``; a ``.jsonl`` file, a folder of them or an ``s3://`` place, read
        in blocks.
    model_id : str
        The job's model.
    family : str or Family, optional
        Whose bodies they are, where neither the model id nor `model` says it.
    invocation_type : str
        ``InvokeModel`` or ``Converse``.
    quotas : Quotas, optional
        What a job takes; AWS's dated defaults when left out, ``Quotas.read(model_id)`` for the account's own.
    as_of : datetime.date, optional
        The day for which the lifecycle of the model is looked at; today when left out.
    model : str
        The foundation model behind a model id that does not tell it (an application inference profile); its
        rules are applied.
    write_good, write_bad : str or Path, optional
        Files for the lines a job would take, byte for byte, and for those with an error, an id that came
        before among them. They are there whole or not at all, empty where there is no such line.
    overwrite : bool
        Whether these may replace files that are there.

    Returns
    -------
    Findings
        One row per finding; alike ones are one row with their `count`, whose text names three. Empty when
        there is nothing to say. ``.attrs["written"]`` counts the lines of each file written.

    Raises
    ------
    bbkit.core.errors.FamilyError
        When the family cannot be told from the model id.
    bbkit.core.errors.InputError
        When there is no file, or what is given holds no records; when a file to write is there already.
    """
    targets = {kind: Path(path) for kind, path in (("good", write_good), ("bad", write_bad)) if path}
    _validate_targets(list(targets.values()), overwrite)
    check = RecordCheck(
        model_id, family=family, invocation_type=invocation_type, quotas=quotas, as_of=as_of, model=model
    )
    if not targets:
        for _ in check_lines(check, records, CHECKED_BYTES):
            pass
        return check.finish()
    counts = _write_lines(check, check_lines(check, records, sys.maxsize), targets)
    findings = check.finish()
    findings.attrs["written"] = {str(path): counts[kind] for kind, path in targets.items()}
    return findings


def _validate_targets(paths: Sequence[Path], overwrite: bool) -> None:
    for path in paths:
        if path.exists() and not overwrite:
            raise InputError(f"{path} exists. Name another file, or pass overwrite=True (--overwrite).")
        if not path.parent.is_dir() or path.is_dir() or paths.count(path) > 1:
            raise InputError(f"{path} cannot be written: name a file of its own in a folder that is there.")


def _write_lines(check: RecordCheck, lines: Iterable[bytes], targets: Mapping[str, Path]) -> Counter[str]:
    seen: set[str] = set()
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        partial = {kind: stack.enter_context(replacing(path)) for kind, path in targets.items()}
        streams = {kind: stack.enter_context(path.open("wb")) for kind, path in partial.items()}
        for line in lines:
            kind = "bad"
            if not check.is_refused:
                with suppress(RecordsError):  # too long a line to be checked
                    record_id = read_line(line, "", 0)[0]
                    kind = "bad" if record_id in seen else "good"
                    seen.update([record_id] if record_id is not None else [])
            counts[kind] += 1
            if kind in streams:
                streams[kind].write(line)
    return counts


def check_lines(check: RecordCheck, records: Records, longest: int = 0) -> Iterator[bytes]:
    """Check every record and pass its line on, to be staged; by default those too long to check as well."""
    if not isinstance(records, str | Path):
        for record_id, body in iter_pairs(records):
            check.is_refused = False
            line = check.check_record(record_id, body)
            if line is not None:
                yield line
        return
    check.whole = True
    listed = list_input_set(records)
    for finding in _check_names(listed, str(records)):
        check.groups.add(finding)
    for name in listed.files:
        yield from _File(check, name).check_lines(longest or max(CHECKED_BYTES, check.quotas.max_file_bytes))
    for finding in _check_media(check, listed):
        check.groups.add(finding)


def _check_names(listed: InputSet, path: str) -> Iterator[Finding]:
    if listed.files == [path] and not path.endswith(".jsonl"):
        yield make_finding("extension", file=path)
    for names, text in ((listed.others, "extension.unread"), (listed.nested, "nested_file")):
        yield from (make_finding(text, file=name) for name in names[:3])
        if len(names) > 3:
            found = f"{len(names) - 3:,} more files likewise."
            yield make_finding(text)._replace(finding=found)


class _File:
    """One input file: its lines are checked one by one, and what they are together at its end."""

    def __init__(self, check: RecordCheck, name: str):
        self.check, self.name = check, name
        self.number = self.blank = self.bytes = 0
        self.bom = False
        self.kind = ""

    def check_lines(self, longest: int) -> Iterator[bytes]:
        """Check every line and pass it on, but for blank ones and those over `longest` bytes."""
        before = self.check.records
        for lines in split_lines(self._iter_text(), longest):
            if self.blank >= 3 and not any(lines):
                self.number += len(lines)
                self.blank += len(lines)
                continue
            for line in lines:
                self.number += 1
                self.check.is_refused = False
                if type(line) is int:
                    self._add_long(line)
                elif not line or line.isspace():
                    self.blank += 1
                    if self.blank <= 3:
                        self._add(make_finding("blank_line"))
                else:
                    if len(line) > CHECKED_BYTES:
                        self._add_long(len(line))
                    else:
                        self.check.check_line(line, self.number, self.name)
                    yield line + b"\n"
        if self.blank > 3:
            self._add(make_finding("blank_line")._replace(count=self.blank - 3))
        self._check_whole(self.check.records - before)

    def _add(self, finding: Finding) -> None:
        self.check.groups.add(finding._replace(file=self.name, line=self.number))

    def _add_long(self, size: int) -> None:
        self.check.records += 1
        if size > self.check.quotas.max_file_bytes:
            self.check.add_too_large("line", size, self.number, self.name)
        else:
            self._add(make_finding("line_too_long", size=size, most=CHECKED_BYTES))

    def _iter_text(self) -> Iterator[bytes]:
        """The blocks without the byte order mark; none of a file that is no lines of text."""
        for block in iter_blocks(self.name):
            text = block if self.bytes else self._begin(block)
            if self.kind:
                return
            self.bytes += len(text)
            yield text

    def _begin(self, block: bytes) -> bytes:
        self.kind = next((kind for magic, kind in _MAGIC if block.startswith(magic)), "")
        self.bom = block.startswith(_BOM)
        text = block.removeprefix(_BOM)
        if _PRETTY.match(text):
            self.kind = "JSON spread over several lines"
        elif b"}\r{" in text and b"\n" not in text:
            self.kind = "text whose lines end in carriage returns alone"
        return text

    def _check_whole(self, records: int) -> None:
        check, name, add = self.check, self.name, self.check.groups.add
        check.bytes += self.bytes
        if self.kind:
            texts = {"text": "not_jsonl.text", "JSON": "not_jsonl.spread"}
            text = "not_utf8" if "UTF-16" in self.kind else texts.get(self.kind.split()[0], "not_jsonl")
            finding = make_finding(text, file=name, kind=self.kind)
            check.unwritable.add(finding.rule)
            return add(finding)
        if self.bom:
            add(make_finding("bom", file=name))
        if not records:
            add(make_finding("empty_file", file=name))
        check.check_quota("max_records_per_file", records, name)
        check.check_quota("max_file_bytes", self.bytes, name)


def _check_media(check: RecordCheck, listed: InputSet) -> Iterator[Finding]:
    alone = not listed.folder and bool(listed.files) and listed.files[0].startswith("s3://")
    for uri, first in check.media.items():
        text = "media_place.alone" if alone else ""
        if listed.folder and not uri.startswith(listed.folder):
            text = "media_place.outside"
        elif listed.folder and uri not in listed.keys:
            text = "media_place.missing"
        if text:
            found = make_finding(text, uri=uri, folder=listed.folder)
            yield first._replace(finding=found.finding, remedy=found.remedy)
