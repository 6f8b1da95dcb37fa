"""Amazon Transcribe's JSON as text with speakers."""

from collections.abc import Iterator
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


class _Segment(msgspec.Struct):
    items: list[_Item] | None = None


class _Speakers(msgspec.Struct):
    segments: list[_Segment] | None = None


class _Channel(msgspec.Struct):
    channel_label: str | None = None
    items: list[_Item] | None = None


class _Channels(msgspec.Struct):
    channels: list[_Channel] | None = None


class _Transcript(msgspec.Struct):
    transcript: str | None = None


class _Results(msgspec.Struct):
    transcripts: list[_Transcript]
    items: list[_Item] | None = None
    speaker_labels: _Speakers | None = None
    channel_labels: _Channels | None = None


class _Document(msgspec.Struct):
    results: _Results


def is_transcript(value: Any) -> bool:
    """Tell whether a JSON document is what Amazon Transcribe writes."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("results"), dict)
        and isinstance(value["results"].get("transcripts"), list)
    )


def transcript_text(document: Any) -> str:
    """The words of a call, one line a turn."""
    try:
        results = msgspec.convert(document, _Document).results
        turns = _turns(results)
    except ValueError as error:
        raise SourceError(f"not as Amazon Transcribe writes it ({error}).") from error
    if any(speaker for speaker, _ in turns):
        return "\n".join(f"{speaker or 'unknown'}: {text}" for speaker, text in turns)
    return " ".join(item.transcript or "" for item in results.transcripts)


def _turns(results: _Results) -> list[tuple[str, str]]:
    turns: list[tuple[str, str]] = []
    for speaker, word, joined in _words(results):
        if turns and turns[-1][0] == (speaker or turns[-1][0]):
            turns[-1] = (turns[-1][0], turns[-1][1] + ("" if joined else " ") + word)
        else:
            turns.append((speaker, word))
    return turns


def _words(results: _Results) -> Iterator[tuple[str, str, bool]]:
    """Every word with who said it ("" where that is not said) and whether it joins the one before."""
    channels = results.channel_labels.channels if results.channel_labels else None
    speakers: dict[Any, str] = {}
    if channels:
        items = sorted(_timed(channels), key=lambda item: item[0])
    else:
        items = [(0.0, "", item) for item in results.items or []]
        segments = results.speaker_labels.segments if results.speaker_labels else None
        speakers = {
            item.start_time: item.speaker_label or ""
            for segment in segments or []
            for item in segment.items or []
        }
    for _, channel, item in items:
        word = (item.alternatives[0].content or "") if item.alternatives else ""
        speaker = channel or item.speaker_label or speakers.get(item.start_time, "")
        joined = item.type == "punctuation"
        yield ("" if joined and not channel else speaker), word, joined


def _timed(channels: list[_Channel]) -> Iterator[tuple[float, str, _Item]]:
    """Items of all channels with their start; punctuation has none and keeps that of its word."""
    for channel in channels:
        start = 0.0
        for item in channel.items or []:
            start = start if item.start_time is None else float(item.start_time)
            yield start, channel.channel_label or "", item
