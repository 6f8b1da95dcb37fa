"""Where records come from: frames, iterators, files, folders, S3; and what is wrong with such a listed."""

import re
from collections.abc import Iterator
from pathlib import Path

from bbkit.catalog.quotas import Quotas
from bbkit.checks._quotas import SMALLER, check_file, file_limit
from bbkit.checks._records import RecordCheck
from bbkit.core.findings import Finding, Findings
from bbkit.families import Family
from bbkit.records.input_sets import InputSet, iter_blocks, list_input_set, split_lines
from bbkit.records.lines import Records, iter_pairs

HELD_BYTES = 1 << 26
"""The longest line that is held in memory and checked, in bytes."""

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
_BLANK = Finding("warning", "blank_line", "The line is blank.", "Take it out: every line is one JSON object.")


def check_records(
    records: Records,
    model_id: str,
    *,
    family: str | Family | None = None,
    invocation_type: str = "InvokeModel",
    quotas: Quotas | None = None,
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
        Whose bodies they are, where the model id does not say it.
    invocation_type : str
        ``InvokeModel`` or ``Converse``.
    quotas : Quotas, optional
        What a job takes; AWS's dated defaults when left out, ``Quotas.read(model_id)`` for the account's own.

    Returns
    -------
    Findings
        One row per finding; alike ones are one row with their `count`, whose text names three. Empty when
        there is nothing to say.

    Raises
    ------
    bbkit.core.errors.FamilyError
        When the family cannot be told from the model id.
    bbkit.core.errors.InputError
        When there is no file, or what is given holds no records.
    """
    check = RecordCheck(model_id, family=family, invocation_type=invocation_type, quotas=quotas)
    for _ in check_lines(check, records, HELD_BYTES):
        pass
    return check.finish()


def check_lines(check: RecordCheck, records: Records, longest: int = 0) -> Iterator[bytes]:
    """Check every record and pass its line on, to be staged; by default those too long to check as well."""
    longest = longest or max(HELD_BYTES, check.quotas.max_file_bytes)
    if not isinstance(records, str | Path):
        for record_id, body in iter_pairs(records):
            line = check.check_record(record_id, body, check.records + 1)
            if line is not None:
                yield line
        return
    check.whole = True
    listed = list_input_set(records)
    _check_names(check, listed, str(records))
    for name in listed.files:
        yield from _check_file(check, name, longest)
    _check_media(check, listed)


def _check_names(check: RecordCheck, listed: InputSet, path: str) -> None:
    if listed.files == [path] and not path.endswith(".jsonl"):
        found = f"{path} does not end in .jsonl; Bedrock reads no other file."
        check.groups.add_whole(Finding("error", "extension", found, "Rename it.", file=path))
    for names, rule, found, remedy in (
        (listed.others, "extension", "is not read: an input file ends in .jsonl", "Rename it, unpacked."),
        (
            listed.nested,
            "nested_file",
            "lies in a folder inside and is read with the others",
            "Put it beside them, or elsewhere.",
        ),
    ):
        for name in names[:3]:
            check.groups.add_whole(Finding("warning", rule, f"{name} {found}.", remedy, file=name))
        if len(names) > 3:
            check.groups.add_whole(
                Finding("warning", rule, f"{len(names) - 3:,} more files likewise.", remedy)
            )


def _check_file(check: RecordCheck, name: str, longest: int) -> Iterator[bytes]:
    file = _File(name)
    number = blank = 0
    before = check.records
    for lines in split_lines(file.iter_text(), longest):
        if blank >= 3 and not any(lines):
            number += len(lines)
            blank += len(lines)
            continue
        for line in lines:
            number += 1
            if type(line) is int or len(line) > HELD_BYTES:
                _too_long(check, line, number, name)
            elif not line or line.isspace():
                blank += 1
                if blank <= 3:
                    check.groups.add(_BLANK, file=name, line=number)
                continue
            else:
                check.check_line(line, number, name)
            if type(line) is not int:
                yield line + b"\n"
    if blank > 3:
        check.groups.count_more(_BLANK, name, blank - 3)
    _check_whole_file(check, file, check.records - before)


class _File:
    """An input file, of which the first block tells what is no text at all."""

    def __init__(self, name: str):
        self.name = name
        self.bytes = 0
        self.bom = False
        self.kind = ""

    def iter_text(self) -> Iterator[bytes]:
        """Its blocks without the byte order mark; none of a file that holds no file."""
        for block in iter_blocks(self.name):
            text = block if self.bytes else self._begin(block)
            if self.kind:
                return
            self.bytes += len(text)
            yield text

    def _begin(self, block: bytes) -> bytes:
        self.kind = next((kind for magic, kind in _MAGIC if block.startswith(magic)), "")
        self.bom = block.startswith(b"\xef\xbb\xbf")
        block = block[3:] if self.bom else block
        if _PRETTY.match(block):
            self.kind = "JSON spread over several lines"
        elif b"}\r{" in block and b"\n" not in block:
            self.kind = "text whose lines end in carriage returns alone"
        return block


def _too_long(check: RecordCheck, line: bytes | int, number: int, name: str) -> None:
    check.records += 1
    size = line if isinstance(line, int) else len(line)
    if size > check.quotas.max_file_bytes:
        found = f"The line has {size:,} bytes; {file_limit(check.quotas)}."
        fault = Finding("error", "record_bytes", found, SMALLER)
        check.unwritable.add("record_bytes")
    else:
        found = f"The line has {size:,} bytes and was not checked; lines up to {HELD_BYTES:,} are."
        fault = Finding("warning", "line_too_long", found, SMALLER)
    check.groups.add(fault, file=name, line=number)


_REMEDIES = {
    "text": "Save it as UTF-8 with a newline after every record.",
    "JSON": "Write every record on one line, as json.dumps does without indent.",
}


def _check_whole_file(check: RecordCheck, file: _File, records: int) -> None:
    check.bytes += file.bytes
    name = file.name
    add = check.groups.add_whole
    if file.kind:
        rule = "not_utf8" if "UTF-16" in file.kind else "not_jsonl"
        remedy = _REMEDIES.get(file.kind.partition(" ")[0], "Unpack or convert it: Bedrock reads plain file.")
        check.unwritable.add(rule)
        return add(Finding("error", rule, f"{name} is {file.kind}, not lines of JSON.", remedy, file=name))
    if file.bom:
        found = f"{name} begins with a byte order mark, which JSON does not allow."
        add(Finding("error", "bom", found, "Save it as UTF-8 without BOM.", file=name))
    if not records:
        add(Finding("error", "empty_file", f"{name} holds no record.", "Leave it out.", file=name))
    check_file(check.groups, name, records, file.bytes, check.quotas)


def _check_media(check: RecordCheck, listed: InputSet) -> None:
    for uri, (file, number, record_id, times) in check.media.items():
        found = remedy = ""
        if listed.folder and not uri.startswith(listed.folder):
            found = f"{uri} is not in the job's folder {listed.folder}."
            remedy = "Put the media into the folder of the job."
        elif listed.folder and uri not in listed.keys:
            found = f"{uri} does not exist in the job's folder."
            remedy = "Upload it, or write its URI as it is in S3, where case counts."
        elif not listed.folder and listed.files[:1] and listed.files[0].startswith("s3://"):
            found = f"{uri} is named, and the input is a single file, not the folder that holds both."
            remedy = "Name the folder of the job as its input."
        if found:
            fault = Finding("error", "media_place", found, remedy)
            check.groups.add(fault, file=file, line=number, record_id=record_id, times=times)
