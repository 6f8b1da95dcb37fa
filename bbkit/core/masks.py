"""Masks: personal and secret data that has a form is replaced by its kind in any text, and counted.

Masking is not anonymisation: names, addresses and whatever has no form stay.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from itertools import chain

from bbkit.core.files import read_data

EMAIL, PHONE, CARD, IBAN, ACCOUNT = "e-mail", "phone", "card", "IBAN", "account id"
AWS_KEY, SECRET = "AWS key", "secret"

KINDS = {
    EMAIL: "e-mail addresses",
    PHONE: "phone numbers",
    CARD: "card numbers",
    IBAN: "IBANs",
    ACCOUNT: "AWS account ids",
    AWS_KEY: "AWS and Bedrock keys",
    SECRET: "tokens, passwords, private keys and signatures of URLs",
}
"""What is looked for, by the name that takes its place."""

Mask = tuple[int, int, str]
"""Where in a text something is, and its kind."""

Finder = Callable[[str], Iterable[Mask]]


def mask_text(text: str) -> tuple[str, Counter[str]]:
    """Put its kind, in brackets, in the place of everything that `find_masks` finds."""
    masks = find_masks(text)
    return put_masks([text], masks)[0], Counter(name for *_, name in masks)


def put_masks(parts: Iterable[str], masks: Iterable[Mask]) -> list[str]:
    """Put masks that were found in the parts as one text into each part."""
    masked, open_masks, offset = [], sorted(masks, reverse=True), 0
    for part in parts:
        end, position, pieces = offset + len(part), offset, []
        while open_masks and open_masks[-1][0] < end:
            start, stop, name = open_masks.pop()
            pieces.append(part[position - offset : max(start, offset) - offset])
            pieces += [f"[{name}]"] if start >= offset else []
            position = min(stop, end)
            if stop > end:  # the rest of it is in the next part
                open_masks.append((start, stop, name))
                break
        masked.append("".join(pieces) + part[position - offset :])
        offset = end
    return masked


def find_masks(text: str, own: Iterable[Finder] = ()) -> list[Mask]:
    """Find what `KINDS` names, and what `own` finds before it, in the order of the text."""
    found: list[Mask] = []
    if not own and not _WORTH_A_LOOK.search(text):
        return found
    rest = (text if text.isascii() else text.translate(_FOLDED)).replace("\0", " ")

    def take(spans: Iterable[Mask]) -> str:
        """Keep what overlaps nothing; the rest, as long as before, has nothing to find in its place."""
        pieces, last = [], 0
        for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
            if start >= last and "\0" not in rest[start:end]:
                pieces += [rest[last:start], "\0" * (end - start)]
                last = end
                found.extend([(start, end, kind)] if kind else [])
        return "".join(pieces) + rest[last:]

    for find in (*own, _find_secrets):
        rest = take(find(rest))
    if "@" in rest or "%40" in rest:
        rest = take(found for found in _find(_EMAIL, EMAIL, rest) if not rest.startswith("git@", found[0]))
    if _SEVEN_DIGITS.search(rest) or _IBAN_START.search(rest):
        rest = rest.replace("_", " ")
        rest = take((*match.span(), "") for match in _known("numbers").finditer(rest))
        # In this order, since some look like others.
        for find in (
            _find_ibans,
            _find_cards,
            partial(_find, _PLUS_PHONE, PHONE),
            partial(_find, _ACCOUNT, ACCOUNT),
            partial(_find, _known("phones", _NUMBER, _NUMBER_END), PHONE),
            _find_called_phones,
        ):
            rest = take(find(rest))
    return sorted(found)


class _Fold(dict[int, str]):
    """How a character is read: digits of any script as 0-9, spaces and dashes as one, wide forms as ASCII."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        points = {"\u2212": "-", "\u3002": ".", "\u00b7": ".", "\u2022": "."}
        folded = points.get(character) or unicodedata.normalize("NFKC", character)
        match unicodedata.category(character):
            case "Nd":
                folded = str(unicodedata.digit(character))
            case "Zs" | "Cf" if character not in "\u200c\u200d":  # which words of some languages hold
                folded = " "
            case "Pd":
                folded = "-"
        self[code] = folded if len(folded) == 1 and folded.isascii() else character
        return self[code]


_FOLDED = _Fold()

