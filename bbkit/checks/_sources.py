"""Where records come from: frames, iterators, files, folders, S3; and what is wrong with such a place."""

from pathlib import Path

from bbkit.catalog.quotas import Quotas
from bbkit.checks._files import HELD_BYTES, Lines
from bbkit.checks._quotas import SMALLER, check_file, file_limit
from bbkit.checks._records import RecordCheck
from bbkit.core.findings import Finding, Findings
from bbkit.families import Family
from bbkit.records.lines import Records
from bbkit.records.pairs import iter_pairs
from bbkit.records.places import Place, list_place

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
    if isinstance(records, str | Path):
        check_path(check, records)
        return check.finish(whole=True)
    for record_id, body in iter_pairs(records):
        check.check_record(record_id, body, check.records + 1)
    return check.finish()


def check_path(check: RecordCheck, path: str | Path) -> None:
    """Check every input file at a path, folder or ``s3://`` place as a job would read it."""
    place = list_place(path)
    _check_names(check, place, str(path))
    for name in place.files:
        _check_file(check, name)
    _check_media(check, place)


def _check_names(check: RecordCheck, place: Place, path: str) -> None:
    if place.files == [path] and not path.endswith(".jsonl"):
        found = f"{path} does not end in .jsonl; Bedrock reads no other file."
        check.groups.add_whole(Finding("error", "extension", found, "Rename it.", file=path))
    for names, rule, found, remedy in (
        (place.others, "extension", "is not read: an input file ends in .jsonl", "Rename it, unpacked."),
        (
            place.nested,
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


def _check_file(check: RecordCheck, name: str) -> None:
    lines = Lines(name)
    number = blank = 0
    before = check.records
    check_line = check.check_line
    for block in lines:
        if blank >= 3 and not any(block):
            number += len(block)
            blank += len(block)
            continue
        for line in block:
            number += 1
            if type(line) is int:
                _too_long(check, line, number, name)
            elif not line or line.isspace():  # type: ignore[union-attr]
                blank += 1
                if blank <= 3:
                    check.groups.add(_BLANK, file=name, line=number)
            else:
                check_line(line, number, name)  # type: ignore[arg-type]
    if blank > 3:
        check.groups.count_more(_BLANK, name, blank - 3)
    _check_whole_file(check, lines, name, check.records - before)


def _too_long(check: RecordCheck, size: int, number: int, name: str) -> None:
    check.records += 1
    if size > check.quotas.max_file_bytes:
        found = f"The line has {size:,} bytes; {file_limit(check.quotas)}."
        fault = Finding("error", "record_bytes", found, SMALLER)
    else:
        found = f"The line has {size:,} bytes and was not checked; lines up to {HELD_BYTES:,} are."
        fault = Finding("warning", "line_too_long", found, SMALLER)
    check.groups.add(fault, file=name, line=number)


_REMEDIES = {
    "text": "Save it as UTF-8 with a newline after every record.",
    "JSON": "Write every record on one line, as json.dumps does without indent.",
}


def _check_whole_file(check: RecordCheck, lines: Lines, name: str, records: int) -> None:
    check.bytes += lines.bytes
    add = check.groups.add_whole
    if lines.kind:
        rule = "not_utf8" if "UTF-16" in lines.kind else "not_jsonl"
        remedy = _REMEDIES.get(
            lines.kind.partition(" ")[0], "Unpack or convert it: Bedrock reads plain lines."
        )
        return add(Finding("error", rule, f"{name} is {lines.kind}, not lines of JSON.", remedy, file=name))
    if lines.bom:
        found = f"{name} begins with a byte order mark, which JSON does not allow."
        add(Finding("error", "bom", found, "Save it as UTF-8 without BOM.", file=name))
    if not records:
        add(Finding("error", "empty_file", f"{name} holds no record.", "Leave it out.", file=name))
    check_file(check.groups, name, records, lines.bytes, check.quotas)


def _check_media(check: RecordCheck, place: Place) -> None:
    for uri, (file, number, record_id, times) in check.media.items():
        found = remedy = ""
        if place.folder and not uri.startswith(place.folder):
            found = f"{uri} is not in the job's folder {place.folder}."
            remedy = "Put the media into the folder of the job."
        elif place.folder and uri not in place.keys:
            found = f"{uri} does not exist in the job's folder."
            remedy = "Upload it, or write its URI as it is in S3, where case counts."
        elif not place.folder and place.files[:1] and place.files[0].startswith("s3://"):
            found = f"{uri} is named, and the input is a single file, not the folder that holds both."
            remedy = "Name the folder of the job as its input."
        if found:
            fault = Finding("error", "media_place", found, remedy)
            check.groups.add(fault, file=file, line=number, record_id=record_id, times=times)
