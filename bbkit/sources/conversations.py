"""Conversations as contact centers and meetings keep them: a row each, whose text has a line a turn.

Shapes as of 2026-11: Contact Lens of Amazon Connect, of calls, chats and calls under way
(https://docs.aws.amazon.com/connect/latest/adminguide/contact-lens-example-output-files.html); Amazon
Transcribe and its Call Analytics (https://docs.aws.amazon.com/transcribe/latest/dg/tca-output.html); Genesys
Cloud, of whose files only https://github.com/aws-samples/amazon-transcribe-post-call-analytics tells; WebVTT
(https://www.w3.org/TR/webvtt1/) and SubRip.
"""

import datetime as dt
import html
import re
from collections.abc import Iterator
from contextlib import suppress
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from bbkit.core.errors import SourceError

_EPOCH = 1e9
"""Seconds: what begins later is counted from 1970, not from the beginning of a recording."""


class _Turn(NamedTuple):
    speaker: Any
    text: str
    start: float | None = None
    end: float | None = None
    sentiment: Any = None


def conversation_row(name: str, document: Any) -> dict[str, Any] | None:
    """A JSON document as a row; None where it is no conversation."""
    if _get(document, "results.transcripts", list) is not None:
        return _transcribe_row(name, document)
    spoken, parts = _get(document, "Transcript", list), _get(document, "transcripts", list) or []
    if segments := _get(document, "Segments", list):
        spoken = [item["Transcript"] for item in segments if _get(item, "Transcript")] or spoken
    if spoken is not None:
        return _analysis_row(name, document, _objects(name, spoken))
    if any(_get(part, "phrases", list) for part in parts):
        turns = [turn for part in _objects(name, parts) for turn in _genesys_turns(name, part)]
        known = {"conversation_id": _get(document, "conversationId"), "language": parts[0].get("language")}
        return _row(name, known, turns)
    return None


class _Part(msgspec.Struct):
    """A part of what Amazon Transcribe writes: a word, a speaker's or channel's items, or all of them."""

    transcript: str | None = None
    transcripts: list["_Part"] | None = None
    items: list["_Part"] | None = None
    alternatives: list["_Part"] | None = None
    content: str | None = None
    type: str | None = None
    start_time: str | float | None = None
    speaker_label: str | None = None
    speaker_labels: "_Part | None" = None
    segments: list["_Part"] | None = None
    channel_label: str | None = None
    channel_labels: "_Part | None" = None
    channels: list["_Part"] | None = None


class _Document(msgspec.Struct):
    results: _Part


def _transcribe_row(name: str, document: dict[str, Any]) -> dict[str, Any]:
    turns: list[_Turn] = []
    try:
        results = msgspec.convert(document, _Document).results
        for speaker, item in _spoken_items(results):
            word = (item.alternatives[0].content or "") if item.alternatives else ""
            _add(turns, _Turn(speaker, word), "" if item.type == "punctuation" else " ")
    except ValueError as error:
        raise SourceError(f"{name} is not as Amazon Transcribe writes it ({error}).") from error
    text = " ".join(part.transcript or "" for part in results.transcripts or [])
    text = _text_of(turns) if any(turn.speaker for turn in turns) else text
    return {"file": name, "job_name": document.get("jobName"), "text": text}


def _spoken_items(results: _Part) -> list[tuple[str, _Part]]:
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


