"""Are the files of a run those that were written, those S3 holds, and what the manifests count?"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bbkit import aws
from bbkit.core.errors import AwsError, BbkitError, CredentialsError, PlaceError
from bbkit.core.files import LISTING, file_sha256, local_names, read_listing, require_inside, write_text
from bbkit.core.finding import manifest_finding
from bbkit.core.findings import Finding, Findings, findings, make_finding
from bbkit.core.text import count_noun
from bbkit.jobs.submissions import input_uri
from bbkit.outputs import collect_outputs
from bbkit.outputs.files import FileMeta, list_folder
from bbkit.run import InputFile, Run, RunSnapshot, as_run
from bbkit.run.remote_jobs import list_outputs


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
    snapshot, rows, by = RunSnapshot.read(run := as_run(run)), list[Finding](), list[str]()
    if refusal := _find_refusal(snapshot):
        rows.append(make_finding("not_reached", refusal=refusal))
    for file in snapshot.files:
        rows += _verify_input(snapshot, file, fetch=fetch and not refusal)
    jobs = {path.parent: path.parent.name for path in sorted(run.folder.glob(f"outputs/*/{LISTING}"))}
    for state in filter(lambda state: state.job_arn, snapshot.states):  # a torn journal lacks some
        if (folder := run.output_folder(state.job_arn)).is_dir() or state.ended:
            jobs[folder] = state.job_arn
    for folder, job_arn in jobs.items():
        rows += _verify_outputs(run, job_arn, by, asked=not refusal, fetch=fetch)
        rows += _verify_lines(folder)
    if sizes := by.count("size"):
        files = count_noun(sizes, "output file", "were")
        rows.append(make_finding("size_only", files=files)._replace(count=sizes))
    table = findings(rows)
    counted = f"{count_noun(len(snapshot.files), 'input file')} and {count_noun(len(by), 'output file')}"
    table.attrs["sentence"] = f"{counted} are as they were."
    return table


def _find_refusal(snapshot: RunSnapshot) -> str:
    """Why S3 cannot be asked for the files of a run; empty where it can."""
    try:
        snapshot.access.ensure()
        next(aws.list_objects(snapshot.run.adopted.get("output_uri") or snapshot.run.s3_prefix), None)
    except (AwsError, CredentialsError, PlaceError) as error:
        return str(error)
    return ""


def _fetch(uri: str, path: Path, run: Run, sha256: str = "") -> str:
    """Take a file from S3; why it could not be taken."""
    try:
        aws.download_file(uri, require_inside(path, run.folder), sha256=sha256)
    except BbkitError as error:
        return str(error)
    except OSError as error:
        what = "Move away what is in its place" if path.is_dir() else "Copy the run where you may write"
        return f"It could not be written ({error.strerror}). {what}, and fetch it there."
    return ""


def _verify_input(snapshot: RunSnapshot, file: InputFile, *, fetch: bool) -> Iterator[Finding]:
    run, found = snapshot.run, "It is not here."
    if file.path.is_file():
        if file_sha256(file.path) == file.sha256:
            return
        found = "It is not the file that was written: its sha256 is another."
    text, why = "input", ""
    if fetch:
        uri = run.adopted.get("input_uri") or input_uri(run, snapshot.jobs[file.job], file)
        text = "input.lost" if (why := _fetch(uri, file.path, run, file.sha256)) else "input.fetched"
    yield make_finding(text, "", file.path.relative_to(run.folder).as_posix(), found=found, why=why)


def _verify_outputs(run: Run, job_arn: str, by: list[str], *, asked: bool, fetch: bool) -> Iterator[Finding]:
    """What is to be said of each output file of a job; `by` learns by what each was compared."""
    folder, prefix = run.output_folder(job_arn), run.output_uri(job_arn)
    stored, listed = list_outputs(run, job_arn) if asked else {}, read_listing(folder)
    if not stored and not listed:
        listed = {file.meta.source_file or "": file.size for file in list_folder(folder, FileMeta())}
    for key, name in local_names(stored | listed).items():
        path, uri = folder / name, prefix + key if key in stored else ""
        found, how = _compare(path, uri, listed.get(key))
        why = "S3 does not hold it any more." if found and asked and not uri else ""
        if found and fetch and uri and not (why := _fetch(uri, path, run)):
            yield make_finding("output.fetched", "", f"{folder.name}/{key}", found=found)
            found, how = _compare(path, uri, None)
        by.append("" if found else how)
        if found:
            text = "output.lost" if why else "output"
            yield make_finding(text, "", f"{folder.name}/{key}", found=found, why=why)
    if fetch and stored and stored != listed and os.access(folder, os.W_OK):
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
    if not list_folder(folder, FileMeta()):
        return
    with TemporaryDirectory(prefix="bbkit-") as parts:
        told: Any = collect_outputs(folder, into=Path(parts) / "rows")
    if count := told.numbers["unreadable"]:
        lines = count_noun(count, "line")
        yield make_finding("unreadable", "", folder.name, lines=lines)._replace(count=count)
    texts = filter(None, (manifest["disagreement"] for manifest in told.collected.manifests))
    yield from (manifest_finding(text, folder.name) for text in texts)
