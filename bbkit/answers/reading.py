"""What an answer holds: its JSON, found as it stands and never repaired, judged against the schema."""

import re
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from json import JSONDecoder
from typing import Any, NamedTuple

from bbkit.answers.schemas import load_validator
from bbkit.answers.signatures import Path, Unsigned, overflows, sign_schema, walk_values
from bbkit.core.frames import CAUSES
from bbkit.families import split_reasoning
from bbkit.families.json_schemas import format_path

MOST_DEPTH = 200
_CALLS_A_LEVEL = 40
_UNKNOWN = "unknown"
_MOST_VERDICTS = 10_000
_AROUND = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\ufeff"
_HIGH, _LOW, _HALF = (rf"u[dD][{digits}][0-9a-fA-F]{{2}}" for digits in ("89abAB", "c-fC-F", "89a-fA-F"))
_ESCAPE = re.compile(rf"\\(?:({_HIGH}\\{_LOW}|(?!{_HALF}).)|{_HALF})", re.DOTALL)
_MARKS = re.compile(r'["\\{}\[\]]')
_NESTED = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|[\[\]{}]', re.DOTALL)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_RANKS = {"type": 0, "enum": 1, "required": 2, "additionalProperties": 4}
_Candidate = tuple[Any, bool]


class Verdict(NamedTuple):
    """Whether an answer can be used, or why not; `value` is the object of a valid one."""

    validity: str
    form: str | None = None
    error: str | None = None
    value: dict[str, Any] | None = None


class AnswerReader:
    """Judges answers by one schema, which is asked once for all that it cannot tell apart."""

    def __init__(self, document: Mapping[str, Any]):
        self.document = document
        self._validator = load_validator(document)
        self._sign = sign_schema(document)
        self._errors: dict[Hashable, str | None] = {}

    def read(
        self, text: str | None, arguments: Sequence[str | None] | None = None, stop_reason: str | None = None
    ) -> Verdict:
        """Judge one answer; `arguments` are JSON texts as they came, None for a call that has none."""
        verdict = self._judge(text, arguments, stop_reason)
        if stop_reason == "length" and verdict.validity not in ("valid", "refused"):
            return _verdict("cut_off", verdict.form)
        return verdict

    def _judge(
        self, text: str | None, arguments: Sequence[str | None] | None, stop_reason: str | None
    ) -> Verdict:
        texts = list(map(_strip_argument, arguments)) if arguments else [_strip_text(text or "")]
        is_refused, form, candidates = stop_reason == "content_filter", "", list[_Candidate]()
        for each in texts:
            if _is_deep(each):
                return Verdict("malformed", None, "depth")
            if each and not is_refused:
                how, found = _find_candidates(each)
                form, candidates = form or how, candidates + found
        if is_refused:
            return _verdict("refused")
        if not candidates:
            whole = "".join(texts)
            return _verdict("empty" if not whole else "malformed" if "{" in whole else "no_json")
        return self._decide("tool_call" if arguments else form, candidates)

    def _decide(self, form: str, candidates: Sequence[_Candidate]) -> Verdict:
        fitting, verdict = None, Verdict("")
        for value, is_repeated in candidates:
            error = None if is_repeated else self._error_of(value)
            if is_repeated:
                verdict = _verdict("duplicate_key", form)
            elif error is not None:
                verdict = Verdict("off_schema", form, error)
            elif fitting is None:
                fitting = value
            elif _tagged(value) != _tagged(fitting):
                return _verdict("several", form)
        return verdict if fitting is None else Verdict("valid", form, None, fitting)

    def _error_of(self, value: Any) -> str | None:
        """What the schema refuses first in a value; None where it fits."""
        try:
            signature = self._sign(value)
        except Unsigned:
            return self._first_error(value)
        error = self._errors.get(signature, _UNKNOWN)
        if error is _UNKNOWN:
            if len(self._errors) >= _MOST_VERDICTS:
                self._errors.clear()
            error = self._errors[signature] = self._first_error(value)
        return error

    def _first_error(self, value: Any) -> str | None:
        found: dict[Path, list[str]] = {}
        with suppress(OverflowError), _deep_calls():  # a huge number is no multiple: told below
            for error in self._validator.iter_errors(value):
                word = str(error.validator or error.schema_path[-1])
                found.setdefault((*error.absolute_path,), []).append(word)
        for path, inner in walk_values(value):
            words = [*found.get(path, ()), *["type"] * overflows(inner)]
            if words:
                return f"{format_path(path)}: {min(words, key=lambda word: _RANKS.get(word, 3))}"
        return None


