"""Finds the text a prompt is about, apart from the instruction around it: its turns, and their sentences."""

import re
from collections import Counter
from typing import NamedTuple

from bbkit.standin.engines import cues

_LINE = re.compile(
    r"[ \t>*_#-]*(?:[\[(<]?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?[\])>]?[ \t,|-]*)?"
    r"[\[(<*_#]{0,3}(?P<label>[^\W\d_][\w"
    + cues.MARKS
    + cues.MARKS_UNSPACED
    + r" .'/-]{0,30}?)[\])>*_#]{0,3}"
    r"[ \t]*(?:[\[(]?\d{1,2}:\d{2}(?::\d{2})?[\])]?[ \t]*)?[:：][*_]{0,2}[ \t]*(?P<text>.*)"
)
_INLINE = re.compile(r"(?:(?<=\s)|^)([^\W\d_][\w-]{1,20}(?: \w{1,12})?)[ ]?[:：](?=\s)")
_CLOSED = re.compile(r"</([A-Za-z][\w-]{0,40})>[ \t]*$", re.M)
_FENCED = re.compile(r"(```|\"\"\"|'''|~~~)[a-z]*\n?(.*?)\1", re.S)
_MOST_BLOCKS = 20
_BLANK = re.compile(r"\n\s*\n")
_WORDS = re.compile(rf"[^\W_](?:[^\W_]|[{cues.MARKS}{cues.MARKS_UNSPACED}])*(?:['’][^\W_]+)?")
# Capitals in brackets are what a masked name or date looks like, so only lower-case ones are noises.
_STAGE = re.compile(
    r"\*[^*\n]{1,60}\*|\[[a-z][^\]\n]{0,40}\]|\((?:pauses?|laughs|sighs|inaudible|crosstalk)\)"
)
_ENDS = re.compile(r"[.!?…]+[\"”’)]*(?=\s)|[。！？]+[」』”]?|[\n\u2028\u2029]+")
_PAUSES = re.compile(r"\s*(?:\.{2,}|…|--+|\[(?:pause|silence)\]|\s{3,})\s*")
_FILLERS = (
    "um+|uh+|er+|ah|oh|hmm+|mhm|well|okay|ok|so|yeah|yes|no(?=[,.!])|sure|hi|hello|hey|and|right|alright"
    "|all right|absolutely|certainly|of course|great|perfect|i see(?=[,.!])|you know(?=,)"
)
_LEADING = re.compile(rf"(?:(?:{_FILLERS})\b[ ,.!-]*)+", re.I)
_PLAIN_WORDS = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_MARKED = re.compile(rf"[^\W_](?:[^\W_]|[{cues.MARKS}])*(?:['’][^\W_]+)*")
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+")
_LONGEST = 28
_BOUND = cues.LEADS | cues.SUBJECTS | cues.JOINERS  # what a subject is not cut off from


class Source(NamedTuple):
    """What a prompt asks (`instruction`), and what about: `turns` of label and text (no label: '')."""

    instruction: str
    turns: list[tuple[str, str]]


def find_source(prompt: str) -> Source:
    """Split a prompt into the instruction and the text it is about."""
    inside, outside = _enclosed(prompt)
    if inside is not None:
        turns = _labelled_lines(inside)[0] or _labelled_inline(inside)[0] or _plain(inside)
        return Source(outside, turns)
    turns, rest = _labelled_lines(prompt)
    if not turns:
        turns, rest = _labelled_inline(prompt)
    if turns:
        return Source(rest, turns)
    return _paragraphs(prompt)


def role_of(label: str) -> str:
    """'agent', 'customer' or '' for a speaker's label."""
    for word in _WORDS.findall(label.lower()):
        if word in cues.AGENT_LABELS:
            return "agent"
        if word in cues.CUSTOMER_LABELS:
            return "customer"
    return ""


def assign_roles(turns: list[tuple[str, str]]) -> dict[str, str]:
    """The role of every label: by its name, otherwise by who greets, checks and asks as an agent does."""
    labels = dict.fromkeys(label for label, _ in turns if label)
    roles = {label: role_of(label) for label in labels}
    unknown = [label for label, role in roles.items() if not role]
    if not unknown or "agent" in roles.values():
        return {label: role or "customer" for label, role in roles.items()}
    if len(unknown) == 1 and len(labels) > 1:
        return {label: role or "agent" for label, role in roles.items()}
    scores: Counter[str] = Counter()
    for position, (label, text) in enumerate(turns):
        lower = text.lower()
        scores[label] += 3 * sum(phrase in lower for phrase in cues.AGENT_PHRASES)
        scores[label] += text.count("?") + (2 if position == 0 else 0)
    agent = max(unknown, key=lambda label: scores[label])
    return {label: role or ("agent" if label == agent else "customer") for label, role in roles.items()}


