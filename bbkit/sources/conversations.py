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
from bbkit.core.text import one_line

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
    if _tells(_get(document, "results.transcripts", list), "transcript"):
        return _transcribe_row(name, document)
    spoken, parts = _get(document, "Transcript", list), _get(document, "transcripts", list)
    if segments := _get(document, "Segments", list):
        spoken = [item["Transcript"] for item in segments if _get(item, "Transcript")] or spoken
    if _tells(spoken, "Content", "ParticipantId", "ParticipantRole"):
        return _analysis_row(name, document, _objects(name, spoken))
    if _tells(parts, "phrases") and (parts or "conversationId" in document):
        turns = [turn for part in _objects(name, parts) for turn in _genesys_turns(name, part)]
        language = next((_get(part, "language") for part in parts), None)
        return _row(name, {"conversation_id": _get(document, "conversationId"), "language": language}, turns)
    return None


def _tells(items: Any, *names: str) -> bool:
    """Whether a list is empty, or not of objects of other names only."""
    if not items:
        return items is not None
    return any(not isinstance(item, dict) or any(name in item for name in names) for item in items)


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
            time = dt.datetime.fromisoformat(value)
            return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp()
    return value / 1000 if isinstance(value, int | float) else None


def _analysis_row(name: str, document: Any, spoken: list[dict[str, Any]]) -> dict[str, Any]:
    listed = _get(document, "Participants", list) or []
    roles: dict[Any, str] = {}
    for item in listed:
        if role := _get(item, "ParticipantRole", str):
            others = sum(known.partition(" ")[0] == role for known in roles.values())
            roles[_get(item, "ParticipantId")] = f"{role} {others + 1}" if others else role
    turns = []
    for item in spoken:
        identity = _get(item, "ParticipantId", str)
        times = (_seconds(item, path) for path in ("AbsoluteTime", "Time.AbsoluteTime", "BeginOffsetMillis"))
        start = next((time for time in times if time is not None), None)
        text = _get(item, "Content")
        if not isinstance(text, str | None):
            raise SourceError(
                f"{name}: the Content of a turn is a {type(text).__name__}, where text is spoken."
            )
        if text:  # events of a chat have none
            who = (identity and roles.get(identity)) or item.get("ParticipantRole") or identity
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


_TIME = r"(?:(\d+):)?(\d+):(\d+(?:[.,]\d+)?)"
_CUE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_ARROW = re.compile(r"\s*(?:\d\S*\s+|\d[\d:.,]*)?-->")
_ASIDE = re.compile(r"(?:NOTE|STYLE|REGION)\b")
_TAG = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]*)>|</v>")
_LABEL = re.compile(
    r"^(?:(?:>>+|-)[ \t]*)?([^\s:：<>{}][^\n:：<>{}]{0,39})(?::\s+|：\s*)(?=\S)|^(?=>>)", re.MULTILINE
)
_WITHIN = r"<(?:\d+:)?\d+:\d+[.,]\d+>"
_MARKUP = re.compile(rf"</?(?:[biucs]|font|lang|ruby|rt)(?:[.\s][^<>]*)?>|{_WITHIN}|\{{\\[^}}]*\}}", re.I)


def cues_row(name: str, text: str) -> dict[str, Any]:
    """WebVTT or SubRip as a row: cues of one speaker, named by a tag, else before a colon, are one turn."""
    turns: list[_Turn] = []
    nobody = None if _TAG.search(text) else ""  # what has no name goes on, unless names are tagged
    is_rolling, before = re.search(_WITHIN, text), ""
    for start, end, lines in _cues(name, re.sub(r"\r\n?", "\n", text.removeprefix("\ufeff"))):
        said = [html.unescape(_MARKUP.sub("", line)) for line in lines]
        if is_rolling:  # a line stays on the screen, and is written again, while the next is spoken
            said = [line for line in said if line.strip() and line != before]
            before = said[-1] if said else before
        tagged: list[Any] = [nobody, *_TAG.split("\n".join(said))]
        for tag, told in zip(tagged[::2], tagged[1::2], strict=True):
            parts: list[Any] = [tag, told] if tag else [nobody, *_LABEL.split(told)]
            for speaker, words in zip(parts[::2], parts[1::2], strict=True):
                if words.strip():
                    _add(turns, _Turn(speaker and speaker.strip(), words, start, end))
    return _row(name, {}, turns)


def _cues(name: str, text: str) -> Iterator[tuple[float, float, list[str]]]:
    """Each cue: its times and lines, without the number or name above the next; none is passed over."""
    is_vtt = text.startswith("WEBVTT")
    cue, is_aside, above = None, False, ""
    for number, line in enumerate(text.split("\n"), 1):
        if times := _CUE.fullmatch(line):
            if cue:
                yield *cue[:2], _without_name(cue[2], is_vtt)
            cue, is_aside = (_clock(times.groups()[:3]), _clock(times.groups()[3:]), list[str]()), False
        elif _ARROW.match(line):
            what = f"{name}, line {number:,} is {one_line(line, 60)!r}, not the times of a cue"
            raise SourceError(f"{what}, such as 00:00:01.000 --> 00:00:04.000. Mend or take out that cue.")
        elif cue:
            is_aside = bool(line.strip()) and (
                is_aside or (is_vtt and not above and _ASIDE.match(line) is not None)
            )
            cue[2].append("" if is_aside else line)
        above = line.strip()
    if cue:
        yield cue
    elif not is_vtt:
        raise SourceError(f"{name} has no cue, which begins as 00:00:01.000 --> 00:00:04.000 does.")


def _without_name(lines: list[str], is_vtt: bool) -> list[str]:
    """Lines without the last where that stands just above the times of the next cue and is its name."""
    *others, last = lines or [""]
    is_name = last.strip().isdecimal() or (is_vtt and others and not others[-1].strip())
    return others if others and is_name else lines


def _clock(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds = ((part or "0").replace(",", ".") for part in parts)
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


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
        "duration_seconds": length if length is not None or last is None else _since(last, first),
        "start_seconds": _since(first, origin),
        "end_seconds": _since(last, origin),
        "turn_seconds": [_since(start, origin) for start in starts],
    }
    if origin:
        row["started_at"] = dt.datetime.fromtimestamp(origin, dt.UTC).replace(tzinfo=None)
    if any(turn.sentiment is not None for turn in turns):
        row["turn_sentiments"] = [turn.sentiment for turn in turns]
    return row


def _since(time: float | None, origin: float | None) -> float | None:
    """Seconds between, to the millisecond, as they are written."""
    return None if time is None or origin is None else round(time - origin, 3)