# Each pattern begins with a set of characters and looks back only then: that is what `re` scans for fast.
_WORTH_A_LOOK = re.compile(r"[@0-9\u0660-\U0001fbf9:=]|[\w.-]{20}")
# Every known token is in a run such as this, of which prose has few.
_RUN = re.compile(r"[\w+/=.~%:@-]{20,}")
_TOKEN = r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-F]{2}))"
_SCHEME = re.compile(r"(?i)(?<![a-z])(?:bearer|basic|negotiate|ssws)[ :]{1,3}$")
_VALUE = re.compile(
    r"(?:[:=]|%3[AD])(?=>?[\\\"' ]{0,6}"
    r"([^\s\\\"'&<>,;:=(\[{](?:[^\s\\\"'&<>,;]|\\(?![\\\"])){5,1000}))"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]*(?:-(?!----)[^-]*)*-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
    r"|(?:(?:\s|\\[nr])*[A-Za-z0-9+/=]{16,})*)"
)
_URL_PASSWORD = re.compile(r"://[^\s/:@\"'<>]{0,64}:(?P<value>[^\s/@\"'<>]{3,128})@")
_SEVEN_DIGITS = re.compile(r"[0-9](?:[^0-9]{0,3}[0-9]){6}")
# The marks and pictures that domains may hold and that are no letters to `re`.
_MARK = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0e4e\u0e80-\u109f"
    "\u1780-\u17d3\u200c\u200d\u2600-\u27bf\u3099\u309a\U0001f300-\U0001faff"
)
_LOCAL = rf"\-\w.+%{_MARK}"
_EMAIL = re.compile(
    rf"(?:[{_LOCAL}](?<![{_LOCAL}].)[{_LOCAL}']{{0,200}}|\"[^\"\n]{{1,64}}\")(?:@|%40)(?:\[[0-9A-Za-z.:]{{3,50}}\]|"
    rf"(?:[\w{_MARK}-]{{1,63}}\.){{1,8}}(?:xn--[A-Za-z0-9-]{{2,59}}|(?:[^\W\d_]|[{_MARK}]){{2,63}}))"
)

_GAP = r"[\s.\-/]"
_IBAN_START = re.compile(rf"[A-Za-z](?:(?<![A-Za-z0-9].)|(?<=IBAN.))[A-Za-z](?={_GAP}?[0-9]{{2}})")
_CARD = re.compile(r"[2-689](?<![0-9].)(?<![0-9]\..)(?:[ \t.\-/()]{0,3}[0-9]){12,18}")
_GROUP = re.compile("[0-9]+")
_GOES_ON = re.compile(r"[0-9a-z]|\.(?!0+(?![0-9]))[0-9]")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
_PLUS_PHONE = re.compile(r"(?:\+(?<![\w+].)|%2[Bb])[1-9](?:[ ().\-/]{0,3}[0-9]){6,14}(?![\w\-])")
_ACCOUNT = re.compile(
    r"[0-9](?<![0-9A-Za-z].)(?:[0-9]{11}(?<!000000)|[0-9]{3}(?<![A-Z]-.{4})-[0-9]{4}-[0-9]{4})(?![0-9A-Za-z])"
)
_NUMBER, _NUMBER_END = r"(?=[(0-9])(?<![\w+])(?<![0-9][.,])", r"(?![\w\-]|[.,][0-9]| ?%)"
_DIGITS = re.compile(r"[(0-9](?<![\w+].)[0-9]{0,5}(?:[ ().\-]{0,2}[0-9]){6,14}(?![\w\-]|\.[1-9])")


@cache
def _known(name: str, before: str = "", after: str = "") -> re.Pattern[str]:
    """The forms of one part of ``catalog/data/masks.json``, which says what each is for, as one pattern."""
    forms = read_data("masks")[name]["forms"]
    listed = (form if isinstance(form, list) else [form] for form in forms.values())
    return re.compile(f"{before}(?:{'|'.join(chain.from_iterable(listed))}){after}")


def _follows(name: str, text: str, position: int) -> bool:
    """Whether a word of one part of the data is right before a position."""
    between = {"secret_names": r"[\\\"' ]{0,6}$", "phone_words": r"[^0-9\n]{0,16}$"}[name]
    line = text[max(0, position - 40) : position].rpartition("\n")[2]
    return any(map(str.isalpha, line)) and bool(_known(name, "(?i)", between).search(line))


