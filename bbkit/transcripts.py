"""Amazon Transcribe's JSON as text with speakers: part of the room `sources`."""

from collections.abc import Iterator, Mapping
from typing import Any


def is_transcript(value: Any) -> bool:
    """Tell whether a JSON document is what Amazon Transcribe writes.

    Parameters
    ----------
    value : any
        The document.

    Returns
    -------
    bool
        True for an object with ``results.transcripts``.
    """
    return (
        isinstance(value, dict)
        and isinstance(value.get("results"), dict)
        and isinstance(value["results"].get("transcripts"), list)
    )


def transcript_text(document: Mapping[str, Any]) -> str:
    """The words of a call, one line a turn.

    Parameters
    ----------
    document : mapping
        What Amazon Transcribe wrote.

    Returns
    -------
    str
        ``spk_0: I've been on hold for an hour.`` and so on where speakers or channels were told apart, else
        the transcript as one text.

    Notes
    -----
    https://docs.aws.amazon.com/transcribe/latest/dg/diarization-output-batch.html and
    https://docs.aws.amazon.com/transcribe/latest/dg/channel-id-output-batch.html
    """
    results = document["results"]
    turns: list[tuple[str, str]] = []
    for speaker, word, joined in _words(results):
        if turns and turns[-1][0] == (speaker or turns[-1][0]):
            turns[-1] = (turns[-1][0], turns[-1][1] + ("" if joined else " ") + word)
        else:
            turns.append((speaker, word))
    if any(speaker for speaker, _ in turns):
        return "\n".join(f"{speaker or 'unknown'}: {text}" for speaker, text in turns)
    return " ".join(str(item.get("transcript", "")) for item in results["transcripts"])


def _words(results: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Every word with who said it ("" where that is not said) and whether it joins the one before."""
    channels = (results.get("channel_labels") or {}).get("channels") or []
    if channels:
        items = sorted(_timed(channels), key=lambda item: item[0])
        speakers: dict[str, str] = {}
    else:
        items = [(0.0, "", item) for item in results.get("items") or []]
        segments = (results.get("speaker_labels") or {}).get("segments") or []
        speakers = {
            item["start_time"]: item["speaker_label"]
            for segment in segments
            for item in segment.get("items") or []
        }
    for _, channel, item in items:
        word = str((item.get("alternatives") or [{}])[0].get("content", ""))
        speaker = channel or item.get("speaker_label") or speakers.get(item.get("start_time", ""), "")
        joined = item.get("type") == "punctuation"
        yield ("" if joined and not channel else speaker), word, joined


def _timed(channels: list[Any]) -> Iterator[tuple[float, str, Any]]:
    """Items of all channels with their start; punctuation has none and keeps that of its word."""
    for channel in channels:
        start = 0.0
        for item in channel.get("items") or []:
            start = float(item.get("start_time", start))
            yield start, str(channel.get("channel_label", "")), item
