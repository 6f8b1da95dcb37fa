"""Amazon Transcribe's JSON as text with speakers."""

from operator import itemgetter
from typing import Any

import msgspec

from bbkit.core.errors import SourceError


class _Alternative(msgspec.Struct):
    content: str | None = None


class _Item(msgspec.Struct):
    type: str | None = None
    start_time: str | float | None = None
    speaker_label: str | None = None
    alternatives: list[_Alternative] | None = None


class _Labels(msgspec.Struct):
    """Who spoke when: segments of speakers, or channels, each with its items."""

    items: list[_Item] | None = None
    channel_label: str | None = None
    segments: list["_Labels"] | None = None
    channels: list["_Labels"] | None = None


class _Transcript(msgspec.Struct):
    transcript: str | None = None


class _Results(msgspec.Struct):
    transcripts: list[_Transcript]
    items: list[_Item] | None = None
    speaker_labels: _Labels | None = None
    channel_labels: _Labels | None = None


class _Document(msgspec.Struct):
    results: _Results


def is_transcript(value: Any) -> bool:
    """Tell whether a JSON document is what Amazon Transcribe writes."""
    results = value.get("results") if isinstance(value, dict) else None
    return isinstance(results, dict) and isinstance(results.get("transcripts"), list)


def transcript_row(name: str, document: dict[str, Any]) -> dict[str, Any]:
    """One Amazon Transcribe result as a row; its text has one line a turn."""
    try:
        results = msgspec.convert(document, _Document).results
        turns = _turns(results)
    except ValueError as error:
        raise SourceError(f"{name} is not as Amazon Transcribe writes it ({error}).") from error
    if any(speaker for speaker, _ in turns):
        text = "\n".join(f"{speaker or 'unknown'}: {words}" for speaker, words in turns)
    else:
        text = " ".join(item.transcript or "" for item in results.transcripts)
    return {"file": name, "job_name": document.get("jobName"), "text": text}


def _turns(results: _Results) -> list[tuple[str, str]]:
    turns: list[tuple[str, str]] = []
    for speaker, item in _spoken_items(results):
        word = (item.alternatives[0].content or "") if item.alternatives else ""
        if turns and turns[-1][0] == (speaker or turns[-1][0]):
            blank = "" if item.type == "punctuation" else " "
            turns[-1] = (turns[-1][0], f"{turns[-1][1]}{blank}{word}")
        else:
            turns.append((speaker, word))
    return turns


def _spoken_items(results: _Results) -> list[tuple[str, _Item]]:
    """Every word with who said it, in order; "" where that is not said, as of punctuation."""
    timed = []
    for channel in (results.channel_labels and results.channel_labels.channels) or []:
        start = 0.0
        for item in channel.items or []:  # punctuation has no start and keeps that of its word
            start = start if item.start_time is None else float(item.start_time)
            timed.append((start, channel.channel_label or item.speaker_label or "", item))
    if timed:
        return [(speaker, item) for _, speaker, item in sorted(timed, key=itemgetter(0))]
    segments = (results.speaker_labels and results.speaker_labels.segments) or []
    labels = {item.start_time: item.speaker_label for segment in segments for item in segment.items or []}
    return [
        ("" if item.type == "punctuation" else item.speaker_label or labels.get(item.start_time) or "", item)
        for item in results.items or []
    ]