@contextmanager
def _deep_calls() -> Iterator[None]:
    """Let a schema that holds itself follow an answer down to the last of its levels."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + _CALLS_A_LEVEL * MOST_DEPTH)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def _verdict(cause: str, form: str | None = None) -> Verdict:
    return Verdict(cause, form, CAUSES[cause])


def _strip_text(text: str) -> str:
    text = text.strip(_AROUND)
    return split_reasoning(text)[0].strip(_AROUND) if text[:1] == "<" else text


def _strip_argument(text: str | None) -> str:
    text = (text or "").strip(_AROUND)
    return "" if text == "null" else text


def _find_candidates(text: str) -> tuple[str, list[_Candidate]]:
    """The JSON in a text: how it stands there, and each value with whether it repeats a key."""
    if whole := _parse(text):
        return "as_is", [whole]
    for form, parts in (("fenced", _list_fenced(text)), ("in_prose", _list_braced(text))):
        parsed = [one for part in parts if not _is_deep(part) and (one := _parse(part.strip(_AROUND)))]
        if objects := [one for one in parsed if type(one[0]) is dict]:
            return form, objects
    return "", []


def _list_fenced(text: str) -> Iterator[str]:
    """The content of code fences (https://spec.commonmark.org/0.31.2/#fenced-code-blocks)."""
    opened, content = "", list[str]()
    for line in re.split(r"\r\n?|\n", text):
        mark = _FENCE.match(line)
        if not opened:
            if mark and not (mark[1][0] == "`" and "`" in mark[2]):
                opened, content = mark[1], []
        elif mark and mark[1].startswith(opened) and not mark[2].strip(" \t"):
            yield "\n".join(content)
            opened = ""
        else:
            content.append(line)
    if opened:
        yield "\n".join(content)


def _list_braced(text: str) -> Iterator[str]:
    """Every balanced ``{...}`` that stands in no other and in no balanced ``[...]``."""
    marks = [(found.start(), found[0]) for found in _MARKS.finditer(text)]
    closing = _match(marks, "{", "}") | _match(marks, "[", "]")
    at = 0
    while at < len(marks):
        start, mark = marks[at]
        if (end := closing.get(at)) is not None:
            if mark == "{":
                yield text[start : marks[end][0] + 1]
            at = end
        at += 1


def _match(marks: Sequence[tuple[int, str]], opening: str, closing: str) -> dict[int, int]:
    """Where each opening mark closes, by JSON's rules of strings from it on: one pass, from the end."""
    none = len(marks)
    # The first closing mark without its opening from here on, read outside a string and inside one.
    outside, inside = [none] * (none + 2), [none] * (none + 2)
    closed: dict[int, int] = {}
    for at in range(none - 1, -1, -1):
        start, mark = marks[at]
        outside[at], inside[at] = outside[at + 1], inside[at + 1]
        if mark == '"':
            outside[at], inside[at] = inside[at], outside[at]
        elif mark == "\\":
            is_escape = at + 1 < none and marks[at + 1][0] == start + 1
            inside[at] = inside[at + 1 + is_escape]
        elif mark == closing:
            outside[at] = at
        elif mark == opening and outside[at] < none:
            closed[at] = outside[at]
            outside[at] = outside[closed[at] + 1]
    return closed


def _parse(text: str) -> _Candidate | None:
    """The one JSON value that a text is, and whether an object in it repeats a key; None where it is none."""
    if "\\" in text and "\\u" in text:
        text = _ESCAPE.sub(lambda found: found[0] if found[1] else "\\ufffd", text)
    try:
        try:
            (value, end), is_repeated = _scan(text), False
        except ValueError:
            value, end, is_repeated = _scan_slowly(text)
    except (ValueError, RecursionError):
        return None
    return (value, is_repeated) if end == len(text) else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is repeated")
    return found


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


_scan = JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse).raw_decode


def _scan_slowly(text: str) -> tuple[Any, int, bool]:
    """Read what repeats a key, or a number of more digits than Python converts."""
    is_repeated = False

    def gather(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal is_repeated
        found = dict(pairs)
        is_repeated |= len(found) < len(pairs)
        return found

    def whole(digits: str) -> int | float:
        return int(digits) if len(digits) < 400 else float(digits)

    decoder = JSONDecoder(object_pairs_hook=gather, parse_int=whole, parse_constant=_refuse)
    value, end = decoder.raw_decode(text)
    return value, end, is_repeated


def _is_deep(text: str) -> bool:
    """Whether brackets outside strings are nested too deep for any reader to be trusted with."""
    if text.count("{") + text.count("[") <= MOST_DEPTH:
        return False
    depth = 0
    for found in _NESTED.finditer(text):
        mark = found[0]
        depth = depth + 1 if mark in "[{" else max(depth - 1, 0) if mark in "]}" else depth
        if depth > MOST_DEPTH:
            return True
    return False


def _tagged(value: Any) -> Any:
    """A value that equals another as JSON does: ``1`` is ``1.0``, and not ``true``."""
    if type(value) is bool:
        return (value,)
    if type(value) is list:
        return list(map(_tagged, value))
    return {name: _tagged(inner) for name, inner in value.items()} if type(value) is dict else value