@cache
def is_telling(name: str) -> bool:
    """Whether what stands under this name is a phone number or a secret, whatever its form."""
    return any(_follows(words, name, len(name)) for words in ("secret_names", "phone_words"))


@cache
def _iban_form(country: str) -> re.Pattern[str] | None:
    length = read_data("masks")["iban_lengths"]["lengths"].get(country)
    rest = rf"[A-Za-z]{{2}}{_GAP}?[0-9]{{2}}(?:{_GAP}{{0,2}}[A-Za-z0-9]){{{length and length - 4}}}"
    return re.compile(rf"{rest}(?![A-Za-z0-9])") if length else None


def _find(pattern: re.Pattern[str], kind: str, text: str, *within: int) -> Iterator[Mask]:
    """Find all of a pattern, or of its group `value` if it has one."""
    group = "value" if "value" in pattern.groupindex else 0
    return ((*match.span(group), kind) for match in pattern.finditer(text, *within))


def _find_secrets(text: str) -> Iterator[Mask]:
    if "PRIVATE KEY" in text:
        yield from _find(_PRIVATE_KEY, SECRET, text)
    if "://" in text and "@" in text:
        yield from _find(_URL_PASSWORD, SECRET, text)
    for run in _RUN.finditer(text):
        start, end = run.span()
        yield from _find(_known("aws_keys", _TOKEN), AWS_KEY, text, start, end)
        yield from _find(_known("secrets", _TOKEN), SECRET, text, start, end)
        if _is_mixed(run[0]) and _SCHEME.search(text, max(0, start - 14), start):
            yield start, end, SECRET
    for match in _VALUE.finditer(text):
        if _is_mixed(match[1]) and _follows("secret_names", text, match.start()):
            yield *match.span(1), SECRET


def _is_mixed(value: str) -> bool:
    """Tell a secret from a word, a count or the name of a thing after the same word."""
    value = value.rstrip("])}.!?")
    is_word = value.isalpha() and (value.islower() or value.istitle())
    is_variable = value.isupper() and value.replace("_", "").isalpha() and "_" in value
    elsewhere = ("arn:", "s3:", "http", "${", "$(", "os.environ", "process.env")
    return any(map(str.isalpha, value)) and not (is_word or is_variable) and not value.startswith(elsewhere)


def _find_ibans(text: str) -> Iterator[Mask]:
    for start in _IBAN_START.finditer(text):
        form = _iban_form(start[0].upper())
        if form and (match := form.match(text, start.start())) and _is_iban(match[0]):
            yield *match.span(), IBAN


def _find_cards(text: str) -> Iterator[Mask]:
    position = 0
    while match := _CARD.search(text, position):
        start = match.start()
        groups = [group.span() for group in _GROUP.finditer(text, start, match.end())]
        end = start
        while groups and end == start:
            end = groups[-1][1] if _is_card(text, groups) else start
            groups.pop()
        if end > start:
            yield start, end, CARD
        position = max(end, start + 1)


def _find_called_phones(text: str) -> Iterator[Mask]:
    """Any number of the right length, where a word before it says that it is called."""
    return (found for found in _find(_DIGITS, PHONE, text) if _follows("phone_words", text, found[0]))


def _is_card(text: str, groups: list[tuple[int, int]]) -> bool:
    """Tell a card number, in groups that card numbers are written in, by its issuer and its check digit."""
    if groups[-1][1] - groups[0][0] < 13 + len(groups) - 1 or _GOES_ON.match(text, groups[-1][1]):
        return False
    sizes = [end - start for start, end in groups]
    if not (len({*sizes[:-1]}) <= 1 and sizes[-1] <= sizes[0]) and sizes[:2] not in ([4, 6], [6, 13]):
        return False
    number = "".join(text[start:end] for start, end in groups)
    if len({*number}) == 1 or not _known("cards").fullmatch(number):
        return False
    codes = number.encode()
    return (sum(codes[-1::-2]) + sum(codes[-2::-2].translate(_DOUBLED)) - 48 * len(codes)) % 10 == 0


def _is_iban(text: str) -> bool:
    characters = "".join(filter(str.isalnum, text))
    return int("".join(str(int(character, 36)) for character in characters[4:] + characters[:4])) % 97 == 1