def is_instruction(text: str) -> bool:
    """Whether a paragraph or line reads like a request to the model rather than like its material."""
    lower = text.lower()
    words = _WORDS.findall(lower)
    if not words or len(words) > 80:
        return not words
    if any(cue in lower for cue in (*cues.SUMMARY_STEMS, *cues.REQUEST_PHRASES)):
        return True
    return words[0] in cues.REQUEST_WORDS or text.rstrip().endswith((":", "："))


def _enclosed(prompt: str) -> tuple[str | None, str]:
    """The largest tagged or fenced block and what stands around it; (None, prompt) where none is large."""
    blocks = [(match.start(), *match.span(2), match.end()) for match in _FENCED.finditer(prompt)]
    blocks += _tagged(prompt) if "</" in prompt else []
    if not blocks:
        return None, prompt
    start, inner, inner_end, end = max(blocks, key=lambda block: block[2] - block[1])
    inside = prompt[inner:inner_end].strip()
    if (len(inside) < 0.4 * len(prompt) and "\n" not in inside) or len(inside.split()) < 5:
        return None, prompt
    return inside, f"{prompt[:start]}\n{prompt[end:]}".strip()


def _tagged(prompt: str) -> list[tuple[int, int, int, int]]:
    """Blocks between a tag that opens a line and one that closes a line, for tags that occur once."""
    closings = list(_CLOSED.finditer(prompt))
    counts = Counter(closing[1] for closing in closings)
    blocks = []
    for closing in [closing for closing in closings if counts[closing[1]] == 1][:_MOST_BLOCKS]:
        opening = re.search(rf"^[ \t]*<{closing[1]}(?: [^<>\n]*)?>", prompt, re.M)
        if opening and opening.end() <= closing.start():
            blocks.append((opening.start(), opening.end(), closing.start(), closing.end()))
    return blocks


def _labelled_lines(text: str) -> tuple[list[tuple[str, str]], str]:
    lines = text.split("\n")
    matches = [_LINE.match(line) for line in lines]
    counts = Counter(m["label"].lower() for m in matches if m and m["text"].strip())
    accepted = {label for label, count in counts.items() if count > 1 or role_of(label)}
    spoken = [i for i, m in enumerate(matches) if m and m["label"].lower() in accepted]
    if spoken:
        # Somebody who speaks only once is known by speaking among, or right after, the others.
        end = spoken[-1] if len(spoken) > 1 else spoken[0] + 1
        inside, sure = range(spoken[0], min(end + 1, len(lines))), set(spoken)
        spoken = [i for i in inside if i in sure or _speaks(matches[i])]
    if len(spoken) < 2:
        spoken = _exchange(lines, matches)
    if len(spoken) < 2:
        return [], text
    turns: list[tuple[str, str]] = []
    first, last = spoken[0], spoken[-1]
    outside = lines[:first]
    speaking = set(spoken)
    for number in range(first, len(lines)):
        line, match = lines[number], matches[number]
        if number in speaking and match:
            turns.append((match["label"], match["text"].strip()))
        elif number > last and (outside[first:] or not line.strip() or is_instruction(line)):
            outside.append(line)
        elif line.strip():
            label, before = turns[-1]
            turns[-1] = (label, f"{before}\n{line.strip()}")
    return turns, "\n".join(outside).strip()


def _exchange(lines: list[str], matches: list[re.Match[str] | None]) -> list[int]:
    """The lines of a last paragraph in which everybody speaks once, whatever they are called."""
    blanks = [number for number, line in enumerate(lines) if not line.strip() and any(lines[number + 1 :])]
    last = range(blanks[-1] + 1, len(lines)) if blanks else range(0)
    rows = [number for number in last if lines[number].strip()]
    return rows if all(_speaks(matches[number]) for number in rows) else []


def _speaks(match: re.Match[str] | None) -> bool:
    if match is None or not match["text"].strip():
        return False
    return not match["label"][0].islower() and len(match["label"].split()) <= 2


def _labelled_inline(text: str) -> tuple[list[tuple[str, str]], str]:
    marks = list(_INLINE.finditer(text))
    counts = Counter(mark[1].lower() for mark in marks)
    marks = [m for m in marks if role_of(m[1]) or (counts[m[1].lower()] > 1 and m[1][0].isupper())]
    if len(marks) < 3 or len({mark[1].lower() for mark in marks}) < 2:
        return [], text
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    turns = [(m[1], text[m.end() : end].strip()) for m, end in zip(marks, ends, strict=True)]
    label, tail = turns[-1]
    blocks = _BLANK.split(tail)
    rest = [text[: marks[0].start()].strip()]
    if len(blocks) > 1 and is_instruction(blocks[-1]):
        rest.append(blocks.pop())
        turns[-1] = (label, "\n".join(blocks))
    return turns, "\n".join(part for part in rest if part)


