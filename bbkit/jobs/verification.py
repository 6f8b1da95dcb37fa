"""Are the files of a run those that were written, those S3 holds, and what the manifests count?"""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bbkit import aws
from bbkit.core.errors import AwsError, CredentialsError, PlaceError
from bbkit.core.files import LISTING, file_sha256, local_names, move, read_listing, require_inside, write_text
from bbkit.core.findings import Finding, Findings, findings
from bbkit.core.frames import SUFFIX
from bbkit.core.text import count_noun
from bbkit.jobs.submissions import input_uri
from bbkit.outputs import collect_outputs
from bbkit.outputs.files import FileMeta, list_folder
from bbkit.run import InputFile, Run, RunSnapshot, as_run
from bbkit.run.remote_jobs import list_outputs

_FETCH = (
    "`bbkit verify RUN --fetch`, verify_run(run, fetch=True), takes it from S3; or restore it from a copy."
)


def verify_run(run: Run | str | Path, *, fetch: bool = False) -> Findings:
    """Compare the files of a run with what was written, what S3 holds and what the manifests count.

    Input files are hashed against the sha256 of `write_records`. Outputs are compared with S3 by the checksum
    it keeps, else by an ETag that is one, else by the sha256 noted when they came, else by their size
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html), and their lines
    are counted against their manifests. Where S3 cannot be asked, what was noted is compared.

    Parameters
    ----------
    run : Run, str or Path
        The run, or its folder.
    fetch : bool
        Take from S3 what differs or is not here; an input only where S3 holds the one that was written.
        Without it nothing is written.

    Returns
    -------
    Findings
        One row per finding, in the form of `check_records`: severity, rule, file, what differs, what to do.
        Empty when everything is as it was.

    Raises
    ------
    bbkit.core.errors.RunNotFoundError
        There is no run in the folder.
    bbkit.core.errors.RunError
        The journal or the index of the run is damaged.
    """
    snapshot, rows, by = RunSnapshot.read(as_run(run)), list[Finding](), list[str]()
    refusal = _find_refusal(snapshot)
    if refusal:
        aside = "What is here was compared with what was noted when it came."
        rows.append(Finding("info", "not_reached", f"S3 was not asked: {refusal}", aside))
    for file in snapshot.files:
        rows += _verify_input(snapshot, file, fetch=fetch and not refusal)
    for job_arn in [state.job_arn for state in snapshot.states if state.ended and state.job_arn]:
        rows += _verify_outputs(snapshot.run, job_arn, by, asked=not refusal, fetch=fetch)
        rows += _verify_lines(snapshot.run.output_folder(job_arn))
    if sizes := by.count("size"):
        found = f"{count_noun(sizes, 'output file', 'were')} compared by size alone; no more was verified."
        why = "No checksum of them is kept in S3 or was noted when they came."
        rows.append(Finding("unknown", "size_only", found, why, count=sizes))
    table = findings(rows)
    counted = f"{count_noun(len(snapshot.files), 'input file')} and {count_noun(len(by), 'output file')}"
    table.attrs["sentence"] = f"Nothing to say: {counted} are as they were."
    return table


def _find_refusal(snapshot: RunSnapshot) -> str:
    """Why S3 cannot be asked for the files of a run; empty where it can."""
    try:
        snapshot.access.ensure()
        next(aws.list_objects(snapshot.run.adopted.get("output_uri") or snapshot.run.s3_prefix), None)
    except (AwsError, CredentialsError, PlaceError) as error:
        return str(error)
    return ""


def _verify_input(snapshot: RunSnapshot, file: InputFile, *, fetch: bool) -> Iterator[Finding]:
    name, found = file.path.relative_to(snapshot.run.folder).as_posix(), "It is not here."
    if file.path.is_file():
        if file_sha256(file.path) == file.sha256:
            return
        found = "It is not the file that was written: its sha256 is another."
    if not fetch:
        yield Finding("error", "input", found, _FETCH, file=name)
        return
    uri = snapshot.run.adopted.get("input_uri") or input_uri(snapshot.run, snapshot.jobs[file.job], file)
    with TemporaryDirectory(prefix=".bbkit-", dir=file.path.parent) as folder:
        copy, why = Path(folder) / file.path.name, f"{uri} is not the one that was written either."
        try:
            aws.download_file(uri, copy)
        except AwsError as error:
            why = str(error)
        if copy.is_file() and file_sha256(copy) == file.sha256:
            move(copy, file.path)
            yield Finding("info", "input", f"{found} It was fetched again.", file=name)
        else:
            yield Finding("error", "input", found, f"{why} Restore it from a copy.", file=name)


def _verify_outputs(run: Run, job_arn: str, by: list[str], *, asked: bool, fetch: bool) -> Iterator[Finding]:
    """What is to be said of each output file of a job; `by` learns by what each was compared."""
    folder, prefix = run.output_folder(job_arn), run.output_uri(job_arn)
    stored, listed = list_outputs(run, job_arn) if asked else {}, read_listing(folder)
    if not stored and not listed:
        listed = {file.meta.source_file or "": file.size for file in list_folder(folder, FileMeta())}
    for key, name in local_names(stored | listed).items():
        path, uri = folder / name, prefix + key if key in stored else ""
        found, how = _compare(path, uri, listed.get(key))
        if found and fetch and uri:
            aws.download_file(uri, require_inside(path, run.folder))
            yield Finding("info", "output", f"{found} It was fetched.", file=f"{folder.name}/{key}")
            found, how = _compare(path, uri, None)
        by.append(how)
        if found:
            is_gone = asked and not uri
            remedy = "S3 does not hold it any more. Restore it from a copy." if is_gone else _FETCH
            yield Finding("error", "output", found, remedy, file=f"{folder.name}/{key}")
    if fetch and stored and stored != listed:
        write_text(folder / LISTING, json.dumps(stored, indent=1))


def _compare(path: Path, uri: str, size: int | None) -> tuple[str, str]:
    if not path.is_file():
        return "It is not here.", ""
    if uri:
        return aws.compare_copy(path, uri)
    if size not in (None, path.stat().st_size):
        return f"It has {path.stat().st_size:,} bytes, and {size:,} came.", "size"
    if not aws.is_as_noted(path, thorough=True):
        return "Its sha256 is not the one noted when it came.", "note"
    return "", "note" if aws.read_note(path) else "size"


def _verify_lines(folder: Path) -> Iterator[Finding]:
    """Where lines of a folder cannot be read, or its manifest counts otherwise."""
    if not any(folder.rglob(f"*{SUFFIX}")):
        return
    with TemporaryDirectory(prefix="bbkit-") as parts:
        told: Any = collect_outputs(folder, into=Path(parts) / "rows")
    if count := told.numbers["unreadable"]:
        yield Finding(
            "error",
            "unreadable",
            f"{count_noun(count, 'line')} cannot be read.",
            _FETCH,
            file=folder.name,
            count=count,
        )
    for text in (manifest["disagreement"] for manifest in told.collected.manifests):
        if text:
            remedy = "A job that stopped or expired leaves records out; otherwise fetch the outputs again."
            yield Finding("warning", "manifest", f"{text[0].upper()}{text[1:]}.", remedy, file=folder.name)