def _get(value: Any, path: str, kind: type = object) -> Any:
    """What stands at the end of a path of names; None where one is not there, or it is of another kind."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, kind) else None


def _objects(name: str, items: Any) -> list[dict[str, Any]]:
    if isinstance(items, list) and all(isinstance(item, dict) for item in items):
        return items
    raise SourceError(f"{name} is a conversation of another shape: its turns are to be a list of objects.")


def _seconds(item: Any, path: str) -> float | None:
    """Milliseconds, or a time in ISO 8601, as seconds."""
    value = _get(item, path)
    if isinstance(value, str):
        with suppress(ValueError):
            return dt.datetime.fromisoformat(value).timestamp()
    return value / 1000 if isinstance(value, int | float) else None


def _analysis_row(name: str, document: Any, spoken: list[dict[str, Any]]) -> dict[str, Any]:
    listed = _get(document, "Participants", list) or []
    roles = {_get(item, "ParticipantId", str): _get(item, "ParticipantRole", str) for item in listed}
    turns = []
    for item in spoken:
        identity = _get(item, "ParticipantId", str)
        times = (_seconds(item, path) for path in ("AbsoluteTime", "Time.AbsoluteTime", "BeginOffsetMillis"))
        start = next((time for time in times if time is not None), None)
        if text := _get(item, "Content", str):  # events of a chat have none
            who = item.get("ParticipantRole") or (identity and roles.get(identity)) or identity
            turns.append(_Turn(who, text, start, _seconds(item, "EndOffsetMillis"), item.get("Sentiment")))
    contact = _get(document, "CustomerMetadata.ContactId") or _get(document, "ContactId")
    known = {"job_name": _get(document, "JobName"), "contact_id": contact}
    known = {key: value for key, value in known.items() if value} | {
        "language": _get(document, "LanguageCode")
    }
    scores = _get(document, "ConversationCharacteristics.Sentiment.OverallSentiment", dict) or {}
    scores = _get(scores, "DetailsByParticipantRole", dict) or scores  # the one of chats, the other of calls
    length = _seconds(document, "ConversationCharacteristics.TotalConversationDurationMillis")
    return _row(name, known, turns, length) | {
        f"sentiment_{who.lower()}": float(score)
        for who, score in scores.items()
        if isinstance(score, int | float)
    }


def _genesys_turns(name: str, part: dict[str, Any]) -> Iterator[_Turn]:
    felt = {
        _get(item, "phraseIndex", int): item.get("sentiment")
        for item in _objects(name, _get(part, "analytics.sentiment", list) or [])
    }
    for item in _objects(name, part.get("phrases")):
        start, length = _seconds(item, "startTimeMs"), _seconds(item, "duration.milliseconds")
        end = None if start is None or length is None else start + length
        said, felt_here = _get(item, "text", str) or "", felt.get(_get(item, "phraseIndex", int))
        yield _Turn(item.get("participantPurpose"), said, start, end, felt_here)


_TIME = r"(?:(\d{1,4}):)?(\d\d?):(\d\d)[.,](\d{3})"
_CUE = re.compile(rf"{_TIME}[ \t]+-->[ \t]+{_TIME}.*")
_TAG = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]*)>")
_LABEL = re.compile(r"^([^\s:<>{}][^:<>{}]{0,39}):\s+(?=\S)", re.MULTILINE)
_MARKUP = re.compile(r"<[^>]*>|\{\\[^}]*\}")


def cues_row(name: str, text: str) -> dict[str, Any]:
    """WebVTT or SubRip as a row: cues of one speaker, named by a tag, else before a colon, are one turn."""
    turns: list[_Turn] = []
    voice = _TAG if _TAG.search(text) else _LABEL
    for block in re.split(r"\n[ \t]*\n", re.sub(r"\r\n?", "\n", text)):
        cue = _CUE.search(block)
        if not cue:  # the header, notes, styles
            continue
        start, end = _clock(cue.groups()[:4]), _clock(cue.groups()[4:])
        parts = ["", *voice.split(block[cue.end() :])]
        for tagged, said in zip(parts[::2], parts[1::2], strict=True):
            speaker, words = html.unescape(tagged).strip(), html.unescape(_MARKUP.sub("", said))
            if turns or speaker or words.strip():
                _add(turns, _Turn(speaker, words, start, end))
    if not turns and "-->" not in text and not text.startswith("WEBVTT"):
        raise SourceError(f"{name} has no cue, which begins as 00:00:01.000 --> 00:00:04.000 does.")
    return _row(name, {}, turns)


def _clock(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in parts)
    return 3600 * hours + 60 * minutes + seconds + milliseconds / 1000


def _add(turns: list[_Turn], turn: _Turn, blank: str = " ") -> None:
    """Add a turn; one of the same speaker, or of nobody, goes on with the last."""
    if turns and turn.speaker in ("", turns[-1].speaker):
        turns[-1] = turns[-1]._replace(text=f"{turns[-1].text}{blank}{turn.text}", end=turn.end)
    else:
        turns.append(turn)


def _text_of(turns: list[_Turn]) -> str:
    spoken = any(turn.speaker for turn in turns)
    lines = ((turn.speaker or "unknown", " ".join(turn.text.split())) for turn in turns)
    return "\n".join(f"{who}: {words}" if spoken else words for who, words in lines)


def _row(name: str, known: dict[str, Any], turns: list[_Turn], length: float | None = None) -> dict[str, Any]:
    """One row: what is known of a conversation, times in seconds from its beginning, a line a turn."""
    starts = [turn.start for turn in turns]
    first = min((start for start in starts if start is not None), default=None)
    last = max((end for turn in turns if (end := turn.end or turn.start) is not None), default=None)
    origin = first if first is not None and _EPOCH < first < 10 * _EPOCH else 0.0
    row = {
        "file": name,
        **known,
        "text": _text_of(turns),
        "duration_seconds": length if length is not None or first is None or last is None else last - first,
        "start_seconds": None if first is None else first - origin,
        "end_seconds": None if last is None else last - origin,
        "turn_seconds": [None if start is None else start - origin for start in starts],
    }
    if origin:
        row["started_at"] = dt.datetime.fromtimestamp(origin, dt.UTC).replace(tzinfo=None)
    if any(turn.sentiment is not None for turn in turns):
        row["turn_sentiments"] = [turn.sentiment for turn in turns]
    return row