def _plain(text: str) -> list[tuple[str, str]]:
    return [("", line.strip()) for line in text.split("\n") if line.strip()]


def _paragraphs(prompt: str) -> Source:
    blocks = [block.strip() for block in _BLANK.split(prompt) if block.strip()]
    if len(blocks) == 1:
        blocks = [line.strip() for line in blocks[0].split("\n") if line.strip()]
    if len(blocks) == 1:
        blocks = _split_one(blocks[0])
    asked: list[str] = []
    while blocks and is_instruction(blocks[0]):
        asked.append(blocks.pop(0))
    while blocks and is_instruction(blocks[-1]):
        asked.append(blocks.pop())
    return Source("\n".join(asked), _plain("\n".join(blocks)))


def _split_one(text: str) -> list[str]:
    head, colon, tail = text.partition(":")
    if colon and len(head.split()) <= 40 and len(tail.split()) >= 8 and is_instruction(head + ":"):
        return [head + ":", tail.strip()]
    return re.split(r"(?<=[.!?。！？])\s+", text)


def strip_stage(text: str) -> str:
    """Text without stage directions such as *typing* or [crosstalk]."""
    return _STAGE.sub(" ", text) if "*" in text or "[" in text or "(" in text else text


class Unit(NamedTuple):
    """One sentence, or a question with its short answer. `words` are lower-case, in order."""

    text: str
    label: str
    turn: int
    words: list[str]
    asks: bool


def split_units(turns: list[tuple[str, str]]) -> list[Unit]:
    """The sentence units of a conversation, in reading order."""
    units: list[Unit] = []
    for number, (label, text) in enumerate(turns):
        for sentence in _sentences(strip_stage(text)):
            words = words_of(sentence)
            if not words:
                continue
            unit = Unit(sentence, label, number, words, sentence.endswith(("?", "？")))
            if units and _answers(units[-1], unit):
                asked = units.pop()
                reply = f"{label}: {sentence}" if label else sentence
                unit = asked._replace(text=f"{asked.text} {reply}", words=asked.words + words)
            units.append(unit)
    return units


def words_of(text: str) -> list[str]:
    """Lower-case words; scripts written without spaces give pairs of characters."""
    lower = text.lower().replace("’", "'")
    if lower.isascii():
        return _PLAIN_WORDS.findall(lower)
    words = []
    for word in _MARKED.findall(lower):
        dense = _DENSE.fullmatch(word)
        words += [word[i : i + 2] for i in range(max(len(word) - 1, 1))] if dense else [word]
    return words


def trim_leading(text: str) -> str:
    """A sentence without the fillers it opens with, unless nothing else would be left."""
    match = _LEADING.match(text)
    if not match or len(text) - match.end() < 12:
        return text
    rest = text[match.end() :]
    return rest[0].upper() + rest[1:] if text[0].isupper() else rest


def _answers(asked: Unit, unit: Unit) -> bool:
    """A short reply means nothing without its question, so the two are one unit."""
    return asked.asks and unit.turn == asked.turn + 1 and len(unit.words) <= 5 and len(asked.words) <= 18


def _sentences(text: str) -> list[str]:
    parts: list[str] = []
    start = 0
    for match in _ENDS.finditer(text):
        part = text[start : match.end()].strip()
        if part.endswith(".") and part[:-1].rpartition(" ")[2].lower() in cues.ABBREVIATIONS:
            continue
        parts.append(part)
        start = match.end()
    parts.append(text[start:].strip())
    sentences = []
    for part in parts:
        text = " ".join(part.split()) if "  " in part or "\t" in part else part
        if text.count(" ") > _LONGEST and text[-1] not in "?!" and "," not in text[:-1]:
            sentences += _unpunctuated(part)
        elif text:
            sentences.append(text)
    return sentences


def _unpunctuated(text: str) -> list[str]:
    """Cut running speech at pauses, then where a new thought seems to open, at worst by length."""
    pieces = []
    for stretch in _PAUSES.split(text):
        words = stretch.split()
        start = 0
        for at in range(1, len(words)):
            length = at - start
            if length >= _opening(words, at) and (len(words) - at >= 3 or length >= _LONGEST):
                pieces.append(" ".join(words[start:at]))
                start = at
        if words[start:]:
            pieces.append(" ".join(words[start:]))
    return pieces


def _opening(words: list[str], at: int) -> int:
    """How many words must have gone by for a cut before the word at `at`."""
    word, before = words[at].lower(), words[at - 1].lower()
    after = words[at + 1].lower() if at + 1 < len(words) else ""
    if word in cues.OPENERS:
        return 5
    if word in cues.JOINERS and after in cues.SUBJECTS:
        return 7
    if word in cues.SUBJECTS and before not in _BOUND:
        return 12
    return _LONGEST
