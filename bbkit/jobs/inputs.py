"""Input files of jobs in S3: where they lie, uploaded, and kept apart from the media they lie beside."""

from collections.abc import Callable, Iterator, Sequence

from bbkit import aws
from bbkit.core.errors import AwsError, RunError
from bbkit.core.files import file_sha256
from bbkit.core.text import name_some
from bbkit.run import InputFile, Run, RunSnapshot
from bbkit.run.remote_jobs import TransferProgress

Progress = Callable[[int, int], object]
"""Called with the bytes uploaded so far and the bytes to upload."""


def input_uri(run: Run, files: Sequence[InputFile], file: InputFile) -> str:
    """Name the object an input file is uploaded to."""
    if media := media_folder(files):
        return f"{media}{run.label}-{file.path.name}"
    folder = "" if len(files) == 1 else f"{file.job}/"
    return f"{run.s3_prefix}input/{folder}{file.path.name}"


def media_folder(files: Sequence[InputFile]) -> str:
    """Name the folder in S3 whose media a job reads."""
    return next((file.media for file in files if file.media), "")


def list_media_inputs(snapshot: RunSnapshot) -> Iterator[aws.S3Object]:
    """List the input files of a run that lie beside media, outside its own prefix."""
    for media in sorted({file.media for file in snapshot.files if file.media}):
        yield from aws.list_objects(f"{media}{snapshot.run.label}-")


def clear_media_folder(snapshot: RunSnapshot, files: Sequence[InputFile], media: str) -> None:
    """Make sure that a job finds no input file beside its media but its own: it would process and charge
    them all.
    """
    mine = {input_uri(snapshot.run, files, file) for file in files}
    others = [item.uri for item in aws.list_objects(media) if item.uri.endswith(".jsonl")]
    others = [uri for uri in others if uri not in mine]
    own = f"{media}{snapshot.run.label}-"
    if foreign := [uri for uri in others if not uri.startswith(own)]:
        raise AwsError(
            f"{media} holds other input files ({name_some(foreign)}); the job would process and charge "
            "them too. Move them, or the media.",
            "MediaFolderDiffers",
        )
    if not others:
        return
    # A fresh read on purpose: another process may have submitted the job whose file would be deleted.
    busy = {
        state.job
        for state in snapshot.replay_again().states
        if (state.unconfirmed and not state.refused) or state.in_flight
    }
    in_use = {file.path.stem for file in snapshot.files if file.job in busy}
    if any(uri.removeprefix(own).removesuffix(".jsonl") in in_use for uri in others):
        raise AwsError(
            f"Another job of this run still reads the media in {media}; this one waits for its end.",
            "MediaFolderBusy",
        )
    aws.delete_objects(others)


def upload_inputs(snapshot: RunSnapshot, files: Sequence[InputFile], progress: Progress | None) -> None:
    """Upload the input files of a job; those that are there already are left alone."""
    total = sum(file.bytes for file in files)
    count = TransferProgress(f"uploading {files[0].job}", total, progress)
    for file in files:
        if not file.path.is_file() or file_sha256(file.path) != file.sha256:
            raise RunError(
                f"{file.path} is not the file that write_records wrote. Restore it, or make another run."
            )
        snapshot.access.ensure()
        target = input_uri(snapshot.run, files, file)
        if not aws.upload_file(file.path, target, progress=count, sha256=file.sha256):
            count(file.bytes)
